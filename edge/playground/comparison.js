// What is registered beside what the certificate has. Whether they agree is the filter's word, not this page's.

import { readCertificate, readName } from "./index.js";

const alternativeNames = ["dns", "uri", "ip", "email"];

/** Rows of `{part, registered, certificate, differs}`, and what the filter says of them; `undefined` where nothing is compared. */
export function compare(gate, endpoints, client, given, certificate) {
  const rows = [...subjectRows(client, certificate), ...thumbprintRows(client, certificate)];
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
  return {
    rows: rows.map((row, index) => ({ ...row, differs: differs(row, index, decision) })),
    says: says(decision),
  };
}

function subjectRows(client, certificate) {
  if (client.token_endpoint_auth_method !== "tls_client_auth") return [];
  const name = client.tls_client_auth_subject_dn;
  if (typeof name === "string") {
    if (!certificate.rdns)
      return [{ part: "subject", registered: [name], certificate: [certificate.subjectError] }];
    const { rdns } = readName(name);
    return Array.from({ length: Math.max(rdns.length, certificate.rdns.length) }, (_, index) => {
      return {
        part: `RDN ${index + 1}`,
        registered: [rdns[index] ?? "nothing"],
        certificate: [certificate.rdns[index] ?? "nothing"],
      };
    });
  }
  return alternativeNames
    .filter((type) => typeof client[`tls_client_auth_san_${type}`] === "string")
    .map((type) => {
      const found = certificate.alternativeNames
        .filter((name) => name.type === type)
        .map(({ value }) => value);
      return {
        part: `SAN ${type}`,
        registered: [client[`tls_client_auth_san_${type}`]],
        certificate: found.length ? found : ["none of this type"],
      };
    });
}

function thumbprintRows(client, certificate) {
  const lists = [];
  if (client.token_endpoint_auth_method === "self_signed_tls_client_auth")
    lists.push(["jwks", client.jwks.keys.map(thumbprintOf).filter(Boolean)]);
  if (lists.length || client.token_endpoint_auth_method === "tls_client_auth") {
    if (client.certificate_thumbprints)
      lists.push(["thumbprints", client.certificate_thumbprints.map(base64url)]);
  }
  return lists.map(([part, registered]) => ({
    part,
    registered,
    certificate: [certificate.thumbprint],
  }));
}

/** The `x5t#S256` that a key registers; `undefined` where the filter leaves the key out (RFC 7517 §5), or it registers none. */
export function thumbprintOf(key) {
  const { kty, use, key_ops: operations, x5c, "x5t#S256": thumbprint } = key ?? {};
  if (typeof kty !== "string" || !kty || (use != null && use !== "sig" && use !== "tls"))
    return undefined;
  if (
    operations != null &&
    !(Array.isArray(operations) && (operations.includes("verify") || operations.includes("sign")))
  )
    return undefined;
  const stated = typeof thumbprint === "string" ? base64url(thumbprint) : undefined;
  if (!x5c) return stated;
  try {
    const own = readCertificate(
      Uint8Array.from(atob(x5c[0]), (character) => character.charCodeAt(0)),
    ).thumbprint;
    return stated === undefined || stated === own ? own : undefined;
  } catch {
    return undefined;
  }
}

/** A thumbprint in the one spelling of `x5t#S256`, so that equal ones look equal. */
function base64url(thumbprint) {
  const digits = thumbprint.replaceAll(":", "");
  if (!/^[0-9a-f]{64}$/i.test(digits)) return thumbprint;
  const octets = digits.match(/../g).map((pair) => Number.parseInt(pair, 16));
  return btoa(String.fromCharCode(...octets))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace("=", "");
}

function differs({ part, registered, certificate }, index, { code, detail }) {
  if (code === "certificate_not_registered")
    return (
      !part.startsWith("RDN") && !part.startsWith("SAN") && !registered.includes(certificate[0])
    );
  if (code !== "subject_mismatch") return false;
  const [, position] = detail.match(/^RDN (\d+):/) ?? [];
  return position ? index + 1 === Number(position) : part.startsWith("SAN");
}

function says({ pass, code, detail }) {
  if (pass) return "They agree.";
  if (code === "certificate_not_registered")
    return "The certificate is none of the registered ones.";
  if (code !== "subject_mismatch") return detail;
  if (detail.startsWith("reverse order")) return "The same name, in reverse order.";
  const [difference] = detail.match(/^RDN \d+/) ?? [];
  return difference
    ? `The first difference is ${difference}.`
    : "None of the certificate's names is the registered one.";
}
