//! `lint`: every error and doubtful setting, where it stands, and how to mend it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use tls_client_auth::certificate::DistinguishedName;
use tls_client_auth::config::Configuration;

use super::Unusable;
use super::output::{BOLD, Format, PLAIN, RED, YELLOW, print_json};
use super::source::{self, Filter, FilterChain, Found};

/// A configuration with more mistakes than this has one that explains the others.
const MOST_ERRORS: usize = 100;

#[derive(Debug)]
struct Finding {
    is_error: bool,
    line: Option<usize>,
    /// JSON Pointer in the plugin configuration; none: it is about the filter's settings round it.
    pointer: Option<String>,
    message: String,
}

pub fn run(configs: &[PathBuf], format: Format) -> Result<ExitCode, Unusable> {
    let mut all = Vec::new();
    let mut unusable = None;
    for config in configs {
        match source::read(config) {
            Ok(found) => {
                let findings = found.iter().flat_map(findings);
                all.extend(findings.map(|finding| (config.display().to_string(), finding)));
            }
            Err(error) => unusable = unusable.or(Some(error)),
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
                writeln!(out, "{BOLD}{file}{line}{PLAIN}: {kind}: {}{message}", pointer.unwrap_or_default())?;
            }
            if all.is_empty() && unusable.is_none() {
                writeln!(out, "no errors, nothing doubtful")?;
            }
        }
    }
    match unusable {
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
    let mut findings = errors(&found.text);
    if let Ok(configuration) = serde_json::from_str(&found.text) {
        findings.extend(doubts(&configuration));
    }
    for finding in &mut findings {
        finding.line = found.line(finding.pointer.as_deref().unwrap_or_default());
    }
    findings.extend(found.filter.iter().flat_map(of_filter));
    findings.extend(found.filter_chain.iter().flat_map(|chain| of_filter_chain(chain, &found.text)));
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// Every error: the filter reports the first one, so what is wrong is taken away and the rest is read again.
fn errors(text: &str) -> Vec<Finding> {
    let mut errors: Vec<Finding> = Vec::new();
    let mut removed = Removed::default();
    // The text itself first: only there are repeated members.
    let mut current = text.to_owned();
    while errors.len() < MOST_ERRORS {
        let Err(error) = Configuration::parse(current.as_bytes()) else { break };
        let pointer = removed.original(&error.pointer);
        // What an object or array lacks since something was taken out of it is no finding of its own.
        let follows =
            |earlier: &Finding| earlier.pointer.as_ref().is_some_and(|earlier| earlier.starts_with(&format!("{pointer}/")));
        if !errors.iter().any(follows) {
            errors.push(Finding { is_error: true, line: None, pointer: Some(pointer), message: error.message });
        }
        let Ok(mut json) = serde_json::from_str::<Value>(&current) else { break };
        if !removed.remove(&mut json, &error.pointer) {
            break;
        }
        current = json.to_string();
    }
    errors
}

/// Elements that were taken out of arrays: by the pointer of the array, their places before anything was.
#[derive(Default)]
struct Removed(BTreeMap<String, BTreeSet<usize>>);

impl Removed {
    /// Takes the value at `pointer` out; whether there was one.
    fn remove(&mut self, json: &mut Value, pointer: &str) -> bool {
        let Some((parent, name)) = pointer.rsplit_once('/') else { return false };
        let original = self.original(pointer);
        match json.pointer_mut(parent) {
            Some(Value::Object(members)) => members.shift_remove(&name.replace("~1", "/").replace("~0", "~")).is_some(),
            Some(Value::Array(elements)) => {
                let Some(index) = name.parse().ok().filter(|index| *index < elements.len()) else { return false };
                elements.remove(index);
                if let Some((parent, index)) = original.rsplit_once('/')
                    && let Ok(index) = index.parse()
                {
                    self.0.entry(parent.to_owned()).or_default().insert(index);
                }
                true
            }
            _ => false,
        }
    }

    /// Where what is now at `pointer` was in the beginning.
    fn original(&self, pointer: &str) -> String {
        let mut original = String::new();
        for name in pointer.split('/').skip(1) {
            let place = match (self.0.get(&original), name.parse::<usize>()) {
                (Some(removed), Ok(index)) => {
                    removed.iter().fold(index, |index, removed| index + usize::from(*removed <= index)).to_string()
                }
                _ => name.to_owned(),
            };
            original = format!("{original}/{place}");
        }
        original
    }
}

/// Settings that load and that somebody may not mean.
fn doubts(configuration: &Value) -> Vec<Finding> {
    let mut doubts = of_policy(configuration, "");
    if configuration.get("endpoints").is_none() && configuration.get("tenants").is_none() {
        doubts.push(doubt("", "no endpoints: every request that reaches the filter is gated, also those that carry no client authentication; list the paths that do"));
    }
    let tenants = configuration.get("tenants").and_then(Value::as_array);
    for (index, tenant) in tenants.into_iter().flatten().enumerate() {
        doubts.extend(of_policy(tenant, &format!("/tenants/{index}")));
    }
    doubts
}

fn of_policy(policy: &Value, at: &str) -> Vec<Finding> {
    let mut doubts = Vec::new();
    let mut set = |pointer: &str, wanted: &str, message: &str| {
        if policy.pointer(pointer).and_then(Value::as_str) == Some(wanted) {
            doubts.push(doubt(&format!("{at}{pointer}"), message));
        }
    };
    set("/mode", "shadow", "nothing is protected; set \"enforce\" once what would be refused is what you mean to refuse");
    set(
        "/unregistered_clients",
        "pass",
        "a client without an entry is the backend's to authenticate, whatever its certificate; the backend must compare client_id exactly",
    );
    set(
        "/peer_certificate/chain",
        "listener",
        "names count though the filter does not know that the chain was verified; the listener must refuse untrusted certificates (no ACCEPT_UNTRUSTED)",
    );
    set("/log", "none", "refusals leave no decision line");
    if let Some(Value::Array(_)) = policy.pointer("/peer_certificate/trusted_proxies") {
        doubts.push(doubt(
            &format!("{at}/peer_certificate/trusted_proxies"),
            "whoever holds a key of one of these is every client; each must refuse certificates that it cannot verify and overwrite the header",
        ));
    }
    let clients = policy.get("clients").and_then(Value::as_array);
    for (index, client) in clients.into_iter().flatten().enumerate() {
        doubts.extend(of_client(client, &format!("{at}/clients/{index}")));
    }
    doubts
}

fn of_client(client: &Value, at: &str) -> Vec<Finding> {
    let text = |name: &str| client.get(name).and_then(Value::as_str);
    let mut doubts = Vec::new();
    if let Some(name) = text("tls_client_auth_subject_dn")
        && !name.starts_with('/')
        && let Ok(parsed) = DistinguishedName::parse(name)
    {
        let kinds: Vec<String> = parsed.rdns().filter_map(|rdn| Some(rdn.first()?.0.clone())).collect();
        if let [first, .., last] = kinds.as_slice()
            && ["C", "DC"].contains(&first.as_str())
            && ["CN", "OU"].contains(&last.as_str())
        {
            let mut rdns: Vec<String> = parsed
                .rdns()
                .map(|rdn| rdn.iter().map(|(kind, value)| format!("{kind}={value}")).collect::<Vec<_>>().join("+"))
                .collect();
            rdns.reverse();
            doubts.push(doubt(
                &format!("{at}/tls_client_auth_subject_dn"),
                &format!("this looks like reverse order: RFC 4514 writes the most specific RDN first, \"{}\"", rdns.join(",")),
            ));
        }
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

/// The settings of the wasm filter itself.
fn of_filter(filter: &Filter) -> Vec<Finding> {
    let finding =
        |is_error, message: &str| Finding { is_error, line: Some(filter.line), pointer: None, message: message.to_owned() };
    let mut findings = Vec::new();
    if !filter.allow_on_headers_stop_iteration {
        findings.push(finding(true, "without allow_on_headers_stop_iteration: true every gated request is answered with 500"));
    }
    if filter.is_structured {
        findings.push(finding(
            true,
            "the configuration must be a StringValue with JSON: Envoy hands a Struct to the module as protobuf",
        ));
    }
    match filter.failure_policy.as_deref() {
        Some("FAIL_RELOAD") => {}
        Some("FAIL_OPEN") => findings.push(finding(true, "FAIL_OPEN lets everybody in after a fault; set FAIL_RELOAD")),
        _ => findings
            .push(finding(false, "without failure_policy: FAIL_RELOAD a fault is answered with 503 until Envoy is restarted")),
    }
    findings
}

/// What the listener must promise for this configuration to mean what it says.
fn of_filter_chain(chain: &FilterChain, configuration: &str) -> Vec<Finding> {
    let configuration: Value = serde_json::from_str(configuration).unwrap_or_default();
    let tenants = configuration.get("tenants").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // Every policy that may hold here: a tenant's member, or else that of the top level.
    let says = |pointer: &str, default: &str, wanted: &str| {
        let top = configuration.pointer(pointer).and_then(Value::as_str).unwrap_or(default);
        let of_tenants = tenants.iter().map(|tenant| tenant.pointer(pointer).and_then(Value::as_str).unwrap_or(top));
        of_tenants.chain(tenants.is_empty().then_some(top)).any(|value| value == wanted)
    };
    let reads_connection = says("/peer_certificate/source", "connection", "connection");
    let believes_listener = says("/peer_certificate/chain", "connection", "listener");
    let believes_connection = says("/peer_certificate/chain", "connection", "connection");
    let mut findings = Vec::new();
    let mut finding = |is_error, line: usize, message: &str| {
        findings.push(Finding { is_error, line: Some(line), pointer: None, message: message.to_owned() });
    };
    match &chain.tls {
        None if reads_connection => {
            finding(false, chain.line, "no TLS in this filter chain, so no client has a certificate, and each is refused");
        }
        None => {}
        Some(tls) => {
            if !tls.verifies && believes_listener {
                finding(
                    true,
                    tls.line,
                    "no trusted_ca: the listener verifies nobody, and chain \"listener\" believes it; whoever makes a certificate with a client's name is that client",
                );
            } else if !tls.verifies {
                finding(false, tls.line, "no trusted_ca: no chain is ever verified, and every tls_client_auth client is refused");
            }
            if tls.accepts_untrusted && believes_listener {
                finding(
                    true,
                    tls.line,
                    "ACCEPT_UNTRUSTED lets every certificate in, and chain \"listener\" believes the listener: set chain \"connection\"",
                );
            }
            if tls.resumes_sessions && believes_connection && tls.verifies {
                finding(
                    false,
                    tls.line,
                    "resumed sessions count as unverified, so good clients are refused now and then: set disable_stateless_session_resumption and disable_stateful_session_resumption",
                );
            }
        }
    }
    // What Envoy buffers unless it is told.
    let (limit, line) = chain.buffer_limit.unwrap_or((1 << 20, chain.line));
    let most = std::iter::once(&configuration).chain(tenants).filter_map(|policy| policy.get("max_body_bytes")?.as_u64()).max();
    if most.unwrap_or(65_536) >= limit {
        finding(
            false,
            line,
            "per_connection_buffer_limit_bytes is not above max_body_bytes: Envoy's own 413 comes before the filter's",
        );
    }
    findings
}

fn doubt(pointer: &str, message: &str) -> Finding {
    Finding { is_error: false, line: None, pointer: Some(pointer.to_owned()), message: message.to_owned() }
}
