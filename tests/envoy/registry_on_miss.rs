//! Clients that a list lacks, looked up while their requests are held.

use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{CERTIFICATES, ask, post, token};
use super::process::{Envoy, eventually};
use super::registry::{Registry, Reply, client, decided, request, snapshot, start};

async fn gate(workers: u32, registry: &Registry) -> Envoy {
    let on_miss = json!({ "on_miss": { "path": "/clients/{client_id}" } });
    let envoy =
        start(workers, registry, vec![Listener::new("gate", &snapshot("/clients", on_miss))]).await;
    decided(&envoy, "gate", "seed", "authenticated").await;
    envoy
}

fn of(client_id: &str) -> String {
    format!("/clients/{client_id}")
}

#[tokio::test]
async fn a_client_that_registered_a_moment_ago_works_at_once() {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]));
    let envoy = gate(1, &registry).await;
    // No list has any of them, in however many readings.
    let (right, wrong) =
        (Client::new(&CERTIFICATES.seed), Client::new(&CERTIFICATES.other_subject));
    for (number, delivery) in Delivery::ALL.into_iter().enumerate() {
        let client_id = format!("c{number}");
        registry.serve(&of(&client_id), Reply::json(&client(&client_id)));
        ask(&envoy, "gate", &right, token(&client_id), delivery).await.assert_is("authenticated");
        ask(&envoy, "gate", &right, token(&format!("x{number}")), delivery)
            .await
            .assert_is("unknown_client");
        ask(&envoy, "gate", &right, post("/userinfo", "a=b"), delivery)
            .await
            .assert_is("not_gated");
        assert_eq!(registry.asked(&of(&client_id)).len(), 1, "{delivery:?}");
    }
    registry.serve(&of("wrong"), Reply::json(&client("wrong")));
    ask(&envoy, "gate", &wrong, token("wrong"), Delivery::Http2Whole)
        .await
        .assert_is("subject_mismatch");
    // The list comes every second, so that the answers are gone soon; none is asked for again.
    eventually("a list that was begun after the answer is in", async || {
        let outcome = request(&envoy, "gate", "wrong").await;
        (outcome.code() == "unknown_client").then_some(())
    })
    .await;
    assert_eq!(registry.asked(&of("wrong")).len(), 1);
    registry.serve("/clients", Reply::clients(&["seed", "c0"]));
    decided(&envoy, "gate", "c0", "authenticated").await;
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_failed_lookup_does_not_pass_and_is_not_repeated() {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]));
    let faults = [
        ("slow", Reply::json(&client("slow")).after(Duration::from_secs(30))),
        ("broken", Reply::status(500)),
        ("moved", Reply::status(301).field("location", "/clients/seed")),
        ("other", Reply::json(&client("seed"))),
        ("html", Reply::body("<html>")),
        ("short", Reply::json(&client("short")).short()),
        ("large", Reply::json(&client("large")).padded(40 << 20)),
    ];
    for (client_id, reply) in &faults {
        registry.serve(&of(client_id), reply.clone());
    }
    let envoy = gate(1, &registry).await;
    for (client_id, _) in &faults {
        for _ in 0..3 {
            request(&envoy, "gate", client_id).await.assert_is("registry_unavailable");
        }
        assert_eq!(registry.asked(&of(client_id)).len(), 1, "{client_id}");
        request(&envoy, "gate", "seed").await.assert_is("authenticated");
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_flood_of_identifiers_neither_reaches_the_registry_nor_stops_the_others() {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]));
    for number in 0..100 {
        let reply = Reply::status(404).after(Duration::from_secs(30));
        registry.serve(&of(&format!("flood{number}")), reply);
    }
    let envoy = gate(1, &registry).await;
    let to = envoy.address("gate");
    let mut all = JoinSet::new();
    for number in 0..100 {
        all.spawn(async move {
            let client = Client::new(&CERTIFICATES.seed);
            let request = token(&format!("flood{number}"));
            client.send(to, &request, Delivery::Http1Whole).await.map(|answer| answer.status)
        });
    }
    let asked =
        || (0..100).map(|n| registry.asked(&of(&format!("flood{n}"))).len()).collect::<Vec<_>>();
    // Twenty wait for the registry; those beyond them are answered, as are the clients of the list.
    eventually("twenty lookups are in flight", async || {
        request(&envoy, "gate", "seed").await.assert_is("authenticated");
        (asked().iter().sum::<usize>() == 20).then_some(())
    })
    .await;
    for answer in all.join_all().await {
        assert_eq!(answer.expect("an answer"), 503);
    }
    assert!(asked().iter().all(|times| *times <= 1), "{:?}", asked());
    request(&envoy, "gate", "seed").await.assert_is("authenticated");
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_flood_that_goes_on_has_twenty_lookups_in_flight_of_each_worker() {
    const WORKERS: usize = 2;
    const CONNECTIONS: usize = 100;
    const EACH: usize = 20;
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]));
    let id = |connection: usize, turn: usize| format!("flood-{connection}-{turn}");
    registry.answer_unknown(Reply::status(404).after(Duration::from_millis(50)));
    // One list, so that only lookups are in flight afterwards.
    let on_miss = json!({ "on_miss": { "path": "/clients/{client_id}" }, "refresh": "1h" });
    let listeners = vec![Listener::new("gate", &snapshot("/clients", on_miss))];
    let envoy = start(WORKERS as u32, &registry, listeners).await;
    decided(&envoy, "gate", "seed", "authenticated").await;
    let to = envoy.address("gate");
    let mut all = JoinSet::new();
    for connection in 0..CONNECTIONS {
        all.spawn(async move {
            let mut kept =
                Client::new(&CERTIFICATES.seed).http1(to).await.expect("a connection to Envoy");
            let mut statuses = Vec::new();
            for turn in 0..EACH {
                let request = token(&id(connection, turn));
                let answer = kept.exchange("flood", &request, Delivery::Http1Whole).await;
                statuses.push(answer.expect("an answer").status);
            }
            statuses
        });
    }
    let statuses = all.join_all().await.concat();
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    // 401 = the registry was asked and does not know the client.
    assert_eq!(count(401) + count(503), CONNECTIONS * EACH, "{statuses:?}");
    let asked = registry.asked_paths().iter().filter(|path| path.contains("/flood-")).count();
    assert_eq!(count(401), asked);
    assert!(asked > WORKERS * 20, "no place became free again: {asked}");
    let most = registry.most_in_flight();
    assert!((20..=WORKERS * 20).contains(&most), "{most}");
    request(&envoy, "gate", "seed").await.assert_is("authenticated");
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_lookup_goes_on_when_its_client_leaves() {
    let registry = Registry::start().await;
    registry.serve("/clients", Reply::clients(&["seed"]));
    registry.serve(&of("new"), Reply::json(&client("new")).after(Duration::from_millis(600)));
    let envoy = gate(1, &registry).await;
    let to = envoy.address("gate");
    let first = tokio::spawn(async move {
        Client::new(&CERTIFICATES.seed).send(to, &token("new"), Delivery::Http1Whole).await
    });
    eventually("the registry is asked", async || {
        (registry.asked(&of("new")).len() == 1).then_some(())
    })
    .await;
    first.abort();
    eventually("the request has ended", async || {
        (envoy.stat("http.gate.downstream_rq_active").await == 0).then_some(())
    })
    .await;
    registry.serve("/clients", Reply::clients(&["seed", "new"]));
    request(&envoy, "gate", "new").await.assert_is("authenticated");
    assert_eq!(registry.asked(&of("new")).len(), 1);
    envoy.assert_healthy().await;
}
