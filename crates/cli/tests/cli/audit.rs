//! `audit`: decisions in bulk.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::case::{Case, table};
use crate::{CLIENT, NOW, certificate_of, code, file, piped, run, text};

/// A row as `audit` reads it.
fn line(case: &Case) -> Value {
    let octets = |value: &[u8]| match std::str::from_utf8(value) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(value) }),
    };
    let request = &case.request;
    let headers = request.headers.iter().map(|(name, value)| json!([name, octets(value)]));
    json!({
        "client_id": "not used where there is a body",
        "certificate": case.certificate.as_ref().map(|certificate| certificate.host_text.clone()),
        "chain_valid": case.chain_valid,
        "now": case.now.0,
        "method": request.method,
        "path": request.path,
        "host": request.host,
        "server_name": case.server_name,
        "headers": headers.collect::<Vec<_>>(),
        "body_base64": STANDARD.encode(&request.body),
        "verified_token": case.verified.as_ref().map(|(token, _)| token),
    })
}

#[test]
fn the_audit_of_the_case_table_is_the_table() {
    let cases = table().cases;
    let mut by_configuration = BTreeMap::<String, Vec<&Case>>::new();
    for case in &cases {
        by_configuration.entry(case.config.to_string()).or_default().push(case);
    }
    let mut wrong = Vec::new();
    for (number, (configuration, cases)) in by_configuration.iter().enumerate() {
        let config = file(&format!("audit-{number}.json"), configuration);
        let input: String = cases.iter().map(|case| format!("{}\n", line(case))).collect();
        let output = run(&[
            "audit",
            "--config",
            &config,
            "--input",
            &file(&format!("audit-{number}.jsonl"), input),
        ]);
        assert_eq!(code(&output), 0, "{output:?}");
        let decisions: Vec<Value> =
            text(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(decisions.len(), cases.len(), "{configuration}");
        for (case, decision) in cases.iter().zip(&decisions) {
            if decision["code"] != case.expect.code
                || decision["status"].as_u64() != case.expect.status.map(u64::from)
            {
                wrong.push(format!("{}: {decision}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn answers_come_in_the_order_of_the_lines() {
    let config = file(
        "order.json",
        format!(
            r#"{{"other_methods": "pass", "clients": [{CLIENT}, {{"client_id": "other",
                "token_endpoint_auth_method": "private_key_jwt"}}]}}"#
        ),
    );
    let mut child = piped(&["audit", "--config", &config, "--input", "-"]);
    let mut input = child.stdin.take().expect("it is piped");
    // More than all batches together, each third line dear.
    let client = certificate_of(&[("CN", "client"), ("O", "Client")]).pem();
    let codes = ["passed_other_method", "unknown_client", "authenticated"];
    let writer = std::thread::spawn(move || {
        for number in 0..30_000_usize {
            let line = match number % 3 {
                0 => json!({ "client_id": "other", "certificate": null }),
                1 => json!({ "client_id": format!("unknown-{number}"), "certificate": null }),
                _ => {
                    json!({
                        "client_id": "client", "certificate": client,
                        "now": "2026-06-01T00:00:00Z", "headers": { "x": "y" },
                    })
                }
            };
            writeln!(input, "{line}").expect("it reads");
        }
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it wrote");
    assert_eq!(code(&output), 0);
    let answers = text(&output);
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(lines.len(), 30_000);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.contains(codes[number % 3]), "line {number}: {line}");
    }
}

#[test]
fn a_line_that_cannot_be_used_is_reported_and_the_rest_decided() {
    let config = file("lines.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let lines = file(
        "lines.jsonl",
        [
            r#"{"client_id": "unknown", "certificate": null}"#,
            "",
            "no JSON",
            "[]",
            r#"{"certificate": null}"#,
            r#"{"client_id": "a", "certificate": 1}"#,
            r#"{"client_id": "a", "certificat": null}"#,
            r#"{"client_id": "a", "certificate": null, "now": "noon"}"#,
            r#"{"client_id": "a", "certificate": null, "headers": [["x"]]}"#,
            r#"{"client_id": "a", "certificate": null, "server_name": false}"#,
            r#"{"client_id": "client", "certificate": "AAAA"}"#,
            concat!(
                r#"{"client_id": "client", "certificate": null, "#,
                r#""headers": {"Authorization": ["Basic YTpi", "Basic YTpi"]}}"#
            ),
        ]
        .join("\n"),
    );
    let output = run(&["audit", "--config", &config, "--input", &lines]);
    assert_eq!(code(&output), 2);
    let answers: Vec<Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let unusable: Vec<_> = answers.iter().filter_map(|answer| answer["line"].as_u64()).collect();
    assert_eq!(unusable, [3, 4, 5, 6, 7, 8, 9, 10]);
    let decided: Vec<_> = answers.iter().filter_map(|answer| answer["code"].as_str()).collect();
    assert_eq!(decided, ["unknown_client", "certificate_malformed", "malformed_authorization"]);
}

/// A program that writes a line and waits for the answer gets it.
#[test]
fn an_audit_answers_line_by_line() {
    let config = file("line.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let mut child = piped(&["audit", "--config", &config, "--input", "-"]);
    let mut input = child.stdin.take().expect("it is piped");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    for number in 0..5 {
        writeln!(
            input,
            "{}",
            json!({ "client_id": format!("unknown-{number}"), "id": { "n": number } })
        )
        .expect("it reads");
        let answer: Value =
            serde_json::from_str(&output.next().expect("an answer").expect("UTF-8")).expect("JSON");
        assert_eq!(
            (&answer["id"]["n"], &answer["code"]),
            (&json!(number), &json!("unknown_client"))
        );
    }
    drop(input);
    assert!(output.next().is_none());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_line_can_have_what_programs_write() {
    let config = file("forms.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let certificate = certificate_of(&[("CN", "client"), ("O", "Client")]);
    let in_lines = certificate
        .x5c()
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join("\n");
    let all = json!({
        "client_id": "client", "certificate": in_lines, "now": NOW,
        "body": null, "body_base64": null, "headers": null, "path": null, "method": null,
        "host": null, "server_name": null, "id": null,
    });
    let lines = [
        (all.clone(), "authenticated"),
        (
            json!({
                "client_id": "client", "certificate": certificate.pem(), "now": 1_780_272_000,
                "chain_valid": null,
            }),
            "certificate_unverified",
        ),
        (
            json!({
                "client_id": "client", "certificate": certificate.pem(), "now": null,
                "chain_valid": false,
            }),
            "certificate_unverified",
        ),
        (json!({ "client_id": "client", "certificate": "" }), "certificate_missing"),
        (json!({ "client_id": "client", "headers": [] }), "unsupported_media_type"),
        (json!({ "client_id": "client", "headers": {} }), "certificate_missing"),
        // Without a body a request ends with its headers.
        (json!({ "client_id": "client", "method": "OPTIONS" }), "not_gated"),
        (
            json!({
                "client_id": "client", "method": "OPTIONS",
                "headers": { "origin": "https://app.example" },
            }),
            "not_gated",
        ),
        (json!({ "client_id": "client", "headers": [[":method", "OPTIONS"]] }), "not_gated"),
        (json!({ "client_id": "client", "method": "OPTIONS", "body": "" }), "not_gated"),
        (
            json!({ "client_id": "client", "method": "OPTIONS", "body": "client_id=client" }),
            "method_not_allowed",
        ),
        (
            json!({
                "client_id": "client", "method": "OPTIONS",
                "headers": { "authorization": "Bearer x" },
            }),
            "method_not_allowed",
        ),
        (json!({ "client_id": "client", "method": "GET" }), "method_not_allowed"),
    ];
    let input = file("forms.jsonl", lines.each_ref().map(|(line, _)| format!("{line}\n")).concat());
    let output = run(&["audit", "--config", &config, "--input", &input]);
    let answers: Vec<Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let codes: Vec<_> =
        answers.iter().map(|answer| answer["code"].as_str().unwrap_or_default()).collect();
    // The clock of this machine may be anywhere.
    let wanted = lines.each_ref().map(|(_, code)| *code);
    for (index, (found, wanted)) in codes.iter().zip(wanted).enumerate() {
        assert!(
            *found == wanted || (index == 2 && found.starts_with("certificate_")),
            "{index}: {found}"
        );
    }
    assert_eq!((code(&output), answers.len()), (0, lines.len()));
    assert!(
        answers[0]
            .as_object()
            .is_some_and(|answer| answer.keys().eq(["code", "status", "error", "detail"])),
        "{answers:?}"
    );
}

/// However much goes through it, an audit holds some of it alone.
#[cfg(target_os = "linux")]
#[test]
fn an_audit_takes_bounded_memory() {
    const LINES: usize = 50_000;
    const MOST_KILOBYTES: u64 = 64 << 10;
    let config = file("memory.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let mut child = piped(&["audit", "--config", &config, "--input", "-"]);
    let output = BufReader::new(child.stdout.take().expect("it is piped"));
    let answers = std::thread::spawn(move || output.lines().count());
    let mut input = child.stdin.take().expect("it is piped");
    let line = format!(
        "{}\n",
        json!({
            "client_id": "client", "body": format!("client_id=unknown&x={}", "y".repeat(8_000)),
        })
    );
    assert!(LINES * line.len() > 4 * 1_024 * MOST_KILOBYTES as usize, "that would be no proof");
    for _ in 0..LINES {
        input.write_all(line.as_bytes()).expect("it reads");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it lives");
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    drop(input);
    assert_eq!(
        (child.wait().expect("it ends").code(), answers.join().expect("it reads")),
        (Some(0), LINES)
    );
    assert!(peak.is_some_and(|peak| peak < MOST_KILOBYTES), "{peak:?} kB");
}
