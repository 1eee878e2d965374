//! The proof: the leaf certificate of the downstream connection, parsed once.

use std::fmt;
use std::ops::Range;

use x509_parser::certificate::Validity;
use x509_parser::prelude::FromDer as _;

use super::alternative_name::{AlternativeName, FoundNames, GeneralNameType};
use super::der::{Elements, MalformedDer, Tlv, tag};
use super::name::{DistinguishedName, NameDifference, NameError};
use super::pem;
use super::thumbprint::Thumbprint;
use crate::time::UnixTime;

/// Why a certificate cannot be used for what the client is registered by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The header that must carry it tells of no other hop's peer.
    NotForwarded,
    /// The header that must carry it is malformed; what of it.
    Header(&'static str),
    /// The header of this name, which must carry it, is there more than once.
    HeaderRepeated(&'static str),
    /// Not one PEM certificate, plain or percent-encoded.
    Pem,
    /// Not the DER of one certificate (RFC 5280 §4.1).
    Der,
    /// The subject cannot be compared.
    Subject(NameError),
    /// The subject alternative names are malformed, or there are two such extensions.
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

/// What the decision needs of a leaf certificate. Parsing is not verification: who vouches for the
/// chain is asked elsewhere.
///
/// Names are not held beside the DER: they are read where they are compared, and only as far as
/// that takes. What a stranger puts into a certificate then costs the one walk through it that
/// finds what cannot be compared.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    thumbprint: Thumbprint,
    not_before: UnixTime,
    not_after: UnixTime,
    // Kept as results: a client that is registered by something else is not concerned by an odd
    // subject.
    subject: Result<Range<usize>, NameError>,
    /// The value of the extension; `None` where there is none.
    alternative_names: Result<Option<Range<usize>>, MalformedDer>,
    der: Box<[u8]>,
}

impl PeerCertificate {
    /// Parses PEM, plain or percent-encoded.
    ///
    /// # Errors
    /// [`CertificateError::Pem`] and those of [`PeerCertificate::from_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        Self::new(pem::decode(text).ok_or(CertificateError::Pem)?)
    }

    /// Parses the DER of one certificate.
    ///
    /// # Errors
    /// [`CertificateError::Der`]. Errors in the names are kept until a name is asked for.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        Self::new(der.to_vec())
    }

    fn new(der: Vec<u8>) -> Result<Self, CertificateError> {
        let parts = Parts::of(&der).map_err(|_| CertificateError::Der)?;
        Ok(Self {
            thumbprint: Thumbprint::of(&der),
            not_before: parts.not_before,
            not_after: parts.not_after,
            subject: DistinguishedName::check_der(parts.subject)
                .map(|()| place(&der, parts.subject)),
            alternative_names: parts
                .alternative_names
                .map(|value| value.map(|value| place(&der, value))),
            der: der.into(),
        })
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The first second of the validity period.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of the validity period (RFC 5280 §4.1.2.5: inclusive).
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The subject, read anew: for people. A decision asks for
    /// [`PeerCertificate::subject_difference`].
    ///
    /// # Errors
    /// [`CertificateError::Subject`] if it cannot be compared.
    pub fn subject(&self) -> Result<DistinguishedName, CertificateError> {
        DistinguishedName::from_der(self.subject_der()?).map_err(CertificateError::Subject)
    }

    /// Where the subject first differs from the registered name; `None` = they match. The work is
    /// bounded by the length of the registered name, and by that of the certificate at a few
    /// instructions an octet.
    ///
    /// # Errors
    /// [`CertificateError::Subject`] if the subject cannot be compared.
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

    /// The alternative names of the types that a client can be registered by, read anew: for
    /// people. Empty without the extension. A decision asks for
    /// [`PeerCertificate::has_alternative_name`].
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub fn alternative_names(&self) -> Result<Vec<AlternativeName>, CertificateError> {
        let Some(extension) = self.extension()? else { return Ok(Vec::new()) };
        AlternativeName::all_from_der(extension)
            .map_err(|_| CertificateError::SubjectAlternativeName)
    }

    /// Whether one of the alternative names is the registered one.
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

    /// What the certificate has in place of the registered name.
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

    /// The alternative names of one type as they stand in the certificate, in its order.
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub(super) fn names_as_they_stand(
        &self,
        kind: GeneralNameType,
    ) -> Result<impl Iterator<Item = &[u8]>, CertificateError> {
        let malformed = |_| CertificateError::SubjectAlternativeName;
        let names = self
            .extension()?
            .map(|extension| kind.all_from_der(extension))
            .transpose()
            .map_err(malformed)?;
        Ok(names.into_iter().flatten())
    }

    /// The value of the `subjectAltName` extension.
    fn extension(&self) -> Result<Option<&[u8]>, CertificateError> {
        let place = self
            .alternative_names
            .as_ref()
            .map_err(|_| CertificateError::SubjectAlternativeName)?;
        Ok(place.as_ref().and_then(|place| self.der.get(place.clone())))
    }

    /// The octets of memory that this takes, each allocation with what the allocator adds to it.
    #[must_use]
    pub(super) fn octets(&self) -> usize {
        let of_the_error = match &self.subject {
            Err(NameError::UnknownAttributeType(text)) => text.capacity() + OF_AN_ALLOCATION,
            _ => 0,
        };
        size_of::<Self>() + OF_AN_ALLOCATION + self.der.len() + OF_AN_ALLOCATION + of_the_error
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// What an allocator adds to each allocation, at most: its own word or two, and rounding up.
pub(super) const OF_AN_ALLOCATION: usize = 32;

/// Where `part` is within `whole`, of which it is a part.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

/// The parts of a certificate that matter here.
struct Parts<'a> {
    not_before: UnixTime,
    not_after: UnixTime,
    /// The `Name`, outer tag included.
    subject: &'a [u8],
    alternative_names: Result<Option<&'a [u8]>, MalformedDer>,
}

impl<'a> Parts<'a> {
    /// RFC 5280 §4.1, strict as to the structure. What this filter does not look at (issuer, key,
    /// other extensions) must not be able to fail it, and is not read: `X509CertificateParser`
    /// makes an object of each attribute and each extension, which takes 5 ms where a stranger
    /// sends 90 kB of them, and brings 110 kB of parsers of extensions into the module.
    fn of(der: &'a [u8]) -> Result<Self, MalformedDer> {
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
        signed.required()?.contents_of(tag::SEQUENCE)?;
        let (subject, validity) = Validity::from_der(signed.0).map_err(|_| MalformedDer)?;
        signed.0 = subject;
        let [not_before, not_after] =
            [validity.not_before, validity.not_after].map(|time| UnixTime(time.timestamp()));
        signed.required()?.contents_of(tag::SEQUENCE)?;
        let subject = subject.get(..subject.len() - signed.0.len()).ok_or(MalformedDer)?;
        let mut key = Elements(signed.required()?.contents_of(tag::SEQUENCE)?);
        key.required()?.contents_of(tag::SEQUENCE)?;
        key.required()?.contents_of(tag::BIT_STRING)?;
        key.end()?;
        for unique_identifier in [1, 2] {
            signed.optional(tag::context(unique_identifier))?;
        }
        let extensions = signed.optional(tag::context_constructed(3))?;
        signed.end()?;
        if serial_number.is_empty() {
            return Err(MalformedDer);
        }
        let alternative_names = extensions.map_or(Ok(Ok(None)), alternative_names)?;
        Ok(Self { not_before, not_after, subject, alternative_names })
    }
}

/// The value of the one `subjectAltName` among the extensions. RFC 5280 §4.2: a second one is an
/// error, but of these names alone.
fn alternative_names(
    extensions: &[u8],
) -> Result<Result<Option<&[u8]>, MalformedDer>, MalformedDer> {
    // 2.5.29.17
    const SUBJECT_ALTERNATIVE_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
    let mut found = Ok(None);
    for extension in Elements(Tlv::only(extensions)?.contents_of(tag::SEQUENCE)?) {
        let mut parts = Elements(extension?.contents_of(tag::SEQUENCE)?);
        let oid = parts.required()?.contents_of(tag::OBJECT_IDENTIFIER)?;
        if parts.optional(tag::BOOLEAN)?.is_some_and(|critical| critical.len() != 1) {
            return Err(MalformedDer);
        }
        let value = parts.required()?.contents_of(tag::OCTET_STRING)?;
        parts.end()?;
        if oid == SUBJECT_ALTERNATIVE_NAME {
            found = if found == Ok(None) { Ok(Some(value)) } else { Err(MalformedDer) };
        }
    }
    Ok(found)
}
