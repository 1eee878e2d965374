//! Where the certificate comes from, and what verifies its chain (contract §4).

use crate::certificate::{AlternativeName, CertificateHeader, PeerCertificate, Thumbprint};

/// `peer_certificate`: where the certificate comes from, and what verifies its chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificatePolicy {
    /// `chain`.
    pub chain: Chain,
    /// `source`.
    pub source: Source,
    /// `server_name`: whether the server name of the TLS handshake must be the tenant's; `None` =
    /// the member is absent.
    pub(crate) server_name_matches: Option<bool>,
}

/// `peer_certificate.chain`: what verifies the chain of a `tls_client_auth` client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chain {
    /// Envoy, for each connection: `connection.peer_certificate_valid` must be true.
    #[default]
    Connection,
    /// The listener, which refuses untrusted certificates, as the operator states.
    Listener,
}

impl Chain {
    /// The word for it in a configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Listener => "listener",
        }
    }
}

/// `peer_certificate.source`: where the client's certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The downstream connection.
    #[default]
    Connection,
    /// A header that the hop in front wrote.
    Forwarded {
        /// `dialect`: the header and its form.
        header: CertificateHeader,
        /// `trusted_proxies`; `None` = the header must carry the certificate of the downstream
        /// connection.
        trusted_proxies: Option<TrustedProxies>,
    },
}

/// `trusted_proxies`: the peers whose header is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(pub(crate) Vec<TrustedProxy>);

/// A peer whose header is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrustedProxy {
    /// The peer with this certificate.
    Certificate(Thumbprint),
    /// A peer whose verified certificate has this alternative name, a URI or a host name.
    Name(AlternativeName),
}

impl TrustedProxy {
    /// Whether the peer with this certificate is meant.
    #[must_use]
    pub fn is(&self, certificate: &PeerCertificate) -> bool {
        match self {
            Self::Certificate(thumbprint) => *thumbprint == certificate.thumbprint(),
            Self::Name(name) => certificate.has_alternative_name(name) == Ok(true),
        }
    }
}

impl Source {
    /// The header from which the certificate is read; `None` = from the connection.
    #[must_use]
    pub fn header(&self) -> Option<CertificateHeader> {
        if let Self::Forwarded { header, .. } = self { Some(*header) } else { None }
    }
}

impl PeerCertificatePolicy {
    /// Whether the server name of the TLS handshake must choose the same tenant as `:authority`. By
    /// default it must, except behind trusted proxies, which send a server name of their own.
    #[must_use]
    pub fn matches_server_name(&self) -> bool {
        let has_proxies =
            matches!(&self.source, Source::Forwarded { trusted_proxies: Some(_), .. });
        self.server_name_matches.unwrap_or(!has_proxies)
    }
}
