//! Another module and another configuration while requests arrive, the way of docs/upgrading.md: no
//! request is lost, and none is decided by a mixture of the two.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::bootstrap::{self, Listener};
use super::client::{Answer, Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, configuration_with, outcome, post, token};
use super::http1::{self, Http1};
use super::http2::{Http2, Stream};
use super::process::{Envoy, eventually, module};
use crate::support::case::Request;

const WORKERS: u32 = 2;
/// Long enough for every connection to hear of it, even on a machine under load.
const DRAIN_SECONDS: u32 = 10;

/// The two states of the listener. Each has one client that the other does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    First,
    Second,
}

impl Generation {
    fn client_id(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }

    fn configuration(self) -> Value {
        let mut configuration = configuration_with(json!({ "log": "none" }));
        let mut own = configuration["clients"][0].clone();
        assert_eq!(own["client_id"], "seed");
        own["client_id"] = self.client_id().into();
        configuration["clients"].as_array_mut().expect("clients are an array").push(own);
        configuration
    }
}

/// What all connections of the load share.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    /// The only generation that may answer from now on.
    only: Mutex<Option<Generation>>,
    /// Answers of each generation.
    first: AtomicU64,
    second: AtomicU64,
    /// Requests that passed.
    passed: AtomicU64,
}

impl Load {
    fn only(&self) -> Option<Generation> {
        *self.only.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect_only(&self, generation: Generation) {
        *self.only.lock().unwrap_or_else(PoisonError::into_inner) = Some(generation);
    }

    fn expect_either(&self) {
        *self.only.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn answers(&self, generation: Generation) -> &AtomicU64 {
        match generation {
            Generation::First => &self.first,
            Generation::Second => &self.second,
        }
    }

    /// Waits until this generation has given a hundred more answers.
    async fn goes_on(&self, generation: Generation) {
        let answers = self.answers(generation);
        let wanted = answers.load(Ordering::Relaxed) + 100;
        eventually(&format!("answers of {generation:?}"), async || {
            (answers.load(Ordering::Relaxed) >= wanted).then_some(())
        })
        .await;
    }

    /// Which generation gave this answer, if only one can have given it.
    fn check(&self, client_id: &str, answer: &Answer) -> Option<Generation> {
        let text = answer.text();
        assert!([200, 401].contains(&answer.status), "{client_id}: {} {text}", answer.status);
        let is_passed = answer.status == 200;
        self.passed.fetch_add(u64::from(is_passed), Ordering::Relaxed);
        let generation = match (client_id, is_passed) {
            ("first", true) | ("second", false) => Generation::First,
            ("first", false) | ("second", true) => Generation::Second,
            _ => {
                assert_eq!(is_passed, client_id == "seed", "{client_id}: {text}");
                return None;
            }
        };
        self.answers(generation).fetch_add(1, Ordering::Relaxed);
        Some(generation)
    }
}

/// A client asks again and again on one connection, until Envoy says that it will close it.
async fn on_one_connection(load: &Load, client: &Client, to: SocketAddr, delivery: Delivery) {
    let mut connection = if delivery == Delivery::Http2Whole {
        Connection::Http2(client.http2(to).await.expect("HTTP/2"))
    } else {
        Connection::Http1(Box::new(client.http1(to).await.expect("HTTP/1.1")))
    };
    let mut generation = None;
    for client_id in ["seed", "first", "second", "nobody"].into_iter().cycle() {
        if load.is_over.load(Ordering::Relaxed) {
            return;
        }
        let only = load.only();
        let Some((answer, is_last)) = connection.ask(client_id, delivery).await else { return };
        if let Some(found) = load.check(client_id, &answer) {
            let expected = only.or(generation).unwrap_or(found);
            assert_eq!(found, expected, "{client_id} over {delivery:?}: {}", answer.text());
            generation = Some(found);
        }
        if is_last {
            return;
        }
        // Not as many as the machine can: it does other things too.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

enum Connection {
    Http1(Box<Http1>),
    Http2(Http2),
}

impl Connection {
    /// The answer, and whether the connection takes no more requests; none if it took not even this
    /// one. Every other error is a lost request.
    async fn ask(&mut self, client_id: &str, delivery: Delivery) -> Option<(Answer, bool)> {
        let (id, request) = (next_id(), token(client_id));
        match self {
            Self::Http1(connection) => {
                let answer = within_deadline(connection.exchange(&id, &request, delivery)).await;
                let answer = answer.expect("HTTP/1.1: an answer to each request");
                let is_last = answer.field("connection") == Some("close");
                Some((answer, is_last))
            }
            Self::Http2(connection) => {
                let stream = match connection.open(&id, &request, false).await {
                    Ok(stream) => stream,
                    // Nothing is sent after GOAWAY.
                    Err(error) if is_go_away(&error) => return None,
                    Err(error) => panic!("HTTP/2: {error}"),
                };
                let answer = within_deadline(finished(stream, &request.body)).await;
                Some((answer, false))
            }
        }
    }
}

async fn finished(mut stream: Stream, body: &[u8]) -> Answer {
    stream.data(body, true).expect("the stream is open");
    stream.answer().await.expect("HTTP/2: an answer to each request")
}

fn is_go_away(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<h2::Error>());
    inner.is_some_and(h2::Error::is_go_away)
}

/// Puts the listener into the file that Envoy watches, and returns the bootstrap that names it.
fn deliver(module: &Path, configuration: &Value, backend: SocketAddr, directory: &Path) -> Value {
    let listener = Listener::new("gate", configuration);
    let access_log = directory.join("access.log");
    bootstrap::deliver_listeners(
        bootstrap::bootstrap(&[listener], backend, module, &access_log),
        directory,
    )
}

/// The shipped module with a custom section that says `name`: other bytes, and so another VM.
fn copy_of_the_module(directory: &Path, name: &str) -> PathBuf {
    let mut bytes = fs::read(module()).expect("the module can be read");
    let length = u8::try_from(name.len()).expect("the name is short");
    // The section's id and size; the size of its name and the name.
    bytes.extend([0, length + 1, length]);
    bytes.extend(name.as_bytes());
    let path = directory.join(format!("{name}.wasm"));
    fs::write(&path, bytes).expect("the directory is ours");
    path
}

/// Changes to this generation under the load, with two requests under way.
async fn change(envoy: &Envoy, load: &Load, from: Generation, to: Generation) {
    let address = envoy.address("gate");
    load.expect_only(from);
    load.goes_on(from).await;
    load.expect_either();

    let client = Client::new(&CERTIFICATES.seed);
    let request = token(from.client_id());
    let (begun, rest) = request.body.split_at(10);
    let ids = [next_id(), next_id()];
    let mut http1 = client.http1(address).await.expect("HTTP/1.1");
    let length = format!("content-length: {}", request.body.len());
    let head = http1::head(&ids[0], &request, &[&length]);
    http1.write(&[&head, begun].concat()).await.expect("it is open");
    let http2 = client.http2(address).await.expect("HTTP/2");
    let mut stream = http2.open(&ids[1], &request, false).await.expect("a stream");
    stream.data(begun, false).expect("it is open");

    let created = envoy.stat("wasm.envoy.wasm.runtime.v8.created").await;
    let module = copy_of_the_module(&envoy.directory, to.client_id());
    deliver(&module, &to.configuration(), envoy.backend.address, &envoy.directory);
    eventually("something drains", async || (draining(envoy).await > 0).then_some(())).await;
    load.goes_on(to).await;
    let vms = envoy.stat("wasm.envoy.wasm.runtime.v8.created").await - created;
    assert!(vms > u64::from(WORKERS), "the new module is in {vms} new VMs");

    // Decided by what they began with, though others are already decided by the new one.
    http1.write(rest).await.expect("it is open");
    let answers = [
        within_deadline(http1.answer(&ids[0])).await.expect("HTTP/1.1: an answer"),
        within_deadline(finished(stream, rest)).await,
    ];
    for answer in answers {
        load.check(from.client_id(), &answer);
        outcome(envoy, request.clone(), answer).await.assert_is("authenticated");
    }
    eventually("nothing drains", async || (draining(envoy).await == 0).then_some(())).await;
    load.expect_only(to);
    load.goes_on(to).await;
}

async fn draining(envoy: &Envoy) -> u64 {
    envoy.stat("listener_manager.total_listeners_draining").await
        + envoy.stat("listener_manager.total_filter_chains_draining").await
}

#[tokio::test]
async fn a_change_of_module_and_configuration_under_load_loses_no_request() {
    let envoy = Envoy::start_draining(WORKERS, DRAIN_SECONDS, |backend, directory| {
        let module = copy_of_the_module(directory, Generation::First.client_id());
        deliver(&module, &Generation::First.configuration(), backend, directory).to_string()
    });
    let envoy = envoy.await.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    let to = envoy.address("gate");
    let load = Arc::new(Load::default());
    let mut connections = JoinSet::new();
    for delivery in [
        Delivery::Http1Whole,
        Delivery::Http1Whole,
        Delivery::Http1Chunked,
        Delivery::Http2Whole,
        Delivery::Http2Whole,
    ] {
        let load = Arc::clone(&load);
        let client = Client::new(&CERTIFICATES.seed);
        connections.spawn(async move {
            while !load.is_over.load(Ordering::Relaxed) {
                on_one_connection(&load, &client, to, delivery).await;
            }
        });
    }

    change(&envoy, &load, Generation::First, Generation::Second).await;
    // And back.
    change(&envoy, &load, Generation::Second, Generation::First).await;
    envoy.assert_healthy().await;

    // What Envoy refuses changes nothing.
    let rejected = envoy.stat("listener_manager.lds.update_rejected").await;
    let module = envoy.directory.join("second.wasm");
    let missing = envoy.directory.join("missing.wasm");
    let misspelt = configuration_with(json!({ "mode": "shaddow" }));
    for (number, (module, configuration)) in
        [(&missing, Generation::Second.configuration()), (&module, misspelt)].iter().enumerate()
    {
        deliver(module, configuration, envoy.backend.address, &envoy.directory);
        let wanted = rejected + 1 + number as u64;
        envoy.stat_becomes("listener_manager.lds.update_rejected", wanted).await;
        load.goes_on(Generation::First).await;
    }
    assert_eq!(draining(&envoy).await, 0);

    load.is_over.store(true, Ordering::Relaxed);
    connections.join_all().await;
    // Each request that passed was at the backend once, and no other.
    let passed = load.passed.load(Ordering::Relaxed);
    assert_eq!(envoy.backend.seen("gate").len() as u64, passed);
    assert_eq!(envoy.upstream_requests("gate").await, passed);
    // What a VM counted since its last tick it hands over at its end.
    envoy.metrics_become(&["authenticated"], passed).await;
}

/// The caution of docs/upgrading.md: a change whose module Envoy fetches is in force before Envoy
/// has it. What cannot be fetched, or is not what was pinned, admits no request at all.
#[tokio::test]
async fn a_fetched_module_that_is_not_the_pinned_one_closes_the_listener_until_the_next_change() {
    let configuration = Generation::First.configuration();
    let envoy = Envoy::start_draining(WORKERS, 1, |backend, directory| {
        deliver(&module(), &configuration, backend, directory).to_string()
    });
    let envoy = envoy.await.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    let to = envoy.address("gate");
    let (seed, nobody) = (Client::new(&CERTIFICATES.seed), Client::without_certificate());
    let status = async |client: &Client, request: &Request| {
        let answer = client.send(to, request, Delivery::Http1Whole).await;
        answer.map(|answer| answer.status).ok()
    };
    assert_eq!(status(&seed, &token("first")).await, Some(200));

    // What answers there is the backend, which has no modules.
    let mut whole = bootstrap::bootstrap(
        &[Listener::new("gate", &configuration)],
        envoy.backend.address,
        &module(),
        &envoy.directory.join("access.log"),
    );
    let code = whole.pointer_mut(
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0\
         /typed_config/config/vm_config/code",
    );
    *code.expect("the wasm filter is the first") = json!({ "remote": {
        "http_uri": { "uri": "http://files.example/module", "cluster": "gate", "timeout": "9s" },
        "sha256": "0".repeat(64),
    } });
    bootstrap::deliver_listeners(whole, &envoy.directory);
    let requests = [token("first"), token("secret"), post("/userinfo", "a=b")];
    let all = async || {
        let mut all = Vec::new();
        for client in [&seed, &nobody] {
            for request in &requests {
                all.push(status(client, request).await);
            }
        }
        all
    };
    eventually("a closed listener", async || {
        all().await.iter().all(|status| *status == Some(503)).then_some(())
    })
    .await;
    let before = envoy.backend.seen("gate").len();
    assert_eq!(all().await, [Some(503); 6]);
    assert_eq!(envoy.backend.seen("gate").len(), before);
    assert_eq!(envoy.stat("listener_manager.lds.update_rejected").await, 0);

    deliver(&module(), &configuration, envoy.backend.address, &envoy.directory);
    eventually("an open listener", async || {
        (all().await == [200, 200, 200, 401, 200, 200].map(Some)).then_some(())
    })
    .await;
}
