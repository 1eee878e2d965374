//! Settings of the filter, judged one by one.

mod anchors;
mod client;
mod forwarded;
mod policy;
mod realms;
mod registry;
mod server_names;
pub mod wasm_filter;

use serde_json::Value;
use tls_client_auth::Configuration;

use self::policy::PolicyMembers;
use super::finding::{Finding, Severity};
use super::{endpoints, paths};
use crate::envoy_config::ListenerSettings;

/// Settings that load and that may not be intended.
pub fn doubts(configuration: &Value, listener: Option<&ListenerSettings>) -> Vec<Finding> {
    let tenants = configuration
        .get("tenants")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let of_policy = |own, at| {
        let policy = PolicyMembers { own, top: configuration, at, listener };
        let mut doubts = policy.doubts();
        doubts.extend(registry::doubts(&policy));
        doubts
    };
    let mut doubts = of_policy(configuration, String::new());
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
        doubts.extend(of_policy(own, format!("/tenants/{index}")));
    }
    doubts.extend(realms::doubts(configuration, tenants));
    doubts.extend(server_names::doubts(configuration, tenants));
    doubts
}

/// What each entry of `endpoints` gates.
pub fn gated(configuration: &Value) -> Vec<Finding> {
    let entries = endpoints::entries(configuration).into_iter();
    let listed = entries.filter_map(|(pointer, text, _)| {
        let message = format!("gates {}", paths::gated_by(text.as_deref()?.trim_end_matches('/')));
        Some(Finding { severity: Severity::Note, line: None, pointer: Some(pointer), message })
    });
    listed.collect()
}

/// Whether clients with self-signed certificates are served on connections that this filter reads.
pub fn serves_self_signed(configuration: &Value) -> bool {
    const METHOD: &str = "self_signed_tls_client_auth";
    let tenants = configuration.get("tenants").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(configuration).chain(tenants).any(|own| {
        let member = |name: &str| own.get(name).or_else(|| configuration.get(name));
        let methods = member("methods").and_then(Value::as_array);
        let is_allowed =
            methods.is_none_or(|methods| methods.iter().any(|method| method == METHOD));
        let is_forwarded = member("peer_certificate")
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

/// The clusters of Envoy that a configuration names, with the pointer to each.
pub fn named_clusters(configuration: &Value) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), configuration)];
    while let Some((pointer, value)) = open.pop() {
        match value {
            Value::Object(members) => {
                // Clients have members of their own.
                for (name, member) in members.iter().filter(|(name, _)| *name != "clients") {
                    let pointer =
                        format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                    match member {
                        Value::String(cluster) if name == "cluster" => {
                            found.push((pointer, cluster.as_str()));
                        }
                        _ => open.push((pointer, member)),
                    }
                }
            }
            Value::Array(elements) => {
                let elements = elements.iter().enumerate();
                open.extend(elements.map(|(at, element)| (format!("{pointer}/{at}"), element)));
            }
            _ => {}
        }
    }
    found
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
