//! Entries of client lists in terms of RFC 7591 (contract §6, §12): client metadata itself, and the
//! clients of Authlete, Keycloak, Spring Authorization Server and Duende IdentityServer.
//!
//! A client is converted exactly or not at all: a setting that client metadata cannot express is
//! refused with its reason, never approximated.

mod authlete;
mod document;
mod duende;
mod keycloak;
mod members;
mod printed_name;
mod spring;

pub use self::document::{ClientListFormat, Conversion, convert_list, missing_part};
use crate::json::{Json, JsonError};
use crate::registration::ClientMetadata;
use crate::registration::foreign;

/// One entry of a client list.
#[derive(Debug)]
pub(crate) struct ImportedEntry {
    /// Every `client_id` that the entry concerns, as far as it can be read. Where the entry is
    /// refused, these clients must not count as unregistered.
    pub(crate) client_ids: Vec<Box<str>>,
    /// Further clients that an entry that is refused may concern, although it states whose it is.
    /// They do not count as unregistered either, but another entry may state that it is theirs:
    /// otherwise whoever chooses members of an own entry could make another client unusable.
    pub(crate) other_client_ids: Vec<Box<str>>,
    /// Whether an entry that is refused may concern other clients, too.
    pub(crate) is_in_doubt: bool,
    /// A client for each `client_id`, or what is wrong; the pointer is relative to the entry.
    pub(crate) clients: Result<Vec<ClientMetadata>, JsonError>,
    /// The parts that are left out of clients that can be used; the pointers are relative to the
    /// entry.
    pub(crate) warnings: Vec<JsonError>,
    /// Whether the clients of an entry that is refused never authenticate. Such an entry is not
    /// reported.
    pub(crate) never_authenticates: bool,
}

/// What an entry of another format says, in terms of RFC 7591.
struct ConvertedEntry {
    client_ids: Vec<Box<str>>,
    members: Result<Vec<ConvertedMember>, JsonError>,
    never_authenticates: bool,
}

/// One member of client metadata.
struct ConvertedMember {
    /// Its name in RFC 7591 and RFC 8705.
    name: &'static str,
    /// JSON Pointer of its source in the entry, without the first slash.
    source: &'static str,
    value: Json,
}

impl ConvertedMember {
    fn text(name: &'static str, source: &'static str, value: &str) -> Self {
        Self { name, source, value: Json::String(value.to_owned()) }
    }

    /// `tls_client_certificate_bound_access_tokens` (RFC 8705 §3.4).
    fn bound_tokens(source: &'static str, value: bool) -> Self {
        Self {
            name: "tls_client_certificate_bound_access_tokens",
            source,
            value: Json::Bool(value),
        }
    }
}

const METHOD: &str = "token_endpoint_auth_method";

/// Reads one entry in any of the formats.
pub(crate) fn read(entry: &Json) -> ImportedEntry {
    let has_client_id = entry.members("client_id").next().is_some();
    let mut warnings = Vec::new();
    let converted = match (authlete::is_client(entry), keycloak::is_client(entry)) {
        (true, false) if !has_client_id => authlete::convert(entry),
        (false, true) if !has_client_id => keycloak::convert(entry),
        // An entry with the members of no format, or of two, must be client metadata.
        _ => {
            let clients = ClientMetadata::read(entry, &mut warnings).map(|client| vec![client]);
            let stated = foreign::stated_client_id(entry).map(Box::from);
            let read = ImportedEntry {
                client_ids: stated.into_iter().collect(),
                other_client_ids: Vec::new(),
                is_in_doubt: false,
                clients,
                warnings,
                never_authenticates: false,
            };
            return read.with_doubts(entry);
        }
    };
    let clients = converted.members.and_then(|members| {
        if converted.client_ids.is_empty() {
            return Err(JsonError::expected("an identifier").within("clientId"));
        }
        let clients =
            converted.client_ids.iter().map(|client_id| client(client_id, &members, &mut warnings));
        clients.collect()
    });
    let ConvertedEntry { client_ids, never_authenticates, .. } = converted;
    let read = ImportedEntry {
        client_ids,
        other_client_ids: Vec::new(),
        is_in_doubt: false,
        clients,
        warnings,
        never_authenticates,
    };
    read.with_doubts(entry)
}

impl ImportedEntry {
    /// Adds the clients that an entry that is refused may concern, too.
    fn with_doubts(mut self, entry: &Json) -> Self {
        if self.clients.is_ok() {
            return self;
        }
        let mut found = Vec::new();
        let is_in_doubt = foreign::add_client_ids(entry, &mut found);
        if self.client_ids.is_empty() {
            Self { client_ids: found, is_in_doubt, ..self }
        } else {
            found.retain(|client_id| !self.client_ids.contains(client_id));
            self.other_client_ids = found;
            // With the member of RFC 7591 it is known whose entry this is. Other formats have
            // further identifiers (Authlete's aliases).
            self.is_in_doubt = is_in_doubt && foreign::stated_client_id(entry).is_none();
            self
        }
    }
}

/// The metadata of a client, in the form of RFC 7591.
fn metadata(client_id: &str, members: &[ConvertedMember]) -> Json {
    let id = ("client_id".to_owned(), Json::String(client_id.to_owned()));
    let members = members.iter().map(|member| (member.name.to_owned(), member.value.clone()));
    Json::Object(std::iter::once(id).chain(members).collect())
}

fn client(
    client_id: &str,
    members: &[ConvertedMember],
    warnings: &mut Vec<JsonError>,
) -> Result<ClientMetadata, JsonError> {
    ClientMetadata::read(&metadata(client_id, members), warnings).map_err(|error| {
        // The operator sees the entry, not the metadata, so the pointer must lead into the entry.
        // (Warnings need no other pointer: they are about `jwks`, which has the same name in both.)
        let source = members.iter().find_map(|member| {
            let rest = error.pointer.strip_prefix('/')?.strip_prefix(member.name)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("/{}{rest}", member.source))
        });
        JsonError { pointer: source.unwrap_or_default(), message: error.message }
    })
}

#[cfg(test)]
mod tests;
