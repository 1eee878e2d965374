//! Resources of Kubernetes: the graph to which those of all files add up.

mod client_certificates;
mod gateway_api;
mod ingress;
mod installs;
mod istio;
mod reach;
mod rerouting;
mod resource;
mod same_server;
mod sidecars;

use std::collections::BTreeSet;

use self::installs::Install;
use self::reach::Placed;
pub use self::resource::is_resource;
use self::resource::{Resource, resources};
use self::same_server::{SameServers, name_backends};
use super::graph::{ClusterFacts, Graph};
use super::located::{At, ConfigPlaces};

/// The graph of all documents.
pub fn graph(documents: &[At<'_>], configs: &ConfigPlaces, serves_self_signed: bool) -> Graph {
    let resources = resources(documents);
    let mut installs = installs::installs(&resources, configs);
    let placed = Placed::of(&resources, configs);
    let mut graph = of_gateways(&resources, configs, &installs, &BTreeSet::new());
    let unused = placed.unused(&graph);
    if !unused.is_empty() {
        // A filter that misses a server by one setting is reported at that server.
        installs::mark_unused(&mut installs, &unused);
        graph = of_gateways(&resources, configs, &installs, &unused);
        graph.remarks.extend(placed.remarks(&graph));
    }
    graph.hides_filters = true;
    graph.chains.extend(ingress::chains(&resources));
    graph.remarks.extend(sidecars::remarks(&resources, &installs));
    name_backends(&resources, &mut graph);
    graph.remarks.extend(client_certificates::forwarded_headers(&resources));
    if serves_self_signed {
        graph.remarks.extend(client_certificates::requested_authorities(&resources));
    }
    let servers = SameServers::of(&resources, graph.cluster_names());
    graph.describe_clusters(|cluster| ClusterFacts {
        same_server: servers.names(cluster),
        unknown: same_server::unknown(&resources, cluster),
        ..ClusterFacts::default()
    });
    graph
}

/// The gateways of both APIs. `unused`: configurations that none of their servers has.
fn of_gateways(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    installs: &[Install<'_>],
    unused: &BTreeSet<usize>,
) -> Graph {
    let mut graph = istio::graph(resources, installs);
    let other = gateway_api::graph(resources, configs, installs, unused);
    graph.chains.extend(other.chains);
    graph.remarks.extend(other.remarks);
    graph
}
