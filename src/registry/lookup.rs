//! One client at a time (contract §6): an answer is held for as long as it allows, and a client is
//! requested once, however many requests wait for it.

mod answer;
mod freshness;
mod on_miss;
mod pending;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;

use lru::LruCache;

use self::freshness::{Freshness, lifetime};
pub use self::on_miss::OnMiss;
use super::error::{FetchError, RegistryFault};
use super::fetched::{FetchMode, FetchedRegistry, RegistryAnswer, RegistryRequest};
use crate::limits;
use crate::registration::Registration;

/// One VM's part in a registry that is asked for single clients. `W` = what waits for an answer.
#[derive(Debug)]
pub struct Lookup<W> {
    registry: Arc<FetchedRegistry>,
    /// Clients that the registry has.
    clients: BoundedCache<KnownClient>,
    /// Identifiers that the registry does not have, and for how long that counts. They are held
    /// apart from the clients, because anyone can send unregistered identifiers, which must not
    /// displace clients.
    absent: BoundedCache<Freshness>,
    pending: HashMap<Box<str>, PendingLookup<W>>,
}

/// Holds a number of clients; the least recently used one is dropped first.
#[derive(Debug)]
struct BoundedCache<T> {
    known: LruCache<Box<str>, T>,
    capacity: usize,
}

#[derive(Clone, Debug)]
struct KnownClient {
    registration: Registration,
    freshness: Freshness,
    /// When the registry last gave this registration.
    confirmed_at: u64,
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

impl<T> BoundedCache<T> {
    fn new(capacity: usize) -> Self {
        Self { known: LruCache::unbounded(), capacity }
    }

    fn hold(&mut self, client_id: &str, known: T) {
        self.known.put(client_id.into(), known);
        while self.known.len() > self.capacity {
            self.known.pop_lru();
        }
    }
}

impl<W> Lookup<W> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(registry: Arc<FetchedRegistry>) -> Self {
        let capacity =
            if let FetchMode::Lookup { cache_entries } = registry.mode { cache_entries } else { 0 };
        Self {
            registry,
            clients: BoundedCache::new(capacity),
            absent: BoundedCache::new(capacity.min(limits::ABSENT_CLIENTS)),
            pending: HashMap::new(),
        }
    }

    /// What is held about a client at `now`, in milliseconds since 1970; pending = the registry
    /// must be asked.
    pub fn find(&mut self, client_id: &str, now: u64) -> Poll<Registration> {
        if let Some(client) = self.clients.known.get(client_id)
            && client.freshness.contains(now)
        {
            return Poll::Ready(client.registration.clone());
        }
        let is_absent =
            self.absent.known.get(client_id).is_some_and(|freshness| freshness.contains(now));
        if is_absent || self.registry.path_for(client_id).is_none() {
            Poll::Ready(Registration::Unregistered)
        } else {
            Poll::Pending
        }
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
        let millis = answer.map_or(0, |answer| lifetime(answer, &self.registry));
        let failure = read.as_ref().err().cloned();
        let result = match read {
            Ok(Registration::Unregistered) => {
                let millis = millis.min(limits::LONGEST_ABSENCE_MILLIS);
                self.clients.known.pop(client_id);
                self.absent.hold(client_id, Freshness::new(now, millis));
                Ok(Registration::Unregistered)
            }
            Ok(registration) => {
                let client = KnownClient {
                    registration: registration.clone(),
                    freshness: Freshness::new(now, millis),
                    confirmed_at: now,
                };
                self.absent.known.pop(client_id);
                self.clients.hold(client_id, client);
                Ok(registration)
            }
            Err(error) => self.stale_if_error(client_id, now, error),
        };
        LookupOutcome { result, waiting, failure }
    }

    /// The earlier answer about a client, where the registry gives no new one (RFC 5861 §4), for as
    /// long as `max_stale` allows.
    fn stale_if_error(
        &mut self,
        client_id: &str,
        now: u64,
        error: FetchError,
    ) -> Result<Registration, RegistryFault> {
        let max_stale = self.registry.max_stale.as_millis();
        match self.clients.known.get_mut(client_id) {
            Some(client) if u128::from(now.saturating_sub(client.confirmed_at)) <= max_stale => {
                client.freshness = Freshness::new(now, limits::PAUSE_AFTER_FAILURE_MILLIS);
                Ok(client.registration.clone())
            }
            _ => Err(RegistryFault::Lookup(error)),
        }
    }
}

#[cfg(test)]
mod tests;
