//! The search through all runs of a scenario.

use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::super::super::*;
use super::mutation::Mutation;
use super::registry::{Answer, LASTING, ONLY, started};
use super::scenario::{Budget, Scenario};
use super::vm::{Access, AccessResult, Data, Finished, Key, Operation, Running, Vm};
use crate::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invariant {
    /// What a VM answers at one time is of one list.
    OneList,
    /// No VM works as the holder of the lease that another one has taken before its tick began, and
    /// the lease is taken only from a holder that was silent.
    OneFetcher,
    /// Every VM uses the newest list at last, if one VM lives on and the registry answers.
    NoOldList,
    /// A client of every list is never unregistered.
    NoLostClient,
    /// A list is followed by a newer one, never by an older one.
    ListsOnlyFollow,
    /// A list in force is not written to, unless by a VM that stalls inside a tick.
    ListStays,
}

#[derive(Debug)]
pub(super) struct Violation {
    pub(super) invariant: Invariant,
    pub(super) what: String,
    pub(super) run: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Different states.
    pub(super) states: usize,
    /// Transitions between them.
    pub(super) steps: usize,
    /// Runs that ended, in different states, and were continued until all VMs agreed.
    pub(super) ends: usize,
    pub(super) violation: Option<Violation>,
}

/// The steps of a run, the last one first.
struct Trace(String, Option<Rc<Trace>>);

#[derive(Clone)]
struct State {
    data: Data,
    vms: Vec<Vm>,
    /// Number of the registry's list.
    list: usize,
    now: u64,
    budget: Budget,
    /// The VM that made the last access, and whether that was a write.
    last: Option<(usize, bool)>,
    /// The number of the list of each generation that was in force.
    lists: BTreeMap<u64, usize>,
    /// For how long each VM has seen the same lease.
    silences: Vec<(Option<u32>, u64)>,
    trace: Option<Rc<Trace>>,
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.data.hash(hasher);
        self.vms.hash(hasher);
        (self.list, self.now, self.budget, self.last).hash(hasher);
        (&self.lists, &self.silences).hash(hasher);
    }
}

type Found = Result<Registration, RegistryFault>;
type Checked<T> = Result<T, (Invariant, String)>;

/// The first time of the host's clock.
const START: u64 = 1_000_000;
const JUMP: u64 = 1_000_000_000;
/// Ticks of a second after which all VMs must use the newest list.
const ROUNDS: usize = 120;

pub(super) fn explore(scenario: &Scenario) -> Outcome {
    let mut outcome = Outcome::default();
    let mut visited = HashSet::new();
    let mut stack = vec![State::first(scenario)];
    while let Some(state) = stack.pop() {
        let mut hasher = std::hash::DefaultHasher::new();
        state.hash(&mut hasher);
        if !visited.insert(hasher.finish()) {
            continue;
        }
        let before = stack.len();
        let checked = state.check(scenario).and_then(|()| state.successors(scenario, &mut stack));
        let checked = checked.and_then(|()| {
            if stack.len() == before {
                outcome.ends += 1;
                state.clone().converge(scenario)?;
            }
            Ok(())
        });
        outcome.steps += stack.len() - before;
        if let Err((invariant, what)) = checked {
            outcome.violation = Some(Violation { invariant, what, run: run_of(state.trace) });
            break;
        }
    }
    outcome.states = visited.len();
    outcome
}

fn run_of(mut trace: Option<Rc<Trace>>) -> Vec<String> {
    let mut run = Vec::new();
    while let Some(step) = trace {
        run.push(step.0.clone());
        trace = step.1.clone();
    }
    run.reverse();
    run
}

impl State {
    fn first(scenario: &Scenario) -> Self {
        let vm = |history| Vm {
            snapshot: Some(Rc::new(started(scenario))),
            running: None,
            answer: None,
            reading: 0,
            ticks: scenario.ticks,
            history,
        };
        let mut state = Self {
            data: Data::default(),
            // Equal VMs: the order in which they are numbered makes no difference.
            vms: (0..scenario.vms).map(|_| vm(0)).collect(),
            list: 0,
            now: START,
            budget: scenario.budget,
            last: None,
            lists: BTreeMap::new(),
            silences: vec![(None, 0); scenario.vms],
            trace: None,
        };
        if scenario.is_warm {
            let plain = Scenario { mutation: None, ..scenario.clone() };
            let mut rounds = 0;
            while !state.has_converged(&plain) {
                rounds += 1;
                assert!(rounds < ROUNDS, "no first list");
                state.round(&plain, 250);
            }
            let head = state.data.head().expect("a list");
            state.lists.insert(head.generation, 0);
            let (_, version) = state.data.get(Key::Lease).expect("a lease");
            state.silences.fill((version.map(|version| version.0), 0));
            let shard = |id| head.layout.shard_of(shared::ShardLayout::hash(head.layout.seed, id));
            assert!(
                head.layout.shards == 1 || shard(LASTING[0]) != shard(LASTING[1]),
                "both clients are in one shard"
            );
            for (vm, number) in state.vms.iter_mut().zip(0..) {
                vm.history = if vm.owner().is_some() { 1 } else { 2 + number };
            }
        }
        state
    }

    /// Ticks of all VMs, one after another, whose requests are answered.
    fn round(&mut self, scenario: &Scenario, elapsed: u64) {
        for vm in 0..self.vms.len() {
            let Some(before) = self.vms[vm].snapshot.clone() else { continue };
            let mut snapshot = Snapshot::clone(&before);
            if let Some(answer) = self.vms[vm].answer.take() {
                answer.deliver(&mut snapshot);
                self.vms[vm].reading = answer.list;
            }
            let operation = Operation::Tick { elapsed, pieces: usize::MAX, now: self.now };
            let finished = if scenario.mutation.is_none() {
                operation.run(&mut snapshot, &mut self.data)
            } else {
                self.vms[vm].snapshot = Some(Rc::new(snapshot));
                let (after, finished) = self.at_once(scenario, vm, operation);
                snapshot = after;
                finished
            };
            self.vms[vm].commit(snapshot, scenario.mutation);
            if let Finished::Tick(TickOutcome { request: Some(request), .. }) = finished {
                self.vms[vm].answer = Some(Rc::new(Answer::to(&request, self.list, scenario)));
            }
        }
    }

    /// A whole operation with the mutation of the scenario.
    fn at_once(
        &mut self,
        scenario: &Scenario,
        vm: usize,
        operation: Operation,
    ) -> (Snapshot, Finished) {
        let mut results: Vec<AccessResult> = Vec::new();
        loop {
            match self.vms[vm].repeat(operation, &results) {
                Ok(done) => return done,
                Err(access) => {
                    let result = Mutation::perform(
                        scenario.mutation,
                        &self.vms[vm],
                        operation,
                        &results,
                        &access,
                        &mut self.data,
                    );
                    self.vms[vm].note(&result);
                    results.push(result);
                }
            }
        }
    }

    /// What a VM that is between two operations would answer now.
    fn ask(&self, scenario: &Scenario, vm: usize, client_id: &'static str) -> (Found, Option<u64>) {
        let operation = Operation::Find(client_id, self.now);
        let is_changed = scenario.mutation.is_some_and(Mutation::is_of_requests);
        let (after, finished) = if !is_changed {
            let mut copy = Snapshot::clone(self.vms[vm].snapshot.as_ref().expect("alive"));
            let finished = operation.run(&mut copy, &mut self.data.clone());
            (copy, finished)
        } else {
            self.clone().at_once(scenario, vm, operation)
        };
        match finished {
            Finished::Find(found) => (found, after.list.head().map(|head| head.generation)),
            other => panic!("not a find: {other:?}"),
        }
    }

    /// The invariants of one answer, by a VM that uses the list of this generation.
    fn check_answer(
        &self,
        scenario: &Scenario,
        client_id: &str,
        found: &Found,
        generation: Option<u64>,
    ) -> Checked<()> {
        let answered = version(found);
        if answered == Some(None) && LASTING.contains(&client_id) {
            return Err((Invariant::NoLostClient, format!("{client_id} is unregistered")));
        }
        let list = generation.and_then(|generation| self.lists.get(&generation)).copied();
        let is_of_list = match answered {
            None => true,
            Some(Some(found)) => Some(found) == list,
            Some(None) => list.is_some_and(|list| client_id != ONLY[list]),
        };
        if !is_of_list && (scenario.pages == 1 || scenario.generation_header) {
            let what = format!("{client_id} is {answered:?} in list {list:?} ({generation:?})");
            return Err((Invariant::OneList, what));
        }
        Ok(())
    }

    /// Whether all VMs use the newest list, and one of them has the lease.
    fn has_converged(&self, scenario: &Scenario) -> bool {
        let holders = self.vms.iter().filter(|vm| vm.owner().is_some()).count();
        holders == 1
            && (0..self.vms.len()).filter(|vm| self.vms[*vm].is_alive()).all(|vm| {
                let is_current =
                    |id| version(&self.ask(scenario, vm, id).0) == Some(Some(self.list));
                LASTING.into_iter().chain([ONLY[self.list]]).all(is_current)
                    && ONLY.into_iter().all(|only| {
                        only == ONLY[self.list]
                            || version(&self.ask(scenario, vm, only).0) == Some(None)
                    })
            })
    }

    /// Lets the VMs that are alive go on without faults.
    fn converge(mut self, scenario: &Scenario) -> Checked<()> {
        if self.vms.iter().all(|vm| !vm.is_alive()) {
            return Ok(());
        }
        self.now = START;
        for _ in 0..ROUNDS {
            if self.has_converged(scenario) {
                return Ok(());
            }
            self.round(scenario, 1_000);
        }
        let holders = self.vms.iter().filter(|vm| vm.owner().is_some()).count();
        if holders > 1 {
            return Err((Invariant::OneFetcher, format!("after {ROUNDS} s {holders} VMs fetch")));
        }
        let uses: Vec<_> = self.vms.iter().map(Vm::generation).collect();
        Err((Invariant::NoOldList, format!("after {ROUNDS} s the VMs use {uses:?}")))
    }

    /// The invariants that every state has.
    fn check(&self, scenario: &Scenario) -> Checked<()> {
        let owners: Vec<_> = self.vms.iter().filter_map(Vm::owner).collect();
        if let Some(owner) =
            owners.iter().find(|owner| owners.iter().filter(|other| other == owner).count() > 1)
        {
            return Err((Invariant::OneFetcher, format!("two holders have the number {owner}")));
        }
        // An access that reads changes the answers of no VM.
        if self.last.is_some_and(|(vm, wrote)| !wrote && self.vms[vm].running.is_some()) {
            return Ok(());
        }
        for (number, vm) in self.vms.iter().enumerate() {
            if !vm.is_alive() || vm.running.is_some() {
                continue;
            }
            for client_id in LASTING.into_iter().chain(ONLY.into_iter().take(self.list + 1)) {
                let (found, generation) = self.ask(scenario, number, client_id);
                self.check_answer(scenario, client_id, &found, generation)?;
            }
        }
        Ok(())
    }

    fn next(&self, label: impl FnOnce() -> String) -> Self {
        let trace = Some(Rc::new(Trace(label(), self.trace.clone())));
        Self { trace, ..self.clone() }
    }

    /// All that can happen next.
    fn successors(&self, scenario: &Scenario, stack: &mut Vec<Self>) -> Checked<()> {
        let stalled = self.last.filter(|(vm, _)| self.vms[*vm].running.is_some());
        for number in 0..self.vms.len() {
            let vm = &self.vms[number];
            if !vm.is_alive() {
                if self.budget.starts > 0 {
                    let mut state = self.next(|| format!("VM {number} starts"));
                    state.budget.starts -= 1;
                    let new = &mut state.vms[number];
                    new.snapshot = Some(Rc::new(started(scenario)));
                    new.history = 1 << 32 | u64::from(state.budget.starts);
                    state.silences[number] = (None, 0);
                    stack.push(state);
                }
                continue;
            }
            // A VM that stops after a read, or without an access, leaves the same behind as one
            // that stops before.
            let has_written = self.last.is_none() || self.last == Some((number, true));
            if self.budget.crashes > 0 && has_written {
                let mut state = self.next(|| format!("VM {number} stops"));
                state.budget.crashes -= 1;
                state.vms[number].end();
                state.last = None;
                stack.push(state);
            }
            let is_switch = stalled.is_some_and(|(other, _)| other != number);
            let mut base = self.clone();
            if is_switch && let Some(stalls) = &mut base.budget.stalls {
                match stalls.checked_sub(1) {
                    Some(left) => *stalls = left,
                    None => continue,
                }
            }
            if vm.running.is_some() {
                stack.push(base.access(scenario, number)?);
                continue;
            }
            if vm.ticks > 0 {
                for &elapsed in scenario.elapsed {
                    for &pieces in scenario.pieces {
                        let mut state = base.clone();
                        state.vms[number].ticks -= 1;
                        let tick = Operation::Tick { elapsed, pieces, now: state.now };
                        stack.push(state.start(scenario, number, tick)?);
                    }
                }
            }
            if self.budget.finds > 0 {
                for client_id in [LASTING[0], LASTING[1], ONLY[0]] {
                    let mut state = base.clone();
                    state.budget.finds -= 1;
                    let find = Operation::Find(client_id, state.now);
                    stack.push(state.start(scenario, number, find)?);
                }
            }
            if self.budget.releases > 0 {
                let mut state = base.clone();
                state.budget.releases -= 1;
                stack.push(state.start(scenario, number, Operation::Release)?);
            }
            if let Some(answer) = &vm.answer {
                let mut state = self.next(|| format!("VM {number} gets {answer:?}"));
                state.deliver(number, answer);
                stack.push(state);
                if self.budget.failures > 0 {
                    let mut state = self.next(|| format!("VM {number} gets no answer"));
                    state.budget.failures -= 1;
                    state.deliver(number, &Answer::NONE);
                    stack.push(state);
                }
            }
        }
        if self.budget.changes > 0 {
            let mut state = self.next(|| format!("list {}", self.list + 1));
            state.budget.changes -= 1;
            state.list += 1;
            stack.push(state);
        }
        if self.budget.jumps > 0 {
            for now in [0, self.now + JUMP] {
                let mut state = self.next(|| format!("the clock is set to {now}"));
                state.budget.jumps -= 1;
                state.now = now;
                stack.push(state);
            }
        }
        Ok(())
    }

    fn deliver(&mut self, number: usize, answer: &Answer) {
        let vm = &mut self.vms[number];
        let mut snapshot = Snapshot::clone(vm.snapshot.as_ref().expect("a VM that is not dead"));
        answer.deliver(&mut snapshot);
        vm.note(answer);
        vm.reading = answer.list;
        vm.answer = None;
        vm.snapshot = Some(Rc::new(snapshot));
    }

    /// Begins an operation, up to its first access.
    fn start(mut self, scenario: &Scenario, number: usize, operation: Operation) -> Checked<Self> {
        let trace = Trace(format!("VM {number} begins {operation:?}"), self.trace.take());
        self.trace = Some(Rc::new(trace));
        let owners = vec![self.data.owner()];
        let generation = self.data.head().map(|head| head.generation);
        match self.vms[number].repeat(operation, &[]) {
            Err(next) => {
                let results = Vec::new();
                self.vms[number].running =
                    Some(Running { operation, results, next, owners, generation });
                self.access(scenario, number)
            }
            Ok((after, finished)) => {
                self.finish(scenario, number, operation, after, finished, &owners)?;
                Ok(self)
            }
        }
    }

    /// Carries out the next access of a VM.
    fn access(mut self, scenario: &Scenario, number: usize) -> Checked<Self> {
        let mut running = self.vms[number].running.take().expect("an operation under way");
        let access = running.next.clone();
        self.check_access(scenario, number, &running)?;
        let holder = self.data.owner();
        let before = self.data.head().map_or((0, 0), |head| (head.generation, head.attempt));
        let result = Mutation::perform(
            scenario.mutation,
            &self.vms[number],
            running.operation,
            &running.results,
            &access,
            &mut self.data,
        );
        let written = matches!(result, AccessResult::Written(true));
        let trace = Trace(format!("  VM {number}: {}", described(&access, &result)), self.trace);
        self.trace = Some(Rc::new(trace));
        self.last = Some((number, written));
        if let (Access::Write(Key::Lease, ..), true) = (&access, written) {
            let owner = self.data.owner();
            let silent = u128::from(self.silences[number].1);
            let is_taken = holder != 0 && owner != holder && owner != 0;
            if is_taken && silent < limits::LEASE_SILENCE.as_millis() {
                let what = format!("VM {number} takes the lease after {silent} ms");
                return Err((Invariant::OneFetcher, what));
            }
            running.owners.push(owner);
            let others = self.vms.iter_mut().filter_map(|vm| vm.running.as_mut());
            others.for_each(|other| other.owners.push(owner));
        }
        if let (Access::Write(Key::Head, ..), true) = (&access, written) {
            let (generation, attempt) = before;
            let new = self.data.head().expect("a head");
            if new.generation != generation {
                self.lists.insert(new.generation, self.vms[number].reading);
            }
            if new.generation < generation || new.attempt < attempt {
                let what = format!("{} follows {generation}", new.generation);
                return Err((Invariant::ListsOnlyFollow, what));
            }
        }
        running.results.push(result);
        match self.vms[number].repeat(running.operation, &running.results) {
            Err(next) => {
                running.next = next;
                self.vms[number].running = Some(running);
            }
            Ok((after, finished)) => {
                let Running { operation, results, owners, .. } = running;
                self.vms[number].note(&(operation, results));
                self.finish(scenario, number, operation, after, finished, &owners)?;
            }
        }
        Ok(self)
    }

    /// The invariants of one access.
    fn check_access(
        &mut self,
        scenario: &Scenario,
        number: usize,
        running: &Running,
    ) -> Checked<()> {
        let head = self.data.head();
        match &running.next {
            Access::Write(Key::Shard(slot, shard), ..) => {
                let place =
                    |slot, shard| Mutation::place_of(scenario.mutation, Key::Shard(slot, shard));
                if let Some(head) = head
                    && place(head.slot as u8, *shard) == place(*slot, *shard)
                    && running.generation == Some(head.generation)
                    && *shard < head.layout.shards
                {
                    let what =
                        format!("VM {number} writes to shard {shard} of {}", head.generation);
                    return Err((Invariant::ListStays, what));
                }
            }
            Access::Read(Key::Lease) => {
                // The first read of the lease in a tick is where a VM measures.
                let Operation::Tick { elapsed, .. } = running.operation else { return Ok(()) };
                let is_first = running.results.len() == 1;
                let version = self.data.get(Key::Lease).and_then(|(_, version)| version);
                let version = version.map(|version| version.0);
                let (seen, silent) = &mut self.silences[number];
                if is_first {
                    *silent = if *seen == version { *silent + elapsed } else { 0 };
                    *seen = version;
                }
            }
            Access::Read(_) | Access::Write(Key::Head | Key::Lease, ..) => {}
        }
        Ok(())
    }

    fn finish(
        &mut self,
        scenario: &Scenario,
        number: usize,
        operation: Operation,
        after: Snapshot,
        finished: Finished,
        owners: &[u64],
    ) -> Checked<()> {
        let before = self.vms[number].generation();
        self.vms[number].commit(after, scenario.mutation);
        let vm = &mut self.vms[number];
        match finished {
            Finished::Tick(TickOutcome { request, .. }) => {
                if let Some(owner) = vm.owner().filter(|owner| !owners.contains(owner)) {
                    let what = format!("VM {number} works as {owner}, the holders were {owners:?}");
                    return Err((Invariant::OneFetcher, what));
                }
                if let Some(request) = request {
                    vm.answer = Some(Rc::new(Answer::to(&request, self.list, scenario)));
                }
            }
            Finished::Find(found) => {
                let Operation::Find(client_id, _) = operation else { panic!("not a find") };
                let generation = vm.generation();
                self.check_answer(scenario, client_id, &found, generation)?;
            }
            Finished::Release => vm.end(),
        }
        let vm = &self.vms[number];
        if vm.is_alive() && vm.generation() < before {
            let what = format!("VM {number} goes from {before:?} to {:?}", vm.generation());
            return Err((Invariant::ListsOnlyFollow, what));
        }
        Ok(())
    }
}

impl Vm {
    fn end(&mut self) {
        (self.snapshot, self.running, self.answer) = (None, None, None);
        self.history = 0;
    }
}

/// The number of the list that an answer is from: `Some(None)` = the client is unregistered,
/// `None` = no answer.
fn version(found: &Found) -> Option<Option<usize>> {
    match found {
        Ok(Registration::Registered(client)) => {
            let subject = format!("{:?}", client.method().expected_subject().expect("a subject"));
            let lists = (0..ONLY.len()).filter(|list| subject.contains(&format!("v{list}")));
            let lists: Vec<_> = lists.collect();
            assert_eq!(lists.len(), 1, "{subject}");
            Some(lists.first().copied())
        }
        Ok(Registration::Unregistered) => Some(None),
        Ok(found @ (Registration::Unusable(_) | Registration::Doubtful)) => {
            panic!("an unusable client: {found:?}")
        }
        Err(_) => None,
    }
}

fn described(access: &Access, result: &AccessResult) -> String {
    let head = |octets: &[u8]| match shared::ListHead::decode(octets) {
        Some(head) => format!("{} in {:?}", head.generation, head.slot),
        None => format!("{} octets", octets.len()),
    };
    match (access, result) {
        (Access::Read(key), AccessResult::Read(value)) => {
            let value = value.as_ref().map(|(value, version)| (head(value), version));
            format!("reads {key:?}: {value:?}")
        }
        (Access::Write(key, value, expected), AccessResult::Written(written)) => {
            format!("writes {key:?}: {} (expects {expected:?}): {written}", head(value))
        }
        _ => String::new(),
    }
}
