//! Plugin configurations in files: by themselves, or inside what Envoy, Istio and Kubernetes read
//! and print.

mod listener;
mod search;

use std::path::Path;

use tls_client_auth::inspect::configuration_value;

pub use self::listener::{CLIENT_CERT_DETAILS, DownstreamTls, ListenerSettings, Transport};
use crate::document::{self, Content, Lines, Node, NodeMember, config_map};
use crate::input;
use crate::unusable::Unusable;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// How to correct a configuration that begins with one.
pub const NO_BYTE_ORDER_MARK: &str = "the configuration begins with a byte order mark (U+FEFF), \
    which the filter refuses: save it as UTF-8 without one";

/// A plugin configuration, and where it comes from.
#[derive(Debug)]
pub struct FoundConfig {
    /// The configuration as the filter would get it, without a byte order mark.
    pub text: String,
    /// Whether it begins with a byte order mark, which the filter refuses.
    pub has_byte_order_mark: bool,
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
    /// The last segment of where the module is; `None` = that is not said here.
    pub module: Option<String>,
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

impl FailurePolicy {
    /// By the word of `envoy.extensions.wasm.v3.FailurePolicy`, or by its number; none where it
    /// leaves the default in force.
    pub fn of_word(node: &Node) -> Option<Self> {
        match &node.content {
            Content::Text(word) => match word.as_str() {
                "FAIL_RELOAD" => Some(Self::Reload),
                "FAIL_CLOSED" => Some(Self::Closed),
                "FAIL_OPEN" => Some(Self::Open),
                _ => None,
            },
            Content::Number(number) => match number.as_u64() {
                Some(1) => Some(Self::Reload),
                Some(2) => Some(Self::Closed),
                Some(3) => Some(Self::Open),
                _ => None,
            },
            _ => None,
        }
    }
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
    fn of_text(text: &str, lines: Lines) -> Self {
        let stripped = text.strip_prefix(BYTE_ORDER_MARK);
        let text = stripped.unwrap_or(text).to_owned();
        Self {
            places: Node::from_json(&text, lines),
            text,
            has_byte_order_mark: stripped.is_some(),
            lines,
            filter: None,
            listener: None,
            settings: None,
        }
    }

    fn of_tree(tree: &Node) -> Self {
        let text = tree.to_json().to_string();
        let lines = Lines::Within(tree.line);
        Self {
            text,
            has_byte_order_mark: false,
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
        match configuration_value(self.text.as_bytes()) {
            Some(json) => MEMBERS.iter().any(|name| json.get(name).is_some()),
            None => MEMBERS.iter().any(|name| self.text.contains(&format!("\"{name}\""))),
        }
    }
}

/// Every plugin configuration in a file, which may have none. The file is meant as one, so that a
/// JSON object is a configuration, whatever its members are.
///
/// # Errors
/// The file cannot be read.
pub fn load(path: &Path) -> Result<ConfigFile, Unusable> {
    let content = input::bytes(path)?;
    parse(&content, Expected::Configuration)
        .map_err(|why| Unusable::new(format!("{}: {why}", path.display())))
}

/// What a file is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A configuration, or a file with one: it was named.
    Configuration,
    /// Any file of a directory.
    Anything,
}

/// Every plugin configuration in the content of a file.
///
/// # Errors
/// It is neither JSON nor YAML.
pub fn parse(content: &[u8], expected: Expected) -> Result<ConfigFile, String> {
    let whole = std::str::from_utf8(content).map_err(|error| error.to_string())?;
    let text = whole.strip_prefix(BYTE_ORDER_MARK).unwrap_or(whole);
    let documents = document::read(text).and_then(|mut documents| {
        documents.append(&mut config_map::configurations(&documents, text)?);
        Ok(documents)
    });
    let found = search::find(text, documents.as_deref().unwrap_or_default());
    if !found.is_empty() {
        // Other wasm filters have configurations, too.
        let (own, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(FoundConfig::is_of_this_filter);
        let is_own = !own.is_empty() || expected == Expected::Anything;
        return Ok(ConfigFile {
            documents: documents.unwrap_or_default(),
            found: if is_own { own } else { others },
        });
    }
    // The configuration itself, or what was taken for one: the filter reports what is wrong.
    let is_surrounding = documents.iter().flatten().any(is_surrounding);
    if text.trim_start().starts_with('{') && !is_surrounding {
        let own = FoundConfig::of_text(whole, Lines::After(0));
        let is_own = expected == Expected::Configuration || own.is_of_this_filter();
        let found = is_own.then_some(own).into_iter().collect();
        return Ok(ConfigFile { documents: documents.unwrap_or_default(), found });
    }
    Ok(ConfigFile { documents: documents?, found })
}

/// Why a file without a configuration cannot be used.
pub fn without_configuration(path: &Path) -> Unusable {
    let why = "no configuration of this filter in this file: expected JSON, Envoy's wasm filter, \
        also in a ConfigMap, an EnvoyFilter, a WasmPlugin, a TrafficExtension or an \
        EnvoyExtensionPolicy; give a file that only surrounds the filter (a Gateway, a \
        ClientTrafficPolicy) together with the file that has it";
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
    if first.has_byte_order_mark {
        return Err(Unusable::new(format!("{}: {}", path.display(), NO_BYTE_ORDER_MARK)));
    }
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
