//! Istio: gateways and virtual services.

mod delegate;
mod patches;
mod tls;

use std::collections::{BTreeMap, BTreeSet};

use super::client_certificates::LenientPatch;
use super::installs::{GatewayServer, Install, filters_of};
use super::resource::{Resource, is_host, service};
use crate::lint::finding::Severity;
use crate::lint::graph::{
    Cluster, Destination, ENABLE, FilterChain, Graph, Remark, Route, Way, WrittenHeader,
};
use crate::lint::hosts::common_host;
use crate::lint::located::{At, Place};
use crate::lint::paths::{Expression, PathMatch, Pattern, Rewrite};

/// Istio's own gateways, and the mesh.
pub fn graph(resources: &[Resource<'_>], installs: &[Install<'_>]) -> Graph {
    let mut graph = Graph::default();
    let is_istio = |resource: &&Resource<'_>| {
        resource.kind == "Gateway" && resource.group == "networking.istio.io"
    };
    let lenient = LenientPatch::all(resources);
    // Many files may have one and the same gateway.
    let mut seen = BTreeSet::new();
    for gateway in resources.iter().filter(is_istio) {
        let selector = gateway.spec().and_then(|spec| spec.member("selector"));
        let labels: Vec<(&str, &str)> = selector
            .into_iter()
            .flat_map(At::members)
            .filter_map(|(name, value)| Some((name, value.text()?)))
            .collect();
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
            if server.member("tls").is_some_and(|tls| tls.is_true("httpsRedirect")) {
                continue;
            }
            let title = format!("port {} of {}", port.unwrap_or_default(), gateway.printed());
            let (filters, way) = filters_of(installs, &served, &title, &server.place());
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

/// What routes are made of.
struct IstioContext<'a, 'b> {
    resources: &'b [Resource<'a>],
    way: &'b Way,
    is_here: &'b dyn Fn(At<'_>) -> bool,
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

fn http_routes(
    virtual_service: Resource<'_>,
    hosts: &[String],
    // What the virtual service asks for that delegates to this one; nothing: every request.
    outer: &[(PathMatch, bool)],
    context: &IstioContext<'_, '_>,
    chain: &mut FilterChain,
) {
    for http in virtual_service.list("http") {
        let matches: Vec<At<'_>> = http.list("match").collect();
        let here: Vec<At<'_>> =
            matches.iter().filter(|at| (context.is_here)(**at)).copied().collect();
        if !matches.is_empty() && here.is_empty() {
            continue;
        }
        if let Some(delegate) = http.member("delegate") {
            let namespace = delegate.text_of("namespace").unwrap_or(virtual_service.namespace);
            let is_it = |resource: &&Resource<'_>| {
                resource.kind == "VirtualService"
                    && Some(resource.name) == delegate.text_of("name")
                    && resource.namespace == namespace
            };
            match context.resources.iter().find(is_it) {
                // One that delegates further is refused by Istio.
                Some(other) if other.list("http").all(|http| http.member("delegate").is_none()) => {
                    let outer: Vec<(PathMatch, bool)> =
                        here.iter().map(|at| path_match(*at)).collect();
                    http_routes(*other, hosts, &outer, context, chain);
                }
                _ => chain.unseen.push((
                    delegate.place(),
                    "a virtual service to which it delegates is not in these files".to_owned(),
                )),
            }
            continue;
        }
        let destinations: Vec<Destination> = destinations(virtual_service, http, context.way);
        let At { file, document, node, .. } = virtual_service.at;
        let group = format!("{file}:{document}:{}", node.pointer);
        let mut add = |paths: PathMatch, is_conditional: bool| {
            chain.routes.push(Route {
                group: group.clone(),
                hosts: hosts.to_vec(),
                place: http.place(),
                rewrite: rewrite(http),
                paths,
                is_conditional,
                internal_redirects: None,
                destinations: destinations.clone(),
            });
        };
        let any = PathMatch { pattern: Pattern::Prefix("/".to_owned()), ignores_case: false };
        let mut own: Vec<(PathMatch, bool)> = here.into_iter().map(path_match).collect();
        if own.is_empty() {
            own.push((any.clone(), false));
        }
        let any = [(any, false)];
        let outer = if outer.is_empty() { &any } else { outer };
        for (paths, is_conditional) in own {
            for (first, is_first_conditional) in outer {
                if let Some((paths, is_unclear)) = delegate::both(first, &paths) {
                    add(paths, is_conditional || *is_first_conditional || is_unclear);
                }
            }
        }
    }
}

fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let uri = at.member("uri");
    let text = |name: &str| uri.and_then(|uri| uri.text_of(name)).map(str::to_owned);
    let pattern = match uri {
        None => Pattern::Prefix("/".to_owned()),
        Some(_) => text("exact")
            .map(Pattern::Exact)
            .or_else(|| text("prefix").map(Pattern::Prefix))
            .or_else(|| text("regex").map(|text| Pattern::Regex(Expression::whole(&text))))
            .unwrap_or(Pattern::Unknown),
    };
    let known = ["uri", "ignoreUriCase", "name", "gateways", "statPrefix"];
    let is_conditional = at.members().any(|(name, _)| !known.contains(&name));
    (PathMatch { pattern, ignores_case: at.is_true("ignoreUriCase") }, is_conditional)
}

fn rewrite(http: At<'_>) -> Rewrite {
    let Some(rewrite) = http.member("rewrite") else { return Rewrite::None };
    if let Some(regex) = rewrite.member("uriRegexRewrite") {
        let text = |name: &str| regex.text_of(name).unwrap_or_default();
        return Rewrite::Regex {
            pattern: Expression::anywhere(text("match")),
            substitution: text("rewrite").to_owned(),
        };
    }
    rewrite.text_of("uri").map_or(Rewrite::None, |uri| Rewrite::Matched(uri.to_owned()))
}

fn destinations(virtual_service: Resource<'_>, http: At<'_>, way: &Way) -> Vec<Destination> {
    let mirrors = http.list("mirrors").map(|mirror| (mirror.member("destination"), None));
    let routed = http.list("route").map(|route| (route.member("destination"), Some(route)));
    let all = routed.chain([(http.member("mirror"), None)]).chain(mirrors);
    all.filter_map(|(destination, route)| {
        let destination = destination?;
        let name = service(
            destination.text_of("host")?,
            virtual_service.namespace,
            destination.path(&["port", "number"]),
        );
        let own = route.and_then(written_host);
        let host = own
            .or_else(|| http.path(&["rewrite", "authority"]).and_then(At::text))
            .or_else(|| written_host(http));
        let host_rewrite = host.map(|host| Some(host.to_owned()));
        let headers = route.into_iter().chain([http]).flat_map(written_headers);
        let headers = headers
            .map(|(name, value)| WrittenHeader { place: value.place(), name: name.to_owned() });
        Some(Destination {
            host_rewrite,
            headers: headers.collect(),
            ..Destination::new(Cluster::Named(name), way.clone())
        })
    })
    .collect()
}

/// The host that `headers.request` of a route or of one of its destinations writes.
fn written_host(at: At<'_>) -> Option<&str> {
    written_headers(at).find(|(name, _)| is_host(name)).and_then(|(_, value)| value.text())
}

/// The headers that it writes.
fn written_headers(at: At<'_>) -> impl Iterator<Item = (&str, At<'_>)> {
    let request = at.path(&["headers", "request"]);
    let written = ["set", "add"].into_iter().filter_map(move |name| request?.member(name));
    written.flat_map(At::members)
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
