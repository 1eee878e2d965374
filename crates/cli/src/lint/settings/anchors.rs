//! Certificates of CAs that are not valid today, or not for long.

use serde_json::Value;
use tls_client_auth::UnixTime;
use tls_client_auth::inspect::CaCertificate;

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
