//! The member `peer_certificate` (contract §4).

use super::header_of_its_own;
use crate::certificate::{AlternativeName, CertificateHeader, Thumbprint};
use crate::json::{Json, JsonError, Members, one_of};
use crate::policy::{
    Chain, NamedHeader, PeerCertificatePolicy, Source, TrustedProxies, TrustedProxy, VerifiedHeader,
};
use crate::request::same_header;

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
            one_of(
                &[Chain::Connection, Chain::Listener, Chain::Anchors]
                    .map(|chain| (chain.as_str(), chain)),
            ),
        )?;
        let only_forwarded = |json| {
            if is_forwarded {
                Ok(json)
            } else {
                Err(JsonError::expected("source \"forwarded\" where this member is"))
            }
        };
        let dialect = members.read("dialect", |json| {
            only_forwarded(json).and_then(one_of(&CertificateHeader::DIALECTS))
        })?;
        let name = members.read("header", |json| header_of_its_own(only_forwarded(json)?))?;
        let trusted_proxies = members.read("trusted_proxies", |json| {
            only_forwarded(json)?.some_elements("at least one proxy", trusted_proxy)
        })?;
        let verified = members.read("verified", |json| {
            if trusted_proxies.is_none() {
                return Err(JsonError::expected(
                    "trusted_proxies where this member is: it is their word on the chain",
                ));
            }
            verified_header(only_forwarded(json)?)
        })?;
        let server_name_matches =
            members.read("server_name", one_of(&[("match", true), ("ignore", false)]))?;
        members.finish()?;
        let source = if is_forwarded {
            let form = dialect.unwrap_or_default();
            let header = match name {
                Some(name) => NamedHeader { name: name.into(), form },
                None => NamedHeader::usual(form).ok_or_else(|| {
                    JsonError::expected("the member header: this dialect has no usual one")
                })?,
            };
            if verified.as_ref().is_some_and(|verified| same_header(&*verified.name, &*header.name))
            {
                return Err(JsonError::expected("another header than that of the certificate")
                    .within("header")
                    .within("verified"));
            }
            let trusted_proxies = trusted_proxies.map(|peers| TrustedProxies { peers, verified });
            Source::Forwarded { header, trusted_proxies }
        } else {
            Source::Connection
        };
        Ok(Self { chain: chain.unwrap_or_default(), source, server_name_matches })
    }
}

/// `verified`
fn verified_header(json: &Json) -> Result<VerifiedHeader, JsonError> {
    let mut members = Members::of(json, "an object")?;
    let name = members.read("header", header_of_its_own)?;
    let values =
        members.read("values", |json| json.some_elements("at least one value", vouching_value))?;
    members.finish()?;
    match (name, values) {
        (Some(name), Some(values)) => Ok(VerifiedHeader { name: name.into(), values }),
        (None, _) => Err(JsonError::expected("the member header")),
        (_, None) => Err(JsonError::expected("the member values")),
    }
}

/// A value that vouches for a chain. With a comma it could be the values of two headers, and an
/// empty one is no word at all.
fn vouching_value(json: &Json) -> Result<Box<str>, JsonError> {
    let expected = "the whole value of a header: visible ASCII, no comma, no blank at an end";
    let value = json.string(expected)?;
    let is_text = value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b',');
    if value.is_empty() || !is_text || value.trim() != value {
        return Err(JsonError::expected(expected));
    }
    Ok(value.into())
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
