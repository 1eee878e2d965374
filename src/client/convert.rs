//! Entries of client lists in terms of RFC 7591 (SPEC §6, §12): client metadata itself, and what the lists of Authlete,
//! Keycloak, Spring Authorization Server and Duende IdentityServer have.
//!
//! A client is converted exactly or not at all: what cannot be carried over is refused with its reason, never rounded.

mod authlete;
mod duende;
mod keycloak;
mod spring;

use std::collections::BTreeMap;

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

/// Whose client list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientListFormat {
    /// Authlete's client list.
    Authlete,
    /// Keycloak's client representations, or a realm export.
    Keycloak,
    /// Rows of Spring Authorization Server's `oauth2_registered_client`.
    Spring,
    /// Clients of Duende IdentityServer.
    Duende,
}

/// What became of one entry of a client list.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// JSON Pointer of the entry.
    pub pointer: String,
    /// Whom the entry is about, as far as that can be read.
    pub client_ids: Vec<Box<str>>,
    /// Client metadata of RFC 7591, one for each of them; or why there is none. The pointer is relative to the entry.
    pub clients: Result<Vec<serde_json::Value>, ConfigError>,
}

/// Converts a client list, entry by entry.
///
/// # Errors
/// It is no list of clients at all.
pub fn convert_list(text: &[u8], format: ClientListFormat) -> Result<Vec<Conversion>, ConfigError> {
    let convert = match format {
        ClientListFormat::Authlete => authlete::convert,
        ClientListFormat::Keycloak => keycloak::convert,
        ClientListFormat::Spring => spring::convert,
        ClientListFormat::Duende => duende::convert,
    };
    // Where each has its list, unless it is the whole document.
    let places: &[&[&str]] = match format {
        ClientListFormat::Authlete | ClientListFormat::Keycloak => &[&["clients"]],
        ClientListFormat::Spring => &[&["oauth2_registered_client"]],
        ClientListFormat::Duende => &[&["Clients"], &["IdentityServer", "Clients"]],
    };
    let json = Json::parse(text)?;
    let mut lists = vec![(String::new(), &json)];
    lists.extend(places.iter().filter_map(|place| {
        let list = place.iter().try_fold(&json, |json, name| json.members(name).next())?;
        Some((format!("/{}", place.join("/")), list))
    }));
    let found = lists.into_iter().find_map(|(at, list)| if let Json::Array(entries) = list { Some((at, entries)) } else { None });
    let (at, entries) = found.ok_or_else(|| ConfigError::expected("an array of clients"))?;
    let entries: Vec<Converted> = entries.iter().map(convert).collect();
    let mut owners = BTreeMap::<_, usize>::new();
    for id in entries.iter().flat_map(|entry| &entry.client_ids) {
        *owners.entry(id.clone()).or_default() += 1;
    }
    let entries = entries.into_iter().enumerate().map(|(index, Converted { client_ids, members })| {
        let clients = members.and_then(|members| {
            if client_ids.is_empty() {
                return Err(ConfigError::expected("an identifier"));
            }
            // Which of them is the client, nobody can tell.
            if client_ids.iter().any(|id| owners.get(id).is_some_and(|owners| *owners > 1)) {
                return Err(ConfigError::new("another entry has the same identifier"));
            }
            // What the filter would not load is not converted.
            client_ids.iter().map(|id| client(id, &members).map(|_| metadata(id, &members).to_value())).collect()
        });
        Conversion { pointer: format!("{at}/{index}"), client_ids, clients }
    });
    Ok(entries.collect())
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
