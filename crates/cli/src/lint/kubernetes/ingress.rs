//! Ingresses, which another controller may serve.

use super::resource::{Resource, service};
use crate::lint::graph::{Cluster, FilterChain};
use crate::lint::located::At;

/// What other controllers may serve.
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
    found
}
