//! Lookups: requests that wait for what a registry says about their client.

use std::sync::Arc;
use std::task::Poll;

use tls_client_auth::host::{
    Fact, FetchedRegistry, LookupOutcome, Registration, RegistryAnswer, RegistryFault,
};
use tls_client_auth::limits;

use super::call::{AnswerSizes, send, with_answer};
use super::{Access, Registries, RegistryState, SnapshotAccess, registry_line};
use crate::clock::now_millis;
use crate::held_request::{HeldRequest, HeldResponse};
use crate::log::Level;
use crate::shared_data::HostSharedData;

/// The lookup for which a request waits.
pub(crate) struct PendingLookup {
    registry: usize,
    client_id: Box<str>,
    /// Whether this request sent the call, so that the answer comes to its context.
    is_caller: bool,
}

/// What a request waited for.
pub(crate) enum Answer {
    /// What is known about its client.
    Registration(Result<Registration, RegistryFault>),
    /// What was asked beside.
    Fact(Fact),
}

/// A finished lookup: what is known now, and what waited for it.
pub(crate) struct FinishedLookup {
    pub(crate) answer: Answer,
    pub(crate) waiting: Vec<HeldRequest>,
    /// Only answers about tokens are awaited by responses.
    pub(crate) responses: Vec<HeldResponse>,
}

impl Registries {
    /// What is known about a client without a call.
    pub(crate) fn find(
        &self,
        registry: &Arc<FetchedRegistry>,
        client_id: &str,
    ) -> Poll<Result<Registration, RegistryFault>> {
        match self.position(registry).map(|(_, access)| access) {
            Some(Access::Snapshot(access)) => access.find(client_id),
            Some(Access::Lookup(lookup)) => {
                lookup.borrow_mut().find(client_id, now_millis()).map(Ok)
            }
            None => Poll::Ready(Err(RegistryFault::NoList)),
        }
    }

    /// Lets a request wait for a lookup; the first request for a client causes the call.
    ///
    /// # Errors
    /// What to decide with, if no call could be sent.
    pub(crate) fn look_up(
        &self,
        registry: &Arc<FetchedRegistry>,
        client_id: &str,
        request: HeldRequest,
    ) -> Result<PendingLookup, Result<Registration, RegistryFault>> {
        let no_list = Err(Err(RegistryFault::NoList));
        let Some((index, access)) = self.position(registry) else { return no_list };
        let is_caller = match access {
            Access::Lookup(lookup) => {
                let call = lookup.borrow_mut().wait(client_id, request);
                match call {
                    None => false,
                    Some(call) if send(&registry.cluster, registry.timeout, &call).is_some() => {
                        true
                    }
                    Some(_) => {
                        return match self.on_client_answer(index, client_id, None) {
                            Some(FinishedLookup {
                                answer: Answer::Registration(result), ..
                            }) => Err(result),
                            _ => no_list,
                        };
                    }
                }
            }
            Access::Snapshot(access) => {
                let Some(on_miss) = &access.on_miss else { return no_list };
                on_miss.borrow_mut().wait(client_id, request, now_millis());
                // The call is sent by the root context, so that it outlives the request.
                self.set_tick_period(limits::REGISTRY_TICK_BUSY);
                false
            }
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
        let is_gone = |request: &HeldRequest| request.context_id == context_id;
        match self.registries.get(pending.registry).map(|state| &state.access) {
            Some(Access::Lookup(lookup)) => {
                lookup.borrow_mut().leave(&pending.client_id, pending.is_caller, is_gone);
            }
            Some(Access::Snapshot(access)) => {
                if let Some(on_miss) = &access.on_miss {
                    on_miss.borrow_mut().leave(&pending.client_id, is_gone);
                }
            }
            None => {}
        }
    }

    /// Passes the answer about a client on; counts it, and logs a failure behind which an older
    /// answer serves. `sizes` are those of the answer; `None`: the call was not sent.
    pub(super) fn on_client_answer(
        &self,
        index: usize,
        client_id: &str,
        sizes: Option<AnswerSizes>,
    ) -> Option<FinishedLookup> {
        let RegistryState { registry, access } = self.registries.get(index)?;
        let settled = match sizes {
            None => access.on_client_answer(client_id, None),
            Some(sizes) => {
                with_answer(sizes, |answer| access.on_client_answer(client_id, Some(&answer)))
            }
        }?;
        self.metrics.count_refresh(settled.failure.is_none());
        // A failure without an older answer is in the line of the decision.
        if let (Some(error), Ok(_)) = (&settled.failure, &settled.result) {
            let text = format!(
                "client_id=\"{}\" is served from memory: {error}",
                client_id.escape_debug()
            );
            self.request_log.write(Level::Warn, &registry_line(registry, &text));
        }
        let answer = Answer::Registration(settled.result);
        Some(FinishedLookup { answer, waiting: settled.waiting, responses: Vec::new() })
    }
}

impl Access {
    /// `None`: nothing waits for answers about single clients.
    fn on_client_answer(
        &self,
        client_id: &str,
        answer: Option<&RegistryAnswer<'_>>,
    ) -> Option<LookupOutcome<HeldRequest>> {
        let now = now_millis();
        match self {
            Self::Lookup(lookup) => Some(lookup.borrow_mut().on_answer(client_id, answer, now)),
            Self::Snapshot(access) => {
                let mut on_miss = access.on_miss.as_ref()?.borrow_mut();
                let next_attempt = access.snapshot.borrow().next_attempt(&mut HostSharedData);
                let outcome = on_miss.on_answer(client_id, answer, next_attempt, now);
                drop(on_miss);
                let is_absent = outcome.result == Ok(Registration::Unregistered);
                let result = if is_absent { access.find_listed(client_id) } else { outcome.result };
                Some(LookupOutcome { result, ..outcome })
            }
        }
    }
}

impl SnapshotAccess {
    /// What the list says of a client, and where no entry of it is the client's own, what lookups
    /// said.
    fn find(&self, client_id: &str) -> Poll<Result<Registration, RegistryFault>> {
        match (self.find_listed(client_id), &self.on_miss) {
            (Ok(listed @ (Registration::Unregistered | Registration::Doubtful)), Some(on_miss)) => {
                let attempt = self.snapshot.borrow().attempt();
                let found = on_miss.borrow_mut().find(client_id, attempt, now_millis());
                // What is in doubt stays so where the registry has no such client.
                found.map_ok(|found| match found {
                    Registration::Unregistered => listed,
                    found => found,
                })
            }
            (found, _) => Poll::Ready(found),
        }
    }

    fn find_listed(&self, client_id: &str) -> Result<Registration, RegistryFault> {
        self.snapshot.borrow_mut().find(client_id, &now_millis, &mut HostSharedData)
    }
}
