// Workers-style handlers: `fetch(request, ...)` gives a Response.

import {
  BodyTakenError,
  checkChain,
  decideWith,
  failed,
  inMode,
  isHost,
  reporter,
  tell,
  unclear,
  written,
} from "./adapters.js";
import * as binding from "./bindings.js";
import { expectAdapted, expectObject, expectString, isFunction, wrong } from "./expect.js";
import { fieldOctets } from "./gate.js";

// A handler that sees only requests that may pass. `peer` says what is known of the client's TLS
// connection.
export function protect(gate, handler, options = {}) {
  expectAdapted(gate, "handler", handler, options);
  const { peer, ...listeners } = options;
  if (!isFunction(peer)) {
    throw wrong("peer", "a function that gives the certificate of the connection", peer);
  }
  const report = reporter(listeners);
  return async (request, ...rest) => {
    const at = target(request);
    const { decision, body, error } = await decide(gate, request, at, () => peer(request, ...rest));
    if (error !== undefined) report(error, request);
    // The body broke off, and with it the connection: there is no one to answer.
    if (!decision) return new Response(null, { status: 400 });
    tell(decision, request, listeners);
    if (!decision.pass) {
      return new Response(decision.body, { status: decision.status, headers: decision.headers });
    }
    const headers = new Headers(request.headers);
    decision.forward.remove.forEach((name) => headers.delete(name));
    written(decision.forward).forEach(([name, value]) => headers.set(name, value));
    if (at.isOther) headers.set("host", at.host);
    // A stream is sent while it comes: `duplex` says so to the runtimes that want to hear it.
    const init = body ? { headers, body, duplex: "half" } : { headers };
    return handler(new Request(request, init), ...rest);
  };
}

const outermost = "have protect() wrap the outermost handler, before whatever reads bodies";

// The decision, and what took the place of the request's body where that was read.
async function decide(gate, request, { host, path, doubt }, peer) {
  const known = { method: request.method, path, host, headers: request.headers };
  if (doubt) return { decision: inMode(gate, known, unclear(doubt)) };
  try {
    const { certificate, chainValid, serverName } = await peer();
    Object.assign(known, { certificate, chainValid, serverName });
    const decision = gate.decideHead(known);
    checkChain(gate, known, decision);
    if (decision) return { decision };
    const { maxBodyBytes: limit } = gate.policy(host, path);
    if (request.bodyUsed || request.body?.locked) throw new BodyTakenError(outermost);
    if (!request.body) return { decision: gate.decide(known) };
    const read = await startOf(request.body, limit);
    if (!read) return {};
    // Of a body that is too large this is enough to say so.
    const decided = decideWith(gate, known, read.start, limit);
    return { decision: decided, body: read.rest ?? read.start };
  } catch (error) {
    return { decision: inMode(gate, known, failed(error)), error: error ?? null };
  }
}

// Host and path as they stand in the URL, because some runtimes (Deno) give the handler what the
// client sent, which a parser of URLs would read otherwise: `as.example.com?/token` has no path.
// Over a Unix socket Deno has the host that the client sent behind `http+unix:`. It is read there and
// not in Host, because a client can send such a URL over TCP, too, with another host in it.
// `isOther`: the header Host says another host (a whole URL as the target counts in place of it).
function target({ url, headers }) {
  const [, scheme = "", host = "", rest = ""] =
    url.match(/^(https?|http\+unix):\/\/([^/?#]*)([^]*)$/i) ?? [];
  const path = rest || "/";
  const named = headers.get("host");
  // `Headers` joins two by a comma.
  if (named?.includes(",")) {
    return { host, path, doubt: "the request has more than one Host" };
  }
  if (!isHost(host)) return { host, path, doubt: "the host of the request is none" };
  if (!path.startsWith("/")) {
    return { host, path, doubt: "the target of the request is no plain path" };
  }
  return { host, path, isOther: named !== null && plain(named, scheme) !== plain(host, scheme) };
}

// A host in the one spelling of its letters, and without the default port.
const plain = (host, scheme) =>
  host.toLowerCase().replace(scheme.toLowerCase() === "https" ? /:443$/ : /:80$/, "");

// The body as far as `most` octets and one chunk go, and if there is more, all of it as a stream;
// nothing of one that breaks off.
async function startOf(stream, most) {
  const reader = stream.getReader();
  const chunks = [];
  let length = 0;
  while (length <= most) {
    const { done, value } = await reader.read().catch(() => ({}));
    if (done === undefined) return undefined;
    if (done) return { start: joined(chunks, length) };
    if (!(value instanceof Uint8Array)) throw wrong("body", "a stream of octets", value);
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

// How a header carries the certificate, in the words of `forward.certificate`. The filter's own code
// reads it.
const formats = ["byte-sequence", "pem", "der", "xfcc"];
const formerWords = { base64: "der" };
// The headers of which the form is known.
const formatOf = {
  "client-cert": "byte-sequence",
  "x-ssl-cert": "pem",
  "x-forwarded-client-cert": "xfcc",
  "cloudfront-viewer-cert-pem": "pem",
};

// A `peer` for a runtime behind a proxy that terminates TLS and overwrites this header whatever the
// client sent. `verified: false`: the proxy lets certificates in that it did not verify. `hop`: that
// proxy's own certificate, where another one behind it appends an element of its own.
export function fromTrustedHeader(name, options = {}) {
  const lowerCase = expectString("name", name).toLowerCase();
  const { format = formatOf[lowerCase], verified = true, hop } = expectObject("options", options);
  if (format === undefined || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(lowerCase)) {
    const known = Object.keys(formatOf).map((known) => `"${known}"`);
    throw new TypeError(`name: expected ${known.join(", ")}, or the name of a header and a format`);
  }
  const form = Object.hasOwn(formerWords, format) ? formerWords[format] : format;
  if (!formats.includes(form)) {
    const all = formats.map((format) => `"${format}"`);
    throw wrong("format", all.join(" or "), format);
  }
  if (typeof verified !== "boolean") throw wrong("verified", "true or false", verified);
  if (hop !== undefined) expectHop(form, hop);
  return (request) => {
    const value = request.headers.get(lowerCase);
    if (value === null) return { certificate: null, chainValid: null };
    const certificate = forwarded(form, value, hop);
    return { certificate, chainValid: certificate === null ? null : verified };
  };
}

function expectHop(form, hop) {
  if (form !== "xfcc") {
    throw new TypeError('hop: expected the format "xfcc", in which each hop has an element');
  }
  // Hexadecimal or base64url, as in `trusted_proxies`.
  const isDigest = /^([0-9A-Fa-f]{64}|[0-9A-Za-z_-]{43})$/.test(expectString("hop", hop));
  if (!isDigest) throw wrong("hop", "the SHA-256 of the proxy's certificate", hop);
}

// The DER; null where there is no certificate.
function forwarded(form, value, hop) {
  if (isJoined(value)) return unreadable;
  try {
    return binding.readForwarded(form, fieldOctets(value), hop) ?? null;
  } catch (error) {
    // What the module throws is about the value.
    if (error instanceof Error && !(error instanceof TypeError || error instanceof RangeError)) {
      return unreadable;
    }
    throw error;
  }
}

// `Headers` joins two headers of one name by a comma and a blank, and then the value is refused. The
// elements of one header are separated by a comma alone: no proxy writes a blank there. Commas in
// quotation marks separate nothing, and two arrays of JSON are no JSON.
function isJoined(value) {
  if (/^[ \t]*\[/.test(value)) return false;
  let isQuoted = false;
  let isEscaped = false;
  let last = "";
  for (const character of value) {
    if (!isQuoted && last === "," && (character === " " || character === "\t")) return true;
    if (character === '"' && !isEscaped) isQuoted = !isQuoted;
    isEscaped = isQuoted && character === "\\" && !isEscaped;
    last = character;
  }
  return false;
}

// A `peer` for Cloudflare Workers: what the runtime itself says of the connection, which no header
// of a client changes. The certificate is there whatever its verification said, and one that is
// revoked counts as verified there.
export function fromCloudflare(request) {
  const {
    certPresented,
    certVerified,
    certRevoked,
    certRFC9440,
    certRFC9440TooLarge: isTooLarge,
  } = expectObject("request", request).cf?.tlsClientAuth ?? {};
  if (certPresented !== "1") return { certificate: null, chainValid: null };
  const isWhole = typeof certRFC9440 === "string" && certRFC9440 !== "";
  const isKnown = isWhole && (isTooLarge === undefined || isTooLarge === false);
  return {
    certificate: isKnown ? (forwarded("byte-sequence", certRFC9440) ?? unreadable) : unreadable,
    chainValid: certVerified === "SUCCESS" && certRevoked === "0",
  };
}

// In place of a certificate that is there and cannot be read: it is refused as malformed.
const unreadable = "(a certificate that the runtime does not give)";
