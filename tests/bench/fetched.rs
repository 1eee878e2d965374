//! The cost of finding a client in a registry that is fetched, cold and hot. Everything else of
//! these requests is that of the most frequent one.

use serde_json::{Value, json};

use super::{CLOCK, Cost, Costs, as_envoy_forwards, body, cost, hot};
use crate::host::{HttpAnswer, Process, StreamId, Vm};
use crate::request::{CLIENT, configuration, token_request};
use crate::run;
use crate::support::case::Request;
use crate::support::moment::Moment;

/// The costs of a client of a fetched list, and of one that the registry is asked for.
pub fn measure() -> Costs {
    let mut costs = of_list();
    costs.extend(of_lookup());
    costs
}

fn of_list() -> Costs {
    let mut vm = start(json!({ "path": "/clients", "refresh": "1h" }));
    // Each reading of the clock takes a microsecond, so that a slice fits into a callback.
    vm.set_clock_step(1_000);
    while vm.metric("tls_client_auth.registry_refresh_ok") != Some(1) {
        let period = vm.tick_period().expect("a tick period is set");
        vm.set_clock(vm.clock() + u64::from(period) * 1_000_000);
        vm.tick().unwrap_or_else(|fault| panic!("{fault}"));
        answer(&mut vm, &configuration()["clients"]);
    }
    vm.set_clock_step(0);
    // The certificate is known, and another client of the list.
    for _ in 0..2 {
        send(&mut vm, &body("client_id=client-001"), "subject_mismatch");
    }
    vec![
        authenticated(&mut vm, "authenticated, client of a list not read before"),
        authenticated(&mut vm, "authenticated, client of a list"),
    ]
}

fn of_lookup() -> Costs {
    let mut vm = start(json!({ "path": "/clients/{client_id}", "mode": "lookup" }));
    for _ in 0..2 {
        send(&mut vm, &body("client_id=client-001"), "subject_mismatch");
    }
    vec![
        authenticated(&mut vm, "authenticated, client asked for"),
        authenticated(&mut vm, "authenticated, client asked for before"),
    ]
}

fn start(members: Value) -> Vm {
    let mut registry = json!({ "cluster": "registry", "authority": "registry.test" });
    for (name, value) in members.as_object().into_iter().flatten() {
        registry[name] = value.clone();
    }
    let configuration = json!({ "endpoints": ["/token"], "registry": registry });
    let clock = Moment::parse(CLOCK).expect("a constant");
    run::start_in(
        &Process::new(),
        configuration.to_string().as_bytes(),
        clock.0 as u64 * 1_000_000_000,
    )
}

fn authenticated(vm: &mut Vm, name: &str) -> (String, Cost) {
    (name.to_owned(), send(vm, &token_request(), "authenticated"))
}

/// Sends a request, and answers what the module asks the registry for it.
fn send(vm: &mut Vm, request: &Request, code: &str) -> Cost {
    let request = as_envoy_forwards(request);
    vm.take_cost_of_roots();
    let id: StreamId = vm.open(hot().connection).expect("a context");
    vm.headers(id, run::headers(&request), false).expect("headers");
    vm.body(id, &request.body, true).expect("a body");
    let wanted = if code == "authenticated" { CLIENT } else { "client-001" };
    let clients = configuration();
    let client = clients["clients"].as_array().into_iter().flatten();
    let client = client.into_iter().find(|client| client["client_id"] == wanted);
    answer(vm, client.expect("a constant of this project"));
    let outcome = vm.close(id).expect("an end");
    assert_eq!(run::code(&outcome), code);
    // A request that waited is decided when the answer comes.
    let (instructions, host_calls) = vm.take_cost_of_roots();
    let own = cost(&outcome);
    Cost { instructions: own.instructions + instructions, host_calls: own.host_calls + host_calls }
}

fn answer(vm: &mut Vm, body: &Value) {
    for call in vm.calls() {
        let headers = vec![(":status".to_owned(), b"200".to_vec())];
        let body = body.to_string().into_bytes();
        vm.answer(call.token, HttpAnswer { headers, body, trailers: Vec::new() })
            .expect("no fault");
    }
}
