//! The work of the one VM of the process that fetches: it requests and reads the pages, writes the
//! new list, and puts it in force.
//!
//! The list in force is never changed. A new list is written to the other slot, compared with the
//! list in force, and put in force by one write of the head. A failure at any point before that
//! write loses nothing but the new list.

mod attempt;
mod event;
mod schedule;
mod work;

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use self::attempt::FetchAttempt;
pub use self::event::RefreshEvent;
pub(crate) use self::schedule::Schedule;
use super::super::error::FetchError;
use super::super::fetched::{FetchedRegistry, RegistryAnswer, RegistryRequest, Validators};
use super::super::list::{IncompleteList, ListReader, link};
use super::lease::Lease;
use super::shared::{Keys, ListHead, ShardLayout, SharedData, Slot};
use super::staged_list::{Comparison, ListSizes, StagedList};
use crate::certificate::Thumbprint;
use crate::limits;

/// The fetching side of one registry in one VM. It does nothing while another VM has the lease.
#[derive(Clone, Debug)]
pub(super) struct Refresh {
    registry: Arc<FetchedRegistry>,
    keys: Keys,
    pub(super) lease: Lease,
    /// Whether clients that the list lacks may pass. Then pages count only if they are of one list.
    passes_unregistered: bool,
    schedule: Schedule,
    phase: RefreshPhase,
    /// How many readings of the pages this refresh has discarded, because the list changed between
    /// two pages.
    discarded_readings: u32,
    /// Digest of the clients of the reading before.
    previous_ids: Option<Thumbprint>,
    /// Distributes the clients of this refresh to shards, where no list is in force.
    seed: u64,
    pub(super) sizes: ListSizes,
    /// The next request must be unconditional: the list in force is only the first page of a longer
    /// one.
    is_outgrown: bool,
    /// For how long this VM leaves the lease to other VMs.
    stand_back: Duration,
    random: u64,
    events: Vec<RefreshEvent>,
}

#[derive(Clone, Debug)]
enum RefreshPhase {
    /// This VM does not have the lease.
    Idle,
    /// The next attempt begins after this time.
    Waiting(Duration),
    /// A page was requested this long ago.
    AwaitingAnswer(FetchAttempt, Duration),
    /// The answer to the attempt was "not modified".
    Confirming(FetchAttempt),
    /// The entries of a page are read.
    Reading(FetchAttempt, ListReader),
    /// The gathered clients are written; `shard` is the next. Then `rest` of the page is read, or
    /// the list is complete.
    Writing { attempt: FetchAttempt, rest: Option<ListReader>, layout: ShardLayout, shard: u32 },
    /// The new list is compared with the list in force; `step` is the next.
    Comparing { attempt: FetchAttempt, layout: ShardLayout, step: u32, found: Comparison },
    /// A slot is emptied; `shard` is the next. Then the next attempt begins after `wait`.
    Emptying { slot: Slot, layout: ShardLayout, shard: u32, wait: Duration },
}

/// What the host must do after a tick.
#[derive(Debug, Default)]
pub struct TickOutcome {
    /// Send this request.
    pub request: Option<RegistryRequest>,
    /// There is more to do: tick soon.
    pub is_busy: bool,
}

impl RefreshPhase {
    /// Whether another list was put in force since the attempt began: by a VM that had the lease
    /// before, and went on late. Then the slot of the attempt may be the one in force.
    fn is_overtaken(&self, head: Option<&ListHead>) -> bool {
        match self {
            Self::Idle | Self::Waiting(_) => false,
            Self::AwaitingAnswer(attempt, _)
            | Self::Confirming(attempt)
            | Self::Reading(attempt, _)
            | Self::Writing { attempt, .. }
            | Self::Comparing { attempt, .. } => {
                let generation = |head: &ListHead| head.generation;
                attempt.head.as_ref().map(generation) != head.map(generation)
            }
            Self::Emptying { slot, .. } => head.is_some_and(|head| head.slot == *slot),
        }
    }
}

impl Refresh {
    /// `random` = a number that clients cannot predict, for the jitter and the hash of the shards.
    pub(super) fn new(
        registry: Arc<FetchedRegistry>,
        keys: Keys,
        passes_unregistered: bool,
        random: u64,
    ) -> Self {
        let lease = Lease::new(keys.lease(), registry.period());
        let schedule = Schedule::new(registry.period(), random);
        Self {
            registry,
            keys,
            lease,
            passes_unregistered,
            schedule,
            phase: RefreshPhase::Idle,
            discarded_readings: 0,
            previous_ids: None,
            seed: 0,
            sizes: ListSizes::LIMITS,
            is_outgrown: false,
            stand_back: Duration::ZERO,
            random,
            events: Vec::new(),
        }
    }

    /// The events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<RefreshEvent> {
        mem::take(&mut self.events)
    }

    /// The number that the next attempt has at least, in whatever VM.
    pub(super) fn next_attempt(&self, shared: &mut dyn SharedData) -> u64 {
        self.lease.next_number(shared)
    }

    /// Makes the lease vacant, if this VM has it.
    pub(super) fn release(&mut self, shared: &mut dyn SharedData) {
        self.lease.release(shared);
        self.phase = RefreshPhase::Idle;
    }

    /// Does what is due. `elapsed` = the time since the last call; `in_force` = the list in force
    /// and its age; `now` = milliseconds since 1970. Work goes on while `has_time` returns `true`.
    pub(super) fn tick(
        &mut self,
        elapsed: Duration,
        now: u64,
        in_force: (Option<&ListHead>, Option<Duration>),
        shared: &mut dyn SharedData,
        has_time: &mut dyn FnMut() -> bool,
    ) -> TickOutcome {
        self.stand_back = self.stand_back.saturating_sub(elapsed);
        if !self.stand_back.is_zero() || !self.lease.tick(elapsed, shared) {
            self.phase = RefreshPhase::Idle;
            self.discarded_readings = 0;
            return TickOutcome::default();
        }
        self.schedule.add(elapsed);
        let (head, age) = in_force;
        if self.phase.is_overtaken(head) {
            self.phase = RefreshPhase::Idle;
            self.discarded_readings = 0;
        }
        match &mut self.phase {
            RefreshPhase::Idle => {
                self.phase = RefreshPhase::Waiting(self.schedule.after_takeover(age));
            }
            RefreshPhase::Waiting(left) => *left = left.saturating_sub(elapsed),
            RefreshPhase::AwaitingAnswer(attempt, waited) => {
                *waited += elapsed;
                if *waited > self.registry.timeout + limits::CALL_BACK_GRACE {
                    let path = attempt.path.clone();
                    self.fail(FetchError::NeverCalledBack, path, None);
                    // The host may call back in another VM.
                    self.lease.release(shared);
                    self.stand_back = limits::STAND_BACK;
                    return TickOutcome::default();
                }
            }
            _ => {}
        }
        if let RefreshPhase::Waiting(Duration::ZERO) = self.phase {
            return self.begin(head, now, shared);
        }
        while self.is_busy() {
            if let Some(request) = self.work(head, now, shared) {
                return TickOutcome { request: Some(request), is_busy: false };
            }
            if !has_time() {
                break;
            }
        }
        // After a reading that was discarded, the next one is due at once.
        let is_due = matches!(self.phase, RefreshPhase::Waiting(Duration::ZERO));
        TickOutcome { request: None, is_busy: self.is_busy() || is_due }
    }

    fn is_busy(&self) -> bool {
        !matches!(
            self.phase,
            RefreshPhase::Idle | RefreshPhase::Waiting(_) | RefreshPhase::AwaitingAnswer(..)
        )
    }

    /// Begins an attempt.
    fn begin(
        &mut self,
        head: Option<&ListHead>,
        now: u64,
        shared: &mut dyn SharedData,
    ) -> TickOutcome {
        let Some(generation) = self.lease.next_generation(shared) else {
            self.phase = RefreshPhase::Idle;
            return TickOutcome::default();
        };
        self.schedule.start();
        if self.discarded_readings == 0 {
            self.seed = self.random ^ now.rotate_left(32);
            self.previous_ids = None;
        }
        let is_outgrown = mem::take(&mut self.is_outgrown);
        let known = head.map(|head| &head.validators).filter(|known| {
            !is_outgrown
                && known.unmodified < limits::UNMODIFIED_ANSWERS
                && **known != Validators::default()
        });
        let path: Box<str> = self.registry.path.clone();
        let request = self.registry.request(&path, known);
        let staged = StagedList::new(self.keys.clone(), generation, self.seed, self.sizes, head);
        let attempt = FetchAttempt::new(path, known.is_some(), head, staged);
        self.phase = RefreshPhase::AwaitingAnswer(attempt, Duration::ZERO);
        TickOutcome { request: Some(request), is_busy: false }
    }

    /// The host did not send the request.
    pub(super) fn not_sent(&mut self) {
        if let RefreshPhase::AwaitingAnswer(attempt, _) =
            mem::replace(&mut self.phase, RefreshPhase::Idle)
        {
            self.fail_attempt(FetchError::NotSent, attempt);
        }
    }

    /// Takes the answer to the request. The body is copied now, because the host has it only during
    /// this call; it is read in later ticks.
    pub(super) fn on_answer(&mut self, answer: &RegistryAnswer<'_>) {
        let RefreshPhase::AwaitingAnswer(mut attempt, _) =
            mem::replace(&mut self.phase, RefreshPhase::Idle)
        else {
            // Too late, or the lease was lost in the meantime.
            return;
        };
        let header = |name: &str| answer.has(name).then(|| answer.all(name));
        let leads_on = attempt.is_conditional
            && (link::next(&answer.all("link")) != Ok(None) || attempt.is_below_total(&header));
        self.phase = match attempt.on_answer(&self.registry, answer) {
            // The validators are those of a list of one page. This page is not modified, but there
            // are others now, or more entries.
            Ok(None) if leads_on => {
                self.is_outgrown = true;
                RefreshPhase::Waiting(Duration::ZERO)
            }
            Ok(Some(body)) => {
                RefreshPhase::Reading(attempt, ListReader::new(body).with_headers(&header))
            }
            Ok(None) => RefreshPhase::Confirming(attempt),
            Err(FetchError::Incomplete(
                why @ (IncompleteList::GenerationMissing | IncompleteList::GenerationChanged),
            )) => return self.discard_reading(why, attempt),
            Err(error) => return self.fail_attempt(error, attempt),
        };
    }

    /// The list changed between two pages. The pages are read again at once, up to
    /// [`limits::READINGS`] times.
    fn discard_reading(&mut self, why: IncompleteList, attempt: FetchAttempt) {
        self.discarded_readings += 1;
        if self.discarded_readings >= limits::READINGS {
            return self.fail_attempt(FetchError::Incomplete(why), attempt);
        }
        self.empty(attempt.written(), Duration::ZERO);
    }

    /// A refresh succeeded. Returns the time until the next one.
    fn succeed(&mut self) -> Duration {
        self.discarded_readings = 0;
        self.schedule.after_success()
    }

    fn fail_attempt(&mut self, error: FetchError, attempt: FetchAttempt) {
        let written = attempt.written();
        self.fail(error, attempt.path, written);
    }

    /// A refresh failed at the request for `path`. The shards that it may have written are emptied.
    fn fail(&mut self, error: FetchError, path: Box<str>, written: Option<(Slot, ShardLayout)>) {
        let retry = self.schedule.after_failure(self.registry.period().max(limits::LATEST_RETRY));
        self.discarded_readings = 0;
        self.events.push(RefreshEvent::Failed { error, path, retry });
        self.empty(written, retry);
    }

    /// Empties these shards, then waits.
    fn empty(&mut self, shards: Option<(Slot, ShardLayout)>, wait: Duration) {
        self.phase = match shards {
            Some((slot, layout)) => RefreshPhase::Emptying { slot, layout, shard: 0, wait },
            None => RefreshPhase::Waiting(wait),
        };
    }
}
