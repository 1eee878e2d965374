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
    let found: Vec<_> = findings
        .as_array()
        .into_iter()
        .flatten()
        .map(|finding| {
            let place = (finding["line"].as_u64(), finding["pointer"].as_str());
            (place, finding["severity"].as_str())
        })
        .collect();
    let (error, doubt) = (Some("error"), Some("doubtful"));
    assert_eq!(
        found,
        [
            ((Some(3), Some("/config")), error),
            ((Some(3), Some("/config")), error),
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
    assert!(text(&run(&["lint", &yaml])).contains(&format!(
        "{yaml}:14: error: /clients/2/tls_client_auth_san_dsn: unknown member; did you mean"
    )));
}

/// The findings of `lint` as line, severity and the beginning of the message; what is no finding,
/// left out.
fn findings(config: &str) -> Vec<(u64, String, String)> {
    let found = value(&run(&["lint", config, "--format", "json"]));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let found =
        found.as_array().into_iter().flatten().filter(|finding| finding["severity"] != "note");
    found
        .map(|f| (f["line"].as_u64().unwrap_or_default(), text(f, "severity"), text(f, "message")))
        .collect()
}

#[test]
fn what_loads_and_may_not_be_meant_is_told() {
    for (text, wanted) in [
        (r#"{"endpoints": ["/t"], "clients": []}"#, &["/clients: no client"][..]),
        (
            r#"{"endpoints": ["/t"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}], "max_body_bytes": 1048576, "log": "none", "unregistered_clients": "pass"}"#,
            &[
                "/unregistered_clients: a client without",
                "/log: refusals leave",
                "/max_body_bytes: Envoy's own 413",
            ],
        ),
        (
            r#"{"clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
            &[": no endpoints"],
        ),
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
            &[
                "/registry/allow_empty: an empty answer",
                "/registry/headers/Authorization: readable",
            ],
        ),
        // Authlete gives five clients where nobody says how many.
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test", "path": "/api/1/client/get/list?start=0"}}"#,
            &["/registry/path: Authlete answers with five clients"],
        ),
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test", "path": "/api/1/client/get/list?start=0&end=500"}}"#,
            &[],
        ),
        (
            r#"{"endpoints": ["/t"], "registry": {"cluster": "c", "authority": "a.test", "path": "/clients"}}"#,
            &[],
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
        let text =
            |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let found: Vec<_> = found
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["severity"] != "note")
            .collect();
        let told: Vec<_> = found
            .iter()
            .map(|finding| format!("{}: {}", text(finding, "pointer"), text(finding, "message")))
            .collect();
        assert!(
            told.len() == wanted.len()
                && told.iter().zip(wanted).all(|(told, wanted)| told.starts_with(wanted)),
            "{told:#?}"
        );
        assert!(
            found
                .iter()
                .all(|finding| finding["severity"] == "doubtful" && finding["line"].is_u64())
                && code(&output) == 0
        );
    }
}

/// Members of the configuration that only together mean what nobody wants.
#[test]
fn tenants_that_the_server_name_does_not_tell_apart() {
    let tenant = |hosts: &str, more: &str| {
        format!(
            r#"{{"hosts": [{hosts}], "endpoints": ["/t"], {more} "clients": [{{"client_id": "a", "token_endpoint_auth_method": "none"}}]}}"#
        )
    };
    let (a, b) = (r#""a.example""#, r#""b.example""#);
    let hop = r#""peer_certificate": {"source": "forwarded", "trusted_proxies": ["spiffe://mesh/gateway"]},"#;
    let of_hop = "several tenants by host behind one hop";
    let nameless = "clients reach this host without a server name";
    for (top, tenants, wanted) in [
        ("", vec![tenant(a, ""), tenant(b, "")], &[][..]),
        // One host is one server name, whatever is behind it.
        ("", vec![tenant(r#""localhost""#, ""), tenant(r#""localhost""#, "")], &[]),
        (hop, vec![tenant(a, ""), tenant(b, "")], &[("/peer_certificate/trusted_proxies", of_hop)]),
        (hop, vec![tenant(a, "")], &[]),
        (
            "",
            vec![tenant(a, hop), tenant(b, hop)],
            &[
                ("/tenants/0/peer_certificate/trusted_proxies", of_hop),
                ("/tenants/1/peer_certificate/trusted_proxies", of_hop),
            ],
        ),
        ("", vec![tenant(r#"a, "192.0.2.1""#.replace('a', a).as_str(), ""), tenant(b, "")], &[]),
        (
            "",
            vec![tenant(r#""192.0.2.1""#, ""), tenant(r#""b.example", "localhost""#, "")],
            &[("/tenants/0/hosts/0", nameless), ("/tenants/1/hosts/1", nameless)],
        ),
        (
            "",
            vec![tenant(r#""[2001:db8::1]""#, ""), tenant(r#""as""#, "")],
            &[("/tenants/0/hosts/0", nameless), ("/tenants/1/hosts/0", nameless)],
        ),
        (
            r#""endpoints": ["/t"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}],"#,
            vec![tenant(r#""localhost""#, "")],
            &[("/tenants/0/hosts/0", nameless)],
        ),
    ] {
        let text = format!("{{{top} \"tenants\": [{}]}}", tenants.join(","));
        let found = value(&run(&["lint", &file("tenants.json", &text), "--format", "json"]));
        // The hop itself is doubtful, whoever is behind it.
        let found = found
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["severity"] == "doubtful");
        let found: Vec<_> = found
            .filter(|f| {
                !f["message"].as_str().unwrap_or_default().starts_with("whoever holds a key")
            })
            .collect();
        let told: Vec<_> = found
            .iter()
            .map(|f| {
                (
                    f["pointer"].as_str().unwrap_or_default(),
                    f["message"].as_str().unwrap_or_default(),
                )
            })
            .collect();
        let is_it = |told: &(&str, &str), wanted: &(&str, &str)| {
            told.0 == wanted.0 && told.1.starts_with(wanted.1)
        };
        assert!(
            told.len() == wanted.len()
                && told.iter().zip(wanted).all(|(told, wanted)| is_it(told, wanted)),
            "{text}: {told:#?}"
        );
    }
}

#[test]
fn errors_have_the_line_of_the_file() {
    // What is not JSON, by itself and in a block that begins with blank lines.
    assert_eq!(
        findings(&file("syntax.json", "{\n  \"a\": [],\n}\n")),
        [(3, "error".to_owned(), "not JSON: trailing comma".to_owned())]
    );
    let yaml = "config:\n  vm_config: {}\n  failure_policy: FAIL_RELOAD\n  \
        allow_on_headers_stop_iteration: true\n  configuration:\n    value: &text |\n\n      \
        {\n        \"clients\": 7,\n";
    assert_eq!(
        findings(&file("syntax.yaml", format!("{yaml}      }}\n"))),
        [(10, "error".to_owned(), "not JSON: trailing comma".to_owned())]
    );
    let told = findings(&file("block.yaml", format!("{yaml}        \"x\": 1\n      }}\n")));
    assert_eq!(told.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [8, 9, 10], "{told:?}");
    let many: Vec<String> = (0..150).map(|_| "7".to_owned()).collect();
    let told = findings(&file(
        "many.json",
        format!(r#"{{"endpoints": ["/t"], "clients": [{}]}}"#, many.join(",")),
    ));
    assert_eq!(
        (
            told.len(),
            told.iter().filter(|(.., message)| message.starts_with("more than 100 errors")).count()
        ),
        (101, 1)
    );
    let output = run(&["lint", "/nowhere/1", "/nowhere/2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        code(&output) == 2 && said.contains("/nowhere/1") && said.contains("/nowhere/2"),
        "{said}"
    );
}

#[test]
fn a_configuration_is_found_wherever_tools_print_it() {
    // As `kubectl get --output json` prints it; another wasm filter beside it; the spelling of
    // protobuf's JSON; a string in quotation marks, whose line ends are escapes.
    let plugin = format!(
        r#"{{"kind": "WasmPlugin", "spec": {{"pluginConfig": {{"endpoints": ["/token"], "clients": [{CLIENT}]}}}}}}"#
    );
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
"a: &a {client_id: client}\nkind: WasmPlugin\nspec:\n  pluginConfig:\n    endpoints: [/token]\n    \
 clients: [{<<: *a, token_endpoint_auth_method: tls_client_auth, tls_client_auth_san_dns: \
 a.example}]".to_owned(),
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
    assert!(
        text(&run(&["explain", "--config", &twice, "--client-id", "client"]))
            .contains("certificate_missing")
    );
    let two = file("two.yaml", format!("{plugin}\n---\n{}\n", plugin.replace("/token", "/par")));
    let output = run(&["explain", "--config", &two, "--client-id", "client"]);
    let said = "more than one configuration of this filter, in line 1 and in line 3";
    assert!(
        code(&output) == 2 && String::from_utf8_lossy(&output.stderr).contains(said),
        "{output:?}"
    );
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
        let mut yaml = include_str!("../../../../envoy/envoy.yaml").to_owned();
        for (from, to) in [(r#""forward": { "client_id": "x-oauth-client-id" },"#, configuration)]
            .iter()
            .chain(replaced)
        {
            assert_eq!(yaml.matches(from).count(), 1, "{from}");
            yaml = yaml.replace(from, to);
        }
        findings(&file("listener.yaml", yaml))
    };
    let listener = r#""peer_certificate": { "chain": "listener" },"#;
    let trusted = "trusted_ca: {filename: target/demo/pki/ca.pem}";
    let self_signed = (
        r#""token_endpoint_auth_method": "self_signed_tls_client_auth","#,
        r#""token_endpoint_auth_method": "none","#,
    );
    let nothing: [(&str, &str); 0] = [];
    for (configuration, replaced, wanted) in [
        ("", &nothing[..], &[][..]),
        (
            "",
            &[(
                "disable_stateful_session_resumption: true",
                "disable_stateful_session_resumption: false",
            )],
            &[("doubtful", "resumed")],
        ),
        (
            "",
            &[("disable_stateless_session_resumption: true", "session_timeout: 60s")],
            &[("doubtful", "resumed")],
        ),
        ("", &[(trusted, "")], &[("doubtful", "no trusted_ca: no chain")]),
        (
            "",
            &[("limit_bytes: 131072", "limit_bytes: 65536")],
            &[("doubtful", "per_connection_buffer")],
        ),
        (r#""max_body_bytes": 131072,"#, &[], &[("doubtful", "per_connection_buffer")]),
        (listener, &[], &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")]),
        // Java and Go send no certificate of their own making where they are asked for one of an
        // authority.
        (
            "",
            &[("              suppress_client_ca_list: true\n", "")],
            &[("doubtful", "without suppress_client_ca_list")],
        ),
        ("", &[("              suppress_client_ca_list: true\n", ""), self_signed], &[]),
        (
            "",
            &[("trust_chain_verification: ACCEPT_UNTRUSTED", "")],
            &[("doubtful", "without trust_chain_verification")],
        ),
        (listener, &[("trust_chain_verification: ACCEPT_UNTRUSTED", ""), self_signed], &[]),
        (
            listener,
            &[("trust_chain_verification: ACCEPT_UNTRUSTED", ""), (trusted, "")],
            &[
                ("error", "no trusted_ca: the listener verifies nobody"),
                ("doubtful", "names count"),
            ],
        ),
        (
            r#""tenants": [{"hosts": ["a.example"], "peer_certificate": { "chain": "listener" }}],"#,
            &[],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        (
            "",
            &[("      transport_socket:", "      other:")],
            &[("doubtful", "no TLS in this filter chain")],
        ),
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
            &[(
                "          common_tls_context:",
                "          downstream_tls_context:\n           common_tls_context:",
            )],
            &[("doubtful", "resumed")],
        ),
        ("", &[("          common_tls_context:", "          what_is_this:")], &[]),
        (
            listener,
            &[(
                "    filter_chains:\n    - transport",
                "    default_filter_chain:\n      transport",
            )],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        // Secrets of this file are known, others are not.
        (
            listener,
            &[(
                "validation_context:",
                "validation_context_sds_secret_config: {name: elsewhere}\n            x:",
            )],
            &[("doubtful", "names count")],
        ),
        (
            listener,
            &[
                (
                    "validation_context:",
                    "validation_context_sds_secret_config: {name: here}\n            x:",
                ),
                (
                    "static_resources:\n",
                    "static_resources:\n  secrets: [{name: here, validation_context: \
                     {suppress_client_ca_list: true, trust_chain_verification: ACCEPT_UNTRUSTED, \
                     trusted_ca: {filename: x}}}]\n",
                ),
            ],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        ("", &[("failure_policy: FAIL_RELOAD", "fail_open: true")], &[("error", "FAIL_OPEN")]),
        (
            "",
            &[("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_CLOSED")],
            &[("doubtful", "without failure_policy")],
        ),
        // A tenant's own word holds in place of the top level's, and as a whole.
        (
            r#""peer_certificate": { "chain": "listener" }, "tenants": [{"hosts": ["a.example"], "peer_certificate": {}}],"#,
            &[],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
    ] {
        let found = envoy(configuration, replaced);
        let told: Vec<_> = found
            .iter()
            .map(|(_, severity, message)| (severity.as_str(), message.as_str()))
            .collect();
        assert!(
            told.len() == wanted.len()
                && told
                    .iter()
                    .zip(wanted)
                    .all(|(told, wanted)| told.0 == wanted.0 && told.1.starts_with(wanted.1)),
            "{configuration} {replaced:?}: {found:#?}"
        );
    }
}

/// Each file of `tests/lint` says behind `#!` what is found in a line: severity, JSON Pointer (`-`:
/// the whole) and some words. What it does not say is not found.
#[test]
fn ways_past_the_filter_are_found_and_no_others() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let files =
        fs::read_dir(directory).expect("it is there").map(|entry| entry.expect("readable").path());
    let (mut right, mut wrong, mut failed) = (0, 0, Vec::new());
    for path in files {
        let content = fs::read_to_string(&path).expect("readable");
        let wanted = content.lines().enumerate().flat_map(|(index, line)| {
            line.split("#! ").skip(1).map(move |wanted| {
                let mut words = wanted.trim().splitn(3, ' ').map(str::to_owned);
                let mut word =
                    || words.next().unwrap_or_else(|| panic!("{wanted}: severity, pointer, words"));
                let (severity, pointer, text) = (word(), word(), word());
                (
                    index as u64 + 1,
                    severity,
                    if pointer == "-" { String::new() } else { pointer },
                    text,
                )
            })
        });
        let wanted: Vec<_> = wanted.collect();
        let output = run(&["lint", path.to_str().expect("UTF-8"), "--format", "json"]);
        let found = value(&output);
        let found = found
            .as_array()
            .expect("an array")
            .iter()
            .filter(|finding| finding["severity"] != "note");
        let text =
            |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let found: Vec<_> = found
            .map(|f| {
                (
                    f["line"].as_u64().unwrap_or_default(),
                    text(f, "severity"),
                    text(f, "pointer"),
                    text(f, "message"),
                )
            })
            .collect();
        let is_wanted = |found: &(u64, String, String, String),
                         wanted: &(u64, String, String, String)| {
            (&found.0, &found.1, &found.2) == (&wanted.0, &wanted.1, &wanted.2)
                && found.3.contains(&wanted.3)
        };
        let has_errors = wanted.iter().any(|(_, severity, ..)| severity == "error");
        let is_as_wanted = found.len() == wanted.len()
            && wanted.iter().all(|wanted| found.iter().any(|found| is_wanted(found, wanted)));
        if !is_as_wanted || code(&output) != i32::from(has_errors) {
            failed.push(format!("{}: wanted {wanted:#?}, found {found:#?}", path.display()));
        }
        if wanted.is_empty() { right += 1 } else { wrong += 1 }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(right > 25 && wrong > 60, "{right} without findings, {wrong} with");
}

/// What stands round the filter may stand in other files.
#[test]
fn files_are_read_together() {
    let listing = include_str!("../lint/istio-second-gateway.yaml");
    let parts: Vec<String> = listing
        .split("---\n")
        .enumerate()
        .map(|(at, text)| file(&format!("part-{at}.yaml"), text))
        .collect();
    let lint = |parts: &[&String]| {
        let arguments: Vec<&str> =
            ["lint"].into_iter().chain(parts.iter().map(|part| part.as_str())).collect();
        run(&arguments)
    };
    let all: Vec<&String> = parts.iter().collect();
    let [filter, gateway, internal, _, _] = &all[..] else { panic!("{all:?}") };
    let output = lint(&all);
    assert!(
        code(&output) == 1
            && text(&output).contains(&format!("{internal}:7: error: /spec/servers/0: ")),
        "{output:?}"
    );
    assert_eq!(code(&lint(&[filter, gateway])), 0);
    // Where nobody has a configuration there is nothing to judge.
    let output = lint(&[gateway, internal]);
    assert!(
        code(&output) == 2
            && String::from_utf8_lossy(&output.stderr).contains("no configuration of this filter"),
        "{output:?}"
    );
    // Routes that come by RDS, in a file of their own. Two bootstraps are two Envoys.
    let rds = include_str!("../lint/envoy-rds.yaml");
    let routes = "name: oauth\nvirtual_hosts:\n- name: all\n  domains: ['*']\n  routes:\n  - \
        match: {prefix: /auth/}\n    route: {cluster: authorization_server, prefix_rewrite: /}\n";
    let (rds, routes) = (file("rds.yaml", rds), file("routes.yaml", routes));
    let output = lint(&[&rds, &routes]);
    assert!(
        text(&output).contains(&format!("{routes}:6: error: /virtual_hosts/0/routes/0: ")),
        "{output:?}"
    );
    let right = file("right.yaml", include_str!("../lint/envoy-right.yaml"));
    let open = include_str!("../lint/envoy-second-listener.yaml")
        .split("  - name: internal")
        .nth(1)
        .expect("the listener");
    let open =
        file("open.yaml", format!("static_resources:\n  listeners:\n  - name: internal{open}"));
    let output = lint(&[&right, &open]);
    assert!(code(&output) == 0, "{output:?}");
}

/// A bootstrap and what comes to it by LDS and CDS are one Envoy.
#[test]
fn what_is_discovered_belongs_to_the_bootstrap() {
    let whole = include_str!("../lint/envoy-second-listener.yaml");
    let (_, rest) = whole.split_once("  - name: oauth").expect("the listener with the filter");
    let (oauth, rest) = rest.split_once("  - name: internal").expect("the open listener");
    let (internal, clusters) = rest.split_once("  clusters:").expect("clusters");
    let discovery = "{lds_config: {path_config_source: {path: lds.yaml}}, cds_config: \
        {path_config_source: {path: cds.yaml}}}";
    let bootstrap = |listener: &str| {
        format!(
            "dynamic_resources: {discovery}\nstatic_resources:\n  listeners:\n  - name: \
             one{listener}  clusters:{clusters}"
        )
    };
    let discovered = |listener: &str| format!("resources:\n  - name: other{listener}");
    let told = |files: &[&String]| {
        let arguments: Vec<&str> =
            ["lint"].into_iter().chain(files.iter().map(|file| file.as_str())).collect();
        let output = run(&arguments);
        (code(&output), text(&output))
    };
    for (name, here, there) in [("open", internal, oauth), ("filtered", oauth, internal)] {
        let (bootstrap, lds) = (
            file(&format!("{name}.yaml"), bootstrap(here)),
            file(&format!("{name}-lds.yaml"), discovered(there)),
        );
        let (code, text) = told(&[&bootstrap, &lds]);
        assert!(
            code == 1 && text.matches("POST /token reaches \"authorization_server\"").count() == 1,
            "{text}"
        );
        assert!(!text.contains("come by LDS"), "{text}");
        // With a second bootstrap it is said once.
        let (code, text) =
            told(&[&bootstrap, &lds, &file("second.yaml", "static_resources: {listeners: []}")]);
        assert!(
            code == 1 && text.matches("POST /token reaches \"authorization_server\"").count() == 1,
            "{text}"
        );
    }
    let clusters = clusters.replace("name: web", "name: alias").replace("10090", "10080");
    let listeners = format!("  - name: oauth{oauth}  - name: internal{internal}");
    let (before, after) = listeners.rsplit_once("authorization_server").expect("the route");
    let one = format!(
        "dynamic_resources: {discovery}\nstatic_resources:\n  listeners:\n{before}alias{after}"
    );
    let (one, cds) =
        (file("cds-bootstrap.yaml", &one), file("cds.yaml", format!("resources:{clusters}")));
    let (code, text) = told(&[&one, &cds]);
    assert!(code == 1 && text.contains("POST /token reaches \"alias\""), "{text}");
}

/// `lint` says what each entry of `endpoints` gates, and that is no finding.
#[test]
fn what_is_gated_is_listed() {
    let config = file(
        "gated.json",
        r#"{
  "endpoints": ["/token",
    "/oauth/introspect/", "/realms/*/protocol/openid-connect/token", "/v2/**"],
  "tenants": [{"hosts": ["a.example"], "endpoints": ["/"], "clients": []}, {"hosts": ["b.example"], "clients": []}],
  "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]
}"#,
    );
    let found = value(&run(&["lint", &config, "--format", "json"]));
    let notes: Vec<_> = found
        .as_array()
        .into_iter()
        .flatten()
        .filter(|finding| finding["severity"] == "note")
        .collect();
    let notes: Vec<_> = notes
        .iter()
        .map(|f| (f["line"].as_u64(), f["pointer"].as_str(), f["message"].as_str()))
        .collect();
    assert_eq!(
        notes,
        [
            (Some(2), Some("/endpoints/0"), Some("gates /token in every spelling")),
            (Some(3), Some("/endpoints/1"), Some("gates /oauth/introspect in every spelling")),
            (
                Some(3),
                Some("/endpoints/2"),
                Some("gates /realms/<one segment>/protocol/openid-connect/token in every spelling"),
            ),
            (
                Some(3),
                Some("/endpoints/3"),
                Some("gates /v2 and everything below it in every spelling")
            ),
            (Some(4), Some("/tenants/0/endpoints/0"), Some("gates / in every spelling")),
        ]
    );
    let right = file(
        "right.json",
        r#"{"endpoints": ["/token"], "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#,
    );
    let output = run(&["lint", &right]);
    assert_eq!(
        text(&output),
        format!(
            "{right}:1: note: /endpoints/0: gates /token in every spelling\nno errors, nothing \
             doubtful\n"
        )
    );
}

/// What is shipped, file by file and as it is applied together.
#[test]
fn what_is_shipped_has_no_findings() {
    let at = |name: &str| {
        support::repository()
            .join("envoy")
            .join(name)
            .into_os_string()
            .into_string()
            .expect("UTF-8")
    };
    let doubts: [(&[&str], &[&str]); 9] = [
        (&["envoy.yaml"], &[]),
        (&["envoy-listener-chain.yaml"], &[]),
        (&["envoy-registry-lookup.yaml"], &[]),
        (&["envoy-registry-snapshot.yaml"], &[]),
        (&["clients.json"], &[]),
        (&["istio/tls-client-auth.yaml", "istio/gateway-mutual.yaml"], &[]),
        (&["istio/tls-client-auth.yaml", "istio/gateway-optional-mutual.yaml"], &[]),
        // Both depend on what stands elsewhere: on the gateway, and on a version of Istio.
        (
            &["istio/sidecar.yaml", "istio/gateway-mutual.yaml"],
            &["the names in trusted_proxies count", "whoever holds a key"],
        ),
        (&["istio/wasmplugin.yaml"], &["a WasmPlugin cannot set"]),
    ];
    for (files, wanted) in doubts {
        let files: Vec<String> = files.iter().map(|file| at(file)).collect();
        let output = run(&[
            &["lint", "--format", "json"],
            &files.iter().map(String::as_str).collect::<Vec<_>>()[..],
        ]
        .concat());
        let found = value(&output);
        let found: Vec<_> = found
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["severity"] != "note")
            .collect();
        let told: Vec<_> =
            found.iter().map(|finding| finding["message"].as_str().unwrap_or_default()).collect();
        assert!(
            told.len() == wanted.len()
                && told.iter().zip(wanted).all(|(told, wanted)| told.starts_with(wanted)),
            "{files:?}: {told:#?}"
        );
        assert!(
            code(&output) == 0 && found.iter().all(|finding| finding["severity"] == "doubtful"),
            "{output:?}"
        );
    }
}
