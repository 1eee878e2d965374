use super::*;

/// A client with these secrets.
fn entry(secrets: &str) -> String {
    format!(r#"{{"ClientId":"a","ClientSecrets":[{secrets}]}}"#)
}

fn only(entry: &str) -> String {
    super::only(ClientListFormat::Duende, entry).to_string()
}

fn refused(entry: &str, error: &str) {
    unconvertible(ClientListFormat::Duende, entry, error);
}

#[test]
fn names_are_read_in_any_letter_case() {
    for client in [
        &*entry(r#"{"Value":"CN=a, O=b","Type":"X509Name"}"#),
        &entry(r#"{"value":"CN=a, O=b","TYPE":"X509Name","expiration":null}"#),
        r#"{"clientId":"a","enabled":true,"protocolType":"oidc",
            "clientSecrets":[{"value":"CN=a, O=b","type":"X509Name"}]}"#,
        r#"{"CLIENTID":"a",
            "allowedGrantTypes":[
                {"Id":1,"grantType":"implicit"},{"GrantType":"client_credentials"}
            ],
            "requireClientSecret":true,
            "CLIENTSECRETS":[{"VALUE":"CN=a, O=b","TYPE":"X509Name"}]}"#,
    ] {
        assert_eq!(only(client), tls_client("a", "subject_dn", "CN=a, O=b"), "{client}");
    }
}

#[test]
fn secrets_decide_about_the_method() {
    for (client, method) in [
        (&*entry(r#"{"Value":"x"}"#), "client_secret_basic"),
        (&entry(r#"{"type":"JWK","value":"{}"}"#), "private_key_jwt"),
        (r#"{"clientId":"a","requireClientSecret":false,"clientSecrets":[]}"#, "none"),
        (r#"{"ClientId":"a","AllowedGrantTypes":["implicit"]}"#, "none"),
    ] {
        assert_eq!(only(client), client_with_method("a", method), "{client}");
    }
}

#[test]
fn a_secret_that_cannot_be_converted_is_refused() {
    let no_name = "expected a name as .NET prints it";
    for (secret, error) in [
        (r#"{"Type":"X509Name"}"#, "/ClientSecrets/0: expected the member Value"),
        (r#"{"Type":"X509Name","Value":null}"#, "/ClientSecrets/0: expected the member Value"),
        (r#"{"Type":"X509Name","Value":""}"#, &*format!("/ClientSecrets/0/Value: {no_name}")),
        (
            r#"{"Type":"X509Name","value":"CN=a,O=b"}"#,
            &format!("/ClientSecrets/0/value: {no_name}"),
        ),
        (
            r#"{"Type":"X509Name","value":"/O=b/CN=a"}"#,
            &format!("/ClientSecrets/0/value: {no_name}"),
        ),
        // .NET prints a backslash as it is; read as an escape it would make another name.
        (
            r#"{"Type":"X509Name","value":"CN=a\\, O=b"}"#,
            &format!("/ClientSecrets/0/value: {no_name}"),
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
        (r#"{"Type":"X509Thumbprint","Value":"00"}"#, "/ClientSecrets/0/Type: a SHA-1 thumbprint"),
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
}

#[test]
fn a_client_that_cannot_be_converted_is_refused() {
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
            r#"{"ClientId":"a","AllowedGrantTypes":["implicit"],
                "ClientSecrets":[{"Value":"CN=a","Type":"X509Name"}]}"#,
            "/ClientSecrets: the client has secrets and may do without: \"implicit\" is its only",
        ),
        (
            r#"{"ClientId":"a","RequireClientSecret":false,
                "ClientSecrets":[{"Value":"CN=a","Type":"X509Name"}]}"#,
            "/ClientSecrets: the client has secrets and may do without: RequireClientSecret is",
        ),
        (r#"{"clientId":"","requireClientSecret":false}"#, "/clientId: expected an identifier"),
        (r#"{"clientId":7}"#, "/clientId: expected a string"),
    ] {
        refused(client, error);
    }
}
