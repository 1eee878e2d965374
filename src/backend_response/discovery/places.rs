//! Where the values of a JSON text are, so that it can be changed there alone. A text that is
//! written anew would have other blanks, other escapes and other numbers.

use std::ops::Range;

use crate::sort::sort_by;

/// A text in the place of another one, which is empty where something is only added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Insertion {
    pub(super) place: Range<usize>,
    pub(super) text: String,
}

/// The places of the values of the members of an object, in their order, without the blanks round
/// them. `text` is JSON with one object.
pub(super) fn values(text: &str) -> Vec<Range<usize>> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let (mut values, mut start) = (Vec::new(), None);
    for (place, octet) in text.bytes().enumerate() {
        if in_string {
            match octet {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        let is_end = depth == 1 && matches!(octet, b',' | b'}');
        if let Some(start) = start.take_if(|_| is_end) {
            values.push(trimmed(text, start..place));
        }
        match octet {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => start = Some(place + 1),
            _ => {}
        }
    }
    values
}

/// Adds `elements` at the end of the array or object at `container`, behind a comma if it has some.
pub(super) fn appended(text: &str, container: Range<usize>, elements: &str) -> Option<Insertion> {
    let inside = container.start.checked_add(1)?..container.end.checked_sub(1)?;
    let last = trimmed(text, inside.clone());
    let comma = if last.is_empty() { "" } else { "," };
    Some(Insertion { place: last.end..last.end, text: format!("{comma}{elements}") })
}

/// The text with these insertions; `None` = their places are not in it, or not apart.
pub(super) fn apply(text: &str, mut insertions: Vec<Insertion>) -> Option<String> {
    sort_by(&mut insertions, |one, other| one.place.start.cmp(&other.place.start));
    let (mut edited, mut done) = (String::with_capacity(text.len() + 512), 0);
    for Insertion { place, text: new } in insertions {
        edited.push_str(text.get(done..place.start)?);
        edited.push_str(&new);
        done = place.end;
    }
    edited.push_str(text.get(done..)?);
    Some(edited)
}

/// The same place without the blanks round its text.
pub(super) fn trimmed(text: &str, place: Range<usize>) -> Range<usize> {
    let blanks = [' ', '\t', '\n', '\r'];
    let whole = text.get(place.clone()).unwrap_or_default();
    let rest = whole.trim_start_matches(blanks);
    let start = place.start + (whole.len() - rest.len());
    start..start + rest.trim_end_matches(blanks).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        values(text).into_iter().map(|place| &text[place]).collect()
    }

    #[test]
    fn values_of_an_object() {
        assert_eq!(texts("{}"), [""; 0]);
        assert_eq!(texts(" { \"a\" : 1 } "), ["1"]);
        assert_eq!(
            texts(
                "{\"a\":\"x,y}\\\"]:\",\"b:\":[1,{\"c\":2}],\n\t\
                 \"d\" : { \"e\":[] }\r\n,\"f\":-1e3}"
            ),
            ["\"x,y}\\\"]:\"", "[1,{\"c\":2}]", "{ \"e\":[] }", "-1e3"]
        );
        assert_eq!(texts("{\"\\\\\":\"\\\\\",\"é\":\"é\"}"), ["\"\\\\\"", "\"é\""]);
    }

    #[test]
    fn insertions() {
        let add = |text: &str| apply(text, vec![appended(text, 0..text.len(), "9").unwrap()]);
        assert_eq!(add("[]").unwrap(), "[9]");
        assert_eq!(add("[ ]").unwrap(), "[ 9]");
        assert_eq!(add("[1]").unwrap(), "[1,9]");
        assert_eq!(add("[\n 1\n]").unwrap(), "[\n 1,9\n]");
        let one =
            |start: usize, end, text: &str| Insertion { place: start..end, text: text.into() };
        assert_eq!(apply("abc", vec![one(2, 3, "z"), one(0, 0, "x")]).unwrap(), "xabz");
        assert_eq!(apply("abc", vec![one(0, 2, "z"), one(1, 1, "x")]), None);
        assert_eq!(apply("abc", vec![one(4, 4, "z")]), None);
    }
}
