//! Whole client lists of other servers: where a document has its entries, and the conversion of
//! each.

use std::collections::BTreeMap;

use super::{ConvertedEntry, authlete, client, duende, keycloak, metadata, spring};
use crate::json::{Json, JsonError};
use crate::registration::foreign;
use crate::registry::list::{Completeness, IncompleteList, PageSummary};

/// The server that a client list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientListFormat {
    /// Authlete's client list.
    Authlete,
    /// Keycloak's client representations, a realm export, or an array of those.
    Keycloak,
    /// Rows of Spring Authorization Server's `oauth2_registered_client`.
    Spring,
    /// Clients of Duende IdentityServer.
    Duende,
}

/// The conversion of one entry of a client list.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// JSON Pointer of the entry; empty where the whole document is one client.
    pub pointer: String,
    /// Every `client_id` that the entry concerns, as far as it can be read.
    pub client_ids: Vec<Box<str>>,
    /// Client metadata of RFC 7591, one for each `client_id`; or why there is none. The pointer is
    /// relative to the entry.
    pub clients: Result<Vec<serde_json::Value>, JsonError>,
    /// Whether the client never authenticates, so that it does not matter that it is not converted.
    pub never_authenticates: bool,
}

/// Converts a client list, entry by entry.
///
/// # Errors
/// The document is not a list of clients.
pub fn convert_list(text: &[u8], format: ClientListFormat) -> Result<Vec<Conversion>, JsonError> {
    let layout = DocumentLayout::of(format);
    let json = Json::parse_in_parts(text)?;
    let located = layout.entries(&json)?;
    let converted: Vec<ConvertedEntry> =
        located.iter().map(|entry| (layout.convert)(entry.json)).collect();
    let mut entries_with = BTreeMap::<Box<str>, usize>::new();
    for id in converted.iter().flat_map(|entry| &entry.client_ids) {
        *entries_with.entry(id.clone()).or_default() += 1;
    }
    let conversions = located.into_iter().zip(converted).map(
        |(entry, ConvertedEntry { client_ids, members, never_authenticates })| {
            let own = foreign::refuse(entry.json, layout.what, layout.method);
            let never_authenticates = never_authenticates && own.is_ok();
            let clients = own.and(members).and_then(|members| {
                if client_ids.is_empty() {
                    return Err(JsonError::expected("an identifier").within(layout.client_id));
                }
                // Two realms may each have a client with this identifier. Nothing shows which of
                // them requests mean.
                if client_ids.iter().any(|id| entries_with.get(id).is_some_and(|n| *n > 1)) {
                    return Err(JsonError::new("another entry has the same identifier"));
                }
                // Client metadata that the filter would refuse is not a conversion.
                client_ids
                    .iter()
                    .map(|id| {
                        client(id, &members, &mut Vec::new())
                            .map(|_| metadata(id, &members).to_value())
                    })
                    .collect()
            });
            let clients = clients.map_err(|error| layout.as_written(entry.json, error));
            Conversion { pointer: entry.pointer, client_ids, clients, never_authenticates }
        },
    );
    Ok(conversions.collect())
}

/// Why a document is only a part of the list that its server has, as far as it says so itself;
/// `None` = it does not.
///
/// # Errors
/// The document is not a list of clients.
pub fn missing_part(
    text: &[u8],
    format: ClientListFormat,
) -> Result<Option<IncompleteList>, JsonError> {
    let json = Json::parse_in_parts(text)?;
    let Json::Object(members) = &json else { return Ok(None) };
    let Some((pointer, entries)) = DocumentLayout::of(format).list(&json)? else {
        return Ok(None);
    };
    let mut page = PageSummary::default();
    entries.iter().for_each(|_| page.add_entry(&[]));
    let beside = members.iter().filter(|(name, _)| pointer.strip_prefix('/') != Some(name));
    beside.for_each(|(name, value)| page.add_member(name, value));
    Ok(Completeness::of_single_page(&page).err())
}

/// The documents of a server.
struct DocumentLayout {
    convert: fn(&Json) -> ConvertedEntry,
    /// What an entry must be, for the error if it is not.
    what: &'static str,
    /// The member that says how a client authenticates, folded.
    method: &'static str,
    /// The member that makes an object a client.
    client_id: &'static str,
    /// The names of the members that lead to the list, where the document is neither the list nor a
    /// client.
    lists: &'static [&'static [&'static str]],
    /// Whether an array may have such documents as elements.
    has_realms: bool,
    /// Whether names are compared without regard to letter case.
    any_case: bool,
}

/// One entry, and its position.
struct LocatedEntry<'a> {
    /// JSON Pointer of the entry in its document.
    pointer: String,
    json: &'a Json,
}

impl DocumentLayout {
    fn of(format: ClientListFormat) -> Self {
        let authlete = Self {
            convert: authlete::convert,
            what: "a client of Authlete",
            method: "tokenauthmethod",
            client_id: "clientId",
            lists: &[&["clients"]],
            has_realms: false,
            any_case: false,
        };
        match format {
            ClientListFormat::Authlete => authlete,
            ClientListFormat::Keycloak => Self {
                convert: keycloak::convert,
                what: "a client of Keycloak",
                method: "clientauthenticatortype",
                // An export of several realms into one file is an array of realms.
                has_realms: true,
                ..authlete
            },
            // H2 and Oracle print names of columns in capitals.
            ClientListFormat::Spring => Self {
                convert: spring::convert,
                what: "a row of Spring",
                method: foreign::SEVERAL_METHODS,
                client_id: "client_id",
                lists: &[&["oauth2_registered_client"]],
                has_realms: false,
                any_case: true,
            },
            // .NET reads names in a configuration in any letter case, and writes camelCase in JSON.
            ClientListFormat::Duende => Self {
                convert: duende::convert,
                what: "a client of Duende",
                method: "",
                client_id: "ClientId",
                lists: &[&["Clients"], &["IdentityServer", "Clients"]],
                has_realms: false,
                any_case: true,
            },
        }
    }

    /// Every entry of every list of the document.
    fn entries<'a>(&self, document: &'a Json) -> Result<Vec<LocatedEntry<'a>>, JsonError> {
        if let Json::Array(entries) = document {
            let located = entries.iter().enumerate().map(|(index, entry)| {
                let realm = if self.has_realms {
                    self.list(entry).map_err(|error| error.within(index))?
                } else {
                    None
                };
                let pointer = format!("/{index}");
                Ok(match realm {
                    Some((below, clients)) => each(&format!("{pointer}{below}"), clients),
                    None => vec![LocatedEntry { pointer, json: entry }],
                })
            });
            return Ok(located.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect());
        }
        match self.list(document)? {
            Some((pointer, entries)) => Ok(each(&pointer, entries)),
            None if self.member(document, self.client_id)?.is_some() => {
                Ok(vec![LocatedEntry { pointer: String::new(), json: document }])
            }
            None => Err(JsonError::expected("an array of clients, or one client")),
        }
    }

    /// The JSON Pointer of the list that a document has, and the list.
    fn list<'a>(&self, document: &'a Json) -> Result<Option<(String, &'a [Json])>, JsonError> {
        let mut found: Option<(String, &[Json])> = None;
        for path in self.lists {
            let mut value = Some((String::new(), document));
            for name in *path {
                let Some((pointer, json)) = value else { break };
                value = self
                    .member(json, name)?
                    .map(|(name, value)| (format!("{pointer}/{name}"), value));
            }
            let Some((pointer, list)) = value else { continue };
            let Json::Array(entries) = list else {
                return Err(JsonError { pointer, ..JsonError::expected("an array of clients") });
            };
            if let Some((other, _)) = found {
                return Err(JsonError::new(format!("two lists of clients, {other} and {pointer}")));
            }
            found = Some((pointer, entries));
        }
        Ok(found)
    }

    /// The member `name`: its name as this object has it, and its value.
    fn member<'a>(
        &self,
        json: &'a Json,
        name: &str,
    ) -> Result<Option<(&'a str, &'a Json)>, JsonError> {
        let Json::Object(members) = json else { return Ok(None) };
        let mut same = members.iter().filter(|(key, _)| {
            if self.any_case { key.eq_ignore_ascii_case(name) } else { key == name }
        });
        match (same.next(), same.next()) {
            (Some((key, _)), Some(_)) => {
                Err(JsonError::new(format!("expected {key} once, found it twice")).within(key))
            }
            (first, _) => Ok(first.map(|(key, value)| (key.as_str(), value))),
        }
    }

    /// The error, with the names in its pointer as the entry has them.
    fn as_written(&self, entry: &Json, error: JsonError) -> JsonError {
        if !self.any_case {
            return error;
        }
        let mut pointer = String::new();
        let mut json = Some(entry);
        for step in error.pointer.split('/').skip(1) {
            let (name, below) = match json {
                Some(Json::Object(members)) => {
                    let exact = members.iter().find(|(key, _)| key == step);
                    let same = exact
                        .or_else(|| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(step)));
                    same.map_or((step, None), |(key, value)| (key.as_str(), Some(value)))
                }
                Some(Json::Array(elements)) => {
                    (step, step.parse::<usize>().ok().and_then(|index| elements.get(index)))
                }
                _ => (step, None),
            };
            pointer = format!("{pointer}/{name}");
            json = below;
        }
        JsonError { pointer, ..error }
    }
}

fn each<'a>(pointer: &str, entries: &'a [Json]) -> Vec<LocatedEntry<'a>> {
    let entries = entries.iter().enumerate();
    entries
        .map(|(index, json)| LocatedEntry { pointer: format!("{pointer}/{index}"), json })
        .collect()
}
