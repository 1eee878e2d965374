//! Misuse of the callbacks of responses.

use super::wat::{CONTINUE, Filter, PAUSE};
use super::{REPLY, REPLY_IMPORT, fails, start};
use crate::host::{Delivered, Fault, Headers};

const REMOVE_IMPORT: &str = r#"(import "env" "proxy_remove_header_map_value"
    (func $remove (param i32 i32 i32) (result i32)))"#;
/// Removes a response header whose name is one octet at 32.
const REMOVE: &str = "(drop (call $remove (i32.const 2) (i32.const 32) (i32.const 1)))";
const SET_IMPORT: &str = r#"(import "env" "proxy_set_buffer_bytes"
    (func $set (param i32 i32 i32 i32 i32) (result i32)))"#;
const NAME: &str = r#"(data (i32.const 32) "x")"#;

fn with(imports: &str, on_headers: &str, on_body: &str) -> String {
    let (on_response_headers, on_response_body) = (on_headers, on_body);
    Filter { head: imports, on_response_headers, on_response_body, ..Filter::default() }.text()
}

/// Sends a request, and answers it by headers and a body in two frames.
fn drive(text: &str) -> Result<Delivered, Fault> {
    let (mut vm, id) = start(text);
    let headers = |name: &str| -> Headers { vec![(name.into(), b"1".to_vec())] };
    vm.headers(id, headers(":path"), true)?;
    vm.response_headers(id, headers("x"), false)?;
    vm.response_body(id, b"a", false)?;
    vm.response_body(id, b"b", true)?;
    let delivered = vm.delivered(id);
    vm.close(id).map(|_| delivered)
}

#[test]
fn correct_filters() {
    let Ok(Delivered::Whole(received)) = drive(&with("", CONTINUE, CONTINUE)) else {
        panic!("not delivered")
    };
    assert_eq!((received.body.as_slice(), received.headers.len()), (b"ab".as_slice(), 1));
    let replies = with(REPLY_IMPORT, &format!("{REPLY} {PAUSE}"), PAUSE);
    // The reply comes to the filter, too.
    fails(drive(&replies).map(drop), "a second local reply");
    let imports = format!("{REMOVE_IMPORT}{NAME}");
    let removes = with(&imports, &format!("{REMOVE} {CONTINUE}"), CONTINUE);
    let Ok(Delivered::Whole(received)) = drive(&removes) else { panic!("not delivered") };
    assert!(received.headers.is_empty());
}

#[test]
fn a_response_that_is_held_at_its_end() {
    fails(drive(&with("", PAUSE, PAUSE)).map(drop), "nothing can resume it");
    fails(drive(&with("", CONTINUE, PAUSE)).map(drop), "nothing can resume it");
}

#[test]
fn changes_after_it_went_on() {
    let imports = format!("{REMOVE_IMPORT}{NAME}");
    let late = with(&imports, CONTINUE, &format!("{REMOVE} {CONTINUE}"));
    fails(drive(&late).map(drop), "a header is written after the response went on");
    let late = with(REPLY_IMPORT, CONTINUE, &format!("{REPLY} {PAUSE}"));
    fails(drive(&late).map(drop), "a local reply after the request went upstream");
    let set = |start: u32| {
        format!(
            "(drop (call $set (i32.const 1) (i32.const {start}) (i32.const 9) (i32.const 32)
            (i32.const 1)))"
        )
    };
    let late = with(SET_IMPORT, CONTINUE, &format!("{} {CONTINUE}", set(0)));
    fails(drive(&late).map(drop), "a body is replaced whose headers went on");
    let part = with(SET_IMPORT, PAUSE, &format!("{} {CONTINUE}", set(1)));
    fails(drive(&part).map(drop), "only a part of the body is replaced");
}

#[test]
fn a_continue_after_a_reply() {
    let replies = with(REPLY_IMPORT, PAUSE, &format!("{REPLY} {CONTINUE}"));
    fails(drive(&replies).map(drop), "Continue after a local reply");
}

#[test]
fn a_response_without_a_request_upstream() {
    let (mut vm, id) = start(&with("", CONTINUE, CONTINUE));
    fails(vm.response_headers(id, Headers::new(), true), "no backend answers this request now");
}
