//! What patches must set for an EnvoyExtensionPolicy.

use std::collections::BTreeSet;

use super::patch_operations::{Gated, Operation, is_for};
use crate::envoy_config::FailurePolicy;
use crate::lint::finding::Severity;
use crate::lint::graph::Remark;
use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::{At, ConfigPlaces};
use crate::lint::settings::wasm_filter::OPEN;

/// Where an operation acts.
fn path(operation: &Operation<'_>) -> String {
    ["jsonPath", "path"].into_iter().filter_map(|name| operation.at.text_of(name)).collect()
}

/// What an operation sets a member to, by itself or within what it adds.
fn set_by<'a>(operation: &Operation<'a>, name: &str) -> Option<At<'a>> {
    let value = operation.at.member("value").filter(|_| operation.op() != "remove")?;
    value.member(name).or_else(|| path(operation).contains(name).then_some(value))
}

/// What an EnvoyExtensionPolicy leaves out.
pub fn remarks(
    resources: &[Resource<'_>],
    operations: &[Operation<'_>],
    gated: &Gated<'_>,
    configs: &ConfigPlaces,
) -> Vec<Remark> {
    let mut found = Vec::new();
    for policy in resources.iter().filter(|resource| resource.kind == "EnvoyExtensionPolicy") {
        let ours = policy.list("wasm").filter(|wasm| configs.at(*wasm).is_some());
        let ours: Vec<At<'_>> = ours.collect();
        if ours.is_empty() {
            continue;
        }
        let gateways = gateways(resources, *policy);
        // A policy of whose gateways nothing is known may have any patch.
        let sets = |is: &dyn Fn(&Operation<'_>) -> bool| {
            let on = |namespace: &str, gateway: &str| {
                operations.iter().any(|one| is_for(one.policy, namespace, gateway) && is(one))
            };
            match gateways.is_empty() {
                true => operations.iter().any(is),
                false => gateways.iter().all(|(namespace, name)| on(namespace, name)),
            }
        };
        let may_stop = sets(&|one| {
            set_by(one, "allow_on_headers_stop_iteration").is_some_and(|at| at.node.is_true())
        });
        let is_reloaded =
            sets(&|one| failure(one).is_some_and(|set| set.0 != FailurePolicy::Closed));
        for wasm in ours {
            let mut add = |severity: Severity, message: &str| {
                found.push(Remark { place: wasm.place(), severity, message: message.to_owned() });
            };
            if !may_stop {
                add(
                    Severity::Error,
                    "without allow_on_headers_stop_iteration: true every gated request is answered \
                     with 500, and an EnvoyExtensionPolicy cannot set it: add an EnvoyPatchPolicy \
                     for its Gateway that does, and give it to lint too",
                );
            }
            // FAIL_OPEN is an error of its own.
            if !is_reloaded {
                add(
                    Severity::Doubtful,
                    "without failure_policy: FAIL_RELOAD, which an EnvoyPatchPolicy can set, a \
                     fault is answered with 503 until Envoy is restarted",
                );
            }
        }
    }
    found.extend(operations.iter().filter_map(|one| fails_open(one, gated)));
    found
}

/// The failure policy that an operation sets, and its place.
fn failure<'a>(operation: &Operation<'a>) -> Option<(FailurePolicy, At<'a>)> {
    let by_word = set_by(operation, "failure_policy");
    let by_word = by_word.and_then(|at| Some((FailurePolicy::of_word(at.node)?, at)));
    by_word.or_else(|| {
        let at = set_by(operation, "fail_open").filter(|at| at.node.is_true())?;
        Some((FailurePolicy::Open, at))
    })
}

/// A patch by which every request passes after a fault. A filter as a whole is judged as such.
fn fails_open(operation: &Operation<'_>, gated: &Gated<'_>) -> Option<Remark> {
    let (FailurePolicy::Open, at) = failure(operation)? else { return None };
    let is_whole = operation.at.member("value").is_some_and(|value| {
        value.within().iter().any(|within| within.member("vm_config").is_some())
    });
    let is_another = operation.http_filter().is_some_and(|chosen| gated.is_another(chosen));
    (!is_another && !is_whole && !gated.names.is_empty()).then(|| Remark {
        place: at.place(),
        severity: Severity::Error,
        message: format!("{OPEN}: set FAIL_RELOAD"),
    })
}

/// The gateways to which a policy is attached, with their namespaces.
fn gateways<'a>(resources: &[Resource<'a>], policy: Resource<'a>) -> BTreeSet<(&'a str, &'a str)> {
    let mut found = BTreeSet::new();
    let parents = |route: Resource<'a>| {
        route.list("parentRefs").filter_map(move |parent| {
            let is_gateway = parent.text_of("kind").is_none_or(|kind| kind == "Gateway");
            let namespace = parent.text_of("namespace").unwrap_or(route.namespace);
            Some((namespace, parent.text_of("name").filter(|_| is_gateway)?))
        })
    };
    let refs =
        policy.list("targetRefs").chain(policy.spec().and_then(|spec| spec.member("targetRef")));
    let refs: Vec<At<'a>> = refs.collect();
    for target in &refs {
        if let (Some("Gateway"), Some(name)) = (target.text_of("kind"), target.text_of("name")) {
            found.insert((policy.namespace, name));
        }
    }
    let selectors: Vec<At<'a>> = policy.list("targetSelectors").collect();
    let own = resources.iter().filter(|resource| resource.namespace == policy.namespace);
    for resource in own.filter(|resource| ["Gateway", "HTTPRoute"].contains(&resource.kind)) {
        let is_kind = |at: &At<'a>| at.text_of("kind") == Some(resource.kind);
        let is_named = refs.iter().filter(|at| is_kind(at));
        let is_named = is_named.into_iter().any(|at| at.text_of("name") == Some(resource.name));
        let is_selected = selectors.iter().filter(|at| is_kind(at)).any(|selector| {
            selector.member("matchLabels").is_none_or(|labels| resource.has_labels(labels))
        });
        match resource.kind {
            "Gateway" if is_selected => {
                found.insert((resource.namespace, resource.name));
            }
            "HTTPRoute" if is_named || is_selected => found.extend(parents(*resource)),
            _ => {}
        }
    }
    found
}
