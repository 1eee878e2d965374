//! How the filter authenticates a client to a backend that does not support mutual TLS (contract
//! §11).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::json::{Json, JsonError, Members, one_of};

/// What the serializer of `application/x-www-form-urlencoded` leaves as it is, and the blank, which
/// becomes a plus.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// `backend_authentication`: the client's secret at the backend.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendAuthentication {
    client_secret: Box<str>,
}

impl BackendAuthentication {
    /// # Errors
    /// The pointer is relative to `backend_authentication`.
    pub(crate) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let method = members.read("method", one_of(&[("client_secret_basic", ())]))?;
        let client_secret = members.read("client_secret", |json| {
            let secret = json.string("a secret")?;
            // RFC 6749 appendix A.2 allows no control characters. A line end after a secret is
            // usually left over from a file.
            if secret.is_empty() || secret.contains(char::is_control) {
                return Err(JsonError::expected("a secret without control characters"));
            }
            Ok(Self::new(secret))
        })?;
        members.finish()?;
        method.ok_or_else(|| JsonError::expected("the member method"))?;
        client_secret.ok_or_else(|| JsonError::expected("the member client_secret"))
    }

    pub(crate) fn new(client_secret: &str) -> Self {
        Self { client_secret: client_secret.into() }
    }

    pub(crate) fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// The value of `Authorization` (RFC 6749 §2.3.1): the identifier and the secret, each
    /// form-encoded, in HTTP Basic.
    #[must_use]
    pub fn authorization(&self, client_id: &str) -> String {
        let encode = |text| utf8_percent_encode(text, ENCODED).to_string().replace("%20", "+");
        let credentials = format!("{}:{}", encode(client_id), encode(&self.client_secret));
        format!("Basic {}", STANDARD.encode(credentials))
    }
}

/// Never prints the secret: derived `Debug` output ends up in logs.
impl fmt::Debug for BackendAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendAuthentication").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<BackendAuthentication, JsonError> {
        BackendAuthentication::from_json(&Json::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn identifier_and_secret_are_form_encoded() {
        // The example of RFC 6749 appendix B: " %&+£€".
        let authentication =
            read(r#"{"method": "client_secret_basic", "client_secret": " %&+£€"}"#).unwrap();
        let value = authentication.authorization("my id:1*-._~");
        let decoded = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(decoded, b"my+id%3A1*-._%7E:+%25%26%2B%C2%A3%E2%82%AC");
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(
            format!("{:?}", BackendAuthentication::new("hush")),
            "BackendAuthentication { .. }"
        );
    }

    #[test]
    fn mistakes() {
        for (json, pointer) in [
            (r#""x""#, ""),
            (r#"{"method": "client_secret_basic"}"#, ""),
            (r#"{"client_secret": "x"}"#, ""),
            (r#"{"method": "client_secret_post", "client_secret": "x"}"#, "/method"),
            (r#"{"method": "client_secret_basic", "client_secret": ""}"#, "/client_secret"),
            (r#"{"method": "client_secret_basic", "client_secret": "x\n"}"#, "/client_secret"),
            (r#"{"method": "client_secret_basic", "client_secret": 1}"#, "/client_secret"),
            (
                r#"{"method": "client_secret_basic", "client_secret": "x", "secret": "y"}"#,
                "/secret",
            ),
        ] {
            let error = read(json).unwrap_err();
            assert_eq!(error.pointer, pointer, "{json}");
            assert!(!error.to_string().contains("hush"));
        }
    }
}
