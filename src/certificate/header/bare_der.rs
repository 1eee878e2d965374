//! Certificates as base64 of their DER without armour, as HAProxy, Caddy, Cloudflare and Traefik
//! write them, or as base64 of PEM, as Fastly does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{malformed, pem_text};
use crate::certificate::peer::CertificateError;
use crate::percent;

/// The DER of the first certificate in `text`: one, or several with commas between them, leaf
/// first.
pub(super) fn leaf(text: &str) -> Result<Vec<u8>, CertificateError> {
    // Traefik escaped the text in some versions. A bare `+` stands for itself.
    let plain = percent::decode(text.as_bytes());
    let mut leaf = None;
    for element in plain.split(|b| *b == b',') {
        let octets = STANDARD
            .decode(element.trim_ascii())
            .map_err(|_| malformed("not base64, nor several with commas between them"))?;
        let der = if octets.starts_with(b"-----BEGIN") && !octets.contains(&0) {
            pem_text::leaf(&octets)?
        } else if pem_text::is_one_element(&octets) {
            octets
        } else {
            return Err(CertificateError::Der);
        };
        leaf.get_or_insert(der);
    }
    leaf.ok_or(CertificateError::Der)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::pem;

    #[test]
    fn base64_with_and_without_armour_inside() {
        // Its base64 has `+`, `/` and `=`.
        let der = vec![0x30, 6, 0, 0xfb, 0xef, 0xbe, 0xff, 0xff];
        let bare = STANDARD.encode(&der);
        assert!(bare.contains('+') && bare.contains('/') && bare.contains('='), "{bare}");
        let issuer = STANDARD.encode([0x30, 0]);
        let of_pem = STANDARD.encode(pem::encode(&der));
        for text in [
            bare.clone(),
            format!("{bare},{issuer}"),
            format!("{bare} ,\t{issuer}"),
            percent::encode(&bare),
            percent::encode(&format!("{bare},{issuer}")),
            format!("{},{}", percent::encode(&bare), percent::encode(&issuer)),
            of_pem.clone(),
            STANDARD.encode(pem::encode(&der).replace('\n', "\r\n")),
            STANDARD.encode(pem::encode(&der) + &pem::encode(&[0x30, 0])),
            format!("{of_pem},{issuer}"),
        ] {
            assert_eq!(leaf(&text), Ok(der.clone()), "{text}");
        }
        for text in [
            String::new(),
            ",".to_owned(),
            format!("{bare},"),
            format!(",{bare}"),
            format!("{bare},,{issuer}"),
            format!("{bare};{issuer}"),
            format!("{bare} {issuer}"),
            format!(":{bare}:"),
            bare.replace('=', ""),
            bare.replace('+', "-").replace('/', "_"),
            bare.replace('+', " "),
            bare.replace('+', "%20"),
            format!("{bare},(null)"),
            format!("{bare},{}", STANDARD.encode("x")),
            STANDARD.encode([0x30, 1]),
            STANDARD.encode([0x30, 0, 0]),
            STANDARD.encode([0x31, 0]),
            STANDARD.encode(pem::encode(&der) + "x"),
            STANDARD.encode(pem::encode(&der).replace('+', "\0")),
            STANDARD.encode(percent::encode(&pem::encode(&der))),
            pem::encode(&der),
        ] {
            assert!(leaf(&text).is_err(), "{text}");
        }
    }
}
