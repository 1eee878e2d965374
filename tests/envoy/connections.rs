//! TLS and decisions: versions, keys, resumption, listeners with and without verification.

use rustls::version::{TLS12, TLS13};

use super::bootstrap::{Listener, Trust};
use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, ask, configuration, configuration_with, outcome, token};
use super::process::Envoy;

#[tokio::test]
async fn every_key_and_version_of_tls_authenticates() {
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration())]).await;
    let all = &*CERTIFICATES;
    let clients = [
        (&all.seed, "seed"),
        (&all.seed_rsa, "seed"),
        (&all.self_signed, "self-signed"),
        (&all.self_signed_rsa, "self-signed-rsa"),
    ];
    for (certificate, client_id) in clients {
        for version in [&TLS12, &TLS13] {
            let client = Client::build(Some(certificate), &[version]);
            for delivery in [Delivery::Http1Whole, Delivery::Http2Whole] {
                let outcome = ask(&envoy, "gate", &client, token(client_id), delivery).await;
                outcome.assert_is("authenticated");
                assert_eq!(outcome.logged.client_id.as_deref(), Some(client_id));
            }
        }
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_listener_that_verifies_admits_only_verified_clients() {
    let strict = |name: &str, require_client_certificate| Listener {
        trust: Trust::Verify,
        require_client_certificate,
        ..Listener::new(name, &configuration())
    };
    let envoy = Envoy::start(vec![strict("required", true), strict("optional", false)]).await;
    let all = &*CERTIFICATES;
    for listener in ["required", "optional"] {
        for version in [&TLS12, &TLS13] {
            let good = Client::build(Some(&all.seed), &[version]);
            ask(&envoy, listener, &good, token("seed"), Delivery::Http1Whole)
                .await
                .assert_is("authenticated");
            for bad in [&all.untrusted, &all.expired, &all.not_yet_valid, &all.self_signed] {
                let bad = Client::build(Some(bad), &[version]);
                let sent =
                    bad.send(envoy.address(listener), &token("seed"), Delivery::Http1Whole).await;
                assert!(sent.is_err(), "{sent:?}");
            }
        }
    }
    let without = Client::without_certificate();
    assert!(
        without
            .send(envoy.address("required"), &token("seed"), Delivery::Http1Whole)
            .await
            .is_err()
    );
    ask(&envoy, "optional", &without, token("seed"), Delivery::Http1Whole)
        .await
        .assert_is("certificate_missing");
    assert_eq!(envoy.upstream_requests("required").await, 2);
    assert_eq!(envoy.upstream_requests("optional").await, 2);
}

/// On a resumed session, Envoy does not verify the certificate again and reports it as not
/// verified. The listener has to disable resumption.
#[tokio::test]
async fn a_resumed_session_is_unverified_and_a_listener_can_disable_resumption() {
    let envoy = Envoy::start(vec![
        Listener { session_resumption: true, ..Listener::new("resuming", &configuration()) },
        Listener::new("fresh", &configuration()),
    ])
    .await;
    for version in [&TLS12, &TLS13] {
        let client = Client::build(Some(&CERTIFICATES.seed), &[version]);
        for (listener, resumes) in [("resuming", true), ("fresh", false)] {
            ask(&envoy, listener, &client, token("seed"), Delivery::Http1Whole)
                .await
                .assert_is("authenticated");
            let mut again =
                client.http1(envoy.address(listener)).await.expect("a second connection");
            assert_eq!(again.is_resumed(), resumes, "{listener} {version:?}");
            let answer =
                within_deadline(again.exchange(&next_id(), &token("seed"), Delivery::Http1Whole))
                    .await;
            let answer = answer.expect("an answer");
            let code = if resumes { "certificate_unverified" } else { "authenticated" };
            outcome(&envoy, token("seed"), answer).await.assert_is(code);
        }
    }
}

/// With `chain: "listener"` the operator states that the listener verifies, and the filter does not
/// check it.
#[tokio::test]
async fn chain_listener_relies_on_the_listener() {
    let configuration =
        configuration_with(serde_json::json!({ "peer_certificate": { "chain": "listener" } }));
    let verifying = Listener {
        trust: Trust::Verify,
        session_resumption: true,
        ..Listener::new("verifying", &configuration)
    };
    let envoy = Envoy::start(vec![verifying]).await;
    let client = Client::new(&CERTIFICATES.seed);
    for resumed in [false, true] {
        let mut connection = client.http1(envoy.address("verifying")).await.expect("a connection");
        assert_eq!(connection.is_resumed(), resumed);
        let answer =
            within_deadline(connection.exchange(&next_id(), &token("seed"), Delivery::Http1Whole))
                .await;
        outcome(&envoy, token("seed"), answer.expect("an answer")).await.assert_is("authenticated");
    }
}

/// What is cached about a certificate is used for that certificate only, and a decision for one
/// request only.
#[tokio::test]
async fn decisions_are_independent_of_other_requests_and_connections() {
    let envoy = Envoy::start(vec![Listener::new("gate", &configuration())]).await;
    let to = envoy.address("gate");
    let seed = Client::new(&CERTIFICATES.seed);
    let names = Client::new(&CERTIFICATES.names);
    let questions = [
        (&seed, "seed", "authenticated"),
        (&names, "seed", "subject_mismatch"),
        (&names, "dns", "authenticated"),
        (&seed, "dns", "subject_mismatch"),
        (&seed, "pinned", "certificate_not_registered"),
        (&names, "email", "authenticated"),
        (&seed, "nobody", "unknown_client"),
        (&seed, "seed", "authenticated"),
    ];
    let (mut seed1, mut names1) =
        (seed.http1(to).await.expect("HTTP/1.1"), names.http1(to).await.expect("HTTP/1.1"));
    let (seed2, names2) =
        (seed.http2(to).await.expect("HTTP/2"), names.http2(to).await.expect("HTTP/2"));
    for (client, client_id, code) in questions {
        let is_seed = std::ptr::eq(client, &seed);
        let keep_alive = if is_seed { &mut seed1 } else { &mut names1 };
        let answer = within_deadline(keep_alive.exchange(
            &next_id(),
            &token(client_id),
            Delivery::Http1Whole,
        ))
        .await;
        outcome(&envoy, token(client_id), answer.expect("an answer")).await.assert_is(code);
    }
    // All at the same time: every stream is open before the first one ends.
    let mut streams = Vec::new();
    for (client, client_id, code) in questions {
        let connection = if std::ptr::eq(client, &seed) { &seed2 } else { &names2 };
        let stream = connection.open(&next_id(), &token(client_id), false).await.expect("a stream");
        streams.push((stream, client_id, code));
    }
    for (mut stream, client_id, code) in streams.into_iter().rev() {
        let request = token(client_id);
        stream.data(&request.body, true).expect("the stream is open");
        let answer = within_deadline(stream.answer()).await.expect("an answer");
        outcome(&envoy, request, answer).await.assert_is(code);
    }
    envoy.assert_healthy().await;
}
