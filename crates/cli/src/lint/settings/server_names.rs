//! Tenants that the server name of the connection does not distinguish.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::doubt;
use crate::lint::finding::Finding;

/// Tenants by host that the name of the connection does not distinguish, so that a certificate that
/// one of them trusts counts for another one.
pub fn doubts(configuration: &Value, tenants: &[Value]) -> Vec<Finding> {
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
        let member = |name: &str| peer.and_then(|peer| peer.get(name));
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
            member("server_name").and_then(Value::as_str).is_some_and(|word| word == "match");
        if member("trusted_proxies").is_some() && !is_matched {
            add(
                "trusted_proxies",
                "several tenants by host behind one hop: the server name is the hop's own, so a \
                 certificate that the hop accepts for one tenant counts for every other one; let \
                 the hop trust the same authorities for all of them, or give each tenant a hop of \
                 its own",
            );
        } else if member("server_name").and_then(Value::as_str) == Some("ignore") {
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
