//! Registrations as other servers write them: the reverse of `convert`.

use serde_json::{Map, Value, json};

use super::offers::{self, Offer};
use super::printed_names;
use super::x509::Details;
use crate::arguments::ServerArgument;

/// The client in the server's format.
///
/// # Errors
/// Why the server cannot have this registration.
pub fn entry(
    offer: &Offer,
    details: &Details,
    server: ServerArgument,
    client_id: &str,
) -> Result<Value, String> {
    match server {
        ServerArgument::Authlete => authlete(offer, client_id),
        ServerArgument::Keycloak => keycloak(offer, details, client_id),
        ServerArgument::Spring => spring(offer, details, client_id),
        ServerArgument::Duende => duende(offer, details, client_id),
    }
}

/// What the operator of the server should also know.
pub fn notes(server: ServerArgument, details: &Details, client_id: &str) -> Vec<String> {
    match server {
        ServerArgument::Authlete if authlete_number(client_id).is_none() => vec![
            "Authlete gives each client a number: replace clientId 0 by it; the identifier is the \
             alias"
                .to_owned(),
        ],
        ServerArgument::Keycloak => vec![keycloak_note(details)],
        _ => Vec::new(),
    }
}

/// Keycloak compares `x509.casubjectdn` with the end of the path that it built, and refuses every
/// request where that is another name. A CA below the root may have issued the certificate.
fn keycloak_note(details: &Details) -> String {
    let root = Some(&details.issuer).filter(|_| details.is_issued_by_root);
    let root = root.and_then(|name| printed_names::keycloak(name).ok());
    let which = match root.filter(|name| !name.is_empty()) {
        Some(name) => format!(": {name}"),
        None => "; it is not shown here, and the issuer's name is another one where a CA below \
            that root issued the certificate"
            .to_owned(),
    };
    format!(
        "Keycloak 26.7 and later also asks for x509.casubjectdn, the name of the root in \
         Keycloak's truststore that the certificate leads to{which}"
    )
}

/// The number that Authlete gives a client, where the identifier is one. `007` and `+7` are other
/// identifiers than `7`, so they are no numbers.
fn authlete_number(client_id: &str) -> Option<i64> {
    let number = client_id.parse::<i64>().ok().filter(|number| *number >= 0)?;
    (number.to_string() == client_id).then_some(number)
}

fn authlete(offer: &Offer, client_id: &str) -> Result<Value, String> {
    let mut members = Map::new();
    match authlete_number(client_id) {
        Some(number) => {
            members.insert("clientId".to_owned(), number.into());
        }
        None => {
            members.insert("clientId".to_owned(), 0.into());
            members.insert("clientIdAlias".to_owned(), client_id.into());
            members.insert("clientIdAliasEnabled".to_owned(), true.into());
        }
    }
    let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
    match offer {
        Offer::SubjectDn(name) => {
            add("tokenAuthMethod", "TLS_CLIENT_AUTH".into());
            add("tlsClientAuthSubjectDn", name.as_str().into());
        }
        Offer::AlternativeName { member, name } => {
            let own = match *member {
                offers::SAN_DNS => "tlsClientAuthSanDns",
                offers::SAN_URI => "tlsClientAuthSanUri",
                offers::SAN_IP => "tlsClientAuthSanIp",
                _ => "tlsClientAuthSanEmail",
            };
            add("tokenAuthMethod", "TLS_CLIENT_AUTH".into());
            add(own, name.as_str().into());
        }
        Offer::Thumbprint { key } | Offer::Certificate { key } => {
            // The key that selfSignedCertificateKeyId names.
            const KEY_ID: &str = "client-certificate";
            let mut key = key.clone();
            key.insert("kid".to_owned(), KEY_ID.into());
            add("tokenAuthMethod", "SELF_SIGNED_TLS_CLIENT_AUTH".into());
            add("selfSignedCertificateKeyId", KEY_ID.into());
            add("jwks", json!({ "keys": [key] }).to_string().into());
        }
    }
    Ok(Value::Object(members))
}

fn keycloak(offer: &Offer, details: &Details, client_id: &str) -> Result<Value, String> {
    let name = subject(offer, "Keycloak", || printed_names::keycloak(&details.subject))?;
    Ok(json!({
        "clientId": client_id,
        "enabled": true,
        "protocol": "openid-connect",
        "publicClient": false,
        "clientAuthenticatorType": "client-x509",
        "attributes": {
            "x509.subjectdn": name,
            // Otherwise the name is a regular expression.
            "x509.allow.regex.pattern.comparison": "false",
        },
    }))
}

fn spring(offer: &Offer, details: &Details, client_id: &str) -> Result<Value, String> {
    if offer.key().is_some() {
        return Err("Spring fetches the certificates of such a client from \
            settings.client.jwk-set-url: publish the JWK Set there"
            .to_owned());
    }
    let name = subject(offer, "Spring", || printed_names::java(&details.subject))?;
    // As the row of the database has it: JSON in a column of text.
    let settings = json!({
        "@class": "java.util.Collections$UnmodifiableMap",
        "settings.client.x509-certificate-subject-dn": name,
    });
    Ok(json!({
        "client_id": client_id,
        "client_authentication_methods": "tls_client_auth",
        "client_settings": settings.to_string(),
    }))
}

fn duende(offer: &Offer, details: &Details, client_id: &str) -> Result<Value, String> {
    if offer.key().is_some() {
        return Err("Duende compares the SHA-1 of such a certificate (X509Thumbprint), and the \
            filter does not"
            .to_owned());
    }
    let name = subject(offer, "Duende", || printed_names::dotnet(&details.subject))?;
    Ok(json!({
        "ClientId": client_id,
        "RequireClientSecret": true,
        "ClientSecrets": [{ "Type": "X509Name", "Value": name }],
    }))
}

/// The subject of a server that compares nothing else.
fn subject(
    offer: &Offer,
    server: &str,
    print: impl FnOnce() -> Result<String, String>,
) -> Result<String, String> {
    match offer {
        Offer::SubjectDn(_) => print(),
        _ => Err(format!("{server} compares the subject alone")),
    }
}
