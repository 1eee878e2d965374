//! One client at a time: what was asked is held for as long as the answer allows, and asked once
//! however many wait for it (contract §6).

use crate::limits;
use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;

use lru::LruCache;

use super::error::{FetchError, RegistryFault};
use super::fetched::{FetchMode, FetchedRegistry, RegistryAnswer, RegistryRequest};
use super::import::{self, Entry};
use crate::json::Json;
use crate::registration::Registration;

/// One VM's part in a registry that is asked for single clients. `W` is whoever waits for an
/// answer.
#[derive(Debug)]
pub struct Lookup<W> {
    registry: Arc<FetchedRegistry>,
    /// Clients that the registry has.
    clients: Memory<Held>,
    /// Identifiers that it does not have, and until when that is believed. Apart from the clients,
    /// because anybody can ask for identifiers that nobody has.
    absent: Memory<Fresh>,
    calls: HashMap<Box<str>, Call<W>>,
}

/// The least recently used is forgotten first.
#[derive(Debug)]
struct Memory<T> {
    known: LruCache<Box<str>, T>,
    most: usize,
}

#[derive(Clone, Debug)]
struct Held {
    registration: Registration,
    fresh: Fresh,
    /// When the registry last said so.
    confirmed_at: u64,
}

/// A span of the host's clock, in milliseconds since 1970. A clock that was set back is before it,
/// and then nothing is believed that was learned in what is now the future.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    from: u64,
    until: u64,
}

/// A request to the registry that is under way.
#[derive(Debug)]
struct Call<W> {
    waiting: Vec<W>,
    /// Whether whoever would get the answer is gone.
    is_orphan: bool,
}

/// What came of a lookup.
#[derive(Debug)]
pub struct Settled<W> {
    /// What everybody who waits is told.
    pub result: Result<Registration, RegistryFault>,
    /// They.
    pub waiting: Vec<W>,
    /// Why the registry's answer could not be used; the result may then be what it said before.
    pub failure: Option<FetchError>,
}

impl Fresh {
    fn new(now: u64, millis: u64) -> Self {
        Self { from: now, until: now.saturating_add(millis) }
    }

    fn contains(&self, now: u64) -> bool {
        (self.from..self.until).contains(&now)
    }
}

impl<T> Memory<T> {
    fn new(most: usize) -> Self {
        Self { known: LruCache::unbounded(), most }
    }

    fn hold(&mut self, client_id: &str, known: T) {
        self.known.put(client_id.into(), known);
        while self.known.len() > self.most {
            self.known.pop_lru();
        }
    }
}

impl<W> Lookup<W> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(registry: Arc<FetchedRegistry>) -> Self {
        let most =
            if let FetchMode::Lookup { cache_entries } = registry.mode { cache_entries } else { 0 };
        let absent = Memory::new(most.min(limits::ABSENT_CLIENTS));
        Self { registry, clients: Memory::new(most), absent, calls: HashMap::new() }
    }

    /// What is held about a client at `now`, in milliseconds since 1970; pending = the registry
    /// must be asked.
    pub fn find(&mut self, client_id: &str, now: u64) -> Poll<Registration> {
        if let Some(held) = self.clients.known.get(client_id)
            && held.fresh.contains(now)
        {
            return Poll::Ready(held.registration.clone());
        }
        let is_absent = self.absent.known.get(client_id).is_some_and(|fresh| fresh.contains(now));
        if is_absent || self.registry.path_for(client_id).is_none() {
            Poll::Ready(Registration::Unregistered)
        } else {
            Poll::Pending
        }
    }

    /// Waits for the answer about a client; the first to wait gets the request that it must send.
    pub fn wait(&mut self, client_id: &str, waiting: W) -> Option<RegistryRequest> {
        if let Some(call) = self.calls.get_mut(client_id) {
            call.waiting.push(waiting);
            return None;
        }
        self.calls.insert(client_id.into(), Call { waiting: vec![waiting], is_orphan: false });
        self.request(client_id)
    }

    fn request(&self, client_id: &str) -> Option<RegistryRequest> {
        self.registry.path_for(client_id).map(|path| self.registry.request(&path, None))
    }

    /// Those for whom `is_gone` holds wait no longer; `had_asked` = the answer would have come to
    /// one of them.
    pub fn leave(&mut self, client_id: &str, had_asked: bool, is_gone: impl Fn(&W) -> bool) {
        let Some(call) = self.calls.get_mut(client_id) else { return };
        call.waiting.retain(|waiting| !is_gone(waiting));
        call.is_orphan |= had_asked;
        if call.waiting.is_empty() {
            self.calls.remove(client_id);
        }
    }

    /// The requests to send again, because whoever sent them is gone and others still wait.
    pub fn take_orphans(&mut self) -> Vec<(Box<str>, RegistryRequest)> {
        let calls = self.calls.iter_mut();
        let orphans = calls.filter_map(|(client_id, call)| {
            std::mem::take(&mut call.is_orphan).then(|| client_id.clone())
        });
        let orphans: Vec<Box<str>> = orphans.collect();
        orphans
            .into_iter()
            .filter_map(|client_id| Some((client_id.clone(), self.request(&client_id)?)))
            .collect()
    }

    /// The answer about a client, or `None` = its request was not sent.
    pub fn on_answer(
        &mut self,
        client_id: &str,
        answer: Option<&RegistryAnswer<'_>>,
        now: u64,
    ) -> Settled<W> {
        let waiting = self.calls.remove(client_id).map(|call| call.waiting).unwrap_or_default();
        let read =
            answer.ok_or(FetchError::NotSent).and_then(|answer| self.read(client_id, answer));
        let failure = read.as_ref().err().cloned();
        let result = match read {
            Ok(Registration::Unregistered) => {
                let millis = answer
                    .map_or(0, |answer| self.freshness(answer))
                    .min(limits::LONGEST_ABSENCE_MILLIS);
                self.clients.known.pop(client_id);
                self.absent.hold(client_id, Fresh::new(now, millis));
                Ok(Registration::Unregistered)
            }
            Ok(registration) => {
                let fresh = Fresh::new(now, answer.map_or(0, |answer| self.freshness(answer)));
                self.absent.known.pop(client_id);
                self.clients.hold(
                    client_id,
                    Held { registration: registration.clone(), fresh, confirmed_at: now },
                );
                Ok(registration)
            }
            // RFC 5861 §4, stale-if-error, for as long as the operator says.
            Err(ref error) => match self.clients.known.get_mut(client_id) {
                Some(held)
                    if u128::from(now.saturating_sub(held.confirmed_at))
                        <= self.registry.max_stale.as_millis() =>
                {
                    held.fresh = Fresh::new(now, limits::PAUSE_AFTER_FAILURE_MILLIS);
                    Ok(held.registration.clone())
                }
                _ => Err(RegistryFault::Lookup(error.clone())),
            },
        };
        Settled { result, waiting, failure }
    }

    /// What an answer says of the client that was asked for.
    fn read(
        &self,
        client_id: &str,
        answer: &RegistryAnswer<'_>,
    ) -> Result<Registration, FetchError> {
        match answer.status.ok_or(FetchError::NoAnswer)? {
            200 => {}
            404 => return Ok(Registration::Unregistered),
            status => return Err(FetchError::Status(status)),
        }
        let body = answer.body(self.registry.max_bytes)?;
        let json =
            Json::parse(&body).map_err(|error| FetchError::Malformed(error.message.into()))?;
        let mut lists = json.members("clients").filter(|list| matches!(list, Json::Array(_)));
        let entries = match (&json, lists.next()) {
            (Json::Array(entries), _) | (Json::Object(_), Some(Json::Array(entries)))
                if lists.next().is_none() =>
            {
                entries.as_slice()
            }
            (other, _) => std::slice::from_ref(other),
        };
        let mut entries =
            entries.iter().map(import::read).map(|entry| registration(client_id, entry));
        let Some(first) = entries.next() else { return Ok(Registration::Unregistered) };
        let first = first?;
        match entries.next() {
            None => Ok(first),
            Some(second) => second
                .map(|_| Registration::Unusable("the registry has this client_id twice".into())),
        }
    }

    /// For how long an answer may be used, in milliseconds (RFC 9111 §4.2.1, as far as the contract
    /// has it).
    fn freshness(&self, answer: &RegistryAnswer<'_>) -> u64 {
        let millis =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let directives = answer.all("cache-control").to_ascii_lowercase();
        let mut max_age = None;
        for directive in directives.split(',').map(str::trim) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name {
                "no-store" | "no-cache" => return 0,
                // What cannot be read is stale (RFC 9111 §4.2.1).
                "max-age" if max_age.is_none() => {
                    max_age = Some(value.trim_matches('"').parse().unwrap_or(0))
                }
                _ => {}
            }
        }
        let Some(max_age) = max_age else { return millis(self.registry.refresh) };
        let age: u64 = answer.first("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
        let left: u64 = u64::saturating_sub(max_age, age);
        left.saturating_mul(1000).min(millis(self.registry.max_stale))
    }
}

/// What an entry says of the client that was asked for.
fn registration(client_id: &str, entry: Entry) -> Result<Registration, FetchError> {
    if entry.client_ids.iter().all(|id| **id != *client_id) {
        return Err(match entry.clients {
            Err(error) if entry.client_ids.is_empty() => {
                FetchError::Malformed(error.in_entry().into())
            }
            _ => FetchError::OtherClient,
        });
    }
    match entry.clients {
        Ok(clients) => {
            let own = clients.into_iter().find(|client| client.client_id() == client_id);
            own.map(|client| Registration::Registered(Arc::new(client)))
                .ok_or(FetchError::OtherClient)
        }
        Err(error) => Ok(Registration::Unusable(error.in_entry().into())),
    }
}

#[cfg(test)]
mod tests;
