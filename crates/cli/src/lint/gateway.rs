//! The Gateway API, and Envoy Gateway's policies for it.

use std::cmp::Reverse;

use serde_json::Value;

use super::endpoints::common_host;
use super::envoy::unclear;
use super::graph::{
    At, Cluster, ConfigPlaces, Destination, Filter, FilterChain, FilterRole, Graph, Remark, Route,
    Way,
};
use super::install::{self, GatewayServer, Install};
use super::kubernetes::{Resource, entry};
use super::paths::{Answer, Expression, PathMatch, Pattern, Rewrite};

/// What a policy is attached to, from the least specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PolicyLevel {
    Gateway,
    Listener,
    Route,
    Rule,
}

/// An EnvoyExtensionPolicy where it applies.
struct AttachedPolicy<'a> {
    resource: Resource<'a>,
    level: PolicyLevel,
    config: Option<usize>,
}

/// What is round a route.
struct RouteContext<'a, 'b> {
    resources: &'b [Resource<'a>],
    configs: &'b ConfigPlaces,
    gateway: Resource<'a>,
    listener: At<'a>,
    /// How requests meet the filter where no policy of Envoy Gateway speaks.
    base: Way,
}

pub fn graph(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    installs: &[Install<'_>],
) -> Graph {
    let mut graph = Graph { entries: vec![], remarks: remarks(resources, configs) };
    let is_api = |resource: &&Resource<'_>| {
        resource.kind == "Gateway" && resource.group == "gateway.networking.k8s.io"
    };
    for gateway in resources.iter().filter(is_api) {
        for listener in gateway.list("listeners") {
            graph.entries.push(of_listener(resources, configs, installs, *gateway, listener));
        }
    }
    graph.entries.extend(of_other_parents(resources));
    graph
}

/// Routes whose parent is no Gateway: a set of listeners, or a service in a mesh.
fn of_other_parents(resources: &[Resource<'_>]) -> Vec<FilterChain> {
    let mut found = Vec::new();
    for route in resources
        .iter()
        .filter(|resource| resource.group.ends_with("k8s.io") && resource.kind.ends_with("Route"))
    {
        let is_other = |parent: &At<'_>| parent.said("kind").is_some_and(|kind| kind != "Gateway");
        let parents: Vec<At<'_>> = route.list("parentRefs").filter(is_other).collect();
        for parent in parents {
            let title = route.printed();
            let (kind, name) =
                (parent.said("kind").unwrap_or_default(), parent.said("name").unwrap_or_default());
            for backend in
                route.list("rules").flat_map(|rule| rule.list("backendRefs").collect::<Vec<_>>())
            {
                let Some(name_of_backend) = backend_name(backend, *route) else { continue };
                let why = format!("{title} belongs to {kind} \"{name}\", which is not followed");
                found.push(unclear(&title, parent.place(), Cluster::Named(name_of_backend), why));
            }
        }
    }
    found
}

fn of_listener(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    installs: &[Install<'_>],
    gateway: Resource<'_>,
    listener: At<'_>,
) -> FilterChain {
    let name = listener.said("name").unwrap_or_default();
    let title = format!("the listener \"{name}\" of {}", gateway.printed());
    let hostname = listener.said("hostname").unwrap_or("*").to_owned();
    let served = GatewayServer {
        gateway: gateway.name,
        namespace: gateway.namespace,
        labels: vec![
            ("gateway.networking.k8s.io/gateway-name", gateway.name),
            ("istio.io/gateway-name", gateway.name),
        ],
        is_of_gateway_api: true,
        hosts: vec![hostname.clone()],
        port: listener.member("port").map(|port| port.node.to_json().to_string()),
        has_tls: listener
            .said("protocol")
            .is_some_and(|protocol| ["HTTPS", "TLS"].contains(&protocol)),
    };
    let (mut filters, mut base) = install::filters_of(installs, &served, &title, &listener.place());
    if let Some((filter, covers)) = patched(resources, configs, gateway, name) {
        base = match covers {
            Answer::Yes => Way::Runs(filter.kind.config().into_iter().collect()),
            _ => {
                let why = format!(
                    "whether an EnvoyPatchPolicy puts the filter into {title} cannot be seen"
                );
                Way::Unclear { place: filter.place.clone(), why }
            }
        };
        filters.push(filter);
    }
    let round = RouteContext { resources, configs, gateway, listener, base };
    let mut one = entry(title.clone(), listener.place());
    let mut used: Vec<(Resource<'_>, usize)> = Vec::new();
    for route in resources.iter().filter(|resource| resource.group == "gateway.networking.k8s.io") {
        if !is_attached(route, gateway, listener) {
            continue;
        }
        let own: Vec<String> =
            route.list("hostnames").filter_map(At::text).map(str::to_owned).collect();
        let hosts: Vec<String> = if own.is_empty() {
            vec![hostname.clone()]
        } else {
            own.into_iter().filter(|own| common_host(own, &hostname).is_some()).collect()
        };
        match route.kind {
            "HTTPRoute" if !hosts.is_empty() => {
                http_route(&round, *route, &hosts, &mut one, &mut used)
            }
            "TLSRoute" | "TCPRoute" => {
                let backends = route
                    .list("rules")
                    .flat_map(|rule| rule.list("backendRefs").collect::<Vec<_>>());
                one.raw.extend(
                    backends.filter_map(|backend| {
                        Some((backend.place(), backend_name(backend, *route)?))
                    }),
                );
            }
            "GRPCRoute" if !hosts.is_empty() => {
                one.unseen.push((route.at.place(), "a GRPCRoute is not followed".to_owned()));
            }
            _ => {}
        }
    }
    filters.extend(policy_filters(resources, configs, &used));
    one.routes.sort_by_key(by_precedence);
    FilterChain { filters, ..one }
}

/// Exact paths before longer prefixes before shorter ones, and of one path those that ask for more
/// first. What else there is stands before them all, so that no other is seen to take its requests;
/// nor does it take theirs for sure.
fn by_precedence(route: &Route) -> (u8, Reverse<usize>, bool) {
    match &route.paths.pattern {
        Pattern::Regex(_) | Pattern::Unknown => (0, Reverse(0), false),
        Pattern::Exact(_) => (1, Reverse(0), !route.is_conditional),
        Pattern::Prefix(prefix) | Pattern::Segments(prefix) => {
            (2, Reverse(prefix.len()), !route.is_conditional)
        }
    }
}

/// Whether a route names a listener as its parent.
fn is_attached(route: &Resource<'_>, gateway: Resource<'_>, listener: At<'_>) -> bool {
    route.list("parentRefs").any(|parent| {
        let port = |at: At<'_>| at.member("port").map(|port| port.node.to_json());
        parent.said("kind").is_none_or(|kind| kind == "Gateway")
            && parent.said("name") == Some(gateway.name)
            && parent.said("namespace").unwrap_or(route.namespace) == gateway.namespace
            && parent.said("sectionName").is_none_or(|name| listener.said("name") == Some(name))
            && port(parent).is_none_or(|wanted| port(listener) == Some(wanted))
    })
}

fn backend_name(backend: At<'_>, route: Resource<'_>) -> Option<String> {
    let kind = backend.said("kind").unwrap_or("Service");
    let namespace = backend.said("namespace").unwrap_or(route.namespace);
    let name = backend.said("name")?;
    let port =
        backend.member("port").map(|port| format!(":{}", port.node.to_json())).unwrap_or_default();
    // As Istio calls it.
    Some(if kind == "Service" {
        format!("{name}.{namespace}.svc.cluster.local{port}")
    } else {
        format!("{kind} {namespace}/{name}{port}")
    })
}

fn http_route<'a>(
    round: &RouteContext<'a, '_>,
    route: Resource<'a>,
    hosts: &[String],
    entry: &mut FilterChain,
    used: &mut Vec<(Resource<'a>, usize)>,
) {
    for rule in route.list("rules") {
        let filters: Vec<At<'a>> = rule.list("filters").collect();
        let (way, policy) = way_of(round, route, rule);
        used.extend(policy);
        let mirrored =
            filters.iter().filter_map(|filter| filter.path(&["requestMirror", "backendRef"]));
        let backends: Vec<At<'a>> = rule.list("backendRefs").chain(mirrored).collect();
        let targets: Vec<Destination> = backends
            .into_iter()
            .filter_map(|backend| {
                let cluster = Cluster::Named(backend_name(backend, route)?);
                Some(Destination { cluster, ways: vec![way.clone()] })
            })
            .collect();
        let matches: Vec<At<'a>> = rule.list("matches").collect();
        let mut add = |paths: PathMatch, is_conditional: bool| {
            entry.routes.push(Route {
                // The most specific path wins, wherever it stands: `by_precedence`.
                group: hosts.join(" "),
                hosts: hosts.to_vec(),
                place: rule.place(),
                rewrite: rewrite(round.resources, route, &filters),
                paths,
                is_conditional,
                host_rewrite: host_rewrite(&filters),
                internal_redirects: None,
                targets: targets.clone(),
            });
        };
        if matches.is_empty() {
            add(
                PathMatch { pattern: Pattern::Segments(String::new()), ignores_case: false },
                false,
            );
        }
        for one in matches {
            let (paths, is_conditional) = path_match(one);
            add(paths, is_conditional);
        }
    }
}

fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let path = at.member("path");
    let value = path.and_then(|path| path.said("value")).unwrap_or("/");
    let pattern = match path.and_then(|path| path.said("type")).unwrap_or("PathPrefix") {
        "Exact" => Pattern::Exact(value.to_owned()),
        "PathPrefix" => Pattern::Segments(value.trim_end_matches('/').to_owned()),
        "RegularExpression" => Pattern::Regex(Expression::whole(value)),
        _ => Pattern::Unknown,
    };
    let is_plain = matches!(pattern, Pattern::Exact(_) | Pattern::Segments(_));
    let is_conditional = !is_plain || at.members().any(|(name, _)| name != "path");
    (PathMatch { pattern, ignores_case: false }, is_conditional)
}

fn host_rewrite(filters: &[At<'_>]) -> Option<Option<String>> {
    let hostname = |filter: &At<'_>| {
        filter.path(&["urlRewrite", "hostname"]).and_then(At::text).map(str::to_owned)
    };
    filters.iter().find_map(hostname).map(Some)
}

fn rewrite(resources: &[Resource<'_>], route: Resource<'_>, filters: &[At<'_>]) -> Rewrite {
    for filter in filters {
        let rewrite = match filter.said("type") {
            Some("URLRewrite") => filter.member("urlRewrite"),
            Some("ExtensionRef") => {
                let wanted = filter.path(&["extensionRef", "name"]).and_then(At::text);
                let is_it = |resource: &&Resource<'_>| {
                    resource.kind == "HTTPRouteFilter"
                        && Some(resource.name) == wanted
                        && resource.namespace == route.namespace
                };
                match resources.iter().find(is_it).and_then(|found| found.spec()) {
                    Some(spec) => spec.member("urlRewrite"),
                    None => {
                        return Rewrite::Unknown("an extension of the route is not in these files");
                    }
                }
            }
            _ => None,
        };
        let Some(path) = rewrite.and_then(|rewrite| rewrite.member("path")) else { continue };
        return match path.said("type") {
            Some("ReplaceFullPath") => {
                Rewrite::Full(path.said("replaceFullPath").unwrap_or_default().to_owned())
            }
            Some("ReplacePrefixMatch") => {
                let new = path.said("replacePrefixMatch").unwrap_or_default();
                Rewrite::Matched(if new.is_empty() { "/".to_owned() } else { new.to_owned() })
            }
            Some("ReplaceRegexMatch") => {
                let text = |name: &str| {
                    path.path(&["replaceRegexMatch", name]).and_then(At::text).unwrap_or_default()
                };
                Rewrite::Regex {
                    pattern: Expression::anywhere(text("pattern")),
                    substitution: text("substitution").to_owned(),
                }
            }
            _ => Rewrite::Unknown("this way of rewriting is not understood"),
        };
    }
    Rewrite::None
}

/// How requests of a rule meet the filter: the most specific policy speaks, and no other.
fn way_of<'a>(
    round: &RouteContext<'a, '_>,
    route: Resource<'a>,
    rule: At<'a>,
) -> (Way, Option<(Resource<'a>, usize)>) {
    // A filter that stands in the listener itself cannot be overridden.
    if let Way::Runs(_) = &round.base {
        return (round.base.clone(), None);
    }
    let policies = policies(round, route, rule);
    let Some(level) = policies.iter().map(|policy| policy.level).max() else {
        return (round.base.clone(), None);
    };
    let speaking: Vec<&AttachedPolicy<'_>> =
        policies.iter().filter(|policy| policy.level == level).collect();
    let with = speaking.iter().find_map(|policy| Some((policy.resource, policy.config?)));
    let without = speaking.iter().find(|policy| policy.config.is_none());
    let below = policies.iter().find(|policy| policy.config.is_some());
    let way = match (with, without, below) {
        (Some((_, config)), None, _) => Way::Runs(vec![config]),
        (Some((own, _)), Some(other), _) => Way::Unclear {
            place: other.resource.at.place(),
            why: format!(
                "{} and {} have one target, and the older one wins",
                own.printed(),
                other.resource.printed()
            ),
        },
        (None, Some(other), Some(own)) => Way::Off {
            place: other.resource.at.place(),
            why: format!(
                "{} overrides {}, whatever its mergeType",
                other.resource.printed(),
                own.resource.printed()
            ),
            fix: "put the filter into its list of wasm too, or take the policy away".to_owned(),
        },
        _ => round.base.clone(),
    };
    let installed =
        with.or_else(|| below.and_then(|policy| Some((policy.resource, policy.config?))));
    (way, installed)
}

/// The policies that concern a rule.
fn policies<'a>(
    round: &RouteContext<'a, '_>,
    route: Resource<'a>,
    rule: At<'a>,
) -> Vec<AttachedPolicy<'a>> {
    let mut found = Vec::new();
    for resource in
        round.resources.iter().filter(|resource| resource.kind == "EnvoyExtensionPolicy")
    {
        let own = |target: &Resource<'_>| resource.namespace == target.namespace;
        let refs = resource
            .list("targetRefs")
            .chain(resource.spec().and_then(|spec| spec.member("targetRef")));
        let by_name = refs.filter_map(|target| {
            let section = target.said("sectionName");
            let is = |kind: &str, name: &str| {
                target.said("kind") == Some(kind) && target.said("name") == Some(name)
            };
            if is("Gateway", round.gateway.name) && own(&round.gateway) {
                match section {
                    None => Some(PolicyLevel::Gateway),
                    Some(section) => (round.listener.said("name") == Some(section))
                        .then_some(PolicyLevel::Listener),
                }
            } else if is("HTTPRoute", route.name) && own(&route) {
                match section {
                    None => Some(PolicyLevel::Route),
                    Some(section) => {
                        (rule.said("name") == Some(section)).then_some(PolicyLevel::Rule)
                    }
                }
            } else {
                None
            }
        });
        let by_labels = resource.list("targetSelectors").filter_map(|selector| {
            let has = |target: &Resource<'a>| {
                selector.member("matchLabels").is_none_or(|labels| target.has_labels(labels))
            };
            match selector.said("kind") {
                Some("Gateway") if own(&round.gateway) && has(&round.gateway) => {
                    Some(PolicyLevel::Gateway)
                }
                Some("HTTPRoute") if own(&route) && has(&route) => Some(PolicyLevel::Route),
                _ => None,
            }
        });
        if let Some(level) = by_name.chain(by_labels).max() {
            let config = resource.list("wasm").find_map(|filter| round.configs.at(filter));
            found.push(AttachedPolicy { resource: *resource, level, config });
        }
    }
    found
}

/// The filters of the policies that put this one into a listener.
fn policy_filters(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    used: &[(Resource<'_>, usize)],
) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    // Envoy Gateway puts Lua and external processing before wasm, but for an order of the
    // operator's own.
    let is_reordered = resources.iter().any(|resource| {
        resource.kind == "EnvoyProxy" && resource.list("filterOrder").next().is_some()
    });
    for (policy, _) in used {
        if filters.iter().any(|known| known.name == policy.printed()) {
            continue;
        }
        let mut add = |at: At<'_>, kind: FilterRole, is_unordered: bool| {
            filters.push(Filter {
                place: at.place(),
                name: policy.printed(),
                kind,
                is_disabled: false,
                is_unordered,
                gap: None,
            });
        };
        for (name, what) in [
            ("lua", "a Lua script"),
            ("extProc", "an external processor"),
            ("dynamicModule", "a dynamic module"),
        ] {
            policy.list(name).for_each(|at| {
                add(at, FilterRole::Changes(what), is_reordered || name == "dynamicModule")
            });
        }
        for wasm in policy.list("wasm") {
            let kind = match configs.at(wasm) {
                Some(config) => FilterRole::Ours { config, skips: None },
                None => FilterRole::Changes("another wasm filter"),
            };
            add(wasm, kind, false);
        }
    }
    filters
}

/// The filter that an EnvoyPatchPolicy adds to a listener as a whole.
fn patched(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    gateway: Resource<'_>,
    listener: &str,
) -> Option<(Filter, Answer)> {
    let policies = resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy");
    let is_for = |resource: &&Resource<'_>| {
        let target = resource.spec().and_then(|spec| spec.member("targetRef"));
        target.is_none_or(|target| {
            target.said("kind") != Some("Gateway") || target.said("name") == Some(gateway.name)
        })
    };
    let patches = policies
        .filter(is_for)
        .flat_map(|resource| resource.list("jsonPatches").collect::<Vec<_>>());
    let mut best: Option<(Filter, Answer)> = None;
    for patch in patches {
        let Some(value) = patch.path(&["operation", "value"]) else { continue };
        let Some(config) = configs.within(value) else { continue };
        let is_added = patch.path(&["operation", "op"]).and_then(At::text) == Some("add");
        // Of several hosts on one port each has a filter chain of its own.
        let is_every_chain = patch
            .path(&["operation", "jsonPath"])
            .and_then(At::text)
            .is_some_and(|path| path.contains("filter_chains[*]"));
        let name = patch.said("name").unwrap_or_default();
        let wanted = format!("{}/{}/{listener}", gateway.namespace, gateway.name);
        let is_named = name == wanted;
        if !is_added || (!is_named && name.starts_with(&format!("{}/", gateway.namespace))) {
            continue;
        }
        let path = patch.path(&["operation", "path"]).and_then(At::text).unwrap_or_default();
        let covers = if is_named && (is_every_chain || path.contains("filter_chain")) {
            Answer::Yes
        } else {
            Answer::Maybe
        };
        let kind = FilterRole::Ours { config, skips: None };
        let filter = Filter {
            place: value.place(),
            name: value.said("name").unwrap_or_default().to_owned(),
            kind,
            is_disabled: false,
            is_unordered: false,
            gap: None,
        };
        if covers == Answer::Yes || best.is_none() {
            best = Some((filter, covers));
        }
    }
    best
}

/// What an EnvoyExtensionPolicy leaves out, and what patches take away.
fn remarks(resources: &[Resource<'_>], configs: &ConfigPlaces) -> Vec<Remark> {
    let patches: Vec<At<'_>> = resources
        .iter()
        .filter(|resource| resource.kind == "EnvoyPatchPolicy")
        .flat_map(|resource| resource.list("jsonPatches").collect::<Vec<_>>())
        .collect();
    let sets = |name: &str, wanted: &Value| {
        patches.iter().filter_map(|patch| patch.member("operation")).any(|operation| {
            let place = [operation.said("path"), operation.said("jsonPath")]
                .into_iter()
                .flatten()
                .collect::<String>();
            let value = operation.member("value");
            let is_value = value.is_some_and(|value| value.node.to_json() == *wanted);
            let is_within = value
                .and_then(|value| value.member(name))
                .is_some_and(|value| value.node.to_json() == *wanted);
            operation.said("op") != Some("remove")
                && ((place.contains(name) && is_value) || is_within)
        })
    };
    let mut found = Vec::new();
    for resource in resources.iter().filter(|resource| resource.kind == "EnvoyExtensionPolicy") {
        for wasm in resource.list("wasm").filter(|wasm| configs.at(*wasm).is_some()) {
            let mut add = |is_error: bool, message: &str| {
                found.push(Remark { place: wasm.place(), is_error, message: message.to_owned() });
            };
            if !sets("allow_on_headers_stop_iteration", &true.into()) {
                add(
                    true,
                    "without allow_on_headers_stop_iteration: true every gated request is answered \
                     with 500, and an EnvoyExtensionPolicy cannot set it: add an EnvoyPatchPolicy \
                     that does, and give it to lint too",
                );
            }
            if !sets("failure_policy", &"FAIL_RELOAD".into()) && !sets("failure_policy", &2.into())
            {
                add(
                    false,
                    "without failure_policy: FAIL_RELOAD, which an EnvoyPatchPolicy can set, a \
                     fault is answered with 503 until Envoy is restarted",
                );
            }
        }
    }
    for patch in &patches {
        let off = patch
            .within()
            .into_iter()
            .filter_map(|at| at.member("typed_per_filter_config"))
            .flat_map(At::members);
        for (_, at) in off.filter(|(name, own)| {
            (name.contains("wasm") || name.contains("tls")) && own.is_true("disabled")
        }) {
            let message = format!(
                "the filter is disabled for routes that are not followed; {}",
                super::envoy::ENABLE
            );
            found.push(Remark { place: at.place(), is_error: true, message });
        }
        let operation = patch.member("operation");
        let path = operation.and_then(|operation| operation.said("path")).unwrap_or_default();
        let is_removal = operation
            .and_then(|operation| operation.said("op"))
            .is_some_and(|op| ["remove", "replace"].contains(&op));
        if is_removal && path.contains("http_filters") && !path.contains("typed_config") {
            let message =
                "a patch takes HTTP filters away, or puts others in their place: whether \
                this filter is among them cannot be followed"
                    .to_owned();
            found.push(Remark { place: patch.place(), is_error: false, message });
        }
    }
    found
}
