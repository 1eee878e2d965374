//! Carries out decisions: metrics, filter state, log, headers, replies.

use std::cell::RefCell;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, MapType};
use tls_client_auth::host::Exchange;
use tls_client_auth::{Action, Code, Decision, Response, limits};

use super::headers;
use super::log::log;
use super::plugin::Plugin;

/// Carries out the decision about the request of `exchange`; returns whether the request passes.
pub(super) fn apply(plugin: &Plugin, exchange: &RefCell<Exchange>, mut decision: Decision) -> bool {
    if let Action::Continue { set } = &decision.action
        && !set
            .iter()
            .all(|(name, value)| headers::replace(MapType::HttpRequestHeaders, name, value))
    {
        // Without its identity headers the request must not reach a backend that trusts them.
        decision = exchange.borrow_mut().on_write_failed(decision.request);
    }
    plugin.metrics.count_decision(decision.code, decision.request.tenant.as_ref());
    if decision.is_lookalike {
        plugin.metrics.count_lookalike();
        report_lookalike(plugin, &decision);
    }
    let written = plugin.configuration.filter_state;
    // Most requests that are not gated have nothing to do with OAuth.
    if written.code && decision.code != Code::NotGated {
        set_filter_state("tls_client_auth_code", decision.code.as_str());
    }
    if written.client_id
        && let Some(client_id) = decision.client_id_state()
    {
        set_filter_state("tls_client_auth_client_id", &client_id);
    }
    if decision.is_logged(plugin.configuration.log) {
        let level = if decision.rejection.is_some() { LogLevel::Warn } else { LogLevel::Info };
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
        log(LogLevel::Warn, &line);
        reported.insert(path);
    }
}

/// Answers the request of the running callback.
pub(super) fn reply(response: &Response) {
    let body = Some(response.body.as_bytes());
    if hostcalls::send_http_response(response.status.into(), response.headers.clone(), body)
        .is_err()
    {
        log(LogLevel::Error, "tls_client_auth could not answer a refused request; it stays held");
    }
}

fn set_filter_state(name: &str, value: &str) {
    let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
}
