use super::*;

/// What an entry is in terms of RFC 7591, or what is wrong with it; and whom it is about.
fn converted(entry: &str) -> (Vec<String>, Result<(), String>) {
    let entry = read(&Json::parse(entry.as_bytes()).unwrap_or_else(|error| panic!("{entry}: {error}")));
    let ids = entry.client_ids.iter().map(ToString::to_string).collect();
    (ids, entry.clients.map(|_| ()).map_err(|error| error.in_entry()))
}

/// That an entry is the same as these clients of RFC 7591.
fn same(entry: &str, clients: &[&str]) {
    let found = read(&Json::parse(entry.as_bytes()).unwrap());
    let expected: Vec<_> =
        clients.iter().map(|client| ClientMetadata::from_json(&Json::parse(client.as_bytes()).unwrap()).unwrap()).collect();
    let ids: Vec<_> = expected.iter().map(|client| client.client_id().into()).collect();
    assert_eq!(found.clients.unwrap_or_else(|error| panic!("{entry}: {error}")), expected, "{entry}");
    assert_eq!(found.client_ids, ids, "{entry}");
}

/// That an entry is refused so, and about whom it is.
fn refused(entry: &str, client_ids: &[&str], error: &str) {
    let (ids, found) = converted(entry);
    let found = found.expect_err(entry);
    assert!(found.starts_with(error), "{entry}: {found}");
    assert_eq!(ids, client_ids, "{entry}");
}

const T1: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
const T2: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

#[test]
fn client_metadata_is_itself() {
    let client = r#"{"client_id":"a","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"a.test"}"#;
    same(client, &[client]);
    refused(r#"{"client_id":"a","tls_client_auth_oops":1}"#, &["a"], "/tls_client_auth_oops: unknown member");
    refused(r#"{"client_id":"a","client_id":"b"}"#, &["a", "b"], "/client_id: expected this member once");
    refused(r#"{"client_id":"a","clientId":"b"}"#, &["a", "b"], "expected client_id (RFC 7591) or clientId");
    for (entry, error) in
        [("{}", "expected the member client_id"), ("[]", "expected client metadata"), ("null", "expected client metadata")]
    {
        refused(entry, &[], error);
    }
    refused(r#"{"client_id":""}"#, &[], "/client_id: expected a client_id");
}

#[test]
fn authlete() {
    let dn = |id: &str| {
        format!(
            r#"{{"client_id":"{id}","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=a,O=b"}}"#
        )
    };
    let entry = |more: &str| {
        format!(
            r#"{{"number":1,"serviceNumber":2,"developer":"x","clientId":26478243745571,"tokenAuthMethod":"TLS_CLIENT_AUTH",{more}}}"#
        )
    };
    same(
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","tlsClientAuthSanDns":null,"tlsClientAuthSanIp":"","locked":false,"jwks":null"#,
        ),
        &[&dn("26478243745571")],
    );
    same(
        &entry(r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"my-client","clientIdAliasEnabled":true"#),
        &[&dn("26478243745571"), &dn("my-client")],
    );
    same(
        &entry(r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"my-client","clientIdAliasEnabled":false"#),
        &[&dn("26478243745571")],
    );
    same(
        &entry(r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"26478243745571","clientIdAliasEnabled":true"#),
        &[&dn("26478243745571")],
    );
    same(
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":null,"clientIdAliasEnabled":true,"tlsClientCertificateBoundAccessTokens":true"#,
        ),
        &[&dn("26478243745571")],
    );
    for (name, rfc, value) in
        [("Dns", "dns", "a.test"), ("Uri", "uri", "urn:a"), ("Ip", "ip", "192.0.2.1"), ("Email", "email", "a@b.test")]
    {
        let expected = format!(
            r#"{{"client_id":"26478243745571","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_{rfc}":"{value}"}}"#
        );
        same(&entry(&format!(r#""tlsClientAuthSan{name}":"{value}""#)), &[&expected]);
    }
    for (method, rfc) in [
        ("\"CLIENT_SECRET_BASIC\"", "client_secret_basic"),
        ("\"NONE\"", "none"),
        ("null", "client_secret_basic"),
        ("\"PRIVATE_KEY_JWT\"", "private_key_jwt"),
    ] {
        let expected = format!(r#"{{"client_id":"7","token_endpoint_auth_method":"{rfc}"}}"#);
        same(&format!(r#"{{"clientId":7,"tokenAuthMethod":{method}}}"#), &[&expected]);
    }
    let id = &["26478243745571"];
    refused(&entry(r#""locked":true"#), id, "/locked: the client is locked");
    refused(&entry(r#""locked":true,"clientIdAlias":"x","clientIdAliasEnabled":true"#), &["26478243745571", "x"], "/locked");
    refused(&entry(r#""developer2":1"#), id, "expected exactly one of tls_client_auth_subject_dn");
    refused(&entry(r#""tlsClientAuthSubjectDn":"CN=a","tlsClientAuthSanDns":"a.test""#), id, "expected exactly one of");
    refused(
        &entry(r#""tlsClientAuthSubjectDn":"no dn""#),
        id,
        "/tlsClientAuthSubjectDn: expected an RFC 4514 distinguished name",
    );
    refused(&entry(r#""tlsClientAuthSanIp":"1.2.3""#), id, "/tlsClientAuthSanIp: expected an IPv4");
    refused(&entry(r#""tlsClientAuthSanDns":7"#), id, "/tlsClientAuthSanDns: expected a string, found a number");
    refused(&entry(r#""clientIdAlias":7"#), id, "/clientIdAlias: expected a string");
    refused(
        &entry(r#""clientIdAlias":"a b\u0000","clientIdAliasEnabled":true,"tlsClientAuthSanDns":"a.test""#),
        &["26478243745571", "a b\0"],
        "expected a client_id without control",
    );
    refused(&entry(r#""clientIdAliasEnabled":"true""#), id, "/clientIdAliasEnabled: expected true or false");
    refused(
        &entry(r#""tlsClientAuthSanDns":"a.test","tlsClientAuthSanDns":"b.test""#),
        id,
        "/tlsClientAuthSanDns: expected this member once",
    );
    refused(
        r#"{"clientId":7,"tokenAuthMethod":"TLS_CLIENT_AUT"}"#,
        &["7"],
        "/tokenAuthMethod: unknown method; did you mean \"tls_client_auth\"?",
    );
    refused(r#"{"tokenAuthMethod":"NONE"}"#, &[], "expected the member clientId");
    for (number, ids) in
        [("-1", &[][..]), ("1.5", &[]), ("1e3", &[]), ("9223372036854775808", &["9223372036854775808"]), ("1e400", &[])]
    {
        let entry = format!(r#"{{"clientId":{number},"tokenAuthMethod":"NONE"}}"#);
        match Json::parse(entry.as_bytes()) {
            Ok(_) => refused(&entry, ids, "/clientId: expected a whole number"),
            Err(_) => assert_eq!(number, "1e400"),
        }
    }
    refused(r#"{"clientId":"7","tokenAuthMethod":"NONE"}"#, &["7"], "/clientId: expected a whole number");
}

#[test]
fn authlete_self_signed() {
    let entry = |jwks: &str, more: &str| {
        let jwks = jwks.replace('"', "\\\"");
        format!(r#"{{"clientId":7,"tokenAuthMethod":"SELF_SIGNED_TLS_CLIENT_AUTH","jwks":"{jwks}"{more}}}"#)
    };
    let expected = format!(
        r#"{{"client_id":"7","token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{{"keys":[{{"x5t#S256":"{T1}"}}]}}}}"#
    );
    let two = format!(r#"{{"keys":[{{"kid":"1","x5t#S256":"{T1}"}},{{"kid":"2","x5t#S256":"{T2}"}}]}}"#);
    let one = format!(r#"{{"keys":[{{"kid":"1","x5t#S256":"{T1}"}},{{"kid":"2"}}]}}"#);
    let choose = |kid: &str| format!(r#","selfSignedCertificateKeyId":"{kid}""#);
    same(&entry(&two, &choose("1")), &[&expected]);
    same(&entry(&one, ""), &[&expected]);
    refused(&entry(&two, ""), &["7"], "/jwks: expected exactly one key with a certificate");
    refused(&entry(&two, &choose("3")), &["7"], "/jwks: expected exactly one key with the kid");
    refused(&entry(&two.replace("\"2\"", "\"1\""), &choose("1")), &["7"], "/jwks: expected exactly one key with the kid");
    refused(&entry(&one, &choose("2")), &["7"], "/jwks: expected at least one key with x5c");
    refused(&entry("{}", ""), &["7"], "/jwks: expected exactly one key");
    refused(&entry("{", ""), &["7"], "/jwks: not JSON");
    refused(&entry("[]", ""), &["7"], "/jwks: expected a JWK Set");
    refused(
        r#"{"clientId":7,"tokenAuthMethod":"SELF_SIGNED_TLS_CLIENT_AUTH","jwksUri":"https://a.test/"}"#,
        &["7"],
        "expected the member jwks (jwksUri is not fetched)",
    );
    refused(
        r#"{"clientId":7,"tokenAuthMethod":"SELF_SIGNED_TLS_CLIENT_AUTH","jwks":{"keys":[]}}"#,
        &["7"],
        "/jwks: expected a string",
    );
}

#[test]
fn keycloak() {
    let entry = |attributes: &str| {
        format!(
            r#"{{"id":"0b1c","clientId":"app","name":"App","enabled":true,"publicClient":false,"clientAuthenticatorType":"client-x509","attributes":{{{attributes}}},"redirectUris":["*"]}}"#
        )
    };
    let dn = |dn: &str| {
        let dn = dn.replace('\\', "\\\\").replace('"', "\\\"");
        format!(r#"{{"client_id":"app","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"{dn}"}}"#)
    };
    let exact = r#","x509.allow.regex.pattern.comparison":"false""#;
    same(&entry(&format!(r#""x509.subjectdn":"CN=a.b, O=x\\, y"{exact}"#)), &[&dn(r"CN=a.b,O=x\, y")]);
    for (expression, text) in [
        (r"CN=a, O=b", "CN=a,O=b"),
        (r"^CN=a\\.b, O=b$", "CN=a.b,O=b"),
        (r"\\QCN=a.b+c\\E, O=b", r"CN=a.b\+c,O=b"),
        (r"CN=a\\\\, b", r"CN=a\, b"),
        (r"\\QCN=a.b", "CN=a.b"),
        (r"CN=\\$", "CN=$"),
    ] {
        if expression.contains("+c") {
            // An unescaped + joins two attributes in a name.
            refused(
                &entry(&format!(r#""x509.subjectdn":"{expression}""#)),
                &["app"],
                "/attributes/x509.subjectdn: expected an RFC 4514",
            );
            continue;
        }
        for switch in ["", r#","x509.allow.regex.pattern.comparison":"true""#, r#","x509.allow.regex.pattern.comparison":null"#] {
            same(&entry(&format!(r#""x509.subjectdn":"{expression}"{switch}"#)), &[&dn(text)]);
        }
    }
    for expression in [
        "CN=a.b",
        "CN=a|CN=b",
        "(?i)CN=a",
        "CN=a.*",
        "CN=[a]",
        "CN=a{1}",
        "CN=a?",
        "CN=a+",
        r"CN=\\d",
        r"CN=a\\",
        r"\\bCN=a",
        "CN=$a",
        "CN=^a",
        "(.*?)(?:$)",
        r"CN=a\\E",
        r"CN=\\x41",
    ] {
        refused(
            &entry(&format!(r#""x509.subjectdn":"{expression}""#)),
            &["app"],
            "/attributes/x509.subjectdn: a regular expression that is no plain text",
        );
    }
    let bound = r#""tls.client.certificate.bound.access.tokens":"true""#;
    same(&entry(&format!(r#""x509.subjectdn":"CN=a",{bound}"#)), &[&dn("CN=a")]);
    refused(&entry(""), &["app"], "/attributes: expected the attribute x509.subjectdn");
    refused(
        &entry(r#""x509.subjectdn":"CN=a","x509.subjectdn":"CN=b""#),
        &["app"],
        "/attributes/x509.subjectdn: expected this member once",
    );
    refused(
        &entry(r#""x509.subjectdn":"CN=a","x509.allow.regex.pattern.comparison":false"#),
        &["app"],
        "/attributes/x509.allow.regex.pattern.comparison: expected \"true\" or \"false\"",
    );
    refused(&entry(r#""x509.subjectdn":["CN=a"]"#), &["app"], "/attributes/x509.subjectdn: expected a string");
    refused(&entry(&format!(r#""x509.subjectdn":"a"{exact}"#)), &["app"], "/attributes/x509.subjectdn: expected an RFC 4514");
    refused(r#"{"clientId":"app","clientAuthenticatorType":"client-x509"}"#, &["app"], "expected the attribute x509.subjectdn");
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-X509-v2"}"#,
        &["app"],
        "/clientAuthenticatorType: unknown authenticator",
    );
    refused(r#"{"clientId":"app","enabled":false}"#, &["app"], "/enabled: the client is disabled");
    refused(r#"{"clientId":"app","clientId":"b"}"#, &["app", "b"], "/clientId: expected this member once");
    refused(r#"{"clientId":"app","enabled":"yes"}"#, &["app"], "/enabled: expected true or false");
    refused(r#"{"clientId":""}"#, &[], "/clientId: expected an identifier");
    refused(r#"{"clientId":null}"#, &[], "/clientId: expected a string");
    for (members, method) in [
        (r#""clientAuthenticatorType":"client-secret""#, "client_secret_basic"),
        (r#""clientAuthenticatorType":"client-jwt","attributes":{"x509.subjectdn":"CN=a.*"}"#, "private_key_jwt"),
        (r#""clientAuthenticatorType":"client-secret-jwt""#, "client_secret_jwt"),
        (r#""clientAuthenticatorType":"client-x509","publicClient":true"#, "none"),
        (r#""clientAuthenticatorType":"my-own""#, "my-own"),
        (r#""clientAuthenticatorType":null,"attributes":null"#, "client_secret_basic"),
    ] {
        let expected = format!(r#"{{"client_id":"app","token_endpoint_auth_method":"{method}"}}"#);
        same(&format!(r#"{{"clientId":"app",{members}}}"#), &[&expected]);
    }
}
