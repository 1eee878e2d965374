//! Why the claim of a request cannot be read, or is contradictory.

use std::fmt;

/// Why a request makes no claim that every reader understands in the same way. Each variant becomes
/// the variant of [`crate::Rejection`] with the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// `content-type` is not exactly one `application/x-www-form-urlencoded` in UTF-8, or in
    /// US-ASCII with an ASCII body.
    UnsupportedMediaType,
    /// `content-encoding` is there, and is not `identity`.
    EncodedBody,
    /// The body has more than this many bytes.
    BodyTooLarge {
        /// `max_body_bytes`.
        limit: usize,
    },
    /// The body is not a form.
    MalformedForm(FormError),
    /// A parameter is sent twice (RFC 6749 §3.2), or only some backends read it as a credential.
    DuplicateParameter {
        /// The name, decoded.
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
    /// Two sources name different clients.
    Sources(IdSource, IdSource),
    /// The `client_assertion` or the client attestation has no subject that the filter can read: it
    /// is encrypted, SAML, or has none; or the attestation is sent twice.
    UnreadableAssertion,
    /// The `request` parameter is no Request Object (RFC 9101) whose client can be read, nor an
    /// encrypted one.
    UnreadableRequestObject,
    /// The query string has a credential, which must not be in the request URI (RFC 6749 §2.3.1).
    CredentialInQuery {
        /// The name of the parameter, decoded.
        name: String,
    },
    /// The body begins as JSON does, in which a server may find another client.
    Json,
}

impl fmt::Display for ClientIdMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sources(one, other) => write!(f, "{one} and {other} name different clients"),
            Self::UnreadableAssertion => f.write_str(
                "client_assertion or OAuth-Client-Attestation has no readable sub (encrypted, \
                 SAML, without one, or sent twice): such assertions cannot be used at gated \
                 endpoints",
            ),
            Self::UnreadableRequestObject => f.write_str(
                "the parameter request is no JWT whose client_id can be read, nor an encrypted one",
            ),
            Self::CredentialInQuery { name } => write!(f, "the query string has \"{name}\""),
            Self::Json => f.write_str(
                "the body begins as JSON, in which some servers find another client whatever its \
                 content-type says",
            ),
        }
    }
}

/// A place in a request that names a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdSource {
    /// `client_id` in the body (RFC 6749 §2.3.1).
    Body,
    /// The user name of HTTP Basic (RFC 6749 §2.3.1).
    Basic,
    /// `sub` and `iss` of the `client_assertion` (RFC 7523 §3).
    Assertion,
    /// `sub` of the header `OAuth-Client-Attestation`
    /// (draft-ietf-oauth-attestation-based-client-auth §5.1).
    Attestation,
    /// `client_id` and `iss` of the Request Object (RFC 9101 §4).
    RequestObject,
}

impl fmt::Display for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Body => "client_id of the body",
            Self::Basic => "the user name of HTTP Basic",
            Self::Assertion => "client_assertion",
            Self::Attestation => "sub of OAuth-Client-Attestation",
            Self::RequestObject => "the Request Object",
        })
    }
}

/// Why a body is not a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormError {
    /// It has a `%` without two hexadecimal digits behind it.
    PercentEscape,
    /// A name or a value is not UTF-8 after decoding.
    NotUtf8,
    /// A name has a control character.
    ControlCharacter,
    /// It has more than [`crate::limits::FORM_PARAMETERS`] parameters.
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
    /// The request has two, or one with a comma, which Envoy makes of two.
    Repeated,
    /// It has no scheme, or one with the letters of Basic in it.
    Scheme,
    /// What follows `Bearer` or `DPoP` is no token (RFC 6750 §2.1).
    Token,
    /// The credentials of Basic are not base64.
    Base64,
    /// The credentials of Basic are not UTF-8, or have control characters.
    NotText,
    /// The credentials of Basic have no colon.
    NoColon,
    /// The user name of Basic is not form-encoded (RFC 6749 §2.3.1).
    NotFormEncoded,
    /// The credentials are in a header that PHP servers read.
    PhpVariable,
}

impl fmt::Display for AuthorizationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repeated => "authorization is sent twice",
            Self::Scheme => "authorization without a scheme, or with one that resembles Basic",
            Self::Token => "authorization whose access token is none (RFC 6750 section 2.1)",
            Self::Base64 => "Basic credentials that are not base64",
            Self::NotText => "Basic credentials that are not UTF-8 text",
            Self::NoColon => "Basic credentials without a colon",
            Self::NotFormEncoded => {
                "a Basic user name that is not form-encoded (RFC 6749 section 2.3.1)"
            }
            Self::PhpVariable => {
                "a header php-auth-user, php-auth-pw or php-auth-digest, which PHP servers read as \
                 credentials"
            }
        })
    }
}

impl std::error::Error for AuthorizationError {}
