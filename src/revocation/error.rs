//! Why a list or an answer cannot be used.

use std::fmt;

use crate::certificate::der::MalformedDer;
use crate::registry::FetchError;
use crate::time::UnixTime;
use crate::trust::SignatureError;

/// Why a CRL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CrlError {
    /// It was not fetched.
    Fetch(FetchError),
    /// Neither DER nor PEM.
    NotACrl,
    /// The PEM has no base64.
    Base64,
    /// Not the DER of a CRL (RFC 5280 §5.1), at this place.
    Malformed(&'static str),
    /// A CRL of version 1, which has neither a number nor extensions (RFC 5280 §5.1.2.1).
    VersionOne,
    /// It has no `nextUpdate` (RFC 5280 §5.1.2.5), so that it would never be too old.
    NoNextUpdate,
    /// It has changes alone (RFC 5280 §5.2.4).
    Delta,
    /// It has certificates of other issuers (RFC 5280 §5.2.5, §5.3.3).
    Indirect,
    /// It has revocations for some reasons only (RFC 5280 §5.2.5).
    SomeReasons,
    /// It has no certificates of clients: CAs, or attribute certificates (RFC 5280 §5.2.5).
    OtherCertificates,
    /// It has a critical extension that is not known, with this object identifier.
    CriticalExtension(Box<str>),
    /// An entry has one (RFC 5280 §5.3).
    CriticalEntryExtension(Box<str>),
    /// Its issuer is none of the anchors and intermediates.
    UnknownIssuer,
    /// Its issuer is none of `issuers`.
    OtherIssuer,
    /// The signature does not count as that of its issuer.
    Signature(SignatureError),
    /// The certificate of its issuer must not sign CRLs.
    KeyUsage,
    /// It is older than the one in force (RFC 5280 §5.2.3).
    Older,
    /// It is of the future.
    NotYetValid {
        /// `thisUpdate`.
        this_update: UnixTime,
    },
    /// It is too old.
    Expired {
        /// `nextUpdate`.
        next_update: UnixTime,
    },
    /// Shared data could not be written, or another VM has written it.
    SharedData,
}

/// Why the answer of a responder cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OcspError {
    /// There is no answer.
    Fetch(FetchError),
    /// Not the DER of an answer (RFC 6960 §4.2.1), at this place.
    Malformed(&'static str),
    /// The responder says that it has no answer, by this status (RFC 6960 §4.2.1).
    Status(ResponderStatus),
    /// It is not of the basic type (RFC 6960 §4.2.1).
    Type,
    /// It has a critical extension that is not known, with this object identifier.
    CriticalExtension(Box<str>),
    /// The signature does not count as that of the issuer, or of a responder that the issuer
    /// authorized.
    Signature(SignatureError),
    /// The certificate of the responder is none that the issuer authorized for OCSP (RFC 6960
    /// §4.2.2.2), for this reason.
    Responder(&'static str),
    /// It is about another certificate, or another issuer.
    OtherCertificate,
    /// It is of the future.
    NotYetValid {
        /// `thisUpdate`.
        this_update: UnixTime,
    },
    /// It is too old.
    Stale {
        /// Until when it counted.
        until: UnixTime,
    },
    /// The responder does not know the certificate (RFC 6960 §2.2).
    Unknown,
}

/// `OCSPResponseStatus`, where it is not successful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponderStatus(pub u8);

impl From<MalformedDer> for CrlError {
    fn from(_: MalformedDer) -> Self {
        Self::Malformed("structure")
    }
}

impl From<MalformedDer> for OcspError {
    fn from(_: MalformedDer) -> Self {
        Self::Malformed("structure")
    }
}

impl fmt::Display for CrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(FetchError::NoAnswer) => f.write_str(
                "no answer: time-out, connection failure, a body cut short, or more than Envoy \
                 buffers (32 MiB)",
            ),
            Self::Fetch(error) => error.fmt(f),
            Self::NotACrl => f.write_str("not a CRL: neither DER nor PEM (BEGIN X509 CRL)"),
            Self::Base64 => f.write_str("not a CRL: the PEM is not base64"),
            Self::Malformed(place) => write!(f, "not the DER of a CRL: {place}"),
            Self::VersionOne => f.write_str(
                "a CRL of version 1 (openssl ca makes one without crl_extensions): version 2 is \
                 needed",
            ),
            Self::NoNextUpdate => f.write_str("no nextUpdate, so that it would never be too old"),
            Self::Delta => f.write_str("a delta CRL: the complete one is needed"),
            Self::Indirect => f.write_str("an indirect CRL: one of the issuer itself is needed"),
            Self::SomeReasons => f.write_str("a CRL of some reasons only (onlySomeReasons)"),
            Self::OtherCertificates => {
                f.write_str("a CRL of CAs or attribute certificates only, not of clients")
            }
            Self::CriticalExtension(oid) => write!(f, "an unknown critical extension, {oid}"),
            Self::CriticalEntryExtension(oid) => {
                write!(f, "an entry has an unknown critical extension, {oid}")
            }
            Self::UnknownIssuer => {
                f.write_str("its issuer is none of the trust_anchors and intermediates")
            }
            Self::OtherIssuer => f.write_str("its issuer is none of issuers of this entry of crl"),
            Self::Signature(error) => error.fmt(f),
            Self::KeyUsage => {
                f.write_str("the key usage of its issuer's certificate does not have cRLSign")
            }
            Self::Older => f.write_str("older than the one in force, which stays"),
            Self::NotYetValid { this_update } => write!(f, "of the future: {this_update}"),
            Self::Expired { next_update } => write!(f, "too old: its nextUpdate is {next_update}"),
            Self::SharedData => {
                f.write_str("shared data could not be written, or another VM took over")
            }
        }
    }
}

impl fmt::Display for OcspError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(FetchError::NoAnswer) => {
                f.write_str("no answer: time-out or connection failure")
            }
            Self::Fetch(error) => error.fmt(f),
            Self::Malformed(place) => write!(f, "not the DER of an OCSP answer: {place}"),
            Self::Status(status) => write!(f, "the responder has no answer: {status}"),
            Self::Type => f.write_str("not a basic OCSP answer"),
            Self::CriticalExtension(oid) => write!(f, "an unknown critical extension, {oid}"),
            Self::Signature(error) => error.fmt(f),
            Self::Responder(why) => write!(f, "a responder that is not authorized: {why}"),
            Self::OtherCertificate => f.write_str("an answer about another certificate"),
            Self::NotYetValid { this_update } => write!(f, "of the future: {this_update}"),
            Self::Stale { until } => write!(f, "a stale answer, which counted until {until}"),
            Self::Unknown => f.write_str("the responder does not know the certificate (unknown)"),
        }
    }
}

impl fmt::Display for ResponderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("malformedRequest"),
            2 => f.write_str("internalError"),
            3 => f.write_str("tryLater"),
            5 => f.write_str("sigRequired"),
            6 => f.write_str("unauthorized"),
            other => write!(f, "status {other}"),
        }
    }
}
