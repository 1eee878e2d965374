//! Events in Envoy while lists are fetched: updates, VMs that end, changes of the clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::bootstrap::{self, Listener};
use super::process::{CURRENT, Envoy, eventually, module};
use super::registry::{CLUSTER, Registry, Reply, decided, request, snapshot, start};

/// An Envoy whose listeners can be replaced while it runs.
struct Dynamic {
    envoy: Envoy,
    registry: Registry,
}

impl Dynamic {
    async fn start(workers: u32, registry: Registry, listeners: &[Listener]) -> Self {
        let make = |backend, directory: &Path| {
            let file = directory.join("listeners.json");
            let static_ =
                bootstrap::bootstrap(listeners, backend, &module(), &directory.join("access.log"));
            let with_registry = bootstrap::with_cluster(static_, CLUSTER, registry.address);
            let (bootstrap, resources) = bootstrap::with_dynamic_listeners(with_registry, &file);
            fs::write(&file, resources).expect("the directory can be written");
            bootstrap.to_string()
        };
        let envoy = Envoy::start_with(CURRENT, workers, make).await;
        let envoy = envoy.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
        Self { envoy, registry }
    }

    /// Replaces the listeners, and waits until the new ones are in use.
    async fn update(&mut self, listeners: &[Listener]) {
        let before = self.envoy.stat("listener_manager.lds.update_success").await;
        let file = self.envoy.directory.join("listeners.json");
        let backend = self.envoy.backend.address;
        let static_ = bootstrap::bootstrap(
            listeners,
            backend,
            &module(),
            &self.envoy.directory.join("access.log"),
        );
        let (_, resources) = bootstrap::with_dynamic_listeners(static_, &file);
        // Envoy notices a file that is moved to this place.
        let new = file.with_extension("new");
        fs::write(&new, resources).expect("the directory can be written");
        fs::rename(&new, &file).expect("the directory can be written");
        self.envoy.stat_becomes("listener_manager.lds.update_success", before + 1).await;
        self.envoy.stat_becomes("listener_manager.total_listeners_warming", 0).await;
        self.envoy.relisten().await;
    }
}

fn gate(path: &str, vm: &str) -> Listener {
    Listener { vm: vm.into(), ..Listener::new("gate", &snapshot(path, json!({}))) }
}

#[tokio::test]
async fn when_the_vm_that_fetches_ends_another_vm_fetches() {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["c0"]));
    let mut dynamic = Dynamic::start(2, registry, &[gate("/clients", "first")]).await;
    decided(&dynamic.envoy, "gate", "c0", "authenticated").await;
    // In each round all VMs of the process are replaced; the shared data stays.
    for round in 1..=3 {
        dynamic.update(&[gate("/clients", &format!("vm {round}"))]).await;
        // The list stays in force without the VMs that fetched it.
        request(&dynamic.envoy, "gate", &format!("c{}", round - 1))
            .await
            .assert_is("authenticated");
        dynamic.envoy.stat_becomes("listener_manager.total_listeners_draining", 0).await;
        dynamic.registry.serve("/clients", Reply::clients(&[&format!("c{round}")]));
        decided(&dynamic.envoy, "gate", &format!("c{round}"), "authenticated").await;
        decided(&dynamic.envoy, "gate", &format!("c{}", round - 1), "unknown_client").await;
    }
    dynamic.envoy.assert_healthy().await;
}

#[tokio::test]
async fn an_update_during_a_fetch() {
    let registry = Registry::start().await;
    registry.serve("/old", Reply::clients(&["old"]).after(Duration::from_secs(5)));
    registry.serve("/new", Reply::clients(&["new"]));
    let slow = snapshot("/old", json!({ "timeout": "20s" }));
    let mut dynamic = Dynamic::start(2, registry, &[Listener::new("gate", &slow)]).await;
    eventually("the old list is on its way", async || {
        (!dynamic.registry.asked("/old").is_empty()).then_some(())
    })
    .await;
    request(&dynamic.envoy, "gate", "old").await.assert_is("registry_unavailable");
    dynamic.update(&[gate("/new", "")]).await;
    decided(&dynamic.envoy, "gate", "new", "authenticated").await;
    decided(&dynamic.envoy, "gate", "old", "unknown_client").await;
    dynamic.envoy.stat_becomes("listener_manager.total_listeners_draining", 0).await;
    // Back to the first configuration, in the same VM: its list is fetched again.
    dynamic.registry.serve("/old", Reply::clients(&["old"]));
    dynamic.update(&[gate("/old", "")]).await;
    decided(&dynamic.envoy, "gate", "old", "authenticated").await;
    decided(&dynamic.envoy, "gate", "new", "unknown_client").await;
    dynamic.envoy.assert_healthy().await;
}

#[tokio::test]
async fn two_filters_with_registries_of_their_own() {
    let registry = Registry::start().await;
    registry.serve("/one", Reply::clients(&["one", "both"]));
    registry.serve("/two", Reply::clients(&["two", "both"]));
    let listeners =
        ["one", "two"].map(|name| Listener::new(name, &snapshot(&format!("/{name}"), json!({}))));
    let envoy = start(2, &registry, listeners.into()).await;
    for (listener, own, others) in [("one", "one", "two"), ("two", "two", "one")] {
        decided(&envoy, listener, own, "authenticated").await;
        decided(&envoy, listener, "both", "authenticated").await;
        decided(&envoy, listener, others, "unknown_client").await;
    }
    registry.serve("/one", Reply::clients(&["one"]));
    decided(&envoy, "one", "both", "unknown_client").await;
    request(&envoy, "two", "both").await.assert_is("authenticated");
    envoy.assert_healthy().await;
}

/// Compiles the library that shifts the clock of a process.
fn clock() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, library) =
        (support::repository().join("tests/envoy/clock.c"), directory.join("clock.so"));
    let new = directory.join(format!("clock-{}.so", std::process::id()));
    let compiler = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&new)
        .arg(source)
        .arg("-ldl")
        .status();
    assert!(
        compiler.is_ok_and(|status| status.success()),
        "a C compiler (cc) is needed: install one with your system's packages"
    );
    fs::rename(&new, &library).expect("the directory can be written");
    library
}

#[tokio::test]
async fn a_clock_that_is_set_back() {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["c0"]));
    let shift =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-shift-{}", std::process::id()));
    fs::write(&shift, "0").expect("the directory can be written");
    let short = snapshot("/clients", json!({ "max_stale": "10s" }));
    let environment = [
        ("LD_PRELOAD", clock().display().to_string()),
        ("CLOCK_SHIFT", shift.display().to_string()),
    ];
    let make = |backend, directory: &Path| {
        let listeners = [Listener::new("gate", &short)];
        let bootstrap =
            bootstrap::bootstrap(&listeners, backend, &module(), &directory.join("access.log"));
        bootstrap::with_cluster(bootstrap, CLUSTER, registry.address).to_string()
    };
    let envoy = Envoy::start_in(CURRENT, 2, &environment, make).await;
    let envoy = envoy.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    decided(&envoy, "gate", "c0", "authenticated").await;
    for (round, seconds) in [-86_400_i64, 86_400, -10 * 365 * 86_400].into_iter().enumerate() {
        fs::write(&shift, seconds.to_string()).expect("the directory can be written");
        let (before, after) = (format!("c{round}"), format!("c{}", round + 1));
        if seconds < -86_400 {
            // Shows that Envoy's clock changed: it is before the validity of the certificates.
            decided(&envoy, "gate", &before, "certificate_not_yet_valid").await;
        } else {
            request(&envoy, "gate", &before).await.assert_is("authenticated");
        }
        registry.serve("/clients", Reply::clients(&[&after]));
        decided(&envoy, "gate", &before, "unknown_client").await;
    }
    // No change of the clock was taken for age.
    assert!(!envoy.log().contains("older than max_stale"), "{}", envoy.log());
    fs::remove_file(&shift).expect("the directory can be written");
    decided(&envoy, "gate", "c3", "authenticated").await;
    envoy.assert_healthy().await;
}
