//! Names in the form of RFC 4514 §2.

use std::fmt::{self, Write as _};

use super::text::Text;
use crate::certificate::der::Tlv;

/// A value of a certificate's name, from its DER.
pub(super) struct DerValue<'a>(pub(super) &'a [u8]);

impl fmt::Display for DerValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Tlv::only(self.0).and_then(Text::of) {
            Ok(Some(text)) => {
                let mut escaped = Escaped::new(f);
                text.write(&mut |c| escaped.write(c))?;
                escaped.end()
            }
            Ok(None) | Err(_) => write_hexadecimal(f, self.0),
        }
    }
}

/// Writes a text as a value of RFC 4514, which is parsed to the same text.
pub(super) fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut escaped = Escaped::new(f);
    text.chars().try_for_each(|c| escaped.write(c))?;
    escaped.end()
}

/// A writer of a value, character by character.
struct Escaped<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    is_start: bool,
    /// Whether a blank is not yet written, because only the last one is escaped.
    has_blank: bool,
}

impl<'a, 'f> Escaped<'a, 'f> {
    fn new(f: &'a mut fmt::Formatter<'f>) -> Self {
        Self { f, is_start: true, has_blank: false }
    }

    fn write(&mut self, c: char) -> fmt::Result {
        if std::mem::take(&mut self.has_blank) {
            self.f.write_str(" ")?;
        }
        let is_start = std::mem::take(&mut self.is_start);
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(self.f, "\\{c}"),
            '#' if is_start => self.f.write_str("\\#"),
            ' ' if is_start => self.f.write_str("\\ "),
            ' ' => {
                self.has_blank = true;
                Ok(())
            }
            // A registered string may have these only where they are escaped.
            c if is_raw_control(c) => {
                let mut utf8 = [0; 4];
                c.encode_utf8(&mut utf8)
                    .bytes()
                    .try_for_each(|octet| write!(self.f, "\\{octet:02X}"))
            }
            c => self.f.write_char(c),
        }
    }

    fn end(self) -> fmt::Result {
        if self.has_blank { self.f.write_str("\\ ") } else { Ok(()) }
    }
}

/// `#` and the hexadecimal form of the DER.
pub(super) fn write_hexadecimal(f: &mut fmt::Formatter<'_>, der: &[u8]) -> fmt::Result {
    f.write_str("#")?;
    der.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

/// Whether `c` is a line end or a control character, which no operator types into a name on
/// purpose.
pub(super) fn is_raw_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}
