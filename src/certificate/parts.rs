//! The parts of a certificate (RFC 5280 §4.1), strict in their structure.

use std::ops::Range;

use x509_parser::certificate::Validity;
use x509_parser::prelude::FromDer as _;

use super::der::{Elements, MalformedDer, Tlv, tag};
use crate::time::UnixTime;

/// The place of `part` in `whole`. `part` is a slice of `whole`.
pub(crate) fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
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

        if let Some(version) = signed.optional(tag::context_constructed(0))?
            && !matches!(Tlv::only(version)?.contents_of(tag::INTEGER)?, [0..=2])
        {
            return Err(MalformedDer);
        }
        let serial_number = signed.required()?.contents_of(tag::INTEGER)?;
        signed.required()?.contents_of(tag::SEQUENCE)?;
        let issuer = signed.whole(tag::SEQUENCE)?;
        let (subject, validity) = Validity::from_der(signed.0).map_err(|_| MalformedDer)?;
        signed.0 = subject;
        let [not_before, not_after] =
            [validity.not_before, validity.not_after].map(|time| UnixTime(time.timestamp()));
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
        if serial_number.is_empty() {
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
