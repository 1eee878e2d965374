//! Percent-encoding (RFC 3986 §2.1), the same for every text that the filter encodes or decodes.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// Every ASCII character but the unreserved ones of RFC 3986 §2.3, which need no encoding anywhere
/// in a URI. nginx and Envoy leave the same characters as they are in an escaped certificate.
const NOT_UNRESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text` in UTF-8 with every octet encoded that is no unreserved character.
pub(crate) fn encode(text: &str) -> String {
    encode_octets(text.as_bytes())
}

/// `octets` with every one encoded that is no unreserved character.
pub(crate) fn encode_octets(octets: &[u8]) -> String {
    percent_encode(octets, NOT_UNRESERVED).to_string()
}

/// `octets` with every `%` and two hexadecimal digits decoded. Any other `%` stays as it is.
pub(crate) fn decode(octets: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(octets).into()
}

/// Each `%uXXXX` as the character in UTF-8, as http.sys and .NET read it. What is none stays, and
/// nothing becomes longer.
pub(crate) fn decode_utf16(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&octet, after)) = rest.split_first() {
        let character = match rest {
            [b'%', b'u' | b'U', digits @ ..] => digits.get(..4).and_then(character_of),
            _ => None,
        };
        match character {
            Some(character) => {
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after.get(5..).unwrap_or_default();
            }
            None => {
                decoded.push(octet);
                rest = after;
            }
        }
    }
    decoded
}

/// The character of these hexadecimal digits; `None` = they are none, or half a surrogate pair.
fn character_of(digits: &[u8]) -> Option<char> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_are_left() {
        assert_eq!(encode("aZ09-._~ +/%é"), "aZ09-._~%20%2B%2F%25%C3%A9");
    }

    #[test]
    fn escapes_of_utf_16() {
        for (text, decoded) in [
            ("%u0074oken", "token"),
            ("%U002Fa%u00e9", "/aé"),
            ("%u20ac%41", "€%41"),
            ("%u+074 %u074 %u %ud800%udc00 %", "%u+074 %u074 %u %ud800%udc00 %"),
        ] {
            assert_eq!(decode_utf16(text.as_bytes()), decoded.as_bytes(), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_stays() {
        for (text, decoded) in [("%41%4a+", "AJ+"), ("%", "%"), ("%4", "%4"), ("%zz%25", "%zz%")] {
            assert_eq!(decode(text.as_bytes()), decoded.as_bytes(), "{text}");
        }
    }
}
