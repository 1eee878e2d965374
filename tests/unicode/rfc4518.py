"""The preparation of every character by RFC 4518 section 2, with Python's own tables.

It is independent of the filter. Python's unicodedata has Unicode 3.2 (ucd_3_2_0), on which RFC 4518
is based, and its stringprep has the tables of RFC 3454.

  rfc4518.py table   prints src/certificate/name/unicode_3_2.rs: the characters that are unassigned
                     in Unicode 3.2
  rfc4518.py forms   prints a line for each character that is assigned in Unicode 3.2: the character
                     and the prepared form of each text of CONTEXTS with it, separated by tabs, in
                     hexadecimal; `control` and `prohibited` for texts that are refused
"""

import stringprep
import sys
from unicodedata import ucd_3_2_0 as unicode

LAST = 0x110000
# The contexts of a character: alone, between letters, with an accent, after a blank, between marks.
CONTEXTS = ["{}", "a{}B", "e{}\u0301", "x {}y", "{}\u0327\u0301", "\u1100{}\u11a8"]


# The start of the table: a module of Rust.
HEAD = """\
//! The characters that Unicode 3.2 leaves unassigned: table A.1 of RFC 3454, and the
//! non-characters.
//!
//! Made by `python3 tests/unicode/rfc4518.py table`; a test compares every character with the same
//! source.

/// Whether Unicode 3.2 leaves `c` unassigned.
pub(super) fn is_unassigned(c: char) -> bool {
    // At every edge, the first character of a range or of a gap, assigned and unassigned change
    // places.
    let edges = match u16::try_from(u32::from(c)) {
        Ok(c) => EDGES.partition_point(|&edge| edge <= c),
        Err(_) => EDGES.len() + HIGH_EDGES.partition_point(|&edge| edge <= u32::from(c)),
    };
    edges % 2 == 1
}
"""


def is_unassigned(c):
    # Non-characters are unassigned in Unicode, and RFC 3454 has a table for them (C.4).
    return unicode.category(c) == "Cn"


def table():
    edges, inside = [], False
    for code in range(LAST):
        if is_unassigned(chr(code)) != inside:
            inside = not inside
            edges.append(code)
    bmp = [edge for edge in edges if edge <= 0xFFFF]
    others = [edge for edge in edges if edge > 0xFFFF]
    print(HEAD, end="")
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
    """RFC 4518 section 2.2 without case: a blank, nothing, an error, or None for no change."""
    code = ord(c)
    # A blank in Unicode 3.2, which RFC 4518 treats separately.
    if code == 0x200B:
        return ""
    if 0x09 <= code <= 0x0D or code == 0x85 or unicode.category(c) in ("Zs", "Zl", "Zp"):
        return " "
    # RFC 4518 deletes controls. The filter refuses them: a name with a hidden one is an attack.
    if code < 0x20 or 0x7F <= code <= 0x9F:
        raise ValueError("control")
    if c in "\u00ad\u1806\u034f\ufffc" or 0x180B <= code <= 0x180D or 0xFE00 <= code <= 0xFE0F:
        return ""
    controls = [
        (0x6DD, 0x6DD),
        (0x70F, 0x70F),
        (0x180E, 0x180E),
        (0x200C, 0x200F),
        (0x202A, 0x202E),
        (0x2060, 0x2063),
        (0x206A, 0x206F),
        (0xFEFF, 0xFEFF),
        (0xFFF9, 0xFFFB),
        (0x1D173, 0x1D17A),
        (0xE0001, 0xE0001),
        (0xE0020, 0xE007F),
    ]
    return "" if any(first <= code <= last for first, last in controls) else None


def lower(c):
    """Table B.3 of RFC 3454."""
    exception = stringprep.b3_exceptions.get(ord(c))
    if exception is not None:
        return exception
    folded = c.lower()
    # Python's lower() uses a later Unicode, which has lower-case letters that 3.2 lacks.
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
            # Unassigned characters are kept, without case folding of a later Unicode.
            mapped += c
            continue
        change = deleted_or_blank(c)
        mapped += folded(c) if change is None else change
    # In 3.2, unassigned characters have no decomposition and combining class 0: they do not change.
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


# Non-characters never get a meaning. (Surrogates are not characters.)
NEVER_ASSIGNED = set(range(0xFDD0, 0xFDF0)) | {
    plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)
}


def forms():
    def written(text):
        try:
            return prepare(text).encode("utf-8").hex() or "-"
        except ValueError as error:
            return str(error)

    for code in range(LAST):
        # Without surrogates, and without the two planes of private use.
        if not 0xD800 <= code <= 0xDFFF and not is_unassigned(chr(code)) and code < 0xF0000:
            print(
                f"{code:x}", *(written(context.format(chr(code))) for context in CONTEXTS), sep="\t"
            )


if __name__ == "__main__":
    {"table": table, "forms": forms}[sys.argv[1]]()
