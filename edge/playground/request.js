// The token request, from what was typed.

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Header lines as pairs; throws for a line that is none. */
export function readHeaders(text) {
  return text.split("\n").flatMap((line, index) => {
    if (!line.trim()) return [];
    const colon = line.indexOf(":");
    const quoted = `Line ${index + 1}, “${line.trim().slice(0, 60)}”`;
    if (colon < 0) throw new Error(`${quoted}, has no colon: a header is “name: value”.`);
    const name = line.slice(0, colon).trim();
    if (!token.test(name)) {
      throw new Error(`${quoted}, does not begin with the name of a header.`);
    }
    return [[name, line.slice(colon + 1).trim()]];
  });
}

/** The host that the headers name, if they do. */
export const hostIn = (headers) => headers?.find(([name]) => name.toLowerCase() === "host")?.[1];

/** The client_id that a body names, if it does. */
export const clientIdIn = (body) => new URLSearchParams(body).get("client_id") || undefined;

/**
 * The body without the line ends behind it, which editors and terminals add, and what to say about
 * it.
 */
export function readBody(text) {
  const body = text.replace(/\n+$/, "");
  const notes = [];
  if (body !== text) notes.push("The line end behind the body is not sent.");
  if (/\s/.test(body)) {
    notes.push(
      "A blank or a line end in the body is sent as it is; a form writes + or %20, and %0A.",
    );
  }
  return { body, note: notes.join(" ") };
}
