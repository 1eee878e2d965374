//! Shared data of the VMs of a process.

use super::fails;
use super::wat::{CONTINUE, Filter, check, data};
use crate::host::{Connection, Module, Process, Status, StreamId, Vm};

const IMPORTS: &str = r#"
    (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))"#;
// The key is at 32, the value at 40. The results of a read are at 48 (address), 52 (size) and 56
// (number).
const GET: &str =
    "(call $get (i32.const 32) (i32.const 3) (i32.const 48) (i32.const 52) (i32.const 56))";
const SET_SEEN: &str = "(call $set (i32.const 32) (i32.const 3) (i32.const 40) (i32.const 5) \
    (i32.load (i32.const 56)))";
const SET: &str =
    "(call $set (i32.const 32) (i32.const 3) (i32.const 40) (i32.const 5) (i32.const 0))";

/// A VM that reads `key` at the headers and writes it at the body, and traps on other statuses.
fn vm(process: &Process, value: &str, read: Status, write: (&str, Status)) -> (Vm, StreamId) {
    let head = format!("{IMPORTS} {} {}", data(32, "key"), data(40, value));
    let on_headers = format!("{} {CONTINUE}", check(GET, read as u32));
    let on_body = format!("{} {CONTINUE}", check(write.0, write.1 as u32));
    let filter =
        Filter { head: &head, on_headers: &on_headers, on_body: &on_body, ..Filter::default() };
    let module = Module::compile(filter.text()).expect("well-formed");
    let mut vm = Vm::start_in(process, &module, b"", 0).unwrap_or_else(|error| panic!("{error}"));
    let id = vm.open(Connection::default()).expect("no fault");
    (vm, id)
}

fn read((vm, id): &mut (Vm, StreamId)) {
    vm.headers(*id, Vec::new(), false).expect("it reads");
}

fn write((vm, id): &mut (Vm, StreamId)) {
    vm.body(*id, b"", false).expect("it writes");
}

#[test]
fn of_two_that_read_the_same_number_one_can_write() {
    let process = Process::new();
    process.write("key", "start");
    let mut first = vm(&process, "first", Status::Ok, (SET_SEEN, Status::Ok));
    let mut second = vm(&process, "other", Status::Ok, (SET_SEEN, Status::CasMismatch));
    read(&mut first);
    read(&mut second);
    write(&mut first);
    write(&mut second);
    assert_eq!(process.get("key").expect("the key exists").0, b"first");
}

#[test]
fn number_0_writes_unconditionally() {
    let process = Process::new();
    let mut first = vm(&process, "first", Status::NotFound, (SET, Status::Ok));
    let mut second = vm(&process, "other", Status::NotFound, (SET, Status::Ok));
    read(&mut first);
    read(&mut second);
    write(&mut first);
    write(&mut second);
    assert_eq!(process.get("key").expect("the key exists").0, b"other");
}

#[test]
fn an_absent_key_accepts_any_number() {
    let process = Process::new();
    let with_number = SET.replace("(i32.const 0)", "(i32.const 77)");
    let mut writer = vm(&process, "first", Status::NotFound, (&with_number, Status::Ok));
    read(&mut writer);
    write(&mut writer);
    assert_eq!(process.shared_data(), [(b"key".to_vec(), (b"first".to_vec(), 1))].into());
    // Now the key exists, and 77 is not its number.
    let mut again = vm(&process, "again", Status::Ok, (&with_number, Status::CasMismatch));
    read(&mut again);
    write(&mut again);
}

#[test]
fn numbers_are_unique_in_a_process() {
    let process = Process::new();
    assert_eq!(process.set("a", "1", 0), Status::Ok);
    assert_eq!(process.set("b", "1", 0), Status::Ok);
    assert_eq!(process.set("a", "1", 1), Status::Ok);
    assert_eq!(process.set("a", "2", 1), Status::CasMismatch);
    let numbers: Vec<u32> = process.shared_data().into_values().map(|(_, cas)| cas).collect();
    assert_eq!(numbers, [3, 2]);
}

#[test]
fn shared_data_outlives_a_vm() {
    let process = Process::new();
    let mut writer = vm(&process, "first", Status::NotFound, (SET, Status::Ok));
    read(&mut writer);
    write(&mut writer);
    drop(writer);
    read(&mut vm(&process, "", Status::Ok, (SET, Status::Ok)));
    // Another process does not have the key.
    read(&mut vm(&Process::new(), "", Status::NotFound, (SET, Status::Ok)));
}

#[test]
fn an_empty_value_is_a_null_pointer_with_a_number() {
    let process = Process::new();
    process.write("key", "");
    let load = |address: u32| format!("(i32.load (i32.const {address}))");
    let read_empty = [check(&load(48), 0), check(&load(52), 0), check(&load(56), 1)].concat();
    let head = format!("{IMPORTS} {} {}", data(32, "key"), data(48, [9; 12]));
    let on_headers = format!("{} {read_empty} {CONTINUE}", check(GET, 0));
    let module = Module::compile(
        Filter { head: &head, on_headers: &on_headers, ..Filter::default() }.text(),
    )
    .expect("well-formed");
    let mut vm = Vm::start_in(&process, &module, b"", 0).unwrap_or_else(|error| panic!("{error}"));
    let id = vm.open(Connection::default()).expect("no fault");
    vm.headers(id, Vec::new(), true).expect("the statuses are those expected");
    let account = vm.close(id).expect("no fault").account;
    assert_eq!(account.host_calls["proxy_get_shared_data"], 1, "the call is counted");
}

#[test]
fn a_key_outside_of_the_memory() {
    let (mut vm, id) = vm(
        &Process::new(),
        "",
        Status::Ok,
        (&SET.replace("(i32.const 3)", "(i32.const 99999)"), Status::Ok),
    );
    fails(vm.body(id, b"", false), "outside the module's memory");
}
