//! How many requests one worker answers, and how long each takes while it is busy.
//!
//! First every connection asks as soon as it has an answer: the throughput at saturation. Then all
//! variants get the same requests at the same moments, at shares of what Envoy without a filter
//! reached. The time of a request begins when it is due, also if its connection is still busy.

use std::sync::Arc;
use std::time::Duration;

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
const CONNECTIONS: u32 = 16;
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
                let pace = u32::try_from(pace.max(1)).unwrap_or(1);
                let interval = Duration::from_secs(1) * CONNECTIONS / pace;
                let mut times = drive(lane.variant, connections, PACED, Some(interval)).await;
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

/// Requests on all connections for this time, one each interval or as soon as it can. Returns how
/// long each of them took.
async fn drive(
    variant: Variant,
    connections: &mut Vec<Connection>,
    time: Duration,
    interval: Option<Duration>,
) -> Vec<Duration> {
    let request = variant.request();
    let length = format!("content-length: {}", request.body.len());
    let bytes = Arc::new([http1::head("bench", &request, &[&length]), request.body].concat());
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (place, mut connection) in (0..).zip(connections.drain(..)) {
        let bytes = Arc::clone(&bytes);
        tasks.spawn(async move {
            let mut times = Vec::new();
            // The connections take turns.
            let mut due = begin + interval.unwrap_or_default() * place / CONNECTIONS;
            while due < begin + time {
                // A timer of Tokio is late by up to a millisecond.
                while Instant::now() < due {
                    tokio::task::yield_now().await;
                }
                connection.write(&bytes).await.expect("it is open");
                let status = connection.status().await.expect("an answer");
                assert_eq!(status, 200, "{variant:?}");
                times.push(due.elapsed());
                due = interval.map_or_else(Instant::now, |interval| due + interval);
            }
            (connection, times)
        });
    }
    let mut times = Vec::new();
    for (connection, of_one) in tasks.join_all().await {
        connections.push(connection);
        times.extend(of_one);
    }
    times
}
