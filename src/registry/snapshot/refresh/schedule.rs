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

    /// The time until the next refresh, after one that failed.
    pub(crate) fn after_failure(&mut self) -> Duration {
        let longest = self.period.max(limits::LATEST_RETRY);
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
