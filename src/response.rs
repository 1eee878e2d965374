//! What a client learns of a refusal. No other module decides about that.

use crate::rejection::{Code, Rejection};

/// The answer to a refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code of HTTP.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, &'static str)>,
    /// JSON with `error` and `error_description` (RFC 6749 §5.2).
    pub body: String,
}

/// What a refusal with status 401 asks for in `www-authenticate` (RFC 9110 §11.6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Challenge {
    /// Nothing: the request has no `Authorization`, and is not one to a resource.
    #[default]
    None,
    /// HTTP Basic: the request has an `Authorization` header (RFC 6749 §5.2).
    Basic,
    /// An access token: the request is one to a resource (RFC 6750 §3).
    Bearer,
}

/// The one answer to every request with a token that is not accepted (RFC 6750 §3.1).
const INVALID_TOKEN: (u16, &str, &str) =
    (401, "invalid_token", "The access token is missing, not valid, or not of this client.");

/// Status, `error` and `error_description`. They are constant for each code, so that no answer has
/// text of a request.
fn public(code: Code) -> (u16, &'static str, &'static str) {
    match code {
        Code::UpgradeRefused => {
            (400, "invalid_request", "The request must not ask for another protocol.")
        }
        Code::MethodNotAllowed => (405, "invalid_request", "The request method must be POST."),
        Code::UnsupportedMediaType => (
            400,
            "invalid_request",
            "The content type must be application/x-www-form-urlencoded, in UTF-8.",
        ),
        Code::EncodedBody => {
            (400, "invalid_request", "The request body must not have a content encoding.")
        }
        Code::BodyTooLarge => (413, "invalid_request", "The request body is too large."),
        Code::MalformedForm => {
            (400, "invalid_request", "The request body is not a well-formed form.")
        }
        Code::DuplicateParameter => (
            400,
            "invalid_request",
            "A parameter is repeated, or spelled so that it could be taken for another.",
        ),
        Code::MissingClientId => {
            (400, "invalid_request", "The request does not identify a client.")
        }
        Code::ClientIdMismatch => (
            400,
            "invalid_request",
            "The request does not name one client, or has credentials in its query string.",
        ),
        Code::MalformedAuthorization => {
            (400, "invalid_request", "The Authorization header cannot be read.")
        }
        Code::MultipleAuthMethods => {
            (400, "invalid_request", "The request uses more than one client authentication method.")
        }
        Code::TokenMalformed => (
            400,
            "invalid_request",
            "The access token must be in one Authorization header, and nowhere else.",
        ),
        Code::TokenMissing
        | Code::TokenUnverified
        | Code::TokenUnbound
        | Code::TokenBoundToAnother => INVALID_TOKEN,
        Code::UnknownTenant => (421, "invalid_request", "This host is not served here."),
        Code::ServerNameMismatch => {
            (421, "invalid_request", "This host is not served on this connection.")
        }
        Code::RegistryUnavailable => (
            503,
            "temporarily_unavailable",
            "Client registrations are not available at the moment.",
        ),
        Code::ResponseUnbound => (
            502,
            "server_error",
            "The server issued an access token that is not bound to the client certificate.",
        ),
        // The same answer for all of these, so that no client learns which other clients exist.
        Code::OtherMethodRefused
        | Code::MethodNotSupported
        | Code::UnknownClient
        | Code::CertificateMissing
        | Code::CertificateMalformed
        | Code::CertificateExpired
        | Code::CertificateNotYetValid
        | Code::CertificateUnverified
        | Code::CertificateUntrustedIssuer
        | Code::CertificateRevoked
        | Code::RevocationUnknown
        | Code::CertificateNotRegistered
        | Code::SubjectMismatch => (401, "invalid_client", "Client authentication failed."),
        // A passing code has no answer. If one got here, the request would not pass.
        Code::Authenticated
        | Code::PassedOtherMethod
        | Code::PassedUnregistered
        | Code::PassedUnidentified
        | Code::NotGated
        | Code::TokenBound
        | Code::HostError => (500, "server_error", "The server could not process the request."),
    }
}

impl Response {
    /// The answer to a request that is refused for this reason.
    #[must_use]
    pub fn to(rejection: &Rejection, challenge: Challenge) -> Self {
        let code = rejection.code();
        let (status, error, description) = match (public(code), challenge) {
            ((401, ..), Challenge::Bearer) => INVALID_TOKEN,
            ((503, error, _), Challenge::Bearer) => {
                (503, error, "The access token cannot be checked at the moment.")
            }
            (public, _) => public,
        };
        let mut headers = vec![
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("pragma", "no-cache"),
        ];
        let value = match (status, challenge) {
            // RFC 6749 §5.2: for a client that attempted to authenticate by this header.
            (401, Challenge::Basic) => Some("Basic realm=\"oauth\""),
            // RFC 6750 §3.1: no error for a request without a token.
            (401, _) if code == Code::TokenMissing => Some("Bearer"),
            (401, Challenge::Bearer) => Some("Bearer error=\"invalid_token\""),
            _ => None,
        };
        match status {
            405 => headers.push(("allow", "POST")),
            // In seconds (RFC 9110 §10.2.3). The first retry of a failed registry is after one
            // second.
            503 => headers.push(("retry-after", "1")),
            _ => headers.extend(value.map(|value| ("www-authenticate", value))),
        }
        Self {
            status,
            headers,
            body: format!("{{\"error\":\"{error}\",\"error_description\":\"{description}\"}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::{MissingCertificate, UnknownClient};

    #[test]
    fn every_code_has_a_body_that_rfc_6749_allows() {
        for code in Code::ALL {
            let (status, error, description) = public(*code);
            assert!((400..=503).contains(&status));
            // RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E, which also need no escape in JSON.
            let allowed = |text: &str| {
                text.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\')
            };
            assert!(allowed(error) && allowed(description), "{code}");
        }
    }

    #[test]
    fn headers_depend_on_the_status_alone() {
        let answer =
            Response::to(&Rejection::UnknownClient(UnknownClient::Unregistered), Challenge::Basic);
        assert_eq!(answer.headers.last(), Some(&("www-authenticate", "Basic realm=\"oauth\"")));
        assert_eq!(
            answer.body,
            Response::to(
                &Rejection::CertificateMissing(MissingCertificate::NotPresented),
                Challenge::None
            )
            .body
        );
        assert_eq!(Response::to(&Rejection::MissingClientId, Challenge::Basic).headers.len(), 3);
        assert_eq!(
            Response::to(&Rejection::MethodNotAllowed, Challenge::None).headers.last(),
            Some(&("allow", "POST"))
        );
    }

    #[test]
    fn the_answers_of_a_resource_name_bearer() {
        let to = |rejection: Rejection| {
            let answer = Response::to(&rejection, Challenge::Bearer);
            let challenge = answer.headers.iter().find(|(name, _)| *name == "www-authenticate");
            (answer.status, challenge.map(|(_, value)| *value), answer.body)
        };
        let missing = to(Rejection::TokenMissing);
        assert_eq!((missing.0, missing.1), (401, Some("Bearer")));
        let not_after = crate::time::UnixTime(0);
        let expired = to(Rejection::CertificateExpired { not_after });
        assert_eq!((expired.0, expired.1), (401, Some("Bearer error=\"invalid_token\"")));
        assert_eq!(expired.2, missing.2, "every answer with this status has the same body");
        assert!(expired.2.starts_with("{\"error\":\"invalid_token\""));
        let malformed = to(crate::request::MalformedToken::InQuery.into());
        assert_eq!((malformed.0, malformed.1), (400, None));
        assert_eq!(
            to(Rejection::RegistryUnavailable(crate::registry::RegistryFault::NoList)).0,
            503
        );
    }
}
