//! A decision carried out: counted, written into filter state, logged, answered.

use std::cell::RefCell;
use std::fmt;
use tls_client_auth::limits;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, MapType};
use tls_client_auth::host::Exchange;
use tls_client_auth::{Action, Code, Decision, Response};

use super::downstream::now;
use super::{Plugin, headers, log};

/// Does what was decided; returns whether the request goes on.
pub(super) fn carry_out(
    plugin: &Plugin,
    exchange: &RefCell<Exchange>,
    mut decision: Decision,
) -> bool {
    if let Action::Continue { set } = &decision.action
        && !set
            .iter()
            .all(|(name, value)| headers::replace(MapType::HttpRequestHeaders, name, value))
    {
        // Without its identity headers the request must not reach a backend that trusts them.
        decision = exchange.borrow_mut().on_write_failed(decision.request);
    }
    plugin.metrics.count(decision.code, decision.request.tenant.as_ref());
    if decision.is_lookalike {
        plugin.metrics.lookalike();
        report_lookalike(plugin, &decision);
    }
    let written = plugin.configuration.filter_state;
    // Most requests that are not gated are no requests of clients at all.
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
        log_bounded(plugin, level, &decision);
    }
    match &decision.action {
        Action::Continue { .. } => true,
        Action::Reply(response) => {
            reply(response);
            false
        }
    }
}

/// Says, once for each path, that a form went past the gate to a path that ends like an endpoint.
fn report_lookalike(plugin: &Plugin, decision: &Decision) {
    let mut reported = plugin.lookalikes.borrow_mut();
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

/// Requests cause these lines, so all of them share one budget; the next line says how many were
/// left out.
pub(super) fn log_bounded(plugin: &Plugin, level: LogLevel, line: &dyn fmt::Display) {
    let Some(now) = now() else { return };
    let Some(suppressed) = plugin.lines.borrow_mut().admit(now) else { return };
    let line = match suppressed {
        0 => line.to_string(),
        more => format!("{line} suppressed_lines={more}"),
    };
    log(level, &line);
}
