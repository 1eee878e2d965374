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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_are_left() {
        assert_eq!(encode("aZ09-._~ +/%é"), "aZ09-._~%20%2B%2F%25%C3%A9");
    }

    #[test]
    fn what_is_no_escape_stays() {
        for (text, decoded) in [("%41%4a+", "AJ+"), ("%", "%"), ("%4", "%4"), ("%zz%25", "%zz%")] {
            assert_eq!(decode(text.as_bytes()), decoded.as_bytes(), "{text}");
        }
    }
}
