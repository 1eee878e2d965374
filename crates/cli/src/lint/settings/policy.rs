//! Settings of the top level or of one tenant.

use serde_json::Value;

use super::{anchors, client, doubt, forwarded};
use crate::envoy_config::ListenerSettings;
use crate::lint::finding::Finding;

/// The members of the top level or of a tenant.
pub struct PolicyMembers<'a> {
    pub own: &'a Value,
    /// The top level, whose members a tenant inherits.
    pub top: &'a Value,
    /// JSON Pointer.
    pub at: String,
    /// Where the file shows it.
    pub listener: Option<&'a ListenerSettings>,
}

impl PolicyMembers<'_> {
    pub fn doubts(&self) -> Vec<Finding> {
        let mut doubts = Vec::new();
        for (pointer, wanted, message) in [
            (
                "/mode",
                "shadow",
                "nothing is protected; set \"enforce\" once what would be refused is what you mean \
                 to refuse",
            ),
            (
                "/unregistered_clients",
                "pass",
                "the backend authenticates a client without an entry, whatever its \
                 certificate; the backend must compare client_id exactly",
            ),
            (
                "/peer_certificate/chain",
                "listener",
                "names count though the filter does not know that the chain was verified; the \
                 listener must refuse untrusted certificates (no ACCEPT_UNTRUSTED)",
            ),
            ("/log", "none", "refusals leave no decision line"),
        ] {
            let has_proxies = self.own.pointer("/peer_certificate/trusted_proxies").is_some();
            let message = match (wanted, has_proxies) {
                ("listener", true) => {
                    "the names in trusted_proxies count though the filter does not know that the \
                     proxy's certificate was verified; the listener must refuse untrusted \
                     certificates (in Istio: PeerAuthentication with mode STRICT)"
                }
                _ => message,
            };
            // A listener that is seen to refuse them leaves no doubt.
            let is_seen = wanted == "listener"
                && self.listener.is_some_and(ListenerSettings::refuses_untrusted);
            if !is_seen && self.own.pointer(pointer).and_then(Value::as_str) == Some(wanted) {
                doubts.push(self.doubt(pointer, message));
            }
        }
        if let Some(Value::Array(_)) = self.own.pointer("/peer_certificate/trusted_proxies") {
            doubts.push(self.doubt(
                "/peer_certificate/trusted_proxies",
                "a holder of the key of one of these can be every client; each must refuse \
                 certificates that it cannot verify and overwrite the header",
            ));
        }
        // 1 MiB: Envoy's default per_connection_buffer_limit_bytes.
        if self.listener.is_none()
            && self
                .own
                .get("max_body_bytes")
                .and_then(Value::as_u64)
                .is_some_and(|octets| octets >= 1 << 20)
        {
            doubts.push(self.doubt(
                "/max_body_bytes",
                "Envoy's own 413 comes before the filter's, unless \
                 per_connection_buffer_limit_bytes of the listener is larger",
            ));
        }
        doubts.extend(forwarded::doubts(self.own, self.top, &self.at));
        doubts.extend(anchors::doubts(self.own, &self.at));
        if self.at.is_empty() {
            doubts.extend(anchors::doubts_about_crls(self.own));
        }
        doubts.extend(self.of_kept_headers());
        let clients = self.own.get("clients").and_then(Value::as_array);
        if clients.is_some_and(Vec::is_empty) {
            doubts.push(self.doubt("/clients", "no client is registered"));
        }
        let rejects = |policy: &Value| policy.get("other_methods") == Some(&"reject".into());
        let rejects_own = rejects(self.own);
        let passes = !(rejects_own || self.own.get("other_methods").is_none() && rejects(self.top));
        for (index, client) in clients.into_iter().flatten().enumerate() {
            let at = format!("{}/clients/{index}", self.at);
            doubts.extend(client::doubts(client, &at, passes));
        }
        // Clients of the top level that this tenant inherits.
        let inherits = clients.is_none() && self.own.get("registry").is_none();
        if inherits && rejects_own && !rejects(self.top) {
            let inherited = self.top.get("clients").and_then(Value::as_array);
            let is_bound = |client: &Value| {
                client.get("certificate_binding").is_some_and(|binding| !binding.is_null())
            };
            if inherited.is_some_and(|clients| clients.iter().any(is_bound)) {
                doubts.push(self.doubt("/other_methods", client::REFUSED_BEFORE));
            }
        }
        doubts
    }

    /// `keep` names headers by which servers identify a client.
    fn of_kept_headers(&self) -> Vec<Finding> {
        let peer = self.own.get("peer_certificate").or_else(|| self.top.get("peer_certificate"));
        let read = peer.map(forwarded::read_names).unwrap_or_default();
        let kept = self
            .own
            .pointer("/forward/keep")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate();
        // The header that the filter itself reads goes on only where it was trusted.
        let kept = kept.filter(|(_, name)| {
            let name = name.as_str().unwrap_or_default();
            !read.iter().any(|read| name.eq_ignore_ascii_case(read))
        });
        let message = "clients can send this header themselves, and it reaches the backend as it \
            came; the backend must not trust it";
        kept.map(|(index, _)| self.doubt(&format!("/forward/keep/{index}"), message)).collect()
    }

    /// The word of a member, which a tenant inherits.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.own.get(name).or_else(|| self.top.get(name)).and_then(Value::as_str)
    }

    pub fn doubt(&self, pointer: &str, message: &str) -> Finding {
        doubt(&format!("{}{pointer}", self.at), message)
    }
}
