//! The decision of the filter about a body: by native code and by the shipped module in wasmtime,
//! which must agree.
//!
//! Reads lines of JSON, `{"body": base64, "headers": [[name, base64], ...]}`. Writes a line for
//! each, `{"code", "client_id", "certificate", "saw"}`: the decision under the most permissive
//! policy; the client that the filter saw; the decision if that client is registered for mutual TLS
//! and presents its certificate; and the credentials that the filter saw.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

extern crate test_support as support;

use std::borrow::Cow;

use tls_client_auth_tests::host;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write as _};
use std::num::NonZero;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tls_client_auth::{Decision, Gate, GateRequest, Peer, Rejection, UnixTime};

use crate::host::{Connection, Module, Vm};
use crate::support::case::{NOW, Request};
use crate::support::certificate::{Certificate, CertificateSpec, mint};

const CREDENTIALS: [&str; 4] =
    ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// A decision about a body.
struct Decided {
    code: String,
    passes: bool,
    client_id: Option<String>,
    /// The value in filter state.
    client_id_state: Option<String>,
}

fn main() {
    let requests: Vec<Request> =
        io::stdin().lines().map(|line| request(&line.expect("standard input is text"))).collect();
    let certificate: CertificateSpec =
        serde_json::from_value(json!({})).expect("the constant description is valid");
    let certificate = mint(&certificate).expect("it can be minted");

    let permissive = json!({
        "clients": [
            {"client_id": "registered", "token_endpoint_auth_method": "client_secret_basic"},
        ],
        "other_methods": "pass", "unregistered_clients": "pass", "unidentified_clients": "pass",
        // There must be room for another parameter.
        "max_body_bytes": 100_000,
    });
    let permissive = permissive.to_string();
    let pass = decide_all(&permissive, &certificate, &requests);
    let named: BTreeSet<&str> =
        pass.iter().filter_map(|decided| decided.client_id.as_deref()).collect();
    let client = |client_id: &str| {
        json!({
            "client_id": client_id,
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=client",
        })
    };
    // A client_id that cannot be registered can only pass as unregistered.
    let clients = named
        .iter()
        .map(|id| client(id))
        .filter(|client| Gate::new(json!({"clients": [client]}).to_string().as_bytes()).is_ok());
    let registered =
        json!({"clients": clients.collect::<Vec<_>>(), "unidentified_clients": "pass"});
    let by_certificate = decide_all(&registered.to_string(), &certificate, &requests);
    let gate = Gate::new(permissive.as_bytes()).expect("the configuration is valid");

    let mut out = BufWriter::new(io::stdout().lock());
    for ((request, pass), by_certificate) in requests.iter().zip(&pass).zip(&by_certificate) {
        let saw: Vec<&str> = CREDENTIALS
            .into_iter()
            .filter(|name| pass.passes && saw(&gate, request, name))
            .collect();
        let answer = json!({
            "code": pass.code,
            "client_id": pass.client_id,
            "certificate": by_certificate.code,
            "saw": saw,
        });
        writeln!(out, "{answer}").expect("standard output takes it");
    }
    out.flush().expect("standard output takes it");
}

fn request(line: &str) -> Request {
    let line: Value = serde_json::from_str(line).expect("a line is JSON");
    let octets =
        |value: &Value| STANDARD.decode(value.as_str().expect("a string")).expect("base64");
    let headers = line["headers"].as_array().expect("headers are an array");
    Request {
        method: "POST".into(),
        path: "/token".into(),
        host: "as.example.com".into(),
        headers: headers
            .iter()
            .map(|pair| (pair[0].as_str().expect("a name").to_owned(), octets(&pair[1])))
            .collect(),
        body: octets(&line["body"]),
    }
}

/// Whether the filter sees a parameter `name` in this body: another one is then a duplicate.
fn saw(gate: &Gate, request: &Request, name: &str) -> bool {
    let mut sequences: Vec<&[u8]> = request.body.split(|&b| b == b'&').collect();
    // It replaces a parameter that is no credential, because the number of parameters is limited.
    let is_plain = |sequence: &&[u8]| {
        !sequence.contains(&b'%')
            && !sequence.to_ascii_lowercase().windows(6).any(|part| part == b"client")
    };
    if let Some(plain) = sequences.iter().position(is_plain) {
        sequences.remove(plain);
    }
    let body = [name.as_bytes(), b"=x&", &sequences.join(&b'&')].concat();
    let twice = Rejection::DuplicateParameter { name: name.to_owned() };
    decide(gate, &Request { body, ..request.clone() }, None).rejection == Some(twice)
}

fn decide(gate: &Gate, request: &Request, certificate: Option<&Certificate>) -> Decision {
    let request = GateRequest { headers: request.header_map(), body: request.body.clone() };
    let peer = Peer {
        chain_valid: certificate.map(|_| true),
        now: Some(UnixTime(NOW.0)),
        ..Peer::default()
    };
    let mut peer = match certificate {
        Some(certificate) => peer.presenting(certificate.host_text.as_bytes()),
        None => peer,
    };
    gate.decide(&request, &mut peer).decision
}

/// The decisions of native code, which are compared with those of the module.
fn decide_all(
    configuration: &str,
    certificate: &Certificate,
    requests: &[Request],
) -> Vec<Decided> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let shares = requests.chunks(requests.len().div_ceil(workers).max(1));
    thread::scope(|scope| {
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(move || decide_share(configuration, certificate, share)))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no decision differs")).collect()
    })
}

fn decide_share(
    configuration: &str,
    certificate: &Certificate,
    requests: &[Request],
) -> Vec<Decided> {
    let gate = Gate::new(configuration.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let vm = Vm::start(Module::shipped(), configuration.as_bytes(), NOW.0 as u64 * 1_000_000_000);
    let mut vm = vm.unwrap_or_else(|error| panic!("{error}"));
    let decided = requests.iter().map(|request| {
        let decision = decide(&gate, request, Some(certificate));
        let decided = Decided {
            code: decision.code.as_str().to_owned(),
            passes: decision.rejection.is_none(),
            client_id_state: decision.client_id_state().map(Cow::into_owned),
            client_id: decision.request.client_id,
        };
        let (code, client_id) = decide_in(&mut vm, request, certificate);
        assert_eq!(
            (code, client_id),
            (decided.code.clone(), decided.client_id_state.clone()),
            "{}",
            request.body.escape_ascii()
        );
        decided
    });
    decided.collect()
}

/// The code and the client that the module writes into filter state.
fn decide_in(
    vm: &mut Vm,
    request: &Request,
    certificate: &Certificate,
) -> (String, Option<String>) {
    let connection =
        Connection::mutual_tls(&certificate.host_text, &certificate.sha256_hex(), Some(true));
    let stream = vm.open(connection).expect("a stream opens");
    vm.headers(stream, request.header_map(), false).expect("the module takes headers");
    vm.body(stream, &request.body, true).expect("the module takes a body");
    let properties = vm.close(stream).expect("a stream ends").properties;
    let text =
        |name: &str| properties.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
    (
        text("tls_client_auth_code").expect("every decision has its code"),
        text("tls_client_auth_client_id"),
    )
}
