//! Ways to services that no gateway of the files serves: an Ingress, which another controller may
//! serve, and a service that is reached from outside by itself.

use super::resource::{Resource, service};
use crate::lint::graph::{Cluster, FilterChain};
use crate::lint::located::At;

/// Those that may lead past all gateways.
pub fn chains(resources: &[Resource<'_>]) -> Vec<FilterChain> {
    let mut found = Vec::new();
    for resource in resources.iter().filter(|resource| resource.kind == "Ingress") {
        let title = resource.printed();
        for backend in
            resource.spec().into_iter().flat_map(At::within).filter_map(|at| at.member("service"))
        {
            let Some(name) = backend.text_of("name") else { continue };
            let name = service(name, resource.namespace, backend.path(&["port", "number"]));
            let why = format!("what serves {title} is not in these files");
            found.push(FilterChain::unclear(&title, backend.place(), Cluster::Named(name), why));
        }
    }
    found.extend(resources.iter().filter(|one| one.kind == "Service").flat_map(from_outside));
    found
}

/// The ports of a service that is reached from outside the cluster.
fn from_outside(resource: &Resource<'_>) -> Vec<FilterChain> {
    let kind = resource.spec().and_then(|spec| spec.text_of("type"));
    let is_open = kind.is_some_and(|kind| ["LoadBalancer", "NodePort"].contains(&kind))
        || resource.list("externalIPs").next().is_some();
    let title = resource.printed();
    let ports = resource.list("ports").filter(|_| is_open).map(|port| {
        let name = service(resource.name, resource.namespace, port.member("port"));
        let why = format!("{title} is reached from outside without a gateway");
        FilterChain::unclear(&title, port.place(), Cluster::Named(name), why)
    });
    ports.collect()
}
