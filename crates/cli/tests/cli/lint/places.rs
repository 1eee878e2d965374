//! Where configurations and their errors are.

use serde_json::{Value, json};

use super::findings;
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
          {"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
           "tls_client_auth_subject_dn": "C=JP, O=Client, CN=a"},
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
            ((Some(12), Some("/clients/0/tls_client_auth_subject_dn")), doubt),
            ((Some(13), Some("/clients/1")), error),
            ((Some(15), Some("/clients/2/tls_client_auth_san_dsn")), error),
            ((Some(17), Some("/max_body_byte")), error),
        ],
        "{findings:#}"
    );
    assert!(text(&run(&["lint", &yaml])).contains(&format!(
        "{yaml}:15: error: /clients/2/tls_client_auth_san_dsn: unknown member; did you mean"
    )));
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
    let messages = findings(&file("block.yaml", format!("{yaml}        \"x\": 1\n      }}\n")));
    assert_eq!(
        messages.iter().map(|(line, ..)| *line).collect::<Vec<_>>(),
        [8, 9, 10],
        "{messages:?}"
    );
    let many: Vec<String> = (0..150).map(|_| "7".to_owned()).collect();
    let messages = findings(&file(
        "many.json",
        format!(r#"{{"endpoints": ["/t"], "clients": [{}]}}"#, many.join(",")),
    ));
    assert_eq!(
        (
            messages.len(),
            messages
                .iter()
                .filter(|(.., message)| message.starts_with("more than 100 errors"))
                .count()
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
    let plugin = format!(r#"{{"endpoints": ["/token"], "clients": [{CLIENT}]}}"#);
    let plugin = format!(r#"{{"kind": "WasmPlugin", "spec": {{"pluginConfig": {plugin}}}}}"#);
    let other = r#"{"vmConfig": {}, "configuration": {"value": "{\"rate\": 1}"}}"#;
    let own = json!({
        "endpoints": ["/token"],
        "clients": [serde_json::from_str::<Value>(CLIENT).expect("JSON")],
    });
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
            json!({
                "http_filters": [serde_json::from_str::<Value>(other).expect("JSON"), own(true)],
                "emoji": "\u{1f600}",
            })
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
        let messages = findings(&config);
        assert!(
            messages.len() == wanted.len()
                && messages.iter().zip(wanted).all(|(found, wanted)| found.2.starts_with(wanted)),
            "{found}: {messages:?}"
        );
        let output = run(&["explain", "--config", &config, "--client-id", "client"]);
        assert!(text(&output).contains("certificate_missing"), "{output:?}");
    }
    let quoted = format!("a:\n  - {}\n", own(false));
    let found = findings(&file("quoted.yaml", quoted));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1.as_str()), (2, "error"));
    // Several listeners with one configuration have one; with two, it is not known which is meant.
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

/// The module reads a configuration as it is; this program must not be more lenient.
#[test]
fn a_byte_order_mark_is_an_error() {
    let json = format!(r#"{{"endpoints": ["/token"], "clients": [{CLIENT}]}}"#);
    let message = "the configuration begins with a byte order mark".to_owned();
    let marked = file("bom.json", format!("\u{feff}{json}"));
    for (config, line) in [
        (marked.clone(), 1),
        (
            file(
                "bom.yaml",
                format!(
                    "config:\n  vm_config: {{}}\n  failure_policy: FAIL_RELOAD\n  \
                     allow_on_headers_stop_iteration: true\n  configuration:\n    value: \
                     \"\\uFEFF{}\"\n",
                    json.replace('"', "\\\"")
                ),
            ),
            6,
        ),
    ] {
        let found = findings(&config);
        assert!(
            found.len() == 1
                && (found[0].0, found[0].1.as_str()) == (line, "error")
                && found[0].2.starts_with(&message),
            "{found:?}"
        );
    }
    let output = run(&["explain", "--config", &marked, "--client-id", "client"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(code(&output) == 2 && said.contains(&message), "{said}");
}
