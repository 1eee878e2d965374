//! Whether an entry says that its client may not authenticate. RFC 7591 has no member for it, and
//! servers have their own beside those of the RFC (contract §3).

use super::auth_method::letters;
use crate::json::{Json, JsonError};

/// What may stand before the words below in the name of a member, in this order: `is_active`,
/// `clientStatus`, `clientIsActive`.
static PREFIXES: [&str; 7] =
    ["is", "client", "application", "app", "registration", "lifecycle", "is"];

/// Longer than any name of such a member.
const LONGEST: usize = 64;

/// What says of a client that it may not authenticate: as the name of a flag that is set, and as
/// the text of a status.
static OFF: [&str; 23] = [
    "inactive",
    "disabled",
    "suspended",
    "revoked",
    "deleted",
    "blocked",
    "locked",
    "deactivated",
    "archived",
    "expired",
    "rejected",
    "pending",
    "denied",
    "banned",
    "terminated",
    "removed",
    "notactive",
    "cancelled",
    "canceled",
    "retired",
    "paused",
    "onhold",
    "unapproved",
];

/// What says that it may, as the text of a status.
static ON: [&str; 14] = [
    "active",
    "enabled",
    "ok",
    "approved",
    "registered",
    "live",
    "published",
    "verified",
    "accepted",
    "confirmed",
    "valid",
    "unlocked",
    "production",
    "normal",
];

/// Texts that unset a flag, and that set it.
static NO: [&str; 6] = ["false", "0", "no", "n", "off", "f"];
static YES: [&str; 6] = ["true", "1", "yes", "y", "on", "t"];

/// What stands for no time in `deleted_at`: the zero values of Go and .NET, MySQL and Unix.
static NEVER: [&str; 3] = ["0001-01-01", "0000-00-00", "1970-01-01"];

/// A part of the address at which Keycloak answers with client metadata.
const KEYCLOAK: &str = "/clients-registrations/";

/// Refuses an entry that says that its client may not authenticate, or may say so: the server
/// would refuse the client, and the filter must not accept it before.
#[inline(never)]
pub(super) fn refuse_disabled(entry: &Json) -> Result<(), JsonError> {
    let members = if let Json::Object(members) = entry { members.as_slice() } else { &[] };
    for (name, value) in members {
        if let Some(message) = off(name, value) {
            return Err(JsonError::new(message).within(name));
        }
    }
    Ok(())
}

/// Why the member makes the entry unusable; `None` = it does not.
fn off(name: &str, value: &Json) -> Option<&'static str> {
    if !may_say_so(name) {
        return None;
    }
    let folded = letters(name);
    // It leaves out `enabled`, and the CA that must have issued the certificate.
    if folded == "registrationclienturi"
        && matches!(value, Json::String(uri) if uri.contains(KEYCLOAK))
    {
        return Some(
            "Keycloak's registration address does not say whether a client is enabled: read its \
             admin API",
        );
    }
    let word = without_prefixes(&folded);
    // `revoked_at` has a time. `expired_at` is a time that is still to come, where it is used.
    let time = word.strip_suffix("at").filter(|word| *word != "expired");
    let is_set_if_disabled = OFF.contains(&time.unwrap_or(word));
    if !is_set_if_disabled && !matches!(word, "enabled" | "active" | "status" | "state") {
        return None;
    }
    let unreadable = Some("whether the client is disabled cannot be read");
    let is_yes = match value {
        Json::Null => return None,
        Json::Array(values) if is_set_if_disabled && values.is_empty() => return None,
        Json::Bool(value) => *value,
        Json::Number(number) => match number.as_f64() {
            Some(number) if time.is_some() => number > 0.0,
            Some(number) if is_set_if_disabled => number != 0.0,
            Some(0.0) => false,
            Some(1.0) => true,
            _ => return unreadable,
        },
        Json::String(text) if text.trim().is_empty() => return None,
        Json::String(text) if time.is_some() && NEVER.iter().any(|no| text.starts_with(no)) => {
            return None;
        }
        Json::String(text) => match is_yes(text.trim(), is_set_if_disabled) {
            Some(is_yes) => is_yes,
            None if is_set_if_disabled => true,
            None => return unreadable,
        },
        _ => return unreadable,
    };
    (is_yes == is_set_if_disabled).then_some("the client is disabled")
}

/// Whether `name` may be one of the words below: nearly every name ends in another letter. A list
/// may have a million entries.
fn may_say_so(name: &str) -> bool {
    let last = name.bytes().rev().find(u8::is_ascii_alphanumeric).unwrap_or_default();
    name.len() <= LONGEST
        && matches!(last.to_ascii_lowercase(), b'd' | b'e' | b'g' | b'i' | b's' | b't')
}

/// The folded name of a member without what may stand before its words.
fn without_prefixes(folded: &str) -> &str {
    PREFIXES.iter().fold(folded, |name, part| name.strip_prefix(part).unwrap_or(name))
}

/// What a text says; `None` = neither yes nor no. Of a status it also has words of its own, some
/// behind its name: `STATUS_ACTIVE`.
fn is_yes(text: &str, is_flag: bool) -> Option<bool> {
    let has = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if has(&YES) || has(&NO) {
        return Some(has(&YES));
    }
    if is_flag {
        return None;
    }
    let folded = letters(text);
    let mut word = &*folded;
    // `approved` begins with one that is not taken off.
    for prefix in PREFIXES.iter().chain(&["status", "state", ""]) {
        if ON.contains(&word) {
            return Some(true);
        }
        if OFF.iter().any(|off| word.starts_with(off)) {
            return Some(false);
        }
        word = word.strip_prefix(prefix).unwrap_or(word);
    }
    None
}
