// node:https: the certificate of the connection, and requests that reach the application only when they may.

import { IncomingMessage } from "node:http";

// A listener for an https.Server with `requestCert: true, rejectUnauthorized: false`, so that a client without a certificate,
// or with one that registered itself, gets as far as the decision.
export function protect(gate, listener, { maxBodyBytes = 65_536, onDecision } = {}) {
  return async (request, response) => {
    let body;
    try {
      body = await bodyOf(request, maxBodyBytes);
    } catch {
      // The client is gone: nobody is left to answer.
      return response.destroy();
    }
    const decision = decide(gate, request, body);
    onDecision?.(decision, request);
    if (!decision.pass) {
      response.writeHead(decision.status, { ...decision.headers, connection: "close" });
      return response.end(decision.body);
    }
    await listener(forwarded(request, body, decision), response);
  };
}

function decide(gate, request, body) {
  const peer = request.socket.getPeerCertificate(true);
  const headers = [];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    headers.push([request.rawHeaders[index], request.rawHeaders[index + 1]]);
  }
  return gate.decide({
    method: request.method,
    path: request.url,
    host: request.headers.host ?? request.headers[":authority"],
    headers,
    body,
    certificate: peer?.raw ?? null,
    chainValid: request.socket.authorized,
  });
}

// One octet more than allowed is enough to refuse; the rest is not kept.
async function bodyOf(request, most) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    if (length <= most) chunks.push(chunk);
    length += chunk.length;
    if (length > 64 * most) throw new Error("more than anybody sends by mistake");
  }
  return Buffer.concat(chunks);
}

// The same request, with its body still to be read and its headers as they may go on.
function forwarded(request, body, { forward }) {
  const gated = new IncomingMessage(request.socket);
  const { method, url, httpVersion, httpVersionMajor, httpVersionMinor } = request;
  Object.assign(gated, { method, url, httpVersion, httpVersionMajor, httpVersionMinor, complete: true });
  const gone = new Set([...forward.remove, ...forward.set.map(([name]) => name)]);
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index];
    if (!gone.has(name.toLowerCase())) gated.rawHeaders.push(name, request.rawHeaders[index + 1]);
  }
  gated.headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !gone.has(name)));
  for (const [name, value] of forward.set) {
    gated.rawHeaders.push(name, value);
    gated.headers[name] = value;
  }
  gated.push(body);
  gated.push(null);
  return gated;
}
