//! How many requests one worker answers, and how long each takes while it is busy.
//!
//! First every connection asks as soon as it has an answer: the throughput at saturation. Then all
//! variants get the same requests at the same moments, at shares of what Envoy without a filter
//! reached. The time of a request begins when it is due, also if its connection is still busy.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Connection, Lane, Messages, Servers, Variant, cpu_time};
use crate::envoy::client::Client;
use crate::envoy::fixture::CERTIFICATES;
use crate::envoy::http1;
use crate::median;

pub const VARIANTS: [Variant; 5] = [
    Variant::Nothing,
    Variant::LIMIT,
    Variant::Filter,
    Variant::Lua,
    Variant::ExternalAuthorization,
];
pub const ROUNDS: usize = 12;
/// Connections of each variant.
const CONNECTIONS: usize = 16;
const SATURATED: Duration = Duration::from_secs(1);
const PACED: Duration = Duration::from_secs(2);
/// Per cent of the throughput of [`Variant::Nothing`].
pub const PACES: [u64; 2] = [50, 80];

/// Of each variant, round by round.
#[derive(Debug, Default)]
pub struct Figures {
    /// Requests a second.
    pub throughput: Vec<u64>,
    /// CPU time of Envoy by elapsed time, in per cent: with less than 100, the clients are the
    /// limit.
    pub busy: Vec<u64>,
    /// The times of requests, in microseconds, at each of [`PACES`].
    pub p50: [Vec<u64>; PACES.len()],
    pub p99: [Vec<u64>; PACES.len()],
}

/// Also returns the paces, in requests a second.
pub async fn measure() -> (Vec<Figures>, [u64; PACES.len()]) {
    let servers = Servers::start().await;
    let mut lanes = Vec::new();
    for variant in VARIANTS {
        let mut lane = Lane::start(variant, servers).await;
        lane.assert_decides().await;
        lane.load(super::WARM_UP / 3).await;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = Client::new(&CERTIFICATES.seed);
            let stream = client.tls(lane.envoy.address("gate")).await;
            connections.push(Messages::new(stream.expect("a connection")));
        }
        lanes.push((lane, connections));
    }
    let mut figures: Vec<Figures> = VARIANTS.iter().map(|_| Figures::default()).collect();
    for round in 0..ROUNDS {
        for turn in 0..lanes.len() {
            let place = (round + turn) % lanes.len();
            let (lane, connections) = &mut lanes[place];
            let process = lane.envoy.process.id();
            let (begin, cpu) = (Instant::now(), cpu_time(process));
            let times = drive(lane.variant, connections, SATURATED, None).await;
            let (elapsed, cpu) = (begin.elapsed(), cpu_time(process) - cpu);
            let per_second = times.len() as f64 / elapsed.as_secs_f64();
            figures[place].throughput.push(per_second as u64);
            figures[place].busy.push((100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64()) as u64);
        }
    }
    let reached = median(figures[0].throughput.iter().map(|value| *value as i64));
    let paces = PACES.map(|per_cent| u64::try_from(reached).unwrap_or_default() * per_cent / 100);
    for round in 0..ROUNDS {
        for turn in 0..lanes.len() {
            let place = (round + turn) % lanes.len();
            let (lane, connections) = &mut lanes[place];
            for (at, pace) in paces.into_iter().enumerate() {
                let mut times = drive(lane.variant, connections, PACED, Some(pace)).await;
                times.sort_unstable();
                let of = |per_cent: usize| {
                    let time = times[(times.len() - 1) * per_cent / 100];
                    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
                };
                figures[place].p50[at].push(of(50));
                figures[place].p99[at].push(of(99));
            }
        }
    }
    (figures, paces)
}

/// Requests on all connections for this time: as soon as each can, or this many a second in all.
/// Returns how long each of them took.
async fn drive(
    variant: Variant,
    connections: &mut Vec<Connection>,
    time: Duration,
    pace: Option<u64>,
) -> Vec<Duration> {
    let request = variant.request();
    let length = format!("content-length: {}", request.body.len());
    let bytes = Arc::new([http1::head("bench", &request, &[&length]), request.body].concat());
    let (senders, receivers): (Vec<_>, Vec<_>) =
        connections.iter().map(|_| mpsc::unbounded_channel()).unzip();
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (mut connection, mut receiver) in connections.drain(..).zip(receivers) {
        let bytes = Arc::clone(&bytes);
        tasks.spawn(async move {
            let mut times = Vec::new();
            loop {
                let due = match pace {
                    None => Some(Instant::now()).filter(|now| *now < begin + time),
                    Some(_) => receiver.recv().await,
                };
                let Some(due) = due else { return (connection, times) };
                connection.write(&bytes).await.expect("it is open");
                let status = connection.status().await.expect("an answer");
                assert_eq!(status, 200, "{variant:?}");
                times.push(due.elapsed());
            }
        });
    }
    let clock = pace.map(|pace| {
        let interval = Duration::from_secs(1) / u32::try_from(pace.max(1)).unwrap_or(u32::MAX);
        std::thread::spawn(move || keep_pace(&senders, begin, time, interval))
    });
    let mut times = Vec::new();
    for (connection, of_one) in tasks.join_all().await {
        connections.push(connection);
        times.extend(of_one);
    }
    if let Some(clock) = clock {
        clock.join().expect("it does not panic");
    }
    times
}

/// Says to each connection in turn when its next request is due. In a thread of its own, because a
/// timer of Tokio may be late by a millisecond.
fn keep_pace(
    connections: &[mpsc::UnboundedSender<Instant>],
    begin: Instant,
    time: Duration,
    interval: Duration,
) {
    let mut due = begin;
    for connection in connections.iter().cycle() {
        if due >= begin + time {
            return;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if connection.send(due).is_err() {
            return;
        }
        due += interval;
    }
}
