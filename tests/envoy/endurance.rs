//! Hostile clients, clients that leave, and load: the filter keeps working and deciding correctly.

use serde_json::json;
use tokio::task::JoinSet;

use super::bootstrap::Listener;
use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{
    CERTIFICATES, ask, configuration, configuration_with, post, token, with_header,
};
use super::http1;
use super::process::{CURRENT, Envoy};

#[tokio::test]
async fn bad_requests_do_not_harm_the_filter() {
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration())]).await;
    let client = Client::new(&CERTIFICATES.seed);
    let many =
        |count: usize, unit: &dyn Fn(usize) -> String| (0..count).map(unit).collect::<String>();
    let bodies = [
        "&".repeat(60_000),
        "=".repeat(60_000),
        "%".repeat(60_000),
        many(6_000, &|n| format!("a{n}=&")),
        format!("client_id={}", "%C3%A9".repeat(10_000)),
        format!("client_id=seed&{}", many(5_000, &|_| "resource=x&".into())),
        format!("client_assertion={}.{}.x", "e".repeat(20_000), "e".repeat(40_000)),
        format!("client_assertion=x.{}.x", "W1tb".repeat(10_000)),
    ];
    let fields = [
        ("authorization", format!("Basic {}", "A".repeat(40_000))),
        ("authorization", " ".repeat(10_000)),
        (
            "content-type",
            format!("application/x-www-form-urlencoded{}", ";charset=utf-8".repeat(2_000)),
        ),
        ("x-ssl-client-verify", "x".repeat(40_000)),
    ];
    let by_body = bodies.iter().map(|body| post("/token", body));
    let by_field = fields.iter().map(|(name, value)| with_header(token("seed"), name, value));
    let by_path =
        ["/%".repeat(5_000), "/../".repeat(5_000), "/%25".repeat(5_000), "/;".repeat(5_000)];
    let by_path = by_path.iter().map(|path| post(path, "client_id=seed"));
    for request in by_body.chain(by_field).chain(by_path) {
        for delivery in [Delivery::Http1Whole, Delivery::Http2Trailers] {
            let outcome = ask(&envoy, "gate", &client, request.clone(), delivery).await;
            let what =
                String::from_utf8_lossy(&request.body[..request.body.len().min(40)]).into_owned();
            // A request that is not gated has no filter state, and reaches the backend.
            let is_decided = outcome.logged.code.is_some() || outcome.seen.is_some();
            assert!(is_decided, "no decision on {} {what}: {:?}", request.path, outcome.logged);
            assert!([200, 400, 401].contains(&outcome.answer.status), "{what}: {outcome:?}");
        }
    }
    ask(&envoy, "gate", &client, token("seed"), Delivery::Http1Whole)
        .await
        .assert_is("authenticated");
    envoy.assert_healthy().await;
}

/// The state of a request whose client leaves must be removed, with and without
/// `allow_on_headers_stop_iteration`.
#[tokio::test]
async fn clients_that_leave_during_a_request_do_no_harm() {
    let without_setting = Listener {
        allow_on_headers_stop_iteration: false,
        ..Listener::new("without_setting", &configuration())
    };
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration()), without_setting]).await;
    let client = Client::new(&CERTIFICATES.seed);
    let request = token("seed");
    for listener in ["gate", "without_setting"] {
        let to = envoy.address(listener);
        for part in [0, 1, request.body.len() - 1] {
            let mut connection = client.http1(to).await.expect("HTTP/1.1");
            let head = http1::head(
                &next_id(),
                &request,
                &[&format!("content-length: {}", request.body.len())],
            );
            connection.write(&[&head, &request.body[..part]].concat()).await.expect("it is open");
            drop(connection);

            let connection = client.http2(to).await.expect("HTTP/2");
            for how in 0..3 {
                let mut stream =
                    connection.open(&next_id(), &request, false).await.expect("a stream");
                stream.data(&request.body[..part], false).expect("it is open");
                match how {
                    0 => stream.body.send_reset(h2::Reason::CANCEL),
                    1 => stream.body.send_reset(h2::Reason::INTERNAL_ERROR),
                    _ => drop(stream),
                }
            }
            // The connection ends while a stream is open.
            let _open = connection.open(&next_id(), &request, false).await.expect("a stream");
            drop(connection);
        }
        envoy.stat_becomes(&format!("http.{listener}.downstream_rq_active"), 0).await;
        envoy.stat_becomes(&format!("http.{listener}.downstream_cx_active"), 0).await;
    }
    // A tick of the filter causes this decision, so the ticks have seen what the others left
    // behind.
    ask(&envoy, "without_setting", &client, token("seed"), Delivery::Http1Whole)
        .await
        .assert_is("host_error");
    ask(&envoy, "gate", &client, token("seed"), Delivery::Http1Whole)
        .await
        .assert_is("authenticated");
    assert_eq!(envoy.upstream_requests("gate").await, 1);
    assert_eq!(envoy.upstream_requests("without_setting").await, 0);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn under_load_on_two_workers_every_decision_is_correct() {
    const CONNECTIONS: usize = 8;
    const REQUESTS: usize = 40;
    let configuration =
        configuration_with(json!({ "forward": { "client_id": "x-authenticated-client" } }));
    let envoy = Envoy::try_start(CURRENT, 2, vec![Listener::new("gate", &configuration)]).await;
    let envoy = envoy.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    let to = envoy.address("gate");
    let mut load = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let is_seed = connection % 2 == 0;
        let client = Client::new(if is_seed { &CERTIFICATES.seed } else { &CERTIFICATES.names });
        load.spawn(async move {
            let mut accepted = Vec::new();
            let mut http1 = client.http1(to).await.expect("HTTP/1.1");
            let http2 = client.http2(to).await.expect("HTTP/2");
            for number in 0..REQUESTS {
                let (client_id, status) = match (number % 4, is_seed) {
                    (0, true) | (1, false) => (if is_seed { "seed" } else { "dns" }, 200),
                    (3, false) => ("email", 200),
                    (0 | 3, _) => ("seed", if is_seed { 200 } else { 401 }),
                    (1, true) => ("dns", 401),
                    _ => ("nobody", 401),
                };
                let (id, request) = (next_id(), token(client_id));
                let answer = if number % 3 == 0 {
                    within_deadline(http2.exchange(&id, &request, Delivery::Http2Bytes)).await
                } else {
                    within_deadline(http1.exchange(&id, &request, Delivery::Http1Chunked)).await
                };
                let answer = answer.expect("an answer");
                assert_eq!(answer.status, status, "{client_id} {number} {}", answer.text());
                if status == 200 {
                    accepted.push((id, client_id));
                }
            }
            accepted
        });
    }
    let accepted: Vec<_> = load.join_all().await.into_iter().flatten().collect();
    for (id, client_id) in &accepted {
        let seen = envoy.backend.request(id).expect("it was accepted");
        assert_eq!(seen.all("x-authenticated-client"), [*client_id]);
    }
    let accepted = accepted.len() as u64;
    assert_eq!(envoy.backend.seen("gate").len() as u64, accepted);
    assert_eq!(envoy.upstream_requests("gate").await, accepted);
    envoy.metrics_become(&["authenticated"], accepted).await;
    let refused = (CONNECTIONS * REQUESTS) as u64 - accepted;
    envoy.metrics_become(&["subject_mismatch", "unknown_client"], refused).await;
    envoy.assert_healthy().await;
}
