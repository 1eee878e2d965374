// node:https: the certificate of the connection, and requests that reach the application only when they may.

import { IncomingMessage } from "node:http";
import { failed, maxBodyBytes as defaultMaxBodyBytes, tooLarge } from "./refusals.js";

// A listener for an https.Server with `requestCert: true, rejectUnauthorized: false`, so that a client without a certificate,
// or with one that registered itself, gets as far as the decision.
export function protect(gate, listener, { maxBodyBytes = defaultMaxBodyBytes, onDecision } = {}) {
  return async (request, response) => {
    let gated = request;
    let decision;
    try {
      // What is not gated is so whatever its body: it need not be kept.
      decision = decide(gate, request, "");
      if (decision.code !== "not_gated") {
        const body = await bodyOf(request, maxBodyBytes);
        decision = body ? decide(gate, request, body) : tooLarge;
        if (decision.pass) gated = copyOf(request, body);
      }
    } catch (error) {
      decision = failed(error);
    }
    onDecision?.(decision, request);
    if (!decision.pass) {
      // Whatever else of the request is on its way is not read.
      response.writeHead(decision.status, { ...decision.headers, connection: "close" });
      return response.end(decision.body);
    }
    rewrite(gated, decision.forward);
    await listener(gated, response);
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
    host: request.headers.host,
    headers,
    body,
    certificate: peer?.raw ?? null,
    chainValid: request.socket.authorized,
  });
}

// The whole body, or nothing of one that has more octets.
function bodyOf(request, most) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let length = 0;
    request.on("data", (chunk) => {
      length += chunk.length;
      if (length > most) {
        request.removeAllListeners("data").pause();
        return resolve(undefined);
      }
      chunks.push(chunk);
    });
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", reject);
    request.on("close", () => reject(new Error("closed")));
  });
}

// The same request, with its body still to be read.
function copyOf(request, body) {
  const copy = new IncomingMessage(request.socket);
  const { method, url, httpVersion, httpVersionMajor, httpVersionMinor, rawHeaders, headers } = request;
  Object.assign(copy, { method, url, httpVersion, httpVersionMajor, httpVersionMinor, complete: true });
  Object.assign(copy, { rawHeaders: [...rawHeaders], headers: { ...headers } });
  copy.push(body);
  copy.push(null);
  return copy;
}

function rewrite(request, { set, remove }) {
  const gone = new Set([...remove, ...set.map(([name]) => name)]);
  const raw = [];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    if (!gone.has(request.rawHeaders[index].toLowerCase())) raw.push(request.rawHeaders[index], request.rawHeaders[index + 1]);
  }
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !gone.has(name)));
  for (const [name, value] of set) {
    raw.push(name, value);
    headers[name] = value;
  }
  Object.assign(request, { rawHeaders: raw, headers });
}
