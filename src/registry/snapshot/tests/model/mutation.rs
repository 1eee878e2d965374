//! The protocol with one rule left out. A rule is left out where a VM's accesses to shared data
//! pass, so that the code of the protocol has no switches.

use super::super::super::*;
use super::explorer::Invariant;
use super::vm::{Access, AccessResult, Data, Key, Operation, Vm};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    /// The lease is written whatever its version is.
    LeaseIsNotCompared,
    /// The lease is taken from a holder that is alive.
    LeaseIsTakenAtOnce,
    /// A holder that is silent keeps the lease.
    LeaseLastsForever,
    /// A holder does not look whether it still has the lease.
    LostLeaseIsNotNoticed,
    /// The switch does not read again which list is in force.
    HeadIsNotReadAgain,
    /// The head is written whatever its version is.
    HeadIsNotCompared,
    /// The first head of a process is written even if there is one meanwhile.
    FirstHeadIsNotCompared,
    /// The next list is written where the list in force is.
    OneSlot,
    /// A request takes a shard of whatever list.
    GenerationIsNotChecked,
    /// A request takes a missing shard for an empty one.
    MissingShardIsEmpty,
    /// A tick does not read which list is in force.
    HeadIsReadOnce,
    /// Clients that a VM has decoded outlive the list.
    ClientsAreNotForgotten,
    /// Pages count without agreement of two readings. (Made by the scenario.)
    ReadingsNeedNotAgree,
    /// Pages count though their generation headers differ. (Made by the scenario.)
    GenerationHeaderIsIgnored,
}

impl Mutation {
    /// All mutations, each with the scenario that finds it and the invariant that fails.
    pub(super) const ALL: [(Self, &str, Invariant); 14] = [
        (Self::LeaseIsNotCompared, "two VMs, one stops", Invariant::OneFetcher),
        (Self::LeaseIsTakenAtOnce, "two VMs, one stops", Invariant::OneFetcher),
        (Self::LeaseLastsForever, "two VMs, one stops", Invariant::NoOldList),
        (Self::LostLeaseIsNotNoticed, "two VMs, one stops", Invariant::OneFetcher),
        (Self::HeadIsNotReadAgain, "a VM that stalls", Invariant::ListsOnlyFollow),
        (Self::HeadIsNotCompared, "a VM that stalls", Invariant::ListsOnlyFollow),
        (Self::FirstHeadIsNotCompared, "the first list", Invariant::ListsOnlyFollow),
        (Self::OneSlot, "requests", Invariant::ListStays),
        (Self::GenerationIsNotChecked, "a VM that misses lists", Invariant::OneList),
        (Self::MissingShardIsEmpty, "requests", Invariant::NoLostClient),
        (Self::HeadIsReadOnce, "requests", Invariant::NoOldList),
        (Self::ClientsAreNotForgotten, "requests", Invariant::OneList),
        (Self::ReadingsNeedNotAgree, "pages that are read twice", Invariant::NoLostClient),
        (Self::GenerationHeaderIsIgnored, "pages of one generation", Invariant::OneList),
    ];

    /// Whether it changes what requests read.
    pub(super) fn is_of_requests(self) -> bool {
        matches!(self, Self::OneSlot | Self::GenerationIsNotChecked | Self::MissingShardIsEmpty)
    }

    /// Carries out one access of a VM. `earlier` = what the accesses of the same operation gave.
    pub(super) fn perform(
        mutation: Option<Self>,
        vm: &Vm,
        operation: Operation,
        earlier: &[AccessResult],
        access: &Access,
        data: &mut Data,
    ) -> AccessResult {
        let key_of = |key| Self::place_of(mutation, key);
        match access {
            Access::Write(key, value, expected) => {
                let expected = expected.map(Version).filter(|version| match mutation {
                    Some(Self::LeaseIsNotCompared) => *key != Key::Lease,
                    Some(Self::HeadIsNotCompared) => *key != Key::Head,
                    Some(Self::FirstHeadIsNotCompared) => {
                        *key != Key::Head || *version != Version::OF_NO_VALUE
                    }
                    _ => true,
                });
                AccessResult::Written(data.put(key_of(*key), value, expected))
            }
            Access::Read(key) => {
                let mut read = data.get(key_of(*key));
                if let Some(mutation) = mutation {
                    mutation.change(&mut read, *key, vm, operation, earlier);
                }
                let read = read.map(|(value, version)| (value, version.map(|version| version.0)));
                AccessResult::Read(read)
            }
        }
    }

    /// The key under which a value is stored.
    pub(super) fn place_of(mutation: Option<Self>, key: Key) -> Key {
        match key {
            Key::Shard(_, shard) if mutation == Some(Self::OneSlot) => Key::Shard(0, shard),
            key => key,
        }
    }

    /// Changes what a VM reads.
    fn change(
        self,
        read: &mut Option<(Vec<u8>, Option<Version>)>,
        key: Key,
        vm: &Vm,
        operation: Operation,
        earlier: &[AccessResult],
    ) {
        let is_tick = matches!(operation, Operation::Tick { .. });
        let owner = vm.owner();
        match (self, key, &mut *read) {
            (Self::LeaseIsTakenAtOnce, Key::Lease, Some((value, _))) => {
                let stored = codec::Reader(value).u64();
                if stored != owner
                    && let Some(stored) = value.get_mut(..8)
                {
                    stored.fill(0);
                }
            }
            (Self::LeaseLastsForever, Key::Lease, Some((_, version))) if owner.is_none() => {
                // The VM never sees the same version twice.
                *version = Some(Version(u32::MAX - 1 - (vm.history % 1_000_000) as u32));
            }
            (Self::LostLeaseIsNotNoticed, Key::Lease, Some((value, _))) => {
                if let (Some(owner), Some(stored)) = (owner, value.get_mut(..8)) {
                    stored.copy_from_slice(&owner.to_le_bytes());
                }
            }
            (Self::HeadIsNotReadAgain, Key::Head, read) if is_tick && !earlier.is_empty() => {
                if let Some(AccessResult::Read(first)) = earlier.first() {
                    let version = read.as_ref().and_then(|(_, version)| *version);
                    *read = first.clone().map(|(value, _)| (value, version));
                }
            }
            (Self::GenerationIsNotChecked, Key::Shard(..), Some((value, _))) if !is_tick => {
                if let (Some(generation), Some(stored)) = (vm.generation(), value.get_mut(..8)) {
                    stored.copy_from_slice(&generation.to_le_bytes());
                }
            }
            (Self::MissingShardIsEmpty, Key::Shard(..), read) if !is_tick => {
                let is_missing = read.as_ref().is_none_or(|(value, _)| value.is_empty());
                if let (true, Some(generation)) = (is_missing, vm.generation()) {
                    *read = Some((generation.to_le_bytes().to_vec(), Some(Version(1))));
                }
            }
            (Self::HeadIsReadOnce, Key::Head, read) if is_tick && owner.is_none() => {
                if let Some(head) = vm.snapshot.as_ref().and_then(|vm| vm.list.head()) {
                    *read = Some((head.encode(), read.as_ref().and_then(|(_, version)| *version)));
                }
            }
            _ => {}
        }
    }
}
