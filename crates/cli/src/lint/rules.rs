//! What is wrong with a graph: ways past the filter, and paths that become other paths behind it.

mod chains;
mod client_traffic;
mod owners;
mod resources;
mod route_order;
mod routes;
mod tenants;

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use self::route_order::RouteOrder;
use super::endpoints::{LintedConfig, ListedEndpoint};
use super::finding::Severity;
use super::graph::{Cluster, FilterChain, Graph, Remark, Route};
use super::located::Place;
use super::paths::Answer;

/// The findings of one graph.
pub struct Rules<'a> {
    graph: &'a Graph,
    configs: &'a [Option<LintedConfig>],
    endpoints: Vec<ListedEndpoint>,
    chains: Vec<OrderedChain<'a>>,
    /// The numbers of the endpoints that a cluster serves, once that is known.
    served: BTreeMap<String, Vec<usize>>,
    /// By place; an error takes the place of a doubt.
    found: RefCell<BTreeMap<(Place, String), Remark>>,
}

/// A chain, and what finds its routes.
struct OrderedChain<'a> {
    chain: &'a FilterChain,
    order: RouteOrder,
    /// The configurations of this filter in it, running or not.
    configs: BTreeSet<usize>,
}

/// A path that is sent, and the one that arrives.
struct Arrival {
    sent: String,
    arrives: String,
    /// Whether the route takes it for sure, as far as its path goes.
    is_sure: bool,
}

impl<'a> Rules<'a> {
    pub fn new(graph: &'a Graph, configs: &'a [Option<LintedConfig>]) -> Self {
        let chains: Vec<OrderedChain<'_>> = graph
            .chains
            .iter()
            .map(|chain| {
                let (order, configs) = (RouteOrder::of(chain), chain.configs().collect());
                OrderedChain { chain, order, configs }
            })
            .collect();
        let used: BTreeSet<usize> =
            chains.iter().flat_map(|chain| chain.configs.iter().copied()).collect();
        let mut endpoints = Vec::new();
        for (number, config) in
            configs.iter().enumerate().filter(|(number, _)| used.contains(number))
        {
            for (_, text, hosts) in config.iter().flat_map(LintedConfig::entries) {
                endpoints.push(ListedEndpoint::new(number, text, hosts));
            }
            for (text, hosts) in config.iter().flat_map(LintedConfig::resources) {
                endpoints.push(ListedEndpoint::of_resource(number, text, hosts));
            }
        }
        let (served, found) = (BTreeMap::new(), RefCell::default());
        let mut rules = Self { graph, configs, endpoints, chains, served, found };
        rules.find_owners();
        for (number, endpoint) in rules.endpoints.iter().enumerate() {
            for owner in &endpoint.owners {
                rules.served.entry(owner.clone()).or_default().push(number);
            }
        }
        rules
    }

    pub fn findings(self) -> Vec<Remark> {
        self.of_unknown_clusters();
        self.of_upstream();
        for ordered in &self.chains {
            let chain = ordered.chain;
            self.of_filters(chain);
            self.of_resources(chain);
            self.of_raw(chain);
            self.of_unseen(chain);
            self.of_xfcc(chain);
            self.of_client_traffic(chain);
            self.of_untrusted(chain);
            for route in &chain.routes {
                for destination in &route.destinations {
                    for way in &destination.ways {
                        self.of_way(ordered, route, destination, way);
                    }
                }
            }
        }
        self.graph.remarks.iter().cloned().chain(self.found.into_inner().into_values()).collect()
    }

    /// A path that the route takes, that arrives as the endpoint, and that satisfies `is`.
    fn arrival(
        &self,
        chain: &OrderedChain<'_>,
        route: &Route,
        endpoint: &ListedEndpoint,
        is: impl Fn(&str, &str) -> bool,
    ) -> Option<Arrival> {
        if !endpoint.may_come_by(route) {
            return None;
        }
        endpoint.outside(route, chain.chain).into_iter().find_map(|sent| {
            let taken = chain.order.takes(route, &sent);
            let arrives = route.rewrite.of(&route.paths, &sent).ok()?;
            let is_it = taken != Answer::No && endpoint.is(&arrives) && is(&sent, &arrives);
            is_it.then_some(Arrival { sent, arrives, is_sure: taken == Answer::Yes })
        })
    }

    /// The endpoints that a cluster serves.
    fn served(&self, cluster: &Cluster) -> impl Iterator<Item = &ListedEndpoint> {
        let numbers = cluster.name().map(|name| self.served.get(name));
        let named = numbers.flatten().into_iter().flatten();
        let unseen = self
            .endpoints
            .iter()
            .filter(move |endpoint| numbers.is_none() && !endpoint.owners.is_empty());
        named.filter_map(|number| self.endpoints.get(*number)).chain(unseen)
    }

    fn is_of_the_server(&self, cluster: &Cluster) -> bool {
        self.served(cluster).next().is_some()
    }

    /// Whether trials show if what the route makes of paths is an endpoint of this cluster.
    fn is_followed(&self, route: &Route, cluster: &Cluster) -> bool {
        let is_endpoint = |path: &str| self.served(cluster).any(|endpoint| endpoint.is(path));
        route.rewrite.is_followed(&route.paths, is_endpoint)
    }

    /// One finding for a place and a key, the gravest.
    fn add(&self, place: &Place, is_error: bool, key: String, message: String) {
        let severity = if is_error { Severity::Error } else { Severity::Doubtful };
        let remark = Remark { place: place.clone(), severity, message };
        match self.found.borrow_mut().entry((place.clone(), key)) {
            Entry::Vacant(free) => {
                free.insert(remark);
            }
            Entry::Occupied(mut taken) if is_error && taken.get().severity != severity => {
                taken.insert(remark);
            }
            Entry::Occupied(_) => {}
        }
    }
}

fn printed(cluster: &Cluster) -> String {
    match cluster {
        Cluster::Named(name) => format!("\"{name}\""),
        Cluster::Unseen(_) => "the server behind the filter".to_owned(),
    }
}

fn cluster_key(cluster: &Cluster) -> String {
    if let Cluster::Named(name) = cluster { name.clone() } else { String::new() }
}
