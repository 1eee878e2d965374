//! Whether a certificate is revoked, as far as all sources together know.

use std::fmt;

use super::error::OcspError;
use super::listed::RevokedEntry;
use super::serial::SerialNumber;
use super::sources::OnUnavailable;
use crate::time::UnixTime;
use crate::trust::SignatureError;

/// What the sources say of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationStatus {
    /// Every source that must speak says that it is not revoked, or policy does not mind.
    Good,
    /// A source says that it is.
    Revoked(RevokedBy),
    /// A source that must speak does not.
    Unknown(RevocationUnknown),
}

impl RevocationStatus {
    /// That of a host that fetches and asks nothing.
    #[must_use]
    pub fn not_asked() -> Self {
        Self::Unknown(RevocationUnknown::NotAsked)
    }
}

/// Who revoked a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokedBy {
    /// The configuration, by this entry of `revoked`.
    Configuration(RevokedEntry),
    /// The CRL that is fetched from this path.
    Crl {
        /// The path.
        path: Box<str>,
        /// The serial number of the certificate.
        serial: SerialNumber,
    },
    /// The responder with this URI.
    Ocsp {
        /// The URI.
        responder: Box<str>,
        /// When it was revoked.
        revoked_at: UnixTime,
    },
}

/// Why it is not known whether a certificate is revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationUnknown {
    /// The CRL from this path has not been fetched yet, or was never usable.
    NoCrl(Box<str>),
    /// The CRL from this path is too old.
    CrlExpired {
        /// The path.
        path: Box<str>,
        /// Its `nextUpdate`.
        next_update: UnixTime,
    },
    /// The CRL from this path is damaged in shared data.
    CrlInconsistent(Box<str>),
    /// The CRL from this path is of another issuer, or does not cover the certificate.
    CrlOfOthers(Box<str>),
    /// The issuer of the certificate is none of the anchors and intermediates.
    UnknownIssuer,
    /// The certificate is not signed by the anchor or intermediate with its issuer's name, as far
    /// as can be verified.
    IssuerSignature(SignatureError),
    /// The certificate names no responder whose host is listed.
    NoResponder,
    /// The responder with this URI gave no usable answer.
    Ocsp {
        /// The URI.
        responder: Box<str>,
        /// Why it cannot be used.
        error: OcspError,
    },
    /// This host fetches no CRLs and asks no responders.
    NotAsked,
}

/// What one source says of a certificate that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceStatus {
    Good,
    Revoked(RevokedBy),
    /// It ought to know, and does not.
    Unavailable(RevocationUnknown),
    /// It knows nothing of the certificate's issuer. That counts only if no other source answers.
    Silent(RevocationUnknown),
}

/// What all sources together say (contract §9): each one that applies must say good. Among those
/// that do not answer, the strictest `on_unavailable` counts.
pub(crate) fn together(
    sources: impl IntoIterator<Item = (SourceStatus, OnUnavailable)>,
) -> RevocationStatus {
    let (mut is_answered, mut unavailable, mut silent) = (false, None, None);
    let stricter = |worst: &mut Option<_>, why, policy| {
        if worst.as_ref().is_none_or(|(_, worst)| policy > *worst) {
            *worst = Some((why, policy));
        }
    };
    for (status, policy) in sources {
        match status {
            SourceStatus::Revoked(by) => return RevocationStatus::Revoked(by),
            SourceStatus::Good => is_answered = true,
            SourceStatus::Unavailable(why) => stricter(&mut unavailable, why, policy),
            SourceStatus::Silent(why) => stricter(&mut silent, why, policy),
        }
    }
    if !is_answered && let Some((why, policy)) = silent {
        stricter(&mut unavailable, why, policy);
    }
    match unavailable {
        Some((why, OnUnavailable::Reject)) => RevocationStatus::Unknown(why),
        Some((_, OnUnavailable::Allow)) | None => RevocationStatus::Good,
    }
}

impl fmt::Display for RevokedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(entry) => write!(f, "{entry} is one of revoked"),
            Self::Crl { path, serial } => {
                write!(f, "the CRL from {path} has the serial number {serial}")
            }
            Self::Ocsp { responder, revoked_at } => {
                write!(f, "the responder {responder} says that it was revoked at {revoked_at}")
            }
        }
    }
}

impl fmt::Display for RevocationUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCrl(path) => write!(f, "no usable CRL came from {path} yet"),
            Self::CrlExpired { path, next_update } => {
                write!(f, "the CRL from {path} is too old: its nextUpdate is {next_update}")
            }
            Self::CrlInconsistent(path) => {
                write!(f, "the CRL from {path} in shared data is damaged")
            }
            Self::CrlOfOthers(path) => write!(
                f,
                "no CRL of the certificate's issuer: the one from {path} is of another issuer, or \
                 does not cover it by its distribution points (cRLIssuer and reasons, too)"
            ),
            Self::UnknownIssuer => f.write_str(
                "the issuer of the certificate is none of the trust_anchors and intermediates",
            ),
            Self::IssuerSignature(error) => write!(
                f,
                "the anchor or intermediate with the name of the certificate's issuer did not \
                 issue it: {error}"
            ),
            Self::NoResponder => f.write_str(
                "the certificate names no OCSP responder whose host is one of ocsp.hosts",
            ),
            Self::Ocsp { responder, error } => write!(f, "OCSP responder {responder}: {error}"),
            Self::NotAsked => f.write_str(
                "crl or ocsp is configured, and only the filter in Envoy fetches lists and asks \
                 responders",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_that_applies_must_say_good() {
        use OnUnavailable::{Allow, Reject};
        use RevocationUnknown::{NoResponder, UnknownIssuer};
        let revoked = || {
            let (path, serial) = ("/a.crl".into(), SerialNumber::from_der(&[7]));
            RevokedBy::Crl { path, serial }
        };
        let (good, silent) = (SourceStatus::Good, SourceStatus::Silent(NoResponder));
        let unavailable = SourceStatus::Unavailable(UnknownIssuer);
        for (sources, expected) in [
            (vec![], RevocationStatus::Good),
            (vec![(good.clone(), Reject)], RevocationStatus::Good),
            (
                vec![(unavailable.clone(), Reject), (SourceStatus::Revoked(revoked()), Allow)],
                RevocationStatus::Revoked(revoked()),
            ),
            (
                vec![(good.clone(), Reject), (unavailable.clone(), Reject)],
                RevocationStatus::Unknown(UnknownIssuer),
            ),
            // The one that answers is not made stricter by being strict itself.
            (vec![(good.clone(), Reject), (unavailable.clone(), Allow)], RevocationStatus::Good),
            (vec![(good.clone(), Allow), (silent.clone(), Reject)], RevocationStatus::Good),
            (vec![(silent.clone(), Reject)], RevocationStatus::Unknown(NoResponder)),
            (vec![(silent.clone(), Allow)], RevocationStatus::Good),
            (
                vec![(silent.clone(), Allow), (unavailable.clone(), Reject)],
                RevocationStatus::Unknown(UnknownIssuer),
            ),
            (
                vec![(unavailable.clone(), Allow), (silent.clone(), Reject)],
                RevocationStatus::Unknown(NoResponder),
            ),
        ] {
            assert_eq!(together(sources.clone()), expected, "{sources:?}");
        }
    }
}
