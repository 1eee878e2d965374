//! The causes of refusals, where several have one code.

use std::fmt;
use std::sync::Arc;

use crate::certificate::{AlternativeName, FoundNames, NameDifference, Thumbprint};
use crate::registry::RegistryFault;
use crate::trust::PathError;

/// Why the client counts as unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnknownClient {
    /// The registry does not have it, or its identifier is none that a client can have.
    Unregistered,
    /// The registry has an entry for the client that cannot be used. No policy lets it pass.
    Unusable {
        /// Why it cannot be used.
        reason: Arc<str>,
    },
}

impl fmt::Display for UnknownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unregistered => f.write_str("not in the registry"),
            Self::Unusable { reason } => write!(f, "the registry's entry cannot be used: {reason}"),
        }
    }
}

/// Why there is no certificate that counts as the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingCertificate {
    /// The connection has no client certificate.
    NotPresented,
    /// The connection has a client certificate, but the host does not give it.
    NotGiven,
    /// The header that must carry the certificate is absent or empty, or has none but that of the
    /// last hop itself.
    NotForwarded {
        /// The name of the header.
        header: Arc<str>,
    },
    /// The peer of the connection is none of `trusted_proxies`.
    ProxyNotTrusted {
        /// The certificate of the peer.
        peer: Thumbprint,
    },
}

impl fmt::Display for MissingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPresented => f.write_str("the connection has no client certificate"),
            Self::NotGiven => f.write_str(
                "the connection has a client certificate, but the host does not give \
                 connection.peer_certificate: this takes Envoy 1.38 or later",
            ),
            Self::NotForwarded { header } => {
                write!(f, "the request has no {header} of the hop in front")
            }
            Self::ProxyNotTrusted { peer } => {
                write!(f, "the peer of the connection, {peer}, is none of trusted_proxies")
            }
        }
    }
}

/// Why the access token of a response is not known to be bound to the certificate of its client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnboundResponse {
    /// There is a token, and no certificate that counts as the client's.
    NoCertificate,
    /// The response has a content coding, and cannot be read.
    Encoded,
    /// It is no JSON, or is not labelled `application/json`.
    NotJson,
    /// It has more than [`crate::limits::TOKEN_RESPONSE_BYTES`].
    TooLarge,
    /// Readers may differ in which token they take, or in what it is bound to.
    Doubtful,
    /// The token is a JWT without a signature (RFC 7519 §6).
    Unsigned,
    /// The claims of the JWT, or the answer of introspection, have no `cnf` with one `x5t#S256`
    /// (RFC 8705 §3.1, §3.2).
    NotBound,
    /// The token is bound to another certificate.
    ToAnother {
        /// The certificate that it is bound to.
        bound_to: Thumbprint,
    },
    /// The token is no JWT, and the policy names no server that is asked about it.
    Opaque,
    /// The server that was asked about the token says that it is not active.
    Inactive,
    /// The server that was asked about the token gave no answer that can be used.
    NotIntrospected(RegistryFault),
    /// The host does not deliver the body while the headers are held.
    Withheld,
    /// The host does not give the headers or the body of the response.
    NotGiven,
}

impl fmt::Display for UnboundResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => {
                "an access token was issued, and the request has no certificate of its client"
            }
            Self::Encoded => "the answer has a content encoding, although the request accepts none",
            Self::NotJson => "the answer is not application/json in UTF-8",
            Self::TooLarge => "the answer has more than 256 kB",
            Self::Doubtful => {
                "the answer is no object, or has access_token, cnf or alg twice, in another letter \
                 case or of another type, or the access token is empty"
            }
            Self::Unsigned => "the access token is a JWT without a signature",
            Self::NotBound => "the access token has no cnf with one x5t#S256 in it",
            Self::ToAnother { bound_to } => {
                return write!(f, "the access token is bound to another certificate, {bound_to}");
            }
            Self::Opaque => "the access token is no JWT, and bound_tokens has no introspection",
            Self::Inactive => "introspection says that the access token is not active",
            Self::NotIntrospected(fault) => return fault.fmt(f),
            Self::Withheld => {
                "Envoy does not give the body of the answer while its headers are held: set \
                 allow_on_headers_stop_iteration: true in the plugin configuration"
            }
            Self::NotGiven => "Envoy does not give the headers or the body of the answer",
        })
    }
}

/// What of a certificate is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnverifiedCertificate {
    /// The listener did not verify the chain, or the TLS session was resumed.
    Chain,
    /// The host does not know whether the chain was verified.
    NotGiven,
    /// The header does not carry the certificate of the connection, and no proxy is trusted.
    OfAnotherConnection {
        /// The certificate in the header.
        forwarded: Thumbprint,
        /// The certificate of the connection.
        own: Thumbprint,
    },
    /// The hop in front does not say that it verified the chain: none of the values of
    /// `peer_certificate.verified` is the one value of its header.
    NotVouchedFor {
        /// The name of the header.
        header: Arc<str>,
        /// What it says instead.
        found: FoundWord,
    },
}

/// Which anchors no path leads to, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrustedIssuer {
    /// Whether they are those of the client, rather than those of the tenant or the top level.
    pub is_of_client: bool,
    /// Why.
    pub error: PathError,
}

impl fmt::Display for UntrustedIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.is_of_client { " of the client" } else { "" };
        write!(f, "trust_anchors{whose}: {}", self.error)
    }
}

/// What the hop in front says of the chain, where that is none of the values that vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundWord {
    /// The header is absent.
    Absent,
    /// The header has this value, cut for the log.
    Other(Box<str>),
    /// The header is there more than once.
    Repeated,
}

impl fmt::Display for UnverifiedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain => f.write_str(
                "connection.peer_certificate_valid is not true: an untrusted chain, or a resumed \
                 TLS session (switch session resumption off in the listener)",
            ),
            Self::NotGiven => f.write_str(
                "the host does not give connection.peer_certificate_valid: this takes Envoy 1.39 \
                 or later, or a listener that refuses untrusted certificates and \
                 peer_certificate.chain: \"listener\"",
            ),
            Self::OfAnotherConnection { forwarded, own } => {
                write!(
                    f,
                    "the forwarded certificate {forwarded} is not that of the connection, {own}, \
                     and no proxy is trusted"
                )
            }
            Self::NotVouchedFor { header, found } => {
                f.write_str("the hop in front does not vouch for the chain: ")?;
                match found {
                    FoundWord::Absent => write!(f, "the request has no {header}"),
                    FoundWord::Other(word) => write!(f, "{header} is \"{word}\""),
                    FoundWord::Repeated => write!(f, "the request has {header} more than once"),
                }
            }
        }
    }
}

/// How the certificate's names differ from the registered one (RFC 8705 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectMismatch {
    /// The subject is not the registered distinguished name.
    DistinguishedName(NameDifference),
    /// No alternative name is the registered one.
    AlternativeName {
        /// The registered name.
        expected: AlternativeName,
        /// The certificate's names of that type.
        found: FoundNames,
    },
}

impl fmt::Display for SubjectMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DistinguishedName(difference) => difference.fmt(f),
            Self::AlternativeName { expected, found } => {
                write!(f, "expected {expected}, certificate has {found}")
            }
        }
    }
}

/// Why a request has no tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTenant {
    /// No tenant names the host.
    OfHost,
    /// No tenant of the host names the path.
    OfHostAndPath,
    /// The path is that of one tenant in one spelling, and of another tenant, or of none, in
    /// another spelling or letter case.
    Ambiguous,
}
