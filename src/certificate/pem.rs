//! Certificates in PEM (RFC 7468 §5), plain or percent-encoded, as hosts and proxies write them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::percent;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The DER of the certificate in `text`; `None` = `text` is not exactly one certificate in PEM.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    der_of(&plain(text))
}

/// The DER of the first certificate in `text`, which may be a chain, leaf first; `None` = `text`
/// does not begin with a certificate.
#[must_use]
pub fn decode_first(text: &[u8]) -> Option<Vec<u8>> {
    let plain = plain(text);
    let length = plain.windows(END.len()).position(|window| window == END.as_bytes())? + END.len();
    der_of(plain.get(..length)?)
}

/// The DER of each certificate in `text`, in its order, up to the first that is malformed, and at
/// most so many.
#[must_use]
pub(crate) fn decode_chain(text: &[u8], most: usize) -> Vec<Vec<u8>> {
    let plain = plain(text);
    let mut rest: &[u8] = &plain;
    let mut chain = Vec::new();
    while chain.len() < most
        && let Some(end) = rest.windows(END.len()).position(|window| window == END.as_bytes())
        && let Some((certificate, after)) = rest.split_at_checked(end + END.len())
        && let Some(der) = der_of(certificate)
    {
        chain.push(der);
        rest = after;
    }
    chain
}

fn plain(text: &[u8]) -> Cow<'_, [u8]> {
    // Plain PEM has no percent sign, so that one means the other form. A `+` stands for itself in
    // both.
    if text.contains(&b'%') { percent::decode(text) } else { text.into() }
}

fn der_of(plain: &[u8]) -> Option<Vec<u8>> {
    let base64 = plain.trim_ascii().strip_prefix(BEGIN.as_bytes())?.strip_suffix(END.as_bytes())?;
    let text = std::str::from_utf8(base64).ok()?;
    // White space at the ends of lines, where nearly every PEM has it, is removed quickly. Where
    // there is more, decoding fails, and all of it is removed.
    let mut lines = Vec::with_capacity(base64.len());
    text.split('\n').for_each(|line| lines.extend_from_slice(line.trim_ascii().as_bytes()));
    STANDARD.decode(lines).ok().or_else(|| {
        let base64: Vec<u8> = base64.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
        STANDARD.decode(base64).ok()
    })
}

/// `der` as plain PEM, with 64 characters in a line.
#[must_use]
pub fn encode(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut pem = String::with_capacity(base64.len() + base64.len() / 64 + 56);
    pem.push_str(BEGIN);
    pem.push('\n');
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(END);
    pem.push('\n');
    pem
}

/// `der` as percent-encoded PEM, the form of nginx's `$ssl_client_escaped_cert`.
#[must_use]
pub fn encode_escaped(der: &[u8]) -> String {
    percent::encode(&encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_back() {
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let der: Vec<u8> = (0..length).map(|n| (n * 7 + 250) as u8).collect();
            assert_eq!(decode(encode(&der).as_bytes()), Some(der.clone()));
            assert_eq!(decode(encode_escaped(&der).as_bytes()), Some(der));
        }
    }

    #[test]
    fn white_space_does_not_count_wherever_it_is() {
        let der: Vec<u8> = (0..100).collect();
        let pem = encode(&der);
        let body = STANDARD.encode(&der);
        for text in [
            pem.replace('\n', "\r\n"),
            pem.replace('\n', " "),
            pem.replace('\n', "\n\n \t"),
            format!("  {pem}\n\n"),
            format!("{BEGIN}{}{END}", body.chars().map(|c| format!("{c} ")).collect::<String>()),
            format!("{BEGIN}{body}{END}"),
        ] {
            assert_eq!(decode(text.as_bytes()), Some(der.clone()), "{text}");
        }
    }

    #[test]
    fn the_first_of_a_chain_is_read() {
        let (leaf, issuer) = (encode(&[1, 2, 3]), encode(&[4]));
        for chain in [leaf.clone(), leaf.clone() + &issuer, format!("{leaf}garbage")] {
            assert_eq!(decode_first(chain.as_bytes()), Some(vec![1, 2, 3]), "{chain}");
        }
        assert_eq!(
            decode_first((encode_escaped(&[1, 2, 3]) + &encode_escaped(&[4])).as_bytes()),
            Some(vec![1, 2, 3])
        );
        for text in [String::new(), "x".into(), leaf.replace("END", "DNE"), format!("x{leaf}")] {
            assert_eq!(decode_first(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn anything_but_one_certificate_is_refused() {
        let pem = encode(&[1, 2, 3]);
        for text in [
            "".to_owned(),
            "AQID".to_owned(),
            pem.replace("CERTIFICATE", "PUBLIC KEY"),
            pem.repeat(2),
            format!("{pem}x"),
            format!("subject=/CN=x\n{pem}"),
            pem.replace("-----END", "-----NED"),
            pem.replace("AQID", "AQI*"),
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decode(b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----\n"), None);
    }
}
