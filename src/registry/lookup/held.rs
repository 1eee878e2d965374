//! Answers that are held, and for how long they serve.

use std::time::Duration;

use lru::LruCache;

use super::freshness::Freshness;
use crate::limits;

/// Holds a number of answers; the least recently used one is dropped first.
#[derive(Debug)]
pub(in crate::registry) struct HeldAnswers<T> {
    known: LruCache<Box<str>, T>,
    capacity: usize,
}

/// An answer, for as long as it says and, where nothing newer is to be had, for longer.
#[derive(Debug)]
pub(in crate::registry) struct HeldAnswer<T> {
    pub(in crate::registry) value: T,
    freshness: Freshness,
    /// When it came.
    confirmed_at: u64,
}

impl<T> HeldAnswers<T> {
    pub(in crate::registry) fn new(capacity: usize) -> Self {
        Self { known: LruCache::unbounded(), capacity }
    }

    pub(in crate::registry) fn get(&mut self, key: &str) -> Option<&T> {
        self.known.get(key)
    }

    pub(in crate::registry) fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.known.get_mut(key)
    }

    /// Does not count as a use.
    pub(in crate::registry) fn peek_mut(&mut self, key: &str) -> Option<&mut T> {
        self.known.peek_mut(key)
    }

    pub(in crate::registry) fn hold(&mut self, key: &str, answer: T) {
        self.known.put(key.into(), answer);
        if self.known.len() > self.capacity {
            self.known.pop_lru();
        }
    }

    pub(in crate::registry) fn forget(&mut self, key: &str) {
        self.known.pop(key);
    }
}

impl<T> HeldAnswer<T> {
    /// An answer that came at `now`, in milliseconds since 1970, and is fresh for `millis`.
    pub(in crate::registry) fn new(value: T, now: u64, millis: u64) -> Self {
        Self { value, freshness: Freshness::new(now, millis), confirmed_at: now }
    }

    pub(in crate::registry) fn is_fresh(&self, now: u64) -> bool {
        self.freshness.contains(now)
    }

    /// The answer, where no new one is to be had (RFC 5861 §4), for as long as `max_stale` allows.
    /// It serves for a moment before the next attempt.
    pub(in crate::registry) fn stale_if_error(
        &mut self,
        now: u64,
        max_stale: Duration,
    ) -> Option<&mut T> {
        if u128::from(now.saturating_sub(self.confirmed_at)) > max_stale.as_millis() {
            return None;
        }
        if !self.is_fresh(now) {
            self.freshness = Freshness::new(now, limits::PAUSE_AFTER_FAILURE_MILLIS);
        }
        Some(&mut self.value)
    }
}
