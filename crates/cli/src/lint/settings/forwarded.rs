//! Headers in which a hop in front reports the certificate, and those in which the backend gets it.

use serde_json::Value;
use tls_client_auth::host::CertificateHeader;

use super::doubt;
use crate::lint::finding::Finding;

/// What a hop says of the chain of a certificate that it did not verify. nginx and Apache write
/// words, HAProxy and OpenSSL numbers.
const NOT_VERIFIED: [&str; 3] = ["NONE", "GENEROUS", "FAILED"];

/// The names of the headers that a `peer_certificate` reads, in lower case. A dialect that this
/// program does not know has none.
pub(super) fn read_names(peer: &Value) -> Vec<String> {
    if peer.get("source").and_then(Value::as_str) != Some("forwarded") {
        return Vec::new();
    }
    let certificate = text(peer, "/header")
        .map(str::to_owned)
        .or_else(|| form(peer).and_then(CertificateHeader::usual_name).map(str::to_owned));
    let verified = text(peer, "/verified/header").map(str::to_owned);
    certificate.into_iter().chain(verified).map(|name| name.to_ascii_lowercase()).collect()
}

/// The form of the header; `None` = the dialect is unknown.
fn form(peer: &Value) -> Option<CertificateHeader> {
    let Some(dialect) = peer.get("dialect") else { return Some(CertificateHeader::default()) };
    let known = CertificateHeader::DIALECTS.into_iter().find(|(word, _)| dialect == word);
    known.map(|(_, form)| form)
}

fn text<'a>(json: &'a Value, pointer: &str) -> Option<&'a str> {
    json.pointer(pointer).and_then(Value::as_str)
}

struct Place<'a> {
    own: &'a Value,
    top: &'a Value,
    at: &'a str,
}

impl Place<'_> {
    fn doubt(&self, pointer: &str, message: &str) -> Finding {
        doubt(&format!("{}{pointer}", self.at), message)
    }
}

/// Those of the members `own` of the top level or of a tenant at the JSON Pointer `at`. `top` = the
/// top level, whose members a tenant inherits.
pub(super) fn doubts(own: &Value, top: &Value, at: &str) -> Vec<Finding> {
    let members = Place { own, top, at };
    let mut doubts = Vec::new();
    if let Some(peer) = members.own.get("peer_certificate") {
        doubts.extend(of_header(&members, peer));
        doubts.extend(of_verified(&members, peer));
    }
    doubts.extend(of_certificate_for(&members));
    doubts
}

fn of_header(members: &Place<'_>, peer: &Value) -> Option<Finding> {
    let names = read_names(peer);
    let name = names.first()?;
    if peer.get("trusted_proxies").is_none() {
        let is_envoys =
            form(peer) == Some(CertificateHeader::Xfcc) && name == "x-forwarded-client-cert";
        let member = if peer.get("dialect").is_some() { "dialect" } else { "header" };
        // Envoy itself writes its own header alone.
        return (!is_envoys).then(|| {
            members.doubt(
                &format!("/peer_certificate/{member}"),
                "Envoy writes no such header of its own connections, and without trusted_proxies \
                 that of another hop counts for none: clients are refused; name the hops in \
                 trusted_proxies",
            )
        });
    }
    (name == "x-forwarded-tls-client-cert").then(|| {
        members.doubt(
            "/peer_certificate/header",
            "Traefik with forwardedHeaders.insecure, or with the client in trustedIPs, lets this \
             header of a client without a certificate through as it came: leave both out",
        )
    })
}

fn of_verified(members: &Place<'_>, peer: &Value) -> Vec<Finding> {
    let values = peer.pointer("/verified/values").and_then(Value::as_array);
    let mut doubts = Vec::new();
    for (index, value) in values.into_iter().flatten().enumerate() {
        let Some(value) = value.as_str() else { continue };
        let pointer = format!("/peer_certificate/verified/values/{index}");
        let upper = value.to_ascii_uppercase();
        if NOT_VERIFIED.iter().any(|word| upper.starts_with(word)) {
            let message = "a proxy writes this for a certificate whose chain it did not verify, or \
                for none: everybody who makes a certificate with a client's name is that client";
            doubts.push(members.doubt(&pointer, message));
        } else if value.parse::<u32>().is_ok_and(|error| error > 1) {
            let message = "HAProxy and OpenSSL write a number other than 0 for a chain that they \
                could not verify: everybody who makes a certificate with a client's name is that \
                client";
            doubts.push(members.doubt(&pointer, message));
        } else if value == "SUCCESS" {
            let message = "if Apache writes this: SSL_CLIENT_VERIFY is SUCCESS on every resumed \
                TLS 1.2 session, whatever the chain; there set SSLSessionCache none and \
                SSLSessionTickets off, or allow TLS 1.3 alone. Right as nginx writes it";
            doubts.push(members.doubt(&pointer, message));
        }
    }
    doubts
}

fn of_certificate_for(members: &Place<'_>) -> Option<Finding> {
    let forward = members.own.get("forward").or_else(|| members.top.get("forward"))?;
    let is_own = members.own.get("forward").is_some();
    text(forward, "/certificate_for").filter(|told| *told != "authenticated")?;
    if is_own && forward.get("certificate").is_none() && forward.get("thumbprint").is_none() {
        let message = "without certificate and thumbprint beside it nothing is written";
        return Some(members.doubt("/forward/certificate_for", message));
    }
    let inherited = || members.top.get("unregistered_clients");
    let passes = members.own.get("unregistered_clients").or_else(inherited)?;
    let has_own = is_own || members.own.get("unregistered_clients").is_some();
    let pointer = if is_own { "/forward/certificate_for" } else { "/unregistered_clients" };
    (has_own && passes == "pass").then(|| {
        members.doubt(
            pointer,
            "with certificate_for, a server gets the certificate of a client that is in no \
             registry too; it must not take the header for an authentication",
        )
    })
}
