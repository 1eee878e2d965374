//! Where the certificate comes from, and who vouches for its chain (contract §4).

use crate::certificate::{AlternativeName, CertificateHeader, PeerCertificate, Thumbprint};

/// `peer_certificate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificatePolicy {
    /// `chain`.
    pub chain: Chain,
    /// `source`.
    pub source: Source,
    /// `server_name`: whether the name of the TLS handshake must be the tenant's; `None` = not
    /// given.
    pub(crate) server_name_matches: Option<bool>,
}

/// Who vouches for the chain of a `tls_client_auth` client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chain {
    /// `connection.peer_certificate_valid` must be true.
    #[default]
    Connection,
    /// The operator states that the listener refuses untrusted certificates.
    Listener,
}

/// Where the client's certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The downstream connection.
    #[default]
    Connection,
    /// A header.
    Forwarded {
        /// `dialect`: the header, and how the certificate is written in it.
        header: CertificateHeader,
        /// `trusted_proxies`; `None` = the header must describe the certificate of the downstream
        /// connection.
        trusted_proxies: Option<TrustedProxies>,
    },
}

/// Peers whose header is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(pub(crate) Vec<TrustedProxy>);

/// A peer whose header is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedProxy {
    /// It has this certificate.
    Certificate(Thumbprint),
    /// Its certificate, which somebody verified, has this alternative name: a URI or a host name.
    Name(AlternativeName),
}

impl TrustedProxy {
    /// Whether it is the one that has this certificate.
    #[must_use]
    pub fn is(&self, certificate: &PeerCertificate) -> bool {
        match self {
            Self::Certificate(thumbprint) => *thumbprint == certificate.thumbprint(),
            Self::Name(name) => certificate.has_alternative_name(name) == Ok(true),
        }
    }
}

impl Source {
    /// The header that is read.
    #[must_use]
    pub fn header(&self) -> Option<CertificateHeader> {
        if let Self::Forwarded { header, .. } = self { Some(*header) } else { None }
    }
}

impl PeerCertificatePolicy {
    /// Whether the server name of the TLS handshake must choose the tenant that `:authority`
    /// chooses. Behind a trusted proxy the name is the proxy's own.
    #[must_use]
    pub fn matches_server_name(&self) -> bool {
        let has_proxies =
            matches!(&self.source, Source::Forwarded { trusted_proxies: Some(_), .. });
        self.server_name_matches.unwrap_or(!has_proxies)
    }
}
