//! Text for people and JSON for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

// The stream removes them where the output is no terminal.
pub const BOLD: &str = "\x1b[1m";
pub const RED: &str = "\x1b[31m";
pub const GREEN: &str = "\x1b[32m";
pub const YELLOW: &str = "\x1b[33m";
pub const PLAIN: &str = "\x1b[0m";

pub fn print_json(value: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{value:#}")
}

/// `text` as it is safe on a terminal: names come from certificates and files, and could move the
/// cursor, colour what follows, or turn the direction of writing. Characters that do are written as
/// escapes.
pub fn visible(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut visible, c| {
        match c {
            '"' | '\'' | '\\' => visible.push(c),
            // Behind another character, so that an accent is no escape.
            _ => visible.extend(format!("a{c}").escape_debug().skip(1)),
        }
        visible
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_as_escapes() {
        for (text, seen) in [
            ("CN=a\\, b \"c\" 'd'", "CN=a\\, b \"c\" 'd'"),
            ("O=São Paulo, 東京, e\u{301}", "O=São Paulo, 東京, e\u{301}"),
            ("\u{1b}[2J\u{7}\0\r\n\t\u{9b}", "\\u{1b}[2J\\u{7}\\0\\r\\n\\t\\u{9b}"),
            ("a\u{202e}b\u{2066}\u{200b}\u{feff}", "a\\u{202e}b\\u{2066}\\u{200b}\\u{feff}"),
        ] {
            assert_eq!(visible(text), seen);
        }
    }
}
