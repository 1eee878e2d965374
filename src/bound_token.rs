//! The decision of RFC 8705 §3 at a protected resource: is the access token bound to the
//! certificate of the connection?
//!
//! [`check_bound_token`] makes every check of token and certificate, in the order of contract §10.

use crate::authenticate::{check_revoked, check_validity};
use crate::certificate::Thumbprint;
use crate::checks::{Check, Checks};
use crate::downstream::{PresentedCertificate, VerifiedClaim};
use crate::policy::{BoundTokens, CommonPolicy, VerifiedJwt};
use crate::registry::{IntrospectedToken, RegistryFault};
use crate::rejection::{OtherCertificate, Rejection, UnboundToken, UnverifiedToken};
use crate::request::{BearerToken, TokenPayload};

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
    token: Option<BearerToken<'_>>,
    answer: Option<Result<IntrospectedToken, RegistryFault>>,
    tokens: &BoundTokens,
    common: &CommonPolicy,
    presented: &mut PresentedCertificate<'_>,
    checks: &mut Checks,
) -> Result<TokenVerdict, Rejection> {
    checks.begin(Check::Token);
    let token = token.ok_or(Rejection::TokenMissing)?;

    checks.begin(Check::TokenVerified);
    let confirmation = match answer {
        Some(answer) => introspected(answer.map_err(Rejection::RegistryUnavailable)?)?,
        None => match verified(token, tokens.jwt.as_ref(), presented) {
            // A token that jwt_authn did not verify may be one that only its server can read.
            Err(Rejection::TokenUnverified(_)) if tokens.introspection.is_some() => {
                return Ok(TokenVerdict::DependsOnIntrospection);
            }
            confirmation => confirmation?,
        },
    };

    checks.begin(Check::TokenBinding);
    let unbound = |cause| Err(Rejection::TokenUnbound(cause));
    // Its own check comes next. It is read here, because its text is compared without decoding.
    let certificate = presented.read();
    let bound_to = match confirmation {
        Confirmation::Absent => return unbound(UnboundToken::NoConfirmation),
        Confirmation::Unreadable => return unbound(UnboundToken::NotAThumbprint),
        Confirmation::Thumbprint(thumbprint) => thumbprint,
        Confirmation::Text(text) => match &certificate {
            Ok(certificate) if certificate.has_x5t(&text) => certificate.thumbprint(),
            _ => match Thumbprint::from_base64url(&text) {
                Some(thumbprint) => thumbprint,
                None => return unbound(UnboundToken::NotAThumbprint),
            },
        },
    };

    // RFC 8705 §3: what counts is the possession of the key, and not who vouches for the
    // certificate, which may be self-signed.
    checks.begin(Check::Certificate);
    let instead = |other| Rejection::TokenBoundToAnother { bound_to, other };
    let certificate = certificate.map_err(|rejection| match rejection {
        Rejection::CertificateMissing(cause) => instead(OtherCertificate::Missing(cause)),
        other => other,
    })?;

    checks.begin(Check::Validity);
    check_validity(&certificate, presented.now()?)?;

    // A certificate whose chain does not count is in no list of a CA, but the operator may have
    // taken it back.
    if let Some(revoked) = &common.revoked {
        checks.begin(Check::Revocation);
        check_revoked(revoked, &certificate)?;
    }

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

/// `cnf` of a verified token, with its member `x5t#S256` (RFC 8705 §3.1).
enum Confirmation {
    /// The token has none.
    Absent,
    /// Its octets.
    Text(Vec<u8>),
    Thumbprint(Thumbprint),
    /// It is no thumbprint.
    Unreadable,
}

/// What a token is bound to that `jwt_authn` verified.
///
/// An equal `cnf` alone proves nothing: a thief puts that of his own certificate into a forged
/// token, and sends a poor but valid one where `jwt_authn` reads it and the backend does not. So
/// the payload that was verified must be that of the token in `Authorization`.
fn verified(
    token: BearerToken<'_>,
    jwt: Option<&VerifiedJwt>,
    presented: &mut PresentedCertificate<'_>,
) -> Result<Confirmation, Rejection> {
    let unverified = |cause| Err(Rejection::TokenUnverified(cause));
    let jwt = match (jwt, token.payload) {
        (Some(jwt), TokenPayload::Forwarded) => jwt,
        (Some(_), TokenPayload::NotForwarded) => {
            return unverified(UnverifiedToken::NoPayloadHeader);
        }
        (None, _) | (_, TokenPayload::Other) => return unverified(UnverifiedToken::AnotherToken),
    };
    match presented.verified_thumbprint(&jwt.metadata) {
        // Where jwt_authn has no rule for a path, the header is the client's own, and the payload
        // may have any octets.
        VerifiedClaim::NoToken => {
            token.check()?;
            unverified(UnverifiedToken::NoMetadata)
        }
        VerifiedClaim::Absent => Ok(Confirmation::Absent),
        VerifiedClaim::Value(value) => Ok(Confirmation::Text(value)),
    }
}

/// What a token is bound to of which its server answered this.
fn introspected(token: IntrospectedToken) -> Result<Confirmation, Rejection> {
    match token {
        IntrospectedToken::Inactive => Err(Rejection::TokenUnverified(UnverifiedToken::Inactive)),
        IntrospectedToken::Unbound => Ok(Confirmation::Absent),
        IntrospectedToken::Unreadable => Ok(Confirmation::Unreadable),
        IntrospectedToken::BoundTo(thumbprint) => Ok(Confirmation::Thumbprint(thumbprint)),
    }
}
