//! A request, or its response, that waits for something outside of its own callbacks.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use tls_client_auth::host::{BackendResponse, Exchange};

use super::abi;

/// A held request: the identifier of its context in Envoy, and its exchange, which its context
/// alone owns.
#[derive(Clone)]
pub(super) struct HeldRequest {
    pub(super) context_id: u32,
    exchange: Weak<RefCell<Exchange>>,
}

/// A held response: the identifier of its context in Envoy, and its machine, which its context
/// alone owns.
#[derive(Clone)]
pub(super) struct HeldResponse {
    pub(super) context_id: u32,
    response: Weak<RefCell<BackendResponse>>,
}

/// What waits for something.
#[derive(Clone)]
pub(super) enum Waiting {
    Request(HeldRequest),
    Response(HeldResponse),
}

impl HeldRequest {
    pub(super) fn new(context_id: u32, exchange: &Rc<RefCell<Exchange>>) -> Self {
        Self { context_id, exchange: Rc::downgrade(exchange) }
    }

    /// Directs the host calls that follow to this request; `None` = it has ended.
    pub(super) fn make_effective(&self) -> Option<Rc<RefCell<Exchange>>> {
        make_effective(self.context_id, &self.exchange)
    }
}

impl HeldResponse {
    pub(super) fn new(context_id: u32, response: &Rc<RefCell<BackendResponse>>) -> Self {
        Self { context_id, response: Rc::downgrade(response) }
    }

    /// Directs the host calls that follow to the request of this response; `None` = it has ended.
    pub(super) fn make_effective(&self) -> Option<Rc<RefCell<BackendResponse>>> {
        make_effective(self.context_id, &self.response)
    }
}

/// Envoy knows a context for a while after it has destroyed the filters of the request (it deletes
/// them later in the same turn of its loop). To continue or answer such a request would call
/// filters that were destroyed, so what its context owned decides.
fn make_effective<T>(context_id: u32, state: &Weak<T>) -> Option<Rc<T>> {
    state.upgrade().filter(|_| abi::set_effective_context(context_id))
}
