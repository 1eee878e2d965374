//! The step at which a decision is made.

use serde_json::{Value, json};

use super::case_table::misleading_steps;
use crate::{CLIENT, NOW, certificate_of, code, file, run, text, value};

/// What was not looked at is not ok: a step says what the decision did, and none behind the refusal
/// says anything.
#[test]
fn steps_end_where_the_decision_is_made() {
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
        (&["--client-id", "unknown", "--now", "0"], "registration", "unknown_client"),
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
        run(&["explain", "--config", &shadow, "--certificate", &good, "--client-id", "unknown"]);
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
    let client = json!({
        "client_id": "self", "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks": { "keys": [key] },
    });
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

/// The name of the TLS handshake and the host must be of one tenant; a name that is not given does
/// not agree.
#[test]
fn the_server_name_is_compared_where_it_is_given() {
    let client = json!([serde_json::from_str::<Value>(CLIENT).expect("JSON")]);
    let tenants = json!([
        { "hosts": ["a.example"], "clients": client },
        { "hosts": ["b.example"], "clients": client },
        { "hosts": ["c.example"], "clients": client, "peer_certificate": {
            "server_name": "ignore" } },
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
    let refused = json!({ "client_id": "unknown", "certificate": null, "host": "a.example" });
    lines.push((refused, "unknown_client", true));
    let other_path =
        json!({ "client_id": "client", "certificate": null, "host": "a.example", "path": "/x" });
    lines.push((other_path, "not_gated", false));
    let empty = json!({
        "client_id": "client", "certificate": certificate, "now": NOW, "host": "a.example",
        "server_name": "",
    });
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

/// The hop's word on the chain, and what the backend gets.
#[test]
fn the_word_of_the_hop_is_a_step() {
    let hop = certificate_of(&[("CN", "hop")]);
    let client = certificate_of(&[("CN", "client"), ("O", "Client")]);
    let config = format!(
        r#"{{
            "peer_certificate": {{
                "source": "forwarded", "dialect": "der", "header": "X-Cert",
                "trusted_proxies": ["{}"], "verified": {{"header": "X-Word", "values": ["yes"]}}
            }},
            "forward": {{
                "thumbprint": "x-thumb", "certificate": [{{"header": "x-c", "format": "pem"}}],
                "certificate_for": "gated"
            }},
            "unregistered_clients": "pass", "clients": [{CLIENT}]
        }}"#,
        hop.x5t_s256()
    );
    let config = file("word.json", &config);
    let hop = file("hop.pem", hop.pem());
    let certificate = format!("x-cert: {}", client.x5c());
    for (client_id, word, code, chain, forwarded, hint) in [
        ("client", "yes", "authenticated", "done", json!(["x-thumb", "x-c"]), false),
        ("client", "no", "certificate_unverified", "refused", json!([]), true),
        ("other", "yes", "passed_unregistered", "not_asked", json!(["x-thumb", "x-c"]), false),
        ("other", "no", "passed_unregistered", "not_asked", json!(["x-thumb"]), false),
    ] {
        let word = format!("x-word: {word}");
        let base = ["explain", "--config", &config, "--certificate", &hop, "--now", NOW];
        let request =
            ["--client-id", client_id, "--header", &certificate, "--header", &word, "--chain"];
        // The certificate of a hop that is known by its thumbprint needs no chain.
        let arguments = [&base[..], &request, &["invalid"]].concat();
        let explained = value(&run(&[&arguments[..], &["--format", "json"]].concat()));
        let steps = explained["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["step"] == "chain").expect("a step");
        assert_eq!(
            (&explained["code"], &step["state"], &explained["forwarded"]),
            (&json!(code), &json!(chain), &forwarded),
            "{explained:#}"
        );
        let is_of_the_word = |text: &Value| text.as_str().is_some_and(|t| t.contains("x-word"));
        assert_eq!(is_of_the_word(&explained["hint"]), hint, "{explained:#}");
        assert_eq!(is_of_the_word(&step["text"]), client_id == "client", "{explained:#}");
        let in_words = text(&run(&arguments));
        assert_eq!(in_words.contains("the backend gets x-thumb"), forwarded != json!([]));
    }
}
