//! Serial numbers of certificates (RFC 5280 §4.1.2.2), compared by value.

use std::fmt;

use crate::certificate::der::without_zeros;
use crate::certificate::octets_of_hex;

/// A serial number: the octets of the integer without the zeros in front. A negative number, which
/// no CA may issue, counts as the positive one with the same octets, so that a list with one has
/// the other too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialNumber(Box<[u8]>);

impl SerialNumber {
    /// The number with these contents octets of an `INTEGER`.
    pub(crate) fn from_der(contents: &[u8]) -> Self {
        Self(without_zeros(contents).into())
    }

    /// Reads hexadecimal digits in either letter case, with or without colons between the octets,
    /// as OpenSSL prints them. `None` = `text` is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = if text.contains(':') {
            let octets: Vec<&str> = text.split(':').collect();
            octets.iter().all(|octet| octet.len() == 2).then(|| octets.concat())?
        } else {
            text.to_owned()
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits };
        Some(Self(without_zeros(&octets_of_hex(&even)).into()))
    }
}

/// Hexadecimal digits in capitals, as OpenSSL prints them.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("00");
        }
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_by_value() {
        let number = |text: &str| SerialNumber::parse(text);
        assert_eq!(number("0A1b"), Some(SerialNumber::from_der(&[0x0a, 0x1b])));
        assert_eq!(number("00:0a:1B"), number("a1b"));
        assert_eq!(number("FF"), Some(SerialNumber::from_der(&[0, 0xff])));
        assert_eq!(number("0"), Some(SerialNumber::from_der(&[0])));
        assert_ne!(number("0a1b00"), number("0a1b"));
        assert_eq!(number("a1b").map(|number| number.to_string()).as_deref(), Some("0A1B"));
        assert_eq!(number("00").map(|number| number.to_string()).as_deref(), Some("00"));
        for text in ["", ":", "0x1", "a:1b", "0a:1", "0a 1b", "-1", "g", "0a:", "ａ"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
