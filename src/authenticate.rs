//! The decision of RFC 8705: does the certificate of the connection belong to the client that the
//! request names?
//!
//! Everything that decides is on this page, in the order in which it is checked: a pass is a
//! [`Verdict`], everything else a [`Rejection`].

use std::sync::Arc;

use crate::certificate::PeerCertificate;
use crate::checks::{Check, Checks};
use crate::downstream::PresentedCertificate;
use crate::policy::Policy;
use crate::registration::{
    ClientMetadata, ExpectedSubject, Registration, TokenEndpointAuthMethod, is_client_id,
};
use crate::rejection::{Rejection, SubjectMismatch, UnknownClient};
use crate::request::{Claim, ClaimedClient};
use crate::time::UnixTime;

/// Why a gated request may pass.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The certificate is this client's, who is the claimed one.
    Authenticated(Arc<PeerCertificate>, Arc<ClientMetadata>),
    /// The backend authenticates the client by another method.
    OtherMethod,
    /// The backend knows, or does not know, a client that is not in the registry.
    Unregistered,
}

/// The client that a gated request names; `None` = it names none, and may pass all the same.
///
/// # Errors
/// [`Rejection::MissingClientId`].
pub(crate) fn identify(claim: Claim, policy: &Policy) -> Result<Option<ClaimedClient>, Rejection> {
    match claim {
        Claim::Client(client) => Ok(Some(client)),
        Claim::Unidentified { has_credential: false } if policy.passes_unidentified_clients => {
            Ok(None)
        }
        Claim::Unidentified { .. } => Err(Rejection::MissingClientId),
    }
}

/// Decides about a gated request that names a client, and about whose client the registry gave an
/// answer. Each check is noted in `checks` when it begins.
///
/// # Errors
/// The first check that fails, in the order of contract §7.
pub(crate) fn authenticate(
    claim: &ClaimedClient,
    registration: Registration,
    policy: &Policy,
    presented: &mut PresentedCertificate<'_>,
    checks: &mut Checks,
) -> Result<Verdict, Rejection> {
    // Some backend reads another one, which may be registered: it ends it at a semicolon, trims it
    // (`victim%20`), ends it at a NUL or puts blanks for control characters. So it passes by no
    // policy either.
    if claim.is_cut_by_some || !is_client_id(&claim.client_id) {
        return Err(Rejection::UnknownClient(UnknownClient::Unregistered));
    }
    let client = match registration {
        Registration::Registered(client) => client,
        // Some servers take the user name of HTTP Basic as it stands, and that may be a registered
        // client.
        Registration::Unregistered if claim.is_encoded => {
            return Err(Rejection::UnknownClient(UnknownClient::Unregistered));
        }
        Registration::Unregistered if policy.passes_unregistered_clients => {
            return Ok(Verdict::Unregistered);
        }
        Registration::Unregistered => {
            return Err(Rejection::UnknownClient(UnknownClient::Unregistered));
        }
        Registration::Unusable(reason) => {
            return Err(Rejection::UnknownClient(UnknownClient::Unusable { reason }));
        }
    };
    checks.begin(Check::AuthMethod);
    match client.method() {
        TokenEndpointAuthMethod::Other if policy.passes_other_methods => {
            return Ok(Verdict::OtherMethod);
        }
        TokenEndpointAuthMethod::Other => return Err(Rejection::OtherMethodRefused),
        TokenEndpointAuthMethod::TlsClientAuth(_) if policy.methods.tls_client_auth => {}
        TokenEndpointAuthMethod::TlsClientAuth(_) => {
            return Err(Rejection::MethodNotSupported("tls_client_auth"));
        }
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(_)
            if policy.methods.self_signed_tls_client_auth => {}
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(_) => {
            return Err(Rejection::MethodNotSupported("self_signed_tls_client_auth"));
        }
    }
    checks.begin(Check::OneMethod);
    // RFC 6749 §2.3: the client must not use more than one method in each request.
    if claim.has_other_authentication {
        return Err(Rejection::MultipleAuthMethods);
    }
    checks.begin(Check::Certificate);
    let certificate = presented.read()?;
    // A name that cannot be read is a malformed certificate, which counts before everything that is
    // wrong with a readable one.
    let mismatch = match client.method() {
        TokenEndpointAuthMethod::TlsClientAuth(expected) => compare(expected, &certificate)?,
        _ => None,
    };
    checks.begin(Check::Validity);
    check_validity(&certificate, presented.now()?)?;
    checks.begin(Check::Origin);
    presented.check_origin()?;
    let thumbprint = certificate.thumbprint();
    match client.method() {
        // RFC 8705 §2.2: the certificate itself is registered, so its chain need not be verified.
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(registered) => {
            checks.begin(Check::Registered);
            check_registered(
                registered.contains(&thumbprint) && client.admits(&thumbprint),
                &certificate,
            )?;
        }
        // RFC 8705 §2.1: the subject means something only in a chain that somebody verified.
        _ => {
            checks.begin(Check::Chain);
            presented.check_chain()?;
            checks.begin(Check::Registered);
            check_registered(client.admits(&thumbprint), &certificate)?;
            checks.begin(Check::Subject);
            mismatch.map_or(Ok(()), Err)?;
        }
    }
    Ok(Verdict::Authenticated(certificate, client))
}

/// RFC 5280 §4.1.2.5: both ends belong to the validity period.
fn check_validity(certificate: &PeerCertificate, now: UnixTime) -> Result<(), Rejection> {
    if now > certificate.not_after() {
        return Err(Rejection::CertificateExpired { not_after: certificate.not_after() });
    }
    if now < certificate.not_before() {
        return Err(Rejection::CertificateNotYetValid { not_before: certificate.not_before() });
    }
    Ok(())
}

fn check_registered(is_registered: bool, certificate: &PeerCertificate) -> Result<(), Rejection> {
    if is_registered {
        Ok(())
    } else {
        Err(Rejection::CertificateNotRegistered { presented: certificate.thumbprint() })
    }
}

/// RFC 8705 §2.1.2: what tells the certificate's names from the registered one; `None` = it is the
/// client's.
///
/// # Errors
/// What the registration looks at cannot be read. The cost is bounded, so this may come before
/// anything else is checked.
fn compare(
    expected: &ExpectedSubject,
    certificate: &PeerCertificate,
) -> Result<Option<Rejection>, Rejection> {
    match expected {
        ExpectedSubject::SubjectDn(expected) => {
            let difference = certificate
                .subject_difference(expected)
                .map_err(Rejection::CertificateMalformed)?;
            Ok(difference.map(|difference| {
                Rejection::SubjectMismatch(SubjectMismatch::DistinguishedName(difference))
            }))
        }
        ExpectedSubject::SanDns(expected)
        | ExpectedSubject::SanUri(expected)
        | ExpectedSubject::SanIp(expected)
        | ExpectedSubject::SanEmail(expected) => {
            let is_there = certificate
                .has_alternative_name(expected)
                .map_err(Rejection::CertificateMalformed)?;
            if is_there {
                return Ok(None);
            }
            let found = certificate
                .alternative_names_like(expected)
                .map_err(Rejection::CertificateMalformed)?;
            Ok(Some(Rejection::SubjectMismatch(SubjectMismatch::AlternativeName {
                expected: expected.clone(),
                found,
            })))
        }
    }
}
