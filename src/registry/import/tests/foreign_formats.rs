//! Clients in formats that are not read, and entries with members of two formats.

use super::ClientListFormat::{Authlete, Duende, Keycloak, Spring};
use super::*;

/// Every shape in which other servers, and mistakes, register a client with a certificate:
/// `client_id` where that is not "f"; `says` = a part of the reason with which a fetched list
/// refuses it; `of` = the format that reads it, and refuses it for a reason of its own.
fn shapes() -> Vec<serde_json::Value> {
    let shapes: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/convert/foreign.json")).unwrap();
    shapes.as_array().unwrap().clone()
}

/// Entries of which the client that is asked for is only one that they name beside their own.
const STATE_ANOTHER: [&str; 2] =
    ["blanks round it", "Authlete, an alias that is enabled by a text"];

#[test]
fn a_client_in_a_foreign_format_is_refused_wherever_it_comes_from() {
    for shape in shapes() {
        let (name, entry) = (shape["name"].as_str().unwrap(), shape["entry"].to_string());
        let client_id = shape["client_id"].as_str().unwrap_or("f");
        let (ids, found) = converted(&entry);
        let found = found.expect_err(name);
        assert!(found.contains(shape["says"].as_str().unwrap()), "{name}: {found}");
        assert!(ids.iter().any(|id| id == client_id), "{name}: {ids:?}");
        for list in [format!("[{entry}]"), format!(r#"{{"clients":[{entry}]}}"#)] {
            match ClientList::parse(list.as_bytes()).unwrap().find(client_id) {
                Registration::Unusable(reason) => assert_eq!(*reason, *found, "{name}"),
                // The entry states another identifier.
                Registration::Doubtful => assert!(STATE_ANOTHER.contains(&name), "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        let error =
            Configuration::parse(format!(r#"{{"clients":[{entry}]}}"#).as_bytes()).expect_err(name);
        assert!(error.pointer.starts_with("/clients/0"), "{name}: {error}");
        let formats = [
            (Authlete, "authlete"),
            (Keycloak, "keycloak"),
            (Spring, "spring"),
            (Duende, "duende"),
        ];
        for (format, word) in formats {
            match converted_list(format, &format!("[{entry}]")).as_slice() {
                [(pointer, _, Err(reason))] if pointer == "/0" => {
                    let is_own = shape["of"] == word;
                    assert!(!is_own || !reason.contains("looks like"), "{name}, {word}: {reason}");
                }
                other => panic!("{name}, {word}: {other:?}"),
            }
        }
    }
}

/// The member that decides about the method leaves no doubt, so a subject of another method does
/// not matter.
#[test]
fn settings_of_another_method_are_ignored_where_an_authenticator_decides() {
    for (format, entry, method) in [
        (
            Keycloak,
            r#"{"clientId":"a","clientAuthenticatorType":"client-jwt",
                "attributes":{"x509.subjectdn":"CN=a"}}"#,
            "private_key_jwt",
        ),
        (
            Keycloak,
            r#"{"clientId":"a","clientAuthenticatorType":"client-x509","publicClient":true}"#,
            "none",
        ),
        (
            Spring,
            r#"{"client_id":"a","client_authentication_methods":"none",
                "client_settings":{"settings.client.x509-certificate-subject-dn":"CN=a"}}"#,
            "none",
        ),
        (
            Duende,
            r#"{"ClientId":"a","ClientSecrets":[{"Type":"JWK","Value":"{}"}]}"#,
            "private_key_jwt",
        ),
    ] {
        assert_eq!(only(format, entry).to_string(), client_with_method("a", method), "{entry}");
    }
}

#[test]
fn an_entry_with_the_methods_of_two_formats_is_refused() {
    for (entry, error) in [
        (
            r#"{"clientId":"a","clientAuthenticatorType":"client-x509",
                "requireClientSecret":false}"#,
            "/clientAuthenticatorType",
        ),
        (
            r#"{"ClientId":"a","token_auth_method":"TLS_CLIENT_AUTH","RequireClientSecret":false}"#,
            "/token_auth_method",
        ),
        (
            r#"{"ClientId":"a","AllowedGrantTypes":["implicit"],
                "client_authentication_methods":"tls_client_auth"}"#,
            "/client_authentication_methods",
        ),
    ] {
        unconvertible(Duende, entry, error);
    }
    unconvertible(
        Keycloak,
        r#"{"clientId":"a","clientAuthenticatorType":"client-secret",
            "tokenAuthMethod":"TLS_CLIENT_AUTH"}"#,
        "/tokenAuthMethod: expected a client of Keycloak, found what looks like a client of \
         Authlete",
    );
}
