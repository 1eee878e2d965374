//! Memory and time.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::stage::Stage;

/// How much more memory the second half after the warm-up may have than the first, in per cent.
/// What a listener's update holds twice comes and goes: the greatest and the median are compared.
pub const GROWTH_PERCENT: u64 = 10;
/// The share of a run after which memory is warm, in per cent.
const WARM_UP_PERCENT: usize = 40;
/// How many times the time of a quiet Envoy one request of hundred may take longer than.
pub const SLOWER: u32 = 2;

/// Counts memory and compares counters until the end. Returns megabytes of the process, one a
/// second.
pub async fn watch(stage: Arc<Stage>) -> Vec<u64> {
    let mut megabytes = Vec::new();
    let mut next = Instant::now();
    while !stage.is_over() {
        megabytes.push(resident(stage.envoy.process.id()) >> 20);
        if megabytes.len() % 5 == 0 {
            stage.ledger.counted(stage.counters()).await;
        }
        if megabytes.len() % 30 == 0 {
            progress(&stage, &megabytes);
        }
        next += Duration::from_secs(1);
        stage.rest(next.saturating_duration_since(Instant::now())).await;
    }
    megabytes
}

fn progress(stage: &Stage, megabytes: &[u64]) {
    let (answered, passed) = stage.ledger.answered();
    let (violations, _) = stage.ledger.violations();
    println!(
        "soak: {:4} s: {answered} answers, {passed} passed, {} connections, {} MB, {violations} \
         violations",
        megabytes.len(),
        stage.connections.load(Ordering::Relaxed),
        megabytes.last().copied().unwrap_or_default(),
    );
}

/// Octets of memory of a process.
fn resident(process: u32) -> u64 {
    let text =
        fs::read_to_string(format!("/proc/{process}/status")).expect("Linux, and Envoy runs");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux has it");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kilobytes << 10
}

/// Memory after the warm-up.
#[derive(Debug)]
pub struct Memory {
    pub medians: [u64; 2],
    pub greatest: [u64; 2],
}

impl Memory {
    pub fn of(megabytes: &[u64]) -> Self {
        let warm = &megabytes[megabytes.len() * WARM_UP_PERCENT / 100..];
        let (first, second) = warm.split_at(warm.len() / 2);
        let of = |quantile: usize| {
            [first, second].map(|half| {
                let mut half = half.to_vec();
                half.sort_unstable();
                half.get((half.len().max(1) - 1) * quantile / 100).copied().unwrap_or_default()
            })
        };
        Self { medians: of(50), greatest: of(100) }
    }

    pub fn is_flat(&self) -> bool {
        let flat = |[first, second]: [u64; 2]| second * 100 <= first * (100 + GROWTH_PERCENT);
        flat(self.medians) && flat(self.greatest)
    }
}

/// A quantile in microseconds; the quantile in tenths of a per cent.
pub fn quantile(times: &mut [Duration], tenths: usize) -> u128 {
    times.sort_unstable();
    let place = times.len().saturating_sub(1) * tenths / 1_000;
    times.get(place).map_or(0, Duration::as_micros)
}
