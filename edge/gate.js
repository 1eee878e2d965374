// What people call; the decision itself is the filter's own code in WebAssembly. What has not the
// type that it must have throws: a decision about something else than was meant is worse than none.

import * as binding from "./bindings.js";
import { expectObject, expectString, wrong } from "./expect.js";

const utf8 = new TextEncoder();

export class Gate {
  #binding;

  constructor(configuration) {
    this.#binding = new binding.Gate(json(configuration));
  }

  decide(request) {
    const { body = "", ...head } = expectObject("request", request);
    return JSON.parse(this.#binding.decide(...facts(head), octets("body", body)));
  }

  decideHead(head) {
    return JSON.parse(this.#binding.decideHead(...facts(expectObject("head", head))));
  }

  policy(host = "", path = "/") {
    // As decide() has them: what it takes for another path is under another policy.
    const [ofHost, ofPath] = [expectString("host", host), expectString("path", path)];
    return JSON.parse(this.#binding.policy(fieldOctets(ofHost), fieldOctets(ofPath)));
  }
}

export function readCertificate(certificate) {
  return JSON.parse(binding.readCertificate(certificateOctets(certificate)));
}

export const readName = (name) => JSON.parse(binding.readName(expectString("name", name)));

const servers = ["authlete", "duende", "keycloak", "spring"];

export function convertClients(document, from) {
  if (!servers.includes(from)) throw wrong("from", `one of ${servers.join(", ")}`, from);
  return JSON.parse(binding.convertClients(expectString("document", document), from));
}

function json(configuration) {
  if (typeof configuration === "string") return configuration;
  const expected = "a plugin configuration, as an object or as JSON";
  const text = JSON.stringify(expectObject("configuration", configuration, expected));
  if (text === undefined) throw wrong("configuration", expected, configuration);
  return text;
}

// What the binding wants to know of a request and its connection, in its order.
function facts(head) {
  const { method = "POST", path, host, headers = {}, certificate, chainValid, serverName } = head;
  const { now = Date.now() / 1000, verifiedToken } = head;
  const sent = pairs(headers).map(([name, value]) => {
    return [name.toLowerCase(), octets(`headers: ${name}`, value, fieldOctets)];
  });
  const authority = host ?? namedHost(sent);
  const fields = [
    [":method", fieldOctets(expectString("method", method))],
    [":path", fieldOctets(expectString("path", path))],
  ];
  // Every request has an authority; without one no tenant is meant.
  if (authority !== undefined) {
    fields.push([":authority", fieldOctets(expectString("host", authority))]);
  }
  // No other pseudo-header, as HTTP/2 has them among the headers, may say something else than the
  // arguments. What asks for another protocol (RFC 8441) has no argument.
  const isKept = (name) => name === ":protocol" || (name !== "host" && !name.startsWith(":"));
  fields.push(...sent.filter(([name]) => isKept(name)));
  return [
    fields.map(([name]) => name),
    fields.map(([, value]) => value),
    certificate === undefined || certificate === null ? undefined : certificateOctets(certificate),
    truth("chainValid", chainValid),
    seconds("now", now),
    // Empty: the client asked for none.
    serverName === undefined ? undefined : expectString("serverName", serverName ?? ""),
    // The caller verified its signature and its claims.
    verifiedToken === undefined || verifiedToken === null
      ? undefined
      : expectString("verifiedToken", verifiedToken),
  ];
}

function pairs(headers) {
  if (typeof headers !== "object" || headers === null) {
    throw wrong("headers", "an object, or pairs of name and value", headers);
  }
  if (typeof headers[Symbol.iterator] !== "function") {
    const defined = Object.entries(headers).filter(([, value]) => value !== undefined);
    return defined.flatMap(([name, value]) => {
      return (Array.isArray(value) ? value : [value]).map((one) => [name, one]);
    });
  }
  return [...headers].map((pair) => {
    const isPair = Array.isArray(pair) && pair.length === 2 && typeof pair[0] === "string";
    if (!isPair) throw wrong("headers", "pairs of name and value", pair);
    return pair;
  });
}

// Two different ones are no host, and so no tenant's.
function namedHost(sent) {
  const named = sent.filter(([name]) => name === "host" || name === ":authority");
  const hosts = new Set(named.map(([, value]) => latin1(value)));
  return hosts.size > 0 ? [...hosts].join(", ") : undefined;
}

// "NONE" and "FAILED" are true to JavaScript, and words of runtimes for a chain that was not
// verified.
function truth(what, value) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw wrong(what, "true, false or null", value);
  return value;
}

function seconds(what, value) {
  if (value === null) return undefined;
  const number = value instanceof Date ? value.getTime() / 1000 : value;
  if (typeof number !== "number") throw wrong(what, "seconds since 1970, a Date or null", value);
  return Number.isFinite(number) ? Math.floor(number) : undefined;
}

function octets(what, value, ofText = (text) => utf8.encode(text)) {
  if (typeof value === "string") return ofText(value);
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  // By its name, because other realms have an ArrayBuffer of their own.
  const isBuffer = /^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(value));
  if (isBuffer) return new Uint8Array(value);
  throw wrong(what, "a string, an ArrayBuffer or a view of one", value);
}

const latin1 = (octets) => Array.from(octets, (octet) => String.fromCharCode(octet)).join("");

// Methods, hosts, paths and header values of Node and of fetch are octets, one in each character.
// Anything beyond is text, so UTF-8.
export function fieldOctets(text) {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return utf8.encode(text);
  }
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

// PEM, plain or percent-encoded, as text; DER, or PEM, as octets; or what Node reads of one, whose
// `raw` is the DER.
const certificateOctets = (value) =>
  octets("certificate", ArrayBuffer.isView(value?.raw) ? value.raw : value);
