//! How much time went by between two ticks, from a clock that may jump.

use crate::limits;
use std::time::Duration;

/// A measure of time that only goes forward. The host's clock is the only one there is, and
/// operators set clocks.
#[derive(Debug, Default)]
pub struct Stopwatch {
    last: Option<u64>,
}

impl Stopwatch {
    /// The time since the last tick. `now` = milliseconds since 1970; `period` = how often ticks
    /// are due.
    pub fn elapsed(&mut self, now: u64, period: Duration) -> Duration {
        let Some(last) = self.last.replace(now) else { return Duration::ZERO };
        match now.checked_sub(last) {
            Some(millis) => {
                Duration::from_millis(millis).min(period.saturating_mul(limits::LATE_PERIODS))
            }
            None => period,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_of_the_clock_are_no_time() {
        let mut ticks = Stopwatch::default();
        let period = Duration::from_millis(250);
        let elapsed: Vec<_> = [1_000, 1_250, 1_900, 90_000_000, 90_000_250, 5, 255]
            .map(|now| u64::try_from(ticks.elapsed(now, period).as_millis()).unwrap())
            .into();
        assert_eq!(elapsed, [0, 250, 650, 2_500, 250, 250, 250]);
    }
}
