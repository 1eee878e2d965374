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
            let Some(subject) = ca.subject() else { continue };
            let (from, to) = (ca.not_before(), ca.not_after());
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

/// CRLs that count for no certificate, as their `issuers` are none of the CAs of the configuration,
/// and CAs whose certificates no source of revocation covers.
pub fn doubts_about_crls(top: &Value) -> Vec<Finding> {
    let cas = all_cas(top);
    let mut doubts = Vec::new();
    // None: a list counts for certificates of every issuer.
    let mut covered = Some(Vec::new());
    for (index, entry) in elements(top.get("crl")).iter().enumerate() {
        if entry.get("issuers").is_none() {
            covered = None;
        }
        for (place, issuer) in elements(entry.get("issuers")).iter().enumerate() {
            let Ok(name) = DistinguishedName::parse(issuer.as_str().unwrap_or_default()) else {
                continue;
            };
            if cas.iter().all(|(_, subject)| *subject != name) {
                let message = "no CA of trust_anchors and intermediates has this subject (written \
                    as in RFC 4514, most specific RDN first): this list revokes nothing of it";
                doubts.push(doubt(&format!("/crl/{index}/issuers/{place}"), message));
            }
            covered.iter_mut().for_each(|names| names.push(name.clone()));
        }
    }
    let is_asked = top.get("crl").is_some() && top.get("ocsp").is_none();
    for (pointer, subject) in cas.iter().filter(|_| is_asked) {
        if covered.as_ref().is_some_and(|names| !names.contains(subject)) {
            let message = format!(
                "no entry of crl has this CA ({subject}) in its issuers, and there is no ocsp: a \
                 certificate that it has revoked passes; name it in the entry of its list, or \
                 leave issuers out there"
            );
            doubts.push(doubt(pointer, &message));
        }
    }
    doubts
}

/// The CAs of the top level and of all tenants: JSON Pointer and subject.
fn all_cas(top: &Value) -> Vec<(String, DistinguishedName)> {
    let tenants = elements(top.get("tenants")).iter().enumerate();
    let tenants = tenants.map(|(index, tenant)| (format!("/tenants/{index}"), tenant));
    let mut found = Vec::new();
    for (at, policy) in std::iter::once((String::new(), top)).chain(tenants) {
        for name in ["trust_anchors", "intermediates"] {
            for (index, entry) in elements(policy.get(name)).iter().enumerate() {
                let pem = entry.as_str().unwrap_or_default();
                let ca = CaCertificate::from_pem(pem.as_bytes()).ok();
                let subject = ca.and_then(|ca| ca.subject().cloned());
                found.extend(subject.map(|subject| (format!("{at}/{name}/{index}"), subject)));
            }
        }
    }
    found
}

fn elements(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
