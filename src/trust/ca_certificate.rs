//! The certificate of a CA, as a configuration names it.

use std::fmt;
use std::ops::Range;

use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};
use crate::certificate::{DistinguishedName, Extension, NameError, Parts, Thumbprint, pem, place};
use crate::time::UnixTime;

/// The certificate of a CA: a trust anchor or an intermediate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaCertificate {
    thumbprint: Thumbprint,
    not_before: UnixTime,
    not_after: UnixTime,
    /// `None` = a client sent the certificate, whose name nothing is compared with by its values.
    name: Option<DistinguishedName>,
    /// The place of the subject's `Name` in `der`.
    subject: Range<usize>,
    /// The place of the issuer's `Name` in `der`.
    issuer: Range<usize>,
    /// The place of the `SubjectPublicKeyInfo` in `der`.
    public_key: Range<usize>,
    /// The place of the contents of `NameConstraints` in `der`; `None` = there are none.
    name_constraints: Option<Range<usize>>,
    /// `None` = the certificate has no `keyUsage`, which allows every use (RFC 5280 §4.2.1.3).
    key_usage: Option<u16>,
    path_length: Option<u8>,
    der: Box<[u8]>,
}

/// Why a certificate is not that of a CA.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaError {
    /// It is not the PEM of one certificate.
    Pem,
    /// It is not the DER of a certificate, or one of the extensions that concern CAs is malformed
    /// or there twice.
    Der,
    /// The subject is empty or cannot be compared.
    Subject(NameError),
    /// RFC 5280 §4.2.1.9: it has no `basicConstraints` with `cA`, so that its key must not verify
    /// signatures of certificates.
    NotACa,
    /// RFC 5280 §4.2.1.3: its `keyUsage` lacks `keyCertSign`.
    MayNotSign,
}

impl fmt::Display for CaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pem => f.write_str("the PEM of one certificate"),
            Self::Der => f.write_str("a certificate of X.509 version 3, well-formed"),
            Self::Subject(error) => write!(f, "a CA whose subject can be compared: {error}"),
            Self::NotACa => f.write_str("the certificate of a CA: this one has no cA"),
            Self::MayNotSign => {
                f.write_str("a CA that may sign certificates: its keyUsage has no keyCertSign")
            }
        }
    }
}

impl std::error::Error for CaError {}

/// Bits of `keyUsage`, of which the first is the most significant (RFC 5280 §4.2.1.3).
pub(super) const DIGITAL_SIGNATURE: u16 = 1 << 15;
const KEY_CERT_SIGN: u16 = 1 << (15 - 5);
const CRL_SIGN: u16 = 1 << (15 - 6);

impl CaCertificate {
    /// Reads the PEM of one certificate (RFC 7468).
    ///
    /// # Errors
    /// Any [`CaError`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CaError> {
        Self::from_der(&pem::decode(text).ok_or(CaError::Pem)?)
    }

    /// Reads the DER of a certificate.
    ///
    /// # Errors
    /// Any [`CaError`] but `Pem`.
    pub fn from_der(der: &[u8]) -> Result<Self, CaError> {
        let mut certificate = Self::offered(der)?;
        let name = DistinguishedName::from_der(certificate.subject_der());
        certificate.name = Some(name.map_err(CaError::Subject)?);
        Ok(certificate)
    }

    /// Reads the DER of a certificate that a client sent, at the cost of a few instructions for
    /// each of its octets. It has no [`CaCertificate::subject`].
    ///
    /// # Errors
    /// Those of [`CaCertificate::from_der`].
    pub(super) fn offered(der: &[u8]) -> Result<Self, CaError> {
        let parts = Parts::of(der)?;
        DistinguishedName::check_der(parts.subject).map_err(CaError::Subject)?;
        if Tlv::only(parts.subject)?.contents.is_empty() {
            return Err(CaError::Subject(NameError::Empty));
        }
        let extensions = CaExtensions::of(parts.extensions())?;
        if !extensions.is_ca {
            return Err(CaError::NotACa);
        }
        if extensions.key_usage.is_some_and(|usage| usage & KEY_CERT_SIGN == 0) {
            return Err(CaError::MayNotSign);
        }
        Ok(Self {
            thumbprint: Thumbprint::of(der),
            not_before: parts.not_before,
            not_after: parts.not_after,
            name: None,
            subject: place(der, parts.subject),
            issuer: place(der, parts.issuer),
            public_key: place(der, parts.public_key),
            name_constraints: extensions.name_constraints.map(|contents| place(der, contents)),
            key_usage: extensions.key_usage,
            path_length: extensions.path_length,
            der: der.into(),
        })
    }

    /// The SHA-256 digest of the certificate.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The first second of the validity period.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of the validity period.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether `now` is in the validity period.
    #[must_use]
    pub fn is_valid_at(&self, now: UnixTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The subject: the DER of its `Name`.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        self.der.get(self.subject.clone()).unwrap_or_default()
    }

    /// The subject; `None` = a client sent the certificate.
    #[must_use]
    pub fn subject(&self) -> Option<&DistinguishedName> {
        self.name.as_ref()
    }

    /// Whether the subject matches `name` (RFC 5280 §7.1), DER that passed
    /// [`DistinguishedName::check_der`].
    pub(crate) fn has_subject(&self, name: &[u8]) -> bool {
        self.name.as_ref().is_some_and(|own| own.matches(name) == Ok(true))
    }

    /// The issuer: the DER of its `Name`.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        self.der.get(self.issuer.clone()).unwrap_or_default()
    }

    /// The DER of the `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.der.get(self.public_key.clone()).unwrap_or_default()
    }

    /// The contents octets of `NameConstraints` (RFC 5280 §4.2.1.10).
    #[must_use]
    pub fn name_constraints(&self) -> Option<&[u8]> {
        self.name_constraints.clone().and_then(|place| self.der.get(place))
    }

    /// The `pathLenConstraint` of `basicConstraints` (RFC 5280 §4.2.1.9): the greatest number of
    /// CAs that may follow on a path, those that are self-issued not counted.
    #[must_use]
    pub fn path_length(&self) -> Option<u8> {
        self.path_length
    }

    /// Whether issuer and subject are the same name (RFC 5280 §3.2).
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer_der() == self.subject_der()
    }

    /// Whether the CA may sign CRLs: `keyUsage` is absent or has `cRLSign` (RFC 5280 §4.2.1.3).
    #[must_use]
    pub fn may_sign_crls(&self) -> bool {
        self.key_usage.is_none_or(|usage| usage & CRL_SIGN != 0)
    }

    /// The certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl From<MalformedDer> for CaError {
    fn from(_: MalformedDer) -> Self {
        Self::Der
    }
}

/// The extensions that say what a key may do.
#[derive(Default)]
pub(super) struct CaExtensions<'a> {
    /// `cA` of `basicConstraints`.
    pub(super) is_ca: bool,
    /// `pathLenConstraint` of `basicConstraints`; no path has more than 255 CAs.
    path_length: Option<u8>,
    pub(super) key_usage: Option<u16>,
    name_constraints: Option<&'a [u8]>,
}

impl<'a> CaExtensions<'a> {
    /// Reads them; each may be there once (RFC 5280 §4.2).
    pub(super) fn of(
        extensions: impl Iterator<Item = Result<Extension<'a>, MalformedDer>>,
    ) -> Result<Self, MalformedDer> {
        // 2.5.29.15, .19, .30
        const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
        const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
        const NAME_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x1e];
        let (mut basic_constraints, mut key_usage, mut name_constraints) = (None, None, None);
        for extension in extensions {
            let extension = extension?;
            let place = match extension.id {
                id if id == KEY_USAGE => &mut key_usage,
                id if id == BASIC_CONSTRAINTS => &mut basic_constraints,
                id if id == NAME_CONSTRAINTS => &mut name_constraints,
                _ => continue,
            };
            if place.replace(Tlv::only(extension.value)?).is_some() {
                return Err(MalformedDer);
            }
        }
        let (is_ca, path_length) =
            basic_constraints.map(read_basic_constraints).transpose()?.unwrap_or_default();
        Ok(Self {
            is_ca,
            path_length,
            key_usage: key_usage.map(key_usage_bits).transpose()?,
            name_constraints: name_constraints
                .map(|constraints| constraints.contents_of(tag::SEQUENCE))
                .transpose()?,
        })
    }
}

/// `cA` and `pathLenConstraint` of a `BasicConstraints`. The latter is a number from 0 (RFC 5280
/// §4.2.1.9).
pub(super) fn read_basic_constraints(value: Tlv<'_>) -> Result<(bool, Option<u8>), MalformedDer> {
    let mut constraints = Elements(value.contents_of(tag::SEQUENCE)?);
    let is_ca = constraints.optional(tag::BOOLEAN)? == Some(&[0xff][..]);
    let length = constraints.optional(tag::INTEGER)?;
    constraints.end()?;
    let length = match length {
        None => None,
        Some([length @ 0..=0x7f] | [0, length @ 0x80..=0xff]) => Some(*length),
        Some([0, 0x80..=0xff, ..] | [1..=0x7f, _, ..]) => Some(u8::MAX),
        Some(_) => return Err(MalformedDer),
    };
    Ok((is_ca, length))
}

/// The bits of a `KeyUsage`, of which the first is the most significant. Those that are not used
/// are 0 (X.690 §11.2.1).
fn key_usage_bits(value: Tlv<'_>) -> Result<u16, MalformedDer> {
    let (unused, bits) = match value.contents_of(tag::BIT_STRING)? {
        [unused @ 0..=7, bits] => (u32::from(*unused) + 8, u16::from(*bits) << 8),
        [unused @ 0..=7, high, low] => (u32::from(*unused), u16::from_be_bytes([*high, *low])),
        _ => return Err(MalformedDer),
    };
    if bits.trailing_zeros() < unused { Err(MalformedDer) } else { Ok(bits) }
}
