//! The headers that are stripped (contract §5), from the members of the top level and all tenants.

use std::sync::Arc;

use super::PolicyMembers;
use crate::json::{Json, JsonError};
use crate::policy::{Forward, HeaderPattern, Source, StrippedHeaders};
use crate::request::same_header;

/// An entry of `forward.strip`.
///
/// # Errors
/// The pointer is relative to the entry.
pub(super) fn header_pattern(json: &Json) -> Result<HeaderPattern, JsonError> {
    HeaderPattern::parse(json.string("a header name")?).map_err(JsonError::expected)
}

/// The headers that the filter itself reads and writes for any tenant.
pub(super) struct IdentityHeaders {
    /// Those that the `forward` of the top level or of a tenant writes.
    written: Vec<Box<str>>,
    /// Those that the `peer_certificate` of any of them reads.
    read: Vec<Arc<str>>,
    /// The `payload_header` of each of them. It goes on only where the filter sets it again.
    payloads: Vec<Arc<str>>,
}

impl IdentityHeaders {
    /// The headers of all `policies`.
    pub(super) fn of<'a>(policies: impl Iterator<Item = &'a PolicyMembers>) -> Self {
        let (mut written, mut read) = (Vec::<Box<str>>::new(), Vec::<Arc<str>>::new());
        let mut payloads = Vec::<Arc<str>>::new();
        for members in policies {
            let source = members.peer_certificate.as_ref().map(|policy| &policy.source);
            for name in source.into_iter().flat_map(Source::read_names) {
                if !read.contains(name) {
                    read.push(name.clone());
                }
            }
            let jwt = members.bound_tokens.as_ref().and_then(|tokens| tokens.jwt.as_ref());
            payloads.extend(jwt.map(|jwt| jwt.payload_header.clone()));
            for name in members.forward.iter().flat_map(|forward| forward.written_names()) {
                if !written.iter().any(|other| **other == *name) {
                    written.push(name.into());
                }
            }
        }
        Self { written, read, payloads }
    }

    /// The headers that `keep` does not keep.
    fn never_kept(&self) -> Vec<Box<str>> {
        let payloads = self.payloads.iter().map(|name| Box::from(&**name));
        self.written.iter().cloned().chain(payloads).collect()
    }

    /// Checks that the `payload_header` of `own` is not also the name of another header.
    fn check_payload_header(&self, own: &PolicyMembers) -> Result<(), JsonError> {
        let jwt = own.bound_tokens.as_ref().and_then(|tokens| tokens.jwt.as_ref());
        let Some(name) = jwt.map(|jwt| &*jwt.payload_header) else { return Ok(()) };
        if self.written.iter().any(|other| same_header(&**other, name))
            || self.read.iter().any(|other| same_header(&**other, name))
        {
            let expected = "a header that neither forward writes nor peer_certificate reads";
            return Err(JsonError::expected(expected)
                .within("payload_header")
                .within("jwt")
                .within("bound_tokens"));
        }
        Ok(())
    }

    /// The headers that are stripped where it is not certain which of `policies` is in force: what
    /// one of them strips, none keeps.
    pub(super) fn stripped_for_all<'a>(
        &self,
        policies: impl Iterator<Item = &'a PolicyMembers>,
    ) -> StrippedHeaders {
        let forwards = policies.filter_map(|members| members.forward.as_deref());
        let patterns = forwards.flat_map(|forward| forward.strip_patterns()).cloned().collect();
        StrippedHeaders::new(Vec::new(), self.read.clone(), self.never_kept(), Vec::new(), patterns)
    }

    /// The headers that are stripped under the members `own`, which are those of the top level, or
    /// of a tenant where `above` are those of the top level.
    ///
    /// # Errors
    /// `forward.keep` of `own` names a header that must be stripped.
    pub(super) fn stripped_under(
        &self,
        own: &PolicyMembers,
        above: Option<&PolicyMembers>,
    ) -> Result<StrippedHeaders, JsonError> {
        self.check_payload_header(own)?;
        let forwards = [above, Some(own)]
            .map(|members| members.and_then(|members| members.forward.as_deref()));
        let patterns: Vec<_> = forwards
            .iter()
            .flatten()
            .flat_map(|forward| forward.strip_patterns())
            .cloned()
            .collect();
        let kept = |forward: &Forward| forward.kept_names().to_vec();
        if let Some(keep) = own.forward.as_deref().map(kept) {
            for (index, name) in keep.iter().enumerate() {
                let wanted = match () {
                    // The backend could not distinguish a header of the client from that of the
                    // filter.
                    () if self.written.iter().any(|written| same_header(&**written, &**name)) => {
                        "a header that no forward writes"
                    }
                    () if patterns.iter().any(|pattern| pattern.covers(name)) => {
                        "a header that strip does not take away"
                    }
                    () => continue,
                };
                return Err(JsonError::expected(wanted)
                    .within(index)
                    .within("keep")
                    .within("forward"));
            }
        }
        let members = [Some(own), above];
        let mut sources = members.iter().flatten().map(|members| members.peer_certificate.as_ref());
        let source = sources.find_map(|policy| policy);
        let own_names = source.into_iter().flat_map(|policy| policy.source.read_names());
        let in_force = own.forward.as_deref().or(forwards.into_iter().flatten().next());
        Ok(StrippedHeaders::new(
            own_names.cloned().collect(),
            self.read.clone(),
            self.never_kept(),
            in_force.map(kept).unwrap_or_default(),
            patterns,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::CertificateHeader;
    use crate::policy::{Configuration, TenantPolicy};

    fn stripped(configuration: &str, host: &str) -> StrippedHeaders {
        let configuration = Configuration::parse(configuration.as_bytes()).unwrap();
        let policy: TenantPolicy = configuration.policy_for(host.as_bytes(), b"/");
        policy.common().stripped.as_ref().clone()
    }

    #[test]
    fn headers_of_all_tenants_are_stripped() {
        let text = r#"{
            "clients": [],
            "forward": {
                "client_id": "X-Client-Id",
                "keep": ["ssl-client-verify", "client-cert"],
                "strip": ["x-who", "x-corp-*"]
            },
            "tenants": [
                {"hosts": ["a"]},
                {"hosts": ["b"], "forward": {"thumbprint": "x-thumb", "strip": ["x-b"]}},
                {
                    "hosts": ["c"],
                    "forward": {
                        "certificate": ["x-forwarded-client-cert"], "keep": ["client-cert"]
                    },
                    "peer_certificate": {"source": "forwarded", "dialect": "client-cert"}
                }
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
            assert_eq!(stripped(text, host).strips(name.as_bytes(), None), strips, "{host} {name}");
        }
        let trusted = Some(CertificateHeader::ByteSequence);
        assert!(!stripped(text, "c").strips(b"client-cert", trusted));
        assert!(stripped(text, "c").strips(b"client_cert", trusted));
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
            let read = header_pattern(&Json::String(text.to_owned()));
            match wanted {
                Ok(()) => assert!(read.is_ok(), "{text}"),
                Err(what) => assert!(
                    read.as_ref().is_err_and(|error| error.message.contains(what)),
                    "{text}: {read:?}"
                ),
            }
        }
    }

    #[test]
    fn a_stripped_header_cannot_be_kept() {
        for (text, pointer) in [
            (
                r#"{"clients": [], "forward": {"client_id": "x-a", "keep": ["b", "X_A"]}}"#,
                "/forward/keep/1",
            ),
            (
                r#"{"clients": [], "forward": {"strip": ["x-corp-*"], "keep": ["x_corp.a"]}}"#,
                "/forward/keep/0",
            ),
            (
                r#"{"clients": [], "forward": {"keep": ["x-a"]},
                    "tenants": [{"hosts": ["a"], "forward": {"client_id": "x-a"}}]}"#,
                "/forward/keep/0",
            ),
            (
                r#"{"clients": [], "forward": {"client_id": "x-a"},
                    "tenants": [{"hosts": ["a"]},
                                {"hosts": ["b"], "forward": {"keep": ["y", "x-a"]}}]}"#,
                "/tenants/1/forward/keep/1",
            ),
            (
                r#"{"clients": [], "forward": {"strip": ["x-abc*"]},
                    "tenants": [{"hosts": ["b"], "forward": {"keep": ["x-abcd"]}}]}"#,
                "/tenants/0/forward/keep/0",
            ),
        ] {
            assert_eq!(
                Configuration::parse(text.as_bytes()).unwrap_err().pointer,
                pointer,
                "{text}"
            );
        }
    }
}
