//! The proof: the leaf certificate of the downstream connection, parsed once.

use std::fmt;

use x509_parser::certificate::X509CertificateParser;
use x509_parser::nom::Parser as _;
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;

use super::alternative_name::{AlternativeName, GeneralNameType};
use super::name::{DistinguishedName, NameError};
use super::thumbprint::Thumbprint;
use super::{UnixTime, pem};

/// Why a certificate cannot be used for what the client is registered by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// The header that must carry it tells of no other hop's peer.
    NotForwarded,
    /// The header that must carry it is malformed; what of it.
    Header(&'static str),
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
            Self::Pem => f.write_str("not one PEM certificate"),
            Self::Der => f.write_str("not the DER of an X.509 certificate"),
            Self::Subject(error) => write!(f, "subject: {error}"),
            Self::SubjectAlternativeName => f.write_str("malformed or repeated subject alternative name extension"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// What the decision needs of a leaf certificate. Parsing is not verification: who vouches for the chain is asked elsewhere.
#[derive(Clone, Debug)]
pub struct PeerCertificate {
    thumbprint: Thumbprint,
    not_before: UnixTime,
    not_after: UnixTime,
    // Kept as results: a client that is registered by something else is not concerned by an odd subject.
    subject: Result<DistinguishedName, NameError>,
    alternative_names: Result<Vec<AlternativeName>, CertificateError>,
    der: Box<[u8]>,
}

impl PeerCertificate {
    /// Parses PEM, plain or percent-encoded.
    ///
    /// # Errors
    /// [`CertificateError::Pem`] and those of [`PeerCertificate::from_der`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        Self::from_der(&pem::decode(text).ok_or(CertificateError::Pem)?)
    }

    /// Parses the DER of one certificate.
    ///
    /// # Errors
    /// [`CertificateError::Der`]. Errors in the names are kept until a name is asked for.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        // Other extensions are not this filter's business and must not be able to fail it.
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let Ok(([], certificate)) = parser.parse(der) else {
            return Err(CertificateError::Der);
        };
        let alternative_names = match certificate.get_extension_unique(&OID_X509_EXT_SUBJECT_ALT_NAME) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(extension)) => {
                AlternativeName::all_from_der(extension.value).map_err(|_| CertificateError::SubjectAlternativeName)
            }
            Err(_) => Err(CertificateError::SubjectAlternativeName),
        };
        Ok(Self {
            thumbprint: Thumbprint::of(der),
            not_before: UnixTime(certificate.validity().not_before.timestamp()),
            not_after: UnixTime(certificate.validity().not_after.timestamp()),
            subject: DistinguishedName::from_der(certificate.subject().as_raw()),
            alternative_names,
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

    /// The subject.
    ///
    /// # Errors
    /// [`CertificateError::Subject`] if it cannot be compared.
    pub fn subject(&self) -> Result<&DistinguishedName, CertificateError> {
        self.subject.as_ref().map_err(|error| CertificateError::Subject(error.clone()))
    }

    /// The alternative names of the types that a client can be registered by; empty without the extension.
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub fn alternative_names(&self) -> Result<&[AlternativeName], CertificateError> {
        self.alternative_names.as_deref().map_err(Clone::clone)
    }

    /// The alternative names of two types as they stand in the certificate, in its order. They are not kept, because hardly
    /// anybody asks.
    ///
    /// # Errors
    /// [`CertificateError::SubjectAlternativeName`].
    pub(super) fn names_as_they_stand(&self) -> Result<Vec<(GeneralNameType, Vec<u8>)>, CertificateError> {
        let malformed = CertificateError::SubjectAlternativeName;
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let Ok((_, certificate)) = parser.parse(&self.der) else { return Err(CertificateError::Der) };
        match certificate.get_extension_unique(&OID_X509_EXT_SUBJECT_ALT_NAME) {
            Ok(None) => Ok(Vec::new()),
            Ok(Some(extension)) => GeneralNameType::all_from_der(extension.value).map_err(|_| malformed),
            Err(_) => Err(malformed),
        }
    }

    /// About how many octets of memory this takes: a name costs far more parsed than it does in DER.
    #[must_use]
    pub(super) fn octets(&self) -> usize {
        const OF_A_NAME: usize = 64;
        const OF_AN_ATTRIBUTE: usize = 192;
        let names = self.alternative_names.as_ref().map_or(0, Vec::len);
        let attributes = self.subject.as_ref().map_or(0, DistinguishedName::number_of_attributes);
        2 * self.der.len() + OF_A_NAME * names + OF_AN_ATTRIBUTE * attributes
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}
