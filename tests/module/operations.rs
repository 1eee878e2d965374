//! What operators rely on over many requests: each certificate is parsed once, memory is bounded,
//! streams are independent, and log lines are few.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::calls::elapse;
use crate::fixture::{CLOCK, certificate, token_request, verified};
use crate::host::{Connection, Outcome, Process, StartError, StreamId, Verdict, Vm};
use crate::random::Random;
use crate::run::{self, DELIVERIES, Delivery, code, headers, send, start, start_in, status};
use crate::support::case::{Case, DECISIONS, NOW, Request, table};
use crate::support::certificate::{Certificate, CertificateSpec, mint};

/// One client.
const CONFIG: &str = r#"{"clients": [{"client_id": "client",
    "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=client"}]}"#;

/// A VM after its first request, which costs more than others.
fn warm() -> Vm {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    pass(&mut vm, verified(&certificate()));
    vm
}

fn pass(vm: &mut Vm, connection: Connection) -> Outcome {
    let outcome =
        send(vm, connection, &token_request("client"), Delivery::WholeBody).expect("no fault");
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
    // The digest is enough: the text of the certificate is not read.
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
fn the_certificate_cache_is_bounded_and_drops_the_least_recently_used() {
    let mut vm = warm();
    let used = certificate();
    let unused = certificate();
    let known = property_reads(&pass(&mut vm, verified(&used))) - 1;
    pass(&mut vm, verified(&unused));
    // 8 kB each: a cache of all of them would take many megabytes.
    let spec = CertificateSpec { filler: 6, ..CertificateSpec::default() };
    let mint = || mint(&spec).expect("it can be minted");
    // ECDSA signatures differ in length by a byte or two. Only certificates of the greatest length,
    // a quarter of all, are used, so that fragmentation is not taken for growth.
    let length = |certificate: &Certificate| certificate.der.as_ref().map(Vec::len);
    let longest = (0..32).map(|_| length(&mint())).max().flatten();
    let mut of_one_length = std::iter::repeat_with(mint).filter(|next| length(next) == longest);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        for next in of_one_length.by_ref().take(1000) {
            pass(&mut vm, verified(&next));
            assert_eq!(
                property_reads(&pass(&mut vm, verified(&used))),
                known,
                "a certificate in use was dropped"
            );
        }
        sizes.push(vm.memory_bytes());
    }
    assert_eq!(
        property_reads(&pass(&mut vm, verified(&unused))),
        known + 1,
        "an unused certificate was not dropped"
    );
    assert_eq!(sizes[1], sizes[2], "memory grows: {sizes:?}");
    assert!(sizes[2] < 16 << 20, "{sizes:?}");
}

#[test]
fn a_cached_certificate_expires() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let spec = CertificateSpec { not_after: Some(NOW), ..CertificateSpec::default() };
    let certificate = mint(&spec).expect("it can be minted");
    pass(&mut vm, verified(&certificate));
    vm.set_clock(CLOCK + 1_000_000_000);
    let late = send(&mut vm, verified(&certificate), &token_request("client"), Delivery::WholeBody)
        .expect("no fault");
    assert_eq!(code(&late), "certificate_expired");
}

#[test]
fn a_cached_certificate_needs_the_verification_of_each_connection() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    pass(&mut vm, verified(&certificate));
    let connection = run::connection_of(Some(&certificate), Some(false));
    let outcome =
        send(&mut vm, connection, &token_request("client"), Delivery::WholeBody).expect("no fault");
    assert_eq!(code(&outcome), "certificate_unverified");
}

#[test]
fn ten_thousand_requests_do_not_grow_memory() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let body = format!("client_id=client&x={}", "a".repeat(2000));
    let mut sizes = Vec::new();
    for _ in 0..2 {
        for n in 0..5000 {
            let connection =
                if n % 2 == 0 { verified(&certificate) } else { Connection::without_certificate() };
            send(
                &mut vm,
                connection,
                &Request::form("/token", body.as_str()),
                DELIVERIES[1 + n % (DELIVERIES.len() - 1)],
            )
            .expect("no fault");
        }
        sizes.push(vm.memory_bytes());
    }
    assert_eq!(sizes[0], sizes[1], "memory grows: {sizes:?}");
}

#[test]
fn interleaved_streams_are_independent() {
    // The cases of one configuration run on one VM, with their frames shuffled.
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
        let mut counted = BTreeMap::new();
        for stream in streams {
            let outcome = vm.close(stream.id).expect(&stream.case.name);
            let code = &stream.case.expect.code;
            *counted.entry(format!("tls_client_auth.{code}")).or_default() += 1;
            let stated = outcome.properties.get("tls_client_auth_code");
            // A request that is not gated has no filter state.
            let expected = Some(code.as_bytes()).filter(|code| *code != b"not_gated");
            assert_eq!(stated.map(Vec::as_slice), expected, "{}", stream.case.name);
            assert_eq!(
                status(&outcome),
                stream.case.expect.status.map(u32::from),
                "{}",
                stream.case.name
            );
        }
        let mut found = vm.take_counted().expect("no fault");
        found.retain(|name, _| counted.contains_key(name));
        assert_eq!(found, counted);
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

    /// Delivers the next frame; returns false after the last.
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
        vm.headers(id, headers(&token_request("client")), false).expect("no fault");
        if let Some(chunk) = chunk {
            vm.body(id, chunk.as_bytes(), false).expect("no fault");
        }
        let outcome = run::close(&mut vm, id).expect("no fault");
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
fn embedded_clients_need_no_calls_and_no_shared_data() {
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
fn metrics_exist_before_they_are_counted() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for (code, _) in DECISIONS {
        assert_eq!(vm.metric(&format!("tls_client_auth.{code}")), Some(0), "{code}");
    }
    // The VM that tries a configuration has no ticks, and the gauges of others.
    assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(0));
    vm.tick().expect("no fault");
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
        let request = token_request("client");
        let refused =
            send(&mut vm, Connection::without_certificate(), &request, Delivery::WholeBody)
                .expect("no fault");
        assert_eq!(accepted.account.logs.len() + refused.account.logs.len(), lines, "{policy}");
    }
}

#[test]
fn at_most_ten_lines_per_second_and_the_rest_is_counted() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let refuse = |vm: &mut Vm| {
        let request = token_request("client");
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
fn client_ids_are_short_and_printable_in_logs_and_filter_state() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    for id in [
        "%0D%0Acode=authenticated",
        "%22%20code=authenticated",
        "%E2%80%AE%C3%A9",
        &"x".repeat(5000),
    ] {
        let request = token_request(id);
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
fn a_new_configuration_serves_new_requests_and_a_wrong_one_is_ignored() {
    let mut vm = start(CONFIG.as_bytes(), CLOCK);
    let certificate = certificate();
    let begun = vm.open(verified(&certificate)).expect("no fault");
    vm.headers(begun, headers(&token_request("client")), false).expect("no fault");

    let wrong = vm.reconfigure(br#"{"clients": [{}]}"#);
    assert!(
        matches!(wrong, Err(StartError::Refused(_))),
        "{:?}",
        wrong.err().map(|error| error.to_string())
    );
    pass(&mut vm, verified(&certificate));

    let renamed = CONFIG.replace(r#""client_id": "client""#, r#""client_id": "renamed""#);
    vm.reconfigure(renamed.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    for (client_id, expected) in [("client", "unknown_client"), ("renamed", "authenticated")] {
        let request = token_request(client_id);
        let outcome =
            send(&mut vm, verified(&certificate), &request, Delivery::WholeBody).expect("no fault");
        assert_eq!(code(&outcome), expected, "{client_id}");
    }
    // A request that began under the old configuration ends under it.
    vm.body(begun, b"client_id=client", true).expect("no fault");
    assert_eq!(code(&vm.close(begun).expect("no fault")), "authenticated");
}

/// contract §8: each form is counted; each path is logged once, and at most a hundred paths.
#[test]
fn ungated_forms_are_counted_and_their_paths_logged() {
    let config = r#"{"endpoints": ["/oauth/token"], "log": "none", "clients": []}"#;
    let mut vm = start(config.as_bytes(), CLOCK);
    let mut reports = Vec::new();
    for round in 0..2 {
        for number in 0..150 {
            let request = Request {
                path: format!("/auth/{number}/Token?client_secret=x"),
                ..token_request("client")
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
    // Requests that are not forms or not POST do not count.
    let json = vec![("content-type".into(), b"application/json".to_vec())];
    for request in [
        Request { path: "/a/token".into(), headers: json, ..Request::form("", "{}") },
        Request { path: "/a/token".into(), method: "PUT".into(), ..token_request("client") },
        Request { path: "/a/tokens".into(), ..token_request("client") },
    ] {
        let outcome = send(&mut vm, verified(&certificate()), &request, Delivery::WholeBody)
            .expect("no fault");
        assert_eq!(
            outcome.account.counted.keys().collect::<Vec<_>>(),
            ["tls_client_auth.not_gated"]
        );
    }
}
