//! The decision of RFC 8705 §3 at a protected resource: is the access token bound to the
//! certificate of the connection?
//!
//! [`check_bound_token`] makes every check of token and certificate, in the order of contract §10.

use crate::authenticate::check_validity;
use crate::certificate::Thumbprint;
use crate::checks::{Check, Checks};
use crate::downstream::{PresentedCertificate, VerifiedClaim};
use crate::policy::{BoundTokens, VerifiedJwt};
use crate::registry::{IntrospectedToken, RegistryFault};
use crate::rejection::{OtherCertificate, Rejection, UnboundToken, UnverifiedToken};
use crate::request::{SingletonField, has_payload};

/// What a request to a resource carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenClaim<'a> {
    /// The token behind `Bearer`.
    pub(crate) token: Option<&'a [u8]>,
    /// The header that the policy names as `payload_header`.
    pub(crate) payload: SingletonField<'a>,
}

/// Whether a request to a resource passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenVerdict {
    /// The token is bound to the certificate.
    Bound,
    /// It depends on what the authorization server says about the token.
    DependsOnIntrospection,
}

/// Decides about a request to a resource. `answer` is that of the authorization server, where
/// [`TokenVerdict::DependsOnIntrospection`] asked for it before. Each check is noted in `checks`
/// when it begins.
///
/// # Errors
/// The first check that fails.
pub(crate) fn check_bound_token(
    claim: TokenClaim<'_>,
    answer: Option<Result<IntrospectedToken, RegistryFault>>,
    tokens: &BoundTokens,
    presented: &mut PresentedCertificate<'_>,
    checks: &mut Checks,
) -> Result<TokenVerdict, Rejection> {
    checks.begin(Check::Token);
    let token = claim.token.ok_or(Rejection::TokenMissing)?;

    checks.begin(Check::TokenVerified);
    let confirmed = match answer {
        Some(answer) => introspected(answer.map_err(Rejection::RegistryUnavailable)?),
        None => match verified(token, claim.payload, tokens.jwt.as_ref(), presented) {
            // A token that jwt_authn did not verify may be one that only its server can read.
            Err(Rejection::TokenUnverified(_)) if tokens.introspection.is_some() => {
                return Ok(TokenVerdict::DependsOnIntrospection);
            }
            confirmed => confirmed,
        },
    };
    let bound_to = match confirmed {
        Err(Rejection::TokenUnbound(cause)) => {
            checks.begin(Check::TokenBinding);
            return Err(Rejection::TokenUnbound(cause));
        }
        confirmed => confirmed?,
    };
    checks.begin(Check::TokenBinding);

    // RFC 8705 §3: what counts is the possession of the key, and not who vouches for the
    // certificate, which may be self-signed.
    checks.begin(Check::Certificate);
    let instead = |other| Rejection::TokenBoundToAnother { bound_to, other };
    let certificate = presented.read().map_err(|rejection| match rejection {
        Rejection::CertificateMissing(cause) => instead(OtherCertificate::Missing(cause)),
        other => other,
    })?;

    checks.begin(Check::Validity);
    check_validity(&certificate, presented.now()?)?;

    checks.begin(Check::Origin);
    presented.check_origin().map_err(|rejection| match rejection {
        Rejection::CertificateUnverified(cause) => instead(OtherCertificate::Unverified(cause)),
        other => other,
    })?;

    checks.begin(Check::TokenCertificate);
    let presented = certificate.thumbprint();
    if presented != bound_to {
        return Err(instead(OtherCertificate::Presented(presented)));
    }
    Ok(TokenVerdict::Bound)
}

/// The certificate to which a token is bound that `jwt_authn` verified.
///
/// An equal `cnf` alone proves nothing: a thief puts that of his own certificate into a forged
/// token, and sends a poor but valid one where `jwt_authn` reads it and the backend does not. So
/// the payload that was verified must be that of the token in `Authorization`.
fn verified(
    token: &[u8],
    payload: SingletonField<'_>,
    jwt: Option<&VerifiedJwt>,
    presented: &mut PresentedCertificate<'_>,
) -> Result<Thumbprint, Rejection> {
    let unverified = |cause| Err(Rejection::TokenUnverified(cause));
    let Some(jwt) = jwt else { return unverified(UnverifiedToken::AnotherToken) };
    let has_payload = match payload {
        SingletonField::Present(payload) => has_payload(token, payload),
        SingletonField::Absent => return unverified(UnverifiedToken::NoPayloadHeader),
        SingletonField::Repeated => false,
    };
    if !has_payload {
        return unverified(UnverifiedToken::AnotherToken);
    }
    // Where jwt_authn has no rule for a path, the header is the client's own.
    match presented.verified_thumbprint(&jwt.metadata) {
        VerifiedClaim::NoToken => unverified(UnverifiedToken::NoMetadata),
        VerifiedClaim::Absent => Err(Rejection::TokenUnbound(UnboundToken::NoConfirmation)),
        VerifiedClaim::Value(value) => Thumbprint::from_base64url(&value)
            .ok_or(Rejection::TokenUnbound(UnboundToken::NotAThumbprint)),
    }
}

/// The certificate to which a token is bound of which its server answered this.
fn introspected(token: IntrospectedToken) -> Result<Thumbprint, Rejection> {
    match token {
        IntrospectedToken::Inactive => Err(Rejection::TokenUnverified(UnverifiedToken::Inactive)),
        IntrospectedToken::Unbound => Err(Rejection::TokenUnbound(UnboundToken::NoConfirmation)),
        IntrospectedToken::Unreadable => Err(Rejection::TokenUnbound(UnboundToken::NotAThumbprint)),
        IntrospectedToken::BoundTo(thumbprint) => Ok(thumbprint),
    }
}
