// The page: reads the fields, asks the filter's own code, shows what it says.

import { adviceOn } from "./advice.js";
import { fromFile, fromText, withoutKeys } from "./certificate.js";
import { compare } from "./comparison.js";
import { examples } from "./examples.js";
import { Gate, readCertificate } from "./index.js";
import {
  clientError,
  configurationText,
  configurationToCopy,
  endpointsError,
  hasPrivateKey,
  readClient,
  readEndpoints,
} from "./registration.js";
import { readBody, readHeaders } from "./request.js";
import {
  byId,
  complain,
  setText,
  showAnswer,
  showCertificate,
  showComparison,
  showDecision,
  showSnippet,
} from "./view.js";

const host = "as.example.com";
const fieldNames = {
  client: "the registration",
  headers: "the headers",
  endpoints: "the endpoints",
};

// What the certificate's field does not show: a file's DER, and what was wrong with what it had before.
let held = {};
let timer;

function update() {
  clearTimeout(timer);
  try {
    show();
  } catch (error) {
    // Nothing that was decided about other input may stay on the screen.
    showNothing(`The filter's code failed: ${error.message}`);
  }
}

// Not at every keystroke: what is half typed is wrong, and screen readers would read each error aloud.
function updateSoon() {
  clearTimeout(timer);
  timer = setTimeout(update, 300);
}

function show() {
  const { given, certificate } = takeCertificate();
  showCertificate(certificate);
  const { endpoints, client, gate } = takeConfiguration();
  showSnippet(gate && configurationToCopy(endpoints, client));
  showComparison(gate && certificate && compare(gate, endpoints, client, given, certificate));
  const headers = attempt("headers", () => readHeaders(byId("headers").value));
  const { body, note } = readBody(byId("body").value);
  setText("body-note", note);
  if (!gate || !headers) {
    const wrong = ["client", "headers", "endpoints"].filter(
      (field) => byId(field).getAttribute("aria-invalid") === "true",
    );
    showDecision({
      kind: "undecided",
      words: `Missing or wrong: ${wrong.map((field) => fieldNames[field]).join(", ")}. See there.`,
    });
    showAnswer();
    return;
  }
  const chainValid = { yes: true, no: false, silent: null }[
    document.querySelector('[name="chain"]:checked').value
  ];
  const decision = gate.decide({
    method: byId("method").value,
    path: byId("path").value,
    host,
    headers,
    body,
    certificate: given,
    chainValid,
  });
  showDecision({
    ...decision,
    kind: decision.pass ? "pass" : "refuse",
    words: adviceOn(decision, chainValid),
  });
  showAnswer(decision);
}

function showNothing(words) {
  showDecision({ kind: "undecided", words });
  for (const showNone of [showAnswer, showCertificate, showComparison, showSnippet]) showNone();
}

function takeCertificate() {
  const { given, note } = held.octets
    ? { given: held.octets, note: "" }
    : fromText(byId("certificate").value);
  setText("certificate-note", note);
  let certificate, error;
  try {
    certificate = given ? readCertificate(given) : undefined;
  } catch ({ message }) {
    error = `No certificate can be read here: ${message}.`;
  }
  complain("certificate", held.problem ?? error ?? "");
  return { given, certificate };
}

function takeConfiguration() {
  const endpoints = readEndpoints(byId("endpoints").value);
  const text = byId("client").value;
  const guarded = attempt(
    "endpoints",
    () => new Gate(configurationText(endpoints, "")),
    (message) => endpointsError(message, endpoints),
  );
  const client = attempt(
    "client",
    () => {
      const read = readClient(text);
      // Alone, so that this field's errors do not hide behind the other's.
      new Gate(configurationText([], text));
      return read;
    },
    clientError,
  );
  setText(
    "client-note",
    hasPrivateKey(client)
      ? "There is a private key in jwks, which no registration needs: treat it as exposed and replace it."
      : "",
  );
  return {
    endpoints,
    client,
    gate: guarded && client && new Gate(configurationText(endpoints, text)),
  };
}

/** What `read` gives; or `undefined`, and its error at the field. */
function attempt(field, read, word = (message) => message) {
  try {
    const value = read();
    complain(field, "");
    return value;
  } catch (error) {
    complain(field, word(error.message));
    return undefined;
  }
}

// One paste can come in several events: what was removed at the first is told after the last.
let removing = false;

function takeText(text) {
  const { text: rest, problem } = withoutKeys(text);
  if (removing && !problem && rest === held.text) return;
  if (byId("certificate").value !== rest) byId("certificate").value = rest;
  held = { text: rest, problem };
  if (!problem) return;
  removing = true;
  setTimeout(() => (removing = false));
}

// Files take a while to be read. What came later, from wherever, wins.
let turns = 0;

async function takeFiles(list) {
  const turn = ++turns;
  const [file] = list;
  const read = await fromFile(file).catch(({ message }) => ({ text: "", problem: message }));
  if (turn !== turns) return;
  held = {};
  takeText(read.text);
  held.octets = read.octets;
  held.problem ??= read.problem;
  const others = list.length > 1 ? `, the first of ${list.length} files` : "";
  setText(
    "file-name",
    read.problem
      ? ""
      : `${file.name}${others}${read.octets ? `, ${read.octets.length} bytes of DER` : ""}`,
  );
  press(null);
  update();
}

function press(button) {
  for (const each of document.querySelectorAll("[data-example]"))
    each.setAttribute("aria-pressed", String(each === button));
}

function useExample(button) {
  turns++;
  held = {};
  setText("file-name", "");
  for (const [field, value] of Object.entries(examples[button.dataset.example]))
    byId(field).value = value;
  document.querySelector('[name="chain"][value="yes"]').checked = true;
  press(button);
  update();
}

byId("certificate").addEventListener("input", ({ target }) => {
  turns++;
  setText("file-name", "");
  takeText(target.value);
});
document.querySelector(".inputs").addEventListener("input", ({ target }) => {
  if (target.type === "file") return;
  press(null);
  if (target.type === "radio") update();
  else updateSoon();
});
byId("file").addEventListener("change", ({ target }) => {
  const chosen = [...target.files];
  // So that the same file can be chosen again, when it has changed.
  target.value = "";
  if (chosen.length) takeFiles(chosen);
});

const hasFiles = ({ dataTransfer }) => dataTransfer.types.includes("Files");
const drop = byId("drop");
// A browser opens a file that is dropped where nobody takes it, in place of this page. Text goes where it is dropped.
for (const kind of ["dragenter", "dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    const over = drop.contains(event.target);
    event.dataTransfer.dropEffect = over ? "copy" : "none";
    drop.classList.toggle("dropping", over && kind !== "drop");
    if (over && kind === "drop" && event.dataTransfer.files.length)
      takeFiles([...event.dataTransfer.files]);
  });
}
document.addEventListener(
  "dragleave",
  ({ relatedTarget }) => relatedTarget ?? drop.classList.remove("dropping"),
);

for (const button of document.querySelectorAll("[data-example]"))
  button.addEventListener("click", () => useExample(button));
byId("copy").addEventListener("click", async () => {
  // What was typed just now counts, too.
  update();
  if (byId("snippet-card").hidden) return;
  try {
    await navigator.clipboard.writeText(byId("snippet").textContent);
    setText("copied", "Copied.");
  } catch {
    getSelection().selectAllChildren(byId("snippet"));
    setText("copied", "Selected: copy it with your keyboard.");
  }
});

// On a narrow screen the decision is far below; the bar shows it as long as it is out of sight.
new IntersectionObserver(([{ isIntersecting }]) => (byId("bar").hidden = isIntersecting), {
  rootMargin: "0px 0px -96px",
}).observe(byId("verdict"));

useExample(document.querySelector('[data-example="subject"]'));
