//! Where the certificate comes from, and who vouches for its chain (SPEC §4).

use super::Chain;
use crate::certificate::{AlternativeName, Dialect, PeerCertificate, Thumbprint};
use crate::error::ConfigError;
use crate::json::{Json, Members, one_of};

/// `peer_certificate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificatePolicy {
    /// `chain`.
    pub chain: Chain,
    /// `source`.
    pub source: Source,
    /// `server_name`: whether the name of the TLS handshake must be the tenant's; `None` = not given.
    server_name_matches: Option<bool>,
}

/// Where the client's certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The downstream connection.
    #[default]
    Connection,
    /// A header.
    Forwarded {
        /// `dialect`.
        dialect: Dialect,
        /// `trusted_proxies`; `None` = the header must describe the certificate of the downstream connection.
        trusted_proxies: Option<Vec<TrustedProxy>>,
    },
}

/// A peer whose header is believed.
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

    fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let expected = "the SHA-256 of a proxy's certificate, or a URI or host name of its subject alternative names";
        let text = json.string(expected)?;
        let name = || AlternativeName::uri(text).or_else(|| AlternativeName::dns(text)).map(Self::Name);
        Thumbprint::parse(text).map(Self::Certificate).or_else(name).ok_or_else(|| ConfigError::expected(expected))
    }
}

impl Source {
    /// The header that is read.
    #[must_use]
    pub fn header(&self) -> Option<Dialect> {
        if let Self::Forwarded { dialect, .. } = self { Some(*dialect) } else { None }
    }
}

impl PeerCertificatePolicy {
    /// Whether the server name of the TLS handshake must choose the tenant that `:authority` chooses. Behind a trusted proxy the
    /// name is the proxy's own.
    #[must_use]
    pub fn matches_server_name(&self) -> bool {
        let has_proxies = matches!(&self.source, Source::Forwarded { trusted_proxies: Some(_), .. });
        self.server_name_matches.unwrap_or(!has_proxies)
    }

    /// # Errors
    /// The pointer is relative to `peer_certificate`.
    pub(super) fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let mut members = Members::of(json, "an object")?;
        let is_forwarded = members.read("source", one_of(&[("connection", false), ("forwarded", true)]))?.unwrap_or(false);
        let chain = members.read("chain", one_of(&[("connection", Chain::Connection), ("listener", Chain::Listener)]))?;
        let only_forwarded = |json| {
            if is_forwarded { Ok(json) } else { Err(ConfigError::expected("source \"forwarded\" where this member is")) }
        };
        let dialects = [("xfcc", Dialect::Xfcc), ("client-cert", Dialect::ClientCert), ("x-ssl-cert", Dialect::XSslCert)];
        let dialect = members.read("dialect", |json| only_forwarded(json).and_then(one_of(&dialects)))?;
        let trusted_proxies = members
            .read("trusted_proxies", |json| only_forwarded(json)?.some_elements("at least one proxy", TrustedProxy::from_json))?;
        let server_name_matches = members.read("server_name", one_of(&[("match", true), ("ignore", false)]))?;
        members.finish()?;
        let source = if is_forwarded {
            Source::Forwarded { dialect: dialect.unwrap_or(Dialect::Xfcc), trusted_proxies }
        } else {
            Source::Connection
        };
        Ok(Self { chain: chain.unwrap_or_default(), source, server_name_matches })
    }
}
