//! Plugin configurations in files: as JSON, or inside the YAML of Envoy and of Istio, be it written as JSON; and where in the
//! file each value stands.

use std::fs;
use std::io::{self, Read as _};
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
    /// The filter chain round the filter, where the file shows it.
    pub filter_chain: Option<FilterChain>,
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

/// What the listener promises about connections that reach the filter.
#[derive(Debug)]
pub struct FilterChain {
    /// Where it begins.
    pub line: usize,
    /// `None`: clients connect without TLS.
    pub tls: Option<DownstreamTls>,
    /// `per_connection_buffer_limit_bytes`, and its line.
    pub buffer_limit: Option<(u64, usize)>,
}

/// Of Envoy's `DownstreamTlsContext`, what the meaning of a certificate depends on.
#[derive(Debug)]
pub struct DownstreamTls {
    /// Where it begins.
    pub line: usize,
    /// Whether it has, or gets by SDS, authorities to verify certificates with.
    pub verifies: bool,
    /// `ACCEPT_UNTRUSTED`.
    pub accepts_untrusted: bool,
    /// Whether clients can resume a session, of either kind.
    pub resumes_sessions: bool,
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

/// The content of a file; `-` is standard input.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Unusable> {
    let read = if path == Path::new("-") {
        let mut content = Vec::new();
        io::stdin().lock().read_to_end(&mut content).map(|_| content)
    } else {
        fs::read(path)
    };
    read.map_err(|error| Unusable::new(format!("{}: {error}", path.display())))
}

/// Every plugin configuration in a file.
pub fn read(path: &Path) -> Result<Vec<Found>, Unusable> {
    let unusable = |why: String| Unusable::new(format!("{}: {why}", path.display()));
    let text = String::from_utf8(bytes(path)?).map_err(|error| unusable(error.to_string()))?;
    // JSON is YAML: one search finds the filter in a bootstrap, in a manifest, and in what their tools print of them.
    let documents = MarkedYaml::load_from_str(&text);
    let mut found = Vec::new();
    for document in documents.iter().flatten() {
        search(document, Place { file: &text, listener: None, filter_chain: None }, &mut found);
    }
    // Other wasm filters have configurations, too.
    let (own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(is_of_this_filter);
    let found = if own.is_empty() { others } else { own };
    if !found.is_empty() {
        return Ok(found);
    }
    // The configuration itself, or what somebody took for one: the filter says what is wrong with it.
    if text.trim_start().starts_with('{') {
        let lines = documents.ok().and_then(|documents| Some(lines_of(documents.first()?, 0))).unwrap_or_default();
        return Ok(vec![Found { text, lines, filter: None, filter_chain: None }]);
    }
    documents.map_err(|error| unusable(format!("no YAML: {error}")))?;
    Err(unusable("no configuration of this filter: expected JSON, Envoy's wasm filter, or a WasmPlugin".to_owned()))
}

/// The only one of a file.
pub fn read_one(path: &Path) -> Result<Found, Unusable> {
    let mut found = read(path)?;
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(Unusable::new(format!("{}: more than one configuration of this filter", path.display()))),
    }
}

/// Whether a configuration found in a larger file has a member that this filter's have; a mistaken one mostly still has.
fn is_of_this_filter(found: &Found) -> bool {
    let json = serde_json::from_str::<Value>(&found.text).unwrap_or_default();
    ["clients", "registry", "tenants", "endpoints"].into_iter().any(|name| json.get(name).is_some())
}

/// What is round a node.
#[derive(Clone, Copy)]
struct Place<'n, 'i> {
    file: &'n str,
    listener: Option<&'n MarkedYaml<'i>>,
    filter_chain: Option<&'n MarkedYaml<'i>>,
}

fn search<'n, 'i>(node: &'n MarkedYaml<'i>, mut place: Place<'n, 'i>, found: &mut Vec<Found>) {
    if let Some(one) = in_wasm_filter(node, place).or_else(|| in_wasm_plugin(node)) {
        found.push(one);
        return;
    }
    if member(node, "filter_chains").is_some() {
        place.listener = Some(node);
    } else if member(node, "filters").is_some() {
        place.filter_chain = Some(node);
    }
    match &node.data {
        YamlData::Mapping(members) => members.values().for_each(|member| search(member, place, found)),
        YamlData::Sequence(elements) => elements.iter().for_each(|element| search(element, place, found)),
        _ => {}
    }
}

/// `PluginConfig` of Envoy: it has a VM, and a configuration that may be this filter's.
fn in_wasm_filter(node: &MarkedYaml<'_>, place: Place<'_, '_>) -> Option<Found> {
    member(node, "vm_config")?;
    let value = member(member(node, "configuration")?, "value")?;
    let filter = Filter {
        line: node.span.start.line(),
        allow_on_headers_stop_iteration: is_true(member(node, "allow_on_headers_stop_iteration")),
        failure_policy: member(node, "failure_policy").and_then(string).map(str::to_owned),
        is_structured: string(value).is_none(),
    };
    let (text, lines) = match string(value) {
        Some(text) => (text.to_owned(), lines_of_scalar(value, text, place.file)),
        None => (to_json(value).to_string(), lines_of(value, 0)),
    };
    let filter_chain = place.listener.zip(place.filter_chain).map(|(listener, chain)| FilterChain::of(listener, chain));
    Some(Found { text, lines, filter: Some(filter), filter_chain })
}

/// The lines of a configuration that is a string.
fn lines_of_scalar(scalar: &MarkedYaml<'_>, text: &str, file: &str) -> Lines {
    let line = scalar.span.start.line();
    match file.chars().nth(scalar.span.start.index()) {
        // Line ends in it are written as escapes, or folded away.
        Some('"' | '\'') => Lines(vec![(String::new(), line)]),
        // Where its text begins, be it a block below its indicator or a scalar behind its key.
        _ => lines_of_json(text, line.saturating_sub(1)),
    }
}

/// Istio's WasmPlugin.
fn in_wasm_plugin(node: &MarkedYaml<'_>) -> Option<Found> {
    member(node, "kind").and_then(string).filter(|kind| *kind == "WasmPlugin")?;
    let configuration = member(member(node, "spec")?, "pluginConfig")?;
    let text = to_json(configuration).to_string();
    Some(Found { text, lines: lines_of(configuration, 0), filter: None, filter_chain: None })
}

impl FilterChain {
    fn of(listener: &MarkedYaml<'_>, chain: &MarkedYaml<'_>) -> Self {
        let limit = member(listener, "per_connection_buffer_limit_bytes");
        let buffer_limit = limit.and_then(|limit| match limit.data {
            YamlData::Value(Scalar::Integer(octets)) => Some((octets.try_into().ok()?, limit.span.start.line())),
            _ => None,
        });
        let socket = member(chain, "transport_socket").and_then(|socket| member(socket, "typed_config"));
        Self { line: chain.span.start.line(), tls: socket.map(DownstreamTls::of), buffer_limit }
    }
}

impl DownstreamTls {
    fn of(context: &MarkedYaml<'_>) -> Self {
        let common = member(context, "common_tls_context");
        let validation = common.and_then(|common| {
            let combined = member(common, "combined_validation_context");
            combined
                .and_then(|combined| member(combined, "default_validation_context"))
                .or_else(|| member(common, "validation_context"))
        });
        let by_sds = ["validation_context_sds_secret_config", "combined_validation_context"];
        let verification = validation.and_then(|validation| member(validation, "trust_chain_verification")).and_then(string);
        let disabled = ["disable_stateless_session_resumption", "disable_stateful_session_resumption"];
        Self {
            line: context.span.start.line(),
            verifies: validation.is_some_and(|validation| member(validation, "trusted_ca").is_some())
                || common.is_some_and(|common| by_sds.iter().any(|name| member(common, name).is_some())),
            accepts_untrusted: verification == Some("ACCEPT_UNTRUSTED"),
            resumes_sessions: !disabled.iter().all(|name| is_true(member(context, name))),
        }
    }
}

/// A member, in either of the two spellings that protobuf's JSON has for a name.
fn member<'n, 'i>(node: &'n MarkedYaml<'i>, name: &str) -> Option<&'n MarkedYaml<'i>> {
    let YamlData::Mapping(members) = &node.data else { return None };
    let is_named = |key: &str| key == name || (!key.contains('_') && key == lower_camel_case(name));
    members.iter().find(|(key, _)| string(key).is_some_and(is_named)).map(|(_, value)| value)
}

fn lower_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut rest = word.chars();
        name.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        name + rest.as_str()
    })
}

fn is_true(node: Option<&MarkedYaml<'_>>) -> bool {
    node.is_some_and(|node| matches!(node.data, YamlData::Value(Scalar::Boolean(true))))
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
