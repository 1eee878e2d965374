//! Members of entries, as the conversions read them. Functions that all conversions share are not
//! inlined, because the size of the module has a limit ([`limits::MODULE_BYTES`]).
//!
//! [`limits::MODULE_BYTES`]: crate::limits::MODULE_BYTES

use crate::json::{Json, JsonError, Members};

/// The same object with `names` in this spelling, whatever their letter case in it. A name that it
/// has in two spellings is then there twice, which every reader of members refuses.
pub(super) fn spelled(json: &Json, names: &[&str]) -> Json {
    let Json::Object(members) = json else { return json.clone() };
    let spell = |key: &String| {
        names
            .iter()
            .find(|name| name.eq_ignore_ascii_case(key))
            .map_or_else(|| key.clone(), ToString::to_string)
    };
    Json::Object(members.iter().map(|(key, value)| (spell(key), value.clone())).collect())
}

/// The strings and whole numbers among the values of a member, which may be repeated.
pub(super) fn texts(entry: &Json, name: &str) -> Vec<Box<str>> {
    let text = |value: &Json| match value {
        Json::String(text) if !text.is_empty() => Some(text.as_str().into()),
        Json::Number(number) => number.as_u64().map(|number| number.to_string().into()),
        _ => None,
    };
    entry.members(name).filter_map(text).collect()
}

/// Refuses the client for this `reason` if the member `name` is there with another value.
#[inline(never)]
pub(super) fn must_be(
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

/// As [`must_be`], for strings.
#[inline(never)]
pub(super) fn must_read(
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

/// A string that may be absent or null.
#[inline(never)]
pub(super) fn text_of<'a>(
    members: &mut Members<'a>,
    name: &'static str,
) -> Result<Option<&'a str>, JsonError> {
    members.read_unless_null(name, text)
}

/// A boolean that may be absent or null.
#[inline(never)]
pub(super) fn boolean_of(
    members: &mut Members<'_>,
    name: &'static str,
) -> Result<Option<bool>, JsonError> {
    members.read_unless_null(name, Json::boolean)
}

pub(super) fn text(json: &Json) -> Result<&str, JsonError> {
    json.string("a string")
}
