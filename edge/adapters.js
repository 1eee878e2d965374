// What the adapters share: refusals of their own, in the filter's words, and who hears of
// decisions.

const refusal = (code, status, error, description, detail) => ({
  code,
  pass: false,
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store", pragma: "no-cache" },
  body: JSON.stringify({ error, error_description: description }),
  clientId: null,
  thumbprint: null,
  detail,
  tenant: null,
  forward: null,
});

// A body that the gate cannot look at; `advice` says what to change.
export class BodyTakenError extends Error {
  constructor(advice) {
    super("the body was read, or something was about to read it, before the gate saw the request");
    this.advice = advice;
  }
}

// Whatever goes wrong: no request passes because of it, and nothing else ends.
export function failed(error) {
  const description = "The server could not process the request.";
  return refusal("host_error", 500, "server_error", description, String(error));
}

// A code has one status, also where RFC 9112 §3.2 would have 400.
export function unclear(detail) {
  const description = "The host of the request is not clear.";
  return refusal("unknown_tenant", 421, "invalid_request", description, detail);
}

// A configuration that states that the TLS server refuses what it cannot verify, on a server that
// does not, would let in everybody who makes a certificate. `decision` is that about the headers.
export function checkChain(gate, known, decision) {
  const { host, path, certificate, chainValid } = known;
  if (!certificate || chainValid !== false) return;
  if (gate.policy(host, path).chain !== "listener" || isBystander(gate, known, decision)) return;
  throw new Error(
    'peer_certificate.chain is "listener", but the TLS server lets in certificates that it did ' +
      'not verify: set it to "connection", or have the server refuse them (rejectUnauthorized)',
  );
}

// Whether the request is not gated, and goes on just as that of a client without a certificate: no
// header of it is written or kept (`certificate_for`, `keep`) because of this one.
function isBystander(gate, known, decision) {
  if (decision?.code !== "not_gated") return false;
  const without = gate.decideHead({ ...known, certificate: null, chainValid: null });
  const [one, other] = [decision, without].map((found) => JSON.stringify(found?.forward));
  return one === other;
}

// The decision about the body. Of one above `limit` only the start was read, on which no request
// passes: the application will read all of it. (In shadow mode a refused one does.)
export function decideWith(gate, known, body, limit) {
  const decision = gate.decide({ ...known, body });
  if (body.length > limit && decision.pass && !isShadow(gate, known)) {
    throw new Error("the body was decided about before its end");
  }
  return decision;
}

const isShadow = (gate, { host, path }) => gate.policy(host, path).mode === "shadow";

// A host and port that a parser of URLs reads as they stand. Of others, as an empty one, `127.1` or
// `a/token?`, it would make another host, or begin the path elsewhere.
export function isHost(host) {
  try {
    return new URL(`https://${host}`).host === host.toLowerCase().replace(/:443$/, "");
  } catch {
    return false;
  }
}

// A refusal of the adapter as the policy of the host has it: in shadow mode the request passes,
// stripped as any other. Where it is not clear whose policy that is, every one must have it so.
export function inMode(gate, known, refusal) {
  try {
    const { mode, modeOfAll } = gate.policy(known.host, known.path);
    if ((refusal.code === "unknown_tenant" ? modeOfAll : mode) === "enforce") return refusal;
    const nothing = { body: "", certificate: null, chainValid: null, serverName: null };
    const { forward, tenant } = gate.decide({ ...known, ...nothing });
    return { ...refusal, pass: true, status: null, headers: {}, body: null, tenant, forward };
  } catch (error) {
    return failed(error);
  }
}

// Octets, one in each character, as both runtimes hold headers: the filter writes UTF-8.
export const written = ({ set }) =>
  set.map(([name, value]) => [name, /^[\0-\x7f]*$/.test(value) ? value : octetsOf(value)]);

const octetsOf = (text) =>
  Array.from(new TextEncoder().encode(text), (octet) => String.fromCharCode(octet)).join("");

// Reports a decision, without the backend's secrets that may stand in `forward`. What the listener
// does changes no decision and ends no request.
export async function tell({ forward, ...decision }, request, { onDecision, onError }) {
  try {
    await onDecision?.(decision, request);
  } catch (error) {
    complain(error, request, onError);
  }
}

export async function complain(error, request, onError = (error) => console.error(error)) {
  try {
    await onError(error, request);
  } catch {
    // There is no one left to report to.
  }
}

const mostReasons = 16;

// Reports why the gate itself could not decide: a mistake in how it is set up, which every request
// would meet. Without `onError`, each reason is printed once, on one line.
export function reporter({ onError }) {
  if (onError) return (error, request) => complain(error, request, onError);
  const printed = new Set();
  return (error) => {
    const { message = String(error), advice } = error ?? {};
    const line = [message, advice]
      .filter(Boolean)
      .join(": ")
      .replace(/[\0-\x1f\x7f]+/g, " ");
    if (printed.has(line) || printed.size === mostReasons) return;
    printed.add(line);
    console.error(`tls-client-auth: ${line}`);
  };
}
