// What the client registered, and what of it belongs into the filter's configuration.

import { thumbprintOf } from "./comparison.js";

const used = [
  "client_id",
  "token_endpoint_auth_method",
  "tls_client_auth_subject_dn",
  "tls_client_auth_san_dns",
  "tls_client_auth_san_uri",
  "tls_client_auth_san_ip",
  "tls_client_auth_san_email",
  "certificate_thumbprints",
];
// RFC 7591 §3.2.1, RFC 7592 §3, and the filter's own word for a secret of the backend.
const secrets = ["client_secret", "registration_access_token", "backend_authentication"];
// RFC 7518 §6.2.2, §6.3.2 and §6.4.
const privateParts = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/** The paths in a field, which blanks or commas separate. */
export const readEndpoints = (text) => text.split(/[\s,]+/).filter(Boolean);

/** The client, as JavaScript has it; throws where the text is no JSON. */
export function readClient(text) {
  if (!text.trim()) throw new Error("Paste here what the client registered.");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Not JSON: ${error.message}`);
  }
}

/** The filter's configuration. It has the client as it was typed: JavaScript hides a member that stands there twice. */
export const configurationText = (endpoints, client) =>
  `{${endpoints.length ? `"endpoints":${JSON.stringify(endpoints)},` : ""}"clients":[\n${client}\n]}`;

/** An error of the configuration, as it is seen from the field of its endpoints. */
export const endpointsError = (message, endpoints) =>
  message.replace(/^\/endpoints\/(\d+)/, (_, index) => `“${endpoints[index]}”`);

/** The same, seen from the client's field; what the filter alone does not take for JSON it counts in lines of its own. */
export const clientError = (message) =>
  message
    .replace(/^(\/clients\/0(: )?|the configuration: )/, "")
    .replace(/ at line \d+ column \d+$/, "");

/** The configuration that may be shown to others, and what was left out of it: names of secrets, and other names. */
export function configurationToCopy(endpoints, client) {
  const kept = {};
  const left = { secret: [], unused: [] };
  for (const [name, value] of Object.entries(client)) {
    if (used.includes(name)) kept[name] = value;
    else if (secrets.includes(name)) left.secret.push(name);
    else if (name !== "jwks") left.unused.push(name);
  }
  // Other methods have keys for other purposes.
  if (client.token_endpoint_auth_method === "self_signed_tls_client_auth")
    kept.jwks = { keys: client.jwks.keys.filter(certifies).map(publicKey) };
  else if (client.jwks) left.unused.push("jwks");
  if (hasPrivateKey(client)) left.secret.push("private parts of jwks");
  return {
    configuration: endpoints.length ? { endpoints, clients: [kept] } : { clients: [kept] },
    left,
  };
}

/** Whether somebody registered more of a key than its public half. */
export function hasPrivateKey(client) {
  const keys = client?.jwks?.keys;
  return (
    Array.isArray(keys) &&
    keys.some(
      (key) =>
        key && typeof key === "object" && privateParts.some((part) => Object.hasOwn(key, part)),
    )
  );
}

// The others are for other purposes, and copied without these they could come to count.
const certifies = (key) => thumbprintOf(key) !== undefined;

function publicKey({ kty, x5c, "x5t#S256": thumbprint }) {
  // The first is the key's own certificate (RFC 7517 §4.7), the others nobody compares.
  return {
    ...(typeof kty === "string" && { kty }),
    ...(x5c && { x5c: x5c.slice(0, 1) }),
    ...(thumbprint && { "x5t#S256": thumbprint }),
  };
}
