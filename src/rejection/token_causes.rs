//! The causes of refusals at resources (contract §10), where several have one code.

use std::fmt;

use super::causes::{MissingCertificate, UnverifiedCertificate};
use crate::certificate::Thumbprint;

/// Why the token is not known to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnverifiedToken {
    /// `jwt_authn` left no payload in the metadata: it is not before this filter, has no rule for
    /// the path, or verified nothing.
    NoMetadata,
    /// `payload_header` is absent: `jwt_authn` has another `forward_payload_header`, or verified
    /// nothing.
    NoPayloadHeader,
    /// What `jwt_authn` verified is not the token in `Authorization`.
    AnotherToken,
    /// Some spelling of the path is an endpoint, so that no authorization server is asked.
    OfEndpoint,
    /// The authorization server says that the token is not active (RFC 7662 §2.2).
    Inactive,
}

impl fmt::Display for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMetadata => {
                "no payload in the metadata: is jwt_authn before this filter, with \
                 payload_in_metadata and a rule for this path?"
            }
            Self::NoPayloadHeader => {
                "payload_header is absent: has jwt_authn this forward_payload_header?"
            }
            Self::AnotherToken => "the token in Authorization is not the one that was verified",
            Self::OfEndpoint => {
                "some spelling of the path is an endpoint: no server is asked about its token"
            }
            Self::Inactive => "the authorization server says that the token is not active",
        })
    }
}

/// Why the token is bound to no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnboundToken {
    /// It has no `cnf` with `x5t#S256` (RFC 8705 §3.1), or `cnf` is no object.
    NoConfirmation,
    /// `x5t#S256` is not a SHA-256 in base64url, of 43 characters.
    NotAThumbprint,
}

impl fmt::Display for UnboundToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoConfirmation => "the token has no cnf with x5t#S256 (RFC 8705 section 3.1)",
            Self::NotAThumbprint => {
                "the x5t#S256 of the token is no SHA-256 in base64url of 43 characters"
            }
        })
    }
}

/// The certificate that a request has instead of the one to which its token is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherCertificate {
    /// This one.
    Presented(Thumbprint),
    /// None that counts as the client's.
    Missing(MissingCertificate),
    /// One that is not known to be the client's.
    Unverified(UnverifiedCertificate),
}

impl fmt::Display for OtherCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presented(thumbprint) => write!(f, "the certificate is {thumbprint}"),
            Self::Missing(cause) => cause.fmt(f),
            Self::Unverified(cause) => cause.fmt(f),
        }
    }
}
