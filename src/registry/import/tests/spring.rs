use super::*;

/// A row of the database with this subject.
fn entry(subject: &str) -> String {
    let settings = serde_json::json!({
        "@class": "java.util.Collections$UnmodifiableMap",
        "settings.client.x509-certificate-subject-dn": subject,
    });
    serde_json::json!({
        "CLIENT_ID": "a",
        "Client_Authentication_Methods": "tls_client_auth",
        "CLIENT_SETTINGS": settings.to_string(),
    })
    .to_string()
}

#[test]
fn a_name_that_java_prints_is_converted() {
    for subject in [
        "CN=demo-client,OU=Spring Samples,O=Spring,C=US",
        r"CN=a\, b,O=Acme\, Inc.",
        "CN=a+OU=b,O=c",
        "1.2.840.113549.1.9.1=#1603614062,CN=x",
        r#"CN=\ a,O=a\=b\#c\\d\"e\ "#,
        "STREET=s,DC=d,UID=u,ST=st,L=l",
        "CN=Grüß",
        r"CN=\ \ ,O=a  b",
    ] {
        let client = only(ClientListFormat::Spring, &entry(subject));
        assert_eq!(client["tls_client_auth_subject_dn"], subject);
    }
}

#[test]
fn a_name_that_java_never_prints_is_refused() {
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
        // Java escapes blanks at the ends alone, and prints these types by name.
        r"CN=a\ b",
        "2.5.4.3=#0c0161",
        "0.9.2342.19200300.100.1.1=#0c0161",
        "CN=a,",
        r"CN=a\",
    ] {
        unconvertible(
            ClientListFormat::Spring,
            &entry(subject),
            "/CLIENT_SETTINGS: settings.client.x509-certificate-subject-dn: expected a name",
        );
    }
}

#[test]
fn the_first_of_several_methods_that_the_backend_checks_stands_for_all() {
    for (methods, first) in [
        ("client_secret_basic,client_secret_post", "client_secret_basic"),
        ("private_key_jwt,none,client_secret_basic", "private_key_jwt"),
    ] {
        let row = format!(r#"{{"client_id":"a","client_authentication_methods":"{methods}"}}"#);
        let client = only(ClientListFormat::Spring, &row).to_string();
        assert_eq!(client, client_with_method("a", first));
    }
}

#[test]
fn a_row_that_cannot_be_converted_is_refused() {
    for (row, error) in [
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":null}"#,
            "/CLIENT_AUTHENTICATION_METHODS: expected a string",
        ),
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":"none,tls_client_auth"}"#,
            "/CLIENT_AUTHENTICATION_METHODS: expected one method",
        ),
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":"none,my-mtls"}"#,
            "/CLIENT_AUTHENTICATION_METHODS: expected one method",
        ),
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":"none,"}"#,
            "/CLIENT_AUTHENTICATION_METHODS: expected one method",
        ),
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":""}"#,
            "/CLIENT_AUTHENTICATION_METHODS: expected one method",
        ),
        (
            r#"{"CLIENT_ID":"a","CLIENT_AUTHENTICATION_METHODS":"self_signed_tls_client_auth"}"#,
            "/CLIENT_AUTHENTICATION_METHODS: the client's certificates are behind",
        ),
        (r#"{"CLIENT_ID":"a"}"#, "expected the member client_authentication_methods"),
        (
            r#"{"CLIENT_ID":"a","client_authentication_methods":"tls_client_auth"}"#,
            "/client_settings: expected settings.client.x509-certificate-subject-dn",
        ),
        (
            r#"{"CLIENT_ID":"a","client_authentication_methods":"none",
                "TOKEN_SETTINGS":{"settings.token.x509-certificate-bound-access-tokens":"true"}}"#,
            "/TOKEN_SETTINGS: settings.token.x509-certificate-bound-access-tokens: expected true \
             or false",
        ),
        (
            r#"{"CLIENT_ID":"a","client_authentication_methods":"none","client_settings":"{"}"#,
            "/client_settings: not JSON",
        ),
    ] {
        unconvertible(ClientListFormat::Spring, row, error);
    }
}

#[test]
fn a_column_in_two_spellings_is_refused() {
    let row = r#"{"client_id":"a","CLIENT_ID":"a"}"#;
    assert_eq!(
        convert_list(row.as_bytes(), ClientListFormat::Spring).unwrap_err().message,
        "expected client_id once, found it twice"
    );
    let error = "/client_id: expected this member once, found it twice";
    assert_eq!(
        converted_list(ClientListFormat::Spring, &format!("[{row}]")),
        [("/0".to_owned(), "a a".to_owned(), Err(error.to_owned()))]
    );
}
