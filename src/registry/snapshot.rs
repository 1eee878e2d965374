//! The whole client list of a registry: fetched by one VM of the process, used by all (contract
//! §6).
//!
//! # One copy in shared data
//!
//! All workers of a process use one copy of the list, in the shared data of the host. It is
//! distributed to shards by a hash of the `client_id`; a VM copies the shard that a request needs,
//! and remembers the clients that it has decoded. The alternatives cost more:
//!
//! - a list in every VM: a million clients take 200 MB and seconds of parsing in each worker;
//! - a key for each client: keys are never deleted, so that clients that come and go leave keys
//!   behind, and all workers wait while the host's table grows;
//! - messages to the other VMs by shared queues: each VM would still need its own copy.
//!
//! # The protocol
//!
//! Everything is in three kinds of values, whose keys differ for each registry and for policies
//! that let unregistered clients pass (`shared::Keys`):
//!
//! - the **lease**: which VM fetches. A VM takes it if it is vacant, or if it has not changed for
//!   two seconds; the holder renews it every half second;
//! - the **shards**, in two slots. One slot has the list in force, the other the next list while it
//!   is written. Each shard begins with the generation of its list;
//! - the **head**: the slot, the generation and the layout of the list in force.
//!
//! A refresh has these steps, each divided into bounded pieces of work:
//!
//! 1. take a generation from the lease, and request the first page;
//! 2. read the pages, gather their clients, and write them to the shards of the slot that is not in
//!    force. Check that the pages are the whole list, and of one list;
//! 3. read all shards again, compare them with those of the list in force, and count them;
//! 4. write the head, if it is still the one that was in force at step 1. This is the switch;
//! 5. empty the slot that is not in force now.
//!
//! A request reads a shard of the slot that the head names. If the shard has another generation,
//! the list was switched since the VM read the head: it reads the head again, and tries once more.
//!
//! # Invariants
//!
//! A change of the protocol must keep these four, each with the tests that fail otherwise. (The
//! names are those of modules and tests below this module.) `tests::model` searches all orders of
//! the accesses of several VMs to shared data for a violation of any of them, and shows which rule
//! of the protocol each of them needs (docs/verification.md).
//!
//! 1. **No mixture of two lists.** A request is answered from shards of the generation of the head,
//!    or not at all. Therefore a generation is used once; a list in force is never changed; the
//!    switch is one write.
//!    - `tests::switching::a_list_is_read_in_slices_and_switched_at_once`
//!    - `tests::switching::a_vm_that_has_missed_switches_uses_the_list_in_force`
//!    - `staged_list::tests::a_shard_of_another_generation_is_a_conflict`
//!    - `lease::tests::no_two_owners_have_the_same_number`
//! 2. **One VM fetches at a time**, the holder of the lease; a holder that stops is replaced. The
//!    lease is checked at the beginning of each tick. A VM that stalls between that check and a
//!    write can still overwrite or empty a shard of the list that another VM has put in force
//!    meanwhile. Requests for the clients of this shard then fail (`RegistryFault::Inconsistent`,
//!    503), and none gets a wrong answer; they make the next request for the list unconditional,
//!    and its list repairs the damage. Such a VM replaces the head only while no later attempt has
//!    brought or confirmed a list; an attempt that finds another list in force than at its
//!    beginning is given up.
//!    - `lease::tests::one_of_many_vms_has_the_lease_and_keeps_it`
//!    - `lease::tests::a_holder_that_does_not_renew_the_lease_loses_it`
//!    - `tests::several_vms::a_dead_vm_is_replaced_whatever_it_was_doing`
//!    - `tests::several_vms::a_vm_that_stalls_between_two_ticks_has_lost_the_lease_when_it_goes_on`
//!    - `tests::several_vms::a_vm_that_stalls_inside_a_tick_loses_no_client`
//! 3. **No VM stays on an old list.** Each tick reads the head; a new generation clears the
//!    remembered clients; and a list that was not confirmed for `max_stale` is not used.
//!    - `tests::refreshing::a_removed_client_is_refused_one_refresh_later`
//!    - `tests::failures::an_old_list_serves_until_max_stale`
//!    - `tests::refreshing::not_modified_does_not_count_without_end`
//!    - `tests::several_vms::the_clock_may_jump`
//! 4. **No client is lost.** Where unregistered clients pass, a client that is missing by mistake
//!    passes without its certificate. So a list counts only if it is whole (`super::list`), of one
//!    reading (`tests::readings`) and completely written; a missing shard is an error, not an empty
//!    shard; and a client whose entry cannot be used is `Unusable`, not unregistered.
//!    - `tests::pages::a_part_of_a_list_is_not_used`
//!    - `tests::readings::where_unregistered_clients_pass_two_readings_must_agree`
//!    - `staged_list::tests::a_shard_that_lacks_a_client_is_detected`
//!    - `tests::switching::a_client_of_a_missing_shard_is_not_unregistered`
//!    - `tests::entries`, all
//!
//! Different versions of this module may run in one process, after an upgrade or side by side. What
//! one of them stores, another one must not misread: `shared::FORMAT_VERSION` is a part of every
//! key, and `shared::tests::a_change_of_the_format_changes_the_keys` fails if a format changes
//! without it.
//!
//! # Modules
//!
//! | module | has |
//! |---|---|
//! | `refresh` | the work of the VM that fetches: phases, attempts, schedule, events |
//! | `lease` | which VM fetches |
//! | `link` | the link to the next page |
//! | `staged_list` | the new list until it is in force: gathered, written, compared |
//! | `list_in_force` | the list in force, as requests read it |
//! | `shared` | keys, head and shards in shared data |
//! | `stored_client`, `codec` | one client, and how values are encoded |
//! | `stopwatch` | the time between ticks |

mod codec;
mod lease;
mod list_in_force;
mod refresh;
mod shared;
mod staged_list;
mod stopwatch;
mod stored_client;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::codec::{Reader, Writer};
pub(crate) use self::lease::Lease;
use self::list_in_force::ListInForce;
use self::refresh::Refresh;
pub(crate) use self::refresh::Schedule;
pub use self::refresh::{RefreshEvent, TickOutcome};
use self::shared::Keys;
pub use self::shared::{SharedData, Version};
pub use self::staged_list::{Change, ChangeKind};
pub use self::stopwatch::Stopwatch;
use super::error::RegistryFault;
use super::fetched::{FetchedRegistry, RegistryAnswer};
use crate::registration::Registration;

/// One VM's part in a registry whose list is fetched.
#[derive(Clone, Debug)]
pub struct Snapshot {
    list: ListInForce,
    refresh: Refresh,
}

impl Snapshot {
    /// `passes_unregistered` = clients that the list lacks may pass (contract §6: then several
    /// pages count only with a generation header, or if two readings agree). `random` = a number
    /// that clients cannot predict.
    #[must_use]
    pub fn new(registry: Arc<FetchedRegistry>, passes_unregistered: bool, random: u64) -> Self {
        let keys = Keys::of(&registry.identity, passes_unregistered);
        let list = ListInForce::new(keys.clone(), registry.max_stale);
        Self { list, refresh: Refresh::new(registry, keys, passes_unregistered, random) }
    }

    /// Does what is due. `elapsed` = the time since the last tick; `now` = milliseconds since 1970.
    /// Work goes on while `has_time` returns `true`.
    pub fn tick(
        &mut self,
        elapsed: Duration,
        now: u64,
        shared: &mut dyn SharedData,
        has_time: &mut dyn FnMut() -> bool,
    ) -> TickOutcome {
        self.list.update(elapsed, now, shared);
        let outcome =
            self.refresh.tick(elapsed, now, (self.list.head(), self.list.age()), shared, has_time);
        // The list may have been switched in this tick.
        self.list.update(Duration::ZERO, now, shared);
        outcome
    }

    /// The host did not send the request of a [`TickOutcome`].
    pub fn not_sent(&mut self) {
        self.refresh.not_sent();
    }

    /// Takes the answer to the request of a [`TickOutcome`].
    pub fn on_answer(&mut self, answer: RegistryAnswer<'_>) {
        self.refresh.on_answer(&answer);
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<RefreshEvent> {
        self.refresh.take_events()
    }

    /// What the list in force says of a client. `clock` gives milliseconds since 1970.
    ///
    /// # Errors
    /// There is no list, it is too old, or it is damaged.
    pub fn find(
        &mut self,
        client_id: &str,
        clock: &dyn Fn() -> u64,
        shared: &mut dyn SharedData,
    ) -> Result<Registration, RegistryFault> {
        self.list.find(client_id, clock, shared)
    }

    /// The number of the attempt that brought or confirmed the list in force; 0 = there is no list.
    /// An attempt that began later has a greater number.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.list.head().map_or(0, |head| head.attempt)
    }

    /// The number that [`Snapshot::attempt`] has at least, once an attempt that begins after this
    /// call has brought or confirmed a list.
    pub fn next_attempt(&self, shared: &mut dyn SharedData) -> u64 {
        self.refresh.next_attempt(shared)
    }

    /// The number of usable clients of the list in force, and how long ago the list was confirmed;
    /// `None` = there is no list.
    #[must_use]
    pub fn state(&self) -> Option<(u64, Duration)> {
        Some((self.list.head()?.clients, self.list.age()?))
    }

    /// Leaves fetching to another VM.
    pub fn release(&mut self, shared: &mut dyn SharedData) {
        self.refresh.release(shared);
    }
}

#[cfg(test)]
mod tests;
