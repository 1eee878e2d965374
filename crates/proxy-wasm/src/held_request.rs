//! A request that waits for something outside of its own callbacks.

use std::cell::RefCell;
use std::rc::Rc;

use tls_client_auth::host::Exchange;

use super::abi;

/// A held request: the identifier of its context in Envoy, and its exchange.
#[derive(Clone)]
pub(super) struct HeldRequest {
    pub(super) context_id: u32,
    pub(super) exchange: Rc<RefCell<Exchange>>,
}

impl HeldRequest {
    /// Directs the host calls that follow to this request; returns false if it has ended.
    pub(super) fn make_effective(&self) -> bool {
        abi::set_effective_context(self.context_id)
    }
}
