use super::*;

/// A client of `client-x509` with these attributes.
fn entry(attributes: &str) -> String {
    format!(
        r#"{{
            "id": "0b1c", "clientId": "app", "name": "App", "enabled": true, "publicClient": false,
            "clientAuthenticatorType": "client-x509", "attributes": {{{attributes}}},
            "redirectUris": ["*"]
        }}"#
    )
}

/// The same with this subject, which is escaped as in JSON, and further attributes.
fn entry_with_subject(subject: &str, more: &str) -> String {
    entry(&format!(r#""x509.subjectdn":"{subject}"{more}"#))
}

/// The client to which it is converted.
fn client(dn: &str) -> String {
    tls_client("app", "subject_dn", dn)
}

const NO_PATTERN: &str = r#","x509.allow.regex.pattern.comparison":"false""#;

#[test]
fn a_pattern_that_matches_one_name_is_converted() {
    same(&entry_with_subject(r"CN=a.b, O=x\\, y", NO_PATTERN), &[&client(r"CN=a.b, O=x\, y")]);
    for (expression, name) in [
        (r"CN=a, O=b", "CN=a,O=b"),
        (r"^CN=a\\.b, O=b$", "CN=a.b,O=b"),
        (r"\\QCN=a.b\\E, O=b", "CN=a.b,O=b"),
        (r#"CN=a, O=\"Acme, Inc\\.\""#, r#"CN=a, O="Acme, Inc.""#),
        (r#"CN=\"a  b\", C=JP"#, "CN=a  b,C=JP"),
        (r#"CN=\" a\" \\+ T=x"#, r"CN=\ a+title=x"),
        (r"ST=x, SURNAME=y, DNQ=z", "ST=x,SN=y,dnQualifier=z"),
        (r"EMAILADDRESS=a@b, SERIALNUMBER=1", "emailAddress=a@b,serialNumber=1"),
        (r"CN=a \\+ OU=b, OID\\.2\\.5\\.4\\.97=c", "CN=a+OU=b,2.5.4.97=c"),
        (r"\\QCN=a.b", "CN=a.b"),
        (r"CN=\\$", "CN=$"),
    ] {
        for switch in [
            "",
            r#","x509.allow.regex.pattern.comparison":"true""#,
            r#","x509.allow.regex.pattern.comparison":null"#,
        ] {
            same(&entry_with_subject(expression, switch), &[&client(name)]);
        }
    }
}

#[test]
fn a_pattern_that_may_match_several_names_is_refused() {
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
            &entry_with_subject(expression, ""),
            &["app"],
            "/attributes/x509.subjectdn: a regular expression that is no plain text",
        );
    }
}

/// `X500Name` of Java prints a space after commas and around pluses, types in capitals, and quotes
/// instead of escapes.
#[test]
fn a_name_that_java_never_prints_is_refused() {
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
        r"\\QCN=a+ OU=b\\E",
        r"CN=a\\\\, b",
        r"CN=a\\\\,b, O=c",
        r#"CN=\"a"#,
        // A value with the quotation marks themselves is printed so, the plain value is not.
        r#"CN=\"q\""#,
        r#"CN=\"a b\", O=c"#,
        r#"CN=\"\""#,
        r#"CN=\"a\"b\""#,
        r#"CN=\"a, b\"c"#,
        // Java puts two blanks in quotes.
        "CN=a  b",
        "CN=a=b",
        // Other names of types, and identifiers without `OID.`, or of types that have a name.
        "S=x",
        r"\\QE=a@b\\E",
        "EMAIL=a",
        "SN=x",
        "DNQUALIFIER=x",
        "BUSINESSCATEGORY=x",
        "JURISDICTIONCOUNTRYNAME=JP",
        r"\\Q1.2.3.4.5=1\\E",
        r"\\QOID.2.5.4.3=a\\E",
        r"\\QOID.1.2.840.113549.1.9.1=a\\E",
        r"\\Qoid.2.5.4.97=a\\E",
        r"/CN=a",
        r"OID\\.2\\.5\\.4\\.97 =a",
        r"\\Q/OID.2.5.4.97=a\\E",
    ] {
        refused(
            &entry_with_subject(expression, ""),
            &["app"],
            "/attributes/x509.subjectdn: expected a name as Java prints it",
        );
    }
    refused(
        &entry_with_subject("/C=JP/CN=a", NO_PATTERN),
        &["app"],
        "/attributes/x509.subjectdn: OpenSSL's form",
    );
    refused(
        &entry_with_subject("a", NO_PATTERN),
        &["app"],
        "/attributes/x509.subjectdn: expected an RFC 4514",
    );
}

/// Without a pattern Keycloak makes an `X500Principal` of the text, in which Java knows few types.
#[test]
fn a_name_that_java_does_not_read_is_refused() {
    for name in [
        "cn=a , st = b",
        "S=x, EMAIL=y, DNQualifier=z",
        "OID.2.5.4.97=x, 2.5.4.97=#0c0161",
        "businessCategory=x, jurisdictionCountryName=JP, serialNumber=1",
        // Keycloak's own, in a pattern never printed.
        "E=a@b",
        "e=a@b , CN=a + E=b",
        r#"CN=\"a,SN=b\", O=c"#,
        r"CN=a\\,SN\\=b, O=c=d",
        r#"CN=\"a\\\",SN=\""#,
    ] {
        let unescaped = name.replace(r#"\""#, "\"").replace(r"\\", r"\");
        same(&entry_with_subject(name, NO_PATTERN), &[&client(&unescaped)]);
    }
    for name in [
        "SN=a",
        "CN=a,SN=b",
        "CN=a + SN=b",
        r#"CN=\"a\", SN=b"#,
        r"CN=a\\\\,SN=b",
        "organizationIdentifier=x",
        "commonName=x",
        "jurisdictionC=JP",
        "/1.2.3=a",
    ] {
        for (attributes, pointer) in [
            (format!(r#""x509.subjectdn":"{name}"{NO_PATTERN}"#), "x509.subjectdn"),
            (
                format!(r#""x509.subjectdn":"CN=a","x509.casubjectdn":"CN=b##{name}""#),
                "x509.casubjectdn",
            ),
        ] {
            let error = format!("/attributes/{pointer}: OpenSSL's form of a name, or a type");
            refused(&entry(&attributes), &["app"], &error);
        }
    }
}

#[test]
fn attributes() {
    let anchored = r#","trust_anchors":[{"subject":"CN=ca, O=a"},{"subject":"CN=b"}]"#;
    same(
        &entry_with_subject(
            "CN=a",
            &format!(r#","x509.casubjectdn":"CN=ca, O=a##CN=b"{NO_PATTERN}"#),
        ),
        &[&client("CN=a").replacen('}', &format!("{anchored}}}"), 1)],
    );
    for (names, error) in [
        ("ca", "names of CAs, with ## between them: expected"),
        ("CN=a##", "names of CAs, with ## between them: the name is empty"),
        ("/CN=ca", "OpenSSL's form"),
        // Not blank in Java, so that Keycloak refuses the client.
        ("\u{a0}", "names of CAs"),
    ] {
        refused(
            &entry_with_subject("CN=a", &format!(r#","x509.casubjectdn":"{names}"{NO_PATTERN}"#)),
            &["app"],
            &format!("/attributes/x509.casubjectdn: {error}"),
        );
    }
    for more in [
        r#","x509.casubjectdn":"""#,
        r#","x509.casubjectdn":" \t""#,
        r#","x509.casubjectdn":null"#,
        r#","tls.client.certificate.bound.access.tokens":"false""#,
    ] {
        same(&entry_with_subject("CN=a", more), &[&client("CN=a")]);
    }
    let bound = r#","tls_client_certificate_bound_access_tokens":true}"#;
    let bound = client("CN=a").trim_end().trim_end_matches('}').to_owned() + bound;
    let more = r#","tls.client.certificate.bound.access.tokens":"true""#;
    same(&entry_with_subject("CN=a", more), &[&bound]);
    refused(&entry(""), &["app"], "/attributes: expected the attribute x509.subjectdn");
    refused(
        &entry_with_subject("CN=a", r#","x509.subjectdn":"CN=b""#),
        &["app"],
        "/attributes/x509.subjectdn: expected this member once",
    );
    for value in ["false", r#""no""#, r#""""#, r#""False""#] {
        let switch = format!(r#","x509.allow.regex.pattern.comparison":{value}"#);
        refused(
            &entry_with_subject("CN=a", &switch),
            &["app"],
            "/attributes/x509.allow.regex.pattern.comparison: expected \"true\" or \"false\"",
        );
    }
    refused(
        &entry(r#""x509.subjectdn":["CN=a"]"#),
        &["app"],
        "/attributes/x509.subjectdn: expected a string",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-x509"}"#,
        &["app"],
        "expected the attribute x509.subjectdn",
    );
}

#[test]
fn a_client_that_cannot_authenticate_is_refused() {
    for (more, error) in [
        (r#""enabled":false"#, "/enabled: the client is disabled"),
        (r#""protocol":"saml""#, "/protocol: not a client of OpenID Connect"),
        (r#""protocol":"""#, "/protocol: not a client of OpenID Connect"),
        (r#""bearerOnly":true"#, "/bearerOnly: a bearer-only client does not authenticate"),
        (r#""bearerOnly":"no""#, "/bearerOnly: expected true or false"),
        (r#""enabled":"yes""#, "/enabled: expected true or false"),
    ] {
        let entry =
            format!(r#"{{"clientId":"app","clientAuthenticatorType":"client-secret",{more}}}"#);
        refused(&entry, &["app"], error);
    }
}

#[test]
fn identifiers_and_authenticators_that_cannot_be_read() {
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-X509-v2"}"#,
        &["app"],
        "/clientAuthenticatorType: unknown authenticator",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":"client-secret","clientId":"b"}"#,
        &["app", "b"],
        "/clientId: expected this member once",
    );
    refused(
        r#"{"clientId":"","clientAuthenticatorType":"client-secret"}"#,
        &[],
        "/clientId: expected an identifier",
    );
    refused(
        r#"{"clientId":null,"clientAuthenticatorType":"client-secret"}"#,
        &[],
        "/clientId: expected a string",
    );
    refused(
        r#"{"clientId":"app","clientAuthenticatorType":null}"#,
        &["app"],
        "expected the member clientAuthenticatorType",
    );
    for (members, error) in [
        ("", "expected the member clientAuthenticatorType"),
        (r#","publicClient":true"#, "expected the member clientAuthenticatorType"),
        (r#","protocol":"openid-connect","enabled":true,"bearerOnly":true"#, "/bearerOnly"),
    ] {
        let entry = format!(r#"{{"clientId":"app"{members}}}"#);
        let (ids, found) = converted(&entry);
        assert_eq!(ids, ["app"]);
        assert!(found.unwrap_err().contains("nor clientAuthenticatorType (Keycloak)"), "{entry}");
        unconvertible(ClientListFormat::Keycloak, &entry, error);
    }
}

#[test]
fn authenticators_have_the_names_of_methods() {
    for (members, method) in [
        (r#""client-secret""#, "client_secret_basic"),
        (r#""client-jwt","attributes":{"x509.subjectdn":"CN=a.*"}"#, "private_key_jwt"),
        (r#""client-secret","attributes":{"x509.casubjectdn":"CN=ca"}"#, "client_secret_basic"),
        (
            r#""client-secret","protocol":"openid-connect","bearerOnly":false"#,
            "client_secret_basic",
        ),
        (r#""client-secret","protocol":null,"bearerOnly":null"#, "client_secret_basic"),
        (r#""client-secret-jwt""#, "client_secret_jwt"),
        (r#""client-x509","publicClient":true"#, "none"),
        (r#""my-own""#, "my-own"),
        (r#""client-jwt","attributes":null"#, "private_key_jwt"),
    ] {
        let entry = format!(r#"{{"clientId":"app","clientAuthenticatorType":{members}}}"#);
        same(&entry, &[&client_with_method("app", method)]);
    }
}

#[test]
fn a_bearer_only_client_is_left_out_and_not_unregistered() {
    let entry = r#"{
        "clientId": "broker", "clientAuthenticatorType": "client-secret",
        "bearerOnly": true, "publicClient": false
    }"#;
    let read = read(&parse(entry));
    assert!(read.never_authenticates && read.clients.is_err());
    assert_eq!(read.client_ids, ["broker".into()]);
    let list = convert_list(entry.as_bytes(), ClientListFormat::Keycloak).unwrap();
    assert!(list.iter().all(|entry| entry.never_authenticates && entry.clients.is_err()));
    let list = ClientList::parse(format!("[{entry}]").as_bytes()).unwrap();
    let Registration::Unusable(reason) = list.find("broker") else { panic!("{list:?}") };
    assert!(reason.contains("bearer-only"));
}

#[test]
fn a_client_that_may_authenticate_is_not_left_out() {
    for entry in [
        r#"{"clientId":"broker","bearerOnly":true}"#,
        r#"{"clientId":"broker","clientAuthenticatorType":"client-secret","bearerOnly":"true"}"#,
        r#"{"clientId":"broker","clientAuthenticatorType":"client-x509"}"#,
        r#"{"client_id":"broker","clientAuthenticatorType":"client-secret","bearerOnly":true}"#,
    ] {
        let list =
            convert_list(format!("[{entry}]").as_bytes(), ClientListFormat::Keycloak).unwrap();
        let is_refused = |entry: &Conversion| !entry.never_authenticates && entry.clients.is_err();
        assert!(list.iter().all(is_refused), "{entry}");
        assert!(!read(&parse(entry)).never_authenticates, "{entry}");
    }
}
