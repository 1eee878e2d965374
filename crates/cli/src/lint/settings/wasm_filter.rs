//! The settings of the wasm filter itself.

use crate::envoy_config::{FailurePolicy, FilterKind, FilterSettings};
use crate::lint::finding::Finding;

/// What `failure_policy: FAIL_OPEN` does.
pub const OPEN: &str = "FAIL_OPEN lets every request through after a fault";

/// The settings of the wasm filter itself.
pub fn findings(filter: &FilterSettings) -> Vec<Finding> {
    let at = Some(filter.line);
    let mut findings = Vec::new();
    match filter.kind {
        FilterKind::Envoy { allow_on_headers_stop_iteration, is_structured } => {
            if !allow_on_headers_stop_iteration {
                findings.push(Finding::error(
                    at,
                    "without allow_on_headers_stop_iteration: true \
                    every gated request is answered with 500",
                ));
            }
            if is_structured {
                findings.push(Finding::error(
                    at,
                    "the configuration must be a StringValue with \
                    JSON: Envoy hands a Struct to the module as protobuf",
                ));
            }
        }
        // What Envoy Gateway leaves out is added by another policy, which may be in another file:
        // `gateway_api`.
        FilterKind::ExtensionPolicy => {}
        FilterKind::WasmPlugin => findings.push(Finding::doubtful(
            at,
            "a WasmPlugin cannot set allow_on_headers_stop_iteration, without which every gated \
             request is answered with 500: install the filter by an EnvoyFilter",
        )),
    }
    match (filter.failure, &filter.kind) {
        (FailurePolicy::Open, _) => findings.push(Finding::error(at, OPEN)),
        (FailurePolicy::Closed, FilterKind::Envoy { .. }) => {
            let message = "without failure_policy: FAIL_RELOAD a fault is answered with 503 until \
                Envoy is restarted";
            findings.push(Finding::doubtful(at, message));
        }
        _ => {}
    }
    findings.into_iter().map(|finding| finding.at(filter.pointer.clone())).collect()
}
