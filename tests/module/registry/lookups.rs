//! Lookups of single clients, while the request is held.

use std::time::Duration;

use serde_json::{Value, json};

use super::{LOOKUP, assert_code, client, closed, give, logs, wait_for};
use crate::calls::{elapse, only_call, tick};
use crate::fixture::CLOCK;
use crate::host::{HttpCall, Process};
use crate::run::{Delivery, REGISTRY, code, start_in, status};

#[test]
fn waiting_requests_share_one_lookup() {
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    let deliveries =
        [Delivery::WholeBody, Delivery::Trailers, Delivery::EmptyDataAtEnd, Delivery::SmallChunks];
    let waiting: Vec<_> =
        deliveries.iter().map(|delivery| wait_for(&mut vm, "a", *delivery)).collect();
    let unregistered = wait_for(&mut vm, "x/y", Delivery::WholeBody);
    let calls = vm.calls();
    assert_eq!(
        calls.iter().map(HttpCall::path).collect::<Vec<_>>(),
        ["/clients/a", "/clients/x%2Fy"]
    );
    assert_eq!(vm.waiting().len(), 5);
    give(&mut vm, &calls[0], 200, &client("a"));
    for id in waiting {
        assert_eq!(code(&closed(&mut vm, id)), "authenticated");
    }
    assert_eq!(vm.waiting(), [unregistered]);
    give(&mut vm, &calls[1], 404, &Value::Null);
    assert_eq!(code(&closed(&mut vm, unregistered)), "unknown_client");
    // Both answers are cached now.
    assert_code(&mut vm, "a", "authenticated");
    assert_code(&mut vm, "x/y", "unknown_client");
    assert!(vm.calls().is_empty());
    elapse(&mut vm, Duration::from_secs(11));
    let again = wait_for(&mut vm, "x/y", Delivery::WholeBody);
    assert_eq!(only_call(&vm).path(), "/clients/x%2Fy");
    closed(&mut vm, again);
}

#[test]
fn a_failed_lookup_does_not_pass() {
    for failure in 0..5 {
        let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
        let id = wait_for(&mut vm, "a", Delivery::WholeBody);
        let call = only_call(&vm);
        match failure {
            0 => vm.fail(call.token).expect("no fault"),
            1 => give(&mut vm, &call, 500, &Value::Null),
            2 => give(&mut vm, &call, 200, &client("b")),
            3 => give(&mut vm, &call, 200, &json!({"clients": [], "totalCount": 5})),
            _ => give(&mut vm, &call, 200, &json!({"error": "x"})),
        }
        let outcome = closed(&mut vm, id);
        assert_eq!(
            (code(&outcome).as_str(), status(&outcome)),
            ("registry_unavailable", Some(503))
        );
        vm.tick().expect("no fault");
        assert_eq!(vm.metric("tls_client_auth.registry_refresh_failed"), Some(1));
        assert!(
            logs(&mut vm)
                .iter()
                .any(|line| line.contains("client_id=\"a\"") && line.contains("no usable answer"))
        );
        assert!(logs(&mut vm).iter().all(|line| !line.contains("secret")));
    }
    // A cached client serves while the registry fails.
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    for status in [200, 500] {
        let id = wait_for(&mut vm, "a", Delivery::WholeBody);
        let call = only_call(&vm);
        give(&mut vm, &call, status, &client("a"));
        assert_eq!(code(&closed(&mut vm, id)), "authenticated");
        elapse(&mut vm, Duration::from_secs(61));
    }
    assert!(logs(&mut vm).iter().any(|line| line.contains("is served from memory: status 500")));
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    vm.set_unreachable(&[REGISTRY]);
    assert_code(&mut vm, "a", "registry_unavailable");
    vm.set_clusters(&[]);
    assert_code(&mut vm, "a", "registry_unavailable");
}

#[test]
fn a_client_that_leaves_does_not_end_the_wait_of_others() {
    let mut vm = start_in(&Process::new(), LOOKUP.as_bytes(), CLOCK);
    let first = wait_for(&mut vm, "a", Delivery::WholeBody);
    let (second, third) =
        (wait_for(&mut vm, "a", Delivery::WholeBody), wait_for(&mut vm, "a", Delivery::Trailers));
    let call = only_call(&vm);
    closed(&mut vm, third);
    closed(&mut vm, first);
    // The answer would have come to a request that has ended; the call is sent again.
    tick(&mut vm);
    let calls = vm.calls();
    assert_eq!(calls.len(), 2);
    give(&mut vm, &call, 200, &client("a"));
    assert_eq!(vm.waiting(), [second]);
    give(&mut vm, &calls[1], 200, &client("a"));
    assert_eq!(code(&closed(&mut vm, second)), "authenticated");

    // No request waits any more: the call is not sent again, and a late answer does no harm.
    let alone = wait_for(&mut vm, "b", Delivery::WholeBody);
    let call = only_call(&vm);
    closed(&mut vm, alone);
    tick(&mut vm);
    assert_eq!(vm.calls().len(), 1);
    give(&mut vm, &call, 200, &client("b"));
    assert_code(&mut vm, "a", "authenticated");
}
