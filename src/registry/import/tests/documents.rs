//! Where a document of each server has its clients.

use super::ClientListFormat::{Authlete, Duende, Keycloak, Spring};
use super::*;

/// The pointer and the identifiers of each entry.
fn entries(format: ClientListFormat, document: &str) -> Vec<String> {
    let converted = converted_list(format, document).into_iter();
    converted.map(|(pointer, ids, _)| format!("{pointer} {ids}")).collect()
}

const AUTHLETE: &str = r#"{"clientId":1,"tokenAuthMethod":"NONE"}"#;
const KEYCLOAK: &str = r#"{"clientId":"a"}"#;
const SPRING: &str = r#"{"client_id":"a"}"#;
const DUENDE: &str = r#"{"ClientId":"a"}"#;

#[test]
fn a_document_is_a_client_or_an_array_of_clients() {
    for (format, client, id) in [
        (Authlete, AUTHLETE, "1"),
        (Keycloak, KEYCLOAK, "a"),
        (Spring, SPRING, "a"),
        (Duende, DUENDE, "a"),
    ] {
        assert_eq!(entries(format, client), [format!(" {id}")]);
        assert_eq!(
            entries(format, &format!("[{client},{client}]")),
            [format!("/0 {id}"), format!("/1 {id}")]
        );
        assert_eq!(entries(format, "[]"), [""; 0]);
        for document in [
            "{}",
            "7",
            "null",
            r#"{"id":"a"}"#,
            r#"{"clients":1}"#,
            r#"{"OAUTH2_registered_client":{}}"#,
        ] {
            let error = convert_list(document.as_bytes(), format).unwrap_err();
            let is_expected = error.message.starts_with("expected an array of clients");
            assert!(is_expected, "{document}: {error}");
        }
    }
}

#[test]
fn a_document_has_its_list_where_its_server_has_it() {
    for (format, client) in [(Authlete, AUTHLETE), (Keycloak, KEYCLOAK)] {
        assert_eq!(entries(format, &format!(r#"{{"realm":"r","clients":[{client}]}}"#)).len(), 1);
    }
    for (format, document, expected) in [
        (
            Spring,
            format!(r#"{{"OAUTH2_REGISTERED_CLIENT":[{SPRING}]}}"#),
            "/OAUTH2_REGISTERED_CLIENT/0 a",
        ),
        (Duende, format!(r#"{{"clients":[{DUENDE}]}}"#), "/clients/0 a"),
        (
            Duende,
            format!(r#"{{"identityServer":{{"Clients":[{DUENDE}]}}}}"#),
            "/identityServer/Clients/0 a",
        ),
    ] {
        assert_eq!(entries(format, &document), [expected]);
    }
    for (document, message) in [
        (r#"{"Clients":[],"clients":[]}"#, "expected Clients once, found it twice"),
        (
            r#"{"Clients":[],"IdentityServer":{"Clients":[]}}"#,
            "two lists of clients, /Clients and /IdentityServer/Clients",
        ),
        (r#"{"IdentityServer":{"Clients":{}}}"#, "expected an array of clients"),
        (r#"{"ClientId":"a","clientId":"a"}"#, "expected ClientId once, found it twice"),
    ] {
        let error = convert_list(document.as_bytes(), Duende).unwrap_err();
        assert_eq!(error.message, message, "{document}");
    }
}

/// An export of several realms into one file. The filter accepts no list that has an identifier
/// twice.
#[test]
fn an_identifier_of_two_realms_is_not_converted() {
    let realms = r#"[
        {"realm": "one", "clients": [
            {"clientId": "a", "clientAuthenticatorType": "client-secret"},
            {"clientId": "b", "enabled": false}
        ]},
        {"realm": "two", "clients": [
            {"clientId": "a", "clientAuthenticatorType": "client-secret"},
            {"clientId": "c", "clientAuthenticatorType": "client-secret"},
            {"clientId": "d", "clientAuthenticatorType": "client-secret"}
        ]},
        {"clientId": "a", "clientAuthenticatorType": "client-secret"}
    ]"#;
    let twice = || Err("another entry has the same identifier".to_owned());
    let expected = [
        ("/0/clients/0", "a", twice()),
        ("/0/clients/1", "b", Err("/enabled: the client is disabled".to_owned())),
        ("/1/clients/0", "a", twice()),
        ("/1/clients/1", "c", Ok(1)),
        ("/1/clients/2", "d", Ok(1)),
        ("/2", "a", twice()),
    ];
    assert_eq!(
        converted_list(Keycloak, realms),
        expected.map(|(pointer, ids, result)| (pointer.to_owned(), ids.to_owned(), result))
    );
    let error = convert_list(br#"[{"realm":"one","clients":{}}]"#, Keycloak).unwrap_err();
    assert_eq!(error.to_string(), "/0/clients: expected an array of clients");
    let converted = converted_list(Keycloak, "[{}, 7]");
    assert!(converted.len() == 2 && converted.iter().all(|(_, _, result)| result.is_err()));
}

#[test]
fn a_document_may_say_that_it_is_a_part() {
    let missing = |document: &str| {
        missing_part(document.as_bytes(), ClientListFormat::Authlete).map(|found| found.is_some())
    };
    let client = r#"{"clientId": 1}"#;
    for (document, is_part) in [
        (format!(r#"{{"start": 0, "end": 1, "totalCount": 3, "clients": [{client}]}}"#), true),
        (format!(r#"{{"start": 0, "end": 1, "totalCount": 1, "clients": [{client}]}}"#), false),
        (format!("[{client}]"), false),
        (client.to_owned(), false),
    ] {
        assert_eq!(missing(&document), Ok(is_part), "{document}");
    }
    assert!(missing("{").is_err());
}
