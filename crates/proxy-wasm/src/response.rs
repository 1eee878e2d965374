//! The response to one request: Envoy's callbacks go into the [`BackendResponse`], its steps go
//! back to Envoy. Only `tls_client_auth_responses.wasm` has these callbacks.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use proxy_wasm::types::Action as Iteration;
use tls_client_auth::host::{
    BackendResponse, Fields, Head, METADATA_CONDITIONS, METADATA_VALIDATORS, ResponseStep,
    UntouchedMetadata,
};
use tls_client_auth::{Action, Decision, limits};

use super::abi::{self, Buffer, HeaderMap, Map};
use super::decision::reply;
use super::held_request::HeldResponse;
use super::log::{Level, log};
use super::plugin::Plugin;

/// The response to a request, if it is read.
#[derive(Default)]
pub(super) struct ReadResponse {
    response: Option<Rc<RefCell<BackendResponse>>>,
    /// Length of the body that Envoy has buffered so far, in bytes.
    buffered: usize,
}

impl ReadResponse {
    /// A request passed that may ask for metadata. What keeps its answer from being edited is
    /// removed from it.
    pub(super) fn to_metadata_request(plugin: &Plugin, head: &Head<'_>) -> Self {
        let discovery = plugin.configuration.discovery.as_ref();
        let response =
            discovery.and_then(|discovery| BackendResponse::to_metadata_request(discovery, head));
        if response.is_some() {
            for name in METADATA_CONDITIONS {
                // Without success, the answer may be one that goes on as it is.
                abi::remove_header(Map::RequestHeaders, name.as_bytes());
            }
        }
        Self { response: response.map(|response| Rc::new(RefCell::new(response))), buffered: 0 }
    }

    /// The response to a request of a client whose access tokens must be bound.
    pub(super) fn of(response: BackendResponse) -> Self {
        Self { response: Some(Rc::new(RefCell::new(response))), buffered: 0 }
    }

    pub(super) fn on_headers(
        &self,
        plugin: &Plugin,
        context_id: u32,
        end_of_stream: bool,
    ) -> Iteration {
        let Some(response) = &self.response else { return Iteration::Continue };
        let map = abi::header_map(Map::ResponseHeaders);
        let fields = map.as_ref().and_then(HeaderMap::fields);
        let mut step =
            response.borrow_mut().on_headers(fields.as_deref().map(Fields), end_of_stream);
        if matches!(step, ResponseStep::Wait) {
            let mut is_there = plugin.held_headers.borrow().is_setting_there();
            if is_there.is_none() && plugin.held_responses.borrow().has_been_late() {
                is_there = Some(false);
            }
            match is_there {
                Some(true) => {}
                Some(false) => step = response.borrow_mut().on_body_withheld(),
                None => plugin.held_responses.borrow_mut().watch(context_id, response),
            }
        }
        take(plugin, step, 0, context_id, response)
    }

    pub(super) fn on_body(
        &mut self,
        plugin: &Plugin,
        context_id: u32,
        buffered: usize,
        end_of_stream: bool,
    ) -> Iteration {
        let Some(response) = &self.response else { return Iteration::Continue };
        self.buffered = buffered;
        on_delivery(plugin, context_id, response);
        let step = response.borrow_mut().on_body(
            &plugin.configuration,
            buffered,
            end_of_stream,
            read_body,
        );
        take(plugin, step, buffered, context_id, response)
    }

    pub(super) fn on_trailers(&self, plugin: &Plugin, context_id: u32) -> Iteration {
        let Some(response) = &self.response else { return Iteration::Continue };
        on_delivery(plugin, context_id, response);
        let step = response.borrow_mut().on_end(&plugin.configuration, self.buffered, read_body);
        take(plugin, step, self.buffered, context_id, response)
    }
}

/// Answers or continues the held responses whose bodies Envoy does not deliver.
pub(super) fn release_late(plugin: &Plugin, elapsed: Duration) {
    // Bodies are delivered while headers are held, so these come, however late.
    if plugin.held_headers.borrow().is_setting_there() == Some(true) {
        plugin.held_responses.borrow_mut().forget_all();
        return;
    }
    let late = plugin.held_responses.borrow_mut().take_late(elapsed);
    for held in &late {
        resume(plugin, held, BackendResponse::on_body_withheld);
    }
}

/// Lets a held response take a step outside of its own callbacks.
pub(super) fn resume(
    plugin: &Plugin,
    held: &HeldResponse,
    take_step: impl FnOnce(&mut BackendResponse) -> ResponseStep,
) {
    let Some(response) = held.make_effective() else { return };
    let step = take_step(&mut response.borrow_mut());
    if take(plugin, step, 0, held.context_id, &response) == Iteration::Continue {
        abi::continue_response();
    }
}

/// A body or trailers were delivered. If the headers are held, Envoy has the setting that this
/// needs.
fn on_delivery(plugin: &Plugin, context_id: u32, response: &RefCell<BackendResponse>) {
    if response.borrow().is_held() {
        plugin.held_headers.borrow_mut().prove();
        plugin.held_responses.borrow_mut().forget(context_id);
    }
}

/// Does what the step demands. `buffered` = length of the body that Envoy has buffered.
fn take(
    plugin: &Plugin,
    mut step: ResponseStep,
    buffered: usize,
    context_id: u32,
    response: &Rc<RefCell<BackendResponse>>,
) -> Iteration {
    if let ResponseStep::Ask(question) = &step {
        let held = HeldResponse::new(context_id, response);
        step = match plugin.registries.find_out_issued(question, held) {
            Poll::Ready(fact) => response.borrow_mut().on_fact(fact),
            Poll::Pending => ResponseStep::Wait,
        };
    }
    match step {
        // After an answer there is no second question.
        ResponseStep::Wait | ResponseStep::Ask(_) => return Iteration::Pause,
        ResponseStep::Continue => {}
        ResponseStep::Edit(body) => {
            let length = body.len().to_string();
            if abi::replace_buffer(Buffer::ResponseBody, buffered, &body) {
                remove_validators();
                // An answer in chunks has no length, and gets none.
                if abi::has_header(Map::ResponseHeaders, "content-length") {
                    abi::replace_header(Map::ResponseHeaders, "content-length", &length);
                }
            }
        }
        ResponseStep::Undescribe => {
            remove_validators();
            abi::remove_header(Map::ResponseHeaders, b"content-length");
        }
        ResponseStep::Untouched(metadata) => report(plugin, metadata),
        ResponseStep::Unbound(decision) => return refuse(plugin, &decision),
    }
    Iteration::Continue
}

fn remove_validators() {
    for name in METADATA_VALIDATORS {
        abi::remove_header(Map::ResponseHeaders, name.as_bytes());
    }
}

/// Logs, once for each path and reason, that metadata goes on as it is.
fn report(plugin: &Plugin, metadata: UntouchedMetadata) {
    let mut reported = plugin.untouched_metadata.borrow_mut();
    if reported.len() < limits::UNTOUCHED_METADATA && !reported.contains(&metadata) {
        log(Level::Warn, &metadata.to_string());
        reported.insert(metadata);
    }
}

/// Carries out the decision about an access token that is not bound.
fn refuse(plugin: &Plugin, decision: &Decision) -> Iteration {
    plugin.metrics.count_decision(decision.code, decision.request.tenant.as_ref());
    if decision.is_logged(plugin.configuration.log) {
        plugin.request_log.write(Level::Warn, decision);
    }
    match &decision.action {
        Action::Continue { .. } => Iteration::Continue,
        Action::Reply(response) => {
            if plugin.configuration.filter_state.code {
                // The access log of an answer that the filter gave has its reason.
                abi::set_property("tls_client_auth_code", decision.code.as_str().as_bytes());
            }
            reply(response);
            Iteration::Pause
        }
    }
}

fn read_body(length: usize) -> Option<Vec<u8>> {
    abi::buffer(Buffer::ResponseBody, length)
}
