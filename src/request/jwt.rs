//! The subject of a `client_assertion` (RFC 7521 §4.2, RFC 7523 §3). The backend verifies its
//! signature.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::credential::folded;
use crate::json::Json;

/// base64url with or without padding, as lenient as the backends: the filter must be able to read
/// every assertion that they read.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Every `sub` in the payload of a JWT, because readers of a repeated member differ in which one
/// they take. Empty where `assertion` is no signed JWT (a SAML assertion, an encrypted token), and
/// where one `sub` is no string or empty.
pub(super) fn subjects(assertion: &str) -> Vec<String> {
    let mut parts = assertion.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let object = |part| BASE64URL.decode(part).ok().and_then(|json| Json::parse(&json).ok());
    // Without a header in JSON it is no JWT, but a reader that skips the dots may decode something
    // else from it.
    let (Some(Json::Object(_)), Some(claims @ Json::Object(_))) = (object(header), object(payload))
    else {
        return Vec::new();
    };
    // Go's encoding/json ignores the letter case of names.
    let names = if let Json::Object(members) = &claims { members.as_slice() } else { &[] };
    if names.iter().any(|(name, _)| name != "sub" && name.chars().map(folded).eq("sub".chars())) {
        return Vec::new();
    }
    let subjects = claims.members("sub").map(|subject| {
        let subject = subject.string("a string").ok()?;
        (!subject.is_empty()).then(|| subject.to_owned())
    });
    subjects.collect::<Option<Vec<_>>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn subjects_of_assertions() {
        let jwt = |payload: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        assert_eq!(subjects(&jwt(r#"{"iss":"a","sub":"b"}"#)), ["b"]);
        assert_eq!(subjects(&jwt(r#"{"sub":"a","sub":"b"}"#)), ["a", "b"]);
        assert_eq!(subjects(&jwt(r#"{"s\u0075b":"a"}"#)), ["a"]);
        assert_eq!(subjects(&format!("e30.{}.", URL_SAFE.encode(r#"{"sub":"ab"}"#))), ["ab"]);
        let nested = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for other in [
            "",
            "a.b",
            "..",
            "a.b.c.d.e",
            "a.*.c",
            &jwt("[]"),
            &jwt(r#"{"sub":1}"#),
            &jwt(r#"{"sub":""}"#),
            &jwt(r#"{"sub":"a","sub":""}"#),
            &jwt(r#"{"sub":1,"sub":"a"}"#),
            &jwt(r#"{"sub":"a","SUB":"b"}"#),
            &jwt("{\"sub\":\"a\",\"\u{17f}ub\":\"b\"}"),
            "PHg.eyJzdWIiOiJhIn0.c2ln",
            "WzFd.eyJzdWIiOiJhIn0.c2ln",
            &jwt(&nested),
        ] {
            assert!(subjects(other).is_empty(), "{other}");
        }
    }
}
