//! The cost of a request and of the response to it, in the module that reads responses.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{CLOCK, Cost, Costs, as_envoy_forwards, claims, cost, hot, jwt, other_cnf, own_cnf};
use crate::host::{Headers, Module, Vm};
use crate::request::{SUBJECT, token_request};
use crate::run::{self, Delivery};
use crate::support::moment::Moment;

/// The costs of a token that the backend issues to an authenticated client, and of one that is
/// bound to the certificate of another.
pub fn measure() -> Costs {
    let row = hot().configured(json!({ "bound_tokens": { "response_check": "enforce" } }));
    let row = row.registered(json!({
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": SUBJECT,
        "tls_client_certificate_bound_access_tokens": true,
    }));
    let clock = Moment::parse(CLOCK).expect("a constant").0 as u64 * 1_000_000_000;
    let configuration = row.configuration.to_string();
    let vm = Vm::start(Module::reading_responses(), configuration.as_bytes(), clock);
    let mut vm = vm.unwrap_or_else(|error| panic!("{error}"));
    let mut measured = |name: &str, cnf: Value| {
        let body = issuing(cnf);
        // The first answers also allocate memory.
        let costs = [0; 3].map(|_| exchange(&mut vm, name, &body));
        (name.to_owned(), costs[2])
    };
    vec![
        measured("authenticated, with the token that it is issued", own_cnf()),
        measured("response_unbound", other_cnf()),
    ]
}

/// An answer with a token.
fn issuing(cnf: Value) -> String {
    let token = jwt(&URL_SAFE_NO_PAD.encode(claims(cnf).to_string()));
    let answer = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": 3600,
        "scope": "accounts payments",
    });
    answer.to_string()
}

/// A request that passes, and the answer to it.
fn exchange(vm: &mut Vm, name: &str, answer: &str) -> Cost {
    let request = as_envoy_forwards(&token_request());
    let id = run::deliver(vm, hot().connection, &request, Delivery::WholeBody).expect("no fault");
    let length = answer.len().to_string();
    let headers = [
        (":status", "200"),
        ("content-type", "application/json;charset=UTF-8"),
        ("cache-control", "no-store"),
        ("content-length", &length),
    ];
    let headers: Headers =
        headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into();
    vm.response_headers(id, headers, false).expect("no fault");
    vm.response_body(id, answer.as_bytes(), true).expect("no fault");
    let outcome = run::close(vm, id).expect("no fault");
    let code = name.split(',').next().unwrap_or_default();
    assert_eq!(run::code(&outcome), code, "{name}: another decision than expected");
    cost(&outcome)
}
