//! Key sets that clients publish at their `jwks_uri`: faults of their hosts, and the shipped
//! listener that resolves and verifies them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{CERTIFICATES, Outcome, ask, token};
use super::hosts::shipped;
use super::process::{CURRENT, Envoy, eventually};
use super::registry::{CLUSTER, Registry, Reply, start};
use crate::support::certificate::{self, Certificate, CertificateSpec, Issuer, KeyKind, mint};

/// A JWK Set with these certificates.
fn set(certificates: &[&Certificate]) -> Value {
    let key = |certificate: &&Certificate| json!({ "kty": "EC", "x5c": [certificate.x5c()] });
    json!({ "keys": certificates.iter().map(key).collect::<Vec<_>>() })
}

fn another() -> Certificate {
    let spec = CertificateSpec { issuer: Issuer::SelfSigned, ..CertificateSpec::default() };
    mint(&spec).expect("a certificate can be minted")
}

fn client(client_id: &str) -> Value {
    json!({
        "client_id": client_id,
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks_uri": format!("https://keys.example.com/{client_id}"),
    })
}

/// An Envoy whose cluster of key sets is `host`, without TLS, with these clients.
async fn gate(host: &Registry, client_ids: &[String], timeout: &str) -> Envoy {
    let clients: Vec<Value> = client_ids.iter().map(|client_id| client(client_id)).collect();
    let configuration = json!({
        "endpoints": ["/token"],
        "clients": clients,
        "jwks_uri": { "cluster": CLUSTER, "hosts": ["keys.example.com"], "timeout": timeout },
    });
    start(1, host, vec![Listener::new("gate", &configuration)]).await
}

async fn request(envoy: &Envoy, certificate: &Certificate, client_id: &str) -> Outcome {
    ask(envoy, "gate", &Client::new(certificate), token(client_id), Delivery::Http1Whole).await
}

#[tokio::test]
async fn a_client_rotates_by_itself_in_every_delivery() {
    let host = Registry::start().await;
    let (own, next) = (&CERTIFICATES.self_signed, another());
    let ids: Vec<String> = (0..Delivery::ALL.len()).map(|number| format!("c{number}")).collect();
    let envoy = gate(&host, &ids, "1s").await;
    for (client_id, delivery) in ids.iter().zip(Delivery::ALL) {
        let path = format!("/{client_id}");
        host.serve(&path, Reply::json(&set(&[own])));
        for _ in 0..2 {
            ask(&envoy, "gate", &Client::new(own), token(client_id), delivery)
                .await
                .assert_is("authenticated");
        }
        assert_eq!(host.asked(&path).len(), 1, "{delivery:?}");
        host.serve(&path, Reply::json(&set(&[own, &next])));
        ask(&envoy, "gate", &Client::new(&next), token(client_id), delivery)
            .await
            .assert_is("authenticated");
        // A third certificate asks no more within 30 seconds.
        for _ in 0..2 {
            ask(&envoy, "gate", &Client::new(&another()), token(client_id), delivery)
                .await
                .assert_is("certificate_not_registered");
        }
        assert_eq!(host.asked(&path).len(), 2, "{delivery:?}");
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_host_that_fails_passes_no_client() {
    let host = Registry::start().await;
    let own = &CERTIFICATES.self_signed;
    let right = set(&[own]);
    let elsewhere = "https://keys.example.com/right";
    let faults = [
        ("slow", Reply::json(&right).after(Duration::from_secs(30)), "registry_unavailable"),
        ("missing", Reply::status(404), "registry_unavailable"),
        ("html", Reply::body("<html>"), "registry_unavailable"),
        ("large", Reply::json(&right).padded(10 << 20), "registry_unavailable"),
        ("huge", Reply::json(&right).padded(40 << 20), "registry_unavailable"),
        ("short", Reply::json(&right).short(), "registry_unavailable"),
        ("moved", Reply::status(302).field("location", elsewhere), "registry_unavailable"),
        ("other", Reply::json(&set(&[&another()])), "certificate_not_registered"),
        ("empty", Reply::json(&json!({ "keys": [] })), "certificate_not_registered"),
    ];
    for (client_id, reply, _) in &faults {
        host.serve(&format!("/{client_id}"), reply.clone());
    }
    host.serve("/right", Reply::json(&right));
    let mut ids: Vec<String> = faults.iter().map(|(id, ..)| (*id).to_owned()).collect();
    ids.push("right".to_owned());
    let envoy = gate(&host, &ids, "1s").await;
    for (client_id, _, code) in &faults {
        request(&envoy, own, client_id).await.assert_is(code);
    }
    assert!(host.asked("/right").is_empty(), "a redirect is not followed");
    request(&envoy, own, "right").await.assert_is("authenticated");
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_host_that_is_down_serves_what_is_known_and_comes_back() {
    let mut host = Registry::start().await;
    let own = &CERTIFICATES.self_signed;
    for client_id in ["known", "new"] {
        host.serve(
            &format!("/{client_id}"),
            Reply::json(&set(&[own])).field("cache-control", "no-cache"),
        );
    }
    let envoy = gate(&host, &["known".to_owned(), "new".to_owned()], "1s").await;
    request(&envoy, own, "known").await.assert_is("authenticated");
    host.stop().await;
    request(&envoy, own, "known").await.assert_is("authenticated");
    request(&envoy, &another(), "known").await.assert_is("registry_unavailable");
    request(&envoy, own, "new").await.assert_is("registry_unavailable");
    host.start_again().await;
    eventually("the new client works", async || {
        (request(&envoy, own, "new").await.code() == "authenticated").then_some(())
    })
    .await;
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_thousand_clients_at_once() {
    let host = Registry::start().await;
    let own = &CERTIFICATES.self_signed;
    let ids: Vec<String> = (0..1000).map(|number| format!("c{number}")).collect();
    for client_id in &ids {
        host.serve(&format!("/{client_id}"), Reply::json(&set(&[own])));
    }
    let envoy = gate(&host, &ids, "30s").await;
    let to = envoy.address("gate");
    let mut all = JoinSet::new();
    for client_id in ids {
        all.spawn(async move {
            let request = token(&client_id);
            let client = Client::new(&CERTIFICATES.self_signed);
            client.send(to, &request, Delivery::Http1Whole).await
        });
    }
    // Envoy may give a connection to the host up while a thousand handshakes keep its only worker
    // busy. Then all that wait for one fail, and no client passes for it.
    for answer in all.join_all().await {
        let status = answer.expect("an answer").status;
        assert!([200, 503].contains(&status), "{status}");
    }
    let own = &CERTIFICATES.self_signed;
    for number in (0..1000).step_by(50) {
        let client_id = format!("c{number}");
        eventually(&client_id, async || {
            (request(&envoy, own, &client_id).await.code() == "authenticated").then_some(())
        })
        .await;
    }
    envoy.assert_healthy().await;
}

/// A TLS server with this certificate in front of `host`.
async fn with_tls(host: &Registry, chain: Vec<u8>) -> u16 {
    let key = certificate::private_key_pkcs8(KeyKind::Ec).to_vec();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(chain)],
            PrivateKeyDer::try_from(key).expect("a key in PKCS #8"),
        )
        .expect("the key is that of the certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let to = host.address;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await.ok()?;
                let mut next = TcpStream::connect(to).await.ok()?;
                copy_bidirectional(&mut stream, &mut next).await.ok()
            });
        }
    });
    port
}

/// `envoy/envoy-jwks-uri.yaml`, in which ports and files are changed, and every host is `at`.
fn shipped_with(at: &str, keys: u16, changes: &[(&str, &str)], backend: u16, to: &Path) -> String {
    let mut text = shipped("envoy-jwks-uri.yaml", CURRENT, backend, to);
    std::fs::write(to.join("other.pem"), CERTIFICATES.self_signed.pem()).expect("it is written");
    let authorities = to.join("ca.pem").display().to_string();
    let route = "route: {cluster: keys_by_name, timeout: 5s}";
    let rewritten = format!(
        "{route}\n                typed_per_filter_config:\n                  \
         envoy.filters.http.dynamic_forward_proxy:\n                    \
         \"@type\": type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.\
         PerRouteConfig\n                    host_rewrite_literal: \"{at}\""
    );
    let listener = format!("port_value: {keys}}}");
    let fixed = [
        ("port_value: 10444}", listener.as_str()),
        ("/etc/ssl/certs/ca-certificates.crt", authorities.as_str()),
        (route, rewritten.as_str()),
    ];
    for (from, to) in fixed.iter().chain(changes) {
        assert!(text.contains(from), "no {from:?}");
        text = text.replace(from, to);
    }
    text
}

#[tokio::test]
async fn the_shipped_listener_verifies_hosts_and_refuses_private_addresses() {
    let host = Registry::start().await;
    host.serve("/jwks", Reply::json(&set(&[&CERTIFICATES.self_signed])));
    let own = certificate::server_certificate().expect("the server certificate is well-formed");
    let port = with_tls(&host, own).await;
    let other_name = CertificateSpec {
        san: Some(vec![BTreeMap::from([("dns".into(), "other.example.com".into())])]),
        eku: Some(vec!["1.3.6.1.5.5.7.3.1".into()]),
        ..CertificateSpec::default()
    };
    let other_name = mint(&other_name).expect("a certificate can be minted");
    let other_port = with_tls(&host, other_name.der.expect("it has a DER form")).await;
    // A rule that does not match loopback, on which the host of this test is.
    let loopback = (
        "{address_prefix: \"127.0.0.0\", prefix_len: 8}",
        "{address_prefix: \"127.255.255.255\", prefix_len: 32}",
    );
    let other_authority = ("ca.pem}   # CHANGE, if", "other.pem}   # CHANGE, if");
    let by_name = format!("localhost:{port}");
    let by_address = format!("127.0.0.1:{port}");
    let by_other_name = format!("localhost:{other_port}");
    type Change = (&'static str, &'static str);
    let cases: [(&str, &str, &[Change], &str); 5] = [
        ("as shipped, a name with a private address", &by_name, &[], "registry_unavailable"),
        ("as shipped, a private address", &by_address, &[], "registry_unavailable"),
        ("with loopback", &by_name, &[loopback], "authenticated"),
        ("a certificate of another name", &by_other_name, &[loopback], "registry_unavailable"),
        (
            "a certificate of another authority",
            &by_name,
            &[loopback, other_authority],
            "registry_unavailable",
        ),
    ];
    for (what, at, changes, code) in cases {
        let before = host.asked("/jwks").len();
        let keys = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = keys.local_addr().expect("it is bound").port();
        drop(keys);
        let envoy = Envoy::start_with(CURRENT, 1, |backend, directory| {
            shipped_with(at, port, changes, backend.port(), directory)
        })
        .await;
        let envoy = envoy.unwrap_or_else(|refused| panic!("{what}: {}", refused.log));
        let client = Client::new(&CERTIFICATES.self_signed);
        let answer = client
            .send(envoy.address("oauth"), &token("self-signed"), Delivery::Http1Whole)
            .await
            .expect("an answer");
        let passes = code == "authenticated";
        assert_eq!(answer.status, if passes { 200 } else { 503 }, "{what}: {}", envoy.log());
        envoy.access_log_line(&format!("\"code\":\"{code}\"")).await;
        assert_eq!(host.asked("/jwks").len() - before, usize::from(passes), "{what}");
        if changes.is_empty() {
            assert_eq!(envoy.stat("http.keys.rbac.denied").await, 1, "{what}");
        }
        envoy.assert_healthy().await;
    }
}
