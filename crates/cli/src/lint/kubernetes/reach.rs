//! Configurations of this filter that reach no gateway of the files.

use std::collections::{BTreeMap, BTreeSet};

use super::resource::Resource;
use crate::lint::finding::Severity;
use crate::lint::graph::{FilterChain, Graph, Remark};
use crate::lint::located::{At, ConfigPlaces, Place};

/// The configurations that are to be in gateways, with the resource that puts them there.
pub struct Placed<'a> {
    all: BTreeMap<usize, (Resource<'a>, Place)>,
}

impl<'a> Placed<'a> {
    /// None, where the files show no gateway.
    pub fn of(resources: &[Resource<'a>], configs: &ConfigPlaces) -> Self {
        let is_gateway = |one: &Resource<'a>| one.kind == "Gateway";
        let mut all = BTreeMap::new();
        if resources.iter().any(is_gateway) {
            for resource in resources {
                for at in places(*resource, resources) {
                    if let Some(config) = configs.within(at) {
                        all.entry(config).or_insert_with(|| (*resource, at.place()));
                    }
                }
            }
        }
        Self { all }
    }

    /// Those that no chain has.
    pub fn unused(&self, graph: &Graph) -> BTreeSet<usize> {
        let used: BTreeSet<usize> = graph.chains.iter().flat_map(FilterChain::configs).collect();
        self.all.keys().copied().filter(|config| !used.contains(config)).collect()
    }

    pub fn remarks(&self, graph: &Graph) -> Vec<Remark> {
        let unused = self.unused(graph);
        let found = unused.iter().filter_map(|config| self.all.get(config));
        let remark = |(resource, place): &(Resource<'_>, Place)| Remark {
            place: place.clone(),
            severity: Severity::Doubtful,
            message: format!(
                "{} puts the filter into no gateway, listener or host that these files show: \
                 correct what it names, or give lint the files of its gateway too",
                resource.printed()
            ),
        };
        found.map(remark).collect()
    }
}

/// The parts of a resource that put filters into gateways.
fn places<'a>(resource: Resource<'a>, resources: &[Resource<'a>]) -> Vec<At<'a>> {
    match resource.kind {
        "WasmPlugin" | "TrafficExtension" => vec![resource.at],
        "EnvoyFilter" => {
            let patches: Vec<At<'a>> = resource.list("configPatches").collect();
            // A workload may have it in its own sidecar.
            let is_inbound = |patch: &At<'a>| {
                patch.path(&["match", "context"]).and_then(At::text) == Some("SIDECAR_INBOUND")
            };
            if patches.iter().any(is_inbound) {
                return Vec::new();
            }
            patches.iter().filter_map(|patch| patch.path(&["patch", "value"])).collect()
        }
        "EnvoyPatchPolicy" => {
            let patches = resource.list("jsonPatches");
            patches.filter_map(|patch| patch.path(&["operation", "value"])).collect()
        }
        // Its routes may be in other files.
        "EnvoyExtensionPolicy" => {
            let target = resource.spec().and_then(|spec| spec.member("targetRef"));
            let mut targets = resource.list("targetRefs").chain(target);
            let is_shown = targets.any(|target| {
                let (kind, name) = (target.text_of("kind"), target.text_of("name"));
                resources.iter().any(|one| {
                    (Some(one.kind), Some(one.name)) == (kind, name)
                        && one.namespace == resource.namespace
                })
            });
            let has_selectors = resource.list("targetSelectors").next().is_some();
            if is_shown || has_selectors { Vec::new() } else { resource.list("wasm").collect() }
        }
        _ => Vec::new(),
    }
}
