//! Where patches of Envoy Gateway lead: listeners and routes that the Gateway does not show.

use super::backend_name;
use super::patch_operations::{Gated, Operation};
use super::patch_path::steps;
use crate::document;
use crate::lint::finding::Severity;
use crate::lint::graph::{Cluster, FilterChain, Remark};
use crate::lint::kubernetes::rerouting::REROUTING;
use crate::lint::kubernetes::resource::{Resource, service};
use crate::lint::located::{At, Place};

/// They do so too, in patches of Envoy Gateway.
const MORE: [&str; 3] = ["connect_config", "auto_host_rewrite", "internal_redirect_action"];

fn rerouting() -> impl Iterator<Item = &'static str> {
    REROUTING.into_iter().chain(MORE)
}

/// Members of a bootstrap that open nothing.
const OF_BOOTSTRAPS: [&str; 11] = [
    "admin",
    "default_socket_interface",
    "flags_path",
    "layered_runtime",
    "node",
    "overload_manager",
    "stats_config",
    "stats_flush_interval",
    "stats_server_version_override",
    "stats_sinks",
    "watchdogs",
];

/// Where operations lead.
pub struct Ways<'a> {
    resources: &'a [Resource<'a>],
    /// The clusters that patches add.
    added: Vec<At<'a>>,
}

impl<'a> Ways<'a> {
    pub fn new(resources: &'a [Resource<'a>], operations: &[Operation<'a>]) -> Self {
        let clusters = operations.iter().filter(|one| one.kind() == "Cluster");
        Self { resources, added: clusters.filter_map(Operation::value).collect() }
    }

    /// The ways in that one operation brings.
    pub fn of(&self, operation: &Operation<'_>) -> Vec<(Place, Cluster)> {
        if !["Listener", "RouteConfiguration", "ScopedRouteConfiguration", "VirtualHost"]
            .contains(&operation.kind())
        {
            return Vec::new();
        }
        let Some(value) = operation.value() else { return Vec::new() };
        let has = |name: &str| operation.steps.iter().any(|step| step.is(name));
        let is_last = |name: &str| operation.steps.last().is_some_and(|step| step.is(name));
        let mut found = self.within(value, &self.added);
        if is_last("cluster") || (is_last("name") && has("weighted_clusters")) {
            let cluster = value.text().map(|name| self.clusters(name, &self.added));
            let cluster = cluster.unwrap_or_else(|| vec![unseen()]);
            found.extend(cluster.into_iter().map(|cluster| (value.place(), cluster)));
        } else if rerouting().any(has) {
            found.push((value.place(), unseen()));
        }
        found
    }

    /// Where a value leads that has listeners or routes of Envoy.
    fn within(&self, value: At<'_>, added: &[At<'_>]) -> Vec<(Place, Cluster)> {
        let mut found = Vec::new();
        for at in value.within() {
            let weighted = at.member("name").filter(|_| at.member("weight").is_some());
            for name in at.member("cluster").into_iter().chain(weighted) {
                // A message of a cluster, as of ext_authz, has its name deeper.
                let clusters = name.text().map(|name| self.clusters(name, added));
                let clusters = clusters.unwrap_or_default();
                found.extend(clusters.into_iter().map(|cluster| (name.place(), cluster)));
            }
            let unclear = rerouting().filter_map(|name| at.member(name));
            found.extend(unclear.map(|at| (at.place(), unseen())));
        }
        found
    }

    /// What is behind a cluster: Envoy Gateway's own names say it, and others have an address.
    fn clusters(&self, name: &str, added: &[At<'_>]) -> Vec<Cluster> {
        let parts: Vec<&str> = name.split('/').collect();
        if let [kind, namespace, route, "rule", number, ..] = *parts.as_slice() {
            let is_it = |one: &&Resource<'_>| {
                one.kind.eq_ignore_ascii_case(kind)
                    && (one.namespace, one.name) == (namespace, route)
            };
            let route = self.resources.iter().find(is_it);
            let rule = number.parse::<usize>().ok().and_then(|number| {
                route.and_then(|route| Some((*route, route.list("rules").nth(number)?)))
            });
            let backends = rule.map(|(route, rule)| {
                let names = rule.list("backendRefs").filter_map(|at| backend_name(at, route));
                names.map(Cluster::Named).collect::<Vec<_>>()
            });
            return backends.filter(|found| !found.is_empty()).unwrap_or_else(|| vec![unseen()]);
        }
        let own = added.iter().filter(|at| at.text_of("name") == Some(name));
        let sockets = own.flat_map(|at| at.within()).filter_map(|at| at.member("socket_address"));
        let named = sockets.filter_map(|socket| {
            let host = socket.text_of("address")?.trim_end_matches('.').to_ascii_lowercase();
            Some(Cluster::Named(service(&host, "default", socket.member("port_value"))))
        });
        let named: Vec<Cluster> = named.collect();
        if named.is_empty() { vec![unseen()] } else { named }
    }

    /// One way in for each place of an operation that leads somewhere.
    pub fn chains(&self, operations: &[Operation<'_>], gated: &Gated<'_>) -> Vec<FilterChain> {
        let mut found = Vec::new();
        for operation in operations {
            let title = operation.policy.printed();
            let is_near = gated.is_near(operation);
            for (place, cluster) in self.of(operation) {
                if is_near || matches!(cluster, Cluster::Named(_)) {
                    let why = format!("{title} patches this in");
                    found.push(FilterChain::unclear(&title, place, cluster, why));
                }
            }
        }
        found
    }

    /// Where the bootstrap of an EnvoyProxy leads.
    pub fn of_bootstraps(&self) -> (Vec<FilterChain>, Vec<Remark>) {
        let (mut chains, mut remarks) = (Vec::new(), Vec::new());
        for proxy in self.resources.iter().filter(|one| one.kind == "EnvoyProxy") {
            let Some(bootstrap) = proxy.spec().and_then(|spec| spec.member("bootstrap")) else {
                continue;
            };
            let title = format!("the bootstrap of {}", proxy.printed());
            let text = bootstrap.text_of("value").map(document::read);
            let patches = bootstrap.list("jsonPatches").any(|patch| {
                let first = steps(patch).into_iter().next();
                !first.is_some_and(|first| OF_BOOTSTRAPS.iter().any(|name| first.is(name)))
            });
            let is_unread = matches!(text, Some(Err(_))) || patches;
            if is_unread {
                remarks.push(Remark {
                    place: bootstrap.place(),
                    severity: Severity::Doubtful,
                    message: format!(
                        "{title}: whether it opens a way past the filter cannot be followed"
                    ),
                });
            }
            for node in text.into_iter().flatten().flatten() {
                let root = At::root(bootstrap.file, bootstrap.document, &node);
                let Some(resources) = root.member("static_resources") else { continue };
                let clusters: Vec<At<'_>> = resources.list("clusters").collect();
                for listener in resources.list("listeners") {
                    for (_, cluster) in self.within(listener, &clusters) {
                        let why = format!("{title} has a listener of its own");
                        let place = bootstrap.place();
                        chains.push(FilterChain::unclear(&title, place, cluster, why));
                    }
                }
            }
        }
        (chains, remarks)
    }
}

fn unseen() -> Cluster {
    Cluster::Unseen("a patch chooses the cluster")
}
