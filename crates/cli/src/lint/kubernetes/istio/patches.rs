//! What patches of Istio's EnvoyFilter add beside HTTP filters: ways that the resources of Istio do
//! not show.

use crate::lint::graph::{Cluster, FilterChain};
use crate::lint::kubernetes::installs::{Install, labels_of};
use crate::lint::kubernetes::rerouting::REROUTING;
use crate::lint::kubernetes::resource::{Resource, service};
use crate::lint::located::{At, Place};

/// One way in for each patch that brings any.
pub fn chains(resources: &[Resource<'_>], installs: &[Install<'_>]) -> Vec<FilterChain> {
    let ours: Vec<&Install<'_>> =
        installs.iter().filter(|install| install.filter.role.config().is_some()).collect();
    let mut found = Vec::new();
    for resource in resources.iter().filter(|resource| resource.kind == "EnvoyFilter") {
        let labels = resource.spec().and_then(|spec| spec.path(&["workloadSelector", "labels"]));
        let labels = labels_of(labels);
        let is_near = ours.iter().any(|own| !own.scope.differs(&labels));
        for patch in resource.list("configPatches") {
            let context = patch.path(&["match", "context"]).and_then(At::text).unwrap_or_default();
            let Some(value) =
                patch.path(&["patch", "value"]).filter(|_| !context.starts_with("SIDECAR"))
            else {
                continue;
            };
            let clusters = clusters(patch, value, resources, &ours);
            let clusters = clusters
                .into_iter()
                .filter(|(_, cluster)| is_near || matches!(cluster, Cluster::Named(_)));
            let title = resource.printed();
            found.extend(clusters.map(|(place, cluster)| {
                FilterChain::unclear(&title, place, cluster, format!("{title} patches this in"))
            }));
        }
    }
    found
}

/// Where a patch leads.
fn clusters(
    patch: At<'_>,
    value: At<'_>,
    resources: &[Resource<'_>],
    ours: &[&Install<'_>],
) -> Vec<(Place, Cluster)> {
    let operation = patch.path(&["patch", "operation"]).and_then(At::text).unwrap_or_default();
    let within = value.within();
    match patch.text_of("applyTo").unwrap_or_default() {
        "EXTENSION_CONFIG" => return Vec::new(),
        "HTTP_FILTER" => {
            // What removes the filter or inserts others is read as filters.
            let name = patch
                .path(&["match", "listener", "filterChain", "filter", "subFilter", "name"])
                .and_then(At::text);
            let is_ours = name.is_none_or(|name| ours.iter().any(|own| own.filter.name == name));
            let changes = ["typed_config", "config_discovery"]
                .iter()
                .any(|name| value.member(name).is_some());
            let is_change = operation == "MERGE" && is_ours && changes;
            return is_change.then(|| (value.place(), unseen())).into_iter().collect();
        }
        // A cluster leads nowhere until something names it; one that Istio made may lead elsewhere
        // now.
        "CLUSTER" => {
            let moved = within.iter().find(|at| {
                at.member("load_assignment").is_some() || at.member("cluster_type").is_some()
            });
            let moved = moved.filter(|_| operation != "ADD");
            return moved.map(|at| (at.place(), unseen())).into_iter().collect();
        }
        _ => {}
    }
    let mut found = Vec::new();
    for at in within {
        let weighted = at.member("name").filter(|_| at.member("weight").is_some());
        for name in at.member("cluster").into_iter().chain(weighted) {
            let cluster = name
                .text()
                .and_then(|name| service_of(name, resources))
                .map_or_else(unseen, Cluster::Named);
            found.push((name.place(), cluster));
        }
        found.extend(
            REROUTING.iter().filter_map(|name| at.member(name)).map(|at| (at.place(), unseen())),
        );
        // Upgrades may have a chain of filters of their own.
        let upgrades = at.list("upgrade_configs").filter(|at| at.member("filters").is_some());
        found.extend(upgrades.map(|at| (at.place(), unseen())));
        if let (Some(filters), "MERGE" | "REPLACE") = (at.member("http_filters"), operation) {
            found.push((filters.place(), unseen()));
        }
        for (name, own) in at.member("typed_per_filter_config").into_iter().flat_map(At::members) {
            let is_plain = own.text_of("@type").is_none_or(|url| url.ends_with(".FilterConfig"))
                && own.member("config").is_none_or(|config| config.members().next().is_none());
            if !is_plain && ours.iter().any(|install| install.filter.name == name) {
                found.push((own.place(), unseen()));
            }
        }
    }
    found
}

fn unseen() -> Cluster {
    Cluster::Unseen("a patch chooses the cluster")
}

/// The service behind a cluster: Istio's own names say it, and those that a patch adds have an
/// address.
fn service_of(name: &str, resources: &[Resource<'_>]) -> Option<String> {
    let parts: Vec<&str> = name.split('|').collect();
    if let ["outbound", port, _, host] = *parts.as_slice() {
        return Some(format!("{host}:{port}"));
    }
    let patches = resources.iter().filter(|resource| resource.kind == "EnvoyFilter");
    let patches = patches.flat_map(|resource| resource.list("configPatches").collect::<Vec<_>>());
    let added =
        patches.filter(|patch| patch.text_of("applyTo") == Some("CLUSTER")).filter_map(|patch| {
            patch.path(&["patch", "value"]).filter(|value| value.text_of("name") == Some(name))
        });
    let socket = added.flat_map(At::within).find_map(|at| at.member("socket_address"))?;
    let host = socket.text_of("address")?.trim_end_matches('.').to_ascii_lowercase();
    Some(service(&host, "default", socket.member("port_value")))
}
