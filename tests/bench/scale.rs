//! The effect of a flood of unknown clients; the cost of a fetched registry with a million clients,
//! compared with ten; the effect of a refresh on requests; the time until a change takes effect.
//! Every figure is a ratio or a difference within one run.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::envoy::bootstrap::Listener;
use crate::envoy::client::{Client, Delivery};
use crate::envoy::fixture::{CERTIFICATES, token};
use crate::envoy::http1::{self, Http1};
use crate::envoy::process::eventually;
use crate::envoy::registry::{Registry, Reply, client, snapshot, start};
use crate::flood;
use crate::host::{HttpAnswer, Process, Vm};
use crate::run::{self, Delivery as InModule};
use crate::support::case::{NOW, Request};

const MANY: usize = 1_000_000;
const FEW: usize = 10;
/// Clients of the list that is refreshed under load.
const REFRESHED: usize = 100_000;

pub fn measure(runtime: &Runtime) -> Vec<Vec<String>> {
    let mut rows = vec![["", "reached", "aim"].map(String::from).to_vec()];
    let mut row = |what: &str, reached: String, aim: &str| {
        eprintln!("  {what}: {reached}");
        rows.push(vec![what.into(), reached, aim.into()]);
    };
    let ratio = |one: f64, other: f64| format!("{:.2}", one / other);
    let flood = runtime.block_on(flood::measure());
    let milliseconds = |[p50, p99]: [f64; 2]| format!("{:.2} / {:.2} ms", p50 * 1e3, p99 * 1e3);
    row(
        "p99 of known clients while unknown ones flood in and are looked up / quiet",
        format!("{:.2}", flood.looked_up_to_quiet),
        "at most 1.20",
    );
    row(
        "  the same without on_miss, where they are refused at once",
        format!("{:.2}", flood.refused_to_quiet),
        "",
    );
    row("  p50 / p99, quiet", milliseconds(flood.quiet), "");
    row("  p50 / p99, looked up", milliseconds(flood.looked_up), "");
    row("  p50 / p99, refused at once", milliseconds(flood.refused), "");
    let rates = format!("{:.0} a second", flood.sent_a_second);
    row("  requests that flooded in", rates, "");
    row(
        "  ... of which the registry was asked",
        format!("{:.0} a second", flood.asked_a_second),
        "",
    );
    let microseconds = |seconds: f64| format!("{:.0} us", seconds * 1e6);
    row("  Envoy's CPU time for one that is looked up", microseconds(flood.looked_up_cpu), "");
    row("  ... for one that is refused at once", microseconds(flood.refused_cpu), "");
    row(
        "most lookups in flight, of each of 2 workers",
        format!("{:.1}", flood.most_in_flight as f64 / 2.0),
        "at most 20",
    );
    let (few, many) = (Lookups::measure(FEW), Lookups::measure(MANY));
    row(
        "host calls of a known client among 1,000,000 / among 10",
        ratio(many.hot_calls, few.hot_calls),
        "at most 1.20",
    );
    row(
        "instructions of a known client among 1,000,000 / among 10",
        ratio(many.hot_fuel, few.hot_fuel),
        "at most 1.50",
    );
    let added = (many.cold_seconds - few.cold_seconds) * 1e6;
    row(
        "a client not parsed before, among 1,000,000 compared with 10",
        format!("{added:+.1} us"),
        "at most +20 us",
    );
    row("  its instructions, among 1,000,000 / among 10", ratio(many.cold_fuel, few.cold_fuel), "");

    let memory = |workers, clients| runtime.block_on(resident(workers, clients));
    let (small_1, small_4) = (memory(1, FEW), memory(4, FEW));
    let (large_1, large_4) = (memory(1, MANY), memory(4, MANY));
    let further = |four: u64, one: u64| four.saturating_sub(one) as f64 / 3.0 / 1e6;
    row(
        "resident memory of each further worker at 1,000,000 clients",
        format!("{:.1} MB", further(large_4, large_1)),
        "at most 5 MB",
    );
    row("  the same at 10 clients", format!("{:.1} MB", further(small_4, small_1)), "");
    let each = large_4.saturating_sub(small_4) as f64 / MANY as f64;
    row(
        "resident memory of the process per client at 1,000,000 clients",
        format!("{each:.0} bytes"),
        "at most 600 bytes",
    );

    for (name, page) in [("in pages of 2,500", 2_500), ("in one answer", REFRESHED)] {
        let (quiet, busy) = runtime.block_on(latencies(page));
        let what = format!("p99 of requests while 100,000 clients are refreshed {name} / quiet");
        row(
            &what,
            format!("{:.2} ({:.2} ms / {:.2} ms)", busy / quiet, busy * 1e3, quiet * 1e3),
            "at most 2.00",
        );
    }
    let slowest = runtime.block_on(changes());
    row(
        "from a change at the registry to all workers (refresh 1 s), slowest of 8",
        format!("{:.2} s", slowest.as_secs_f64()),
        "at most 2 s",
    );
    rows
}

fn numbered(number: usize) -> Value {
    client(&format!("client-{number:07}"))
}

/// The pages of a list with this many clients.
pub(crate) fn pages(clients: usize, page: usize) -> Vec<String> {
    let numbers: Vec<usize> = (0..clients).collect();
    let text = |part: &[usize]| {
        json!(part.iter().map(|number| numbered(*number)).collect::<Vec<_>>()).to_string()
    };
    numbers.chunks(page).map(text).collect()
}

/// The cost of requests in the module.
struct Lookups {
    hot_calls: f64,
    hot_fuel: f64,
    cold_fuel: f64,
    cold_seconds: f64,
}

impl Lookups {
    fn measure(clients: usize) -> Self {
        let mut vm = loaded(clients);
        let connection = run::connection_of(Some(&CERTIFICATES.seed), Some(true));
        let mut cost = |number: usize| {
            let begin = Instant::now();
            let outcome =
                run::send(&mut vm, connection.clone(), &request(number), InModule::WholeBody)
                    .expect("no fault");
            let seconds = begin.elapsed().as_secs_f64();
            assert_eq!(run::code(&outcome), "authenticated");
            let calls: u32 = outcome.account.host_calls.values().sum();
            (f64::from(calls), outcome.account.fuel as f64, seconds)
        };
        cost(0);
        let (hot_calls, hot_fuel, _) = (cost(0), cost(0)).1;
        // With ten clients, nine are new.
        let step = (clients / 1000).max(1);
        let cold: Vec<_> = (1..clients.min(1000)).map(|n| cost(n * step)).collect();
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let cold_fuel = median(cold.iter().map(|(_, fuel, _)| *fuel).collect());
        let cold_seconds = median(cold.iter().map(|(_, _, seconds)| *seconds).collect());
        Self { hot_calls, hot_fuel, cold_fuel, cold_seconds }
    }
}

pub(crate) fn request(number: usize) -> Request {
    let request = token(&format!("client-{number:07}"));
    Request { host: "as.example.com".into(), ..request }
}

/// A VM with a list of this many clients in force.
fn loaded(clients: usize) -> Vm {
    let configuration = snapshot("/clients", json!({})).to_string();
    let mut vm =
        run::start_in(&Process::new(), configuration.as_bytes(), NOW.0 as u64 * 1_000_000_000);
    // Each reading of the clock takes a microsecond, so that a slice fits into a callback.
    vm.set_clock_step(1_000);
    let pages = pages(clients, 100_000);
    let last = pages.len();
    let mut next = pages.into_iter().enumerate();
    while vm.metric("tls_client_auth.registry_refresh_ok") != Some(1) {
        let period = vm.tick_period().expect("a tick period is set");
        vm.set_clock(vm.clock() + u64::from(period) * 1_000_000);
        vm.tick().unwrap_or_else(|fault| panic!("{fault}"));
        for call in vm.calls() {
            let (number, body) = next.next().expect("no page after the last");
            let mut headers = vec![(":status".to_string(), b"200".to_vec())];
            if number + 1 < last {
                headers.push((
                    "link".into(),
                    format!("</clients?page={}>; rel=next", number + 1).into_bytes(),
                ));
            }
            vm.answer(
                call.token,
                HttpAnswer { headers, body: body.into_bytes(), trailers: Vec::new() },
            )
            .expect("no fault");
        }
    }
    vm.set_clock_step(0);
    vm
}

/// Serves a list in pages under `path`.
fn serve(registry: &Registry, path: &str, pages: Vec<String>) {
    let last = pages.len();
    for (number, body) in pages.into_iter().enumerate() {
        let here = if number == 0 { path.to_string() } else { format!("{path}/{number}") };
        let reply = Reply::body(body);
        let reply =
            if number + 1 < last { reply.next(&format!("{path}/{}", number + 1)) } else { reply };
        registry.serve(&here, reply);
    }
}

/// Resident memory of an Envoy with these numbers of workers and clients, in bytes.
async fn resident(workers: u32, clients: usize) -> u64 {
    let registry = Registry::start().await;
    serve(&registry, "/clients", pages(clients, 10_000));
    // Fetched once: only the list in force is measured.
    let configuration = snapshot("/clients", json!({ "refresh": "1h", "timeout": "10s" }));
    let envoy = start(workers, &registry, vec![Listener::new("gate", &configuration)]).await;
    let deadline = Instant::now() + Duration::from_secs(600);
    while envoy.metric("registry_clients").await != clients as u64 {
        assert!(Instant::now() < deadline, "the list does not take effect: {}", envoy.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Every worker parses some clients.
    for number in 0..200.min(clients) {
        let answer = Client::new(&CERTIFICATES.seed)
            .send(envoy.address("gate"), &request(number), Delivery::Http1Whole)
            .await;
        assert_eq!(answer.expect("an answer").status, 200);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    envoy.resident()
}

/// p99 of requests in seconds, without and during a refresh, in turns. The lists differ, so that a
/// refresh includes comparison and writing.
async fn latencies(page: usize) -> (f64, f64) {
    let registry = Registry::start().await;
    let texts = [pages(REFRESHED, page), pages(REFRESHED - 1, page)];
    serve(&registry, "/clients", texts[0].clone());
    let configuration = snapshot("/clients", json!({ "refresh": "1s", "timeout": "10s" }));
    let envoy = start(2, &registry, vec![Listener::new("gate", &configuration)]).await;
    eventually("the list is in force", async || {
        (envoy.metric("registry_clients").await == REFRESHED as u64).then_some(())
    })
    .await;
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(
            Client::new(&CERTIFICATES.seed)
                .http1(envoy.address("gate"))
                .await
                .expect("a connection"),
        );
    }
    load(&mut connections, Duration::from_secs(2)).await;
    for round in 1..=3 {
        // While the registry refuses, the VMs have nothing to do after the current refresh.
        let failed = envoy.metric("registry_refresh_failed").await;
        registry.serve("/clients", Reply::status(500));
        eventually("nothing is under way", async || {
            (envoy.metric("registry_refresh_failed").await > failed).then_some(())
        })
        .await;
        for _ in 0..16 {
            quiet.extend(load(&mut connections, Duration::from_millis(250)).await);
        }
        let (refreshed, asked) =
            (envoy.metric("registry_refresh_ok").await, registry.asked("/clients").len());
        serve(&registry, "/clients", texts[round % 2].clone());
        eventually("the registry is asked again", async || {
            (registry.asked("/clients").len() > asked).then_some(())
        })
        .await;
        loop {
            let part = load(&mut connections, Duration::from_millis(250)).await;
            // Only requests that were sent during the refresh count.
            if envoy.metric("registry_refresh_ok").await != refreshed {
                break;
            }
            busy.extend(part);
        }
    }
    assert!(busy.len() > 500, "{} requests are too few for a percentile", busy.len());
    (p99(quiet), p99(busy))
}

fn p99(seconds: Vec<f64>) -> f64 {
    percentile(seconds, 99)
}

pub(crate) fn percentile(mut seconds: Vec<f64>, percent: usize) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() * percent / 100]
}

/// Sends a request every four milliseconds on each connection; returns the seconds of each.
pub(crate) async fn load(connections: &mut Vec<Http1>, duration: Duration) -> Vec<f64> {
    let mut tasks = tokio::task::JoinSet::new();
    for (number, mut connection) in connections.drain(..).enumerate() {
        tasks.spawn(async move {
            let request = request(number);
            let length = format!("content-length: {}", request.body.len());
            let bytes = [http1::head("bench", &request, &[&length]), request.body].concat();
            let mut seconds = Vec::new();
            let mut turns = tokio::time::interval(Duration::from_millis(4));
            let end = Instant::now() + duration;
            while Instant::now() < end {
                turns.tick().await;
                let begin = Instant::now();
                connection.write(&bytes).await.expect("a request");
                let answer = connection.answer("bench").await.expect("an answer");
                assert_eq!(answer.status, 200);
                seconds.push(begin.elapsed().as_secs_f64());
            }
            (connection, seconds)
        });
    }
    let (kept, seconds): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().unzip();
    connections.extend(kept);
    seconds.concat()
}

/// The longest time from a change until the last worker decides by it.
async fn changes() -> Duration {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["round-0"]));
    let envoy =
        start(4, &registry, vec![Listener::new("gate", &snapshot("/clients", json!({})))]).await;
    let mut slowest = Duration::ZERO;
    for round in 0..=8 {
        let id = format!("round-{round}");
        let begin = Instant::now();
        registry.serve("/clients", Reply::clients(&[&id]));
        let mut in_a_row = 0;
        while in_a_row < 16 {
            let answer = Client::new(&CERTIFICATES.seed)
                .send(envoy.address("gate"), &token(&id), Delivery::Http1Whole)
                .await;
            in_a_row = if answer.expect("an answer").status == 200 { in_a_row + 1 } else { 0 };
        }
        // The first round includes the start of Envoy.
        if round > 0 {
            slowest = slowest.max(begin.elapsed());
        }
        // At another phase of the refresh interval each time.
        tokio::time::sleep(Duration::from_millis(130 * round)).await;
    }
    slowest
}
