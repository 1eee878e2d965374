//! `explain`: one decision.

mod case_table;
mod decisions;
mod inputs;

use serde_json::json;

use crate::{CLIENT, NOW, certificate_of, code, file, run, text, value};

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
    let steps = explained["steps"].as_array().expect("a list of steps");
    let refused: Vec<_> = steps.iter().filter(|step| step["state"] == "refused").collect();
    assert_eq!(
        refused,
        [&json!({ "step": "subject", "state": "refused", "text": explained["detail"] })]
    );

    for (arguments, expected) in [
        (&["--client-id", "client"][..], "certificate_missing"),
        (&["--certificate", &good, "--client-id", "unknown"], "unknown_client"),
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
    // The body counts; another --client-id is reported.
    let body = file("other-body", "client_id=unknown");
    let output = explain(&["--certificate", &good, "--client-id", "client", "--body", &body]);
    assert!(text(&output).contains("unknown_client: refused"), "{output:?}");
    let note = "note: --client-id is \"client\", but the request is about \"unknown\"\n";
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

/// Names from certificates, requests and files are shown, not obeyed.
#[test]
fn control_characters_do_not_reach_the_terminal() {
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
fn names_are_side_by_side_whatever_their_width() {
    let client = json!({
        "client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=x,O=東京,C=JP",
    });
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
