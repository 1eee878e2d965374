//! The codes of contract §7.

use std::fmt;

/// Defines [`Code`], so that its variants, its words and [`Code::ALL`] agree.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// The outcome of a request, as one of the stable words of contract §7, which metrics,
        /// logs and filter state have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code in the order of declaration, so that `code as usize` is its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

codes! {
    /// The certificate is that of the client.
    Authenticated = "authenticated",
    /// Passed by policy: the backend checks the method with which the client is registered.
    PassedOtherMethod = "passed_other_method",
    /// Passed by policy: the registry does not have the client.
    PassedUnregistered = "passed_unregistered",
    /// Passed by policy: the request names no client.
    PassedUnidentified = "passed_unidentified",
    /// Passed: the path carries no client authentication.
    NotGated = "not_gated",
    /// The access token is bound to the certificate.
    TokenBound = "token_bound",
    /// [`super::Rejection::UpgradeRefused`]
    UpgradeRefused = "upgrade_refused",
    /// [`super::Rejection::MethodNotAllowed`]
    MethodNotAllowed = "method_not_allowed",
    /// [`super::Rejection::UnsupportedMediaType`]
    UnsupportedMediaType = "unsupported_media_type",
    /// [`super::Rejection::EncodedBody`]
    EncodedBody = "encoded_body",
    /// [`super::Rejection::BodyTooLarge`]
    BodyTooLarge = "body_too_large",
    /// [`super::Rejection::MalformedForm`]
    MalformedForm = "malformed_form",
    /// [`super::Rejection::DuplicateParameter`]
    DuplicateParameter = "duplicate_parameter",
    /// [`super::Rejection::MissingClientId`]
    MissingClientId = "missing_client_id",
    /// [`super::Rejection::ClientIdMismatch`]
    ClientIdMismatch = "client_id_mismatch",
    /// [`super::Rejection::MalformedAuthorization`]
    MalformedAuthorization = "malformed_authorization",
    /// [`super::Rejection::MultipleAuthMethods`]
    MultipleAuthMethods = "multiple_auth_methods",
    /// [`super::Rejection::OtherMethodRefused`]
    OtherMethodRefused = "other_method_refused",
    /// [`super::Rejection::MethodNotSupported`]
    MethodNotSupported = "method_not_supported",
    /// [`super::Rejection::UnknownClient`]
    UnknownClient = "unknown_client",
    /// [`super::Rejection::CertificateMissing`]
    CertificateMissing = "certificate_missing",
    /// [`super::Rejection::CertificateMalformed`]
    CertificateMalformed = "certificate_malformed",
    /// [`super::Rejection::CertificateExpired`]
    CertificateExpired = "certificate_expired",
    /// [`super::Rejection::CertificateNotYetValid`]
    CertificateNotYetValid = "certificate_not_yet_valid",
    /// [`super::Rejection::CertificateUnverified`]
    CertificateUnverified = "certificate_unverified",
    /// [`super::Rejection::CertificateUntrustedIssuer`]
    CertificateUntrustedIssuer = "certificate_untrusted_issuer",
    /// [`super::Rejection::CertificateRevoked`]
    CertificateRevoked = "certificate_revoked",
    /// [`super::Rejection::RevocationUnknown`]
    RevocationUnknown = "revocation_unknown",
    /// [`super::Rejection::CertificateNotRegistered`]
    CertificateNotRegistered = "certificate_not_registered",
    /// [`super::Rejection::SubjectMismatch`]
    SubjectMismatch = "subject_mismatch",
    /// [`super::Rejection::TokenMissing`]
    TokenMissing = "token_missing",
    /// [`super::Rejection::TokenMalformed`]
    TokenMalformed = "token_malformed",
    /// [`super::Rejection::TokenUnverified`]
    TokenUnverified = "token_unverified",
    /// [`super::Rejection::TokenUnbound`]
    TokenUnbound = "token_unbound",
    /// [`super::Rejection::TokenBoundToAnother`]
    TokenBoundToAnother = "token_bound_to_another",
    /// [`super::Rejection::UnknownTenant`]
    UnknownTenant = "unknown_tenant",
    /// [`super::Rejection::ServerNameMismatch`]
    ServerNameMismatch = "server_name_mismatch",
    /// [`super::Rejection::RegistryUnavailable`]
    RegistryUnavailable = "registry_unavailable",
    /// [`super::Rejection::ResponseUnbound`], counted beside the code of the request.
    ResponseUnbound = "response_unbound",
    /// [`super::Rejection::HostError`]
    HostError = "host_error",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
