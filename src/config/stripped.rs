//! Which request headers and trailers no client may set (SPEC §5).

use super::{Forward, PolicyMembers, Source};
use crate::certificate::Dialect;
use crate::error::ConfigError;
use crate::json::Json;
use crate::request::{is_token, same_header};

/// Names that carry a client's identity at some server or proxy, and beginnings of such names.
const IDENTITY: [(&str, Extent); 19] = [
    ("client-cert", Extent::Name),
    ("client-cert-chain", Extent::Name),
    ("client-certificate", Extent::Name),
    ("x-ssl-cert", Extent::Beginning),
    ("x-ssl-client-", Extent::Beginning),
    ("ssl-client-", Extent::Beginning),
    ("x-client-cert", Extent::Beginning),
    ("x-clientcert", Extent::Beginning),
    ("x-forwarded-tls-client-", Extent::Beginning),
    ("x-amzn-mtls-", Extent::Beginning),
    ("x-arr-clientcert", Extent::Name),
    ("cf-client-cert-", Extent::Beginning),
    ("cloudfront-viewer-cert-", Extent::Beginning),
    ("x-client-verify", Extent::Name),
    ("x-client-dn", Extent::Name),
    ("x-client-subject", Extent::Beginning),
    ("x-wso2-mutual-auth-cert", Extent::Name),
    ("sec-client-x509-cert", Extent::Beginning),
    ("l5d-client-id", Extent::Name),
];

/// How much of a header's name is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Name,
    Beginning,
}

impl Extent {
    /// Whether `name` is `given`, or begins so, to some backend.
    fn covers(self, given: &str, name: &str) -> bool {
        match self {
            Self::Name => same_header(given, name),
            Self::Beginning => name.get(..given.len()).is_some_and(|start| same_header(given, start)),
        }
    }
}

/// Whether `name` begins as one of [`IDENTITY`]. It is asked for each header of each request, and hardly any does.
fn may_be_identity(name: &str) -> bool {
    let Some([first, second, third, fourth]) = name.as_bytes().first_chunk() else { return false };
    match first | 0x20 {
        b'x' => match third | 0x20 {
            b's' => fourth | 0x20 == b's',
            b'c' => fourth | 0x20 == b'l',
            b'a' => matches!(fourth | 0x20, b'm' | b'r'),
            b'w' => fourth | 0x20 == b's',
            // x-forwarded-tls-client-, and not the two of x-forwarded- that every request has.
            b'f' => name.as_bytes().get(12).is_some_and(|b| b | 0x20 == b't'),
            _ => false,
        },
        b'c' => matches!(second | 0x20, b'l' | b'f'),
        b'l' => *second == b'5',
        b's' => matches!(second | 0x20, b's' | b'e'),
        _ => false,
    }
}

/// Headers that mean something to HTTP or to Envoy: no identity is written into them, and no pattern takes them away.
const RESERVED: [(&str, Extent); 16] = [
    ("authorization", Extent::Name),
    ("connection", Extent::Name),
    ("content-", Extent::Beginning),
    ("cookie", Extent::Name),
    ("host", Extent::Name),
    ("http2-settings", Extent::Name),
    ("keep-alive", Extent::Name),
    ("proxy-authenticate", Extent::Name),
    ("proxy-authorization", Extent::Name),
    ("proxy-connection", Extent::Name),
    ("te", Extent::Name),
    ("trailer", Extent::Name),
    ("transfer-encoding", Extent::Name),
    ("upgrade", Extent::Name),
    ("x-envoy-", Extent::Beginning),
    ("x-request-id", Extent::Name),
];

/// Whether `name` is one of the headers that HTTP or Envoy need.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|(reserved, extent)| extent.covers(reserved, name))
}

/// An entry of `forward.strip`: a name, or the beginning of names before a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeaderPattern {
    /// In lower case, without the `*`.
    text: Box<str>,
    extent: Extent,
}

impl HeaderPattern {
    /// Fewer characters before a `*` would take away headers that nobody thought of.
    const FEWEST_BEFORE_WILDCARD: usize = 4;

    /// # Errors
    /// The pointer is relative to the entry.
    pub(super) fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let text = json.string("a header name")?.to_ascii_lowercase();
        let (text, extent) = match text.strip_suffix('*') {
            Some(beginning) => (beginning.into(), Extent::Beginning),
            None => (text.into(), Extent::Name),
        };
        let pattern = Self { text, extent };
        if !is_token(pattern.text.as_bytes()) || pattern.text.contains('*') {
            return Err(ConfigError::expected("a header name (RFC 9110 section 5.1), with * at its end at most"));
        }
        if extent == Extent::Beginning && pattern.text.len() < Self::FEWEST_BEFORE_WILDCARD {
            return Err(ConfigError::expected("at least four characters before the *"));
        }
        if let Some((reserved, _)) = RESERVED.iter().find(|(reserved, extent)| pattern.meets(reserved, *extent)) {
            return Err(ConfigError::expected(format!("headers that HTTP can do without: this takes \"{reserved}\" away")));
        }
        Ok(pattern)
    }

    /// Whether the entry takes the header `name` away, in whatever spelling.
    fn covers(&self, name: &str) -> bool {
        self.extent.covers(&self.text, name)
    }

    /// Whether there is a name that both cover.
    fn meets(&self, other: &str, extent: Extent) -> bool {
        extent.covers(other, &self.text) || (self.extent == Extent::Beginning && self.covers(other))
    }
}

/// The headers that the filter itself reads and writes, whichever tenant is concerned.
pub(super) struct IdentityHeaders {
    /// What the `forward` of the top level or of any tenant writes.
    written: Vec<Box<str>>,
    /// What the `peer_certificate` of any of them reads.
    read: Vec<&'static str>,
}

impl IdentityHeaders {
    /// Those of all `policies`.
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a PolicyMembers>) -> Self {
        let (mut written, mut read) = (Vec::<Box<str>>::new(), Vec::new());
        for members in policies {
            let source = members.peer_certificate.as_ref().map(|policy| &policy.source);
            let header = source.and_then(Source::header).map(Dialect::header_name);
            read.extend(header.filter(|header| !read.contains(header)));
            for name in members.forward.iter().flat_map(|forward| forward.written_names()) {
                if !written.iter().any(|other| **other == *name) {
                    written.push(name.into());
                }
            }
        }
        Self { written, read }
    }

    /// What is taken away under the members `own` of the top level, or of a tenant below the members `above`.
    ///
    /// # Errors
    /// `forward.keep` of `own` names what must be taken away.
    pub(super) fn stripped_under(
        &self,
        own: &PolicyMembers,
        above: Option<&PolicyMembers>,
    ) -> Result<StrippedHeaders, ConfigError> {
        let forwards = [above, Some(own)].map(|members| members.and_then(|members| members.forward.as_deref()));
        let patterns: Vec<_> = forwards.iter().flatten().flat_map(|forward| forward.strip_patterns()).cloned().collect();
        let kept = |forward: &Forward| forward.kept_names().to_vec();
        if let Some(keep) = own.forward.as_deref().map(kept) {
            for (index, name) in keep.iter().enumerate() {
                let wanted = match () {
                    // A client could send it itself, and the backend would take it for the filter's.
                    () if self.written.iter().any(|written| same_header(written, name)) => "a header that no forward writes",
                    () if patterns.iter().any(|pattern| pattern.covers(name)) => "a header that strip does not take away",
                    () => continue,
                };
                return Err(ConfigError::expected(wanted).within(index).within("keep").within("forward"));
            }
        }
        let members = [Some(own), above];
        let mut sources = members.iter().flatten().map(|members| members.peer_certificate.as_ref());
        let source = sources.find_map(|policy| policy);
        let own_header = source.and_then(|policy| policy.source.header());
        let in_force = own.forward.as_deref().or(forwards.into_iter().flatten().next());
        Ok(StrippedHeaders {
            own: own_header,
            read: self.read.clone(),
            written: self.written.clone(),
            kept: in_force.map(kept).unwrap_or_default(),
            patterns,
        })
    }
}

/// The headers and trailers that no client may hand to the backend under one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrippedHeaders {
    /// The header from which this policy reads the certificate.
    own: Option<Dialect>,
    read: Vec<&'static str>,
    written: Vec<Box<str>>,
    kept: Vec<Box<str>>,
    patterns: Vec<HeaderPattern>,
}

impl StrippedHeaders {
    /// Whether a header or trailer of this name must not reach the backend as it came. `trusted` = the header from which the
    /// client's certificate was read, if it was.
    #[must_use]
    pub fn strips(&self, name: &str, trusted: Option<Dialect>) -> bool {
        if self.written.iter().any(|written| same_header(written, name))
            || self.patterns.iter().any(|pattern| pattern.covers(name))
        {
            return true;
        }
        let is_identity = may_be_identity(name) && IDENTITY.iter().any(|(identity, extent)| extent.covers(identity, name));
        if !is_identity && !self.read.iter().any(|read| same_header(read, name)) {
            return false;
        }
        let is_kept = self.kept.iter().any(|kept| kept.as_ref() == name);
        let is_own = self.own.is_some_and(|own| same_header(own.header_name(), name));
        !is_kept || (is_own && trusted != self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Configuration, HostPolicy};
    use super::*;

    fn stripped(configuration: &str, host: &str) -> StrippedHeaders {
        let configuration = Configuration::parse(configuration.as_bytes()).unwrap();
        let policy: HostPolicy = configuration.policy_for(host.as_bytes());
        policy.handling().stripped.as_ref().clone()
    }

    #[test]
    fn identity_headers_are_stripped() {
        let nothing = StrippedHeaders::default();
        for name in [
            "client-cert",
            "client-cert-chain",
            "client-certificate",
            "x-ssl-cert",
            "x-ssl-cert-chain-0",
            "x-ssl-certificate",
            "x-ssl-client-dn",
            "x-ssl-client-",
            "ssl-client-verify",
            "x-client-cert",
            "x-client-certificate",
            "x-clientcert",
            "x-forwarded-tls-client-cert",
            "x-forwarded-tls-client-cert-info",
            "x-amzn-mtls-clientcert",
            "x-arr-clientcert",
            "cf-client-cert-der-base64",
            "cloudfront-viewer-cert-pem",
            "x-client-verify",
            "x-client-dn",
            "x-client-subject-dn",
            "x-wso2-mutual-auth-cert",
            "sec-client-x509-cert",
            "l5d-client-id",
            "x_ssl_cert",
            "ssl_client_s-dn",
            "X-SSL-Cert",
            "client_cert",
            "x.ssl.cert",
        ] {
            for spelt in [name.to_owned(), name.replace('-', "_"), name.replace('-', ".")] {
                assert!(nothing.strips(&spelt, None), "{spelt}");
            }
        }
        for name in [
            "x-forwarded-client-cert",
            "x-forwarded-for",
            "client-certx",
            "client-certificate-x",
            "x-ssl",
            "authorization",
            "ssl-client",
            "x-arr-clientcertx",
            "x-client-verified",
            "l5d-client-ids",
            "cf-client-cert",
            "x",
            "",
            "é-ssl-client",
        ] {
            assert!(!nothing.strips(name, None), "{name}");
        }
    }

    #[test]
    fn the_short_look_at_a_name_misses_no_identity() {
        for (name, _) in IDENTITY {
            assert!(may_be_identity(name) && may_be_identity(&name.replace('-', "_")), "{name}");
        }
    }

    #[test]
    fn what_any_tenant_writes_reads_or_names() {
        let text = r#"{
            "clients": [], "forward": {"client_id": "X-Client-Id", "keep": ["ssl-client-verify", "client-cert"], "strip": ["x-who", "x-corp-*"]},
            "tenants": [
                {"hosts": ["a"]},
                {"hosts": ["b"], "forward": {"thumbprint": "x-thumb", "strip": ["x-b"]}},
                {"hosts": ["c"], "forward": {"certificate": ["x-forwarded-client-cert"], "keep": ["client-cert"]},
                 "peer_certificate": {"source": "forwarded", "dialect": "client-cert"}}
            ]
        }"#;
        for (host, name, strips) in [
            ("other", "x-client-id", true),
            ("other", "x_client_id", true),
            ("other", "x-thumb", true),
            ("other", "x-forwarded-client-cert", true),
            ("other", "x-who", true),
            ("other", "X.Corp.user", true),
            ("other", "x-corp", false),
            ("other", "x-b", false),
            ("other", "ssl-client-verify", false),
            ("other", "ssl_client_verify", true),
            ("a", "ssl-client-verify", false),
            ("a", "x-who", true),
            ("b", "ssl-client-verify", true),
            ("b", "x-who", true),
            ("b", "x-b", true),
            ("b", "x_b", true),
            ("b", "client-cert", true),
            ("c", "client-cert", true),
            ("other", "client-cert", false),
        ] {
            assert_eq!(stripped(text, host).strips(name, None), strips, "{host} {name}");
        }
        let trusted = Some(Dialect::ClientCert);
        assert!(!stripped(text, "c").strips("client-cert", trusted));
        assert!(stripped(text, "c").strips("client_cert", trusted));
    }

    #[test]
    fn patterns() {
        for (text, wanted) in [
            ("x-corp-user", Ok(())),
            ("X-Corp-*", Ok(())),
            ("x-forwarded-client-cert", Ok(())),
            ("x-forwarded-*", Ok(())),
            ("expect", Ok(())),
            ("*", Err("a header name")),
            ("", Err("a header name")),
            (":path", Err("a header name")),
            (":pat*", Err("a header name")),
            ("x-*-cert", Err("a header name")),
            ("x-a**", Err("a header name")),
            ("x-c*", Err("four characters")),
            ("c*", Err("four characters")),
            ("cont*", Err("content-")),
            ("content-md5", Err("content-")),
            ("content_length", Err("content-")),
            ("content-type*", Err("content-")),
            ("cookie", Err("cookie")),
            ("cook*", Err("cookie")),
            ("host", Err("host")),
            ("host*", Err("host")),
            ("hosts", Ok(())),
            ("auth*", Err("authorization")),
            ("Authorization", Err("authorization")),
            ("x-en*", Err("x-envoy-")),
            ("x-envoy-*", Err("x-envoy-")),
            ("x_envoy_peer", Err("x-envoy-")),
            ("x-re*", Err("x-request-id")),
            ("x-request-id", Err("x-request-id")),
            ("te", Err("te")),
            ("transfer-encoding", Err("transfer-encoding")),
            ("upgr*", Err("upgrade")),
            ("proxy-*", Err("proxy-")),
        ] {
            let read = HeaderPattern::from_json(&Json::String(text.to_owned()));
            match wanted {
                Ok(()) => assert!(read.is_ok(), "{text}"),
                Err(what) => assert!(read.as_ref().is_err_and(|error| error.message.contains(what)), "{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn what_must_go_is_not_kept() {
        for (text, pointer) in [
            (r#"{"clients": [], "forward": {"client_id": "x-a", "keep": ["b", "X_A"]}}"#, "/forward/keep/1"),
            (r#"{"clients": [], "forward": {"strip": ["x-corp-*"], "keep": ["x_corp.a"]}}"#, "/forward/keep/0"),
            (
                r#"{"clients": [], "forward": {"keep": ["x-a"]}, "tenants": [{"hosts": ["a"], "forward": {"client_id": "x-a"}}]}"#,
                "/forward/keep/0",
            ),
            (
                r#"{"clients": [], "forward": {"client_id": "x-a"}, "tenants": [{"hosts": ["a"]}, {"hosts": ["b"], "forward": {"keep": ["y", "x-a"]}}]}"#,
                "/tenants/1/forward/keep/1",
            ),
            (
                r#"{"clients": [], "forward": {"strip": ["x-abc*"]}, "tenants": [{"hosts": ["b"], "forward": {"keep": ["x-abcd"]}}]}"#,
                "/tenants/0/forward/keep/0",
            ),
        ] {
            assert_eq!(Configuration::parse(text.as_bytes()).unwrap_err().pointer, pointer, "{text}");
        }
    }
}
