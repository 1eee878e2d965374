//! When to fetch, what to keep, when to switch: the work of the one VM of the process that fetches.
//!
//! The list in force is never touched. A new one is written beside it, whole, compared with it, and
//! only then put in its place; whatever goes wrong on the way costs nothing but the new list.

use crate::limits;
use std::collections::BTreeSet;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::super::error::FetchError;
use super::super::fetched::{FetchMode, FetchedRegistry, RegistryAnswer, RegistryRequest};
use super::super::import;
use super::super::list::{self, Completeness, IncompleteList, ListReader};
use super::lease::Lease;
use super::link;
use super::shared::{Head, Keys, ShardLayout, SharedData, Slot};
use super::staged_list::{Change, ChangeKind, Comparison, StagedList, WriteConflict};
use super::stored_client::StoredClient;
use crate::certificate::Thumbprint;
use crate::json::JsonError;
use crate::registry::fetched::Validators;

/// What the VM that fetches has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A new list is in force.
    Switched {
        /// Usable clients.
        clients: u64,
        /// Entries that cannot be used.
        refused: u64,
        /// How many clients were not there before.
        added: u64,
        /// How many are not there any more.
        removed: u64,
        /// How many are registered otherwise.
        changed: u64,
    },
    /// One of the first few clients that are different in the new list.
    Changed(Change),
    /// One of the first few entries of the new list that cannot be used.
    Refused {
        /// JSON Pointer in the page that has the entry.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// One of the first few parts of the new list that are left out, though their clients can be
    /// used.
    LeftOut {
        /// JSON Pointer in the page that has it.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// The list in force was confirmed.
    Confirmed,
    /// No new list.
    Failed {
        /// Why.
        error: FetchError,
        /// Path of the request that failed.
        path: Box<str>,
        /// When the registry is asked again.
        retry: Duration,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switched { clients, refused, added, removed, changed } => {
                write!(
                    f,
                    "{clients} clients: {added} added, {removed} removed, {changed} changed, \
                     {refused} refused"
                )
            }
            Self::Changed(change) => {
                f.write_str(match change.kind {
                    ChangeKind::Added => "added",
                    ChangeKind::Removed => "removed",
                    ChangeKind::Changed => "changed",
                })?;
                write!(f, " client_id=\"{}\"", change.client_id.escape_debug())
            }
            Self::Refused { pointer, reason } => write!(f, "refused {pointer}: {reason}"),
            Self::LeftOut { pointer, reason } => write!(f, "left out {pointer}: {reason}"),
            Self::Confirmed => f.write_str("confirmed"),
            Self::Failed { error, path, retry } => {
                write!(
                    f,
                    "refresh failed: {path}: {error}; next attempt in {} ms",
                    retry.as_millis()
                )
            }
        }
    }
}

/// The fetching side of one registry in one VM. It does nothing unless this VM has the lease.
#[derive(Debug)]
pub(super) struct Refresh {
    registry: Arc<FetchedRegistry>,
    keys: Keys,
    lease: Lease,
    /// Whom the list lacks may pass: pages must be of one list.
    is_strict: bool,
    phase: Phase,
    /// How often this attempt read the pages in vain, because the list changed between them.
    readings: u32,
    /// The clients of the reading before, as a digest.
    before: Option<Thumbprint>,
    /// Spreads the lists of this attempt, where there is no list yet.
    seed: u64,
    /// The list in force was confirmed as the first page of a longer one.
    is_outgrown: bool,
    /// Failed attempts in a row.
    failures: u32,
    /// Time since the request for the first page of this attempt.
    spent: Duration,
    /// For how long this VM leaves the lease to others.
    stands_back: Duration,
    random: u64,
    reports: Vec<Report>,
}

#[derive(Debug)]
enum Phase {
    /// This VM does not have the lease.
    Idle,
    /// Until the next attempt.
    Waiting(Duration),
    /// A page was asked for so long ago.
    Asked(Round, Duration),
    /// "Not modified" was answered.
    Confirming,
    /// A page is read.
    Reading(Round, ListReader),
    /// What was gathered goes into its shards, up to this one; then the reading goes on, or the
    /// list is complete.
    Writing(Round, Option<ListReader>, ShardLayout, u32),
    /// The new list is compared with the one in force, step by step.
    Comparing(Round, ShardLayout, u32, Comparison),
    /// A slot is emptied, up to this shard, and then it is waited.
    Emptying { slot: Slot, spread: ShardLayout, shard: u32, then: Duration },
}

/// One attempt to fetch a whole list.
#[derive(Debug)]
struct Round {
    /// The page that is asked for or read.
    path: Box<str>,
    /// Pages asked for so far, this one included.
    pages: BTreeSet<Box<str>>,
    /// The page after it, by link.
    next: Option<Box<str>>,
    /// Whether the page has the header `link`.
    has_link: bool,
    /// What the pages say of the list.
    completeness: Completeness,
    /// The first page's `generation_header`.
    generation: Option<Vec<u8>>,
    /// Digest of the clients as they are compared, where two readings must agree on them.
    ids: Option<Thumbprint>,
    /// The list in force when the attempt began.
    head: Option<Head>,
    is_conditional: bool,
    validators: Validators,
    stage: StagedList,
    /// Whether every shard has been written once.
    is_written: bool,
    /// Entries that cannot be used and name no client.
    refused: u64,
    reports: Vec<Report>,
}

/// What the host must do after a tick.
#[derive(Debug, Default)]
pub struct Turn {
    /// Send this request.
    pub ask: Option<RegistryRequest>,
    /// There is more to do: tick soon.
    pub is_busy: bool,
}

impl Refresh {
    /// `random` = a number that others can hardly foresee, for the jitter and the hash of the
    /// shards.
    pub(super) fn new(
        registry: Arc<FetchedRegistry>,
        keys: Keys,
        is_strict: bool,
        random: u64,
    ) -> Self {
        let lease = Lease::new(keys.lease(), registry.period());
        Self {
            registry,
            keys,
            lease,
            is_strict,
            phase: Phase::Idle,
            readings: 0,
            before: None,
            seed: 0,
            is_outgrown: false,
            failures: 0,
            spent: Duration::ZERO,
            stands_back: Duration::ZERO,
            random,
            reports: Vec::new(),
        }
    }

    /// What there is to tell since the last call.
    pub(super) fn take_reports(&mut self) -> Vec<Report> {
        mem::take(&mut self.reports)
    }

    /// Gives the lease up.
    pub(super) fn release(&mut self, shared: &mut dyn SharedData) {
        self.lease.release(shared);
        self.phase = Phase::Idle;
    }

    /// Does what is due. `elapsed` went by since the last call; `head` and `age` are those of the
    /// list in force; `now` is in milliseconds since 1970; work goes on while `has_time`.
    pub(super) fn tick(
        &mut self,
        elapsed: Duration,
        now: u64,
        in_force: (Option<&Head>, Option<Duration>),
        shared: &mut dyn SharedData,
        has_time: &mut dyn FnMut() -> bool,
    ) -> Turn {
        self.stands_back = self.stands_back.saturating_sub(elapsed);
        if !self.stands_back.is_zero() || !self.lease.tick(elapsed, shared) {
            self.phase = Phase::Idle;
            self.readings = 0;
            return Turn::default();
        }
        self.spent += elapsed;
        let (head, age) = in_force;
        match &mut self.phase {
            Phase::Idle => {
                // Another VM may have fetched a moment ago.
                let left =
                    age.map_or(Duration::ZERO, |age| self.registry.period().saturating_sub(age));
                self.phase = Phase::Waiting(left);
            }
            Phase::Waiting(left) => *left = left.saturating_sub(elapsed),
            Phase::Asked(round, waited) => {
                *waited += elapsed;
                if *waited > self.registry.timeout + limits::CALL_BACK_GRACE {
                    let path = round.path.clone();
                    self.fail(FetchError::NeverCalledBack, path, None);
                    // Perhaps another VM's host does call back.
                    self.lease.release(shared);
                    self.stands_back = limits::STAND_BACK;
                    return Turn::default();
                }
            }
            _ => {}
        }
        if let Phase::Waiting(Duration::ZERO) = self.phase {
            return self.begin(head, shared, now);
        }
        while self.is_busy() {
            if let Some(ask) = self.work(head, now, shared) {
                return Turn { ask: Some(ask), is_busy: false };
            }
            if !has_time() {
                break;
            }
        }
        // The next reading is due at once.
        Turn {
            ask: None,
            is_busy: self.is_busy() || matches!(self.phase, Phase::Waiting(Duration::ZERO)),
        }
    }

    fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Waiting(_) | Phase::Asked(..))
    }

    /// Begins an attempt.
    fn begin(&mut self, head: Option<&Head>, shared: &mut dyn SharedData, now: u64) -> Turn {
        let Some(generation) = self.lease.next_generation(shared) else {
            self.phase = Phase::Idle;
            return Turn::default();
        };
        self.spent = Duration::ZERO;
        if self.readings == 0 {
            // The nanoseconds of two moments: nobody outside can foresee them.
            self.seed = self.random ^ now.rotate_left(32);
            self.before = None;
        }
        let known = head.map(|head| &head.validators);
        let is_outgrown = mem::take(&mut self.is_outgrown);
        let known = known.filter(|known| {
            !is_outgrown
                && known.unmodified < limits::UNMODIFIED_ANSWERS
                && **known != Validators::default()
        });
        let path: Box<str> = self.registry.path.clone();
        let request = self.registry.request(&path, known);
        let stage = StagedList::new(self.keys.clone(), generation, self.seed, head);
        self.phase = Phase::Asked(
            Round {
                pages: BTreeSet::from([path.clone()]),
                path,
                next: None,
                has_link: false,
                completeness: Completeness::default(),
                generation: None,
                ids: None,
                head: head.cloned(),
                is_conditional: known.is_some(),
                validators: Validators::default(),
                stage,
                is_written: false,
                refused: 0,
                reports: Vec::new(),
            },
            Duration::ZERO,
        );
        Turn { ask: Some(request), is_busy: false }
    }

    /// The host did not send the request.
    pub(super) fn not_sent(&mut self) {
        if let Phase::Asked(round, _) = mem::replace(&mut self.phase, Phase::Idle) {
            self.fail(FetchError::NotSent, round.path.clone(), Some(round));
        }
    }

    /// The answer to the request is there. Its body is taken over at once, because the host keeps
    /// it for this call only; reading it is left to the ticks.
    pub(super) fn on_answer(&mut self, answer: RegistryAnswer<'_>) {
        let Phase::Asked(mut round, _) = mem::replace(&mut self.phase, Phase::Idle) else {
            // Too late, or the lease was lost in the meantime.
            return;
        };
        let path = round.path.clone();
        let leads_on = round.is_conditional && link::next(&answer.all("link")) != Ok(None);
        self.phase = match self.page(&mut round, answer) {
            // The validators are those of the only page that there was. It is the same, but there
            // are others now.
            Ok(None) if leads_on => {
                self.is_outgrown = true;
                Phase::Waiting(Duration::ZERO)
            }
            Ok(Some(body)) => Phase::Reading(round, ListReader::new(body)),
            Ok(None) => Phase::Confirming,
            Err(FetchError::Incomplete(
                why @ (IncompleteList::GenerationMissing | IncompleteList::GenerationChanged),
            )) => {
                return self.read_again(why, round);
            }
            Err(error) => return self.fail(error, path, Some(round)),
        };
    }

    /// The body of the page that was asked for; `None` = the list in force is confirmed.
    fn page(
        &self,
        round: &mut Round,
        answer: RegistryAnswer<'_>,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        match answer.status.ok_or(FetchError::NoAnswer)? {
            200 => {}
            304 if round.is_conditional && round.pages.len() == 1 => return Ok(None),
            status => return Err(FetchError::Status(status)),
        }
        if let Some(name) = &self.registry.generation_header {
            let generation = answer.octets(name);
            if generation.is_empty() {
                return Err(FetchError::Incomplete(IncompleteList::GenerationMissing));
            }
            if *round.generation.get_or_insert_with(|| generation.clone()) != generation {
                return Err(FetchError::Incomplete(IncompleteList::GenerationChanged));
            }
        }
        round.has_link = answer.has("link");
        let links = answer.all("link");
        let target = link::next(&links).map_err(FetchError::NextPage)?;
        round.next = match target {
            Some(target) => {
                let next = link::resolve(target, &round.path, &self.registry.authority)
                    .map_err(FetchError::NextPage)?;
                if round.pages.len() >= self.max_pages() {
                    return Err(FetchError::NextPage("more pages than max_pages"));
                }
                if !round.pages.insert(next.clone()) {
                    return Err(FetchError::NextPage("a page that came before"));
                }
                Some(next)
            }
            None => None,
        };
        // The validators of a page say nothing about the others.
        if round.pages.len() == 1 {
            let validator = |name| answer.first(name).map(Into::into);
            round.validators = Validators {
                etag: validator("etag"),
                last_modified: validator("last-modified"),
                unmodified: 0,
            };
        } else {
            round.validators = Validators::default();
        }
        answer.body(self.registry.max_bytes).map(Some)
    }

    fn max_pages(&self) -> usize {
        if let FetchMode::Snapshot { max_pages, .. } = self.registry.mode { max_pages } else { 1 }
    }

    /// The page after the one that is read to its end; `None` = the list is whole.
    fn next_page(
        &self,
        round: &mut Round,
        list: &ListReader,
    ) -> Result<Option<Box<str>>, IncompleteList> {
        let (page, next) = (list.page(), round.next.take());
        if round.pages.len() == 1 && !round.has_link {
            page.check_limit(&round.path)?;
        }
        let Some(start) = round.completeness.add(page, next.is_some())? else { return Ok(next) };
        if round.pages.len() >= self.max_pages() {
            return Err(IncompleteList::TooManyPages);
        }
        let next = list::page_from(&self.registry.path, start);
        round.pages.insert(next.clone());
        Ok(Some(next))
    }

    /// Does one bounded piece of work; may end in a request for the next page.
    fn work(
        &mut self,
        head: Option<&Head>,
        now: u64,
        shared: &mut dyn SharedData,
    ) -> Option<RegistryRequest> {
        match mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Confirming => self.confirm(head, now, shared),
            Phase::Reading(round, list) => return self.read(round, list),
            Phase::Writing(round, list, spread, shard) => {
                self.write(round, list, spread, shard, shared)
            }
            Phase::Comparing(round, spread, step, found) => {
                self.compare(round, spread, step, found, now, shared)
            }
            Phase::Emptying { slot, spread, shard, then } => {
                shared.write(&self.keys.shard(slot, shard), b"", None);
                self.phase = if shard + 1 < spread.shards {
                    Phase::Emptying { slot, spread, shard: shard + 1, then }
                } else {
                    Phase::Waiting(then)
                };
            }
            other => self.phase = other,
        }
        None
    }

    /// Reads one entry of a page.
    fn read(&mut self, mut round: Round, mut list: ListReader) -> Option<RegistryRequest> {
        match list.next() {
            Ok(Some(entry)) => {
                let stage = &mut round.stage;
                let read = import::read(&entry.json);
                match read.clients {
                    Ok(clients) => {
                        for warning in read.warnings {
                            tell(&mut round.reports, &entry.pointer, warning, true);
                        }
                        for client in clients {
                            let client_id: Box<str> = client.client_id().into();
                            stage.add(&client_id, &StoredClient::Client(client));
                        }
                    }
                    Err(error) if read.never_authenticates => {
                        let left_out = StoredClient::LeftOut(error.in_entry().into());
                        read.client_ids
                            .iter()
                            .for_each(|client_id| stage.add(client_id, &left_out));
                    }
                    // Whoever it is, everybody would pass as this client.
                    Err(error) if self.is_strict && read.is_in_doubt => {
                        let why = format!("{}{}: {}", entry.pointer, error.pointer, error.message);
                        self.fail(
                            FetchError::Nameless(why.into()),
                            round.path.clone(),
                            Some(round),
                        );
                        return None;
                    }
                    Err(error) => {
                        let reason = error.in_entry();
                        let unusable = StoredClient::Unusable(reason.as_str().into());
                        read.client_ids
                            .iter()
                            .for_each(|client_id| stage.add(client_id, &unusable));
                        round.refused += u64::from(read.client_ids.is_empty());
                        tell(&mut round.reports, &entry.pointer, error, false);
                    }
                }
                self.phase = if stage.is_full() {
                    let spread = stage.settle(false);
                    Phase::Writing(round, Some(list), spread, 0)
                } else {
                    Phase::Reading(round, list)
                };
                None
            }
            Ok(None) => match self.next_page(&mut round, &list) {
                Ok(Some(next)) => {
                    let request = self.registry.request(&next, None);
                    round.path = next;
                    self.phase = Phase::Asked(round, Duration::ZERO);
                    Some(request)
                }
                Ok(None) => {
                    let spread = round.stage.settle(true);
                    self.phase = Phase::Writing(round, None, spread, 0);
                    None
                }
                Err(why) => {
                    self.fail(FetchError::Incomplete(why), round.path.clone(), Some(round));
                    None
                }
            },
            Err(error) => {
                self.fail(FetchError::Malformed(error.into()), round.path.clone(), Some(round));
                None
            }
        }
    }

    /// Writes one shard.
    fn write(
        &mut self,
        mut round: Round,
        list: Option<ListReader>,
        spread: ShardLayout,
        shard: u32,
        shared: &mut dyn SharedData,
    ) {
        let stage = &mut round.stage;
        if let Err(WriteConflict) = stage.write_shard(spread, shard, !round.is_written, shared) {
            return self.fail(FetchError::SharedData, round.path.clone(), Some(round));
        }
        if shard + 1 < spread.shards {
            self.phase = Phase::Writing(round, list, spread, shard + 1);
            return;
        }
        stage.clear();
        round.is_written = true;
        self.phase = match list {
            Some(list) => Phase::Reading(round, list),
            None => {
                round.ids = self.needs_agreement(&round).then(|| Thumbprint::of(b""));
                Phase::Comparing(round, spread, 0, Comparison::default())
            }
        };
    }

    /// Whether nothing but a second reading shows that these pages are of one list: where a client
    /// that fell between two of them would pass as unregistered, or where one is there twice, which
    /// it may be because the list moved.
    fn needs_agreement(&self, round: &Round) -> bool {
        let is_one_list = round.pages.len() == 1 || self.registry.generation_header.is_some();
        !is_one_list && (self.is_strict || round.stage.repeated > 0)
    }

    /// Compares one step; after the last one, decides about the new list.
    fn compare(
        &mut self,
        mut round: Round,
        spread: ShardLayout,
        step: u32,
        mut found: Comparison,
        now: u64,
        shared: &mut dyn SharedData,
    ) {
        let mut ids = round.ids.take();
        let stage = &round.stage;
        let head = round.head.as_ref();
        if let Err(WriteConflict) =
            stage.compare(spread, head, step, &mut found, ids.as_mut(), shared)
        {
            return self.fail(FetchError::SharedData, round.path.clone(), Some(round));
        }
        if step + 1 < stage.steps(spread, head) {
            round.ids = ids;
            self.phase = Phase::Comparing(round, spread, step + 1, found);
            return;
        }
        if !stage.is_whole(&found) {
            return self.fail(FetchError::SharedData, round.path.clone(), Some(round));
        }
        found.refused += round.refused;
        let allow_empty =
            matches!(self.registry.mode, FetchMode::Snapshot { allow_empty: true, .. });
        if found.clients == 0
            && head.is_some_and(|head| head.clients >= limits::CLIENTS_NOT_LOST_AT_ONCE)
            && !allow_empty
        {
            return self.fail(FetchError::Empty, round.path.clone(), Some(round));
        }
        if let Some(ids) = ids {
            // The list in force was read before, too.
            let is_in_force = head.is_some() && found.has_same_clients(stage.repeated);
            let agrees = is_in_force || self.before.replace(ids) == Some(ids);
            // Where nobody passes by it, the last reading counts whatever it is.
            if !agrees && (self.is_strict || self.readings + 1 < limits::READINGS) {
                return self.read_again(IncompleteList::ReadingsDiffer, round);
            }
        }
        let is_same =
            head.is_some_and(|head| head.refused == found.refused) && !found.is_difference();
        let new = match head {
            Some(head) if is_same => Head {
                confirmations: head.confirmations + 1,
                confirmed_at: now,
                validators: round.validators.clone(),
                ..head.clone()
            },
            _ => Head {
                generation: stage.generation,
                slot: stage.slot,
                spread,
                clients: found.clients,
                refused: found.refused,
                confirmations: head.map_or(0, |head| head.confirmations) + 1,
                confirmed_at: now,
                validators: round.validators.clone(),
            },
        };
        if !replace_head(&self.keys, head, &new, shared) {
            return self.fail(FetchError::SharedData, round.path.clone(), Some(round));
        }
        let then = self.succeed();
        // What is emptied: the new list where the old one stays, else the old one.
        let emptied = if is_same {
            Some((stage.slot, spread))
        } else {
            head.map(|head| (head.slot, head.spread))
        };
        self.phase = match emptied {
            Some((slot, spread)) => Phase::Emptying { slot, spread, shard: 0, then },
            None => Phase::Waiting(then),
        };
        if is_same {
            self.reports.push(Report::Confirmed);
            return;
        }
        self.reports.push(Report::Switched {
            clients: found.clients,
            refused: found.refused,
            added: found.added,
            removed: found.removed,
            changed: found.changed,
        });
        // In a first list every client is new, and nobody wants to read that.
        if head.is_some() {
            self.reports.extend(found.examples.into_iter().map(Report::Changed));
        }
        self.reports.append(&mut round.reports);
    }

    fn confirm(&mut self, head: Option<&Head>, now: u64, shared: &mut dyn SharedData) {
        let confirmed = head.map(|head| Head {
            confirmations: head.confirmations + 1,
            confirmed_at: now,
            validators: Validators {
                unmodified: head.validators.unmodified.saturating_add(1),
                ..head.validators.clone()
            },
            ..head.clone()
        });
        let is_written =
            confirmed.is_some_and(|confirmed| replace_head(&self.keys, head, &confirmed, shared));
        if is_written {
            self.phase = Phase::Waiting(self.succeed());
            self.reports.push(Report::Confirmed);
        } else {
            self.fail(FetchError::SharedData, self.registry.path.clone(), None);
        }
    }

    /// The list changed between two pages: they are read once more at once, unless that was done
    /// often enough.
    fn read_again(&mut self, why: IncompleteList, round: Round) {
        self.readings += 1;
        if self.readings >= limits::READINGS {
            return self.fail(FetchError::Incomplete(why), round.path.clone(), Some(round));
        }
        self.empty(Some(round), Duration::ZERO);
    }

    /// An attempt succeeded; returns when the next is due, counted from now.
    fn succeed(&mut self) -> Duration {
        self.failures = 0;
        self.readings = 0;
        let period = self.registry.period();
        let period = self.jitter(period);
        period.saturating_sub(self.spent)
    }

    /// An attempt failed; what it wrote is emptied.
    fn fail(&mut self, error: FetchError, path: Box<str>, round: Option<Round>) {
        let latest = self.registry.period().max(limits::LATEST_RETRY);
        let retry = limits::FIRST_RETRY.saturating_mul(1 << self.failures.min(20)).min(latest);
        let retry = self.jitter(retry);
        self.failures += 1;
        self.readings = 0;
        self.reports.push(Report::Failed { error, path, retry });
        self.empty(round, retry);
    }

    /// Empties what was written of a list, and waits.
    fn empty(&mut self, round: Option<Round>, then: Duration) {
        let written = round.and_then(|round| Some((round.stage.slot, round.stage.spread()?)));
        self.phase = match written {
            Some((slot, spread)) => Phase::Emptying { slot, spread, shard: 0, then },
            None => Phase::Waiting(then),
        };
    }

    /// Something from 0.9 to 1 times `period`, so that the processes of a fleet do not all ask at
    /// once.
    fn jitter(&mut self, period: Duration) -> Duration {
        // xorshift64: nothing depends on how random this is.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        period.mul_f64(0.9 + (self.random % 1000) as f64 / 10_000.0)
    }
}

/// Remembers what is wrong with an entry, or with a part of it that is left out, if few are wrong
/// so far.
#[inline(never)]
fn tell(reports: &mut Vec<Report>, entry: &str, error: JsonError, is_left_out: bool) {
    if reports.len() < limits::SHOWN_REFUSALS {
        let (pointer, reason) = (format!("{entry}{}", error.pointer), error.message);
        reports.push(if is_left_out {
            Report::LeftOut { pointer, reason }
        } else {
            Report::Refused { pointer, reason }
        });
    }
}

/// Puts `new` in force, unless it is no longer `old` that it would replace.
fn replace_head(keys: &Keys, old: Option<&Head>, new: &Head, shared: &mut dyn SharedData) -> bool {
    let key = keys.head();
    let stored = shared.read(&key);
    let version = stored.as_ref().and_then(|(_, version)| *version);
    let stored = stored.and_then(|(octets, _)| Head::decode(&octets));
    let is_old = match (&stored, old) {
        (Some(stored), Some(old)) => stored.generation == old.generation,
        (None, None) => true,
        _ => false,
    };
    is_old && shared.write(&key, &new.encode(), version)
}
