//! The causes of refusals, where several have one code.

use std::fmt;
use std::sync::Arc;

use crate::certificate::{AlternativeName, FoundNames, NameDifference, Thumbprint};

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
