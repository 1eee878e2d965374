//! Resources of Kubernetes: the graph to which those of all files add up.

mod client_certificates;
mod gateway_api;
mod ingress;
mod installs;
mod istio;
mod resource;

use std::collections::BTreeMap;

pub use self::resource::is_resource;
use self::resource::{Resource, resources, service};
use super::graph::{Cluster, ClusterFacts, Graph};
use super::located::{At, ConfigPlaces};

/// The graph of all documents.
pub fn graph(documents: &[At<'_>], configs: &ConfigPlaces, serves_self_signed: bool) -> Graph {
    let resources = resources(documents);
    let installs = installs::installs(&resources, configs);
    let mut graph = istio::graph(&resources, &installs);
    let other = gateway_api::graph(&resources, configs, &installs);
    graph.hides_filters = true;
    graph.chains.extend(other.chains);
    graph.remarks.extend(other.remarks);
    graph.chains.extend(ingress::chains(&resources));
    name_backends(&resources, &mut graph);
    graph.remarks.extend(client_certificates::forwarded_headers(&resources));
    if serves_self_signed {
        graph.remarks.extend(client_certificates::requested_authorities(&resources));
    }
    let mut by_host: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in graph.cluster_names() {
        by_host.entry(host_and_port(&name).0.to_owned()).or_default().push(name);
    }
    graph.describe_clusters(|cluster| ClusterFacts {
        same_server: same_service(cluster, &by_host),
        ..ClusterFacts::default()
    });
    graph
}

/// Backends of Envoy Gateway get the name of the service at their address.
fn name_backends(resources: &[Resource<'_>], graph: &mut Graph) {
    let services = graph.cluster_names();
    let address = |name: &str| -> Option<String> {
        let name = name.strip_prefix("Backend ")?;
        let (namespace, name) = name.split(':').next()?.split_once('/')?;
        let is_it = |resource: &&Resource<'_>| {
            (resource.kind, resource.namespace, resource.name) == ("Backend", namespace, name)
        };
        let addresses = resources.iter().find(is_it)?.list("endpoints").filter_map(|endpoint| {
            let (at, host) =
                [("fqdn", "hostname"), ("ip", "address")].iter().find_map(|(kind, host)| {
                    endpoint.member(kind).and_then(|at| Some((at, at.text_of(host)?)))
                })?;
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            Some(service(&host, namespace, at.member("port")))
        });
        let addresses: Vec<String> = addresses.collect();
        addresses.iter().find(|address| services.contains(*address)).or(addresses.first()).cloned()
    };
    for chain in &mut graph.chains {
        for destination in chain.routes.iter_mut().flat_map(|route| &mut route.destinations) {
            if let Cluster::Named(name) = &mut destination.cluster
                && let Some(address) = address(name)
            {
                *name = address;
            }
        }
        for (_, name) in &mut chain.raw {
            if let Some(address) = address(name) {
                *name = address;
            }
        }
    }
}

/// Names under which the same server may be known: a port that is not stated may be any.
fn same_service(name: &str, by_host: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let (host, port) = host_and_port(name);
    let is_same = |other: &&String| {
        let (_, other_port) = host_and_port(other);
        port.is_none() || other_port.is_none() || other_port == port
    };
    let others = by_host.get(host).into_iter().flatten();
    others.filter(is_same).cloned().chain([name.to_owned()]).collect()
}

fn host_and_port(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once(':').map_or((name, None), |(host, port)| (host, Some(port)))
}
