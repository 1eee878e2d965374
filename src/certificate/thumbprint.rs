//! The SHA-256 digest of a certificate, `x5t#S256` of RFC 7515 §4.1.8 and RFC 8705 §3.1.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The SHA-256 digest of a certificate's DER.
///
/// `Display` writes it in base64url without padding, the form of `x5t#S256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// The thumbprint of the certificate whose DER is `der`.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    pub(crate) fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Reads base64url without padding (43 characters), or 64 hexadecimal digits, with or without
    /// colons between the octets. `None` = `text` is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() == 43 {
            return URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self);
        }
        if text.len() == 95 {
            let octets: Vec<&str> = text.split(':').collect();
            return octets
                .iter()
                .all(|octet| octet.len() == 2)
                .then(|| Self::from_hex(octets.concat().as_bytes()))?;
        }
        Self::from_hex(text.as_bytes())
    }

    /// Reads base64url without padding, of exactly 43 characters, whose last one has no bits that
    /// are not used. `None` = `text` is anything else.
    #[must_use]
    pub fn from_base64url(text: &[u8]) -> Option<Self> {
        let text: &[u8; 43] = text.try_into().ok()?;
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// Reads 64 hexadecimal digits, the form of Envoy's `sha256_peer_certificate_digest`. `None` =
    /// `digits` is anything else.
    #[must_use]
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
        let mut octets = [0; 32];
        for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
            *octet = nibble(*high) << 4 | nibble(*low);
        }
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(octets))
    }

    /// Base64url without padding, the form of `x5t#S256`.
    #[must_use]
    pub fn to_base64url(&self) -> [u8; 43] {
        let mut text = [0; 43];
        // 32 octets have 43 characters. If they had not, the text would be no thumbprint's.
        let _ = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        text
    }

    /// 64 hexadecimal digits in lower case, as in `Hash=` of Envoy's `x-forwarded-client-cert`.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

/// The octets that pairs of hexadecimal digits state.
pub(crate) fn octets_of_hex(digits: &str) -> Vec<u8> {
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    pairs.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)).collect()
}

/// The value of a hexadecimal digit. For any other octet the result has no meaning.
fn nibble(digit: u8) -> u8 {
    (digit & 0x0f) + 9 * (digit >> 6 & 1)
}

/// The form of `x5t#S256`.
impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_thumbprint() {
        let thumbprint = Thumbprint::of(b"abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let colons: Vec<String> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
            .collect();
        assert_eq!(thumbprint.to_hex(), hex);
        assert_eq!(thumbprint.to_string(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
        assert_eq!(thumbprint.to_base64url(), thumbprint.to_string().as_bytes());
        for text in [
            hex,
            &hex.to_uppercase(),
            &colons.join(":"),
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
        ] {
            assert_eq!(Thumbprint::parse(text), Some(thumbprint), "{text}");
        }
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let hex = Thumbprint::of(b"abc").to_hex();
        for text in [
            "",
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0",
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa1", // bits beyond the 256th
            &hex[1..],
            &format!("{hex}00"),
            &hex.replace('a', "g"),
            &format!("{}:", &"00:1:1".repeat(16)[..94]),
        ] {
            assert_eq!(Thumbprint::parse(text), None, "{text}");
        }
    }
}
