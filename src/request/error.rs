//! Why the claim of a request cannot be read, or contradicts itself.

use std::fmt;

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
    /// The subject of the `client_assertion` cannot be read (an encrypted or a SAML assertion), or
    /// there is none.
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
                "client_assertion has no readable sub (encrypted, SAML, or without one): such \
                 assertions cannot be used at \
                 gated endpoints",
            ),
            Self::CredentialInQuery { name } => write!(f, "the query string has \"{name}\""),
        }
    }
}

/// A place that names a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdSource {
    /// `client_id` in the body (RFC 6749 §2.3.1).
    Body,
    /// The user name of HTTP Basic.
    Basic,
    /// `sub` of the `client_assertion` (RFC 7523 §3).
    Assertion,
}

impl fmt::Display for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "client_id of the body",
            Self::Basic => "the user name of HTTP Basic",
            Self::Assertion => "sub of client_assertion",
        })
    }
}

/// Why a text is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormError {
    /// A `%` without two hexadecimal digits.
    PercentEscape,
    /// A name or a value is not UTF-8 after decoding.
    NotUtf8,
    /// A control character in a name.
    ControlCharacter,
    /// More than 256.
    TooManyParameters,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PercentEscape => "a % without two hexadecimal digits",
            Self::NotUtf8 => "a name or value that is not UTF-8",
            Self::ControlCharacter => "a control character in a parameter name",
            Self::TooManyParameters => "more than 256 parameters",
        })
    }
}

impl std::error::Error for FormError {}

/// Why an `Authorization` header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// Two headers, or one with a comma, which is what Envoy makes of two.
    Repeated,
    /// No scheme.
    Scheme,
    /// Basic without valid base64.
    Base64,
    /// Basic credentials that are not UTF-8 or hold control characters.
    NotText,
    /// Basic credentials without a colon.
    NoColon,
    /// A user name that is not form-encoded.
    NotFormEncoded,
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "authorization is sent twice",
            Self::Scheme => "authorization without a scheme",
            Self::Base64 => "Basic credentials that are not base64",
            Self::NotText => "Basic credentials that are not UTF-8 text",
            Self::NoColon => "Basic credentials without a colon",
            Self::NotFormEncoded => {
                "a Basic user name that is not form-encoded (RFC 6749 section 2.3.1)"
            }
        })
    }
}

impl std::error::Error for AuthorizationError {}
