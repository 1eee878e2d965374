//! Entries of client lists in terms of RFC 7591 (contract §6, §12): client metadata itself, and
//! what the lists of Authlete, Keycloak, Spring Authorization Server and Duende IdentityServer
//! have.
//!
//! A client is converted exactly or not at all: what cannot be carried over is refused with its
//! reason, never rounded.

mod authlete;
mod duende;
mod file;
mod keycloak;
mod spring;

pub use self::file::{ClientListFormat, Conversion, convert_list};
use crate::json::{Json, JsonError, Members};
use crate::registration::ClientMetadata;
use crate::registration::foreign;

/// One entry of a client list.
#[derive(Debug)]
pub(crate) struct ImportedEntry {
    /// Every `client_id` that the entry is about, as far as it can be read: whoever refuses the
    /// entry must know whom not to take for unregistered.
    pub(crate) client_ids: Vec<Box<str>>,
    /// Of an entry that is refused: whether it may be about others, too.
    pub(crate) is_in_doubt: bool,
    /// A client for each of them, or what is wrong; the pointer is relative to the entry.
    pub(crate) clients: Result<Vec<ClientMetadata>, JsonError>,
    /// What of them is left out, though they can be used; the pointers are relative to the entry.
    pub(crate) warnings: Vec<JsonError>,
    /// Whether these never authenticate, so that nobody misses them: they are refused without a
    /// word.
    pub(crate) never_authenticates: bool,
}

/// What an entry of another format says, in terms of RFC 7591.
struct Converted {
    client_ids: Vec<Box<str>>,
    members: Result<Vec<Member>, JsonError>,
    never_authenticates: bool,
}

/// One member of client metadata.
struct Member {
    /// Its name in RFC 7591 and RFC 8705.
    name: &'static str,
    /// JSON Pointer of where it stands in the entry, without the first slash.
    source: &'static str,
    value: Json,
}

/// Reads one entry, in whichever of the formats it is.
pub(crate) fn read(entry: &Json) -> ImportedEntry {
    let is_own = entry.members("client_id").next().is_some();
    let mut warnings = Vec::new();
    let converted = match (authlete::is_client(entry), keycloak::is_client(entry)) {
        (true, false) if !is_own => authlete::convert(entry),
        (false, true) if !is_own => keycloak::convert(entry),
        // Whatever is of no format that is known by its own members, or of two, must be client
        // metadata.
        _ => {
            let clients = ClientMetadata::read(entry, &mut warnings).map(|client| vec![client]);
            let mut client_ids = Vec::new();
            let is_in_doubt = foreign::add_client_ids(entry, &mut client_ids);
            return ImportedEntry {
                client_ids,
                is_in_doubt,
                clients,
                warnings,
                never_authenticates: false,
            };
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
    let Converted { mut client_ids, never_authenticates, .. } = converted;
    let is_in_doubt = clients.is_err() && foreign::add_client_ids(entry, &mut client_ids);
    ImportedEntry { client_ids, is_in_doubt, clients, warnings, never_authenticates }
}

/// The same object with `names` spelled so, whatever the letter case in which it has them. One that
/// it has in two spellings is there twice then, which every reader refuses.
fn spelled(json: &Json, names: &[&str]) -> Json {
    let Json::Object(members) = json else { return json.clone() };
    let spell = |key: &String| {
        names
            .iter()
            .find(|name| name.eq_ignore_ascii_case(key))
            .map_or_else(|| key.clone(), ToString::to_string)
    };
    Json::Object(members.iter().map(|(key, value)| (spell(key), value.clone())).collect())
}

/// The metadata of a client, as RFC 7591 writes it.
fn metadata(client_id: &str, members: &[Member]) -> Json {
    let id = ("client_id".to_owned(), Json::String(client_id.to_owned()));
    let members = members.iter().map(|member| (member.name.to_owned(), member.value.clone()));
    Json::Object(std::iter::once(id).chain(members).collect())
}

fn client(
    client_id: &str,
    members: &[Member],
    warnings: &mut Vec<JsonError>,
) -> Result<ClientMetadata, JsonError> {
    ClientMetadata::read(&metadata(client_id, members), warnings).map_err(|error| {
        // The operator knows the entry, not what it was converted to. (Of what is left out both
        // have the same pointer: it is in jwks.)
        let source = members.iter().find_map(|member| {
            let rest = error.pointer.strip_prefix('/')?.strip_prefix(member.name)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("/{}{rest}", member.source))
        });
        JsonError { pointer: source.unwrap_or_default(), message: error.message }
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

/// Whether Java and .NET print names so: "CN=a, O=b + OU=c", with quotes round what needs them; and
/// Java each type in capitals. A text that is none of theirs equals no name, and a backslash, which
/// .NET leaves as it is, means something else to us.
fn is_printed(name: &str, in_capitals: bool) -> bool {
    #[derive(Clone, Copy)]
    enum At {
        Type,
        Value,
        Quoted,
        Separator,
    }
    let (mut at, mut before) = (At::Type, b' ');
    for byte in name.bytes() {
        at = match (at, byte) {
            (At::Type, b'=') | (At::Quoted, b'"') => At::Value,
            (At::Type, b'A'..=b'Z' | b'0'..=b'9' | b'.') => at,
            (At::Type, b'a'..=b'z') if !in_capitals => at,
            (At::Value, b',') if before != b' ' => At::Separator,
            (At::Value, b'+') if before == b' ' => At::Separator,
            (At::Separator, b' ') => At::Type,
            (At::Value, b'"') => At::Quoted,
            (At::Value, b' ') if before == b'=' => return false,
            (At::Type | At::Separator, _)
            | (_, b'\\')
            | (At::Value, b',' | b'+' | b'=' | b'<' | b'>' | b'#' | b';') => {
                return false;
            }
            (At::Value | At::Quoted, _) => at,
        };
        before = byte;
    }
    matches!(at, At::Value) && before != b' '
}

/// Refuses the client for the `reason`, where its member `name` is there and says otherwise.
#[inline(never)]
fn must_be(
    members: &mut Members<'_>,
    name: &'static str,
    wanted: bool,
    reason: &str,
) -> Result<(), JsonError> {
    match boolean_of(members, name)? {
        Some(found) if found != wanted => Err(JsonError::new(reason).within(name)),
        _ => Ok(()),
    }
}

/// The same for texts.
#[inline(never)]
fn must_read(
    members: &mut Members<'_>,
    name: &'static str,
    wanted: &str,
    reason: &str,
) -> Result<(), JsonError> {
    match text_of(members, name)? {
        Some(found) if found != wanted => Err(JsonError::new(reason).within(name)),
        _ => Ok(()),
    }
}

/// A text that may be absent or null. One copy of it serves for all, as does one of [`boolean_of`]:
/// the module has a limit.
#[inline(never)]
fn text_of<'a>(
    members: &mut Members<'a>,
    name: &'static str,
) -> Result<Option<&'a str>, JsonError> {
    members.read_unless_null(name, text)
}

#[inline(never)]
fn boolean_of(members: &mut Members<'_>, name: &'static str) -> Result<Option<bool>, JsonError> {
    members.read_unless_null(name, boolean)
}

fn text(json: &Json) -> Result<&str, JsonError> {
    json.string("a string")
}

fn boolean(json: &Json) -> Result<bool, JsonError> {
    if let Json::Bool(value) = json {
        Ok(*value)
    } else {
        Err(JsonError::expected("true or false"))
    }
}

fn member(name: &'static str, source: &'static str, value: &str) -> Member {
    Member { name, source, value: Json::String(value.to_owned()) }
}

/// RFC 8705 §3.4.
const BOUND_TOKENS: &str = "tls_client_certificate_bound_access_tokens";
const METHOD: &str = "token_endpoint_auth_method";

#[cfg(test)]
mod tests;
