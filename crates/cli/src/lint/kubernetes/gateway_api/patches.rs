//! Envoy Gateway's EnvoyPatchPolicy: what patches add to listeners, and what they remove.

use serde_json::Value;

use crate::lint::finding::Severity;
use crate::lint::graph::{ENABLE, Filter, FilterRole, Remark};
use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::{At, ConfigPlaces};
use crate::lint::paths::Answer;

/// The filter that an EnvoyPatchPolicy adds to a listener as a whole.
pub fn filter_of_listener(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    gateway: Resource<'_>,
    listener: &str,
) -> Option<(Filter, Answer)> {
    let policies = resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy");
    let is_for = |resource: &&Resource<'_>| {
        let target = resource.spec().and_then(|spec| spec.member("targetRef"));
        target.is_none_or(|target| {
            target.text_of("kind") != Some("Gateway")
                || target.text_of("name") == Some(gateway.name)
        })
    };
    let patches = policies
        .filter(is_for)
        .flat_map(|resource| resource.list("jsonPatches").collect::<Vec<_>>());
    let mut best: Option<(Filter, Answer)> = None;
    for patch in patches {
        let Some(value) = patch.path(&["operation", "value"]) else { continue };
        let Some(config) = configs.within(value) else { continue };
        let is_added = patch.path(&["operation", "op"]).and_then(At::text) == Some("add");
        // Of several hosts on one port each has a filter chain of its own.
        let is_every_chain = patch
            .path(&["operation", "jsonPath"])
            .and_then(At::text)
            .is_some_and(|path| path.contains("filter_chains[*]"));
        let name = patch.text_of("name").unwrap_or_default();
        let wanted = format!("{}/{}/{listener}", gateway.namespace, gateway.name);
        let is_named = name == wanted;
        if !is_added || (!is_named && name.starts_with(&format!("{}/", gateway.namespace))) {
            continue;
        }
        let path = patch.path(&["operation", "path"]).and_then(At::text).unwrap_or_default();
        let covers = if is_named && (is_every_chain || path.contains("filter_chain")) {
            Answer::Yes
        } else {
            Answer::Maybe
        };
        let role = FilterRole::ThisFilter { config, skips: None };
        let filter = Filter {
            place: value.place(),
            name: value.text_of("name").unwrap_or_default().to_owned(),
            role,
            is_disabled: false,
            is_unordered: false,
            gap: None,
        };
        if covers == Answer::Yes || best.is_none() {
            best = Some((filter, covers));
        }
    }
    best
}

/// What an EnvoyExtensionPolicy leaves out, and what patches remove.
pub fn remarks(resources: &[Resource<'_>], configs: &ConfigPlaces) -> Vec<Remark> {
    let patches: Vec<At<'_>> = resources
        .iter()
        .filter(|resource| resource.kind == "EnvoyPatchPolicy")
        .flat_map(|resource| resource.list("jsonPatches").collect::<Vec<_>>())
        .collect();
    let sets = |name: &str, wanted: &Value| {
        patches.iter().filter_map(|patch| patch.member("operation")).any(|operation| {
            let place = [operation.text_of("path"), operation.text_of("jsonPath")]
                .into_iter()
                .flatten()
                .collect::<String>();
            let value = operation.member("value");
            let is_value = value.is_some_and(|value| value.node.to_json() == *wanted);
            let is_within = value
                .and_then(|value| value.member(name))
                .is_some_and(|value| value.node.to_json() == *wanted);
            operation.text_of("op") != Some("remove")
                && ((place.contains(name) && is_value) || is_within)
        })
    };
    let may_stop = sets("allow_on_headers_stop_iteration", &true.into());
    let is_reloaded =
        sets("failure_policy", &"FAIL_RELOAD".into()) || sets("failure_policy", &2.into());
    let mut found = Vec::new();
    for resource in resources.iter().filter(|resource| resource.kind == "EnvoyExtensionPolicy") {
        for wasm in resource.list("wasm").filter(|wasm| configs.at(*wasm).is_some()) {
            let mut add = |severity: Severity, message: &str| {
                found.push(Remark { place: wasm.place(), severity, message: message.to_owned() });
            };
            if !may_stop {
                add(
                    Severity::Error,
                    "without allow_on_headers_stop_iteration: true every gated request is answered \
                     with 500, and an EnvoyExtensionPolicy cannot set it: add an EnvoyPatchPolicy \
                     that does, and give it to lint too",
                );
            }
            if !is_reloaded {
                add(
                    Severity::Doubtful,
                    "without failure_policy: FAIL_RELOAD, which an EnvoyPatchPolicy can set, a \
                     fault is answered with 503 until Envoy is restarted",
                );
            }
        }
    }
    for patch in &patches {
        let off = patch
            .within()
            .into_iter()
            .filter_map(|at| at.member("typed_per_filter_config"))
            .flat_map(At::members);
        for (_, at) in off.filter(|(name, own)| {
            (name.contains("wasm") || name.contains("tls")) && own.is_true("disabled")
        }) {
            let message =
                format!("the filter is disabled for routes that are not followed; {}", ENABLE);
            found.push(Remark { place: at.place(), severity: Severity::Error, message });
        }
        let operation = patch.member("operation");
        let path = operation.and_then(|operation| operation.text_of("path")).unwrap_or_default();
        let is_removal = operation
            .and_then(|operation| operation.text_of("op"))
            .is_some_and(|op| ["remove", "replace"].contains(&op));
        if is_removal && path.contains("http_filters") && !path.contains("typed_config") {
            let message = "a patch removes HTTP filters, or replaces them: whether \
                this filter is among them cannot be followed"
                .to_owned();
            found.push(Remark { place: patch.place(), severity: Severity::Doubtful, message });
        }
    }
    found
}
