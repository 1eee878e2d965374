//! Spring Authorization Server's registered clients: rows of `oauth2_registered_client`, as a
//! database prints them in JSON.

use super::{BOUND_TOKENS, Converted, METHOD, Member, boolean, member, spelled, text, texts};
use crate::json::{Json, JsonError, Members};

const COLUMNS: [&str; 4] =
    ["client_id", "client_authentication_methods", "client_settings", "token_settings"];
const SUBJECT_DN: &str = "settings.client.x509-certificate-subject-dn";
const BOUND: &str = "settings.token.x509-certificate-bound-access-tokens";

pub(super) fn convert(entry: &Json) -> Converted {
    let row = &spelled(entry, &COLUMNS);
    Converted {
        client_ids: texts(row, "client_id"),
        members: members(row),
        never_authenticates: false,
    }
}

fn members(row: &Json) -> Result<Vec<Member>, JsonError> {
    let mut members = Members::of(row, "a row of oauth2_registered_client")?;
    members.read("client_id", text)?;
    let method = members.read("client_authentication_methods", |json| method(text(json)?))?;
    let method =
        method.ok_or_else(|| JsonError::expected("the member client_authentication_methods"))?;
    let mut converted = vec![member(METHOD, "client_authentication_methods", method)];
    let is_tls = method == "tls_client_auth";
    let subject =
        members.read_unless_null("client_settings", |json| {
            setting(json, SUBJECT_DN, |json| {
                if is_tls { subject(text(json)?).map(Some) } else { Ok(None) }
            })
        })?;
    if is_tls {
        let subject = subject
            .flatten()
            .flatten()
            .ok_or_else(|| JsonError::expected(SUBJECT_DN).within("client_settings"))?;
        converted.push(member("tls_client_auth_subject_dn", "client_settings", &subject));
    }
    let bound = members.read_unless_null("token_settings", |json| setting(json, BOUND, boolean))?;
    let bound = bound.flatten().map(|bound| Member {
        name: BOUND_TOKENS,
        source: "token_settings",
        value: Json::Bool(bound),
    });
    converted.extend(bound);
    Ok(converted)
}

/// The only method: Spring lets a client use any of its methods, RFC 7591 has one.
fn method(methods: &str) -> Result<&str, JsonError> {
    match methods.split(',').collect::<Vec<_>>().as_slice() {
        ["self_signed_tls_client_auth"] => Err(JsonError::new(
            "the client's certificates are behind settings.client.jwk-set-url, which is not \
             fetched",
        )),
        [method] if !method.is_empty() => Ok(method),
        _ => Err(JsonError::expected("one method: which of several a client uses is not known")),
    }
}

/// Settings are JSON in a column of text; some databases print them as they are.
fn setting<T>(
    json: &Json,
    name: &'static str,
    read: impl FnOnce(&Json) -> Result<T, JsonError>,
) -> Result<Option<T>, JsonError> {
    let settings = match json {
        Json::String(text) => Json::parse(text.as_bytes())?,
        Json::Object(_) => json.clone(),
        _ => return Err(JsonError::expected("settings")),
    };
    // No pointer leads into a text, so the message names the setting.
    let told = |error: JsonError| JsonError::new(error.in_entry().trim_start_matches('/'));
    Members::of(&settings, "settings")
        .and_then(|mut settings| settings.read_unless_null(name, read))
        .map_err(told)
}

/// Spring compares this text with what Java's `X500Principal.getName()` prints, so any other is
/// nobody's.
fn subject(text: &str) -> Result<String, JsonError> {
    if is_rfc2253(text) {
        Ok(text.to_owned())
    } else {
        Err(JsonError::expected(
            "a name as Java prints it (CN=a,O=b): nothing else matches in Spring",
        ))
    }
}

/// Whether Java prints names so: no blanks round separators, values of few types as text and all
/// others in hexadecimal.
fn is_rfc2253(name: &str) -> bool {
    const ESCAPED: &str = ",=+<>#;\"\\ ";
    let mut plain = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            // Whatever is escaped separates nothing.
            '\\' if chars.next().is_some_and(|escaped| ESCAPED.contains(escaped)) => {
                plain.push('x')
            }
            '\\' => return false,
            c => plain.push(c),
        }
    }
    plain.split([',', '+']).all(|attribute| match attribute.split_once('=') {
        Some(("CN" | "C" | "L" | "ST" | "O" | "OU" | "STREET" | "DC" | "UID", value)) => {
            value.trim() == value && !value.contains(|c| ESCAPED.contains(c) && c != ' ')
        }
        Some((oid, value)) => {
            let is_oid = !oid.is_empty() && oid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.'));
            is_oid
                && value
                    .strip_prefix('#')
                    .is_some_and(|hex| hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        }
        None => false,
    })
}
