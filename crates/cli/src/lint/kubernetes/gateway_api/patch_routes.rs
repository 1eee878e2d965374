//! What operations of an EnvoyPatchPolicy do to routes and clusters.

use super::patch_operations::{Effect, Gated, Operation};
use super::patch_path::Step;
use super::patch_ways::Ways;
use crate::lint::envoy::http_filters;
use crate::lint::graph::{ENABLE, FilterRole};
use crate::lint::located::At;

/// Members of route configurations, virtual hosts, routes and `RouteAction` that choose neither a
/// cluster, a path nor a filter.
const OF_ROUTES: [&str; 26] = [
    "cors",
    "decorator",
    "direct_response",
    "hash_policy",
    "hedge_policy",
    "idle_timeout",
    "include_attempt_count_in_response",
    "include_request_attempt_count",
    "max_grpc_timeout",
    "max_stream_duration",
    "metadata",
    "name",
    "per_request_buffer_limit_bytes",
    "priority",
    "rate_limits",
    "redirect",
    "request_body_buffer_limit",
    "request_headers_to_add",
    "request_headers_to_remove",
    "require_tls",
    "response_headers_to_add",
    "response_headers_to_remove",
    "retry_policy",
    "stat_prefix",
    "timeout",
    "tracing",
];

/// Members of clusters that do not say which server one is.
const OF_CLUSTERS: [&str; 29] = [
    "alt_stat_name",
    "circuit_breakers",
    "cleanup_interval",
    "common_lb_config",
    "connect_timeout",
    "connection_pool_per_downstream_connection",
    "dns_failure_refresh_rate",
    "dns_jitter",
    "dns_lookup_family",
    "dns_refresh_rate",
    "health_checks",
    "http2_protocol_options",
    "ignore_health_on_host_removal",
    "lb_policy",
    "least_request_lb_config",
    "load_balancing_policy",
    "max_requests_per_connection",
    "metadata",
    "outlier_detection",
    "per_connection_buffer_limit_bytes",
    "preconnect_policy",
    "respect_dns_ttl",
    "ring_hash_lb_config",
    "round_robin_lb_config",
    "track_cluster_stats",
    "track_timeout_budgets",
    "transport_socket",
    "upstream_bind_config",
    "upstream_connection_options",
];

const CLUSTER: &str = "this patch may make a cluster another server, so that routes without the \
    filter lead to the server behind it: it cannot be followed";

pub fn effect(operation: &Operation<'_>, gated: &Gated<'_>, ways: &Ways<'_>) -> Effect {
    let of_filters = of_filters(operation, gated);
    if of_filters != Some(Effect::None) {
        if let Some(effect) = of_filters {
            return effect;
        }
    } else if operation.steps.iter().any(|step| step.is(PER_FILTER)) {
        return Effect::None;
    }
    let is_moved = ["move", "copy"].contains(&operation.op());
    let value = operation.value();
    let is_answered = value.is_some_and(|value| {
        ["redirect", "direct_response"].iter().any(|name| value.member(name).is_some())
    });
    // Where it leads, and what it makes of paths, is a finding of its own.
    if (chooses_nothing(&operation.steps) && !is_moved)
        || (is_answered && operation.op() == "add")
        || !ways.of(operation).is_empty()
    {
        return Effect::None;
    }
    Effect::doubtful(
        "a patch of routes: whether an endpoint arrives by another path then, or without the \
         filter, cannot be followed",
    )
}

/// Whether a patch acts on one of `OF_ROUTES`, or within it. Only the place says that: a cluster
/// and a header have a `name` too, and by that they choose where a request goes.
fn chooses_nothing(steps: &[Step]) -> bool {
    let steps = match steps {
        [Step::AnyDepth, rest @ ..]
            if is_list(rest, "virtual_hosts") || is_list(rest, "routes") =>
        {
            rest
        }
        _ => steps,
    };
    let member = below(below(steps, "virtual_hosts"), "routes");
    // Listeners ask for a route configuration by its name.
    let is_table = member.len() == steps.len();
    let member = match member {
        [action, rest @ ..] if action.is("route") => rest,
        _ => member,
    };
    let is_known = |step: &Step| OF_ROUTES.iter().any(|name| step.is(name));
    member.first().is_some_and(|step| is_known(step) && !(is_table && step.is("name")))
}

/// What follows an element of the list of this name; all steps where they do not begin with one.
fn below<'a>(steps: &'a [Step], list: &str) -> &'a [Step] {
    if is_list(steps, list) { steps.get(2..).unwrap_or_default() } else { steps }
}

fn is_list(steps: &[Step], list: &str) -> bool {
    matches!(steps, [first, element, ..]
        if first.is(list) && !matches!(element, Step::Member(_) | Step::AnyDepth))
}

const PER_FILTER: &str = "typed_per_filter_config";

/// What it sets for filters; none where it says nothing of them.
fn of_filters(operation: &Operation<'_>, gated: &Gated<'_>) -> Option<Effect> {
    let steps = &operation.steps;
    let at = steps.iter().position(|step| step.is(PER_FILTER));
    let inside = at.map(|at| steps.get(at + 1..).unwrap_or_default());
    let changes = || {
        Effect::doubtful(format!(
            "a patch of {PER_FILTER}: whether it turns the filter off cannot be followed"
        ))
    };
    let mut effects = Vec::new();
    match (inside, operation.value()) {
        (None, None) => return None,
        (Some([Step::Member(name), ..]), None)
            if is_harmless(name) && operation.op() == "remove" => {}
        (Some(_), None) => return Some(changes()),
        (Some([]), Some(map)) => {
            effects.extend(map.members().map(|(name, own)| of_filter(name, own, gated)));
            // What was in its place is gone.
            effects.extend((operation.op() == "replace").then(changes));
        }
        (Some([Step::Member(name)]), Some(own)) => effects.push(of_filter(name, own, gated)),
        (Some([Step::Member(name), member]), Some(value)) if member.is("disabled") => {
            effects.push(if value.node.is_true() { off(name, gated) } else { Effect::None });
        }
        (Some([Step::Member(name), ..]), Some(_)) if is_harmless(name) => {}
        (Some(_), Some(_)) => effects.push(changes()),
        (None, Some(value)) => {
            let within = value.within();
            let maps = within.into_iter().filter_map(|at| at.member(PER_FILTER));
            let own = maps.flat_map(At::members).map(|(name, own)| of_filter(name, own, gated));
            effects.extend(own);
            if effects.is_empty() {
                return None;
            }
        }
    }
    let error = effects.iter().find(|effect| matches!(effect, Effect::Error(_)));
    let other = effects.iter().find(|effect| **effect != Effect::None);
    Some(error.or(other).cloned().unwrap_or(Effect::None))
}

fn is_harmless(filter: &str) -> bool {
    matches!(
        http_filters::role_of_name(filter),
        FilterRole::Harmless | FilterRole::VerifiesTokens(_)
    )
}

/// The setting of a filter for routes.
fn of_filter(name: &str, own: At<'_>, gated: &Gated<'_>) -> Effect {
    if own.is_true("disabled") {
        return off(name, gated);
    }
    let is_plain = own.text_of("@type").is_some_and(|url| url.ends_with(".FilterConfig"))
        && own.member("config").is_none_or(|config| config.members().next().is_none());
    let of_type = || own.text_of("@type").is_some_and(is_harmless);
    if is_plain || is_harmless(name) || of_type() {
        return Effect::None;
    }
    Effect::Doubtful(format!(
        "what \"{name}\" does to requests of these routes cannot be followed, and it may be behind \
         the filter"
    ))
}

fn off(name: &str, gated: &Gated<'_>) -> Effect {
    if gated.is_ours(name) || name.contains("wasm") || name.contains("tls") {
        return Effect::Error(format!(
            "the filter is disabled for routes that are not followed; {ENABLE}"
        ));
    }
    Effect::None
}

/// A patch of a cluster, or of its endpoints.
pub fn of_cluster(operation: &Operation<'_>) -> Effect {
    let doubtful = || Effect::doubtful(CLUSTER);
    let has_filters = operation
        .value()
        .is_some_and(|value| value.within().iter().any(|at| at.member("http_filters").is_some()));
    match operation.steps.first() {
        // A cluster leads nowhere until something names it.
        None if operation.kind() == "Cluster" && operation.op() == "add" && !has_filters => {
            Effect::None
        }
        None if operation.op() == "remove" => Effect::None,
        Some(first) if operation.kind() == "Cluster" => {
            if OF_CLUSTERS.iter().any(|name| first.is(name)) {
                return Effect::None;
            }
            let is_options = first.is("typed_extension_protocol_options");
            let in_filters = operation.steps.iter().any(|step| step.is("http_filters"));
            if is_options && !has_filters && !in_filters { Effect::None } else { doubtful() }
        }
        _ => doubtful(),
    }
}
