//! Certificates of CAs that are not valid today, or not for long, and CRLs of other CAs.

use serde_json::Value;
use tls_client_auth::inspect::CaCertificate;
use tls_client_auth::{DistinguishedName, UnixTime};

use super::doubt;
use crate::described_request::now;
use crate::lint::finding::Finding;

/// The days before its end at which a CA is reported: enough to issue new certificates.
const NOTICE_DAYS: i64 = 30;

/// `members` = the top level, a tenant or a client, at this JSON Pointer.
pub fn doubts(members: &Value, at: &str) -> Vec<Finding> {
    let now = now();
    let soon = UnixTime(now.0 + NOTICE_DAYS * 86_400);
    let mut doubts = Vec::new();
    for name in ["trust_anchors", "intermediates"] {
        let entries = members.get(name).and_then(Value::as_array).into_iter().flatten();
        for (index, entry) in entries.enumerate() {
            // What is no certificate of a CA is an error of its own, or the name of an anchor.
            let pem = entry.as_str().unwrap_or_default();
            let Ok(ca) = CaCertificate::from_pem(pem.as_bytes()) else { continue };
            let (subject, from, to) = (ca.subject(), ca.not_before(), ca.not_after());
            let message = if !ca.is_valid_at(now) {
                format!(
                    "this CA ({subject}) is valid from {from} to {to} alone: no certificate counts \
                     by it now"
                )
            } else if !ca.is_valid_at(soon) {
                format!(
                    "this CA ({subject}) is valid until {to} alone, which is in less than \
                     {NOTICE_DAYS} days: no certificate counts by it then"
                )
            } else {
                continue;
            };
            doubts.push(doubt(&format!("{at}/{name}/{index}"), &message));
        }
    }
    doubts
}

/// CRLs that count for no certificate: their `issuers` are none of the CAs of the configuration.
pub fn doubts_about_crls(top: &Value) -> Vec<Finding> {
    let elements =
        |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let tenants = elements(top.get("tenants"));
    let cas = std::iter::once(top).chain(&tenants).flat_map(|policy| {
        ["trust_anchors", "intermediates"].into_iter().flat_map(|name| elements(policy.get(name)))
    });
    let subjects: Vec<DistinguishedName> = cas
        .filter_map(|ca| CaCertificate::from_pem(ca.as_str()?.as_bytes()).ok())
        .map(|ca| ca.subject().clone())
        .collect();
    let mut doubts = Vec::new();
    for (index, entry) in elements(top.get("crl")).iter().enumerate() {
        for (place, issuer) in elements(entry.get("issuers")).iter().enumerate() {
            let Ok(name) = DistinguishedName::parse(issuer.as_str().unwrap_or_default()) else {
                continue;
            };
            if !subjects.contains(&name) {
                let message = "no CA of trust_anchors and intermediates has this subject (written \
                    as in RFC 4514, most specific RDN first): this list revokes nothing of it";
                doubts.push(doubt(&format!("/crl/{index}/issuers/{place}"), message));
            }
        }
    }
    doubts
}
