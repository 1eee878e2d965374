//! Clients of Duende IdentityServer: the JSON of its `Client` class, in a configuration section or
//! in an export of its store.

use super::members::{boolean_of, must_be, must_read, spelled, text, text_of, texts};
use super::printed_name::is_printed_by_dotnet;
use super::{ConvertedEntry, ConvertedMember, METHOD};
use crate::json::{Json, JsonError, Members};

const MEMBERS: [&str; 6] = [
    "Enabled",
    "ClientId",
    "ProtocolType",
    "AllowedGrantTypes",
    "RequireClientSecret",
    "ClientSecrets",
];

pub(super) fn convert(entry: &Json) -> ConvertedEntry {
    let client = &spelled(entry, &MEMBERS);
    ConvertedEntry {
        client_ids: texts(client, "ClientId"),
        members: members(client),
        never_authenticates: false,
    }
}

fn members(client: &Json) -> Result<Vec<ConvertedMember>, JsonError> {
    let mut members = Members::of(client, "a client of Duende IdentityServer")?;
    members.read("ClientId", text)?;
    must_be(&mut members, "Enabled", true, "the client is disabled")?;
    // Duende answers clients of other protocols with invalid_client at the token endpoint.
    must_read(&mut members, "ProtocolType", "oidc", "not a client of OpenID Connect")?;
    let grants = members.read_unless_null("AllowedGrantTypes", |json| {
        json.elements("an array of grant types", grant_type)
    })?;
    // Duende requires no secret of such a client, whatever RequireClientSecret says.
    let is_implicit = grants
        .is_some_and(|grants| !grants.is_empty() && grants.iter().all(|grant| grant == "implicit"));
    let needs_secret =
        boolean_of(&mut members, "RequireClientSecret")?.unwrap_or(true) && !is_implicit;
    let secrets = members.read_unless_null("ClientSecrets", |json| {
        json.elements("an array of secrets", Secret::from_json)
    })?;
    let secrets = secrets.unwrap_or_default();
    let error = |message: &str| Err(JsonError::new(message).within("ClientSecrets"));
    match secrets.as_slice() {
        [] if !needs_secret => {
            Ok(vec![ConvertedMember::text(METHOD, "RequireClientSecret", "none")])
        }
        [] => error("the client needs a secret and has none"),
        _ if is_implicit => {
            error("the client has secrets and may do without: \"implicit\" is its only grant type")
        }
        _ if !needs_secret => {
            error("the client has secrets and may do without: RequireClientSecret is false")
        }
        [Secret::SubjectName(name)] => Ok(vec![
            ConvertedMember::text(METHOD, "ClientSecrets/0/Type", "tls_client_auth"),
            ConvertedMember::text("tls_client_auth_subject_dn", "ClientSecrets/0/Value", name),
        ]),
        // The backend checks each of them, a secret in a header or in the body: the first stands
        // for all.
        [first, ..] if !secrets.iter().any(|one| matches!(one, Secret::SubjectName(_))) => {
            let method = if matches!(first, Secret::Key) {
                "private_key_jwt"
            } else {
                "client_secret_basic"
            };
            Ok(vec![ConvertedMember::text(METHOD, "ClientSecrets", method)])
        }
        _ => error(
            "several secrets, of which Duende takes any: RFC 7591 has one method with one subject",
        ),
    }
}

/// An element of `AllowedGrantTypes`; in an export of the store it is an object.
fn grant_type(json: &Json) -> Result<String, JsonError> {
    let Json::Object(_) = json else { return text(json).map(str::to_owned) };
    let grant = spelled(json, &["GrantType"]);
    let name = Members::of(&grant, "a grant type")?.read("GrantType", text)?;
    name.map(str::to_owned).ok_or_else(|| JsonError::expected("the member GrantType"))
}

/// An element of `ClientSecrets`.
enum Secret {
    Shared,
    /// The subject as .NET prints it, most specific RDN first.
    SubjectName(String),
    /// A key for client assertions (RFC 7523).
    Key,
}

impl Secret {
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let secret = spelled(json, &["Value", "Type", "Expiration"]);
        let mut members = Members::of(&secret, "a secret")?;
        if members.read_unless_null("Expiration", |_| Ok(()))?.is_some() {
            return Err(JsonError::new("the secret expires, which client metadata cannot say")
                .within("Expiration"));
        }
        let value = text_of(&mut members, "Value")?;
        // Duende reads an absent type as SharedSecret, and has no validator for null.
        let kind = members.read("Type", text)?.unwrap_or("SharedSecret");
        match kind {
            "SharedSecret" => Ok(Self::Shared),
            "X509Name" => {
                let name = value.ok_or_else(|| JsonError::expected("the member Value"))?;
                if !is_printed_by_dotnet(name) {
                    let message =
                        "a name as .NET prints it (CN=a, O=b): nothing else matches in Duende";
                    return Err(JsonError::expected(message).within("Value"));
                }
                Ok(Self::SubjectName(name.to_owned()))
            }
            "X509CertificateBase64" | "JWK" => Ok(Self::Key),
            "X509Thumbprint" => Err(JsonError::new(
                "a SHA-1 thumbprint: register the certificate itself, or its SHA-256",
            )
            .within("Type")),
            _ => Err(JsonError::new("a type of secret that is not Duende's own").within("Type")),
        }
    }
}
