//! The command line, as a program: what it prints, and with which code it ends.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "cli/requests.rs"]
mod requests;
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::case::{Case, table};
use support::certificate::{self, CertificateSpec};

const CLIENT: &str = r#"{"client_id": "client", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "O=Client,CN=client"}"#;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tls-client-auth"));
    command.args(arguments).env_remove("CLICOLOR_FORCE");
    command
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
    let subject = subject.iter().map(|(kind, value)| vec![vec![kind.to_string(), value.to_string()]]).collect();
    certificate::mint(&CertificateSpec { subject: Some(subject), ..CertificateSpec::default() }).expect("well-formed")
}

#[test]
fn names_are_printed_rdn_by_rdn() {
    let output = run(&["name", "CN=a+OU=b, O= x ", "/C=JP/CN=é", "--format", "json"]);
    assert_eq!(code(&output), 0);
    let names = value(&output);
    assert_eq!(names[0]["rfc4514"], "CN=a+OU=b,O=x");
    assert_eq!(
        names[0]["rdns"],
        json!([[{"type": "CN", "value": "a"}, {"type": "OU", "value": "b"}], [{"type": "O", "value": "x"}]])
    );
    assert_eq!(names[1]["rfc4514"], "CN=é,C=JP", "OpenSSL writes the least specific first");

    let output = run(&["name", "CN=a", "CN"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output).contains("RFC 4514  CN=a") && text(&output).contains("no name: expected"), "{output:?}");
    assert!(!text(&output).contains('\x1b'), "colours where no terminal is");
}

#[test]
fn a_refusal_is_explained_step_by_step() {
    let config = file("explain.json", format!(r#"{{"endpoints": ["/oauth/token"], "clients": [{CLIENT}]}}"#));
    let good = file("good.pem", certificate_of(&[("CN", "client"), ("O", "Client")]).pem());
    let der = file("good.der", certificate_of(&[("CN", "client"), ("O", "Client")]).der.expect("it has one"));
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
    for part in ["NO match", ">  1 O=Client", "O=Other", "subject_mismatch: refused with 401 invalid_client"] {
        assert!(text(&output).contains(part), "{part}: {}", text(&output));
    }
    let output = explain(&["--certificate", &reverse, "--client-id", "client", "--format", "json"]);
    let explained = value(&output);
    assert_eq!((code(&output), explained["code"].as_str()), (1, Some("subject_mismatch")));
    assert_eq!(explained["hint"], "the string is in reverse order: write CN=client,O=Client");
    assert_eq!(explained["names"]["registered"], json!(["O=Client", "CN=client"]));
    assert_eq!(explained["steps"][9]["state"], "refused");

    for (arguments, expected) in [
        (&["--client-id", "client"][..], "certificate_missing"),
        (&["--certificate", &good, "--client-id", "nobody"], "unknown_client"),
        (&["--certificate", &good, "--client-id", "client", "--chain", "invalid"], "certificate_unverified"),
        (&["--certificate", &good, "--client-id", "client", "--chain", "unknown"], "certificate_unverified"),
        (&["--certificate", &good, "--client-id", "client", "--now", "0"], "certificate_not_yet_valid"),
        (&["--certificate", &good, "--client-id", "client", "--method", "GET"], "method_not_allowed"),
        (&["--certificate", &good, "--client-id", "client", "--header", "Authorization: Basic YTpi"], "client_id_mismatch"),
    ] {
        // The last --now counts.
        let base = ["explain", "--config", &config];
        let now = if arguments.contains(&"--now") { &[][..] } else { &["--now", "2026-06-01T00:00:00Z"] };
        let output = run(&[&base[..], now, arguments].concat());
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(text(&output).contains(&format!("\n{expected}: refused with")), "{arguments:?}: {}", text(&output));
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
    let output = explain(&["--certificate", &good, "--client-id", "client", "--body", &file("own-body", "client_id=client")]);
    assert_eq!((code(&output), output.stderr.len()), (0, 0), "{output:?}");
}

#[test]
fn a_certificate_is_found_in_the_files_that_people_have() {
    let config = file("files.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let explain = |certificate: &str| {
        let arguments = ["explain", "--config", &config, "--now", "2026-06-01T00:00:00Z", "--client-id", "client"];
        run(&[&arguments[..], &["--certificate", certificate]].concat())
    };
    let subject = [("CN", "client"), ("O", "Client")];
    let other = certificate_of(&[("CN", "other")]).pem();
    let good = certificate_of(&subject).pem();
    let chain = file("chain.pem", format!("subject=O = Client, CN = client\n{good}\nsubject=CN = other\n{other}"));
    assert_eq!(code(&explain(&chain)), 0);
    assert!(text(&explain(&file("swapped.pem", format!("{other}{good}")))).contains("subject_mismatch"));
    // DER is octets: one at the end that is a blank in text belongs to it.
    let blank = (0..20_000).map(|_| certificate_of(&subject).der.expect("it has one"));
    let blank = blank.into_iter().find(|der| der.last().is_some_and(u8::is_ascii_whitespace)).expect("one in fifty");
    assert_eq!(code(&explain(&file("blank.der", blank))), 0);
    // What is a certificate, but broken, is refused as the filter refuses it.
    let broken = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    for broken in [file("broken.pem", broken), file("broken.der", [0x30, 3, 2, 1, 1])] {
        let output = explain(&broken);
        assert_eq!(code(&output), 1);
        assert!(text(&output).contains("certificate_malformed: refused with 401"), "{output:?}");
    }
}

#[test]
fn unusable_input_ends_with_two_and_says_what() {
    let config = file("usable.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let wrong = file("wrong.json", r#"{"clients": {}}"#);
    let noise = file("noise.pem", "no certificate");
    let yaml = file("other.yaml", "kind: Service\n");
    for (arguments, said) in [
        (&["explain", "--config", "/nowhere", "--client-id", "a"][..], "/nowhere"),
        (&["explain", "--config", &wrong, "--client-id", "a"], "/clients"),
        (&["explain", "--config", &yaml, "--client-id", "a"], "no configuration of this filter"),
        (&["explain", "--config", &config, "--client-id", "a", "--certificate", &noise], "not one PEM certificate"),
        (&["explain", "--config", &config, "--client-id", "a", "--now", "noon"], "noon"),
        (&["explain", "--config", &config, "--client-id", "a", "--header", "x"], "name: value"),
        (&["audit", "--config", &config, "--input", "/nowhere"], "/nowhere"),
        (&["lint", &yaml], "no configuration of this filter"),
        (&["name"], "required"),
    ] {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(code(&output) == 2 && error.contains(said), "{arguments:?}: {output:?}");
    }
}

#[test]
fn every_error_is_found_and_placed() {
    let yaml = file(
        "lint.yaml",
        r#"
config:
  failure_policy: FAIL_OPEN
  vm_config: {vm_id: x}
  configuration:
    value: |
      {
        "endpoints": ["/token", "token", "x"],
        "mode": "shadow",
        "clients": [
          {"client_id": "a", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "C=JP, O=Client, CN=a"},
          {"client_id": "b", "token_endpoint_auth_method": "tls_client_auth"},
          {"client_id": "c", "token_endpoint_auth_method": "tls_client_auth",
           "tls_client_auth_san_dsn": "x"}
        ],
        "max_body_byte": 5
      }
"#,
    );
    let output = run(&["lint", &yaml, "--format", "json"]);
    assert_eq!(code(&output), 1);
    let findings = value(&output);
    let found: Vec<_> = findings.as_array().into_iter().flatten().collect();
    let found: Vec<_> = found
        .iter()
        .map(|finding| {
            let place = (finding["line"].as_u64(), finding["pointer"].as_str());
            (place, finding["severity"].as_str())
        })
        .collect();
    let (error, doubt) = (Some("error"), Some("doubtful"));
    assert_eq!(
        found,
        [
            ((Some(3), None), error),
            ((Some(3), None), error),
            ((Some(8), Some("/endpoints/1")), error),
            ((Some(8), Some("/endpoints/2")), error),
            ((Some(9), Some("/mode")), doubt),
            ((Some(11), Some("/clients/0/tls_client_auth_subject_dn")), doubt),
            ((Some(12), Some("/clients/1")), error),
            ((Some(14), Some("/clients/2/tls_client_auth_san_dsn")), error),
            ((Some(16), Some("/max_body_byte")), error),
        ],
        "{findings:#}"
    );
    assert!(
        text(&run(&["lint", &yaml]))
            .contains(&format!("{yaml}:14: error: /clients/2/tls_client_auth_san_dsn: unknown member; did you mean"))
    );
}

/// The findings of `lint` as line, severity and the beginning of the message.
fn findings(config: &str) -> Vec<(u64, String, String)> {
    let found = value(&run(&["lint", config, "--format", "json"]));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let found = found.as_array().into_iter().flatten();
    found.map(|f| (f["line"].as_u64().unwrap_or_default(), text(f, "severity"), text(f, "message"))).collect()
}

#[test]
fn what_loads_and_may_not_be_meant_is_told() {
    for (text, wanted) in [
        (r#"{"endpoints": ["/t"], "clients": []}"#, &["/clients: no client"][..]),
        (
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a"}], "max_body_bytes": 1048576, "log": "none", "unregistered_clients": "pass"}"#,
            &["/unregistered_clients: a client without", "/log: refusals leave", "/max_body_bytes: Envoy's own 413"],
        ),
        (r#"{"clients": [{"client_id": "a"}]}"#, &[": no endpoints"]),
        (
            r#"{"tenants": [{"hosts": ["a.test"], "clients": [{"client_id": "a"}]}, {"hosts": ["b.test"], "endpoints": ["/t"], "clients": [{"client_id": "a"}]}]}"#,
            &["/tenants/0: no endpoints"],
        ),
        (
            r#"{"endpoints": ["/t"], "forward": {"keep": ["x-ssl-cert"]}, "clients": [{"client_id": "a"}]}"#,
            &["/forward/keep/0: clients can send this header themselves"],
        ),
        (
            r#"{"endpoints": ["/t"], "peer_certificate": {"source": "forwarded", "dialect": "x-ssl-cert"},
                "tenants": [{"hosts": ["a.test"], "forward": {"keep": ["X-SSL-Cert", "client-cert"]}, "clients": [{"client_id": "a"}]}]}"#,
            &["/tenants/0/forward/keep/1: clients can send"],
        ),
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test", "path": "/", "allow_empty": true, "headers": {"Authorization": "Bearer x", "x-env": "y"}}}"#,
            &["/registry/allow_empty: an empty answer", "/registry/headers/Authorization: readable"],
        ),
        (
            r#"{"endpoints": ["/t"], "clients": [
                {"client_id": "a", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "C=JP,O=a,CN=b,emailAddress=a@b.test"},
                {"client_id": "b", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "DC=test,DC=a"},
                {"client_id": "c", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "*.a.test"}]}"#,
            &[
                "/clients/0/tls_client_auth_subject_dn: this looks like reverse order",
                "/clients/2/tls_client_auth_san_dns: RFC 8705 knows no wildcards",
            ],
        ),
    ] {
        let output = run(&["lint", &file("doubts.json", text), "--format", "json"]);
        let found = value(&output);
        let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let found: Vec<_> = found.as_array().into_iter().flatten().collect();
        let told: Vec<_> =
            found.iter().map(|finding| format!("{}: {}", text(finding, "pointer"), text(finding, "message"))).collect();
        assert!(
            told.len() == wanted.len() && told.iter().zip(wanted).all(|(told, wanted)| told.starts_with(wanted)),
            "{told:#?}"
        );
        assert!(found.iter().all(|finding| finding["severity"] == "doubtful" && finding["line"].is_u64()) && code(&output) == 0);
    }
}

#[test]
fn errors_have_the_line_of_the_file() {
    // What is not JSON, by itself and in a block that begins with blank lines.
    assert_eq!(
        findings(&file("syntax.json", "{\n  \"a\": [],\n}\n")),
        [(3, "error".to_owned(), "not JSON: trailing comma".to_owned())]
    );
    let yaml = "config:\n  vm_config: {}\n  failure_policy: FAIL_RELOAD\n  allow_on_headers_stop_iteration: true\n  configuration:\n    value: &text |\n\n      {\n        \"clients\": 7,\n";
    assert_eq!(
        findings(&file("syntax.yaml", format!("{yaml}      }}\n"))),
        [(10, "error".to_owned(), "not JSON: trailing comma".to_owned())]
    );
    let told = findings(&file("block.yaml", format!("{yaml}        \"x\": 1\n      }}\n")));
    assert_eq!(told.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [8, 9, 10], "{told:?}");
    let many: Vec<String> = (0..150).map(|_| "7".to_owned()).collect();
    let told = findings(&file("many.json", format!(r#"{{"endpoints": ["/t"], "clients": [{}]}}"#, many.join(","))));
    assert_eq!((told.len(), told.iter().filter(|(.., message)| message.starts_with("more than 100 errors")).count()), (101, 1));
    let output = run(&["lint", "/nowhere/1", "/nowhere/2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 2 && said.contains("/nowhere/1") && said.contains("/nowhere/2"), "{said}");
}

#[test]
fn a_configuration_is_found_wherever_tools_print_it() {
    // As `kubectl get --output json` prints it; another wasm filter beside it; the spelling of protobuf's JSON; a string in
    // quotation marks, whose line ends are escapes.
    let plugin =
        format!(r#"{{"kind": "WasmPlugin", "spec": {{"pluginConfig": {{"endpoints": ["/token"], "clients": [{CLIENT}]}}}}}}"#);
    let other = r#"{"vmConfig": {}, "configuration": {"value": "{\"rate\": 1}"}}"#;
    let own = json!({ "endpoints": ["/token"], "clients": [serde_json::from_str::<Value>(CLIENT).expect("JSON")] });
    let own = |allow: bool| {
        json!({
            "vmConfig": {}, "failurePolicy": "FAIL_RELOAD", "allowOnHeadersStopIteration": allow,
            "configuration": { "value": format!("{own:#}\n") },
        })
    };
    let only = "a WasmPlugin cannot set allow_on_headers_stop_iteration";
    for (found, wanted) in [
        (format!(r#"{{"kind": "List", "items": [{plugin}]}}"#), &[only][..]),
        (format!("\u{feff}\t{plugin}"), &[only]),
        (
            json!({ "http_filters": [serde_json::from_str::<Value>(other).expect("JSON"), own(true)], "emoji": "\u{1f600}" })
                .to_string(),
            &[],
        ),
        (
"a: &a {client_id: client}\nkind: WasmPlugin\nspec:\n  pluginConfig:\n    endpoints: [/token]\n    clients: [{<<: *a, token_endpoint_auth_method: tls_client_auth, tls_client_auth_san_dns: a.example}]".to_owned(),
            &[only],
        ),
    ] {
        // As Python writes what is beyond ASCII.
        let found = found.replace('\u{1f600}', "\\ud83d\\ude00");
        let config = file("found.json", &found);
        let told = findings(&config);
        assert!(
            told.len() == wanted.len() && told.iter().zip(wanted).all(|(told, wanted)| told.2.starts_with(wanted)),
            "{found}: {told:?}"
        );
        let output = run(&["explain", "--config", &config, "--client-id", "client"]);
        assert!(text(&output).contains("certificate_missing"), "{output:?}");
    }
    let quoted = format!("a:\n  - {}\n", own(false));
    let found = findings(&file("quoted.yaml", quoted));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (2, "error"));
    // Several listeners with one configuration are one; with two, nobody knows which is meant.
    let twice = file("twice.yaml", format!("{plugin}\n---\n{plugin}\n"));
    assert!(text(&run(&["explain", "--config", &twice, "--client-id", "client"])).contains("certificate_missing"));
    let two = file("two.yaml", format!("{plugin}\n---\n{}\n", plugin.replace("/token", "/par")));
    let output = run(&["explain", "--config", &two, "--client-id", "client"]);
    let said = "more than one configuration of this filter, in line 1 and in line 3";
    assert!(code(&output) == 2 && String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
    // One that is broken is this filter's all the same.
    let broken = own(true).to_string().replace("[\\n    \\\"/token", "[,\\n    \\\"/token");
    let beside = file("beside.json", format!(r#"{{"a": {}, "b": {broken}}}"#, own(true)));
    assert_eq!(findings(&beside), [(1, "error".to_owned(), "not JSON: expected value".to_owned())]);

    let mut child = program(&["lint", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("it is piped").write_all(b"{\"clients\": []}").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(text(&output).contains("-:1:"), "{output:?}");
}

/// What makes a certificate mean less than the configuration believes stands in the listener.
#[test]
fn the_listener_is_judged_with_the_filter() {
    let envoy = |configuration: &str, replaced: &[(&str, &str)]| {
        let mut yaml = include_str!("../envoy/envoy.yaml").to_owned();
        for (from, to) in [(r#""forward": { "client_id": "x-oauth-client-id" },"#, configuration)].iter().chain(replaced) {
            assert_eq!(yaml.matches(from).count(), 1, "{from}");
            yaml = yaml.replace(from, to);
        }
        findings(&file("listener.yaml", yaml))
    };
    let listener = r#""peer_certificate": { "chain": "listener" },"#;
    let trusted = "trusted_ca: {filename: target/demo/pki/ca.pem}";
    let self_signed =
        (r#""token_endpoint_auth_method": "self_signed_tls_client_auth","#, r#""token_endpoint_auth_method": "none","#);
    let nothing: [(&str, &str); 0] = [];
    for (configuration, replaced, wanted) in [
        ("", &nothing[..], &[][..]),
        (
            "",
            &[("disable_stateful_session_resumption: true", "disable_stateful_session_resumption: false")],
            &[("doubtful", "resumed")],
        ),
        ("", &[("disable_stateless_session_resumption: true", "session_timeout: 60s")], &[("doubtful", "resumed")]),
        ("", &[(trusted, "")], &[("doubtful", "no trusted_ca: no chain")]),
        ("", &[("limit_bytes: 131072", "limit_bytes: 65536")], &[("doubtful", "per_connection_buffer")]),
        (r#""max_body_bytes": 131072,"#, &[], &[("doubtful", "per_connection_buffer")]),
        (listener, &[], &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")]),
        ("", &[("trust_chain_verification: ACCEPT_UNTRUSTED", "")], &[("doubtful", "without trust_chain_verification")]),
        (listener, &[("trust_chain_verification: ACCEPT_UNTRUSTED", ""), self_signed], &[("doubtful", "names count")]),
        (
            listener,
            &[("trust_chain_verification: ACCEPT_UNTRUSTED", ""), (trusted, "")],
            &[("error", "no trusted_ca: the listener verifies nobody"), ("doubtful", "names count")],
        ),
        (
            r#""tenants": [{"hosts": ["a.example"], "peer_certificate": { "chain": "listener" }}],"#,
            &[],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        ("", &[("      transport_socket:", "      other:")], &[("doubtful", "no TLS in this filter chain")]),
        (
            r#""peer_certificate": { "source": "forwarded" },"#,
            &[("      transport_socket:", "      other:")],
            &[("error", "forward_client_cert_details: SANITIZE takes")],
        ),
        (
            r#""peer_certificate": { "source": "forwarded" },"#,
            &[
                ("      transport_socket:", "      other:"),
                ("client_cert_details: SANITIZE", "client_cert_details: FORWARD_ONLY"),
            ],
            &[],
        ),
        (
            "",
            &[("name: envoy.transport_sockets.tls", "name: envoy.transport_sockets.raw_buffer")],
            &[("doubtful", "no TLS in this")],
        ),
        // Of QUIC's and of unknown sockets nothing false is said.
        (
            "",
            &[("          common_tls_context:", "          downstream_tls_context:\n           common_tls_context:")],
            &[("doubtful", "resumed")],
        ),
        ("", &[("          common_tls_context:", "          what_is_this:")], &[]),
        (
            listener,
            &[("    filter_chains:\n    - transport", "    default_filter_chain:\n      transport")],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        // Secrets of this file are known, others are not.
        (
            listener,
            &[("validation_context:", "validation_context_sds_secret_config: {name: elsewhere}\n            x:")],
            &[("doubtful", "names count")],
        ),
        (
            listener,
            &[
                ("validation_context:", "validation_context_sds_secret_config: {name: here}\n            x:"),
                (
                    "static_resources:\n",
                    "static_resources:\n  secrets: [{name: here, validation_context: {trust_chain_verification: ACCEPT_UNTRUSTED, trusted_ca: {filename: x}}}]\n",
                ),
            ],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        ("", &[("failure_policy: FAIL_RELOAD", "fail_open: true")], &[("error", "FAIL_OPEN")]),
        ("", &[("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_CLOSED")], &[("doubtful", "without failure_policy")]),
        // A tenant's own word holds in place of the top level's, and as a whole.
        (
            r#""peer_certificate": { "chain": "listener" }, "tenants": [{"hosts": ["a.example"], "peer_certificate": {}}],"#,
            &[],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
    ] {
        let found = envoy(configuration, replaced);
        let told: Vec<_> = found.iter().map(|(_, severity, message)| (severity.as_str(), message.as_str())).collect();
        assert!(
            told.len() == wanted.len()
                && told.iter().zip(wanted).all(|(told, wanted)| told.0 == wanted.0 && told.1.starts_with(wanted.1)),
            "{configuration} {replaced:?}: {found:#?}"
        );
    }
}

#[test]
fn what_is_shipped_has_no_errors() {
    let shipped: Vec<String> = ["envoy", "envoy/istio"]
        .iter()
        .flat_map(|directory| fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).expect("it is there"))
        .map(|entry| entry.expect("readable").path().into_os_string().into_string().expect("UTF-8"))
        .filter(|path| (path.ends_with(".yaml") && !path.contains("/gateway-")) || path.ends_with(".json"))
        .collect();
    assert!(shipped.len() >= 8, "{shipped:?}");
    let output = run(&[&["lint"], &shipped.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    assert!(code(&output) == 0 && !text(&output).contains("error"), "{output:?}");
}

/// A row as `audit` reads it.
fn line(case: &Case) -> Value {
    let octets = |value: &[u8]| match std::str::from_utf8(value) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(value) }),
    };
    let request = &case.request;
    json!({
        "client_id": "not used where there is a body",
        "certificate": case.certificate.as_ref().map(|certificate| certificate.host_text.clone()),
        "chain_valid": case.chain_valid,
        "now": case.now.0,
        "method": request.method,
        "path": request.path,
        "host": request.host,
        "headers": request.headers.iter().map(|(name, value)| json!([name, octets(value)])).collect::<Vec<_>>(),
        "body_base64": STANDARD.encode(&request.body),
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
        let output = run(&["audit", "--config", &config, "--input", &file(&format!("audit-{number}.jsonl"), input)]);
        assert_eq!(code(&output), 0, "{output:?}");
        let decisions: Vec<Value> = text(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(decisions.len(), cases.len(), "{configuration}");
        for (case, decision) in cases.iter().zip(&decisions) {
            if decision["code"] != case.expect.code || decision["status"].as_u64() != case.expect.status.map(u64::from) {
                wrong.push(format!("{}: {decision}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn answers_come_in_the_order_of_the_lines() {
    let config = file("order.json", format!(r#"{{"other_methods": "pass", "clients": [{CLIENT}, {{"client_id": "other"}}]}}"#));
    let mut child = program(&["audit", "--config", &config, "--input", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut input = child.stdin.take().expect("it is piped");
    // More than all batches together, each third line dear.
    let client = certificate_of(&[("CN", "client"), ("O", "Client")]).pem();
    let codes = ["passed_other_method", "unknown_client", "authenticated"];
    let writer = std::thread::spawn(move || {
        for number in 0..30_000_usize {
            let line = match number % 3 {
                0 => json!({ "client_id": "other", "certificate": null }),
                1 => json!({ "client_id": format!("nobody-{number}"), "certificate": null }),
                _ => {
                    json!({ "client_id": "client", "certificate": client, "now": "2026-06-01T00:00:00Z", "headers": { "x": "y" } })
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
fn a_line_that_cannot_be_used_is_told_and_the_rest_decided() {
    let config = file("lines.json", format!(r#"{{"clients": [{CLIENT}]}}"#));
    let lines = file(
        "lines.jsonl",
        [
            r#"{"client_id": "nobody", "certificate": null}"#,
            "",
            "no JSON",
            "[]",
            r#"{"certificate": null}"#,
            r#"{"client_id": "a", "certificate": 1}"#,
            r#"{"client_id": "a", "certificat": null}"#,
            r#"{"client_id": "a", "certificate": null, "now": "noon"}"#,
            r#"{"client_id": "a", "certificate": null, "headers": [["x"]]}"#,
            r#"{"client_id": "client", "certificate": "AAAA"}"#,
            r#"{"client_id": "client", "certificate": null, "headers": {"Authorization": ["Basic YTpi", "Basic YTpi"]}}"#,
        ]
        .join("\n"),
    );
    let output = run(&["audit", "--config", &config, "--input", &lines]);
    assert_eq!(code(&output), 2);
    let answers: Vec<Value> = text(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let unusable: Vec<_> = answers.iter().filter_map(|answer| answer["line"].as_u64()).collect();
    assert_eq!(unusable, [3, 4, 5, 6, 7, 8, 9]);
    let decided: Vec<_> = answers.iter().filter_map(|answer| answer["code"].as_str()).collect();
    assert_eq!(decided, ["unknown_client", "certificate_malformed", "malformed_authorization"]);
}

/// The fixtures are written as each server writes its list.
#[test]
fn client_lists_are_converted_exactly_or_not_at_all() {
    let tls = |id: &str, name: &str| json!({ "client_id": id, "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": name });
    let bound = |mut client: Value| {
        client["tls_client_certificate_bound_access_tokens"] = true.into();
        client
    };
    let other = |id: &str, method: &str| json!({ "client_id": id, "token_endpoint_auth_method": method });
    let authlete = "CN=Example, OU=OP, O=Authlete, C=GB";
    for (server, converted, refused) in [
        (
            "authlete",
            vec![
                bound(tls("26478243745571", authlete)),
                bound(tls("my-client", authlete)),
                json!({
                    "client_id": "26478243745572",
                    "token_endpoint_auth_method": "self_signed_tls_client_auth",
                    "jwks": { "keys": [{ "kid": "k2", "kty": "EC", "x5t#S256": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" }] },
                }),
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
            ],
            vec!["pattern (/clients/2/attributes/x509.subjectdn): a regular expression that is no plain text"],
        ),
        (
            "spring",
            vec![
                bound(tls("mtls-demo", "CN=demo-client,OU=Spring Samples,O=Spring,C=US")),
                other("secret", "client_secret_basic"),
            ],
            vec![
                "self-signed (/1/client_authentication_methods): the client's certificates are behind",
                "either (/2/client_authentication_methods): expected one method",
                "forgotten (/4/client_settings): expected settings.client.x509-certificate-subject-dn",
            ],
        ),
        (
            "duende",
            vec![
                tls("mtls.client", "CN=client, OU=production, O=company"),
                other("secret", "client_secret_basic"),
                other("jwt", "private_key_jwt"),
                other("spa", "none"),
            ],
            vec![
                "mtls.thumbprint (/IdentityServer/Clients/1/ClientSecrets/0/Type): a SHA-1 thumbprint",
                "either (/IdentityServer/Clients/2/ClientSecrets): several secrets",
                "expires (/IdentityServer/Clients/3/ClientSecrets/0/Expiration): the secret expires",
                "old (/IdentityServer/Clients/7/Enabled): the client is disabled",
            ],
        ),
    ] {
        let list = format!("{}/tests/convert/{server}.json", env!("CARGO_MANIFEST_DIR"));
        let output = run(&["convert", "--from", server, &list]);
        assert_eq!((code(&output), value(&output)), (1, Value::from(converted)), "{server}");
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(said.len(), refused.len(), "{server}: {said:?}");
        for (line, wanted) in said.iter().zip(refused) {
            assert!(line.starts_with(&format!("not converted: {wanted}")), "{line}");
        }
        // What is converted, the filter loads.
        let clients = file(&format!("converted-{server}.json"), json!({ "clients": value(&output) }).to_string());
        assert_eq!(code(&run(&["lint", &clients])), 0, "{server}");
    }
    // Which of two is the client, nobody can tell; standard input is a file, too.
    let twice = r#"[{"clientId": "a", "publicClient": true}, {"clientId": "b", "publicClient": true}, {"clientId": "a"}]"#;
    let mut child = program(&["convert", "--from", "keycloak", "-"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("it is piped").write_all(twice.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((code(&output), value(&output)), (1, json!([other("b", "none")])));
    let said = "not converted: a (/0): another entry has the same identifier\nnot converted: a (/2): another entry has the same identifier\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), said);
    let list = file("empty.json", "[]");
    let output = run(&["convert", "--from", "spring", &list]);
    assert_eq!((code(&output), value(&output)), (0, json!([])));
    for text in ["{}", "7", "{\"clients\": 1}", "no JSON"] {
        assert_eq!(code(&run(&["convert", "--from", "keycloak", &file("no-list.json", text)])), 2, "{text}");
    }
}

/// Each `$` line of the README's console, and what it prints.
#[test]
fn the_readme_shows_what_happens() {
    let readme = include_str!("../README.md");
    let (_, chapter) = readme.split_once("## The command line\n").expect("the README has the chapter");
    let block = |language: &str| {
        let (_, rest) = chapter.split_once(&format!("```{language}\n")).expect("the chapter has the block");
        rest.split_once("```").expect("the block ends").0
    };
    let config = file("readme/config.json", block("json"));
    let directory = Path::new(&config).parent().expect("it has one");
    file("readme/client.pem", include_str!("bench/client.pem"));
    file("readme/clients.json", include_str!("convert/spring.json"));
    let requests =
        [json!({ "path": "/token" }), json!({ "client_id": "nobody" }), json!({ "client_id": "nobody", "path": "/userinfo" })];
    let requests = requests.map(|mut request| {
        request["certificate"] = Value::Null;
        if request["client_id"].is_null() {
            request["client_id"] = "s6BhdRkqt3".into();
        }
        format!("{request}\n")
    });
    file("readme/requests.jsonl", requests.concat());
    let mut commands = 0;
    for shown in block("console").split("$ tls-client-auth ").skip(1) {
        let (arguments, expected) = shown.split_once('\n').expect("a command is a line");
        let arguments: Vec<&str> = arguments.split(' ').map(|argument| argument.trim_matches('\'')).collect();
        let output = program(&arguments).current_dir(directory).output().expect("it runs");
        let printed = text(&output) + &String::from_utf8_lossy(&output.stderr);
        let printed: String = printed.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_eq!(printed, expected, "{arguments:?}");
        commands += 1;
    }
    assert_eq!(commands, 5, "each command is shown");
}

#[test]
fn a_shell_and_a_manual_are_told_every_command() {
    for (arguments, wanted) in
        [(&["completions", "bash"][..], "audit"), (&["completions", "zsh"], "explain"), (&["manual"], ".SH")]
    {
        let output = run(arguments);
        assert!(code(&output) == 0 && text(&output).contains(wanted), "{arguments:?}");
    }
    let manual = text(&run(&["manual"]));
    assert_eq!(code(&run(&["manual", "nothing"])), 2);
    for command in ["lint", "explain", "audit", "name", "convert"] {
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
