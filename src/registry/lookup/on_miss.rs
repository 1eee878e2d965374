//! Clients that the list lacks (`on_miss`, contract §6): one that registered a moment ago works at
//! once, and is gone with the first list that lacks it.
//!
//! The number of an attempt ([`super::super::Snapshot::attempt`]) says whether a list is newer than
//! an answer. Clocks do not: the VM that fetches the list is another one, and clocks are set.

use std::sync::Arc;
use std::task::Poll;

use lru::LruCache;

use super::super::error::{FetchError, RegistryFault};
use super::super::fetched::{FetchedRegistry, RegistryAnswer, RegistryRequest};
use super::LookupOutcome;
use super::answer;
use super::freshness::Freshness;
use super::pending::PendingAnswers;
use crate::limits;
use crate::registration::{Registration, is_client_id};

/// One VM's part in `on_miss`. `W` = what waits for an answer.
#[derive(Debug)]
pub struct OnMiss<W> {
    /// The registry of single clients, [`FetchedRegistry::on_miss`].
    registry: Arc<FetchedRegistry>,
    found: LruCache<Box<str>, FoundClient>,
    /// The identifiers that were asked for, in this order, and what came of it. They are held apart
    /// from the clients, because anyone can send unregistered ones.
    asked: LruCache<Box<str>, LastLookup>,
    pending: PendingAnswers<W>,
}

/// A client that the list lacked.
#[derive(Debug)]
struct FoundClient {
    registration: Registration,
    /// At most for how long the answer counts.
    freshness: Freshness,
    /// The list of this attempt, or of a later one, takes the place of the answer.
    next_attempt: u64,
}

/// The last lookup of an identifier.
#[derive(Debug)]
struct LastLookup {
    /// For how long no other one begins.
    pause: Freshness,
    result: LookupResult,
}

#[derive(Debug)]
enum LookupResult {
    /// Not registered, or not answered.
    Absent,
    /// In [`OnMiss::found`], until a list of this attempt or a later one.
    Found {
        next_attempt: u64,
    },
    Failed(FetchError),
}

impl<W> OnMiss<W> {
    /// Nothing is known yet. `registry` = [`FetchedRegistry::on_miss`] of that of the list.
    #[must_use]
    pub fn new(registry: Arc<FetchedRegistry>) -> Self {
        Self {
            registry,
            found: LruCache::unbounded(),
            asked: LruCache::unbounded(),
            pending: PendingAnswers::default(),
        }
    }

    /// What is known about a client that the list in force lacks, at `now`, in milliseconds since
    /// 1970; pending = [`OnMiss::wait`] for an answer. `attempt` = that of the list,
    /// [`super::super::Snapshot::attempt`].
    pub fn find(
        &mut self,
        client_id: &str,
        attempt: u64,
        now: u64,
    ) -> Poll<Result<Registration, RegistryFault>> {
        if let Some(found) = self.found.get(client_id) {
            if attempt < found.next_attempt && found.freshness.contains(now) {
                return Poll::Ready(Ok(found.registration.clone()));
            }
            self.found.pop(client_id);
        }
        // No request with such an identifier passes, or no registry has it.
        let is_possible = is_client_id(client_id)
            && client_id.len() <= limits::ON_MISS_ID_OCTETS
            && self.registry.path_for(client_id).is_some();
        if !is_possible {
            return Poll::Ready(Ok(Registration::Unregistered));
        }
        if self.pending.has(client_id) {
            return Poll::Pending;
        }
        let last = self.asked.peek(client_id).filter(|last| last.pause.contains(now));
        match last.map(|last| &last.result) {
            Some(LookupResult::Absent) => Poll::Ready(Ok(Registration::Unregistered)),
            // The list is newer than the answer, and lacks the client.
            Some(LookupResult::Found { next_attempt }) if attempt >= *next_attempt => {
                Poll::Ready(Ok(Registration::Unregistered))
            }
            // Other clients took the place of the answer, or it is older than max_stale. The client
            // is not unregistered.
            Some(LookupResult::Found { .. }) => Poll::Ready(Err(RegistryFault::NoLookupNow)),
            Some(LookupResult::Failed(error)) => {
                Poll::Ready(Err(RegistryFault::Lookup(error.clone())))
            }
            None if self.pending.len() >= limits::ON_MISS_LOOKUPS || self.is_full(now) => {
                Poll::Ready(Err(RegistryFault::NoLookupNow))
            }
            None => Poll::Pending,
        }
    }

    /// Whether no identifier can be forgotten without the risk that it is asked for twice.
    fn is_full(&self, now: u64) -> bool {
        self.asked.len() >= limits::ASKED_ON_MISS
            && self.asked.peek_lru().is_some_and(|(_, oldest)| oldest.pause.contains(now))
    }

    /// Waits for the answer about a client for which [`OnMiss::find`] is pending.
    pub fn wait(&mut self, client_id: &str, waiting: W, now: u64) {
        if self.pending.wait(client_id, waiting) {
            self.remember(client_id, LookupResult::Absent, now);
        }
    }

    fn remember(&mut self, client_id: &str, result: LookupResult, now: u64) {
        let pause = Freshness::new(now, limits::ON_MISS_PAUSE_MILLIS);
        self.asked.put(client_id.into(), LastLookup { pause, result });
        if self.asked.len() > limits::ASKED_ON_MISS {
            self.asked.pop_lru();
        }
    }

    /// Those for which `is_gone` holds wait no longer.
    pub fn leave(&mut self, client_id: &str, is_gone: impl Fn(&W) -> bool) {
        self.pending.leave(client_id, is_gone);
    }

    /// The requests that must be sent now, and their clients.
    pub fn take_requests(&mut self) -> Vec<(Box<str>, RegistryRequest)> {
        let unsent = self.pending.take_unsent().into_iter();
        unsent
            .filter_map(|client_id| {
                let path = self.registry.path_for(&client_id)?;
                Some((client_id, self.registry.request(&path, None)))
            })
            .collect()
    }

    /// Takes the answer about a client; `None` = its request was not sent. `next_attempt` =
    /// [`super::super::Snapshot::next_attempt`] now.
    pub fn on_answer(
        &mut self,
        client_id: &str,
        answer: Option<&RegistryAnswer<'_>>,
        next_attempt: u64,
        now: u64,
    ) -> LookupOutcome<W> {
        let waiting = self.pending.finish(client_id);
        let read = answer::read(client_id, answer, self.registry.max_bytes);
        let failure = read.as_ref().err().cloned();
        let result = match &read {
            Ok(Registration::Unregistered) => LookupResult::Absent,
            Ok(registration) => {
                self.hold(client_id, registration.clone(), next_attempt, now);
                LookupResult::Found { next_attempt }
            }
            Err(error) => LookupResult::Failed(error.clone()),
        };
        match self.asked.peek_mut(client_id) {
            Some(last) => last.result = result,
            None => self.remember(client_id, result, now),
        }
        LookupOutcome { result: read.map_err(RegistryFault::Lookup), waiting, failure }
    }

    fn hold(&mut self, client_id: &str, registration: Registration, next_attempt: u64, now: u64) {
        let max_stale = u64::try_from(self.registry.max_stale.as_millis()).unwrap_or(u64::MAX);
        let freshness = Freshness::new(now, max_stale);
        self.found.put(client_id.into(), FoundClient { registration, freshness, next_attempt });
        if self.found.len() > limits::FOUND_ON_MISS {
            self.found.pop_lru();
        }
    }
}

#[cfg(test)]
mod tests;
