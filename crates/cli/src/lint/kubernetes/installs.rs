//! What Istio's EnvoyFilter, WasmPlugin and TrafficExtension put into gateways.

mod scope;

use std::collections::BTreeSet;

use self::scope::scope_of_plugin;
pub use self::scope::{GatewayServer, InstallScope, labels_of, scope_of_patch};
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
    /// It takes the filter of this name away; any, where the name is empty.
    removes: Option<&'a str>,
    /// It puts none there.
    is_removal: bool,
    /// No server of a gateway has this configuration: it is reported at a server that it misses by
    /// one setting.
    is_unused: bool,
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

impl Install<'_> {
    pub fn covers(&self, served: &GatewayServer<'_>) -> Answer {
        self.scope.covers(self.resource.namespace, served)
    }

    /// Whether pods with these labels get it.
    pub fn selects_pods(&self, namespace: &str, labels: &[(&str, &str)]) -> bool {
        self.scope.is_in(self.resource.namespace, namespace)
            && self.scope.labels.iter().all(|label| labels.contains(label))
    }

    /// Whether some pods that this selector chooses get it, as far as the labels show it.
    pub fn selects_some(&self, namespace: &str, selector: &[(&str, &str)]) -> bool {
        let is_narrower = || selector.iter().all(|label| self.scope.labels.contains(label));
        self.selects_pods(namespace, selector)
            || (self.scope.is_in(self.resource.namespace, namespace) && is_narrower())
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

fn by_plugin<'a>(resource: Resource<'a>, configs: &ConfigPlaces) -> Install<'a> {
    let spec = resource.spec();
    let kind = match configs.at(resource.at) {
        Some(config) => FilterRole::ThisFilter { config, skips: None },
        None if spec.is_some_and(|spec| spec.member("lua").is_some()) => {
            FilterRole::Changes("a Lua script")
        }
        None => FilterRole::Changes("another wasm filter"),
    };
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
        scope: scope_of_plugin(resource),
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
