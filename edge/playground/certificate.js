// What people have, made into the one certificate that a TLS connection shows; and what had to be
// done for that.

// Certificates have a few kilobytes; this has room for a chain that is printed as text.
const largest = 262_144;

const [begin, end] = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"];
// PEM may be percent-encoded. A key whose end is missing is a key still.
const blank = "(?: |%20|\\+)";
const words = `(?:[A-Z0-9]+${blank})*PRIVATE${blank}KEY`;
const key = new RegExp(
  `-{0,5}BEGIN${blank}${words}[^]*?(?:END${blank}${words}-{0,5}(?:\\s|%0[AD])*|$)`,
  "gi",
);
const exposed =
  "No key is needed, and it was removed from this page. If it was pasted or sent anywhere else, " +
  "treat it as exposed and replace it.";

/** `text` without private keys, and what to say about them. */
export function withoutKeys(text) {
  const rest = text.replace(key, "");
  if (rest !== text) return { text: rest.trim(), problem: `There was a private key. ${exposed}` };
  const problem = keyProblem(fromBase64(text));
  return { text: problem ? "" : text, problem };
}

/**
 * What a text has for the filter (`given`: PEM, DER, or whatever else it is), and what was done to
 * it (`note`).
 */
export function fromText(text) {
  const start = text.indexOf(begin);
  const stop = text.indexOf(end, start);
  if (start >= 0 && stop > start) {
    // Where PEM stood in JSON or in an environment variable, its line ends are two characters.
    const first = text.slice(start, stop + end.length).replace(/\\[nr]/g, "\n");
    const number = text.split(begin).length - 1;
    const note =
      number > 1
        ? `The first of ${number} certificates is used: the client's own comes first.`
        : first === text.trim()
          ? ""
          : "Of this text, the certificate alone is used.";
    return { given: first, note };
  }
  const octets = fromBase64(text);
  if (octets) return { given: octets, note: "Read as base64 of DER." };
  const request = /BEGIN (NEW )?CERTIFICATE REQUEST/.test(text);
  const note = request ? "This is a request for a certificate, not the certificate." : "";
  return { given: text.trim() || null, note };
}

// RFC 5280 §4.1: a certificate begins with two SEQUENCEs. Private keys and PKCS #12 have a version,
// an INTEGER, in second place.
function keyProblem(der) {
  const second = der?.[der[1] < 0x80 ? 2 : 2 + (der[1] & 0x7f)];
  if (second !== 0x02) return undefined;
  return `That is a private key, or a PKCS #12 file with one. ${exposed}`;
}

/** What a file has: text, or the octets of DER; throws where it can be no certificate. */
export async function fromFile(file) {
  if (file.size > largest) {
    throw new Error(`${file.name} has ${file.size} bytes, which is too much for a certificate.`);
  }
  let octets;
  try {
    octets = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} cannot be read. Is it a directory?`);
  }
  if (!isDer(octets)) return { text: new TextDecoder().decode(octets) };
  const problem = keyProblem(octets);
  if (problem) throw new Error(problem);
  return { text: "", octets };
}

// A SEQUENCE. A text may begin with that octet, too, a zero; but hardly has an octet of no
// character, or its own length, behind it.
const isDer = (octets) =>
  octets[0] === 0x30 && (octets[1] > 0x80 || octets[1] + 2 === octets.length);

function fromBase64(text) {
  if (!/^[A-Za-z0-9+/=\s]+$/.test(text)) return undefined;
  try {
    const octets = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return isDer(octets) ? octets : undefined;
  } catch {
    return undefined;
  }
}

// RFC 8017 §A.1, RFC 5480 §2.1.1 and RFC 8410 §3, and what RFC 7518 and RFC 8037 call such keys.
const keyTypes = {
  "2a864886f70d010101": "RSA",
  "2a864886f70d01010a": "RSA",
  "2a8648ce3d0201": "EC",
  "2b6570": "OKP",
  "2b6571": "OKP",
};

/** The `kty` of a certificate; `undefined` for a kind of key without one. */
export function keyTypeOf(given) {
  try {
    return keyTypes[keyAlgorithm(typeof given === "string" ? derOf(given) : given)];
  } catch {
    return undefined;
  }
}

// In hexadecimal, the OBJECT IDENTIFIER of the subjectPublicKeyInfo (RFC 5280 §4.1).
function keyAlgorithm(der) {
  const [certificate] = within(der, { start: 0, end: der.length });
  const fields = within(der, within(der, certificate)[0]);
  // A certificate of version 1 does not begin with its version.
  const publicKey = fields[fields[0].tag === 0xa0 ? 6 : 5];
  const [{ start, end }] = within(der, within(der, publicKey)[0]);
  const octets = Array.from(der.subarray(start, end));
  return octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
}

function derOf(pem) {
  const text = pem.includes("%") ? decodeURIComponent(pem) : pem;
  return fromBase64(text.replace(/-----[^-]+-----/g, ""));
}

// The elements (tag, and where the contents are) that an element of DER has.
function within(der, { start, end }) {
  const elements = [];
  for (let at = start; at < end;) {
    const octets = der[at + 1] > 0x80 ? der[at + 1] & 0x7f : 0;
    const long = der.subarray(at + 2, at + 2 + octets).reduce((sum, octet) => 256 * sum + octet, 0);
    const first = at + 2 + octets;
    const next = first + (octets ? long : der[at + 1]);
    elements.push({ tag: der[at], start: first, end: next });
    at = next;
  }
  return elements;
}
