//! `register`: what it prints is what the filter accepts, in every format.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::certificate::{Certificate, CertificateSpec, Issuer, KeyKind, mint};
use crate::{code, file, run, text, value};

const ID: &str = "s6BhdRkqt3";

/// A certificate with a subject and alternative names of every type.
fn certificate(subject: &[&[[&str; 3]]], key: KeyKind) -> Certificate {
    let attribute = |[kind, form, value]: &[&str; 3]| -> Vec<String> {
        let words = [*kind, *form, *value];
        words.into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let subject = subject.iter().map(|rdn| rdn.iter().map(attribute).collect()).collect();
    let name = |kind: &str, value: &str| BTreeMap::from([(kind.to_owned(), value.to_owned())]);
    let san = vec![
        name("dns", "A.example.org"),
        name("dns", "a.example.org"),
        name("dns", "*.b.example.org"),
        name("uri", "spiffe://example.org/client"),
        name("ip", "192.0.2.1"),
        name("ip", "2001:db8::1"),
        name("email", "Ops@Example.org"),
        // A control character; a user principal name of Windows.
        name("dns_hex", "610062"),
        name("tag_hex", "a017060a2b060104018237140203a0090c0775406578616d70"),
    ];
    let spec =
        CertificateSpec { subject: Some(subject), san: Some(san), key, ..Default::default() };
    mint(&spec).expect("well-formed")
}

fn plain() -> Certificate {
    certificate(
        &[&[["C", "printable", "JP"]], &[["O", "", "Client, Inc"]], &[["CN", "", "client"]]],
        KeyKind::Ec,
    )
}

#[test]
fn every_registration_that_a_certificate_allows() {
    let certificate = plain();
    let pem = file("register/client.pem", certificate.pem());
    let output = run(&["register", &pem, "--client-id", ID]);
    assert_eq!(code(&output), 0, "{output:?}");
    let found = value(&output);
    let found = found.as_array().expect("an array");
    let tls = |member: &str, name: &str| {
        let method = "tls_client_auth";
        json!({ "client_id": ID, "token_endpoint_auth_method": method, member: name })
    };
    let expected = [
        tls("tls_client_auth_subject_dn", "CN=client,O=Client\\, Inc,C=JP"),
        tls("tls_client_auth_san_dns", "a.example.org"),
        tls("tls_client_auth_san_dns", "*.b.example.org"),
        tls("tls_client_auth_san_uri", "spiffe://example.org/client"),
        tls("tls_client_auth_san_ip", "192.0.2.1"),
        tls("tls_client_auth_san_ip", "2001:db8::1"),
        tls("tls_client_auth_san_email", "Ops@example.org"),
    ];
    assert_eq!(found[..expected.len()], expected, "{found:#?}");
    let [by_thumbprint, by_certificate] = &found[expected.len()..] else { panic!("{found:#?}") };
    let key = |client: &Value| client["jwks"]["keys"][0].clone();
    assert_eq!(key(by_thumbprint)["x5t#S256"], certificate.x5t_s256());
    assert_eq!(key(by_certificate)["x5c"], json!([certificate.x5c()]));
    for client in [by_thumbprint, by_certificate] {
        assert_eq!(client["token_endpoint_auth_method"], "self_signed_tls_client_auth");
        assert_eq!((&key(client)["kty"], &key(client)["crv"]), (&json!("EC"), &json!("P-256")));
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for wanted in [
        "not registered: the DNS name \"a\\0b\": a name with a control character",
        "not registered: the otherName 1.3.6.1.4.1.311.20.2.3: RFC 8705 registers",
        "tls_client_auth_san_dns *.b.example.org: RFC 8705 has no wildcards",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    // What is printed is a configuration, and the filter lets the certificate pass with it.
    for client in found {
        let config = file("register/config.json", json!({ "clients": [client] }).to_string());
        let now = ["--now", "2026-06-01T00:00:00Z"];
        let explained = run(&[
            &["explain", "--config", &config, "--certificate", &pem, "--client-id", ID],
            &now[..],
        ]
        .concat());
        assert!(text(&explained).contains("authenticated: passes"), "{client:#}: {explained:?}");
    }
}

/// `convert` of what `register --as` prints is the client of `register` again.
#[test]
fn convert_reads_what_register_writes() {
    let subjects: [&[&[[&str; 3]]]; 3] = [
        &[&[["C", "printable", "JP"]], &[["O", "", "Client, Inc"]], &[["CN", "", "client"]]],
        &[&[["DC", "", "org"]], &[["CN", "", " a "], ["OU", "", "#b=c"]], &[["ST", "", "Tōkyō"]]],
        &[&[["2.5.4.97", "", "PSDJP-1"]], &[["emailAddress", "", "a@b.example"]]],
    ];
    let (mut written, mut refused) = (BTreeMap::new(), Vec::new());
    for (number, subject) in subjects.into_iter().enumerate() {
        let pem = file(&format!("register/{number}.pem"), certificate(subject, KeyKind::Rsa).pem());
        for server in ["keycloak", "authlete", "spring", "duende"] {
            for (kind, member) in [
                ("subject-dn", "tls_client_auth_subject_dn"),
                ("san-dns", "tls_client_auth_san_dns"),
                ("san-ip", "tls_client_auth_san_ip"),
                ("x5t", "jwks"),
                ("x5c", "jwks"),
            ] {
                let register = ["register", &pem, "--client-id", "41", "--by", kind];
                let own = value(&run(&register));
                let output = run(&[&register[..], &["--as", server]].concat());
                let entries = value(&output);
                let entries = entries.as_array().expect("an array");
                assert_eq!(code(&output), i32::from(entries.is_empty()), "{output:?}");
                if entries.is_empty() {
                    refused.push(format!("{number} {server} {kind}"));
                }
                for (index, entry) in entries.iter().enumerate() {
                    let list = file("register/list.json", json!([entry]).to_string());
                    let converted = value(&run(&["convert", "--from", server, &list]));
                    let client = &converted[0];
                    for name in ["client_id", "token_endpoint_auth_method"] {
                        assert_eq!(client[name], own[index][name], "{server}: {client:#}");
                    }
                    same_registration(&client[member], &own[index][member]);
                    *written.entry((server, kind)).or_insert(0) += 1;
                }
            }
        }
    }
    // Only Authlete has all kinds. .NET prints the third subject differently on each system.
    for kind in ["san-dns", "san-ip", "x5t", "x5c"] {
        assert!(written.contains_key(&("authlete", kind)), "{written:?}");
    }
    for (server, subjects) in [("keycloak", 3), ("spring", 3), ("authlete", 3), ("duende", 2)] {
        assert_eq!(written.get(&(server, "subject-dn")), Some(&subjects), "{refused:?}");
    }
}

/// Each server's entry is read with the identifier that was asked for, in this very spelling.
#[test]
fn an_identifier_keeps_its_spelling() {
    let pem = file("register/spelling.pem", plain().pem());
    let largest = "9223372036854775807";
    for (id, is_number) in [
        ("0", true),
        ("7", true),
        (largest, true),
        ("007", false),
        ("00", false),
        ("+5", false),
        ("-0", false),
        ("-5", false),
        ("9223372036854775808", false),
        ("18446744073709551616", false),
        ("1e3", false),
        ("7.0", false),
        ("null", false),
    ] {
        for server in ["authlete", "keycloak", "spring", "duende"] {
            let client_id = format!("--client-id={id}");
            let output = run(&["register", &pem, &client_id, "--by", "subject-dn", "--as", server]);
            assert_eq!(code(&output), 0, "{server} {id}: {output:?}");
            if server == "authlete" {
                let alias = (!is_number).then_some(id);
                assert_eq!(value(&output)[0]["clientIdAlias"].as_str(), alias, "{id}");
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(said.contains("replace clientId 0"), !is_number, "{id}: {said}");
            }
            let list = file("register/spelling.json", text(&output));
            let converted = value(&run(&["convert", "--from", server, &list]));
            let converted = converted.as_array().expect("client metadata");
            assert!(converted.iter().any(|client| client["client_id"] == id), "{server}: {id}");
        }
    }
}

/// Names are equal as names; keys may have a `kid` besides.
fn same_registration(one: &Value, other: &Value) {
    let (Some(one_name), Some(other_name)) = (one.as_str(), other.as_str()) else {
        let certificate = |jwks: &Value| {
            let key = &jwks["keys"][0];
            (key["x5t#S256"].clone(), key["x5c"].clone(), key["n"].clone())
        };
        assert_eq!(certificate(one), certificate(other));
        return;
    };
    let names = value(&run(&["name", "--format", "json", one_name, other_name]));
    if names[0]["error"].is_null() {
        let parsed = |name: &Value| name["rdns"].to_string().to_lowercase();
        assert_eq!(parsed(&names[0]), parsed(&names[1]), "{one_name} {other_name}");
    } else {
        assert_eq!(one_name, other_name);
    }
}

#[test]
fn what_a_certificate_does_not_allow() {
    let subject = "3010310e300c06035504030c0563006c6961".to_owned();
    let odd = mint(&CertificateSpec { subject_hex: Some(subject), ..Default::default() });
    let odd = file("register/odd.pem", odd.expect("well-formed").pem());
    let output = run(&["register", &odd, "--by", "subject-dn"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((code(&output), text(&output).trim()), (1, "[]"));
    assert!(said.contains("not registered: tls_client_auth_subject_dn: subject: "), "{said}");
    // By its key it can be registered all the same; without an identifier there is a placeholder.
    let output = run(&["register", &odd, "--by", "x5t,x5c"]);
    assert_eq!(code(&output), 0);
    assert_eq!(value(&output)[1]["client_id"], "CLIENT_ID");
    let client = file("register/plain.pem", plain().pem());
    for (arguments, wanted) in [
        (&["--as", "keycloak"][..], "x509.casubjectdn, the name of the root in Keycloak's trust"),
        (&["--as", "keycloak"], "the certificate leads to; it is not shown here"),
        (&["--as", "keycloak", "--by", "san-uri"], "Keycloak compares the subject alone"),
        (&["--as", "spring", "--by", "x5c"], "settings.client.jwk-set-url"),
        (&["--as", "duende", "--by", "x5t"], "SHA-1"),
        (&["--as", "authlete", "--client-id", "a"], "replace clientId 0"),
    ] {
        let output = run(&[&["register", &client][..], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    for (certificate, wanted) in [
        (file("register/old.pem", expiring("2020-01-01T00:00:00Z").pem()), "expired at 2020-01-01"),
        (client, ""),
    ] {
        let said = run(&["register", &certificate]).stderr;
        assert!(String::from_utf8_lossy(&said).contains(wanted), "{said:?}");
    }
    let broken = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    let output = run(&["register", &file("register/broken.pem", broken)]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 2 && said.contains("not the DER of an X.509 certificate"), "{said}");
}

/// The root is named where it is the issuer for sure; another name refuses every request.
#[test]
fn the_root_that_keycloak_asks_for() {
    let by_root = plain();
    let alone = CertificateSpec { issuer: Issuer::SelfSigned, ..Default::default() };
    let alone = mint(&alone).expect("well-formed");
    let intermediate = mint(&CertificateSpec {
        subject: Some(vec![vec![vec!["CN".to_owned(), "other".to_owned()]]]),
        ..Default::default()
    });
    let intermediate = intermediate.expect("well-formed").pem();
    for (name, chain, wanted) in [
        ("leaf", by_root.pem(), "not shown here"),
        ("below", format!("{}{intermediate}", by_root.pem()), "not shown here"),
        ("root", format!("{}{intermediate}{}", by_root.pem(), by_root.issuer_pem()), "Clients CA"),
        ("alone", alone.pem(), "leads to: CN=client"),
    ] {
        let chain = file(&format!("register/root-{name}.pem"), chain);
        let output = run(&["register", &chain, "--as", "keycloak"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let notes: Vec<&str> = said.lines().filter(|l| l.contains("casubjectdn")).collect();
        assert!(matches!(&notes[..], [note] if note.contains(wanted)), "{name}: {said}");
    }
}

fn expiring(not_after: &str) -> Certificate {
    let moment = |text: &str| Some(serde_json::from_value(json!(text)).expect("a moment"));
    let spec = CertificateSpec {
        not_before: moment("2019-01-01T00:00:00Z"),
        not_after: moment(not_after),
        ..Default::default()
    };
    mint(&spec).expect("well-formed")
}
