use super::super::ClientList;
use super::*;
use crate::policy::Configuration;
use crate::registration::Registration;

/// What an entry is in terms of RFC 7591, or what is wrong with it; and whom it is about.
fn converted(entry: &str) -> (Vec<String>, Result<(), String>) {
    let entry =
        read(&Json::parse(entry.as_bytes()).unwrap_or_else(|error| panic!("{entry}: {error}")));
    let ids = entry.client_ids.iter().map(ToString::to_string).collect();
    (ids, entry.clients.map(|_| ()).map_err(|error| error.in_entry()))
}

/// That an entry is the same as these clients of RFC 7591.
fn same(entry: &str, clients: &[&str]) {
    let found = read(&Json::parse(entry.as_bytes()).unwrap());
    let expected: Vec<_> = clients
        .iter()
        .map(|client| ClientMetadata::from_json(&Json::parse(client.as_bytes()).unwrap()).unwrap())
        .collect();
    let ids: Vec<_> = expected.iter().map(|client| client.client_id().into()).collect();
    assert_eq!(
        found.clients.unwrap_or_else(|error| panic!("{entry}: {error}")),
        expected,
        "{entry}"
    );
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
        // Whoever is named by its own member is not about those that it mentions.
        (r#"{"client_id":"a","id":"b","peer":{"client_id":"c"}}"#, &["a"]),
        (r#"{"a":{"b":{"c":{"d":{"client_id":"a"}}}}}"#, &["a"]),
        (r#"{"a":{"b":{"c":{"d":{"e":{"client_id":"a"}}}}}}"#, &[]),
        (r#"{"a":{"id":"a"}}"#, &[]),
    ] {
        refused(entry, client_ids, "");
    }
}

#[test]
fn no_method_that_means_mutual_tls_is_another() {
    let of = |method: &str, more: &str| {
        format!(
            r#"{{"client_id":"a","token_endpoint_auth_method":{}{more}}}"#,
            serde_json::Value::from(method)
        )
    };
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
        refused(&of(method, ""), &["a"], "/token_endpoint_auth_method: unknown method");
    }
    for method in
        ["none,none", "none none", " none", "none\n", "client_secret_basic\0", "none\u{a0}", ","]
    {
        refused(
            &of(method, ""),
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
        assert_eq!(converted(&of(method, "")), (vec!["a".to_owned()], Ok(())), "{method}");
    }
    for name in [
        "tlsclientauthcertificate",
        "TLSClientAuthSubject",
        "tls_clientauth_oops",
        "tls_client_auth_",
        "tls.client.auth.dn",
    ] {
        refused(
            &of("none", &format!(r#","{name}":1"#)),
            &["a"],
            &format!("/{name}: unknown member"),
        );
    }
    for name in [
        "tls_client_authentication",
        "tlsClientAuthority",
        "tls_client_authorization_policy",
        "tls_client_auth",
        "tls_client",
    ] {
        assert_eq!(converted(&of("none", &format!(r#","{name}":1"#))).1, Ok(()), "{name}");
    }
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
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"my-client","clientIdAliasEnabled":true"#,
        ),
        &[&dn("26478243745571"), &dn("my-client")],
    );
    same(
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"my-client","clientIdAliasEnabled":false"#,
        ),
        &[&dn("26478243745571")],
    );
    same(
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"26478243745571","clientIdAliasEnabled":true"#,
        ),
        &[&dn("26478243745571")],
    );
    same(
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":null,"clientIdAliasEnabled":true,"tlsClientCertificateBoundAccessTokens":true"#,
        ),
        &[&dn("26478243745571")],
    );
    // Clients of OpenID Federation, and those that are found by their metadata, go by a URL as
    // well.
    let located = r#""tlsClientAuthSubjectDn":"CN=a,O=b","entityId":"https://a.test","metadataDocumentLocation":"https://a.test/c""#;
    same(&entry(located), &[&dn("26478243745571"), &dn("https://a.test"), &dn("https://a.test/c")]);
    same(
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"x","clientIdAliasEnabled":true,"entityId":null,"metadataDocumentLocation":"x""#,
        ),
        &[&dn("26478243745571"), &dn("x")],
    );
    for (name, rfc, value) in [
        ("Dns", "dns", "a.test"),
        ("Uri", "uri", "urn:a"),
        ("Ip", "ip", "192.0.2.1"),
        ("Email", "email", "a@b.test"),
    ] {
        let expected = format!(
            r#"{{"client_id":"26478243745571","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_{rfc}":"{value}"}}"#
        );
        same(&entry(&format!(r#""tlsClientAuthSan{name}":"{value}""#)), &[&expected]);
    }
    for (method, rfc) in [
        ("\"CLIENT_SECRET_BASIC\"", "client_secret_basic"),
        ("\"NONE\"", "none"),
        ("\"PRIVATE_KEY_JWT\"", "private_key_jwt"),
    ] {
        let expected = format!(r#"{{"client_id":"7","token_endpoint_auth_method":"{rfc}"}}"#);
        same(&format!(r#"{{"clientId":7,"tokenAuthMethod":{method}}}"#), &[&expected]);
    }
    let id = &["26478243745571"];
    refused(&entry(r#""locked":true"#), id, "/locked: the client is locked");
    refused(
        &entry(r#""locked":true,"clientIdAlias":"x","clientIdAliasEnabled":true"#),
        &["26478243745571", "x"],
        "/locked",
    );
    // Of an alias that is plainly not enabled nobody is afraid.
    refused(
        &entry(r#""locked":true,"clientIdAlias":"x","clientIdAliasEnabled":false"#),
        id,
        "/locked",
    );
    refused(
        &entry(r#""locked":true,"clientIdAlias":"x","clientIdAliasEnabled":"false""#),
        &["26478243745571", "x"],
        "/",
    );
    same(
        &entry(
            r#""tlsClientAuthSubjectDn":"CN=a,O=b","clientIdAlias":"x","clientIdAliasEnabled":true,"entityId":"y","metadataDocumentLocation":"x""#,
        ),
        &[&dn("26478243745571"), &dn("x"), &dn("y")],
    );
    refused(&entry(r#""developer2":1"#), id, "expected exactly one of tls_client_auth_subject_dn");
    refused(
        &entry(r#""tlsClientAuthSubjectDn":"CN=a","tlsClientAuthSanDns":"a.test""#),
        id,
        "expected exactly one of",
    );
    refused(
        &entry(r#""tlsClientAuthSubjectDn":"no dn""#),
        id,
        "/tlsClientAuthSubjectDn: expected an RFC 4514 distinguished name",
    );
    refused(&entry(r#""tlsClientAuthSanIp":"1.2.3""#), id, "/tlsClientAuthSanIp: expected an IPv4");
    refused(
        &entry(r#""tlsClientAuthSanDns":7"#),
        id,
        "/tlsClientAuthSanDns: expected a string, found a number",
    );
    refused(
        &entry(r#""clientIdAlias":7"#),
        &["26478243745571", "7"],
        "/clientIdAlias: expected a string",
    );
    refused(&entry(r#""entityId":7"#), &["26478243745571", "7"], "/entityId: expected a string");
    refused(
        &entry(
            r#""clientIdAlias":"a b\u0000","clientIdAliasEnabled":true,"tlsClientAuthSanDns":"a.test""#,
        ),
        &["26478243745571", "a b\0"],
        "expected a client_id without control",
    );
    refused(
        &entry(r#""clientIdAliasEnabled":"true""#),
        id,
        "/clientIdAliasEnabled: expected true or false",
    );
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
    for method in ["", r#","tokenAuthMethod":null"#] {
        refused(
            &format!(r#"{{"clientId":7{method}}}"#),
            &["7"],
            "expected the member tokenAuthMethod",
        );
    }
    for (number, ids) in [
        ("-1", &["-1"][..]),
        ("1.5", &["1.5"]),
        ("1e3", &["1000.0", "1000"]),
        ("9223372036854775808", &["9223372036854775808"]),
        ("1e30", &[]),
        ("1e400", &[]),
    ] {
        let entry = format!(r#"{{"clientId":{number},"tokenAuthMethod":"NONE"}}"#);
        match Json::parse(entry.as_bytes()) {
            Ok(_) => refused(&entry, ids, "/clientId: expected a whole number"),
            Err(_) => assert_eq!(number, "1e400"),
        }
    }
    refused(
        r#"{"clientId":"7","tokenAuthMethod":"NONE"}"#,
        &["7"],
        "/clientId: expected a whole number",
    );
}

#[test]
fn authlete_self_signed() {
    let entry = |jwks: &str, more: &str| {
        let jwks = jwks.replace('"', "\\\"");
        format!(
            r#"{{"clientId":7,"tokenAuthMethod":"SELF_SIGNED_TLS_CLIENT_AUTH","jwks":"{jwks}"{more}}}"#
        )
    };
    let expected = format!(
        r#"{{"client_id":"7","token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{{"keys":[{{"kty":"EC","x5t#S256":"{T1}"}}]}}}}"#
    );
    let two = format!(
        r#"{{"keys":[{{"kid":"1","kty":"EC","x5t#S256":"{T1}"}},{{"kid":"2","kty":"EC","x5t#S256":"{T2}"}}]}}"#
    );
    let one = format!(
        r#"{{"keys":[{{"kid":"1","kty":"EC","x5t#S256":"{T1}"}},{{"kid":"2","kty":"EC"}}]}}"#
    );
    let choose = |kid: &str| format!(r#","selfSignedCertificateKeyId":"{kid}""#);
    same(&entry(&two, &choose("1")), &[&expected]);
    same(&entry(&one, ""), &[&expected]);
    refused(&entry(&two, ""), &["7"], "/jwks: expected exactly one key with a certificate");
    refused(&entry(&two, &choose("3")), &["7"], "/jwks: expected exactly one key with the kid");
    refused(
        &entry(&two.replace("\"2\"", "\"1\""), &choose("1")),
        &["7"],
        "/jwks: expected exactly one key with the kid",
    );
    refused(&entry(&one, &choose("2")), &["7"], "/jwks: expected at least one key with x5c");
    refused(&entry("{}", ""), &["7"], "/jwks: expected at least one key with x5c");
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
        format!(
            r#"{{"client_id":"app","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"{dn}"}}"#
        )
    };
    let exact = r#","x509.allow.regex.pattern.comparison":"false""#;
    same(
        &entry(&format!(r#""x509.subjectdn":"CN=a.b, O=x\\, y"{exact}"#)),
        &[&dn(r"CN=a.b,O=x\, y")],
    );
    for (expression, text) in [
        (r"CN=a, O=b", "CN=a,O=b"),
        (r"^CN=a\\.b, O=b$", "CN=a.b,O=b"),
        (r"\\QCN=a.b\\E, O=b", "CN=a.b,O=b"),
        (r#"CN=a, O=\"Acme, Inc\\.\""#, r#"CN=a, O="Acme, Inc.""#),
        (r"CN=a \\+ OU=b, OID\\.2\\.5\\.4\\.97=c", "CN=a+OU=b,2.5.4.97=c"),
        (r"\\QCN=a.b", "CN=a.b"),
        (r"CN=\\$", "CN=$"),
    ] {
        for switch in [
            "",
            r#","x509.allow.regex.pattern.comparison":"true""#,
            r#","x509.allow.regex.pattern.comparison":null"#,
        ] {
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
    // What Java's X500Name never prints: it has blanks behind commas and round pluses, types in
    // capitals, and quotes for escapes.
    for expression in [
        "CN=a,O=b",
        "CN=a,  O=b",
        "CN=a , O=b",
        "cn=a",
        "emailAddress=a@b",
        "CN= a",
        "CN=a ",
        "CN=a, ",
        "CN=a#b",
        "CN=a;O=b",
        "/C=JP/CN=a",
        "a",
        "",
        r"\\QCN=a+OU=b\\E",
        r"CN=a\\\\, b",
        r"CN=a\\\\,b, O=c",
        r#"CN=\"a"#,
    ] {
        refused(
            &entry(&format!(r#""x509.subjectdn":"{expression}""#)),
            &["app"],
            "/attributes/x509.subjectdn: expected a name as Java prints it",
        );
    }
    refused(
        &entry(&format!(r#""x509.subjectdn":"/C=JP/CN=a"{exact}"#)),
        &["app"],
        "/attributes/x509.subjectdn: OpenSSL's form",
    );
    refused(
        &entry(&format!(r#""x509.subjectdn":"CN=a","x509.casubjectdn":"CN=ca"{exact}"#)),
        &["app"],
        "/attributes/x509.casubjectdn: only certificates of this CA",
    );
    for no_issuer in [r#","x509.casubjectdn":"""#, r#","x509.casubjectdn":null"#] {
        same(&entry(&format!(r#""x509.subjectdn":"CN=a"{no_issuer}"#)), &[&dn("CN=a")]);
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
    refused(
        &entry(r#""x509.subjectdn":["CN=a"]"#),
        &["app"],
        "/attributes/x509.subjectdn: expected a string",
    );
    refused(
        &entry(&format!(r#""x509.subjectdn":"a"{exact}"#)),
        &["app"],
        "/attributes/x509.subjectdn: expected an RFC 4514",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-x509"}"#,
        &["app"],
        "expected the attribute x509.subjectdn",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-X509-v2"}"#,
        &["app"],
        "/clientAuthenticatorType: unknown authenticator",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","enabled":false}"#,
        &["app"],
        "/enabled: the client is disabled",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","clientId":"b"}"#,
        &["app", "b"],
        "/clientId: expected this member once",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","protocol":"saml"}"#,
        &["app"],
        "/protocol: not a client of OpenID Connect",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","protocol":""}"#,
        &["app"],
        "/protocol: not a client of OpenID Connect",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","bearerOnly":true}"#,
        &["app"],
        "/bearerOnly: a bearer-only client does not authenticate",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","bearerOnly":"no"}"#,
        &["app"],
        "/bearerOnly: expected true or false",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","enabled":"yes"}"#,
        &["app"],
        "/enabled: expected true or false",
    );
    refused(
        r#"{"clientId":"","clientAuthenticatorType":"client-secret"}"#,
        &[],
        "/clientId: expected an identifier",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":null}"#,
        &["app"],
        "expected the member clientAuthenticatorType",
    );
    for members in [
        "",
        r#","publicClient":true"#,
        r#","protocol":"openid-connect","enabled":true,"bearerOnly":true"#,
    ] {
        let (ids, found) = converted(&format!(r#"{{"clientId":"app"{members}}}"#));
        assert_eq!(ids, ["app"]);
        assert!(found.unwrap_err().contains("nor clientAuthenticatorType (Keycloak)"), "{members}");
        unconvertible(
            ClientListFormat::Keycloak,
            &format!(r#"{{"clientId":"app"{members}}}"#),
            if members.contains("bearerOnly") {
                "/bearerOnly"
            } else {
                "expected the member clientAuthenticatorType"
            },
        );
    }
    refused(
        r#"{"clientId":null,"clientAuthenticatorType":"client-secret"}"#,
        &[],
        "/clientId: expected a string",
    );
    for (members, method) in [
        (r#""clientAuthenticatorType":"client-secret""#, "client_secret_basic"),
        (
            r#""clientAuthenticatorType":"client-jwt","attributes":{"x509.subjectdn":"CN=a.*"}"#,
            "private_key_jwt",
        ),
        (
            r#""clientAuthenticatorType":"client-secret","attributes":{"x509.casubjectdn":"CN=ca"}"#,
            "client_secret_basic",
        ),
        (
            r#""clientAuthenticatorType":"client-secret","protocol":"openid-connect","bearerOnly":false"#,
            "client_secret_basic",
        ),
        (
            r#""clientAuthenticatorType":"client-secret","protocol":null,"bearerOnly":null"#,
            "client_secret_basic",
        ),
        (r#""clientAuthenticatorType":"client-secret-jwt""#, "client_secret_jwt"),
        (r#""clientAuthenticatorType":"client-x509","publicClient":true"#, "none"),
        (r#""clientAuthenticatorType":"my-own""#, "my-own"),
        (r#""clientAuthenticatorType":"client-jwt","attributes":null"#, "private_key_jwt"),
    ] {
        let expected = format!(r#"{{"client_id":"app","token_endpoint_auth_method":"{method}"}}"#);
        same(&format!(r#"{{"clientId":"app",{members}}}"#), &[&expected]);
    }
}

/// Every shape in which other servers, and mistakes, register a certificate client, with its
/// `client_id` where that is not "f" and what is said of it in a fetched list; `of` = the format
/// that reads it, and refuses it for a reason of its own.
fn foreign() -> Vec<serde_json::Value> {
    let shapes: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/convert/foreign.json")).unwrap();
    shapes.as_array().unwrap().clone()
}

#[test]
fn a_foreign_client_is_refused_wherever_it_comes_from() {
    for shape in foreign() {
        let (name, entry) = (shape["name"].as_str().unwrap(), shape["entry"].to_string());
        let (client_id, says) =
            (shape["client_id"].as_str().unwrap_or("f"), shape["says"].as_str().unwrap());
        let (ids, found) = converted(&entry);
        let found = found.expect_err(name);
        assert!(found.contains(says), "{name}: {found}");
        assert!(ids.iter().any(|id| id == client_id), "{name}: {ids:?}");
        for list in [format!("[{entry}]"), format!(r#"{{"clients":[{entry}]}}"#)] {
            match ClientList::parse(list.as_bytes()).unwrap().find(client_id) {
                Registration::Unusable(reason) => assert_eq!(*reason, *found, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        let error =
            Configuration::parse(format!(r#"{{"clients":[{entry}]}}"#).as_bytes()).expect_err(name);
        assert!(error.pointer.starts_with("/clients/0"), "{name}: {error}");
        let formats = [
            (ClientListFormat::Authlete, "authlete"),
            (ClientListFormat::Keycloak, "keycloak"),
            (ClientListFormat::Spring, "spring"),
            (ClientListFormat::Duende, "duende"),
        ];
        for (format, word) in formats {
            match converted_list(format, &format!("[{entry}]")).as_slice() {
                [(pointer, _, Err(reason))] if pointer == "/0" => {
                    assert!(
                        shape["of"] != word || !reason.contains("looks like"),
                        "{name}, {word}: {reason}"
                    );
                }
                other => panic!("{name}, {word}: {other:?}"),
            }
        }
    }
}

/// What they say of the method is said without doubt, so it does not matter what is left of
/// another.
#[test]
fn what_is_left_of_another_method_is_ignored_where_an_authenticator_decides() {
    use ClientListFormat::{Duende, Keycloak, Spring};
    for (format, entry, method) in [
        (
            Keycloak,
            r#"{"clientId":"a","clientAuthenticatorType":"client-jwt","attributes":{"x509.subjectdn":"CN=a"}}"#,
            "private_key_jwt",
        ),
        (
            Keycloak,
            r#"{"clientId":"a","clientAuthenticatorType":"client-x509","publicClient":true}"#,
            "none",
        ),
        (
            Spring,
            r#"{"client_id":"a","client_authentication_methods":"none","client_settings":{"settings.client.x509-certificate-subject-dn":"CN=a"}}"#,
            "none",
        ),
        (
            Duende,
            r#"{"ClientId":"a","ClientSecrets":[{"Type":"JWK","Value":"{}"}]}"#,
            "private_key_jwt",
        ),
    ] {
        assert_eq!(
            only(format, entry),
            serde_json::json!({ "client_id": "a", "token_endpoint_auth_method": method }),
            "{entry}"
        );
    }
    for (entry, error) in [
        (
            r#"{"clientId":"a","clientAuthenticatorType":"client-x509","requireClientSecret":false}"#,
            "/clientAuthenticatorType",
        ),
        (
            r#"{"ClientId":"a","token_auth_method":"TLS_CLIENT_AUTH","RequireClientSecret":false}"#,
            "/token_auth_method",
        ),
        (
            r#"{"ClientId":"a","AllowedGrantTypes":["implicit"],"client_authentication_methods":"tls_client_auth"}"#,
            "/client_authentication_methods",
        ),
    ] {
        unconvertible(Duende, entry, error);
    }
    unconvertible(
        Keycloak,
        r#"{"clientId":"a","clientAuthenticatorType":"client-secret","tokenAuthMethod":"TLS_CLIENT_AUTH"}"#,
        "/tokenAuthMethod: expected a client of Keycloak, found what looks like a client of \
         Authlete",
    );
}

#[test]
fn bearer_only_clients_are_left_out_and_known() {
    let entry = r#"{"clientId":"broker","clientAuthenticatorType":"client-secret","bearerOnly":true,"publicClient":false}"#;
    let read = read(&Json::parse(entry.as_bytes()).unwrap());
    assert!(
        read.never_authenticates && read.clients.is_err() && read.client_ids == ["broker".into()]
    );
    let list = convert_list(entry.as_bytes(), ClientListFormat::Keycloak).unwrap();
    assert!(list.iter().all(|entry| entry.never_authenticates && entry.clients.is_err()));
    let list = ClientList::parse(format!("[{entry}]").as_bytes()).unwrap();
    assert!(
        matches!(list.find("broker"), Registration::Unusable(reason) if reason.contains("bearer-only"))
    );
    // Without Keycloak's own mark, and where it is not said so, nobody knows.
    for entry in [
        r#"{"clientId":"broker","bearerOnly":true}"#,
        r#"{"clientId":"broker","clientAuthenticatorType":"client-secret","bearerOnly":"true"}"#,
        r#"{"clientId":"broker","clientAuthenticatorType":"client-x509"}"#,
        r#"{"client_id":"broker","clientAuthenticatorType":"client-secret","bearerOnly":true}"#,
    ] {
        let list =
            convert_list(format!("[{entry}]").as_bytes(), ClientListFormat::Keycloak).unwrap();
        assert!(
            list.iter().all(|entry| !entry.never_authenticates && entry.clients.is_err()),
            "{entry}"
        );
        assert!(
            !super::read(&Json::parse(entry.as_bytes()).unwrap()).never_authenticates,
            "{entry}"
        );
    }
}

/// What becomes of the entries of a list: pointer, identifiers and, of those that are refused, the
/// reason.
fn converted_list(
    format: ClientListFormat,
    list: &str,
) -> Vec<(String, String, Result<usize, String>)> {
    let list =
        convert_list(list.as_bytes(), format).unwrap_or_else(|error| panic!("{list}: {error}"));
    let of = |entry: Conversion| {
        (
            entry.pointer,
            entry.client_ids.join(" "),
            entry.clients.map(|clients| clients.len()).map_err(|error| error.in_entry()),
        )
    };
    list.into_iter().map(of).collect()
}

/// The only client to which this entry is converted.
fn only(format: ClientListFormat, entry: &str) -> serde_json::Value {
    let list =
        convert_list(entry.as_bytes(), format).unwrap_or_else(|error| panic!("{entry}: {error}"));
    match list.as_slice() {
        [Conversion { pointer, clients: Ok(clients), .. }]
            if pointer.is_empty() && clients.len() == 1 =>
        {
            clients[0].clone()
        }
        other => panic!("{entry}: {other:?}"),
    }
}

/// That this entry is refused so.
fn unconvertible(format: ClientListFormat, entry: &str, error: &str) {
    match converted_list(format, entry).as_slice() {
        [(pointer, _, Err(found))] if pointer.is_empty() && found.starts_with(error) => {}
        other => panic!("{entry}: {other:?}"),
    }
}

#[test]
fn documents_have_their_lists_where_each_server_has_them() {
    use ClientListFormat::{Authlete, Duende, Keycloak, Spring};
    let at = |format, document: &str| {
        converted_list(format, document)
            .into_iter()
            .map(|(pointer, ids, _)| format!("{pointer} {ids}"))
            .collect::<Vec<_>>()
    };
    let keycloak = r#"{"clientId":"a"}"#;
    let authlete = r#"{"clientId":1,"tokenAuthMethod":"NONE"}"#;
    let spring = r#"{"client_id":"a"}"#;
    let duende = r#"{"ClientId":"a"}"#;
    for (format, client, id) in [
        (Authlete, authlete, "1"),
        (Keycloak, keycloak, "a"),
        (Spring, spring, "a"),
        (Duende, duende, "a"),
    ] {
        assert_eq!(at(format, client), [format!(" {id}")]);
        assert_eq!(
            at(format, &format!("[{client},{client}]")),
            [format!("/0 {id}"), format!("/1 {id}")]
        );
        assert_eq!(at(format, "[]"), [""; 0]);
        for document in [
            "{}",
            "7",
            "null",
            r#"{"id":"a"}"#,
            r#"{"clients":1}"#,
            r#"{"OAUTH2_registered_client":{}}"#,
        ] {
            let error = convert_list(document.as_bytes(), format).unwrap_err();
            assert!(
                error.message.starts_with("expected an array of clients"),
                "{document}: {error}"
            );
        }
    }
    for (format, client) in [(Authlete, authlete), (Keycloak, keycloak)] {
        assert_eq!(at(format, &format!(r#"{{"realm":"r","clients":[{client}]}}"#)).len(), 1);
    }
    assert_eq!(
        at(Spring, &format!(r#"{{"OAUTH2_REGISTERED_CLIENT":[{spring}]}}"#)),
        ["/OAUTH2_REGISTERED_CLIENT/0 a"]
    );
    assert_eq!(at(Duende, &format!(r#"{{"clients":[{duende}]}}"#)), ["/clients/0 a"]);
    assert_eq!(
        at(Duende, &format!(r#"{{"identityServer":{{"Clients":[{duende}]}}}}"#)),
        ["/identityServer/Clients/0 a"]
    );
    for (document, message) in [
        (r#"{"Clients":[],"clients":[]}"#, "expected Clients once, found it twice"),
        (
            r#"{"Clients":[],"IdentityServer":{"Clients":[]}}"#,
            "two lists of clients, /Clients and /IdentityServer/Clients",
        ),
        (r#"{"IdentityServer":{"Clients":{}}}"#, "expected an array of clients"),
        (r#"{"ClientId":"a","clientId":"a"}"#, "expected ClientId once, found it twice"),
    ] {
        assert_eq!(
            convert_list(document.as_bytes(), Duende).unwrap_err().message,
            message,
            "{document}"
        );
    }
    // An export of several realms into one file; the filter would load no list with one identifier
    // twice.
    let realms = r#"[
        {"realm":"one","clients":[{"clientId":"a","clientAuthenticatorType":"client-secret"},{"clientId":"b","enabled":false}]},
        {"realm":"two","clients":[{"clientId":"a","clientAuthenticatorType":"client-secret"},{"clientId":"c","clientAuthenticatorType":"client-secret"},{"clientId":"d","clientAuthenticatorType":"client-secret"}]},
        {"clientId":"a","clientAuthenticatorType":"client-secret"}
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
        expected.map(|(at, ids, result)| (at.to_owned(), ids.to_owned(), result))
    );
    let error = convert_list(br#"[{"realm":"one","clients":{}}]"#, Keycloak).unwrap_err();
    assert_eq!(error.to_string(), "/0/clients: expected an array of clients");
    assert_eq!(
        converted_list(Keycloak, "[{}, 7]")
            .into_iter()
            .filter(|(_, _, result)| result.is_err())
            .count(),
        2
    );
}

#[test]
fn duende() {
    let entry = |secrets: &str| format!(r#"{{"ClientId":"a","ClientSecrets":[{secrets}]}}"#);
    let refused = |entry: &str, error| unconvertible(ClientListFormat::Duende, entry, error);
    let only = |entry: &str| only(ClientListFormat::Duende, entry);
    let tls = |dn: &str| serde_json::json!({ "client_id": "a", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": dn });
    let other = |method: &str| serde_json::json!({ "client_id": "a", "token_endpoint_auth_method": method });
    for client in [
        entry(r#"{"Value":"CN=a, O=b","Type":"X509Name"}"#),
        entry(r#"{"value":"CN=a, O=b","TYPE":"X509Name","expiration":null}"#),
        r#"{"clientId":"a","enabled":true,"protocolType":"oidc","clientSecrets":[{"value":"CN=a, O=b","type":"X509Name"}]}"#.to_owned(),
        r#"{"CLIENTID":"a","allowedGrantTypes":[{"Id":1,"grantType":"implicit"},{"GrantType":"client_credentials"}],"requireClientSecret":true,"CLIENTSECRETS":[{"VALUE":"CN=a, O=b","TYPE":"X509Name"}]}"#.to_owned(),
    ] {
        assert_eq!(only(&client), tls("CN=a, O=b"), "{client}");
    }
    for (client, method) in [
        (entry(r#"{"Value":"x"}"#), "client_secret_basic"),
        (entry(r#"{"type":"JWK","value":"{}"}"#), "private_key_jwt"),
        (r#"{"clientId":"a","requireClientSecret":false,"clientSecrets":[]}"#.to_owned(), "none"),
        (r#"{"ClientId":"a","AllowedGrantTypes":["implicit"]}"#.to_owned(), "none"),
    ] {
        assert_eq!(only(&client), other(method), "{client}");
    }
    for (secret, error) in [
        (r#"{"Type":"X509Name"}"#, "/ClientSecrets/0: expected the member Value"),
        (r#"{"Type":"X509Name","Value":null}"#, "/ClientSecrets/0: expected the member Value"),
        (
            r#"{"Type":"X509Name","Value":""}"#,
            "/ClientSecrets/0/Value: expected a name as .NET prints it",
        ),
        (
            r#"{"Type":"X509Name","value":"CN=a,O=b"}"#,
            "/ClientSecrets/0/value: expected a name as .NET prints it",
        ),
        (
            r#"{"Type":"X509Name","value":"/O=b/CN=a"}"#,
            "/ClientSecrets/0/value: expected a name as .NET prints it",
        ),
        // .NET prints a backslash as it is; as an escape it makes another name.
        (
            r#"{"Type":"X509Name","value":"CN=a\\, O=b"}"#,
            "/ClientSecrets/0/value: expected a name as .NET prints it",
        ),
        (r#"{"Type":"X509Name","value":"oops=a"}"#, "/ClientSecrets/0/value: expected an RFC 4514"),
        (
            r#"{"Type":"X509Name","Value":"CN=a","value":"CN=b"}"#,
            "/ClientSecrets/0/Value: expected this member once",
        ),
        (r#"{"Type":null,"Value":"x"}"#, "/ClientSecrets/0/Type: expected a string"),
        (
            r#"{"type":"x509name","Value":"CN=a"}"#,
            "/ClientSecrets/0/type: a type of secret that is not Duende's own",
        ),
        (
            r#"{"Value":"x","expiration":"2027-01-01"}"#,
            "/ClientSecrets/0/expiration: the secret expires",
        ),
        (
            r#"{"Type":"X509Name","Value":"CN=a"},{"Type":"X509Name","Value":"CN=b"}"#,
            "/ClientSecrets: several secrets",
        ),
    ] {
        refused(&entry(secret), error);
    }
    for (client, error) in [
        (r#"{"clientId":"a"}"#, "/ClientSecrets: the client needs a secret and has none"),
        (
            r#"{"clientId":"a","clientSecrets":[]}"#,
            "/clientSecrets: the client needs a secret and has none",
        ),
        (
            r#"{"clientId":"a","clientSecrets":[],"ClientSecrets":[]}"#,
            "/ClientSecrets: expected this member once",
        ),
        (r#"{"clientId":"a","enabled":false}"#, "/enabled: the client is disabled"),
        (
            r#"{"clientId":"a","ProtocolType":"wsfed"}"#,
            "/ProtocolType: not a client of OpenID Connect",
        ),
        (
            r#"{"clientId":"a","allowedGrantTypes":"implicit"}"#,
            "/allowedGrantTypes: expected an array of grant types",
        ),
        (
            r#"{"clientId":"a","allowedGrantTypes":[{}]}"#,
            "/allowedGrantTypes/0: expected the member GrantType",
        ),
        (
            r#"{"ClientId":"a","AllowedGrantTypes":["implicit"],"ClientSecrets":[{"Value":"CN=a","Type":"X509Name"}]}"#,
            "/ClientSecrets: the client has secrets and may do without",
        ),
        (r#"{"clientId":"","requireClientSecret":false}"#, "/clientId: expected an identifier"),
        (r#"{"clientId":7}"#, "/clientId: expected a string"),
    ] {
        refused(client, error);
    }
}

#[test]
fn spring() {
    let entry = |subject: &str| {
        let settings = serde_json::json!({ "@class": "java.util.Collections$UnmodifiableMap", SUBJECT_DN: subject }).to_string();
        let methods = "tls_client_auth";
        let row = serde_json::json!({ "CLIENT_ID": "a", "Client_Authentication_Methods": methods, "CLIENT_SETTINGS": settings });
        row.to_string()
    };
    // What Java's X500Principal.getName() prints, and never prints.
    for subject in [
        "CN=demo-client,OU=Spring Samples,O=Spring,C=US",
        r"CN=a\, b,O=Acme\, Inc.",
        "CN=a+OU=b,O=c",
        "1.2.840.113549.1.9.1=#1603614062,CN=x",
        r#"CN=\ a,O=a\=b\#c\\d\"e\ "#,
        "STREET=s,DC=d,UID=u,ST=st,L=l",
        "CN=Grüß",
    ] {
        assert_eq!(
            only(ClientListFormat::Spring, &entry(subject))["tls_client_auth_subject_dn"],
            subject
        );
    }
    for subject in [
        "",
        "CN=a, O=b",
        "CN=a ,O=b",
        "CN= a",
        "cn=a",
        "emailAddress=a@b.test",
        "EMAILADDRESS=a@b.test",
        "1.2.840.113549.1.9.1=a@b.test",
        "2.5.4.97=#1303505344AB",
        "OID.2.5.4.97=#1303505344",
        "CN=a#b",
        r#"O="Acme, Inc.""#,
        r"CN=Gr\C3\BC",
        "/C=US/CN=a",
        "CN=a,",
        r"CN=a\",
    ] {
        unconvertible(
            ClientListFormat::Spring,
            &entry(subject),
            "/CLIENT_SETTINGS: settings.client.x509-certificate-subject-dn: expected a name",
        );
    }
    for (row, error) in [
        (r#"{"client_id":"a","CLIENT_ID":"a"}"#, ""),
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":null}"#,
            "/CLIENT_AUTHENTICATION_METHODS: expected a string",
        ),
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":"none,none"}"#,
            "/CLIENT_AUTHENTICATION_METHODS: expected one method",
        ),
        (r#"{"CLIENT_ID":"a"}"#, "expected the member client_authentication_methods"),
        (
            r#"{"CLIENT_ID":"a","client_authentication_methods":"tls_client_auth"}"#,
            "/client_settings: expected settings.client.x509-certificate-subject-dn",
        ),
        (
            r#"{"CLIENT_ID":"a","client_authentication_methods":"none","TOKEN_SETTINGS":{"settings.token.x509-certificate-bound-access-tokens":"true"}}"#,
            "/TOKEN_SETTINGS: settings.token.x509-certificate-bound-access-tokens: expected true \
             or false",
        ),
        (
            r#"{"CLIENT_ID":"a","client_authentication_methods":"none","client_settings":"{"}"#,
            "/client_settings: not JSON",
        ),
    ] {
        if error.is_empty() {
            assert_eq!(
                convert_list(row.as_bytes(), ClientListFormat::Spring).unwrap_err().message,
                "expected client_id once, found it twice"
            );
            assert_eq!(
                converted_list(ClientListFormat::Spring, &format!("[{row}]")),
                [(
                    "/0".to_owned(),
                    "a a".to_owned(),
                    Err("/client_id: expected this member once, found it twice".to_owned())
                )]
            );
            continue;
        }
        unconvertible(ClientListFormat::Spring, row, error);
    }
}

const SUBJECT_DN: &str = "settings.client.x509-certificate-subject-dn";
