//! The access token that a response issues (RFC 6749 §5.1), and the certificate that it is bound to
//! (RFC 8705 §3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::certificate::Thumbprint;
use crate::json::Json;
use crate::registry::AccessToken;
use crate::rejection::UnboundResponse;
use crate::request::reads_as_access_token;

const ACCESS_TOKEN: &str = "access_token";

/// What is known of the access token in a response.
#[derive(Debug)]
pub(super) enum Issued {
    /// There is none, or it is bound to the certificate of the client.
    MayLeave,
    /// It is no JWT: only its server knows what it is bound to.
    Opaque(AccessToken),
}

/// Checks that the access token in `body`, if it has one, is bound to `certificate`.
///
/// # Errors
/// It is not, or that cannot be read without doubt.
pub(super) fn check(
    body: &[u8],
    certificate: Option<&Thumbprint>,
) -> Result<Issued, UnboundResponse> {
    let body = Json::parse(body).map_err(|_| UnboundResponse::NotJson)?;
    let Some(token) = access_token(&body)? else { return Ok(Issued::MayLeave) };
    let certificate = certificate.ok_or(UnboundResponse::NoCertificate)?;
    match bound_to(token) {
        Ok(bound_to) => is_bound(bound_to, certificate).map(|()| Issued::MayLeave),
        Err(UnboundResponse::Opaque) => Ok(Issued::Opaque(AccessToken::issued(token.as_bytes()))),
        Err(cause) => Err(cause),
    }
}

/// # Errors
/// The certificate to which a token is bound is another one than that of the client.
pub(super) fn is_bound(
    bound_to: Thumbprint,
    certificate: &Thumbprint,
) -> Result<(), UnboundResponse> {
    if bound_to == *certificate { Ok(()) } else { Err(UnboundResponse::ToAnother { bound_to }) }
}

/// The token; `None` = the response issues none.
fn access_token(body: &Json) -> Result<Option<&str>, UnboundResponse> {
    // Some readers take the first element of an array.
    let Json::Object(members) = body else { return Err(UnboundResponse::Doubtful) };
    let mut found = None;
    for (name, value) in members {
        if !reads_as_access_token(name) {
            continue;
        }
        // Readers of a repeated member differ in which one they take. Go's encoding/json ignores
        // the letter case of names; others trim them, end them at a NUL, or fold them in other
        // ways, as readers of forms do.
        let Json::String(token) = value else { return Err(UnboundResponse::Doubtful) };
        if name != ACCESS_TOKEN || token.is_empty() || found.replace(token.as_str()).is_some() {
            return Err(UnboundResponse::Doubtful);
        }
    }
    Ok(found)
}

/// The certificate that a JWT is bound to (RFC 8705 §3.1); [`UnboundResponse::Opaque`] = the token
/// is no JWT.
fn bound_to(token: &str) -> Result<Thumbprint, UnboundResponse> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(UnboundResponse::Opaque);
    };
    let object = |part: &str| {
        let json = URL_SAFE_NO_PAD.decode(part).ok().and_then(|json| Json::parse(&json).ok());
        json.filter(|json| matches!(json, Json::Object(_)))
    };
    let (Some(header), Some(claims)) = (object(header), object(payload)) else {
        return Err(UnboundResponse::Opaque);
    };
    // RFC 7519 §6: anybody can change the claims of an unsecured JWT.
    let Json::String(algorithm) = only(&header, "alg")?.ok_or(UnboundResponse::Opaque)? else {
        return Err(UnboundResponse::Doubtful);
    };
    let is_none = algorithm.is_empty() || algorithm.eq_ignore_ascii_case("none");
    if is_none || signature.is_empty() {
        return Err(UnboundResponse::Unsigned);
    }
    let confirmation = only(&claims, "cnf")?.ok_or(UnboundResponse::NotBound)?;
    let thumbprint = match only(confirmation, "x5t#S256")? {
        // The one form that RFC 8705 §3.1 has. Another one is a mistake that a resource server may
        // not repeat.
        Some(Json::String(text)) if text.len() == 43 => Thumbprint::parse(text),
        _ => None,
    };
    thumbprint.ok_or(UnboundResponse::NotBound)
}

/// The only member `name`; `None` = there is none.
fn only<'a>(object: &'a Json, name: &'a str) -> Result<Option<&'a Json>, UnboundResponse> {
    let mut members = object.members(name);
    let first = members.next();
    if members.next().is_some() { Err(UnboundResponse::Doubtful) } else { Ok(first) }
}
