//! Names as RFC 4514 §2 writes them.

use std::fmt;

use super::attribute;
use super::text::Text;
use crate::certificate::der::Tlv;

/// An attribute type, from the contents octets of its identifier: its usual name, or dotted-decimal where it has none.
pub(super) struct Oid<'a>(pub(super) &'a [u8]);

impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match attribute::usual_name(self.0) {
            Some(name) => f.write_str(name),
            None => attribute::write_dotted(self.0, f),
        }
    }
}

/// A value of a certificate's name.
pub(super) struct Value<'a>(pub(super) Tlv<'a>);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Text::of(self.0) {
            Ok(Some(Text::Utf8(text))) => write_escaped(f, text.chars()),
            Ok(Some(Text::Latin1(octets))) => write_escaped(f, octets.iter().map(|&octet| char::from(octet))),
            Ok(Some(text)) => text.to_text().map_or(Err(fmt::Error), |text| write_escaped(f, text.chars())),
            Ok(None) | Err(_) => write_hexadecimal(f, self.0.whole),
        }
    }
}

/// Writes a text as an RFC 4514 value, so that parsing what is written gives the same text.
pub(super) fn write_escaped(f: &mut fmt::Formatter<'_>, text: impl Iterator<Item = char>) -> fmt::Result {
    let mut text = text.enumerate().peekable();
    while let Some((index, c)) = text.next() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
            '#' if index == 0 => f.write_str("\\#")?,
            ' ' if index == 0 || text.peek().is_none() => f.write_str("\\ ")?,
            // What a registered string may hold only where it is escaped.
            c if is_raw_control(c) => {
                let mut utf8 = [0; 4];
                c.encode_utf8(&mut utf8).bytes().try_for_each(|octet| write!(f, "\\{octet:02X}"))?;
            }
            c => fmt::Write::write_char(f, c)?,
        }
    }
    Ok(())
}

/// `#` and the hexadecimal form of the DER.
pub(super) fn write_hexadecimal(f: &mut fmt::Formatter<'_>, der: &[u8]) -> fmt::Result {
    f.write_str("#")?;
    der.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

/// Line ends and control characters, which nobody writes into a name on purpose.
pub(super) fn is_raw_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}
