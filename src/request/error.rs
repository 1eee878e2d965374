//! Why the claim of a request cannot be read, or contradicts itself.

use std::fmt;

use super::authorization::AuthorizationError;
use super::form::FormError;
use super::token_request::IdSource;

/// Why a request makes no claim that every reader reads alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// Not exactly one `application/x-www-form-urlencoded`, or in another charset than UTF-8.
    UnsupportedMediaType,
    /// Any `content-encoding` but `identity`.
    EncodedBody,
    /// The body has more than this many bytes.
    BodyTooLarge {
        /// The limit in force.
        limit: usize,
    },
    /// The body is not a form.
    MalformedForm(FormError),
    /// RFC 6749 §3.2: parameters must not be sent twice.
    DuplicateParameter {
        /// The name as it was sent, after decoding.
        name: String,
    },
    /// The request does not name one client.
    ClientIdMismatch(ClientIdMismatch),
    /// `Authorization` cannot be read.
    MalformedAuthorization(AuthorizationError),
    /// RFC 6749 §2.3: a client must not use more than one authentication method.
    MultipleAuthMethods,
}

/// Why a request does not name one client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientIdMismatch {
    /// Two sources disagree about the client.
    Sources(IdSource, IdSource),
    /// The subject of the `client_assertion` cannot be read (an encrypted or a SAML assertion), or there is none.
    UnreadableAssertion,
    /// RFC 6749 §2.3.1: credentials must not be in the request URI.
    CredentialInQuery {
        /// The parameter of the query string.
        name: String,
    },
}

impl fmt::Display for ClientIdMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sources(one, other) => write!(f, "{one} and {other} name different clients"),
            Self::UnreadableAssertion => f.write_str(
                "client_assertion has no readable sub (encrypted, SAML, or without one): such assertions cannot be used at \
                 gated endpoints",
            ),
            Self::CredentialInQuery { name } => write!(f, "the query string has \"{name}\""),
        }
    }
}
