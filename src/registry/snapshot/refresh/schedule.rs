//! When the next refresh is due (contract §6).

use std::time::Duration;

use crate::limits;

#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// The longest time between two refreshes that succeed.
    period: Duration,
    /// Failed refreshes in a row.
    failures: u32,
    /// Time since the request for the first page of this refresh.
    elapsed: Duration,
    random: u64,
}

impl Schedule {
    /// `random` = a number that is different in each process of a fleet.
    pub(crate) fn new(period: Duration, random: u64) -> Self {
        Self { period, failures: 0, elapsed: Duration::ZERO, random }
    }

    /// The first request of a refresh is sent now.
    pub(crate) fn start(&mut self) {
        self.elapsed = Duration::ZERO;
    }

    pub(crate) fn add(&mut self, elapsed: Duration) {
        self.elapsed += elapsed;
    }

    /// The time until the next refresh, for a VM that has just taken the lease: another VM may have
    /// fetched the list in force, which was confirmed `age` ago, a moment before.
    pub(crate) fn after_takeover(&self, age: Option<Duration>) -> Duration {
        age.map_or(Duration::ZERO, |age| self.period.saturating_sub(age))
    }

    /// The time until the next refresh, after one that succeeded.
    pub(crate) fn after_success(&mut self) -> Duration {
        self.failures = 0;
        self.jitter(self.period).saturating_sub(self.elapsed)
    }

    /// The time until the next refresh, after one that failed: at most `longest`.
    pub(crate) fn after_failure(&mut self, longest: Duration) -> Duration {
        let retry = limits::FIRST_RETRY.saturating_mul(1 << self.failures.min(20)).min(longest);
        self.failures += 1;
        self.jitter(retry)
    }

    /// 0.9 to 1 times `period`, so that the processes of a fleet do not all send their requests at
    /// once.
    fn jitter(&mut self, period: Duration) -> Duration {
        // xorshift64: no security depends on this number.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        period.mul_f64(0.9 + (self.random % 1000) as f64 / 10_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_period_begins_with_the_first_request() {
        let mut schedule = Schedule::new(10 * SECOND, 7);
        schedule.add(100 * SECOND);
        schedule.start();
        schedule.add(SECOND);
        schedule.add(2 * SECOND);
        assert!((6 * SECOND..=7 * SECOND).contains(&schedule.after_success()));
        schedule.add(20 * SECOND);
        assert_eq!(schedule.after_success(), Duration::ZERO);
    }

    #[test]
    fn a_vm_that_takes_over_does_not_fetch_a_recent_list_again() {
        let schedule = Schedule::new(10 * SECOND, 7);
        for (age, wait) in [(None, 0), (Some(0), 10), (Some(3), 7), (Some(20), 0)] {
            assert_eq!(schedule.after_takeover(age.map(|age| age * SECOND)), wait * SECOND);
        }
    }

    #[test]
    fn retries_come_ever_later_up_to_the_longest_time_between_them() {
        let mut schedule = Schedule::new(3600 * SECOND, 7);
        for expected in [1, 2, 4, 8, 16, 20, 20] {
            let retry = schedule.after_failure(20 * SECOND);
            assert!((expected * SECOND * 9 / 10..=expected * SECOND).contains(&retry), "{retry:?}");
        }
        schedule.after_success();
        assert!(schedule.after_failure(20 * SECOND) <= SECOND);
        assert!(schedule.after_failure(SECOND / 2) <= SECOND / 2);
    }

    /// Equal waits would let the processes of a fleet send their requests at once. The numbers are
    /// those of xorshift64 (Marsaglia, 2003), computed with another implementation.
    #[test]
    fn waits_differ_from_time_to_time_and_from_process_to_process() {
        for (random, expected) in
            [(7, [9_327.0, 9_652.0, 9_743.0, 9_107.0]), (8, [9_088.0, 9_756.0, 9_664.0, 9_120.0])]
        {
            let mut schedule = Schedule::new(10 * SECOND, random);
            let waits = [(); 4].map(|()| schedule.after_success().as_secs_f64() * 1000.0);
            assert_eq!(waits.map(f64::round), expected, "{random}");
        }
    }
}
