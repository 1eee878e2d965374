// Workers-style handlers: `fetch(request, ...)` gives a Response.

// A handler that sees only requests that may pass. `peer` says what is known of the client's TLS connection.
export function protect(gate, handler, { peer, onDecision } = {}) {
  if (typeof peer !== "function") throw new TypeError("peer: where the certificate comes from must be said");
  return async (request, ...rest) => {
    const body = new Uint8Array(await request.clone().arrayBuffer());
    const url = new URL(request.url);
    const decision = gate.decide({
      method: request.method,
      path: url.pathname + url.search,
      host: url.host,
      headers: request.headers,
      body,
      ...(await peer(request, ...rest)),
    });
    onDecision?.(decision, request);
    if (!decision.pass) return new Response(decision.body, { status: decision.status, headers: decision.headers });
    const headers = new Headers(request.headers);
    decision.forward.remove.forEach((name) => headers.delete(name));
    decision.forward.set.forEach(([name, value]) => headers.set(name, value));
    const init = { method: request.method, headers, signal: request.signal };
    if (request.method !== "GET" && request.method !== "HEAD") init.body = body;
    return handler(new Request(request.url, init), ...rest);
  };
}

// A `peer` for a runtime behind a proxy that terminates TLS, verifies chains, and overwrites this header whatever the client
// sent: `client-cert` (RFC 9440) or `x-ssl-cert` (percent-encoded PEM).
export function fromTrustedHeader(name) {
  const isByteSequence = name.toLowerCase() === "client-cert";
  return (request) => {
    const value = request.headers.get(name)?.trim();
    if (!value) return { certificate: null, chainValid: null };
    return { certificate: isByteSequence ? byteSequence(value) : value, chainValid: true };
  };
}

// RFC 8941: base64 between colons. What is none is handed over as it is, and refused as no certificate.
function byteSequence(value) {
  const [, base64] = value.match(/^:([A-Za-z0-9+/=]+):$/) ?? [];
  try {
    return base64 === undefined ? value : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return value;
  }
}
