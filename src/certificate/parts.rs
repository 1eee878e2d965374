//! The parts of a certificate (RFC 5280 §4.1), strict in their structure.

use std::ops::Range;

use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;

use super::der::{Elements, MalformedDer, Tlv, tag};
use crate::time::UnixTime;

/// The place of `part` in `whole`. `part` is a slice of `whole`.
pub(crate) fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// A `UTCTime` or `GeneralizedTime`, of a certificate, a CRL or an OCSP answer.
pub(crate) fn time(elements: &mut Elements<'_>) -> Result<UnixTime, MalformedDer> {
    // x509-parser does not look at the class and form of the tag.
    if !matches!(elements.0.first(), Some(&(tag::UTC_TIME | tag::GENERALIZED_TIME))) {
        return Err(MalformedDer);
    }
    let (rest, time) = ASN1Time::from_der(elements.0).map_err(|_| MalformedDer)?;
    elements.0 = rest;
    Ok(UnixTime(time.timestamp()))
}

/// The parts of a certificate that a decision needs. Those that are elements of DER have their
/// identifier and length octets, where nothing else is said.
pub(crate) struct Parts<'a> {
    /// The contents octets of the serial number.
    pub(crate) serial_number: &'a [u8],
    /// The `Name` of the issuer.
    pub(crate) issuer: &'a [u8],
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    /// The `Name` of the subject.
    pub(crate) subject: &'a [u8],
    /// The `SubjectPublicKeyInfo`.
    pub(crate) public_key: &'a [u8],
    /// The contents octets of `Extensions`; `None` = there are none.
    pub(crate) extensions: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// Parses a certificate, strict in its structure. The contents of issuer, key and extensions
    /// are not read, so that they cannot make it fail.
    ///
    /// x509-parser's `X509CertificateParser` is not used: it makes an object of each attribute and
    /// each extension, which takes 5 ms for a certificate of 90 kB that a client may send, and adds
    /// 110 kB of extension parsers to the module.
    pub(crate) fn of(der: &'a [u8]) -> Result<Self, MalformedDer> {
        let mut certificate = Elements(Tlv::only(der)?.contents_of(tag::SEQUENCE)?);
        let mut signed = Elements(certificate.required()?.contents_of(tag::SEQUENCE)?);
        certificate.required()?.contents_of(tag::SEQUENCE)?;
        certificate.required()?.contents_of(tag::BIT_STRING)?;
        certificate.end()?;

        // Version 1 is the default, which DER leaves out (X.690 §11.5).
        let version = match signed.optional(tag::context_constructed(0))? {
            None => 1,
            Some(version) => match Tlv::only(version)?.contents_of(tag::INTEGER)? {
                [version @ (1 | 2)] => version + 1,
                _ => return Err(MalformedDer),
            },
        };
        let serial_number = signed.required()?.contents_of(tag::INTEGER)?;
        signed.required()?.contents_of(tag::SEQUENCE)?;
        let issuer = signed.whole(tag::SEQUENCE)?;
        let mut validity = Elements(signed.required()?.contents_of(tag::SEQUENCE)?);
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        validity.end()?;
        let subject = signed.whole(tag::SEQUENCE)?;
        let public_key = signed.whole(tag::SEQUENCE)?;
        let mut key = Elements(Tlv::only(public_key)?.contents);
        key.required()?.contents_of(tag::SEQUENCE)?;
        key.required()?.contents_of(tag::BIT_STRING)?;
        key.end()?;
        for unique_identifier in [1, 2] {
            signed.optional(tag::context(unique_identifier))?;
        }
        let extensions = match signed.optional(tag::context_constructed(3))? {
            Some(extensions) => Some(Tlv::only(extensions)?.contents_of(tag::SEQUENCE)?),
            None => None,
        };
        signed.end()?;
        // RFC 5280 §4.1.2.9: earlier versions have no extensions, so that some readers see none.
        if serial_number.is_empty() || (extensions.is_some() && version != 3) {
            return Err(MalformedDer);
        }
        Ok(Self { serial_number, issuer, not_before, not_after, subject, public_key, extensions })
    }

    /// The extensions, in the order of the certificate.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = Result<Extension<'a>, MalformedDer>> {
        Extension::all(self.extensions.unwrap_or_default())
    }
}

/// An extension (RFC 5280 §4.1.2.9).
pub(crate) struct Extension<'a> {
    /// The contents octets of the object identifier.
    pub(crate) id: &'a [u8],
    /// Whether whoever does not know it must not use what has it (RFC 5280 §4.2).
    pub(crate) is_critical: bool,
    /// The octets in the OCTET STRING: one element of DER.
    pub(crate) value: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The extensions with these contents octets, of a certificate, a CRL or an OCSP answer.
    pub(crate) fn all(contents: &'a [u8]) -> impl Iterator<Item = Result<Self, MalformedDer>> {
        Elements(contents).map(|extension| Self::of(extension?))
    }

    fn of(extension: Tlv<'a>) -> Result<Self, MalformedDer> {
        let mut parts = Elements(extension.contents_of(tag::SEQUENCE)?);
        let id = parts.required()?.contents_of(tag::OBJECT_IDENTIFIER)?;
        let is_critical = match parts.optional(tag::BOOLEAN)? {
            None | Some([0]) => false,
            Some([_]) => true,
            Some(_) => return Err(MalformedDer),
        };
        let value = parts.required()?.contents_of(tag::OCTET_STRING)?;
        parts.end()?;
        Ok(Self { id, is_critical, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found beside crypto/x509 of Go (tests/opinions).
    #[test]
    fn times_have_the_tags_of_times() {
        let pem = include_bytes!("../../tests/bench/client.pem");
        let der = crate::certificate::pem::decode(pem).unwrap();
        let start = *b"\x30\x1e\x17\x0d";
        let at = der.windows(4).position(|part| part == start).expect("a validity of two UTCTimes");
        assert!(Parts::of(&der).is_ok());
        // The validity, and both times: constructed, of other classes, and of another type.
        for (offset, tags) in [
            (0, [0x10, 0xb0, 0x70, 0x31]),
            (2, [0x37, 0x57, 0x97, 0x16]),
            (17, [0x37, 0x57, 0xd7, 0x19]),
        ] {
            for tag in tags {
                let mut changed = der.clone();
                changed[at + offset] = tag;
                assert!(Parts::of(&changed).is_err(), "{tag:#x} at {offset}");
            }
        }
    }
}
