//! Spring Authorization Server's registered clients: rows of `oauth2_registered_client`, as a database prints them in JSON.

use super::{BOUND_TOKENS, Converted, METHOD, Member, member, text, texts};
use crate::error::ConfigError;
use crate::json::{Json, Members};

const SUBJECT_DN: &str = "settings.client.x509-certificate-subject-dn";
const BOUND: &str = "settings.token.x509-certificate-bound-access-tokens";

pub(super) fn convert(entry: &Json) -> Converted {
    Converted { client_ids: texts(entry, "client_id"), members: members(entry) }
}

fn members(entry: &Json) -> Result<Vec<Member>, ConfigError> {
    let mut members = Members::of(entry, "a row of oauth2_registered_client")?;
    members.read("client_id", text)?;
    let method = members.read("client_authentication_methods", |json| method(text(json)?))?;
    let method = method.ok_or_else(|| ConfigError::expected("the member client_authentication_methods"))?;
    let mut converted = vec![member(METHOD, "/client_authentication_methods", method)];
    let subject = members.read_unless_null("client_settings", |json| {
        let settings = settings(json)?;
        let subjects: Vec<Json> = settings.members(SUBJECT_DN).cloned().collect();
        let [Json::String(subject)] = subjects.as_slice() else { return Ok(None) };
        Ok(Some(subject.clone()))
    })?;
    if method == "tls_client_auth" {
        let subject = subject.flatten().ok_or_else(|| ConfigError::expected(SUBJECT_DN).within("client_settings"))?;
        converted.push(member("tls_client_auth_subject_dn", "/client_settings", &subject));
    }
    let bound = members.read_unless_null("token_settings", |json| {
        let settings = settings(json)?;
        let bound: Vec<Json> = settings.members(BOUND).cloned().collect();
        Ok(if let [Json::Bool(bound)] = bound.as_slice() { Some(*bound) } else { None })
    })?;
    let bound = bound.flatten().map(|bound| Member { name: BOUND_TOKENS, source: "/token_settings", value: Json::Bool(bound) });
    converted.extend(bound);
    Ok(converted)
}

/// The only method: Spring lets a client use any of its methods, RFC 7591 has one.
fn method(methods: &str) -> Result<&str, ConfigError> {
    match methods.split(',').collect::<Vec<_>>().as_slice() {
        ["self_signed_tls_client_auth"] => {
            Err(ConfigError::new("the client's certificates are behind settings.client.jwk-set-url, which is not fetched"))
        }
        [method] if !method.is_empty() => Ok(method),
        _ => Err(ConfigError::expected("one method: which of several a client uses is not known")),
    }
}

/// Settings are JSON in a column of text; some databases print them as they are.
fn settings(json: &Json) -> Result<Json, ConfigError> {
    match json {
        Json::String(text) => Json::parse(text.as_bytes()),
        Json::Object(_) => Ok(json.clone()),
        _ => Err(ConfigError::expected("settings")),
    }
}
