//! Detects that `allow_on_headers_stop_iteration` is missing.
//!
//! Without it Envoy takes "hold these headers" for "stop everything": it buffers the body, calls
//! nobody, and the request hangs until a time-out that explains nothing. A tick sees that bytes
//! arrived which no callback delivered. As soon as one body or trailer was delivered for held
//! headers, the setting is proven and all of this costs nothing any more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;
use tls_client_auth::limits;

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;
use tls_client_auth::HostError;
use tls_client_auth::host::{Exchange, Step};

use super::outcome::carry_out;
use super::{Plugin, log};

/// What this VM knows of the setting.
pub(super) enum HeldHeadersWatch {
    /// Nothing yet.
    Unknown {
        /// The held requests by context.
        held: BTreeMap<u32, WatchedRequest>,
        /// Whether it was reported to the operator that it is missing.
        is_reported: bool,
    },
    /// Bodies are delivered while headers are held.
    Proven,
}

pub(super) struct WatchedRequest {
    /// Bytes of headers and body that Envoy had received when the headers were held.
    received: u64,
    /// For how long more bytes than that were seen.
    late: Duration,
    exchange: Rc<RefCell<Exchange>>,
}

impl Default for HeldHeadersWatch {
    fn default() -> Self {
        Self::Unknown { held: BTreeMap::new(), is_reported: false }
    }
}

impl HeldHeadersWatch {
    /// A request is held.
    pub(super) fn watch(&mut self, context_id: u32, exchange: &Rc<RefCell<Exchange>>) {
        if let Self::Unknown { held, .. } = self
            && let Some(received) = received()
        {
            held.insert(
                context_id,
                WatchedRequest { received, late: Duration::ZERO, exchange: exchange.clone() },
            );
        }
    }

    /// A body or trailers came for a held request.
    pub(super) fn prove(&mut self) {
        *self = Self::Proven;
    }

    /// The request is over.
    pub(super) fn forget(&mut self, context_id: u32) {
        if let Self::Unknown { held, .. } = self {
            held.remove(&context_id);
        }
    }

    /// Looks at the held requests; returns those whose bodies Envoy keeps to itself. `None` =
    /// nothing is left to watch for.
    fn take_late(&mut self, elapsed: Duration) -> Option<Vec<(u32, WatchedRequest)>> {
        let Self::Unknown { held, is_reported } = self else { return None };
        let is_late = |context_id: &u32, request: &mut WatchedRequest| {
            let has_more = hostcalls::set_effective_context(*context_id).is_ok()
                && received().is_some_and(|now| now > request.received);
            request.late += if has_more { elapsed } else { Duration::ZERO };
            request.late >= limits::WITHHELD
        };
        let late: Vec<_> = held.extract_if(.., is_late).collect();
        if !late.is_empty() && !std::mem::replace(is_reported, true) {
            log(LogLevel::Error, &format!("tls_client_auth {}", HostError::BodyWithHeadersHeld));
        }
        Some(late)
    }
}

/// Answers the held requests whose bodies will not come; returns whether there is something left to
/// watch for.
pub(super) fn on_tick(plugin: &Plugin, elapsed: Duration) -> bool {
    let late = plugin.held_headers.borrow_mut().take_late(elapsed);
    let is_watching = late.is_some();
    for (context_id, request) in late.unwrap_or_default() {
        if hostcalls::set_effective_context(context_id).is_err() {
            continue;
        }
        let step = request.exchange.borrow_mut().on_body_withheld();
        if let Step::Decide(decision) = step
            && carry_out(plugin, &request.exchange, *decision)
        {
            let _ = hostcalls::resume_http_request();
        }
    }
    is_watching
}

/// `request.total_size`: bytes of headers and body that Envoy has received. (`request.size` is the
/// announced length.)
fn received() -> Option<u64> {
    let value = hostcalls::get_property(vec!["request", "total_size"]).ok()??;
    value.try_into().ok().map(u64::from_le_bytes)
}
