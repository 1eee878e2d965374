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
        Code::UnknownTenant => (421, "invalid_request", "This host is not served here."),
        Code::ServerNameMismatch => {
            (421, "invalid_request", "This host is not served on this connection.")
        }
        Code::RegistryUnavailable => (
            503,
            "temporarily_unavailable",
            "Client registrations are not available at the moment.",
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
        | Code::CertificateNotRegistered
        | Code::SubjectMismatch => (401, "invalid_client", "Client authentication failed."),
        // A passing code has no answer. If one got here, the request would not pass.
        Code::Authenticated
        | Code::PassedOtherMethod
        | Code::PassedUnregistered
        | Code::PassedUnidentified
        | Code::NotGated
        | Code::HostError => (500, "server_error", "The server could not process the request."),
    }
}

impl Response {
    /// The answer to a request that is refused for this reason. `with_authorization` = the request
    /// has an `Authorization` header.
    #[must_use]
    pub fn to(rejection: &Rejection, with_authorization: bool) -> Self {
        let (status, error, description) = public(rejection.code());
        let mut headers = vec![
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("pragma", "no-cache"),
        ];
        match status {
            405 => headers.push(("allow", "POST")),
            // In seconds (RFC 9110 §10.2.3). The first retry of a failed registry is after one
            // second.
            503 => headers.push(("retry-after", "1")),
            // RFC 6749 §5.2: for a client that attempted to authenticate by this header.
            401 if with_authorization => {
                headers.push(("www-authenticate", "Basic realm=\"oauth\""))
            }
            _ => {}
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
        let answer = Response::to(&Rejection::UnknownClient(UnknownClient::Unregistered), true);
        assert_eq!(answer.headers.last(), Some(&("www-authenticate", "Basic realm=\"oauth\"")));
        assert_eq!(
            answer.body,
            Response::to(&Rejection::CertificateMissing(MissingCertificate::NotPresented), false)
                .body
        );
        assert_eq!(Response::to(&Rejection::MissingClientId, true).headers.len(), 3);
        assert_eq!(
            Response::to(&Rejection::MethodNotAllowed, false).headers.last(),
            Some(&("allow", "POST"))
        );
    }
}
