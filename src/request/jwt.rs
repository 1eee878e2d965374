//! What the JWTs of a request say about its client. The backend verifies their signatures.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::credential::folded;
use super::fields::SingletonField;
use crate::json::Json;

/// base64url with or without padding, as lenient as the backends: the filter must be able to read
/// every assertion that they read.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The clients that a `client_assertion` (RFC 7523 §3) names: every `sub` in its payload, and every
/// `iss`, which some servers take for the client. Empty where it is no signed JWT (a SAML
/// assertion, an encrypted token), has no `sub`, and where one of them is no string or empty.
pub(super) fn asserted_clients(jwt: &str) -> Vec<String> {
    clients_of(jwt, "sub", &["iss"]).unwrap_or_default()
}

/// Every `sub` in the payload of a client attestation, whose `iss` is another party.
fn subjects(jwt: &str) -> Vec<String> {
    clients_of(jwt, "sub", &[]).unwrap_or_default()
}

/// The subjects of a client attestation (draft-ietf-oauth-attestation-based-client-auth §5.1).
/// There are none where it cannot be read or is sent twice.
#[inline(never)]
pub(crate) fn attested_subjects(attestation: SingletonField<'_>) -> Box<[String]> {
    match attestation {
        SingletonField::Present(jwt) => {
            std::str::from_utf8(jwt).map(subjects).unwrap_or_default().into()
        }
        SingletonField::Absent | SingletonField::Repeated => Box::default(),
    }
}

/// The clients that a Request Object (RFC 9101 §4) names by `client_id` or, as an issuer, by `iss`;
/// there may be none. Those of an encrypted one only the backend can read. `None` = it is neither
/// signed nor encrypted, or cannot be read.
pub(super) fn client_ids(request_object: &str) -> Option<Vec<String>> {
    if request_object.is_empty() || is_encrypted(request_object) {
        return Some(Vec::new());
    }
    let claims = claims(request_object)?;
    let mut found = values_of(&claims, "client_id")?;
    found.extend(values_of(&claims, "iss")?);
    Some(found)
}

/// Whether a JWT is encrypted (RFC 7516 §3.1, §4.1.2): of five parts the first states how.
fn is_encrypted(jwt: &str) -> bool {
    let header = jwt.split('.').next().and_then(object);
    jwt.split('.').count() == 5 && header.is_some_and(|header| header.members("enc").count() == 1)
}

/// A part of a JWT that is a JSON object.
fn object(part: &str) -> Option<Json> {
    let json = Json::parse(&BASE64URL.decode(part).ok()?).ok()?;
    matches!(json, Json::Object(_)).then_some(json)
}

/// Every value of the claim `name` in a signed JWT, and if there is one, of the claims `beside`.
/// `None` = some reader may find another one.
fn clients_of(jwt: &str, name: &str, beside: &[&str]) -> Option<Vec<String>> {
    let claims = claims(jwt)?;
    let mut found = values_of(&claims, name)?;
    if !found.is_empty() {
        for other in beside {
            found.extend(values_of(&claims, other)?);
        }
    }
    Some(found)
}

/// The claims of a signed JWT.
fn claims(jwt: &str) -> Option<Json> {
    let mut parts = jwt.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    // Without a header in JSON it is no JWT, but a reader that skips the dots may decode something
    // else from it.
    object(header)?;
    object(payload)
}

/// Every value of the claim `name`, because readers of a repeated member differ in which one they
/// take. `None` = some reader may find another one.
fn values_of(claims: &Json, name: &str) -> Option<Vec<String>> {
    // Go's encoding/json ignores the letter case of names.
    let names = if let Json::Object(members) = claims { members.as_slice() } else { &[] };
    if names.iter().any(|(other, _)| other != name && other.chars().map(folded).eq(name.chars())) {
        return None;
    }
    let values = claims.members(name).map(|value| {
        let value = value.string("a string").ok()?;
        (!value.is_empty()).then(|| value.to_owned())
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn subjects_of_assertions() {
        let jwt = |payload: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        let clients = asserted_clients;
        assert_eq!(clients(&jwt(r#"{"iss":"a","sub":"b"}"#)), ["b", "a"]);
        assert_eq!(clients(&jwt(r#"{"iss":"a","iss":"c","sub":"b"}"#)), ["b", "a", "c"]);
        assert_eq!(clients(&jwt(r#"{"sub":"a","sub":"b"}"#)), ["a", "b"]);
        assert_eq!(clients(&jwt(r#"{"s\u0075b":"a"}"#)), ["a"]);
        assert_eq!(clients(&format!("e30.{}.", URL_SAFE.encode(r#"{"sub":"ab"}"#))), ["ab"]);
        assert_eq!(subjects(&jwt(r#"{"iss":"a","sub":"b"}"#)), ["b"]);
        let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for other in [
            "",
            "a.b",
            "..",
            "a.b.c.d.e",
            "a.*.c",
            &jwt("[]"),
            &jwt(r#"{"sub":1}"#),
            &jwt(r#"{"iss":"a"}"#),
            &jwt(r#"{"iss":1,"sub":"a"}"#),
            &jwt(r#"{"iss":"","sub":"a"}"#),
            &jwt(r#"{"iss":"a","Iss":"b","sub":"a"}"#),
            &jwt(r#"{"sub":""}"#),
            &jwt(r#"{"sub":"a","sub":""}"#),
            &jwt(r#"{"sub":1,"sub":"a"}"#),
            &jwt(r#"{"sub":"a","SUB":"b"}"#),
            &jwt("{\"sub\":\"a\",\"\u{17f}ub\":\"b\"}"),
            "PHg.eyJzdWIiOiJhIn0.c2ln",
            "WzFd.eyJzdWIiOiJhIn0.c2ln",
            &jwt(&nested),
        ] {
            assert!(asserted_clients(other).is_empty(), "{other}");
        }
    }

    #[test]
    fn client_ids_of_request_objects() {
        let jwt = |payload: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        let encrypted = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A128GCM"}"#);
        let ids = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        for (request_object, expected) in [
            (jwt(r#"{"iss":"b","client_id":"a"}"#), ids(&["a", "b"])),
            (jwt(r#"{"iss":1,"client_id":"a"}"#), None),
            (jwt(r#"{"client_id":"a","client_id":"b"}"#), ids(&["a", "b"])),
            (jwt(r#"{"iss":"b"}"#), ids(&["b"])),
            (jwt(r#"{"aud":"b"}"#), ids(&[])),
            (String::new(), ids(&[])),
            (format!("{encrypted}.b.c.d.e"), ids(&[])),
            (format!("{encrypted}.b.c.d"), None),
            ("e30.b.c.d.e".to_owned(), None),
            ("a.b.c.d.e".to_owned(), None),
            ("a".to_owned(), None),
            ("a.b".to_owned(), None),
            ("a.b.c".to_owned(), None),
            ("a.b.c.d".to_owned(), None),
            (jwt(r#"{"client_id":""}"#), None),
            (jwt(r#"{"client_id":["a"]}"#), None),
            (jwt(r#"{"client_id":"a","Client_ID":"b"}"#), None),
        ] {
            assert_eq!(client_ids(&request_object), expected, "{request_object}");
        }
    }

    #[test]
    fn subjects_of_attestations() {
        let jwt = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#));
        let twice = format!("{jwt},{jwt}");
        for (attestation, subjects) in [
            (SingletonField::Absent, &[][..]),
            (SingletonField::Present(jwt.as_bytes()), &["a"]),
            (SingletonField::Present(twice.as_bytes()), &[]),
            (SingletonField::Present(b"\xff"), &[]),
            (SingletonField::Present(b""), &[]),
            (SingletonField::Repeated, &[]),
        ] {
            assert_eq!(*attested_subjects(attestation), *subjects, "{attestation:?}");
        }
    }
}
