//! The module in an old Envoy, with a wrong configuration, and in the shipped Envoy configurations.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{CERTIFICATES, ask, configuration, configuration_with, post, token};
use super::process::{CURRENT, Envoy, OLDEST, module};
use crate::support::certificate::{self, KeyKind};

/// Before 1.38 there is no `connection.peer_certificate`: every client is refused, and the log says
/// what to do.
#[tokio::test]
async fn the_oldest_envoy_refuses_and_logs_why() {
    let envoy = Envoy::try_start(OLDEST, 1, vec![Listener::new("gate", &configuration())]).await;
    let envoy = envoy.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    let client = Client::new(&CERTIFICATES.seed);
    for delivery in Delivery::ALL {
        ask(&envoy, "gate", &client, token("seed"), delivery)
            .await
            .assert_is("certificate_missing");
        ask(&envoy, "gate", &client, post("/userinfo", "a=b"), delivery)
            .await
            .assert_is("not_gated");
    }
    envoy.log_line("1.38").await;
    assert_eq!(envoy.upstream_requests("gate").await, Delivery::ALL.len() as u64);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_wrong_configuration_prevents_the_start_and_its_place_is_logged() {
    let mut misspelt = configuration();
    misspelt["clients"][1]["tls_client_auth_san_dsn"] = "client.example.org".into();
    let mut bad_name = configuration();
    bad_name["clients"][0]["tls_client_auth_subject_dn"] = "CN=a,".into();
    let questions: [(Value, &str); 4] = [
        (misspelt, "/clients/1/tls_client_auth_san_dsn"),
        (bad_name, "/clients/0/tls_client_auth_subject_dn"),
        (configuration_with(json!({ "mode": "shaddow" })), "/mode"),
        (
            configuration_with(json!({ "peer_certificate": { "chian": "listener" } })),
            "/peer_certificate/chian",
        ),
    ];
    for (configuration, pointer) in questions {
        let good = Listener::new("good", &super::fixture::configuration());
        let refused =
            Envoy::try_start(CURRENT, 1, vec![good, Listener::new("bad", &configuration)]).await;
        let log = refused.expect_err("a wrong configuration is not served").log;
        assert!(log.contains(pointer), "{pointer} is not in\n{log}");
    }
    for text in ["", "{", "[]", "null", "{}"] {
        let listener = Listener { configuration: text.into(), ..Listener::new("bad", &json!({})) };
        let refused = Envoy::try_start(CURRENT, 1, vec![listener]).await;
        assert!(refused.is_err(), "{text:?} is not a configuration");
    }
}

/// `envoy/envoy.yaml` and `envoy/envoy-listener-chain.yaml`, in which only ports, files and the key
/// of the self-signed client are changed.
#[tokio::test]
async fn the_shipped_configurations_work() {
    for (file, version, admits_all) in [
        ("envoy.yaml", CURRENT, true),
        ("envoy-listener-chain.yaml", CURRENT, false),
        ("envoy.yaml", OLDEST, true),
    ] {
        let envoy = Envoy::start_with(version, 1, |backend, directory| {
            shipped(file, version, backend.port(), directory)
        })
        .await;
        let envoy = envoy.unwrap_or_else(|refused| panic!("{file}: {}", refused.log));
        let to = envoy.address("oauth");
        let seed = Client::new(&CERTIFICATES.seed);
        for delivery in Delivery::ALL {
            let expected = if version == CURRENT { 200 } else { 401 };
            let answer = seed.send(to, &token("by-subject-dn"), delivery).await.expect("an answer");
            assert_eq!(answer.status, expected, "{file} {delivery:?}: {}", answer.text());
            let seen = envoy.backend.request(&answer.id);
            let client_id = seen.as_ref().and_then(|seen| seen.field("x-oauth-client-id"));
            assert_eq!(
                client_id,
                (expected == 200).then_some("by-subject-dn"),
                "{file} {delivery:?}"
            );

            let answer = seed.send(to, &token("by-san-dns"), delivery).await.expect("an answer");
            assert_eq!(answer.status, 401, "{file} {delivery:?}");
            assert!(envoy.backend.request(&answer.id).is_none());
        }
        let code = if version == CURRENT { "subject_mismatch" } else { "certificate_missing" };
        envoy.access_log_line(&format!("\"code\":\"{code}\"")).await;
        let without = Client::without_certificate()
            .send(to, &token("by-subject-dn"), Delivery::Http1Whole)
            .await;
        assert_eq!(without.ok().map(|answer| answer.status), admits_all.then_some(401), "{file}");
        let self_signed = Client::new(&CERTIFICATES.self_signed)
            .send(to, &token("self-signed"), Delivery::Http2Whole)
            .await;
        let admitted = if version == CURRENT { 200 } else { 401 };
        assert_eq!(
            self_signed.ok().map(|answer| answer.status),
            admits_all.then_some(admitted),
            "{file}"
        );
        envoy.assert_healthy().await;
    }
}

pub fn shipped(file: &str, version: &str, backend: u16, directory: &Path) -> String {
    let files = [
        (
            "server.pem",
            certificate::pem(
                "CERTIFICATE",
                &certificate::server_certificate().expect("the server certificate is well-formed"),
            ),
        ),
        (
            "server.key",
            certificate::pem("PRIVATE KEY", certificate::private_key_pkcs8(KeyKind::Ec)),
        ),
        ("ca.pem", certificate::authority_pem()),
    ];
    for (name, text) in files {
        fs::write(directory.join(name), text).expect("the directory can be written");
    }
    let path = support::repository().join("envoy").join(file);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let changes = [
        ("port_value: 9901}", "port_value: 0}".to_string()),
        ("port_value: 10443}", "port_value: 0}".to_string()),
        ("port_value: 10080}", format!("port_value: {backend}}}")),
        ("target/demo/pki", directory.display().to_string()),
        ("target/tls_client_auth.wasm", module().display().to_string()),
    ];
    // A field of 1.39: an older Envoy refuses the whole file (tests/manifests/run.sh).
    let text =
        if version == OLDEST { text.replace("suppress_client_ca_list: true", "") } else { text };
    let changed = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{file} no longer contains {from:?}");
        text.replace(from, to)
    });
    changed.replace(
        "demo-replaces-this-43-letters-placeholder-0",
        &CERTIFICATES.self_signed.x5t_s256(),
    )
}
