//! Clients of Authlete: the JSON of its `Client` class.

use std::collections::BTreeSet;

use super::members::{boolean_of, must_be, text, text_of, texts};
use super::{ConvertedEntry, ConvertedMember, METHOD};
use crate::json::{Json, JsonError, Members};
use crate::registration::{foreign, jwks};

/// The members that register a subject, here and in RFC 8705 §2.1.2.
const SUBJECTS: [(&str, &str); 5] = [
    ("tlsClientAuthSubjectDn", "tls_client_auth_subject_dn"),
    ("tlsClientAuthSanDns", "tls_client_auth_san_dns"),
    ("tlsClientAuthSanUri", "tls_client_auth_san_uri"),
    ("tlsClientAuthSanIp", "tls_client_auth_san_ip"),
    ("tlsClientAuthSanEmail", "tls_client_auth_san_email"),
];

/// Further identifiers that requests may have as `client_id`: the alias, where it is enabled; the
/// URL of a client that is registered through OpenID Federation, or by its metadata document.
const NAMES: [&str; 3] = ["clientIdAlias", "entityId", "metadataDocumentLocation"];

/// Whether the entry is in Authlete's format: it has a numeric identifier, or a member of no other
/// format.
pub(super) fn is_client(entry: &Json) -> bool {
    entry.members("clientId").any(|id| matches!(id, Json::Number(_)))
        || ["clientIdAlias", "tokenAuthMethod"]
            .into_iter()
            .any(|name| entry.members(name).next().is_some())
}

pub(super) fn convert(entry: &Json) -> ConvertedEntry {
    let mut client_ids = texts(entry, "clientId");
    let has_alias =
        entry.members("clientIdAliasEnabled").any(|enabled| *enabled == Json::Bool(true));
    // Where the number cannot be read, the other identifiers alone do not identify the client.
    let names = if client_ids.is_empty() { &[][..] } else { &NAMES[..] };
    for name in names.iter().skip(usize::from(!has_alias)) {
        client_ids.extend(texts(entry, name));
    }
    let mut seen = BTreeSet::new();
    client_ids.retain(|client_id| seen.insert(client_id.clone()));
    ConvertedEntry { client_ids, members: members(entry), never_authenticates: false }
}

fn members(entry: &Json) -> Result<Vec<ConvertedMember>, JsonError> {
    let mut members = Members::of(entry, "a client of Authlete")?;
    let id = members.read("clientId", |json| match json {
        Json::Number(number) if number.as_i64().is_some_and(|number| number >= 0) => Ok(()),
        _ => Err(JsonError::expected("a whole number")),
    })?;
    id.ok_or_else(|| JsonError::expected("the member clientId"))?;
    for name in NAMES {
        text_of(&mut members, name)?;
    }
    boolean_of(&mut members, "clientIdAliasEnabled")?;
    must_be(&mut members, "locked", false, "the client is locked")?;
    let mut converted = Vec::new();
    let method = text_of(&mut members, "tokenAuthMethod")?.map(str::to_ascii_lowercase);
    let method =
        method.ok_or_else(|| foreign::lacks(entry, "a client of Authlete", "tokenAuthMethod"))?;
    converted.push(ConvertedMember::text(METHOD, "tokenAuthMethod", &method));
    for (name, rfc) in SUBJECTS {
        let subject = text_of(&mut members, name)?.filter(|subject| !subject.is_empty());
        converted.extend(subject.map(|subject| ConvertedMember::text(rfc, name, subject)));
    }
    let key_id =
        text_of(&mut members, "selfSignedCertificateKeyId")?.filter(|key_id| !key_id.is_empty());
    if method == "self_signed_tls_client_auth" {
        let key = members.read_unless_null("jwks", |jwks| {
            self_signed_key(&Json::parse(text(jwks)?.as_bytes())?, key_id)
        })?;
        let key = key.ok_or_else(|| {
            JsonError::expected("the member jwks (jwksUri has no selfSignedCertificateKeyId)")
        })?;
        let keys = Json::Object(vec![("keys".to_owned(), Json::Array(vec![key]))]);
        converted.push(ConvertedMember { name: "jwks", source: "jwks", value: keys });
    }
    let source = "tlsClientCertificateBoundAccessTokens";
    let bound = boolean_of(&mut members, source)?;
    converted.extend(bound.map(|bound| ConvertedMember::bound_tokens(source, bound)));
    Ok(converted)
}

/// The key that `selfSignedCertificateKeyId` chooses; without it the only one that has a
/// certificate.
fn self_signed_key(jwks: &Json, key_id: Option<&str>) -> Result<Json, JsonError> {
    let mut members = Members::of(jwks, "a JWK Set (RFC 7517)")?;
    let keys =
        members.read("keys", |keys| keys.elements("an array of keys", |key| Ok(key.clone())))?;
    // A key that cannot be used does not make the choice ambiguous.
    let is_certificate =
        |key: &Json| jwks::certificate(key).is_ok_and(|certificate| certificate.is_some());
    let is_chosen = |key: &Json| match key_id {
        Some(key_id) => key.members("kid").any(|kid| *kid == Json::String(key_id.to_owned())),
        None => is_certificate(key),
    };
    let mut chosen: Vec<Json> = keys.unwrap_or_default().into_iter().filter(is_chosen).collect();
    match (chosen.pop(), chosen.is_empty(), key_id) {
        (Some(key), true, _) => Ok(key),
        (_, _, Some(_)) => Err(JsonError::expected(
            "exactly one key with the kid that selfSignedCertificateKeyId names",
        )),
        _ => {
            // The reason why no key has a certificate, where none has.
            jwks::certificates(jwks, &mut Vec::new())?;
            Err(JsonError::expected(
                "exactly one key with a certificate, or selfSignedCertificateKeyId to choose one",
            ))
        }
    }
}
