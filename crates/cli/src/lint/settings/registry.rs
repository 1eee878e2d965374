//! Settings of a fetched registry.

use serde_json::Value;
use tls_client_auth::inspect::has_entry_limit;

use super::policy::PolicyMembers;
use crate::lint::finding::Finding;

/// Settings of the registry that the top level or a tenant has.
pub fn doubts(policy: &PolicyMembers<'_>) -> Vec<Finding> {
    let Some(registry) = policy.own.get("registry") else { return Vec::new() };
    let mut doubts = Vec::new();
    if registry.get("allow_empty") == Some(&Value::Bool(true)) {
        doubts.push(policy.doubt(
            "/registry/allow_empty",
            "an empty answer of the registry removes every client",
        ));
    }
    if lets_unregistered(policy) {
        doubts.extend(of_unregistered(policy, registry));
    }
    if is_of_authlete(registry) && !has_end(registry) {
        let message = "Authlete answers with five clients where the path names no end, and the \
            rest takes further requests: add \"?start=0&end=500\"";
        doubts.push(policy.doubt("/registry/path", message));
    }
    doubts.extend(of_headers(policy, registry));
    doubts
}

/// Whether unregistered clients pass in the policy, or in a tenant that has no registry of its own.
fn lets_unregistered(policy: &PolicyMembers<'_>) -> bool {
    const MEMBER: &str = "unregistered_clients";
    let is_inheriting =
        |tenant: &&Value| ["clients", "registry"].iter().all(|name| tenant.get(name).is_none());
    let tenants = policy.own.get("tenants").and_then(Value::as_array).into_iter().flatten();
    policy.member(MEMBER) == Some("pass")
        || tenants
            .filter(is_inheriting)
            .any(|tenant| tenant.get(MEMBER).is_some_and(|word| word == "pass"))
}

/// How a client that the registry has may count as unregistered.
fn of_unregistered(policy: &PolicyMembers<'_>, registry: &Value) -> Option<Finding> {
    let is_lookup = registry.get("mode").and_then(Value::as_str) == Some("lookup");
    let asks = if is_lookup { Some("mode") } else { registry.get("on_miss").map(|_| "on_miss") };
    if let Some(member) = asks {
        let message = "where the registry answers 404 for a client that it has (a replica that \
            lags behind), a request of this client passes without its certificate";
        return Some(policy.doubt(&format!("/registry/{member}"), message));
    }
    // Some servers answer with the first twenty and say nothing of the rest. Authlete states how
    // many there are, and a page as long as the stated limit is no whole list (contract §6).
    let is_known = is_of_authlete(registry) || has_entry_limit(path(registry));
    (!is_known).then(|| {
        policy.doubt(
            "/registry/path",
            "unregistered clients pass, and nothing says that the list is whole: where its server \
             answers in pages, state a limit in path, such as \"?limit=100\", by the name that the \
             server has for it",
        )
    })
}

fn of_headers(policy: &PolicyMembers<'_>, registry: &Value) -> Vec<Finding> {
    let headers = registry.get("headers").and_then(Value::as_object);
    let names = headers.into_iter().flat_map(|headers| headers.keys());
    let is_secret = |name: &&String| {
        let lower = name.to_ascii_lowercase();
        ["auth", "cookie", "key", "secret", "token"].iter().any(|part| lower.contains(part))
    };
    let finding = |name: &String| {
        let name = name.replace('~', "~0").replace('/', "~1");
        let message = "readable in Envoy's /config_dump; guard the admin endpoint";
        policy.doubt(&format!("/registry/headers/{name}"), message)
    };
    names.filter(is_secret).map(finding).collect()
}

fn path(registry: &Value) -> &str {
    registry.get("path").and_then(Value::as_str).unwrap_or_default()
}

fn is_of_authlete(registry: &Value) -> bool {
    let path = path(registry).split('?').next().unwrap_or_default();
    path.trim_end_matches('/').ends_with("/client/get/list")
}

fn has_end(registry: &Value) -> bool {
    let query = path(registry).split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|parameter| parameter.split('=').next() == Some("end"))
}
