//! Clients of Keycloak: its `ClientRepresentation`, from the admin API or a realm export.

use super::members::{boolean_of, must_be, must_read, text, texts};
use super::printed_name::{is_printed_by_java, is_read_by_java};
use super::{ConvertedEntry, ConvertedMember, METHOD};
use crate::certificate::DistinguishedName;
use crate::json::{Json, JsonError, Members};
use crate::registration::foreign;

const SUBJECT_DN: &str = "x509.subjectdn";
const CA_SUBJECT_DN: &str = "x509.casubjectdn";
const REGEX: &str = "x509.allow.regex.pattern.comparison";
const BOUND: &str = "tls.client.certificate.bound.access.tokens";

/// Keycloak's client authenticators, and the method that each is in RFC 7591 and the IANA registry.
const METHODS: [(&str, &str); 4] = [
    ("client-secret", "client_secret_basic"),
    ("client-jwt", "private_key_jwt"),
    ("client-secret-jwt", "client_secret_jwt"),
    ("client-x509", "tls_client_auth"),
];

/// Whether the entry is in Keycloak's format. Every client of its lists has an authenticator, even
/// a public one, and no other format has this member. (Other formats have `publicClient`, `enabled`
/// and `protocol`, too.)
pub(super) fn is_client(entry: &Json) -> bool {
    entry.members("clientAuthenticatorType").next().is_some()
}

pub(super) fn convert(entry: &Json) -> ConvertedEntry {
    let is_bearer_only =
        entry.members("bearerOnly").any(|bearer_only| *bearer_only == Json::Bool(true));
    let client_ids = texts(entry, "clientId");
    let never_authenticates = is_bearer_only && is_client(entry) && !client_ids.is_empty();
    ConvertedEntry { client_ids, members: members(entry), never_authenticates }
}

fn members(entry: &Json) -> Result<Vec<ConvertedMember>, JsonError> {
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
    let mut converted = vec![ConvertedMember::text(METHOD, source, method)];
    match members.read_unless_null("attributes", |json| attributes(json, is_tls, &mut converted))? {
        None if is_tls => Err(JsonError::expected("the attribute x509.subjectdn")),
        _ => Ok(converted),
    }
}

fn method(authenticator: &str) -> Result<&str, JsonError> {
    let known =
        METHODS.into_iter().find(|(name, _)| *name == authenticator).map(|(_, method)| method);
    // A custom authenticator with this name may check certificates, too.
    if known.is_none() && authenticator.to_ascii_lowercase().contains("x509") {
        return Err(JsonError::new("unknown authenticator; did you mean \"client-x509\"?"));
    }
    Ok(known.unwrap_or(authenticator))
}

fn attributes(
    json: &Json,
    needs_subject: bool,
    converted: &mut Vec<ConvertedMember>,
) -> Result<(), JsonError> {
    let mut attributes = Members::of(json, "an object")?;
    let is_pattern = attributes.read_unless_null(REGEX, switch)?.unwrap_or(true);
    let bound = attributes.read_unless_null(BOUND, switch)?;
    if needs_subject {
        converted.extend(attributes.read_unless_null(CA_SUBJECT_DN, issuers)?.flatten());
        let subject = attributes.read_unless_null(SUBJECT_DN, |json| match text(json)? {
            expression if is_pattern => pattern(expression),
            name => read_by_java(name),
        })?;
        let subject = subject.ok_or_else(|| JsonError::expected("the attribute x509.subjectdn"))?;
        converted.push(ConvertedMember::text(
            "tls_client_auth_subject_dn",
            "attributes/x509.subjectdn",
            &subject,
        ));
    }
    let source = "attributes/tls.client.certificate.bound.access.tokens";
    converted.extend(bound.map(|bound| ConvertedMember::bound_tokens(source, bound)));
    Ok(())
}

/// The CAs of a client: names, with `##` between them. An attribute of blanks names none.
fn issuers(json: &Json) -> Result<Option<ConvertedMember>, JsonError> {
    let Json::String(names) = json else { return Err(JsonError::expected("a string")) };
    if names.trim_ascii().is_empty() {
        return Ok(None);
    }
    let anchors = names.split("##").map(|name| {
        let name = read_by_java(name)?;
        let error = |error| JsonError::new(format!("names of CAs, with ## between them: {error}"));
        DistinguishedName::parse(&name).map_err(error)?;
        Ok(Json::Object(vec![("subject".to_owned(), Json::String(name))]))
    });
    Ok(Some(ConvertedMember {
        name: "trust_anchors",
        source: "attributes/x509.casubjectdn",
        value: Json::Array(anchors.collect::<Result<_, _>>()?),
    }))
}

/// A name from which Keycloak makes an `X500Principal`. One that Java does not read is an error of
/// every request of the client.
fn read_by_java(name: &str) -> Result<String, JsonError> {
    if is_read_by_java(name) {
        Ok(name.to_owned())
    } else {
        Err(JsonError::new(
            "OpenSSL's form of a name, or a type (such as SN), which Java does not read",
        ))
    }
}

/// A boolean attribute. All attributes are strings. Keycloak reads any but "true" as false; here,
/// what is neither "true" nor "false" is refused.
fn switch(json: &Json) -> Result<bool, JsonError> {
    match json {
        Json::String(text) if text == "true" => Ok(true),
        Json::String(text) if text == "false" => Ok(false),
        _ => Err(JsonError::expected("\"true\" or \"false\"")),
    }
}

/// The name that a regular expression of Java matches. Keycloak matches it with the subject as
/// `X500Name` of Java prints it: most specific RDN first, as in RFC 4514.
fn pattern(expression: &str) -> Result<String, JsonError> {
    let name = literal(expression).ok_or_else(|| {
        JsonError::new(
            "a regular expression that is no plain text (an unescaped \".\" is none either): set \
             x509.allow.regex.pattern.comparison to false",
        )
    })?;
    if is_printed_by_java(&name) {
        Ok(name)
    } else {
        Err(JsonError::expected(
            "a name as Java prints it (CN=a, O=b; quotes only where it needs them)",
        ))
    }
}

/// The only text that a regular expression of Java matches as a whole; `None` = it may match
/// several.
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
                // A backslash before a letter or digit is a class, a boundary or a reference.
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
