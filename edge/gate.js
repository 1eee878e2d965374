// What people call; the decision itself is the filter's own code in WebAssembly.

import { Gate as Binding, readCertificate as certificate, readName as name } from "./bindings.js";

const utf8 = new TextEncoder();

export class Gate {
  #binding;

  constructor(configuration) {
    this.#binding = new Binding(typeof configuration === "string" ? configuration : JSON.stringify(configuration));
  }

  decide({ method = "POST", path, host, headers = {}, body = "", certificate, chainValid, now = Date.now() / 1000 }) {
    const fields = [[":method", method], [":path", path]];
    // Every request has an authority; without one no tenant is meant.
    const all = [...pairs(headers)];
    const authority = host ?? text(all.find(([name]) => name.toLowerCase() === "host")?.[1]);
    if (authority !== undefined) fields.push([":authority", authority]);
    fields.push(...all.filter(([name]) => name.toLowerCase() !== "host"));
    const decided = this.#binding.decide(
      fields.map(([name]) => String(name).toLowerCase()),
      fields.map(([, value]) => octets(value)),
      typeof body === "string" ? utf8.encode(body) : new Uint8Array(body),
      certificate === undefined || certificate === null ? undefined : certificateOctets(certificate),
      chainValid ?? undefined,
      Number.isFinite(Number(now)) ? Math.floor(Number(now)) : undefined,
    );
    return JSON.parse(decided);
  }
}

export const readCertificate = (value) => JSON.parse(certificate(certificateOctets(value)));
export const readName = (text) => JSON.parse(name(text));

function* pairs(headers) {
  const entries = typeof headers[Symbol.iterator] === "function" ? headers : Object.entries(headers);
  for (const [name, value] of entries) {
    if (Array.isArray(value)) for (const one of value) yield [name, one];
    else if (value !== undefined) yield [name, value];
  }
}

// Header values of Node and of fetch are octets, one in each character. Anything beyond is text, so UTF-8.
function octets(value) {
  if (value instanceof Uint8Array) return value;
  const text = String(value);
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0xff) return utf8.encode(text);
  }
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

const text = (value) => (value instanceof Uint8Array ? String.fromCharCode(...value) : value);

// PEM, plain or percent-encoded, as text; DER, or PEM, as octets.
const certificateOctets = (certificate) => (typeof certificate === "string" ? utf8.encode(certificate) : new Uint8Array(certificate));
