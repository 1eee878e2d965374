//! What a run showed, for a reader and as JSON in `target/soak`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Sabotage;
use crate::faults::Happened;
use crate::stage::{ENVOY, Stage, WORKERS};
use crate::watch::{GROWTH_PERCENT, Memory, SLOWER, quantile};

pub struct Report {
    figures: Value,
    violations: Vec<String>,
    violations_in_all: u64,
    memory: Memory,
    /// p99 quiet and under load, in microseconds.
    slowest: [u128; 2],
}

impl Report {
    pub fn new(
        stage: &Stage,
        happened: &Happened,
        megabytes: Vec<u64>,
        mut quiet: Vec<Duration>,
        mut loaded: Vec<Duration>,
    ) -> Self {
        let (violations_in_all, violations) = stage.ledger.violations();
        let (answered, passed) = stage.ledger.answered();
        let memory = Memory::of(&megabytes);
        let slowest = [quantile(&mut quiet, 990), quantile(&mut loaded, 990)];
        let times = |times: &mut Vec<Duration>| {
            json!({
                "requests": times.len(),
                "p50_us": quantile(times, 500),
                "p99_us": quantile(times, 990),
                "p999_us": quantile(times, 999),
            })
        };
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let decided: BTreeMap<_, _> = stage.ledger.decided();
        let figures = json!({
            "envoy": ENVOY,
            "workers": WORKERS,
            "seconds": megabytes.len(),
            "answers": answered,
            "passed": passed,
            "at_the_backend": stage.ledger.recorder.arrived(),
            "without_an_answer": stage.ledger.unanswered(),
            "decisions": decided,
            "decisions_that_killed_vms_may_have_lost": stage.ledger.lost_at_most(),
            "handshakes": of(&stage.handshakes),
            "most_connections": of(&stage.most_connections),
            "new_lists": of(&happened.lists),
            "registry_faults": of(&happened.faults),
            "registry_outages": of(&happened.outages),
            "updates": of(&happened.updates),
            "refused_updates": of(&happened.refused_updates),
            "killed_vms": of(&happened.kills),
            "floods": of(&happened.floods),
            "quiet": times(&mut quiet),
            "loaded": times(&mut loaded),
            "megabytes": {
                "medians_of_two_halves": memory.medians,
                "greatest_of_two_halves": memory.greatest,
                "each_second": megabytes,
            },
            "violations": violations_in_all,
        });
        Self { figures, violations, violations_in_all, memory, slowest }
    }

    fn is_fast(&self) -> bool {
        let [quiet, loaded] = self.slowest;
        loaded <= quiet * u128::from(SLOWER)
    }

    /// Whether everything holds, but for the time, which other work of the machine can change.
    pub fn holds(&self) -> bool {
        self.violations_in_all == 0 && self.memory.is_flat()
    }

    /// Whether the invariant fails that this mistake concerns.
    pub fn finds(&self, sabotage: Sabotage) -> bool {
        let said = |all: &[&str]| {
            self.violations.iter().any(|what| all.iter().all(|text| what.contains(text)))
        };
        match sabotage {
            Sabotage::Pass => said(&["Refuse(", "): 200 "]),
            Sabotage::Twice => said(&["2 times at the backend"]),
            Sabotage::Down => said(&["): 503 without retry-after"]),
            Sabotage::Memory => !self.memory.is_flat(),
            Sabotage::Counts => said(&["unknown_client is counted"]),
            Sabotage::Stale => said(&["from a list older than max_stale"]),
            Sabotage::Unfinished => said(&["reached the backend: refused, unfinished or twice"]),
            Sabotage::Slow => !self.is_fast(),
        }
    }

    pub fn print(&self) {
        println!();
        for (name, value) in self.figures.as_object().into_iter().flatten() {
            let mut value = value.clone();
            if let Some(members) = value.as_object_mut() {
                members.remove("each_second");
            }
            println!("{name}: {value}");
        }
        println!();
        for what in &self.violations {
            println!("VIOLATION: {what}");
        }
        let said = |holds| if holds { "holds" } else { "FAILS" };
        println!(
            "requests, answers and counters: {} ({} violations)",
            said(self.violations_in_all == 0),
            self.violations_in_all
        );
        println!(
            "memory flat after warm-up, within {GROWTH_PERCENT} %: {} ({:?})",
            said(self.memory.is_flat()),
            self.memory
        );
        println!(
            "p99 within {SLOWER} times quiet: {} ({} us quiet, {} us under load)",
            said(self.is_fast()),
            self.slowest[0],
            self.slowest[1]
        );
    }

    pub fn write(&self) {
        let folder = crate::support::repository().join("target/soak");
        fs::create_dir_all(&folder).expect("target/ can be written");
        let text = serde_json::to_string_pretty(&self.figures).expect("it is JSON");
        fs::write(folder.join("report.json"), text).expect("target/ can be written");
    }
}
