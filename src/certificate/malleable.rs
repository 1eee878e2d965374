//! The other encoding of a certificate that an ECDSA key signed.
//!
//! Where (r, s) is a signature of some octets, (r, n - s) is another one, n being the order of the
//! curve's base point, and the signature is not part of what is signed (RFC 5280 §4.1.1.3). So
//! whoever has such a certificate can make another one of it, which has the same contents, another
//! digest, and is as good. A digest that takes something away must take it from both.

use sha2::{Digest as _, Sha256};

use super::Thumbprint;
use super::der::{Elements, MalformedDer, Tlv, tag, without_zeros, write_element, write_header};
use super::issued::IssuedCertificate;
use super::thumbprint::octets_of_hex;
use crate::limits;

/// The orders of the curves with which CAs sign: P-224, P-256, P-384 and P-521 (SP 800-186 §3.2.1),
/// secp256k1 (SEC 2 §2.4.1), brainpoolP256r1, P384r1 and P512r1 (RFC 5639 §3); in hexadecimal
/// digits.
const ORDERS: [&str; 8] = [
    "ffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3d",
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196a\
     ccc52973",
    "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc\
     0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
    "a9fb57dba1eea9bc3e660a909d838d718c397aa3b561a6f7901e0e82974856a7",
    "8cb91e82a3386d280f5d6f7e50e641df152f7109ed5456b31f166e6cac0425a7cf3ab6af6b7fc3103b883202\
     e9046565",
    "aadd9db8dbe9c48b3fd4e6ae33c9fc07cb308db3b3c9d20ed6639cca70330870553e5c414ca9261941866119\
     7fac10471db1d381085ddaddb58796829ca90069",
];

/// The thumbprints of what may be the other encoding of the certificate with this DER: one for each
/// curve on which its signature may be. Empty = there is none, or it is longer than
/// [`limits::ENCODED_OCTETS`].
pub(crate) fn other_thumbprints(der: &[u8]) -> Vec<Thumbprint> {
    if der.len() > limits::ENCODED_OCTETS {
        return Vec::new();
    }
    IssuedCertificate::of(der).and_then(|issued| others(&issued)).unwrap_or_default()
}

fn others(certificate: &IssuedCertificate<'_>) -> Result<Vec<Thumbprint>, MalformedDer> {
    // By its form: ECDSA has many identifiers, and no signature of RSA or EdDSA is two numbers.
    let IssuedCertificate { signed, algorithm, signature, .. } = *certificate;
    let mut numbers = Elements(Tlv::only(signature)?.contents_of(tag::SEQUENCE)?);
    let r = numbers.required()?.contents_of(tag::INTEGER)?;
    let s = numbers.required()?.contents_of(tag::INTEGER)?;
    numbers.end()?;
    let [r_digits, s_digits] = [r, s].map(without_zeros);
    // Both numbers are below the order, and random: one of 2^64 pairs is so much shorter.
    let longest = r_digits.len().max(s_digits.len());
    let mut beginnings: Vec<(usize, Sha256)> = Vec::new();
    let mut found = Vec::new();
    for order in ORDERS.iter().map(|order| octets_of_hex(order)) {
        if !(longest..=longest + 3).contains(&order.len()) {
            continue;
        }
        let Some(other) = difference(&order, s_digits) else { continue };
        let value = signature_value(r, &other);
        // Nearly all that is hashed is the same for values of the same length.
        let length = value.len();
        let known = beginnings.iter().position(|(other, _)| *other == length);
        let known = known.unwrap_or_else(|| {
            beginnings.push((length, beginning(signed, algorithm, length)));
            beginnings.len() - 1
        });
        let Some((_, beginning)) = beginnings.get(known) else { continue };
        let digest = beginning.clone().chain_update(&value).finalize();
        found.push(Thumbprint::from_octets(digest.into()));
    }
    Ok(found)
}

/// The `signatureValue` with these two numbers, in contents octets and in digits.
fn signature_value(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut numbers = Vec::new();
    write_element(&mut numbers, tag::INTEGER, &[r]);
    let sign: &[u8] = if s.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    write_element(&mut numbers, tag::INTEGER, &[sign, s]);
    let mut signature = Vec::new();
    write_element(&mut signature, tag::SEQUENCE, &[&numbers]);
    let mut value = Vec::new();
    write_element(&mut value, tag::BIT_STRING, &[&[0], &signature]);
    value
}

/// A certificate up to its `signatureValue` of this length, hashed.
fn beginning(signed: &[u8], algorithm: &[u8], length: usize) -> Sha256 {
    let mut header = Vec::new();
    write_header(&mut header, tag::SEQUENCE, signed.len() + algorithm.len() + length);
    Sha256::new().chain_update(header).chain_update(signed).chain_update(algorithm)
}

/// `minuend` - `subtrahend`, big-endian and without zeros in front; `None` = it is not above 0.
fn difference(minuend: &[u8], subtrahend: &[u8]) -> Option<Vec<u8>> {
    let mut result = minuend.to_vec();
    let mut borrow = 0;
    let below = subtrahend.iter().rev().chain(std::iter::repeat(&0));
    for (octet, &other) in result.iter_mut().rev().zip(below) {
        let found = i16::from(*octet) - i16::from(other) - borrow;
        borrow = i16::from(found < 0);
        *octet = found as u8;
    }
    let result = without_zeros(&result);
    (borrow == 0 && subtrahend.len() <= minuend.len() && !result.is_empty())
        .then(|| result.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::pem;

    /// The same certificate with n - s, made and verified by OpenSSL, for each curve.
    #[test]
    fn the_other_encoding_is_found_from_both_sides() {
        let all = include_str!("malleable/twins.pem");
        let ders: Vec<Vec<u8>> = all
            .split_inclusive("-----END CERTIFICATE-----\n")
            .map(|one| pem::decode(one.as_bytes()).unwrap())
            .collect();
        assert_eq!(ders.len(), 2 * ORDERS.len());
        for pair in ders.chunks(2) {
            let thumbprints: Vec<Thumbprint> = pair.iter().map(|der| Thumbprint::of(der)).collect();
            assert_ne!(thumbprints[0], thumbprints[1]);
            for (der, other) in pair.iter().zip(thumbprints.iter().rev()) {
                let found = other_thumbprints(der);
                assert!(found.contains(other) && found.len() <= 3, "{}", found.len());
            }
        }
    }

    #[test]
    fn other_signatures_have_no_other_encoding() {
        for pem in
            [include_str!("../trust/tests/rsa256.pem"), include_str!("../trust/tests/ed25519.pem")]
        {
            assert_eq!(other_thumbprints(&pem::decode(pem.as_bytes()).unwrap()), []);
        }
        assert_eq!(other_thumbprints(b"\x30\x00"), []);
    }

    #[test]
    fn differences_are_those_of_numbers() {
        for (minuend, subtrahend, result) in [
            (&[1, 0, 0][..], &[1][..], Some(&[0xff, 0xff][..])),
            (&[2, 0], &[1, 0xff], Some(&[1])),
            (&[2, 0], &[2, 0], None),
            (&[2, 0], &[2, 1], None),
            (&[2], &[1, 0], None),
            (&[2], &[], Some(&[2])),
        ] {
            assert_eq!(difference(minuend, subtrahend).as_deref(), result, "{minuend:?}");
        }
    }
}
