// The page: reads the fields, asks the filter's own code, shows what it says. Text goes in as text, never as HTML.

import { Gate, readCertificate, readName } from "./index.js";

const byId = (id) => document.getElementById(id);
const fields = ["certificate", "client", "method", "path", "headers", "body"];

// Of a demo authority that exists no more; the key is nobody's.
const certificate = `-----BEGIN CERTIFICATE-----
MIIB8TCCAZegAwIBAgIUC2o92pLQyEimFTk2w8a/XlAojVIwCgYIKoZIzj0EAwIw
KDENMAsGA1UECgwERGVtbzEXMBUGA1UEAwwORGVtbyBjbGllbnQgQ0EwHhcNMjYw
MTAxMDAwMDAwWhcNNDYwMTAxMDAwMDAwWjBgMQswCQYDVQQGEwJKUDEOMAwGA1UE
CAwFVG9reW8xEzARBgNVBAcMCkNoaXlvZGEta3UxDzANBgNVBAoMBkNsaWVudDEb
MBkGA1UEAwwSY2xpZW50LmV4YW1wbGUub3JnMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEjVlnT7w8+XdRU8D8g5SxMuxec9Uzh6un8aV2qX8Htmi8tV0FQMQyYCoT
A1rWc6jnNAS2J3tfuteItxsOkvuY8qNnMGUwDgYDVR0PAQH/BAQDAgeAMBMGA1Ud
JQQMMAoGCCsGAQUFBwMCMB0GA1UdDgQWBBTxIbGMdDgHQY3FTtO1faILFGYBjzAf
BgNVHSMEGDAWgBR8AKwDz8N9WPXiuF5HHOcR38uY7TAKBggqhkjOPQQDAgNIADBF
AiEAjGuPtI+9RFEOONzw1cyBbjD3DkhmfsbbUrjEnoK/gJ8CIFjt7lYktsf9A8NT
fjAf2fLVGzZ/8nt7AucvVrzhUbc/
-----END CERTIFICATE-----
`;
const name = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP";
const metadata = (subject) =>
  JSON.stringify({ client_id: "s6BhdRkqt3", token_endpoint_auth_method: "tls_client_auth", tls_client_auth_subject_dn: subject }, null, 2);
const common = {
  certificate,
  client: metadata(name),
  method: "POST",
  path: "/token",
  headers: "content-type: application/x-www-form-urlencoded",
  body: "grant_type=client_credentials&client_id=s6BhdRkqt3",
};
const examples = {
  accepted: common,
  other: { ...common, client: metadata(name.replace("O=Client", "O=Other")) },
  reverse: { ...common, client: metadata(name.split(", ").reverse().join(", ")) },
  smuggled: { ...common, body: `${common.body}&client_id=somebody-else` },
};

// What a code means to somebody who has to do something about it.
const advice = {
  authenticated: "The certificate belongs to this client. The request goes on to the authorization server.",
  not_gated: "This path carries no client authentication, so the filter leaves it alone.",
  passed_other_method: "The client is registered for another method, which the authorization server checks.",
  subject_mismatch: "The certificate is somebody else's, or the registration is. If it is the client's certificate, register the certificate's name.",
  certificate_not_registered: "It is not one of the certificates that the client registered. If it is the client's, register its thumbprint.",
  certificate_missing: "The client sent no certificate, or the TLS server did not ask for one.",
  certificate_malformed: "What stands there is no certificate, or a part that matters cannot be read.",
  certificate_expired: "The client needs a new certificate.",
  certificate_not_yet_valid: "Look at the clocks of the issuer and of this machine.",
  certificate_unverified: "A subject counts only in a chain that somebody verified: add the issuer to the TLS server's trusted authorities.",
  unknown_client: "No client of this client_id is registered: is it spelled so in both places?",
  missing_client_id: "RFC 8705 requires client_id in the body of the request.",
  client_id_mismatch: "Two places name different clients, or a credential stands in the query string.",
  duplicate_parameter: "Filter and server could each believe another one.",
  multiple_auth_methods: "A client with a certificate must send no second credential (RFC 6749, section 2.3).",
  method_not_allowed: "Token requests are POST.",
  unsupported_media_type: "The body must be application/x-www-form-urlencoded, in UTF-8.",
  malformed_form: "The body is no form.",
  malformed_authorization: "The Authorization header cannot be read.",
};

// Octets of a file that is no text.
let der = null;

function show(example) {
  der = null;
  byId("file-name").textContent = "";
  for (const field of fields) byId(field).value = example[field];
  document.querySelector('[name="chain"][value="true"]').checked = true;
  update();
}

function complain(field, message) {
  byId(`${field}-error`).textContent = message;
  byId(field).setAttribute("aria-invalid", String(Boolean(message)));
}

function attempt(field, read) {
  try {
    const value = read();
    complain(field, "");
    return value;
  } catch (error) {
    complain(field, error.message);
    return undefined;
  }
}

function update() {
  const text = byId("certificate").value.trim();
  if (text) der = null;
  const given = der ?? (text || null);
  const read = given ? attempt("certificate", () => readCertificate(given)) : complain("certificate", "");
  const client = attempt("client", () => JSON.parse(byId("client").value));
  const configuration = client && { endpoints: [byId("path").value.split("?")[0] || "/token"], clients: [client] };
  const gate = configuration && attempt("client", () => new Gate(configuration));
  showDetails(read);
  showSnippet(gate ? configuration : undefined);
  if (!gate) {
    showNames();
    showDecision("", "undecided", "The registration cannot be read: see above.");
    byId("answer").textContent = "";
    return;
  }
  const decision = gate.decide({
    method: byId("method").value,
    path: byId("path").value,
    host: "as.example.com",
    headers: headerLines(),
    body: byId("body").value,
    certificate: given,
    chainValid: JSON.parse(document.querySelector('[name="chain"]:checked').value),
  });
  const words = decision.pass ? "passes" : `is refused with ${decision.status}`;
  showDecision(decision.pass ? "pass" : "refuse", decision.code, `The request ${words}. ${advice[decision.code] ?? ""}`, decision.detail);
  byId("answer").textContent = decision.pass ? "what the authorization server answers" : answer(decision);
  showNames(client, read, decision);
}

function headerLines() {
  const lines = byId("headers").value.split("\n").filter((line) => line.includes(":"));
  return lines.map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()]);
}

const answer = ({ status, headers, body }) =>
  [`HTTP/1.1 ${status}`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), "", body].join("\n");

function showDecision(kind, code, words, detail) {
  const paragraph = (text, tag = "p") => Object.assign(document.createElement(tag), { textContent: text });
  const first = document.createElement("p");
  first.append(paragraph(code, "strong"));
  byId("decision").className = kind;
  byId("decision").replaceChildren(first, paragraph(words), ...(detail ? [paragraph(detail, "p")] : []));
}

function showNames(client, certificate, decision) {
  const registered = client?.tls_client_auth_subject_dn;
  let rdns;
  try {
    rdns = certificate?.rdns && typeof registered === "string" ? readName(registered).rdns : undefined;
  } catch {
    // Told beside the registration.
  }
  byId("names-card").hidden = !rdns;
  if (!rdns) return;
  const reverse = decision.detail?.startsWith("reverse order");
  const different = reverse ? 1 : Number(decision.code === "subject_mismatch" && decision.detail?.match(/^RDN (\d+)/)?.[1]);
  const rows = Array.from({ length: Math.max(rdns.length, certificate.rdns.length) }, (_, index) => {
    const row = document.createElement("tr");
    row.classList.toggle("difference", index + 1 === different);
    const mark = index + 1 === different ? " (first difference)" : "";
    for (const text of [`${index + 1}${mark}`, rdns[index] ?? "nothing", certificate.rdns[index] ?? "nothing"]) {
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    return row;
  });
  document.querySelector("#names tbody").replaceChildren(...rows);
}

function showDetails(certificate) {
  byId("details-card").hidden = !certificate;
  if (!certificate) return;
  const { subject, subjectError, alternativeNames, notBefore, notAfter, thumbprint } = certificate;
  const rows = [
    ["Subject", subject ?? subjectError],
    ...alternativeNames.map(({ type, value }) => [`SAN ${type}`, value]),
    ["Valid", `${notBefore} to ${notAfter}`],
    ["x5t#S256", thumbprint],
  ];
  const element = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  byId("details").replaceChildren(...rows.flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
}

function showSnippet(configuration) {
  byId("snippet").textContent = configuration ? JSON.stringify(configuration, null, 2) : "";
  byId("copy").disabled = !configuration;
  byId("copied").textContent = "";
}

async function take(file) {
  const octets = new Uint8Array(await file.arrayBuffer());
  // DER begins with a SEQUENCE, PEM with a hyphen or a comment.
  der = octets[0] === 0x30 ? octets : null;
  byId("certificate").value = der ? "" : new TextDecoder().decode(octets);
  byId("file-name").textContent = der ? `${file.name}, ${octets.length} bytes of DER` : file.name;
  update();
}

const drop = byId("drop");
for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("dropping");
  });
}
drop.addEventListener("dragleave", () => drop.classList.remove("dropping"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("dropping");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
});
byId("file").addEventListener("change", ({ target }) => target.files.length && take(target.files[0]));
byId("certificate").addEventListener("input", () => {
  der = null;
  byId("file-name").textContent = "";
});
document.querySelector(".inputs").addEventListener("input", ({ target }) => target.type !== "file" && update());
for (const button of document.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => show(examples[button.dataset.example]));
}
byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("snippet").textContent);
    byId("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(byId("snippet"));
    byId("copied").textContent = "Selected: copy it with your keyboard.";
  }
});

show(examples.other);
