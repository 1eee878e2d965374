//! The effect of a flood of unregistered identifiers on the clients of a list, and on the registry
//! that `on_miss` asks about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::envoy::bootstrap::Listener;
use crate::envoy::client::{Client, Delivery};
use crate::envoy::fixture::{CERTIFICATES, token};
use crate::envoy::http1::Http1;
use crate::envoy::process::Envoy;
use crate::envoy::registry::{Registry, Reply, decided, snapshot, start};
use crate::load::cpu_time;
use crate::scale::{load, pages, percentile};

const WORKERS: u32 = 2;
const CLIENTS: usize = 1_000;
const ROUNDS: usize = 60;
/// Of each of the three loads in a round.
const PART: Duration = Duration::from_millis(400);
/// Connections of the flood. An answer of the registry is waited for on one of them.
const CONNECTIONS: usize = 64;
/// Between the requests of one of them: all of them send 500 a second, in step with no other.
const INTERVAL: Duration = Duration::from_millis(128);

/// The 50th and 99th percentiles are in seconds, the medians of all rounds.
pub struct Flood {
    pub quiet: [f64; 2],
    /// Under requests whose clients no one knows, and that are looked up.
    pub looked_up: [f64; 2],
    /// Under as many on another listener, without `on_miss`: refused at once, and logged too.
    pub refused: [f64; 2],
    /// 99th percentiles within one round, the median of all: a disturbance affects all three loads
    /// of a round alike.
    pub looked_up_to_quiet: f64,
    pub refused_to_quiet: f64,
    pub sent_a_second: f64,
    pub asked_a_second: f64,
    pub most_in_flight: usize,
    /// Seconds of Envoy's CPU time for each of the requests of the flood, and of as many others.
    pub looked_up_cpu: f64,
    pub refused_cpu: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    LookedUp,
    Refused,
}

/// Measures the three in turns, so that other work of the machine affects all of them.
pub async fn measure() -> Flood {
    // Whoever floods, and the registry, do not share threads with the clients that are measured.
    let aside = Runtime::new().expect("a runtime");
    let registry = aside.spawn(Registry::start()).await.expect("no panic");
    registry.keep_connections();
    registry.serve("/clients", Reply::body(pages(CLIENTS, CLIENTS).concat()));
    // One list, so that no refresh disturbs.
    let members = json!({ "on_miss": { "path": "/clients/{client_id}" }, "refresh": "1h" });
    let without = json!({ "refresh": "1h" });
    let listeners = vec![
        Listener::new("gate", &snapshot("/clients", members)),
        Listener::new("without", &snapshot("/clients", without)),
    ];
    let envoy = start(WORKERS, &registry, listeners).await;
    for listener in ["gate", "without"] {
        decided(&envoy, listener, "client-0000000", "authenticated").await;
    }
    // A registry that is asked about unknown clients takes some time.
    registry.answer_unknown(Reply::status(404).after(Duration::from_millis(40)));
    let mut connections = connect(&envoy, "gate", 4).await;
    // By what they are for; none for no flood.
    let mut others = [
        Vec::new(),
        connect(&envoy, "gate", CONNECTIONS).await,
        connect(&envoy, "without", CONNECTIONS).await,
    ];
    let next = Arc::new(AtomicUsize::new(0));
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    // V8 compiles what runs often a second time.
    load(&mut connections, Duration::from_secs(5)).await;
    let mut flooding = Duration::ZERO;
    let mut used = [Used::default(), Used::default(), Used::default()];
    let mut sent = 0;
    for round in 0..=ROUNDS {
        for turn in 0..3 {
            let place = (round + turn) % 3;
            let beside = [Beside::Nothing, Beside::LookedUp, Beside::Refused][place];
            let stop = Arc::new(AtomicBool::new(false));
            let before = cpu_time(envoy.process.id());
            let flood = aside.spawn(send(
                std::mem::take(&mut others[place]),
                beside,
                Arc::clone(&next),
                Arc::clone(&stop),
            ));
            let begin = Instant::now();
            let part = load(&mut connections, PART).await;
            stop.store(true, Ordering::Relaxed);
            let count;
            (others[place], count) = flood.await.expect("no panic");
            // The first round warms the flood's own way.
            if round > 0 {
                let spent = cpu_time(envoy.process.id()) - before;
                used[place].measured += part.len();
                used[place].beside += count;
                used[place].spent += spent;
                parts[place].push([50, 99].map(|percent| percentile(part.clone(), percent)));
            }
            if beside == Beside::LookedUp {
                flooding += begin.elapsed();
                sent += count;
            }
        }
    }
    envoy.assert_healthy().await;
    let most_in_flight = registry.most_in_flight();
    let asked_a_second = registry.asked_paths().len() as f64 / flooding.as_secs_f64();
    drop(registry);
    aside.shutdown_background();
    let [alone, of_looked_up, of_refused] = used;
    let [quiet, looked_up, refused] = &parts;
    Flood {
        quiet: medians(quiet),
        looked_up: medians(looked_up),
        refused: medians(refused),
        looked_up_to_quiet: median_ratio(looked_up, quiet),
        refused_to_quiet: median_ratio(refused, quiet),
        sent_a_second: sent as f64 / flooding.as_secs_f64(),
        asked_a_second,
        most_in_flight,
        looked_up_cpu: of_looked_up.each_beside(&alone),
        refused_cpu: of_refused.each_beside(&alone),
    }
}

/// Of the percentiles of each round.
fn medians(parts: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|place| percentile(parts.iter().map(|part| part[place]).collect(), 50))
}

/// Of the 99th percentiles.
fn median_ratio(ones: &[[f64; 2]], others: &[[f64; 2]]) -> f64 {
    percentile(ones.iter().zip(others).map(|(one, other)| one[1] / other[1]).collect(), 50)
}

/// What Envoy did under one of the loads.
#[derive(Default)]
struct Used {
    /// Requests of the clients that are measured.
    measured: usize,
    /// Requests beside them.
    beside: usize,
    /// CPU time of the process.
    spent: Duration,
}

impl Used {
    /// Seconds of CPU time for each request beside those that are measured.
    fn each_beside(&self, alone: &Self) -> f64 {
        let measured = alone.spent.as_secs_f64() / alone.measured as f64 * self.measured as f64;
        (self.spent.as_secs_f64() - measured) / self.beside as f64
    }
}

async fn connect(envoy: &Envoy, listener: &str, connections: usize) -> Vec<Http1> {
    let client = Client::new(&CERTIFICATES.seed);
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(client.http1(envoy.address(listener)).await.expect("a connection"));
    }
    all
}

/// Sends on each connection at its interval, until it shall stop. Returns the connections, and the
/// number of requests.
async fn send(
    connections: Vec<Http1>,
    beside: Beside,
    next: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) -> (Vec<Http1>, usize) {
    if beside == Beside::Nothing {
        return (connections, 0);
    }
    let mut tasks = JoinSet::new();
    let all = connections.len() as u32;
    for (number, mut connection) in (0..).zip(connections) {
        let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
        tasks.spawn(async move {
            let begin = Instant::now() + INTERVAL * number / all;
            let mut turns = tokio::time::interval_at(begin, INTERVAL);
            let mut count = 0;
            loop {
                turns.tick().await;
                if stop.load(Ordering::Relaxed) {
                    return (connection, count);
                }
                let identifier = next.fetch_add(1, Ordering::Relaxed);
                // Asked for and not registered, or not asked for.
                let expected: &[u16] =
                    if beside == Beside::LookedUp { &[401, 503] } else { &[401] };
                let sent = token(&format!("unknown-{identifier:012}"));
                let answer = connection.exchange("flood", &sent, Delivery::Http1Whole).await;
                let status = answer.expect("an answer").status;
                assert!(expected.contains(&status), "{status}");
                count += 1;
            }
        });
    }
    let (connections, counts): (Vec<_>, Vec<usize>) = tasks.join_all().await.into_iter().unzip();
    (connections, counts.iter().sum())
}
