//! Clients that a list lacks: they are looked up while their requests are held.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    SNAPSHOT, ask, assert_code, client, closed, give, loaded, logs, passing_unregistered, wait_for,
};
use crate::calls::{answer, elapse, only_call, tick, tick_until};
use crate::host::{HttpCall, Process, StreamId, Vm};
use crate::run::{Delivery, REGISTRY, code, status};

fn configuration() -> String {
    SNAPSHOT.replace(r#""refresh""#, r#""on_miss": {"path": "/clients/{client_id}"}, "refresh""#)
}

/// A VM whose list has the client `old`.
fn vm() -> Vm {
    loaded(&Process::new(), &configuration(), &json!([client("old")]))
}

/// The pending lookups.
fn lookups(vm: &Vm) -> Vec<HttpCall> {
    vm.calls().into_iter().filter(|call| call.path() != "/clients").collect()
}

/// Sends a request whose client is looked up; returns it and the call.
#[track_caller]
fn look_up(vm: &mut Vm, client_id: &str) -> (StreamId, HttpCall) {
    let id = wait_for(vm, client_id, Delivery::WholeBody);
    assert_eq!(vm.waiting(), [id], "{client_id} waits");
    tick(vm);
    let calls = lookups(vm);
    assert_eq!(calls.len(), 1, "{calls:?}");
    (id, calls[0].clone())
}

/// Brings the next list, whose first request is sent after this call.
fn refresh(vm: &mut Vm, list: &Value) {
    let call = tick_until(vm, |vm| vm.calls().into_iter().find(|call| call.path() == "/clients"));
    give(vm, &call, 200, list);
    elapse(vm, Duration::from_secs(1));
}

/// Otherwise whoever registers could keep those out that register after it.
#[test]
fn a_client_that_only_the_entry_of_another_names_is_looked_up() {
    let bad = json!({
        "client_id": "bad", "token_endpoint_auth_method": "tls_client_auth",
        "entity_id": ["new", "absent"],
    });
    let list = json!([client("old"), bad]);
    let configuration = passing_unregistered(&configuration());
    let mut vm = loaded(&Process::new(), &configuration, &list);
    assert_code(&mut vm, "bad", "unknown_client");
    let (id, call) = look_up(&mut vm, "new");
    give(&mut vm, &call, 200, &client("new"));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    assert_code(&mut vm, "new", "authenticated");
    // Where the registry has no such client, it stays in doubt.
    let (id, call) = look_up(&mut vm, "absent");
    give(&mut vm, &call, 404, &Value::Null);
    assert_eq!(code(&closed(&mut vm, id)), "unknown_client");
    assert_code(&mut vm, "absent", "unknown_client");
    assert!(lookups(&vm).is_empty());
}

#[test]
fn a_client_that_registered_a_moment_ago_works_at_once() {
    let mut vm = vm();
    let deliveries =
        [Delivery::WholeBody, Delivery::Trailers, Delivery::EmptyDataAtEnd, Delivery::SmallChunks];
    let waiting: Vec<_> =
        deliveries.iter().map(|delivery| wait_for(&mut vm, "new", *delivery)).collect();
    assert!(vm.calls().is_empty(), "the root context sends the call");
    assert_eq!(vm.tick_period(), Some(2), "soon");
    tick(&mut vm);
    let call = only_call(&vm);
    assert_eq!(
        (call.cluster.as_str(), call.path().as_str(), call.timeout_ms, call.made_for),
        (REGISTRY, "/clients/new", 5000, None)
    );
    assert_eq!(call.header("authorization"), [b"Bearer secret-of-the-registry"]);
    // Clients of the list do not wait meanwhile.
    assert_code(&mut vm, "old", "authenticated");
    give(&mut vm, &call, 200, &client("new"));
    for id in waiting {
        assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    }
    assert_code(&mut vm, "new", "authenticated");
    assert!(vm.calls().is_empty());
    tick(&mut vm);
    assert_eq!(vm.metric("tls_client_auth.registry_refresh_ok"), Some(2));
    assert_eq!(vm.metric("tls_client_auth.registry_clients"), Some(1));
    assert!(logs(&mut vm).iter().all(|line| !line.contains("secret")));
}

#[test]
fn it_is_gone_with_the_first_list_that_lacks_it() {
    let mut vm = vm();
    // A list whose request is sent before the answer may lack the client, and says nothing.
    let list =
        tick_until(&mut vm, |vm| vm.calls().into_iter().find(|call| call.path() == "/clients"));
    let (id, call) = look_up(&mut vm, "new");
    give(&mut vm, &call, 200, &client("new"));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    give(&mut vm, &list, 200, &json!([client("old"), client("other")]));
    elapse(&mut vm, Duration::from_secs(1));
    assert_code(&mut vm, "other", "authenticated");
    assert_code(&mut vm, "new", "authenticated");
    // The next list confirms that it is gone.
    refresh(&mut vm, &json!([client("old"), client("other")]));
    // Ten seconds after the lookup it is asked for again.
    let (id, call) = look_up(&mut vm, "new");
    give(&mut vm, &call, 404, &Value::Null);
    assert_eq!(code(&closed(&mut vm, id)), "unknown_client");
    assert_code(&mut vm, "new", "unknown_client");
    assert!(lookups(&vm).is_empty());
}

#[test]
fn a_client_of_the_next_list_stays() {
    let mut vm = vm();
    let (id, call) = look_up(&mut vm, "new");
    give(&mut vm, &call, 200, &client("new"));
    assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    refresh(&mut vm, &json!([client("old"), client("new")]));
    assert_code(&mut vm, "new", "authenticated");
    assert!(lookups(&vm).is_empty());
    refresh(&mut vm, &json!([client("old")]));
    assert_eq!(lookups(&vm), []);
    let (id, call) = look_up(&mut vm, "new");
    give(&mut vm, &call, 404, &Value::Null);
    assert_eq!(code(&closed(&mut vm, id)), "unknown_client");
}

#[test]
fn a_client_is_asked_for_once_in_ten_seconds() {
    for (answered, expected) in [
        (404, "unknown_client"),
        (500, "registry_unavailable"),
        (0, "registry_unavailable"),
        (302, "registry_unavailable"),
    ] {
        let mut vm = vm();
        let (id, call) = look_up(&mut vm, "x");
        match answered {
            0 => vm.fail(call.token).expect("no fault"),
            status => give(&mut vm, &call, status, &Value::Null),
        }
        let outcome = closed(&mut vm, id);
        assert_eq!(code(&outcome), expected, "{answered}");
        elapse(&mut vm, Duration::from_millis(9_000));
        assert_code(&mut vm, "x", expected);
        assert_eq!(lookups(&vm), [], "{answered}");
        elapse(&mut vm, Duration::from_secs(1));
        let (id, _) = look_up(&mut vm, "x");
        closed(&mut vm, id);
    }
    let mut vm = vm();
    vm.set_unreachable(&[REGISTRY]);
    let id = wait_for(&mut vm, "x", Delivery::WholeBody);
    tick(&mut vm);
    let outcome = closed(&mut vm, id);
    assert_eq!((code(&outcome).as_str(), status(&outcome)), ("registry_unavailable", Some(503)));
}

#[test]
fn what_the_list_has_is_not_lacking() {
    let bad = json!({"client_id": "bad", "token_endpoint_auth_method": "tls_client_auth"});
    let list = json!([client("twice"), bad, client("twice"), client("old")]);
    let configuration = passing_unregistered(&configuration());
    let mut vm = loaded(&Process::new(), &configuration, &list);
    for client_id in ["bad", "twice"] {
        assert_code(&mut vm, client_id, "unknown_client");
    }
    let too_long = "x".repeat(256);
    for client_id in [&*too_long, ".", ".."] {
        assert_code(&mut vm, client_id, "passed_unregistered");
    }
    for client_id in ["a%0Ab", "%C2%85", "%20a"] {
        assert_code(&mut vm, client_id, "unknown_client");
    }
    tick(&mut vm);
    assert!(vm.calls().is_empty() && vm.waiting().is_empty());
    // Nor is a client looked up that unregistered clients would pass for.
    for (status, expected) in [(404, "passed_unregistered"), (500, "registry_unavailable")] {
        let (id, call) = look_up(&mut vm, &status.to_string());
        give(&mut vm, &call, status, &Value::Null);
        assert_eq!(code(&closed(&mut vm, id)), expected);
    }
    let (id, call) = look_up(&mut vm, "found-bad");
    let bad = json!({"client_id": "found-bad", "token_endpoint_auth_method": "tls_client_auth"});
    give(&mut vm, &call, 200, &bad);
    assert_eq!(code(&closed(&mut vm, id)), "unknown_client");
}

#[test]
fn no_client_is_looked_up_before_the_first_list() {
    let mut vm =
        crate::run::start_in(&Process::new(), configuration().as_bytes(), crate::fixture::CLOCK);
    assert_code(&mut vm, "new", "registry_unavailable");
    tick(&mut vm);
    assert!(lookups(&vm).is_empty());
}

#[test]
fn a_flood_of_identifiers_does_not_concern_the_clients_of_the_list() {
    let mut vm = vm();
    let waiting: Vec<_> =
        (0..20).map(|n| wait_for(&mut vm, &format!("x{n}"), Delivery::WholeBody)).collect();
    for n in 20..40 {
        let outcome = ask(&mut vm, &format!("x{n}"));
        assert_eq!(
            (code(&outcome).as_str(), status(&outcome)),
            ("registry_unavailable", Some(503))
        );
    }
    let joined = wait_for(&mut vm, "x7", Delivery::WholeBody);
    assert_eq!(vm.waiting().len(), 21);
    tick(&mut vm);
    let calls = lookups(&vm);
    let paths: BTreeSet<String> = calls.iter().map(HttpCall::path).collect();
    assert_eq!((calls.len(), paths.len()), (20, 20));
    assert_code(&mut vm, "old", "authenticated");
    assert_code(&mut vm, "x20", "registry_unavailable");
    // An answer makes room for one.
    give(&mut vm, &calls[7], 404, &Value::Null);
    for id in [waiting[7], joined] {
        assert_eq!(code(&closed(&mut vm, id)), "unknown_client");
    }
    let next = wait_for(&mut vm, "x20", Delivery::WholeBody);
    assert_code(&mut vm, "x21", "registry_unavailable");
    tick(&mut vm);
    assert_eq!(lookups(&vm).len(), 20);
    for call in lookups(&vm) {
        vm.answer(call.token, answer(404, &[], "")).expect("no fault");
    }
    assert_eq!(code(&closed(&mut vm, next)), "unknown_client");
    assert!(vm.waiting().is_empty());
}

#[test]
fn a_lookup_goes_on_without_the_request_that_caused_it() {
    let mut vm = vm();
    let (id, call) = look_up(&mut vm, "new");
    closed(&mut vm, id);
    let other = wait_for(&mut vm, "new", Delivery::WholeBody);
    for _ in 0..3 {
        tick(&mut vm);
    }
    assert_eq!(lookups(&vm).len(), 1, "it is not sent again");
    give(&mut vm, &call, 200, &client("new"));
    assert_eq!(code(&closed(&mut vm, other)), "authenticated");
    let (id, call) = look_up(&mut vm, "alone");
    closed(&mut vm, id);
    give(&mut vm, &call, 404, &Value::Null);
    assert_code(&mut vm, "alone", "unknown_client");
}

#[test]
fn lookups_do_not_slow_the_time_of_lists_down() {
    let mut vm = vm();
    // Each lookup shortens the time until the next tick, while the last one was long ago.
    let begin = vm.clock();
    let mut number = 0;
    while vm.calls().iter().all(|call| call.path() != "/clients") {
        number += 1;
        assert!(number < 200, "the list is never fetched again");
        vm.set_clock(vm.clock() + 200_000_000);
        let (id, call) = look_up(&mut vm, &format!("x{number}"));
        give(&mut vm, &call, 404, &Value::Null);
        assert_eq!(code(&closed(&mut vm, id)), "unknown_client");
        tick(&mut vm);
    }
    let taken = Duration::from_nanos(vm.clock() - begin);
    assert!((8..11).contains(&taken.as_secs()), "{taken:?}, and refresh is 10s");
}
