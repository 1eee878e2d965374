//! HTTP calls of a filter, and their answers.

use super::wat::{CONTINUE, Filter, check, data};
use super::{does_not_start, fails};
use crate::calls::{answer, only_call, tick};
use crate::host::{ANSWER_LIMIT, Connection, Fault, HttpAnswer, Module, Process, Vm};

pub const IMPORTS: &str = r#"
    (import "env" "proxy_http_call"
        (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_value"
        (func $value (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_effective_context" (func $become (param i32) (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
    (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
    (import "env" "proxy_replace_header_map_value"
        (func $replace (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_send_local_response"
        (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;
const GOOD: &[(&str, &str)] = &[
    (":method", "GET"),
    (":path", "/clients"),
    (":authority", "a"),
    ("Accept", "application/json"),
];

/// The imports, and what [`call`] sends.
pub fn head() -> String {
    head_with(GOOD)
}

fn head_with(headers: &[(&str, &str)]) -> String {
    let mut pairs = (headers.len() as u32).to_le_bytes().to_vec();
    for (name, value) in headers {
        pairs.extend([name.len() as u32, value.len() as u32].map(u32::to_le_bytes).concat());
    }
    pairs.extend(
        headers
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat()),
    );
    let size = (pairs.len() as u32).to_le_bytes();
    // Addresses: 76 the token, 80 the size of the pairs, 100 the cluster, 108 the name of a header,
    // 200 the pairs.
    [
        IMPORTS,
        &data(76, [9; 4]),
        &data(80, size),
        &data(100, "registry"),
        &data(108, ":status"),
        &data(200, pairs),
    ]
    .concat()
}

/// A call whose body is `reg`; it must return this status.
pub fn call(timeout: i64, status: u32) -> String {
    let call = format!(
        "(call $call (i32.const 100) (i32.const 8) (i32.const 200) (i32.load (i32.const 80)) \
            (i32.const 100) (i32.const 3)
            (i32.const 16) (i32.const 4) (i32.const {timeout}) (i32.const 76))"
    );
    check(&call, status)
}

/// Logs the result of a host call.
const LOG: &str =
    "(drop (call $log (i32.const 2) (i32.load (i32.const 84)) (i32.load (i32.const 88))))";
const STATUS: &str =
    "(call $value (i32.const 6) (i32.const 108) (i32.const 7) (i32.const 84) (i32.const 88))";
const TRAILER: &str =
    "(call $value (i32.const 7) (i32.const 108) (i32.const 7) (i32.const 84) (i32.const 88))";
const PAIRS: &str = "(call $pairs (i32.const 6) (i32.const 84) (i32.const 88))";
const PIECE: &str =
    "(call $buffer (i32.const 4) (i32.const 2) (i32.const 3) (i32.const 84) (i32.const 88))";
const SET_PERIOD: &str = "(drop (call $period (i32.const 250)))";

/// A VM of this filter in an Envoy that has the cluster.
fn start(filter: &Filter<'_>) -> Vm {
    let module = Module::compile(filter.text()).unwrap_or_else(|fault| panic!("{fault}"));
    let mut vm =
        Vm::start_in(&Process::new(), &module, b"", 0).unwrap_or_else(|error| panic!("{error}"));
    vm.set_clusters(&["registry"]);
    vm
}

/// A VM whose filter made one call in on_tick, and the token of the call.
fn called(on_call_response: &str) -> (Vm, u32) {
    let mut vm = start(&Filter {
        head: &head(),
        on_configure: SET_PERIOD,
        on_tick: &call(500, 0),
        on_call_response,
        ..Filter::default()
    });
    tick(&mut vm);
    let token = only_call(&vm).token;
    (vm, token)
}

fn logs(vm: &mut Vm) -> Vec<String> {
    vm.root_account().logs.iter().map(|log| log.message.clone()).collect()
}

#[test]
fn a_call_and_its_answer() {
    let token = check("(i32.load (i32.const 76))", 4);
    let sizes = "(if (i32.ne (i32.add (local.get 2) (i32.mul (i32.const 100) (local.get 3))) \
        (i32.const 702)) (then (unreachable)))";
    let read: String = [STATUS, TRAILER, PIECE]
        .iter()
        .map(|call| format!("{} {LOG}", check(call, if *call == TRAILER { 2 } else { 0 })))
        .collect();
    let (mut vm, first) = called(&format!("{token} {sizes} {read}"));
    let call = only_call(&vm);
    assert_eq!(
        (call.cluster.as_str(), call.timeout_ms, call.body.as_slice(), call.made_for),
        ("registry", 500, &b"reg"[..], None)
    );
    assert_eq!(
        (call.path(), call.header("accept"), call.trailers.len()),
        ("/clients".into(), vec![&b"application/json"[..]], 0)
    );
    vm.answer(first, answer(200, &[("etag", "x")], "abcdefg")).expect("no fault");
    // There are no trailers: the value that was read before is logged again.
    assert_eq!(logs(&mut vm), ["200", "200", "cde"]);
    assert!(vm.calls().is_empty());
    assert_eq!(vm.root_account().host_calls["proxy_http_call"], 1);
    tick(&mut vm);
    assert_eq!(only_call(&vm).token, first + 4);
}

#[test]
fn trailers_of_an_answer_and_the_end_of_its_body() {
    let (mut vm, token) = called(&format!("{} {LOG} {} {LOG}", check(TRAILER, 0), check(PIECE, 0)));
    let trailers = vec![(":status".to_string(), b"trailer".to_vec())];
    vm.answer(token, HttpAnswer { trailers, ..answer(200, &[], "abc") }).expect("no fault");
    assert_eq!(logs(&mut vm), ["trailer", "c"]);
}

#[test]
fn a_piece_past_the_end_of_the_body() {
    let (mut vm, token) = called(&check(PIECE, 0));
    fails(vm.answer(token, answer(200, &[], "a")), "2 is past the end of a buffer of 1 bytes");
}

#[test]
fn a_failed_call_shows_nothing() {
    let no_sizes =
        "(if (i32.or (local.get 2) (i32.or (local.get 3) (local.get 4))) (then (unreachable)))";
    // A value: BadArgument, on which the SDK panics. All pairs: none. A body: NotFound.
    let read =
        [check(STATUS, 2), check(PAIRS, 0), check("(i32.load (i32.const 88))", 0), check(PIECE, 1)]
            .concat();
    let (mut vm, token) = called(&format!("{no_sizes} {read}"));
    vm.fail(token).expect("no fault");
    assert!(vm.calls().is_empty());
}

#[test]
fn calls_that_envoy_refuses() {
    let try_call = |headers: &[(&str, &str)],
                    clusters: &[&str],
                    unreachable: &[&str],
                    timeout: i64,
                    status: u32| {
        let no_token = check("(i32.load (i32.const 76))", 0);
        let on_tick = format!("{} {no_token}", call(timeout, status));
        let filter = Filter {
            head: &head_with(headers),
            on_configure: SET_PERIOD,
            on_tick: &on_tick,
            ..Filter::default()
        };
        let mut vm = start(&filter);
        vm.set_clusters(clusters);
        vm.set_unreachable(unreachable);
        vm.tick().expect("no fault");
        assert!(vm.calls().is_empty());
    };
    try_call(GOOD, &[], &[], 500, 2);
    try_call(GOOD, &["registry2"], &[], 500, 2);
    try_call(GOOD, &["registry"], &[], i64::from(i32::MIN), 2);
    try_call(GOOD, &["registry"], &["registry"], 500, 10);
    for missing in 0..3 {
        let mut headers = GOOD.to_vec();
        headers.remove(missing);
        try_call(&headers, &["registry"], &[], 500, 2);
    }
}

#[test]
fn invalid_calls() {
    let try_call = |timeout: i64, header: (&str, &str)| -> Result<(), Fault> {
        let headers: Vec<_> = GOOD.iter().copied().chain([header]).collect();
        let (head, on_tick) = (head_with(&headers), call(timeout, 0));
        start(&Filter {
            head: &head,
            on_configure: SET_PERIOD,
            on_tick: &on_tick,
            ..Filter::default()
        })
        .tick()
    };
    try_call(500, ("x", "y")).expect("no fault");
    fails(try_call(0, ("x", "y")), "without a time-out");
    fails(try_call(500, ("x", "a\r\nb: c")), "would break the message");
    fails(try_call(500, ("x y", "")), "is not a header name");
    fails(try_call(500, (":scheme", "ht tp")), "would break the request");
    fails(try_call(500, (":path", "/other")), "occurs twice");
    fails(try_call(500, (":status", "200")), "is not a pseudo-header of a request");
}

#[test]
fn a_call_from_on_configure() {
    let filter = Filter { head: &head(), on_configure: &call(500, 0), ..Filter::default() };
    does_not_start(&filter.text(), "a call from on_vm_start or on_configure");
}

#[test]
fn an_answer_can_be_read_only_in_its_callback() {
    for read in [STATUS, PAIRS, PIECE] {
        let (on_tick, on_headers) = (call(500, 0), format!("{} {CONTINUE}", check(read, 0)));
        let filter = Filter {
            head: &head(),
            on_configure: SET_PERIOD,
            on_tick: &on_tick,
            on_headers: &on_headers,
            ..Filter::default()
        };
        for is_answered in [false, true] {
            let mut vm = start(&filter);
            tick(&mut vm);
            let token = only_call(&vm).token;
            if is_answered {
                vm.answer(token, answer(200, &[], "abc")).expect("no fault");
            }
            let id = vm.open(Connection::default()).expect("no fault");
            fails(vm.headers(id, Vec::new(), true), "outside of its callback");
        }
    }
}

#[test]
fn invalid_answers() {
    let (mut vm, token) = called("");
    fails(vm.answer(token + 4, answer(200, &[], "")), "is not pending");
    fails(vm.answer(token, HttpAnswer::default()), "one :status");
    fails(vm.answer(token, answer(200, &[], vec![b' '; ANSWER_LIMIT + 1])), "more than 32 MiB");
    vm.answer(token, answer(200, &[], "")).expect("no fault");
    fails(vm.answer(token, answer(200, &[], "")), "is not pending");
    fails(vm.fail(token), "is not pending");
}

#[test]
fn a_call_outlives_its_stream() {
    let on_headers = format!("{} {CONTINUE}", call(500, 0));
    // The answer comes to the root context, which is 1.
    let on_call_response = format!("{} {} {LOG}", check("(local.get 0)", 1), check(STATUS, 0));
    let mut vm = start(&Filter {
        head: &head(),
        on_headers: &on_headers,
        on_call_response: &on_call_response,
        ..Filter::default()
    });
    let id = vm.open(Connection::default()).expect("no fault");
    vm.headers(id, Vec::new(), true).expect("no fault");
    assert_eq!(vm.close(id).expect("no fault").account.host_calls["proxy_http_call"], 1);
    let call = only_call(&vm);
    assert_eq!(call.made_for, Some(id));
    vm.answer(call.token, answer(404, &[], "")).expect("no fault");
    assert_eq!(logs(&mut vm), ["404"]);
}

#[test]
fn a_tick_period_belongs_to_the_root_context() {
    let (mut vm, token) = called("(drop (call $period (i32.const 4)))");
    assert_eq!(vm.tick_period(), Some(250));
    vm.answer(token, answer(200, &[], "")).expect("no fault");
    assert_eq!(vm.tick_period(), Some(4));
    let on_headers = format!("{SET_PERIOD} {CONTINUE}");
    let mut vm = start(&Filter { head: IMPORTS, on_headers: &on_headers, ..Filter::default() });
    let id = vm.open(Connection::default()).expect("no fault");
    vm.headers(id, Vec::new(), true).expect("no fault");
    assert_eq!(vm.tick_period(), Some(250));
}

#[test]
fn an_unknown_effective_context() {
    // 1: the root, 2: the stream.
    let on_headers: String = [(1, 0), (2, 0), (3, 2)]
        .map(|(id, status)| check(&format!("(call $become (i32.const {id}))"), status))
        .concat();
    let on_headers = format!("{on_headers} {CONTINUE}");
    let mut vm = start(&Filter { head: IMPORTS, on_headers: &on_headers, ..Filter::default() });
    let id = vm.open(Connection::default()).expect("no fault");
    vm.headers(id, Vec::new(), true).expect("no fault");
}

#[test]
fn calls_of_a_replaced_configuration_end_with_its_last_stream() {
    let (mut vm, token) = called("");
    let id = vm.open(Connection::default()).expect("no fault");
    vm.reconfigure(b"").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(only_call(&vm).token, token, "its stream keeps the old root context");
    vm.close(id).expect("no fault");
    assert!(vm.calls().is_empty());
}

#[test]
fn a_root_sees_the_answers_to_its_own_calls() {
    // The stream of the new root context (3) is 4.
    let on_call_response =
        format!("{} {}", check("(call $become (i32.const 4))", 0), check(PIECE, 1));
    let (mut vm, token) = called(&on_call_response);
    let old = vm.open(Connection::default()).expect("no fault");
    vm.reconfigure(b"").unwrap_or_else(|error| panic!("{error}"));
    vm.open(Connection::default()).expect("no fault");
    vm.answer(token, answer(200, &[], "abc")).expect("no fault");
    vm.close(old).expect("no fault");
}
