// What people have, made into the one certificate that a TLS connection shows; and what had to be done for that.

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
  "No key is needed, and it was removed from this page. If it was pasted or sent anywhere else, treat it as exposed and replace it.";

/** `text` without private keys, and what to say about them. */
export function withoutKeys(text) {
  const rest = text.replace(key, "");
  if (rest !== text) return { text: rest.trim(), problem: `There was a private key. ${exposed}` };
  const problem = keyProblem(fromBase64(text));
  return { text: problem ? "" : text, problem };
}

/** What a text has for the filter (`given`: PEM, DER, or whatever else it is), and what was done to it (`note`). */
export function fromText(text) {
  const start = text.indexOf(begin);
  const stop = text.indexOf(end, start);
  if (start >= 0 && stop > start) {
    // Where PEM stood in JSON or in an environment variable, its line ends are two characters.
    const first = text.slice(start, stop + end.length).replace(/\\[nr]/g, "\n");
    const number = text.split(begin).length - 1;
    if (number > 1)
      return {
        given: first,
        note: `The first of ${number} certificates is used: the client's own comes first.`,
      };
    return {
      given: first,
      note: first === text.trim() ? "" : "Of this text, the certificate alone is used.",
    };
  }
  const octets = fromBase64(text);
  if (octets) return { given: octets, note: "Read as base64 of DER." };
  const request = /BEGIN (NEW )?CERTIFICATE REQUEST/.test(text);
  return {
    given: text.trim() || null,
    note: request ? "This is a request for a certificate, not the certificate." : "",
  };
}

// RFC 5280 §4.1: a certificate begins with two SEQUENCEs. Private keys and PKCS #12 have a version, an INTEGER, in second place.
function keyProblem(der) {
  return der?.[der[1] < 0x80 ? 2 : 2 + (der[1] & 0x7f)] === 0x02
    ? `That is a private key, or a PKCS #12 file with one. ${exposed}`
    : undefined;
}

/** What a file has: text, or the octets of DER; throws where it can be no certificate. */
export async function fromFile(file) {
  if (file.size > largest)
    throw new Error(`${file.name} has ${file.size} bytes, which is too much for a certificate.`);
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

// A SEQUENCE. A text may begin with that octet, too, a zero; but hardly has an octet of no character, or its own length, behind it.
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
