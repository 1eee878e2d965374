//! What is wrong with a graph: ways past the filter, and paths that become other paths behind it.

mod chains;
mod client_traffic;
mod owners;
mod resources;
mod routes;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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
    /// By place; an error takes the place of a doubt.
    found: RefCell<BTreeMap<(Place, String), Remark>>,
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
        let used: Vec<usize> = graph.chains.iter().flat_map(FilterChain::configs).collect();
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
        let mut rules = Self { graph, configs, endpoints, found: RefCell::default() };
        rules.find_owners();
        rules
    }

    pub fn findings(self) -> Vec<Remark> {
        self.of_unknown_clusters();
        self.of_upstream();
        for chain in &self.graph.chains {
            self.of_filters(chain);
            self.of_resources(chain);
            self.of_raw(chain);
            self.of_unseen(chain);
            self.of_xfcc(chain);
            self.of_client_traffic(chain);
            for route in &chain.routes {
                for destination in &route.destinations {
                    for way in &destination.ways {
                        self.of_way(chain, route, destination, way);
                    }
                }
            }
        }
        self.graph.remarks.iter().cloned().chain(self.found.into_inner().into_values()).collect()
    }

    /// A path that the route takes, that arrives as the endpoint, and that satisfies `is`.
    fn arrival(
        &self,
        chain: &FilterChain,
        route: &Route,
        endpoint: &ListedEndpoint,
        is: impl Fn(&str, &str) -> bool,
    ) -> Option<Arrival> {
        endpoint.outside(route).into_iter().find_map(|sent| {
            let taken = takes(chain, route, &sent);
            let arrives = route.rewrite.of(&route.paths, &sent).ok()?;
            let is_it = taken != Answer::No && endpoint.is(&arrives) && is(&sent, &arrives);
            is_it.then_some(Arrival { sent, arrives, is_sure: taken == Answer::Yes })
        })
    }

    /// Whether a cluster serves the endpoint.
    fn serves(&self, cluster: &Cluster, endpoint: &ListedEndpoint) -> bool {
        match cluster {
            Cluster::Named(name) => endpoint.owners.contains(name),
            Cluster::Unseen(_) => !endpoint.owners.is_empty(),
        }
    }

    fn is_of_the_server(&self, cluster: &Cluster) -> bool {
        self.endpoints.iter().any(|endpoint| self.serves(cluster, endpoint))
    }

    /// Whether trials show if what the route makes of paths is an endpoint of this cluster.
    fn is_followed(&self, route: &Route, cluster: &Cluster) -> bool {
        let is_endpoint = |path: &str| {
            let mut served =
                self.endpoints.iter().filter(|endpoint| self.serves(cluster, endpoint));
            served.any(|endpoint| endpoint.is(path))
        };
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

/// Whether this route gets a request for the path, and no other before it.
fn takes(chain: &FilterChain, route: &Route, path: &str) -> Answer {
    let before = chain
        .routes
        .iter()
        .take_while(|other| other.place != route.place)
        .filter(|other| other.group == route.group);
    let mut before = before.filter(|other| !other.is_conditional);
    if before.any(|other| other.paths.takes(path) == Answer::Yes) {
        Answer::No
    } else {
        route.paths.takes(path)
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
