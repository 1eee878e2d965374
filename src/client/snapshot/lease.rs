//! Which VM of the process fetches: a lease in shared data that its holder keeps alive.
//!
//! No clock is read: whoever wants the lease watches it, and takes it when it showed no sign of life for a while. So a
//! clock that jumps makes nobody lose it, and a dead VM loses it.

use std::time::Duration;

use super::super::wire::{Reader, Writer};
use super::shared::{SharedData, Version};

/// Without a sign of life for so long, the holder is taken for dead. A VM ticks at least four times a second.
const QUIET: Duration = Duration::from_secs(2);
/// How often the holder gives one.
const BEAT: Duration = Duration::from_millis(500);

/// One VM's view of the lease.
#[derive(Debug)]
pub(super) struct Lease {
    key: String,
    /// Tells this VM from the others.
    owner: u64,
    /// How often this VM would fetch.
    refresh: Duration,
    view: View,
}

#[derive(Debug)]
enum View {
    /// Somebody else has it, or nobody: the version seen last, and for how long.
    Watching { seen: Option<Version>, quiet: Duration },
    /// This VM has it: the time since its last sign of life.
    Held { since_beat: Duration },
}

/// The lease as it is stored.
#[derive(Clone, Copy)]
struct Stored {
    /// 0 = nobody's.
    owner: u64,
    refresh_millis: u64,
    /// The generation given out last; each attempt to write a list gets a new one, so that what a dead VM left behind
    /// is never taken for a part of another list.
    generation: u64,
    beats: u64,
}

impl Stored {
    fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        Some(Self { owner: reader.u64()?, refresh_millis: reader.u64()?, generation: reader.u64()?, beats: reader.u64()? })
    }

    fn encode(self) -> Vec<u8> {
        let mut writer = Writer::default();
        for number in [self.owner, self.refresh_millis, self.generation, self.beats] {
            writer.u64(number);
        }
        writer.0
    }
}

impl Lease {
    pub(super) fn new(key: String, owner: u64, refresh: Duration) -> Self {
        // 0 is nobody.
        Self { key, owner: owner.max(1), refresh, view: View::Watching { seen: None, quiet: Duration::ZERO } }
    }

    /// `elapsed` went by since the last call; returns whether this VM has the lease now.
    pub(super) fn tick(&mut self, elapsed: Duration, shared: &mut dyn SharedData) -> bool {
        let Some((stored, Some(version))) = self.stored(shared) else {
            // The first write of a key cannot be compared and swapped. So nobody takes the lease by it.
            let vacant = Stored { owner: 0, refresh_millis: 0, generation: 0, beats: 0 };
            shared.write(&self.key, &vacant.encode(), None);
            self.view = View::Watching { seen: None, quiet: Duration::ZERO };
            return false;
        };
        if stored.owner == self.owner {
            let since_beat = match self.view {
                View::Held { since_beat } => since_beat + elapsed,
                View::Watching { .. } => BEAT,
            };
            self.view = View::Held { since_beat };
            return since_beat < BEAT || self.write(stored, version, shared);
        }
        let quiet = match self.view {
            View::Watching { seen, quiet } if seen == Some(version) => quiet + elapsed,
            _ => Duration::ZERO,
        };
        self.view = View::Watching { seen: Some(version), quiet };
        // A VM that fetches more often does it for the others too, never the other way round.
        let is_slower = u128::from(stored.refresh_millis) > self.refresh.as_millis();
        (stored.owner == 0 || is_slower || quiet >= QUIET) && self.write(stored, version, shared)
    }

    /// A generation that no list had; `None` = the lease is lost.
    pub(super) fn next_generation(&mut self, shared: &mut dyn SharedData) -> Option<u64> {
        let (stored, version) = self.stored(shared)?;
        let generation = stored.generation + 1;
        let is_written = stored.owner == self.owner && self.write(Stored { generation, ..stored }, version?, shared);
        is_written.then_some(generation)
    }

    /// Gives the lease up, if this VM has it.
    pub(super) fn release(&mut self, shared: &mut dyn SharedData) {
        if let View::Held { .. } = self.view
            && let Some((stored, Some(version))) = self.stored(shared)
            && stored.owner == self.owner
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

    /// Writes this VM's name and a sign of life over what was read.
    fn write(&mut self, stored: Stored, version: Version, shared: &mut dyn SharedData) -> bool {
        let refresh_millis = u64::try_from(self.refresh.as_millis()).unwrap_or(u64::MAX);
        let mine = Stored { owner: self.owner, refresh_millis, beats: stored.beats.wrapping_add(1), ..stored };
        let is_held = shared.write(&self.key, &mine.encode(), Some(version));
        self.view = if is_held {
            View::Held { since_beat: Duration::ZERO }
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

    fn lease(owner: u64, refresh: u64) -> Lease {
        Lease::new("lease".to_owned(), owner, Duration::from_secs(refresh))
    }

    #[test]
    fn one_of_many_has_it_and_keeps_it() {
        let mut process = Process::default();
        let mut vms: Vec<_> = (1..=6).map(|owner| lease(owner, 60)).collect();
        let mut holders = Vec::new();
        for _ in 0..100 {
            let held: Vec<_> = vms.iter_mut().filter_map(|vm| vm.tick(TICK, &mut process).then_some(vm.owner)).collect();
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
        let (mut first, mut second) = (lease(1, 60), lease(2, 60));
        assert!(!first.tick(TICK, &mut process) && first.tick(TICK, &mut process));
        assert_eq!(first.next_generation(&mut process), Some(1));
        let ticks = (1..100).find(|_| second.tick(TICK, &mut process)).unwrap();
        assert!((8..=10).contains(&ticks), "taken after {ticks} ticks of 250 ms");
        assert_eq!(first.next_generation(&mut process), None);
        assert!(!first.tick(TICK, &mut process));
        assert_eq!(second.next_generation(&mut process), Some(2), "generations are never given out twice");
    }

    #[test]
    fn released_it_is_taken_at_once() {
        let mut process = Process::default();
        let (mut first, mut second) = (lease(1, 60), lease(2, 60));
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
        let (mut slow, mut fast) = (lease(1, 60), lease(2, 1));
        slow.tick(TICK, &mut process);
        assert!(slow.tick(TICK, &mut process) && fast.tick(TICK, &mut process));
        for _ in 0..20 {
            assert!(!slow.tick(TICK, &mut process) && fast.tick(TICK, &mut process));
        }
    }

    #[test]
    fn a_clock_is_nowhere() {
        // Ticks that come late, as on a stalled thread, count with what they took.
        let mut process = Process::default();
        let (mut first, mut second) = (lease(1, 60), lease(2, 60));
        first.tick(TICK, &mut process);
        first.tick(TICK, &mut process);
        assert!(!second.tick(TICK, &mut process));
        assert!(second.tick(QUIET, &mut process));
    }
}
