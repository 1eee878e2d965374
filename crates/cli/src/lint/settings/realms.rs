//! Tenants by path, and the endpoints that they are for.

use serde_json::Value;
use tls_client_auth::inspect::{Endpoint, PathPrefix};

use super::doubt;
use crate::lint::finding::Finding;

/// Endpoints that are listed for no tenant, and tenants without an endpoint.
pub fn doubts(configuration: &Value, tenants: &[Value]) -> Vec<Finding> {
    if tenants.iter().all(|tenant| tenant.get("paths").is_none()) {
        return Vec::new();
    }
    let has_top = ["clients", "registry"].iter().any(|name| configuration.get(name).is_some());
    let of_top = texts(configuration, "endpoints");
    let mut doubts = Vec::new();
    // Requests for an endpoint of the top level outside all tenants are its own, or refused.
    let inheriting = || tenants.iter().filter(|tenant| tenant.get("endpoints").is_none());
    for (at, endpoint) in of_top.iter().flatten().enumerate() {
        if !has_top && !inheriting().any(|tenant| covers(tenant, endpoint)) {
            doubts.push(doubt(
                &format!("/endpoints/{at}"),
                "no tenant covers this endpoint, and the top level has no clients: every request \
                 for it is refused as unknown_tenant; add its path to the paths of a tenant, or \
                 take it out",
            ));
        }
    }
    for (index, tenant) in tenants.iter().enumerate() {
        let own = texts(tenant, "endpoints");
        for (at, endpoint) in own.iter().flatten().enumerate() {
            if !covers(tenant, endpoint) {
                doubts.push(doubt(
                    &format!("/tenants/{index}/endpoints/{at}"),
                    "this endpoint is outside the paths of its tenant, so it is never in force; \
                     endpoints are whole paths, with that of the realm in front",
                ));
            }
        }
        let in_force = own.as_ref().or(of_top.as_ref());
        if in_force.is_some_and(|all| !all.iter().any(|endpoint| covers(tenant, endpoint))) {
            doubts.push(doubt(
                &format!("/tenants/{index}/paths"),
                "the paths of this tenant cover no endpoint, so nothing is gated there; list its \
                 endpoints with these paths in front, such as /realms/bank/token or \
                 /realms/*/token",
            ));
        }
    }
    doubts.extend(of_one_handshake(tenants));
    doubts
}

/// Tenants that only the path distinguishes, which no handshake shows.
fn of_one_handshake(tenants: &[Value]) -> Option<Finding> {
    let mut by_path = tenants.iter().enumerate().filter(|(_, tenant)| {
        tenant.get("paths").is_some() && tenant.get("trust_anchors").is_none()
    });
    let is_shared = |one: &Value, other: &Value| match (texts(one, "hosts"), texts(other, "hosts"))
    {
        (Some(one), Some(other)) => {
            one.iter().any(|host| other.iter().any(|known| known.eq_ignore_ascii_case(host)))
        }
        // A tenant without hosts is reached under every name.
        _ => true,
    };
    let (index, _) = by_path.find(|(index, one)| {
        let others = tenants.iter().enumerate().filter(|(at, _)| at != index);
        others.into_iter().any(|(_, other)| {
            other.get("paths").is_some()
                && other.get("trust_anchors").is_none()
                && is_shared(one, other)
        })
    })?;
    let message = "several tenants that only the path distinguishes: a certificate that the \
        listener accepts counts for each of them; the listener must trust only authorities that \
        all of them trust, or each tenant needs a host of its own";
    Some(doubt(&format!("/tenants/{index}/paths"), message))
}

fn texts<'a>(policy: &'a Value, name: &str) -> Option<Vec<&'a str>> {
    Some(policy.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// Whether some path of the endpoint is the tenant's.
fn covers(tenant: &Value, endpoint: &str) -> bool {
    let Some(paths) = texts(tenant, "paths") else { return true };
    let Some(endpoint) = Endpoint::parse(endpoint) else { return true };
    paths
        .into_iter()
        .filter_map(PathPrefix::parse)
        .any(|path| endpoint.example_below(&path).is_some())
}
