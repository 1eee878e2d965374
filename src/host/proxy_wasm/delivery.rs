//! Detects that `allow_on_headers_stop_iteration` is missing.
//!
//! Without it Envoy takes "hold these headers" for "stop everything": it buffers the body, calls nobody, and the request
//! hangs until a time-out that explains nothing. A tick sees that bytes arrived which no callback delivered. As soon as
//! one body or trailer was delivered for held headers, the setting is proven and all of this costs nothing any more.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

use super::request::carry_out;
use super::{NEVER, Plugin, log};
use crate::error::HostError;
use crate::exchange::{Exchange, Step};

/// How often held requests are looked at, until the setting is proven.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// What this VM knows of the setting.
pub(super) enum Delivery {
    /// Nothing yet: the held requests by context, each with its size when it was held.
    Unknown(BTreeMap<u32, HeldRequest>),
    /// Bodies are delivered.
    Delivered,
    /// Bodies are withheld.
    Withheld,
}

pub(super) struct HeldRequest {
    /// Bytes of header and body that Envoy had received when the headers were held.
    received: u64,
    exchange: Rc<RefCell<Exchange>>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self::Unknown(BTreeMap::new())
    }
}

impl Delivery {
    /// A request is held. Returns whether it is known that its body will never come.
    pub(super) fn on_held(&mut self, context_id: u32, exchange: &Rc<RefCell<Exchange>>) -> bool {
        match self {
            Self::Delivered => false,
            Self::Withheld => true,
            Self::Unknown(held) => {
                if let Some(received) = received() {
                    held.insert(context_id, HeldRequest { received, exchange: exchange.clone() });
                }
                false
            }
        }
    }

    /// A body or trailers came.
    pub(super) fn on_delivery(&mut self) {
        if matches!(self, Self::Unknown(_)) {
            *self = Self::Delivered;
        }
    }

    /// The request is over.
    pub(super) fn forget(&mut self, context_id: u32) {
        if let Self::Unknown(held) = self {
            held.remove(&context_id);
        }
    }
}

/// Looks at the held requests; answers all of them once it is certain that bodies are withheld.
pub(super) fn on_tick(plugin: &Plugin) {
    let mut state = plugin.delivery.borrow_mut();
    let Delivery::Unknown(held) = &mut *state else {
        let _ = hostcalls::set_tick_period(NEVER);
        return;
    };
    let is_withheld = |(context_id, request): (&u32, &HeldRequest)| {
        hostcalls::set_effective_context(*context_id).is_ok() && received().is_some_and(|now| now > request.received)
    };
    if !held.iter().any(is_withheld) {
        return;
    }
    let held = std::mem::take(held);
    *state = Delivery::Withheld;
    drop(state);
    log(
        LogLevel::Error,
        &format!("tls_client_auth {}; gated requests with a body are refused until then", HostError::BodyWithHeadersHeld),
    );
    for (context_id, request) in held {
        if hostcalls::set_effective_context(context_id).is_err() {
            continue;
        }
        let step = request.exchange.borrow_mut().on_body_withheld();
        if let Step::Decide(decision) = step
            && carry_out(plugin, &decision)
        {
            let _ = hostcalls::resume_http_request();
        }
    }
}

/// `request.total_size`: bytes of headers and body that Envoy has received. (`request.size` is the announced length.)
fn received() -> Option<u64> {
    let value = hostcalls::get_property(vec!["request", "total_size"]).ok()??;
    value.try_into().ok().map(u64::from_le_bytes)
}
