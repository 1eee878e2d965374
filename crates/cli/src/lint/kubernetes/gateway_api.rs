//! The Gateway API, and Envoy Gateway's policies for it.

mod allowed;
mod client_traffic;
mod envoy_listener;
mod http_routes;
mod merged;
mod patch_effects;
mod patch_listeners;
mod patch_operations;
mod patch_path;
mod patch_remarks;
mod patch_routes;
mod patch_ways;
mod patches;
mod policies;

use std::collections::{BTreeMap, BTreeSet};

use self::envoy_listener::{EnvoyListener, Http3, has_tls, http3};
use self::http_routes::{by_precedence, credentials, http_route};
use self::patch_operations::{Gated, Operation};
use self::patch_ways::Ways;
use self::policies::PolicyTargets;

use super::client_certificates::{LenientPatch, lenient_mode};
use super::installs::{self, GatewayServer, Install};
use super::resource::{Resource, service};
use crate::lint::graph::{
    ChainTls, ClientCertificates, Cluster, FilterChain, Graph, TlsParameters, TlsVersion, Way,
};
use crate::lint::hosts::common_host;
use crate::lint::located::{At, ConfigPlaces};

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
    let patch_policies = patch_policies.filter(|one| !merged::is_left_out(resources, **one));
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
    let operations = &operations;
    let context =
        GatewayContext { resources, configs, installs, unused, policies, lenient, operations };
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
    let ways = Ways::new(resources, operations);
    graph.remarks.extend(patch_effects::remarks(operations, &gated, &ways, configs));
    graph.chains.extend(ways.chains(operations, &gated));
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
    operations: &'b [Operation<'a>],
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
    let GatewayContext { resources, configs, installs, unused, policies, lenient, operations } =
        *around;
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
    let names = envoy.names(gateway, listener);
    filters.extend(patches::headers_of_routes(operations, gateway, &names));
    one.routes.sort_by_key(by_precedence);
    FilterChain { filters, ..one }
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
