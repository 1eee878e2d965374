//! Parameters that authenticate a client or say who it is, under every name by which some backend
//! finds them.

use crate::registration::is_trimmed;

pub(super) const CLIENT_ID: &str = "client_id";

/// RFC 9101 §5.
pub(super) const REQUEST_OBJECT: &str = "request";

/// Request Objects that are not in the request, or not in a form that can be read.
pub(super) const OTHER_REQUEST_OBJECTS: [&str; 2] = ["request_uri", "encrypted_request"];

/// The header, which SimpleIdServer finds in the body too.
pub(super) const AUTHORIZATION: &str = "authorization";

/// A shorter name is no credential's in any reading.
pub(super) const SHORTEST: &str = REQUEST_OBJECT;

/// RFC 6749 §2.3.1, RFC 7521 §4.2; and Request Objects and the header, in which some backend finds
/// the client.
static CREDENTIALS: [&str; 8] = [
    CLIENT_ID,
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    REQUEST_OBJECT,
    OTHER_REQUEST_OBJECTS[0],
    OTHER_REQUEST_OBJECTS[1],
    AUTHORIZATION,
];

/// The credential as which some backend reads the parameter `name`, although its name is another.
pub(super) fn look_alike(name: &str) -> Option<&'static str> {
    // Spelled so, only an equal name reads as one.
    let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if begins_as_none(name) || is_plain(name) { None } else { reads_as_credential(name) }
}

/// Nearly every name begins with a letter that no credential begins with.
#[inline(always)]
fn begins_as_none(name: &str) -> bool {
    let first = name.as_bytes().first().copied().unwrap_or_default();
    first.is_ascii_lowercase() && !is_initial(first) && !has_parts(name)
}

/// Whether one of [`CREDENTIALS`] begins with this letter.
#[inline(always)]
const fn is_initial(letter: u8) -> bool {
    matches!(letter, b'c' | b'e' | b'r' | b'a')
}

/// The credential as which some backend reads the parameter `name`.
///
/// Backends compare without regard to letter case and to blanks at the ends, and up to a NUL. They
/// read an array (`client_id[]`, `client_id[0]`), ignore brackets without a partner (Rack:
/// `client_id]` and `[client_id]`), take dots for brackets (qs with `allowDots`, as Koa sets it:
/// `client_id.x` and `.client_id`), turn other characters into `_` (PHP, relaxed binders), and find
/// it behind the name of what it is bound to (ASP.NET MVC: `clientRequest.client_id` and
/// `clientRequest[client_id]`; gorilla/schema).
#[must_use]
pub(super) fn reads_as_credential(name: &str) -> Option<&'static str> {
    let name = trimmed(name);
    if name.len() < SHORTEST.len() {
        return None;
    }
    let found = named_credential(name);
    if found.is_some() || !has_parts(name) {
        return found;
    }
    let ends = name.bytes().enumerate().filter(|(_, b)| SEPARATORS.contains(b));
    ends.filter_map(|(at, _)| name.get(at + 1..)).find_map(named_credential)
}

/// What separates the name of a parameter from that of what it is bound to.
const SEPARATORS: [u8; 2] = *b".[";

fn has_parts(name: &str) -> bool {
    name.bytes().any(|b| SEPARATORS.contains(&b))
}

/// The credential with which `name` begins to some backend.
fn named_credential(name: &str) -> Option<&'static str> {
    // For the many parameters of a query that do not begin as one.
    let first = name.chars().next().map(folded)?;
    let begins = |with: &str| {
        let beginning = name.chars().map(|c| if c == '[' { '_' } else { folded(c) });
        beginning.take(with.len()).eq(with.chars())
    };
    if first == 'c' && !begins("client_") {
        return None;
    }
    let alike = |credential: &&&str| credential.starts_with(first) && reads_as(name, credential);
    CREDENTIALS.iter().find(alike).copied()
}

/// Whether some reader takes the name of a parameter (RFC 6750 §2.2, §2.3), or of a member of an
/// answer (RFC 6749 §5.1), for that of an access token.
#[must_use]
pub(crate) fn reads_as_access_token(name: &str) -> bool {
    reads_as(trimmed(name), "access_token")
}

/// Whether some server takes the name of a parameter for that of an access token: the name of RFC
/// 6750 §2.2, that of the first drafts of RFC 6749, that of Casdoor, and that of Sa-Token, each of
/// which it prefers to the header.
pub(super) fn names_access_token(name: &str) -> bool {
    let name = trimmed(name);
    ["access_token", "oauth_token", "accesstoken", "client_token"]
        .iter()
        .any(|known| reads_as(name, known))
}

/// `name` up to a NUL, without what backends drop at its ends.
fn trimmed(name: &str) -> &str {
    let is_blank = |c: char| is_trimmed(c) || c.is_control();
    // JavaScript's URLSearchParams drops a question mark at the start of a body.
    let name = name.trim_start_matches(|c| is_blank(c) || matches!(c, '[' | ']' | '.' | '?'));
    name.split('\0').next().unwrap_or_default().trim_end_matches(is_blank)
}

/// Whether the trimmed `name` is `credential` to some backend, or an array or object of that name.
fn reads_as(name: &str, credential: &str) -> bool {
    let mut rest = name.chars();
    // PHP turns an unmatched `[` into `_` too.
    let mut has_bracket = false;
    for wanted in credential.chars() {
        match rest.next() {
            Some('[') if wanted == '_' => has_bracket = true,
            Some(c) if folded(c) == wanted => {}
            _ => return false,
        }
    }
    match rest.next() {
        None => true,
        Some('[' | ']' | '.') => !has_bracket,
        Some(_) => false,
    }
}

/// `c` to a reader that ignores letter case or that turns it into the underscore of a variable.
pub(super) fn folded(c: char) -> char {
    match c {
        '.' | ' ' | '-' | '+' => '_',
        // Java and others compare in upper case, in which these are `I` and `S`, and in lower case,
        // in which the Kelvin sign is `k`.
        'ı' | 'İ' => 'i',
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_readers_drop_at_the_ends_of_a_name() {
        for mark in [
            "\0",
            "\t",
            "\u{7f}",
            "\u{85}",
            " ",
            "\u{a0}",
            "\u{2003}",
            "\u{3000}",
            "\u{feff}",
            "\u{200b}",
            "\u{180e}",
            "\u{feff} \0",
        ] {
            for name in ["client_id", "client_secret"] {
                for alike in [format!("{mark}{name}"), format!("{name}{mark}")] {
                    assert_eq!(reads_as_credential(&alike), Some(name), "{alike:?}");
                    assert!(look_alike(&alike).is_some(), "{alike:?}");
                }
            }
            for alike in [format!("{mark}access_token"), format!("access_token{mark}")] {
                assert!(reads_as_access_token(&alike), "{alike:?}");
            }
        }
        assert_eq!(reads_as_credential("client\u{feff}_id"), None);
    }

    #[test]
    fn every_credential_begins_with_an_initial() {
        for credential in CREDENTIALS {
            assert!(!begins_as_none(credential), "{credential}");
        }
        assert!(begins_as_none("grant_type") && !begins_as_none("grant.type"));
    }

    #[test]
    fn names_of_access_tokens() {
        for name in [
            "access_token",
            "accessToken",
            "ACCESSTOKEN[]",
            "Access-Token",
            "oauth_token",
            "client_token.x",
            " clienT_token\0",
        ] {
            assert!(names_access_token(name), "{name}");
        }
        for name in
            ["token", "page_token", "access_tokens", "access", "client_tokens", "xaccess_token"]
        {
            assert!(!names_access_token(name), "{name}");
        }
    }

    #[test]
    fn credentials_behind_the_name_of_what_they_are_bound_to() {
        for (name, credential) in [
            ("clientRequest.client_id", Some("client_id")),
            ("clientRequest[client_id]", Some("client_id")),
            ("ClientAssertionParams.Client_Assertion", Some("client_assertion")),
            ("a.b.client_secret", Some("client_secret")),
            ("a[b][client_id][]", Some("client_id")),
            ("a.request", Some("request")),
            ("Authorization", Some("authorization")),
            ("Encrypted_Request", Some("encrypted_request")),
            ("request.uri", Some("request")),
            ("client.id", Some("client_id")),
            ("authorization_details", None),
            ("a_client_id", None),
            ("a.client_ids", None),
            ("a.client", None),
            ("a.", None),
        ] {
            assert_eq!(reads_as_credential(name), credential, "{name}");
            let is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert_eq!(look_alike(name), credential.filter(|_| !is_plain), "{name}");
        }
    }

    /// PHP turns an unmatched `[` into `_`, and into no other character.
    #[test]
    fn a_bracket_stands_for_an_underscore_alone() {
        for (name, credential) in [
            ("client[id", Some("client_id")),
            ("client_[d", None),
            ("client_i[", None),
            ("client_sec[et", None),
        ] {
            assert_eq!(reads_as_credential(name), credential, "{name}");
        }
        assert!(reads_as_access_token("access[token") && !reads_as_access_token("a[cess_token"));
    }
}
