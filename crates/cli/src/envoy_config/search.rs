//! Where plugin configurations are in what Envoy, Istio and Kubernetes read and print.

use super::{FailurePolicy, FilterKind, FilterSettings, FoundConfig, ListenerSettings};
use crate::document::Node;

/// What surrounds a node.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    file: &'a str,
    /// The number of the document.
    number: usize,
    all: &'a [Node],
    listener: Option<&'a Node>,
    filter_chain: Option<&'a Node>,
    /// The HTTP connection manager.
    manager: Option<&'a Node>,
}

/// The configurations in all documents of a file; `file` = its text.
pub(super) fn find(file: &str, documents: &[Node]) -> Vec<FoundConfig> {
    let mut found = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let surroundings = Surroundings {
            file,
            number,
            all: documents,
            listener: None,
            filter_chain: None,
            manager: None,
        };
        search(document, surroundings, &mut found);
    }
    found
}

fn search<'a>(node: &'a Node, mut surroundings: Surroundings<'a>, found: &mut Vec<FoundConfig>) {
    let in_policy = in_extension_policy(node);
    let ones = in_wasm_filter(node, surroundings)
        .or_else(|| in_wasm_plugin(node))
        .into_iter()
        .chain(in_policy);
    let before = found.len();
    found.extend(ones.map(|(settings, one)| FoundConfig {
        settings: Some((surroundings.number, settings.pointer.clone())),
        ..one
    }));
    if found.len() > before {
        return;
    }
    if node.member("filter_chains").or_else(|| node.member("default_filter_chain")).is_some() {
        surroundings.listener = Some(node);
    } else if node.member("http_filters").is_some() {
        surroundings.manager = Some(node);
    } else if node.member("filters").is_some() && surroundings.manager.is_none() {
        // Within a connection manager they are those of `upgrade_configs`.
        surroundings.filter_chain = Some(node);
    }
    node.children().for_each(|child| search(child, surroundings, found));
}

impl Surroundings<'_> {
    fn listener_settings(self) -> Option<ListenerSettings> {
        let (listener, chain) = self.listener.zip(self.filter_chain)?;
        Some(ListenerSettings::of(listener, chain, self.manager, self.all))
    }
}

/// `PluginConfig` of Envoy: it has a VM, and a configuration that may be this filter's.
fn in_wasm_filter<'a>(
    node: &'a Node,
    surroundings: Surroundings<'_>,
) -> Option<(&'a Node, FoundConfig)> {
    node.member("vm_config")?;
    let value = node.member("configuration")?.named("value")?;
    let found = match value.value.text() {
        Some(text) => FoundConfig::of_text(text, value.lines_of_text(surroundings.file)),
        None => FoundConfig::of_tree(&value.value),
    };
    let failure = match node.member("failure_policy").and_then(FailurePolicy::of_word) {
        Some(policy) => policy,
        // The older name of the same setting.
        None if node.member("fail_open").is_some_and(Node::is_true) => FailurePolicy::Open,
        None => FailurePolicy::Closed,
    };
    let kind = FilterKind::Envoy {
        allow_on_headers_stop_iteration: node
            .member("allow_on_headers_stop_iteration")
            .is_some_and(Node::is_true),
        is_structured: value.value.text().is_none(),
    };
    let code = node.member("vm_config").and_then(|vm| vm.member("code"));
    let local = code.and_then(|code| code.member("local")?.member("filename"));
    let remote = code.and_then(|code| code.member("remote")?.member("http_uri")?.member("uri"));
    let module = local.or(remote).and_then(last_segment);
    let filter = Some(FilterSettings {
        line: node.line,
        pointer: node.pointer.clone(),
        kind,
        failure,
        module,
    });
    Some((node, FoundConfig { filter, listener: surroundings.listener_settings(), ..found }))
}

/// The last segment of a path or a URL.
fn last_segment(place: &Node) -> Option<String> {
    place.text()?.split(['?', '#']).next()?.rsplit('/').next().map(str::to_owned)
}

/// Istio's WasmPlugin or TrafficExtension.
fn in_wasm_plugin(node: &Node) -> Option<(&Node, FoundConfig)> {
    node.member("kind")
        .and_then(Node::text)
        .filter(|kind| ["WasmPlugin", "TrafficExtension"].contains(kind))?;
    let spec = node.member("spec")?;
    let plugin = spec.member("wasm").unwrap_or(spec);
    let failure = match plugin.member("failStrategy").and_then(Node::text) {
        Some("FAIL_OPEN") => FailurePolicy::Open,
        Some("FAIL_RELOAD") => FailurePolicy::Reload,
        _ => FailurePolicy::Closed,
    };
    let filter = Some(FilterSettings {
        line: spec.line,
        pointer: spec.pointer.clone(),
        kind: FilterKind::WasmPlugin,
        failure,
        module: plugin.member("url").and_then(last_segment),
    });
    Some((node, FoundConfig { filter, ..FoundConfig::of_tree(plugin.member("pluginConfig")?) }))
}

/// The wasm filters of Envoy Gateway's EnvoyExtensionPolicy.
fn in_extension_policy(node: &Node) -> Vec<(&Node, FoundConfig)> {
    let is_policy = node.member("kind").and_then(Node::text) == Some("EnvoyExtensionPolicy");
    let filters = node.member("spec").filter(|_| is_policy).and_then(|spec| spec.member("wasm"));
    let filters = filters.map(Node::elements).unwrap_or_default().iter();
    filters
        .filter_map(|filter| {
            let is_open = filter.member("failOpen").is_some_and(Node::is_true);
            let failure = if is_open { FailurePolicy::Open } else { FailurePolicy::Closed };
            let found = FoundConfig::of_tree(filter.member("config")?);
            let code = filter.member("code");
            let settings = FilterSettings {
                line: filter.line,
                pointer: filter.pointer.clone(),
                kind: FilterKind::ExtensionPolicy,
                failure,
                module: code
                    .and_then(|code| code.member("http")?.member("url"))
                    .and_then(last_segment),
            };
            Some((filter, FoundConfig { filter: Some(settings), ..found }))
        })
        .collect()
}
