//! Entries of client lists in terms of RFC 7591 (SPEC §6): client metadata itself, what Authlete's client list has, and
//! Keycloak's client representations.
//!
//! A client is converted exactly or not at all: what cannot be carried over is refused with its reason, never rounded.

mod authlete;
mod keycloak;

use super::metadata::ClientMetadata;
use crate::error::ConfigError;
use crate::json::Json;

/// One entry of a client list.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Every `client_id` that the entry is about, as far as it can be read: whoever refuses the entry must know whom not to
    /// take for unregistered.
    pub(crate) client_ids: Vec<Box<str>>,
    /// A client for each of them, or what is wrong; the pointer is relative to the entry.
    pub(crate) clients: Result<Vec<ClientMetadata>, ConfigError>,
}

/// What an entry of another format says, in terms of RFC 7591.
struct Converted {
    client_ids: Vec<Box<str>>,
    members: Result<Vec<Member>, ConfigError>,
}

/// One member of client metadata.
struct Member {
    /// Its name in RFC 7591 and RFC 8705.
    name: &'static str,
    /// JSON Pointer of where it stands in the entry.
    source: &'static str,
    value: Json,
}

/// Reads one entry, in whichever of the formats it is.
pub(crate) fn read(entry: &Json) -> Entry {
    let own = texts(entry, "client_id");
    let is_own = entry.members("client_id").next().is_some();
    let converted = match entry.members("clientId").next() {
        Some(_) if is_own => {
            let client_ids = own.into_iter().chain(texts(entry, "clientId")).collect();
            let both = ConfigError::expected("client_id (RFC 7591) or clientId (Authlete, Keycloak), not both");
            return Entry { client_ids, clients: Err(both) };
        }
        _ if authlete::is_client(entry) => authlete::convert(entry),
        Some(_) => keycloak::convert(entry),
        None => return Entry { client_ids: own, clients: ClientMetadata::from_json(entry).map(|client| vec![client]) },
    };
    let clients = converted.members.and_then(|members| {
        if converted.client_ids.is_empty() {
            return Err(ConfigError::expected("an identifier").within("clientId"));
        }
        let clients = converted.client_ids.iter().map(|client_id| client(client_id, &members));
        clients.collect()
    });
    Entry { client_ids: converted.client_ids, clients }
}

/// The metadata of a client, as RFC 7591 writes it.
fn metadata(client_id: &str, members: &[Member]) -> Json {
    let id = ("client_id".to_owned(), Json::String(client_id.to_owned()));
    let members = members.iter().map(|member| (member.name.to_owned(), member.value.clone()));
    Json::Object(std::iter::once(id).chain(members).collect())
}

fn client(client_id: &str, members: &[Member]) -> Result<ClientMetadata, ConfigError> {
    ClientMetadata::from_json(&metadata(client_id, members)).map_err(|error| {
        // The operator knows the entry, not what it was converted to.
        let source = members.iter().find_map(|member| {
            let rest = error.pointer.strip_prefix('/')?.strip_prefix(member.name)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", member.source))
        });
        ConfigError { pointer: source.unwrap_or_default(), message: error.message }
    })
}

/// Texts and whole numbers among the values of a member, which may be repeated.
fn texts(entry: &Json, name: &str) -> Vec<Box<str>> {
    let text = |value: &Json| match value {
        Json::String(text) if !text.is_empty() => Some(text.as_str().into()),
        Json::Number(number) => number.as_u64().map(|number| number.to_string().into()),
        _ => None,
    };
    entry.members(name).filter_map(text).collect()
}

fn text(json: &Json) -> Result<&str, ConfigError> {
    json.string("a string")
}

fn boolean(json: &Json) -> Result<bool, ConfigError> {
    if let Json::Bool(value) = json { Ok(*value) } else { Err(ConfigError::expected("true or false")) }
}

fn member(name: &'static str, source: &'static str, value: &str) -> Member {
    Member { name, source, value: Json::String(value.to_owned()) }
}

/// RFC 8705 §3.4.
const BOUND_TOKENS: &str = "tls_client_certificate_bound_access_tokens";
const METHOD: &str = "token_endpoint_auth_method";

#[cfg(test)]
mod tests;
