//! `./build.sh soak`: a real Envoy under mixed traffic, changes and faults, and what must hold
//! throughout. docs/verification.md says what that is.

extern crate test_support as support;

#[allow(dead_code, reason = "shared with the tests in Envoy")]
#[path = "../envoy"]
mod envoy {
    pub mod backend;
    pub mod bootstrap;
    pub mod client;
    pub mod fixture;
    pub mod http1;
    pub mod http2;
    pub mod process;
    pub mod registry;
    pub mod wire;
}

mod faults;
mod hostile;
mod ledger;
mod recorder;
mod report;
mod stage;
mod traffic;
mod watch;

use std::fs;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::Instant;

use envoy::registry::{Registry, Reply};
use faults::Happened;
use ledger::Ledger;
use recorder::Recorder;
use report::Report;
use stage::{Gate, Stage};
use traffic::{Lane, Who};

/// How long only one client asks, slowly.
const QUIET: Duration = Duration::from_secs(20);
/// Connections that are held beside those that are busy.
const CROWD: usize = 1_000;
const HALF_OPEN: usize = 40;

/// A deliberate mistake, by which one of the invariants must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The filter lets everything pass: the backend receives what must be refused.
    Pass,
    /// The route sends each request twice.
    Twice,
    /// The backend is down: 503 without a registry that is.
    Down,
    /// Bodies are begun and held, more and more.
    Memory,
    /// Requests are decided that nobody counts.
    Counts,
    /// An old list serves for a day.
    Stale,
    /// Those who leave in the middle of a body send all of it.
    Unfinished,
    /// The backend is slow under load.
    Slow,
}

impl Sabotage {
    fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Pass,
            Self::Twice,
            Self::Down,
            Self::Memory,
            Self::Counts,
            Self::Stale,
            Self::Unfinished,
            Self::Slow,
        ];
        all.into_iter().find(|one| format!("{one:?}").eq_ignore_ascii_case(name))
    }
}

fn main() -> ExitCode {
    // `cargo test` and `cargo bench` add arguments.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--b"));
    let seconds = arguments.next().and_then(|text| text.parse().ok()).expect("seconds");
    let sabotage = arguments.next().map(|name| {
        Sabotage::parse(&name).unwrap_or_else(|| panic!("{name} is no sabotage: see main.rs"))
    });
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let load = low_priority_runtime();
    let time = Duration::from_secs(seconds);
    let report = runtime.expect("a runtime").block_on(soak(time, sabotage, load.handle()));
    report.print();
    report.write();
    let as_expected = match sabotage {
        None => report.holds(),
        Some(sabotage) => {
            let found = report.finds(sabotage);
            println!("{sabotage:?} {}", if found { "is found" } else { "IS NOT FOUND" });
            found
        }
    };
    if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// For the clients of the load. Envoy, the backend and the client whose time is taken come first,
/// as if the load came from another machine.
fn low_priority_runtime() -> Runtime {
    let lower = || {
        // /proc/thread-self is a link to PROCESS/task/THREAD. On Linux a thread has a priority.
        let thread = fs::read_link("/proc/thread-self").expect("Linux has it");
        let thread = thread.file_name().expect("it ends with the thread");
        let renice = Command::new("renice").args(["-n", "10", "-p"]).arg(thread).output();
        let renice = renice.unwrap_or_else(|error| panic!("renice, of util-linux: {error}"));
        assert!(renice.status.success(), "{renice:?}");
    };
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2).on_thread_start(lower).enable_all();
    runtime.build().expect("a runtime")
}

async fn soak(time: Duration, sabotage: Option<Sabotage>, clients: &Handle) -> Report {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::json(&stage::list(0)));
    let ledger = Ledger::new(Recorder::start().await);
    let stage = Arc::new(Stage::start(ledger, registry.address, sabotage).await);
    let happened = Arc::new(Happened::default());
    // The first list.
    stage.rest(Duration::from_secs(5)).await;

    println!("soak: quiet for {} s, then {} s", QUIET.as_secs(), time.as_secs());
    let quiet = traffic::probe(&stage, Instant::now() + QUIET).await;

    let watching = tokio::spawn(watch::watch(Arc::clone(&stage)));
    let mut load = JoinSet::new();
    for lane in lanes() {
        load.spawn_on(lane.run(Arc::clone(&stage)), clients);
    }
    for place in 0..HALF_OPEN {
        load.spawn_on(hostile::half_open(Arc::clone(&stage), place), clients);
    }
    load.spawn_on(hostile::leave(Arc::clone(&stage)), clients);
    load.spawn_on(hostile::flood(Arc::clone(&stage)), clients);
    load.spawn(faults::floods(Arc::clone(&stage), Arc::clone(&happened)));
    load.spawn(faults::kills(Arc::clone(&stage), Arc::clone(&happened)));
    load.spawn(faults::updates(Arc::clone(&stage), Arc::clone(&happened)));
    match sabotage {
        Some(Sabotage::Down) => stage.ledger.recorder.stop(),
        Some(Sabotage::Slow) => stage.ledger.recorder.be_slow(),
        Some(Sabotage::Memory) => {
            drop(load.spawn_on(hostile::pile_up(Arc::clone(&stage)), clients))
        }
        Some(Sabotage::Counts) => {
            drop(load.spawn_on(hostile::ask_secretly(Arc::clone(&stage)), clients))
        }
        None | Some(Sabotage::Pass | Sabotage::Twice | Sabotage::Stale | Sabotage::Unfinished) => {}
    }
    let probe = async {
        let times = traffic::probe(&stage, Instant::now() + time).await;
        stage.is_over.store(true, Ordering::Relaxed);
        times
    };
    let changes = faults::registry(Arc::clone(&stage), registry, Arc::clone(&happened));
    let (loaded, ()) = tokio::join!(probe, changes);
    while let Some(ended) = load.join_next().await {
        if let Err(error) = ended {
            stage.ledger.violation(format!("a task ended: {error}"));
        }
    }
    let megabytes = watching.await.expect("it does not panic");
    // The last decisions are handed over at a tick.
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.ledger.counted_at_last(&stage.counters().await);
    stage.ledger.nothing_else_arrived();
    if stage.envoy.log().contains("panicked") {
        stage.ledger.violation("the filter panicked: see Envoy's log".into());
    }
    Report::new(&stage, &happened, megabytes, quiet, loaded)
}

fn lanes() -> Vec<Lane> {
    let busy = Duration::from_millis(100);
    let mut lanes = Vec::new();
    let mut add = |gate, who, interval| {
        for http2 in [false, true] {
            lanes.push(Lane { gate, who, http2, interval, first: 0 });
        }
    };
    add(Gate::Static, Who::Seed, busy / 2);
    for who in [Who::Other, Who::Untrusted, Who::Nobody] {
        add(Gate::Static, who, busy);
    }
    add(Gate::Registry, Who::Seed, busy / 2);
    for who in [Who::Other, Who::Own(0), Who::Own(1)] {
        add(Gate::Registry, who, busy);
    }
    for who in [Who::Seed, Who::Other] {
        add(Gate::Victim, who, busy);
    }
    for first in 0..CROWD {
        let gate = if first % 4 == 0 { Gate::Registry } else { Gate::Static };
        let interval = Duration::from_secs(6);
        lanes.push(Lane { gate, who: Who::Seed, http2: first % 3 == 0, interval, first });
    }
    lanes
}
