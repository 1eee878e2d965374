//! A listener that allows upgrades: at an endpoint they are refused at the headers, because their
//! body belongs to another protocol and may never end (contract §7 `upgrade_refused`).

use serde_json::json;

use super::bootstrap::{self, Listener};
use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, ask, configuration, outcome, post, token, with_header};
use super::http1;
use super::process::{CURRENT, Envoy, module};
use crate::support::case::Request;

async fn envoy_with_upgrades() -> Envoy {
    let envoy = Envoy::start_with(CURRENT, 1, |backend, directory| {
        let listeners = [Listener::new("gate", &configuration())];
        let mut bootstrap =
            bootstrap::bootstrap(&listeners, backend, &module(), &directory.join("access.log"));
        let listener = &mut bootstrap["static_resources"]["listeners"][0];
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        manager["upgrade_configs"] =
            json!([{ "upgrade_type": "websocket" }, { "upgrade_type": "other" }]);
        manager["http2_protocol_options"] = json!({ "allow_connect": true });
        bootstrap.to_string()
    });
    envoy.await.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log))
}

fn upgrade(request: Request, protocol: &str) -> Request {
    with_header(with_header(request, "connection", "upgrade"), "upgrade", protocol)
}

#[tokio::test]
async fn an_upgrade_at_an_endpoint_is_refused_before_its_body() {
    let envoy = envoy_with_upgrades().await;
    let client = Client::new(&CERTIFICATES.seed);
    let get = |path: &str| Request { method: "GET".into(), body: Vec::new(), ..post(path, "") };
    for protocol in ["websocket", "WebSocket", "other"] {
        for request in [token("seed"), token("nobody"), get("/token"), get("/x/..//%74oken")] {
            ask(&envoy, "gate", &client, upgrade(request, protocol), Delivery::Http1Whole)
                .await
                .assert_is("upgrade_refused");
        }
        // Only the headers are sent.
        let request = upgrade(token("seed"), protocol);
        let id = next_id();
        let answer = within_deadline(async {
            let mut connection = client.http1(envoy.address("gate")).await?;
            connection.write(&http1::head(&id, &request, &["content-length: 1000"])).await?;
            connection.answer(&id).await
        });
        let answer = answer.await.expect("an answer");
        outcome(&envoy, request, answer).await.assert_is("upgrade_refused");
    }
    // At a path that is not an endpoint, upgrades pass.
    let page =
        ask(&envoy, "gate", &client, upgrade(get("/page"), "websocket"), Delivery::Http1Whole)
            .await;
    assert_eq!(page.code(), "not_gated", "{page:?}");
    assert_eq!(envoy.upstream_requests("gate").await, 1);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn an_extended_connect_at_an_endpoint_is_refused() {
    let envoy = envoy_with_upgrades().await;
    let client = Client::new(&CERTIFICATES.seed);
    for (path, code) in
        [("/token", "upgrade_refused"), ("//%74oken;x", "upgrade_refused"), ("/page", "not_gated")]
    {
        let request = post(path, "");
        let id = next_id();
        let answer = within_deadline(async {
            let connection = client.http2(envoy.address("gate")).await?;
            connection.connect(&id, &request, "websocket").await?.answer().await
        });
        let answer = answer.await.expect("an answer");
        let outcome = outcome(&envoy, request, answer).await;
        if code == "not_gated" {
            assert_eq!(outcome.code(), code, "{outcome:?}");
        } else {
            outcome.assert_is(code);
        }
    }
    assert_eq!(envoy.upstream_requests("gate").await, 1);
    envoy.assert_healthy().await;
}

/// Only `100-continue` is known: with another expectation the body may never come.
#[tokio::test]
async fn an_unknown_expectation_is_refused() {
    let envoy = envoy_with_upgrades().await;
    let client = Client::new(&CERTIFICATES.seed);
    let request = with_header(token("seed"), "expect", "unknown");
    for delivery in [
        Delivery::Http1Whole,
        Delivery::Http1Chunked,
        Delivery::Http2Whole,
        Delivery::Http2Trailers,
    ] {
        ask(&envoy, "gate", &client, request.clone(), delivery).await.assert_is("upgrade_refused");
    }
    ask(&envoy, "gate", &client, token("seed"), Delivery::Http1Expect)
        .await
        .assert_is("authenticated");
    envoy.assert_healthy().await;
}
