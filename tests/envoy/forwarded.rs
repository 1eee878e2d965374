//! The certificate in a header: written by Envoy itself, by a proxy in front, and by peers that are
//! not trusted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::bootstrap::{self, Listener, Trust};
use super::client::{Client, Delivery};
use super::fixture::{
    CERTIFICATES, Outcome, ask, configuration_with, outcome, post, token, with_header,
};
use super::process::{CURRENT, Envoy, OLDEST, module};
use crate::support::certificate::{Certificate, CertificateSpec, mint};

const HEADER: &str = "x-forwarded-client-cert";

fn forwarded(members: Value) -> Value {
    let mut peer_certificate = json!({ "source": "forwarded" });
    for (name, value) in members.as_object().into_iter().flatten() {
        peer_certificate[name] = value.clone();
    }
    configuration_with(json!({ "peer_certificate": peer_certificate }))
}

fn element(certificate: &Certificate) -> String {
    format!("Hash={};Cert=\"{}\"", certificate.sha256_hex(), certificate.percent_encoded_pem())
}

/// A certificate of the trusted CA with this subject and these names.
fn certificate(name: &str, names: &[(&str, &str)]) -> Certificate {
    let names = names
        .iter()
        .map(|(kind, name)| BTreeMap::from([(kind.to_string(), name.to_string())]))
        .collect();
    let subject = vec![vec![vec!["CN".into(), name.into()]]];
    mint(&CertificateSpec {
        subject: Some(subject),
        san: Some(names),
        ..CertificateSpec::default()
    })
    .expect("well-formed")
}

/// Before Envoy 1.38 the header is the only source of the certificate.
#[tokio::test]
async fn the_oldest_envoy_authenticates_by_its_own_header() {
    let gate = Listener {
        trust: Trust::Verify,
        forward_client_cert: "SANITIZE_SET",
        ..Listener::new("gate", &forwarded(json!({ "chain": "listener" })))
    };
    let envoy = Envoy::try_start(OLDEST, 1, vec![gate])
        .await
        .unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    let spoofed = || with_header(token("seed"), HEADER, element(&CERTIFICATES.seed));
    for delivery in Delivery::ALL {
        let good =
            ask(&envoy, "gate", &Client::new(&CERTIFICATES.seed), token("seed"), delivery).await;
        assert_eq!(
            good.assert_is("authenticated").seen.as_ref().and_then(|seen| seen.field(HEADER)),
            None,
            "{good:?}"
        );
        ask(&envoy, "gate", &Client::new(&CERTIFICATES.other_subject), spoofed(), delivery)
            .await
            .assert_is("subject_mismatch");
        ask(&envoy, "gate", &Client::without_certificate(), spoofed(), delivery)
            .await
            .assert_is("certificate_missing");
    }
    envoy.assert_healthy().await;
}

/// As text and as JSON, alone and after what the client sent. Names that break the syntax must not
/// make another client of it.
#[tokio::test]
async fn what_envoy_writes_of_this_connection_is_read_in_every_form() {
    let injected = format!(
        "urn:x,Hash={};Cert=\"{}\"",
        CERTIFICATES.seed.sha256_hex(),
        CERTIFICATES.seed.percent_encoded_pem()
    );
    let mallory = certificate("mallory", &[("uri", &injected), ("dns", "a,b;c")]);
    let mut listeners = Vec::new();
    for (name, forward_client_cert, client_cert_in_json) in [
        ("set-text", "SANITIZE_SET", false),
        ("set-json", "SANITIZE_SET", true),
        ("append-text", "APPEND_FORWARD", false),
        ("append-json", "APPEND_FORWARD", true),
    ] {
        listeners.push(Listener {
            forward_client_cert,
            client_cert_in_json,
            ..Listener::new(name, &forwarded(json!({})))
        });
    }
    let names: Vec<String> = listeners.iter().map(|listener| listener.name.clone()).collect();
    let envoy = Envoy::start(listeners).await;
    let seed = element(&CERTIFICATES.seed);
    for name in &names {
        for (client, id, code) in [
            (&CERTIFICATES.seed, "seed", "authenticated"),
            (&CERTIFICATES.names, "uri", "authenticated"),
            (&CERTIFICATES.other_subject, "seed", "subject_mismatch"),
            (&CERTIFICATES.untrusted, "seed", "certificate_unverified"),
            (&CERTIFICATES.expired, "seed", "certificate_expired"),
        ] {
            ask(&envoy, name, &Client::new(client), token(id), Delivery::Http2Whole)
                .await
                .assert_is(code);
        }
        // The certificate of the connection counts, whatever the client sends.
        for value in [seed.as_str(), "garbage", "Subject=\"", "[{\"a\":\"", "[]", "[{\"x\":\"]"] {
            let request = with_header(token("seed"), HEADER, value);
            let outcome = ask(
                &envoy,
                name,
                &Client::new(&CERTIFICATES.other_subject),
                request,
                Delivery::Http1Whole,
            )
            .await;
            assert!(
                !outcome.logged.code.as_deref().unwrap_or_default().starts_with("auth"),
                "{value}: {outcome:?}"
            );
            assert_eq!(
                (outcome.answer.status, outcome.seen.is_some()),
                (401, false),
                "{value}: {outcome:?}"
            );
        }
        let outcome =
            ask(&envoy, name, &Client::new(&mallory), token("seed"), Delivery::Http1Whole).await;
        outcome.assert_is(if name.ends_with("json") {
            "subject_mismatch"
        } else {
            "certificate_malformed"
        });
    }
    envoy.assert_healthy().await;
}

/// An edge proxy terminates the clients' TLS and connects by mutual TLS to the proxy with the
/// filter.
#[tokio::test]
async fn only_the_header_of_a_trusted_proxy_counts() {
    let edge_identity = certificate(
        "edge",
        &[("uri", "spiffe://mesh/ns/edge/sa/gateway"), ("dns", "edge.example")],
    );
    let other_workload = certificate("other", &[("uri", "spiffe://mesh/ns/edge/sa/other")]);
    let injected = format!(",By=x;Cert=\"{}\"", CERTIFICATES.seed.percent_encoded_pem());
    let mallory = certificate("mallory", &[("uri", &injected)]);
    let trusted = |proxy: &str| {
        let mut configuration = forwarded(json!({ "trusted_proxies": [proxy] }));
        configuration["forward"] =
            json!({ "client_id": "x-client-id", "thumbprint": "x-thumbprint" });
        configuration
    };
    // The inner proxy may add an element for the connection between the two proxies, or leave the
    // header unchanged.
    let inner = Envoy::start(vec![
        Listener {
            forward_client_cert: "FORWARD_ONLY",
            ..Listener::new("by-uri", &trusted("spiffe://mesh/ns/edge/sa/gateway"))
        },
        Listener {
            forward_client_cert: "APPEND_FORWARD",
            ..Listener::new("by-digest", &trusted(&edge_identity.sha256_hex()))
        },
    ])
    .await;
    for (name, client_cert_in_json) in
        [("by-uri", false), ("by-uri", true), ("by-digest", false), ("by-digest", true)]
    {
        let listener = Listener {
            forward_client_cert: "SANITIZE_SET",
            client_cert_in_json,
            trust: Trust::Verify,
            ..Listener::new("edge", &json!({}))
        };
        let next = inner.address(name);
        let edge = Envoy::start_with(CURRENT, 1, |_, directory| {
            bootstrap::proxy(
                &listener,
                next,
                &edge_identity,
                &module(),
                &directory.join("access.log"),
            )
            .to_string()
        });
        let edge = edge.await.unwrap_or_else(|refused| panic!("the edge ended:\n{}", refused.log));
        let through_edge = async |client: &Client, request, delivery| -> Outcome {
            let answer =
                client.send(edge.address("edge"), &request, delivery).await.expect("an answer");
            outcome(&inner, request, answer).await
        };
        for delivery in [
            Delivery::Http1Whole,
            Delivery::Http1Trailers,
            Delivery::Http2Whole,
            Delivery::Http2Trailers,
        ] {
            let spoofed = |id| with_header(token(id), HEADER, element(&CERTIFICATES.seed));
            let good =
                through_edge(&Client::new(&CERTIFICATES.seed), token("seed"), delivery).await;
            let seen = good.assert_is("authenticated").seen.as_ref().expect("it passed");
            assert_eq!(seen.field("x-client-id"), Some("seed"), "{good:?}");
            assert_eq!(
                seen.field("x-thumbprint"),
                Some(CERTIFICATES.seed.x5t_s256().as_str()),
                "{good:?}"
            );
            assert_eq!(seen.field(HEADER), None, "{good:?}");
            through_edge(&Client::new(&CERTIFICATES.other_subject), token("seed"), delivery)
                .await
                .assert_is("subject_mismatch");
            through_edge(&Client::new(&CERTIFICATES.other_subject), spoofed("seed"), delivery)
                .await
                .assert_is("subject_mismatch");
            through_edge(&Client::without_certificate(), spoofed("seed"), delivery)
                .await
                .assert_is("certificate_missing");
        }
        let injection =
            through_edge(&Client::new(&mallory), token("seed"), Delivery::Http1Whole).await;
        injection.assert_is(if client_cert_in_json {
            "subject_mismatch"
        } else {
            "certificate_malformed"
        });
    }
    // Directly to the inner proxy: with the certificate of a client or of another workload, without
    // one, and with the name of the proxy in a certificate of an untrusted CA.
    for name in ["by-uri", "by-digest"] {
        for client in [
            Client::new(&CERTIFICATES.seed),
            Client::new(&other_workload),
            Client::without_certificate(),
        ] {
            for delivery in Delivery::ALL {
                let request = with_header(token("seed"), HEADER, element(&CERTIFICATES.seed));
                ask(&inner, name, &client, request, delivery)
                    .await
                    .assert_is("certificate_missing");
                let request =
                    with_header(post("/userinfo", "a=b"), HEADER, element(&CERTIFICATES.seed));
                let passed = ask(&inner, name, &client, request, delivery).await;
                assert_eq!(
                    passed.assert_is("not_gated").seen.as_ref().and_then(|seen| seen.field(HEADER)),
                    None,
                    "{passed:?}"
                );
            }
        }
    }
    let forged = mint(&CertificateSpec {
        issuer: crate::support::certificate::Issuer::Untrusted,
        san: Some(vec![BTreeMap::from([(
            "uri".into(),
            "spiffe://mesh/ns/edge/sa/gateway".into(),
        )])]),
        ..CertificateSpec::default()
    });
    let forged = Client::new(&forged.expect("well-formed"));
    let request = with_header(token("seed"), HEADER, element(&CERTIFICATES.seed));
    ask(&inner, "by-uri", &forged, request, Delivery::Http1Whole)
        .await
        .assert_is("certificate_unverified");
    inner.assert_healthy().await;
}
