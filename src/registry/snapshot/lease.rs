//! Which VM of the process fetches: a lease in shared data that its holder keeps alive.
//!
//! No clock is read: whoever wants the lease watches it, and takes it when it showed no sign of
//! life for a while. So a clock that jumps makes nobody lose it, and a dead VM loses it.

use crate::limits;
use std::time::Duration;

use super::codec::{Reader, Writer};
use super::shared::{SharedData, Version};

/// One VM's view of the lease.
#[derive(Debug)]
pub(super) struct Lease {
    key: String,
    /// How often this VM would fetch.
    refresh: Duration,
    view: View,
}

#[derive(Debug)]
enum View {
    /// Somebody else has it, or nobody: the version seen last, and for how long.
    Watching { seen: Option<Version>, quiet: Duration },
    /// This VM has it, by this name; the time since its last sign of life.
    Held { owner: u64, since_beat: Duration },
}

/// The lease as it is stored.
#[derive(Clone, Copy)]
struct Stored {
    /// The number that the holder's first write had; 0 = nobody's.
    owner: u64,
    refresh_millis: u64,
    /// Counts the writes.
    beats: u32,
}

impl Stored {
    fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        Some(Self { owner: reader.u64()?, refresh_millis: reader.u64()?, beats: reader.u32()? })
    }

    fn encode(self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(self.owner);
        writer.u64(self.refresh_millis);
        writer.u32(self.beats);
        writer.0
    }

    /// A number that no other write over this lease has: a version is replaced once, and versions
    /// are told apart by the beats where the host's counter overflows. Nothing else tells VMs apart
    /// that are born in the same nanosecond.
    fn number(&self, replaced: Version) -> u64 {
        u64::from(self.beats) << 32 | u64::from(replaced.0)
    }
}

impl Lease {
    pub(super) fn new(key: String, refresh: Duration) -> Self {
        Self { key, refresh, view: View::Watching { seen: None, quiet: Duration::ZERO } }
    }

    /// `elapsed` went by since the last call; returns whether this VM has the lease now.
    pub(super) fn tick(&mut self, elapsed: Duration, shared: &mut dyn SharedData) -> bool {
        let Some((stored, Some(version))) = self.stored(shared) else {
            // The first write of a key cannot be compared and swapped. So nobody takes the lease by
            // it.
            let vacant = Stored { owner: 0, refresh_millis: 0, beats: 0 };
            shared.write(&self.key, &vacant.encode(), None);
            self.view = View::Watching { seen: None, quiet: Duration::ZERO };
            return false;
        };
        let (seen, quiet) = match self.view {
            View::Held { owner, since_beat } if stored.owner == owner => {
                let since_beat = since_beat + elapsed;
                self.view = View::Held { owner, since_beat };
                return since_beat < limits::LEASE_BEAT
                    || self.write(owner, stored, version, shared);
            }
            View::Held { .. } => (None, Duration::ZERO),
            View::Watching { seen, quiet } => (seen, quiet),
        };
        let quiet = if seen == Some(version) { quiet + elapsed } else { Duration::ZERO };
        self.view = View::Watching { seen: Some(version), quiet };
        // A VM that fetches more often does it for the others too, never the other way round.
        let is_slower = u128::from(stored.refresh_millis) > self.refresh.as_millis();
        (stored.owner == 0 || is_slower || quiet >= limits::LEASE_SILENCE)
            && self.write(stored.number(version), stored, version, shared)
    }

    /// A number for a list that no other list has, so that what a dead VM left behind is never
    /// taken for a part of it; `None` = the lease is lost.
    pub(super) fn next_generation(&mut self, shared: &mut dyn SharedData) -> Option<u64> {
        let View::Held { owner, .. } = self.view else { return None };
        let (stored, version) = self.stored(shared)?;
        let version = version?;
        (stored.owner == owner && self.write(owner, stored, version, shared))
            .then(|| stored.number(version))
    }

    /// Gives the lease up, if this VM has it.
    pub(super) fn release(&mut self, shared: &mut dyn SharedData) {
        if let View::Held { owner, .. } = self.view
            && let Some((stored, Some(version))) = self.stored(shared)
            && stored.owner == owner
        {
            let vacant = Stored { owner: 0, refresh_millis: 0, ..stored };
            shared.write(&self.key, &vacant.encode(), Some(version));
        }
        self.view = View::Watching { seen: None, quiet: Duration::ZERO };
    }

    fn stored(&self, shared: &mut dyn SharedData) -> Option<(Stored, Option<Version>)> {
        let (octets, version) = shared.read(&self.key)?;
        Some((Stored::decode(&octets)?, version))
    }

    /// Writes that this VM has it, which is a sign of life, over what was read.
    fn write(
        &mut self,
        owner: u64,
        stored: Stored,
        version: Version,
        shared: &mut dyn SharedData,
    ) -> bool {
        let refresh_millis = u64::try_from(self.refresh.as_millis()).unwrap_or(u64::MAX);
        let mine = Stored { owner, refresh_millis, beats: stored.beats.wrapping_add(1) };
        let is_held = shared.write(&self.key, &mine.encode(), Some(version));
        self.view = if is_held {
            View::Held { owner, since_beat: Duration::ZERO }
        } else {
            View::Watching { seen: None, quiet: Duration::ZERO }
        };
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

    /// Whoever changes this raises `shared::LAYOUT`.
    #[test]
    fn it_is_stored_so() {
        let stored = Stored { owner: 1, refresh_millis: 2, beats: 3 }.encode();
        assert_eq!(stored, [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
    }

    #[test]
    fn one_of_many_has_it_and_keeps_it() {
        let mut process = Process::default();
        let mut vms: Vec<_> = (1..=6).map(|_| lease(60)).collect();
        let mut holders = Vec::new();
        for _ in 0..100 {
            let held: Vec<_> =
                (0..vms.len()).filter(|number| vms[*number].tick(TICK, &mut process)).collect();
            assert!(held.len() <= 1);
            holders.extend(held);
        }
        assert!(holders.len() >= 98, "nobody had it for {} of 100 ticks", 100 - holders.len());
        holders.dedup();
        assert_eq!(holders.len(), 1, "it moved while its holder lived: {holders:?}");
    }

    #[test]
    fn a_dead_holder_loses_it_and_a_silent_one_finds_out() {
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
    fn a_name_is_never_borne_twice() {
        // A holder that was taken for dead comes back after another one held the lease and gave it
        // up.
        let mut process = Process::default();
        let mut owners = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut vm = lease(60);
            while !vm.tick(TICK, &mut process) {}
            let View::Held { owner, .. } = vm.view else { panic!("it has the lease") };
            assert!(owner > 0 && owners.insert(owner));
            vm.release(&mut process);
        }
    }

    #[test]
    fn released_it_is_taken_at_once() {
        let mut process = Process::default();
        let (mut first, mut second) = (lease(60), lease(60));
        first.tick(TICK, &mut process);
        assert!(first.tick(TICK, &mut process) && !second.tick(TICK, &mut process));
        second.release(&mut process);
        assert!(first.tick(TICK, &mut process), "who does not have it gives nothing up");
        first.release(&mut process);
        assert!(second.tick(TICK, &mut process) && !first.tick(TICK, &mut process));
    }

    #[test]
    fn the_one_that_refreshes_more_often_has_it() {
        let mut process = Process::default();
        let (mut slow, mut fast) = (lease(60), lease(1));
        slow.tick(TICK, &mut process);
        assert!(slow.tick(TICK, &mut process) && fast.tick(TICK, &mut process));
        for _ in 0..20 {
            assert!(!slow.tick(TICK, &mut process) && fast.tick(TICK, &mut process));
        }
    }

    #[test]
    fn a_clock_is_nowhere() {
        // Stopwatch that come late, as on a stalled thread, count with what they took.
        let mut process = Process::default();
        let (mut first, mut second) = (lease(60), lease(60));
        first.tick(TICK, &mut process);
        first.tick(TICK, &mut process);
        assert!(!second.tick(TICK, &mut process));
        assert!(second.tick(limits::LEASE_SILENCE, &mut process));
    }
}
