//! What operators count on over many requests: each certificate is parsed once, memory stays
//! bounded, streams do not meet, lines are few, and nobody waits for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::calls::elapse;
use crate::host::{Connection, Outcome, Process, StartError, StreamId, Verdict, Vm};
use crate::random::Random;
use crate::run::{self, DELIVERIES, Delivery, code, headers, send, start, start_in, status};
use crate::support::case::{Case, NOW, Request, table};
use crate::support::certificate::{Certificate, CertificateSpec, mint};

const CLOCK: u64 = NOW.0 as u64 * 1_000_000_000;
const CONFIG: &str = r#"{"clients": [{"client_id": "client", "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=client"}]}"#;

fn post(body: &str) -> Request {
    Request {
        method: "POST".into(),
        path: "/token".into(),
        host: "as.example.com".into(),
        headers: vec![("content-type".into(), b"application/x-www-form-urlencoded".to_vec())],
        body: body.as_bytes().to_vec(),
    }
}

fn certificate() -> Certificate {
    mint(&CertificateSpec::default()).expect("the default certificate can be minted")
}

fn verified(certificate: &Certificate) -> Connection {
    run::connection_of(Some(certificate), Some(true))
}

/// A VM that has seen a request, so that what only the first one costs is paid.
fn warm() -> Vm {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    pass(&mut vm, verified(&certificate()));
    vm
}

fn pass(vm: &mut Vm, connection: Connection) -> Outcome {
    let outcome =
        send(vm, connection, &post("client_id=client"), Delivery::WholeBody).expect("no fault");
    assert_eq!(code(&outcome), "authenticated");
    outcome
}

fn property_reads(outcome: &Outcome) -> u32 {
    outcome.account.host_calls["proxy_get_property"]
}

#[test]
fn a_certificate_is_parsed_once() {
    let mut vm = warm();
    let certificate = certificate();
    let first = pass(&mut vm, verified(&certificate));
    let second = pass(&mut vm, verified(&certificate));
    assert_eq!(
        property_reads(&second),
        property_reads(&first) - 1,
        "the certificate is not even read again"
    );
    assert!(
        second.account.fuel * 2 < first.account.fuel,
        "{} against {}",
        second.account.fuel,
        first.account.fuel
    );
    // So little that it works without the certificate's text: the digest decides.
    pass(&mut vm, verified(&certificate).without(crate::host::stream::PEER_CERTIFICATE));
}

#[test]
fn the_same_work_costs_the_same() {
    let certificate = certificate();
    let costs: Vec<_> = (0..2)
        .map(|_| {
            let mut vm = start(CONFIG.as_bytes(), CLOCK);
            let outcomes: Vec<_> = (0..3).map(|_| pass(&mut vm, verified(&certificate))).collect();
            outcomes
                .into_iter()
                .map(|outcome| (outcome.account.fuel, outcome.account.host_calls))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(costs[0], costs[1]);
}

#[test]
fn remembered_certificates_are_bounded_and_the_least_recently_used_goes_first() {
    let mut vm = warm();
    let favourite = certificate();
    let forgotten = certificate();
    let known = property_reads(&pass(&mut vm, verified(&favourite))) - 1;
    pass(&mut vm, verified(&forgotten));
    // 8 kB each: a memory that keeps them all needs many megabytes.
    let spec = CertificateSpec { filler: 6, ..CertificateSpec::default() };
    let mint = || mint(&spec).expect("it can be minted");
    // ECDSA signatures differ in length by a byte or two. All of the longest, a quarter of them, so
    // that what the allocator makes of other lengths is not taken for growth.
    let length = |certificate: &Certificate| certificate.der.as_ref().map(Vec::len);
    let longest = (0..32).map(|_| length(&mint())).max().flatten();
    let mut of_one_length = std::iter::repeat_with(mint).filter(|next| length(next) == longest);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        for next in of_one_length.by_ref().take(1000) {
            pass(&mut vm, verified(&next));
            assert_eq!(
                property_reads(&pass(&mut vm, verified(&favourite))),
                known,
                "the favourite was forgotten"
            );
        }
        sizes.push(vm.memory_bytes());
    }
    assert_eq!(
        property_reads(&pass(&mut vm, verified(&forgotten))),
        known + 1,
        "nothing is ever forgotten"
    );
    assert_eq!(sizes[1], sizes[2], "memory grows: {sizes:?}");
    assert!(sizes[2] < 16 << 20, "{sizes:?}");
}

#[test]
fn a_remembered_certificate_expires_like_any_other() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let spec = CertificateSpec { not_after: Some(NOW), ..CertificateSpec::default() };
    let certificate = mint(&spec).expect("it can be minted");
    pass(&mut vm, verified(&certificate));
    vm.set_clock(CLOCK + 1_000_000_000);
    let late =
        send(&mut vm, verified(&certificate), &post("client_id=client"), Delivery::WholeBody)
            .expect("no fault");
    assert_eq!(code(&late), "certificate_expired");
}

#[test]
fn a_remembered_certificate_is_verified_at_every_connection() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    pass(&mut vm, verified(&certificate));
    let connection = run::connection_of(Some(&certificate), Some(false));
    let outcome = send(&mut vm, connection, &post("client_id=client"), Delivery::WholeBody)
        .expect("no fault");
    assert_eq!(code(&outcome), "certificate_unverified");
}

#[test]
fn ten_thousand_requests_leave_nothing_behind() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let body = format!("client_id=client&x={}", "a".repeat(2000));
    let mut sizes = Vec::new();
    for _ in 0..2 {
        for n in 0..5000 {
            let connection =
                if n % 2 == 0 { verified(&certificate) } else { Connection::without_certificate() };
            send(&mut vm, connection, &post(&body), DELIVERIES[1 + n % (DELIVERIES.len() - 1)])
                .expect("no fault");
        }
        sizes.push(vm.memory_bytes());
    }
    assert_eq!(sizes[0], sizes[1], "memory grows: {sizes:?}");
}

#[test]
fn interleaved_streams_do_not_meet() {
    // Cases of one configuration on one VM, their frames shuffled.
    let mut groups = BTreeMap::<String, Vec<Case>>::new();
    for case in table().cases.into_iter().filter(|case| !case.is_preflight()) {
        groups.entry(format!("{}{}", case.config, case.now.0)).or_default().push(case);
    }
    let groups: Vec<_> = groups.into_values().filter(|cases| cases.len() >= 20).collect();
    assert!(
        groups.len() >= 3,
        "the table has {} groups of cases that share a configuration",
        groups.len()
    );
    let mut random = Random::seeded(1);
    for cases in &groups {
        let mut vm = run::start_for(&cases[0]);
        let mut streams: Vec<_> =
            cases.iter().map(|case| Interleaved::open(&mut vm, case, &mut random)).collect();
        let mut unfinished: Vec<usize> = (0..streams.len()).collect();
        while !unfinished.is_empty() {
            let at = random.below(unfinished.len());
            if !streams[unfinished[at]].advance(&mut vm) {
                unfinished.swap_remove(at);
            }
        }
        for stream in streams {
            let outcome = vm.close(stream.id).expect(&stream.case.name);
            assert_eq!(code(&outcome), stream.case.expect.code, "{}", stream.case.name);
            assert_eq!(
                status(&outcome),
                stream.case.expect.status.map(u32::from),
                "{}",
                stream.case.name
            );
        }
    }
}

struct Interleaved<'a> {
    case: &'a Case,
    id: StreamId,
    frames: std::vec::IntoIter<(Vec<u8>, bool)>,
    trailers: bool,
}

impl<'a> Interleaved<'a> {
    fn open(vm: &mut Vm, case: &'a Case, random: &mut Random) -> Interleaved<'a> {
        let delivery =
            *random.pick(&[Delivery::SmallChunks, Delivery::RandomChunks, Delivery::Trailers]);
        let id = run::open(vm, case).expect(&case.name);
        let frames = delivery.frames(&case.request.body).into_iter();
        Interleaved { case, id, frames, trailers: delivery == Delivery::Trailers }
    }

    /// Delivers the next frame; false when there is none.
    fn advance(&mut self, vm: &mut Vm) -> bool {
        let result = match self.frames.next() {
            Some((chunk, end_of_stream)) => vm.body(self.id, &chunk, end_of_stream),
            None if std::mem::take(&mut self.trailers) => vm.trailers(self.id, Vec::new()),
            None => return false,
        };
        result.expect(&self.case.name);
        true
    }
}

#[test]
fn a_client_that_goes_away_is_neither_passed_nor_counted() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for chunk in [None, Some("client_id=cl")] {
        let id = vm.open(verified(&certificate())).expect("no fault");
        vm.headers(id, headers(&post("client_id=client")), false).expect("no fault");
        if let Some(chunk) = chunk {
            vm.body(id, chunk.as_bytes(), false).expect("no fault");
        }
        let outcome = vm.close(id).expect("no fault");
        assert_eq!(outcome.verdict, Verdict::Held);
        assert!(
            outcome.account.counted.is_empty() && outcome.account.logs.is_empty(),
            "{outcome:?}"
        );
    }
    if vm.tick_period().is_some() {
        vm.tick().expect("no fault");
    }
    pass(&mut vm, verified(&certificate()));
}

#[test]
fn clients_of_the_configuration_are_neither_asked_for_nor_shared() {
    let process = Process::new();
    let certificate = certificate();
    for _ in 0..2 {
        let mut vm = start_in(&process, CONFIG.as_bytes(), CLOCK);
        if vm.tick_period().is_some() {
            elapse(&mut vm, Duration::from_secs(5));
            assert!(vm.clock() >= CLOCK + 5_000_000_000);
        }
        pass(&mut vm, verified(&certificate));
        assert!(vm.calls().is_empty());
    }
    assert!(process.shared_data().is_empty());
}

#[test]
fn metrics_are_there_before_they_are_counted() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for (code, _) in crate::support::case::DECISIONS {
        assert_eq!(vm.metric(&format!("tls_client_auth.{code}")), Some(0), "{code}");
    }
    assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(1));
    pass(&mut vm, verified(&certificate()));
    assert_eq!(vm.metric("tls_client_auth.authenticated"), Some(1));
}

#[test]
fn log_none_and_log_all() {
    for (policy, lines) in [("none", 0), ("rejections", 1), ("all", 2)] {
        let config = CONFIG.replacen('{', &format!("{{\"log\": \"{policy}\", "), 1);
        let mut vm = start(config.as_bytes(), CLOCK);
        let accepted = pass(&mut vm, verified(&certificate()));
        let request = post("client_id=client");
        let refused =
            send(&mut vm, Connection::without_certificate(), &request, Delivery::WholeBody)
                .expect("no fault");
        assert_eq!(accepted.account.logs.len() + refused.account.logs.len(), lines, "{policy}");
    }
}

#[test]
fn at_most_ten_lines_a_second_and_the_rest_is_told_later() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let refuse = |vm: &mut Vm| {
        let request = post("client_id=client");
        send(vm, Connection::without_certificate(), &request, Delivery::WholeBody)
            .expect("no fault")
            .account
            .logs
    };
    let first: usize = (0..1000).map(|_| refuse(&mut vm).len()).sum();
    assert_eq!(first, 10);
    vm.set_clock(CLOCK + 1_000_000_000);
    let logs = refuse(&mut vm);
    assert!(logs.len() == 1 && logs[0].message.contains("990"), "{logs:?}");
}

#[test]
fn what_a_client_calls_itself_is_short_and_printable_in_logs_and_state() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for id in [
        "%0D%0Acode=authenticated",
        "%22%20code=authenticated",
        "%E2%80%AE%C3%A9",
        &"x".repeat(5000),
    ] {
        let request = post(&format!("client_id={id}"));
        let outcome = send(&mut vm, verified(&certificate()), &request, Delivery::WholeBody)
            .expect("no fault");
        assert_eq!(code(&outcome), "unknown_client");
        let state = &outcome.properties["tls_client_auth_client_id"];
        assert!(
            state.len() <= 128 && state.iter().all(|byte| (0x20..0x7f).contains(byte)),
            "{state:?}"
        );
        let line = &outcome.account.logs[0].message;
        assert!(
            line.len() < 700 && line.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{line}"
        );
        assert!(!line.replace(r#"\""#, "'").contains("\" code=authenticated"), "{line}");
    }
}

#[test]
fn a_new_configuration_serves_new_requests_and_a_wrong_one_none() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let begun = vm.open(verified(&certificate)).expect("no fault");
    vm.headers(begun, headers(&post("client_id=client")), false).expect("no fault");

    let wrong = vm.reconfigure(br#"{"clients": [{}]}"#);
    assert!(
        matches!(wrong, Err(StartError::Refused(_))),
        "{:?}",
        wrong.err().map(|error| error.to_string())
    );
    pass(&mut vm, verified(&certificate));

    let renamed = CONFIG.replace(r#""client_id": "client""#, r#""client_id": "renamed""#);
    vm.reconfigure(renamed.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    for (body, expected) in
        [("client_id=client", "unknown_client"), ("client_id=renamed", "authenticated")]
    {
        let outcome = send(&mut vm, verified(&certificate), &post(body), Delivery::WholeBody)
            .expect("no fault");
        assert_eq!(code(&outcome), expected, "{body}");
    }
    // What began under the old configuration ends under it.
    vm.body(begun, b"client_id=client", true).expect("no fault");
    assert_eq!(code(&vm.close(begun).expect("no fault")), "authenticated");
}

/// contract §8: each form is counted, each path reported once, and at most a hundred of them.
#[test]
fn forms_past_the_gate_are_counted_and_their_paths_reported() {
    let config = r#"{"endpoints": ["/oauth/token"], "log": "none", "clients": []}"#;
    let mut vm = start(config.as_bytes(), CLOCK);
    let mut reports = Vec::new();
    for round in 0..2 {
        for number in 0..150 {
            let request = Request {
                path: format!("/auth/{number}/Token?client_secret=x"),
                ..post("client_id=client")
            };
            let outcome = send(&mut vm, verified(&certificate()), &request, Delivery::WholeBody)
                .expect("no fault");
            assert_eq!(code(&outcome), "not_gated");
            assert_eq!(
                outcome.account.counted.get("tls_client_auth.ungated_lookalike"),
                Some(&1),
                "{round} {number}"
            );
            reports.extend(outcome.account.logs);
        }
    }
    let paths: BTreeSet<_> = reports.iter().map(|log| &log.message).collect();
    assert_eq!((reports.len(), paths.len()), (100, 100));
    assert!(reports.iter().all(|log| log.level == 3
        && log.message.contains("path=\"/auth/")
        && !log.message.contains("secret")));
    // What is no form, and what is no POST, is no concern.
    let json = vec![("content-type".into(), b"application/json".to_vec())];
    for request in [
        Request { path: "/a/token".into(), headers: json, ..post("{}") },
        Request { path: "/a/token".into(), method: "PUT".into(), ..post("client_id=client") },
        Request { path: "/a/tokens".into(), ..post("client_id=client") },
    ] {
        let outcome = send(&mut vm, verified(&certificate()), &request, Delivery::WholeBody)
            .expect("no fault");
        assert_eq!(
            outcome.account.counted.keys().collect::<Vec<_>>(),
            ["tls_client_auth.not_gated"]
        );
    }
}
