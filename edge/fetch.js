// Workers-style handlers: `fetch(request, ...)` gives a Response.

import { failed, inMode, limitOf, tell, written } from "./adapters.js";

// A handler that sees only requests that may pass. `peer` says what is known of the client's TLS connection.
export function protect(gate, handler, { peer, ...listeners } = {}) {
  if (typeof peer !== "function")
    throw new TypeError("peer: where the certificate comes from must be said");
  return async (request, ...rest) => {
    const { decision, body } = await decide(gate, request, () => peer(request, ...rest));
    // The body broke off, and with it the connection: nobody is left to answer.
    if (!decision) return new Response(null, { status: 400 });
    tell(decision, request, listeners);
    if (!decision.pass)
      return new Response(decision.body, { status: decision.status, headers: decision.headers });
    const headers = new Headers(request.headers);
    decision.forward.remove.forEach((name) => headers.delete(name));
    written(decision.forward).forEach(([name, value]) => headers.set(name, value));
    // A stream is sent while it comes: `duplex` says so to the runtimes that want to hear it.
    return handler(
      new Request(request, body ? { headers, body, duplex: "half" } : { headers }),
      ...rest,
    );
  };
}

// The decision, and what took the place of the request's body where that was read.
async function decide(gate, request, peer) {
  const url = new URL(request.url);
  const known = {
    method: request.method,
    path: url.pathname + url.search,
    host: url.host,
    headers: request.headers,
  };
  try {
    const { certificate, chainValid, serverName } = await peer();
    Object.assign(known, { certificate, chainValid, serverName });
    const decision = gate.decideHead(known);
    if (decision) return { decision };
    const limit = limitOf(gate, known);
    if (!request.body) return { decision: gate.decide(known) };
    const read = await startOf(request.body, limit);
    if (!read) return {};
    // Of a body that is too large this is enough to say so.
    return { decision: gate.decide({ ...known, body: read.start }), body: read.rest ?? read.start };
  } catch (error) {
    return { decision: inMode(gate, known, failed(error)) };
  }
}

// The body as far as `most` octets and one chunk go, and if there is more, all of it as a stream; nothing of one that breaks off.
async function startOf(stream, most) {
  const reader = stream.getReader();
  const chunks = [];
  let length = 0;
  while (length <= most) {
    const { done, value } = await reader.read().catch(() => ({}));
    if (done === undefined) return undefined;
    if (done) return { start: joined(chunks, length) };
    if (!(value instanceof Uint8Array))
      throw new TypeError("the body has something else than octets");
    chunks.push(value);
    length += value.length;
  }
  return { start: joined(chunks, length), rest: resumed(chunks, reader) };
}

function joined(chunks, length) {
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

const resumed = (chunks, reader) =>
  new ReadableStream({
    async pull(controller) {
      const { done, value } = chunks.length > 0 ? { value: chunks.shift() } : await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });

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
    return base64 === undefined
      ? value
      : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return value;
  }
}
