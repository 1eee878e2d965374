//! The decision of RFC 8705: is the certificate of the connection that of the client that the
//! request names?
//!
//! [`authenticate`] makes every check of claim, proof and registration, in the order of contract
//! §7. A pass is a [`Verdict`], everything else a [`Rejection`].

use std::sync::Arc;

use crate::certificate::PeerCertificate;
use crate::checks::{Check, Checks};
use crate::downstream::PresentedCertificate;
use crate::facts::{Facts, Question};
use crate::policy::{Chain, Policy};
use crate::registration::{
    ClientMetadata, ExpectedSubject, JwksUri, Registration, TokenEndpointAuthMethod, is_client_id,
};
use crate::registry::{KeySet, KeySetSource, RegistryFault};
use crate::rejection::{Rejection, SubjectMismatch, UnknownClient};
use crate::request::ClaimedClient;
use crate::revocation::{RevocationStatus, RevokedBy, RevokedCertificates};
use crate::time::UnixTime;

/// Why a gated request passes.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The certificate is that of the claimed client.
    Authenticated {
        /// The headers by which the backend learns of it.
        headers: Vec<(String, String)>,
    },
    /// The client is registered with a method that the backend checks, and the certificate is that
    /// of its `certificate_binding`, if it has one.
    OtherMethod,
    /// The client is not in the registry, and policy leaves it to the backend.
    Unregistered,
    /// It depends on a fact that is not known yet.
    DependsOn {
        /// The client.
        client: Arc<ClientMetadata>,
        /// What must be found out.
        question: Box<Question>,
    },
}

/// Decides about a gated request that names a client, from what the registry answered about that
/// client, and from the `facts` that [`Verdict::DependsOn`] asked for before. Each check is noted
/// in `checks` when it begins.
///
/// # Errors
/// The first check that fails.
pub(crate) fn authenticate(
    claim: &ClaimedClient,
    registration: Registration,
    facts: &Facts,
    policy: &Policy,
    presented: &mut PresentedCertificate<'_>,
    checks: &mut Checks,
) -> Result<Verdict, Rejection> {
    let Some(client) = registered(claim, registration, policy)? else {
        return Ok(Verdict::Unregistered);
    };
    let method = client.method();

    checks.begin(Check::AuthMethod);
    match method {
        TokenEndpointAuthMethod::Other(_) if !policy.passes_other_methods => {
            return Err(Rejection::OtherMethodRefused);
        }
        TokenEndpointAuthMethod::Other(None) => return Ok(Verdict::OtherMethod),
        TokenEndpointAuthMethod::Other(Some(_)) => {}
        TokenEndpointAuthMethod::TlsClientAuth(_) if !policy.methods.tls_client_auth => {
            return Err(Rejection::MethodNotSupported("tls_client_auth"));
        }
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(_)
            if !policy.methods.self_signed_tls_client_auth =>
        {
            return Err(Rejection::MethodNotSupported("self_signed_tls_client_auth"));
        }
        TokenEndpointAuthMethod::TlsClientAuth(_)
        | TokenEndpointAuthMethod::SelfSignedTlsClientAuth(_) => {}
    }

    // RFC 6749 §2.3: a client must not use more than one method in a request. The certificate of a
    // client of another method is no method of authentication, but a condition beside it.
    let is_bound = matches!(method, TokenEndpointAuthMethod::Other(_));
    if !is_bound {
        checks.begin(Check::OneMethod);
        if claim.has_other_authentication {
            return Err(Rejection::MultipleAuthMethods);
        }
    }

    checks.begin(Check::Certificate);
    let certificate = presented.read()?;
    // A name that cannot be read makes the certificate malformed, which counts before everything
    // that is wrong with a readable one. A name that differs counts last.
    let expected = method.expected_subject();
    let mismatch = match expected {
        Some(expected) => mismatch(expected, &certificate)?,
        None => None,
    };

    checks.begin(Check::Validity);
    let now = presented.now()?;
    check_validity(&certificate, now)?;

    checks.begin(Check::Origin);
    presented.check_origin()?;

    // RFC 8705 §2.1: a subject has a meaning only in a verified chain. §2.2: a self-signed
    // certificate is registered itself, and has no chain to verify.
    if expected.is_some() {
        checks.begin(Check::Chain);
        presented.check_chain()?;
        let of_client = client.trust_anchors();
        if of_client.is_some() || policy.common.peer_certificate.chain == Chain::Anchors {
            checks.begin(Check::Issuer);
            presented.check_issuer(&certificate, &policy.common, of_client, now)?;
        }
    }

    if let Some(revoked) = &policy.common.revoked {
        checks.begin(Check::Revocation);
        check_revoked(revoked, &certificate)?;
    }

    if expected.is_some()
        && let Some(sources) = &policy.common.revocation
    {
        checks.begin(Check::Revocation);
        match &facts.revocation {
            None => {
                let sources = sources.clone();
                let question = Box::new(Question::Revocation { certificate, sources });
                return Ok(Verdict::DependsOn { client, question });
            }
            Some(RevocationStatus::Good) => {}
            Some(RevocationStatus::Revoked(by)) => {
                return Err(Rejection::CertificateRevoked(by.clone()));
            }
            Some(RevocationStatus::Unknown(why)) => {
                return Err(Rejection::RevocationUnknown(why.clone()));
            }
        }
    }

    checks.begin(Check::Registered);
    if let Some(uri) = check_registered(&client, &certificate, facts.key_set.as_ref())? {
        let (uri, certificate) = (uri.clone(), certificate.thumbprint());
        let question = Box::new(Question::KeySet { uri, certificate });
        return Ok(Verdict::DependsOn { client, question });
    }

    if expected.is_some() {
        checks.begin(Check::Subject);
        mismatch.map_or(Ok(()), Err)?;
    }
    if is_bound {
        return Ok(Verdict::OtherMethod);
    }
    Ok(Verdict::Authenticated { headers: policy.common.forward.headers(&client, &certificate) })
}

/// The registered client; `None` = the registry does not have it, and policy lets it pass.
fn registered(
    claim: &ClaimedClient,
    registration: Registration,
    policy: &Policy,
) -> Result<Option<Arc<ClientMetadata>>, Rejection> {
    let unregistered = Rejection::UnknownClient(UnknownClient::Unregistered);
    // Some backend reads another identifier, which may be a registered one: it separates at the
    // semicolon, trims (`victim%20`), stops at a NUL, or replaces control characters by blanks. So
    // no policy lets such a request pass.
    if claim.has_semicolon || !is_client_id(&claim.client_id) {
        return Err(unregistered);
    }
    let unusable = |reason: Arc<str>| Rejection::UnknownClient(UnknownClient::Unusable { reason });
    match registration {
        Registration::Registered(client) => {
            if let Some(uri) = client.jwks_uri() {
                KeySetSource::check(policy.key_sets.as_deref(), uri)
                    .map_err(|reason| unusable(reason.into()))?;
            }
            if let Some(anchors) = client.trust_anchors() {
                anchors.check(&policy.common.trust).map_err(|reason| unusable(reason.into()))?;
            }
            Ok(Some(client))
        }
        // Some servers do not form-decode the user name of HTTP Basic, and read another identifier,
        // which may be a registered one.
        Registration::Unregistered if claim.is_form_encoded => Err(unregistered),
        Registration::Unregistered if may_be_another(&claim.client_id) => Err(unregistered),
        Registration::Unregistered if policy.passes_unregistered_clients => Ok(None),
        Registration::Unregistered => Err(unregistered),
        Registration::Unusable(reason) => Err(unusable(reason)),
        Registration::Doubtful => {
            Err(unusable("it names another client_id as its own, and this one too".into()))
        }
    }
}

/// Whether some server reads another identifier, which may be a registered one. Falcon
/// (`auto_parse_qs_csv`) and qs (`comma`) read `victim,x` as a list; converters to lists, as Spring
/// has them, do so with an escaped comma too. Apereo CAS decodes twice. SimpleIdServer reads
/// `"victim"` as JSON.
fn may_be_another(client_id: &str) -> bool {
    client_id.contains(',') || client_id.contains('%') || client_id.contains('"')
}

/// RFC 5280 §4.1.2.5: both ends belong to the validity period.
pub(crate) fn check_validity(
    certificate: &PeerCertificate,
    now: UnixTime,
) -> Result<(), Rejection> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if now > not_after {
        return Err(Rejection::CertificateExpired { not_after });
    }
    if now < not_before {
        return Err(Rejection::CertificateNotYetValid { not_before });
    }
    Ok(())
}

/// Checks that the configuration does not revoke the certificate.
pub(crate) fn check_revoked(
    revoked: &RevokedCertificates,
    certificate: &PeerCertificate,
) -> Result<(), Rejection> {
    match revoked.entry_of(certificate) {
        Some(entry) => Err(Rejection::CertificateRevoked(RevokedBy::Configuration(entry))),
        None => Ok(()),
    }
}

/// Checks that the client may use this certificate: it is one of `certificate_thumbprints`, if the
/// client has any, and one of the registered or published certificates, if the client is registered
/// by them (RFC 8705 §2.2). Returns where the client publishes them, if its set is needed first.
fn check_registered<'a>(
    client: &'a ClientMetadata,
    certificate: &PeerCertificate,
    key_set: Option<&Result<KeySet, RegistryFault>>,
) -> Result<Option<&'a JwksUri>, Rejection> {
    let presented = certificate.thumbprint();
    let not_registered = Err(Rejection::CertificateNotRegistered { presented });
    if !client.admits(&presented) {
        return not_registered;
    }
    let method = client.method();
    let is_registered = if let Some(all) = method.registered_certificates() {
        all.contains(&presented)
    } else if let Some(uri) = client.jwks_uri() {
        match key_set {
            None => return Ok(Some(uri)),
            Some(Ok(set)) => set.has(&presented).map_err(Rejection::RegistryUnavailable)?,
            Some(Err(fault)) => return Err(Rejection::RegistryUnavailable(fault.clone())),
        }
    } else {
        method.expected_subject().is_some()
    };
    if is_registered { Ok(None) } else { not_registered }
}

/// RFC 8705 §2.1.2: how the certificate's names differ from the registered one; `None` = one of
/// them is the registered one.
///
/// # Errors
/// The names that the registration refers to cannot be read. The work is bounded, so this may come
/// before every other check.
fn mismatch(
    expected: &ExpectedSubject,
    certificate: &PeerCertificate,
) -> Result<Option<Rejection>, Rejection> {
    let malformed = Rejection::CertificateMalformed;
    let mismatch = match expected {
        ExpectedSubject::SubjectDn(expected) => certificate
            .subject_difference(expected)
            .map_err(malformed)?
            .map(SubjectMismatch::DistinguishedName),
        ExpectedSubject::SanDns(expected)
        | ExpectedSubject::SanUri(expected)
        | ExpectedSubject::SanIp(expected)
        | ExpectedSubject::SanEmail(expected) => {
            if certificate.has_alternative_name(expected).map_err(malformed)? {
                None
            } else {
                let found = certificate.alternative_names_like(expected).map_err(malformed)?;
                Some(SubjectMismatch::AlternativeName { expected: expected.clone(), found })
            }
        }
    };
    Ok(mismatch.map(Rejection::SubjectMismatch))
}
