//! CPU time that filters add to a request in a real Envoy.
//!
//! Each variant has an Envoy. All of them run at the same time, and get load one after another in
//! turns, so other work of the machine affects all of them. The figure is the CPU time of the Envoy
//! process per request, as the kernel counts it, without the client, the backend and waiting.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::envoy::backend;
use crate::envoy::bootstrap::{self, Listener};
use crate::envoy::client::{Client, Delivery, within_deadline};
use crate::envoy::fixture::CERTIFICATES;
use crate::envoy::http1::{self, Http1};
use crate::envoy::process::{self, CURRENT, Envoy};
use crate::request::{CLIENT, SUBJECT, configuration, token_request};

/// Many short turns: a disturbance affects neighbouring turns alike, and disappears in their
/// difference.
pub const ROUNDS: usize = 80;
pub const REQUESTS: usize = 200;
const WARM_UP: usize = 2_000;

/// The filter between the listener and the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Nothing,
    /// The least that a filter must do which waits for the body.
    Minimum,
    Filter,
    Lua,
}

impl Variant {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Minimum, Self::Filter, Self::Lua];

    /// Whether it refuses a client with another certificate.
    fn decides(self) -> bool {
        matches!(self, Self::Filter | Self::Lua)
    }
}

/// CPU time per request in nanoseconds, by variant in the order of [`Variant::ALL`], round by
/// round.
pub type Rounds = Vec<[u64; 4]>;

pub async fn measure() -> Rounds {
    let mut lanes = Vec::new();
    for variant in Variant::ALL {
        lanes.push(Lane::start(variant).await);
    }
    for lane in &mut lanes {
        lane.assert_decides().await;
        // V8 compiles frequent code a second time.
        lane.load(WARM_UP).await;
    }
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut nanoseconds = [0; 4];
        for turn in 0..lanes.len() {
            // The order changes from round to round.
            let place = (round + turn) % lanes.len();
            nanoseconds[place] = lanes[place].load(REQUESTS).await;
        }
        rounds.push(nanoseconds);
    }
    rounds
}

/// An Envoy with one variant, and a connection to it.
struct Lane {
    variant: Variant,
    envoy: Envoy,
    connection: Http1,
}

impl Lane {
    async fn start(variant: Variant) -> Self {
        let make = |backend, directory: &Path| {
            let module = match variant {
                Variant::Minimum => minimum(directory),
                _ => process::module(),
            };
            let mut bootstrap = bootstrap::bootstrap(
                &[Listener::new("gate", &configuration())],
                backend,
                &module,
                directory,
            );
            change_filters(&mut bootstrap, variant);
            bootstrap.to_string()
        };
        let envoy = Envoy::start_with(CURRENT, 1, make).await;
        let envoy = envoy.unwrap_or_else(|refused| panic!("{variant:?}: {}", refused.log));
        let connection = Client::new(&CERTIFICATES.seed)
            .http1(envoy.address("gate"))
            .await
            .expect("a connection");
        Self { variant, envoy, connection }
    }

    /// Asserts that the variant decides; otherwise its cost could not be compared.
    async fn assert_decides(&self) {
        let other = Client::new(&CERTIFICATES.other_subject);
        let answer = other
            .send(self.envoy.address("gate"), &token_request(), Delivery::Http1Whole)
            .await
            .expect("an answer");
        assert_eq!(
            answer.status,
            if self.variant.decides() { 401 } else { 200 },
            "{:?}: {}",
            self.variant,
            self.envoy.log()
        );
    }

    /// Sends requests one after another; returns the CPU time of each in nanoseconds.
    async fn load(&mut self, requests: usize) -> u64 {
        let request = token_request();
        let length = format!("content-length: {}", request.body.len());
        let bytes = [http1::head("bench", &request, &[&length]), request.body].concat();
        let before = cpu_time(self.envoy.process.id());
        for _ in 0..requests {
            let exchange = async {
                self.connection.write(&bytes).await?;
                self.connection.answer("bench").await
            };
            let answer = within_deadline(exchange).await.expect("an answer");
            assert_eq!(
                (answer.status, answer.text()),
                (200, backend::ANSWER.into()),
                "{:?}",
                self.variant
            );
        }
        let spent = cpu_time(self.envoy.process.id()) - before;
        u64::try_from(spent.as_nanos() / requests as u128).unwrap_or(u64::MAX)
    }
}

fn minimum(directory: &Path) -> PathBuf {
    let path = directory.join("minimum.wasm");
    let module = wat::parse_str(include_str!("minimum.wat")).expect("a constant of this project");
    fs::write(&path, module).expect("the directory can be written");
    path
}

fn change_filters(bootstrap: &mut Value, variant: Variant) {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = bootstrap.pointer_mut(manager).expect("the bootstrap of the Envoy tests has it");
    // The access log would cost the same in all variants.
    manager["access_log"] = json!([]);
    let filters = manager["http_filters"].as_array_mut().expect("it is a list");
    match variant {
        Variant::Nothing => drop(filters.remove(0)),
        Variant::Minimum | Variant::Filter => {}
        Variant::Lua => {
            let script =
                include_str!("subject.lua").replace("CLIENT", CLIENT).replace("SUBJECT", SUBJECT);
            filters[0] = json!({ "name": "lua", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": { "inline_string": script },
            }});
        }
    }
}

/// CPU time of all threads. `/proc/PID/stat` has it in ticks of 10 ms, which is too coarse for a
/// round.
fn cpu_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("Linux, and Envoy runs");
    let nanoseconds = threads.map(|thread| {
        let path = thread.expect("it can be listed").path().join("schedstat");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.split(' ')
            .next()
            .and_then(|time| time.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{}: {text:?}", path.display()))
    });
    Duration::from_nanos(nanoseconds.sum())
}
