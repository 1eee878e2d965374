//! `convert`: client lists of other servers.

use serde_json::{Value, json};

use crate::{code, file, run, run_with, text, value};

/// The fixtures are written as each server writes its list.
#[test]
fn client_lists_are_converted_exactly_or_not_at_all() {
    let tls = |id: &str, name: &str| {
        json!({
            "client_id": id, "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": name,
        })
    };
    let bound = |mut client: Value| {
        client["tls_client_certificate_bound_access_tokens"] = true.into();
        client
    };
    let anchored = |mut client: Value, issuer: &str| {
        client["trust_anchors"] = json!([{ "subject": issuer }]);
        client
    };
    let other =
        |id: &str, method: &str| json!({ "client_id": id, "token_endpoint_auth_method": method });
    let authlete = "CN=Example, OU=OP, O=Authlete, C=GB";
    for (list, converted, refused) in [
        (
            "authlete",
            vec![
                bound(tls("26478243745571", authlete)),
                bound(tls("my-client", authlete)),
                json!({
                    "client_id": "26478243745572",
                    "token_endpoint_auth_method": "self_signed_tls_client_auth",
                    "jwks": { "keys": [{ "kid": "k2", "kty": "EC",
                        "x5t#S256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" }] },
                }),
                other("26478243745574", "private_key_jwt"),
                other("https://rp.example.com/", "private_key_jwt"),
            ],
            vec!["26478243745573 (/clients/2/locked): the client is locked"],
        ),
        (
            "keycloak",
            vec![
                bound(tls("x509", "CN=client, O=Example")),
                tls("literal", "CN=client.example.org, O=Example"),
                other("secret", "client_secret_basic"),
                other("account", "none"),
                anchored(tls("anchored", "CN=client, O=Example"), "CN=Example CA"),
            ],
            vec![
                "pattern (/clients/2/attributes/x509.subjectdn): a regular expression that is no \
                 plain text",
                "unmatched (/clients/6/attributes/x509.subjectdn): expected a name as Java prints \
                 it",
                "https://sp.example.org/saml (/clients/7/protocol): not a client of OpenID Connect",
            ],
        ),
        (
            "keycloak-realms",
            vec![tls("x509", "CN=client, O=Example"), other("secret", "client_secret_basic")],
            vec!["old (/1/clients/1/enabled): the client is disabled"],
        ),
        (
            "spring",
            vec![
                bound(tls("mtls-demo", "CN=demo-client,OU=Spring Samples,O=Spring,C=US")),
                other("secret", "client_secret_basic"),
            ],
            vec![
                "self-signed (/1/client_authentication_methods): the client's certificates are \
                 behind",
                "either (/2/client_authentication_methods): expected one method",
                "forgotten (/4/client_settings): expected \
                 settings.client.x509-certificate-subject-dn",
            ],
        ),
        (
            "spring-h2",
            vec![
                bound(tls("mtls-demo", "CN=demo-client,O=Spring")),
                other("secret", "client_secret_basic"),
            ],
            vec![
                "unmatched (/1/CLIENT_SETTINGS): settings.client.x509-certificate-subject-dn: \
                 expected a name as Java",
            ],
        ),
        (
            "duende",
            vec![
                tls("mtls.client", "CN=client, OU=production, O=company"),
                other("secret", "client_secret_basic"),
                other("jwt", "private_key_jwt"),
                other("spa", "none"),
                other("implicit", "none"),
            ],
            vec![
                "mtls.thumbprint (/IdentityServer/Clients/1/ClientSecrets/0/Type): a SHA-1 \
                 thumbprint",
                "either (/IdentityServer/Clients/2/ClientSecrets): several secrets",
                "expires (/IdentityServer/Clients/3/ClientSecrets/0/Expiration): the secret \
                 expires",
                "old (/IdentityServer/Clients/7/Enabled): the client is disabled",
                "unmatched (/IdentityServer/Clients/8/ClientSecrets/0/Value): expected a name as \
                 .NET prints it",
                "wsfed (/IdentityServer/Clients/10/ProtocolType): not a client of OpenID Connect",
            ],
        ),
        (
            "duende-camel",
            vec![tls("mtls.client", "CN=client, O=company")],
            vec![
                "empty (/clients/1/clientSecrets/0): expected the member Value",
                "expires (/clients/2/clientSecrets/0/expiration): the secret expires",
            ],
        ),
    ] {
        let server = list.split('-').next().expect("it begins with the server");
        let file_of_list = format!("{}/tests/convert/{list}.json", support::repository().display());
        let output = run(&["convert", "--from", server, &file_of_list]);
        assert_eq!((code(&output), value(&output)), (1, Value::from(converted)), "{list}");
        let said = String::from_utf8_lossy(&output.stderr);
        let mut said: Vec<&str> = said.lines().collect();
        // Those that never authenticate are one line, however many they are.
        let left_out = match list {
            "keycloak" => Some("realm-management"),
            "keycloak-realms" => Some("broker"),
            _ => None,
        };
        if let Some(left_out) = left_out {
            assert_eq!(
                said.remove(0),
                format!("left out, because bearer-only clients never authenticate: {left_out}")
            );
        }
        assert_eq!(said.len(), refused.len(), "{list}: {said:?}");
        for (line, wanted) in said.iter().zip(refused) {
            assert!(line.starts_with(&format!("not converted: {wanted}")), "{line}");
        }
        // What is converted, the filter loads.
        let mut clients = value(&output);
        let lint = |clients: &Value| {
            let name = format!("converted-{list}.json");
            run(&["lint", &file(&name, json!({ "clients": clients }).to_string())])
        };
        // A CA by its subject must be one of trust_anchors, which no list of clients has.
        for client in clients.as_array_mut().expect("client metadata") {
            client.as_object_mut().expect("client metadata").remove("trust_anchors");
        }
        assert_eq!(code(&lint(&clients)), 0, "{list}");
        if clients != value(&output) {
            let said = text(&lint(&value(&output))).to_owned();
            assert!(said.contains("none of the trust_anchors has the subject"), "{list}: {said}");
        }
    }
    // Of two entries it is not known which is the client. Standard input is a file, too.
    let twice = r#"[{"clientId": "a", "clientAuthenticatorType": "client-secret",
        "publicClient": true}, {"clientId": "b", "clientAuthenticatorType": "client-secret",
        "publicClient": true}, {"clientId": "a", "clientAuthenticatorType": "client-jwt"}]"#;
    let output = run_with(&["convert", "--from", "keycloak", "-"], twice);
    assert_eq!((code(&output), value(&output)), (1, json!([other("b", "none")])));
    let said = "not converted: a (/0): another entry has the same identifier\nnot converted: a \
        (/2): another entry has the same identifier\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), said);
    let realms = file(
        "realms.json",
        r#"[{"clients": [{"clientId": "account", "clientAuthenticatorType": "client-secret",
            "publicClient": true}]}, {"clients": [{"clientId": "account",
            "clientAuthenticatorType": "client-secret", "publicClient": true}]}]"#,
    );
    let output = run(&["convert", "--from", "keycloak", &realms]);
    assert_eq!((code(&output), value(&output)), (1, json!([])), "the filter would load neither");
    // What is left out is no failure.
    let bearer_only = |id: &str| {
        json!({
            "clientId": id, "clientAuthenticatorType": "client-secret", "bearerOnly": true,
        })
    };
    let secret = json!({ "clientId": "a", "clientAuthenticatorType": "client-secret" });
    let list = file(
        "bearer.json",
        json!([bearer_only("broker"), secret, bearer_only("realm\u{1b}")]).to_string(),
    );
    let output = run(&["convert", "--from", "keycloak", &list]);
    assert_eq!((code(&output), value(&output)), (0, json!([other("a", "client_secret_basic")])));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("left out, because bearer-only clients never authenticate: broker, realm"),
        "{said}"
    );
    assert!(said.lines().count() == 1 && !said.contains('\u{1b}'), "{said}");
    // A list of another server: each entry is refused, and whose it looks like is said.
    for (format, entry, whose) in [
        (
            "authlete",
            json!({ "clientId": "a", "clientAuthenticatorType": "client-x509" }),
            "a client of Keycloak",
        ),
        (
            "keycloak",
            json!({ "clientId": "a", "clientAuth": { "type": "CERTIFICATE" } }),
            "a client of PingFederate",
        ),
        (
            "keycloak",
            json!({ "clientId": "a", "requireClientSecret": false }),
            "a client of Duende",
        ),
        (
            "duende",
            json!({ "clientId": "a", "clientAuthenticatorType": "client-x509" }),
            "a client of Keycloak",
        ),
        (
            "spring",
            json!({ "client_id": "a", "client_authentication_methods": { "tls_client_auth": {} } }),
            "expected a string",
        ),
        (
            "spring",
            json!({ "client_id": "a", "token_endpoint_auth_method": "none" }),
            "client_authentication_methods",
        ),
    ] {
        let output =
            run(&["convert", "--from", format, &file("another.json", json!([entry]).to_string())]);
        assert_eq!((code(&output), value(&output)), (1, json!([])), "{format} {entry}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.starts_with("not converted: a (/0") && said.contains(whose),
            "{format} {entry}: {said}"
        );
    }
    // A page of a list.
    let client = json!({ "clientId": "a", "clientAuthenticatorType": "client-jwt" });
    let list = |more: Value| {
        let mut list = json!({ "clients": [client] });
        list.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("one"));
        file("page.json", list.to_string())
    };
    for (more, said) in [
        (json!({ "start": 0, "end": 1, "totalCount": 100 }), "totalCount is 100"),
        (json!({ "has_more": true }), "\"has_more\" says that there is more"),
        (json!({ "start": 0, "end": 5, "totalCount": 1 }), ""),
        (json!({ "realm": "r" }), ""),
    ] {
        let output = run(&["convert", "--from", "keycloak", &list(more)]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(value(&output), json!([other("a", "private_key_jwt")]));
        if said.is_empty() {
            assert!(code(&output) == 0 && error.is_empty(), "{error}");
        } else {
            assert_eq!(code(&output), 1);
            assert!(error.starts_with("not the whole list: ") && error.contains(said), "{error}");
        }
    }
    // One client by itself, as Keycloak's console exports it.
    let list = file(
        "one.json",
        r#"{"clientId": "a", "clientAuthenticatorType": "client-secret",
            "protocol": "openid-connect", "publicClient": true}"#,
    );
    let output = run(&["convert", "--from", "keycloak", &list]);
    assert_eq!((code(&output), value(&output)), (0, json!([other("a", "none")])));
    let list = file("empty.json", "[]");
    let output = run(&["convert", "--from", "spring", &list]);
    assert_eq!((code(&output), value(&output)), (0, json!([])));
    for text in ["{}", "7", "{\"clients\": 1}", "no JSON"] {
        assert_eq!(
            code(&run(&["convert", "--from", "keycloak", &file("no-list.json", text)])),
            2,
            "{text}"
        );
    }
}
