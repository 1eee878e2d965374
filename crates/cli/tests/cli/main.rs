//! The command line, as a program: what it prints, and with which code it ends.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

extern crate test_support as support;

mod audit;
mod convert;
mod explain;
mod lint;
mod register;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::certificate::{self, CertificateSpec};

const NOW: &str = "2026-06-01T00:00:00Z";
const CLIENT: &str = concat!(
    r#"{"client_id": "client", "token_endpoint_auth_method": "tls_client_auth", "#,
    r#""tls_client_auth_subject_dn": "O=Client,CN=client"}"#
);

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tls-client-auth"));
    command.args(arguments).env_remove("CLICOLOR_FORCE");
    command
}

/// Runs with everything piped; what it prints must be read.
fn piped(arguments: &[&str]) -> Child {
    let mut command = program(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs")
}

/// Runs with this standard input.
fn run_with(arguments: &[&str], input: &str) -> Output {
    let mut child = piped(arguments);
    child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("it runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it ends by itself")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints UTF-8")
}

fn value(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A file of this test.
fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli");
    fs::create_dir_all(&directory).expect("the directory is ours");
    let path = directory.join(name);
    fs::create_dir_all(path.parent().expect("it has one")).expect("the directory is ours");
    fs::write(&path, content).expect("the directory is ours");
    path.into_os_string().into_string().expect("UTF-8")
}

fn certificate_of(subject: &[(&str, &str)]) -> certificate::Certificate {
    let subject = subject
        .iter()
        .map(|(kind, value)| vec![vec![kind.to_string(), value.to_string()]])
        .collect();
    certificate::mint(&CertificateSpec { subject: Some(subject), ..CertificateSpec::default() })
        .expect("well-formed")
}

#[test]
fn names_are_printed_rdn_by_rdn() {
    let output = run(&["name", "CN=a+OU=b, O= x ", "/C=JP/CN=é", "--format", "json"]);
    assert_eq!(code(&output), 0);
    let names = value(&output);
    assert_eq!(names[0]["rfc4514"], "CN=a+OU=b,O=x");
    assert_eq!(
        names[0]["rdns"],
        json!([
            [{"type": "CN", "value": "a"}, {"type": "OU", "value": "b"}],
            [{"type": "O", "value": "x"}],
        ])
    );
    assert_eq!(names[1]["rfc4514"], "CN=é,C=JP", "OpenSSL writes the least specific first");

    let output = run(&["name", "CN=a", "CN"]);
    assert_eq!(code(&output), 1);
    assert!(
        text(&output).contains("RFC 4514  CN=a") && text(&output).contains("no name: expected"),
        "{output:?}"
    );
    assert!(!text(&output).contains('\x1b'), "colours where no terminal is");
}

#[test]
fn lines_of_openssl_are_names() {
    let output = run(&["name", "subject=C = JP, O = \"a, b\", CN = c", "/CN=svc/team=blue"]);
    assert_eq!(code(&output), 0);
    for wanted in [
        "RFC 4514  CN=c,O=a\\, b,C=JP\n  note      OpenSSL prints the least specific RDN first",
        "RFC 4514  CN=svc/team=blue\n  note      \"team\" is no attribute type",
    ] {
        assert!(text(&output).contains(wanted), "{wanted}: {}", text(&output));
    }
    let json = value(&run(&["name", "--format", "json", "issuer=CN = a", "/CN=a/b=c"]));
    assert_eq!(json[0]["notes"], Value::Null);
    assert_eq!(json[1]["notes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn unusable_input_ends_with_two_and_says_what() {
    let config = file("usable.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let wrong = file("wrong.json", r#"{"clients": {}}"#);
    let empty = file("empty.pem", "");
    let noise = file("noise.pem", "no certificate");
    let yaml = file("other.yaml", "kind: Service\n");
    let deep = file("deep.yaml", "- ".repeat(100_000));
    let key = file("key.der", certificate::private_key_pkcs8(certificate::KeyKind::Ec));
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n";
    let request = file("request.pem", request);
    for (arguments, said) in [
        (&["explain", "--config", "/nowhere", "--client-id", "a"][..], "/nowhere"),
        (&["explain", "--config", &wrong, "--client-id", "a"], "/clients"),
        (&["explain", "--config", &yaml, "--client-id", "a"], "no configuration of this filter"),
        (
            &["explain", "--config", &config, "--client-id", "a", "--certificate", &noise],
            "not one PEM certificate",
        ),
        (
            &["explain", "--config", &config, "--client-id", "a", "--certificate", &empty],
            "the file is empty",
        ),
        (
            &["explain", "--config", &config, "--client-id", "a", "--certificate", &key],
            "this is a private key, not a certificate: give the certificate that belongs to it",
        ),
        (
            &["explain", "--config", &config, "--client-id", "a", "--certificate", &request],
            "this is a certificate signing request (PKCS #10), not a certificate",
        ),
        (&["explain", "--config", &config, "--client-id", "a", "--now", "noon"], "noon"),
        (&["explain", "--config", &config, "--client-id", "a", "--header", "x"], "name: value"),
        (&["audit", "--config", &config, "--input", "/nowhere"], "/nowhere"),
        (&["lint", &yaml], "no configuration of this filter"),
        (&["lint", &deep], "within more than 128 others"),
        (&["explain", "--config", &deep, "--client-id", "a"], "within more than 128 others"),
        (&["audit", "--config", &deep, "--input", "/nowhere"], "within more than 128 others"),
        (&["name"], "required"),
    ] {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(code(&output) == 2 && error.contains(said), "{arguments:?}: {output:?}");
    }
}

/// Each `$` line of the console in docs/command-line.md, and what it prints.
#[test]
fn the_manual_shows_what_happens() {
    let chapter = include_str!("../../../../docs/command-line.md");
    let block = |language: &str| {
        let (_, rest) =
            chapter.split_once(&format!("```{language}\n")).expect("the chapter has the block");
        rest.split_once("```").expect("the block ends").0
    };
    let config = file("manual/config.json", block("json"));
    let directory = Path::new(&config).parent().expect("it has one");
    file("manual/client.pem", include_str!("../../../../tests/bench/client.pem"));
    file("manual/clients.json", include_str!("../../../../tests/convert/spring.json"));
    file("manual/requests.jsonl", block("text"));
    // Lines that are too wide for the page are folded there.
    let console = block("console").replace("\n        ", " ");
    let mut commands = 0;
    for shown in console.split("$ tls-client-auth ").skip(1) {
        let (arguments, expected) = shown.split_once('\n').expect("a command is a line");
        let arguments: Vec<&str> =
            arguments.split(' ').map(|argument| argument.trim_matches('\'')).collect();
        let output = program(&arguments).current_dir(directory).output().expect("it runs");
        let printed = text(&output) + &String::from_utf8_lossy(&output.stderr);
        let printed: String =
            printed.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_eq!(printed, expected, "{arguments:?}");
        commands += 1;
    }
    assert_eq!(commands, 6, "each command is shown");
}

#[test]
fn a_shell_and_a_manual_know_every_command() {
    for (arguments, wanted) in [
        (&["completions", "bash"][..], "audit"),
        (&["completions", "zsh"], "explain"),
        (&["manual"], ".SH"),
    ] {
        let output = run(arguments);
        assert!(code(&output) == 0 && text(&output).contains(wanted), "{arguments:?}");
    }
    let manual = text(&run(&["manual"]));
    assert_eq!(code(&run(&["manual", "nothing"])), 2);
    for command in ["lint", "explain", "audit", "name", "convert", "register"] {
        assert!(manual.contains(&format!("tls\\-client\\-auth\\-{command}(1)")), "{command}");
        let page = text(&run(&["manual", command]));
        for part in [
            &format!(".TH tls-client-auth-{command} 1"),
            ".SH SYNOPSIS",
            ".SH EXAMPLES\n.nf\ntls\\-client\\-auth",
            ".SH EXIT STATUS\n0 ",
        ] {
            assert!(page.contains(part), "{command}: {part}: {page}");
        }
        assert!(text(&run(&[command, "--help"])).contains("Examples:"), "{command}");
    }
}
