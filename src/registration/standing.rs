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
/// the beginning of the text of a status.
static OFF: [&str; 17] = [
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
];

/// Texts that unset a flag.
static NO: [&str; 6] = ["false", "0", "no", "n", "off", "f"];

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
    // Nearly every name ends in another letter than these words. A list may have a million entries.
    let last = name.bytes().rev().find(u8::is_ascii_alphanumeric)?.to_ascii_lowercase();
    if !matches!(last, b'd' | b'e' | b'g' | b'i' | b's' | b't') || name.len() > LONGEST {
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
    let word = PREFIXES.iter().fold(&*folded, |name, part| name.strip_prefix(part).unwrap_or(name));
    // `revoked_at` has a time. `expired_at` is a time that is still to come, where it is used.
    let flag = word.strip_suffix("at").filter(|word| *word != "expired").unwrap_or(word);
    let is_set_if_disabled = OFF.contains(&flag);
    if !is_set_if_disabled && !matches!(word, "enabled" | "active" | "status" | "state") {
        return None;
    }
    let is_no = match value {
        Json::Null => return None,
        Json::Bool(value) => !value,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::String(text) if text.trim().is_empty() => return None,
        Json::String(text) => {
            let (text, folded) = (text.trim(), letters(text));
            NO.iter().any(|no| no.eq_ignore_ascii_case(text))
                || !is_set_if_disabled && OFF.iter().any(|off| folded.starts_with(off))
        }
        _ => return Some("whether the client is disabled cannot be read"),
    };
    (is_no != is_set_if_disabled).then_some("the client is disabled")
}
