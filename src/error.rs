//! The two ways to say no: to an operator ([`ConfigError`]) and to a client ([`Rejection`]).

use std::fmt;
use std::rc::Rc;

use crate::certificate::{AlternativeName, CertificateError, FoundNames, NameDifference, Thumbprint, UnixTime};
use crate::client::RegistryFault;
use crate::request::{AuthorizationError, FormError, IdSource};

/// A place in a configuration, and what is wrong there. Any such error refuses the whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// JSON Pointer (RFC 6901) of the offending value; empty for the whole document.
    pub pointer: String,
    /// What stands there against what is wanted, in words for an operator.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }

    pub(crate) fn expected(what: impl fmt::Display) -> Self {
        Self::new(format!("expected {what}"))
    }

    /// The same error, seen from the value that contains the offending one as `step`.
    pub(crate) fn within(self, step: impl fmt::Display) -> Self {
        self.below(&step.to_string())
    }

    #[inline(never)]
    fn below(mut self, step: &str) -> Self {
        let step = step.replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{step}{}", self.pointer);
        self
    }
}

impl ConfigError {
    /// Place and message, where the document is no configuration.
    pub(crate) fn in_entry(&self) -> String {
        if self.pointer.is_empty() { self.message.clone() } else { format!("{}: {}", self.pointer, self.message) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the configuration" } else { &self.pointer };
        write!(f, "{place}: {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// The stable words of SPEC §7, as metrics, logs, filter state and tests spell them.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// The outcome of one request, in one stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in declaration order, so that `code as usize` is its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

codes! {
    /// Certificate and client match.
    Authenticated = "authenticated",
    /// The backend authenticates this client, by policy.
    PassedOtherMethod = "passed_other_method",
    /// The backend decides about this unknown client, by policy.
    PassedUnregistered = "passed_unregistered",
    /// The backend decides about a request that names no client, by policy.
    PassedUnidentified = "passed_unidentified",
    /// Not a request that carries client authentication.
    NotGated = "not_gated",
    /// Gated, and more than a plain request: an upgrade, another protocol, an expectation.
    UpgradeRefused = "upgrade_refused",
    /// Gated and not POST.
    MethodNotAllowed = "method_not_allowed",
    /// Not a form.
    UnsupportedMediaType = "unsupported_media_type",
    /// A content coding.
    EncodedBody = "encoded_body",
    /// More than `max_body_bytes`.
    BodyTooLarge = "body_too_large",
    /// Not well-formed `application/x-www-form-urlencoded`.
    MalformedForm = "malformed_form",
    /// A parameter twice, or a look-alike of a credential.
    DuplicateParameter = "duplicate_parameter",
    /// Nothing says who the client is.
    MissingClientId = "missing_client_id",
    /// Two places say different things about who the client is, or the query string speaks.
    ClientIdMismatch = "client_id_mismatch",
    /// `Authorization` cannot be read.
    MalformedAuthorization = "malformed_authorization",
    /// More than one way of client authentication (RFC 6749 §2.3).
    MultipleAuthMethods = "multiple_auth_methods",
    /// Registered with another method, refused by policy.
    OtherMethodRefused = "other_method_refused",
    /// Registered with a method that the service does not support.
    MethodNotSupported = "method_not_supported",
    /// Not in the registry.
    UnknownClient = "unknown_client",
    /// No client certificate.
    CertificateMissing = "certificate_missing",
    /// A certificate that cannot be read.
    CertificateMalformed = "certificate_malformed",
    /// After the validity period.
    CertificateExpired = "certificate_expired",
    /// Before the validity period.
    CertificateNotYetValid = "certificate_not_yet_valid",
    /// Nobody vouches for the chain.
    CertificateUnverified = "certificate_unverified",
    /// Not one of the registered certificates.
    CertificateNotRegistered = "certificate_not_registered",
    /// Another subject than the registered one.
    SubjectMismatch = "subject_mismatch",
    /// A host that no tenant names.
    UnknownTenant = "unknown_tenant",
    /// The TLS handshake named another tenant than the request.
    ServerNameMismatch = "server_name_mismatch",
    /// The registry gave no answer about the client.
    RegistryUnavailable = "registry_unavailable",
    /// The host did not give what it must.
    HostError = "host_error",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request is refused, with what an operator needs to see. The client sees only what [`crate::response`] makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The request asks for another protocol (RFC 9110 §7.8, RFC 8441 §4), or expects something (RFC 9110 §10.1.1).
    UpgradeRefused,
    /// RFC 6749 §3.2: token requests are POST.
    MethodNotAllowed,
    /// Not exactly one `application/x-www-form-urlencoded`, or in another charset than UTF-8.
    UnsupportedMediaType,
    /// Any `content-encoding` but `identity`.
    EncodedBody,
    /// The body has more than this many bytes.
    BodyTooLarge {
        /// `max_body_bytes`.
        limit: usize,
    },
    /// The body is not a form.
    MalformedForm(FormError),
    /// RFC 6749 §3.2: parameters must not be sent twice.
    DuplicateParameter {
        /// The name as it was sent, after decoding.
        name: String,
    },
    /// No `client_id` in any place that can carry one.
    MissingClientId,
    /// Two sources disagree about the client.
    ClientIdMismatch(IdSource, IdSource),
    /// Whom the `client_assertion` speaks for cannot be read (an encrypted or a SAML assertion), or it names no subject.
    UnreadableAssertion,
    /// RFC 6749 §2.3.1: credentials must not be in the request URI.
    CredentialInQuery {
        /// The parameter of the query string.
        name: String,
    },
    /// `Authorization` cannot be read.
    MalformedAuthorization(AuthorizationError),
    /// RFC 6749 §2.3: a client must not use more than one authentication method.
    MultipleAuthMethods,
    /// Policy `other_methods: "reject"`.
    OtherMethodRefused,
    /// Policy `methods`: the service does not support the client's method, by its name.
    MethodNotSupported(&'static str),
    /// Policy `unregistered_clients: "reject"`.
    UnknownClient,
    /// The registry's entry for the client cannot be used, whatever the policy says of clients that it does not have.
    UnusableClient {
        /// What is wrong with it.
        reason: Rc<str>,
    },
    /// The connection has no client certificate.
    CertificateMissing,
    /// The header that must carry the certificate is absent or empty.
    ForwardedCertificateMissing {
        /// Its name.
        header: &'static str,
    },
    /// The header that must carry the certificate is there more than once.
    ForwardedCertificateRepeated {
        /// Its name.
        header: &'static str,
    },
    /// The header does not describe the certificate of the connection, and no proxy is trusted.
    ForwardedCertificateOfAnother {
        /// The certificate in the header.
        forwarded: Thumbprint,
        /// The certificate of the connection.
        own: Thumbprint,
    },
    /// The peer of the connection is none of `trusted_proxies`.
    ProxyNotTrusted {
        /// Its certificate.
        peer: Thumbprint,
    },
    /// The connection has a client certificate, but this host does not hand it over.
    CertificateNotGiven,
    /// The certificate cannot be read, or not the part that matters.
    CertificateMalformed(CertificateError),
    /// RFC 5280 §4.1.2.5.
    CertificateExpired {
        /// Last second of validity.
        not_after: UnixTime,
    },
    /// RFC 5280 §4.1.2.5.
    CertificateNotYetValid {
        /// First second of validity.
        not_before: UnixTime,
    },
    /// The listener's trust store does not vouch for the chain, or the session was resumed.
    CertificateUnverified,
    /// This host does not say whether the chain was verified.
    VerificationNotGiven,
    /// RFC 8705 §2.2, or `certificate_thumbprints`.
    CertificateNotRegistered {
        /// The certificate that was presented.
        presented: Thumbprint,
    },
    /// RFC 8705 §2.1: the subject is not the registered distinguished name.
    SubjectMismatch(NameDifference),
    /// RFC 8705 §2.1: no alternative name is the registered one.
    AlternativeNameMismatch {
        /// The registered name.
        expected: AlternativeName,
        /// The certificate's names of that type.
        found: FoundNames,
    },
    /// No tenant has this host, and the top level has no registry.
    UnknownTenant {
        /// `:authority`.
        host: String,
    },
    /// The name of the TLS handshake chooses another tenant than `:authority`.
    ServerNameMismatch {
        /// The name; `None` = the client asked for none.
        server_name: Option<String>,
        /// `:authority`.
        host: String,
    },
    /// The registry has no answer about the client.
    RegistryUnavailable(RegistryFault),
    /// The host did not give what it must.
    HostError(HostError),
}

/// What the host failed to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// The request headers.
    Headers,
    /// The pseudo-header `:method` or `:path`.
    PseudoHeader,
    /// The buffered body, in full.
    Body,
    /// The body while the headers are held.
    BodyWithHeadersHeld,
    /// The time.
    Time,
    /// A digest in the form that it documents.
    Digest,
    /// The certificate of the digest that it named.
    CertificateOfDigest,
    /// A header of an accepted request could not be written.
    HeaderWrite,
    /// A header that no client may set could not be taken away.
    HeaderRemoval,
    /// A configuration before the first request.
    Configuration,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headers => "the host gives no request headers",
            Self::PseudoHeader => "the request has no :method or no :path",
            Self::Body => "the host does not give the body that it announced",
            Self::BodyWithHeadersHeld => {
                "the host gives no body while headers are held: set allow_on_headers_stop_iteration: true in the plugin configuration of this wasm filter (Envoy 1.35 and later)"
            }
            Self::Time => "the host gives no time",
            Self::Digest => "connection.sha256_peer_certificate_digest is not a SHA-256 digest",
            Self::CertificateOfDigest => {
                "connection.peer_certificate is not the certificate that connection.sha256_peer_certificate_digest names"
            }
            Self::Configuration => "the filter has no configuration",
            Self::HeaderWrite => "the host does not let a request header be written",
            Self::HeaderRemoval => "the host does not let a request header be removed",
        })
    }
}

impl Rejection {
    /// The one stable word.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::UpgradeRefused => Code::UpgradeRefused,
            Self::MethodNotAllowed => Code::MethodNotAllowed,
            Self::UnsupportedMediaType => Code::UnsupportedMediaType,
            Self::EncodedBody => Code::EncodedBody,
            Self::BodyTooLarge { .. } => Code::BodyTooLarge,
            Self::MalformedForm(_) => Code::MalformedForm,
            Self::DuplicateParameter { .. } => Code::DuplicateParameter,
            Self::MissingClientId => Code::MissingClientId,
            Self::ClientIdMismatch(..) | Self::UnreadableAssertion | Self::CredentialInQuery { .. } => Code::ClientIdMismatch,
            Self::MalformedAuthorization(_) => Code::MalformedAuthorization,
            Self::MultipleAuthMethods => Code::MultipleAuthMethods,
            Self::OtherMethodRefused => Code::OtherMethodRefused,
            Self::MethodNotSupported(_) => Code::MethodNotSupported,
            Self::UnknownClient | Self::UnusableClient { .. } => Code::UnknownClient,
            Self::CertificateMissing
            | Self::CertificateNotGiven
            | Self::ForwardedCertificateMissing { .. }
            | Self::ProxyNotTrusted { .. } => Code::CertificateMissing,
            Self::CertificateMalformed(_) | Self::ForwardedCertificateRepeated { .. } => Code::CertificateMalformed,
            Self::CertificateExpired { .. } => Code::CertificateExpired,
            Self::CertificateNotYetValid { .. } => Code::CertificateNotYetValid,
            Self::CertificateUnverified | Self::VerificationNotGiven | Self::ForwardedCertificateOfAnother { .. } => {
                Code::CertificateUnverified
            }
            Self::CertificateNotRegistered { .. } => Code::CertificateNotRegistered,
            Self::SubjectMismatch(_) | Self::AlternativeNameMismatch { .. } => Code::SubjectMismatch,
            Self::UnknownTenant { .. } => Code::UnknownTenant,
            Self::ServerNameMismatch { .. } => Code::ServerNameMismatch,
            Self::RegistryUnavailable(_) => Code::RegistryUnavailable,
            Self::HostError(_) => Code::HostError,
        }
    }
}

/// The detail for the operator's log. It never holds a secret, a body or a whole certificate.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpgradeRefused => {
                f.write_str("a gated request must not have upgrade, :protocol or any expect but 100-continue")
            }
            Self::MethodNotAllowed => f.write_str("a gated request must be POST"),
            Self::UnsupportedMediaType => f.write_str(
                "content-type must be one application/x-www-form-urlencoded, in UTF-8, or in US-ASCII with an ASCII body, if it names a charset",
            ),
            Self::EncodedBody => f.write_str("content-encoding must be absent or identity"),
            Self::BodyTooLarge { limit } => write!(f, "more than max_body_bytes = {limit}"),
            Self::MalformedForm(error) => error.fmt(f),
            Self::DuplicateParameter { name } => {
                write!(f, "parameter \"{name}\" is sent twice, or is read as a credential by some backends and not by others")
            }
            Self::MissingClientId => f.write_str("no client_id in the body, in HTTP Basic or as sub of a client_assertion"),
            Self::ClientIdMismatch(one, other) => write!(f, "{one} and {other} name different clients"),
            Self::UnreadableAssertion => f.write_str(
                "client_assertion has no readable sub (encrypted, SAML, or without one): such assertions cannot be used at gated endpoints",
            ),
            Self::CredentialInQuery { name } => write!(f, "the query string has \"{name}\""),
            Self::MalformedAuthorization(error) => error.fmt(f),
            Self::MultipleAuthMethods => f.write_str("more than one way of client authentication in one request"),
            Self::OtherMethodRefused => f.write_str("registered with another token_endpoint_auth_method"),
            Self::MethodNotSupported(method) => write!(f, "registered for {method}, which methods does not name"),
            Self::UnknownClient => f.write_str("not in the registry"),
            Self::UnusableClient { reason } => write!(f, "the registry's entry cannot be used: {reason}"),
            Self::CertificateMissing => f.write_str("the connection has no client certificate"),
            Self::ForwardedCertificateMissing { header } => write!(f, "the request has no {header} of the hop in front"),
            Self::ForwardedCertificateRepeated { header } => write!(f, "the request has {header} more than once"),
            Self::ForwardedCertificateOfAnother { forwarded, own } => {
                write!(f, "the forwarded certificate {forwarded} is not that of the connection, {own}, and no proxy is trusted")
            }
            Self::ProxyNotTrusted { peer } => write!(f, "the peer of the connection, {peer}, is none of trusted_proxies"),
            Self::CertificateNotGiven => f.write_str(
                "the connection has a client certificate, but the host does not give connection.peer_certificate: this takes Envoy 1.38 or later",
            ),
            Self::CertificateMalformed(error) => error.fmt(f),
            Self::CertificateExpired { not_after } => write!(f, "valid until {not_after}"),
            Self::CertificateNotYetValid { not_before } => write!(f, "valid from {not_before}"),
            Self::CertificateUnverified => f.write_str(
                "connection.peer_certificate_valid is not true: an untrusted chain, or a resumed TLS session (switch session resumption off in the listener)",
            ),
            Self::VerificationNotGiven => f.write_str(
                "the host does not give connection.peer_certificate_valid: this takes Envoy 1.39 or later, or a listener that refuses untrusted certificates and peer_certificate.chain: \"listener\"",
            ),
            Self::CertificateNotRegistered { presented } => write!(f, "certificate {presented} is not a registered one"),
            Self::SubjectMismatch(difference) => difference.fmt(f),
            Self::AlternativeNameMismatch { expected, found } => {
                write!(f, "expected {expected}, certificate has {found}")
            }
            Self::UnknownTenant { host } => write!(f, "no tenant has the host \"{host}\""),
            Self::ServerNameMismatch { server_name: Some(name), host } => {
                write!(f, "the TLS server name \"{name}\" and the host \"{host}\" are not of one tenant")
            }
            Self::ServerNameMismatch { server_name: None, host } => {
                write!(f, "without a TLS server name, the host \"{host}\" is not of one tenant with the connection: the client asked for none, or Envoy does not know it (the listener filter tls_inspector reads it)")
            }
            Self::RegistryUnavailable(fault) => fault.fmt(f),
            Self::HostError(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Rejection {}

impl From<HostError> for Rejection {
    fn from(error: HostError) -> Self {
        Self::HostError(error)
    }
}
