//! The module in hosts that are not as it wants them: an old Envoy, a bad configuration.

use serde_json::{Value, json};

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{CERTIFICATES, ask, configuration, configuration_with, post, token};
use super::process::{CURRENT, Envoy, OLDEST};

/// Before 1.38 there is no `connection.peer_certificate`: nobody is let in, and the log says what to do.
#[tokio::test]
async fn the_oldest_envoy_starts_refuses_and_says_why() {
    let envoy = Envoy::try_start(OLDEST, 1, vec![Listener::new("gate", &configuration())]).await;
    let envoy = envoy.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    let client = Client::new(&CERTIFICATES.seed);
    for delivery in Delivery::ALL {
        ask(&envoy, "gate", &client, token("seed"), delivery).await.assert_is("certificate_missing");
        ask(&envoy, "gate", &client, post("/userinfo", "a=b"), delivery).await.assert_is("not_gated");
    }
    envoy.log_line("1.38").await;
    assert_eq!(envoy.upstream_requests("gate").await, Delivery::ALL.len() as u64);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_bad_configuration_keeps_envoy_from_starting_and_names_the_place() {
    let mut misspelt = configuration();
    misspelt["clients"][1]["tls_client_auth_san_dsn"] = "client.example.org".into();
    let mut bad_name = configuration();
    bad_name["clients"][0]["tls_client_auth_subject_dn"] = "CN=a,".into();
    let questions: [(Value, &str); 4] = [
        (misspelt, "/clients/1/tls_client_auth_san_dsn"),
        (bad_name, "/clients/0/tls_client_auth_subject_dn"),
        (configuration_with(json!({ "mode": "shaddow" })), "/mode"),
        (configuration_with(json!({ "peer_certificate": { "chian": "listener" } })), "/peer_certificate/chian"),
    ];
    for (configuration, pointer) in questions {
        let good = Listener::new("good", &super::fixture::configuration());
        let refused = Envoy::try_start(CURRENT, 1, vec![good, Listener::new("bad", &configuration)]).await;
        let log = refused.expect_err("a bad configuration is not served").log;
        assert!(log.contains(pointer), "{pointer} is not in\n{log}");
    }
    for text in ["", "{", "[]", "null", "{}"] {
        let listener = Listener { configuration: text.into(), ..Listener::new("bad", &json!({})) };
        let refused = Envoy::try_start(CURRENT, 1, vec![listener]).await;
        assert!(refused.is_err(), "{text:?} is no configuration");
    }
}
