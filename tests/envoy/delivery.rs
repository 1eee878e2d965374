//! The decision is the same in every delivery, and a refused request never reaches the backend.

use serde_json::json;

use super::bootstrap::{Listener, Upstream};
use super::client::{Answer, Client, Delivery, next_id, within_deadline};
use super::fixture::{
    CERTIFICATES, ask, configuration, configuration_with, outcome, post, token, with_header,
};
use super::http1;
use super::process::Envoy;

#[tokio::test]
async fn every_delivery_gets_the_same_decision_and_only_the_accepted_reach_the_backend() {
    let listeners = [
        Listener::new("http1", &configuration()),
        Listener { upstream: Upstream::Http2, ..Listener::new("http2", &configuration()) },
        // A buffer filter after this filter makes no difference.
        Listener { buffer_after: true, ..Listener::new("buffered", &configuration()) },
    ];
    let envoy = Envoy::start(listeners.to_vec()).await;
    let seed = Client::new(&CERTIFICATES.seed);
    let without = Client::without_certificate();
    let questions = [
        (&seed, token("seed"), "authenticated"),
        (&without, token("secret"), "passed_other_method"),
        (&without, post("/userinfo", "client_id=seed"), "not_gated"),
        (&without, post("/userinfo", ""), "not_gated"),
        (&without, token("seed"), "certificate_missing"),
        (&seed, token("dns"), "subject_mismatch"),
        (&seed, post("/token", "client_id=seed&client_id=seed"), "duplicate_parameter"),
        (&seed, post("/token", ""), "missing_client_id"),
    ];
    for listener in listeners.iter().map(|listener| listener.name.as_str()) {
        let mut accepted = 0;
        for delivery in Delivery::ALL {
            for (client, request, code) in &questions {
                let outcome = ask(&envoy, listener, client, request.clone(), delivery).await;
                outcome.assert_is(code);
                accepted += u64::from(outcome.seen.is_some());
            }
        }
        assert_eq!(accepted, 4 * Delivery::ALL.len() as u64);
        assert_eq!(envoy.upstream_requests(listener).await, accepted);
        assert_eq!(envoy.backend.seen(listener).len() as u64, accepted);
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn nothing_reaches_the_backend_before_the_body_is_complete() {
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration())]).await;
    let to = envoy.address("gate");
    let client = Client::new(&CERTIFICATES.seed);
    let request = token("seed");
    let (most, last) = request.body.split_at(request.body.len() - 1);

    let id = next_id();
    let mut connection = client.http1(to).await.expect("HTTP/1.1");
    let length = format!("content-length: {}", request.body.len());
    connection.write(&http1::head(&id, &request, &[&length])).await.expect("it is open");
    connection.write(most).await.expect("it is open");
    envoy.stat_becomes("http.gate.downstream_rq_active", 1).await;
    // A second request, which is answered meanwhile, shows that enough time has passed.
    ask(&envoy, "gate", &client, token("seed"), Delivery::Http2Whole)
        .await
        .assert_is("authenticated");
    assert_eq!(envoy.upstream_requests("gate").await, 1);
    assert!(envoy.backend.request(&id).is_none());
    connection.write(last).await.expect("it is open");
    let answer = within_deadline(connection.answer(&id)).await.expect("an answer");
    outcome(&envoy, request.clone(), answer).await.assert_is("authenticated");

    let id = next_id();
    let connection = client.http2(to).await.expect("HTTP/2");
    let mut stream = connection.open(&id, &request, false).await.expect("a stream");
    stream.data(&request.body, false).expect("it is open");
    envoy.stat_becomes("http.gate.downstream_rq_active", 1).await;
    ask(&envoy, "gate", &client, token("seed"), Delivery::Http1Whole)
        .await
        .assert_is("authenticated");
    assert_eq!(envoy.upstream_requests("gate").await, 3);
    assert!(envoy.backend.request(&id).is_none());
    stream.trailers(&[("x-trailer", "last")]).expect("it is open");
    let answer = within_deadline(stream.answer()).await.expect("an answer");
    outcome(&envoy, request, answer).await.assert_is("authenticated");
    envoy.assert_healthy().await;
}

/// Several requests in one write: each gets its own decision, in order. At most two if one is
/// refused: Envoy closes a connection for which it must queue more answers ("Too many responses
/// queued").
#[tokio::test]
async fn pipelined_requests_are_decided_one_by_one() {
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration())]).await;
    let client = Client::new(&CERTIFICATES.seed);
    let accepted = || (token("seed"), "authenticated");
    let pipelines = [
        vec![accepted(), (token("dns"), "subject_mismatch")],
        vec![(token("dns"), "subject_mismatch"), accepted()],
        vec![(token("nobody"), "unknown_client"), (token("dns"), "subject_mismatch")],
        vec![accepted(), (post("/userinfo", "a=b"), "not_gated"), accepted(), accepted()],
    ];
    for pipeline in pipelines {
        let ids: Vec<_> = pipeline.iter().map(|_| next_id()).collect();
        let mut bytes = Vec::new();
        for ((request, _), id) in pipeline.iter().zip(&ids) {
            let length = format!("content-length: {}", request.body.len());
            bytes.extend([http1::head(id, request, &[&length]), request.body.clone()].concat());
        }
        let mut connection = client.http1(envoy.address("gate")).await.expect("HTTP/1.1");
        connection.write(&bytes).await.expect("it is open");
        for ((request, code), id) in pipeline.into_iter().zip(&ids) {
            let answer = within_deadline(connection.answer(id)).await.expect("an answer to each");
            outcome(&envoy, request, answer).await.assert_is(code);
        }
    }
    assert_eq!(envoy.upstream_requests("gate").await, 6);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_large_body_is_refused_as_soon_as_its_size_is_known() {
    let configuration = configuration_with(json!({ "max_body_bytes": 64 }));
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration)]).await;
    let to = envoy.address("gate");
    let client = Client::new(&CERTIFICATES.seed);
    let at_the_limit = post("/token", &format!("client_id=seed&p={}", "x".repeat(64 - 17)));
    assert_eq!(at_the_limit.body.len(), 64);
    let over = post("/token", &format!("client_id=seed&p={}", "x".repeat(65 - 17)));
    for delivery in Delivery::ALL {
        ask(&envoy, "gate", &client, at_the_limit.clone(), delivery)
            .await
            .assert_is("authenticated");
        ask(&envoy, "gate", &client, over.clone(), delivery).await.assert_is("body_too_large");
    }
    // By content-length: refused before any byte of the body.
    let (id, request) = (next_id(), token("seed"));
    let mut connection = client.http1(to).await.expect("HTTP/1.1");
    connection
        .write(&http1::head(&id, &request, &["content-length: 4000000000"]))
        .await
        .expect("it is open");
    let answer: Answer = within_deadline(connection.answer(&id)).await.expect("an answer");
    outcome(&envoy, request.clone(), answer).await.assert_is("body_too_large");
    // Without content-length: refused before the end of the body, also far above what Envoy itself
    // would buffer.
    for size in [65, 3_000_000] {
        let connection = client.http2(to).await.expect("HTTP/2");
        let mut stream = connection.open(&next_id(), &request, false).await.expect("a stream");
        stream.data(&vec![b'x'; size], false).expect("it is open");
        let answer = within_deadline(stream.answer()).await.expect("an answer");
        outcome(&envoy, request.clone(), answer).await.assert_is("body_too_large");
    }
    assert_eq!(envoy.upstream_requests("gate").await, Delivery::ALL.len() as u64);
    envoy.assert_healthy().await;
}

/// contract §2: paths that some backends route to `/token`, sent unchanged.
#[tokio::test]
async fn odd_spellings_of_a_path_are_gated() {
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration())]).await;
    let without = Client::without_certificate();
    let gated = [
        "/token",
        "//token",
        "/./token",
        "/x/../token",
        "/%74oken",
        "/%2574oken",
        "/token/",
        "/token;x=1",
        "/TOKEN",
        "/x/..;/token",
        "/x/..%2ftoken",
        "/token%20",
        "/token%3Fx",
        "/token%00",
        "/x\\..\\token",
        "/token?x=y",
        "https://as.example.com/token",
    ];
    for path in gated {
        let request = post(path, "client_id=seed");
        ask(&envoy, "gate", &without, request, Delivery::Http1Whole)
            .await
            .assert_is("certificate_missing");
    }
    assert_eq!(envoy.upstream_requests("gate").await, 0);
    for path in ["/tokens", "/token/info", "/x?/token"] {
        ask(&envoy, "gate", &without, post(path, "client_id=seed"), Delivery::Http1Whole)
            .await
            .assert_is("not_gated");
    }
    envoy.assert_healthy().await;
}

/// Values that are not UTF-8, and repeated fields.
#[tokio::test]
async fn unusual_header_fields_neither_pass_nor_crash() {
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration())]).await;
    let client = Client::new(&CERTIFICATES.seed);
    let form = "application/x-www-form-urlencoded";
    let questions = [
        (with_header(token("seed"), "x-odd", b"\xff\xfe\x80"), "authenticated"),
        (with_header(token("seed"), "cookie", b"a=\xff"), "authenticated"),
        (with_header(token("seed"), "authorization", b"Basic \xff\xfe"), "malformed_authorization"),
        (with_header(token("seed"), "authorization", b"\xff"), "malformed_authorization"),
        (with_header(token("seed"), "content-type", form), "unsupported_media_type"),
        (with_header(token("seed"), "content-type", b"\xff"), "unsupported_media_type"),
        (with_header(token("seed"), "content-encoding", b"\xff"), "encoded_body"),
    ];
    for (request, code) in questions {
        for delivery in [Delivery::Http1Whole, Delivery::Http2Trailers] {
            ask(&envoy, "gate", &client, request.clone(), delivery).await.assert_is(code);
        }
    }
    envoy.assert_healthy().await;
}
