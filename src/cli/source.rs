//! Plugin configurations in files: as JSON, or inside the YAML of Envoy and of Istio; and where in the file each value stands.

use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};
use serde_json::{Map, Value};

use super::Unusable;

/// A plugin configuration, and where it comes from.
#[derive(Debug)]
pub struct Found {
    /// The configuration as the filter would get it.
    pub text: String,
    lines: Lines,
    /// The wasm filter's own settings, where there are any beside the configuration.
    pub filter: Option<Filter>,
}

/// What stands beside the configuration in the wasm filter's settings.
#[derive(Debug)]
pub struct Filter {
    /// Where they begin.
    pub line: usize,
    pub allow_on_headers_stop_iteration: bool,
    pub failure_policy: Option<String>,
    /// The configuration is YAML, not a string; Envoy hands that to the module as protobuf.
    pub is_structured: bool,
}

/// The line of each value, by JSON Pointer.
#[derive(Debug, Default)]
struct Lines(Vec<(String, usize)>);

impl Found {
    /// The line of a value, or of the nearest value round it.
    pub fn line(&self, pointer: &str) -> Option<usize> {
        let mut pointer = pointer;
        loop {
            if let Some((_, line)) = self.lines.0.iter().find(|(known, _)| known == pointer) {
                return Some(*line);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }
}

/// Every plugin configuration in a file.
pub fn read(path: &Path) -> Result<Vec<Found>, Unusable> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| Unusable::new(format!("{name}: {error}")))?;
    if text.trim_start().starts_with('{') {
        let lines = lines_of_json(&text, 0);
        return Ok(vec![Found { text, lines, filter: None }]);
    }
    let documents = MarkedYaml::load_from_str(&text).map_err(|error| Unusable::new(format!("{name}: no YAML: {error}")))?;
    let mut found = Vec::new();
    for document in &documents {
        search(document, &mut found);
    }
    if found.is_empty() {
        return Err(Unusable::new(format!(
            "{name}: no configuration of this filter: expected JSON, Envoy's wasm filter, or a WasmPlugin"
        )));
    }
    Ok(found)
}

/// The only one of a file.
pub fn read_one(path: &Path) -> Result<Found, Unusable> {
    let mut found = read(path)?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(Unusable::new(format!("{}: more than one configuration of this filter", path.display()))),
    }
}

fn search(node: &MarkedYaml<'_>, found: &mut Vec<Found>) {
    if let Some(one) = in_wasm_filter(node).or_else(|| in_wasm_plugin(node)) {
        found.push(one);
        return;
    }
    match &node.data {
        YamlData::Mapping(members) => members.values().for_each(|member| search(member, found)),
        YamlData::Sequence(elements) => elements.iter().for_each(|element| search(element, found)),
        _ => {}
    }
}

/// `PluginConfig` of Envoy: it has a VM, and a configuration that may be this filter's.
fn in_wasm_filter(node: &MarkedYaml<'_>) -> Option<Found> {
    member(node, "vm_config")?;
    let configuration = member(node, "configuration")?;
    let mut filter = Filter {
        line: node.span.start.line(),
        allow_on_headers_stop_iteration: member(node, "allow_on_headers_stop_iteration")
            .is_some_and(|value| matches!(value.data, YamlData::Value(Scalar::Boolean(true)))),
        failure_policy: member(node, "failure_policy").and_then(string).map(str::to_owned),
        is_structured: false,
    };
    let value = member(configuration, "value")?;
    match string(value) {
        Some(text) => {
            let text = text.to_owned();
            // Where its text begins, be it a block below its indicator or a scalar behind its key.
            let lines_before = value.span.start.line().saturating_sub(1);
            Some(Found { lines: lines_of_json(&text, lines_before), text, filter: Some(filter) })
        }
        None => {
            filter.is_structured = true;
            Some(Found { text: to_json(value).to_string(), lines: lines_of(value, 0), filter: Some(filter) })
        }
    }
}

/// Istio's WasmPlugin.
fn in_wasm_plugin(node: &MarkedYaml<'_>) -> Option<Found> {
    member(node, "kind").and_then(string).filter(|kind| *kind == "WasmPlugin")?;
    let configuration = member(member(node, "spec")?, "pluginConfig")?;
    Some(Found { text: to_json(configuration).to_string(), lines: lines_of(configuration, 0), filter: None })
}

fn member<'n, 'i>(node: &'n MarkedYaml<'i>, name: &str) -> Option<&'n MarkedYaml<'i>> {
    let YamlData::Mapping(members) = &node.data else { return None };
    members.iter().find(|(key, _)| string(key) == Some(name)).map(|(_, value)| value)
}

fn string<'n>(node: &'n MarkedYaml<'_>) -> Option<&'n str> {
    if let YamlData::Value(Scalar::String(text)) = &node.data { Some(text) } else { None }
}

fn to_json(node: &MarkedYaml<'_>) -> Value {
    match &node.data {
        YamlData::Value(Scalar::Boolean(value)) => Value::from(*value),
        YamlData::Value(Scalar::Integer(value)) => Value::from(*value),
        YamlData::Value(Scalar::FloatingPoint(value)) => Value::from(f64::from(*value)),
        YamlData::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        YamlData::Sequence(elements) => elements.iter().map(to_json).collect(),
        YamlData::Mapping(members) => {
            let members = members.iter().map(|(key, value)| (string(key).unwrap_or_default().to_owned(), to_json(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

/// JSON is YAML, so one reader of positions serves both; what it cannot read has none.
fn lines_of_json(text: &str, offset: usize) -> Lines {
    let documents = MarkedYaml::load_from_str(text).unwrap_or_default();
    documents.first().map(|document| lines_of(document, offset)).unwrap_or_default()
}

fn lines_of(node: &MarkedYaml<'_>, offset: usize) -> Lines {
    fn walk(node: &MarkedYaml<'_>, pointer: String, offset: usize, lines: &mut Vec<(String, usize)>) {
        match &node.data {
            YamlData::Mapping(members) => {
                for (key, value) in members {
                    let name = string(key).unwrap_or_default().replace('~', "~0").replace('/', "~1");
                    let pointer = format!("{pointer}/{name}");
                    lines.push((pointer.clone(), key.span.start.line() + offset));
                    walk(value, pointer, offset, lines);
                }
            }
            YamlData::Sequence(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    let pointer = format!("{pointer}/{index}");
                    lines.push((pointer.clone(), element.span.start.line() + offset));
                    walk(element, pointer, offset, lines);
                }
            }
            _ => {}
        }
    }
    let mut lines = vec![(String::new(), node.span.start.line() + offset)];
    walk(node, String::new(), offset, &mut lines);
    Lines(lines)
}
