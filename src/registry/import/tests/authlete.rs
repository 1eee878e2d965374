use super::*;

const ID: &str = "26478243745571";

/// A client of `TLS_CLIENT_AUTH` with these further members.
fn entry(more: &str) -> String {
    format!(
        r#"{{
            "number": 1, "serviceNumber": 2, "developer": "x",
            "clientId": {ID}, "tokenAuthMethod": "TLS_CLIENT_AUTH", {more}
        }}"#
    )
}

/// The same with a subject.
fn entry_with_subject(more: &str) -> String {
    entry(&format!(r#""tlsClientAuthSubjectDn":"CN=a,O=b",{more}"#))
}

/// The client to which it is converted, with this identifier.
fn client(id: &str) -> String {
    tls_client(id, "subject_dn", "CN=a,O=b")
}

#[test]
fn a_client_has_every_identifier_that_requests_may_use() {
    for (more, others) in [
        (
            r#""tlsClientAuthSanDns":null,"tlsClientAuthSanIp":"","locked":false,"jwks":null"#,
            &[][..],
        ),
        (r#""clientIdAlias":"my-client","clientIdAliasEnabled":true"#, &["my-client"]),
        (r#""clientIdAlias":"my-client","clientIdAliasEnabled":false"#, &[]),
        (r#""clientIdAlias":"26478243745571","clientIdAliasEnabled":true"#, &[]),
        (
            r#""clientIdAlias":null,"clientIdAliasEnabled":true,
               "tlsClientCertificateBoundAccessTokens":false"#,
            &[],
        ),
        // The URL of a client of OpenID Federation, or of a metadata document.
        (
            r#""entityId":"https://a.test","metadataDocumentLocation":"https://a.test/c""#,
            &["https://a.test", "https://a.test/c"],
        ),
        (
            r#""clientIdAlias":"x","clientIdAliasEnabled":true,
               "entityId":null,"metadataDocumentLocation":"x""#,
            &["x"],
        ),
        (
            r#""clientIdAlias":"x","clientIdAliasEnabled":true,
               "entityId":"y","metadataDocumentLocation":"x""#,
            &["x", "y"],
        ),
    ] {
        let clients: Vec<_> = [ID].iter().chain(others).map(|id| client(id)).collect();
        let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
        same(&entry_with_subject(more), &clients);
    }
    let bound = r#","tls_client_certificate_bound_access_tokens":true}"#;
    let bound = client(ID).trim_end().trim_end_matches('}').to_owned() + bound;
    same(&entry_with_subject(r#""tlsClientCertificateBoundAccessTokens":true"#), &[&bound]);
}

#[test]
fn subjects_and_methods_have_the_names_of_the_rfcs() {
    for (name, member, value) in [
        ("Dns", "san_dns", "a.test"),
        ("Uri", "san_uri", "urn:a"),
        ("Ip", "san_ip", "192.0.2.1"),
        ("Email", "san_email", "a@b.test"),
    ] {
        let expected = tls_client(ID, member, value);
        same(&entry(&format!(r#""tlsClientAuthSan{name}":"{value}""#)), &[&expected]);
    }
    for (method, name) in [
        ("CLIENT_SECRET_BASIC", "client_secret_basic"),
        ("NONE", "none"),
        ("PRIVATE_KEY_JWT", "private_key_jwt"),
    ] {
        let entry = format!(r#"{{"clientId":7,"tokenAuthMethod":"{method}"}}"#);
        same(&entry, &[&client_with_method("7", name)]);
    }
}

#[test]
fn a_client_that_cannot_be_converted_is_refused() {
    for (more, error) in [
        (r#""locked":true"#, "/locked: the client is locked"),
        (r#""developer2":1"#, "expected exactly one of tls_client_auth_subject_dn"),
        (
            r#""tlsClientAuthSubjectDn":"CN=a","tlsClientAuthSanDns":"a.test""#,
            "expected exactly one of",
        ),
        (
            r#""tlsClientAuthSubjectDn":"no dn""#,
            "/tlsClientAuthSubjectDn: expected an RFC 4514 distinguished name",
        ),
        (r#""tlsClientAuthSanIp":"1.2.3""#, "/tlsClientAuthSanIp: expected an IPv4"),
        (r#""tlsClientAuthSanDns":7"#, "/tlsClientAuthSanDns: expected a string, found a number"),
        (r#""clientIdAliasEnabled":"true""#, "/clientIdAliasEnabled: expected true or false"),
        (
            r#""tlsClientAuthSanDns":"a.test","tlsClientAuthSanDns":"b.test""#,
            "/tlsClientAuthSanDns: expected this member once",
        ),
    ] {
        refused(&entry(more), &[ID], error);
    }
    refused(
        r#"{"clientId":7,"tokenAuthMethod":"TLS_CLIENT_AUT"}"#,
        &["7"],
        "/tokenAuthMethod: unknown method; did you mean \"tls_client_auth\"?",
    );
    for method in ["", r#","tokenAuthMethod":null"#] {
        refused(
            &format!(r#"{{"clientId":7{method}}}"#),
            &["7"],
            "expected the member tokenAuthMethod",
        );
    }
}

#[test]
fn a_refused_client_keeps_its_other_identifiers() {
    let locked = r#""locked":true,"clientIdAlias":"x","clientIdAliasEnabled":"#;
    refused(&entry(&format!("{locked}true")), &[ID, "x"], "/locked");
    // Only an alias that is not enabled without doubt identifies no client.
    refused(&entry(&format!("{locked}false")), &[ID], "/locked");
    refused(&entry(&format!(r#"{locked}"false""#)), &[ID, "x"], "/");
    refused(&entry(r#""clientIdAlias":7"#), &[ID, "7"], "/clientIdAlias: expected a string");
    refused(&entry(r#""entityId":7"#), &[ID, "7"], "/entityId: expected a string");
    refused(
        &entry(
            r#""clientIdAlias":"a b\u0000","clientIdAliasEnabled":true,
               "tlsClientAuthSanDns":"a.test""#,
        ),
        &[ID, "a b\0"],
        "expected a client_id without control",
    );
}

#[test]
fn an_identifier_must_be_a_whole_number() {
    refused(r#"{"tokenAuthMethod":"NONE"}"#, &[], "expected the member clientId");
    for (number, ids) in [
        ("-1", &["-1"][..]),
        ("1.5", &["1.5"]),
        ("1e3", &["1000.0", "1000"]),
        ("9223372036854775808", &["9223372036854775808"]),
        ("1e30", &[]),
        (r#""7""#, &["7"]),
    ] {
        let entry = format!(r#"{{"clientId":{number},"tokenAuthMethod":"NONE"}}"#);
        refused(&entry, ids, "/clientId: expected a whole number");
    }
    let too_large = br#"{"clientId":1e400,"tokenAuthMethod":"NONE"}"#;
    assert!(Json::parse(too_large).is_err());
}

const T1: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
const T2: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

/// A client of `SELF_SIGNED_TLS_CLIENT_AUTH` with this JWK Set, which Authlete has as a string.
fn self_signed(jwks: &str, key_id: Option<&str>) -> String {
    let mut entry = serde_json::json!({
        "clientId": 7, "tokenAuthMethod": "SELF_SIGNED_TLS_CLIENT_AUTH", "jwks": jwks,
    });
    if let Some(key_id) = key_id {
        entry["selfSignedCertificateKeyId"] = key_id.into();
    }
    entry.to_string()
}

#[test]
fn one_key_of_a_self_signed_client_counts() {
    let expected = serde_json::json!({
        "client_id": "7",
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks": { "keys": [{ "kty": "EC", "x5t#S256": T1 }] },
    })
    .to_string();
    let key = |kid: &str, thumbprint| {
        let kty = "EC";
        serde_json::json!({ "kid": kid, "kty": kty, "x5t#S256": thumbprint })
    };
    let bare = serde_json::json!({ "kid": "2", "kty": "EC" });
    let two = serde_json::json!({ "keys": [key("1", T1), key("2", T2)] }).to_string();
    let twice = serde_json::json!({ "keys": [key("1", T1), key("1", T2)] }).to_string();
    let one = serde_json::json!({ "keys": [key("1", T1), bare] }).to_string();
    same(&self_signed(&two, Some("1")), &[&expected]);
    same(&self_signed(&one, None), &[&expected]);
    for (jwks, key_id, error) in [
        (&*two, None, "/jwks: expected exactly one key with a certificate"),
        (&two, Some("3"), "/jwks: expected exactly one key with the kid"),
        (&twice, Some("1"), "/jwks: expected exactly one key with the kid"),
        (&one, Some("2"), "/jwks: expected at least one key with x5c"),
        ("{}", None, "/jwks: expected at least one key with x5c"),
        ("{", None, "/jwks: not JSON"),
        ("[]", None, "/jwks: expected a JWK Set"),
    ] {
        refused(&self_signed(jwks, key_id), &["7"], error);
    }
    let entry = |member: &str| {
        format!(r#"{{"clientId":7,"tokenAuthMethod":"SELF_SIGNED_TLS_CLIENT_AUTH",{member}}}"#)
    };
    refused(
        &entry(r#""jwksUri":"https://a.test/""#),
        &["7"],
        "expected the member jwks (jwksUri has no selfSignedCertificateKeyId)",
    );
    refused(&entry(r#""jwks":{"keys":[]}"#), &["7"], "/jwks: expected a string");
}
