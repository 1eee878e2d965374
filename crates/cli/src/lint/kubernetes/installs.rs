//! What Istio's EnvoyFilter, WasmPlugin and TrafficExtension put into gateways.

use std::collections::BTreeSet;

use super::resource::Resource;
use crate::lint::envoy::http_filters::{self, DiscoveredFilters};
use crate::lint::graph::{Filter, FilterRole, Way};
use crate::lint::located::{At, ConfigPlaces, Place};
use crate::lint::paths::Answer;

/// Istio's root namespace, whose resources are for all namespaces.
const ROOT: &str = "istio-system";

const INSTALL: &str = "let the filter be installed there too, or remove the route to this service";

/// An HTTP filter that a resource puts into proxies.
pub struct Install<'a> {
    resource: Resource<'a>,
    pub filter: Filter,
    pub scope: InstallScope<'a>,
    order: FilterOrder,
    /// It takes the filter of this name away; any, where the name is empty.
    removes: Option<&'a str>,
    /// It puts none there.
    is_removal: bool,
    /// No server of a gateway has this configuration: it is reported at a server that it misses by
    /// one setting.
    is_unused: bool,
}

/// Which proxies and listeners get it.
#[derive(Default)]
pub struct InstallScope<'a> {
    labels: Vec<(&'a str, &'a str)>,
    /// Gateways of the Gateway API, by name; they are in the namespace of the resource.
    gateways: Vec<&'a str>,
    /// It names its targets, if other ones.
    has_targets: bool,
    /// One of them is no gateway, and may have some: as a class.
    has_other_targets: bool,
    sni: Option<&'a str>,
    ports: Vec<String>,
    /// It asks for something that the files do not show.
    is_unclear: bool,
    /// Not for gateways.
    pub is_elsewhere: bool,
    /// A plugin for the traffic of servers, of which a gateway has none.
    is_for_servers: bool,
    /// It sees connections, and no requests.
    is_for_connections: bool,
}

/// Its place among the filters.
#[derive(PartialEq, Eq)]
enum FilterOrder {
    First,
    /// Before the filter of this name.
    Before(String),
    Other,
    /// Phase and, from the highest, priority.
    Phase(u8, i64),
}

/// A server of a gateway.
pub struct GatewayServer<'a> {
    pub gateway: &'a str,
    pub namespace: &'a str,
    /// Of its workload, as far as they are known.
    pub labels: Vec<(&'a str, &'a str)>,
    pub is_of_gateway_api: bool,
    pub hosts: Vec<String>,
    pub port: Option<String>,
    pub has_tls: bool,
}

impl InstallScope<'_> {
    /// Whether no workload can have both these labels and its own.
    pub fn differs(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().any(|(name, value)| {
            self.labels.iter().any(|(own, other)| own == name && other != value)
        })
    }

    pub fn covers(&self, namespace: &str, served: &GatewayServer<'_>) -> Answer {
        if self.is_elsewhere || self.is_for_servers || self.is_for_connections {
            Answer::No
        } else {
            self.selects(namespace, served)
        }
    }

    /// Whether it selects the workload of a server, whatever it asks of the listener.
    fn selects_workload(&self, namespace: &str, served: &GatewayServer<'_>) -> Answer {
        let is_root = namespace == ROOT;
        let mut is_unclear = false;
        if self.has_targets {
            let is_named = served.is_of_gateway_api
                && self.gateways.contains(&served.gateway)
                && namespace == served.namespace;
            if !is_named && !self.has_other_targets {
                return Answer::No;
            }
            is_unclear |= !is_named;
        } else {
            // Those of the root namespace are for all; others for workloads of their own namespace,
            // which the files do not show to be that of the gateway.
            is_unclear |= namespace != served.namespace && !is_root;
        }
        for (name, value) in &self.labels {
            match served.labels.iter().find(|(own, _)| own == name) {
                Some((_, own)) if own == value => {}
                Some(_) => return Answer::No,
                None => is_unclear = true,
            }
        }
        if is_unclear { Answer::Maybe } else { Answer::Yes }
    }

    fn selects(&self, namespace: &str, served: &GatewayServer<'_>) -> Answer {
        let workload = self.selects_workload(namespace, served);
        if workload == Answer::No || self.misses(served).is_some() {
            return Answer::No;
        }
        if self.is_unclear { Answer::Maybe } else { workload }
    }

    /// For which servers it is, where that is not this one.
    fn misses(&self, served: &GatewayServer<'_>) -> Option<String> {
        if let Some(sni) = self.sni
            && (!served.has_tls || !served.hosts.iter().any(|host| host == sni))
        {
            return Some(format!("for the server name \"{sni}\" alone"));
        }
        let is_here = |port: &String| self.ports.is_empty() || self.ports.contains(port);
        let is_here = served.port.as_ref().is_none_or(is_here);
        (!is_here).then(|| format!("for port {} alone", self.ports.join(" and ")))
    }
}

impl Install<'_> {
    pub fn covers(&self, served: &GatewayServer<'_>) -> Answer {
        self.scope.covers(self.resource.namespace, served)
    }

    /// Why a server does not get this filter, though its workload is selected, and what to change.
    fn near_miss(&self, served: &GatewayServer<'_>) -> Option<(String, &'static str)> {
        let scope = &self.scope;
        let workload = scope.selects_workload(self.resource.namespace, served);
        if workload != Answer::Yes || self.filter.role.config().is_none() {
            return None;
        }
        let miss = scope.misses(served);
        if miss.is_none() && scope.is_for_servers {
            let why = "for the traffic of servers alone, and a gateway has none";
            return Some((why.to_owned(), "leave the mode out of its match"));
        }
        if miss.is_none() && scope.is_for_connections {
            let why = "of the type NETWORK, which sees connections and no requests";
            return Some((why.to_owned(), "leave the type out"));
        }
        // Where another server has it, this one may be meant to go without. And a listener has the
        // port of the pod, which a Service may have mapped to that of the gateway.
        let is_by_port = miss.is_some() && !scope.ports.is_empty();
        if !self.is_unused || (is_by_port && self.resource.kind == "EnvoyFilter") {
            return None;
        }
        let sidecars = || "for sidecars, and a gateway is none".to_owned();
        let why = miss.or_else(|| scope.is_elsewhere.then(sidecars))?;
        Some((why, "let its match be that of the server"))
    }

    /// Whether another filter may run behind this one.
    fn may_precede(&self, other: &Self) -> bool {
        match (&self.order, &other.order) {
            (FilterOrder::Phase(phase, priority), FilterOrder::Phase(other, others)) => {
                (phase, -priority) <= (other, -others)
            }
            (_, FilterOrder::Before(name)) if *name == self.filter.name => false,
            (FilterOrder::Phase(..) | FilterOrder::Before(_), FilterOrder::First) => false,
            (FilterOrder::Before(_), FilterOrder::Phase(..)) => false,
            _ => true,
        }
    }
}

/// Marks those whose configuration is one of `unused`.
pub fn mark_unused(installs: &mut [Install<'_>], unused: &BTreeSet<usize>) {
    for install in installs {
        let config = install.filter.role.config();
        install.is_unused = config.is_some_and(|config| unused.contains(&config));
    }
}

/// What the resources put into proxies.
pub fn installs<'a>(resources: &[Resource<'a>], configs: &ConfigPlaces) -> Vec<Install<'a>> {
    let patches = |resource: &Resource<'a>| resource.list("configPatches").collect::<Vec<_>>();
    let filters = resources.iter().filter(|resource| resource.kind == "EnvoyFilter");
    let named: DiscoveredFilters = filters
        .flat_map(patches)
        .filter(|patch| patch.text_of("applyTo") == Some("EXTENSION_CONFIG"))
        .filter_map(|patch| http_filters::discovered(patch.path(&["patch", "value"])?, configs))
        .collect();
    let mut found = Vec::new();
    for resource in resources {
        match resource.kind {
            "EnvoyFilter" => {
                let inserts = patches(resource)
                    .into_iter()
                    .filter(|patch| patch.text_of("applyTo") == Some("HTTP_FILTER"));
                found.extend(
                    inserts.filter_map(|patch| by_envoy_filter(*resource, patch, configs, &named)),
                );
                found.extend(
                    patches(resource)
                        .into_iter()
                        .filter_map(|patch| headers_by_envoy_filter(*resource, patch)),
                );
            }
            "WasmPlugin" | "TrafficExtension" => found.push(by_plugin(*resource, configs)),
            _ => {}
        }
    }
    found
}

fn by_envoy_filter<'a>(
    resource: Resource<'a>,
    patch: At<'a>,
    configs: &ConfigPlaces,
    named: &DiscoveredFilters,
) -> Option<Install<'a>> {
    let operation = patch.path(&["patch", "operation"]).and_then(At::text).unwrap_or_default();
    let listener = patch.path(&["match", "listener"]);
    let chain = listener.and_then(|listener| listener.member("filterChain"));
    let behind =
        chain.and_then(|chain| chain.path(&["filter", "subFilter", "name"])).and_then(At::text);
    let is_removal = ["REMOVE", "REPLACE"].contains(&operation);
    let filter = match patch.path(&["patch", "value"]) {
        Some(value) if operation != "MERGE" => {
            let filter = http_filters::of(value, configs, named);
            Filter { place: value.place(), ..filter }
        }
        None if is_removal => {
            Filter::new(patch.place(), behind.unwrap_or_default(), FilterRole::Harmless)
        }
        Some(value) if value.is_true("disabled") => {
            Filter::new(value.place(), behind.unwrap_or_default(), FilterRole::Harmless)
        }
        _ => return None,
    };
    let takes_away = is_removal || operation == "MERGE";
    let adds = operation == "REPLACE" && patch.path(&["patch", "value"]).is_some();
    let order = match (operation, behind) {
        ("INSERT_FIRST", _) => FilterOrder::First,
        // Envoy's own or Istio's filter, before which it is inserted.
        ("INSERT_BEFORE", Some(name)) => FilterOrder::Before(name.to_owned()),
        ("INSERT_BEFORE", None) => FilterOrder::First,
        _ => FilterOrder::Other,
    };
    Some(Install {
        resource,
        filter,
        scope: scope_of_patch(resource, patch),
        order,
        removes: takes_away.then(|| behind.unwrap_or_default()),
        is_removal: takes_away && !adds,
        is_unused: false,
    })
}

/// Headers that a patch has routes write, as a filter of the gateways that get it.
fn headers_by_envoy_filter<'a>(resource: Resource<'a>, patch: At<'a>) -> Option<Install<'a>> {
    let headers = http_filters::headers_of_routes(patch.path(&["patch", "value"])?);
    if headers.is_empty() {
        return None;
    }
    Some(Install {
        resource,
        filter: Filter {
            headers,
            ..Filter::new(patch.place(), resource.printed(), FilterRole::Harmless)
        },
        scope: scope_of_patch(resource, patch),
        order: FilterOrder::Other,
        removes: None,
        is_removal: false,
        is_unused: false,
    })
}

/// Which proxies and listeners a patch of an EnvoyFilter is for.
pub fn scope_of_patch<'a>(resource: Resource<'a>, patch: At<'a>) -> InstallScope<'a> {
    let listener = patch.path(&["match", "listener"]);
    let chain = listener.and_then(|listener| listener.member("filterChain"));
    let text = |at: Option<At<'a>>, name: &str| at.and_then(|at| at.text_of(name));
    let labels = resource.spec().and_then(|spec| spec.path(&["workloadSelector", "labels"]));
    let refs: Vec<At<'a>> = resource.list("targetRefs").collect();
    let known = ["filterChain", "portNumber"];
    let known_of_chain = ["sni", "filter"];
    let is_unclear = listener
        .into_iter()
        .flat_map(At::members)
        .any(|(name, _)| !known.contains(&name))
        || chain.into_iter().flat_map(At::members).any(|(name, _)| !known_of_chain.contains(&name))
        || patch.path(&["match", "proxy"]).is_some();
    let context = patch.path(&["match", "context"]).and_then(At::text);
    InstallScope {
        labels: labels
            .into_iter()
            .flat_map(At::members)
            .filter_map(|(name, value)| Some((name, value.text()?)))
            .collect(),
        gateways: gateways(&refs),
        has_targets: !refs.is_empty(),
        has_other_targets: has_other_targets(&refs, resource),
        sni: text(chain, "sni"),
        ports: listener
            .and_then(|listener| listener.member("portNumber"))
            .map(|port| port.node.to_json().to_string())
            .into_iter()
            .collect(),
        is_unclear,
        is_elsewhere: context.is_some_and(|context| context.starts_with("SIDECAR")),
        is_for_servers: false,
        is_for_connections: false,
    }
}

/// The gateways among targets.
fn gateways<'a>(refs: &[At<'a>]) -> Vec<&'a str> {
    let is_gateway = |at: &&At<'a>| at.text_of("kind").is_none_or(|kind| kind == "Gateway");
    refs.iter().filter(is_gateway).filter_map(|at| at.text_of("name")).collect()
}

/// Whether one of these may be a gateway that it does not name: those of a class are chosen in the
/// root namespace only, and services have waypoints alone.
fn has_other_targets(refs: &[At<'_>], resource: Resource<'_>) -> bool {
    refs.iter().filter_map(|at| at.text_of("kind")).any(|kind| match kind {
        "Gateway" | "Service" | "ServiceEntry" => false,
        "GatewayClass" => resource.namespace == ROOT,
        _ => true,
    })
}

fn by_plugin<'a>(resource: Resource<'a>, configs: &ConfigPlaces) -> Install<'a> {
    let spec = resource.spec();
    let kind = match configs.at(resource.at) {
        Some(config) => FilterRole::ThisFilter { config, skips: None },
        None if spec.is_some_and(|spec| spec.member("lua").is_some()) => {
            FilterRole::Changes("a Lua script")
        }
        None => FilterRole::Changes("another wasm filter"),
    };
    let labels = spec.and_then(|spec| spec.path(&["selector", "matchLabels"]));
    let refs: Vec<At<'a>> =
        resource.list("targetRefs").chain(spec.and_then(|spec| spec.member("targetRef"))).collect();
    let selectors: Vec<At<'a>> = resource.list("match").collect();
    // At gateways all traffic is a client's.
    let fits = |at: &At<'a>| at.text_of("mode") != Some("SERVER");
    let fitting: Vec<At<'a>> = selectors.iter().filter(|at| fits(at)).copied().collect();
    let has_any_port =
        fitting.is_empty() || fitting.iter().any(|at| at.list("ports").next().is_none());
    let ports =
        fitting.iter().flat_map(|at| at.list("ports")).filter_map(|port| port.member("number"));
    let number = |name: &str| {
        spec.and_then(|spec| spec.member(name))
            .and_then(|at| at.node.to_json().as_i64())
            .unwrap_or_default()
    };
    let phase = match spec.and_then(|spec| spec.text_of("phase")) {
        Some("AUTHN") => 0,
        Some("AUTHZ") => 1,
        Some("STATS") => 2,
        _ => 3,
    };
    Install {
        resource,
        filter: Filter::new(spec.unwrap_or(resource.at).place(), resource.name, kind),
        scope: InstallScope {
            labels: labels
                .into_iter()
                .flat_map(At::members)
                .filter_map(|(name, value)| Some((name, value.text()?)))
                .collect(),
            gateways: gateways(&refs),
            has_targets: !refs.is_empty(),
            has_other_targets: has_other_targets(&refs, resource),
            sni: None,
            ports: if has_any_port {
                vec![]
            } else {
                ports.map(|port| port.node.to_json().to_string()).collect()
            },
            is_unclear: false,
            is_elsewhere: false,
            is_for_servers: !selectors.is_empty() && fitting.is_empty(),
            is_for_connections: spec.and_then(|spec| spec.text_of("type")) == Some("NETWORK"),
        },
        order: FilterOrder::Phase(phase, number("priority")),
        removes: None,
        is_removal: false,
        is_unused: false,
    }
}

/// The filters that a server of a gateway has, and how requests meet this one.
pub fn filters_of(
    installs: &[Install<'_>],
    served: &GatewayServer<'_>,
    title: &str,
    at: &Place,
) -> (Vec<Filter>, Way) {
    let covering: Vec<(&Install<'_>, Answer)> = installs
        .iter()
        .map(|install| (install, install.covers(served)))
        .filter(|(_, covers)| *covers != Answer::No)
        .collect();
    let (ours, others): (Vec<_>, Vec<_>) =
        covering.iter().partition(|(install, _)| install.filter.role.config().is_some());
    let removed = |install: &Install<'_>| {
        let is_it = |other: &Install<'_>| {
            other.removes.is_some_and(|name| name.is_empty() || name == install.filter.name)
                && !std::ptr::eq(other, install)
        };
        covering.iter().copied().find(|(other, _)| is_it(other))
    };
    let mut filters: Vec<Filter> = Vec::new();
    for (other, _) in others.iter().filter(|(other, _)| !other.is_removal) {
        let is_unordered = ours.iter().any(|(own, _)| own.may_precede(other));
        filters.push(Filter { is_unordered, ..other.filter.clone() });
    }
    filters.extend(ours.iter().map(|(own, _)| own.filter.clone()));
    let kept: Vec<(&Install<'_>, Answer)> =
        ours.iter().copied().filter(|(own, _)| removed(own).is_none()).collect();
    let sure = || kept.iter().filter(|(_, covers)| *covers == Answer::Yes).map(|(own, _)| own);
    let running: Vec<usize> = sure()
        .filter(|own| !matches!(own.filter.role, FilterRole::ThisFilter { skips: Some(_), .. }))
        .filter_map(|own| own.filter.role.config())
        .collect();
    if !running.is_empty() {
        return (filters, Way::Runs(running));
    }
    let matched = sure().find_map(|own| match &own.filter.role {
        FilterRole::ThisFilter { skips: Some(tree), .. } => {
            Some(Way::Matched { place: own.filter.place.clone(), tree: tree.clone() })
        }
        _ => None,
    });
    if let Some(way) = matched {
        return (filters, way);
    }
    if let Some((own, _)) = kept.first() {
        let why =
            format!("whether {} selects {title} is not in these files", own.resource.printed());
        return (filters, Way::Unclear { place: own.filter.place.clone(), why });
    }
    if let Some((other, covers)) = ours.first().and_then(|(own, _)| removed(own)) {
        let printed = other.resource.printed();
        if covers == Answer::Maybe {
            let why = format!(
                "{printed} removes the filter, and whether it selects {title} is not in these files"
            );
            return (filters, Way::Unclear { place: other.filter.place.clone(), why });
        }
        let why = format!("{printed} removes the filter");
        return (
            filters,
            Way::Off {
                place: other.filter.place.clone(),
                why,
                fix: "remove that patch".to_owned(),
            },
        );
    }
    if let Some((own, why, fix)) = installs.iter().find_map(|own| {
        let (why, fix) = own.near_miss(served)?;
        Some((own, why, fix))
    }) {
        filters.push(own.filter.clone());
        let why = format!("{} is {why}", own.resource.printed());
        return (filters, Way::Off { place: own.filter.place.clone(), why, fix: fix.to_owned() });
    }
    let why = format!("{title} has no such filter");
    (filters, Way::Off { place: at.clone(), why, fix: INSTALL.to_owned() })
}
