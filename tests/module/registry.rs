//! Fetched registries in the shipped module: what the tests of `src/registry` cannot cover without
//! a host.

mod cases;
mod entries;
mod lists;
mod lookups;
mod on_miss;
mod pages;

use std::time::Duration;

use serde_json::{Value, json};

use crate::calls::{answer, elapse, tick_until_call};
use crate::fixture::{CLOCK, certificate, token_request, verified};
use crate::host::{HttpCall, Outcome, Process, StreamId, Vm};
use crate::run::{Delivery, code, deliver, send, start_in};

/// A registry that is fetched as a list.
const SNAPSHOT: &str = r#"{"registry": {"cluster": "registry", "authority": "registry.test",
    "path": "/clients", "refresh": "10s",
    "headers": {"authorization": "Bearer secret-of-the-registry"}}}"#;
/// A registry that is asked for single clients.
const LOOKUP: &str = r#"{"registry": {"cluster": "registry", "authority": "registry.test",
    "path": "/clients/{client_id}", "mode": "lookup",
    "headers": {"authorization": "Bearer secret-of-the-registry"}}}"#;

/// A client with the default certificate.
fn client(id: &str) -> Value {
    json!({
        "client_id": id,
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=client",
    })
}

/// A configuration under which unregistered clients pass.
fn passing_unregistered(configuration: &str) -> String {
    configuration.replacen('{', r#"{"unregistered_clients": "pass", "#, 1)
}

fn ask(vm: &mut Vm, client_id: &str) -> Outcome {
    let connection = verified(&certificate());
    send(vm, connection, &token_request(client_id), Delivery::WholeBody).expect("no fault")
}

#[track_caller]
fn assert_code(vm: &mut Vm, client_id: &str, expected: &str) {
    assert_eq!(code(&ask(vm, client_id)), expected);
}

/// Sends a request that may wait for a lookup.
fn wait_for(vm: &mut Vm, client_id: &str, delivery: Delivery) -> StreamId {
    let connection = verified(&certificate());
    deliver(vm, connection, &token_request(client_id), delivery).expect("no fault")
}

fn closed(vm: &mut Vm, id: StreamId) -> Outcome {
    vm.close(id).expect("no fault")
}

/// Answers a call.
fn give(vm: &mut Vm, call: &HttpCall, status: u16, body: &Value) {
    vm.answer(call.token, answer(status, &[], body.to_string())).expect("no fault");
}

/// A VM in which this list is in force.
fn loaded(process: &Process, configuration: &str, list: &Value) -> Vm {
    let mut vm = start_in(process, configuration.as_bytes(), CLOCK);
    let call = tick_until_call(&mut vm);
    give(&mut vm, &call, 200, list);
    elapse(&mut vm, Duration::from_secs(1));
    vm
}

fn logs(vm: &mut Vm) -> Vec<String> {
    vm.root_account().logs.iter().map(|log| log.message.clone()).collect()
}

/// The numbers of successful and of failed refreshes.
#[track_caller]
fn refreshed(vm: &Vm) -> (u64, u64) {
    let count = |name| vm.metric(name).expect("the metric is defined");
    (count("tls_client_auth.registry_refresh_ok"), count("tls_client_auth.registry_refresh_failed"))
}
