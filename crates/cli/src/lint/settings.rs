//! Settings of the filter, judged one by one.

use std::net::Ipv4Addr;

use serde_json::Value;
use tls_client_auth::host::CertificateHeader;
use tls_client_auth::{Configuration, DistinguishedName};

use super::{Finding, Severity, endpoints, paths};
use crate::envoy_config::{FailurePolicy, FilterKind, FilterSettings, ListenerSettings};

/// Settings that load and that somebody may not mean.
pub fn doubts(configuration: &Value, listener: Option<&ListenerSettings>) -> Vec<Finding> {
    let tenants = configuration
        .get("tenants")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut doubts =
        PolicyMembers { own: configuration, top: configuration, at: String::new(), listener }
            .doubts();
    // The policy of the top level holds for hosts only where it has clients.
    let top_holds = ["clients", "registry"].iter().any(|name| configuration.get(name).is_some());
    let no_endpoints = |at: &str| {
        let message = "no endpoints: every request that reaches the filter is gated, also those \
            that carry no client authentication; list the paths that do";
        doubt(at, message)
    };
    if configuration.get("endpoints").is_none() {
        if top_holds {
            doubts.push(no_endpoints(""));
        } else {
            let without =
                tenants.iter().enumerate().filter(|(_, tenant)| tenant.get("endpoints").is_none());
            doubts.extend(without.map(|(index, _)| no_endpoints(&format!("/tenants/{index}"))));
        }
    }
    for (index, own) in tenants.iter().enumerate() {
        doubts.extend(
            PolicyMembers { own, top: configuration, at: format!("/tenants/{index}"), listener }
                .doubts(),
        );
    }
    doubts.extend(of_server_names(configuration, tenants));
    doubts
}

/// What each entry of `endpoints` stands for.
pub fn gated(configuration: &Value) -> Vec<Finding> {
    let entries = endpoints::entries(configuration).into_iter();
    let listed = entries.filter_map(|(pointer, text, _)| {
        let message = format!("gates {}", paths::gated_by(text.as_deref()?.trim_end_matches('/')));
        Some(Finding { severity: Severity::Note, line: None, pointer: Some(pointer), message })
    });
    listed.collect()
}

/// Whether clients with certificates of their own making are served on connections that this filter
/// looks at.
pub fn serves_self_signed(configuration: &Value) -> bool {
    const METHOD: &str = "self_signed_tls_client_auth";
    let tenants = configuration.get("tenants").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(configuration).chain(tenants).any(|own| {
        let said = |name: &str| own.get(name).or_else(|| configuration.get(name));
        let methods = said("methods").and_then(Value::as_array);
        let is_allowed =
            methods.is_none_or(|methods| methods.iter().any(|method| method == METHOD));
        let is_forwarded = said("peer_certificate")
            .and_then(|peer| peer.get("source"))
            .is_some_and(|source| source == "forwarded");
        let is_method = |client: &Value| {
            client.get("token_endpoint_auth_method").is_some_and(|method| method == METHOD)
        };
        let clients = own.get("clients").and_then(Value::as_array);
        is_allowed
            && !is_forwarded
            && (own.get("registry").is_some()
                || clients.is_some_and(|all| all.iter().any(is_method)))
    })
}

/// Tenants by host that the name of the connection does not tell apart, so that a certificate that
/// one of them trusts counts for another one.
fn of_server_names(configuration: &Value, tenants: &[Value]) -> Vec<Finding> {
    let by_host: Vec<(usize, &Value)> =
        tenants.iter().enumerate().filter(|(_, tenant)| tenant.get("hosts").is_some()).collect();
    let has_top = ["clients", "registry"].iter().any(|name| configuration.get(name).is_some());
    if by_host.len() + usize::from(has_top) < 2 {
        return Vec::new();
    }
    let mut doubts = Vec::new();
    let mut nameless = Vec::new();
    for (index, tenant) in by_host {
        let own = tenant.get("peer_certificate");
        let peer = own.or_else(|| configuration.get("peer_certificate"));
        let said = |name: &str| peer.and_then(|peer| peer.get(name));
        if tenant.get("trust_anchors").is_some() {
            continue;
        }
        let at = if own.is_some() {
            format!("/tenants/{index}/peer_certificate")
        } else {
            "/peer_certificate".to_owned()
        };
        let mut add = |member: &str, message: &str| {
            let doubt = doubt(&format!("{at}/{member}"), message);
            if doubts.iter().all(|known: &Finding| known.pointer != doubt.pointer) {
                doubts.push(doubt);
            }
        };
        let is_matched =
            said("server_name").and_then(Value::as_str).is_some_and(|word| word == "match");
        if said("trusted_proxies").is_some() && !is_matched {
            add(
                "trusted_proxies",
                "several tenants by host behind one hop: the server name is the hop's own, so a \
                 certificate that the hop accepts for one tenant counts for every other one; let \
                 the hop trust the same authorities for all of them, or give each tenant a hop of \
                 its own",
            );
        } else if said("server_name").and_then(Value::as_str) == Some("ignore") {
            add(
                "server_name",
                "several tenants by host: a client can connect under the name of one tenant, be \
                 verified by its authorities, and send the :authority of another one; leave this \
                 member out",
            );
        } else {
            let hosts = tenant
                .get("hosts")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .enumerate();
            let first = hosts.into_iter().find(|(_, host)| has_no_server_name(host));
            nameless.extend(first.map(|(at, host)| {
                (format!("/tenants/{index}/hosts/{at}"), host.to_ascii_lowercase())
            }));
        }
    }
    nameless.dedup_by(|one, other| one.1 == other.1);
    if nameless.len() + usize::from(has_top) > 1 {
        let message = "clients reach this host without a server name (RFC 6066 has none for an \
            address, Java sends none without a dot), as they reach another tenant: a certificate \
            that the listener accepts without a server name counts for both; give the tenant a \
            name with a dot";
        doubts.extend(nameless.into_iter().map(|(pointer, _)| doubt(&pointer, message)));
    }
    doubts
}

/// Whether clients send no server name for this host.
fn has_no_server_name(host: &str) -> bool {
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    is_address || !host.trim_end_matches('.').contains('.')
}

/// The members of the top level or of a tenant.
struct PolicyMembers<'a> {
    own: &'a Value,
    /// What holds where the tenant says nothing.
    top: &'a Value,
    /// JSON Pointer.
    at: String,
    /// Where the file shows it.
    listener: Option<&'a ListenerSettings>,
}

impl PolicyMembers<'_> {
    fn doubts(&self) -> Vec<Finding> {
        let mut doubts = Vec::new();
        for (pointer, wanted, message) in [
            (
                "/mode",
                "shadow",
                "nothing is protected; set \"enforce\" once what would be refused is what you mean \
                 to refuse",
            ),
            (
                "/unregistered_clients",
                "pass",
                "a client without an entry is the backend's to authenticate, whatever its \
                 certificate; the backend must compare client_id exactly",
            ),
            (
                "/peer_certificate/chain",
                "listener",
                "names count though the filter does not know that the chain was verified; the \
                 listener must refuse untrusted certificates (no ACCEPT_UNTRUSTED)",
            ),
            ("/log", "none", "refusals leave no decision line"),
        ] {
            let has_proxies = self.own.pointer("/peer_certificate/trusted_proxies").is_some();
            let message = match (wanted, has_proxies) {
                ("listener", true) => {
                    "the names in trusted_proxies count though the filter does not know that the \
                     proxy's certificate was verified; the listener must refuse untrusted \
                     certificates (in Istio: PeerAuthentication with mode STRICT)"
                }
                _ => message,
            };
            // A listener that is seen to refuse them leaves no doubt.
            let is_seen = wanted == "listener"
                && self.listener.is_some_and(ListenerSettings::refuses_untrusted);
            if !is_seen && self.own.pointer(pointer).and_then(Value::as_str) == Some(wanted) {
                doubts.push(self.doubt(pointer, message));
            }
        }
        if let Some(Value::Array(_)) = self.own.pointer("/peer_certificate/trusted_proxies") {
            doubts.push(self.doubt(
                "/peer_certificate/trusted_proxies",
                "whoever holds a key of one of these is every client; each must refuse \
                 certificates that it cannot verify and overwrite the header",
            ));
        }
        // 1 MiB: Envoy's default per_connection_buffer_limit_bytes.
        if self.listener.is_none()
            && self
                .own
                .get("max_body_bytes")
                .and_then(Value::as_u64)
                .is_some_and(|octets| octets >= 1 << 20)
        {
            doubts.push(self.doubt(
                "/max_body_bytes",
                "Envoy's own 413 comes before the filter's, unless \
                 per_connection_buffer_limit_bytes of the listener is larger",
            ));
        }
        doubts.extend(self.of_kept_headers());
        doubts.extend(self.of_registry());
        let clients = self.own.get("clients").and_then(Value::as_array);
        if clients.is_some_and(Vec::is_empty) {
            doubts.push(self.doubt("/clients", "no client is registered"));
        }
        for (index, client) in clients.into_iter().flatten().enumerate() {
            doubts.extend(of_client(client, &format!("{}/clients/{index}", self.at)));
        }
        doubts
    }

    /// `keep` names headers by which servers tell who a client is.
    fn of_kept_headers(&self) -> Vec<Finding> {
        let peer = self.own.get("peer_certificate").or_else(|| self.top.get("peer_certificate"));
        let said = |name: &str| peer.and_then(|peer| peer.get(name)).and_then(Value::as_str);
        let read = match (said("source"), said("dialect")) {
            (Some("forwarded"), Some("client-cert")) => Some(CertificateHeader::ClientCert),
            (Some("forwarded"), Some("x-ssl-cert")) => Some(CertificateHeader::XSslCert),
            (Some("forwarded"), _) => Some(CertificateHeader::XForwardedClientCert),
            _ => None,
        };
        let kept = self
            .own
            .pointer("/forward/keep")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate();
        // The header that the filter itself reads goes on only where it was believed.
        let kept = kept.filter(|(_, name)| {
            let name = name.as_str().unwrap_or_default();
            read.is_none_or(|read| !name.eq_ignore_ascii_case(read.name()))
        });
        let message = "clients can send this header themselves, and it reaches the backend as it \
            came; the backend must not believe it";
        kept.map(|(index, _)| self.doubt(&format!("/forward/keep/{index}"), message)).collect()
    }

    fn of_registry(&self) -> Vec<Finding> {
        let Some(registry) = self.own.get("registry") else { return Vec::new() };
        let mut doubts = Vec::new();
        if registry.get("allow_empty") == Some(&Value::Bool(true)) {
            doubts.push(self.doubt(
                "/registry/allow_empty",
                "an empty answer of the registry takes every client away",
            ));
        }
        let path = registry.get("path").and_then(Value::as_str).unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let is_authlete = path.trim_end_matches('/').ends_with("/client/get/list");
        if is_authlete
            && !query.split('&').any(|parameter| parameter.split('=').next() == Some("end"))
        {
            let message = "Authlete answers with five clients where the path names no end, and the \
                rest takes further requests: add \"?start=0&end=500\"";
            doubts.push(self.doubt("/registry/path", message));
        }
        for name in registry
            .get("headers")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|headers| headers.keys())
        {
            let lower = name.to_ascii_lowercase();
            if ["auth", "cookie", "key", "secret", "token"].iter().any(|part| lower.contains(part))
            {
                let pointer =
                    format!("/registry/headers/{}", name.replace('~', "~0").replace('/', "~1"));
                doubts.push(
                    self.doubt(
                        &pointer,
                        "readable in Envoy's /config_dump; guard the admin endpoint",
                    ),
                );
            }
        }
        doubts
    }

    fn doubt(&self, pointer: &str, message: &str) -> Finding {
        doubt(&format!("{}{pointer}", self.at), message)
    }
}

fn of_client(client: &Value, at: &str) -> Vec<Finding> {
    let text = |name: &str| client.get(name).and_then(Value::as_str);
    let mut doubts = Vec::new();
    if let Some(name) = text("tls_client_auth_subject_dn")
        && !name.starts_with('/')
        && let Ok(parsed) = DistinguishedName::parse(name)
        && looks_reversed(&parsed)
    {
        let mut rdns: Vec<String> = parsed.printed_rdns().collect();
        rdns.reverse();
        doubts.push(doubt(
            &format!("{at}/tls_client_auth_subject_dn"),
            &format!(
                "this looks like reverse order: RFC 4514 writes the most specific RDN first, \
                \"{}\"",
                rdns.join(",")
            ),
        ));
    }
    if text("tls_client_auth_san_dns").is_some_and(|name| name.contains('*')) {
        doubts.push(doubt(
            &format!("{at}/tls_client_auth_san_dns"),
            "RFC 8705 knows no wildcards: only a certificate with this very text, asterisk \
             included, matches",
        ));
    }
    if client.pointer("/backend_authentication/client_secret").is_some() {
        doubts.push(doubt(
            &format!("{at}/backend_authentication/client_secret"),
            "the secret is readable in Envoy's /config_dump; guard the admin endpoint, or let a \
             registry hold it",
        ));
    }
    doubts
}

/// From the whole world to one client, as OpenSSL prints names.
fn looks_reversed(name: &DistinguishedName) -> bool {
    let kinds: Vec<String> = name.rdns().filter_map(|rdn| Some(rdn.first()?.0.clone())).collect();
    let is = |kind: Option<&String>, wanted: &[&str]| {
        kind.is_some_and(|kind| wanted.iter().any(|one| kind.eq_ignore_ascii_case(one)))
    };
    kinds.len() > 1
        && is(kinds.first(), &["C", "DC"])
        && is(
            kinds.last(),
            &["CN", "OU", "UID", "emailAddress", "serialNumber", "organizationIdentifier"],
        )
}

/// The settings of the wasm filter itself.
pub fn of_filter(filter: &FilterSettings) -> Vec<Finding> {
    let at = Some(filter.line);
    let mut findings = Vec::new();
    match filter.kind {
        FilterKind::Envoy { allow_on_headers_stop_iteration, is_structured } => {
            if !allow_on_headers_stop_iteration {
                findings.push(Finding::error(
                    at,
                    "without allow_on_headers_stop_iteration: true \
                    every gated request is answered with 500",
                ));
            }
            if is_structured {
                findings.push(Finding::error(
                    at,
                    "the configuration must be a StringValue with \
                    JSON: Envoy hands a Struct to the module as protobuf",
                ));
            }
        }
        // What Envoy Gateway leaves out is added by a policy of its own, which may stand elsewhere:
        // `gateway`.
        FilterKind::ExtensionPolicy => {}
        FilterKind::WasmPlugin => findings.push(Finding::doubtful(
            at,
            "a WasmPlugin cannot set allow_on_headers_stop_iteration, without which every gated \
             request is answered with 500: install the filter by an EnvoyFilter",
        )),
    }
    match (filter.failure, &filter.kind) {
        (FailurePolicy::Open, _) => {
            findings.push(Finding::error(at, "FAIL_OPEN lets everybody in after a fault"))
        }
        (FailurePolicy::Closed, FilterKind::Envoy { .. }) => {
            let message = "without failure_policy: FAIL_RELOAD a fault is answered with 503 until \
                Envoy is restarted";
            findings.push(Finding::doubtful(at, message));
        }
        _ => {}
    }
    findings.into_iter().map(|finding| finding.at(filter.pointer.clone())).collect()
}

/// Keys that authenticate no client, beside others that do.
pub fn left_out(configuration: &str) -> impl Iterator<Item = Finding> {
    let warnings = Configuration::warnings(configuration.as_bytes()).into_iter();
    warnings.map(|warning| {
        doubt(&warning.pointer, &format!("this key is left out: {}", warning.message))
    })
}

fn doubt(pointer: &str, message: &str) -> Finding {
    Finding::doubtful(None, message).at(pointer)
}
