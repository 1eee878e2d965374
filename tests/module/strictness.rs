//! The host of the tests itself: it must report a filter that misuses the ABI. Each small module
//! here has one error.

use self::wat::{CONTINUE, Filter, PAUSE};
use crate::host::{Connection, Fault, Module, StartError, StreamId, Vm};

mod http_call;
mod responses;
mod shared_data;
mod waiting;
mod wat;

/// A filter that does only what the test states.
fn filter(imports: &str, on_headers: &str, on_body: &str) -> String {
    Filter { head: imports, on_headers, on_body, on_trailers: on_body, ..Filter::default() }.text()
}

const REPLY_IMPORT: &str = r#"(import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
// 403 with an empty header map (four zero bytes at 16), no gRPC status.
const REPLY: &str =
    "(drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 16) (i32.const 4) (i32.const -1)))";
const REMOVE_IMPORT: &str = r#"(import "env" "proxy_remove_header_map_value"
    (func $remove (param i32 i32 i32) (result i32)))"#;
const REMOVE: &str = r#"(drop (call $remove (i32.const 0) (i32.const 32) (i32.const 1)))"#;

fn try_start(text: &str) -> Result<Vm, StartError> {
    let module = Module::compile(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
    Vm::start(&module, b"", 0)
}

fn start(text: &str) -> (Vm, StreamId) {
    let mut vm = try_start(text).unwrap_or_else(|error| panic!("{error}"));
    let id = vm.open(Connection::without_certificate()).expect("no fault");
    (vm, id)
}

/// Sends headers and a body in two frames.
fn drive(text: &str) -> Result<(), Fault> {
    let (mut vm, id) = start(text);
    vm.headers(id, vec![(":path".into(), b"/".to_vec())], false)?;
    vm.body(id, b"a", false)?;
    vm.body(id, b"b", true)?;
    vm.close(id).map(drop)
}

#[track_caller]
fn fails(result: Result<(), Fault>, why: &str) {
    match result {
        Ok(()) => panic!("passed; expected: {why}"),
        Err(fault) => assert!(fault.0.contains(why), "{fault}"),
    }
}

#[track_caller]
fn does_not_start(text: &str, why: &str) {
    match try_start(text) {
        Ok(_) => panic!("started; expected: {why}"),
        Err(error) => assert!(error.to_string().contains(why), "{error}"),
    }
}

#[test]
fn a_correct_filter_has_no_fault() {
    drive(&filter("", CONTINUE, CONTINUE)).expect("no fault");
    drive(&filter(REPLY_IMPORT, &format!("{REPLY} {PAUSE}"), PAUSE)).expect("no fault");
}

#[test]
fn unknown_imports() {
    does_not_start(
        &filter(r#"(import "env" "proxy_invented" (func))"#, CONTINUE, CONTINUE),
        "unknown import env.proxy_invented",
    );
    does_not_start(
        &filter(r#"(import "wasi_snapshot_preview1" "fd_write" (func))"#, CONTINUE, CONTINUE),
        "unknown import wasi",
    );
    does_not_start(
        &filter(r#"(import "env" "proxy_log" (func (param i32)))"#, CONTINUE, CONTINUE),
        "proxy_log",
    );
}

#[test]
fn a_function_that_this_host_does_not_implement() {
    let import = r#"(import "env" "proxy_done" (func $done (result i32)))"#;
    drive(&filter(import, CONTINUE, CONTINUE)).expect("an import without a call is no fault");
    fails(
        drive(&filter(import, "(drop (call $done)) (i32.const 0)", CONTINUE)),
        "proxy_done: implement it in tests/host",
    );
}

#[test]
fn a_second_reply() {
    fails(
        drive(&filter(REPLY_IMPORT, &format!("{REPLY} {REPLY} {PAUSE}"), PAUSE)),
        "a second local reply",
    );
}

#[test]
fn a_reply_after_continue() {
    fails(
        drive(&filter(REPLY_IMPORT, CONTINUE, &format!("{REPLY} {PAUSE}"))),
        "a local reply after the request went upstream",
    );
}

#[test]
fn continue_after_a_reply() {
    fails(
        drive(&filter(REPLY_IMPORT, &format!("{REPLY} {CONTINUE}"), CONTINUE)),
        "Continue after a local reply",
    );
}

#[test]
fn no_body_callback_after_a_reply() {
    drive(&filter(REPLY_IMPORT, &format!("{REPLY} {PAUSE}"), "(unreachable)"))
        .expect("no callback follows");
}

#[test]
fn pause_at_the_end_of_the_stream() {
    fails(
        drive(&filter("", PAUSE, PAUSE)),
        "proxy_on_request_body: Pause at the end of the stream",
    );
    let (mut vm, id) = start(&filter("", PAUSE, PAUSE));
    fails(
        vm.headers(id, Vec::new(), true),
        "proxy_on_request_headers: Pause at the end of the stream",
    );
    let (mut vm, id) = start(&filter("", PAUSE, PAUSE));
    vm.headers(id, Vec::new(), false).expect("the request may continue");
    fails(vm.trailers(id, Vec::new()), "proxy_on_request_trailers: Pause at the end of the stream");
}

#[test]
fn a_header_written_too_late() {
    let late = format!("{REMOVE} {CONTINUE}");
    fails(drive(&filter(REMOVE_IMPORT, CONTINUE, &late)), "is not a header name");
    let named = filter(REMOVE_IMPORT, CONTINUE, &late)
        .replace(r#"(data "#, r#"(data (i32.const 32) "x") (data "#);
    fails(drive(&named), "a header is written after the request went upstream");
}

#[test]
fn traps_and_endless_loops() {
    fails(drive(&filter("", "(unreachable)", CONTINUE)), "unreachable");
    fails(drive(&filter("", "(loop $for_ever (br $for_ever)) (i32.const 0)", CONTINUE)), "fuel");
}

#[test]
fn an_unknown_action() {
    fails(drive(&filter("", "(i32.const 7)", CONTINUE)), "is not an action");
}

#[test]
fn invalid_arguments() {
    let log = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (data (i32.const 40) "line")"#;
    let call = |level: u32, address: u32, size: u32| {
        let call = format!(
            "(drop (call $log (i32.const {level}) (i32.const {address}) (i32.const {size}))) \
             (i32.const 0)"
        );
        drive(&filter(log, &call, CONTINUE))
    };
    call(3, 40, 4).expect("a log line");
    fails(call(3, 0, 4), "not one line");
    fails(call(3, 0, 5_000), "not one line");
    fails(call(6, 40, 4), "is not a log level");
    fails(call(3, 65_000, 1000), "outside the module's memory");
    let property =
        r#"(import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))"#;
    let get =
        "(drop (call $get (i32.const 32) (i32.const 1) (i32.const 0) (i32.const 4))) (i32.const 0)";
    fails(drive(&filter(property, get, CONTINUE)), "does not know what Envoy would return");
}

#[test]
fn headers_stay_with_the_filter_while_it_pauses() {
    let on_body = "(if (result i32) (local.get 2) (then (i32.const 0)) (else (i32.const 1)))";
    let (mut vm, id) = start(&Filter { on_headers: PAUSE, on_body, ..Filter::default() }.text());
    vm.headers(id, Vec::new(), false).expect("it pauses");
    vm.body(id, b"a", false).expect("it pauses");
    assert!(!vm.stream(id).is_released());
    assert_eq!(vm.stream(id).buffered(), b"a");
    vm.body(id, b"b", true).expect("it continues");
    assert!(vm.stream(id).is_released());
}

#[test]
fn without_allow_on_headers_stop_iteration_no_body_callback_comes() {
    let (mut vm, id) = start(&filter("", PAUSE, "(unreachable)"));
    vm.allow_on_headers_stop_iteration = false;
    vm.headers(id, Vec::new(), false).expect("it pauses");
    vm.body(id, b"a", true).expect("no callback follows");
    assert_eq!(vm.close(id).expect("no fault").verdict, crate::host::Verdict::Held);
}
