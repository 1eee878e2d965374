//! Entries that are client metadata of RFC 7591.

use super::*;

#[test]
fn client_metadata_is_read_as_it_is() {
    let client = tls_client("a", "san_dns", "a.test");
    same(&client, &[&client]);
    refused(
        r#"{"client_id":"a","tls_client_auth_oops":1}"#,
        &["a"],
        "/tls_client_auth_oops: unknown member",
    );
    refused(
        r#"{"client_id":"a","client_id":"b"}"#,
        &["a", "b"],
        "/client_id: expected this member once",
    );
    refused(
        r#"{"client_id":"a","clientId":"b"}"#,
        &["a", "b"],
        "/clientId: unknown member; did you mean \"client_id\"?",
    );
    for (entry, error) in [
        ("{}", "expected the member client_id"),
        ("[]", "expected client metadata"),
        ("null", "expected client metadata"),
    ] {
        refused(entry, &[], error);
    }
    refused(r#"{"client_id":""}"#, &[], "/client_id: expected a client_id");
}

#[test]
fn every_identifier_of_a_refused_entry_is_found() {
    for (entry, client_ids) in [
        (r#"{"clients":[{"client_id":"a"},{"client_id":"b"}]}"#, &["a", "b"][..]),
        (r#"[["x",{"client_id":"a"}]]"#, &["a"]),
        (r#"{"client_id":["a",{"value":"b"},{"value":["c"]},null,true,""]}"#, &["a", "b", "c"]),
        (r#"{"client_id":" a "}"#, &[" a ", "a"]),
        (r#"{"client_id":10.0}"#, &["10.0", "10"]),
        (r#"{"client_id":1.5}"#, &["1.5"]),
        (r#"{"client_id":-1}"#, &["-1"]),
        (r#"{"client_id":18446744073709551615}"#, &["18446744073709551615"]),
        (r#"{"client_id":18446744073709551616}"#, &[]),
        (r#"{"client_id":9007199254740992.0}"#, &[]),
        (r#"{"client_id":" "}"#, &[]),
        // An entry with a client_id of its own does not concern the clients that it mentions.
        (r#"{"client_id":"a","id":"b","peer":{"client_id":"c"}}"#, &["a"]),
        (r#"{"a":{"b":{"c":{"d":{"client_id":"a"}}}}}"#, &["a"]),
        (r#"{"a":{"b":{"c":{"d":{"e":{"client_id":"a"}}}}}}"#, &[]),
        (r#"{"a":{"id":"a"}}"#, &[]),
    ] {
        refused(entry, client_ids, "");
    }
}

/// Read as another server's, it would be registered under the other identifier, and its own would
/// be unregistered.
#[test]
fn an_entry_with_a_client_id_is_not_converted() {
    for (entry, client_ids) in [
        (r#"{"client_id":"a","clientId":7,"tokenAuthMethod":"NONE"}"#, &["a", "7"]),
        (
            r#"{"client_id":"a","clientId":"b","clientAuthenticatorType":"client-secret"}"#,
            &["a", "b"],
        ),
    ] {
        refused(entry, client_ids, "/clientId: unknown member; did you mean \"client_id\"?");
    }
}

/// A client with this method, and these further members.
fn entry(method: &str, more: &str) -> String {
    let method = serde_json::Value::from(method);
    format!(r#"{{"client_id":"a","token_endpoint_auth_method":{method}{more}}}"#)
}

#[test]
fn another_name_for_mutual_tls_is_not_another_method() {
    for method in [
        "tls-client-certificate",
        "TlsClient",
        "selfSignedTLS",
        "Mutual TLS",
        "mutual-tls",
        "MTLS",
        "m_tls",
        "client-x509",
        "X.509",
        "tls_cl\u{200b}ient",
        "none\ttls_client_auth",
    ] {
        refused(&entry(method, ""), &["a"], "/token_endpoint_auth_method: unknown method");
    }
    for method in
        ["none,none", "none none", " none", "none\n", "client_secret_basic\0", "none\u{a0}", ","]
    {
        refused(
            &entry(method, ""),
            &["a"],
            "/token_endpoint_auth_method: expected the name of one authentication method",
        );
    }
    for method in [
        "none",
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "attest_jwt_client_auth",
        "spiffe_jwt",
        "urn:example:params:oauth:client-auth",
        "https://as.test/methods/secret;v=2",
        "m\u{fc}nze",
    ] {
        assert_eq!(converted(&entry(method, "")), (vec!["a".to_owned()], Ok(())), "{method}");
    }
}

#[test]
fn another_spelling_of_a_subject_is_not_ignored() {
    for name in [
        "tlsclientauthcertificate",
        "TLSClientAuthSubject",
        "tls_clientauth_oops",
        "tls_client_auth_",
        "tls.client.auth.dn",
    ] {
        let entry = entry("none", &format!(r#","{name}":1"#));
        refused(&entry, &["a"], &format!("/{name}: unknown member"));
    }
    for name in [
        "tls_client_authentication",
        "tlsClientAuthority",
        "tls_client_authorization_policy",
        "tls_client_auth",
        "tls_client",
    ] {
        let entry = entry("none", &format!(r#","{name}":1"#));
        assert_eq!(converted(&entry).1, Ok(()), "{name}");
    }
}
