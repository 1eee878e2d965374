//! The work on an attempt, in bounded pieces: one entry is read, one shard is written, compared or
//! emptied, or the head is written. A tick can end between any two pieces.

use std::mem;
use std::time::Duration;

use super::super::super::error::FetchError;
use super::super::super::fetched::{RegistryRequest, Validators};
use super::super::super::list::{IncompleteList, ListReader};
use super::super::shared::{ListHead, ShardLayout, SharedData};
use super::super::staged_list::{Comparison, WriteConflict};
use super::attempt::FetchAttempt;
use super::{Refresh, RefreshEvent, RefreshPhase};
use crate::certificate::Thumbprint;
use crate::limits;

impl Refresh {
    /// Does one bounded piece of work. Returns the request for the next page, where there is one.
    pub(super) fn work(
        &mut self,
        head: Option<&ListHead>,
        now: u64,
        shared: &mut dyn SharedData,
    ) -> Option<RegistryRequest> {
        match mem::replace(&mut self.phase, RefreshPhase::Idle) {
            RefreshPhase::Confirming(attempt) => self.confirm(attempt, head, now, shared),
            RefreshPhase::Reading(attempt, list) => return self.read(attempt, list),
            RefreshPhase::Writing { attempt, rest, layout, shard } => {
                self.write(attempt, rest, layout, shard, shared)
            }
            RefreshPhase::Comparing { attempt, layout, step, found } => {
                self.compare(attempt, layout, step, found, now, shared)
            }
            RefreshPhase::Emptying { slot, layout, shard, wait } => {
                shared.write(&self.keys.shard(slot, shard), b"", None);
                self.phase = if shard + 1 < layout.shards {
                    RefreshPhase::Emptying { slot, layout, shard: shard + 1, wait }
                } else {
                    RefreshPhase::Waiting(wait)
                };
            }
            other => self.phase = other,
        }
        None
    }

    /// Reads one entry of a page.
    fn read(&mut self, mut attempt: FetchAttempt, mut list: ListReader) -> Option<RegistryRequest> {
        match list.next() {
            Ok(Some(entry)) => {
                if let Err(error) = attempt.add_entry(&entry, self.passes_unregistered) {
                    self.fail_attempt(error, attempt);
                } else if attempt.staged.is_full() {
                    self.start_writing(attempt, Some(list));
                } else {
                    self.phase = RefreshPhase::Reading(attempt, list);
                }
            }
            Ok(None) => match attempt.next_page(&self.registry, &list) {
                Ok(Some(next)) => {
                    let request = self.registry.request(&next, None);
                    attempt.path = next;
                    self.phase = RefreshPhase::AwaitingAnswer(attempt, Duration::ZERO);
                    return Some(request);
                }
                Ok(None) => self.start_writing(attempt, None),
                Err(why) => self.fail_attempt(FetchError::Incomplete(why), attempt),
            },
            Err(error) => self.fail_attempt(FetchError::Malformed(error.into()), attempt),
        }
        None
    }

    fn start_writing(&mut self, mut attempt: FetchAttempt, rest: Option<ListReader>) {
        let layout = attempt.staged.fix_layout(rest.is_none());
        self.phase = RefreshPhase::Writing { attempt, rest, layout, shard: 0 };
    }

    /// Writes one shard.
    fn write(
        &mut self,
        mut attempt: FetchAttempt,
        rest: Option<ListReader>,
        layout: ShardLayout,
        shard: u32,
        shared: &mut dyn SharedData,
    ) {
        let is_first = !attempt.is_written;
        if let Err(WriteConflict) = attempt.staged.write_shard(layout, shard, is_first, shared) {
            return self.fail_attempt(FetchError::SharedData, attempt);
        }
        if shard + 1 < layout.shards {
            self.phase = RefreshPhase::Writing { attempt, rest, layout, shard: shard + 1 };
            return;
        }
        attempt.staged.clear_gathered();
        attempt.is_written = true;
        self.phase = match rest {
            Some(list) => RefreshPhase::Reading(attempt, list),
            None => {
                let needs_agreement =
                    attempt.needs_agreement(&self.registry, self.passes_unregistered);
                attempt.ids = needs_agreement.then(|| Thumbprint::of(b""));
                let found = Comparison::default();
                RefreshPhase::Comparing { attempt, layout, step: 0, found }
            }
        };
    }

    /// Compares one step; after the last one, decides about the new list.
    fn compare(
        &mut self,
        mut attempt: FetchAttempt,
        layout: ShardLayout,
        step: u32,
        mut found: Comparison,
        now: u64,
        shared: &mut dyn SharedData,
    ) {
        let mut ids = attempt.ids.take();
        let (staged, head) = (&attempt.staged, attempt.head.as_ref());
        if let Err(WriteConflict) =
            staged.compare(layout, head, step, &mut found, ids.as_mut(), shared)
        {
            return self.fail_attempt(FetchError::SharedData, attempt);
        }
        if step + 1 < staged.steps(layout, head) {
            attempt.ids = ids;
            self.phase = RefreshPhase::Comparing { attempt, layout, step: step + 1, found };
            return;
        }
        if let Err(error) = attempt.check(&self.registry, &mut found) {
            return self.fail_attempt(error, attempt);
        }
        if let Some(ids) = ids {
            // The list in force was a reading, too.
            let is_in_force = head.is_some() && found.has_same_clients(staged.repeated);
            let agrees = is_in_force || self.previous_ids.replace(ids) == Some(ids);
            // Where unregistered clients are refused, the last reading counts in any case.
            let is_last = self.discarded_readings + 1 >= limits::READINGS;
            if !agrees && (self.passes_unregistered || !is_last) {
                return self.discard_reading(IncompleteList::ReadingsDiffer, attempt);
            }
        }
        self.put_in_force(attempt, layout, found, now, shared);
    }

    /// Puts the new list in force, or confirms the list in force if the two are the same.
    fn put_in_force(
        &mut self,
        attempt: FetchAttempt,
        layout: ShardLayout,
        found: Comparison,
        now: u64,
        shared: &mut dyn SharedData,
    ) {
        let new = attempt.new_head(layout, &found, now);
        let old = attempt.head.as_ref();
        if !new.head.replace(old, &self.keys, shared) {
            return self.fail_attempt(FetchError::SharedData, attempt);
        }
        let wait = self.succeed();
        // The list that is not in force now is emptied.
        let emptied = if new.is_same {
            Some((attempt.staged.slot, layout))
        } else {
            old.map(|old| (old.slot, old.layout))
        };
        self.empty(emptied, wait);
        if new.is_same {
            self.events.push(RefreshEvent::Confirmed);
            return;
        }
        self.events.push(RefreshEvent::Switched {
            clients: found.clients,
            refused: found.refused,
            added: found.added,
            removed: found.removed,
            changed: found.changed,
        });
        // In the first list every client is new, which is not worth a line each.
        if old.is_some() {
            self.events.extend(found.examples.into_iter().map(RefreshEvent::Changed));
        }
        self.events.extend(attempt.events);
    }

    /// Confirms the list in force, which the registry says is not modified.
    fn confirm(
        &mut self,
        attempt: FetchAttempt,
        head: Option<&ListHead>,
        now: u64,
        shared: &mut dyn SharedData,
    ) {
        let confirmed = head.map(|head| {
            let unmodified = head.validators.unmodified.saturating_add(1);
            let validators = Validators { unmodified, ..head.validators.clone() };
            head.confirmed(attempt.staged.generation, now, validators)
        });
        if confirmed.is_some_and(|confirmed| confirmed.replace(head, &self.keys, shared)) {
            self.phase = RefreshPhase::Waiting(self.succeed());
            self.events.push(RefreshEvent::Confirmed);
        } else {
            self.fail(FetchError::SharedData, self.registry.path.clone(), None);
        }
    }
}
