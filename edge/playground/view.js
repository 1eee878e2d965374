// What is shown. Text goes in as text, never as HTML, and only where it changed: screen readers tell every change.

export const byId = (id) => document.getElementById(id);

// A name may be as long as somebody likes; it is whole in the comparison.
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
  last.append(element("code", detail?.length > longest ? `${detail.slice(0, longest)}…` : detail));
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
    row.append(
      Object.assign(element("th", part), { scope: "row" }),
      lines(registered),
      lines(certificate),
    );
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
  setText(
    "answer",
    [
      `HTTP/1.1 ${status}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      "",
      body,
    ].join("\n"),
  );
}

export function showSnippet(copy) {
  byId("snippet-card").hidden = !copy;
  setText("copied", "");
  if (!copy) return;
  setText("snippet", JSON.stringify(copy.configuration, null, 2));
  const { secret, unused } = copy.left;
  const notes = [];
  if (secret.length) notes.push(`Left out as secret: ${list(secret)}.`);
  if (secret.includes("backend_authentication"))
    notes.push("The filter uses backend_authentication: add it where the filter runs.");
  if (unused.length) notes.push(`Left out as unused by the filter: ${list(unused)}.`);
  setText("left", notes.join(" "));
}

function list(names) {
  const shown = names.slice(0, 8).map((name) => name.slice(0, 40));
  return (
    shown.join(", ") +
    (names.length > shown.length ? ` and ${names.length - shown.length} more` : "")
  );
}
