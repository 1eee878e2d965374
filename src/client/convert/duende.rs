//! Duende IdentityServer's clients: the JSON of its `Client` class, as in a configuration section or an export of its store.

use super::{Converted, METHOD, Member, boolean, member, text, texts};
use crate::error::ConfigError;
use crate::json::{Json, Members};

pub(super) fn convert(entry: &Json) -> Converted {
    Converted { client_ids: texts(entry, "ClientId"), members: members(entry) }
}

fn members(entry: &Json) -> Result<Vec<Member>, ConfigError> {
    let mut members = Members::of(entry, "a client of Duende IdentityServer")?;
    members.read("ClientId", text)?;
    if members.read_unless_null("Enabled", boolean)? == Some(false) {
        return Err(ConfigError::new("the client is disabled").within("Enabled"));
    }
    let needs_secret = members.read_unless_null("RequireClientSecret", boolean)?.unwrap_or(true);
    let secrets = members.read_unless_null("ClientSecrets", |json| json.elements("an array of secrets", Secret::from_json))?;
    let secrets = secrets.unwrap_or_default();
    let error = |message: &str| Err(ConfigError::new(message).within("ClientSecrets"));
    match secrets.as_slice() {
        [] if !needs_secret => Ok(vec![member(METHOD, "/RequireClientSecret", "none")]),
        [] => error("the client needs a secret and has none"),
        _ if !needs_secret => error("the client has secrets and may do without: RequireClientSecret is false"),
        [Secret::SubjectName(name)] => Ok(vec![
            member(METHOD, "/ClientSecrets/0/Type", "tls_client_auth"),
            member("tls_client_auth_subject_dn", "/ClientSecrets/0/Value", name),
        ]),
        secrets if secrets.iter().all(|secret| matches!(secret, Secret::Shared)) => {
            // In a header or in the body: either is the backend's to check.
            Ok(vec![member(METHOD, "/ClientSecrets", "client_secret_basic")])
        }
        secrets if secrets.iter().all(|secret| matches!(secret, Secret::Key)) => {
            Ok(vec![member(METHOD, "/ClientSecrets", "private_key_jwt")])
        }
        _ => error("several secrets, of which Duende takes any: RFC 7591 has one method with one subject"),
    }
}

/// An element of `ClientSecrets`.
enum Secret {
    Shared,
    /// The subject as .NET prints it, most specific RDN first.
    SubjectName(String),
    /// A key for assertions.
    Key,
}

impl Secret {
    fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let mut members = Members::of(json, "a secret")?;
        if members.read_unless_null("Expiration", |_| Ok(()))?.is_some() {
            return Err(ConfigError::new("the secret expires, which client metadata cannot say").within("Expiration"));
        }
        let value = members.read("Value", text)?.unwrap_or_default();
        let kind = members.read_unless_null("Type", text)?.unwrap_or("SharedSecret");
        match kind {
            "SharedSecret" => Ok(Self::Shared),
            "X509Name" => Ok(Self::SubjectName(value.to_owned())),
            "X509CertificateBase64" | "JWK" => Ok(Self::Key),
            "X509Thumbprint" => {
                Err(ConfigError::new("a SHA-1 thumbprint: register the certificate itself, or its SHA-256").within("Type"))
            }
            _ => Err(ConfigError::new("a type of secret that is not Duende's own").within("Type")),
        }
    }
}
