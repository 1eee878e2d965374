//! The path from a leaf to a trust anchor (RFC 5280 §6), built and checked by `webpki`.
//!
//! `webpki` checks signatures, validity, basic constraints, path length, name constraints, extended
//! key usage and critical extensions. Checked here: `keyUsage` and `cA` of every CA
//! ([`CaCertificate`]), `keyUsage` of the leaf, validity and path length of anchors, and the
//! strength of keys.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm,
    TrustAnchor,
};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::ca_certificate::{CaCertificate, CaExtensions, DIGITAL_SIGNATURE};
use super::known::{KNOWN, Known};
use super::mailbox_constraints;
use super::signature::{SignatureError, SignatureVerifier, verify_strong};
use crate::certificate::der::{Tlv, tag, write_element};
use crate::certificate::{DistinguishedName, PeerCertificate};
use crate::limits;
use crate::time::UnixTime;

/// Why no path leads from a certificate to an anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// No chain of issuers, as far as they are known, ends at an anchor that is in force.
    UnknownIssuer,
    /// A signature on the path does not count.
    Signature(SignatureError),
    /// The certificate is of X.509 version 1 or 2, which has no extensions.
    Version,
    /// The certificate is that of a CA.
    IsACa,
    /// The certificate has an extended key usage without clientAuth (RFC 5280 §4.2.1.12).
    NotForClients,
    /// The certificate has a keyUsage without digitalSignature, so that its key must not sign a
    /// handshake (RFC 8446 §4.4.2.2).
    NotForSignatures,
    /// The certificate or an issuer has a critical extension that is not understood, such as
    /// certificatePolicies or qcStatements (RFC 5280 §4.2).
    CriticalExtension,
    /// A name of the certificate is outside of the name constraints of an issuer, or a constraint
    /// is of a type that is not understood (RFC 5280 §4.2.1.10).
    NameConstraints,
    /// More CAs than the `pathLenConstraint` of an issuer allows (RFC 5280 §4.2.1.9), or more than
    /// are followed.
    PathLength,
    /// A certificate of an issuer is not valid at this time.
    IssuerNotValid,
    /// More signatures than are checked.
    TooManySignatures,
    /// The certificate is malformed, or longer than 64 KiB.
    Malformed,
    /// `{"subject": …}` names no anchor in force, or several with different keys.
    NoAnchorOfSubject,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => {
                "no path to an anchor that is in force: an issuer is unknown, or an intermediate \
                 is missing in intermediates"
            }
            Self::Signature(error) => return error.fmt(f),
            Self::Version => {
                "X.509 version 1 or 2: a certificate must be of version 3 (openssl x509 -req makes \
                 one with -extfile)"
            }
            Self::IsACa => "the certificate is that of a CA (cA in its basicConstraints)",
            Self::NotForClients => "its extended key usage does not have clientAuth",
            Self::NotForSignatures => {
                "its keyUsage does not have digitalSignature, by which a client signs the handshake"
            }
            Self::CriticalExtension => {
                "a critical extension that is not understood (certificatePolicies and qcStatements \
                 must not be critical)"
            }
            Self::NameConstraints => {
                "a name that the name constraints of an issuer do not permit, or a constraint of a \
                 type that is not understood, such as directoryName"
            }
            Self::PathLength => "more CAs on the path than its constraints allow, or than six",
            Self::IssuerNotValid => "the certificate of an issuer is not valid at this time",
            Self::TooManySignatures => "too many signatures to check",
            Self::Malformed => "malformed for the verification of a path, or longer than 64 KiB",
            Self::NoAnchorOfSubject => "no anchor in force has the subject that the client names",
        })
    }
}

impl std::error::Error for PathError {}

/// A verdict, and the time within which it holds while nothing else changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) result: Result<(), PathError>,
    /// The time at which it was given.
    pub(crate) from: UnixTime,
    /// The last second at which it holds.
    pub(crate) until: UnixTime,
}

/// Looks for a path from `leaf` to one of `anchors` at the time `now`.
pub(crate) fn verify(
    leaf: &PeerCertificate,
    anchors: &[Arc<CaCertificate>],
    intermediates: &[Arc<CaCertificate>],
    now: UnixTime,
    verifier: &dyn SignatureVerifier,
) -> Verdict {
    let anchors_in_force: Vec<&Arc<CaCertificate>> =
        anchors.iter().filter(|anchor| anchor.is_valid_at(now)).collect();
    let mut on_path = Vec::new();
    let result = build(leaf, &anchors_in_force, intermediates, now, verifier, &mut on_path);
    let until = if result.is_ok() {
        // RFC 5280 §6.1.3: every certificate of the path must be valid.
        on_path.iter().copied().chain([leaf.not_after()]).min()
    } else {
        // Any certificate that becomes valid or expires may change a refusal.
        let all = anchors.iter().chain(intermediates);
        let changes = all.flat_map(|ca| [UnixTime(ca.not_before().0 - 1), ca.not_after()]);
        changes.chain([leaf.not_after()]).filter(|change| *change >= now).min()
    };
    Verdict { result, from: now, until: until.unwrap_or(now) }
}

fn build(
    leaf: &PeerCertificate,
    anchors: &[&Arc<CaCertificate>],
    intermediates: &[Arc<CaCertificate>],
    now: UnixTime,
    verifier: &dyn SignatureVerifier,
    on_path: &mut Vec<UnixTime>,
) -> Result<(), PathError> {
    let der = CertificateDer::from(leaf.der());
    let end_entity = EndEntityCert::try_from(&der).map_err(|error| path_error(&error))?;
    // Each is read once, and no further than an anchor's name needs: whoever sends a certificate
    // chooses its issuer.
    let issuers: Vec<&[u8]> = std::iter::once(leaf.issuer_der())
        .chain(intermediates.iter().map(|ca| ca.issuer_der()))
        .filter(|issuer| DistinguishedName::check_der(issuer).is_ok())
        .collect();
    let mut trusted: Vec<(TrustAnchor<'_>, &CaCertificate)> = Vec::new();
    for &anchor in anchors {
        let mut add = |subject| {
            trusted.extend(trust_anchor(anchor, subject).map(|found| (found, &**anchor)));
        };
        add(anchor.subject_der());
        // webpki compares names octet by octet. RFC 5280 §7.1 compares them without regard to the
        // types of strings, to letter case and blanks, and an anchor is a name and a key: so one
        // is added under each spelling of its name that is in use.
        let mut spellings: Vec<&[u8]> = vec![anchor.subject_der()];
        for issuer in &issuers {
            if !spellings.contains(issuer) && anchor.has_subject(issuer) {
                spellings.push(issuer);
                add(issuer);
            }
        }
    }
    let certificates: Vec<CertificateDer<'_>> =
        intermediates.iter().map(|ca| CertificateDer::from(ca.der())).collect();
    let shared = Shared {
        verifier,
        left: AtomicU32::new(limits::PATH_SIGNATURES),
        failed: Mutex::new(None),
    };
    let algorithms: Vec<Algorithm<'_>> =
        KNOWN.iter().map(|known| Algorithm { known, shared: &shared }).collect();
    let algorithms: Vec<&dyn SignatureVerificationAlgorithm> =
        algorithms.iter().map(|algorithm| algorithm as _).collect();
    let anchors: Vec<TrustAnchor<'_>> = trusted.iter().map(|(anchor, _)| anchor.clone()).collect();
    let anchor_of = |path: &VerifiedPath<'_>| {
        let place = anchors.iter().position(|anchor| std::ptr::eq(anchor, path.anchor()));
        place.and_then(|place| trusted.get(place)).map(|(_, anchor)| *anchor)
    };
    let are_constrained = trusted.iter().any(|(_, anchor)| anchor.name_constraints().is_some())
        || intermediates.iter().any(|ca| ca.name_constraints().is_some());
    let check_path = |path: &VerifiedPath<'_>| {
        let Some(anchor) = anchor_of(path) else { return Err(webpki::Error::UnknownIssuer) };
        if anchor.path_length().is_none() && !are_constrained {
            return Ok(());
        }
        // For webpki an anchor is a name and a key alone.
        let issuers: Vec<&CaCertificate> = issuers_on(path, intermediates).collect();
        let counted = issuers.iter().filter(|ca| !ca.is_self_issued()).count();
        if anchor.path_length().is_some_and(|most| counted > most.into()) {
            return Err(webpki::Error::PathLenConstraintViolated);
        }
        // webpki's order is from the leaf to the anchor.
        let from_the_top = issuers.into_iter().rev();
        mailbox_constraints::check(anchor, from_the_top, leaf.der())
            .map_err(|_| webpki::Error::NameConstraintViolation)
    };
    let seconds = u64::try_from(now.0).map_err(|_| PathError::IssuerNotValid)?;
    let path = end_entity.verify_for_usage(
        &algorithms,
        &anchors,
        &certificates,
        rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::client_auth(),
        None,
        Some(&check_path),
    );
    let path = match path {
        Ok(path) => path,
        Err(error) => {
            let failed = shared.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
            // The path that could not be examined may be a good one.
            if failed == Some(SignatureError::Unavailable) {
                return Err(PathError::Signature(SignatureError::Unavailable));
            }
            if shared.left.load(Ordering::Relaxed) == 0 {
                return Err(PathError::TooManySignatures);
            }
            return Err(match (error, failed) {
                (webpki::Error::InvalidSignatureForPublicKey, Some(failed)) => {
                    PathError::Signature(failed)
                }
                (error, _) => path_error(&error),
            });
        }
    };
    check_key_usage(leaf)?;
    on_path.extend(anchor_of(&path).map(CaCertificate::not_after));
    on_path.extend(issuers_on(&path, intermediates).map(CaCertificate::not_after));
    Ok(())
}

/// Checks that the key of a leaf may sign a handshake.
fn check_key_usage(leaf: &PeerCertificate) -> Result<(), PathError> {
    let extensions = CaExtensions::of(leaf.extensions()).map_err(|_| PathError::Malformed)?;
    match extensions.key_usage {
        Some(usage) if usage & DIGITAL_SIGNATURE == 0 => Err(PathError::NotForSignatures),
        _ => Ok(()),
    }
}

/// The issuers on a path between the leaf and the anchor.
fn issuers_on<'a>(
    path: &VerifiedPath<'_>,
    intermediates: &'a [Arc<CaCertificate>],
) -> impl Iterator<Item = &'a CaCertificate> {
    path.intermediate_certificates().filter_map(move |certificate| {
        let der = certificate.der();
        intermediates.iter().map(|ca| &**ca).find(|ca| ca.der() == &*der)
    })
}

/// An anchor under this `Name`.
fn trust_anchor<'a>(anchor: &'a CaCertificate, subject: &'a [u8]) -> Option<TrustAnchor<'a>> {
    Some(TrustAnchor {
        subject: Tlv::only(subject).ok()?.contents.into(),
        subject_public_key_info: Tlv::only(anchor.public_key()).ok()?.contents.into(),
        name_constraints: anchor.name_constraints().map(Into::into),
    })
}

/// What the algorithms of one verification share.
#[derive(Debug)]
struct Shared<'a> {
    verifier: &'a dyn SignatureVerifier,
    /// The number of signatures that may still be computed.
    left: AtomicU32,
    /// Why the last signature that failed did; [`SignatureError::Unavailable`] stays.
    failed: Mutex<Option<SignatureError>>,
}

/// One algorithm, for webpki.
#[derive(Debug)]
struct Algorithm<'a> {
    known: &'static Known,
    shared: &'a Shared<'a>,
}

impl SignatureVerificationAlgorithm for Algorithm<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let left = self.shared.left.load(Ordering::Relaxed);
        self.shared.left.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 {
            return Err(InvalidSignature);
        }
        // webpki has taken the key out of its `SubjectPublicKeyInfo`.
        let mut contents = Vec::with_capacity(public_key.len() + 64);
        write_element(&mut contents, tag::SEQUENCE, &[&self.known.key]);
        write_element(&mut contents, tag::BIT_STRING, &[&[0], public_key]);
        let mut whole = Vec::with_capacity(contents.len() + 8);
        write_element(&mut whole, tag::SEQUENCE, &[&contents]);
        let (verifier, algorithm) = (self.shared.verifier, self.known.algorithm);
        verify_strong(verifier, algorithm, &whole, public_key, message, signature).map_err(
            |error| {
                let mut failed = self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner);
                if *failed != Some(SignatureError::Unavailable) {
                    *failed = Some(error);
                }
                InvalidSignature
            },
        )
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.known.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.known.signature
    }
}

fn path_error(error: &webpki::Error) -> PathError {
    use webpki::Error;
    match error {
        Error::UnknownIssuer => PathError::UnknownIssuer,
        Error::UnsupportedCertVersion => PathError::Version,
        Error::CaUsedAsEndEntity => PathError::IsACa,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => PathError::NotForClients,
        Error::UnsupportedCriticalExtension => PathError::CriticalExtension,
        Error::NameConstraintViolation
        | Error::InvalidNetworkMaskConstraint
        | Error::MalformedNameConstraint
        | Error::UnsupportedNameType => PathError::NameConstraints,
        Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => PathError::PathLength,
        Error::CertExpired { .. } | Error::CertNotValidYet { .. } | Error::InvalidCertValidity => {
            PathError::IssuerNotValid
        }
        Error::InvalidSignatureForPublicKey => PathError::Signature(SignatureError::Invalid),
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Error::SignatureAlgorithmMismatch => PathError::Signature(SignatureError::Algorithm),
        Error::MaximumSignatureChecksExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => PathError::TooManySignatures,
        _ => PathError::Malformed,
    }
}
