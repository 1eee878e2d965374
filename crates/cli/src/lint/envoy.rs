//! Envoy's own configuration: bootstraps, resources, dumps.

mod clusters;
pub mod http_filters;
mod jwt_authn;
mod listeners;
mod matcher;
mod route_match;
mod routes;
pub mod tls;
mod upgrades;
mod ways;

use std::collections::BTreeSet;

use self::clusters::UpstreamClusters;
use self::http_filters::DiscoveredFilters;
use super::graph::{ClusterFacts, Filter, FilterRole, Graph};
use super::located::{At, ConfigPlaces};

/// What the files show of one Envoy.
struct Envoy<'a> {
    /// The documents of the files that are read.
    documents: Vec<At<'a>>,
    /// Those of the other files, which may hold routes that it names.
    others: Vec<At<'a>>,
    configs: &'a ConfigPlaces,
    discovered: DiscoveredFilters,
    clusters: UpstreamClusters,
}

/// Filters that documents define by name, of which each Envoy may discover some. They are found
/// once, not for each Envoy.
pub struct NamedFilters {
    /// File and document of each.
    all: Vec<((usize, usize), String, FilterRole)>,
}

impl NamedFilters {
    pub fn of(documents: &[At<'_>], configs: &ConfigPlaces) -> Self {
        let all = documents.iter().flat_map(|document| document.within()).filter_map(|at| {
            let (name, role) = http_filters::discovered(at, configs)?;
            Some(((at.file, at.document), name, role))
        });
        Self { all: all.collect() }
    }

    /// Those of an Envoy with these documents; of one name those of other documents.
    fn of_envoy(&self, documents: &[At<'_>]) -> DiscoveredFilters {
        let own: BTreeSet<(usize, usize)> =
            documents.iter().map(|at| (at.file, at.document)).collect();
        let (own, others): (Vec<_>, Vec<_>) =
            self.all.iter().partition(|(document, _, _)| own.contains(document));
        let mut found = DiscoveredFilters::new();
        for (_, name, role) in others.into_iter().chain(own) {
            // What a filter has within it, perhaps under the same name, comes behind it.
            found.entry(name.clone()).or_insert_with(|| role.clone());
        }
        found
    }
}

/// The graph of one Envoy. `others` = documents of other files, which may have its routes.
pub fn graph<'a>(
    documents: Vec<At<'a>>,
    others: Vec<At<'a>>,
    configs: &'a ConfigPlaces,
    filters: &NamedFilters,
) -> Graph {
    let envoy = Envoy::new(documents, others, configs, filters);
    let mut graph = Graph { chains: envoy.chains(), ..Graph::default() };
    graph.describe_clusters(|cluster| ClusterFacts {
        same_server: envoy.clusters.same_server(cluster),
        unknown: envoy.unknown(cluster),
        filters: envoy.upstream_filters(cluster),
    });
    graph
}

/// The names of all clusters of an Envoy; none: the files do not show all of them.
pub fn all_clusters(documents: &[At<'_>]) -> Option<BTreeSet<String>> {
    let has_bootstrap = documents.iter().any(|at| at.member("static_resources").is_some());
    if !has_bootstrap || documents.iter().any(discovers_clusters) {
        return None;
    }
    let listed = documents.iter().filter_map(|at| at.path(&["static_resources", "clusters"]));
    let names = listed.flat_map(At::elements).filter_map(|cluster| cluster.text_of("name"));
    Some(names.map(str::to_owned).collect())
}

/// Whether clusters come to this bootstrap by CDS.
fn discovers_clusters(document: &At<'_>) -> bool {
    ["cds_config", "cds_resources_locator", "ads_config"]
        .iter()
        .any(|name| document.path(&["dynamic_resources", name]).is_some())
}

impl<'a> Envoy<'a> {
    fn new(
        documents: Vec<At<'a>>,
        others: Vec<At<'a>>,
        configs: &'a ConfigPlaces,
        filters: &NamedFilters,
    ) -> Self {
        let discovered = filters.of_envoy(&documents);
        let clusters = UpstreamClusters::of(&documents, configs);
        Self { documents, others, configs, discovered, clusters }
    }

    /// Why it is not known which server a cluster is.
    fn unknown(&self, cluster: &str) -> Option<&'static str> {
        match self.clusters.unknown(cluster) {
            Some(why) => why,
            None => {
                let is_elsewhere = self.documents.iter().any(discovers_clusters);
                is_elsewhere.then_some("a cluster that is not in these files")
            }
        }
    }

    /// What filters of a cluster's own, and listeners that other clusters lead to, do to requests
    /// that go to it.
    fn upstream_filters(&self, cluster: &str) -> Vec<Filter> {
        let all = self.documents.iter().flat_map(|document| document.within());
        let is_it = |at: &At<'a>| {
            at.text_of("name") == Some(cluster)
                && at.member("typed_extension_protocol_options").is_some()
        };
        let options =
            all.filter(is_it).filter_map(|at| at.member("typed_extension_protocol_options"));
        let filters = options.flat_map(At::within).flat_map(|at| at.list("http_filters"));
        let filters = filters.map(|at| http_filters::of(at, self.configs, &self.discovered));
        let places = self.clusters.listeners_before(cluster);
        if places.is_empty() {
            return filters.collect();
        }
        let all = self.documents.iter().flat_map(|document| document.within());
        let listeners = all.filter(|at| places.contains(&at.place()));
        filters.chain(listeners.flat_map(|at| self.changes(at, cluster))).collect()
    }
}
