//! The table and the certificates themselves: a typing mistake in a row must be an error, and must
//! not become another test.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::case::{NOW, load};
use crate::support::certificate::{CertificateSpec, authority_pem, mint};
use crate::support::moment::Moment;

/// A directory with one file.
fn directory(name: &str, file: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("cases-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("the target directory can be written");
    if !file.is_empty() {
        std::fs::write(path.join(file), text).expect("the target directory can be written");
    }
    path
}

fn good() -> Value {
    json!({
        "about": "one case",
        "config": {"clients": [{"client_id": "client", "token_endpoint_auth_method": "none"}]},
        "certificates": {"client": {}},
        "cases": [{
            "name": "a",
            "source": "RFC 8705 §2",
            "expect": {"code": "certificate_missing", "status": 401, "error": "invalid_client"},
        }],
    })
}

#[test]
fn a_good_file_is_read() {
    let table = load(&directory("good", "a.json", &good().to_string())).expect("it is good");
    assert_eq!((table.cases.len(), table.cases[0].name.as_str()), (1, "a.json: a"));
    assert_eq!(table.cases[0].chain_valid, Some(true));
}

#[test]
fn mistakes_in_rows_are_errors() {
    let mistakes: &[(&str, &str, Value, &str)] = &[
        ("unknown-member", "/cases/0/expected", json!({}), "unknown field `expected`"),
        (
            "unknown-request-member",
            "/cases/0/request",
            json!({"bodyhex": ""}),
            "unknown field `bodyhex`",
        ),
        ("unknown-code", "/cases/0/expect/code", json!("no_certificate"), "is not a code"),
        ("wrong-status", "/cases/0/expect/status", json!(400), "is answered with"),
        ("wrong-error", "/cases/0/expect/error", json!("invalid_request"), "is answered with"),
        (
            "no-status",
            "/cases/0/expect",
            json!({"code": "certificate_missing"}),
            "is answered with",
        ),
        ("status-of-a-pass", "/cases/0/expect/code", json!("authenticated"), "is answered with"),
        ("no-such-certificate", "/cases/0/certificate", json!("clent"), "there is no certificate"),
        ("bad-certificate", "/certificates/client/isuer", json!("ca"), "unknown field `isuer`"),
        (
            "bad-placeholder",
            "/cases/0/request",
            json!({"body": "${x5c:nobody}"}),
            "there is no such certificate",
        ),
        (
            "bad-placeholder-kind",
            "/cases/0/request",
            json!({"body": "${x5x:client}"}),
            "unknown kind",
        ),
        ("no-client-to-patch", "/config", json!({}), ""),
        ("no-cases", "/cases", json!([]), "there are no rows"),
        ("no-about", "/about", json!(""), "`about` is empty"),
        ("no-source", "/cases/0/source", json!(""), "`source` is empty"),
        ("another-time-in-envoy", "/cases/0/now", json!(5), "`in_envoy` must be false"),
        (
            "another-chain-in-envoy",
            "/cases/0/chain_valid",
            json!(false),
            "`in_envoy` must be false",
        ),
    ];
    for (name, pointer, value, why) in mistakes {
        let mut file = good();
        if *name == "no-client-to-patch" {
            file["cases"][0]["client"] = json!({"client_id": "x"});
        }
        let (parent, member) = pointer.rsplit_once('/').expect("a JSON Pointer");
        file.pointer_mut(parent).expect(name)[member] = value.clone();
        match load(&directory(name, "a.json", &file.to_string())) {
            Ok(_) => panic!("{name}: accepted"),
            Err(error) => assert!(error.contains(why), "{name}: {error}"),
        }
    }
    let mut twice = good();
    let case = twice["cases"][0].clone();
    twice["cases"].as_array_mut().expect("an array").push(case);
    load(&directory("twice", "a.json", &twice.to_string())).expect_err("two cases with one name");
    load(&directory("empty", "", "")).expect_err("an empty directory");
    load(&directory("text", "a.txt", "")).expect_err("a file that is not JSON by its name");
    load(&directory("broken", "a.json", "{")).expect_err("invalid JSON");
    load(&PathBuf::from("/nowhere")).expect_err("no directory");
}

#[test]
fn moments_and_back() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T23:59:59Z", 951_868_799),
        ("2026-06-01T00:00:00Z", NOW.0),
        ("2100-03-01T00:00:00Z", 4_107_542_400),
        ("1949-12-31T23:59:59Z", -631_152_001),
    ] {
        assert_eq!(Moment::parse(text), Some(Moment(seconds)), "{text}");
        let (year, rest) = Moment(seconds).asn1();
        assert_eq!(format!("{year}{rest}"), text.replace(['-', ':', 'T'], ""), "{text}");
    }
    for text in ["2026-06-01", "2026-06-01T00:00:00+00:00", "2026-06-01 00:00:00Z", "x"] {
        assert_eq!(Moment::parse(text), None, "{text}");
    }
}

/// Another parser reads the certificates of the tests as their description says.
#[test]
fn minted_certificates_are_certificates() {
    use x509_parser::prelude::*;
    let spec = json!({
        "subject": [[["C", "printable", "JP"]], [["O", "bmp", "Cliént"], ["CN", "x"]]],
        "san": [{"dns": "a.example"}, {"ip": "2001:db8::1"},
            {"email": "a@b.example"}, {"uri": "https://a/"}],
        "not_after": "2060-01-01T00:00:00Z", "filler": 3,
    });
    for (key, issuer) in
        [("ec", "ca"), ("rsa", "ca"), ("ec", "self"), ("rsa", "self"), ("ec", "untrusted")]
    {
        let mut spec = spec.clone();
        spec["key"] = json!(key);
        spec["issuer"] = json!(issuer);
        let spec: CertificateSpec = serde_json::from_value(spec).expect("a constant description");
        let der = mint(&spec).expect("it can be minted").der.expect("it has a DER form");
        let (rest, certificate) = X509Certificate::from_der(&der).expect("it is a certificate");
        assert!(rest.is_empty() && der.len() > 3000);
        assert_eq!(certificate.subject().iter_rdn().count(), 2);
        assert_eq!(certificate.issuer() == certificate.subject(), issuer == "self");
        assert_eq!(certificate.validity().not_after.timestamp(), 2_840_140_800);
        let san = certificate.subject_alternative_name().expect("well-formed").expect("there");
        assert_eq!(san.value.general_names.len(), 4);
    }
    assert!(authority_pem().starts_with("-----BEGIN CERTIFICATE-----\nMII"));
}
