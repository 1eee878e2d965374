//! Settings of one client.

use serde_json::Value;
use tls_client_auth::DistinguishedName;

use super::{anchors, doubt};
use crate::lint::finding::Finding;
use crate::openssl_name;

/// `passes_other_methods`: whether clients of other methods pass.
pub fn doubts(client: &Value, at: &str, passes_other_methods: bool) -> Vec<Finding> {
    let mut doubts = of_names(client, at);
    doubts.extend(anchors::doubts(client, at));
    if let Some(binding) = client.get("certificate_binding").filter(|binding| !binding.is_null()) {
        let at = format!("{at}/certificate_binding");
        doubts.extend(of_names(binding, &at));
        if !passes_other_methods {
            doubts.push(doubt(&at, REFUSED_BEFORE));
        }
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

/// What is said of a `certificate_binding` under `other_methods: "reject"`.
pub const REFUSED_BEFORE: &str = "other_methods \"reject\" refuses a client with a \
    certificate_binding before its certificate is looked at; set \"pass\", or leave the binding \
    out";

/// The names by which the certificate of a client, or that of its binding, is registered.
fn of_names(members: &Value, at: &str) -> Vec<Finding> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
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
    let subject_dn = text("tls_client_auth_subject_dn").unwrap_or_default();
    for word in openssl_name::unknown_types(subject_dn) {
        let pointer = format!("{at}/tls_client_auth_subject_dn");
        doubts.push(doubt(&pointer, &openssl_name::doubt(word)));
    }
    if text("tls_client_auth_san_dns").is_some_and(|name| name.contains('*')) {
        doubts.push(doubt(
            &format!("{at}/tls_client_auth_san_dns"),
            "RFC 8705 has no wildcards: only a certificate with exactly this text, with the \
             asterisk, matches",
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
