//! Certificates in PEM (RFC 7468 §5) in one line, in every way in which a proxy brings them there:
//! percent-encoded whole or in part, in either case of the digits, with blanks or tabs in place of
//! line ends, or with none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::malformed;
use crate::certificate::der::{Tlv, tag};
use crate::certificate::peer::CertificateError;
use crate::percent;

/// In place of a `+` that was not escaped. Such a one is itself, or a blank of a form
/// (`application/x-www-form-urlencoded`), as Java's `URLEncoder` writes it.
const BARE_PLUS: u8 = 0;

/// The DER of the first certificate in `text`, which has no control characters but tabs.
pub(super) fn escaped_leaf(text: &str) -> Result<Vec<u8>, CertificateError> {
    let marked: Vec<u8> = text.bytes().map(|b| if b == b'+' { BARE_PLUS } else { b }).collect();
    let plain = percent::decode(&marked);
    // An escaped NUL would pass for a `+`.
    if text.contains("%00") {
        return Err(malformed("a control character"));
    }
    leaf(&plain)
}

/// The DER of the first certificate in `plain`. All of the text must be certificates, of which any
/// after the first are its issuers.
pub(super) fn leaf(plain: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let mut leaf = None;
    let mut rest = without_blanks_before(plain);
    while !rest.is_empty() {
        let base64 = armour(rest, b"-----BEGIN").ok_or(CertificateError::Pem)?;
        let end = base64.windows(END.len()).position(|window| window == END);
        let (base64, after) =
            end.and_then(|end| base64.split_at_checked(end)).ok_or(CertificateError::Pem)?;
        rest = without_blanks_before(armour(after, END).ok_or(CertificateError::Pem)?);
        let der = decode(base64).ok_or(CertificateError::Pem)?;
        leaf.get_or_insert(der);
    }
    leaf.ok_or(CertificateError::Pem)
}

const END: &[u8] = b"-----END";

/// What follows a line of the armour that begins with `start`.
fn armour<'a>(text: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let rest = text.strip_prefix(start)?;
    let rest = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(&[BARE_PLUS]))?;
    rest.strip_prefix(b"CERTIFICATE-----")
}

fn without_blanks_before(text: &[u8]) -> &[u8] {
    let is_text = |b: &u8| !b.is_ascii_whitespace() && *b != BARE_PLUS;
    text.iter().position(is_text).and_then(|start| text.get(start..)).unwrap_or_default()
}

/// The DER in a base64 text with white space anywhere in it. A bare `+` is itself, or where that
/// gives no base64 of a certificate, a blank.
///
/// The second reading must not depend on more than the first octets of the first one: whoever
/// chooses the contents of a certificate could choose them so that they are another certificate
/// without their `+`.
fn decode(base64: &[u8]) -> Option<Vec<u8>> {
    let read = |is_blank: fn(u8) -> bool| {
        let text: Vec<u8> = base64
            .iter()
            .filter(|b| !b.is_ascii_whitespace() && !is_blank(**b))
            .map(|b| if *b == BARE_PLUS { b'+' } else { *b })
            .collect();
        STANDARD.decode(text).ok().filter(|der| der.first() == Some(&tag::SEQUENCE))
    };
    let der = read(|_| false).or_else(|| read(|b| b == BARE_PLUS))?;
    is_one_element(&der).then_some(der)
}

/// Whether these octets are one DER element that may be a certificate.
pub(super) fn is_one_element(der: &[u8]) -> bool {
    Tlv::only(der).is_ok_and(|element| element.tag == tag::SEQUENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::pem;

    /// DER with `+` and `/` in its base64.
    fn der(length: u8) -> Vec<u8> {
        let contents =
            (0..length).map(|n| [0xfb, 0xef, 0xbe, 0xff].get(usize::from(n % 4)).copied());
        [&[tag::SEQUENCE, length][..], &contents.flatten().collect::<Vec<u8>>()].concat()
    }

    fn lower(escaped: &str) -> String {
        let mut out = String::new();
        let mut digits = 0;
        for c in escaped.chars() {
            digits = if c == '%' { 3 } else { digits };
            out.push(if digits > 0 { c.to_ascii_lowercase() } else { c });
            digits = i32::max(digits - 1, 0);
        }
        out
    }

    #[test]
    fn every_way_into_one_line_is_read() {
        for length in 1..127 {
            let der = der(length);
            let pem = pem::encode(&der);
            let escaped = percent::encode(&pem);
            let body = STANDARD.encode(&der);
            let line = pem.replace('\n', " ");
            let kept = escaped.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
            for text in [
                // nginx
                escaped.clone(),
                pem.replace('\n', "\t"),
                // AWS
                kept.clone(),
                // Apache
                line.clone(),
                lower(&kept),
                // HAProxy
                format!("-----BEGIN CERTIFICATE----- {body} -----END CERTIFICATE----- "),
                format!("-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----"),
                // Java
                escaped.replace("%20", "+"),
                percent::encode(&line).replace("%20", "+"),
                format!("-----BEGIN+CERTIFICATE-----%0A{body}%0A-----END+CERTIFICATE-----"),
                escaped.repeat(3),
                format!("{line}{line}"),
                format!(" \t{escaped}%20%09%0D%0A"),
            ] {
                assert_eq!(escaped_leaf(&text), Ok(der.clone()), "{text}");
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let pem = pem::encode(&der(90)).replace('\n', " ");
        let escaped = percent::encode(&pem);
        for text in [
            String::new(),
            "MAA=".to_owned(),
            escaped.replace('%', "%25"),
            pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
            pem.replace("CERTIFICATE", "PUBLIC KEY"),
            pem.replacen("CERTIFICATE", "CERTIFICATES", 1),
            format!("{pem}x"),
            format!("x{pem}"),
            format!("{pem},{pem}"),
            format!("{pem}{}", pem.replace("MFr7", "MFs7")),
            format!("{pem}-----BEGIN CERTIFICATE-----"),
            pem.replace(" -----END", "%00 -----END"),
            pem.replace(" -----END", "% -----END"),
            pem.replace(" -----END", "é -----END"),
            pem.replace("-----END CERTIFICATE-----", ""),
            pem.replace("BEGIN ", "BEGIN  "),
            pem.replace("MFr7", "MFr*"),
            pem.replace("MFr7", "_Fr7"),
            "-----BEGIN CERTIFICATE----- -----END CERTIFICATE-----".to_owned(),
        ] {
            assert!(escaped_leaf(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_base64_with_its_plus_is_not_read_without() {
        // With `+` this is the base64 of a SEQUENCE of the wrong length, without it of the right.
        let right = der(60);
        let body = STANDARD.encode(&right);
        let (before, after) = body.split_at(8);
        let text =
            format!("-----BEGIN CERTIFICATE-----{before}++++{after}-----END CERTIFICATE-----");
        assert_eq!(escaped_leaf(&text), Err(CertificateError::Pem));
    }
}
