//! Keycloak's client representations (`ClientRepresentation`), from its admin API or a realm export.

use super::{BOUND_TOKENS, Converted, METHOD, Member, boolean, member, text, texts};
use crate::error::ConfigError;
use crate::json::{Json, Members};

const SUBJECT_DN: &str = "x509.subjectdn";
const REGEX: &str = "x509.allow.regex.pattern.comparison";
const BOUND: &str = "tls.client.certificate.bound.access.tokens";

/// Keycloak's client authenticators, and what RFC 7591 and the IANA registry call them.
const METHODS: [(&str, &str); 4] = [
    ("client-secret", "client_secret_basic"),
    ("client-jwt", "private_key_jwt"),
    ("client-secret-jwt", "client_secret_jwt"),
    ("client-x509", "tls_client_auth"),
];

pub(super) fn convert(entry: &Json) -> Converted {
    Converted { client_ids: texts(entry, "clientId"), members: members(entry) }
}

fn members(entry: &Json) -> Result<Vec<Member>, ConfigError> {
    let mut members = Members::of(entry, "a client of Keycloak")?;
    members.read("clientId", text)?;
    if members.read_unless_null("enabled", boolean)? == Some(false) {
        return Err(ConfigError::new("the client is disabled").within("enabled"));
    }
    let is_public = members.read_unless_null("publicClient", boolean)? == Some(true);
    let authenticator = members.read_unless_null("clientAuthenticatorType", |json| method(text(json)?))?;
    let method = if is_public { Some("none") } else { authenticator };
    let source = if is_public { "/publicClient" } else { "/clientAuthenticatorType" };
    let mut converted: Vec<Member> = method.map(|method| member(METHOD, source, method)).into_iter().collect();
    let attributes = members.read_unless_null("attributes", |json| attributes(json, method == Some("tls_client_auth")))?;
    match attributes {
        Some(attributes) => converted.extend(attributes),
        None if method == Some("tls_client_auth") => return Err(ConfigError::expected("the attribute x509.subjectdn")),
        None => {}
    }
    Ok(converted)
}

fn method(authenticator: &str) -> Result<&str, ConfigError> {
    let known = METHODS.into_iter().find(|(name, _)| *name == authenticator).map(|(_, method)| method);
    // An authenticator of somebody's own may well look at certificates, too.
    if known.is_none() && authenticator.to_ascii_lowercase().contains("x509") {
        return Err(ConfigError::new("unknown authenticator; did you mean \"client-x509\"?"));
    }
    Ok(known.unwrap_or(authenticator))
}

fn attributes(json: &Json, needs_subject: bool) -> Result<Vec<Member>, ConfigError> {
    let mut attributes = Members::of(json, "an object")?;
    let mut converted = Vec::new();
    let is_pattern = attributes.read_unless_null(REGEX, switch)?.unwrap_or(true);
    if needs_subject {
        let subject = attributes.read_unless_null(SUBJECT_DN, |json| {
            let subject = text(json)?;
            if is_pattern { literal(subject) } else { Ok(subject.to_owned()) }
        })?;
        let subject = subject.ok_or_else(|| ConfigError::expected("the attribute x509.subjectdn"))?;
        converted.push(member("tls_client_auth_subject_dn", "/attributes/x509.subjectdn", &subject));
    }
    let bound = attributes.read_unless_null(BOUND, switch)?;
    let source = "/attributes/tls.client.certificate.bound.access.tokens";
    converted.extend(bound.map(|bound| Member { name: BOUND_TOKENS, source, value: Json::Bool(bound) }));
    Ok(converted)
}

/// Attributes are strings, whatever they mean. Keycloak reads everything but "true" as false.
fn switch(json: &Json) -> Result<bool, ConfigError> {
    match json {
        Json::String(text) if text == "true" => Ok(true),
        Json::String(text) if text == "false" => Ok(false),
        _ => Err(ConfigError::expected("\"true\" or \"false\"")),
    }
}

/// The one text that a regular expression of Java matches as a whole, if it is written so that there is one. Keycloak compares
/// it with the subject as Java prints it, most specific RDN first, as RFC 4514 does.
fn literal(expression: &str) -> Result<String, ConfigError> {
    let no_literal = || {
        ConfigError::new(
            "a regular expression that is no plain text (an unescaped \".\" is none either): set x509.allow.regex.pattern.comparison to false",
        )
    };
    let mut text = String::new();
    let mut rest = expression.strip_prefix('^').unwrap_or(expression).chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next().ok_or_else(no_literal)? {
                'Q' => {
                    let (quoted, after) = rest.as_str().split_once("\\E").unwrap_or((rest.as_str(), ""));
                    text.push_str(quoted);
                    rest = after.chars();
                }
                // Letters and digits behind a backslash are classes, boundaries and references.
                escaped if escaped.is_ascii_alphanumeric() => return Err(no_literal()),
                escaped => text.push(escaped),
            },
            '$' if rest.as_str().is_empty() => {}
            '.' | '[' | ']' | '{' | '}' | '(' | ')' | '*' | '+' | '?' | '^' | '$' | '|' => return Err(no_literal()),
            plain => text.push(plain),
        }
    }
    Ok(text)
}
