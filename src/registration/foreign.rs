//! Entries of client lists that are not client metadata of RFC 7591: which product's format they
//! are in, and which `client_id`s they concern.
//!
//! A format is recognised by a member that says how its clients authenticate, never by the absence
//! of a member. An unrecognised format is refused. Nothing is converted here.

use crate::json::{Json, JsonError};
use crate::limits;

/// Members that say how a client authenticates, each in one format only: the folded name, and a
/// description of the format with what to do about it.
const METHODS: [(&str, &str); 3] = [
    (
        "clientauthenticatortype",
        "a client of Keycloak, which \"convert --from keycloak\" makes client metadata",
    ),
    (
        "tokenauthmethod",
        "a client of Authlete, which \"convert --from authlete\" makes client metadata",
    ),
    (SEVERAL_METHODS, "a row of Spring, which \"convert --from spring\" makes client metadata"),
];

/// A string in Spring, an object in Auth0.
pub(crate) const SEVERAL_METHODS: &str = "clientauthenticationmethods";
const AUTH0: &str = "a client of Auth0";

/// What an entry must be if it is in no other format.
pub(crate) const METADATA: &str = "client metadata (RFC 7591)";

/// Members that suggest a format where no member of [`METHODS`] is present.
const HINTS: [(&str, &str); 6] = [
    ("tokenendpointauthmethod", RESPELLED),
    ("clientsecrets", DUENDE),
    ("requireclientsecret", DUENDE),
    ("allowedgranttypes", DUENDE),
    ("clientauth", "a client of PingFederate"),
    ("clientauthentication", "a client of WSO2 Identity Server"),
];

const DUENDE: &str = "a client of Duende, which \"convert --from duende\" makes client metadata";

const RESPELLED: &str =
    "client metadata in another spelling: RFC 7591 has client_id and token_endpoint_auth_method";

/// The folded names under which other servers have the identifier of a client.
const OTHER_NAMES: [&str; 7] =
    ["id", "identifier", "inum", "appid", "clientidentifier", "oauthclientid", "consumerkey"];

/// Members of Authlete's clients with further identifiers that requests may have as `client_id`
/// (see `registry/import/authlete.rs`).
const MORE_NAMES: [&str; 3] = ["clientidalias", "entityid", "metadatadocumentlocation"];

/// Refuses an entry that is read as `what`, if it has a member by which another format says how its
/// client authenticates: choosing one of two contradictory methods could choose the weaker one.
/// `own` = the member of this format, folded.
pub(crate) fn refuse(entry: &Json, what: &str, own: &str) -> Result<(), JsonError> {
    for (name, value) in members(entry) {
        if let Some((marker, format)) = method_of(name, value)
            && marker != own
        {
            return Err(looks_like(what, format).within(name));
        }
    }
    Ok(())
}

/// The error for an entry that should be `what` and lacks `member`: it names the format that the
/// entry seems to be in, where there is one.
#[inline(never)]
pub(crate) fn lacks(entry: &Json, what: &str, member: &str) -> JsonError {
    let method = members(entry).find_map(|(name, value)| method_of(name, value));
    let hint = || {
        HINTS
            .into_iter()
            .find(|(hint, _)| members(entry).any(|(name, _)| is_spelling_of(name, hint)))
    };
    match method.or_else(hint) {
        Some((_, format)) => looks_like(what, format),
        None if member == "client_id"
            && members(entry).any(|(name, _)| is_spelling_of(name, "clientid")) =>
        {
            JsonError::expected(
                "the member client_id: this is of another format, and has neither tokenAuthMethod \
                 (Authlete) nor clientAuthenticatorType (Keycloak)",
            )
        }
        None => JsonError::new(format!("expected the member {member}")),
    }
}

/// The members whose value is not null.
fn members(entry: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let members = if let Json::Object(members) = entry { members.as_slice() } else { &[] };
    members
        .iter()
        .filter(|(_, value)| !matches!(value, Json::Null))
        .map(|(name, value)| (name.as_str(), value))
}

#[inline(never)]
fn method_of(name: &str, value: &Json) -> Option<(&'static str, &'static str)> {
    let (marker, format) = METHODS.into_iter().find(|(marker, _)| is_spelling_of(name, marker))?;
    let is_auth0 = marker == SEVERAL_METHODS && matches!(value, Json::Object(_));
    Some((marker, if is_auth0 { AUTH0 } else { format }))
}

fn looks_like(what: &str, format: &str) -> JsonError {
    JsonError::new(format!("expected {what}, found what looks like {format}"))
}

/// Adds every `client_id` that the entry may concern, in any spelling of the member: where the
/// entry is refused, these clients must not count as unregistered. Returns whether there may be
/// others, because a value cannot be read or there is no identifier at all.
#[inline(never)]
pub(crate) fn add_client_ids(entry: &Json, found: &mut Vec<Box<str>>) -> bool {
    if let Json::String(_) = entry {
        add(entry, found);
    }
    let mut is_in_doubt = gather(entry, 0, found);
    // Without the identifier itself, the entry may concern any client.
    if found.is_empty() {
        return true;
    }
    // An alias counts unless the entry says without doubt that it is not enabled.
    let mut enabled =
        members(entry).filter(|(name, _)| is_spelling_of(name, "clientidaliasenabled")).peekable();
    let has_alias =
        enabled.peek().is_none() || enabled.any(|(_, value)| *value != Json::Bool(false));
    for (name, value) in members(entry) {
        let mut more = MORE_NAMES.into_iter().skip(usize::from(!has_alias));
        if more.any(|more| is_spelling_of(name, more)) {
            is_in_doubt |= add(value, found).is_none();
        }
    }
    is_in_doubt || found.len() > limits::ENTRY_IDENTIFIERS
}

/// The `client_id` of an entry that states it as RFC 7591 does, whatever else is wrong with it.
pub(crate) fn stated_client_id(entry: &Json) -> Option<&str> {
    let mut stated = entry.members("client_id");
    match (stated.next(), stated.next()) {
        (Some(Json::String(client_id)), None) if !client_id.trim().is_empty() => Some(client_id),
        _ => None,
    }
}

/// Whether the object itself is a client: it has the identifier or the method of one, in any
/// spelling, or the method of another format.
pub(crate) fn is_client(json: &Json) -> bool {
    members(json).any(|(name, value)| {
        is_spelling_of(name, "clientid")
            || is_spelling_of(name, "tokenendpointauthmethod")
            || method_of(name, value).is_some()
    })
}

/// Adds the identifiers of a value and of the values in it. Returns whether one of them cannot be
/// read.
fn gather(json: &Json, depth: usize, found: &mut Vec<Box<str>>) -> bool {
    let members = match json {
        Json::Object(members) => members,
        Json::Array(elements) if depth < limits::IDENTIFIER_DEPTH => {
            return elements.iter().filter(|element| gather(element, depth + 1, found)).count() > 0;
        }
        _ => return false,
    };
    let (mut is_named, mut is_in_doubt) = (false, false);
    for (_, value) in members.iter().filter(|(name, _)| is_spelling_of(name, "clientid")) {
        match add(value, found) {
            Some(any) => is_named |= any,
            None => is_in_doubt = true,
        }
    }
    // Null and empty strings identify no client: then another member may.
    if is_named || depth == limits::IDENTIFIER_DEPTH {
        return is_in_doubt;
    }
    for (name, value) in members {
        if depth == 0 && OTHER_NAMES.into_iter().any(|other| is_spelling_of(name, other)) {
            is_in_doubt |= add(value, found).is_none();
        }
        is_in_doubt |= gather(value, depth + 1, found);
    }
    is_in_doubt
}

/// Adds each string and each number once, also those of an array and the `value` of an object.
/// Returns whether there are any; `None` = a value cannot be read.
#[inline(never)]
fn add(value: &Json, found: &mut Vec<Box<str>>) -> Option<bool> {
    /// From here on, another reader may round to another number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let mut push = |id: &str| {
        if found.len() <= limits::ENTRY_IDENTIFIERS
            && !id.is_empty()
            && !found.iter().any(|known| **known == *id)
        {
            found.push(id.into());
        }
    };
    match value {
        Json::Null => Some(false),
        Json::String(text) => {
            let inner = text.trim();
            if !inner.is_empty() {
                push(text);
                // Some servers trim white space.
                push(inner);
            }
            Some(!inner.is_empty())
        }
        Json::Number(number)
            if number.is_f64() && number.as_f64().is_none_or(|number| number.abs() >= EXACT) =>
        {
            None
        }
        Json::Number(number) => {
            let text = number.to_string();
            push(&text);
            push(text.trim_end_matches(".0"));
            Some(true)
        }
        Json::Array(elements) => {
            let mut any = Some(false);
            for element in elements {
                any = any.zip(add(element, found)).map(|(any, one)| any || one);
            }
            any
        }
        Json::Object(members) => match members.as_slice() {
            [] => Some(false),
            _ => add(value.members("value").next()?, found),
        },
        Json::Bool(_) | Json::Unreadable(_) => None,
    }
}

/// Whether the name is `wanted` without regard to letter case and separators, in which formats
/// differ.
#[inline(never)]
fn is_spelling_of(name: &str, wanted: &str) -> bool {
    let letters = name.bytes().filter(|octet| !matches!(octet, b'_' | b'-' | b'.' | b' '));
    letters.map(|octet| octet.to_ascii_lowercase()).eq(wanted.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that is missed here would count as unregistered, and pass where those may.
    #[test]
    fn the_clients_that_an_entry_may_concern() {
        for (entry, client_ids, is_in_doubt) in [
            (r#"[{"client_id":"a"},{"client_id":"b"}]"#, &["a", "b"][..], false),
            (r#"[{"client_id":true},{"client_id":"a"}]"#, &["a"], true),
            (r#"{"x":{"client_id":true},"y":{"client_id":"a"}}"#, &["a"], true),
            (r#"{"client_id":["a"],"peer":{"client_id":"c"}}"#, &["a"], false),
            (r#"{"client_id":["a",null],"peer":{"client_id":"c"}}"#, &["a"], false),
            (r#"{"client_id":{},"id":"b"}"#, &["b"], false),
            (r#"{"client_id":{"other":"a"},"id":"b"}"#, &["b"], true),
            // A further identifier that cannot be read may be any.
            (r#"{"id":{"value":"\ud800"},"appid":"b"}"#, &["b"], true),
            (r#"{"id":["b","\ud800x"]}"#, &["b"], true),
            (r#"{"id":1e30,"appid":"b"}"#, &["b"], true),
            (r#"{"clientId":5,"clientIdAlias":["\ud800"]}"#, &["5"], true),
            (r#"[[[[{"client_id":"a"}]]]]"#, &["a"], false),
            // Deeper than anything is searched: it may be any client's.
            (r#"[[[[[{"client_id":"a"}]]]]]"#, &[], true),
            (r#"{"a":{"b":{"c":{"d":[{"client_id":"a"}]}}}}"#, &[], true),
        ] {
            let mut found = Vec::new();
            let json = Json::parse_in_parts(entry.as_bytes()).unwrap();
            assert_eq!(add_client_ids(&json, &mut found), is_in_doubt, "{entry}");
            let found: Vec<&str> = found.iter().map(|id| &**id).collect();
            assert_eq!(found, client_ids, "{entry}");
        }
    }

    #[test]
    fn an_entry_with_more_identifiers_than_are_kept_may_concern_any_client() {
        for (more, is_in_doubt) in [(0, false), (1, true), (2, true)] {
            let number = limits::ENTRY_IDENTIFIERS + more;
            let all: Vec<Json> = (0..number).map(|id| Json::String(format!("c{id}"))).collect();
            let entry = Json::Object(vec![("client_id".into(), Json::Array(all))]);
            assert_eq!(add_client_ids(&entry, &mut Vec::new()), is_in_doubt, "{number}");
        }
    }
}
