//! Which VM of the process fetches: a lease in shared data that its holder renews.
//!
//! No clock is read. A VM that wants the lease observes it, and takes it when it has not been
//! renewed for [`limits::LEASE_SILENCE`]. So a clock that jumps takes the lease from no VM, and a
//! VM that is dead loses it.

use std::time::Duration;

use super::codec::{Reader, Writer};
use super::shared::{SharedData, Version};
use crate::limits;

/// One VM's view of the lease.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    key: String,
    /// The period of this VM's registry.
    refresh: Duration,
    view: LeaseView,
}

#[derive(Clone, Debug)]
enum LeaseView {
    /// Another VM or no VM has the lease. `seen` = the version that was read last; `unchanged` =
    /// for how long the lease has had this version.
    Observing { seen: Option<Version>, unchanged: Duration },
    /// This VM has the lease as `owner`, and last renewed it `since_renewal` ago.
    Held { owner: u64, since_renewal: Duration },
}

/// The lease as it is stored.
#[derive(Clone, Copy)]
struct StoredLease {
    /// The number of the write by which the holder took the lease; 0 = vacant.
    owner: u64,
    refresh_millis: u64,
    /// Counts the writes.
    writes: u32,
}

impl StoredLease {
    fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        Some(Self { owner: reader.u64()?, refresh_millis: reader.u64()?, writes: reader.u32()? })
    }

    fn encode(self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(self.owner);
        writer.u64(self.refresh_millis);
        writer.u32(self.writes);
        writer.0
    }

    /// The number of the write that replaces this value, whose version is `replaced`. No other
    /// write of the lease has it: each version is replaced once, and the count of writes
    /// distinguishes versions that are equal because the host's counter overflowed. Nothing else
    /// distinguishes VMs that start in the same nanosecond.
    fn number(&self, replaced: Version) -> u64 {
        u64::from(self.writes) << 32 | u64::from(replaced.0)
    }
}

impl Lease {
    pub(crate) fn new(key: String, refresh: Duration) -> Self {
        Self { key, refresh, view: LeaseView::Observing { seen: None, unchanged: Duration::ZERO } }
    }

    /// Renews or takes the lease where that is due. `elapsed` = the time since the last call.
    /// Returns whether this VM has the lease now.
    pub(crate) fn tick(&mut self, elapsed: Duration, shared: &mut dyn SharedData) -> bool {
        let Some((stored, Some(version))) = self.stored(shared) else {
            // It only creates a vacant lease, which is then taken by its version.
            let vacant = StoredLease { owner: 0, refresh_millis: 0, writes: 0 };
            shared.write(&self.key, &vacant.encode(), Some(Version::OF_NO_VALUE));
            self.observe();
            return false;
        };
        let (seen, unchanged) = match self.view {
            LeaseView::Held { owner, since_renewal } if stored.owner == owner => {
                let since_renewal = since_renewal + elapsed;
                self.view = LeaseView::Held { owner, since_renewal };
                return since_renewal < limits::LEASE_BEAT
                    || self.write(owner, stored, version, shared);
            }
            // It is lost, and what this VM was doing for it is over, even if it is vacant now.
            LeaseView::Held { .. } => {
                self.observe();
                return false;
            }
            LeaseView::Observing { seen, unchanged } => (seen, unchanged),
        };
        let unchanged = if seen == Some(version) { unchanged + elapsed } else { Duration::ZERO };
        self.view = LeaseView::Observing { seen: Some(version), unchanged };
        // Filters with the same registry may have different periods. The VM with the shorter period
        // takes the lease, because its lists are recent enough for all.
        let is_slower = u128::from(stored.refresh_millis) > self.refresh.as_millis();
        (stored.owner == 0 || is_slower || unchanged >= limits::LEASE_SILENCE)
            && self.write(stored.number(version), stored, version, shared)
    }

    /// A number for a list that no other list has, so that a shard that a dead VM has left behind
    /// is never used as a part of it; `None` = the lease is lost.
    pub(crate) fn next_generation(&mut self, shared: &mut dyn SharedData) -> Option<u64> {
        let LeaseView::Held { owner, .. } = self.view else { return None };
        let (stored, version) = self.stored(shared)?;
        let version = version?;
        (stored.owner == owner && self.write(owner, stored, version, shared))
            .then(|| stored.number(version))
    }

    /// No later [`Lease::next_generation`] of any VM is below this number, and all earlier ones
    /// are; 0 = there is no lease yet.
    pub(crate) fn next_number(&self, shared: &mut dyn SharedData) -> u64 {
        match self.stored(shared) {
            Some((stored, Some(version))) => stored.number(version),
            _ => 0,
        }
    }

    /// Makes the lease vacant, if this VM has it.
    pub(crate) fn release(&mut self, shared: &mut dyn SharedData) {
        if let LeaseView::Held { owner, .. } = self.view
            && let Some((stored, Some(version))) = self.stored(shared)
            && stored.owner == owner
        {
            let vacant = StoredLease { owner: 0, ..stored };
            shared.write(&self.key, &vacant.encode(), Some(version));
        }
        self.observe();
    }

    /// As whom this VM has the lease, as far as it knows.
    #[cfg(test)]
    pub(super) fn owner(&self) -> Option<u64> {
        if let LeaseView::Held { owner, .. } = self.view { Some(owner) } else { None }
    }

    fn observe(&mut self) {
        self.view = LeaseView::Observing { seen: None, unchanged: Duration::ZERO };
    }

    fn stored(&self, shared: &mut dyn SharedData) -> Option<(StoredLease, Option<Version>)> {
        let (octets, version) = shared.read(&self.key)?;
        Some((StoredLease::decode(&octets)?, version))
    }

    /// Takes or renews the lease, unless another VM has written it since it was read.
    fn write(
        &mut self,
        owner: u64,
        stored: StoredLease,
        version: Version,
        shared: &mut dyn SharedData,
    ) -> bool {
        let refresh_millis = u64::try_from(self.refresh.as_millis()).unwrap_or(u64::MAX);
        let mine = StoredLease { owner, refresh_millis, writes: stored.writes.wrapping_add(1) };
        let is_held = shared.write(&self.key, &mine.encode(), Some(version));
        if is_held {
            self.view = LeaseView::Held { owner, since_renewal: Duration::ZERO };
        } else {
            self.observe();
        }
        is_held
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Process;
    use super::*;

    const TICK: Duration = Duration::from_millis(250);

    fn lease(refresh: u64) -> Lease {
        Lease::new("lease".to_owned(), Duration::from_secs(refresh))
    }

    /// A change of this format raises `shared::FORMAT_VERSION`.
    #[test]
    fn the_format_of_a_stored_lease() {
        let stored = StoredLease { owner: 1, refresh_millis: 2, writes: 3 }.encode();
        assert_eq!(stored, [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
    }

    /// The version alone does not: the host counts it in 32 bits.
    #[test]
    fn the_count_of_writes_distinguishes_equal_versions() {
        let stored = StoredLease { owner: 1, refresh_millis: 2, writes: 3 };
        assert_eq!(stored.number(Version(4)), 0x0000_0003_0000_0004);
    }

    #[test]
    fn a_later_list_has_at_least_the_number_that_is_next_now() {
        let mut process = Process::default();
        let (mut first, second) = (lease(60), lease(60));
        assert_eq!(first.next_number(&mut process), 0, "there is no lease yet");
        while !first.tick(TICK, &mut process) {}
        let mut before = 0;
        for _ in 0..3 {
            let next = second.next_number(&mut process);
            assert!(next > before);
            before = first.next_generation(&mut process).unwrap();
            assert!(before >= next, "a list of this VM, as seen by another one");
        }
    }

    #[test]
    fn a_holder_renews_the_lease_every_half_second() {
        let mut process = Process::default();
        let mut holder = lease(60);
        while !holder.tick(TICK, &mut process) {}
        let mut renewed = Vec::new();
        for elapsed in [TICK, TICK, TICK, TICK, limits::LEASE_BEAT * 3, TICK] {
            let (_, before) = process.read("lease").unwrap();
            assert!(holder.tick(elapsed, &mut process));
            renewed.push(process.read("lease").unwrap().1 != before);
        }
        assert_eq!(renewed, [false, true, false, true, true, false]);
    }

    #[test]
    fn one_of_many_vms_has_the_lease_and_keeps_it() {
        let mut process = Process::default();
        let mut vms: Vec<_> = (1..=6).map(|_| lease(60)).collect();
        let mut holders = Vec::new();
        for _ in 0..100 {
            let held: Vec<_> =
                (0..vms.len()).filter(|number| vms[*number].tick(TICK, &mut process)).collect();
            assert!(held.len() <= 1);
            holders.extend(held);
        }
        assert!(holders.len() >= 98, "no VM had it for {} of 100 ticks", 100 - holders.len());
        holders.dedup();
        assert_eq!(holders.len(), 1, "it moved although its holder renewed it: {holders:?}");
    }

    #[test]
    fn a_holder_that_does_not_renew_the_lease_loses_it() {
        let mut process = Process::default();
        let (mut first, mut second) = (lease(60), lease(60));
        assert!(!first.tick(TICK, &mut process) && first.tick(TICK, &mut process));
        let generation = first.next_generation(&mut process);
        assert!(generation.is_some());
        let ticks = (1..100).find(|_| second.tick(TICK, &mut process)).unwrap();
        assert!((8..=10).contains(&ticks), "taken after {ticks} ticks of 250 ms");
        assert_eq!(first.next_generation(&mut process), None);
        assert!(!first.tick(TICK, &mut process));
        let generations = [
            generation,
            second.next_generation(&mut process),
            second.next_generation(&mut process),
        ];
        assert!(
            generations.iter().all(Option::is_some)
                && generations[0] != generations[1]
                && generations[1] != generations[2]
        );
    }

    #[test]
    fn no_two_owners_have_the_same_number() {
        // Otherwise a holder that lost the lease, and comes back after another VM has held and
        // released it, could take the lease of a third VM for its own.
        let mut process = Process::default();
        let mut owners = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut vm = lease(60);
            while !vm.tick(TICK, &mut process) {}
            let LeaseView::Held { owner, .. } = vm.view else { panic!("it has the lease") };
            assert!(owner > 0 && owners.insert(owner));
            vm.release(&mut process);
        }
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let mut process = Process::default();
        let (mut first, mut second) = (lease(60), lease(60));
        first.tick(TICK, &mut process);
        assert!(first.tick(TICK, &mut process) && !second.tick(TICK, &mut process));
        second.release(&mut process);
        assert!(first.tick(TICK, &mut process), "a VM without the lease releases nothing");
        first.release(&mut process);
        assert!(second.tick(TICK, &mut process) && !first.tick(TICK, &mut process));
    }

    #[test]
    fn the_vm_with_the_shorter_period_has_the_lease() {
        let mut process = Process::default();
        let (mut slow, mut fast) = (lease(60), lease(1));
        slow.tick(TICK, &mut process);
        assert!(slow.tick(TICK, &mut process) && fast.tick(TICK, &mut process));
        for _ in 0..20 {
            assert!(!slow.tick(TICK, &mut process) && fast.tick(TICK, &mut process));
        }
    }

    #[test]
    fn a_late_tick_counts_with_the_time_that_has_passed() {
        // As on a stalled thread: the lease depends on `elapsed`, not on the number of ticks.
        let mut process = Process::default();
        let (mut first, mut second) = (lease(60), lease(60));
        first.tick(TICK, &mut process);
        first.tick(TICK, &mut process);
        assert!(!second.tick(TICK, &mut process));
        assert!(second.tick(limits::LEASE_SILENCE, &mut process));
    }
}
