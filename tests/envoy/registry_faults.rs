//! Faults of a registry. After each, the last good list stays in force, the log says why, and
//! everything recovers with the registry.

use std::time::Duration;

use serde_json::json;

use super::bootstrap::Listener;
use super::process::{Envoy, eventually};
use super::registry::{Registry, Reply, decided, request, snapshot, start};

#[tokio::test]
async fn down_at_the_start_and_then_up() {
    let mut registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]));
    registry.stop().await;
    let envoy =
        start(2, &registry, vec![Listener::new("gate", &snapshot("/clients", json!({})))]).await;
    envoy.log_line("refresh failed: /clients: ").await;
    // 503 with retry-after; the backend receives nothing.
    decided(&envoy, "gate", "seed", "registry_unavailable").await;
    decided(&envoy, "gate", "nobody", "registry_unavailable").await;
    assert_eq!(envoy.upstream_requests("gate").await, 0);
    registry.start_again().await;
    decided(&envoy, "gate", "seed", "authenticated").await;
    decided(&envoy, "gate", "nobody", "unknown_client").await;
    assert!(envoy.metric("registry_refresh_failed").await > 0);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn dead_after_a_good_list() {
    let mut registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]));
    let short = snapshot("/clients", json!({ "max_stale": "4s" }));
    let listeners = vec![
        Listener::new("gate", &snapshot("/clients", json!({}))),
        Listener::new("short", &short),
    ];
    let envoy = start(2, &registry, listeners).await;
    decided(&envoy, "gate", "seed", "authenticated").await;
    decided(&envoy, "short", "seed", "authenticated").await;
    registry.stop().await;
    envoy.log_line("refresh failed: /clients: ").await;
    request(&envoy, "gate", "seed").await.assert_is("authenticated");
    request(&envoy, "gate", "nobody").await.assert_is("unknown_client");
    // For the listener with the short max_stale, the same list is too old.
    decided(&envoy, "short", "seed", "registry_unavailable").await;
    request(&envoy, "gate", "seed").await.assert_is("authenticated");
    registry.serve("/clients", Reply::clients(&["new"]));
    registry.start_again().await;
    for listener in ["gate", "short"] {
        decided(&envoy, listener, "new", "authenticated").await;
        decided(&envoy, listener, "seed", "unknown_client").await;
    }
    envoy.assert_healthy().await;
}

/// Serves a good list, then `bad`, then another good one.
async fn survives(envoy: &Envoy, registry: &Registry, name: &str, bad: Reply, said: &str) {
    let path = format!("/{name}");
    decided(envoy, name, "c1", "authenticated").await;
    registry.serve(&path, bad);
    let line = envoy.log_line(&format!("refresh failed: {path}: {said}")).await;
    assert!(line.contains("cluster=\"registry\""), "{line}");
    for (client_id, code) in [("c1", "authenticated"), ("evil", "unknown_client")] {
        request(envoy, name, client_id).await.assert_is(code);
    }
    registry.serve(&path, Reply::clients(&["c2"]));
    decided(envoy, name, "c2", "authenticated").await;
    decided(envoy, name, "c1", "unknown_client").await;
}

#[tokio::test]
async fn the_old_list_stays_in_force_after_every_fault() {
    let registry = Registry::start().await;
    registry.serve("/elsewhere", Reply::clients(&["evil"]));
    registry.serve("/endless-2", Reply::clients(&["evil"]).next("/endless-3"));
    registry.serve("/endless-3", Reply::clients(&["evil"]).next("/endless-4"));
    let evil = || Reply::clients(&["evil"]);
    let faults = [
        ("slow", evil().after(Duration::from_secs(30)), "status 504, Envoy's own"),
        ("short", evil().short(), "no answer"),
        ("short-chunks", evil().short_chunks(), "no answer"),
        (
            "html",
            Reply::body("<html>evil</html>").field("content-type", "text/html"),
            "not JSON at byte 0",
        ),
        ("cut", Reply::body("[{\"client_id\":\"evil\""), "not JSON: it ends in the middle"),
        ("other-json", Reply::body("{\"error\":\"evil\"}"), "expected an array of clients"),
        ("status", Reply::status(500), "status 500"),
        (
            "redirect",
            Reply::status(302).field("location", "/elsewhere"),
            "status 302: redirects are not followed",
        ),
        (
            "other-host",
            evil().next("https://other.test/2"),
            "link to the next page: another authority",
        ),
        ("endless", evil().next("/endless-2"), ""),
        ("circle", evil().next("/circle"), "link to the next page: a page that came before"),
        (
            "hundred-megabytes",
            evil().padded(100 << 20),
            "no answer: time-out, connection failure, a body cut short, or more than Envoy buffers \
             (32 MiB",
        ),
        ("too-large", evil().padded(1 << 20), "more than max_bytes = 100000"),
    ];
    let listeners = faults.iter().map(|(name, ..)| {
        registry.serve(&format!("/{name}"), Reply::clients(&["c1"]));
        let members = match *name {
            "endless" => json!({ "max_pages": 3 }),
            "too-large" => json!({ "max_bytes": 100_000 }),
            "hundred-megabytes" => json!({ "timeout": "20s" }),
            _ => json!({}),
        };
        Listener::new(name, &snapshot(&format!("/{name}"), members))
    });
    let envoy = start(2, &registry, listeners.collect()).await;
    let all = faults.iter().map(|(name, bad, said)| async {
        let bad = bad.clone();
        if *name == "endless" {
            decided(&envoy, name, "c1", "authenticated").await;
            registry.serve("/endless", bad);
            envoy
                .log_line(
                    "refresh failed: /endless-3: link to the next page: more pages than max_pages",
                )
                .await;
            request(&envoy, name, "c1").await.assert_is("authenticated");
            request(&envoy, name, "evil").await.assert_is("unknown_client");
        } else {
            survives(&envoy, &registry, name, bad, said).await;
        }
    });
    join_all(all.collect()).await;
    assert!(registry.asked("/elsewhere").is_empty(), "a redirect was followed");
    envoy.assert_healthy().await;
}

/// Runs all of these concurrently.
async fn join_all<F: Future<Output = ()>>(all: Vec<F>) {
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    std::future::poll_fn(move |context| {
        all.retain_mut(|one| one.as_mut().poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn an_empty_list_in_place_of_ten_clients() {
    let registry = Registry::start().await;
    let ids: Vec<String> = (0..10).map(|n| format!("c{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    for path in ["/ten", "/nine", "/allowed"] {
        let served = if path == "/nine" { &ids[1..] } else { &ids[..] };
        registry.serve(path, Reply::clients(served));
    }
    let listeners = vec![
        Listener::new("ten", &snapshot("/ten", json!({}))),
        Listener::new("nine", &snapshot("/nine", json!({}))),
        Listener::new("allowed", &snapshot("/allowed", json!({ "allow_empty": true }))),
    ];
    let envoy = start(2, &registry, listeners).await;
    for listener in ["ten", "nine", "allowed"] {
        decided(&envoy, listener, "c1", "authenticated").await;
        registry.serve(&format!("/{listener}"), Reply::body("{\"clients\": []}"));
    }
    envoy.log_line("refresh failed: /ten: the list is empty").await;
    for listener in ["nine", "allowed"] {
        decided(&envoy, listener, "c1", "unknown_client").await;
    }
    request(&envoy, "ten", "c1").await.assert_is("authenticated");
    envoy.assert_healthy().await;
}

/// Another list with the same ETag is another list; and after many answers "not modified", an
/// unconditional request is sent.
#[tokio::test]
async fn an_etag_that_never_changes() {
    let registry = Registry::start().await;
    for path in ["/frozen", "/always-304"] {
        registry.serve(path, Reply::clients(&["seed"]).field("etag", "\"1\""));
    }
    let fast = json!({ "refresh": "250ms" });
    let listeners = ["frozen", "always-304"]
        .map(|name| Listener::new(name, &snapshot(&format!("/{name}"), fast.clone())));
    let envoy = start(2, &registry, listeners.into()).await;
    for listener in ["frozen", "always-304"] {
        decided(&envoy, listener, "seed", "authenticated").await;
    }
    registry.serve("/frozen", Reply::clients(&["new"]).field("etag", "\"1\""));
    registry.serve("/always-304", Reply::clients(&["new"]).field("etag", "\"1\"").always_304());
    for listener in ["frozen", "always-304"] {
        decided(&envoy, listener, "new", "authenticated").await;
        decided(&envoy, listener, "seed", "unknown_client").await;
    }
    eventually("most requests are conditional", async || {
        let asked = registry.asked("/always-304");
        let conditional = asked
            .iter()
            .filter(|fields| super::wire::field(fields, "if-none-match").is_some())
            .count();
        (conditional >= 9).then_some(())
    })
    .await;
    envoy.assert_healthy().await;
}
