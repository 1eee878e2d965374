// Workers-style handlers: `fetch(request, ...)` gives a Response.

import { failed, maxBodyBytes as defaultMaxBodyBytes, tooLarge } from "./refusals.js";

// A handler that sees only requests that may pass. `peer` says what is known of the client's TLS connection.
export function protect(gate, handler, { peer, maxBodyBytes = defaultMaxBodyBytes, onDecision } = {}) {
  if (typeof peer !== "function") throw new TypeError("peer: where the certificate comes from must be said");
  return async (request, ...rest) => {
    const url = new URL(request.url);
    let body = request.body;
    let decision;
    try {
      const { method, headers } = request;
      const known = { method, path: url.pathname + url.search, host: url.host, headers, ...(await peer(request, ...rest)) };
      // What is not gated is so whatever its body: it need not be kept.
      decision = gate.decide({ ...known, body: "" });
      if (decision.code !== "not_gated") {
        body = await bodyOf(request, maxBodyBytes);
        decision = body ? gate.decide({ ...known, body }) : tooLarge;
      }
    } catch (error) {
      decision = failed(error);
    }
    onDecision?.(decision, request);
    if (!decision.pass) return new Response(decision.body, { status: decision.status, headers: decision.headers });
    const headers = new Headers(request.headers);
    decision.forward.remove.forEach((name) => headers.delete(name));
    decision.forward.set.forEach(([name, value]) => headers.set(name, value));
    const hasBody = body && request.method !== "GET" && request.method !== "HEAD";
    // A stream is sent while it comes: `duplex` says so to the runtimes that want to hear it.
    const init = hasBody ? { body, duplex: "half" } : {};
    return handler(new Request(request.url, { method: request.method, headers, signal: request.signal, ...init }), ...rest);
  };
}

// The whole body, or nothing of one that has more octets.
async function bodyOf(request, most) {
  if (!request.body) return new Uint8Array();
  const chunks = [];
  let length = 0;
  const reader = request.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    length += part.value.length;
    if (length > most) {
      await reader.cancel();
      return undefined;
    }
    chunks.push(part.value);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
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
