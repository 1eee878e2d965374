//! What Istio's EnvoyFilter, WasmPlugin and TrafficExtension put into gateways.

use super::resource::Resource;
use crate::lint::envoy::http_filters::{self, DiscoveredFilters};
use crate::lint::graph::{Filter, FilterRole, Way};
use crate::lint::located::{At, ConfigPlaces, Place};
use crate::lint::paths::Answer;

const INSTALL: &str = "let the filter be installed there too, or remove the route to this service";

/// An HTTP filter that a resource puts into proxies.
pub struct Install<'a> {
    resource: Resource<'a>,
    pub filter: Filter,
    pub scope: InstallScope<'a>,
    order: FilterOrder,
    /// It takes the filter of this name away instead.
    is_removal: bool,
}

/// Which proxies and listeners get it.
#[derive(Default)]
pub struct InstallScope<'a> {
    labels: Vec<(&'a str, &'a str)>,
    /// Gateways of the Gateway API, by name.
    gateways: Vec<&'a str>,
    sni: Option<&'a str>,
    ports: Vec<String>,
    /// It asks for something that the files do not show.
    is_unclear: bool,
    /// Not for gateways.
    pub is_elsewhere: bool,
    /// A plugin for the traffic of servers, of which a gateway has none.
    is_for_servers: bool,
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
        if self.is_elsewhere || self.is_for_servers {
            Answer::No
        } else {
            self.selects(namespace, served)
        }
    }

    fn selects(&self, namespace: &str, served: &GatewayServer<'_>) -> Answer {
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
        if !self.ports.is_empty()
            && served.port.as_ref().is_some_and(|port| !self.ports.contains(port))
        {
            return Answer::No;
        }
        if is_unclear { Answer::Maybe } else { Answer::Yes }
    }
}

impl Install<'_> {
    pub fn covers(&self, served: &GatewayServer<'_>) -> Answer {
        self.scope.covers(self.resource.namespace, served)
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
            let name = behind.unwrap_or_default().to_owned();
            Filter {
                place: patch.place(),
                name,
                role: FilterRole::Harmless,
                is_disabled: false,
                is_unordered: false,
                gap: None,
            }
        }
        Some(value) if value.is_true("disabled") => {
            let name = behind.unwrap_or_default().to_owned();
            Filter {
                place: value.place(),
                name,
                role: FilterRole::Harmless,
                is_disabled: false,
                is_unordered: false,
                gap: None,
            }
        }
        _ => return None,
    };
    let is_removal = is_removal || operation == "MERGE";
    let order = match (operation, behind) {
        ("INSERT_FIRST", _) => FilterOrder::First,
        // Envoy's own or Istio's filter, before which it is inserted.
        ("INSERT_BEFORE", Some(name)) => FilterOrder::Before(name.to_owned()),
        ("INSERT_BEFORE", None) => FilterOrder::First,
        _ => FilterOrder::Other,
    };
    Some(Install { resource, filter, scope: scope_of_patch(resource, patch), order, is_removal })
}

/// Which proxies and listeners a patch of an EnvoyFilter is for.
pub fn scope_of_patch<'a>(resource: Resource<'a>, patch: At<'a>) -> InstallScope<'a> {
    let listener = patch.path(&["match", "listener"]);
    let chain = listener.and_then(|listener| listener.member("filterChain"));
    let text = |at: Option<At<'a>>, name: &str| at.and_then(|at| at.text_of(name));
    let labels = resource.spec().and_then(|spec| spec.path(&["workloadSelector", "labels"]));
    let refs = resource.list("targetRefs").filter_map(|target| target.text_of("name"));
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
    }
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
    let is_unclear = refs
        .iter()
        .any(|at| at.text_of("kind").is_some_and(|kind| !["Gateway", "Service"].contains(&kind)));
    Install {
        resource,
        filter: Filter {
            place: spec.unwrap_or(resource.at).place(),
            name: resource.name.to_owned(),
            role: kind,
            is_disabled: false,
            is_unordered: false,
            gap: None,
        },
        scope: InstallScope {
            labels: labels
                .into_iter()
                .flat_map(At::members)
                .filter_map(|(name, value)| Some((name, value.text()?)))
                .collect(),
            gateways: refs.iter().filter_map(|at| at.text_of("name")).collect(),
            sni: None,
            ports: if has_any_port {
                vec![]
            } else {
                ports.map(|port| port.node.to_json().to_string()).collect()
            },
            is_unclear,
            is_elsewhere: false,
            is_for_servers: !selectors.is_empty() && fitting.is_empty(),
        },
        order: FilterOrder::Phase(phase, number("priority")),
        is_removal: false,
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
            other.filter.name.is_empty() || other.filter.name == install.filter.name
        };
        covering.iter().find(|(other, _)| other.is_removal && is_it(other)).map(|(other, _)| *other)
    };
    let mut filters: Vec<Filter> = Vec::new();
    for (other, _) in others.iter().filter(|(other, _)| !other.is_removal) {
        let is_unordered = ours.iter().any(|(own, _)| own.may_precede(other));
        filters.push(Filter { is_unordered, ..other.filter.clone() });
    }
    filters.extend(ours.iter().map(|(own, _)| own.filter.clone()));
    let kept: Vec<(&Install<'_>, Answer)> =
        ours.iter().copied().filter(|(own, _)| removed(own).is_none()).collect();
    let running: Vec<usize> = kept
        .iter()
        .filter(|(_, covers)| *covers == Answer::Yes)
        .filter_map(|(own, _)| own.filter.role.config())
        .collect();
    if !running.is_empty() {
        return (filters, Way::Runs(running));
    }
    if let Some((own, _)) = kept.first() {
        let why =
            format!("whether {} selects {title} is not in these files", own.resource.printed());
        return (filters, Way::Unclear { place: own.filter.place.clone(), why });
    }
    if let Some(other) = ours.first().and_then(|(own, _)| removed(own)) {
        let why = format!("{} removes the filter", other.resource.printed());
        return (
            filters,
            Way::Off {
                place: other.filter.place.clone(),
                why,
                fix: "remove that patch".to_owned(),
            },
        );
    }
    let is_for_servers = |install: &&Install<'_>| {
        let scope = &install.scope;
        let is_here = scope.is_for_servers
            && scope.selects(install.resource.namespace, served) == Answer::Yes;
        is_here && install.filter.role.config().is_some()
    };
    if let Some(own) = installs.iter().find(is_for_servers) {
        filters.push(own.filter.clone());
        let why = format!(
            "{} is for the traffic of servers alone, and a gateway has none",
            own.resource.printed()
        );
        let fix = "leave the mode out of its match".to_owned();
        return (filters, Way::Off { place: own.filter.place.clone(), why, fix });
    }
    let why = format!("{title} has no such filter");
    (filters, Way::Off { place: at.clone(), why, fix: INSTALL.to_owned() })
}
