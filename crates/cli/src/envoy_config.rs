//! Plugin configurations in files: by themselves, or inside what Envoy, Istio and Kubernetes read
//! and print.

mod listener;
mod search;

use std::path::Path;

use serde_json::Value;

pub use self::listener::{DownstreamTls, ListenerSettings, Transport};
use crate::document::{self, Lines, Node, NodeMember};
use crate::input;
use crate::unusable::Unusable;

/// A plugin configuration, and where it comes from.
#[derive(Debug)]
pub struct FoundConfig {
    /// The configuration as the filter would get it.
    pub text: String,
    /// Where its lines are in the file.
    lines: Lines,
    /// Where its values are; none if it is not well-formed.
    places: Option<Node>,
    /// The wasm filter's own settings, where there are any beside the configuration.
    pub filter: Option<FilterSettings>,
    /// The settings of the listener and filter chain with the filter, where the file shows them.
    pub listener: Option<ListenerSettings>,
    /// The document with it, and the JSON Pointer to the settings; none where the file is the
    /// configuration itself.
    pub settings: Option<(usize, String)>,
}

/// A file, and what is in it.
#[derive(Debug)]
pub struct ConfigFile {
    /// Empty where the file is the configuration itself and not well-formed.
    pub documents: Vec<Node>,
    pub found: Vec<FoundConfig>,
}

/// What the wasm filter's settings have beside the configuration.
#[derive(Debug)]
pub struct FilterSettings {
    /// Where they begin.
    pub line: usize,
    /// JSON Pointer in the document.
    pub pointer: String,
    pub kind: FilterKind,
    /// What happens after a fault.
    pub failure: FailurePolicy,
}

#[derive(Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// Envoy's own.
    Envoy {
        allow_on_headers_stop_iteration: bool,
        /// The configuration is YAML, not a string; Envoy hands that to the module as protobuf.
        is_structured: bool,
    },
    /// Istio's `WasmPlugin`, or the `TrafficExtension` that follows it.
    WasmPlugin,
    /// An element of `wasm` of Envoy Gateway's `EnvoyExtensionPolicy`.
    ExtensionPolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    Open,
    Closed,
    Reload,
}

/// A place in a document.
#[derive(Clone, Debug)]
pub struct Position {
    pub line: usize,
    /// JSON Pointer in the document.
    pub pointer: String,
}

impl Position {
    fn of(node: &Node) -> Self {
        Self { line: node.line, pointer: node.pointer.clone() }
    }

    fn of_member(member: &NodeMember) -> Self {
        Self { line: member.line, pointer: member.value.pointer.clone() }
    }
}

impl FoundConfig {
    fn of_text(text: String, lines: Lines) -> Self {
        let places = Node::from_json(&text, lines);
        Self { text, lines, places, filter: None, listener: None, settings: None }
    }

    fn of_tree(tree: &Node) -> Self {
        let text = tree.to_json().to_string();
        let lines = Lines::Within(tree.line);
        Self {
            text,
            lines,
            places: Some(tree.clone()),
            filter: None,
            listener: None,
            settings: None,
        }
    }

    /// The line of the file with what a JSON Pointer names, or with the nearest value around it.
    pub fn line_of(&self, pointer: &str) -> usize {
        self.places.as_ref().map_or_else(|| self.line(1), |places| places.line_of(pointer))
    }

    /// The line of the file with this line of the text.
    pub fn line(&self, of_text: usize) -> usize {
        self.lines.line(of_text)
    }

    /// Whether it is this filter's, and not that of another one in the same file.
    fn is_of_this_filter(&self) -> bool {
        const MEMBERS: [&str; 4] = ["clients", "registry", "tenants", "endpoints"];
        match serde_json::from_str::<Value>(&self.text) {
            Ok(json) => MEMBERS.iter().any(|name| json.get(name).is_some()),
            Err(_) => MEMBERS.iter().any(|name| self.text.contains(&format!("\"{name}\""))),
        }
    }
}

/// Every plugin configuration in a file, which may have none.
pub fn load(path: &Path) -> Result<ConfigFile, Unusable> {
    let unusable = |why: &str| Unusable::new(format!("{}: {why}", path.display()));
    let content = input::bytes(path)?;
    let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&content);
    let text = std::str::from_utf8(content).map_err(|error| unusable(&error.to_string()))?;
    let documents = document::read(text);
    let found = search::find(text, documents.as_deref().unwrap_or_default());
    if !found.is_empty() {
        // Other wasm filters have configurations, too.
        let (own, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(FoundConfig::is_of_this_filter);
        return Ok(ConfigFile {
            documents: documents.unwrap_or_default(),
            found: if own.is_empty() { others } else { own },
        });
    }
    // The configuration itself, or what was taken for one: the filter reports what is wrong.
    let is_surrounding = documents.iter().flatten().any(is_surrounding);
    if text.trim_start().starts_with('{') && !is_surrounding {
        let found = vec![FoundConfig::of_text(text.to_owned(), Lines::After(0))];
        return Ok(ConfigFile { documents: documents.unwrap_or_default(), found });
    }
    let documents = documents.map_err(|error| unusable(&format!("no YAML: {error}")))?;
    Ok(ConfigFile { documents, found })
}

/// Why a file without a configuration cannot be used.
pub fn without_configuration(path: &Path) -> Unusable {
    let why = "no configuration of this filter in this file: expected JSON, Envoy's wasm filter, \
        an EnvoyFilter, a WasmPlugin or an EnvoyExtensionPolicy; give a file that only surrounds \
        the filter (a Gateway, a policy) together with the file that has it";
    Unusable::new(format!("{}: {why}", path.display()))
}

/// Whether a document is of a kind that surrounds the filter: a resource of Kubernetes, or one of
/// Envoy.
pub fn is_surrounding(document: &Node) -> bool {
    let is_resource = document.member("kind").is_some() && document.member("apiVersion").is_some();
    is_resource
        || [
            "static_resources",
            "dynamic_resources",
            "filter_chains",
            "virtual_hosts",
            "load_assignment",
            "resources",
            "configs",
        ]
        .iter()
        .any(|name| document.member(name).is_some())
}

/// The only configuration in a file.
pub fn read_one(path: &Path) -> Result<FoundConfig, Unusable> {
    let mut found = load(path)?.found.into_iter();
    let Some(first) = found.next() else { return Err(without_configuration(path)) };
    // Several listeners can have the same.
    match found.find(|other| other.text != first.text) {
        None => Ok(first),
        Some(other) => Err(Unusable::new(format!(
            "{}: more than one configuration of this filter, in line {} and in line {}: put the \
             one that is meant into a file of its own",
            path.display(),
            first.line(1),
            other.line(1),
        ))),
    }
}
