//! A request, or its response, that waits for something outside of its own callbacks.

use std::cell::RefCell;
use std::rc::Rc;

use tls_client_auth::host::{BackendResponse, Exchange};

use super::abi;

/// A held request: the identifier of its context in Envoy, and its exchange.
#[derive(Clone)]
pub(super) struct HeldRequest {
    pub(super) context_id: u32,
    pub(super) exchange: Rc<RefCell<Exchange>>,
}

/// A held response: the identifier of its context in Envoy, and its machine.
#[derive(Clone)]
pub(super) struct HeldResponse {
    pub(super) context_id: u32,
    pub(super) response: Rc<RefCell<BackendResponse>>,
}

/// What waits for something.
#[derive(Clone)]
pub(super) enum Waiting {
    Request(HeldRequest),
    Response(HeldResponse),
}

impl HeldRequest {
    /// Directs the host calls that follow to this request; returns false if it has ended.
    pub(super) fn make_effective(&self) -> bool {
        abi::set_effective_context(self.context_id)
    }
}

impl HeldResponse {
    /// Directs the host calls that follow to the request of this response; returns false if it has
    /// ended.
    pub(super) fn make_effective(&self) -> bool {
        abi::set_effective_context(self.context_id)
    }
}
