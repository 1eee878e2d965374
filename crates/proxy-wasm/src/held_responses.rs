//! Detects, for responses, that `allow_on_headers_stop_iteration` is missing.
//!
//! Without this setting a response whose headers are held hangs, as a request does. While it is not
//! known whether Envoy has it, every held response is watched. Envoy has no attribute that says how
//! much of a response has arrived, so the time since its headers decides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tls_client_auth::host::BackendResponse;
use tls_client_auth::limits;

use super::held_request::HeldResponse;

/// The held responses whose bodies may not come.
#[derive(Default)]
pub(super) struct HeldResponses {
    /// By their contexts, each with the time for which nothing came.
    held: BTreeMap<u32, (HeldResponse, Duration)>,
    /// Whether the body of one did not come. Then no further one is held, unless the setting is
    /// proven by a request.
    has_been_late: bool,
}

impl HeldResponses {
    /// A response is held from now on.
    pub(super) fn watch(&mut self, context_id: u32, response: &Rc<RefCell<BackendResponse>>) {
        self.held.insert(context_id, (HeldResponse::new(context_id, response), Duration::ZERO));
    }

    /// Whether the body of a held response did not come before.
    pub(super) fn has_been_late(&self) -> bool {
        self.has_been_late
    }

    /// A body or trailers were delivered, or the request has ended.
    pub(super) fn forget(&mut self, context_id: u32) {
        self.held.remove(&context_id);
    }

    /// None needs to be watched any more.
    pub(super) fn forget_all(&mut self) {
        self.held.clear();
    }

    /// Removes and returns those of which nothing came, `elapsed` after the last tick.
    pub(super) fn take_late(&mut self, elapsed: Duration) -> Vec<HeldResponse> {
        let is_late = |_: &u32, (_, late): &mut (HeldResponse, Duration)| {
            *late += elapsed;
            *late >= limits::RESPONSE_WITHHELD
        };
        let late = self.held.extract_if(.., is_late);
        let late: Vec<_> = late.map(|(_, (held, _))| held).collect();
        self.has_been_late |= !late.is_empty();
        late
    }
}
