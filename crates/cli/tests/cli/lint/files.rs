//! Directories, patterns, and files that have nothing to do with the filter.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{CLIENT, code, file, run, text, value};

/// Severity, file name and message of each finding that is no explanation of an endpoint.
fn found(arguments: &[&str]) -> Vec<(String, String, String)> {
    let output = run(&[&["lint", "--format", "json"], arguments].concat());
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let name = |path: String| {
        let name = Path::new(&path).file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    value(&output)
        .as_array()
        .expect("an array")
        .iter()
        .filter(|finding| !text(finding, "message").starts_with("gates "))
        .map(|f| (text(f, "severity"), name(text(f, "file")), text(f, "message")))
        .collect()
}

/// A directory with a gateway in several files, and with files of others.
fn directory(name: &str) -> String {
    let listing = include_str!("../../lint/istio-second-gateway.yaml");
    let mut first = String::new();
    for (number, part) in listing.split("---\n").enumerate() {
        let path = file(&format!("{name}/gateways/part-{number}.yaml"), part);
        first = if number == 0 { path } else { first };
    }
    // A gateway that no listener of this filter protects, in a hidden directory and in another
    // format: neither is read.
    file(&format!("{name}/.git/HEAD.yaml"), "a: [");
    file(&format!("{name}/notes.txt"), listing);
    file(&format!("{name}/package.json"), r#"{"name": "web", "version": "1.0.0"}"#);
    file(&format!("{name}/values.yml"), "replicas: 3\n");
    file(&format!("{name}/templates/chart.yaml"), "a: {{ .Values.a }}\nb: [\n");
    let gateways = Path::new(&first).parent().expect("it has one");
    gateways.parent().expect("it has one").to_string_lossy().into_owned()
}

#[test]
fn a_directory_is_read_with_all_that_is_in_it() {
    let directory = directory("files/whole");
    let all = found(&[&directory]);
    let notes: Vec<_> = all
        .iter()
        .filter(|(severity, ..)| severity == "note")
        .map(|(_, name, message)| (name.as_str(), message.as_str()))
        .collect();
    assert_eq!(notes.len(), 3, "{all:#?}");
    for (name, wanted) in [
        ("package.json", "no configuration of this filter, and nothing that surrounds one"),
        ("values.yml", "no configuration of this filter, and nothing that surrounds one"),
        ("chart.yaml", "neither JSON nor YAML: "),
    ] {
        let is_it = |(own, message): &(&str, &str)| *own == name && message.contains(wanted);
        assert!(notes.iter().any(is_it), "{name}: {notes:#?}");
    }
    assert!(
        all.iter().any(|(severity, name, message)| {
            severity == "error" && name == "part-2.yaml" && message.contains("has no such filter")
        }),
        "{all:#?}"
    );
    assert_eq!(code(&run(&["lint", &directory])), 1);
    // A pattern that the shell did not expand means the same files.
    assert_eq!(found(&[&format!("{directory}/gateways/*.yaml")]).len(), 1);
    assert_eq!(found(&[&format!("{directory}/**/*.y*ml")]).len(), 3);
    // A file that is named twice is read once.
    assert_eq!(found(&[&directory, &format!("{directory}/gateways")]), all);
}

#[test]
fn a_file_without_the_filter_is_a_note_among_others() {
    let config = format!(r#"{{"endpoints": ["/token"], "clients": [{CLIENT}]}}"#);
    let config = file("files/own/config.json", config);
    let other = file("files/own/other.yaml", "a: 1\n");
    let all = found(&[&config, &other]);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((all[0].0.as_str(), all[0].1.as_str()), ("note", "other.yaml"));
    let output = run(&["lint", &config, &other]);
    assert_eq!(code(&output), 0);
    assert!(text(&output).contains("no errors, nothing doubtful"), "{output:?}");
    // Without any configuration, and where nothing is found, there is no answer.
    let empty = Path::new(&other).with_file_name("empty");
    fs::create_dir_all(&empty).expect("the directory is ours");
    let empty = empty.to_string_lossy().into_owned();
    let only_others = file("files/others/a.yaml", "a: 1\n");
    file("files/others/b.yaml", "b: 1\n");
    let others = Path::new(&only_others).parent().expect("it has one").to_string_lossy();
    let nothing = format!("{others}/*.json");
    for (arguments, wanted) in [
        (&[other.as_str()][..], "no configuration of this filter in this file"),
        (&[&*others], "no configuration of this filter in 2 files"),
        (&[&empty], "no JSON or YAML file in this directory"),
        (&[&nothing], "no file matches"),
        // Such an argument is a mistake beside others, too.
        (&[&config, &nothing], "no file matches"),
        (&[&config, "/nowhere/file.yaml"], "/nowhere/file.yaml"),
        // A file that is named is meant.
        (&[&config, &file("files/own/broken.yaml", "a: [")], "neither JSON nor YAML"),
    ] {
        let output = run(&[&["lint"], arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(code(&output) == 2 && said.contains(wanted), "{arguments:?}: {output:?}");
    }
}

/// The findings of an Envoy do not depend on how many others are linted with it.
#[test]
fn hundreds_of_envoys_have_each_their_own_findings() {
    let one = include_str!("../../lint/envoy-second-listener.yaml");
    let alone = found(&[&file("hundreds/alone.yaml", one)]);
    assert!(!alone.is_empty(), "the case has findings");
    let paths: Vec<String> =
        (0..300).map(|number| file(&format!("hundreds/all/{number:03}.yaml"), one)).collect();
    let all = Path::new(&paths[0]).parent().expect("it has one").to_str().expect("UTF-8");
    let all = found(&[all]);
    assert_eq!(all.len(), 300 * alone.len());
    for (number, own) in all.chunks(alone.len()).enumerate() {
        let expected: Vec<_> = alone
            .iter()
            .map(|(severity, _, message)| {
                (severity.clone(), format!("{number:03}.yaml"), message.clone())
            })
            .collect();
        assert_eq!(own, expected);
    }
}
