//! Istio: gateways and virtual services.

mod delegate;
mod http_routes;
mod patches;
mod tls;

use std::collections::{BTreeMap, BTreeSet};

use self::http_routes::{IstioContext, http_routes};
use super::client_certificates::LenientPatch;
use super::installs::{GatewayServer, Install, filters_of, labels_of};
use super::resource::{Resource, service};
use crate::document;
use crate::lint::finding::Severity;
use crate::lint::graph::{ENABLE, FilterChain, Graph, Remark, Way};
use crate::lint::hosts::common_host;
use crate::lint::located::{At, Place};

/// Istio's own gateways, and the mesh.
pub fn graph(resources: &[Resource<'_>], installs: &[Install<'_>]) -> Graph {
    let mut graph = Graph::default();
    let is_istio = |resource: &&Resource<'_>| {
        resource.kind == "Gateway" && resource.group == "networking.istio.io"
    };
    let lenient = LenientPatch::all(resources);
    let trusts_proxies = trusts_proxies(resources);
    // Many files may have one and the same gateway.
    let mut seen = BTreeSet::new();
    for gateway in resources.iter().filter(is_istio) {
        let selector = gateway.spec().and_then(|spec| spec.member("selector"));
        let labels = labels_of(selector);
        let selected = selector.map(|selector| selector.node.to_json().to_string());
        for server in gateway.list("servers") {
            let content = server.node.to_json().to_string();
            if !seen.insert((gateway.namespace, gateway.name, selected.clone(), content)) {
                continue;
            }
            let hosts: Vec<String> = server
                .list("hosts")
                .filter_map(At::text)
                .map(|host| host.split_once('/').map_or(host, |(_, host)| host).to_owned())
                .collect();
            let mode = server.path(&["tls", "mode"]).and_then(At::text);
            let port = server.path(&["port", "number"]).map(|port| port.node.to_json().to_string());
            let served = GatewayServer {
                gateway: gateway.name,
                namespace: gateway.namespace,
                labels: labels.clone(),
                is_of_gateway_api: false,
                has_tls: server
                    .path(&["port", "protocol"])
                    .and_then(At::text)
                    .is_some_and(|protocol| ["HTTPS", "TLS"].contains(&protocol)),
                hosts,
                port: port.clone(),
            };
            let redirects = server.member("tls").is_some_and(|tls| tls.is_true("httpsRedirect"));
            if redirects && !trusts_proxies {
                continue;
            }
            let title = format!("port {} of {}", port.unwrap_or_default(), gateway.printed());
            let (filters, mut way) = filters_of(installs, &served, &title, &server.place());
            if let (true, Way::Off { place, .. }) = (redirects, &way) {
                let why = format!(
                    "{title} redirects, but not a request with \"x-forwarded-proto: https\", \
                     which a client can send where numTrustedProxies is not 0, and has no filter"
                );
                way = Way::Unclear { place: place.clone(), why };
            }
            let mut one = FilterChain { filters, ..FilterChain::empty(title, server.place()) };
            one.tls = tls::of_server(server, served.has_tls);
            if served.has_tls {
                one.lets_untrusted = LenientPatch::of_server(&lenient, &served);
            }
            if mode == Some("AUTO_PASSTHROUGH") {
                let why = "AUTO_PASSTHROUGH leads to every service whose cluster a client names";
                one.unseen.push((server.place(), why.to_owned()));
            }
            for virtual_service in
                resources.iter().filter(|resource| resource.kind == "VirtualService")
            {
                let names = virtual_service.list("gateways").filter_map(At::text);
                let is_bound = names
                    .into_iter()
                    .any(|name| is_gateway(name, virtual_service.namespace, gateway));
                let hosts = hosts_of(virtual_service, &served.hosts);
                if !is_bound || hosts.is_empty() {
                    continue;
                }
                let is_here = |at: At<'_>| -> bool {
                    let mut names = at.list("gateways").filter_map(At::text).peekable();
                    names.peek().is_none()
                        || names.any(|name| is_gateway(name, virtual_service.namespace, gateway))
                };
                one.raw.extend(raw_targets(virtual_service, &served.hosts, mode));
                if mode == Some("PASSTHROUGH") {
                    continue;
                }
                let context = IstioContext { resources, way: &way, is_here: &is_here };
                http_routes(*virtual_service, &hosts, &[], &context, &mut one);
            }
            graph.chains.push(one);
        }
    }
    disabled_routes(resources, installs, &mut graph);
    graph.chains.extend(mesh(resources, installs));
    graph.chains.extend(patches::chains(resources, installs));
    graph
}

/// Whether gateways take what the proxies in front of them say of a request, by the mesh or by
/// the annotation of a workload.
fn trusts_proxies(resources: &[Resource<'_>]) -> bool {
    const NAME: &str = "numTrustedProxies";
    let is_set =
        |at: &At<'_>| at.member(NAME).is_some_and(|number| number.node.whole_number() != Some(0));
    // A configuration as a text, in an annotation or in a ConfigMap.
    let is_set_in_text = |at: &At<'_>| {
        let text = at.text().filter(|text| text.contains(NAME));
        let documents = text.and_then(|text| document::read(text).ok()).unwrap_or_default();
        documents
            .iter()
            .any(|node| At::root(at.file, at.document, node).within().iter().any(is_set))
    };
    let mut all = resources.iter().flat_map(|resource| resource.at.within());
    all.any(|at| is_set(&at) || is_set_in_text(&at))
}

fn is_gateway(name: &str, namespace: &str, gateway: &Resource<'_>) -> bool {
    match name.split_once('/') {
        Some((own, name)) => (own, name) == (gateway.namespace, gateway.name),
        None => name == gateway.name && namespace == gateway.namespace,
    }
}

fn hosts_of(virtual_service: &Resource<'_>, served: &[String]) -> Vec<String> {
    let own = virtual_service.list("hosts").filter_map(At::text);
    own.flat_map(|own| {
        served
            .iter()
            .filter_map(move |served| common_host(own, served).map(|_| narrower(own, served)))
    })
    .collect()
}

/// The one of two patterns with a host in common that matches fewer.
fn narrower(one: &str, other: &str) -> String {
    if one == "*" || (one.starts_with('*') && other.len() > one.len()) {
        other.to_owned()
    } else {
        one.to_owned()
    }
}

fn raw_targets(
    virtual_service: &Resource<'_>,
    served: &[String],
    mode: Option<&str>,
) -> Vec<(Place, String)> {
    let is_served = |at: &At<'_>| {
        let mut names =
            at.list("match").flat_map(|one| one.list("sniHosts")).filter_map(At::text).peekable();
        names.peek().is_none()
            || names.any(|name| served.iter().any(|host| common_host(name, host).is_some()))
    };
    let tls: Vec<At<'_>> = virtual_service.list("tls").filter(is_served).collect();
    let tls = tls
        .into_iter()
        .filter(|_| mode.is_none_or(|mode| mode == "PASSTHROUGH" || mode == "AUTO_PASSTHROUGH"));
    let all =
        tls.chain(virtual_service.list("tcp")).flat_map(|at| at.list("route").collect::<Vec<_>>());
    all.filter_map(|route| {
        let destination = route.member("destination")?;
        let port = destination.path(&["port", "number"]);
        Some((
            destination.place(),
            service(destination.text_of("host")?, virtual_service.namespace, port),
        ))
    })
    .collect()
}

/// Patches that turn the filter off for routes.
fn disabled_routes(resources: &[Resource<'_>], installs: &[Install<'_>], graph: &mut Graph) {
    let ours: Vec<&str> = installs
        .iter()
        .filter(|own| own.filter.role.config().is_some())
        .map(|own| own.filter.name.as_str())
        .collect();
    let virtual_services = resources.iter().filter(|resource| resource.kind == "VirtualService");
    let mut named: BTreeMap<&str, BTreeSet<Place>> = BTreeMap::new();
    for http in virtual_services.flat_map(|resource| resource.list("http")) {
        if let Some(name) = http.text_of("name") {
            named.entry(name).or_default().insert(http.place());
        }
    }
    for resource in resources.iter().filter(|resource| resource.kind == "EnvoyFilter") {
        for patch in resource.list("configPatches") {
            let within = patch.path(&["patch", "value"]).into_iter().flat_map(At::within);
            let overrides = within.filter_map(|at| at.member("typed_per_filter_config"));
            let off = overrides
                .flat_map(At::members)
                .find(|(name, own)| ours.contains(name) && own.is_true("disabled"));
            let Some((_, off)) = off else { continue };
            let host = patch.path(&["match", "routeConfiguration", "vhost"]);
            let route = host.and_then(|host| host.path(&["route", "name"])).and_then(At::text);
            let host = host
                .and_then(|host| host.text_of("name"))
                .map(|name| name.split(':').next().unwrap_or(name));
            let is_named = |place: &Place| {
                route.is_none_or(|route| {
                    named.get(route).is_some_and(|places| places.contains(place))
                })
            };
            let mut is_applied = false;
            for one in graph.chains.iter_mut().flat_map(|chain| &mut chain.routes) {
                if is_named(&one.place)
                    && host.is_none_or(|host| one.hosts.iter().any(|own| own == host))
                {
                    is_applied = true;
                    let why = format!("{} disables the filter here", resource.printed());
                    let way = Way::Off { place: off.place(), why, fix: ENABLE.to_owned() };
                    one.destinations.iter_mut().for_each(|target| target.ways = vec![way.clone()]);
                }
            }
            if !is_applied {
                let message = format!(
                    "the filter is disabled for routes that are not in these files, which cannot \
                     be followed; {}",
                    ENABLE
                );
                graph.remarks.push(Remark {
                    place: off.place(),
                    severity: Severity::Doubtful,
                    message,
                });
            }
        }
    }
}

/// Requests of workloads of the mesh, which meet no gateway.
fn mesh(resources: &[Resource<'_>], installs: &[Install<'_>]) -> Option<FilterChain> {
    let is_in_sidecars = installs
        .iter()
        .any(|install| install.filter.role.config().is_some() && install.scope.is_elsewhere);
    let bound =
        resources.iter().filter(|resource| resource.kind == "VirtualService").filter(|resource| {
            let mut names = resource.list("gateways").filter_map(At::text).peekable();
            names.peek().is_none() || names.any(|name| name == "mesh")
        });
    let bound: Vec<&Resource<'_>> =
        bound.filter(|resource| resource.list("hosts").next().is_some()).collect();
    let first = bound.first().filter(|_| !is_in_sidecars)?;
    let mut one = FilterChain::empty("the mesh".to_owned(), first.at.place());
    for virtual_service in bound {
        let at = virtual_service.spec().and_then(|spec| spec.member("gateways").or(Some(spec)))?;
        let why = "requests from inside the mesh do not pass the gateway".to_owned();
        let way = Way::Unclear { place: at.place(), why };
        let is_here = |at: At<'_>| {
            let mut names = at.list("gateways").filter_map(At::text).peekable();
            names.peek().is_none() || names.any(|name| name == "mesh")
        };
        let hosts: Vec<String> =
            virtual_service.list("hosts").filter_map(At::text).map(str::to_owned).collect();
        http_routes(
            *virtual_service,
            &hosts,
            &[],
            &IstioContext { resources, way: &way, is_here: &is_here },
            &mut one,
        );
    }
    Some(one)
}
