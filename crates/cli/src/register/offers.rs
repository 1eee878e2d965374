//! The registrations that a certificate allows (RFC 8705 §2.1.2 and §2.2.2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tls_client_auth::{AlternativeName, PeerCertificate};

use super::x509::Details;

pub const SUBJECT_DN: &str = "tls_client_auth_subject_dn";
pub const SAN_DNS: &str = "tls_client_auth_san_dns";
pub const SAN_URI: &str = "tls_client_auth_san_uri";
pub const SAN_IP: &str = "tls_client_auth_san_ip";
pub const SAN_EMAIL: &str = "tls_client_auth_san_email";

/// One way in which a client can be registered by a certificate.
#[derive(Debug)]
pub enum Offer {
    /// The subject, in the form of RFC 4514.
    SubjectDn(String),
    /// One of the alternative names, with its member of RFC 8705.
    AlternativeName { member: &'static str, name: String },
    /// A key with `x5t#S256`.
    Thumbprint { key: Map<String, Value> },
    /// A key with `x5c`.
    Certificate { key: Map<String, Value> },
}

impl Offer {
    /// Client metadata of RFC 7591.
    pub fn metadata(&self, client_id: &str) -> Value {
        let tls = |member: &str, name: &str| {
            let method = "tls_client_auth";
            json!({ "client_id": client_id, "token_endpoint_auth_method": method, member: name })
        };
        match self {
            Self::SubjectDn(name) => tls(SUBJECT_DN, name),
            Self::AlternativeName { member, name } => tls(member, name),
            Self::Thumbprint { key } | Self::Certificate { key } => json!({
                "client_id": client_id,
                "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks": { "keys": [key] },
            }),
        }
    }

    /// The key of a self-signed registration.
    pub fn key(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Thumbprint { key } | Self::Certificate { key } => Some(key),
            Self::SubjectDn(_) | Self::AlternativeName { .. } => None,
        }
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubjectDn(name) => write!(f, "{SUBJECT_DN} {name}"),
            Self::AlternativeName { member, name } => write!(f, "{member} {name}"),
            Self::Thumbprint { .. } => f.write_str("jwks with x5t#S256"),
            Self::Certificate { .. } => f.write_str("jwks with x5c"),
        }
    }
}

/// What of a certificate cannot be registered.
#[derive(Debug)]
pub struct LeftOut {
    pub part: CertificatePart,
    /// The part by its name, and why.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePart {
    Subject,
    AlternativeNames,
    Key,
}

/// Every registration, and why others are not possible.
pub fn offers(certificate: &PeerCertificate, details: &Details) -> (Vec<Offer>, Vec<LeftOut>) {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    match certificate.subject() {
        Ok(subject) => found.push(Offer::SubjectDn(subject.to_string())),
        Err(error) => {
            let why = format!("{SUBJECT_DN}: {error}");
            left_out.push(LeftOut { part: CertificatePart::Subject, why });
        }
    }
    match certificate.alternative_names() {
        Ok(names) => {
            let mut seen: Vec<&AlternativeName> = Vec::new();
            for name in &names {
                if !seen.contains(&name) {
                    seen.push(name);
                    found.push(of_alternative_name(name));
                }
            }
        }
        Err(error) => {
            let why = format!("alternative names: {error}");
            left_out.push(LeftOut { part: CertificatePart::AlternativeNames, why });
        }
    }
    left_out.extend(
        details
            .unusable_names
            .iter()
            .map(|why| LeftOut { part: CertificatePart::AlternativeNames, why: why.clone() }),
    );
    match &details.key {
        Ok(key) => {
            let with = |member: &str, value: Value| {
                let mut key = key.clone();
                key.insert(member.to_owned(), value);
                key
            };
            let thumbprint = certificate.thumbprint().to_string();
            let x5c = json!([STANDARD.encode(certificate.der())]);
            found.push(Offer::Thumbprint { key: with("x5t#S256", thumbprint.into()) });
            found.push(Offer::Certificate { key: with("x5c", x5c) });
        }
        Err(why) => {
            left_out.push(LeftOut { part: CertificatePart::Key, why: format!("jwks: {why}") });
        }
    }
    (found, left_out)
}

fn of_alternative_name(name: &AlternativeName) -> Offer {
    let (member, name) = match name {
        AlternativeName::Dns(name) => (SAN_DNS, name.to_string()),
        AlternativeName::Uri(name) => (SAN_URI, name.to_string()),
        AlternativeName::Ip(name) => (SAN_IP, name.to_string()),
        AlternativeName::Email(name) => (SAN_EMAIL, name.to_string()),
    };
    Offer::AlternativeName { member, name }
}
