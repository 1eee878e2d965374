//! Why a request is refused: one variant for each code of contract §7, with its context.

mod causes;
mod code;
mod host_error;
mod token_causes;

use std::fmt;

pub use self::causes::{
    FoundWord, MissingCertificate, NoTenant, SubjectMismatch, UnboundResponse, UnknownClient,
    UntrustedIssuer, UnverifiedCertificate,
};
pub use self::code::Code;
pub use self::host_error::HostError;
pub use self::token_causes::{OtherCertificate, UnboundToken, UnverifiedToken};
use crate::certificate::{CertificateError, Thumbprint};
use crate::registry::RegistryFault;
use crate::request::{
    AuthorizationError, ClientIdMismatch, FormError, MalformedToken, RequestError,
};
use crate::revocation::{RevocationUnknown, RevokedBy};
use crate::time::UnixTime;

/// Why a request is refused.
///
/// `Display` writes the detail for the log of the operator, which never contains a secret, a body
/// or a whole certificate. The client sees only [`crate::Response`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The request asks for another protocol (RFC 9110 §7.8, RFC 8441 §4), or has an expectation
    /// other than `100-continue` (RFC 9110 §10.1.1).
    UpgradeRefused,
    /// RFC 6749 §3.2: the method must be POST.
    MethodNotAllowed,
    /// `content-type` is not exactly one `application/x-www-form-urlencoded`, or names a charset
    /// other than UTF-8 and US-ASCII, or US-ASCII for a body that is not ASCII.
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
    /// The request names no client in any place that can name one.
    MissingClientId,
    /// The request does not name one client.
    ClientIdMismatch(ClientIdMismatch),
    /// `Authorization` cannot be read.
    MalformedAuthorization(AuthorizationError),
    /// RFC 6749 §2.3: a client must not use more than one authentication method.
    MultipleAuthMethods,
    /// The client is registered with a method that the backend checks, and policy is
    /// `other_methods: "reject"`.
    OtherMethodRefused,
    /// The client is registered with this method of RFC 8705, which policy `methods` does not name.
    MethodNotSupported(&'static str),
    /// The registry has no usable entry for the client.
    UnknownClient(UnknownClient),
    /// There is no certificate that counts as the client's.
    CertificateMissing(MissingCertificate),
    /// The certificate, or the part of it by which the client is registered, cannot be read.
    CertificateMalformed(CertificateError),
    /// The time is after the validity period of the certificate (RFC 5280 §4.1.2.5).
    CertificateExpired {
        /// The last second of the period.
        not_after: UnixTime,
    },
    /// The time is before the validity period of the certificate (RFC 5280 §4.1.2.5).
    CertificateNotYetValid {
        /// The first second of the period.
        not_before: UnixTime,
    },
    /// The chain or the origin of the certificate is not verified.
    CertificateUnverified(UnverifiedCertificate),
    /// No path leads from the certificate to an anchor that counts (contract §9).
    CertificateUntrustedIssuer(UntrustedIssuer),
    /// The certificate was revoked (RFC 5280 §5).
    CertificateRevoked(RevokedBy),
    /// It is not known whether the certificate was revoked.
    RevocationUnknown(RevocationUnknown),
    /// The certificate is not one of the client's certificates: those of its `jwks` (RFC 8705
    /// §2.2), or `certificate_thumbprints`.
    CertificateNotRegistered {
        /// The certificate that was presented.
        presented: Thumbprint,
    },
    /// RFC 8705 §2.1: the certificate does not have the registered name.
    SubjectMismatch(SubjectMismatch),
    /// RFC 6750 §3.1: the request has no token behind `Bearer`.
    TokenMissing,
    /// RFC 6750 §3.1: the request carries a token in a way in which it must not.
    TokenMalformed(MalformedToken),
    /// The token is not known to be valid.
    TokenUnverified(UnverifiedToken),
    /// The token is bound to no certificate.
    TokenUnbound(UnboundToken),
    /// RFC 8705 §3: the token is bound to another certificate than that of the connection.
    TokenBoundToAnother {
        /// The certificate to which it is bound.
        bound_to: Thumbprint,
        /// What the connection has instead.
        other: OtherCertificate,
    },
    /// No tenant has this host and path, and the top level has no registry; or it is not certain
    /// which tenant has them.
    UnknownTenant {
        /// `:authority`.
        host: String,
        /// Why the request has no tenant.
        cause: NoTenant,
    },
    /// The server name of the TLS handshake chooses another tenant than `:authority`.
    ServerNameMismatch {
        /// The server name; `None` = the client sent none.
        server_name: Option<String>,
        /// `:authority`.
        host: String,
    },
    /// The registry gave no answer about the client.
    RegistryUnavailable(RegistryFault),
    /// The backend issued an access token that is not known to be bound to the certificate of its
    /// client (RFC 8705 §3). The request itself passed.
    ResponseUnbound(UnboundResponse),
    /// The host failed to give what a decision needs.
    HostError(HostError),
}

impl Rejection {
    /// The code of the refusal.
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
            Self::ClientIdMismatch(_) => Code::ClientIdMismatch,
            Self::MalformedAuthorization(_) => Code::MalformedAuthorization,
            Self::MultipleAuthMethods => Code::MultipleAuthMethods,
            Self::OtherMethodRefused => Code::OtherMethodRefused,
            Self::MethodNotSupported(_) => Code::MethodNotSupported,
            Self::UnknownClient(_) => Code::UnknownClient,
            Self::CertificateMissing(_) => Code::CertificateMissing,
            Self::CertificateMalformed(_) => Code::CertificateMalformed,
            Self::CertificateExpired { .. } => Code::CertificateExpired,
            Self::CertificateNotYetValid { .. } => Code::CertificateNotYetValid,
            Self::CertificateUnverified(_) => Code::CertificateUnverified,
            Self::CertificateUntrustedIssuer(_) => Code::CertificateUntrustedIssuer,
            Self::CertificateRevoked(_) => Code::CertificateRevoked,
            Self::RevocationUnknown(_) => Code::RevocationUnknown,
            Self::CertificateNotRegistered { .. } => Code::CertificateNotRegistered,
            Self::SubjectMismatch(_) => Code::SubjectMismatch,
            Self::TokenMissing => Code::TokenMissing,
            Self::TokenMalformed(_) => Code::TokenMalformed,
            Self::TokenUnverified(_) => Code::TokenUnverified,
            Self::TokenUnbound(_) => Code::TokenUnbound,
            Self::TokenBoundToAnother { .. } => Code::TokenBoundToAnother,
            Self::UnknownTenant { .. } => Code::UnknownTenant,
            Self::ServerNameMismatch { .. } => Code::ServerNameMismatch,
            Self::RegistryUnavailable(_) => Code::RegistryUnavailable,
            Self::ResponseUnbound(_) => Code::ResponseUnbound,
            Self::HostError(_) => Code::HostError,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpgradeRefused => f.write_str(
                "a gated request must not have upgrade, :protocol or any expect but 100-continue",
            ),
            Self::MethodNotAllowed => f.write_str("a gated request must be POST"),
            Self::UnsupportedMediaType => f.write_str(
                "content-type must be one application/x-www-form-urlencoded alone, in UTF-8, or in \
                 US-ASCII with an ASCII body, if it or x-up-devcap-post-charset names a charset",
            ),
            Self::EncodedBody => f.write_str("content-encoding must be absent or identity"),
            Self::BodyTooLarge { limit } => write!(f, "more than max_body_bytes = {limit}"),
            Self::MalformedForm(error) => error.fmt(f),
            Self::DuplicateParameter { name } => {
                write!(
                    f,
                    "parameter \"{name}\" is sent twice, or is read as a credential by some \
                     backends and not by others"
                )
            }
            Self::MissingClientId => f.write_str(
                "no client_id in the body, in HTTP Basic or as sub of an assertion or attestation",
            ),
            Self::ClientIdMismatch(mismatch) => mismatch.fmt(f),
            Self::MalformedAuthorization(error) => error.fmt(f),
            Self::MultipleAuthMethods => {
                f.write_str("more than one way of client authentication in one request")
            }
            Self::OtherMethodRefused => {
                f.write_str("registered with another token_endpoint_auth_method")
            }
            Self::MethodNotSupported(method) => {
                write!(f, "registered for {method}, which methods does not name")
            }
            Self::UnknownClient(cause) => cause.fmt(f),
            Self::CertificateMissing(cause) => cause.fmt(f),
            Self::CertificateMalformed(error) => error.fmt(f),
            Self::CertificateExpired { not_after } => write!(f, "valid until {not_after}"),
            Self::CertificateNotYetValid { not_before } => write!(f, "valid from {not_before}"),
            Self::CertificateUnverified(cause) => cause.fmt(f),
            Self::CertificateUntrustedIssuer(cause) => cause.fmt(f),
            Self::CertificateRevoked(by) => by.fmt(f),
            Self::RevocationUnknown(why) => why.fmt(f),
            Self::CertificateNotRegistered { presented } => {
                write!(f, "certificate {presented} is not a registered one")
            }
            Self::SubjectMismatch(mismatch) => mismatch.fmt(f),
            Self::TokenMissing => {
                f.write_str("no Authorization whose scheme is exactly Bearer, in this letter case")
            }
            Self::TokenMalformed(cause) => cause.fmt(f),
            Self::TokenUnverified(cause) => cause.fmt(f),
            Self::TokenUnbound(cause) => cause.fmt(f),
            Self::TokenBoundToAnother { bound_to, other } => {
                write!(f, "the token is bound to the certificate {bound_to}: {other}")
            }
            Self::UnknownTenant { host, cause: NoTenant::OfHost } => {
                write!(f, "no tenant has the host \"{host}\"")
            }
            Self::UnknownTenant { host, cause: NoTenant::OfHostAndPath } => {
                write!(f, "no tenant has the host \"{host}\" and this path")
            }
            Self::UnknownTenant { host, cause: NoTenant::Ambiguous } => write!(
                f,
                "this path of the host \"{host}\" is that of one tenant in one spelling, and of \
                 another or of none in another spelling or letter case"
            ),
            Self::ServerNameMismatch { server_name: Some(name), host } => {
                write!(
                    f,
                    "the TLS server name \"{name}\" and the host \"{host}\" are not of one tenant"
                )
            }
            Self::ServerNameMismatch { server_name: None, host } => write!(
                f,
                "without a TLS server name, the host \"{host}\" is not of one tenant with the \
                 connection: the client asked for none, or Envoy does not know it (the listener \
                 filter tls_inspector reads it)"
            ),
            Self::RegistryUnavailable(fault) => fault.fmt(f),
            Self::ResponseUnbound(cause) => cause.fmt(f),
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

impl From<MalformedToken> for Rejection {
    fn from(cause: MalformedToken) -> Self {
        Self::TokenMalformed(cause)
    }
}

impl From<RequestError> for Rejection {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::UnsupportedMediaType => Self::UnsupportedMediaType,
            RequestError::EncodedBody => Self::EncodedBody,
            RequestError::BodyTooLarge { limit } => Self::BodyTooLarge { limit },
            RequestError::MalformedForm(error) => Self::MalformedForm(error),
            RequestError::DuplicateParameter { name } => Self::DuplicateParameter { name },
            RequestError::ClientIdMismatch(mismatch) => Self::ClientIdMismatch(mismatch),
            RequestError::MalformedAuthorization(error) => Self::MalformedAuthorization(error),
            RequestError::MultipleAuthMethods => Self::MultipleAuthMethods,
        }
    }
}
