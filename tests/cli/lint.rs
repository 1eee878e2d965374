//! `lint`: errors, doubts, and where they stand.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::{CLIENT, code, file, run, run_with, text, value};

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
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}], "max_body_bytes": 1048576, "log": "none", "unregistered_clients": "pass"}"#,
            &["/unregistered_clients: a client without", "/log: refusals leave", "/max_body_bytes: Envoy's own 413"],
        ),
        (r#"{"clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#, &[": no endpoints"]),
        (
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": {"keys": [
                {"kty": "EC", "x5t#S256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}, {"kty": "EC", "use": "enc", "x5c": ["AAAA"]}, {"kty": "EC", "x5c": []}]}}]}"#,
            &[
                "/clients/0/jwks/keys/1/use: this key is left out: expected \"sig\"",
                "/clients/0/jwks/keys/2/x5c: this key is left out",
            ],
        ),
        (
            r#"{"tenants": [{"hosts": ["a.test"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}, {"hosts": ["b.test"], "endpoints": ["/t"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}]}"#,
            &["/tenants/0: no endpoints"],
        ),
        (
            r#"{"endpoints": ["/t"], "forward": {"keep": ["x-ssl-cert"]}, "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &["/forward/keep/0: clients can send this header themselves"],
        ),
        (
            r#"{"endpoints": ["/t"], "peer_certificate": {"source": "forwarded", "dialect": "x-ssl-cert"},
                "tenants": [{"hosts": ["a.test"], "forward": {"keep": ["X-SSL-Cert", "client-cert"]}, "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}]}"#,
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

    let output = run_with(&["lint", "-"], r#"{"clients": []}"#);
    assert!(text(&output).contains("-:1:"), "{output:?}");
}

/// What makes a certificate mean less than the configuration believes stands in the listener.
#[test]
fn the_listener_is_judged_with_the_filter() {
    let envoy = |configuration: &str, replaced: &[(&str, &str)]| {
        let mut yaml = include_str!("../../envoy/envoy.yaml").to_owned();
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
