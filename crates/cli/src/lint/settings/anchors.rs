//! Certificates of CAs that are not valid today.

use serde_json::Value;
use tls_client_auth::inspect::CaCertificate;

use super::doubt;
use crate::described_request::now;
use crate::lint::finding::Finding;

/// `members` = the top level, a tenant or a client, at this JSON Pointer.
pub fn doubts(members: &Value, at: &str) -> Vec<Finding> {
    let now = now();
    let mut doubts = Vec::new();
    for name in ["trust_anchors", "intermediates"] {
        let entries = members.get(name).and_then(Value::as_array).into_iter().flatten();
        for (index, entry) in entries.enumerate() {
            // What is no certificate of a CA is an error of its own, or the name of an anchor.
            let pem = entry.as_str().unwrap_or_default();
            let Ok(ca) = CaCertificate::from_pem(pem.as_bytes()) else { continue };
            if !ca.is_valid_at(now) {
                let message = format!(
                    "this CA ({}) is valid from {} to {} alone: no certificate counts by it now",
                    ca.subject(),
                    ca.not_before(),
                    ca.not_after()
                );
                doubts.push(doubt(&format!("{at}/{name}/{index}"), &message));
            }
        }
    }
    doubts
}
