//! The filter that Envoy and Istio load, by the proxy-wasm ABI 0.2.1.
//!
//! The decision is made in the crate `tls_client_auth`. This crate carries bytes between Envoy and
//! the `Exchange` of each request, and is empty on other targets than wasm32: there are no host
//! functions to link.
//!
//! | module | holds |
//! |---|---|
//! | `request` | the callbacks of a request, and how a held request is resumed |
//! | `decision` | a decision carried out: metrics, filter state, log, headers, reply |
//! | `plugin` | a configuration, and what its requests share |
//! | `registries` | fetched registries: calls, answers, ticks |
//! | `response` | the callbacks of a response, in `tls_client_auth_responses.wasm` |
//! | `held_headers_watch`, `held_responses` | the detection of a missing setting of Envoy |
//! | `downstream` | what Envoy knows about the connection |
//! | `abi` | host calls, and the memory that the host fills: the only `unsafe` |
//! | `signatures` | signatures of CAs, which Envoy verifies |
//! | `shared_data`, `metrics`, `log`, `clock` | what is made of them |
//!
//! # Rules of the ABI
//!
//! A panic ends the VM of a worker thread. With `failure_policy: FAIL_RELOAD` that worker answers
//! 503 until the VM is restarted, with `FAIL_CLOSED` permanently; with `FAIL_OPEN` every request
//! passes undecided. So no input may cause a panic.
//!
//! Host calls: the functions of the SDK panic on statuses that Envoy returns, and on values that
//! are not UTF-8, which a client can send. They are not used, but for `dispatch_http_call`, because
//! the SDK delivers the answers of its own calls only; it panics on every status but Ok,
//! BadArgument and InternalFailure, the three that Envoy has. Everything else goes through `abi`,
//! where each failure is a value.
//!
//! - Envoy has no map of headers for a call that failed.
//! - A boolean attribute is one byte, an integer eight bytes in little-endian order.
//! - The clock of the standard library traps. The time comes from Envoy (`clock`).
//!
//! What a callback may do:
//!
//! - `on_configure`: read the configuration, define metrics, set the tick period. The answer to an
//!   HTTP call that is made here may never arrive, so fetching begins with the first tick. If it
//!   returns false, Envoy does not start, or keeps the configuration that was in force before.
//! - `on_tick` (root): HTTP calls and shared data. A request can be decided after
//!   `set_effective_context`.
//! - `on_http_request_headers`: change headers, reply, Continue, or hold the request by Pause. Held
//!   headers can still be changed, and Envoy delivers the body meanwhile, if
//!   `allow_on_headers_stop_iteration` is set; `held_headers_watch` detects that it is missing.
//! - `on_http_request_body`: while the headers are held, read the body that is buffered, change
//!   headers, reply. After Continue, a change of a header is refused.
//! - `on_http_request_trailers`: the same. If a request has trailers, no body callback has
//!   `end_of_stream`: the request ends here, and the default of the SDK lets it pass.
//! - `on_http_call_response`: read the answer, which is gone afterwards. It comes to the context
//!   that made the call, and not at all if that context has ended. Without headers, the call failed
//!   (time-out, reset, or an answer above Envoy's limit).
//! - Pause at the end of a request holds it until `resume_http_request` or a reply.
//! - `send_http_response` works once for a request. The reply runs through the response callbacks
//!   of the module. `tls_client_auth.wasm` has none: `./build.sh` removes them, because each costs
//!   a call for each response. `tls_client_auth_responses.wasm` keeps them.
//! - `on_http_response_headers`, `_body`, `_trailers`: as those of a request, with the same
//!   setting. A reply in place of the response is right from each while the headers are held.
//! - `Drop` of a context (`proxy_on_delete`): no host calls about the request. Metrics can be
//!   changed.

#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "the SDK's macro exports functions without documentation")]

mod abi;
mod clock;
mod decision;
mod downstream;
mod held_headers_watch;
mod held_request;
mod held_responses;
mod log;
mod metrics;
mod plugin;
mod registries;
mod request;
mod response;
mod shared_data;
mod signatures;

use std::alloc::System;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use tls_client_auth::limits;

use self::log::{Level, log};
use self::plugin::Plugin;
use self::registries::AnswerSizes;
use self::request::{RequestContext, resume, resume_all};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { plugin: None }));
}}

#[global_allocator]
static ALLOCATOR: abi::Reusing<System> = abi::Reusing::new(System);

/// The root context: one for each configuration in each VM.
struct Root {
    plugin: Option<Rc<Plugin>>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        if let Some(plugin) = &self.plugin
            && let Some(finished) =
                plugin.registries.on_root_answer(token, AnswerSizes { headers, body })
        {
            resume_all(plugin, &finished);
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.registries.release();
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match Plugin::configure(size) {
            Ok(plugin) => {
                self.plugin = Some(Rc::new(plugin));
                true
            }
            Err(error) => {
                log(Level::Error, &format!("tls_client_auth configuration refused: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(plugin) = &self.plugin else { return };
        let mut elapsed = limits::TICK;
        if !plugin.registries.is_empty() {
            let (since_last_tick, finished) = plugin.registries.on_tick();
            elapsed = since_last_tick;
            for lookup in &finished {
                resume_all(plugin, lookup);
            }
        } else {
            plugin.registries.record_metrics();
        }
        answer_late_requests(plugin, elapsed);
        if abi::reads_responses() {
            response::release_late(plugin, elapsed);
        }
        plugin.metrics.hand_over();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(RequestContext::new(context_id, self.plugin.clone())))
    }
}

/// Answers the held requests whose bodies Envoy does not deliver.
fn answer_late_requests(plugin: &Plugin, elapsed: Duration) {
    let late = plugin.held_headers.borrow_mut().take_late(elapsed);
    for request in late {
        resume(plugin, &request, |exchange, _| exchange.on_body_withheld());
    }
}
