//! Keycloak's client representations (`ClientRepresentation`), from its admin API or a realm
//! export.

use super::{
    BOUND_TOKENS, Converted, METHOD, Member, boolean_of, is_printed, member, must_be, must_read,
    text, texts,
};
use crate::json::{Json, JsonError, Members};
use crate::registration::foreign;

const SUBJECT_DN: &str = "x509.subjectdn";
const CA_SUBJECT_DN: &str = "x509.casubjectdn";
const REGEX: &str = "x509.allow.regex.pattern.comparison";
const BOUND: &str = "tls.client.certificate.bound.access.tokens";

/// Keycloak's client authenticators, and what RFC 7591 and the IANA registry call them.
const METHODS: [(&str, &str); 4] = [
    ("client-secret", "client_secret_basic"),
    ("client-jwt", "private_key_jwt"),
    ("client-secret-jwt", "client_secret_jwt"),
    ("client-x509", "tls_client_auth"),
];

/// Whether this entry is one of Keycloak's: every client of its lists has an authenticator, those
/// that need none too, and no other server calls it so. (`publicClient`, `enabled`, `protocol` are
/// words of others as well.)
pub(super) fn is_client(entry: &Json) -> bool {
    entry.members("clientAuthenticatorType").next().is_some()
}

pub(super) fn convert(entry: &Json) -> Converted {
    let is_bearer_only =
        entry.members("bearerOnly").any(|bearer_only| *bearer_only == Json::Bool(true));
    let client_ids = texts(entry, "clientId");
    let never_authenticates = is_bearer_only && is_client(entry) && !client_ids.is_empty();
    Converted { client_ids, members: members(entry), never_authenticates }
}

fn members(entry: &Json) -> Result<Vec<Member>, JsonError> {
    let mut members = Members::of(entry, "a client of Keycloak")?;
    members.read("clientId", text)?;
    // Keycloak answers these with invalid_client at the token endpoint.
    must_be(&mut members, "enabled", true, "the client is disabled")?;
    must_read(&mut members, "protocol", "openid-connect", "not a client of OpenID Connect")?;
    must_be(&mut members, "bearerOnly", false, "a bearer-only client does not authenticate")?;
    let is_public = boolean_of(&mut members, "publicClient")? == Some(true);
    let authenticator =
        members.read_unless_null("clientAuthenticatorType", |json| method(text(json)?))?;
    let authenticator = authenticator
        .ok_or_else(|| foreign::lacks(entry, "a client of Keycloak", "clientAuthenticatorType"))?;
    let (method, source) = if is_public {
        ("none", "publicClient")
    } else {
        (authenticator, "clientAuthenticatorType")
    };
    let is_tls = method == "tls_client_auth";
    let mut converted = vec![member(METHOD, source, method)];
    match members.read_unless_null("attributes", |json| attributes(json, is_tls, &mut converted))? {
        None if is_tls => Err(JsonError::expected("the attribute x509.subjectdn")),
        _ => Ok(converted),
    }
}

fn method(authenticator: &str) -> Result<&str, JsonError> {
    let known =
        METHODS.into_iter().find(|(name, _)| *name == authenticator).map(|(_, method)| method);
    // An authenticator of somebody's own may well look at certificates, too.
    if known.is_none() && authenticator.to_ascii_lowercase().contains("x509") {
        return Err(JsonError::new("unknown authenticator; did you mean \"client-x509\"?"));
    }
    Ok(known.unwrap_or(authenticator))
}

fn attributes(
    json: &Json,
    needs_subject: bool,
    converted: &mut Vec<Member>,
) -> Result<(), JsonError> {
    let mut attributes = Members::of(json, "an object")?;
    let is_pattern = attributes.read_unless_null(REGEX, switch)?.unwrap_or(true);
    let bound = attributes.read_unless_null(BOUND, switch)?;
    if needs_subject {
        must_read(
            &mut attributes,
            CA_SUBJECT_DN,
            "",
            "only certificates of this CA: client metadata cannot say that",
        )?;
        let subject = attributes.read_unless_null(SUBJECT_DN, |json| match text(json)? {
            expression if is_pattern => pattern(expression),
            name if name.starts_with('/') => {
                Err(JsonError::new("OpenSSL's form of a name, which Java does not read"))
            }
            name => Ok(name.to_owned()),
        })?;
        let subject = subject.ok_or_else(|| JsonError::expected("the attribute x509.subjectdn"))?;
        converted.push(member("tls_client_auth_subject_dn", "attributes/x509.subjectdn", &subject));
    }
    let source = "attributes/tls.client.certificate.bound.access.tokens";
    converted.extend(bound.map(|bound| Member {
        name: BOUND_TOKENS,
        source,
        value: Json::Bool(bound),
    }));
    Ok(())
}

/// Attributes are strings, whatever they mean. Keycloak reads everything but "true" as false.
fn switch(json: &Json) -> Result<bool, JsonError> {
    match json {
        Json::String(text) if text == "true" => Ok(true),
        Json::String(text) if text == "false" => Ok(false),
        _ => Err(JsonError::expected("\"true\" or \"false\"")),
    }
}

/// The name for which a regular expression of Java stands. Keycloak compares it with the subject as
/// Java's `X500Name` prints it, most specific RDN first, as RFC 4514 does.
fn pattern(expression: &str) -> Result<String, JsonError> {
    let name = literal(expression).ok_or_else(|| {
        JsonError::new(
            "a regular expression that is no plain text (an unescaped \".\" is none either): set \
             x509.allow.regex.pattern.comparison to false",
        )
    })?;
    if is_printed(&name, true) {
        Ok(name)
    } else {
        Err(JsonError::expected(
            "a name as Java prints it (CN=a, O=b): nothing else matches in Keycloak",
        ))
    }
}

/// The one text that a regular expression of Java matches as a whole, if it is written so that
/// there is one.
fn literal(expression: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = expression.strip_prefix('^').unwrap_or(expression).chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next()? {
                'Q' => {
                    let (quoted, after) =
                        rest.as_str().split_once("\\E").unwrap_or((rest.as_str(), ""));
                    text.push_str(quoted);
                    rest = after.chars();
                }
                // Letters and digits behind a backslash are classes, boundaries and references.
                escaped if escaped.is_ascii_alphanumeric() => return None,
                escaped => text.push(escaped),
            },
            '$' if rest.as_str().is_empty() => {}
            '.' | '[' | ']' | '{' | '}' | '(' | ')' | '*' | '+' | '?' | '^' | '$' | '|' => {
                return None;
            }
            plain => text.push(plain),
        }
    }
    Some(text)
}
