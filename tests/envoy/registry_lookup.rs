//! Lookups of single clients, while the request is held.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{CERTIFICATES, ask, post, token};
use super::process::{Envoy, eventually};
use super::registry::{Registry, Reply, client, decided, lookup, request, start};

async fn gate(registry: &Registry, members: Value) -> Envoy {
    start(1, registry, vec![Listener::new("gate", &lookup(members))]).await
}

fn of(client_id: &str) -> String {
    format!("/clients/{client_id}")
}

/// Whether a log line about this client contains this text.
fn logged(envoy: &Envoy, client_id: &str, said: &str) -> Option<()> {
    let about = format!("client_id=\"{client_id}\"");
    envoy.log().lines().any(|line| line.contains(&about) && line.contains(said)).then_some(())
}

#[tokio::test]
async fn found_and_not_found_in_every_delivery() {
    let registry = Registry::start().await;
    let envoy = gate(&registry, json!({})).await;
    let (right, wrong) =
        (Client::new(&CERTIFICATES.seed), Client::new(&CERTIFICATES.other_subject));
    let mut passed = 0;
    for (number, delivery) in Delivery::ALL.into_iter().enumerate() {
        let client_id = format!("c{number}");
        registry.serve(&of(&client_id), Reply::json(&client(&client_id)));
        // The first of these requests causes the lookup.
        for _ in 0..2 {
            ask(&envoy, "gate", &right, token(&client_id), delivery)
                .await
                .assert_is("authenticated");
            ask(&envoy, "gate", &wrong, token(&client_id), delivery)
                .await
                .assert_is("subject_mismatch");
            ask(&envoy, "gate", &right, token(&format!("x{number}")), delivery)
                .await
                .assert_is("unknown_client");
            ask(&envoy, "gate", &right, post("/userinfo", "a=b"), delivery)
                .await
                .assert_is("not_gated");
            passed += 2;
        }
        assert_eq!(registry.asked(&of(&client_id)).len(), 1, "{delivery:?}");
        assert_eq!(registry.asked(&of(&format!("x{number}"))).len(), 1, "{delivery:?}");
    }
    ask(&envoy, "gate", &right, token("a%2Fb%3F%20%C3%BC"), Delivery::Http2Whole)
        .await
        .assert_is("unknown_client");
    assert_eq!(registry.asked("/clients/a%2Fb%3F%20%C3%BC").len(), 1);
    assert_eq!(envoy.upstream_requests("gate").await, passed);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn waiting_requests_share_one_call() {
    let registry = Registry::start().await;
    registry.serve(&of("seed"), Reply::json(&client("seed")).after(Duration::from_millis(700)));
    let envoy = gate(&registry, json!({ "timeout": "20s" })).await;
    let to = envoy.address("gate");
    let mut all = JoinSet::new();
    for number in 0..20 {
        let right = Client::new(&CERTIFICATES.seed);
        let delivery = Delivery::ALL[number % Delivery::ALL.len()];
        all.spawn(async move {
            right.send(to, &token("seed"), delivery).await.map(|answer| answer.status)
        });
    }
    for answer in all.join_all().await {
        assert_eq!(answer.expect("an answer"), 200);
    }
    assert_eq!(registry.asked(&of("seed")).len(), 1);
    envoy.metrics_become(&["authenticated"], 20).await;
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_failed_lookup_does_not_pass() {
    let mut registry = Registry::start().await;
    let faults = [
        ("slow", Reply::json(&client("slow")).after(Duration::from_secs(30)), "status 504"),
        ("broken", Reply::status(500), "status 500"),
        ("busy", Reply::status(503), "status 503"),
        (
            "moved",
            Reply::status(301).field("location", "/clients/seed"),
            "redirects are not followed",
        ),
        ("other", Reply::json(&client("seed")), "the answer is about another client"),
        ("html", Reply::body("<html>"), "not JSON"),
        ("short", Reply::json(&client("short")).short(), "no answer"),
        ("large", Reply::json(&client("large")).padded(40 << 20), "no answer"),
        ("error", Reply::body("{\"error\": \"x\"}"), ""),
    ];
    for (client_id, reply, _) in &faults {
        registry.serve(&of(client_id), reply.clone());
    }
    let nowhere = lookup(json!({ "cluster": "missing" }));
    let envoy = start(
        1,
        &registry,
        vec![Listener::new("gate", &lookup(json!({}))), Listener::new("nowhere", &nowhere)],
    )
    .await;
    for (client_id, _, said) in &faults {
        for _ in 0..2 {
            request(&envoy, "gate", client_id).await.assert_is("registry_unavailable");
        }
        assert_eq!(registry.asked(&of(client_id)).len(), 2, "{client_id}: errors are not cached");
        // At most ten lines per second are written.
        eventually(&format!("{client_id}: {said}"), async || {
            request(&envoy, "gate", client_id).await.assert_is("registry_unavailable");
            logged(&envoy, client_id, said)
        })
        .await;
    }
    eventually("the missing cluster is logged", async || {
        request(&envoy, "nowhere", "seed").await.assert_is("registry_unavailable");
        logged(&envoy, "seed", "is there a cluster of this name?")
    })
    .await;
    registry.stop().await;
    request(&envoy, "gate", "seed").await.assert_is("registry_unavailable");
    assert_eq!(envoy.upstream_requests("gate").await + envoy.upstream_requests("nowhere").await, 0);
    registry.serve(&of("seed"), Reply::json(&client("seed")));
    registry.start_again().await;
    decided(&envoy, "gate", "seed", "authenticated").await;
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn answers_are_cached_as_they_state_and_serve_without_the_registry() {
    let mut registry = Registry::start().await;
    for (client_id, control) in
        [("never", "no-store"), ("second", "max-age=1"), ("long", "max-age=3600")]
    {
        registry
            .serve(&of(client_id), Reply::json(&client(client_id)).field("cache-control", control));
    }
    let envoy = gate(&registry, json!({})).await;
    let all = ["never", "second", "long"];
    for _ in 0..3 {
        for client_id in all {
            request(&envoy, "gate", client_id).await.assert_is("authenticated");
        }
    }
    let asked = |client_id: &str| registry.asked(&of(client_id)).len();
    assert_eq!((asked("never"), asked("long")), (3, 1));
    assert!(asked("second") < 3);
    // A removed client is refused when its answer expires.
    registry.serve(&of("second"), Reply::status(404));
    decided(&envoy, "gate", "second", "unknown_client").await;
    // RFC 5861: a cached answer serves while the registry fails.
    registry.stop().await;
    for client_id in ["never", "long"] {
        request(&envoy, "gate", client_id).await.assert_is("authenticated");
    }
    eventually("it is logged", async || {
        request(&envoy, "gate", "never").await.assert_is("authenticated");
        logged(&envoy, "never", "is served from memory")
    })
    .await;
    request(&envoy, "gate", "unknown").await.assert_is("registry_unavailable");
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_the_wait_of_others() {
    let registry = Registry::start().await;
    registry.serve(&of("seed"), Reply::json(&client("seed")).after(Duration::from_millis(600)));
    let envoy = gate(&registry, json!({ "timeout": "20s" })).await;
    let to = envoy.address("gate");
    // The first request causes the lookup, and its client leaves while it waits.
    let first = tokio::spawn(async move {
        Client::new(&CERTIFICATES.seed).send(to, &token("seed"), Delivery::Http1Whole).await
    });
    eventually("the registry is asked", async || {
        (registry.asked(&of("seed")).len() == 1).then_some(())
    })
    .await;
    let second = tokio::spawn(async move {
        Client::new(&CERTIFICATES.seed).send(to, &token("seed"), Delivery::Http2Trailers).await
    });
    eventually("the second request waits", async || {
        (envoy.stat("http.gate.downstream_rq_active").await == 2).then_some(())
    })
    .await;
    first.abort();
    eventually("the first request has ended", async || {
        (envoy.stat("http.gate.downstream_rq_active").await == 1).then_some(())
    })
    .await;
    let answer = second.await.expect("the task ends").expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(
        registry.asked(&of("seed")).len(),
        2,
        "the lookup is repeated for the request that waits"
    );
    request(&envoy, "gate", "seed").await.assert_is("authenticated");
    envoy.assert_healthy().await;
}
