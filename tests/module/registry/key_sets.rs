//! Key sets that clients publish at their `jwks_uri`: fetched while a request is held.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{closed, loaded, logs};
use crate::calls::{answer, elapse, only_call, tick, tick_until_call};
use crate::fixture::{CLOCK, token_request};
use crate::host::{HttpCall, Outcome, Process, StreamId, Vm};
use crate::run::{self, Delivery, REGISTRY, code, deliver, send, start_in, status};
use crate::support::certificate::{Certificate, CertificateSpec, Issuer, mint};

fn certificate() -> Certificate {
    let spec = CertificateSpec { issuer: Issuer::SelfSigned, ..CertificateSpec::default() };
    mint(&spec).expect("a certificate can be minted")
}

fn client(client_id: &str) -> Value {
    json!({
        "client_id": client_id,
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks_uri": format!("https://Keys.example.com/{client_id}?v=1"),
    })
}

fn source() -> Value {
    json!({"cluster": REGISTRY, "hosts": ["keys.example.com"], "timeout": "3s"})
}

/// A configuration with so many clients, `c0`, `c1`, ….
fn configuration(clients: usize) -> String {
    let clients: Vec<Value> = (0..clients).map(|number| client(&format!("c{number}"))).collect();
    json!({"jwks_uri": source(), "clients": clients}).to_string()
}

fn vm() -> Vm {
    start_in(&Process::new(), configuration(2).as_bytes(), CLOCK)
}

/// A JWK Set with these certificates.
fn set(certificates: &[&Certificate]) -> Value {
    let key = |certificate: &&Certificate| json!({"kty": "EC", "x5c": [certificate.x5c()]});
    json!({"keys": certificates.iter().map(key).collect::<Vec<_>>()})
}

/// Sends a request with this certificate, whose chain Envoy does not verify.
fn begin(vm: &mut Vm, client_id: &str, certificate: &Certificate) -> StreamId {
    let connection = run::connection_of(Some(certificate), Some(false));
    deliver(vm, connection, &token_request(client_id), Delivery::WholeBody).expect("no fault")
}

fn ask(vm: &mut Vm, client_id: &str, certificate: &Certificate) -> Outcome {
    let connection = run::connection_of(Some(certificate), Some(false));
    send(vm, connection, &token_request(client_id), Delivery::WholeBody).expect("no fault")
}

/// Sends a request for which a set is fetched; returns it and the call.
#[track_caller]
fn fetch(vm: &mut Vm, client_id: &str, certificate: &Certificate) -> (StreamId, HttpCall) {
    let id = begin(vm, client_id, certificate);
    assert_eq!(vm.waiting(), [id]);
    tick(vm);
    (id, only_call(vm))
}

#[track_caller]
fn give(vm: &mut Vm, call: &HttpCall, status: u16, body: &Value) {
    vm.answer(call.token, answer(status, &[], body.to_string())).expect("no fault");
}

#[test]
fn a_set_is_fetched_when_a_client_first_needs_it() {
    let (mut vm, own, other) = (vm(), certificate(), certificate());
    let deliveries =
        [Delivery::WholeBody, Delivery::Trailers, Delivery::EmptyDataAtEnd, Delivery::SmallChunks];
    let mut begin_as = |certificate: &Certificate, delivery| {
        let connection = run::connection_of(Some(certificate), Some(false));
        deliver(&mut vm, connection, &token_request("c0"), delivery).expect("no fault")
    };
    let waiting: Vec<_> = deliveries.iter().map(|delivery| begin_as(&own, *delivery)).collect();
    let wrong = begin_as(&other, Delivery::WholeBody);
    assert!(vm.calls().is_empty(), "the root context sends the call");
    tick(&mut vm);
    let call = only_call(&vm);
    assert_eq!((call.cluster.as_str(), call.timeout_ms, call.made_for), (REGISTRY, 3000, None));
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "keys.example.com"),
        (":path", "/c0?v=1"),
    ] {
        assert_eq!(call.header(name), [value.as_bytes()], "{name}");
    }
    give(&mut vm, &call, 200, &set(&[&own]));
    for id in waiting {
        assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    }
    let refused = closed(&mut vm, wrong);
    assert_eq!(
        (code(&refused).as_str(), status(&refused)),
        ("certificate_not_registered", Some(401))
    );
    assert_eq!(code(&ask(&mut vm, "c0", &own)), "authenticated");
    // Another client has a set of its own.
    let (id, call) = fetch(&mut vm, "c1", &own);
    assert_eq!(call.path(), "/c1?v=1");
    give(&mut vm, &call, 200, &set(&[&other]));
    assert_eq!(code(&closed(&mut vm, id)), "certificate_not_registered");
    elapse(&mut vm, Duration::from_secs(3600));
    let (id, call) = fetch(&mut vm, "c0", &own);
    give(&mut vm, &call, 200, &set(&[&own]));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
}

#[test]
fn a_client_that_has_just_rotated_asks_once_more() {
    let (mut vm, old, new, stranger) = (vm(), certificate(), certificate(), certificate());
    let (id, call) = fetch(&mut vm, "c0", &old);
    give(&mut vm, &call, 200, &set(&[&old]));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    let (id, call) = fetch(&mut vm, "c0", &new);
    // Meanwhile the known certificate is not delayed, and another one waits for the same answer.
    assert_eq!(code(&ask(&mut vm, "c0", &old)), "authenticated");
    let other = begin(&mut vm, "c0", &stranger);
    tick(&mut vm);
    assert_eq!(vm.calls().len(), 1);
    give(&mut vm, &call, 200, &set(&[&new]));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    assert_eq!(code(&closed(&mut vm, other)), "certificate_not_registered");
    for certificate in [&old, &stranger] {
        assert_eq!(code(&ask(&mut vm, "c0", certificate)), "certificate_not_registered");
    }
    elapse(&mut vm, Duration::from_secs(29));
    assert_eq!(code(&ask(&mut vm, "c0", &stranger)), "certificate_not_registered");
    assert!(vm.calls().is_empty());
    elapse(&mut vm, Duration::from_secs(1));
    let (id, call) = fetch(&mut vm, "c0", &stranger);
    give(&mut vm, &call, 200, &set(&[&new]));
    assert_eq!(code(&closed(&mut vm, id)), "certificate_not_registered");
}

#[test]
fn a_set_that_is_not_to_be_had_passes_no_client() {
    let own = certificate();
    let refused = |vm: &mut Vm, id: StreamId, failure: &str| {
        let outcome = closed(vm, id);
        assert_eq!(
            (code(&outcome).as_str(), status(&outcome)),
            ("registry_unavailable", Some(503)),
            "{failure}"
        );
    };
    for failure in ["fails", "404", "302", "503", "html", "large", "client"] {
        let mut vm = vm();
        let (id, call) = fetch(&mut vm, "c0", &own);
        let large = format!("{}{}", set(&[&own]), " ".repeat(65_536));
        let fields = [("location", "https://keys.example.com/elsewhere")];
        match failure {
            "fails" => vm.fail(call.token),
            "404" => vm.answer(call.token, answer(404, &[], "")),
            "302" => vm.answer(call.token, answer(302, &fields, "")),
            "503" => vm.answer(call.token, answer(503, &[], set(&[&own]).to_string())),
            "html" => vm.answer(call.token, answer(200, &[], "<html>")),
            "large" => vm.answer(call.token, answer(200, &[], large)),
            _ => vm.answer(call.token, answer(200, &[], client("c0").to_string())),
        }
        .expect("no fault");
        refused(&mut vm, id, failure);
        assert!(vm.calls().is_empty(), "{failure}: a redirect is not followed");
        assert!(logs(&mut vm).iter().any(|line| line.contains("key set at jwks_uri")), "{failure}");
        // A failure is not held.
        let (id, call) = fetch(&mut vm, "c0", &own);
        give(&mut vm, &call, 200, &set(&[&own]));
        assert_eq!(code(&closed(&mut vm, id)), "authenticated", "{failure}");
        // The known set serves while no newer one is to be had.
        elapse(&mut vm, Duration::from_secs(3600));
        let (id, call) = fetch(&mut vm, "c0", &own);
        vm.fail(call.token).expect("no fault");
        assert_eq!(code(&closed(&mut vm, id)), "authenticated", "{failure}");
    }
    for break_it in
        [|vm: &mut Vm| vm.set_unreachable(&[REGISTRY]), |vm: &mut Vm| vm.set_clusters(&[])]
    {
        let mut vm = vm();
        break_it(&mut vm);
        let id = begin(&mut vm, "c0", &own);
        tick(&mut vm);
        refused(&mut vm, id, "not sent");
    }
}

#[test]
fn a_thousand_clients_at_once() {
    let own = certificate();
    let mut vm = start_in(&Process::new(), configuration(1000).as_bytes(), CLOCK);
    let waiting: Vec<_> =
        (0..1000).map(|number| begin(&mut vm, &format!("c{number}"), &own)).collect();
    tick(&mut vm);
    let calls = vm.calls();
    assert_eq!(calls.iter().map(HttpCall::path).collect::<BTreeSet<_>>().len(), 1000);
    for (number, call) in calls.iter().enumerate() {
        match number % 2 {
            0 => give(&mut vm, call, 200, &set(&[&own])),
            _ => vm.fail(call.token).expect("no fault"),
        }
    }
    let codes: Vec<_> = waiting.into_iter().map(|id| code(&closed(&mut vm, id))).collect();
    let count = |wanted: &str| codes.iter().filter(|code| **code == wanted).count();
    assert_eq!((count("authenticated"), count("registry_unavailable")), (500, 500));
}

#[test]
fn a_fetched_client_needs_its_list_and_its_set() {
    let own = certificate();
    let registry = json!({"cluster": REGISTRY, "authority": "registry.test", "path": "/clients",
        "refresh": "10h", "max_stale": "24h", "on_miss": {"path": "/clients/{client_id}"}});
    let list = json!([client("c0"), {
        "client_id": "elsewhere",
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks_uri": "https://other.example.com/",
    }, {
        "client_id": "port",
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks_uri": "https://keys.example.com:444/",
    }]);
    let with = json!({"registry": registry, "jwks_uri": source(), "unregistered_clients": "pass"});
    let mut vm = loaded(&Process::new(), &with.to_string(), &list);
    let (id, call) = fetch(&mut vm, "c0", &own);
    give(&mut vm, &call, 200, &set(&[&own]));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    for client_id in ["elsewhere", "port"] {
        assert_eq!(code(&ask(&mut vm, client_id, &own)), "unknown_client", "{client_id}");
    }
    // First the client is looked up, then its set is fetched.
    let id = begin(&mut vm, "new", &own);
    let call = tick_until_call(&mut vm);
    assert_eq!(call.path(), "/clients/new");
    give(&mut vm, &call, 200, &client("new"));
    assert_eq!(vm.waiting(), [id]);
    let call = tick_until_call(&mut vm);
    assert_eq!(call.path(), "/new?v=1");
    give(&mut vm, &call, 200, &set(&[&own]));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");

    let without = json!({"registry": registry, "unregistered_clients": "pass"});
    let mut vm = loaded(&Process::new(), &without.to_string(), &list);
    let outcome = ask(&mut vm, "c0", &own);
    assert_eq!(code(&outcome), "unknown_client");
    let reason = "the configuration has no member jwks_uri";
    assert!(outcome.account.logs.iter().any(|log| log.message.contains(reason)));
}

#[test]
fn a_fetch_goes_on_without_the_request_that_caused_it() {
    let (mut vm, own) = (vm(), certificate());
    let (id, call) = fetch(&mut vm, "c0", &own);
    closed(&mut vm, id);
    let other = begin(&mut vm, "c0", &own);
    tick(&mut vm);
    assert_eq!(vm.calls().len(), 1, "it is not sent again");
    give(&mut vm, &call, 200, &set(&[&own]));
    assert_eq!(code(&closed(&mut vm, other)), "authenticated");
}

/// The client can be used, and its operator learns why one of its certificates cannot.
#[test]
fn keys_that_are_left_out_are_logged() {
    let (mut vm, own, other) = (vm(), certificate(), certificate());
    let (id, call) = fetch(&mut vm, "c0", &own);
    let mut keys = set(&[&own, &other]);
    keys["keys"][1]["use"] = json!("enc");
    give(&mut vm, &call, 200, &keys);
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    let line = "tls_client_auth jwks_uri \"https://keys.example.com/c0?v=1\": left out 1 of 2 keys; \
        /keys/1/use: ";
    let logs = logs(&mut vm);
    assert_eq!(logs.iter().filter(|written| written.starts_with(line)).count(), 1, "{logs:?}");
}

/// A client hosts its set itself.
#[test]
fn names_of_a_key_set_begin_no_line_of_the_log() {
    let (mut vm, own) = (vm(), certificate());
    let key = set(&[&own])["keys"][0].to_string();
    let twice = r#""a\n[critical] FAKE": 1, "a\n[critical] FAKE": 2"#;
    for (body, line) in [
        (format!(r#"{{"keys": [{key}, {{"kty": "EC", {twice}}}]}}"#), "left out 1 of 2 keys"),
        (format!(r#"{{"keys": [{key}], {twice}}}"#), "the earlier key set serves"),
    ] {
        let (id, call) = fetch(&mut vm, "c0", &own);
        vm.answer(call.token, answer(200, &[], body)).expect("no fault");
        assert_eq!(code(&closed(&mut vm, id)), "authenticated");
        // The host of the tests faults at a line with a line end.
        let logs = logs(&mut vm);
        assert!(logs.iter().any(|one| one.contains(line) && one.contains("FAKE")), "{logs:?}");
        elapse(&mut vm, Duration::from_secs(3600));
    }
}
