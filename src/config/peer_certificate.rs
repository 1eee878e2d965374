//! The member `peer_certificate` (contract §4).

use crate::certificate::{AlternativeName, CertificateHeader, Thumbprint};
use crate::json::{Json, JsonError, Members, one_of};
use crate::policy::{Chain, PeerCertificatePolicy, Source, TrustedProxies, TrustedProxy};

impl PeerCertificatePolicy {
    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to `peer_certificate`.
    pub(super) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let is_forwarded = members
            .read("source", one_of(&[("connection", false), ("forwarded", true)]))?
            .unwrap_or(false);
        let chain = members.read(
            "chain",
            one_of(&[Chain::Connection, Chain::Listener].map(|chain| (chain.as_str(), chain))),
        )?;
        let only_forwarded = |json| {
            if is_forwarded {
                Ok(json)
            } else {
                Err(JsonError::expected("source \"forwarded\" where this member is"))
            }
        };
        let dialects = CertificateHeader::ALL.map(|header| (header.dialect(), header));
        let header =
            members.read("dialect", |json| only_forwarded(json).and_then(one_of(&dialects)))?;
        let trusted_proxies = members.read("trusted_proxies", |json| {
            only_forwarded(json)?.some_elements("at least one proxy", trusted_proxy)
        })?;
        let server_name_matches =
            members.read("server_name", one_of(&[("match", true), ("ignore", false)]))?;
        members.finish()?;
        let source = if is_forwarded {
            Source::Forwarded {
                header: header.unwrap_or_default(),
                trusted_proxies: trusted_proxies.map(TrustedProxies),
            }
        } else {
            Source::Connection
        };
        Ok(Self { chain: chain.unwrap_or_default(), source, server_name_matches })
    }
}

fn trusted_proxy(json: &Json) -> Result<TrustedProxy, JsonError> {
    let expected = "the SHA-256 of a proxy's certificate, or a URI or host name of its subject \
        alternative names";
    let text = json.string(expected)?;
    let name = || {
        AlternativeName::uri(text).or_else(|| AlternativeName::dns(text)).map(TrustedProxy::Name)
    };
    Thumbprint::parse(text)
        .map(TrustedProxy::Certificate)
        .or_else(name)
        .ok_or_else(|| JsonError::expected(expected))
}
