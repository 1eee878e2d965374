//! The question (RFC 6960 §4.1.1), as a GET of RFC 6960 §A.1, which caches can answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::super::issuers::Issuer;
use super::responder::ResponderUri;
use crate::certificate::der::{Elements, MalformedDer, tag, without_zeros};
use crate::percent;
use crate::registry::RegistryRequest;

/// Which certificate is meant (RFC 6960 §4.1.1), by SHA-1, which every responder knows (RFC 5019
/// §2.1.1). No security rests on the digests: the answer is signed by the very issuer whose key
/// verified the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertId {
    name_hash: [u8; 20],
    key_hash: [u8; 20],
    serial: Box<[u8]>,
}

/// The contents of the object identifier 1.3.14.3.2.26.
const SHA_1: [u8; 5] = [0x2b, 0x0e, 3, 2, 0x1a];

impl CertId {
    /// That of the certificate with this serial number, by its contents octets. `issuer_name` = as
    /// the certificate has it.
    pub(crate) fn of(issuer_name: &[u8], issuer: &Issuer, serial: &[u8]) -> Self {
        Self {
            name_hash: Sha1::digest(issuer_name).into(),
            key_hash: issuer.key_hash(),
            serial: serial.into(),
        }
    }

    /// Whether the `CertID` with these contents octets means the same certificate.
    pub(crate) fn is(&self, contents: &[u8]) -> Result<bool, MalformedDer> {
        let mut parts = Elements(contents);
        let mut algorithm = Elements(parts.required()?.contents_of(tag::SEQUENCE)?);
        let hash = algorithm.required()?.contents_of(tag::OBJECT_IDENTIFIER)?;
        let name_hash = parts.required()?.contents_of(tag::OCTET_STRING)?;
        let key_hash = parts.required()?.contents_of(tag::OCTET_STRING)?;
        let serial = parts.required()?.contents_of(tag::INTEGER)?;
        parts.end()?;
        Ok(hash == SHA_1
            && name_hash == self.name_hash
            && key_hash == self.key_hash
            && without_zeros(serial) == without_zeros(&self.serial))
    }

    /// The DER of the whole question.
    pub(crate) fn request(&self) -> Vec<u8> {
        let algorithm = tlv(tag::SEQUENCE, &[&tlv(tag::OBJECT_IDENTIFIER, &[&SHA_1]), &[5, 0]]);
        let id = tlv(
            tag::SEQUENCE,
            &[
                &algorithm,
                &tlv(tag::OCTET_STRING, &[&self.name_hash]),
                &tlv(tag::OCTET_STRING, &[&self.key_hash]),
                &tlv(tag::INTEGER, &[&self.serial]),
            ],
        );
        // OCSPRequest, TBSRequest, requestList, Request.
        (0..4).fold(id, |inner, _| tlv(tag::SEQUENCE, &[&inner]))
    }

    /// The HTTP request to a responder.
    pub(crate) fn http_request(&self, responder: &ResponderUri) -> RegistryRequest {
        let question = percent::encode(&STANDARD.encode(self.request()));
        let path = format!("{}/{question}", responder.path);
        let headers = [
            (":method", "GET"),
            (":scheme", responder.scheme),
            (":authority", &*responder.authority),
            (":path", &*path),
            ("accept", "application/ocsp-response"),
        ];
        let headers = headers.map(|(name, value)| (name.into(), value.into()));
        RegistryRequest { headers: headers.into() }
    }
}

/// An element of DER. Questions are short: a serial number has at most some 64 kB.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = u32::try_from(contents.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut element = vec![tag];
    match length {
        [0, 0, 0, short @ ..0x80] => element.push(short),
        [0, 0, 0, one] => element.extend([0x81, one]),
        [0, 0, two @ ..] => element.extend([&[0x82][..], &two].concat()),
        four => element.extend([&[0x84][..], &four].concat()),
    }
    element.extend(contents);
    element
}
