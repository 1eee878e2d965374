//! The time between two ticks, measured with a clock that may jump.

use std::time::Duration;

use crate::limits;

/// A measure of time that never goes backwards. The host has only a wall clock, which operators and
/// time servers may set.
#[derive(Debug, Default)]
pub struct Stopwatch {
    last: Option<u64>,
}

impl Stopwatch {
    /// The time since the last tick. `now` = milliseconds since 1970; `period` = the time between
    /// two ticks that are in time. A longer time counts up to [`limits::LATE_PERIODS`] periods, at
    /// least those of [`limits::REGISTRY_TICK`]: a VM that works has short periods, and if another
    /// program has the processor it must not believe that little time went by, or it renews its
    /// lease too late. A clock that was set back counts as one period.
    pub fn elapsed(&mut self, now: u64, period: Duration) -> Duration {
        let Some(last) = self.last.replace(now) else { return Duration::ZERO };
        match now.checked_sub(last) {
            Some(millis) => {
                let longest = period.max(limits::REGISTRY_TICK);
                Duration::from_millis(millis).min(longest.saturating_mul(limits::LATE_PERIODS))
            }
            None => period,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_clock_is_not_measured() {
        let mut stopwatch = Stopwatch::default();
        let period = Duration::from_millis(250);
        let elapsed: Vec<_> = [1_000, 1_250, 1_900, 90_000_000, 90_000_250, 5, 255]
            .map(|now| u64::try_from(stopwatch.elapsed(now, period).as_millis()).unwrap())
            .into();
        assert_eq!(elapsed, [0, 250, 650, 2_500, 250, 250, 250]);
    }

    #[test]
    fn late_ticks_of_a_vm_that_works_are_measured() {
        let mut stopwatch = Stopwatch::default();
        let period = limits::REGISTRY_TICK_BUSY;
        let elapsed = [0, 2, 102, 2_102].map(|now| stopwatch.elapsed(now, period).as_millis());
        assert_eq!(elapsed, [0, 2, 100, 2_000]);
    }
}
