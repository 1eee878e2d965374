//! Entries that cannot be used as a client.

use serde_json::{Value, json};

use super::{
    LOOKUP, SNAPSHOT, assert_code, client, closed, give, loaded, logs, passing_unregistered,
    refreshed, wait_for,
};
use crate::calls::only_call;
use crate::fixture::{CLOCK, certificate, token_request, verified};
use crate::host::Process;
use crate::run::{Delivery, code, send, start_in};

/// An entry of an unknown format must never pass: neither as a client of another method nor as an
/// unregistered client.
#[test]
fn foreign_clients_are_refused_even_where_unregistered_ones_pass() {
    let shapes: Value =
        serde_json::from_str(include_str!("../../convert/foreign.json")).expect("JSON");
    for shape in shapes.as_array().expect("an array") {
        let (entry, client_id) = (&shape["entry"], shape["client_id"].as_str().unwrap_or("f"));
        let says = shape["says"].as_str().expect("a part of the reason");
        let list = json!({ "clients": [client("a"), entry] });
        let mut vm = loaded(&Process::new(), &passing_unregistered(SNAPSHOT), &list);
        assert_code(&mut vm, "a", "authenticated");
        assert_code(&mut vm, "nobody", "passed_unregistered");
        assert_code(&mut vm, client_id, "unknown_client");
        assert!(
            logs(&mut vm)
                .iter()
                .any(|line| line.contains("refused /clients/1") && line.contains(says)),
            "{shape}"
        );
        let lookup = passing_unregistered(LOOKUP);
        let mut vm = start_in(&Process::new(), lookup.as_bytes(), CLOCK);
        let id = wait_for(&mut vm, client_id, Delivery::WholeBody);
        let call = only_call(&vm);
        give(&mut vm, &call, 200, entry);
        assert_eq!(code(&closed(&mut vm, id)), "unknown_client", "{shape}");
    }
}

/// The client of an entry without a readable `client_id` is unknown. Where unregistered clients
/// pass, it would pass as one of them.
#[test]
fn where_unregistered_clients_pass_every_entry_must_name_its_client() {
    let unnamed =
        json!({"client_id": {"of": "b"}, "token_endpoint_auth_method": "tls_client_auth"});
    let list = json!([client("a"), unnamed]);
    let mut vm = loaded(&Process::new(), &passing_unregistered(SNAPSHOT), &list);
    for client_id in ["a", "b"] {
        assert_code(&mut vm, client_id, "registry_unavailable");
    }
    assert_eq!(refreshed(&vm), (0, 1));
    let said = "an entry names no client, and unregistered_clients is \"pass\": /1/client_id: \
        expected a client_id";
    let logs = logs(&mut vm);
    assert!(logs.iter().any(|line| line.contains(said)), "{logs:?}");
    let mut vm = loaded(&Process::new(), SNAPSHOT, &list);
    assert_code(&mut vm, "a", "authenticated");
    assert_code(&mut vm, "b", "unknown_client");
}

#[test]
fn bearer_only_clients_are_skipped_silently_and_unusable_keys_are_logged() {
    let broker = json!({
        "clientId": "broker", "clientAuthenticatorType": "client-secret", "bearerOnly": true,
    });
    let certificate = certificate();
    let keys = json!([
        { "kty": "EC", "use": "enc", "x5c": ["AAAA"] },
        { "kty": "EC", "x5c": [certificate.x5c()] },
    ]);
    let own = json!({
        "client_id": "s",
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks": { "keys": keys },
    });
    let configuration = passing_unregistered(SNAPSHOT);
    let mut vm = loaded(&Process::new(), &configuration, &json!([broker, own]));
    assert_code(&mut vm, "broker", "unknown_client");
    let outcome = send(&mut vm, verified(&certificate), &token_request("s"), Delivery::WholeBody)
        .expect("no fault");
    assert_eq!(code(&outcome), "authenticated");
    assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(1));
    let logs = logs(&mut vm);
    for expected in [
        "1 clients: 1 added, 0 removed, 0 changed, 0 refused",
        "left out /1/jwks/keys/0/use: expected \"sig\"",
    ] {
        assert!(logs.iter().any(|line| line.contains(expected)), "{expected}: {logs:?}");
    }
    assert!(
        logs.iter().all(|line| !line.contains(" refused /") && !line.contains("broker")),
        "{logs:?}"
    );
}

/// Who registers a client chooses names in it.
#[test]
fn names_of_a_list_begin_no_line_of_the_log() {
    let entry = |member: String| json!({ "client_id": "evil", "token_endpoint_auth_method": "none", member: 1 });
    let line_end = "tls_client_auth_\n2026 [critical] FAKE \u{1b}[31m".to_owned();
    for member in [line_end, format!("tls_client_auth_{}", "x".repeat(500_000))] {
        let list = json!([client("a"), entry(member)]);
        let mut vm = loaded(&Process::new(), SNAPSHOT, &list);
        assert_code(&mut vm, "evil", "unknown_client");
        // The host of the tests faults at a line with a line end, or a long one.
        let logs = logs(&mut vm);
        assert!(logs.iter().any(|line| line.contains(" refused /1")), "{logs:?}");
    }
}
