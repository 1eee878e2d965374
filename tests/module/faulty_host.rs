//! Hosts that do not provide what the filter needs: every request gets an answer, and none passes,
//! traps or hangs.

use crate::fixture::{CLOCK, CONFIG, certificate, token_request, verified};
use crate::host::stream::{PEER_CERTIFICATE, PEER_CERTIFICATE_DIGEST, PEER_CERTIFICATE_VALID};
use crate::host::{Connection, Outcome, Status, StreamId, Verdict, Vm};
use crate::run::{Delivery, close, code, headers, send, start, status};
use crate::support::case::Request;
use crate::support::certificate::{CertificateSpec, mint};

fn token_outcome(vm: &mut Vm, connection: Connection) -> Outcome {
    send(vm, connection, &token_request("client"), Delivery::WholeBody).expect("no fault")
}

#[test]
fn missing_and_wrong_attributes() {
    let good = certificate();
    let other = certificate();
    let refusals = [
        ("no digest", verified(&good).without(PEER_CERTIFICATE_DIGEST)),
        ("an empty digest", verified(&good).with(PEER_CERTIFICATE_DIGEST, "")),
        ("a short digest", verified(&good).with(PEER_CERTIFICATE_DIGEST, "abc")),
        ("a digest that is not UTF-8", verified(&good).with(PEER_CERTIFICATE_DIGEST, [0xff; 64])),
        (
            "the digest of another certificate",
            verified(&good).with(PEER_CERTIFICATE_DIGEST, other.sha256_hex()),
        ),
        ("no certificate", verified(&good).without(PEER_CERTIFICATE)),
        ("an empty certificate", verified(&good).with(PEER_CERTIFICATE, "")),
        ("no result of the verification", verified(&good).without(PEER_CERTIFICATE_VALID)),
        ("valid: 0", verified(&good).with(PEER_CERTIFICATE_VALID, [0])),
        ("valid: 2", verified(&good).with(PEER_CERTIFICATE_VALID, [2])),
        ("valid: empty", verified(&good).with(PEER_CERTIFICATE_VALID, [])),
        ("valid: 8 bytes", verified(&good).with(PEER_CERTIFICATE_VALID, 1u64.to_le_bytes())),
        ("valid: text", verified(&good).with(PEER_CERTIFICATE_VALID, "true")),
        (
            "digest: serialization failure",
            verified(&good).failing(PEER_CERTIFICATE_DIGEST, Status::SerializationFailure),
        ),
        (
            "certificate: internal failure",
            verified(&good).failing(PEER_CERTIFICATE, Status::InternalFailure),
        ),
        (
            "valid: serialization failure",
            verified(&good).failing(PEER_CERTIFICATE_VALID, Status::SerializationFailure),
        ),
    ];
    for (name, connection) in refusals {
        let mut vm = start(CONFIG.as_bytes(), CLOCK);
        let outcome = token_outcome(&mut vm, connection);
        assert!(matches!(status(&outcome), Some(401 | 500)), "{name}: {outcome:?}");
        // Nothing wrong may be cached about this certificate or another one.
        assert_eq!(code(&token_outcome(&mut vm, verified(&good))), "authenticated", "{name}");
        assert_eq!(code(&token_outcome(&mut vm, verified(&other))), "authenticated", "{name}");
    }
}

#[test]
fn a_wrong_digest_does_not_change_what_is_cached() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let mallory = mint(&CertificateSpec {
        subject: Some(vec![vec![vec!["CN".into(), "mallory".into()]]]),
        ..CertificateSpec::default()
    })
    .expect("it can be minted");
    let good = certificate();
    // First with the digest of another certificate, then that certificate.
    let wrong = verified(&good).with(PEER_CERTIFICATE_DIGEST, mallory.sha256_hex());
    assert_ne!(code(&token_outcome(&mut vm, wrong)), "authenticated");
    assert_eq!(code(&token_outcome(&mut vm, verified(&mallory))), "subject_mismatch");
}

#[test]
fn extreme_clocks() {
    for (clock, expected) in [
        (0, "certificate_not_yet_valid"),
        (1, "certificate_not_yet_valid"),
        (u64::MAX, "certificate_expired"),
    ] {
        let mut vm = start(CONFIG.as_bytes(), clock);
        assert_eq!(code(&token_outcome(&mut vm, verified(&certificate()))), expected, "{clock}");
    }
}

/// Sends headers and a body to a host that stops the stream at held headers.
fn stopped_request(vm: &mut Vm) -> StreamId {
    let id = vm.open(verified(&certificate())).expect("no fault");
    vm.headers(id, headers(&token_request("client")), false).expect("no fault");
    vm.body(id, b"client_id=client", true).expect("no fault");
    id
}

/// Ticks longer than the filter waits for a body that Envoy has and does not deliver.
fn tick_until_late(vm: &mut Vm) {
    for _ in 0..8 {
        vm.tick().expect("no fault");
    }
}

#[test]
fn a_missing_allow_on_headers_stop_iteration_is_answered_and_explained() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    vm.allow_on_headers_stop_iteration = false;
    for _ in 0..2 {
        let stopped: Vec<_> = (0..3).map(|_| stopped_request(&mut vm)).collect();
        tick_until_late(&mut vm);
        for id in stopped {
            let outcome = close(&mut vm, id).expect("no fault");
            assert_eq!((code(&outcome).as_str(), status(&outcome)), ("host_error", Some(500)));
        }
    }
    let explained = |vm: &mut Vm| {
        vm.root_account()
            .logs
            .iter()
            .any(|log| log.message.contains("allow_on_headers_stop_iteration: true"))
    };
    assert!(explained(&mut vm));
    // A request without a body does not need the setting.
    let id = vm.open(Connection::without_certificate()).expect("no fault");
    vm.headers(id, headers(&Request::form("/x", "")), true).expect("no fault");
    assert_eq!(code(&close(&mut vm, id).expect("no fault")), "not_gated");
}

#[test]
fn a_missing_allow_on_headers_stop_iteration_does_not_block_in_shadow_mode() {
    let config = CONFIG.replacen('{', r#"{"mode": "shadow", "#, 1);
    let mut vm = start(config.as_bytes(), CLOCK);
    vm.allow_on_headers_stop_iteration = false;
    let id = stopped_request(&mut vm);
    tick_until_late(&mut vm);
    let outcome = close(&mut vm, id).expect("no fault");
    let Verdict::Forwarded(forwarded) = &outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!(
        (code(&outcome).as_str(), forwarded.body.as_slice()),
        ("host_error", &b"client_id=client"[..])
    );
}

#[test]
fn a_slow_client_is_not_taken_for_the_missing_setting() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let slow = vm.open(verified(&certificate())).expect("no fault");
    vm.headers(slow, headers(&token_request("client")), false).expect("no fault");
    for _ in 0..100 {
        vm.tick().expect("no fault");
        vm.set_clock(CLOCK + 3_600_000_000_000);
    }
    vm.body(slow, b"client_id=", false).expect("no fault");
    if vm.tick_period().is_some() {
        vm.tick().expect("no fault");
    }
    vm.body(slow, b"client", true).expect("no fault");
    assert_eq!(code(&vm.close(slow).expect("no fault")), "authenticated");
}

#[test]
fn a_body_that_another_filter_holds_is_not_taken_for_the_missing_setting() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let id = vm.open(verified(&certificate())).expect("no fault");
    vm.headers(id, headers(&token_request("client")), false).expect("no fault");
    vm.body_held_before(id, b"client_id=client");
    vm.tick().expect("no fault");
    vm.body(id, b"client_id=client", true).expect("no fault");
    let first = code(&vm.close(id).expect("no fault"));
    let second = code(&token_outcome(&mut vm, verified(&certificate())));
    assert_eq!((first.as_str(), second.as_str()), ("authenticated", "authenticated"));
}

#[test]
fn ticks_go_on_when_the_setting_is_proven() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    token_outcome(&mut vm, verified(&certificate()));
    vm.tick().expect("no fault");
    assert!(vm.tick_period().is_some_and(|period| period <= 1_000), "decisions are to be counted");
}

#[test]
fn identity_headers_in_trailers_do_not_reach_the_backend() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for path in ["/token", "/x"] {
        let request = Request { path: path.into(), ..token_request("client") };
        let id = vm.open(verified(&certificate())).expect("no fault");
        vm.headers(id, headers(&request), false).expect("no fault");
        vm.body(id, &request.body, false).expect("no fault");
        let names =
            ["client-cert", "x-client-id", "x-ssl-client-dn", "authorization", "x-checksum"];
        let trailers = names.map(|name| (name.into(), b"1".to_vec()));
        vm.trailers(id, trailers.to_vec()).expect("no fault");
        let Verdict::Forwarded(forwarded) = vm.close(id).expect("no fault").verdict else {
            panic!("not forwarded")
        };
        assert_eq!(forwarded.trailers, [("x-checksum".to_string(), b"1".to_vec())], "{path}");
    }
}

/// A request with an identity header that the host does not remove must not reach the backend:
/// gated or not, in headers and in trailers.
#[test]
fn an_identity_header_that_cannot_be_removed_does_not_pass() {
    const FORGED: &str = "x-ssl-client-dn";
    let tenants = r#"{"mode": "shadow", "clients": [],
        "tenants": [{"hosts": ["a.example.com"], "mode": "enforce"}]}"#;
    let shadow = r#"{"mode": "shadow", "clients": [], "tenants": [{"hosts": ["a.example.com"]}]}"#;
    for (config, passes) in [(CONFIG, false), (tenants, false), (shadow, true)] {
        for path in ["/token", "/x"] {
            let mut vm = start(config.as_bytes(), CLOCK);
            vm.refuse_removal(FORGED);
            let mut request = Request { path: path.into(), ..token_request("client") };
            request.headers.push((FORGED.into(), b"CN=victim".to_vec()));
            let outcome = send(&mut vm, verified(&certificate()), &request, Delivery::WholeBody)
                .expect("no fault");
            assert_eq!(
                (code(&outcome).as_str(), status(&outcome)),
                ("host_error", (!passes).then_some(500)),
                "{path} {config}"
            );

            let request = Request { headers: request.headers[..1].to_vec(), ..request };
            let id = vm.open(verified(&certificate())).expect("no fault");
            vm.headers(id, headers(&request), false).expect("no fault");
            vm.body(id, &request.body, false).expect("no fault");
            vm.trailers(id, vec![(FORGED.into(), b"CN=victim".to_vec())]).expect("no fault");
            let outcome = close(&mut vm, id).expect("no fault");
            assert_eq!(status(&outcome), (!passes).then_some(500), "trailers, {path} {config}");
            // A request that passed before was counted then, and is counted once.
            let decisions = outcome
                .account
                .counted
                .iter()
                .filter(|(name, _)| name.starts_with("tls_client_auth."));
            assert_eq!(
                decisions.map(|(_, times)| *times).sum::<u64>(),
                1,
                "{path} {config}: {:?}",
                outcome.account.counted
            );
        }
    }
}

/// A request without the identity headers that the backend needs must not reach it, and does not
/// count as authenticated.
#[test]
fn an_identity_header_that_cannot_be_written_does_not_pass() {
    for header in ["x-client-id", "client-cert"] {
        let mut vm = start(CONFIG.as_bytes(), CLOCK);
        vm.refuse_write(header);
        let outcome = token_outcome(&mut vm, verified(&certificate()));
        assert_eq!(
            (code(&outcome).as_str(), status(&outcome)),
            ("host_error", Some(500)),
            "{header}"
        );
        let decisions: Vec<_> = outcome
            .account
            .counted
            .iter()
            .filter(|(name, _)| name.starts_with("tls_client_auth."))
            .collect();
        assert_eq!(decisions, [(&"tls_client_auth.host_error".to_owned(), &1)], "{header}");
        assert!(
            outcome.account.logs.iter().any(|log| log.message.contains("code=host_error")),
            "{header}"
        );
    }
}
