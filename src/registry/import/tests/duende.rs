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
        // Several that the backend checks.
        (&entry(r#"{"type":"JWK","value":"{}"},{"Value":"x"}"#), "private_key_jwt"),
        (&entry(r#"{"Value":"x"},{"Value":"y"},{"type":"JWK"}"#), "client_secret_basic"),
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
        (r#"{"Type":"X509Name","value":"oops=a"}"#, &format!("/ClientSecrets/0/value: {no_name}")),
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
        (r#"{"Value":"x"},{"Type":"X509Name","Value":"CN=a"}"#, "/ClientSecrets: several secrets"),
    ] {
        refused(&entry(secret), error);
    }
}

/// Duende compares every character, letter case included.
#[test]
fn a_name_is_as_dotnet_prints_it() {
    let secret =
        |name: &str| entry(&serde_json::json!({ "Type": "X509Name", "Value": name }).to_string());
    for name in [
        "CN=a + OU=b, S=c",
        "E=a@b, SERIALNUMBER=1, DC=c",
        "OID.2.5.4.15=x",
        "SN=a, G=b, dnQualifier=c, Description=d",
        // OpenSSL's names of types that .NET has no names for.
        "organizationIdentifier=x, userId=y, jurisdictionCountryName=JP",
        "CN=a  b",
        r#"CN="a, b", O=" c""#,
        r#"CN="""#,
    ] {
        assert_eq!(only(&secret(name)), tls_client("a", "subject_dn", name));
    }
    for name in [
        "cn=a",
        "CN=a, o=b",
        "ST=x",
        "serialNumber=1",
        "surname=x",
        "emailAddress=a@b",
        "ORGANIZATIONIDENTIFIER=x",
        "2.5.4.97=x",
        "OID.2.5.4.3=x",
        r#"CN="q""#,
        r#"CN="a  b""#,
        "CN=",
        "/CN=a",
    ] {
        refused(&secret(name), "/ClientSecrets/0/Value: expected a name as .NET prints it");
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
