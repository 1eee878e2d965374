"""The preparation of every character by RFC 4518 section 2, with Python's own tables.

It is independent of the filter. Python's unicodedata has Unicode 3.2 (ucd_3_2_0), on which RFC 4518
is based, and its stringprep has the tables of RFC 3454.

  rfc4518.py table   prints src/certificate/name/unicode_3_2.rs: the class of every character, and
                     how it is folded. Standard input has the first character of each range that
                     the newest version of Unicode assigns or leaves unassigned, in hexadecimal
  rfc4518.py forms   prints a line for each character that is assigned in Unicode 3.2: the character
                     and the prepared form of each text of CONTEXTS with it, separated by tabs, in
                     hexadecimal; `control` and `prohibited` for texts that are refused
"""

import bisect
import stringprep
import sys
from unicodedata import ucd_3_2_0 as unicode

LAST = 0x110000
# The contexts of a character: alone, between letters, with an accent, after a blank, between marks.
CONTEXTS = ["{}", "a{}B", "e{}\u0301", "x {}y", "{}\u0327\u0301", "\u1100{}\u11a8"]


# The start of the table: a module of Rust.
HEAD = """\
//! What Unicode 3.2, on which RFC 4518 is based, says of each character.
//!
//! The tables are made by `tests/unicode/rfc4518.py table`. The test
//! `the_tables_are_those_of_their_sources` compares them, and with `ACCEPT_TABLES=1` in the
//! environment writes this file.

/// What a character is to the preparation of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CharacterClass {
    /// Unicode 3.2 has it.
    Assigned,
    /// A combining mark of Unicode 3.2: of category M.
    Mark,
    /// Only later versions have it.
    Later,
    /// RFC 4518 §2.4: a character of private use, the replacement character, or one that no version
    /// has.
    Prohibited,
}

/// The class of `c`.
pub(super) fn class(c: char) -> CharacterClass {
    let code = u32::from(c);
    let index = (code >> 6) as usize;
    let bits = match BLOCKS.get(index).and_then(|&block| CLASSES.get(usize::from(block))) {
        Some(block) => {
            block.get(((code >> 4) & 3) as usize).map_or(3, |word| word >> (2 * (code & 15)))
        }
        None => {
            let after = HIGH_EDGES.partition_point(|&edge| (edge >> 2) <= code);
            after.checked_sub(1).and_then(|place| HIGH_EDGES.get(place)).map_or(3, |&edge| edge)
        }
    };
    match bits & 3 {
        0 => CharacterClass::Assigned,
        1 => CharacterClass::Mark,
        2 => CharacterClass::Later,
        _ => CharacterClass::Prohibited,
    }
}

/// `text` folded by table B.3 of RFC 3454, but for the characters that normalization form KC
/// replaces: what they are replaced by is folded when that is done.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'A'..='Z' => out.push(c.to_ascii_lowercase()),
            // No letters with case.
            '\\0'..='~' | '\\u{588}'..='\\u{1dff}' | '\\u{2200}'..='\\u{24b5}' => out.push(c),
            '\\u{24d0}'..='\\u{faff}' => out.push(c),
            _ => match STRINGS.binary_search_by_key(&c, |(from, _)| *from) {
                Ok(place) => out.push_str(STRINGS.get(place).map_or("", |(_, to)| to)),
                Err(_) => out.push(small(c)),
            },
        }
    }
    out
}

/// The one character to which `c` is folded, if it is folded.
fn small(c: char) -> char {
    let code = u32::from(c);
    let after = RANGES.partition_point(|range| range.first <= code);
    let range = after.checked_sub(1).and_then(|place| RANGES.get(place));
    range
        .filter(|range| code <= range.last && (code - range.first).is_multiple_of(range.step))
        .and_then(|range| char::from_u32(code.wrapping_add_signed(range.distance)))
        .unwrap_or(c)
}

/// Of the characters from `first` to `last`, each `step`-th is folded to the one at a distance.
struct Range {
    first: u32,
    last: u32,
    step: u32,
    distance: i32,
}

const fn range(first: u32, last: u32, step: u32, distance: i32) -> Range {
    Range { first, last, step, distance }
}
"""


def is_unassigned(c):
    # Non-characters are unassigned in Unicode, and RFC 3454 has a table for them (C.4).
    return unicode.category(c) == "Cn"


def classes():
    edges = [int(line, 16) for line in sys.stdin]
    # The first range is one of assigned characters.
    assert edges[0] == 0

    def number(code):
        c = chr(code)
        if not is_unassigned(c):
            if unicode.category(c) in ("Co", "Cs") or c == "\ufffd":
                return 3
            return 1 if unicode.category(c).startswith("M") else 0
        return 2 if bisect.bisect_right(edges, code) % 2 else 3

    return [number(code) for code in range(LAST)]


def table():
    numbers = classes()
    print(HEAD, end="")
    blocks, unique = [], {}
    for start in range(0, 0x10000, 64):
        words = tuple(
            sum(numbers[start + 16 * word + place] << 2 * place for place in range(16))
            for word in range(4)
        )
        blocks.append(unique.setdefault(words, len(unique)))
    print("\n/// The classes of the characters of the Basic Multilingual Plane, by 64.")
    print_array("BLOCKS", "u8", map(str, blocks))
    print("\n/// Two bits for each of 64 characters.")
    words = ("[" + ", ".join(f"{word:#010x}" for word in block) + "]" for block in unique)
    print_array("CLASSES", "[u32; 4]", words)
    print("\n/// The first character of each range of the other planes, and its class in two bits.")
    edges = [0x10000 << 2 | numbers[0x10000]] + [
        code << 2 | numbers[code]
        for code in range(0x10001, LAST)
        if numbers[code] != numbers[code - 1]
    ]
    print_array("HIGH_EDGES", "u32", (f"{edge:#x}" for edge in edges))
    ranges, strings = [], []
    for code in range(LAST):
        low = folded_first(chr(code))
        if len(low) > 1:
            escaped = "".join(f"\\u{{{ord(c):x}}}" for c in low)
            strings.append(f"('\\u{{{code:x}}}', \"{escaped}\")")
        elif low != chr(code):
            distance = ord(low) - code
            if ranges and ranges[-1][3] == distance:
                first, last, step, _ = ranges[-1]
                if code - last == step or (first == last and code - last == 2):
                    ranges[-1] = [first, code, code - last, distance]
                    continue
            ranges.append([code, code, 1, distance])
    print("\n/// Letters that are folded to one other, in order.")
    print_array("RANGES", "Range", (
        f"range({first:#x}, {last:#x}, {step}, {distance})"
        for first, last, step, distance in ranges
    ))
    print("\n/// Characters that are folded to several, in order.")
    print_array("STRINGS", "(char, &str)", strings)


def folded_first(c):
    """What c is folded to before it is normalized, where that makes a difference."""
    if is_unassigned(c) or unicode.category(c) == "Cs":
        return c
    normal = unicode.normalize("NFKC", c)
    then = unicode.normalize("NFKC", "".join(map(lower, normal)))
    # Marks may change places before they are folded.
    has_marks = any(unicode.category(n).startswith("M") for n in normal)
    return c if normal != c and then == folded(c) and not has_marks else lower(c)


def print_array(name, kind, items):
    items = list(items)
    print(f"static {name}: [{kind}; {len(items)}] = [")
    for item in items:
        print(f"    {item},")
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
