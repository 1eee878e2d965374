//! What was sent, what may become of it, and what became of it.
//!
//! Every request has a tag. Its client knows which answers are right; the backend says whether it
//! arrived; Envoy says how many decisions of each code there were.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::envoy::client::Answer;
use crate::recorder::Recorder;
use crate::stage::Gate;

/// The answer that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Pass(&'static str),
    Refuse(&'static str, u16),
    /// The configuration or the list changes now: either, each under its code.
    Either(&'static str, &'static str),
}

/// When something else than the right answer is right, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excuses {
    /// The registry is down, or was so a moment ago: 503 by the filter.
    pub registry_down: bool,
    /// It is down for longer than `max_stale`: 503 is the only right answer.
    pub registry_gone: bool,
    /// The VM was killed a moment ago: 503 by Envoy, or no answer.
    pub vm_killed: bool,
    /// Old connections end: no answer.
    pub draining: bool,
}

impl Excuses {
    /// Of a request that began and ended under these.
    pub fn and(self, end: Self) -> Self {
        Self {
            registry_down: self.registry_down || end.registry_down,
            registry_gone: self.registry_gone && end.registry_gone,
            vm_killed: self.vm_killed || end.vm_killed,
            draining: self.draining || end.draining,
        }
    }
}

/// What the client saw.
#[derive(Debug)]
pub enum Seen {
    Answer(Answer),
    /// The connection ended without an answer.
    Nothing(String),
}

/// The code of a 503 of the filter.
const UNAVAILABLE: &str = "registry_unavailable";
/// What follows the last tick of a VM is lost with it. Ticks come four times a second.
const LAST_SECOND: Duration = Duration::from_secs(1);
/// How old a decision must be to have been counted, on a machine under load.
const COUNTED_AFTER: Duration = Duration::from_secs(5);

type Counts = BTreeMap<&'static str, u64>;

#[derive(Debug, Default)]
struct Books {
    /// Decisions that the clients know of.
    decided: Counts,
    /// Requests without an answer.
    unanswered: u64,
    /// Each of them may have been decided, under one of these codes.
    perhaps: Counts,
    /// Tags of those that may be at the backend.
    perhaps_passed: Vec<String>,
    /// The last decisions at the listener whose VMs are killed.
    recent: VecDeque<(Instant, &'static str)>,
    /// Decisions that may be lost with killed VMs.
    lost: Counts,
    /// `decided` as it was at these moments.
    history: VecDeque<(Instant, Counts)>,
    violations: Vec<String>,
    violations_in_all: u64,
}

#[derive(Debug)]
pub struct Ledger {
    pub recorder: Recorder,
    number: AtomicU64,
    open: AtomicU64,
    answered: AtomicU64,
    passed: AtomicU64,
    books: Mutex<Books>,
}

impl Ledger {
    pub fn new(recorder: Recorder) -> Self {
        Self {
            recorder,
            number: AtomicU64::new(0),
            open: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            books: Mutex::default(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tag of the next request, which counts as open until it is settled.
    pub fn begin(&self) -> String {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.next_tag()
    }

    /// The tag of a request that is never finished: no decision may follow, and nothing may arrive.
    pub fn next_tag(&self) -> String {
        format!("soak-{}", self.number.fetch_add(1, Ordering::Relaxed))
    }

    /// A request that was not sent after all: its connection was closing.
    pub fn not_sent(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    pub fn violation(&self, what: String) {
        let mut books = self.books();
        books.violations_in_all += 1;
        // The first ones say what is wrong. The same again says nothing, and would hide others.
        if books.violations.len() < 50 && !books.violations.contains(&what) {
            eprintln!("soak: VIOLATION: {what}");
            books.violations.push(what);
        }
    }

    pub fn violations(&self) -> (u64, Vec<String>) {
        let books = self.books();
        (books.violations_in_all, books.violations.clone())
    }

    pub fn answered(&self) -> (u64, u64) {
        (self.answered.load(Ordering::Relaxed), self.passed.load(Ordering::Relaxed))
    }

    pub fn unanswered(&self) -> u64 {
        self.books().unanswered
    }

    pub fn decided(&self) -> Counts {
        self.books().decided.clone()
    }

    pub fn lost_at_most(&self) -> u64 {
        self.books().lost.values().sum()
    }

    /// Compares what a client saw with what is right.
    pub fn settle(&self, gate: Gate, tag: &str, right: Right, excuses: Excuses, seen: Seen) {
        let answer = match seen {
            // Envoy's own answer has neither a code nor the fields of the filter's. It comes for
            // what its VM had not decided, and for what had passed and waited for the backend.
            Seen::Answer(answer)
                if answer.status == 503
                    && excuses.vm_killed
                    && answer.field("retry-after").is_none() =>
            {
                return self.without_an_answer(gate, tag, right);
            }
            Seen::Answer(answer) => answer,
            Seen::Nothing(error) => {
                if !excuses.draining && !excuses.vm_killed {
                    self.violation(format!("{gate:?} {tag} {right:?}: no answer: {error}"));
                }
                return self.without_an_answer(gate, tag, right);
            }
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        let unavailable = answer.status == 503 && answer.field("retry-after").is_some();
        let code = match (answer.status, right) {
            (200, Right::Pass(code) | Right::Either(code, _)) => Some(code),
            (401, Right::Either(_, code)) => Some(code),
            (status, Right::Refuse(code, wanted)) if status == wanted => Some(code),
            (503, _) if unavailable && excuses.registry_down => Some(UNAVAILABLE),
            _ => {
                let text = answer.text();
                self.violation(format!(
                    "{gate:?} {tag} {right:?}: {} {} {text}",
                    answer.status,
                    answer.field("retry-after").unwrap_or("without retry-after"),
                ));
                unavailable.then_some(UNAVAILABLE)
            }
        };
        if excuses.registry_gone && !unavailable && !matches!(right, Right::Refuse(..)) {
            self.violation(format!(
                "{gate:?} {tag} {right:?}: {} from a list older than max_stale",
                answer.status
            ));
        }
        let arrived = self.recorder.take(tag);
        let passed = answer.status == 200;
        if arrived != u32::from(passed) {
            self.violation(format!(
                "{gate:?} {tag} {right:?}: {}, and {arrived} times at the backend",
                answer.status
            ));
        }
        self.passed.fetch_add(u64::from(passed), Ordering::Relaxed);
        if let Some(code) = code {
            let mut books = self.books();
            *books.decided.entry(code).or_default() += 1;
            if gate == Gate::Victim {
                let now = Instant::now();
                books.recent.push_back((now, code));
                while books.recent.front().is_some_and(|(at, _)| now - *at > 4 * LAST_SECOND) {
                    books.recent.pop_front();
                }
            }
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// It may have been decided, and if it may pass, it may have arrived.
    fn without_an_answer(&self, gate: Gate, tag: &str, right: Right) {
        let mut books = self.books();
        books.unanswered += 1;
        let codes = match right {
            Right::Pass(code) | Right::Refuse(code, _) => [Some(code), None],
            Right::Either(one, other) => [Some(one), Some(other)],
        };
        let unavailable = (gate == Gate::Registry).then_some(UNAVAILABLE);
        for code in codes.into_iter().chain([unavailable]).flatten() {
            *books.perhaps.entry(code).or_default() += 1;
        }
        if !matches!(right, Right::Refuse(..)) {
            books.perhaps_passed.push(tag.to_owned());
        }
        drop(books);
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// A VM was killed by a request that was sent at `sent`, and has been answered. The decisions
    /// of the second before may not have been counted.
    pub fn killed(&self, sent: Instant) {
        let mut books = self.books();
        let from = sent - LAST_SECOND;
        let recent: Vec<_> =
            books.recent.iter().filter(|(at, _)| *at >= from).map(|(_, code)| *code).collect();
        for code in recent {
            *books.lost.entry(code).or_default() += 1;
        }
    }

    /// Compares the counters, as they were read between now and the reading, with what the clients
    /// know, while requests are under way.
    pub async fn counted<F: Future<Output = BTreeMap<String, u64>>>(&self, read: F) {
        let counters = read.await;
        let open = self.open.load(Ordering::SeqCst);
        let now = Instant::now();
        let wrong = {
            let mut books = self.books();
            let decided = books.decided.clone();
            books.history.push_back((now, decided));
            while books.history.get(1).is_some_and(|(at, _)| now - *at > COUNTED_AFTER) {
                books.history.pop_front();
            }
            let old = books.history.front().filter(|(at, _)| now - *at > COUNTED_AFTER);
            let old = old.map(|(_, counts)| counts.clone()).unwrap_or_default();
            wrong(&counters, &old, &books, open)
        };
        for what in wrong {
            self.violation(format!("while running: {what}"));
        }
    }

    /// The same at the end, when nothing is under way: exactly, but for what killed VMs lost and
    /// for requests without an answer.
    pub fn counted_at_last(&self, counters: &BTreeMap<String, u64>) {
        let wrong = {
            let books = self.books();
            wrong(counters, &books.decided, &books, 0)
        };
        for what in wrong {
            self.violation(what);
        }
    }

    /// What is left at the backend at the end must be of requests without an answer.
    pub fn nothing_else_arrived(&self) {
        let perhaps = self.books().perhaps_passed.clone();
        for tag in self.recorder.left() {
            if !perhaps.contains(&tag) {
                self.violation(format!("{tag} reached the backend: refused, unfinished or twice"));
            }
        }
    }
}

/// Codes of which Envoy counts less than `least`, or more than the clients know of and `open`.
fn wrong(
    counters: &BTreeMap<String, u64>,
    least: &Counts,
    books: &Books,
    open: u64,
) -> Vec<String> {
    let of = |counts: &Counts, code: &str| counts.get(code).copied().unwrap_or(0);
    let compare = |(code, counted): (&String, &u64)| {
        let (least, lost) = (of(least, code), of(&books.lost, code));
        let most = of(&books.decided, code) + of(&books.perhaps, code) + open;
        let right = (least.saturating_sub(lost)..=most).contains(counted);
        (!right)
            .then(|| format!("{code} is counted {counted} times, not {least} (-{lost}) to {most}"))
    };
    let unknown = books.decided.keys().filter(|code| !counters.contains_key(**code));
    let unknown = unknown.map(|code| format!("Envoy has no counter {code}"));
    counters.iter().filter_map(compare).chain(unknown).collect()
}
