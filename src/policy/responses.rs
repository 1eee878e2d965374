//! What an operator decided about the answers of the backend (contract §10, §14). Only a host that
//! reads them can carry it out.

use crate::request::Endpoints;

/// `bound_tokens.response_check`: what follows where the backend issues an access token that is not
/// bound to the certificate of its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseCheck {
    /// Answers are not read.
    #[default]
    Off,
    /// It is counted and logged.
    Count,
    /// The answer is replaced by a refusal, so that the token does not leave.
    Enforce,
}

/// `discovery`: where the backend publishes its metadata (RFC 8414, OpenID Connect Discovery), and
/// what is added to it.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// `paths`.
    pub paths: Endpoints,
    /// `mtls_endpoint_aliases` (RFC 8705 §5): where clients reach the endpoints by mutual TLS;
    /// `None` = where the metadata says.
    pub aliases: Option<AliasOrigin>,
}

/// An origin (RFC 6454 §4) of the scheme `https`, under which the aliases of endpoints are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasOrigin(Box<str>);

impl AliasOrigin {
    const SCHEME: &str = "https://";

    /// Reads the origin as in `https://mtls.as.example.com:8443`; `None` = it is none, or is one
    /// with a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let authority = text.strip_prefix(Self::SCHEME)?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_host = if let Some(address) = host.strip_prefix('[') {
            address.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())
        } else {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        let is_port = port.is_none_or(|port| {
            port.bytes().all(|b| b.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        (is_host && is_port).then(|| Self(text.into()))
    }

    /// Scheme, host and port, without a slash behind them.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port, as `:authority` has them.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.strip_prefix(Self::SCHEME).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for text in
            ["https://a", "https://mtls.as.example.com:8443", "https://[::1]", "https://[::1]:1"]
        {
            let origin = AliasOrigin::parse(text).unwrap();
            assert_eq!(format!("https://{}", origin.authority()), text);
            assert_eq!(origin.as_str(), text);
        }
        for text in [
            "",
            "https://",
            "a",
            "http://a",
            "HTTPS://a",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a:",
            "https://a:0",
            "https://a:65536",
            "https://a:+1",
            "https://:1",
            "https://[::1",
            "https://::1",
            "https://[a]",
            "https://a b",
            "https://a\\b",
            "https://a\"",
            "https://é",
        ] {
            assert_eq!(AliasOrigin::parse(text), None, "{text}");
        }
    }
}
