//! The Envoy under soak: three listeners, what they are configured with, and what is changed now.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::Sabotage;
use crate::envoy::bootstrap::{self, Listener};
use crate::envoy::fixture::{CERTIFICATES, configuration_with};
use crate::envoy::process::{self, CURRENT, Envoy};
use crate::envoy::registry;
use crate::ledger::{Excuses, Ledger};
use crate::support::case::DECISIONS;

pub const WORKERS: u32 = 2;
/// Every connection of the load asks some times in this time, and so hears of the end. Envoy counts
/// it from before it compiles the module, which takes seconds on a machine under load.
pub const DRAIN: Duration = Duration::from_secs(25);
/// How long an old list serves without a registry.
pub const MAX_STALE: Duration = Duration::from_secs(25);

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Its clients are in the configuration, which changes.
    Static,
    /// Its clients come from a registry, which changes and fails.
    Registry,
    /// Its module has the switch of `fault.mjs`.
    Victim,
}

impl Gate {
    pub const ALL: [Self; 3] = [Self::Static, Self::Registry, Self::Victim];

    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Registry => "listed",
            Self::Victim => "victim",
        }
    }
}

/// What holds now. `None` means that it changes, and both may hold.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Which of two clients is configured at [`Gate::Static`].
    pub generation: Option<usize>,
    /// Which of two lists the registry has.
    pub list: Option<usize>,
    pub down: bool,
    pub gone: bool,
    draining_until: [Instant; 3],
    killed_until: Instant,
}

#[derive(Debug)]
pub struct Stage {
    pub envoy: Envoy,
    pub ledger: Ledger,
    pub is_over: AtomicBool,
    /// The flood is on.
    pub floods: AtomicBool,
    /// TLS connections that are open.
    pub connections: AtomicU64,
    pub most_connections: AtomicU64,
    pub handshakes: AtomicU64,
    pub sabotage: Option<Sabotage>,
    addresses: [SocketAddr; 3],
    conditions: Mutex<Conditions>,
    /// The listeners as they were written last, and what counts their changes.
    listeners: Mutex<[Value; 3]>,
}

impl Stage {
    pub async fn start(ledger: Ledger, registry: SocketAddr, sabotage: Option<Sabotage>) -> Self {
        let backend = ledger.recorder.address;
        let mut written = [Value::Null, Value::Null, Value::Null];
        let envoy = Envoy::start_draining_at_once(WORKERS, DRAIN, |_, directory| {
            for gate in Gate::ALL {
                let module = module_of(gate, directory, 0);
                let made = listener(gate, &module, 0, backend, sabotage);
                written[gate as usize] = made;
            }
            let listeners: Vec<_> =
                Gate::ALL.iter().map(|gate| Listener::new(gate.name(), &Value::Null)).collect();
            let whole = bootstrap::bootstrap(&listeners, backend, Path::new("none"), directory);
            let mut whole = bootstrap::with_cluster(whole, registry::CLUSTER, registry);
            whole["static_resources"]["listeners"] = json!(written.clone());
            for cluster in whole["static_resources"]["clusters"].as_array_mut().expect("a list") {
                // The crowd alone may have more than 1024 requests under way.
                cluster["circuit_breakers"] = json!({ "thresholds": [{
                    "max_connections": 100_000, "max_pending_requests": 100_000,
                    "max_requests": 100_000,
                }] });
            }
            bootstrap::deliver_listeners(whole, directory).to_string()
        });
        let envoy = envoy.await.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
        let addresses = Gate::ALL.map(|gate| envoy.address(gate.name()));
        let past = Instant::now();
        let conditions = Conditions {
            generation: Some(0),
            list: Some(0),
            down: false,
            gone: false,
            draining_until: [past; 3],
            killed_until: past,
        };
        Self {
            envoy,
            ledger,
            is_over: AtomicBool::new(false),
            floods: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            most_connections: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            sabotage,
            addresses,
            conditions: Mutex::new(conditions),
            listeners: Mutex::new(written),
        }
    }

    pub fn address(&self, gate: Gate) -> SocketAddr {
        self.addresses[gate as usize]
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Sleeps, but not beyond the end.
    pub async fn rest(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_over() && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            tokio::time::sleep(left.min(Duration::from_millis(200))).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Conditions> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn conditions(&self) -> Conditions {
        *self.lock()
    }

    pub fn change(&self, change: impl FnOnce(&mut Conditions)) {
        change(&mut self.lock());
    }

    /// Puts another module, another server certificate and the configuration of this generation
    /// into the file that Envoy watches, for one listener.
    pub async fn update(&self, gate: Gate, number: u64, generation: usize) {
        self.change(|now| {
            now.draining_until[gate as usize] = Instant::now() + DRAIN + Duration::from_secs(5);
            if gate == Gate::Static {
                now.generation = None;
            }
        });
        let updates = self.envoy.stat("listener_manager.listener_modified").await;
        let module = module_of(gate, &self.envoy.directory, number);
        let backend = self.ledger.recorder.address;
        let made = listener(gate, &module, generation, backend, self.sabotage);
        self.write(gate, made);
        let end = Instant::now() + Duration::from_secs(20);
        while self.envoy.stat("listener_manager.listener_modified").await == updates {
            if Instant::now() > end {
                return self.ledger.violation(format!("{gate:?}: an update is not taken"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.change(|now| {
            now.draining_until[gate as usize] = Instant::now() + DRAIN + Duration::from_secs(5);
        });
        self.rest(DRAIN + Duration::from_secs(3)).await;
        self.change(|now| {
            if gate == Gate::Static {
                now.generation = Some(generation);
            }
        });
        let _ = fs::remove_file(self.envoy.directory.join(module_name(gate, number - 1)));
    }

    /// A configuration that the filter refuses: nothing may change.
    pub async fn update_with_a_mistake(&self) {
        let rejected = self.envoy.stat("listener_manager.lds.update_rejected").await;
        let before = self.listeners.lock().unwrap_or_else(PoisonError::into_inner)[0].clone();
        let mut wrong = before.clone();
        *configuration_of(&mut wrong) =
            "{\"endpoints\": [\"/token\"], \"mode\": \"shaddow\"}".into();
        self.write(Gate::Static, wrong);
        let end = Instant::now() + Duration::from_secs(20);
        while self.envoy.stat("listener_manager.lds.update_rejected").await == rejected {
            if Instant::now() > end {
                self.ledger.violation("a wrong configuration is not refused".into());
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.write(Gate::Static, before);
    }

    fn write(&self, gate: Gate, listener: Value) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners[gate as usize] = listener;
        let whole = json!({ "static_resources": { "listeners": *listeners } });
        bootstrap::deliver_listeners(whole, &self.envoy.directory);
    }

    /// A VM is about to be killed: Envoy starts another one within about a second.
    pub fn expect_kill(&self) {
        self.change(|now| now.killed_until = Instant::now() + Duration::from_secs(8));
    }

    /// The counters of the decisions, by code.
    pub async fn counters(&self) -> BTreeMap<String, u64> {
        let stats = self.envoy.stats().await;
        let of = |code: &str| {
            let name = format!("wasmcustom.tls_client_auth.{code}");
            Some((code.to_owned(), *stats.get(&name)?))
        };
        DECISIONS.iter().filter_map(|(code, _)| of(code)).collect()
    }
}

impl Conditions {
    pub fn excuses(&self, gate: Gate) -> Excuses {
        let now = Instant::now();
        Excuses {
            registry_down: gate == Gate::Registry && self.down,
            registry_gone: gate == Gate::Registry && self.gone,
            vm_killed: gate == Gate::Victim && now < self.killed_until,
            draining: now < self.draining_until[gate as usize],
        }
    }
}

fn module_name(gate: Gate, number: u64) -> String {
    format!("{}-{number}.wasm", gate.name())
}

/// A module of other bytes for each number, and so another VM: a custom section has the number.
fn module_of(gate: Gate, directory: &Path, number: u64) -> PathBuf {
    let source = if gate == Gate::Victim { faulty_module() } else { process::module() };
    let mut bytes = fs::read(source).expect("the module can be read");
    let name = format!("{}-{number}", gate.name());
    let length = u8::try_from(name.len()).expect("the name is short");
    // The section's id and size; the size of its name and the name.
    bytes.extend([0, length + 1, length]);
    bytes.extend(name.as_bytes());
    let path = directory.join(module_name(gate, number));
    fs::write(&path, bytes).expect("the directory is ours");
    path
}

pub fn faulty_module() -> PathBuf {
    let path = crate::support::repository().join("target/soak/fault.wasm");
    assert!(path.exists(), "target/soak/fault.wasm is missing: ./build.sh soak makes it");
    path
}

/// Each has a new server certificate.
fn listener(
    gate: Gate,
    module: &Path,
    generation: usize,
    backend: SocketAddr,
    sabotage: Option<Sabotage>,
) -> Value {
    let mut configuration = match gate {
        Gate::Static => of_generation(generation),
        Gate::Registry => {
            let day = Some(Sabotage::Stale) == sabotage;
            let seconds = if day { 86_400 } else { MAX_STALE.as_secs() };
            // The time-out leaves a registry in a busy process time to answer.
            let members = json!({ "max_stale": format!("{seconds}s"), "timeout": "3s" });
            registry::snapshot("/clients", members)
        }
        Gate::Victim => configuration_with(json!({})),
    };
    configuration["log"] = "none".into();
    if sabotage == Some(Sabotage::Pass) && gate == Gate::Static {
        configuration["mode"] = "shadow".into();
    }
    let one = Listener::new(gate.name(), &configuration);
    let mut whole = bootstrap::bootstrap(&[one], backend, module, Path::new("none"));
    let mut listener = whole["static_resources"]["listeners"][0].take();
    let manager = manager_of(&mut listener);
    manager["access_log"] = json!([]);
    if sabotage == Some(Sabotage::Twice) && gate == Gate::Static {
        manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["request_mirror_policies"] =
            json!([{ "cluster": gate.name() }]);
    }
    listener
}

fn manager_of(listener: &mut Value) -> &mut Value {
    &mut listener["filter_chains"][0]["filters"][0]["typed_config"]
}

fn configuration_of(listener: &mut Value) -> &mut Value {
    &mut manager_of(listener)["http_filters"][0]["typed_config"]["config"]["configuration"]["value"]
}

/// Each generation has one client that the other does not have.
fn of_generation(generation: usize) -> Value {
    let mut configuration = configuration_with(json!({}));
    let mut own = configuration["clients"][0].clone();
    own["client_id"] = GENERATIONS[generation].into();
    configuration["clients"].as_array_mut().expect("clients are an array").push(own);
    configuration
}

pub const GENERATIONS: [&str; 2] = ["first", "second"];
/// A client of each list that the other list does not have.
pub const LISTED: [&str; 2] = ["odd", "even"];

/// A list of the registry. Of its two self-signed certificates a client has one in each.
pub fn list(number: usize) -> Value {
    let key = [&CERTIFICATES.self_signed, &CERTIFICATES.self_signed_rsa][number];
    json!([
        registry::client("always"),
        registry::client(LISTED[number]),
        {
            "client_id": "rotating",
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "jwks": { "keys": [{
                "kty": if number == 0 { "EC" } else { "RSA" }, "x5t#S256": key.x5t_s256(),
            }] },
        },
    ])
}

/// The version that the report names.
pub const ENVOY: &str = CURRENT;
