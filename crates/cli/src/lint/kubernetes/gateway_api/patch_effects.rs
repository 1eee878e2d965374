//! What operations of an EnvoyPatchPolicy do to this filter. What is not known to leave it alone is
//! doubtful at least.

use super::patch_operations::{Effect, Gated, Operation};
use super::patch_ways::Ways;
use super::{patch_listeners, patch_routes};
use crate::lint::finding::Severity;
use crate::lint::graph::Remark;
use crate::lint::located::ConfigPlaces;

/// What all operations do to the filter.
pub fn remarks(
    operations: &[Operation<'_>],
    gated: &Gated<'_>,
    ways: &Ways<'_>,
    configs: &ConfigPlaces,
) -> Vec<Remark> {
    let has_ours = |one: &Operation<'_>| {
        one.op() == "add" && one.value().is_some_and(|value| configs.within(value).is_some())
    };
    let installs: Vec<&Operation<'_>> = operations.iter().filter(|one| has_ours(one)).collect();
    if gated.names.is_empty() && installs.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for operation in operations.iter().filter(|one| gated.is_near(one)) {
        // A patch that comes before the filter finds none.
        let is_after = installs.iter().all(|install| operation.is_surely_after(install));
        let effect = match (operation.op(), operation.kind()) {
            ("test", _) => Effect::None,
            // Nearly all are of this kind.
            (_, "Listener" | "") => patch_listeners::effect(operation, gated, configs, is_after),
            (_, "RouteConfiguration") => patch_routes::effect(operation, gated, ways),
            (_, "Cluster" | "ClusterLoadAssignment") => patch_routes::of_cluster(operation),
            // Keys and certificates.
            (_, "Secret") => Effect::None,
            (_, kind) => Effect::doubtful(format!("a patch of \"{kind}\" cannot be followed")),
        };
        let (severity, message) = match effect {
            Effect::None => continue,
            Effect::Doubtful(message) => (Severity::Doubtful, message),
            Effect::Error(message) => (Severity::Error, message),
        };
        found.push(Remark { place: operation.patch.place(), severity, message });
    }
    found
}
