//! Contract §9: `revoked`, and that it counts on connections that are already open.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::bootstrap::{self, Listener};
use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, configuration_with, outcome, token};
use super::http1::Http1;
use super::process::{Envoy, eventually, module};

/// A bootstrap whose filter is in a file that Envoy watches (ECDS), so that a change of its
/// configuration leaves the listener and its connections as they are.
fn deliver(configuration: &Value, backend: SocketAddr, directory: &Path) -> Value {
    let listener = Listener::new("gate", configuration);
    let access_log = directory.join("access.log");
    let mut whole = bootstrap::bootstrap(&[listener], backend, &module(), &access_log);
    let file = directory.join("filter.json");
    let filters = whole
        .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
        .expect("the connection manager");
    let filter = &mut filters["http_filters"][0];
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": filter["name"],
        "typed_config": filter["typed_config"].take(),
    });
    *filter = json!({
        "name": filter["name"],
        "config_discovery": {
            "config_source": {
                "resource_api_version": "V3",
                "path_config_source": { "path": file },
            },
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        },
    });
    whole["node"] = json!({ "id": "test", "cluster": "test" });
    // Envoy watches for a file that is moved here.
    let new = file.with_extension("new");
    fs::write(&new, json!({ "resources": [resource] }).to_string()).expect("the directory is ours");
    fs::rename(&new, &file).expect("the directory is ours");
    whole
}

async fn ask_on(envoy: &Envoy, connection: &mut Http1, client_id: &str) -> String {
    let (id, request) = (next_id(), token(client_id));
    let answer = within_deadline(connection.exchange(&id, &request, Delivery::Http1Whole)).await;
    let answer = answer.expect("the connection is open");
    let outcome = outcome(envoy, request, answer).await;
    let code = outcome.code().to_owned();
    outcome.assert_is(&code);
    code
}

/// Asks on this connection until the code is this one. Until then it is the other one.
async fn becomes(envoy: &Envoy, connection: Http1, client_id: &str, wanted: &str) -> Http1 {
    let connection = tokio::sync::Mutex::new(connection);
    eventually(&format!("{client_id} is {wanted}"), async || {
        let code = ask_on(envoy, &mut *connection.lock().await, client_id).await;
        assert!(["authenticated", "certificate_revoked"].contains(&code.as_str()), "{code}");
        (code == wanted).then_some(())
    })
    .await;
    connection.into_inner()
}

#[tokio::test]
async fn a_certificate_is_refused_at_once_also_on_a_connection_that_is_open() {
    let none = configuration_with(json!({}));
    let envoy = Envoy::start_draining(1, 600, |backend, directory| {
        deliver(&none, backend, directory).to_string()
    });
    let envoy = envoy.await.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
    let to = envoy.address("gate");
    let mut seed = Client::new(&CERTIFICATES.seed).http1(to).await.expect("HTTP/1.1");
    let mut names = Client::new(&CERTIFICATES.names).http1(to).await.expect("HTTP/1.1");
    let mut own = Client::new(&CERTIFICATES.self_signed).http1(to).await.expect("HTTP/1.1");
    assert_eq!(ask_on(&envoy, &mut seed, "seed").await, "authenticated");
    assert_eq!(ask_on(&envoy, &mut names, "dns").await, "authenticated");
    assert_eq!(ask_on(&envoy, &mut own, "self-signed").await, "authenticated");

    let serial = CERTIFICATES.seed.serial_hex().expect("a serial number");
    let revoked = configuration_with(json!({ "revoked": [
        { "issuer": "CN=Clients CA", "serial": serial },
        CERTIFICATES.self_signed.x5t_s256(),
    ] }));
    deliver(&revoked, envoy.backend.address, &envoy.directory);
    // The same connections, which nothing has drained.
    let mut seed = becomes(&envoy, seed, "seed", "certificate_revoked").await;
    assert_eq!(ask_on(&envoy, &mut own, "self-signed").await, "certificate_revoked");
    assert_eq!(ask_on(&envoy, &mut names, "dns").await, "authenticated");

    // And back: nothing remembers a revocation either.
    deliver(&none, envoy.backend.address, &envoy.directory);
    becomes(&envoy, own, "self-signed", "authenticated").await;
    assert_eq!(ask_on(&envoy, &mut seed, "seed").await, "authenticated");
    envoy.assert_healthy().await;

    // A mistake: Envoy counts it, and what is in force stays so.
    deliver(&revoked, envoy.backend.address, &envoy.directory);
    let mut seed = becomes(&envoy, seed, "seed", "certificate_revoked").await;
    let counters = "extension_config_discovery.http_filter.tls_client_auth";
    assert_eq!(envoy.stat(&format!("{counters}.update_rejected")).await, 0);
    let mistaken = configuration_with(json!({ "revoke": [] }));
    deliver(&mistaken, envoy.backend.address, &envoy.directory);
    envoy.stat_becomes(&format!("{counters}.update_rejected"), 1).await;
    assert_eq!(envoy.stat(&format!("{counters}.config_fail")).await, 1);
    envoy.log_line("tls_client_auth configuration refused: /revoke").await;
    assert_eq!(ask_on(&envoy, &mut seed, "seed").await, "certificate_revoked");
}
