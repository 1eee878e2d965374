//! The Gateway API, and Envoy Gateway's policies for it.

mod allowed;
mod client_traffic;
mod envoy_listener;
mod patch_effects;
mod patch_listeners;
mod patch_operations;
mod patch_path;
mod patch_remarks;
mod patch_routes;
mod patch_ways;
mod patches;
mod policies;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use self::envoy_listener::{EnvoyListener, Http3, has_tls, http3};
use self::patch_operations::{Gated, Operation};
use self::patch_ways::Ways;
use self::policies::PolicyTargets;

use super::client_certificates::{LenientPatch, lenient_mode};
use super::installs::{self, GatewayServer, Install};
use super::resource::{Resource, service};
use crate::lint::graph::{
    ChainTls, ClientCertificates, Cluster, Destination, Filter, FilterChain, FilterRole, Graph,
    Route, TlsParameters, TlsVersion, Way,
};
use crate::lint::hosts::common_host;
use crate::lint::located::{At, ConfigPlaces};
use crate::lint::paths::{Expression, PathMatch, Pattern, Rewrite};

/// What surrounds a route.
struct RouteContext<'a, 'b> {
    resources: &'b [Resource<'a>],
    configs: &'b ConfigPlaces,
    gateway: Resource<'a>,
    listener: At<'a>,
    policies: &'b PolicyTargets<'a>,
    /// How requests meet the filter where no policy of Envoy Gateway applies.
    base: Way,
}

pub fn graph(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    installs: &[Install<'_>],
    unused: &BTreeSet<usize>,
) -> Graph {
    let patch_policies = resources.iter().filter(|one| one.kind == "EnvoyPatchPolicy");
    let operations: Vec<Operation<'_>> =
        patch_policies.flat_map(|policy| Operation::of(*policy)).collect();
    let mut gated = Gated::of(resources, &operations, configs);
    let remarks = patch_remarks::remarks(resources, &operations, &gated, configs);
    let mut graph = Graph { remarks, ..Graph::default() };
    let is_api = |resource: &&Resource<'_>| {
        resource.kind == "Gateway" && resource.group == "gateway.networking.k8s.io"
    };
    let policies = PolicyTargets::of(resources);
    let routes = AttachedRoutes::of(resources);
    let lenient = LenientPatch::all(resources);
    let policies = &policies;
    let lenient = &lenient;
    let context = GatewayContext { resources, configs, installs, unused, policies, lenient };
    // Many files may have one and the same gateway.
    let mut seen = BTreeSet::new();
    for gateway in resources.iter().filter(is_api) {
        for listener in gateway.list("listeners") {
            let content = listener.node.to_json().to_string();
            if seen.insert((gateway.namespace, gateway.name, content)) {
                let envoy = EnvoyListener::of(*gateway, listener);
                let chain = of_listener(&context, &routes, *gateway, listener, &envoy);
                let has_filter = chain.configs().next().is_some();
                graph.chains.push(chain);
                gated.add(*gateway, &envoy.names(*gateway, listener), has_filter);
                match http3(resources, *gateway, listener) {
                    Some(Http3::On(at)) => {
                        let quic = envoy.of_quic(at);
                        let chain = of_listener(&context, &routes, *gateway, listener, &quic);
                        graph.chains.push(chain);
                    }
                    Some(Http3::WithCertificates(at)) if has_filter => {
                        graph.remarks.push(envoy_listener::without_effect(at));
                    }
                    _ => {}
                }
            }
        }
    }
    graph.chains.extend(of_other_parents(resources));
    let ways = Ways::new(resources, &operations);
    graph.remarks.extend(patch_effects::remarks(&operations, &gated, &ways, configs));
    graph.chains.extend(ways.chains(&operations, &gated));
    let (chains, remarks) = ways.of_bootstraps();
    graph.chains.extend(chains);
    if gated.is_anywhere() {
        graph.remarks.extend(remarks);
    }
    graph
}

/// Routes whose parent is no Gateway: a set of listeners, or a service in a mesh.
fn of_other_parents(resources: &[Resource<'_>]) -> Vec<FilterChain> {
    let mut found = Vec::new();
    for route in resources
        .iter()
        .filter(|resource| resource.group.ends_with("k8s.io") && resource.kind.ends_with("Route"))
    {
        let is_other =
            |parent: &At<'_>| parent.text_of("kind").is_some_and(|kind| kind != "Gateway");
        let parents: Vec<At<'_>> = route.list("parentRefs").filter(is_other).collect();
        for parent in parents {
            let title = route.printed();
            let (kind, name) = (
                parent.text_of("kind").unwrap_or_default(),
                parent.text_of("name").unwrap_or_default(),
            );
            for backend in
                route.list("rules").flat_map(|rule| rule.list("backendRefs").collect::<Vec<_>>())
            {
                let Some(name_of_backend) = backend_name(backend, *route) else { continue };
                let why = format!("{title} belongs to {kind} \"{name}\", which is not followed");
                found.push(FilterChain::unclear(
                    &title,
                    parent.place(),
                    Cluster::Named(name_of_backend),
                    why,
                ));
            }
        }
    }
    found
}

/// What surrounds a gateway.
struct GatewayContext<'a, 'b> {
    resources: &'b [Resource<'a>],
    configs: &'b ConfigPlaces,
    installs: &'b [Install<'a>],
    /// Configurations that no server of a gateway has.
    unused: &'b BTreeSet<usize>,
    policies: &'b PolicyTargets<'a>,
    lenient: &'b [LenientPatch<'a>],
}

/// The routes that name a gateway as a parent, by its namespace and name, in the order of the
/// files.
struct AttachedRoutes<'a> {
    of_gateways: BTreeMap<(&'a str, &'a str), Vec<Resource<'a>>>,
}

impl<'a> AttachedRoutes<'a> {
    fn of(resources: &[Resource<'a>]) -> Self {
        let mut of_gateways: BTreeMap<_, Vec<Resource<'a>>> = BTreeMap::new();
        for route in resources.iter().filter(|one| one.group == "gateway.networking.k8s.io") {
            let named: BTreeSet<(&str, &str)> = route
                .list("parentRefs")
                .filter_map(|parent| {
                    let namespace = parent.text_of("namespace").unwrap_or(route.namespace);
                    Some((namespace, parent.text_of("name")?))
                })
                .collect();
            for gateway in named {
                of_gateways.entry(gateway).or_default().push(*route);
            }
        }
        Self { of_gateways }
    }

    fn to(&self, gateway: Resource<'a>) -> impl Iterator<Item = &Resource<'a>> {
        self.of_gateways.get(&(gateway.namespace, gateway.name)).into_iter().flatten()
    }
}

fn of_listener<'a>(
    around: &GatewayContext<'a, '_>,
    routes: &AttachedRoutes<'a>,
    gateway: Resource<'a>,
    listener: At<'a>,
    envoy: &EnvoyListener,
) -> FilterChain {
    let GatewayContext { resources, configs, installs, unused, policies, lenient } = *around;
    let hostname = listener.text_of("hostname").unwrap_or("*").to_owned();
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
        has_tls: has_tls(listener),
    };
    let (mut filters, mut base) =
        installs::filters_of(installs, &served, &envoy.title, &envoy.place);
    if let (true, Way::Off { fix, .. }) = (envoy.is_quic, &mut base) {
        *fix = format!("patch \"{}\" as well, or remove http3", envoy.name);
    }
    let patched = patches::filter_of_listener(resources, configs, unused, gateway, envoy);
    if let Some((filter, way)) = patched {
        // A patch that finds nothing leaves what others put there.
        if matches!(base, Way::Off { .. }) || !matches!(way, Way::Off { .. }) {
            base = way;
        }
        filters.push(filter);
    }
    let context = RouteContext { resources, configs, gateway, listener, policies, base };
    let mut one = FilterChain::empty(envoy.title.clone(), envoy.place.clone());
    let traffic = client_traffic::policy(resources, gateway, listener);
    one.tls = client_traffic::tls(traffic, listener, served.has_tls);
    one.client_traffic = traffic.and_then(client_traffic::settings);
    let asked = one.client_traffic.as_ref().map(|traffic| &traffic.certificates);
    if served.has_tls && !matches!(asked, Some(ClientCertificates::Asked(_))) {
        one.lets_untrusted = LenientPatch::of_server(lenient, &served);
        one.lets_untrusted.extend(lenient_mode(gateway, listener));
    }
    if envoy.is_quic {
        // What the policy says is judged with the other listener of the port. QUIC has TLS 1.3.
        one.client_traffic = None;
        one.tls = ChainTls::Tls(TlsParameters {
            place: envoy.place.clone(),
            minimum: Some(TlsVersion::V1_3),
            maximum: None,
            cipher_suites: None,
        });
    }
    let mut used: Vec<Resource<'_>> = Vec::new();
    let mut injected = Vec::new();
    for route in routes.to(gateway) {
        if !is_attached(route, gateway, listener)
            || allowed::refuses(resources, gateway, listener, *route)
        {
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
                injected.extend(credentials(resources, *route));
                http_route(&context, *route, &hosts, &mut one, &mut used)
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
            "UDPRoute" => {
                one.unseen.push((route.at.place(), "a UDPRoute is not followed".to_owned()));
            }
            "GRPCRoute" if !hosts.is_empty() => {
                one.unseen.push((route.at.place(), "a GRPCRoute is not followed".to_owned()));
            }
            _ => {}
        }
    }
    let is_first = matches!(context.base, Way::Runs(_));
    filters.extend(policies::filters(resources, configs, &used, is_first));
    filters.extend(injected);
    one.routes.sort_by_key(by_precedence);
    FilterChain { filters, ..one }
}

/// Exact paths before longer prefixes before shorter ones, and of one path those that ask for more
/// first. All other routes are placed before them, so that none of these is assumed to take their
/// requests; nor do they take the requests of these for sure.
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
        parent.text_of("kind").is_none_or(|kind| kind == "Gateway")
            && parent.text_of("name") == Some(gateway.name)
            && parent.text_of("namespace").unwrap_or(route.namespace) == gateway.namespace
            && parent
                .text_of("sectionName")
                .is_none_or(|name| listener.text_of("name") == Some(name))
            && port(parent).is_none_or(|wanted| port(listener) == Some(wanted))
    })
}

fn backend_name(backend: At<'_>, route: Resource<'_>) -> Option<String> {
    let kind = backend.text_of("kind").unwrap_or("Service");
    let namespace = backend.text_of("namespace").unwrap_or(route.namespace);
    let name = backend.text_of("name")?;
    let port =
        backend.member("port").map(|port| format!(":{}", port.node.to_json())).unwrap_or_default();
    // As Istio calls it.
    Some(match kind {
        "Service" => format!("{name}.{namespace}.svc.cluster.local{port}"),
        // Istio's way to name a host.
        "Hostname" => format!("{}{port}", service(&name.to_ascii_lowercase(), namespace, None)),
        _ => format!("{kind} {namespace}/{name}{port}"),
    })
}

fn http_route<'a>(
    context: &RouteContext<'a, '_>,
    route: Resource<'a>,
    hosts: &[String],
    chain: &mut FilterChain,
    used: &mut Vec<Resource<'a>>,
) {
    for rule in route.list("rules") {
        let filters: Vec<At<'a>> = rule.list("filters").collect();
        let (way, policies) = policies::way_of(context, route, rule);
        used.extend(policies);
        let routed: Vec<At<'a>> = rule.list("backendRefs").collect();
        // A backend may have filters of its own.
        let of_backends: Vec<At<'a>> = routed.iter().flat_map(|at| at.list("filters")).collect();
        let mirrored: Vec<At<'a>> = filters
            .iter()
            .chain(&of_backends)
            .filter_map(|filter| filter.path(&["requestMirror", "backendRef"]))
            .collect();
        let rewrite = match (rewrite(context.resources, route, &filters), &of_backends) {
            (Rewrite::None, others) => rewrite(context.resources, route, others),
            (first, _) => first,
        };
        let backends: Vec<At<'a>> = routed.into_iter().chain(mirrored).collect();
        let destinations: Vec<Destination> = backends
            .into_iter()
            .filter_map(|backend| {
                let cluster = Cluster::Named(backend_name(backend, route)?);
                Some(Destination { cluster, ways: vec![way.clone()] })
            })
            .collect();
        let matches: Vec<At<'a>> = rule.list("matches").collect();
        let mut add = |paths: PathMatch, is_conditional: bool| {
            chain.routes.push(Route {
                // The most specific path wins, whatever the order: `by_precedence`.
                group: hosts.join(" "),
                hosts: hosts.to_vec(),
                place: rule.place(),
                rewrite: rewrite.clone(),
                paths,
                is_conditional,
                host_rewrite: host_rewrite(&filters),
                internal_redirects: None,
                destinations: destinations.clone(),
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

/// Extensions of a route that write credentials behind the filter.
fn credentials(resources: &[Resource<'_>], route: Resource<'_>) -> Vec<Filter> {
    let rules = route.list("rules").flat_map(|rule| rule.list("filters").collect::<Vec<_>>());
    let names = rules.filter_map(|at| at.path(&["extensionRef", "name"]).and_then(At::text));
    let found = names.filter_map(|name| {
        let is_it = |one: &&Resource<'_>| {
            (one.kind, one.namespace, one.name) == ("HTTPRouteFilter", route.namespace, name)
        };
        resources.iter().find(is_it)?.spec()?.member("credentialInjection")
    });
    let filter = |at: At<'_>| Filter {
        place: at.place(),
        name: "credentialInjection".to_owned(),
        role: FilterRole::Changes("a filter that writes credentials"),
        is_disabled: false,
        is_unordered: true,
        gap: None,
    };
    found.map(filter).collect()
}

fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let path = at.member("path");
    let value = path.and_then(|path| path.text_of("value")).unwrap_or("/");
    let pattern = match path.and_then(|path| path.text_of("type")).unwrap_or("PathPrefix") {
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
        let rewrite = match filter.text_of("type") {
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
        return match path.text_of("type") {
            Some("ReplaceFullPath") => {
                Rewrite::Full(path.text_of("replaceFullPath").unwrap_or_default().to_owned())
            }
            Some("ReplacePrefixMatch") => {
                let new = path.text_of("replacePrefixMatch").unwrap_or_default();
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
