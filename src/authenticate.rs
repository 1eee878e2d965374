//! The decision of RFC 8705: does the certificate of the connection belong to the client that the request names?
//!
//! Everything that decides is on this page, in the order in which it is checked: a pass is a [`Verdict`], everything else
//! a [`Rejection`].

use std::rc::Rc;

use crate::certificate::{PeerCertificate, UnixTime};
use crate::client::{ClientMetadata, ExpectedSubject, Registration, TokenEndpointAuthMethod};
use crate::config::{Chain, Policy};
use crate::error::{HostError, Rejection};
use crate::request::Claim;

/// Why a gated request may pass.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The certificate is this client's, who is the claimed one.
    Authenticated(Rc<PeerCertificate>, Rc<ClientMetadata>),
    /// The backend authenticates the client by another method.
    OtherMethod,
    /// The backend knows, or does not know, a client that is not in the registry.
    Unregistered,
}

/// What the host knows of the downstream connection. It is asked only for what a decision needs.
pub trait Connection {
    /// The time.
    ///
    /// # Errors
    /// [`HostError::Time`].
    fn now(&mut self) -> Result<UnixTime, HostError>;

    /// The leaf certificate that the client proved possession of in the TLS handshake.
    ///
    /// # Errors
    /// The rejection that its absence or its form deserves.
    fn peer_certificate(&mut self) -> Result<Rc<PeerCertificate>, Rejection>;

    /// Whether the listener verified the certificate's chain; `None` = the host does not say.
    fn is_peer_certificate_verified(&mut self) -> Option<bool>;
}

/// Decides about a gated request whose claim is readable, and about whose client the registry gave an answer.
///
/// # Errors
/// The first check that fails.
pub fn authenticate(
    claim: &Claim,
    registration: Registration,
    policy: &Policy,
    connection: &mut dyn Connection,
) -> Result<Verdict, Rejection> {
    let client = match registration {
        Registration::Registered(client) => client,
        Registration::Unregistered if policy.passes_unregistered_clients => return Ok(Verdict::Unregistered),
        Registration::Unregistered => return Err(Rejection::UnknownClient),
        Registration::Unusable(reason) => return Err(Rejection::UnusableClient { reason }),
    };
    let certificate = match client.method() {
        TokenEndpointAuthMethod::Other => {
            return if policy.passes_other_methods { Ok(Verdict::OtherMethod) } else { Err(Rejection::OtherMethodRefused) };
        }
        TokenEndpointAuthMethod::TlsClientAuth(expected) => {
            let certificate = only_proof(claim, connection)?;
            // RFC 8705 §2.1: the subject means something only in a chain that somebody verified.
            check_chain(policy.handling.peer_certificate.chain, connection)?;
            check_registered(client.admits(&certificate.thumbprint()), &certificate)?;
            compare(expected, &certificate)?.map_or(Ok(()), Err)?;
            certificate
        }
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(registered) => {
            let certificate = only_proof(claim, connection)?;
            // RFC 8705 §2.2: the certificate itself is registered, so nobody needs to vouch for it.
            let thumbprint = certificate.thumbprint();
            check_registered(registered.contains(&thumbprint) && client.admits(&thumbprint), &certificate)?;
            certificate
        }
    };
    Ok(Verdict::Authenticated(certificate, client))
}

/// The valid certificate of a client that authenticates by nothing else.
fn only_proof(claim: &Claim, connection: &mut dyn Connection) -> Result<Rc<PeerCertificate>, Rejection> {
    // RFC 6749 §2.3: the client must not use more than one method in each request.
    if claim.has_other_authentication() {
        return Err(Rejection::MultipleAuthMethods);
    }
    let certificate = connection.peer_certificate()?;
    check_validity(&certificate, connection.now()?)?;
    Ok(certificate)
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

pub(crate) fn check_chain(chain: Chain, connection: &mut dyn Connection) -> Result<(), Rejection> {
    match chain {
        Chain::Listener => Ok(()),
        Chain::Connection => match connection.is_peer_certificate_verified() {
            Some(true) => Ok(()),
            Some(false) => Err(Rejection::CertificateUnverified),
            None => Err(Rejection::VerificationNotGiven),
        },
    }
}

fn check_registered(is_registered: bool, certificate: &PeerCertificate) -> Result<(), Rejection> {
    if is_registered { Ok(()) } else { Err(Rejection::CertificateNotRegistered { presented: certificate.thumbprint() }) }
}

/// RFC 8705 §2.1.2: what tells the certificate's names from the registered one; `None` = it is the client's.
///
/// # Errors
/// What the registration looks at cannot be read. The cost is bounded, so this may come before anything else is checked.
fn compare(expected: &ExpectedSubject, certificate: &PeerCertificate) -> Result<Option<Rejection>, Rejection> {
    match expected {
        ExpectedSubject::SubjectDn(expected) => {
            let difference = certificate.subject_difference(expected).map_err(Rejection::CertificateMalformed)?;
            Ok(difference.map(Rejection::SubjectMismatch))
        }
        ExpectedSubject::SanDns(expected)
        | ExpectedSubject::SanUri(expected)
        | ExpectedSubject::SanIp(expected)
        | ExpectedSubject::SanEmail(expected) => {
            let is_there = certificate.has_alternative_name(expected).map_err(Rejection::CertificateMalformed)?;
            if is_there {
                return Ok(None);
            }
            let found = certificate.alternative_names_like(expected).map_err(Rejection::CertificateMalformed)?;
            Ok(Some(Rejection::AlternativeNameMismatch { expected: expected.clone(), found }))
        }
    }
}
