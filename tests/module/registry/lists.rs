//! Lists: who fetches them, what they cost, and when they take effect.

use std::time::Duration;

use serde_json::{Value, json};

use super::{SNAPSHOT, ask, assert_code, client, closed, give, loaded, logs};
use crate::calls::{answer, elapse, only_call, tick, tick_until, tick_until_call};
use crate::fixture::{CLOCK, certificate, token_request, verified};
use crate::host::stream::REQUESTED_SERVER_NAME;
use crate::host::{Process, Verdict, Vm};
use crate::run::{self, Delivery, REGISTRY, code, deliver, send, start_in, status};
use crate::support::case::Request;

#[test]
fn one_vm_fetches_and_every_vm_decides() {
    let process = Process::new();
    let mut vms: Vec<Vm> =
        (0..4).map(|n| start_in(&process, SNAPSHOT.as_bytes(), CLOCK + n)).collect();
    let early = ask(&mut vms[0], "a");
    assert_eq!((code(&early).as_str(), status(&early)), ("registry_unavailable", Some(503)));
    let Verdict::Replied(reply) = &early.verdict else { panic!("answered") };
    assert_eq!(reply.header("retry-after"), [b"1"]);
    let holder = (0..1000).find_map(|_| {
        vms.iter_mut().for_each(tick);
        vms.iter().position(|vm| !vm.calls().is_empty())
    });
    let holder = holder.expect("one VM asks");
    assert_eq!(vms.iter().map(|vm| vm.calls().len()).sum::<usize>(), 1);
    let call = only_call(&vms[holder]);
    assert_eq!(
        (call.cluster.as_str(), call.path().as_str(), call.timeout_ms),
        (REGISTRY, "/clients", 5000)
    );
    assert_eq!(call.header(":authority"), [b"registry.test"]);
    give(&mut vms[holder], &call, 200, &json!([client("a"), client("b")]));
    for _ in 0..20 {
        vms.iter_mut().for_each(tick);
    }
    for vm in &mut vms {
        assert_code(vm, "a", "authenticated");
        assert_code(vm, "c", "unknown_client");
        assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(2));
    }
    assert_eq!(vms[holder].metric("tls_client_auth.registry_refresh_ok"), Some(1));

    // The VM that holds the lease ends; another VM takes over, and the list stays in force.
    vms.remove(holder);
    let next = (0..1000).find_map(|_| {
        vms.iter_mut().for_each(tick);
        vms.iter().position(|vm| !vm.calls().is_empty())
    });
    let next = next.expect("another VM asks");
    let call = only_call(&vms[next]);
    give(&mut vms[next], &call, 200, &json!([client("b")]));
    for _ in 0..20 {
        vms.iter_mut().for_each(tick);
    }
    for vm in &mut vms {
        assert_code(vm, "a", "unknown_client");
        assert_code(vm, "b", "authenticated");
    }
}

/// The second page of the attempt before is no first page.
#[test]
fn an_answer_to_an_earlier_attempt_does_not_count_for_the_next_one() {
    let process = Process::new();
    let mut vm = start_in(&process, SNAPSHOT.as_bytes(), CLOCK);
    let first = tick_until_call(&mut vm);
    let link = [("link", "</clients?page=2>; rel=next")];
    let page = json!([client("a")]).to_string();
    vm.answer(first.token, answer(200, &link, page)).expect("no fault");
    let second = tick_until_call(&mut vm);
    assert_eq!(second.path(), "/clients?page=2");
    // A filter with a shorter period takes the lease, and dies.
    let faster = SNAPSHOT.replace("10s", "5s");
    let mut other = start_in(&process, faster.as_bytes(), CLOCK + 1);
    tick_until_call(&mut other);
    drop(other);
    let again =
        tick_until(&mut vm, |vm| vm.calls().into_iter().find(|call| call.path() == "/clients"));
    give(&mut vm, &second, 200, &json!([client("b")]));
    elapse(&mut vm, Duration::from_millis(200));
    assert_code(&mut vm, "a", "registry_unavailable");
    give(&mut vm, &again, 200, &json!([client("a"), client("b")]));
    elapse(&mut vm, Duration::from_secs(1));
    assert_code(&mut vm, "a", "authenticated");
}

#[test]
fn a_known_client_costs_what_an_embedded_one_does() {
    let embedded = json!({"clients": [client("a")]}).to_string();
    let mut vm = run::start(embedded.as_bytes(), CLOCK);
    let connection = verified(&certificate());
    let cost = |vm: &mut Vm, client_id: &str| {
        let outcome = send(vm, connection.clone(), &token_request(client_id), Delivery::WholeBody)
            .expect("no fault");
        assert_eq!(code(&outcome), "authenticated");
        outcome.account
    };
    let (_, hot) = (cost(&mut vm, "a"), cost(&mut vm, "a"));
    let mut vm = loaded(&Process::new(), SNAPSHOT, &json!([client("a"), client("b")]));
    let (_, fetched) = (cost(&mut vm, "a"), cost(&mut vm, "a"));
    assert_eq!(fetched.host_calls, hot.host_calls);
    assert!(fetched.fuel < hot.fuel * 11 / 10, "{} against {}", fetched.fuel, hot.fuel);
    let cold = cost(&mut vm, "b");
    let reads = cold.host_calls.get("proxy_get_shared_data").copied();
    assert_eq!(reads, Some(1), "one shard is read for a client that this VM has not parsed");
}

#[test]
fn a_long_list_is_read_in_slices() {
    let mut vm = start_in(&Process::new(), SNAPSHOT.as_bytes(), CLOCK);
    let call = tick_until_call(&mut vm);
    let list: Vec<Value> = (0..5000).map(|n| client(&format!("c{n}"))).collect();
    give(&mut vm, &call, 200, &json!(list));
    // Each reading of the clock takes 50 microseconds: about 20 entries in a millisecond.
    vm.set_clock_step(50_000);
    let mut slices = 0;
    while vm.metric("tls_client_auth.registry_refresh_ok") == Some(0) {
        let before = vm.root_account().fuel;
        tick(&mut vm);
        let spent = vm.root_account().fuel - before;
        assert!(spent < 3_000_000, "{spent} instructions in one tick");
        // The list takes effect as a whole.
        let is_loaded = vm.metric("tls_client_auth.registry_refresh_ok") != Some(0);
        assert_code(
            &mut vm,
            "c7",
            if is_loaded { "authenticated" } else { "registry_unavailable" },
        );
        slices += 1;
        assert!(slices < 2000);
    }
    assert!(slices > 200, "{slices} slices");
    vm.set_clock_step(0);
    tick(&mut vm);
    assert_code(&mut vm, "c4999", "authenticated");
}

#[test]
fn failures_of_the_registry_are_logged_without_its_secret() {
    let mut vm = loaded(
        &Process::new(),
        SNAPSHOT,
        &json!([client("a"), {"client_id": "bad", "tls_client_auth_oops": 1}]),
    );
    assert_code(&mut vm, "bad", "unknown_client");
    for failure in ["fails", "500", "html"] {
        let call = tick_until_call(&mut vm);
        assert_eq!(call.header("authorization"), [b"Bearer secret-of-the-registry"]);
        match failure {
            "fails" => vm.fail(call.token),
            "500" => vm.answer(call.token, answer(500, &[], "")),
            _ => vm.answer(call.token, answer(200, &[], "<html>")),
        }
        .expect("no fault");
        elapse(&mut vm, Duration::from_millis(500));
        assert_code(&mut vm, "a", "authenticated");
    }
    let logs = logs(&mut vm);
    for expected in [
        "1 clients: 2 added, 0 removed, 0 changed, 1 refused",
        "refused /1/tls_client_auth_oops: unknown member",
        "no answer: time-out",
        "status 500",
        "not JSON at byte 0",
    ] {
        assert!(
            logs.iter()
                .any(|line| line.contains(expected) && line.contains("cluster=\"registry\"")),
            "{expected}: {logs:?}"
        );
    }
    assert!(logs.iter().all(|line| !line.contains("secret")), "{logs:?}");
    assert_eq!(vm.metric("tls_client_auth.registry_refresh_failed"), Some(3));
}

#[test]
fn a_new_configuration_does_not_wait_for_the_old_one() {
    let mut vm = start_in(&Process::new(), SNAPSHOT.as_bytes(), CLOCK);
    tick_until_call(&mut vm);
    let other = SNAPSHOT.replace("/clients", "/v2");
    vm.reconfigure(other.as_bytes()).expect("it is accepted");
    let call = tick_until(&mut vm, |vm| vm.calls().into_iter().find(|call| call.path() == "/v2"));
    give(&mut vm, &call, 200, &json!([client("new")]));
    elapse(&mut vm, Duration::from_secs(1));
    assert_code(&mut vm, "new", "authenticated");
    // The same registry with another refresh interval: its list is in force at once.
    let slower = other.replace("10s", "20s");
    vm.reconfigure(slower.as_bytes()).expect("it is accepted");
    assert_code(&mut vm, "new", "authenticated");
}

#[test]
fn tenants_have_their_own_registries() {
    let configuration = json!({
        "registry": {"cluster": "registry", "authority": "registry.test", "path": "/top"},
        "tenants": [
            {"hosts": ["a.example.com"], "registry": {
                "cluster": "registry", "authority": "registry.test",
                "path": "/a/{client_id}", "mode": "lookup",
            }},
            {"hosts": ["b.example.com"], "clients": [client("b")]},
        ],
    });
    let mut vm = loaded(&Process::new(), &configuration.to_string(), &json!([client("top")]));
    let at =
        |host: &str, client_id: &str| Request { host: host.into(), ..token_request(client_id) };
    for (host, client_id, expected) in [
        ("b.example.com", "b", "authenticated"),
        ("b.example.com", "top", "unknown_client"),
        ("other.example.com", "top", "authenticated"),
        ("other.example.com", "b", "unknown_client"),
    ] {
        let connection = verified(&certificate()).with(REQUESTED_SERVER_NAME, host);
        let outcome =
            send(&mut vm, connection, &at(host, client_id), Delivery::WholeBody).expect("no fault");
        assert_eq!(code(&outcome), expected, "{host} {client_id}");
    }
    let connection = verified(&certificate()).with(REQUESTED_SERVER_NAME, "a.example.com");
    let id = deliver(&mut vm, connection, &at("a.example.com", "a"), Delivery::WholeBody)
        .expect("no fault");
    let call = only_call(&vm);
    assert_eq!(call.path(), "/a/a");
    give(&mut vm, &call, 200, &client("a"));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    assert_eq!(
        vm.metric("tls_client_auth.registry_clients"),
        Some(2),
        "one embedded and one fetched client"
    );
}
