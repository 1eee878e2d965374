//! Istio: gateways, virtual services, and what EnvoyFilter, WasmPlugin and TrafficExtension put into them.

use super::filters::{self, Named};
use super::graph::{At, Cluster, Configs, Entry, Filter, Graph, Kind, Remark, Route, Target, Way};
use super::kubernetes::{Resource, entry, service};
use super::paths::{Answer, Expression, PathMatch, Pattern, Rewrite};
use super::rules::common_host;

const INSTALL: &str = "let the filter be installed there too, or take the route to this service away";

/// An HTTP filter that a resource puts into proxies.
pub struct Install<'a> {
    resource: Resource<'a>,
    pub filter: Filter,
    scope: Scope<'a>,
    order: Order,
    /// It takes the filter of this name away instead.
    is_removal: bool,
}

/// Which proxies and listeners get it.
#[derive(Default)]
struct Scope<'a> {
    labels: Vec<(&'a str, &'a str)>,
    /// Gateways of the Gateway API, by name.
    gateways: Vec<&'a str>,
    sni: Option<&'a str>,
    ports: Vec<String>,
    /// It asks for something that the files do not show.
    is_unclear: bool,
    /// Not for gateways.
    is_elsewhere: bool,
    /// A plugin for the traffic of servers, of which a gateway has none.
    is_for_servers: bool,
}

/// Where among the filters it stands.
#[derive(PartialEq, Eq)]
enum Order {
    First,
    /// Before the filter of this name.
    Before(String),
    Other,
    /// Phase and, from the highest, priority.
    Phase(u8, i64),
}

/// A server of a gateway.
pub struct Served<'a> {
    pub gateway: &'a str,
    pub namespace: &'a str,
    /// Of its workload, as far as they are known.
    pub labels: Vec<(&'a str, &'a str)>,
    pub is_of_gateway_api: bool,
    pub hosts: Vec<String>,
    pub port: Option<String>,
    pub has_tls: bool,
}

impl Scope<'_> {
    fn covers(&self, namespace: &str, served: &Served<'_>) -> Answer {
        if self.is_elsewhere || self.is_for_servers { Answer::No } else { self.selects(namespace, served) }
    }

    fn selects(&self, namespace: &str, served: &Served<'_>) -> Answer {
        let mut is_unclear = self.is_unclear;
        if !self.gateways.is_empty() {
            if !served.is_of_gateway_api || !self.gateways.contains(&served.gateway) {
                return Answer::No;
            }
        } else if self.labels.is_empty() {
            is_unclear |= namespace != served.namespace && namespace != "istio-system";
        }
        for (name, value) in &self.labels {
            match served.labels.iter().find(|(own, _)| own == name) {
                Some((_, own)) if own == value => {}
                Some(_) => return Answer::No,
                None => is_unclear = true,
            }
        }
        if let Some(sni) = self.sni
            && (!served.has_tls || !served.hosts.iter().any(|host| host == sni))
        {
            return Answer::No;
        }
        if !self.ports.is_empty() && served.port.as_ref().is_some_and(|port| !self.ports.contains(port)) {
            return Answer::No;
        }
        if is_unclear { Answer::Maybe } else { Answer::Yes }
    }
}

impl Install<'_> {
    pub fn covers(&self, served: &Served<'_>) -> Answer {
        self.scope.covers(self.resource.namespace, served)
    }

    /// Whether another filter may run behind this one.
    fn may_precede(&self, other: &Self) -> bool {
        match (&self.order, &other.order) {
            (Order::Phase(phase, priority), Order::Phase(other, others)) => (phase, -priority) <= (other, -others),
            (_, Order::Before(name)) if *name == self.filter.name => false,
            (Order::Phase(..) | Order::Before(_), Order::First) => false,
            (Order::Before(_), Order::Phase(..)) => false,
            _ => true,
        }
    }
}

/// What the resources put into proxies.
pub fn installs<'a>(resources: &[Resource<'a>], configs: &Configs) -> Vec<Install<'a>> {
    let patches = |resource: &Resource<'a>| resource.list("configPatches").collect::<Vec<_>>();
    let filters = resources.iter().filter(|resource| resource.kind == "EnvoyFilter");
    let named: Named = filters
        .flat_map(patches)
        .filter(|patch| patch.said("applyTo") == Some("EXTENSION_CONFIG"))
        .filter_map(|patch| {
            let value = patch.path(&["patch", "value"])?;
            Some((value.said("name")?.to_owned(), configs.within(value)?))
        })
        .collect();
    let mut found = Vec::new();
    for resource in resources {
        match resource.kind {
            "EnvoyFilter" => {
                let inserts = patches(resource).into_iter().filter(|patch| patch.said("applyTo") == Some("HTTP_FILTER"));
                found.extend(inserts.filter_map(|patch| by_envoy_filter(*resource, patch, configs, &named)));
            }
            "WasmPlugin" | "TrafficExtension" => found.push(by_plugin(*resource, configs)),
            _ => {}
        }
    }
    found
}

fn by_envoy_filter<'a>(resource: Resource<'a>, patch: At<'a>, configs: &Configs, named: &Named) -> Option<Install<'a>> {
    let operation = patch.path(&["patch", "operation"]).and_then(At::text).unwrap_or_default();
    let listener = patch.path(&["match", "listener"]);
    let chain = listener.and_then(|listener| listener.member("filterChain"));
    let behind = chain.and_then(|chain| chain.path(&["filter", "subFilter", "name"])).and_then(At::text);
    let is_removal = ["REMOVE", "REPLACE"].contains(&operation);
    let filter = match patch.path(&["patch", "value"]) {
        Some(value) if operation != "MERGE" => {
            let filter = filters::of(value, configs, named);
            Filter { place: value.place(), ..filter }
        }
        None if is_removal => {
            let name = behind.unwrap_or_default().to_owned();
            Filter { place: patch.place(), name, kind: Kind::Harmless, is_disabled: false, is_unordered: false, gap: None }
        }
        _ => return None,
    };
    let text = |at: Option<At<'a>>, name: &str| at.and_then(|at| at.said(name));
    let labels = resource.spec().and_then(|spec| spec.path(&["workloadSelector", "labels"]));
    let refs = resource.list("targetRefs").filter_map(|target| target.said("name"));
    let known = ["filterChain", "portNumber"];
    let known_of_chain = ["sni", "filter"];
    let is_unclear = listener.into_iter().flat_map(At::members).any(|(name, _)| !known.contains(&name))
        || chain.into_iter().flat_map(At::members).any(|(name, _)| !known_of_chain.contains(&name))
        || patch.path(&["match", "proxy"]).is_some();
    let context = patch.path(&["match", "context"]).and_then(At::text);
    let scope = Scope {
        labels: labels.into_iter().flat_map(At::members).filter_map(|(name, value)| Some((name, value.text()?))).collect(),
        gateways: refs.collect(),
        sni: text(chain, "sni"),
        ports: listener
            .and_then(|listener| listener.member("portNumber"))
            .map(|port| port.node.to_json().to_string())
            .into_iter()
            .collect(),
        is_unclear,
        is_elsewhere: context.is_some_and(|context| context.starts_with("SIDECAR")),
        is_for_servers: false,
    };
    let order = match (operation, behind) {
        ("INSERT_FIRST", _) => Order::First,
        // Envoy's own or Istio's filter, before which it stands.
        ("INSERT_BEFORE", Some(name)) => Order::Before(name.to_owned()),
        ("INSERT_BEFORE", None) => Order::First,
        _ => Order::Other,
    };
    Some(Install { resource, filter, scope, order, is_removal })
}

fn by_plugin<'a>(resource: Resource<'a>, configs: &Configs) -> Install<'a> {
    let spec = resource.spec();
    let kind = match configs.at(resource.at) {
        Some(config) => Kind::Ours { config, skips: None },
        None if spec.is_some_and(|spec| spec.member("lua").is_some()) => Kind::Changes("a Lua script"),
        None => Kind::Changes("another wasm filter"),
    };
    let labels = spec.and_then(|spec| spec.path(&["selector", "matchLabels"]));
    let refs: Vec<At<'a>> = resource.list("targetRefs").chain(spec.and_then(|spec| spec.member("targetRef"))).collect();
    let selectors: Vec<At<'a>> = resource.list("match").collect();
    // At gateways all traffic is a client's.
    let fits = |at: &At<'a>| at.said("mode") != Some("SERVER");
    let fitting: Vec<At<'a>> = selectors.iter().filter(|at| fits(at)).copied().collect();
    let has_any_port = fitting.is_empty() || fitting.iter().any(|at| at.list("ports").next().is_none());
    let ports = fitting.iter().flat_map(|at| at.list("ports")).filter_map(|port| port.member("number"));
    let number =
        |name: &str| spec.and_then(|spec| spec.member(name)).and_then(|at| at.node.to_json().as_i64()).unwrap_or_default();
    let phase = match spec.and_then(|spec| spec.said("phase")) {
        Some("AUTHN") => 0,
        Some("AUTHZ") => 1,
        Some("STATS") => 2,
        _ => 3,
    };
    let is_unclear = refs.iter().any(|at| at.said("kind").is_some_and(|kind| !["Gateway", "Service"].contains(&kind)));
    Install {
        resource,
        filter: Filter {
            place: spec.unwrap_or(resource.at).place(),
            name: resource.name.to_owned(),
            kind,
            is_disabled: false,
            is_unordered: false,
            gap: None,
        },
        scope: Scope {
            labels: labels.into_iter().flat_map(At::members).filter_map(|(name, value)| Some((name, value.text()?))).collect(),
            gateways: refs.iter().filter_map(|at| at.said("name")).collect(),
            sni: None,
            ports: if has_any_port { vec![] } else { ports.map(|port| port.node.to_json().to_string()).collect() },
            is_unclear,
            is_elsewhere: false,
            is_for_servers: !selectors.is_empty() && fitting.is_empty(),
        },
        order: Order::Phase(phase, number("priority")),
        is_removal: false,
    }
}

/// The filters that a server of a gateway has, and how requests meet this one.
pub fn filters_of(installs: &[Install<'_>], served: &Served<'_>, title: &str, at: &super::graph::Place) -> (Vec<Filter>, Way) {
    let covering: Vec<(&Install<'_>, Answer)> =
        installs.iter().map(|install| (install, install.covers(served))).filter(|(_, covers)| *covers != Answer::No).collect();
    let (ours, others): (Vec<_>, Vec<_>) = covering.iter().partition(|(install, _)| install.filter.kind.config().is_some());
    let removed = |install: &Install<'_>| {
        covering.iter().find(|(other, _)| other.is_removal && other.filter.name == install.filter.name).map(|(other, _)| *other)
    };
    let mut filters: Vec<Filter> = Vec::new();
    for (other, _) in others.iter().filter(|(other, _)| !other.is_removal) {
        let is_unordered = ours.iter().any(|(own, _)| own.may_precede(other));
        filters.push(Filter { is_unordered, ..other.filter.clone() });
    }
    filters.extend(ours.iter().map(|(own, _)| own.filter.clone()));
    let kept: Vec<(&Install<'_>, Answer)> = ours.iter().copied().filter(|(own, _)| removed(own).is_none()).collect();
    let running: Vec<usize> =
        kept.iter().filter(|(_, covers)| *covers == Answer::Yes).filter_map(|(own, _)| own.filter.kind.config()).collect();
    if !running.is_empty() {
        return (filters, Way::Runs(running));
    }
    if let Some((own, _)) = kept.first() {
        let why = format!("whether {} selects {title} is not in these files", own.resource.printed());
        return (filters, Way::Unclear { place: own.filter.place.clone(), why });
    }
    if let Some(other) = ours.first().and_then(|(own, _)| removed(own)) {
        let why = format!("{} takes the filter away", other.resource.printed());
        return (filters, Way::Off { place: other.filter.place.clone(), why, fix: "take that patch away".to_owned() });
    }
    let is_for_servers = |install: &&Install<'_>| {
        let scope = &install.scope;
        let is_here = scope.is_for_servers && scope.selects(install.resource.namespace, served) == Answer::Yes;
        is_here && install.filter.kind.config().is_some()
    };
    if let Some(own) = installs.iter().find(is_for_servers) {
        filters.push(own.filter.clone());
        let why = format!("{} is for the traffic of servers alone, and a gateway has none", own.resource.printed());
        let fix = "leave the mode out of its match".to_owned();
        return (filters, Way::Off { place: own.filter.place.clone(), why, fix });
    }
    let why = format!("{title} has no such filter");
    (filters, Way::Off { place: at.clone(), why, fix: INSTALL.to_owned() })
}

/// Istio's own gateways, and the mesh.
pub fn graph(resources: &[Resource<'_>], installs: &[Install<'_>]) -> Graph {
    let mut graph = Graph::default();
    let is_istio = |resource: &&Resource<'_>| resource.kind == "Gateway" && resource.group == "networking.istio.io";
    for gateway in resources.iter().filter(is_istio) {
        let selector = gateway.spec().and_then(|spec| spec.member("selector"));
        let labels: Vec<(&str, &str)> =
            selector.into_iter().flat_map(At::members).filter_map(|(name, value)| Some((name, value.text()?))).collect();
        for server in gateway.list("servers") {
            let hosts: Vec<String> = server
                .list("hosts")
                .filter_map(At::text)
                .map(|host| host.split_once('/').map_or(host, |(_, host)| host).to_owned())
                .collect();
            let mode = server.path(&["tls", "mode"]).and_then(At::text);
            let port = server.path(&["port", "number"]).map(|port| port.node.to_json().to_string());
            let served = Served {
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
            let mut one = Entry { filters, ..entry(title, server.place()) };
            for virtual_service in resources.iter().filter(|resource| resource.kind == "VirtualService") {
                let names = virtual_service.list("gateways").filter_map(At::text);
                let is_bound = names.into_iter().any(|name| is_gateway(name, virtual_service.namespace, gateway));
                let hosts = hosts_of(virtual_service, &served.hosts);
                if !is_bound || hosts.is_empty() {
                    continue;
                }
                let is_here = |at: At<'_>| -> bool {
                    let mut names = at.list("gateways").filter_map(At::text).peekable();
                    names.peek().is_none() || names.any(|name| is_gateway(name, virtual_service.namespace, gateway))
                };
                one.raw.extend(raw_targets(virtual_service, &served.hosts, mode));
                if mode == Some("PASSTHROUGH") {
                    continue;
                }
                let context = Context { resources, way: &way, is_here: &is_here };
                http_routes(*virtual_service, &hosts, &context, &mut one);
            }
            graph.entries.push(one);
        }
    }
    disabled_routes(resources, installs, &mut graph);
    graph.entries.extend(mesh(resources, installs));
    graph
}

/// What routes are made of.
struct Context<'a, 'b> {
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
    own.flat_map(|own| served.iter().filter_map(move |served| common_host(own, served).map(|_| narrower(own, served)))).collect()
}

/// The one of two patterns with a host in common that stands for fewer.
fn narrower(one: &str, other: &str) -> String {
    if one == "*" || (one.starts_with('*') && other.len() > one.len()) { other.to_owned() } else { one.to_owned() }
}

fn raw_targets(virtual_service: &Resource<'_>, served: &[String], mode: Option<&str>) -> Vec<(super::graph::Place, String)> {
    let is_served = |at: &At<'_>| {
        let mut names = at.list("match").flat_map(|one| one.list("sniHosts")).filter_map(At::text).peekable();
        names.peek().is_none() || names.any(|name| served.iter().any(|host| common_host(name, host).is_some()))
    };
    let tls: Vec<At<'_>> = virtual_service.list("tls").filter(is_served).collect();
    let tls = tls.into_iter().filter(|_| mode.is_none_or(|mode| mode == "PASSTHROUGH" || mode == "AUTO_PASSTHROUGH"));
    let all = tls.chain(virtual_service.list("tcp")).flat_map(|at| at.list("route").collect::<Vec<_>>());
    all.filter_map(|route| {
        let destination = route.member("destination")?;
        let port = destination.path(&["port", "number"]);
        Some((destination.place(), service(destination.said("host")?, virtual_service.namespace, port)))
    })
    .collect()
}

fn http_routes(virtual_service: Resource<'_>, hosts: &[String], context: &Context<'_, '_>, entry: &mut Entry) {
    for http in virtual_service.list("http") {
        let matches: Vec<At<'_>> = http.list("match").collect();
        let here: Vec<At<'_>> = matches.iter().filter(|at| (context.is_here)(**at)).copied().collect();
        if !matches.is_empty() && here.is_empty() {
            continue;
        }
        if let Some(delegate) = http.member("delegate") {
            let namespace = delegate.said("namespace").unwrap_or(virtual_service.namespace);
            let is_it = |resource: &&Resource<'_>| {
                resource.kind == "VirtualService"
                    && Some(resource.name) == delegate.said("name")
                    && resource.namespace == namespace
            };
            match context.resources.iter().find(is_it) {
                // One that delegates further is refused by Istio.
                Some(other) if other.list("http").all(|http| http.member("delegate").is_none()) => {
                    http_routes(*other, hosts, context, entry);
                }
                _ => entry
                    .unseen
                    .push((delegate.place(), "a virtual service to which it delegates is not in these files".to_owned())),
            }
            continue;
        }
        let targets: Vec<Target> = targets(virtual_service, http, context.way);
        let mut add = |paths: PathMatch, is_conditional: bool| {
            entry.routes.push(Route {
                group: format!("{}:{}", virtual_service.at.file, virtual_service.at.node.pointer),
                hosts: hosts.to_vec(),
                place: http.place(),
                rewrite: rewrite(http),
                paths,
                is_conditional,
                host_rewrite: http.path(&["rewrite", "authority"]).and_then(At::text).map(|host| Some(host.to_owned())),
                internal_redirects: None,
                targets: targets.clone(),
            });
        };
        if here.is_empty() {
            add(PathMatch { pattern: Pattern::Prefix("/".to_owned()), ignores_case: false }, false);
        }
        for one in here {
            let (paths, is_conditional) = path_match(one);
            add(paths, is_conditional);
        }
    }
}

fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let uri = at.member("uri");
    let text = |name: &str| uri.and_then(|uri| uri.said(name)).map(str::to_owned);
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
        let text = |name: &str| regex.said(name).unwrap_or_default();
        return Rewrite::Regex { pattern: Expression::anywhere(text("match")), substitution: text("rewrite").to_owned() };
    }
    rewrite.said("uri").map_or(Rewrite::None, |uri| Rewrite::Matched(uri.to_owned()))
}

fn targets(virtual_service: Resource<'_>, http: At<'_>, way: &Way) -> Vec<Target> {
    let routed = http.list("route").filter_map(|route| route.member("destination"));
    let mirrored =
        http.member("mirror").into_iter().chain(http.list("mirrors").filter_map(|mirror| mirror.member("destination")));
    let all = routed.chain(mirrored);
    all.filter_map(|destination| {
        let name = service(destination.said("host")?, virtual_service.namespace, destination.path(&["port", "number"]));
        Some(Target { cluster: Cluster::Named(name), ways: vec![way.clone()] })
    })
    .collect()
}

/// Patches that turn the filter off for routes.
fn disabled_routes(resources: &[Resource<'_>], installs: &[Install<'_>], graph: &mut Graph) {
    let ours: Vec<&str> =
        installs.iter().filter(|own| own.filter.kind.config().is_some()).map(|own| own.filter.name.as_str()).collect();
    for resource in resources.iter().filter(|resource| resource.kind == "EnvoyFilter") {
        for patch in resource.list("configPatches") {
            let within = patch.path(&["patch", "value"]).into_iter().flat_map(At::within);
            let overrides = within.filter_map(|at| at.member("typed_per_filter_config"));
            let off = overrides.flat_map(At::members).find(|(name, own)| ours.contains(name) && own.is_true("disabled"));
            let Some((_, off)) = off else { continue };
            let host = patch.path(&["match", "routeConfiguration", "vhost"]);
            let route = host.and_then(|host| host.path(&["route", "name"])).and_then(At::text);
            let host = host.and_then(|host| host.said("name")).map(|name| name.split(':').next().unwrap_or(name));
            let named = |place: &super::graph::Place| {
                let https = resources
                    .iter()
                    .filter(|resource| resource.kind == "VirtualService")
                    .flat_map(|vs| vs.list("http").collect::<Vec<_>>());
                route.is_none_or(|route| https.into_iter().any(|http| http.place() == *place && http.said("name") == Some(route)))
            };
            let mut is_applied = false;
            for one in graph.entries.iter_mut().flat_map(|entry| &mut entry.routes) {
                if named(&one.place) && host.is_none_or(|host| one.hosts.iter().any(|own| own == host)) {
                    is_applied = true;
                    let why = format!("{} disables the filter here", resource.printed());
                    let way = Way::Off { place: off.place(), why, fix: super::envoy::ENABLE.to_owned() };
                    one.targets.iter_mut().for_each(|target| target.ways = vec![way.clone()]);
                }
            }
            if !is_applied {
                let message = format!(
                    "the filter is disabled for routes that are not in these files, which cannot be followed; {}",
                    super::envoy::ENABLE
                );
                graph.remarks.push(Remark { place: off.place(), is_error: false, message });
            }
        }
    }
}

/// Requests of workloads of the mesh, which meet no gateway.
fn mesh(resources: &[Resource<'_>], installs: &[Install<'_>]) -> Option<Entry> {
    let is_in_sidecars = installs.iter().any(|install| install.filter.kind.config().is_some() && install.scope.is_elsewhere);
    let bound = resources.iter().filter(|resource| resource.kind == "VirtualService").filter(|resource| {
        let mut names = resource.list("gateways").filter_map(At::text).peekable();
        names.peek().is_none() || names.any(|name| name == "mesh")
    });
    let bound: Vec<&Resource<'_>> = bound.filter(|resource| resource.list("hosts").next().is_some()).collect();
    let first = bound.first().filter(|_| !is_in_sidecars)?;
    let mut one = entry("the mesh".to_owned(), first.at.place());
    for virtual_service in bound {
        let at = virtual_service.spec().and_then(|spec| spec.member("gateways").or(Some(spec)))?;
        let why = "requests from inside the mesh do not pass the gateway".to_owned();
        let way = Way::Unclear { place: at.place(), why };
        let is_here = |at: At<'_>| {
            let mut names = at.list("gateways").filter_map(At::text).peekable();
            names.peek().is_none() || names.any(|name| name == "mesh")
        };
        let hosts: Vec<String> = virtual_service.list("hosts").filter_map(At::text).map(str::to_owned).collect();
        http_routes(*virtual_service, &hosts, &Context { resources, way: &way, is_here: &is_here }, &mut one);
    }
    Some(one)
}
