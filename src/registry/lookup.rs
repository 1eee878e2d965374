//! One client at a time (contract §6): an answer is held for as long as it allows, and a client is
//! requested once, however many requests wait for it.

mod answer;
mod freshness;
mod held;
mod on_miss;
mod pending;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;

pub(crate) use self::freshness::Freshness;
pub(super) use self::freshness::lifetime;
pub(super) use self::held::{HeldAnswer, HeldAnswers};
pub use self::on_miss::OnMiss;
pub(crate) use self::pending::PendingAnswers;
use super::error::{FetchError, RegistryFault};
use super::fetched::{FetchMode, FetchedRegistry, RegistryAnswer, RegistryRequest};
use crate::limits;
use crate::registration::Registration;

/// One VM's part in a registry that is asked for single clients. `W` = what waits for an answer.
#[derive(Debug)]
pub struct Lookup<W> {
    registry: Arc<FetchedRegistry>,
    /// Clients that the registry has.
    clients: HeldAnswers<HeldAnswer<Registration>>,
    /// Identifiers that the registry does not have, and for how long that counts. They are held
    /// apart from the clients, because anyone can send unregistered identifiers, which must not
    /// displace clients.
    absent: HeldAnswers<Freshness>,
    pending: HashMap<Box<str>, PendingLookup<W>>,
}

/// A request to the registry that is not answered yet.
#[derive(Debug)]
struct PendingLookup<W> {
    waiting: Vec<W>,
    /// Whether the one that would have received the answer is gone.
    is_orphan: bool,
}

/// The result of a lookup.
#[derive(Debug)]
pub struct LookupOutcome<W> {
    /// The result for all that wait.
    pub result: Result<Registration, RegistryFault>,
    /// All that wait.
    pub waiting: Vec<W>,
    /// Why the answer of the registry could not be used; the result may then be an earlier answer.
    pub failure: Option<FetchError>,
}

impl<W> Lookup<W> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(registry: Arc<FetchedRegistry>) -> Self {
        let capacity =
            if let FetchMode::Lookup { cache_entries } = registry.mode { cache_entries } else { 0 };
        Self {
            registry,
            clients: HeldAnswers::new(capacity),
            absent: HeldAnswers::new(capacity.min(limits::ABSENT_CLIENTS)),
            pending: HashMap::new(),
        }
    }

    /// What is held about a client at `now`, in milliseconds since 1970; pending = the registry
    /// must be asked.
    pub fn find(&mut self, client_id: &str, now: u64) -> Poll<Registration> {
        if let Some(client) = self.clients.get(client_id)
            && client.is_fresh(now)
        {
            return Poll::Ready(client.value.clone());
        }
        if self.absent.get(client_id).is_some_and(|freshness| freshness.contains(now)) {
            return Poll::Ready(Registration::Unregistered);
        }
        // What cannot be asked about may be registered.
        if self.registry.path_for(client_id).is_none() {
            let reason = "the registry cannot be asked about this client_id";
            return Poll::Ready(Registration::Unusable(reason.into()));
        }
        Poll::Pending
    }

    /// Waits for the answer about a client. The first that waits gets the request that it must
    /// send.
    pub fn wait(&mut self, client_id: &str, waiting: W) -> Option<RegistryRequest> {
        if let Some(pending) = self.pending.get_mut(client_id) {
            pending.waiting.push(waiting);
            return None;
        }
        let pending = PendingLookup { waiting: vec![waiting], is_orphan: false };
        self.pending.insert(client_id.into(), pending);
        self.request(client_id)
    }

    fn request(&self, client_id: &str) -> Option<RegistryRequest> {
        self.registry.path_for(client_id).map(|path| self.registry.request(&path, None))
    }

    /// Those for which `is_gone` holds wait no longer. `had_asked` = one of them would have
    /// received the answer.
    pub fn leave(&mut self, client_id: &str, had_asked: bool, is_gone: impl Fn(&W) -> bool) {
        let Some(pending) = self.pending.get_mut(client_id) else { return };
        pending.waiting.retain(|waiting| !is_gone(waiting));
        pending.is_orphan |= had_asked;
        if pending.waiting.is_empty() {
            self.pending.remove(client_id);
        }
    }

    /// The requests to send again, because the one that sent them is gone and others still wait.
    pub fn take_orphans(&mut self) -> Vec<(Box<str>, RegistryRequest)> {
        let orphans: Vec<Box<str>> = self
            .pending
            .iter_mut()
            .filter_map(|(client_id, pending)| {
                std::mem::take(&mut pending.is_orphan).then(|| client_id.clone())
            })
            .collect();
        orphans
            .into_iter()
            .filter_map(|client_id| Some((client_id.clone(), self.request(&client_id)?)))
            .collect()
    }

    /// Takes the answer about a client; `None` = its request was not sent.
    pub fn on_answer(
        &mut self,
        client_id: &str,
        answer: Option<&RegistryAnswer<'_>>,
        now: u64,
    ) -> LookupOutcome<W> {
        let pending = self.pending.remove(client_id);
        let waiting = pending.map(|pending| pending.waiting).unwrap_or_default();
        let read = answer::read(client_id, answer, self.registry.max_bytes);
        let millis = answer
            .map_or(0, |answer| lifetime(answer, self.registry.refresh, self.registry.max_stale));
        let failure = read.as_ref().err().cloned();
        let result = match read {
            Ok(Registration::Unregistered) => {
                let millis = millis.min(limits::LONGEST_ABSENCE_MILLIS);
                self.clients.forget(client_id);
                self.absent.hold(client_id, Freshness::new(now, millis));
                Ok(Registration::Unregistered)
            }
            Ok(registration) => {
                let client = HeldAnswer::new(registration.clone(), now, millis);
                self.absent.forget(client_id);
                self.clients.hold(client_id, client);
                Ok(registration)
            }
            Err(error) => {
                let max_stale = self.registry.max_stale;
                let client = self.clients.get_mut(client_id);
                match client.and_then(|client| client.stale_if_error(now, max_stale)) {
                    Some(registration) => Ok(registration.clone()),
                    None => Err(RegistryFault::Lookup(error)),
                }
            }
        };
        LookupOutcome { result, waiting, failure }
    }
}

#[cfg(test)]
mod tests;
