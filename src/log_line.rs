//! Lines for a host's log. Registries, key sets and clients choose parts of them.

use std::borrow::Cow;

use crate::limits;
use crate::octets::are_printable;

/// `text` as one line: without control characters and line separators, which are escaped as in
/// Rust, and cut to [`limits::LINE_BYTES`].
#[must_use]
pub fn log_line(text: &str) -> Cow<'_, str> {
    let is_short = text.len() <= limits::LINE_BYTES;
    // Nearly every line, of which a flood of refused requests makes many.
    if is_short && (are_printable(text.as_bytes()) || !text.contains(is_escaped)) {
        return Cow::Borrowed(text);
    }
    escaped(text).into()
}

/// Whether a character could end a line, or change what a terminal shows of it: the last ones are
/// those that turn the direction of text.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[inline(never)]
fn escaped(text: &str) -> String {
    const CUT: &str = " [...]";
    let mut line = String::new();
    for c in text.chars() {
        let before = line.len();
        if is_escaped(c) {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
        if line.len() > limits::LINE_BYTES - CUT.len() {
            line.truncate(before);
            line.push_str(CUT);
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_begin_another_line_is_escaped() {
        for (text, line) in [
            ("tls_client_auth client \"é\"", "tls_client_auth client \"é\""),
            ("/0/a\n2026 [critical] b", "/0/a\\n2026 [critical] b"),
            ("a\r\0\u{1b}[31m", "a\\r\\0\\u{1b}[31m"),
            ("a\u{2028}b\u{85}c", "a\\u{2028}b\\u{85}c"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("C:\\n", "C:\\n"),
        ] {
            assert_eq!(log_line(text), line);
        }
    }

    #[test]
    fn a_line_is_short() {
        for text in ["a".repeat(500_000), "é".repeat(500_000), "\n".repeat(500_000)] {
            let line = log_line(&text);
            assert!(line.len() <= limits::LINE_BYTES && line.ends_with(" [...]"), "{}", line.len());
            assert!(line.len() > limits::LINE_BYTES - 16, "{}", line.len());
        }
        for whole in ["a".repeat(limits::LINE_BYTES), "é".repeat(limits::LINE_BYTES / 2)] {
            assert_eq!(log_line(&whole), whole);
        }
        let longer = log_line(&"a".repeat(limits::LINE_BYTES + 1)).into_owned();
        assert_eq!(longer, "a".repeat(limits::LINE_BYTES - 6) + " [...]");
    }
}
