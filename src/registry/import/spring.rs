//! Clients of Spring Authorization Server: rows of `oauth2_registered_client`, as a database prints
//! them in JSON.

use super::members::{spelled, text, texts};
use super::printed_name::is_rfc2253;
use super::{ConvertedEntry, ConvertedMember, METHOD};
use crate::json::{Json, JsonError, Members};
use crate::registration::is_of_backend;

const COLUMNS: [&str; 4] =
    ["client_id", "client_authentication_methods", "client_settings", "token_settings"];
const SUBJECT_DN: &str = "settings.client.x509-certificate-subject-dn";
const BOUND: &str = "settings.token.x509-certificate-bound-access-tokens";

pub(super) fn convert(entry: &Json) -> ConvertedEntry {
    let row = &spelled(entry, &COLUMNS);
    ConvertedEntry {
        client_ids: texts(row, "client_id"),
        members: members(row),
        never_authenticates: false,
    }
}

fn members(row: &Json) -> Result<Vec<ConvertedMember>, JsonError> {
    let mut members = Members::of(row, "a row of oauth2_registered_client")?;
    members.read("client_id", text)?;
    let method = members.read("client_authentication_methods", |json| method(text(json)?))?;
    let method =
        method.ok_or_else(|| JsonError::expected("the member client_authentication_methods"))?;
    let mut converted =
        vec![ConvertedMember::text(METHOD, "client_authentication_methods", method)];
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
        converted.push(ConvertedMember::text(
            "tls_client_auth_subject_dn",
            "client_settings",
            &subject,
        ));
    }
    let bound =
        members.read_unless_null("token_settings", |json| setting(json, BOUND, Json::boolean))?;
    let bound = bound.flatten().map(|bound| ConvertedMember::bound_tokens("token_settings", bound));
    converted.extend(bound);
    Ok(converted)
}

/// The method of a client: in Spring a client may have several, in RFC 7591 it has one. Where the
/// backend checks each of them, the first stands for all.
fn method(methods: &str) -> Result<&str, JsonError> {
    match methods.split(',').collect::<Vec<_>>().as_slice() {
        ["self_signed_tls_client_auth"] => Err(JsonError::new(
            "the client's certificates are behind settings.client.jwk-set-url, which is not \
             fetched",
        )),
        [method] if !method.is_empty() => Ok(method),
        all @ [first, ..] if all.iter().all(|method| is_of_backend(method)) => Ok(first),
        _ => Err(JsonError::expected("one method: which of several a client uses is not known")),
    }
}

/// A setting. Settings are JSON in a column of text, which some databases print as JSON.
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
    // A JSON Pointer cannot lead into a string, so the message names the setting.
    let in_text = |error: JsonError| JsonError::new(error.in_entry().trim_start_matches('/'));
    Members::of(&settings, "settings")
        .and_then(|mut settings| settings.read_unless_null(name, read))
        .map_err(in_text)
}

/// The subject. Spring compares this text with what `X500Principal.getName()` of Java prints, so a
/// text in another form matches no certificate.
fn subject(text: &str) -> Result<String, JsonError> {
    if is_rfc2253(text) {
        Ok(text.to_owned())
    } else {
        Err(JsonError::expected(
            "a name as Java prints it (CN=a,O=b): nothing else matches in Spring",
        ))
    }
}
