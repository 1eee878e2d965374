//! A leaf certificate, parsed once.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::alternative_name::{AlternativeName, FoundNames, GeneralNameType};
use super::der::MalformedDer;
use super::malleable::other_thumbprints;
use super::name::{DistinguishedName, NameDifference, NameError};
use super::parts::{Extension, Parts, place};
use super::pem;
use super::thumbprint::Thumbprint;
use crate::octets::equal;
use crate::time::UnixTime;

/// Why a certificate, or the part of it by which a client is registered, cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The header that must carry the certificate has none but that of the last hop itself.
    NotForwarded,
    /// The header that must carry the certificate is malformed, for this reason.
    Header(&'static str),
    /// The request has the header of this name, which must carry the certificate, more than once.
    HeaderRepeated(Arc<str>),
    /// The text is not one PEM certificate, plain or percent-encoded, or not a chain of them where
    /// one may stand.
    Pem,
    /// The octets are not the DER of one certificate (RFC 5280 §4.1).
    Der,
    /// The subject cannot be compared.
    Subject(NameError),
    /// The `subjectAltName` extension is malformed, or there are two.
    SubjectAlternativeName,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotForwarded => f.write_str("no hop in front forwarded a certificate"),
            Self::Header(what) => write!(f, "forwarded certificate: {what}"),
            Self::HeaderRepeated(header) => write!(f, "the request has {header} more than once"),
            Self::Pem => f.write_str("not one PEM certificate"),
            Self::Der => f.write_str("not the DER of an X.509 certificate"),
            Self::Subject(error) => write!(f, "subject: {error}"),
            Self::SubjectAlternativeName => {
                f.write_str("malformed or repeated subject alternative name extension")
            }
        }
    }
}

impl std::error::Error for CertificateError {}

/// A leaf certificate, parsed as far as a decision needs it.
///
/// Parsing is not verification: the chain is verified by the host, see [`crate::host::Downstream`].
/// A malformed name does not make the certificate malformed. Its error is kept, and returned when
/// the name is asked for, because it concerns only clients that are registered by that name.
///
/// Names are read from the DER when they are compared, and no further than the comparison needs.
/// So the cost of an untrusted certificate is one pass over its octets, however many names it has.
///
/// ```
/// use tls_client_auth::{AlternativeName, CertificateError, DistinguishedName, PeerCertificate};
///
/// let certificate = PeerCertificate::from_pem(
///     b"-----BEGIN CERTIFICATE-----
/// MIIBZTCCARegAwIBAgIBATAFBgMrZXAwOzELMAkGA1UEBhMCSlAxDzANBgNVBAoM
/// BkNsaWVudDEbMBkGA1UEAwwSY2xpZW50LmV4YW1wbGUub3JnMB4XDTI2MTEyODE5
/// MjYxM1oXDTM2MTEyNTE5MjYxM1owOzELMAkGA1UEBhMCSlAxDzANBgNVBAoMBkNs
/// aWVudDEbMBkGA1UEAwwSY2xpZW50LmV4YW1wbGUub3JnMCowBQYDK2VwAyEApS8E
/// VXBQdf9AfaauVOZjjogH/v23rvXNCMX8uXfORR2jQDA+MB0GA1UdEQQWMBSCEmNs
/// aWVudC5leGFtcGxlLm9yZzAdBgNVHQ4EFgQURUyrNLPIXXmgeW2U13MCDHHx0JAw
/// BQYDK2VwA0EATQB/gBO3aDZ20mTu150BAvOCKeXTr4eDjEfMI0jHHvVNSkOQnoBf
/// jVr6XOPJ92wGg3gpToqn5LsYiqiYC8stBQ==
/// -----END CERTIFICATE-----",
/// )?;
/// let thumbprint = certificate.thumbprint().to_string();
/// assert_eq!(thumbprint, "GH3F4PZz1rZAz8nK-QpWGB9wyg4ULZSZzJPBvy1XMHs");
///
/// let registered = DistinguishedName::parse("CN=client.example.org, O=Client, C=JP")
///     .map_err(CertificateError::Subject)?;
/// assert_eq!(certificate.subject_difference(&registered), Ok(None));
///
/// let other = AlternativeName::dns("other.example.org").expect("a host name");
/// assert_eq!(certificate.has_alternative_name(&other), Ok(false));
/// # Ok::<(), CertificateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    thumbprint: Thumbprint,
    /// [`Thumbprint::to_base64url`]
    x5t: [u8; 43],
    not_before: UnixTime,
    not_after: UnixTime,
    /// The place of the contents of the serial number in `der`.
    serial_number: Range<usize>,
    /// The place of the issuer's `Name` in `der`.
    issuer: Range<usize>,
    /// The place of the subject in `der`.
    subject: Result<Range<usize>, NameError>,
    /// The place of the extension's value in `der`; `None` = there is no such extension.
    alternative_names: Result<Option<Range<usize>>, MalformedDer>,
    /// The place of the contents of `Extensions` in `der`; empty = there are none.
    extensions: Range<usize>,
    /// [`PeerCertificate::other_thumbprints`], once they were asked for.
    others: OnceLock<Box<[Thumbprint]>>,
    der: Box<[u8]>,
}

impl PeerCertificate {
    /// Parses one certificate in PEM (RFC 7468), plain or percent-encoded.
    ///
    /// # Errors
    /// [`CertificateError::Pem`], and those of [`PeerCertificate::from_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        Self::new(pem::decode(text).ok_or(CertificateError::Pem)?)
    }

    /// Parses one certificate in DER.
    ///
    /// # Errors
    /// [`CertificateError::Der`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Self::new(der.to_vec())
    }

    fn new(der: Vec<u8>) -> Result<Self, CertificateError> {
        let parts = Parts::of(&der).map_err(|_| CertificateError::Der)?;
        let alternative_names = alternative_names(&parts).map_err(|_| CertificateError::Der)?;
        let thumbprint = Thumbprint::of(&der);
        Ok(Self {
            thumbprint,
            x5t: thumbprint.to_base64url(),
            serial_number: place(&der, parts.serial_number),
            issuer: place(&der, parts.issuer),
            not_before: parts.not_before,
            not_after: parts.not_after,
            subject: DistinguishedName::check_der(parts.subject)
                .map(|()| place(&der, parts.subject)),
            alternative_names: alternative_names.map(|value| value.map(|value| place(&der, value))),
            extensions: parts.extensions.map(|contents| place(&der, contents)).unwrap_or_default(),
            others: OnceLock::new(),
            der: der.into(),
        })
    }

    /// The SHA-256 digest of the certificate.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The thumbprints that it may have in its other encoding, where an ECDSA key signed it:
    /// whoever has it can make that one, and it is as good. At most three.
    pub(crate) fn other_thumbprints(&self) -> &[Thumbprint] {
        self.others.get_or_init(|| other_thumbprints(&self.der).into())
    }

    /// Whether `x5t` is its `x5t#S256` (RFC 8705 §3.1), octet by octet.
    #[must_use]
    pub fn has_x5t(&self, x5t: &[u8]) -> bool {
        equal(&self.x5t, x5t)
    }

    /// The first second of the validity period.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of the validity period, which belongs to it (RFC 5280 §4.1.2.5).
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The subject, to be shown. It is read from the DER at each call; a decision compares it by
    /// [`PeerCertificate::subject_difference`].
    ///
    /// # Errors
    /// [`CertificateError::Subject`] where it cannot be compared.
    pub fn subject(&self) -> Result<DistinguishedName, CertificateError> {
        DistinguishedName::from_der(self.subject_der()?).map_err(CertificateError::Subject)
    }

    /// The first difference between the subject and the registered name (RFC 8705 §2.1.2, by
    /// distinguishedNameMatch of RFC 4517 §4.2.15); `None` = they match.
    ///
    /// The work is bounded by the length of the registered name and by a few instructions for each
    /// octet of the certificate.
    ///
    /// # Errors
    /// [`CertificateError::Subject`] where the subject cannot be compared.
    pub fn subject_difference(
        &self,
        registered: &DistinguishedName,
    ) -> Result<Option<NameDifference>, CertificateError> {
        registered.difference(self.subject_der()?).map_err(CertificateError::Subject)
    }

    fn subject_der(&self) -> Result<&[u8], CertificateError> {
        let subject =
            self.subject.as_ref().map_err(|error| CertificateError::Subject(error.clone()))?;
        self.der.get(subject.clone()).ok_or(CertificateError::Der)
    }

    /// The alternative names of the types by which a client can be registered, to be shown; empty
    /// where there is no such extension. They are read from the DER at each call; a decision asks
    /// [`PeerCertificate::has_alternative_name`].
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub fn alternative_names(&self) -> Result<Vec<AlternativeName>, CertificateError> {
        let Some(extension) = self.extension()? else { return Ok(Vec::new()) };
        AlternativeName::all_from_der(extension)
            .map_err(|_| CertificateError::SubjectAlternativeName)
    }

    /// Whether one of the alternative names is the registered one (RFC 8705 §2.1.2).
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub fn has_alternative_name(
        &self,
        registered: &AlternativeName,
    ) -> Result<bool, CertificateError> {
        let Some(extension) = self.extension()? else { return Ok(false) };
        registered.is_in(extension).map_err(|_| CertificateError::SubjectAlternativeName)
    }

    /// The alternative names of the registered name's type, for the log of a refusal.
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub fn alternative_names_like(
        &self,
        registered: &AlternativeName,
    ) -> Result<FoundNames, CertificateError> {
        let Some(extension) = self.extension()? else { return Ok(FoundNames::default()) };
        registered.like(extension).map_err(|_| CertificateError::SubjectAlternativeName)
    }

    /// The octets of the alternative names of one type, in the order of the certificate.
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub(super) fn raw_names(&self, kind: GeneralNameType) -> Result<Vec<&[u8]>, CertificateError> {
        let Some(extension) = self.extension()? else { return Ok(Vec::new()) };
        kind.all_from_der(extension).map_err(|_| CertificateError::SubjectAlternativeName)
    }

    /// The value of the `subjectAltName` extension.
    fn extension(&self) -> Result<Option<&[u8]>, CertificateError> {
        let place = self
            .alternative_names
            .as_ref()
            .map_err(|_| CertificateError::SubjectAlternativeName)?;
        Ok(place.as_ref().and_then(|place| self.der.get(place.clone())))
    }

    /// The extensions, in the order of the certificate.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = Result<Extension<'_>, MalformedDer>> {
        Extension::all(self.der.get(self.extensions.clone()).unwrap_or_default())
    }

    /// The memory that this takes, in octets, with what the allocator adds to each allocation.
    #[must_use]
    pub(super) fn octets(&self) -> usize {
        let of_the_error = match &self.subject {
            Err(NameError::UnknownAttributeType(text)) => text.capacity() + OF_AN_ALLOCATION,
            _ => 0,
        };
        let of_the_others = 3 * size_of::<Thumbprint>() + OF_AN_ALLOCATION;
        let own = size_of::<Self>() + OF_AN_ALLOCATION + self.der.len() + OF_AN_ALLOCATION;
        own + of_the_error + of_the_others
    }

    /// The serial number: the contents octets of its INTEGER, big-endian, in two's complement.
    #[must_use]
    pub fn serial_number(&self) -> &[u8] {
        self.der.get(self.serial_number.clone()).unwrap_or_default()
    }

    /// The issuer: the DER of its `Name`. Nothing says that it is one that can be compared.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        self.der.get(self.issuer.clone()).unwrap_or_default()
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// The most that an allocator adds to an allocation, in octets: one or two words, and rounding.
pub(super) const OF_AN_ALLOCATION: usize = 32;

/// The value of the `subjectAltName` extension. The outer result is that of all extensions. The
/// inner one is an error where the extension is there twice (RFC 5280 §4.2).
fn alternative_names<'a>(
    parts: &Parts<'a>,
) -> Result<Result<Option<&'a [u8]>, MalformedDer>, MalformedDer> {
    // 2.5.29.17
    const SUBJECT_ALTERNATIVE_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
    let mut found = Ok(None);
    for extension in parts.extensions() {
        let extension = extension?;
        if extension.id == SUBJECT_ALTERNATIVE_NAME {
            found = if found == Ok(None) { Ok(Some(extension.value)) } else { Err(MalformedDer) };
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn certificate(names: &[&str]) -> PeerCertificate {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        PeerCertificate::from_der(certificate.der()).unwrap()
    }

    /// Operators register a client by what they are shown of its certificate.
    #[test]
    fn the_alternative_names_that_are_shown() {
        let (one, address) = (AlternativeName::dns("a.example"), AlternativeName::ip("192.0.2.1"));
        let (one, address) = (one.unwrap(), address.unwrap());
        let named = certificate(&["a.example", "192.0.2.1", "b.example"]);
        let two = AlternativeName::dns("b.example").unwrap();
        assert_eq!(named.alternative_names(), Ok(vec![one.clone(), address.clone(), two]));
        let like = |name| named.alternative_names_like(name).unwrap().to_string();
        assert_eq!(like(&one), "DNS:a.example, DNS:b.example");
        assert_eq!(like(&address), "IP:192.0.2.1");
        let unnamed = certificate(&[]);
        assert_eq!(unnamed.alternative_names(), Ok(Vec::new()));
        let like = unnamed.alternative_names_like(&one).unwrap();
        assert_eq!(like.to_string(), "none of this type");
    }
}
