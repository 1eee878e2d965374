// What is registered beside what the certificate has. Whether they agree is the filter's word, not
// this page's.

import { Gate, readCertificate, readName } from "./index.js";

const alternativeNames = ["dns", "uri", "ip", "email"];

/** The decision about a request of this client in which all but the certificate is right. */
export function goodRequest(gate, client, certificate, given) {
  return gate.decide({
    path: "/",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: `client_id=${encodeURIComponent(client.client_id)}`,
    certificate: given,
    chainValid: true,
    now: Date.parse(certificate.notBefore) / 1000,
  });
}

const subjects = ["subject_dn", ...alternativeNames.map((type) => `san_${type}`)];

/** Whether the client authenticates by its certificate, and not by another method. */
export const usesCertificate = ({ token_endpoint_auth_method: method }) =>
  /^(self_signed_)?tls_client_auth$/.test(method);

/**
 * The certificate with which a client comes, as client metadata of one that authenticates by it;
 * `undefined` where the client comes with any, or with none.
 */
export function heldTo(client) {
  if (usesCertificate(client)) return client;
  const { certificate_binding: binding } = client;
  if (!binding) return undefined;
  const hasSubject = subjects.some((name) => binding[`tls_client_auth_${name}`]);
  const method = hasSubject ? "tls_client_auth" : "self_signed_tls_client_auth";
  return { ...binding, token_endpoint_auth_method: method };
}

/**
 * Rows of `{part, registered, certificate, differs}`, and what the filter says of them; `undefined`
 * where nothing is compared. The client alone decides, whatever the request at hand is refused for.
 */
export function compare(client, given, certificate) {
  const held = heldTo(client);
  if (!held) return undefined;
  const rows = [...subjectRows(held, certificate), ...thumbprintRows(held, certificate)];
  if (!rows.length) return undefined;
  const gate = new Gate(JSON.stringify({ clients: [client] }));
  const decision = goodRequest(gate, client, certificate, given);
  const isReverse = decision.detail?.startsWith("reverse order") ?? false;
  const length = rows.filter(({ part }) => part.startsWith("RDN")).length;
  const marked = (row, index) =>
    isReverse ? mirrored(row, index, length) : { ...row, differs: differs(row, index, decision) };
  return { rows: rows.map(marked), says: says(decision, isReverse) };
}

function subjectRows(client, certificate) {
  if (client.token_endpoint_auth_method !== "tls_client_auth") return [];
  const name = client.tls_client_auth_subject_dn;
  if (typeof name === "string" && name) {
    if (!certificate.rdns) {
      return [{ part: "subject", registered: [name], certificate: [certificate.subjectError] }];
    }
    const { rdns } = readName(name);
    const length = Math.max(rdns.length, certificate.rdns.length);
    return Array.from({ length }, (_, index) => ({
      part: `RDN ${index + 1}`,
      registered: [rdns[index] ?? "nothing"],
      certificate: [certificate.rdns[index] ?? "nothing"],
    }));
  }
  const isRegistered = (type) => client[`tls_client_auth_san_${type}`];
  return alternativeNames.filter(isRegistered).map((type) => {
    const found = certificate.alternativeNames.filter((name) => name.type === type);
    return {
      part: `SAN ${type}`,
      registered: [client[`tls_client_auth_san_${type}`]],
      certificate: found.length ? found.map(({ value }) => value) : ["none of this type"],
    };
  });
}

// Each RDN with the place that it should have; one in the middle stands where it belongs.
function mirrored(row, index, length) {
  const place = length - index;
  if (place < 1 || place === index + 1) return { ...row, differs: false };
  const registered = [...row.registered, `must be RDN ${place}`];
  return { ...row, registered, differs: true };
}

function thumbprintRows(client, certificate) {
  const { token_endpoint_auth_method: method, certificate_thumbprints: pinned } = client;
  const isSelfSigned = method === "self_signed_tls_client_auth";
  const lists = [];
  if (isSelfSigned && client.jwks) {
    lists.push(["jwks", client.jwks.keys.map(thumbprintOf).filter(Boolean)]);
  }
  if (pinned) lists.push(["thumbprints", pinned.map(base64url)]);
  return lists.map(([part, registered]) => {
    return { part, registered, certificate: [certificate.thumbprint] };
  });
}

/**
 * The `x5t#S256` that a key registers; `undefined` where the filter leaves the key out (RFC 7517
 * §5), or it registers none.
 */
export function thumbprintOf(key) {
  const { kty, use, key_ops: operations, x5c, "x5t#S256": thumbprint } = key ?? {};
  if (typeof kty !== "string" || !kty) return undefined;
  if (use != null && use !== "sig" && use !== "tls") return undefined;
  const isToVerify = (list) => list.includes("verify") || list.includes("sign");
  if (operations != null && !(Array.isArray(operations) && isToVerify(operations)))
    return undefined;
  const stated = typeof thumbprint === "string" ? base64url(thumbprint) : undefined;
  if (!x5c) return stated;
  try {
    const der = Uint8Array.from(atob(x5c[0]), (character) => character.charCodeAt(0));
    const own = readCertificate(der).thumbprint;
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
  const base64 = btoa(String.fromCharCode(...octets));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace("=", "");
}

function differs({ part, registered, certificate }, index, { code, detail }) {
  const isName = part.startsWith("RDN") || part.startsWith("SAN");
  if (code === "certificate_not_registered") return !isName && !registered.includes(certificate[0]);
  if (code !== "subject_mismatch") return false;
  const [, position] = detail.match(/^RDN (\d+):/) ?? [];
  return position ? index + 1 === Number(position) : part.startsWith("SAN");
}

function says({ pass, code, detail }, isReverse) {
  if (pass) return "They agree.";
  if (code === "certificate_not_registered")
    return "The certificate is none of the registered ones.";
  if (code !== "subject_mismatch") return detail;
  if (isReverse) {
    return "The same name, in reverse order. RFC 4514 begins with the most specific RDN.";
  }
  const [difference] = detail.match(/^RDN \d+/) ?? [];
  if (difference) return `The first difference is ${difference}.`;
  return "None of the certificate's names is the registered one.";
}
