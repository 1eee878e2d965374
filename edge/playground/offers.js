// Configurations to copy: the client as it is registered, or so that its certificate is accepted.

import { keyTypeOf } from "./certificate.js";
import { goodRequest, heldTo, thumbprintOf, usesCertificate } from "./comparison.js";
import { Gate } from "./index.js";

const subjects = {
  tls_client_auth_subject_dn: "Subject DN",
  tls_client_auth_san_dns: "SAN dns",
  tls_client_auth_san_uri: "SAN uri",
  tls_client_auth_san_ip: "SAN ip",
  tls_client_auth_san_email: "SAN email",
};
export const registered = "as it is registered";
const thumbprintMember = "x5t#S256";
const method = "token_endpoint_auth_method";
const names = [...Object.keys(subjects), "certificate_thumbprints"];
const used = ["client_id", method, ...names];
// RFC 7591 §3.2.1, RFC 7592 §3, and the filter's own word for a secret of the backend.
const secrets = ["client_secret", "registration_access_token", "backend_authentication"];
// RFC 7518 §6.2.2, §6.3.2 and §6.4.
const privateParts = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * What may be copied: `{ id, label, client }` for each way to register the client, the best first.
 * The filter has accepted each of them with the certificate, if there is one: what it refuses is
 * not offered. `left` names what was left out of the registration: secrets, and members without a
 * use.
 */
export function offersFor(client, clientId, certificate, given) {
  const { kept, left } = client ? withoutSecrets(client) : { left: { secret: [], unused: [] } };
  const offers = [];
  if (kept) offers.push({ id: registered, member: registered, label: registered, client: kept });
  if (certificate)
    offers.push(...registrations(kept ?? { client_id: clientId }, certificate, given));
  const accepted = offers.filter(({ client }) => isAccepted(client, certificate, given));
  // Where what is registered is refused, a value of the same kind is nearest to it.
  const held = kept && (heldTo(kept) ?? {});
  const same = held && (Object.keys(subjects).find((name) => held[name]) ?? thumbprintMember);
  const rank = ({ member }) => (member === registered ? 0 : member === same ? 1 : 2);
  return { offers: accepted.sort((one, other) => rank(one) - rank(other)), left };
}

function registrations(client, certificate, given) {
  const isOther = client[method] !== undefined && !usesCertificate(client);
  return isOther ? bindings(client, certificate, given) : methods(client, certificate, given);
}

// The client keeps its method, and is held to the certificate.
function bindings({ client_id, certificate_binding, ...client }, certificate, given) {
  const { thumbprint } = certificate;
  const { certificate_thumbprints: pinned, jwks } = certificate_binding ?? {};
  const pins = { certificate_thumbprints: [...new Set([...(pinned ?? []), thumbprint])] };
  const offers = namesOf(certificate).map(([member, value]) => {
    const certificate_binding = { [member]: value, ...(pinned && pins) };
    return { member, label: `${subjects[member]} ${value}`, certificate_binding };
  });
  const keys = [...(jwks?.keys ?? []), { kty: keyTypeOf(given), [thumbprintMember]: thumbprint }];
  offers.push({
    member: thumbprintMember,
    label: `${thumbprintMember} ${thumbprint} (needs no CA)`,
    certificate_binding: jwks ? { jwks: { keys }, ...(pinned && pins) } : pins,
  });
  return offers.map(({ member, label, certificate_binding }) => {
    const bound = { client_id, [method]: client[method], certificate_binding };
    return { id: label, member, label: `${client[method]}, and ${label}`, client: bound };
  });
}

function namesOf({ subject, alternativeNames }) {
  const values = alternativeNames.map(({ type, value }) => [`tls_client_auth_san_${type}`, value]);
  if (subject) values.unshift(["tls_client_auth_subject_dn", subject]);
  return values;
}

function methods({ client_id, certificate_thumbprints: pinned, jwks }, certificate, given) {
  const { thumbprint } = certificate;
  // A client that may use certain certificates only may use this one, too.
  const pins = pinned && { certificate_thumbprints: [...new Set([...pinned, thumbprint])] };
  const offers = namesOf(certificate).map(([member, value]) => {
    const client = { client_id, [method]: "tls_client_auth", [member]: value, ...pins };
    const label = `${subjects[member]} ${value}`;
    return { id: label, member, label, client };
  });
  const kty = keyTypeOf(given);
  if (kty) {
    const keys = [...(jwks?.keys ?? []), { kty, [thumbprintMember]: thumbprint }];
    const client = { client_id, [method]: "self_signed_tls_client_auth", jwks: { keys }, ...pins };
    const label = `${thumbprintMember} ${thumbprint} (needs no CA)`;
    offers.push({ id: thumbprintMember, member: thumbprintMember, label, client });
  }
  return offers;
}

function isAccepted(client, certificate, given) {
  try {
    const gate = new Gate(JSON.stringify({ clients: [client] }));
    if (!certificate) return true;
    return goodRequest(gate, client, certificate, given).pass;
  } catch {
    return false;
  }
}

function withoutSecrets(client) {
  const kept = {};
  const left = { secret: [], unused: [] };
  for (const [name, value] of Object.entries(client)) {
    if (used.includes(name)) kept[name] = value;
    else if (name === "certificate_binding") continue;
    else if (secrets.includes(name)) left.secret.push(name);
    else if (name !== "jwks") left.unused.push(name);
  }
  // Other methods have keys for other purposes.
  if (client[method] === "self_signed_tls_client_auth" && Array.isArray(client.jwks?.keys)) {
    kept.jwks = publicKeys(client.jwks);
  } else if (client.jwks) {
    left.unused.push("jwks");
  }
  const { certificate_binding: binding } = client;
  if (binding) {
    const named = names.filter((name) => binding[name]).map((name) => [name, binding[name]]);
    kept.certificate_binding = Object.fromEntries(named);
    if (Array.isArray(binding.jwks?.keys)) kept.certificate_binding.jwks = publicKeys(binding.jwks);
  }
  if (hasPrivateKey(client)) left.secret.push("private parts of jwks");
  return { kept, left };
}

/** Whether more of a key than its public half was registered. */
export function hasPrivateKey(client) {
  const isPrivate = (key) => privateParts.some((part) => Object.hasOwn(key, part));
  return [client?.jwks?.keys, client?.certificate_binding?.jwks?.keys].some(
    (keys) =>
      Array.isArray(keys) && keys.some((key) => key && typeof key === "object" && isPrivate(key)),
  );
}

// The others are for other purposes, and copied without these they could come to count.
const certifies = (key) => thumbprintOf(key) !== undefined;

const publicKeys = ({ keys }) => ({ keys: keys.filter(certifies).map(publicKey) });

function publicKey({ kty, x5c, "x5t#S256": thumbprint }) {
  // The first is the key's own certificate (RFC 7517 §4.7), the others are not compared.
  return {
    ...(typeof kty === "string" && { kty }),
    ...(x5c && { x5c: x5c.slice(0, 1) }),
    ...(thumbprint && { "x5t#S256": thumbprint }),
  };
}
