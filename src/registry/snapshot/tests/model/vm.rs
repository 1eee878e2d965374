//! One VM whose operations are carried out one access to shared data at a time.
//!
//! An operation is a function of the VM before it and of what its accesses gave. So an operation
//! that is under way is only the list of these results: for each further access it is repeated from
//! its beginning on a copy, up to the access that has no result yet.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::super::super::*;
use super::mutation::Mutation;

/// A value in shared data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Lease,
    Head,
    Shard(u8, u32),
}

impl Key {
    fn of(text: &str) -> Self {
        let mut parts = text.rsplit('/');
        match (parts.next(), parts.next()) {
            (Some("lease"), _) => Self::Lease,
            (Some("head"), _) => Self::Head,
            (Some(shard), Some(slot)) => Self::Shard(slot.parse().unwrap(), shard.parse().unwrap()),
            _ => panic!("an unknown key: {text}"),
        }
    }
}

/// The shared data of the process. Versions are counted for each key, so that two accesses to
/// different keys lead to the same state in either order.
#[derive(Clone, Default, Hash)]
pub(super) struct Data(pub(super) BTreeMap<Key, (Rc<[u8]>, u32)>);

impl Data {
    pub(super) fn get(&self, key: Key) -> Option<(Vec<u8>, Option<Version>)> {
        self.0.get(&key).map(|(value, version)| (value.to_vec(), Some(Version(*version))))
    }

    pub(super) fn put(&mut self, key: Key, value: &[u8], expected: Option<Version>) -> bool {
        let current = self.0.get(&key).map(|(_, version)| *version);
        if let (Some(current), Some(Version(expected))) = (current, expected)
            && current != expected
        {
            return false;
        }
        self.0.insert(key, (value.into(), current.unwrap_or(0) + 1));
        true
    }

    pub(super) fn owner(&self) -> u64 {
        let owner = |(value, _): &(Rc<[u8]>, u32)| codec::Reader(value).u64();
        self.0.get(&Key::Lease).and_then(owner).unwrap_or(0)
    }

    pub(super) fn head(&self) -> Option<shared::ListHead> {
        self.0.get(&Key::Head).map(|(value, _)| shared::ListHead::decode(value).unwrap())
    }
}

/// Shared data whose accesses are carried out at once.
impl SharedData for Data {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        self.get(Key::of(key))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        self.put(Key::of(key), value, expected)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Read(Key),
    Write(Key, Vec<u8>, Option<u32>),
}

#[derive(Clone, Debug, Hash)]
pub(super) enum AccessResult {
    Read(Option<(Vec<u8>, Option<u32>)>),
    Written(bool),
}

/// Gives the known results, and notes the first access that has none.
struct Replay<'a> {
    known: std::slice::Iter<'a, AccessResult>,
    next: Option<Access>,
}

impl SharedData for Replay<'_> {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        match self.known.next() {
            Some(AccessResult::Read(value)) => {
                value.clone().map(|(value, version)| (value, version.map(Version)))
            }
            Some(AccessResult::Written(_)) => panic!("a tick is not repeated as it was"),
            None => {
                self.next.get_or_insert_with(|| Access::Read(Key::of(key)));
                None
            }
        }
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        match self.known.next() {
            Some(AccessResult::Written(written)) => *written,
            Some(AccessResult::Read(_)) => panic!("a tick is not repeated as it was"),
            None => {
                let expected = expected.map(|Version(version)| version);
                let access = Access::Write(Key::of(key), value.to_vec(), expected);
                self.next.get_or_insert(access);
                false
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    /// A tick that measures `elapsed` milliseconds since the one before, and has the time for so
    /// many pieces of work.
    Tick { elapsed: u64, pieces: usize, now: u64 },
    /// A request that names this client.
    Find(&'static str, u64),
    /// The end of a VM that its host ends.
    Release,
}

#[derive(Debug)]
pub(super) enum Finished {
    Tick(TickOutcome),
    Find(Result<Registration, RegistryFault>),
    Release,
}

impl Operation {
    pub(super) fn run(&self, vm: &mut Snapshot, shared: &mut dyn SharedData) -> Finished {
        match *self {
            Self::Tick { elapsed, pieces, now } => {
                let mut left = pieces;
                let mut has_time = || {
                    left = left.saturating_sub(1);
                    left > 0
                };
                let elapsed = Duration::from_millis(elapsed);
                let outcome = vm.tick(elapsed, now, shared, &mut has_time);
                vm.take_events();
                Finished::Tick(outcome)
            }
            Self::Find(client_id, now) => Finished::Find(vm.find(client_id, &|| now, shared)),
            Self::Release => {
                vm.release(shared);
                Finished::Release
            }
        }
    }
}

/// An operation that is under way.
#[derive(Clone, Hash)]
pub(super) struct Running {
    pub(super) operation: Operation,
    pub(super) results: Vec<AccessResult>,
    pub(super) next: Access,
    /// Who has had the lease since the operation began.
    pub(super) owners: Vec<u64>,
    /// The generation of the list that was in force when it began.
    pub(super) generation: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Vm {
    /// The VM between two operations; `None` = it is dead.
    pub(super) snapshot: Option<Rc<Snapshot>>,
    pub(super) running: Option<Running>,
    /// The answer to the request that this VM has sent, on its way.
    pub(super) answer: Option<Rc<super::registry::Answer>>,
    /// The number of the list of the last answer.
    pub(super) reading: usize,
    pub(super) ticks: u8,
    /// Digest of all that this VM has done and received. Two VMs of one digest are equal.
    pub(super) history: u64,
}

impl Hash for Vm {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.snapshot.is_some().hash(hasher);
        self.running.hash(hasher);
        self.answer.hash(hasher);
        (self.ticks, self.history, self.reading).hash(hasher);
    }
}

impl Vm {
    pub(super) fn is_alive(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Repeats the operation up to the access without a result, or to its end.
    pub(super) fn repeat(
        &self,
        operation: Operation,
        results: &[AccessResult],
    ) -> Result<(Snapshot, Finished), Access> {
        let mut copy = Snapshot::clone(self.snapshot.as_ref().expect("a VM that is not dead"));
        let mut replay = Replay { known: results.iter(), next: None };
        let finished = operation.run(&mut copy, &mut replay);
        match replay.next {
            Some(access) => Err(access),
            None => {
                assert!(replay.known.next().is_none(), "a tick is not repeated as it was");
                Ok((copy, finished))
            }
        }
    }

    pub(super) fn note(&mut self, what: &impl Hash) {
        let mut hasher = std::hash::DefaultHasher::new();
        self.history.hash(&mut hasher);
        what.hash(&mut hasher);
        self.history = hasher.finish();
    }

    pub(super) fn owner(&self) -> Option<u64> {
        self.snapshot.as_ref()?.refresh.lease.owner()
    }

    /// The generation of the list that this VM uses.
    pub(super) fn generation(&self) -> Option<u64> {
        self.snapshot.as_ref()?.list.head().map(|head| head.generation)
    }

    /// What becomes of an operation, if `mutation` changes that.
    pub(super) fn commit(&mut self, mut after: Snapshot, mutation: Option<Mutation>) {
        if mutation == Some(Mutation::ClientsAreNotForgotten)
            && let Some(before) = &self.snapshot
        {
            for (client_id, registration) in before.list.remembered.iter() {
                after.list.remembered.put(client_id.clone(), registration.clone());
            }
        }
        self.snapshot = Some(Rc::new(after));
    }
}
