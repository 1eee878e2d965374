// What the adapters share: refusals of their own, in the filter's words, and who hears of decisions.

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

// Whatever goes wrong: nobody gets past it, and nothing else ends.
export const failed = (error) =>
  refusal(
    "host_error",
    500,
    "server_error",
    "The server could not process the request.",
    String(error),
  );

// RFC 9112 §3.2: such a request is answered with 400, other than one for a host that is clear but nobody's.
export const unclear = (detail) =>
  refusal(
    "unknown_tenant",
    400,
    "invalid_request",
    "The host of the request is not clear.",
    detail,
  );

// What is to be read of a body. Whoever states that the TLS server refuses what it cannot verify, and has one that does not, would
// let in anybody who makes a certificate of his own.
export function limitOf(gate, { host, certificate, chainValid }) {
  const { chain, maxBodyBytes } = gate.policy(host);
  if (chain === "listener" && certificate && chainValid === false) {
    throw new Error(
      'peer_certificate.chain is "listener", but the TLS server lets in certificates that it did not verify',
    );
  }
  return maxBodyBytes;
}

// A refusal of the adapter as the policy of the host has it: in shadow mode the request passes, stripped as any other.
export function inMode(gate, known, refusal) {
  try {
    if (gate.policy(known.host).mode === "enforce") return refusal;
    const { forward, tenant } = gate.decide({
      ...known,
      body: "",
      certificate: null,
      chainValid: null,
      serverName: null,
    });
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

// Tells of a decision, without the backend's secrets that may stand in `forward`. Who listens decides nothing and ends nothing.
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
    // Nobody is left to tell.
  }
}
