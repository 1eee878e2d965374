//! Configurations of Envoy in objects of Kubernetes.

use serde_json::json;

use crate::{code, file, run, text};

fn shipped() -> String {
    let path = crate::support::repository().join("envoy/kubernetes/deployment.yaml");
    std::fs::read_to_string(path).expect("readable")
}

/// The number of the line of a text that contains `part`.
fn line(text: &str, part: &str) -> usize {
    let found = text.split_inclusive('\n').position(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no {part}")) + 1
}

#[test]
fn the_text_of_a_config_map_is_followed_like_a_file_of_its_own() {
    let good = file("config-map.yaml", shipped());
    let output = run(&["lint", &good]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("no errors, nothing doubtful"), "{}", text(&output));

    for (old, new, expected, at) in [
        // In the plugin configuration, a text within the text.
        ("\"/token\", \"/revoke\"", "\"token\", \"/revoke\"", "error: /endpoints/0:", "\"token\","),
        // Around it: the place is that of the whole plugin, or of the TLS context.
        (
            "failure_policy: FAIL_RELOAD",
            "failure_policy: FAIL_OPEN",
            "error: ",
            "      name: tls_client_auth\n",
        ),
        (
            "disable_stateful_session_resumption: true",
            "disable_stateful_session_resumption: false",
            "doubtful: ",
            "v3.DownstreamTlsContext",
        ),
    ] {
        for (kind, data) in [("ConfigMap", "data"), ("Secret", "stringData")] {
            let shipped = shipped();
            assert!(shipped.contains(old), "{old}");
            let wrong = shipped
                .replacen("kind: ConfigMap", &format!("kind: {kind}"), 1)
                .replacen("\ndata:\n", &format!("\n{data}:\n"), 1)
                .replacen(old, new, 1);
            let path = file("config-map-wrong.yaml", &wrong);
            let output = text(&run(&["lint", &path]));
            let place = line(&wrong, at);
            let found = format!("{path}:{place}: {expected}");
            assert!(output.contains(&found), "{kind}: no {found} in {output}");
        }
    }
}

/// As `kubectl get --output json` prints it: the whole text is in one line.
#[test]
fn the_text_of_a_config_map_in_json_is_in_its_line() {
    let all = shipped();
    let (_, map) = all.split_once("  envoy.yaml: |\n").expect("it has the text");
    let (map, _) = map.split_once("\n---\n").expect("it ends");
    let envoy: String =
        map.lines().map(|line| line.get(4..).unwrap_or_default().to_owned() + "\n").collect();
    let envoy = envoy.replacen("\"/token\",", "\"token\",", 1);
    let json = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "envoy.yaml": envoy } });
    let path = file("config-map.json", format!("{json:#}"));
    let output = run(&["lint", &path]);
    assert_eq!(code(&output), 1);
    let place = line(&format!("{json:#}"), "envoy.yaml");
    let expected = format!("{path}:{place}: error: /endpoints/0:");
    assert!(text(&output).contains(&expected), "{}", text(&output));
}

/// Among other files, too: what Envoy would not start with is no note.
#[test]
fn a_configuration_that_cannot_be_read_is_an_error() {
    let wrong = shipped().replacen("          - name: oauth\n", "          - name: [oauth\n", 1);
    let wrong = wrong.replacen("      - name: oauth\n", "      - name: [oauth\n", 1);
    let path = file("config-map-unreadable.yaml", &wrong);
    let good = file("config-map-beside.yaml", shipped());
    for arguments in [&["lint", &*path][..], &["lint", &*good, &*path]] {
        let output = run(arguments);
        assert_eq!(code(&output), 2, "{}", text(&output));
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &text(&output);
        assert!(said.contains(", envoy.yaml: neither JSON nor YAML"), "{said}");
    }
}

#[test]
fn other_texts_are_not_configurations() {
    let text_of = |data: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a: |\n{data}\n")
    };
    for data in ["    just text", "    a: [b", "    filters: {}", "    {\"endpoints\": []}"] {
        let path = file("config-map-other.yaml", text_of(data));
        assert_eq!(code(&run(&["lint", &path])), 2, "{data}");
    }
}
