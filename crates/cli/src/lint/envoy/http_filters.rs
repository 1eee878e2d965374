//! What Envoy's HTTP filters do to a request that this filter has decided on.

use std::collections::BTreeMap;

use super::jwt_authn::token_verification;
use super::matcher;
use crate::lint::graph::{Filter, FilterRole, WrittenHeader};
use crate::lint::located::{At, ConfigPlaces};

/// Filters that arrive by discovery or from elsewhere in the files, by name.
pub type DiscoveredFilters = BTreeMap<String, FilterRole>;

/// They answer, count, or add what no backend takes for a credential.
const HARMLESS: [&str; 47] = [
    "adaptive_concurrency",
    "admission_control",
    "alpn",
    "api_key_auth",
    "bandwidth_limit",
    "basic_auth",
    "buffer",
    "cache",
    "cache_v2",
    "cdn_loop",
    "compressor",
    "connect_grpc_bridge",
    "cors",
    "csrf",
    "custom_response",
    "decompressor",
    "dynamic_forward_proxy",
    "fault",
    "file_system_buffer",
    "gcp_authn",
    "geoip",
    "grpc_http1_bridge",
    "grpc_stats",
    "grpc_web",
    "header_to_metadata",
    "health_check",
    "ip_tagging",
    "istio_stats",
    "json_to_metadata",
    "jwt_authn",
    "kill_request",
    "local_ratelimit",
    "oauth2",
    "on_demand",
    "original_src",
    "peer_metadata",
    "proto_message_logging",
    "rate_limit_quota",
    "ratelimit",
    "rbac",
    "set_filter_state",
    "set_metadata",
    "stateful_session",
    "stats",
    "tap",
    "thrift_to_metadata",
    "metadata_exchange",
];

/// They may change path, method, headers or body.
const CHANGING: [(&str, &str); 19] = [
    ("wasm", "another wasm filter"),
    ("lua", "a Lua script"),
    ("ext_proc", "an external processor"),
    ("ext_authz", "an authorization service that may write headers"),
    ("golang", "a Go plugin"),
    ("dynamic_modules", "a dynamic module"),
    ("header_mutation", "a header mutation"),
    ("credential_injector", "a filter that writes credentials"),
    ("aws_request_signing", "a filter that writes credentials"),
    ("aws_lambda", "a filter that writes another request"),
    ("grpc_json_transcoder", "a transcoder"),
    ("grpc_json_reverse_transcoder", "a transcoder"),
    ("grpc_http1_reverse_bridge", "a transcoder"),
    ("grpc_field_extraction", "a transcoder"),
    ("proto_api_scrubber", "a transcoder"),
    ("transform", "a transformation"),
    ("set_path", "a transformation"),
    ("squash", "a filter that holds requests"),
    ("composite", "a filter that a matcher chooses"),
];

/// A filter of a connection manager or of a patch.
pub fn of(at: At<'_>, configs: &ConfigPlaces, named: &DiscoveredFilters) -> Filter {
    let name = at.text_of("name").unwrap_or_default();
    let typed = at.member("typed_config").map(|config| config.typed().0);
    Filter {
        is_disabled: at.is_true("disabled"),
        gap: gap(at, name, configs, named),
        headers: typed.map(written_headers).unwrap_or_default(),
        ..Filter::new(at.place(), name, role_of(at, name, configs, named))
    }
}

/// The request headers that settings of a harmless filter have it write: `jwt_authn`, `basic_auth`,
/// `api_key_auth`.
pub fn written_headers(config: At<'_>) -> Vec<WrittenHeader> {
    let providers = config.member("providers").into_iter().flat_map(At::members);
    let of_providers = providers.flat_map(|(_, provider)| {
        let claims = provider.list("claim_to_headers");
        let claims = claims.filter_map(|claim| claim.member("header_name"));
        claims.chain(provider.member("forward_payload_header")).collect::<Vec<_>>()
    });
    let names = of_providers
        .chain(config.member("forward_username_header"))
        .chain(config.path(&["forwarding", "header"]));
    names.filter_map(WrittenHeader::of).collect()
}

/// The request headers that routes in a value write, at any depth.
pub fn headers_of_routes(value: At<'_>) -> Vec<WrittenHeader> {
    let within = value.within().into_iter();
    let added = within.flat_map(|at| at.list("request_headers_to_add"));
    added.filter_map(written_header).collect()
}

/// A `HeaderValueOption`.
pub fn written_header(at: At<'_>) -> Option<WrittenHeader> {
    WrittenHeader::of(at.path(&["header", "key"])?)
}

/// How a filter can be left out unintentionally.
fn gap(
    at: At<'_>,
    name: &str,
    configs: &ConfigPlaces,
    named: &DiscoveredFilters,
) -> Option<&'static str> {
    let discovery = at.member("config_discovery");
    let default = discovery.and_then(|discovery| discovery.member("default_config"));
    let role = default.and_then(|default| this_filter(default, configs));
    if role.is_some() && !named.contains_key(name) {
        return Some(
            "what is discovered in place of default_config is not in these files, and may be \
             another filter: give lint the files with it too",
        );
    }
    let is_sure = role.is_some_and(|role| match role {
        FilterRole::ThisFilter { skips: Some(tree), .. } => !tree.can_skip(),
        _ => true,
    });
    if default.is_some() && !is_sure {
        return Some(
            "until its configuration is discovered, default_config runs in its place: leave \
             default_config out, and Envoy answers 500 until then",
        );
    }
    at.is_true("is_optional").then_some(
        "is_optional: an Envoy without wasm leaves the filter out, and every request \
            passes: remove it",
    )
}

/// A filter that a document defines, by the name under which it is discovered, if it is this one.
pub fn discovered(at: At<'_>, configs: &ConfigPlaces) -> Option<(String, FilterRole)> {
    Some((at.text_of("name")?.to_owned(), this_filter(at.member("typed_config")?, configs)?))
}

/// By its typed configuration: this filter, perhaps within a matcher.
fn this_filter(typed: At<'_>, configs: &ConfigPlaces) -> Option<FilterRole> {
    let config = configs.within(typed)?;
    let (inner, _) = typed.typed();
    let is_matched = inner.member("xds_matcher").or_else(|| inner.member("matcher")).is_some()
        && inner.member("extension_config").is_some();
    let skips = is_matched.then(|| matcher::tree(inner, configs));
    Some(FilterRole::ThisFilter { config, skips })
}

fn role_of(
    at: At<'_>,
    name: &str,
    configs: &ConfigPlaces,
    named: &DiscoveredFilters,
) -> FilterRole {
    let config = at.member("typed_config").or_else(|| at.member("config"));
    let by_discovery = at.member("config_discovery");
    if let Some(role) = config.and_then(|inner| this_filter(inner, configs)) {
        return role;
    }
    if let Some(config) = configs.at(at) {
        return FilterRole::ThisFilter { config, skips: None };
    }
    if let Some(discovery) = by_discovery {
        let default = discovery.member("default_config");
        let default = || default.and_then(|default| this_filter(default, configs));
        if let Some(role) = named.get(name).cloned().or_else(default) {
            return role;
        }
        let kinds: Vec<FilterRole> = discovery
            .list("type_urls")
            .filter_map(At::text)
            .map(|url| of_type(url, None))
            .collect();
        let changing = kinds
            .iter()
            .find(|kind| matches!(kind, FilterRole::Changes(_) | FilterRole::Unknown(_)));
        return changing
            .or(kinds.first())
            .cloned()
            .unwrap_or_else(|| FilterRole::Unknown(name.to_owned()));
    }
    let Some(config) = config else { return of_type(name, None) };
    let (config, url) = config.typed();
    let url = url.unwrap_or(name);
    if url.ends_with("ExtensionWithMatcher") {
        let inner = config.member("extension_config");
        return inner.map_or_else(
            || FilterRole::Unknown(name.to_owned()),
            |inner| role_of(inner, name, configs, named),
        );
    }
    of_type(url, Some(config))
}

/// The filters that the router of a connection manager runs behind all of its own.
pub fn behind_the_router(
    filter: At<'_>,
    configs: &ConfigPlaces,
    named: &DiscoveredFilters,
) -> Vec<Filter> {
    let typed = filter.member("typed_config").map(|config| config.typed().0);
    let listed = typed.into_iter().flat_map(|config| config.list("upstream_http_filters"));
    let all = listed.map(|at| of(at, configs, named)).map(|filter| match filter.role {
        // There it decides too late for what the routes have chosen.
        FilterRole::ThisFilter { .. } => {
            let role = FilterRole::Unknown(filter.name.clone());
            Filter { role, ..filter }
        }
        _ => filter,
    });
    let is_codec = |role: &FilterRole| match role {
        FilterRole::Unknown(kind) => kind.contains("upstream_codec"),
        _ => false,
    };
    all.filter(|filter| !is_codec(&filter.role)).collect()
}

/// By its name, or by the type of its configuration, where nothing else of it is known.
pub fn role_of_name(name: &str) -> FilterRole {
    of_type(name, None)
}

/// By the type of its configuration, or by its name where it has none.
fn of_type(url: &str, config: Option<At<'_>>) -> FilterRole {
    let lower = url.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let words: Vec<&str> = lower.split('.').collect();
    let is = |wanted: &str| words.contains(&wanted);
    // An HTTP filter of Envoy or Istio; the same word in another name means nothing.
    let is_known = lower.contains("filters.http.")
        || lower.starts_with("istio.")
        || lower.starts_with("stats.");
    if !is_known {
        return FilterRole::Unknown(url.to_owned());
    }
    if is("router") {
        return FilterRole::Router;
    }
    if is("header_mutation") && config.is_some_and(|config| !mutates_requests(config)) {
        return FilterRole::Harmless;
    }
    if let Some((_, what)) = CHANGING.iter().find(|(name, _)| is(name)) {
        return FilterRole::Changes(what);
    }
    if let Some(config) = config.filter(|_| is("jwt_authn")) {
        return FilterRole::VerifiesTokens(token_verification(config));
    }
    if HARMLESS.iter().any(|name| is(name)) {
        FilterRole::Harmless
    } else {
        FilterRole::Unknown(url.to_owned())
    }
}

/// Whether a header mutation touches requests, and not responses alone.
pub fn mutates_requests(config: At<'_>) -> bool {
    let mutations = config.member("mutations");
    let touched = ["request_mutations", "query_parameter_mutations", "request_trailers_mutations"];
    mutations.is_none_or(|mutations| {
        touched
            .iter()
            .any(|name| mutations.member(name).is_some_and(|list| !list.node.elements().is_empty()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_by_their_types() {
        for (url, wanted) in [
            (
                "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                FilterRole::Router,
            ),
            ("envoy.filters.http.router", FilterRole::Router),
            (
                "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                FilterRole::Harmless,
            ),
            ("istio.metadata_exchange", FilterRole::Harmless),
            (
                "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                FilterRole::Changes("a Lua script"),
            ),
            (
                "type.googleapis.com/example.Router",
                FilterRole::Unknown("type.googleapis.com/example.Router".to_owned()),
            ),
            ("my-filter", FilterRole::Unknown("my-filter".to_owned())),
        ] {
            assert_eq!(of_type(url, None), wanted, "{url}");
        }
    }
}
