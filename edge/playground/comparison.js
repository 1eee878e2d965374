// What is registered beside what the certificate has. Whether they agree is the filter's word, not this page's.

import { readName } from "./index.js";

/** Rows of `{part, registered, certificate, differs}`, and what the filter says of them; `undefined` where nothing is compared. */
export function compare(gate, endpoints, client, given, certificate) {
  const rows = subjectRows(client, certificate);
  if (!rows.length) return undefined;
  // A request in which all else is right: so the names are compared, whatever the request at hand is refused for.
  const decision = gate.decide({
    path: endpoints[0] ?? "/",
    host: "as.example.com",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: `client_id=${encodeURIComponent(client.client_id)}`,
    certificate: given,
    chainValid: true,
    now: Date.parse(certificate.notBefore) / 1000,
  });
  return { rows: rows.map((row, index) => ({ ...row, differs: differs(index, decision) })), says: says(decision) };
}

function subjectRows(client, certificate) {
  if (client.token_endpoint_auth_method !== "tls_client_auth") return [];
  const name = client.tls_client_auth_subject_dn;
  if (typeof name === "string") {
    if (!certificate.rdns) return [{ part: "subject", registered: [name], certificate: [certificate.subjectError] }];
    const { rdns } = readName(name);
    return Array.from({ length: Math.max(rdns.length, certificate.rdns.length) }, (_, index) => {
      return { part: `RDN ${index + 1}`, registered: [rdns[index] ?? "nothing"], certificate: [certificate.rdns[index] ?? "nothing"] };
    });
  }
  return [];
}

function differs(index, { code, detail }) {
  const [, position] = (code === "subject_mismatch" && detail.match(/^RDN (\d+):/)) || [];
  return index + 1 === Number(position);
}

function says({ pass, code, detail }) {
  if (pass) return "They agree.";
  if (code !== "subject_mismatch") return detail;
  if (detail.startsWith("reverse order")) return "The same name, in reverse order.";
  return `The first difference is ${detail.match(/^RDN \d+/)}.`;
}
