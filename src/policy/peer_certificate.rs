//! Where the certificate comes from, and what verifies its chain (contract §4).

use std::sync::Arc;

use crate::certificate::{AlternativeName, CertificateHeader, PeerCertificate, Thumbprint, XFCC};

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
    /// The filter itself, up to one of `trust_anchors`.
    Anchors,
}

impl Chain {
    /// The word for it in a configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Listener => "listener",
            Self::Anchors => "anchors",
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
        /// `header` and `dialect`.
        header: NamedHeader,
        /// `trusted_proxies`; `None` = the header must carry the certificate of the downstream
        /// connection.
        trusted_proxies: Option<TrustedProxies>,
    },
}

/// A header that carries a certificate: its name, and the form of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedHeader {
    /// In lower case.
    pub name: Arc<str>,
    /// How its value is read or written.
    pub form: CertificateHeader,
}

impl NamedHeader {
    /// The header of the usual name of `form`; `None` = the form has none.
    pub(crate) fn usual(form: CertificateHeader) -> Option<Self> {
        form.usual_name().map(|name| Self { name: name.into(), form })
    }
}

/// `trusted_proxies`, and what they say of a client's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    /// The peers whose headers are trusted.
    pub(crate) peers: Vec<TrustedProxy>,
    /// `verified`; `None` = they refuse clients whose chain they cannot verify.
    pub verified: Option<VerifiedHeader>,
}

/// `verified`: a header in which a hop says whether it verified the chain of the client's
/// certificate, for a hop that lets others in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedHeader {
    /// In lower case.
    pub name: Arc<str>,
    /// The values that say that it did.
    pub(crate) values: Vec<Box<str>>,
}

impl VerifiedHeader {
    /// Whether this value says that the chain was verified. Values are compared exactly: one that
    /// two hops wrote, with a comma between, is none of them.
    #[must_use]
    pub fn vouches(&self, value: &[u8]) -> bool {
        let value = value.trim_ascii();
        self.values.iter().any(|vouching| vouching.as_bytes() == value)
    }
}

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
    pub fn header(&self) -> Option<&NamedHeader> {
        if let Self::Forwarded { header, .. } = self { Some(header) } else { None }
    }

    /// `verified`
    #[must_use]
    pub fn verified(&self) -> Option<&VerifiedHeader> {
        if let Self::Forwarded { trusted_proxies: Some(proxies), .. } = self {
            proxies.verified.as_ref()
        } else {
            None
        }
    }

    /// Whether the certificate is read from the header that Envoy itself writes and removes.
    #[must_use]
    pub fn reads_xfcc(&self) -> bool {
        self.header().is_some_and(|header| header.name.as_ref() == XFCC)
    }

    /// The names of the headers that are read.
    pub(crate) fn read_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let certificate = self.header().map(|header| &header.name);
        certificate.into_iter().chain(self.verified().map(|verified| &verified.name))
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
