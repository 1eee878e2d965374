//! `explain`: one decision.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::case::{Case, table};
use crate::{CLIENT, NOW, certificate_of, code, file, run, run_with, text, value};

#[test]
fn a_refusal_is_explained_step_by_step() {
    let config = file(
        "explain.json",
        format!(r#"{{"endpoints": ["/oauth/token"], "clients": [{CLIENT}]}}"#),
    );
    let good = file("good.pem", certificate_of(&[("CN", "client"), ("O", "Client")]).pem());
    let der = file(
        "good.der",
        certificate_of(&[("CN", "client"), ("O", "Client")]).der.expect("it has one"),
    );
    let other = file("other.pem", certificate_of(&[("CN", "client"), ("O", "Other")]).pem());
    let reverse = file("reverse.pem", certificate_of(&[("O", "Client"), ("CN", "client")]).pem());
    let explain = |more: &[&str]| {
        let base = ["explain", "--config", &config, "--now", "2026-06-01T00:00:00Z"];
        run(&[&base[..], more].concat())
    };
    for certificate in [&good, &der] {
        let output = explain(&["--certificate", certificate, "--client-id", "client"]);
        assert_eq!(code(&output), 0, "{output:?}");
        assert!(text(&output).contains("POST /oauth/token is gated"), "{output:?}");
        assert!(text(&output).ends_with("authenticated: passes\n"), "{output:?}");
    }
    let output = explain(&["--certificate", &other, "--client-id", "client"]);
    assert_eq!(code(&output), 1);
    for part in [
        "NO subject",
        ">  1 O=Client",
        "O=Other",
        "subject_mismatch: refused with 401 invalid_client",
    ] {
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
    let output = explain(&["--certificate", &reverse, "--client-id", "client", "--format", "json"]);
    let explained = value(&output);
    assert_eq!((code(&output), explained["code"].as_str()), (1, Some("subject_mismatch")));
    assert_eq!(explained["hint"], "the string is in reverse order: write CN=client,O=Client");
    assert_eq!(explained["names"]["registered"], json!(["O=Client", "CN=client"]));
    assert_eq!(
        explained["steps"][18],
        json!({ "step": "subject", "state": "refused", "text": explained["detail"] })
    );

    for (arguments, expected) in [
        (&["--client-id", "client"][..], "certificate_missing"),
        (&["--certificate", &good, "--client-id", "nobody"], "unknown_client"),
        (
            &["--certificate", &good, "--client-id", "client", "--chain", "invalid"],
            "certificate_unverified",
        ),
        (
            &["--certificate", &good, "--client-id", "client", "--chain", "unknown"],
            "certificate_unverified",
        ),
        (
            &["--certificate", &good, "--client-id", "client", "--now", "0"],
            "certificate_not_yet_valid",
        ),
        (
            &["--certificate", &good, "--client-id", "client", "--method", "GET"],
            "method_not_allowed",
        ),
        (
            &[
                "--certificate",
                &good,
                "--client-id",
                "client",
                "--header",
                "Authorization: Basic YTpi",
            ],
            "client_id_mismatch",
        ),
    ] {
        // The last --now counts.
        let base = ["explain", "--config", &config];
        let now =
            if arguments.contains(&"--now") { &[][..] } else { &["--now", "2026-06-01T00:00:00Z"] };
        let output = run(&[&base[..], now, arguments].concat());
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(
            text(&output).contains(&format!("\n{expected}: refused with")),
            "{arguments:?}: {}",
            text(&output)
        );
    }
    let output = explain(&["--client-id", "client", "--path", "/userinfo"]);
    assert_eq!((code(&output), text(&output).contains("not_gated: passes")), (0, true));
    let body = file("body", "client_id=client&client_id=client");
    assert!(text(&explain(&["--body", &body])).contains("duplicate_parameter"));
    // The body counts; who else was meant is told.
    let body = file("other-body", "client_id=nobody");
    let output = explain(&["--certificate", &good, "--client-id", "client", "--body", &body]);
    assert!(text(&output).contains("unknown_client: refused"), "{output:?}");
    let note = "note: --client-id is \"client\", but the request is about \"nobody\"\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), note);
    let output = explain(&[
        "--certificate",
        &good,
        "--client-id",
        "client",
        "--body",
        &file("own-body", "client_id=client"),
    ]);
    assert_eq!((code(&output), output.stderr.len()), (0, 0), "{output:?}");
}

#[test]
fn a_certificate_is_found_in_the_files_that_people_have() {
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

/// Whether the arguments of a program can say what the case says.
fn is_sayable(case: &Case) -> bool {
    let is_text =
        |octets: &[u8]| std::str::from_utf8(octets).is_ok_and(|text| !text.contains('\0'));
    let headers = &case.request.headers;
    headers.iter().all(|(_, value)| is_text(value))
        && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        && is_text(case.request.path.as_bytes())
        && !case.request.method.is_empty()
}

/// What is wrong with the steps of an explanation: one is refused where there is a reason to
/// refuse, and none behind it is ok.
fn misleading_steps(explained: &Value) -> Option<&'static str> {
    let states: Vec<_> =
        explained["steps"].as_array()?.iter().filter_map(|step| step["state"].as_str()).collect();
    let refused: Vec<_> = (0..states.len()).filter(|index| states[*index] == "refused").collect();
    match (explained["detail"].is_null(), refused.as_slice()) {
        (true, []) if states.contains(&"not_reached") => {
            Some("a request that passes was not decided to its end")
        }
        (true, []) => None,
        (true, _) => Some("a step is refused without a reason"),
        (false, [at]) if states[at + 1..].iter().any(|state| *state != "not_reached") => {
            Some("a step behind the refusal")
        }
        (false, [at]) if states[..*at].contains(&"not_reached") => {
            Some("a step before the refusal was not reached")
        }
        (false, [at]) if explained["steps"][at]["text"] != explained["detail"] => {
            Some("the refused step says something else")
        }
        (false, [_]) => None,
        (false, _) => Some("not exactly one step is refused"),
    }
}

#[test]
fn the_case_table_is_explained_as_it_is_decided() {
    let mut configurations = BTreeMap::<String, String>::new();
    let (mut explained, mut wrong) = (0, Vec::new());
    for (number, case) in table().cases.iter().enumerate().filter(|(_, case)| is_sayable(case)) {
        let known = configurations.len();
        let config = configurations
            .entry(case.config.to_string())
            .or_insert_with_key(|config| file(&format!("explained/{known}.json"), config))
            .clone();
        let certificate =
            case.certificate.as_ref().map(|certificate| certificate.host_text.as_str());
        if certificate.is_some_and(|text| {
            text.matches("BEGIN%20CERTIFICATE").count() + text.matches("BEGIN CERTIFICATE").count()
                != 1
        }) {
            // A file without a certificate is no input, and of a chain the first one counts.
            continue;
        }
        let request = &case.request;
        let body = file(&format!("explained/{number}.body"), &request.body);
        let mut arguments: Vec<String> =
            ["explain", "--format", "json", "--config", &config, "--body", &body]
                .map(str::to_owned)
                .into();
        arguments.extend([format!("--now={}", case.now.0), format!("--host={}", request.host)]);
        arguments
            .extend([format!("--method={}", request.method), format!("--path={}", request.path)]);
        let chain =
            case.chain_valid.map_or("unknown", |valid| if valid { "valid" } else { "invalid" });
        arguments.push(format!("--chain={chain}"));
        arguments
            .push(format!("--server-name={}", case.server_name.as_deref().unwrap_or_default()));
        for (name, value) in &request.headers {
            arguments.push(format!("--header={name}: {}", String::from_utf8_lossy(value)));
        }
        if let Some(certificate) = certificate {
            arguments.push(format!(
                "--certificate={}",
                file(&format!("explained/{number}.pem"), certificate)
            ));
        }
        let output = run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        explained += 1;
        let found: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| json!({ "unusable": format!("{output:?}") }));
        if found["code"] != case.expect.code || code(&output) != i32::from(!case.expect.passes()) {
            wrong.push(format!("{}: expected {}, {found}", case.name, case.expect.code));
        }
        if let Some(why) = misleading_steps(&found) {
            wrong.push(format!("{}: {why}: {found:#}", case.name));
        }
    }
    assert!(explained > 600, "{explained} of the table");
    assert!(wrong.is_empty(), "{} of {explained}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Behind a proxy the certificate of the connection is the proxy's, and nobody may be told to
/// register that.
#[test]
fn a_forwarded_certificate_is_the_clients() {
    let proxy = certificate_of(&[("CN", "gateway"), ("O", "Proxy")]);
    let config = json!({
        "peer_certificate": { "source": "forwarded", "dialect": "x-ssl-cert", "trusted_proxies": [proxy.x5t_s256()] },
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
    let client = |id: &str| json!([{ "client_id": id, "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.test" }]);
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
            &["--client-id", "b", "--host", "nobody.example"],
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
        json!({ "client_id": "b", "host": "nobody.example" }),
    ];
    let input = file("hosts.jsonl", lines.map(|line| format!("{line}\n")).concat());
    let output = run(&["audit", "--config", &config, "--input", &input]);
    let codes: Vec<Value> = text(&output)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["code"].take())
        .collect();
    assert_eq!(codes, ["certificate_missing", "not_gated", "unknown_client", "unknown_tenant"]);
}

/// What was not looked at is not ok: a step says what the decision did, and none behind the refusal
/// says anything.
#[test]
fn steps_end_where_the_decision_falls() {
    let other = r#"{"client_id": "other", "token_endpoint_auth_method": "private_key_jwt"}"#;
    let config = format!(r#"{{"methods": ["tls_client_auth"], "clients": [{CLIENT}, {other}]}}"#);
    let config = file("steps.json", &config);
    let good = file("steps.pem", certificate_of(&[("CN", "client"), ("O", "Client")]).pem());
    let odd = file("odd.pem", certificate_of(&[("CN", "client\u{0}"), ("O", "Client")]).pem());
    let two = file(
        "two-credentials",
        "client_id=client&client_secret=x&client_assertion=e30.eyJzdWIiOiJjbGllbnQifQ.x",
    );
    let basic = "authorization: Basic Y2xpZW50Og==";
    // At the last of these times no certificate is valid: nothing is said of that where another
    // check comes before.
    for (arguments, refused, expected) in [
        (
            &["--client-id", "client", "--header", basic, "--now", "0"][..],
            "one method",
            "multiple_auth_methods",
        ),
        (
            &["--client-id", "client", "--body", &two, "--now", "0"],
            "client_id",
            "multiple_auth_methods",
        ),
        (
            &["--client-id", "client", "--certificate", &odd, "--now", "0"],
            "certificate",
            "certificate_malformed",
        ),
        (&["--client-id", "nobody", "--now", "0"], "registration", "unknown_client"),
        (
            &["--client-id", "client", "--header", "upgrade: h2c", "--now", "0"],
            "protocol",
            "upgrade_refused",
        ),
        (&["--client-id", "client", "--path", "/?client_secret=x"], "query", "client_id_mismatch"),
        (
            &["--client-id", "client", "--header", "authorization: Basic %"],
            "authorization",
            "malformed_authorization",
        ),
        (
            &["--client-id", "client", "--header", "content-encoding: gzip"],
            "content",
            "encoded_body",
        ),
        (&["--client-id", "client", "--now", "0"], "validity", "certificate_not_yet_valid"),
        (&["--client-id", "client", "--chain", "invalid"], "chain", "certificate_unverified"),
    ] {
        let now = if arguments.contains(&"--now") { &[][..] } else { &["--now", NOW] };
        let base = ["explain", "--config", &config, "--format", "json"];
        let certificate =
            if arguments.contains(&"--certificate") { &[][..] } else { &["--certificate", &good] };
        let explained = value(&run(&[&base[..], now, certificate, arguments].concat()));
        assert_eq!(misleading_steps(&explained), None, "{explained:#}");
        let steps = explained["steps"].as_array().expect("steps");
        let at = steps.iter().position(|step| step["state"] == "refused").expect("one is refused");
        assert_eq!(
            (explained["code"].as_str(), steps[at]["step"].as_str()),
            (Some(expected), Some(refused)),
            "{explained:#}"
        );
        let is_looked_at =
            steps.iter().any(|step| step["step"] == "validity" && step["state"] != "not_reached");
        assert!(
            explained["thumbprint"].is_null() || refused == "certificate" || is_looked_at,
            "{explained:#}"
        );
    }
    // The same in words, and for those who pass before the certificate.
    let output = run(&[
        "explain",
        "--config",
        &config,
        "--certificate",
        &good,
        "--client-id",
        "client",
        "--header",
        basic,
    ]);
    for step in ["certificate", "validity", "origin", "chain", "registered", "subject"] {
        assert!(text(&output).contains(&format!("\n-- {step}\n")), "{step}: {}", text(&output));
    }
    let output =
        run(&["explain", "--config", &config, "--certificate", &good, "--client-id", "other"]);
    assert!(text(&output).contains(
        "\nok auth method   the backend's to check; other_methods lets it pass\n-- one method\n"
    ));
    assert!(text(&output).ends_with("\n-- subject\n\npassed_other_method: passes\n"), "{output:?}");
    let shadow =
        file("steps-shadow.json", format!(r#"{{"mode": "shadow", "clients": [{CLIENT}]}}"#));
    let output =
        run(&["explain", "--config", &shadow, "--certificate", &good, "--client-id", "nobody"]);
    assert_eq!(code(&output), 0);
    assert!(
        text(&output).contains("\nNO registration  not in the registry\n-- auth method\n"),
        "{output:?}"
    );
    assert!(
        text(&output).ends_with("unknown_client: passes, because the mode is shadow\n"),
        "{output:?}"
    );
}

/// A chain is of no concern where the certificate itself is registered.
#[test]
fn a_self_signed_client_is_asked_for_no_chain() {
    let certificate = certificate_of(&[("CN", "self")]);
    let key = json!({ "kty": "EC", "x5c": [certificate.x5c()] });
    let client = json!({ "client_id": "self", "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": { "keys": [key] } });
    let config = file("self.json", json!({ "clients": [client] }).to_string());
    let own = file("self.pem", certificate.pem());
    let base = [
        "explain",
        "--config",
        &config,
        "--client-id",
        "self",
        "--now",
        NOW,
        "--chain",
        "invalid",
        "--certificate",
    ];
    let output = run(&[&base[..], &[&own]].concat());
    assert_eq!(code(&output), 0);
    for line in [
        "ok registered    the certificate is a registered one",
        "-- chain         not asked: the certificate itself is registered",
        "-- subject       not asked: the certificate itself is registered",
        "-- server name   not asked: there are no tenants",
    ] {
        assert!(text(&output).contains(&format!("\n{line}\n")), "{line}: {}", text(&output));
    }
    let other = file("self-other.pem", certificate_of(&[("CN", "self")]).pem());
    let output = run(&[&base[..], &[&other]].concat());
    assert!(text(&output).contains("\nNO registered "), "{output:?}");
    assert!(text(&output).contains("\n-- chain         not asked: "), "{output:?}");
    assert!(text(&output).contains("\n-- subject\n"), "{output:?}");
}

/// The name of the TLS handshake and the host must be of one tenant; a name that nobody gave is no
/// name that agrees.
#[test]
fn the_server_name_is_compared_where_it_is_given() {
    let client = json!([serde_json::from_str::<Value>(CLIENT).expect("JSON")]);
    let tenants = json!([
        { "hosts": ["a.example"], "clients": client },
        { "hosts": ["b.example"], "clients": client },
        { "hosts": ["c.example"], "clients": client, "peer_certificate": { "server_name": "ignore" } },
        { "hosts": ["localhost", "192.0.2.1"], "clients": client },
    ]);
    let config =
        file("names.json", json!({ "endpoints": ["/token"], "tenants": tenants }).to_string());
    let certificate = certificate_of(&[("CN", "client"), ("O", "Client")]).pem();
    let good = file("names.pem", &certificate);
    let mut lines = Vec::new();
    for (host, server_name, expected, said) in [
        (
            "a.example",
            Some("a.example"),
            "authenticated",
            "ok server name   \"a.example\" is of the same tenant",
        ),
        (
            "a.example",
            Some("A.EXAMPLE"),
            "authenticated",
            "ok server name   \"A.EXAMPLE\" is of the same tenant",
        ),
        (
            "a.example",
            Some("b.example"),
            "server_name_mismatch",
            "NO server name   the TLS server name \"b.example\"",
        ),
        (
            "a.example",
            Some(""),
            "server_name_mismatch",
            "NO server name   without a TLS server name",
        ),
        (
            "a.example",
            None,
            "authenticated",
            "-- server name   not checked: --server-name is not given",
        ),
        (
            "localhost",
            Some(""),
            "authenticated",
            "ok server name   none, which the host agrees with",
        ),
        (
            "192.0.2.1",
            Some(""),
            "authenticated",
            "ok server name   none, which the host agrees with",
        ),
        (
            "c.example",
            Some("b.example"),
            "authenticated",
            "-- server name   not asked: peer_certificate.server_name is",
        ),
        (
            "c.example",
            None,
            "authenticated",
            "-- server name   not asked: peer_certificate.server_name is",
        ),
        ("d.example", None, "unknown_tenant", "-- server name\n"),
    ] {
        let base = [
            "explain",
            "--config",
            &config,
            "--now",
            NOW,
            "--certificate",
            &good,
            "--client-id",
            "client",
            "--host",
            host,
        ];
        let more: Vec<_> = server_name.iter().map(|name| format!("--server-name={name}")).collect();
        let output =
            run(&[&base[..], &more.iter().map(String::as_str).collect::<Vec<_>>()].concat());
        assert!(
            text(&output).contains(&format!("\n{expected}: ")),
            "{host} {server_name:?}: {output:?}"
        );
        assert!(text(&output).contains(said), "{host} {server_name:?}: {output:?}");
        let mut line =
            json!({ "client_id": "client", "certificate": certificate, "now": NOW, "host": host });
        if let Some(name) = server_name {
            line["server_name"] = if name.is_empty() { Value::Null } else { name.into() };
        }
        let is_unchecked = said.contains("not given");
        lines.push((line, expected, is_unchecked));
    }
    let unchecked = "the server name was not checked: server_name is not given";
    let refused = json!({ "client_id": "nobody", "certificate": null, "host": "a.example" });
    lines.push((refused, "unknown_client", true));
    let other_path =
        json!({ "client_id": "client", "certificate": null, "host": "a.example", "path": "/x" });
    lines.push((other_path, "not_gated", false));
    let empty = json!({ "client_id": "client", "certificate": certificate, "now": NOW, "host": "a.example", "server_name": "" });
    lines.push((empty, "server_name_mismatch", false));
    let input =
        file("names.jsonl", lines.iter().map(|(line, ..)| format!("{line}\n")).collect::<String>());
    let output = run(&["audit", "--config", &config, "--input", &input]);
    let answers: Vec<Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((code(&output), answers.len()), (0, lines.len()));
    for ((line, expected, is_unchecked), answer) in lines.iter().zip(&answers) {
        assert_eq!(answer["code"], *expected, "{line}");
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert_eq!(detail.ends_with(unchecked), *is_unchecked, "{line}: {detail}");
    }
    assert_eq!(answers[4]["detail"], unchecked);
    assert_eq!(answers[10]["detail"], format!("not in the registry; {unchecked}"));
}

/// Names from certificates, requests and files are shown, not obeyed.
#[test]
fn a_terminal_is_not_told_what_to_do() {
    let config = file("escape.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let odd =
        file("escape.pem", certificate_of(&[("CN", "client"), ("O", "Clie\u{202e}tn")]).pem());
    let unknown = file("unknown.json", "{\"\\u001b]0;x\\u0007\": 1, \"clients\": []}");
    let list = file("escape-list.json", "[{\"clientId\": \"\\u001b[31mx\", \"enabled\": false}]");
    for arguments in [
        &[
            "explain",
            "--config",
            &config,
            "--now",
            NOW,
            "--client-id",
            "client",
            "--certificate",
            &odd,
        ][..],
        &["explain", "--config", &config, "--client-id", "\u{1b}[31m"],
        &[
            "explain",
            "--config",
            &config,
            "--client-id",
            "a",
            "--path",
            "/token?client_id%00%1b]0;x%07=1",
        ],
        &["lint", &unknown],
        &["convert", "--from", "keycloak", &list],
        &["name", "CN=\u{202e}x\u{9b}"],
        &["name", "\u{1b}[2J"],
    ] {
        let output = run(arguments);
        let printed = text(&output) + &String::from_utf8_lossy(&output.stderr);
        let obeyed =
            |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!printed.contains(obeyed) && !printed.is_empty(), "{arguments:?}: {printed:?}");
    }
}

/// Columns are what a person sees: a character of two columns is as wide as two.
#[test]
fn names_stand_side_by_side_whatever_their_width() {
    let client = json!({ "client_id": "a", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=x,O=東京,C=JP" });
    let config = file("wide.json", json!({ "clients": [client] }).to_string());
    let certificate =
        file("wide.pem", certificate_of(&[("C", "JP"), ("O", "大阪"), ("CN", "x")]).pem());
    let output = run(&[
        "explain",
        "--config",
        &config,
        "--now",
        NOW,
        "--client-id",
        "a",
        "--certificate",
        &certificate,
    ]);
    for line in ["   1 CN=x        CN=x", ">  2 O=東京      O=大阪", "   3 C=JP        C=JP"] {
        assert!(text(&output).contains(&format!("\n{line}\n")), "{line}: {}", text(&output));
    }
}

/// A registry is not asked, but what it answers can be given.
#[test]
fn the_answer_of_a_registry_is_taken_from_a_file() {
    let config = json!({ "endpoints": ["/token"], "registry": { "cluster": "c", "authority": "registry.test", "path": "/" } });
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
        (&["--client-id", "nobody", "--registry", &list], "unknown_client: refused"),
    ] {
        let output = run(&[&base[..], arguments].concat());
        assert!(text(&output).contains(expected), "{arguments:?}: {output:?}");
    }
    let input = file(
        "fetched.jsonl",
        format!(
            "{}\n",
            json!({ "client_id": "client", "certificate": certificate_of(&[("O", "x")]).pem(), "now": NOW })
        ),
    );
    for (more, expected) in
        [(&[][..], "registry_unavailable"), (&["--registry", &list], "subject_mismatch")]
    {
        let output = run(&[&["audit", "--config", &config, "--input", &input][..], more].concat());
        assert!(text(&output).contains(expected), "{output:?}");
    }
    // Standard input is read once, and by one of them alone: whoever came second would find
    // nothing.
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
