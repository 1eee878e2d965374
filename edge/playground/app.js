// The page: reads the fields, asks the filter's own code, shows what it says.

import { adviceOn } from "./advice.js";
import { fromFile, fromText, withoutKeys } from "./certificate.js";
import { compare, heldTo, usesCertificate } from "./comparison.js";
import { examples } from "./examples.js";
import { Gate, readCertificate } from "./index.js";
import { hasPrivateKey, offersFor, registered } from "./offers.js";
import {
  clientError,
  clientOf,
  endpointsError,
  readEndpoints,
  readRegistration,
} from "./registration.js";
import { clientIdIn, hostIn, readBody, readHeaders } from "./request.js";
import {
  byId,
  complain,
  setText,
  showAnswer,
  showCertificate,
  showComparison,
  showDecision,
  showOffers,
} from "./view.js";

const fieldNames = {
  client: "the registration",
  headers: "the headers",
  endpoints: "the endpoints",
};

// What the certificate's field does not show: a file's DER, and what was wrong with what it had.
let held = {};
// The configuration that was chosen, until something else is pasted.
let chosenId;
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

// Not at every keystroke: what is half typed is wrong, and screen readers would read each error
// aloud.
function updateSoon() {
  clearTimeout(timer);
  timer = setTimeout(update, 300);
}

function show() {
  const peer = takeCertificate();
  showCertificate(peer.certificate);
  const request = takeRequest();
  const registration = takeRegistration(request.clientId);
  const endpoints = takeEndpoints(registration);
  const isWrong = (field) => byId(field).getAttribute("aria-invalid") === "true";
  const gate =
    registration && !isWrong("client") && !isWrong("endpoints")
      ? new Gate(registration.configuration(endpoints))
      : undefined;
  const decision = gate && request.headers && decide(gate, registration, request, peer);
  const client = gate && clientOf(registration, decision?.clientId ?? request.clientId);
  showComparison(client && peer.certificate && compare(client, peer.given, peer.certificate));
  const isEmpty = !registration && !isWrong("client");
  showOffers(gate || isEmpty ? offered(client, request, endpoints, registration, peer) : undefined);
  showAnswer(decision);
  if (decision) return;
  const wrong = Object.keys(fieldNames).filter(isWrong);
  const names = wrong.map((field) => fieldNames[field]).join(", ");
  const words = wrong.length ? `What is wrong: ${names}. See there.` : next(peer.certificate);
  showDecision({ kind: "undecided", words });
}

const next = (certificate) =>
  certificate
    ? "Paste in field 2 what the client registered, or register the client as shown below."
    : "Paste a certificate in field 1, and in field 2 what the client registered.";

// What the TLS server says of the chain.
function verified() {
  const { value } = document.querySelector('[name="chain"]:checked');
  return { yes: true, no: false, silent: null }[value];
}

function decide(gate, { host }, request, { given }) {
  const chainValid = verified();
  const decision = gate.decide({
    method: byId("method").value,
    path: byId("path").value,
    host: hostIn(request.headers) ?? host ?? "as.example.com",
    headers: request.headers,
    body: request.body,
    certificate: given,
    chainValid,
  });
  const kind = decision.pass ? "pass" : "refuse";
  showDecision({ ...decision, kind, words: adviceOn(decision, chainValid) });
  return decision;
}

// The configurations that may be copied, and the one that is shown.
function offered(client, request, endpoints, registration, { given, certificate }) {
  const clientId = client?.client_id ?? request.clientId ?? "client";
  const { offers, left } = offersFor(client, clientId, certificate, given);
  if (!offers.length) return undefined;
  const chosen = offers.find(({ id }) => id === chosenId) ?? offers[0];
  const clients = [chosen.client];
  const isWhole = registration?.endpoints !== undefined;
  const configuration = endpoints.length && !isWhole ? { endpoints, clients } : { clients };
  const says = [];
  const held = heldTo(chosen.client);
  const needsChain = held?.token_endpoint_auth_method === "tls_client_auth" && verified() !== true;
  if (held && certificate) {
    const where = needsChain ? ", where the TLS server has verified its chain" : "";
    says.push(`With this the certificate is accepted${where}.`);
  }
  if (!usesCertificate(chosen.client)) {
    const left = held ? "With its certificate, the" : "The";
    says.push(`${left} filter leaves this client to the authorization server.`);
  }
  if (chosen.id !== registered) {
    says.push("Use it only if the certificate is the client's own.");
    const isFree = client && !heldTo(client);
    if (isFree) says.push("What is registered now lets the client come with any certificate.");
    else if (client) says.push("What is registered now is refused with this certificate.");
  }
  if (isWhole || registration?.clients.length > 1) {
    says.push("This is the one client: the others stay as they are.");
  }
  return { offers, chosen, says: says.join(" "), configuration, left };
}

function showNothing(words) {
  showDecision({ kind: "undecided", words });
  for (const showNone of [showAnswer, showCertificate, showComparison, showOffers]) showNone();
}

function takeCertificate() {
  const pasted = byId("certificate").value;
  const { given, note } = held.octets ? { given: held.octets, note: "" } : fromText(pasted);
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

function takeRequest() {
  const headers = attempt("headers", () => readHeaders(byId("headers").value));
  const { body, note } = readBody(byId("body").value);
  setText("body-note", note);
  return { headers, body, clientId: clientIdIn(body) };
}

function takeRegistration(clientId) {
  let read;
  const registration = attempt(
    "client",
    () => {
      read = readRegistration(byId("client").value, clientId);
      // Without the endpoints, so that this field's errors do not hide behind the other's.
      if (read) new Gate(read.configuration([]));
      return read;
    },
    (message) => (read ? clientError(message, read) : message),
  );
  const notes = [registration?.note];
  if (registration?.clients.some(hasPrivateKey)) {
    notes.push(
      "There is a private key in jwks, which no registration needs: treat it as exposed and " +
        "replace it.",
    );
  }
  setText("client-note", notes.filter(Boolean).join(" "));
  return registration;
}

// Those of field 4, unless field 2 has a configuration with its own.
function takeEndpoints(registration) {
  const own = registration?.endpoints;
  byId("endpoints").disabled = own !== undefined;
  const guarded = own?.length ? `It guards ${own.join(", ")}.` : "It guards every path.";
  setText("endpoints-note", own ? `The configuration in field 2 counts. ${guarded}` : "");
  if (own) {
    complain("endpoints", "");
    return [];
  }
  const endpoints = readEndpoints(byId("endpoints").value);
  attempt(
    "endpoints",
    () =>
      new Gate(JSON.stringify({ endpoints: endpoints.length ? endpoints : ["/"], clients: [] })),
    (message) => endpointsError(message, endpoints),
  );
  return endpoints;
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

// One paste can come in several events: what was removed at the first is reported after the last.
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
  const size = read.octets ? `, ${read.octets.length} bytes of DER` : "";
  setText("file-name", read.problem ? "" : `${file.name}${others}${size}`);
  press(null);
  update();
}

function press(button) {
  for (const each of document.querySelectorAll("[data-example]")) {
    each.setAttribute("aria-pressed", String(each === button));
  }
}

function useExample(button) {
  turns++;
  held = {};
  chosenId = undefined;
  setText("file-name", "");
  for (const [field, value] of Object.entries(examples[button.dataset.example])) {
    byId(field).value = value;
  }
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
byId("offers").addEventListener("input", ({ target }) => {
  chosenId = target.value;
  update();
});
byId("file").addEventListener("change", ({ target }) => {
  const chosen = [...target.files];
  // So that the same file can be chosen again, when it has changed.
  target.value = "";
  if (chosen.length) takeFiles(chosen);
});

const hasFiles = ({ dataTransfer }) => dataTransfer.types.includes("Files");
const drop = byId("drop");
// A browser opens a file that is dropped where the page does not take it, in place of this page.
// Text goes where it is dropped.
for (const kind of ["dragenter", "dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    const over = drop.contains(event.target);
    const { files } = event.dataTransfer;
    event.dataTransfer.dropEffect = over ? "copy" : "none";
    drop.classList.toggle("dropping", over && kind !== "drop");
    if (over && kind === "drop" && files.length) takeFiles([...files]);
  });
}
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) drop.classList.remove("dropping");
});

for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => useExample(button));
}
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
const bar = new IntersectionObserver(
  ([{ isIntersecting }]) => (byId("bar").hidden = isIntersecting),
  { rootMargin: "0px 0px -96px" },
);
bar.observe(byId("verdict"));

useExample(document.querySelector('[data-example="subject"]'));
