//! Plugin configurations in files: by themselves, or inside what Envoy, Istio and Kubernetes read
//! and print.

use std::path::Path;

use serde_json::Value;

use crate::document::{self, Content, Lines, Member, Node};
use crate::input;
use crate::unusable::Unusable;

/// A plugin configuration, and where it comes from.
#[derive(Debug)]
pub struct Found {
    /// The configuration as the filter would get it.
    pub text: String,
    /// Where its lines stand in the file.
    lines: Lines,
    /// Where its values stand; none where it is not well-formed.
    places: Option<Node>,
    /// The wasm filter's own settings, where there are any beside the configuration.
    pub filter: Option<Filter>,
    /// The filter chain round the filter, where the file shows it.
    pub filter_chain: Option<FilterChain>,
    /// The document with it, and the JSON Pointer to the settings; none where the file is the
    /// configuration itself.
    pub settings: Option<(usize, String)>,
}

/// A file, and what is in it.
#[derive(Debug)]
pub struct File {
    /// Empty where the file is the configuration itself and not well-formed.
    pub documents: Vec<Node>,
    pub found: Vec<Found>,
}

/// What stands beside the configuration in the wasm filter's settings.
#[derive(Debug)]
pub struct Filter {
    /// Where they begin.
    pub line: usize,
    /// JSON Pointer in the document.
    pub pointer: String,
    pub kind: FilterKind,
    /// What happens after a fault.
    pub failure: Failure,
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
pub enum Failure {
    Open,
    Closed,
    Reload,
}

/// Where something stands.
#[derive(Clone, Debug)]
pub struct Spot {
    pub line: usize,
    /// JSON Pointer in the document.
    pub pointer: String,
}

impl Spot {
    fn of(node: &Node) -> Self {
        Self { line: node.line, pointer: node.pointer.clone() }
    }

    fn of_member(member: &Member) -> Self {
        Self { line: member.line, pointer: member.value.pointer.clone() }
    }
}

/// What the listener promises about connections that reach the filter.
#[derive(Debug)]
pub struct FilterChain {
    /// Where it begins.
    pub spot: Spot,
    pub transport: Transport,
    /// `per_connection_buffer_limit_bytes`.
    pub buffer_limit: Option<(u64, Spot)>,
    /// `forward_client_cert_details` of the connection manager.
    pub forward_client_cert_details: (String, Spot),
    /// Whether Envoy knows the name that a client asks for: a listener filter reads it, which Envoy
    /// adds by itself where a filter chain is chosen by it.
    pub knows_server_name: bool,
}

/// How clients connect.
#[derive(Debug)]
pub enum Transport {
    Plain,
    Tls(DownstreamTls),
    /// Another transport socket, of which nothing is known.
    Other,
}

/// Of Envoy's `DownstreamTlsContext`, what the meaning of a certificate depends on.
#[derive(Debug)]
pub struct DownstreamTls {
    /// Where it begins.
    pub spot: Spot,
    /// Whether it has authorities to verify certificates with, or gets them from elsewhere.
    pub verifies: bool,
    /// `ACCEPT_UNTRUSTED`; none: it is said elsewhere.
    pub accepts_untrusted: Option<bool>,
    /// Whether clients can resume a session, of either kind.
    pub resumes_sessions: bool,
    /// `suppress_client_ca_list`: clients do not learn which authorities are known.
    pub suppresses_authorities: bool,
}

impl Found {
    fn of_text(text: String, lines: Lines) -> Self {
        let places = Node::from_json(&text, lines);
        Self { text, lines, places, filter: None, filter_chain: None, settings: None }
    }

    fn of_tree(tree: &Node) -> Self {
        let text = tree.to_json().to_string();
        let lines = Lines::Within(tree.line);
        Self {
            text,
            lines,
            places: Some(tree.clone()),
            filter: None,
            filter_chain: None,
            settings: None,
        }
    }

    /// The line of the file with what a JSON Pointer names, or with the nearest value round it.
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
pub fn load(path: &Path) -> Result<File, Unusable> {
    let unusable = |why: &str| Unusable::new(format!("{}: {why}", path.display()));
    let content = input::bytes(path)?;
    let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&content);
    let text = std::str::from_utf8(content).map_err(|error| unusable(&error.to_string()))?;
    let documents = document::read(text);
    let mut found = Vec::new();
    for (number, document) in documents.iter().flatten().enumerate() {
        let all = documents.as_deref().unwrap_or_default();
        let place =
            Place { file: text, number, all, listener: None, filter_chain: None, manager: None };
        search(document, place, &mut found);
    }
    if !found.is_empty() {
        // Other wasm filters have configurations, too.
        let (own, others): (Vec<_>, Vec<_>) = found.into_iter().partition(Found::is_of_this_filter);
        return Ok(File {
            documents: documents.unwrap_or_default(),
            found: if own.is_empty() { others } else { own },
        });
    }
    // The configuration itself, or what somebody took for one: the filter says what is wrong with
    // it.
    let is_surrounding = documents.iter().flatten().any(is_surrounding);
    if text.trim_start().starts_with('{') && !is_surrounding {
        let found = vec![Found::of_text(text.to_owned(), Lines::After(0))];
        return Ok(File { documents: documents.unwrap_or_default(), found });
    }
    let documents = documents.map_err(|error| unusable(&format!("no YAML: {error}")))?;
    Ok(File { documents, found })
}

/// Why a file without a configuration is of no use.
pub fn without_configuration(path: &Path) -> Unusable {
    let why = "no configuration of this filter in this file: expected JSON, Envoy's wasm filter, \
        an EnvoyFilter, a WasmPlugin or an EnvoyExtensionPolicy; give a file that only surrounds \
        the filter (a Gateway, a policy) together with the file that has it";
    Unusable::new(format!("{}: {why}", path.display()))
}

/// Whether a document is of the kind that stands round the filter: a resource of Kubernetes, or
/// Envoy's own.
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

/// The only one of a file.
pub fn read_one(path: &Path) -> Result<Found, Unusable> {
    let mut found = load(path)?.found.into_iter();
    let Some(first) = found.next() else { return Err(without_configuration(path)) };
    // Several listeners may well have the same.
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

/// What is round a node.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: &'a str,
    /// Of the document.
    number: usize,
    all: &'a [Node],
    listener: Option<&'a Node>,
    filter_chain: Option<&'a Node>,
    /// The HTTP connection manager.
    manager: Option<&'a Node>,
}

fn search<'a>(node: &'a Node, mut place: Place<'a>, found: &mut Vec<Found>) {
    let in_policy = in_extension_policy(node);
    let ones =
        in_wasm_filter(node, place).or_else(|| in_wasm_plugin(node)).into_iter().chain(in_policy);
    let before = found.len();
    found.extend(ones.map(|(settings, one)| Found {
        settings: Some((place.number, settings.pointer.clone())),
        ..one
    }));
    if found.len() > before {
        return;
    }
    if node.member("filter_chains").or_else(|| node.member("default_filter_chain")).is_some() {
        place.listener = Some(node);
    } else if node.member("http_filters").is_some() {
        place.manager = Some(node);
    } else if node.member("filters").is_some() && place.manager.is_none() {
        // Within a connection manager they are those of `upgrade_configs`.
        place.filter_chain = Some(node);
    }
    node.children().for_each(|child| search(child, place, found));
}

/// `PluginConfig` of Envoy: it has a VM, and a configuration that may be this filter's.
fn in_wasm_filter<'a>(node: &'a Node, place: Place<'_>) -> Option<(&'a Node, Found)> {
    node.member("vm_config")?;
    let value = node.member("configuration")?.named("value")?;
    let found = match value.value.text() {
        Some(text) => Found::of_text(text.to_owned(), value.lines_of_text(place.file)),
        None => Found::of_tree(&value.value),
    };
    let failure = match node.member("failure_policy").and_then(Node::text) {
        Some("FAIL_RELOAD") => Failure::Reload,
        Some("FAIL_OPEN") => Failure::Open,
        // The older word for the same.
        _ if node.member("fail_open").is_some_and(Node::is_true) => Failure::Open,
        _ => Failure::Closed,
    };
    let kind = FilterKind::Envoy {
        allow_on_headers_stop_iteration: node
            .member("allow_on_headers_stop_iteration")
            .is_some_and(Node::is_true),
        is_structured: value.value.text().is_none(),
    };
    let filter = Some(Filter { line: node.line, pointer: node.pointer.clone(), kind, failure });
    Some((node, Found { filter, filter_chain: FilterChain::round(place), ..found }))
}

/// Istio's WasmPlugin or TrafficExtension.
fn in_wasm_plugin(node: &Node) -> Option<(&Node, Found)> {
    node.member("kind")
        .and_then(Node::text)
        .filter(|kind| ["WasmPlugin", "TrafficExtension"].contains(kind))?;
    let spec = node.member("spec")?;
    let plugin = spec.member("wasm").unwrap_or(spec);
    let failure = match plugin.member("failStrategy").and_then(Node::text) {
        Some("FAIL_OPEN") => Failure::Open,
        Some("FAIL_RELOAD") => Failure::Reload,
        _ => Failure::Closed,
    };
    let filter = Some(Filter {
        line: spec.line,
        pointer: spec.pointer.clone(),
        kind: FilterKind::WasmPlugin,
        failure,
    });
    Some((node, Found { filter, ..Found::of_tree(plugin.member("pluginConfig")?) }))
}

/// The wasm filters of Envoy Gateway's EnvoyExtensionPolicy.
fn in_extension_policy(node: &Node) -> Vec<(&Node, Found)> {
    let is_policy = node.member("kind").and_then(Node::text) == Some("EnvoyExtensionPolicy");
    let filters = node.member("spec").filter(|_| is_policy).and_then(|spec| spec.member("wasm"));
    let filters = filters.map(Node::elements).unwrap_or_default().iter();
    filters
        .filter_map(|filter| {
            let is_open = filter.member("failOpen").is_some_and(Node::is_true);
            let failure = if is_open { Failure::Open } else { Failure::Closed };
            let found = Found::of_tree(filter.member("config")?);
            let settings = Filter {
                line: filter.line,
                pointer: filter.pointer.clone(),
                kind: FilterKind::ExtensionPolicy,
                failure,
            };
            Some((filter, Found { filter: Some(settings), ..found }))
        })
        .collect()
}

impl FilterChain {
    fn round(place: Place<'_>) -> Option<Self> {
        let (listener, chain) = place.listener.zip(place.filter_chain)?;
        let buffer_limit = listener.named("per_connection_buffer_limit_bytes").and_then(|limit| {
            match &limit.value.content {
                Content::Number(octets) => Some((octets.as_u64()?, Spot::of_member(limit))),
                _ => None,
            }
        });
        let details =
            place.manager.and_then(|manager| manager.named("forward_client_cert_details"));
        let details = details
            .and_then(|member| Some((member.value.text()?.to_owned(), Spot::of_member(member))));
        // What Envoy does unless it is told.
        let details = details
            .unwrap_or_else(|| ("SANITIZE".to_owned(), Spot::of(place.manager.unwrap_or(chain))));
        Some(Self {
            spot: Spot::of(chain),
            transport: Transport::of(chain, place),
            buffer_limit,
            forward_client_cert_details: details,
            knows_server_name: knows_server_name(listener),
        })
    }
}

fn knows_server_name(listener: &Node) -> bool {
    const INSPECTOR: &str = "tls_inspector";
    let elements = |name| listener.member(name).map(Node::elements).unwrap_or_default().iter();
    let is_inspector = |filter: &Node| {
        let kind = filter.member("typed_config").and_then(|config| config.member("@type"));
        [kind, filter.member("name")]
            .into_iter()
            .flatten()
            .filter_map(Node::text)
            .any(|text| text.contains(INSPECTOR))
    };
    let is_chosen_by_name = |chain: &Node| {
        let names =
            chain.member("filter_chain_match").and_then(|wanted| wanted.member("server_names"));
        names.is_some_and(|names| !names.elements().is_empty())
    };
    elements("listener_filters").any(is_inspector)
        || elements("filter_chains").any(is_chosen_by_name)
}

impl FilterChain {
    /// Whether no certificate comes in by it that it could not verify.
    pub fn refuses_untrusted(&self) -> bool {
        matches!(&self.transport, Transport::Tls(tls) if tls.verifies && tls.accepts_untrusted == Some(false))
    }
}

impl Transport {
    fn of(chain: &Node, place: Place<'_>) -> Self {
        let Some(socket) = chain.member("transport_socket") else { return Self::Plain };
        if socket.member("name").and_then(Node::text) == Some("envoy.transport_sockets.raw_buffer")
        {
            return Self::Plain;
        }
        let config = socket.member("typed_config");
        // QUIC has its TLS one level below.
        let context = config.and_then(|config| config.member("downstream_tls_context")).or(config);
        match context {
            Some(context) if context.member("common_tls_context").is_some() => {
                Self::Tls(DownstreamTls::of(context, place))
            }
            _ => Self::Other,
        }
    }
}

impl DownstreamTls {
    fn of(context: &Node, place: Place<'_>) -> Self {
        let common = context.member("common_tls_context");
        let of_common = |name: &str| common.and_then(|common| common.member(name));
        let combined = of_common("combined_validation_context");
        let of_combined = |name: &str| combined.and_then(|combined| combined.member(name));
        let secret = of_common("validation_context_sds_secret_config")
            .or_else(|| of_combined("validation_context_sds_secret_config"));
        let secret_name = secret.and_then(|secret| secret.member("name")).and_then(Node::text);
        // A secret of the same file is known, another one is not.
        let by_secret = secret_name.and_then(|name| {
            place.all.iter().find_map(|document| validation_secret(document, name))
        });
        let contexts =
            [of_common("validation_context"), of_combined("default_validation_context"), by_secret];
        let known = || contexts.iter().flatten();
        let is_elsewhere = secret.is_some() && by_secret.is_none();
        let mut verification =
            known().filter_map(|context| context.member("trust_chain_verification")?.text());
        Self {
            spot: Spot::of(context),
            verifies: is_elsewhere || known().any(|context| context.member("trusted_ca").is_some()),
            accepts_untrusted: match verification.any(|word| word == "ACCEPT_UNTRUSTED") {
                false if is_elsewhere => None,
                accepts => Some(accepts),
            },
            suppresses_authorities: known().any(|context| {
                context.member("suppress_client_ca_list").is_some_and(Node::is_true)
            }),
            resumes_sessions: ![
                "disable_stateless_session_resumption",
                "disable_stateful_session_resumption",
            ]
            .iter()
            .all(|name| context.member(name).is_some_and(Node::is_true)),
        }
    }
}

/// The validation context of the secret of this name.
fn validation_secret<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let is_it = node.member("name").and_then(Node::text) == Some(name);
    let own = node.member("validation_context").filter(|_| is_it);
    own.or_else(|| node.children().find_map(|child| validation_secret(child, name)))
}
