//! Requests that are held at their end until a call of the filter is answered.

use std::sync::LazyLock;

use super::http_call::{call, head};
use super::wat::{CONTINUE, Filter, PAUSE, check, data};
use super::{fails, start};
use crate::calls::{answer, only_call, tick_until, tick_until_call};
use crate::host::{Connection, Fault, Headers, StreamId, Verdict, Vm};

const BECOME_STREAM: &str = "(drop (call $become (i32.const 2)))";
const CONTINUE_STREAM: &str = "(drop (call $continue (i32.const 0)))";
// `ask: reg`
const WRITE: &str = "(drop (call $replace (i32.const 0) (i32.const 116) (i32.const 3) (i32.const \
    100) (i32.const 3)))";
const REPLY: &str =
    "(drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 16) (i32.const 4) (i32.const -1)))";
const START_TIMER: &str = "(drop (call $period (i32.const 250)))";
const STOP_TIMER: &str = "(drop (call $period (i32.const 0)))";

/// A filter that makes a call and pauses at the end of the body or at the trailers.
fn pausing() -> Filter<'static> {
    static HEAD: LazyLock<String> = LazyLock::new(|| [head(), data(116, "ask")].concat());
    static ON_BODY: LazyLock<String> =
        LazyLock::new(|| format!("(if (local.get 2) (then {})) {PAUSE}", call(500, 0)));
    static ON_TRAILERS: LazyLock<String> = LazyLock::new(|| format!("{} {PAUSE}", call(500, 0)));
    Filter {
        head: &HEAD,
        on_headers: PAUSE,
        on_body: &ON_BODY,
        on_trailers: &ON_TRAILERS,
        ..Filter::default()
    }
}

/// A VM with a request that waits, and the token of its call.
fn held(filter: &Filter<'_>) -> (Vm, StreamId, u32) {
    let (mut vm, id) = start(&filter.text());
    vm.set_clusters(&["registry"]);
    deliver(&mut vm, id).expect("it may wait");
    let call = only_call(&vm);
    assert_eq!((call.made_for, vm.waiting()), (Some(id), vec![id]));
    (vm, id, call.token)
}

fn deliver(vm: &mut Vm, id: StreamId) -> Result<(), Fault> {
    vm.headers(id, vec![(":path".into(), b"/token".to_vec())], false)?;
    vm.body(id, b"a", false)?;
    vm.body(id, b"b", true)
}

#[test]
fn continued_by_the_answer() {
    let on_call_response = format!("{BECOME_STREAM} {WRITE} {CONTINUE_STREAM}");
    let (mut vm, id, token) = held(&Filter { on_call_response: &on_call_response, ..pausing() });
    vm.answer(token, answer(200, &[], "")).expect("no fault");
    assert!(vm.waiting().is_empty());
    let Verdict::Forwarded(request) = vm.close(id).expect("no fault").verdict else {
        panic!("it is not forwarded")
    };
    assert_eq!((request.header("ask"), request.body.as_slice()), (vec![&b"reg"[..]], &b"ab"[..]));
}

#[test]
fn continued_by_the_answer_after_trailers() {
    // The trailer can still be read; it is written into a header.
    let read =
        "(call $value (i32.const 1) (i32.const 116) (i32.const 3) (i32.const 84) (i32.const 88))";
    let write = "(drop (call $replace (i32.const 0) (i32.const 116) (i32.const 3)
        (i32.load (i32.const 84)) (i32.load (i32.const 88))))";
    let on_call_response = format!("{BECOME_STREAM} {} {write} {CONTINUE_STREAM}", check(read, 0));
    let (mut vm, id) = start(&Filter { on_call_response: &on_call_response, ..pausing() }.text());
    vm.set_clusters(&["registry"]);
    vm.headers(id, Headers::new(), false).expect("no fault");
    vm.trailers(id, vec![("ask".into(), b"trailer".to_vec())]).expect("it may wait");
    assert_eq!(vm.waiting(), [id]);
    let call = only_call(&vm);
    vm.fail(call.token).expect("no fault");
    let Verdict::Forwarded(request) = vm.close(id).expect("no fault").verdict else {
        panic!("it is not forwarded")
    };
    assert_eq!((request.header("ask"), request.trailers.len()), (vec![&b"trailer"[..]], 1));
}

#[test]
fn answered_by_the_answer() {
    let on_call_response = format!("{BECOME_STREAM} {REPLY}");
    let (mut vm, id, token) = held(&Filter { on_call_response: &on_call_response, ..pausing() });
    vm.answer(token, answer(200, &[], "")).expect("no fault");
    let Verdict::Replied(reply) = vm.close(id).expect("no fault").verdict else {
        panic!("it is not answered")
    };
    assert_eq!(reply.status, 403);
    // The reply goes through the filter's own response callbacks.
    let (mut vm, _, token) = held(&Filter {
        on_call_response: &on_call_response,
        on_response_headers: PAUSE,
        ..pausing()
    });
    fails(vm.answer(token, answer(200, &[], "")), "holds back its own reply");
}

#[test]
fn continued_and_then_answered() {
    let on_call_response = format!("{BECOME_STREAM} {CONTINUE_STREAM} {REPLY}");
    let (mut vm, _, token) = held(&Filter { on_call_response: &on_call_response, ..pausing() });
    fails(vm.answer(token, answer(200, &[], "")), "a local reply after the request went upstream");
    let on_call_response = format!("{BECOME_STREAM} {CONTINUE_STREAM} {WRITE}");
    let (mut vm, _, token) = held(&Filter { on_call_response: &on_call_response, ..pausing() });
    fails(
        vm.answer(token, answer(200, &[], "")),
        "a header is written after the request went upstream",
    );
}

#[test]
fn not_resumed_at_the_answer() {
    let (mut vm, _, token) = held(&pausing());
    fails(
        vm.fail(token),
        "stream 2 is held at its end: no call is pending and no tick period is set",
    );
    // Another pending call may resume it.
    let again = call(500, 0);
    let (mut vm, _, token) = held(&Filter { on_call_response: &again, ..pausing() });
    vm.answer(token, answer(500, &[], "")).expect("it may wait on");
    assert_eq!(only_call(&vm).token, token + 4);
}

#[test]
fn waiting_for_a_tick() {
    let on_tick = format!("{BECOME_STREAM} {CONTINUE_STREAM}");
    let (mut vm, id, token) =
        held(&Filter { on_configure: START_TIMER, on_tick: &on_tick, ..pausing() });
    vm.answer(token, answer(200, &[], "")).expect("a tick may resume it");
    tick_until(&mut vm, |vm| vm.waiting().is_empty().then_some(()));
    assert!(matches!(vm.close(id).expect("no fault").verdict, Verdict::Forwarded(_)));
    // A timer that stops resumes no request.
    let (mut vm, _, token) =
        held(&Filter { on_configure: START_TIMER, on_tick: STOP_TIMER, ..pausing() });
    vm.answer(token, answer(200, &[], "")).expect("a tick may resume it");
    fails(vm.tick(), "stream 2 is held at its end");
}

#[test]
fn a_timer_without_a_call_resumes_nothing() {
    let call = call(500, 0);
    let ticking = |on_tick: &str| {
        Filter { on_configure: START_TIMER, on_tick, on_body: PAUSE, ..pausing() }.text()
    };
    let (mut vm, id) = start(&ticking(&call));
    fails(deliver(&mut vm, id), "Pause at the end of the stream");
    // After a call, its answer may be processed over several ticks.
    let (mut vm, id) = start(&ticking(&call));
    vm.set_clusters(&["registry"]);
    let asked = tick_until_call(&mut vm);
    vm.answer(asked.token, answer(200, &[], "")).expect("no fault");
    deliver(&mut vm, id).expect("it may wait");
    // But not if the timer does not run.
    let (mut vm, id) = start(&ticking(&format!("{call} {STOP_TIMER}")));
    vm.set_clusters(&["registry"]);
    let asked = tick_until_call(&mut vm);
    vm.answer(asked.token, answer(200, &[], "")).expect("no fault");
    fails(deliver(&mut vm, id), "Pause at the end of the stream");
}

#[test]
fn a_client_that_goes_away_waits_no_more() {
    let (mut vm, id, token) = held(&pausing());
    assert_eq!(vm.close(id).expect("no fault").verdict, Verdict::Held);
    vm.answer(token, answer(200, &[], ""))
        .expect("an answer without a waiting request is no fault");
}

#[test]
fn an_answer_to_another_stream_stops_this_one() {
    let on_headers = format!("(if (local.get 2) (then {BECOME_STREAM} {REPLY})) {CONTINUE}");
    let on_headers_pausing = format!("(if (local.get 2) (then {BECOME_STREAM} {REPLY})) {PAUSE}");
    // The first stream is held, the second one ends in its headers.
    let try_two = |on_headers: &str| {
        let (mut vm, first) = start(&Filter { on_headers, ..pausing() }.text());
        let second = vm.open(Connection::default()).expect("no fault");
        vm.headers(first, Headers::new(), false).expect("no fault");
        vm.headers(second, Headers::new(), true)
    };
    fails(try_two(&on_headers_pausing), "Pause at the end of the stream");
    let released_first = on_headers.replace(CONTINUE, "(i32.eqz (local.get 2))");
    fails(try_two(&released_first), "Envoy stops this one");
}
