// What is shown. Text goes in as text, never as HTML, and only where it changed: screen readers
// report every change.

export const byId = (id) => document.getElementById(id);

// A name may be as long as its issuer likes; it is whole in the comparison.
const longest = 300;

const element = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });

export function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

/** An error beside its field; none if the message is empty. */
export function complain(field, message) {
  setText(`${field}-error`, message);
  byId(field).setAttribute("aria-invalid", String(Boolean(message)));
}

const verdicts = { pass: "Passes: ", refuse: "Refused: ", undecided: "Nothing is decided" };

/** `kind` is one of the above; `words` say what to do about it. */
export function showDecision({ kind, status, code = "", words, detail }) {
  const decision = byId("decision");
  const shown = JSON.stringify([kind, status, code, words, detail]);
  if (decision.dataset.shown === shown) return;
  decision.dataset.shown = shown;
  decision.className = kind;
  const first = element("p", "");
  first.append(
    kind === "refuse" ? `Refused with ${status}: ` : verdicts[kind],
    element("code", code),
  );
  const last = element("p", "The filter logs: ");
  const short = detail?.length > longest ? `${detail.slice(0, longest)}…` : detail;
  last.append(element("code", short));
  decision.replaceChildren(first, element("p", words), ...(detail ? [last] : []));
  byId("bar").className = kind;
  setText("bar", verdicts[kind] + code);
}

export function showComparison(comparison) {
  byId("comparison-card").hidden = !comparison;
  if (!comparison) return;
  setText("comparison-says", comparison.says);
  const rows = comparison.rows.map(({ part, registered, certificate, differs }) => {
    const row = element("tr", "");
    row.classList.toggle("difference", differs);
    const heading = Object.assign(element("th", part), { scope: "row" });
    row.append(heading, lines(registered), lines(certificate));
    return row;
  });
  document.querySelector("#comparison tbody").replaceChildren(...rows);
}

function lines(texts) {
  const cell = element("td", "");
  cell.append(...texts.map((text) => element("div", text)));
  return cell;
}

export function showCertificate(certificate) {
  byId("details-card").hidden = !certificate;
  if (!certificate) return;
  const { subject, subjectError, alternativeNames, notBefore, notAfter, thumbprint } = certificate;
  const rows = [
    ["Subject", subject || subjectError || "empty"],
    ...alternativeNames.map(({ type, value }) => [`SAN ${type}`, value]),
    ["Valid", `${notBefore} to ${notAfter}`],
    ["x5t#S256", thumbprint],
  ];
  byId("details").replaceChildren(
    ...rows.flatMap(([term, text]) => [element("dt", term), element("dd", text)]),
  );
}

/** What the client reads; `undefined` where nothing was decided. */
export function showAnswer(decision) {
  byId("answer-card").hidden = !decision || decision.pass;
  if (!decision || decision.pass) return;
  const { status, headers, body } = decision;
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  setText("answer", [`HTTP/1.1 ${status}`, ...fields, "", body].join("\n"));
}

/** Configurations to choose from, of which `chosen` is shown; `undefined` where there is none. */
export function showOffers(shown) {
  byId("snippet-card").hidden = !shown;
  setText("copied", "");
  if (!shown) return;
  const { offers, chosen, says, configuration, left } = shown;
  showChoices(offers, chosen);
  setText("snippet-says", says);
  setText("snippet", JSON.stringify(configuration, null, 2));
  const notes = [];
  if (left.secret.length) notes.push(`Left out as secret: ${list(left.secret)}.`);
  if (left.secret.includes("backend_authentication")) {
    notes.push("The filter uses backend_authentication: add it where the filter runs.");
  }
  if (left.unused.length) notes.push(`Left out as unused by the filter: ${list(left.unused)}.`);
  setText("left", notes.join(" "));
}

function showChoices(offers, chosen) {
  const choices = byId("offers");
  choices.hidden = offers.length < 2;
  const labels = JSON.stringify(offers.map(({ id, label }) => [id, label]));
  // What has the focus stays where it is.
  if (choices.dataset.shown !== labels) {
    choices.dataset.shown = labels;
    const rows = offers.map(({ id, label }) => {
      const row = element("label", "");
      const input = Object.assign(element("input", ""), {
        type: "radio",
        name: "offer",
        value: id,
      });
      row.append(input, ` ${label}`);
      return row;
    });
    choices.replaceChildren(choices.firstElementChild, ...rows);
  }
  for (const input of choices.querySelectorAll("input")) input.checked = input.value === chosen.id;
}

function list(names) {
  const shown = names.slice(0, 8).map((name) => name.slice(0, 40));
  const rest = names.length - shown.length;
  return shown.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
