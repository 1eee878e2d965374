// node:https and node:http2: the certificate of the connection, and requests that reach the
// application only when they may.

import { constants } from "node:http2";
import {
  checkChain,
  complain,
  decideWith,
  failed,
  inMode,
  isHost,
  reporter,
  tell,
  unclear,
  written,
} from "./adapters.js";
import { answer, startOf } from "./body.js";
import { expectAdapted } from "./expect.js";
import { checkRuntime, checkServer, peerOf, secure } from "./peer.js";

export { peerOf };

// A listener for a server with `requestCert: true, rejectUnauthorized: false`, so that a client
// without a certificate, or with one that it registered itself, gets as far as the decision.
export function protect(gate, listener, options = {}) {
  expectAdapted(gate, "listener", listener, options);
  checkRuntime();
  const shared = { gate, listener, ...options, report: reporter(options) };
  return (request, response, ...rest) => serve(shared, request, response, rest);
}

// A whole server: `protect`, and no other way to the application.
export function guard(server, gate, listener, options = {}) {
  expectAdapted(gate, "listener", listener, options);
  checkServer(server);
  const others = ["request", "checkContinue", "checkExpectation", "upgrade", "connect", "stream"];
  const refuse = (event) => {
    if (!others.includes(event)) return;
    throw new Error(`a listener for "${event}" would get requests that the gate has not seen`);
  };
  server.eventNames().forEach(refuse);
  const shared = { gate, listener, ...options, report: reporter(options) };
  server.on("secureConnection", secure);
  server.on("request", (request, response) => serve(shared, request, response, []));
  // The client is asked for the body where it is wanted, so that a refusal can come before it.
  server.on("checkContinue", (request, response) => {
    let isAsked = false;
    const ask = () => {
      if (!isAsked) response.writeContinue();
      isAsked = true;
    };
    return serve({ ...shared, ask }, request, response, []);
  });
  server.on("newListener", refuse);
  return server;
}

async function serve({ gate, listener, ask, report, ...listeners }, request, response, rest) {
  try {
    const { decision, host, error } = await decide(gate, request, ask);
    if (error) report(error, request);
    // The client is gone: there is nothing to decide, and no one to answer.
    if (!decision) return;
    tell(decision, request, listeners);
    if (!decision.pass) {
      answer(request, response, decision);
      return;
    }
    ask?.();
    rewrite(request, decision.forward, host);
    // What the application leaves unread would block the connection.
    response.on("finish", () => request.readableFlowing ?? request.resume());
    await listener(request, response, ...rest);
  } catch (error) {
    complain(error, request, listeners.onError);
    fail(request, response, error);
  }
}

async function decide(gate, request, ask) {
  let known;
  try {
    const { host, path, doubt } = target(request);
    known = { method: request.method, path, host, headers: pairs(request.rawHeaders) };
    if (doubt) return { decision: inMode(gate, known, unclear(doubt)) };
    // Each request of HTTP/2 has a socket of its own, the session has one for all.
    Object.assign(known, peerOf(request.stream?.session?.socket ?? request.socket));
    const decision = gate.decideHead(known);
    checkChain(gate, known, decision);
    if (decision) return { decision, host };
    const { maxBodyBytes: limit } = gate.policy(host, path);
    ask?.();
    const body = await startOf(request, limit);
    // Of a body that is too large this is enough to say so.
    return { decision: body && decideWith(gate, known, body, limit), host };
  } catch (error) {
    return { decision: inMode(gate, known, failed(error)), host: known?.host, error };
  }
}

// Host and path as every application reads them, or why one could read them otherwise.
function target(request) {
  const isHttp1 = request.httpVersionMajor === 1;
  // Express and Connect cut the place where they mount something off `url`.
  const url = request.originalUrl ?? request.url;
  const hosts = pairs(request.rawHeaders).flatMap(([name, value]) => {
    return name.toLowerCase() === "host" ? [value] : [];
  });
  // RFC 9112 §3.2.2: the host of a whole URL counts in place of Host.
  const whole = isHttp1 ? url.match(/^https?:\/\/([^/?]+)(.*)$/i) : null;
  const host = whole?.[1] || (!isHttp1 && request.headers[":authority"]) || hosts[0];
  const path = whole ? whole[2] || "/" : url;
  if (hosts.length > 1) {
    return { host: hosts.join(", "), path, doubt: "the request has more than one Host" };
  }
  // HTTP/1.0 may have none.
  if (host !== undefined && !isHost(host)) {
    return { host, path, doubt: "the host of the request is none" };
  }
  // Parsers of URLs take what follows two slashes for a host.
  if (path !== "*" && !/^\/(?![\t\n\r]*[/\\])/.test(path)) {
    return { host, path, doubt: "the target of the request is no plain path" };
  }
  return { host, path };
}

const pairs = (raw) =>
  Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index], raw[2 * index + 1]]);

// What Node made of the headers is changed in its place: all that hold the request see the same.
function rewrite(request, forward, host) {
  const set = written(forward);
  if (host !== undefined && (request.headers.host ?? host) !== host) set.push(["host", host]);
  const gone = new Set([...forward.remove, ...set.map(([name]) => name)]);
  if (gone.size > 0) {
    // Node makes these of rawHeaders when they are first asked for; HTTP/2 has no headersDistinct.
    const { headers, headersDistinct = {}, rawHeaders } = request;
    const kept = pairs(rawHeaders).filter(([name]) => !gone.has(name.toLowerCase()));
    rawHeaders.splice(0, rawHeaders.length, ...kept.concat(set).flat());
    for (const name of gone) {
      delete headers[name];
      delete headersDistinct[name];
    }
    for (const [name, value] of set) {
      headers[name] = value;
      headersDistinct[name] = [value];
    }
  }
  // Trailers come after the decision, and could say anything.
  const none = (value) => ({ get: () => value, set() {}, configurable: true });
  Object.defineProperties(request, {
    trailers: none({}),
    trailersDistinct: none({}),
    rawTrailers: none([]),
  });
}

function fail(request, response, error) {
  try {
    if (response.writableEnded) return;
    if (!response.headersSent) {
      response.getHeaderNames().forEach((name) => response.removeHeader(name));
      answer(request, response, failed(error));
    } else if (request.httpVersionMajor > 1) {
      // The client must not take the part for the whole.
      response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    } else {
      response.destroy();
    }
  } catch {
    // The client is gone: HTTP/2 has no stream any more.
  }
}
