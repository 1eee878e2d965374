//! Clients that send anything, and hosts that do not give what they must: always an answer, never a
//! pass, a trap or a wait.

use crate::host::stream::{PEER_CERTIFICATE, PEER_CERTIFICATE_DIGEST, PEER_CERTIFICATE_VALID};
use crate::host::{Connection, Outcome, Status, Verdict, Vm};
use crate::random::Random;
use crate::run::{self, DELIVERIES, Delivery, code, headers, send, start, status};
use crate::support::case::{NOW, Request};
use crate::support::certificate::{Certificate, CertificateSpec, mint};
use crate::support::der;

const CLOCK: u64 = NOW.0 as u64 * 1_000_000_000;
const CONFIG: &str = r#"{"endpoints": ["/token"], "forward": {"client_id": "x-client-id", "certificate": ["client-cert"]},
    "clients": [{"client_id": "client", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=client"},
                {"client_id": "san", "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_ip": "192.0.2.7"}]}"#;

/// Many times what any honest request takes, and far from what an operator would notice.
const MOST_FUEL: u64 = 100_000_000;

fn post(body: &[u8]) -> Request {
    Request {
        method: "POST".into(),
        path: "/token".into(),
        host: "as.example.com".into(),
        headers: vec![("content-type".into(), b"application/x-www-form-urlencoded".to_vec())],
        body: body.to_vec(),
    }
}

fn certificate() -> Certificate {
    mint(&CertificateSpec::default()).expect("the default certificate can be minted")
}

fn verified(certificate: &Certificate) -> Connection {
    run::connection_of(Some(certificate), Some(true))
}

fn token_request(vm: &mut Vm, connection: Connection) -> Outcome {
    send(vm, connection, &post(b"client_id=client"), Delivery::WholeBody).expect("no fault")
}

#[test]
fn bytes_that_are_no_text_in_every_header() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let names = [
        ":method",
        ":path",
        ":authority",
        ":scheme",
        "content-type",
        "content-encoding",
        "content-length",
        "authorization",
        "client-cert",
        "x-ssl-client-dn",
        "x-client-id",
        "x-request-id",
        "cookie",
        "user-agent",
        "x-forwarded-client-cert",
        "x-any",
    ];
    let values: [&[u8]; 6] =
        [b"", b"\xff", b"\xc3\x28", b"/token\xff", b"Basic \xff\xfe", b"\xf0\x9f\x92"];
    for name in names {
        for value in values {
            for end_of_stream in [false, true] {
                let id = vm.open(verified(&certificate)).expect("no fault");
                let mut map = headers(&post(b"client_id=client"));
                map.retain(|(header, _)| header != name);
                map.push((name.into(), value.to_vec()));
                vm.headers(id, map, end_of_stream)
                    .unwrap_or_else(|fault| panic!("{name} {value:?}: {fault}"));
                if !end_of_stream {
                    vm.body(id, b"client_id=client", true)
                        .unwrap_or_else(|fault| panic!("{name} {value:?}: {fault}"));
                }
                let outcome = vm.close(id).expect("no fault");
                assert_ne!(outcome.verdict, Verdict::Held, "{name} {value:?}");
                assert_ne!(code(&outcome), "no code", "{name} {value:?}");
            }
        }
    }
}

#[test]
fn no_headers_at_all() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for missing in [
        &[":method"][..],
        &[":path"],
        &[":authority"],
        &[":method", ":path", ":authority", ":scheme"],
    ] {
        let id = vm.open(verified(&certificate())).expect("no fault");
        let mut map = headers(&post(b""));
        map.retain(|(name, _)| !missing.contains(&name.as_str()));
        vm.headers(id, map, true).expect("no fault");
        let outcome = vm.close(id).expect("no fault");
        assert!(status(&outcome).is_some(), "{missing:?}: {outcome:?}");
    }
}

#[test]
fn random_requests() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let mut random = Random::seeded(2);
    for round in 0..4000 {
        let request = random_request(&mut random);
        let delivery = *random.pick(&DELIVERIES[1..]);
        let outcome = send(&mut vm, verified(&certificate), &request, delivery)
            .unwrap_or_else(|fault| panic!("round {round}, {delivery:?}, {request:?}: {fault}"));
        assert_ne!(outcome.verdict, Verdict::Held, "round {round}: {request:?}");
        assert!(
            outcome.account.fuel < MOST_FUEL,
            "round {round}: {} instructions: {request:?}",
            outcome.account.fuel
        );
        if code(&outcome) == "authenticated" {
            let honest = request.body.windows(16).any(|part| part == b"client_id=client");
            assert!(honest, "round {round}: {request:?}");
        }
    }
}

fn random_request(random: &mut Random) -> Request {
    const PIECES: &[&[u8]] = &[
        b"client_id=client",
        b"client_id",
        b"=",
        b"&",
        b"&&",
        b"%",
        b"%63",
        b"%zz",
        b"%00",
        b"+",
        b"%EF%BB%BF",
        b"client_secret=",
        b"scope=a",
        b"client_assertion=",
        b"eyJ9.eyJzdWIiOiJjbGllbnQifQ.",
        b"resource=a",
        b"Client_ID=",
        b"\xff",
        b"\xc3",
        b";",
        b"[]",
        b".",
    ];
    const PATHS: &[&str] = &[
        "/token",
        "//token",
        "/token?",
        "/%74oken",
        "/x",
        "",
        "*",
        "?",
        "/%",
        "/..;/",
        "/token?client_id=%zz",
        "\\",
        "/%25%32",
    ];
    const HEADERS: &[&str] = &[
        "authorization",
        "content-type",
        "content-encoding",
        "content-length",
        "client-cert",
        "x-client-id",
        "cookie",
    ];
    const VALUES: &[&[u8]] = &[
        b"Basic Y2xpZW50OnM=",
        b"Basic",
        b"Basic =",
        b"Bearer x",
        b"identity",
        b"gzip",
        b"application/json",
        b"charset=",
        b"18446744073709551616",
        b"-1",
        b"\xff",
        b"",
    ];
    let mut body = Vec::new();
    for _ in 0..random.below(12) {
        body.extend_from_slice(random.pick::<&[u8]>(PIECES));
        if random.below(6) == 0 {
            body.extend(random.bytes(20));
        }
    }
    let mut request = post(&body);
    if random.below(3) == 0 {
        request.path = random.pick(PATHS).to_string();
    }
    if random.below(3) == 0 {
        request.headers.push((random.pick(HEADERS).to_string(), random.pick(VALUES).to_vec()));
    }
    if random.below(20) == 0 {
        request.headers.clear();
    }
    request
}

#[test]
fn random_damage_to_certificates() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let spec = serde_json::json!({
        "subject": [[["C", "printable", "JP"]], [["O", "bmp", "Cliént"], ["OU", "teletex", "x"]], [["CN", "client"]]],
        "san": [{"dns": "a.example"}, {"ip": "192.0.2.7"}, {"email": "a@b.c"}, {"uri": "https://a/"}],
    });
    let spec: CertificateSpec = serde_json::from_value(spec).expect("a constant description");
    let good = mint(&spec).expect("it can be minted").der.expect("it has a DER form");
    let mut random = Random::seeded(3);
    for round in 0..4000 {
        let mut damaged = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(damaged.len());
            match random.below(4) {
                0 => damaged[at] = random.below(256) as u8,
                1 => damaged[at] ^= 1 << random.below(8),
                2 => damaged.truncate(at.max(1)),
                _ => damaged.insert(at, *random.pick(&[0x00, 0x30, 0x80, 0x84, 0xff])),
            }
        }
        let hex: String = damaged.iter().map(|byte| format!("{byte:02x}")).collect();
        let certificate =
            mint(&CertificateSpec { der_hex: Some(hex.clone()), ..CertificateSpec::default() })
                .expect("bytes");
        for client in ["client_id=client", "client_id=san"] {
            let outcome = send(
                &mut vm,
                verified(&certificate),
                &post(client.as_bytes()),
                Delivery::WholeBody,
            )
            .unwrap_or_else(|fault| panic!("round {round}, {hex}: {fault}"));
            assert_ne!(outcome.verdict, Verdict::Held);
            assert!(
                outcome.account.fuel < MOST_FUEL,
                "round {round}: {} instructions: {hex}",
                outcome.account.fuel
            );
        }
    }
}

#[test]
fn random_text_in_place_of_a_pem() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let good = certificate();
    let mut random = Random::seeded(4);
    for round in 0..2000 {
        let mut text = good.host_text.clone().into_bytes();
        for _ in 0..1 + random.below(4) {
            let at = random.below(text.len());
            match random.below(3) {
                0 => text[at] = random.below(256) as u8,
                1 => text.truncate(at.max(1)),
                _ => text
                    .splice(
                        at..at,
                        random
                            .pick(&[&b"-----"[..], b"%", b"%2", b"\n", b"=", b"\xff"])
                            .iter()
                            .copied(),
                    )
                    .for_each(drop),
            }
        }
        let connection = verified(&good).with(PEER_CERTIFICATE, &text);
        let outcome = send(&mut vm, connection, &post(b"client_id=client"), Delivery::WholeBody)
            .unwrap_or_else(|fault| {
                panic!("round {round}, {:?}: {fault}", String::from_utf8_lossy(&text))
            });
        assert_ne!(outcome.verdict, Verdict::Held);
    }
}

#[test]
fn nested_names_and_long_lists_take_linear_time() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let attribute = der::tlv(
        der::SEQUENCE,
        &[der::oid("2.5.4.3").expect("an OID"), der::tlv(der::UTF8_STRING, &["client"])],
    );
    let rdn = der::tlv(der::SET, std::slice::from_ref(&attribute));
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut cost = |spec: CertificateSpec| {
        let certificate = mint(&spec).expect("it can be minted");
        let outcomes = ["client_id=client", "client_id=san"].map(|body| {
            send(&mut vm, verified(&certificate), &post(body.as_bytes()), Delivery::WholeBody)
                .expect("no fault")
        });
        assert!(outcomes.iter().all(|outcome| status(outcome) == Some(401)));
        outcomes.iter().map(|outcome| outcome.account.fuel).sum::<u64>()
    };
    let mut many_rdns = |n| {
        cost(CertificateSpec {
            subject_hex: Some(hex(der::tlv(der::SEQUENCE, &vec![rdn.clone(); n]))),
            ..CertificateSpec::default()
        })
    };
    assert!(many_rdns(4000) < 12 * many_rdns(400), "RDNs");
    let mut many_attributes = |n| {
        cost(CertificateSpec {
            subject_hex: Some(hex(der::tlv(
                der::SEQUENCE,
                &[der::tlv(der::SET, &vec![attribute.clone(); n])],
            ))),
            ..CertificateSpec::default()
        })
    };
    assert!(many_attributes(4000) < 14 * many_attributes(400), "attributes of one RDN");
    let mut many_names = |n| {
        cost(CertificateSpec {
            subject: Some(Vec::new()),
            san: Some(Vec::new()),
            san_filler: n,
            ..CertificateSpec::default()
        })
    };
    assert!(many_names(4000) < 12 * many_names(400), "alternative names");
}

#[test]
fn a_host_that_does_not_give_what_it_must() {
    let good = certificate();
    let other = certificate();
    let refusals = [
        ("no digest", verified(&good).without(PEER_CERTIFICATE_DIGEST)),
        ("an empty digest", verified(&good).with(PEER_CERTIFICATE_DIGEST, "")),
        ("a digest that is no digest", verified(&good).with(PEER_CERTIFICATE_DIGEST, "abc")),
        ("a digest that is no text", verified(&good).with(PEER_CERTIFICATE_DIGEST, [0xff; 64])),
        (
            "the digest of another certificate",
            verified(&good).with(PEER_CERTIFICATE_DIGEST, other.sha256_hex()),
        ),
        ("no certificate", verified(&good).without(PEER_CERTIFICATE)),
        ("an empty certificate", verified(&good).with(PEER_CERTIFICATE, "")),
        ("no word on the chain", verified(&good).without(PEER_CERTIFICATE_VALID)),
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
        let outcome = token_request(&mut vm, connection);
        assert!(matches!(status(&outcome), Some(401 | 500)), "{name}: {outcome:?}");
        // What a wrong host said about a certificate must not be remembered of it, or of another.
        assert_eq!(code(&token_request(&mut vm, verified(&good))), "authenticated", "{name}");
        assert_eq!(code(&token_request(&mut vm, verified(&other))), "authenticated", "{name}");
    }
}

#[test]
fn a_known_digest_with_another_certificate_does_not_change_what_is_remembered() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let mallory = mint(&CertificateSpec {
        subject: Some(vec![vec![vec!["CN".into(), "mallory".into()]]]),
        ..CertificateSpec::default()
    })
    .expect("it can be minted");
    let good = certificate();
    // First the lie, then the truth about the same digest.
    let lie = verified(&good).with(PEER_CERTIFICATE_DIGEST, mallory.sha256_hex());
    assert_ne!(code(&token_request(&mut vm, lie)), "authenticated");
    assert_eq!(code(&token_request(&mut vm, verified(&mallory))), "subject_mismatch");
}

#[test]
fn odd_clocks() {
    for (clock, expected) in [
        (0, "certificate_not_yet_valid"),
        (1, "certificate_not_yet_valid"),
        (u64::MAX, "certificate_expired"),
    ] {
        let mut vm = start(CONFIG.as_bytes(), clock);
        assert_eq!(code(&token_request(&mut vm, verified(&certificate()))), expected, "{clock}");
    }
}

/// Sends headers and a body to a host that stops everything at held headers.
fn stopped_request(vm: &mut Vm) -> crate::host::StreamId {
    let id = vm.open(verified(&certificate())).expect("no fault");
    vm.headers(id, headers(&post(b"client_id=client")), false).expect("no fault");
    vm.body(id, b"client_id=client", true).expect("no fault");
    id
}

/// More ticks than the filter waits for a body that Envoy has and does not deliver.
fn tick_until_late(vm: &mut Vm) {
    for _ in 0..4 {
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
            let outcome = vm.close(id).expect("no fault");
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
    // What needs no body is decided as ever.
    let id = vm.open(Connection::without_certificate()).expect("no fault");
    let mut ungated = post(b"");
    ungated.path = "/x".into();
    vm.headers(id, headers(&ungated), true).expect("no fault");
    assert_eq!(code(&vm.close(id).expect("no fault")), "not_gated");
}

#[test]
fn a_missing_allow_on_headers_stop_iteration_blocks_nobody_in_shadow_mode() {
    let config = CONFIG.replacen('{', r#"{"mode": "shadow", "#, 1);
    let mut vm = start(config.as_bytes(), CLOCK);
    vm.allow_on_headers_stop_iteration = false;
    let id = stopped_request(&mut vm);
    tick_until_late(&mut vm);
    let outcome = vm.close(id).expect("no fault");
    let Verdict::Forwarded(forwarded) = &outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!(
        (code(&outcome).as_str(), forwarded.body.as_slice()),
        ("host_error", &b"client_id=client"[..])
    );
}

#[test]
fn a_slow_client_is_not_taken_for_a_missing_allow_on_headers_stop_iteration() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let slow = vm.open(verified(&certificate())).expect("no fault");
    vm.headers(slow, headers(&post(b"client_id=client")), false).expect("no fault");
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
fn a_filter_before_this_one_that_holds_the_body_is_not_taken_for_a_missing_allow_on_headers_stop_iteration()
 {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let id = vm.open(verified(&certificate())).expect("no fault");
    vm.headers(id, headers(&post(b"client_id=client")), false).expect("no fault");
    vm.body_before_delivery(id, b"client_id=client");
    vm.tick().expect("no fault");
    vm.body(id, b"client_id=client", true).expect("no fault");
    let first = code(&vm.close(id).expect("no fault"));
    let second = code(&token_request(&mut vm, verified(&certificate())));
    assert_eq!((first.as_str(), second.as_str()), ("authenticated", "authenticated"));
}

#[test]
fn ticks_end_once_the_host_is_known_to_be_configured() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    token_request(&mut vm, verified(&certificate()));
    vm.tick().expect("no fault");
    assert_eq!(vm.tick_period(), None);
}

#[test]
fn identity_headers_in_trailers_do_not_reach_the_backend() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for path in ["/token", "/x"] {
        let mut request = post(b"client_id=client");
        request.path = path.into();
        let id = vm.open(verified(&certificate())).expect("no fault");
        vm.headers(id, headers(&request), false).expect("no fault");
        vm.body(id, &request.body, false).expect("no fault");
        let trailers = ["client-cert", "x-client-id", "x-ssl-client-dn", "x-checksum"]
            .map(|name| (name.into(), b"1".to_vec()));
        vm.trailers(id, trailers.to_vec()).expect("no fault");
        let Verdict::Forwarded(forwarded) = vm.close(id).expect("no fault").verdict else {
            panic!("not forwarded")
        };
        assert_eq!(forwarded.trailers, [("x-checksum".to_string(), b"1".to_vec())], "{path}");
    }
}

/// What a client must not set and the host does not take away goes no further: gated or not, in
/// headers and in trailers.
#[test]
fn an_identity_header_that_stays_is_no_pass() {
    const FORGED: &str = "x-ssl-client-dn";
    let tenants = r#"{"mode": "shadow", "clients": [], "tenants": [{"hosts": ["a.example.com"], "mode": "enforce"}]}"#;
    let shadow = r#"{"mode": "shadow", "clients": [], "tenants": [{"hosts": ["a.example.com"]}]}"#;
    for (config, passes) in [(CONFIG, false), (tenants, false), (shadow, true)] {
        for path in ["/token", "/x"] {
            let mut vm = start(config.as_bytes(), CLOCK);
            vm.refuse_removal(FORGED);
            let mut request = post(b"client_id=client");
            request.path = path.into();
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
            let outcome = vm.close(id).expect("no fault");
            assert_eq!(status(&outcome), (!passes).then_some(500), "trailers, {path} {config}");
            // What passed before was counted then, and is counted once.
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

/// Without the headers that tell the backend who the client is, an authenticated request goes no
/// further, and is none.
#[test]
fn an_identity_header_that_cannot_be_written_is_no_pass() {
    for header in ["x-client-id", "client-cert"] {
        let mut vm = start(CONFIG.as_bytes(), CLOCK);
        vm.refuse_write(header);
        let outcome = token_request(&mut vm, verified(&certificate()));
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
