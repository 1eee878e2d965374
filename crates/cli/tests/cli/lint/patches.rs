//! What operations of an EnvoyPatchPolicy beside the shipped manifests of Envoy Gateway do to the
//! filter.

use super::findings;
use crate::{file, support};

const LISTENER: &str = "ingress/authorization-server/https";
const FILTERS: &str = "/filter_chains/0/filters/0/typed_config/http_filters";
const MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const OURS: &str =
    "$.filter_chains[*].filters[*].typed_config.http_filters[?(@.name=='tls-client-auth')]";
const OTHER: &str =
    "$.filter_chains[*].filters[*].typed_config.http_filters[?(@.name=='envoy.filters.http.cors')]";
const BY_TYPE: &str = "$.filter_chains[*].filters[*].typed_config.http_filters\
    [?(@.typed_config['@type']=='type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm')]";
const URL: &str = "type.googleapis.com/envoy.extensions.filters";

/// The shipped manifests, a route to the server, and one more patch, which is applied after that of
/// the filter: `kind`, `name` and `operation` as in a file.
fn with_patch(kind: &str, name: &str, operation: &str) -> Vec<(String, String)> {
    with(&format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {{name: more, namespace: ingress}}
spec:
  targetRef: {{group: gateway.networking.k8s.io, kind: Gateway, name: authorization-server}}
  type: JSONPatch
  priority: 2147483647
  jsonPatches:
  - type: type.googleapis.com/envoy.config.{kind}
    name: {name}
    operation: {{{operation}}}
"
    ))
}

/// A name of a file that no other test has, as they run at once.
fn own_name() -> String {
    let test = std::thread::current();
    format!("{}.yaml", test.name().unwrap_or("patches").replace("::", "-"))
}

fn shipped() -> String {
    let at = |name: &str| support::repository().join("envoy/envoy-gateway").join(name);
    let read = |name: &str| std::fs::read_to_string(at(name)).expect("readable");
    // So that the patch of this test comes after that of the filter.
    let filter = read("tls-client-auth.yaml").replace("priority: 2147483647", "priority: 1");
    format!(
        "{}---\n{filter}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: as, namespace: authorization-server}}
spec:
  parentRefs: [{{name: authorization-server, namespace: ingress}}]
  hostnames: [as.example.com]
  rules:
  - name: rest
    backendRefs: [{{name: as, port: 8080}}]
",
        read("gateway.yaml")
    )
}

fn with(more: &str) -> Vec<(String, String)> {
    let found = findings(&file(&own_name(), format!("{}---\n{more}", shipped())));
    found.into_iter().map(|(_, severity, message)| (severity, message)).collect()
}

/// Compares what is found with a severity and some words of the message, or with nothing.
fn is(found: &[(String, String)], wanted: Option<(&str, &str)>, what: &str) {
    let is_so = match wanted {
        None => found.is_empty(),
        Some((severity, words)) => matches!(
            found,
            [(own, message)] if own == severity && message.contains(words)
        ),
    };
    assert!(is_so, "{what}: wanted {wanted:?}, found {found:#?}");
}

#[test]
fn patches_of_the_listener() {
    let (error, doubtful) = (|words| Some(("error", words)), |words| Some(("doubtful", words)));
    let path = |op: &str, path: &str| format!("op: {op}, path: {path}");
    let value = |op: &str, at: &str, value: &str| format!("{}, value: {value}", path(op, at));
    let lua = format!("{{name: lua, typed_config: {{'@type': {URL}.http.lua.v3.Lua}}}}");
    let cors = format!("{{name: cors, typed_config: {{'@type': {URL}.http.cors.v3.Cors}}}}");
    let limits = format!(
        "{{name: l, typed_config: {{'@type': {URL}.network.connection_limit.v3.ConnectionLimit}}}}"
    );
    let tcp = "{name: t, typed_config: {'@type': x.TcpProxy, cluster: elsewhere}}";
    let chosen = |op: &str, all: &str, path: &str, value: &str| {
        format!("op: {op}, jsonPath: \"{all}\", path: '{path}'{value}")
    };
    let upgrade = "[{upgrade_type: websocket, filters: [{name: envoy.filters.http.router}]}]";
    let moved = format!("op: move, from: {FILTERS}/0, path: {FILTERS}/-");
    for (operation, wanted) in [
        // It is taken away, or may be.
        (path("remove", &format!("{FILTERS}/0")), doubtful("whether this filter is among them")),
        (path("remove", FILTERS), error("with all others")),
        (value("replace", FILTERS, "[]"), error("with all others")),
        (value("replace", FILTERS, &format!("[{cors}]")), error("with all others")),
        (chosen("remove", OURS, "", ""), error("takes the filter away")),
        (chosen("replace", OURS, "", &format!(", value: {cors}")), error("takes the filter away")),
        (chosen("remove", OTHER, "", ""), None),
        (chosen("remove", BY_TYPE, "", ""), doubtful("among them")),
        (chosen("remove", "$..http_filters[?(@.name!='x')]", "", ""), doubtful("among them")),
        (moved, doubtful("among them")),
        (format!("op: move, from: {MANAGER}, path: /metadata"), doubtful("cannot be followed")),
        (path("remove", "/filter_chains/0"), doubtful("takes the filter away")),
        (path("remove", "/filterChains/0"), doubtful("takes the filter away")),
        (value("replace", "/filter_chains/0/filters/0", tcp), doubtful("takes the filter away")),
        (value("add", "/filter_chains/0/filters/0", &limits), None),
        // It is switched off, or another one.
        (value("add", &format!("{FILTERS}/0/disabled"), "true"), doubtful("may be this one")),
        (chosen("add", OURS, "disabled", ", value: true"), error("disables the filter")),
        (chosen("add", OURS, "disabled", ", value: false"), None),
        (chosen("add", OTHER, "disabled", ", value: true"), None),
        (chosen("add", BY_TYPE, "disabled", ", value: true"), doubtful("may be this one")),
        (
            value("replace", &format!("{FILTERS}/0/typed_config/config/configuration"), "{}"),
            doubtful("may be this one"),
        ),
        (chosen("add", OURS, "typed_config/config/failure_policy", ", value: FAIL_RELOAD"), None),
        (
            chosen("add", OURS, "typed_config/config/failure_policy", ", value: FAIL_OPEN"),
            error("FAIL_OPEN"),
        ),
        (
            chosen("add", BY_TYPE, "typed_config/config/failure_policy", ", value: FAIL_OPEN"),
            error("FAIL_OPEN"),
        ),
        (chosen("add", OTHER, "typed_config/config/failure_policy", ", value: FAIL_OPEN"), None),
        // Others are put behind it, or before it.
        (value("add", &format!("{FILTERS}/1"), &lua), doubtful("a Lua script, which this patch")),
        (value("add", &format!("{FILTERS}/0"), &lua), None),
        (value("add", &format!("{FILTERS}/1"), &cors), None),
        (value("replace", &format!("{MANAGER}/upgrade_configs"), upgrade), doubtful("upgrade")),
        (value("add", &format!("{MANAGER}/upgrade_configs"), "[{upgrade_type: websocket}]"), None),
        // The rest of the connection manager.
        (value("add", &format!("{MANAGER}/stream_idle_timeout"), "5s"), None),
        (value("add", &format!("{MANAGER}/forward_client_cert_details"), "SANITIZE"), None),
        (value("add", &format!("{MANAGER}/forward_client_cert_details"), "3"), None),
        (
            value("add", &format!("{MANAGER}/forward_client_cert_details"), "FORWARD_ONLY"),
            doubtful("x-forwarded-client-cert"),
        ),
        (value("add", &format!("{MANAGER}/rds"), "{}"), doubtful("takes the filter away")),
        (value("add", &format!("{MANAGER}/typed_header_validation_config"), "{}"), doubtful("")),
        (value("add", "/per_connection_buffer_limit_bytes", "1"), None),
        (path("test", "/filter_chains/0"), None),
        (path("surprise", "/name"), doubtful("cannot be followed")),
    ] {
        let found = with_patch("listener.v3.Listener", LISTENER, &operation);
        let found: Vec<_> = found
            .into_iter()
            // Where it leads is a finding of its own.
            .filter(|(_, message)| !message.contains("patches this in"))
            .collect();
        is(&found, wanted, &operation);
    }
}

#[test]
fn patches_of_routes() {
    let (error, doubtful) = (|words| Some(("error", words)), |words| Some(("doubtful", words)));
    let off = "{'@type': type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true}";
    let (leads, unclear) = (|| doubtful("patches this in"), || doubtful("a patch of routes"));
    let route = "/virtual_hosts/0/routes/0";
    let clusters = format!("{route}/route/weighted_clusters/clusters");
    let all = "op: replace, jsonPath: \"$.virtual_hosts";
    let own = "httproute/authorization-server/as/rule/0";
    for (operation, wanted) in [
        (
            format!(
                "op: add, path: {route}/typed_per_filter_config, value: {{tls-client-auth: {off}}}"
            ),
            error("the filter is disabled for routes"),
        ),
        (
            format!("op: add, path: {route}/typed_per_filter_config/tls-client-auth, value: {off}"),
            error("the filter is disabled for routes"),
        ),
        (
            format!(
                "op: add, path: {route}/typed_per_filter_config/tls-client-auth/disabled, \
                 value: true"
            ),
            error("the filter is disabled for routes"),
        ),
        (
            format!(
                "op: add, path: {route}/typed_per_filter_config/envoy.filters.http.cors, \
                 value: {off}"
            ),
            None,
        ),
        (
            format!("op: remove, path: {route}/typed_per_filter_config"),
            doubtful("whether it turns the filter off"),
        ),
        (
            format!("op: add, path: {route}/route/prefix_rewrite, value: /token"),
            doubtful("patches this in"),
        ),
        (
            format!("op: replace, path: {route}/route/cluster, value: {own}"),
            doubtful("patches this in"),
        ),
        (
            format!("op: replace, path: {route}/route/cluster, value: unknown"),
            doubtful("patches this in"),
        ),
        (format!("op: add, path: {route}/route/timeout, value: 5s"), None),
        (format!("op: replace, path: {route}/route/retry_policy/num_retries, value: 2"), None),
        (format!("op: replace, path: {route}/name, value: other"), None),
        ("op: replace, path: /virtual_hosts/0/name, value: other".to_owned(), None),
        (format!("op: replace, path: {clusters}/0/name, value: {own}"), leads()),
        (format!("op: replace, path: {clusters}/0/name, value: unknown"), leads()),
        (format!("op: replace, path: {clusters}/0/weight, value: 7"), unclear()),
        (format!("op: replace, path: {route}/match/headers/0/name, value: x"), unclear()),
        (format!("op: replace, path: {route}/match/timeout, value: x"), unclear()),
        (format!("op: copy, from: {route}/name, path: {route}/route/cluster"), unclear()),
        ("op: replace, path: /name, value: another/listener".to_owned(), unclear()),
        ("op: replace, path: /vhds/name, value: other".to_owned(), leads()),
        (format!("{all}[?(@.name=='x')].routes[*]\", path: route/timeout, value: 5s"), None),
        (format!("{all}[*].routes[?(@.match.path=='/x')].name\", value: x"), None),
        (format!("{all}..name\", value: x"), unclear()),
        (format!("{all}[*]..name\", value: x"), unclear()),
        (format!("{all}[*].*\", path: name, value: x"), unclear()),
        ("op: add, jsonPath: \"$..routes[*].route.timeout\", value: 5s".to_owned(), None),
        ("op: replace, jsonPath: \"$..name\", value: x".to_owned(), unclear()),
        ("op: replace, jsonPath: \"$..clusters[*].name\", value: x".to_owned(), unclear()),
        (format!("op: add, path: {route}/response_headers_to_add, value: []"), None),
        (format!("op: replace, path: {route}/match, value: {{}}"), doubtful("a patch of routes")),
        (
            "op: add, path: /virtual_hosts/0/routes/0, value: {match: {prefix: /}, \
             redirect: {https_redirect: true}}"
                .to_owned(),
            None,
        ),
    ] {
        let found = with_patch("route.v3.RouteConfiguration", LISTENER, &operation);
        is(&found, wanted, &operation);
    }
    // Routes of another listener lead to the server, or elsewhere.
    for (cluster, wanted) in
        [(own, doubtful("patches this in")), ("httproute/authorization-server/as/rule/7", None)]
    {
        let patch = format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {{name: more, namespace: elsewhere}}
spec:
  targetRef: {{group: gateway.networking.k8s.io, kind: Gateway, name: other}}
  jsonPatches:
  - type: type.googleapis.com/envoy.config.route.v3.RouteConfiguration
    name: elsewhere/other/http
    operation: {{op: add, path: {route}/route/cluster, value: {cluster}}}
"
        );
        is(&with(&patch), wanted, cluster);
    }
}

#[test]
fn patches_of_clusters_and_of_the_bootstrap() {
    let doubtful = |words| Some(("doubtful", words));
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address";
    for (operation, wanted) in [
        (
            format!("op: replace, path: {address}/socket_address/address, value: 10.0.0.1"),
            doubtful("another server"),
        ),
        ("op: add, path: '', value: {name: keys}".to_owned(), None),
        ("op: add, path: /circuit_breakers, value: {}".to_owned(), None),
        ("op: add, path: /typed_extension_protocol_options/x, value: {}".to_owned(), None),
        (
            "op: add, path: /typed_extension_protocol_options/x, value: {http_filters: []}"
                .to_owned(),
            doubtful("another server"),
        ),
    ] {
        let found = with_patch("cluster.v3.Cluster", "httproute/web/web/rule/0", &operation);
        is(&found, wanted, &operation);
    }
    let listener = |cluster: &str| {
        format!(
            "{{type: Merge, value: '{{\"static_resources\": {{\"listeners\": [{{\"cluster\": \
             \"{cluster}\"}}]}}}}'}}"
        )
    };
    for (bootstrap, wanted) in [
        (
            listener("httproute/authorization-server/as/rule/0"),
            doubtful("has a listener of its own"),
        ),
        ("{type: Merge, value: '{\"layered_runtime\": {}}'}".to_owned(), None),
        ("{type: Merge, value: '['}".to_owned(), doubtful("a way past the filter")),
        (
            "{type: JSONPatch, jsonPatches: [{op: add, path: /static_resources/listeners/0}]}"
                .to_owned(),
            doubtful("a way past the filter"),
        ),
        ("{type: JSONPatch, jsonPatches: [{op: add, path: /stats_config}]}".to_owned(), None),
    ] {
        let proxy = format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\n\
             metadata: {{name: p, namespace: ingress}}\nspec: {{bootstrap: {bootstrap}}}\n"
        );
        is(&with(&proxy), wanted, &bootstrap);
    }
}

#[test]
fn patches_that_bring_listeners() {
    let listener = |cluster: &str| {
        format!(
            "op: add, path: '', value: {{name: side, filter_chains: [{{filters: [{{name: t, \
             typed_config: {{cluster: {cluster}}}}}]}}]}}"
        )
    };
    for (cluster, wanted) in [
        ("httproute/authorization-server/as/rule/0", Some(("doubtful", "patches this in"))),
        ("unknown", Some(("doubtful", "patches this in"))),
    ] {
        is(&with_patch("listener.v3.Listener", "side", &listener(cluster)), wanted, cluster);
    }
    // A place that the shipped patch must not have.
    for (from, to, wanted) in [
        ("path: \"0\"", "path: \"-\"", ("error", "behind the router")),
        ("path: \"0\"", "path: \"1\"", ("doubtful", "cannot be seen")),
        ("envoy.filters.network.http_connection_manager", "envoy.hcm", ("doubtful", "cannot be")),
    ] {
        let text = shipped();
        assert!(text.contains(from), "{from}");
        let found = findings(&file(&own_name(), text.replace(from, to)));
        let found: Vec<_> =
            found.into_iter().map(|(_, severity, message)| (severity, message)).collect();
        is(&found, Some(wanted), to);
    }
}
