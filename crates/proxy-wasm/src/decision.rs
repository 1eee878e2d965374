//! Carries out decisions: metrics, filter state, log, headers, replies.

use std::cell::RefCell;

use tls_client_auth::host::Exchange;
use tls_client_auth::{Action, Code, Decision, Response, limits};

use super::abi::{self, Map};
use super::log::{Level, log};
use super::plugin::Plugin;

/// Carries out the decision about the request of `exchange`; returns whether the request passes.
pub(super) fn apply(plugin: &Plugin, exchange: &RefCell<Exchange>, mut decision: Decision) -> bool {
    if let Action::Continue { set } = &decision.action
        && !set.iter().all(|(name, value)| abi::replace_header(Map::RequestHeaders, name, value))
    {
        // Without its identity headers the request must not reach a backend that trusts them.
        decision = exchange.borrow_mut().on_write_failed(decision.request);
    }
    if abi::reads_responses() && exchange.borrow().reads_response() {
        // Without success, the answer may be encoded, and is not read then.
        abi::remove_header(Map::RequestHeaders, b"accept-encoding");
    }
    plugin.metrics.count_decision(decision.code, decision.request.tenant.as_ref());
    if decision.is_lookalike {
        plugin.metrics.count_lookalike();
        report_lookalike(plugin, &decision);
    }
    let written = plugin.configuration.filter_state;
    // Most requests that are not gated have nothing to do with OAuth.
    if written.code && decision.code != Code::NotGated {
        // Without filter state the decision is the same, and nothing reports a failure of it.
        abi::set_property("tls_client_auth_code", decision.code.as_str().as_bytes());
    }
    if written.client_id
        && let Some(client_id) = decision.client_id_state()
    {
        abi::set_property("tls_client_auth_client_id", client_id.as_bytes());
    }
    if decision.is_logged(plugin.configuration.log) {
        let level = if decision.rejection.is_some() { Level::Warn } else { Level::Info };
        plugin.request_log.write(level, &decision);
    }
    match &decision.action {
        Action::Continue { .. } => true,
        Action::Reply(response) => {
            reply(response);
            false
        }
    }
}

/// Logs, once for each path, that a form passed ungated to a path that ends like an endpoint.
fn report_lookalike(plugin: &Plugin, decision: &Decision) {
    let mut reported = plugin.reported_lookalikes.borrow_mut();
    let path = decision.request.printable_path();
    if reported.len() < limits::LOOKALIKE_PATHS && !reported.contains(&path) {
        let line = format!(
            "tls_client_auth ungated_lookalike path=\"{path}\": a form was not gated although its \
             path ends like one of endpoints; if a route rewrites this path to an endpoint, add it \
             to endpoints"
        );
        log(Level::Warn, &line);
        reported.insert(path);
    }
}

/// Answers the request of the running callback.
pub(super) fn reply(response: &Response) {
    if !abi::send_local_response(response.status, &response.headers, &response.body) {
        log(Level::Error, "tls_client_auth could not answer a refused request; it stays held");
    }
}
