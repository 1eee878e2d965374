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
    for method in ["unspecified", "Unspecified", "default", "any", "UNKNOWN", "multiple"] {
        refused(
            &entry(method, ""),
            &["a"],
            "/token_endpoint_auth_method: expected the name of one authentication method",
        );
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

/// Servers have their own names for it. Read as if it were not there, it would let the certificate
/// of a disabled client pass.
#[test]
fn a_client_that_is_disabled_is_refused() {
    let disabled = |name: &str, value: &str, error: &str| {
        for method in ["none", "private_key_jwt"] {
            let entry = entry(method, &format!(r#","{name}":{value}"#));
            refused(&entry, &["a"], &format!("/{name}: {error}"));
        }
        let tls = tls_client("a", "subject_dn", "CN=a");
        let tls = tls.replacen('{', &format!(r#"{{"{name}":{value},"#), 1);
        refused(&tls, &["a"], &format!("/{name}: {error}"));
    };
    let harmless = |name: &str, value: &str| {
        let entry = entry("none", &format!(r#","{name}":{value}"#));
        assert_eq!(converted(&entry).1, Ok(()), "{entry}");
    };
    for name in
        ["enabled", "active", "isActive", "is_enabled", "client_enabled", "Client-Is-Active"]
    {
        for value in ["false", "0", "0.0", r#""false""#, r#""False ""#, r#""0""#, r#""inactive""#] {
            disabled(name, value, "the client is disabled");
        }
        for value in ["true", "1", r#""true""#, r#""yes""#, "null", r#""""#, r#"" ""#] {
            harmless(name, value);
        }
    }
    for name in [
        "disabled",
        "locked",
        "suspended",
        "deleted",
        "revoked",
        "blocked",
        "archived",
        "is_locked",
        "isDisabled",
        "clientDeleted",
        "IS-CLIENT-REVOKED",
        "deleted_at",
        "revokedAt",
        "expired",
    ] {
        for value in ["true", "1", "1700000000", r#""true""#, r#""2026-01-01""#, r#""\u662f""#] {
            disabled(name, value, "the client is disabled");
        }
        for value in ["false", "0", r#""false""#, r#""NO""#, "null", r#""""#] {
            harmless(name, value);
        }
    }
    for name in ["status", "client_status", "clientState", "state", "lifecycle_state"] {
        for value in [
            r#""inactive""#,
            r#""INACTIVE""#,
            r#""Disabled""#,
            r#""SUSPENDED_BY_ADMIN""#,
            r#""pending-approval""#,
            r#""not active""#,
            r#""expired""#,
            r#""rejected""#,
            r#""APP_STATE_INACTIVE""#,
            r#""STATUS_DISABLED""#,
            r#""on_hold""#,
            r#""Canceled""#,
            "false",
            "0",
        ] {
            disabled(name, value, "the client is disabled");
        }
        for value in [
            r#""active""#,
            r#""ENABLED""#,
            r#""unlocked""#,
            r#""CLIENT_STATUS_ACTIVE""#,
            r#""OK""#,
            r#""approved""#,
            r#""registered""#,
            r#""Live""#,
            r#""published""#,
            r#""verified""#,
            r#""ACCEPTED""#,
            r#""confirmed""#,
            r#""valid""#,
            r#""Production""#,
            r#""normal""#,
            r#""APP_APPROVED""#,
            r#""application-approved""#,
            r#""Client registration status: valid""#,
            r#""""#,
            "null",
            "true",
            "1",
        ] {
            harmless(name, value);
        }
    }
    for (name, value) in [
        ("deleted_at", r#""0001-01-01T00:00:00Z""#),
        ("deletedAt", r#""0000-00-00 00:00:00""#),
        ("disabled_at", r#""1970-01-01T00:00:00.000Z""#),
        ("disabled_at", "-1"),
        ("blocked", "[]"),
    ] {
        harmless(name, value);
    }
    disabled("deleted", r#""0001-01-01""#, "the client is disabled");
    // As Visual Basic writes that it is.
    disabled("disabled", "-1", "the client is disabled");
    let of_all = ["{}", r#"{"value":true}"#, r#"["active"]"#, r#""\ud800""#, "1e400"];
    let of_states = ["[]", r#""never""#, r#""2""#, r#""\u505c""#, "2", "-1", "0.5"];
    for name in ["enabled", "isActive", "locked", "status", "state"] {
        let of_states = if name == "locked" { &[][..] } else { &of_states };
        for value in of_all.iter().chain(of_states) {
            let entry = entry("none", &format!(r#","{name}":{value}"#));
            let entry = read(&Json::parse_in_parts(entry.as_bytes()).unwrap());
            let error = entry.clients.unwrap_err();
            assert_eq!(error.pointer, format!("/{name}"));
            assert_eq!(error.message, "whether the client is disabled cannot be read");
        }
    }
    // These say something else.
    for (name, value) in [
        ("expired_at", r#""2999-01-01""#),
        ("software_status", r#""inactive""#),
        ("client_secret_expired", "true"),
        ("consent_active", "false"),
        ("enabled_scopes", "[]"),
        ("state_required", "false"),
        ("cat", "1"),
        ("at", "1"),
    ] {
        harmless(name, value);
    }
}

/// The answer has neither `enabled` nor `x509.casubjectdn`.
#[test]
fn an_answer_of_keycloaks_registration_address_is_refused() {
    let uri = |uri: &str| entry("none", &format!(r#","registration_client_uri":"{uri}""#));
    for path in ["openid-connect/a", "default/a"] {
        refused(
            &uri(&format!("https://as.test/realms/r/clients-registrations/{path}")),
            &["a"],
            "/registration_client_uri: Keycloak's registration address does not say whether",
        );
    }
    assert_eq!(converted(&uri("https://as.test/register/a")).1, Ok(()));
}

/// Which of several methods a client uses is not known.
#[test]
fn a_second_method_is_refused_where_one_of_the_two_is_of_tls() {
    let with = |method: &str, name: &str, value: &str| {
        let subject = r#","tls_client_auth_subject_dn":"CN=a""#;
        let subject = if method == "tls_client_auth" { subject } else { "" };
        entry(method, &format!(r#"{subject},"{name}":{value}"#))
    };
    let (tls, jwt) = ("tls_client_auth", "private_key_jwt");
    for name in [
        "additional_token_endpoint_auth_methods",
        "additionalTokenEndpointAuthMethods",
        "revocation_endpoint_auth_method",
        "introspection_endpoint_auth_method",
        "introspectionEndpointAuthMethods",
    ] {
        for (method, value, error) in [
            (jwt, r#"["self_signed_tls_client_auth"]"#, "a second method beside \"private_key_jwt"),
            (jwt, r#"["private_key_jwt","tls_client_auth"]"#, "a second method"),
            (jwt, r#""tls_client_auth""#, "a second method"),
            (tls, r#""self_signed_tls_client_auth""#, "a second method beside \"tls_client_auth"),
            (jwt, r#"["TLS_CLIENT_AUTH"]"#, "unknown method; did you mean"),
            (jwt, r#""mtls""#, "unknown method of mutual TLS"),
            (jwt, r#""unspecified""#, "expected the name of one"),
            (jwt, r#""private_key_jwt tls""#, "expected the name of one"),
            (jwt, "{}", "expected the name of an"),
            (jwt, "[true]", "expected the name of an"),
        ] {
            refused(&with(method, name, value), &["a"], &format!("/{name}: {error}"));
        }
        // At another endpoint the filter asks for the certificate all the same.
        for value in [r#"["private_key_jwt"]"#, r#""none""#] {
            let entry = with(tls, name, value);
            if name.starts_with("additional") {
                refused(&entry, &["a"], &format!("/{name}: a second method beside \"tls_client"));
            } else {
                assert_eq!(converted(&entry).1, Ok(()), "{entry}");
            }
        }
        for (method, value) in [
            (tls, "null"),
            (tls, "[]"),
            (tls, "[null]"),
            (tls, r#""""#),
            (tls, r#""tls_client_auth""#),
            (tls, r#"["tls_client_auth"]"#),
            (jwt, r#"["private_key_jwt","client_secret_basic"]"#),
            (jwt, r#""none""#),
        ] {
            assert_eq!(converted(&with(method, name, value)).1, Ok(()), "{name} {value}");
        }
    }
    refused(
        &with(tls, "token_endpoint_auth_methods", r#"["tls_client_auth"]"#),
        &["a"],
        "/token_endpoint_auth_methods: unknown member; did you mean",
    );
    for name in ["token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg"] {
        assert_eq!(converted(&with(jwt, name, r#""mtls""#)).1, Ok(()), "{name}");
    }
}
