"""What RFC 4518 section 2 makes of every character, by Python's own tables: an independent second opinion.

Python's unicodedata has Unicode 3.2 (ucd_3_2_0), on which RFC 4518 is built, and its stringprep has the tables of RFC 3454.

  rfc4518.py table   src/certificate/name/unicode_3_2.rs: the characters that Unicode 3.2 leaves unassigned
  rfc4518.py forms   a line for each character that Unicode 3.2 assigns: it, and the form in which each text of CONTEXTS with it
                     is compared, joined by tabs, all in hexadecimal; `control` and `prohibited` are for texts that are refused
"""

import stringprep
import sys
from unicodedata import ucd_3_2_0 as unicode

LAST = 0x110000
# In what company a character is compared: alone, between letters, under an accent, and on a blank.
CONTEXTS = ["{}", "a{}B", "e{}\u0301", "x {}y", "{}\u0327\u0301", "\u1100{}\u11a8"]


def is_unassigned(c):
    # Non-characters are unassigned for Unicode and have a table of their own in RFC 3454 (C.4).
    return unicode.category(c) == "Cn"


def table():
    edges, inside = [], False
    for code in range(LAST):
        if is_unassigned(chr(code)) != inside:
            inside = not inside
            edges.append(code)
    bmp = [edge for edge in edges if edge <= 0xFFFF]
    others = [edge for edge in edges if edge > 0xFFFF]
    print("//! The characters that Unicode 3.2 leaves unassigned: table A.1 of RFC 3454, and the non-characters.")
    print("//!")
    print("//! Made by `python3 tests/unicode/rfc4518.py table`; a test compares every character with the same source.")
    print()
    print("/// Whether Unicode 3.2 leaves `c` unassigned.")
    print("pub(super) fn is_unassigned(c: char) -> bool {")
    print("    // At every edge, the first character of a range or of a gap, assigned and unassigned change places.")
    print("    let edges = match u16::try_from(u32::from(c)) {")
    print("        Ok(c) => EDGES.partition_point(|&edge| edge <= c),")
    print("        Err(_) => EDGES.len() + HIGH_EDGES.partition_point(|&edge| edge <= u32::from(c)),")
    print("    };")
    print("    edges % 2 == 1")
    print("}")
    for name, kind, values in [("EDGES", "u16", bmp), ("HIGH_EDGES", "u32", others)]:
        print()
        print("#[rustfmt::skip]")
        print(f"static {name}: [{kind}; {len(values)}] = [")
        line = "   "
        for value in values:
            item = f" {value:#06x},"
            if len(line) + len(item) > 120:
                print(line)
                line = "   "
            line += item
        print(line)
        print("];")


def deleted_or_blank(c):
    """RFC 4518 section 2.2, but for case: a blank, nothing, an error, or None for what stays."""
    code = ord(c)
    # A blank to Unicode 3.2, which RFC 4518 names apart from the others.
    if code == 0x200B:
        return ""
    if 0x09 <= code <= 0x0D or code == 0x85 or unicode.category(c) in ("Zs", "Zl", "Zp"):
        return " "
    # RFC 4518 deletes controls. A name that hides one is an attack: it is refused.
    if code < 0x20 or 0x7F <= code <= 0x9F:
        raise ValueError("control")
    if c in "\u00ad\u1806\u034f\ufffc" or 0x180B <= code <= 0x180D or 0xFE00 <= code <= 0xFE0F:
        return ""
    controls = [(0x6DD, 0x6DD), (0x70F, 0x70F), (0x180E, 0x180E), (0x200C, 0x200F), (0x202A, 0x202E), (0x2060, 0x2063),
                (0x206A, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x1D173, 0x1D17A), (0xE0001, 0xE0001), (0xE0020, 0xE007F)]
    return "" if any(first <= code <= last for first, last in controls) else None


def lower(c):
    """Table B.3 of RFC 3454."""
    exception = stringprep.b3_exceptions.get(ord(c))
    if exception is not None:
        return exception
    folded = c.lower()
    # Python's lower() is of its own Unicode, which gave some characters of 3.2 a small letter that 3.2 did not have.
    return c if any(is_unassigned(letter) for letter in folded) else folded


def folded(c):
    """Table B.2 of RFC 3454, as stringprep.map_table_b2 has it, with the lower() above."""
    low = lower(c)
    again = "".join(map(lower, unicode.normalize("NFKC", low)))
    normal = unicode.normalize("NFKC", again)
    return normal if unicode.normalize("NFKC", low) != normal else low


def prepare(text):
    mapped = ""
    for c in text:
        if is_unassigned(c):
            if ord(c) in NEVER_ASSIGNED:
                raise ValueError("prohibited")
            # Not even a letter case of a later Unicode: it stands for itself.
            mapped += c
            continue
        change = deleted_or_blank(c)
        mapped += folded(c) if change is None else change
    # Unassigned characters have no decomposition and combining class 0 in 3.2, so they pass unchanged and part what is beside.
    normal = unicode.normalize("NFKC", mapped)
    if any(stringprep.in_table_c3(c) or c == "\ufffd" for c in normal):
        raise ValueError("prohibited")
    out, pending = "", False
    for index, c in enumerate(normal):
        marked = index + 1 < len(normal) and unicode.category(normal[index + 1]).startswith("M")
        if c == " " and not marked:
            pending = bool(out)
            continue
        out += " " * pending + c
        pending = False
    return out


# Surrogates are no characters; non-characters can never get a meaning.
NEVER_ASSIGNED = set(range(0xFDD0, 0xFDF0)) | {plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)}


def forms():
    def written(text):
        try:
            return prepare(text).encode("utf-8").hex() or "-"
        except ValueError as error:
            return str(error)

    for code in range(LAST):
        # Not the surrogates, which are no characters, and of private use only what is below the planes that have nothing else.
        if not 0xD800 <= code <= 0xDFFF and not is_unassigned(chr(code)) and code < 0xF0000:
            print(f"{code:x}", *(written(context.format(chr(code))) for context in CONTEXTS), sep="\t")


if __name__ == "__main__":
    {"table": table, "forms": forms}[sys.argv[1]]()
