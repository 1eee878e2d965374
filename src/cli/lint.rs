//! `lint`: every error and doubtful setting, where it stands, and how to mend it.

mod listener;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use tls_client_auth::certificate::{Dialect, DistinguishedName};
use tls_client_auth::config::Configuration;

use super::Unusable;
use super::output::{BOLD, Format, PLAIN, RED, YELLOW, print_json, visible};
use super::source::{self, Failure, Filter, FilterKind, Found};

/// A configuration with more mistakes than this has one that explains the others.
const MOST_ERRORS: usize = 100;

#[derive(Debug)]
struct Finding {
    is_error: bool,
    line: Option<usize>,
    /// JSON Pointer in the plugin configuration; none: it is about what stands round it.
    pointer: Option<String>,
    message: String,
}

impl Finding {
    fn error(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { is_error: true, line, pointer: None, message: message.into() }
    }

    fn doubtful(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { is_error: false, line, pointer: None, message: message.into() }
    }

    fn at(self, pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..self }
    }
}

pub fn run(configs: &[PathBuf], format: Format) -> Result<ExitCode, Unusable> {
    let mut all = Vec::new();
    let mut unusable = Vec::new();
    for config in configs {
        match source::read(config) {
            Ok(found) => {
                let findings = found.iter().flat_map(findings);
                all.extend(findings.map(|finding| (config.display().to_string(), finding)));
            }
            Err(error) => unusable.push(error),
        }
    }
    let has_errors = all.iter().any(|(_, finding)| finding.is_error);
    match format {
        Format::Json => print_json(&all.iter().map(|(file, finding)| to_json(file, finding)).collect())?,
        Format::Text => {
            let mut out = anstream::stdout().lock();
            for (file, Finding { is_error, line, pointer, message }) in &all {
                let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                let kind = if *is_error { format!("{RED}error{PLAIN}") } else { format!("{YELLOW}doubtful{PLAIN}") };
                let pointer = pointer.as_deref().filter(|pointer| !pointer.is_empty()).map(|pointer| format!("{pointer}: "));
                let message = format!("{}{message}", pointer.unwrap_or_default());
                writeln!(out, "{BOLD}{}{line}{PLAIN}: {kind}: {}", visible(file), visible(&message))?;
            }
            if all.is_empty() && unusable.is_empty() {
                writeln!(out, "no errors, nothing doubtful")?;
            }
        }
    }
    // The last is told by whoever ends the program.
    let last = unusable.pop();
    for unusable in unusable {
        unusable.print();
    }
    match last {
        Some(unusable) => Err(unusable),
        None => Ok(if has_errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

fn to_json(file: &str, finding: &Finding) -> Value {
    json!({
        "file": file,
        "line": finding.line,
        "pointer": finding.pointer,
        "severity": if finding.is_error { "error" } else { "doubtful" },
        "message": finding.message,
    })
}

fn findings(found: &Found) -> Vec<Finding> {
    let mut findings = errors(found);
    if let Ok(json) = serde_json::from_str(&found.text) {
        findings.extend(doubts(&json, found.filter_chain.is_some()));
        findings.extend(left_out(&found.text));
    }
    for finding in &mut findings {
        finding.line = finding.line.or_else(|| Some(found.line_of(finding.pointer.as_deref()?)));
    }
    findings.extend(found.filter.iter().flat_map(of_filter));
    if let (Some(chain), Ok(configuration)) = (&found.filter_chain, Configuration::parse(found.text.as_bytes())) {
        findings.extend(listener::findings(chain, &configuration));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn errors(found: &Found) -> Vec<Finding> {
    if let Err(error) = serde_json::from_str::<Value>(&found.text) {
        // The place is said in lines of the file, not of the text in it.
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        return vec![Finding::error(Some(found.line(error.line())), format!("not JSON: {message}")).at("")];
    }
    let mistakes = Configuration::mistakes(found.text.as_bytes(), MOST_ERRORS + 1);
    let has_more = mistakes.len() > MOST_ERRORS;
    let mistakes = mistakes.into_iter().take(MOST_ERRORS);
    let mut errors: Vec<_> = mistakes.map(|mistake| Finding::error(None, mistake.message).at(mistake.pointer)).collect();
    if has_more {
        errors.push(Finding::error(None, format!("more than {MOST_ERRORS} errors; the rest is not shown")).at(""));
    }
    errors
}

/// Settings that load and that somebody may not mean.
fn doubts(configuration: &Value, shows_listener: bool) -> Vec<Finding> {
    let tenants = configuration.get("tenants").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut doubts = Policy { own: configuration, top: configuration, at: String::new(), shows_listener }.doubts();
    // The policy of the top level holds for hosts only where it has clients.
    let top_holds = ["clients", "registry"].iter().any(|name| configuration.get(name).is_some());
    let no_endpoints = |at: &str| {
        let message = "no endpoints: every request that reaches the filter is gated, also those that carry no client authentication; list the paths that do";
        doubt(at, message)
    };
    if configuration.get("endpoints").is_none() {
        if top_holds {
            doubts.push(no_endpoints(""));
        } else {
            let without = tenants.iter().enumerate().filter(|(_, tenant)| tenant.get("endpoints").is_none());
            doubts.extend(without.map(|(index, _)| no_endpoints(&format!("/tenants/{index}"))));
        }
    }
    for (index, own) in tenants.iter().enumerate() {
        doubts.extend(Policy { own, top: configuration, at: format!("/tenants/{index}"), shows_listener }.doubts());
    }
    doubts
}

/// The members of the top level or of a tenant.
struct Policy<'a> {
    own: &'a Value,
    /// What holds where the tenant says nothing.
    top: &'a Value,
    /// JSON Pointer.
    at: String,
    shows_listener: bool,
}

impl Policy<'_> {
    fn doubts(&self) -> Vec<Finding> {
        let mut doubts = Vec::new();
        for (pointer, wanted, message) in [
            ("/mode", "shadow", "nothing is protected; set \"enforce\" once what would be refused is what you mean to refuse"),
            (
                "/unregistered_clients",
                "pass",
                "a client without an entry is the backend's to authenticate, whatever its certificate; the backend must compare client_id exactly",
            ),
            (
                "/peer_certificate/chain",
                "listener",
                "names count though the filter does not know that the chain was verified; the listener must refuse untrusted certificates (no ACCEPT_UNTRUSTED)",
            ),
            ("/log", "none", "refusals leave no decision line"),
        ] {
            if self.own.pointer(pointer).and_then(Value::as_str) == Some(wanted) {
                doubts.push(self.doubt(pointer, message));
            }
        }
        if let Some(Value::Array(_)) = self.own.pointer("/peer_certificate/trusted_proxies") {
            doubts.push(self.doubt(
                "/peer_certificate/trusted_proxies",
                "whoever holds a key of one of these is every client; each must refuse certificates that it cannot verify and overwrite the header",
            ));
        }
        // 1 MiB is what Envoy buffers unless it is told.
        if !self.shows_listener && self.own.get("max_body_bytes").and_then(Value::as_u64).is_some_and(|octets| octets >= 1 << 20)
        {
            doubts.push(self.doubt(
                "/max_body_bytes",
                "Envoy's own 413 comes before the filter's, unless per_connection_buffer_limit_bytes of the listener is larger",
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
            (Some("forwarded"), Some("client-cert")) => Some(Dialect::ClientCert),
            (Some("forwarded"), Some("x-ssl-cert")) => Some(Dialect::XSslCert),
            (Some("forwarded"), _) => Some(Dialect::Xfcc),
            _ => None,
        };
        let kept = self.own.pointer("/forward/keep").and_then(Value::as_array).into_iter().flatten().enumerate();
        // The header that the filter itself reads goes on only where it was believed.
        let kept = kept.filter(|(_, name)| {
            let name = name.as_str().unwrap_or_default();
            read.is_none_or(|read| !name.eq_ignore_ascii_case(read.header_name()))
        });
        let message =
            "clients can send this header themselves, and it reaches the backend as it came; the backend must not believe it";
        kept.map(|(index, _)| self.doubt(&format!("/forward/keep/{index}"), message)).collect()
    }

    fn of_registry(&self) -> Vec<Finding> {
        let Some(registry) = self.own.get("registry") else { return Vec::new() };
        let mut doubts = Vec::new();
        if registry.get("allow_empty") == Some(&Value::Bool(true)) {
            doubts.push(self.doubt("/registry/allow_empty", "an empty answer of the registry takes every client away"));
        }
        for name in registry.get("headers").and_then(Value::as_object).into_iter().flat_map(|headers| headers.keys()) {
            let lower = name.to_ascii_lowercase();
            if ["auth", "cookie", "key", "secret", "token"].iter().any(|part| lower.contains(part)) {
                let pointer = format!("/registry/headers/{}", name.replace('~', "~0").replace('/', "~1"));
                doubts.push(self.doubt(&pointer, "readable in Envoy's /config_dump; guard the admin endpoint"));
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
            &format!("this looks like reverse order: RFC 4514 writes the most specific RDN first, \"{}\"", rdns.join(",")),
        ));
    }
    if text("tls_client_auth_san_dns").is_some_and(|name| name.contains('*')) {
        doubts.push(doubt(
            &format!("{at}/tls_client_auth_san_dns"),
            "RFC 8705 knows no wildcards: only a certificate with this very text, asterisk included, matches",
        ));
    }
    if client.pointer("/backend_authentication/client_secret").is_some() {
        doubts.push(doubt(
            &format!("{at}/backend_authentication/client_secret"),
            "the secret is readable in Envoy's /config_dump; guard the admin endpoint, or let a registry hold it",
        ));
    }
    doubts
}

/// From the whole world to one client, as OpenSSL prints names.
fn looks_reversed(name: &DistinguishedName) -> bool {
    let kinds: Vec<String> = name.rdns().filter_map(|rdn| Some(rdn.first()?.0.clone())).collect();
    let is =
        |kind: Option<&String>, wanted: &[&str]| kind.is_some_and(|kind| wanted.iter().any(|one| kind.eq_ignore_ascii_case(one)));
    kinds.len() > 1
        && is(kinds.first(), &["C", "DC"])
        && is(kinds.last(), &["CN", "OU", "UID", "emailAddress", "serialNumber", "organizationIdentifier"])
}

/// Keys that authenticate nobody, beside others that do.
fn left_out(configuration: &str) -> impl Iterator<Item = Finding> {
    let warnings = Configuration::warnings(configuration.as_bytes()).into_iter();
    warnings.map(|warning| doubt(&warning.pointer, &format!("this key is left out: {}", warning.message)))
}

/// The settings of the wasm filter itself.
fn of_filter(filter: &Filter) -> Vec<Finding> {
    let at = Some(filter.line);
    let mut findings = Vec::new();
    match filter.kind {
        FilterKind::Envoy { allow_on_headers_stop_iteration, is_structured } => {
            if !allow_on_headers_stop_iteration {
                findings.push(Finding::error(at, "without allow_on_headers_stop_iteration: true every gated request is answered with 500"));
            }
            if is_structured {
                findings.push(Finding::error(at, "the configuration must be a StringValue with JSON: Envoy hands a Struct to the module as protobuf"));
            }
        }
        FilterKind::WasmPlugin => findings.push(Finding::doubtful(
            at,
            "a WasmPlugin cannot set allow_on_headers_stop_iteration, without which every gated request is answered with 500: install the filter by an EnvoyFilter",
        )),
    }
    match (filter.failure, &filter.kind) {
        (Failure::Open, _) => findings.push(Finding::error(at, "FAIL_OPEN lets everybody in after a fault")),
        (Failure::Closed, FilterKind::Envoy { .. }) => {
            let message = "without failure_policy: FAIL_RELOAD a fault is answered with 503 until Envoy is restarted";
            findings.push(Finding::doubtful(at, message));
        }
        _ => {}
    }
    findings
}

fn doubt(pointer: &str, message: &str) -> Finding {
    Finding::doubtful(None, message).at(pointer)
}
