// A certificate in a file.

// Certificates have a few kilobytes; this has room for a chain that is printed as text.
const largest = 262_144;

/** What a file has: text, or the octets of DER; throws where it can be no certificate. */
export async function fromFile(file) {
  if (file.size > largest) throw new Error(`${file.name} has ${file.size} bytes, which is too much for a certificate.`);
  let octets;
  try {
    octets = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} cannot be read. Is it a directory?`);
  }
  if (!isDer(octets)) return { text: new TextDecoder().decode(octets) };
  return { text: "", octets };
}

// A SEQUENCE. A text may begin with that octet, too, a zero; but hardly has an octet of no character, or its own length, behind it.
const isDer = (octets) => octets[0] === 0x30 && (octets[1] > 0x80 || octets[1] + 2 === octets.length);
