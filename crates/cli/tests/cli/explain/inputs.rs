//! Files and arguments from which a request and its connection are made.

use serde_json::{Value, json};

use crate::{CLIENT, NOW, certificate_of, code, file, run, run_with, text};

#[test]
fn a_certificate_is_found_in_the_files_that_operators_have() {
    let config = file("files.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let explain = |certificate: &str| {
        let arguments = [
            "explain",
            "--config",
            &config,
            "--now",
            "2026-06-01T00:00:00Z",
            "--client-id",
            "client",
        ];
        run(&[&arguments[..], &["--certificate", certificate]].concat())
    };
    let subject = [("CN", "client"), ("O", "Client")];
    let other = certificate_of(&[("CN", "other")]).pem();
    let good = certificate_of(&subject).pem();
    let chain = file(
        "chain.pem",
        format!("subject=O = Client, CN = client\n{good}\nsubject=CN = other\n{other}"),
    );
    assert_eq!(code(&explain(&chain)), 0);
    assert!(
        text(&explain(&file("swapped.pem", format!("{other}{good}")))).contains("subject_mismatch")
    );
    // DER is octets: one at the end that is a blank in text belongs to it.
    let blank = (0..20_000).map(|_| certificate_of(&subject).der.expect("it has one"));
    let blank = blank
        .into_iter()
        .find(|der| der.last().is_some_and(u8::is_ascii_whitespace))
        .expect("one in fifty");
    assert_eq!(code(&explain(&file("blank.der", blank))), 0);
    // What is a certificate, but broken, is refused as the filter refuses it.
    let broken = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    for broken in [file("broken.pem", broken), file("broken.der", [0x30, 3, 2, 1, 1])] {
        let output = explain(&broken);
        assert_eq!(code(&output), 1);
        assert!(text(&output).contains("certificate_malformed: refused with 401"), "{output:?}");
    }
}

/// Behind a proxy the certificate of the connection is the proxy's, and no hint may say to register
/// that.
#[test]
fn a_forwarded_certificate_is_the_clients() {
    let proxy = certificate_of(&[("CN", "gateway"), ("O", "Proxy")]);
    let config = json!({
        "peer_certificate": { "source": "forwarded", "dialect": "x-ssl-cert",
            "trusted_proxies": [proxy.x5t_s256()] },
        "clients": [serde_json::from_str::<Value>(CLIENT).expect("JSON")],
    });
    let config = file("forwarded.json", config.to_string());
    let proxy = file("proxy.pem", proxy.pem());
    let client = |name: &str| {
        format!(
            "x-ssl-cert: {}",
            certificate_of(&[("CN", name), ("O", "Client")]).percent_encoded_pem()
        )
    };
    let explain = |more: &[&str]| {
        run(&[
            &[
                "explain",
                "--config",
                &config,
                "--client-id",
                "client",
                "--now",
                NOW,
                "--certificate",
                &proxy,
            ][..],
            more,
        ]
        .concat())
    };
    let output = explain(&["--header", &client("client")]);
    assert_eq!(code(&output), 0);
    assert!(
        text(&output).contains("O=Client,CN=client") && text(&output).contains("from x-ssl-cert"),
        "{output:?}"
    );
    assert!(!text(&output).contains("gateway"), "{output:?}");
    let output = explain(&["--header", &client("other"), "x-request-id: 7"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output).contains("register \"O=Client,CN=other\""), "{output:?}");
    assert!(!text(&output).contains("gateway"), "{output:?}");
    let output = explain(&[]);
    assert!(
        text(&output)
            .contains("hint: the client's certificate comes in a header here: give x-ssl-cert"),
        "{output:?}"
    );
    let another = file("another.pem", certificate_of(&[("CN", "x")]).pem());
    let output = explain(&["--header", &client("client"), "--certificate", &another]);
    assert!(code(&output) == 2, "twice: {output:?}");
    let output =
        run(&["explain", "--config", &config, "--client-id", "client", "--certificate", &another]);
    assert!(text(&output).contains("which must be one of trusted_proxies"), "{output:?}");
}

/// What is not said is as the configuration has it: a host that it serves, an endpoint of that
/// host.
#[test]
fn a_request_is_completed_for_its_host() {
    let client = |id: &str| {
        json!([{
            "client_id": id, "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "a.test",
        }])
    };
    let config = json!({ "tenants": [
        { "hosts": ["*.bank.example"], "endpoints": ["/oauth2/token"], "clients": client("a") },
        { "hosts": ["as.example.com"], "endpoints": ["/par", "/token"], "clients": client("b") },
    ] });
    let config = file("hosts.json", config.to_string());
    let body = file("hosts.body", "client_id=a");
    for (arguments, expected) in [
        (&["--client-id", "a"][..], "any.bank.example has the policy of the tenant *.bank.example"),
        (&["--client-id", "a"], "POST /oauth2/token is gated"),
        (&["--client-id", "b", "--host", "as.example.com"], "POST /par is gated"),
        (&["--client-id", "b", "--header", "Host: as.example.com"], "POST /par is gated"),
        (&["--client-id", "b", "--header", ":authority: as.example.com:443"], "POST /par is gated"),
        (
            &["--client-id", "b", "--host", "as.example.com", "--header", "Host: any.bank.example"],
            "POST /par is gated",
        ),
        (
            &["--client-id", "b", "--host", "unknown.example"],
            "hint: choose one of the configuration's hosts",
        ),
        (
            &["--client-id", "a", "--method", "OPTIONS"],
            "OPTIONS without credentials and body: a preflight of CORS",
        ),
        (
            &["--client-id", "a", "--method", "OPTIONS", "--body", &body],
            "NO method        a gated request must be POST",
        ),
        (
            &["--client-id", "a", "--method", "OPTIONS", "--header", "authorization: Basic YTo="],
            "method_not_allowed: refused",
        ),
        (&["--client-id", "a", "--method", "GET"], "method_not_allowed: refused"),
        (
            &["--client-id", "a", "--method", "OPTIONS", "--path", "/x"],
            "ok endpoint      /x is not gated\n",
        ),
    ] {
        let output = run(&[&["explain", "--config", &config][..], arguments].concat());
        assert!(text(&output).contains(expected), "{arguments:?}: {output:?}");
    }
    let output = run(&["explain", "--config", &config, "--client-id", "a", "--header", ": x"]);
    assert_eq!(code(&output), 2);
    let lines = [
        json!({ "client_id": "b", "headers": { "host": "as.example.com" } }),
        json!({ "client_id": "b", "headers": [[":authority", "as.example.com"], [":path", "/x"]] }),
        json!({ "client_id": "b" }),
        json!({ "client_id": "b", "host": "unknown.example" }),
    ];
    let input = file("hosts.jsonl", lines.map(|line| format!("{line}\n")).concat());
    let output = run(&["audit", "--config", &config, "--input", &input]);
    let codes: Vec<Value> = text(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["code"].take())
        .collect();
    assert_eq!(codes, ["certificate_missing", "not_gated", "unknown_client", "unknown_tenant"]);
}

/// A registry is not asked, but what it answers can be given.
#[test]
fn the_answer_of_a_registry_is_taken_from_a_file() {
    let config = json!({
        "endpoints": ["/token"],
        "registry": { "cluster": "c", "authority": "registry.test", "path": "/" },
    });
    let config = file("fetched.json", config.to_string());
    let list =
        format!(r#"{{"clients": [{CLIENT}, {{"client_id": "bad", "tls_client_auth_oops": 1}}]}}"#);
    let list = file("fetched-list.json", list);
    let good = file("fetched.pem", certificate_of(&[("CN", "client"), ("O", "Client")]).pem());
    let base = ["explain", "--config", &config, "--now", NOW, "--certificate", &good];
    for (arguments, expected) in [
        (
            &["--client-id", "client"][..],
            "hint: this program fetches nothing: give what the registry answers with --registry",
        ),
        (
            &["--client-id", "client", "--registry", &list],
            "registered for tls_client_auth, by the subject O=Client,CN=client",
        ),
        (&["--client-id", "client", "--registry", &list], "authenticated: passes"),
        (
            &["--client-id", "bad", "--registry", &list],
            "the registry's entry cannot be used: /tls_client_auth_oops",
        ),
        (&["--client-id", "unknown", "--registry", &list], "unknown_client: refused"),
    ] {
        let output = run(&[&base[..], arguments].concat());
        assert!(text(&output).contains(expected), "{arguments:?}: {output:?}");
    }
    let input = file(
        "fetched.jsonl",
        format!(
            "{}\n",
            json!({
                "client_id": "client", "certificate": certificate_of(&[("O", "x")]).pem(),
                "now": NOW,
            })
        ),
    );
    for (more, expected) in
        [(&[][..], "registry_unavailable"), (&["--registry", &list], "subject_mismatch")]
    {
        let output = run(&[&["audit", "--config", &config, "--input", &input][..], more].concat());
        assert!(text(&output).contains(expected), "{output:?}");
    }
    // Standard input can be read once, so only one of the files can be it.
    let list = std::fs::read_to_string(&list).expect("it is there");
    let output =
        run_with(&["audit", "--config", &config, "--input", &input, "--registry", "-"], &list);
    assert!(code(&output) == 0 && text(&output).contains("subject_mismatch"), "{output:?}");
    let output =
        run_with(&["audit", "--config", &config, "--input", "-", "--registry", "-"], &list);
    assert!(
        code(&output) == 2 && String::from_utf8_lossy(&output.stderr).contains("can be named once"),
        "{output:?}"
    );
    let output = run(&["audit", "--config", &config, "--input", &input, "--registry", &config]);
    assert!(
        code(&output) == 2
            && String::from_utf8_lossy(&output.stderr).contains("expected an array of clients"),
        "{output:?}"
    );
}
