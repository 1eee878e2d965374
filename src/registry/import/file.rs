//! Whole client lists of other servers: where a document has its entries, and what becomes of each.

use std::collections::BTreeMap;

use super::{Converted, authlete, client, duende, keycloak, metadata, spring};
use crate::json::{Json, JsonError};
use crate::registration::foreign;

/// Whose client list it is.
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

/// What became of one entry of a client list.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversion {
    /// JSON Pointer of the entry; empty where the whole document is one client.
    pub pointer: String,
    /// Whom the entry is about, as far as that can be read.
    pub client_ids: Vec<Box<str>>,
    /// Client metadata of RFC 7591, one for each of them; or why there is none. The pointer is
    /// relative to the entry.
    pub clients: Result<Vec<serde_json::Value>, JsonError>,
    /// Whether the client never authenticates, so that it is no loss that it is not converted.
    pub never_authenticates: bool,
}

/// Converts a client list, entry by entry.
///
/// # Errors
/// It is no list of clients at all.
pub fn convert_list(text: &[u8], format: ClientListFormat) -> Result<Vec<Conversion>, JsonError> {
    let layout = Layout::of(format);
    let json = Json::parse(text)?;
    let places = layout.places(&json)?;
    let entries: Vec<Converted> =
        places.iter().map(|place| (layout.convert)(place.entry)).collect();
    let mut owners = BTreeMap::<Box<str>, usize>::new();
    for id in entries.iter().flat_map(|entry| &entry.client_ids) {
        *owners.entry(id.clone()).or_default() += 1;
    }
    let conversions = places.into_iter().zip(entries).map(
        |(place, Converted { client_ids, members, never_authenticates })| {
            let own = foreign::refuse(place.entry, layout.what, layout.method);
            let never_authenticates = never_authenticates && own.is_ok();
            let clients = own.and(members).and_then(|members| {
                if client_ids.is_empty() {
                    return Err(JsonError::expected("an identifier").within(layout.client_id));
                }
                // Which of them is the client, nobody can tell; two realms may well have one each.
                if client_ids.iter().any(|id| owners.get(id).is_some_and(|owners| *owners > 1)) {
                    return Err(JsonError::new("another entry has the same identifier"));
                }
                // What the filter would not load is not converted.
                client_ids
                    .iter()
                    .map(|id| {
                        client(id, &members, &mut Vec::new())
                            .map(|_| metadata(id, &members).to_value())
                    })
                    .collect()
            });
            let clients = clients.map_err(|error| layout.as_written(place.entry, error));
            Conversion { pointer: place.pointer, client_ids, clients, never_authenticates }
        },
    );
    Ok(conversions.collect())
}

/// What a server's client lists look like.
struct Layout {
    convert: fn(&Json) -> Converted,
    /// What an entry is, for whoever finds something else.
    what: &'static str,
    /// The member that says how a client authenticates, folded.
    method: &'static str,
    /// The member by which an object is a client.
    client_id: &'static str,
    /// Where a document has its list, unless it is the list itself or its only client.
    lists: &'static [&'static [&'static str]],
    /// Whether there may be several such documents in an array.
    has_realms: bool,
    /// Whether the letter case of names means nothing.
    any_case: bool,
}

/// One entry, and where it was found.
struct Place<'a> {
    pointer: String,
    entry: &'a Json,
}

impl Layout {
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
                // The export of several realms into one file is an array of them.
                has_realms: true,
                ..authlete
            },
            // H2 and Oracle print the names of columns in capitals.
            ClientListFormat::Spring => Self {
                convert: spring::convert,
                what: "a row of Spring",
                method: foreign::SEVERAL_METHODS,
                client_id: "client_id",
                lists: &[&["oauth2_registered_client"]],
                has_realms: false,
                any_case: true,
            },
            // .NET's configuration has no letter case, and its web APIs write camelCase.
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
    fn places<'a>(&self, document: &'a Json) -> Result<Vec<Place<'a>>, JsonError> {
        if let Json::Array(entries) = document {
            let places = entries.iter().enumerate().map(|(index, entry)| {
                let held = if self.has_realms {
                    self.list(entry).map_err(|error| error.within(index))?
                } else {
                    None
                };
                let at = format!("/{index}");
                Ok(match held {
                    Some((below, clients)) => each(&format!("{at}{below}"), clients),
                    None => vec![Place { pointer: at, entry }],
                })
            });
            return Ok(places.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect());
        }
        match self.list(document)? {
            Some((at, entries)) => Ok(each(&at, entries)),
            None if self.member(document, self.client_id)?.is_some() => {
                Ok(vec![Place { pointer: String::new(), entry: document }])
            }
            None => Err(JsonError::expected("an array of clients, or one client")),
        }
    }

    /// The list that a document has, and where.
    fn list<'a>(&self, document: &'a Json) -> Result<Option<(String, &'a [Json])>, JsonError> {
        let mut found: Option<(String, &[Json])> = None;
        for path in self.lists {
            let mut at = Some((String::new(), document));
            for name in *path {
                let Some((pointer, json)) = at else { break };
                at = self
                    .member(json, name)?
                    .map(|(name, value)| (format!("{pointer}/{name}"), value));
            }
            let Some((pointer, list)) = at else { continue };
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

    /// The member `name`, and how that is written here.
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

    /// The error, with names in its pointer as the entry has them.
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

fn each<'a>(at: &str, entries: &'a [Json]) -> Vec<Place<'a>> {
    let entries = entries.iter().enumerate();
    entries.map(|(index, entry)| Place { pointer: format!("{at}/{index}"), entry }).collect()
}
