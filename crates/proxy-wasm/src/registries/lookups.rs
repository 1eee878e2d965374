//! Lookups: requests that wait for what a registry says about their client.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Poll;

use tls_client_auth::host::{FetchedRegistry, Lookup, Registration, RegistryFault};

use super::call::{AnswerSizes, send, with_answer};
use super::{Access, Registries, RegistryState, registry_line};
use crate::clock::now_millis;
use crate::held_request::HeldRequest;
use crate::log::Level;
use crate::shared_data::HostSharedData;

/// The lookup for which a request waits.
pub(crate) struct PendingLookup {
    registry: usize,
    client_id: Box<str>,
    /// Whether this request sent the call, so that the answer comes to its context.
    is_caller: bool,
}

/// A finished lookup: what is known about the client, and the requests that waited for it.
pub(crate) struct FinishedLookup {
    pub(crate) result: Result<Registration, RegistryFault>,
    pub(crate) waiting: Vec<HeldRequest>,
}

impl Registries {
    /// What is known about a client without a call.
    pub(crate) fn find(
        &self,
        registry: &Arc<FetchedRegistry>,
        client_id: &str,
    ) -> Poll<Result<Registration, RegistryFault>> {
        match self.position(registry).map(|(_, access)| access) {
            Some(Access::Snapshot(snapshot)) => {
                Poll::Ready(snapshot.borrow_mut().find(client_id, &now_millis, &mut HostSharedData))
            }
            Some(Access::Lookup(lookup)) => {
                lookup.borrow_mut().find(client_id, now_millis()).map(Ok)
            }
            None => Poll::Ready(Err(RegistryFault::NoList)),
        }
    }

    /// Lets a request wait for a lookup; the first request for a client sends the call.
    ///
    /// # Errors
    /// What to decide with, if no call could be sent.
    pub(crate) fn look_up(
        &self,
        registry: &Arc<FetchedRegistry>,
        client_id: &str,
        request: HeldRequest,
    ) -> Result<PendingLookup, Result<Registration, RegistryFault>> {
        let Some((index, Access::Lookup(lookup))) = self.position(registry) else {
            return Err(Err(RegistryFault::NoList));
        };
        let call = lookup.borrow_mut().wait(client_id, request);
        let is_caller = match call {
            None => false,
            Some(call) if send(registry, &call).is_some() => true,
            Some(_) => return Err(self.finish(registry, lookup, client_id, None).result),
        };
        Ok(PendingLookup { registry: index, client_id: client_id.into(), is_caller })
    }

    /// The answer to the call of a request that waits.
    pub(crate) fn on_answer(
        &self,
        pending: &PendingLookup,
        sizes: AnswerSizes,
    ) -> Option<FinishedLookup> {
        self.on_client_answer(pending.registry, &pending.client_id, Some(sizes))
    }

    /// A request has ended that waited for a lookup.
    pub(crate) fn cancel(&self, context_id: u32, pending: &PendingLookup) {
        if let Some(RegistryState { access: Access::Lookup(lookup), .. }) =
            self.registries.get(pending.registry)
        {
            let is_gone = |request: &HeldRequest| request.context_id == context_id;
            lookup.borrow_mut().leave(&pending.client_id, pending.is_caller, is_gone);
        }
    }

    /// `sizes` are those of the answer; `None`: the call was not sent.
    pub(super) fn on_client_answer(
        &self,
        index: usize,
        client_id: &str,
        sizes: Option<AnswerSizes>,
    ) -> Option<FinishedLookup> {
        match self.registries.get(index)? {
            RegistryState { registry, access: Access::Lookup(lookup) } => {
                Some(self.finish(registry, lookup, client_id, sizes))
            }
            RegistryState { access: Access::Snapshot(_), .. } => None,
        }
    }

    /// Passes the answer about a client on; counts it, and logs a failure behind which an older
    /// answer serves.
    pub(super) fn finish(
        &self,
        registry: &FetchedRegistry,
        lookup: &RefCell<Lookup<HeldRequest>>,
        client_id: &str,
        sizes: Option<AnswerSizes>,
    ) -> FinishedLookup {
        let now = now_millis();
        let settled = match sizes {
            None => lookup.borrow_mut().on_answer(client_id, None, now),
            Some(sizes) => with_answer(sizes, |answer| {
                lookup.borrow_mut().on_answer(client_id, Some(&answer), now)
            }),
        };
        self.metrics.count_refresh(settled.failure.is_none());
        // A failure without an older answer is in the line of the decision.
        if let (Some(error), Ok(_)) = (&settled.failure, &settled.result) {
            let text = format!(
                "client_id=\"{}\" is served from memory: {error}",
                client_id.escape_debug()
            );
            self.request_log.write(Level::Warn, &registry_line(registry, &text));
        }
        FinishedLookup { result: settled.result, waiting: settled.waiting }
    }
}
