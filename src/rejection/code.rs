//! The stable words of contract §7.

use std::fmt;

/// The stable words of contract §7, as metrics, logs, filter state and tests spell them.
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
