//! The whole client list of a registry: fetched by one VM of the process, shared by all (contract
//! §6).
//!
//! ONE copy for all workers lies in the host's shared data, spread over shards by a hash of the
//! `client_id`; a VM copies out the shard that it needs and remembers the clients that it has met.
//! Alternatives that were weighed: a list in every VM (a million clients cost every worker 200 MB
//! and seconds of parsing); a key for each client (keys are never deleted, so clients that come and
//! go would pile up, and the table's growth stalls all workers at once); messages to the other VMs
//! by shared queues (each would still need its own copy).
//!
//! | module | holds |
//! |---|---|
//! | `refresh` | when to fetch, what to keep, when to switch |
//! | `lease` | which VM does it |
//! | `list`, `link` | a page, entry by entry; the page after it |
//! | `whole` | whether the pages are the whole list |
//! | `stage` | the new list, until it is whole |
//! | `reader` | the list in force, for requests |
//! | `shared` | how both lie in shared data |

mod codec;
mod lease;
mod link;
mod list_in_force;
mod refresh;
mod shared;
mod staged_list;
mod stopwatch;
mod stored_client;

use std::sync::Arc;
use std::time::Duration;

use self::list_in_force::ListInForce;
use self::refresh::Refresh;
pub use self::refresh::{RefreshEvent, TickOutcome};
use self::shared::Keys;
pub use self::shared::{SharedData, Version};
pub use self::staged_list::{Change, ChangeKind};
pub use self::stopwatch::Stopwatch;
use super::error::RegistryFault;
use super::fetched::{FetchedRegistry, RegistryAnswer};
use crate::registration::Registration;

/// One VM's part in a registry whose list is fetched.
#[derive(Debug)]
pub struct Snapshot {
    list: ListInForce,
    refresh: Refresh,
}

impl Snapshot {
    /// `passes_unregistered` = whom the list lacks may pass (contract §6: then pages count only
    /// where the list stood still, or where two readings agree). `random` = a number that others
    /// can hardly foresee.
    #[must_use]
    pub fn new(registry: Arc<FetchedRegistry>, passes_unregistered: bool, random: u64) -> Self {
        let keys = Keys::of(&registry.identity, passes_unregistered);
        let list = ListInForce::new(keys.clone(), registry.max_stale);
        Self { list, refresh: Refresh::new(registry, keys, passes_unregistered, random) }
    }

    /// Does what is due. `elapsed` went by since the last tick; `now` = milliseconds since 1970;
    /// work goes on while `has_time`.
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
        // What this VM has just switched to, it should not be the last to use.
        self.list.update(Duration::ZERO, now, shared);
        outcome
    }

    /// The host did not send the request of a [`TickOutcome`].
    pub fn not_sent(&mut self) {
        self.refresh.not_sent();
    }

    /// The answer to the request of a [`TickOutcome`] is there.
    pub fn on_answer(&mut self, answer: RegistryAnswer<'_>) {
        self.refresh.on_answer(&answer);
    }

    /// What there is to tell since the last call.
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

    /// Number of usable clients of the list in force, and how long ago it was confirmed; `None` =
    /// there is none.
    #[must_use]
    pub fn state(&self) -> Option<(u64, Duration)> {
        Some((self.list.head()?.clients, self.list.age()?))
    }

    /// Leaves the fetching to another VM.
    pub fn release(&mut self, shared: &mut dyn SharedData) {
        self.refresh.release(shared);
    }
}

#[cfg(test)]
mod tests;
