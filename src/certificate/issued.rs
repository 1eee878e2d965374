//! What links a certificate to its issuer. A decision about most requests does not need it, so that
//! it is read from the DER when it is asked for.

use super::der::{Elements, MalformedDer, Tlv, tag};
use super::parts::Parts;

/// A certificate with the signature of its issuer (RFC 5280 §4.1.1).
pub(crate) struct IssuedCertificate<'a> {
    pub(crate) parts: Parts<'a>,
    /// `tbsCertificate`, which the issuer signed, with its outer tag.
    pub(crate) signed: &'a [u8],
    /// `signatureAlgorithm`, with its outer tag.
    pub(crate) algorithm: &'a [u8],
    /// `signatureValue`, without the count of unused bits.
    pub(crate) signature: &'a [u8],
}

impl<'a> IssuedCertificate<'a> {
    /// Reads a certificate.
    ///
    /// # Errors
    /// The octets are not the DER of one certificate.
    pub(crate) fn of(der: &'a [u8]) -> Result<Self, MalformedDer> {
        let parts = Parts::of(der)?;
        let mut certificate = Elements(Tlv::only(der)?.contents_of(tag::SEQUENCE)?);
        let signed = certificate.whole(tag::SEQUENCE)?;
        let algorithm = certificate.whole(tag::SEQUENCE)?;
        let signature = bits(certificate.required()?)?;
        Ok(Self { parts, signed, algorithm, signature })
    }
}

impl<'a> Parts<'a> {
    /// The value of the extension with this object identifier; `None` = there is none.
    ///
    /// # Errors
    /// An extension is malformed, or this one is there twice (RFC 5280 §4.2).
    pub(crate) fn extension(&self, id: &[u8]) -> Result<Option<&'a [u8]>, MalformedDer> {
        let mut found = None;
        for extension in self.extensions() {
            let extension = extension?;
            if extension.id == id && found.replace(extension.value).is_some() {
                return Err(MalformedDer);
            }
        }
        Ok(found)
    }
}

/// The octets of a `BIT STRING` that is made of whole octets.
pub(crate) fn bits(element: Tlv<'_>) -> Result<&[u8], MalformedDer> {
    match element.contents_of(tag::BIT_STRING)? {
        [0, octets @ ..] => Ok(octets),
        _ => Err(MalformedDer),
    }
}
