//! The cost of one request in the shipped module: instructions and host calls, equal on all
//! machines.
//!
//! The certificate is a file, and the clock, the registry and the requests are constants. Nothing
//! is random, and the memory of the module is independent of the machine.

#[path = "fetched.rs"]
mod fetched;
#[path = "growth.rs"]
pub mod growth;
#[path = "hostile.rs"]
pub mod hostile;
#[path = "issued.rs"]
mod issued;

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::host::stream::{PEER_CERTIFICATE_DIGEST, PEER_CERTIFICATE_VALID, REQUESTED_SERVER_NAME};
use crate::host::{CALLBACK_FUEL, Connection, Module, Outcome, Vm};
use crate::request::{CLIENT, SUBJECT, configuration, token_request};
use crate::run::{self, Delivery};
use crate::support::case::Request;
use crate::support::certificate::percent_encode;
use crate::support::der::to_hex;
use crate::support::moment::Moment;

const CERTIFICATE: &str = include_str!("client.pem");
/// Certificates with the same subject, made by OpenSSL: with another key, with 400 host names, and
/// with an extension of 16 kB.
const RSA_4096: &str = include_str!("client-rsa-4096.pem");
const NAMES_400: &str = include_str!("client-400-names.pem");
const KB_16: &str = include_str!("client-16-kb.pem");
/// Within the validity of `client.pem`.
const CLOCK: &str = "2027-06-01T00:00:00Z";

/// The cost of a request, from the creation of its context to its deletion.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub instructions: u64,
    pub host_calls: u64,
}

/// Costs by the names of their rows, in the order of the table.
pub type Costs = Vec<(String, Cost)>;

/// The row of the most frequent request.
pub const HOT: &str = "authenticated";
/// The row of a request to a resource.
pub const RESOURCE: &str = "token_bound";
/// The aims for [`HOT`].
pub const AIM: Cost = Cost { instructions: 12_000, host_calls: 7 };
/// The most instructions for one more header of 40 octets.
#[allow(dead_code, reason = "the bench prints no aim for it")]
pub const HEADER_AIM: u64 = 150;
/// The most instructions for one more octet of body.
#[allow(dead_code, reason = "the bench prints no aim for it")]
pub const OCTET_AIM: u64 = 12;

/// One kind of request.
struct Row {
    /// The code of its decision; further rows with this code have a comma and more words.
    name: &'static str,
    configuration: Value,
    connection: Connection,
    clock: &'static str,
    request: Request,
    /// The request before the one that is measured.
    before: Request,
}

impl Row {
    fn named(self, name: &'static str) -> Row {
        Row { name, ..self }
    }

    /// Sets members of the configuration's top level; null removes one.
    fn configured(mut self, members: Value) -> Row {
        let configuration = self.configuration.as_object_mut().expect("a constant of this project");
        configuration.extend(members.as_object().cloned().unwrap_or_default());
        configuration.retain(|_, value| !value.is_null());
        self
    }

    /// Replaces the metadata of the client.
    fn registered(mut self, mut metadata: Value) -> Row {
        metadata["client_id"] = CLIENT.into();
        let clients =
            self.configuration["clients"].as_array_mut().expect("a constant of this project");
        *clients
            .iter_mut()
            .find(|client| client["client_id"] == CLIENT)
            .expect("the client is registered") = metadata;
        self
    }

    fn sending(self, request: Request) -> Row {
        Row { request, ..self }
    }

    fn on(self, connection: Connection) -> Row {
        Row { connection, ..self }
    }

    fn code(&self) -> &str {
        self.name.split(',').next().unwrap_or_default()
    }

    fn start(&self) -> Vm {
        let clock = Moment::parse(self.clock).expect("a constant of this file");
        let mut vm =
            run::start(self.configuration.to_string().as_bytes(), clock.0 as u64 * 1_000_000_000);
        // The first requests of a VM also show that Envoy delivers bodies, and allocate memory.
        for _ in 0..2 {
            self.send(&mut vm, &self.before);
        }
        vm
    }

    fn send(&self, vm: &mut Vm, request: &Request) -> Outcome {
        let sent = run::send(
            vm,
            self.connection.clone(),
            &as_envoy_forwards(request),
            Delivery::WholeBody,
        );
        sent.unwrap_or_else(|fault| panic!("{}: {fault}", self.name))
    }

    fn measure(&self) -> Cost {
        let mut vm = self.start();
        let outcome = self.send(&mut vm, &self.request);
        assert_eq!(
            run::code(&outcome),
            self.code(),
            "{}: another decision than expected",
            self.name
        );
        cost(&outcome)
    }
}

fn cost(outcome: &Outcome) -> Cost {
    let account = &outcome.account;
    Cost {
        instructions: account.fuel,
        host_calls: account.host_calls.values().map(|calls| u64::from(*calls)).sum(),
    }
}

/// The request with what Envoy and the client's HTTP library add to it.
fn as_envoy_forwards(request: &Request) -> Request {
    let mut request = request.clone();
    let length = request.body.len().to_string();
    for (name, value) in [
        ("content-length", &*length),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
    ] {
        if !request.has_header(name) {
            request.headers.push((name.into(), value.into()));
        }
    }
    request
}

pub fn measure() -> Costs {
    let rows = rows();
    let embedded = rows.iter().map(|row| (row.name.to_string(), row.measure()));
    embedded.chain(fetched::measure()).chain(issued::measure()).collect()
}

/// Writes the places that `module`, which profile.sh made, passes in [`HOT`], or in the row that
/// ROW names, for profile.py.
pub fn trace(module: &Module, events: &Path) {
    let name = std::env::var("ROW").unwrap_or_else(|_| HOT.to_owned());
    let row = rows().into_iter().find(|row| row.name == name);
    let row = row.unwrap_or_else(|| panic!("no row has the name {name}"));
    let clock = Moment::parse(row.clock).expect("a constant of this file");
    let configuration = row.configuration.to_string();
    let mut vm = Vm::start(module, configuration.as_bytes(), clock.0 as u64 * 1_000_000_000)
        .expect("the module starts");
    for _ in 0..2 {
        row.send(&mut vm, &row.before);
    }
    vm.take_places();
    row.send(&mut vm, &row.request);
    let mut lines = String::new();
    let mut before = 0;
    for (place, fuel) in vm.take_places() {
        // Every callback begins with the same fuel.
        if fuel > before {
            lines.push_str(&format!("callback 0 {CALLBACK_FUEL}\n"));
        }
        before = fuel;
        lines.push_str(&format!("place {place} {fuel}\n"));
    }
    std::fs::write(events, lines).unwrap_or_else(|error| panic!("{}: {error}", events.display()));
}

/// The host calls of a row, by name.
pub fn host_calls(name: &str) -> BTreeMap<&'static str, u32> {
    let row = rows().into_iter().find(|row| row.name == name);
    let row = row.unwrap_or_else(|| panic!("no row has the name {name}"));
    row.send(&mut row.start(), &row.request).account.host_calls
}

/// Where the cost of [`HOT`] goes: instructions by phase, host calls by name.
pub fn profile() -> (Vec<(&'static str, u64)>, BTreeMap<&'static str, u32>) {
    let row = hot();
    let mut vm = row.start();
    let request = as_envoy_forwards(&row.request);
    // A client may leave at any time, so a request can end after each phase.
    let mut until = |phases: usize| {
        let id = vm.open(row.connection.clone()).expect("a context");
        if phases > 0 {
            vm.headers(id, run::headers(&request), false).expect("headers");
        }
        if phases > 1 {
            vm.body(id, &request.body, true).expect("a body");
        }
        vm.close(id).expect("an end").account
    };
    let [context, headers, whole] = [0, 1, 2].map(&mut until);
    let phases = vec![
        ("the context, from creation to deletion", context.fuel),
        ("request headers", headers.fuel.saturating_sub(context.fuel)),
        ("request body and decision", whole.fuel.saturating_sub(headers.fuel)),
    ];
    (phases, whole.host_calls)
}

fn hot() -> Row {
    Row {
        name: HOT,
        configuration: configuration(),
        connection: presenting(CERTIFICATE),
        clock: CLOCK,
        request: token_request(),
        before: token_request(),
    }
}

/// A verified connection with this certificate.
fn presenting(pem: &str) -> Connection {
    Connection::mutual_tls(pem, &to_hex(&sha256(pem)), Some(true))
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("it is PEM")
}

fn sha256(pem: &str) -> [u8; 32] {
    Sha256::digest(der(pem)).into()
}

/// With the certificate in the header that Envoy writes about its own connection.
fn forwarded(name: &'static str) -> Row {
    let hash = to_hex(&sha256(CERTIFICATE));
    let cert = percent_encode(CERTIFICATE);
    let element =
        format!("By=spiffe://example.com/edge;Hash={hash};Cert=\"{cert}\";Subject=\"{SUBJECT}\"");
    hot()
        .named(name)
        .configured(json!({ "peer_certificate": { "source": "forwarded" } }))
        .sending(with_header("x-forwarded-client-cert", &element))
}

/// A tenant's client, on a connection with the tenant's server name.
fn by_tenant(name: &'static str) -> Row {
    hot()
        .named(name)
        .configured(json!({ "tenants": [{ "hosts": ["as.example.com"] }] }))
        .on(presenting(CERTIFICATE).with(REQUESTED_SERVER_NAME, "as.example.com"))
}

/// A connection whose certificate is truncated.
fn presenting_a_part() -> Connection {
    let lines: Vec<&str> = CERTIFICATE.lines().collect();
    let (end, rest) = lines.split_last().expect("a certificate");
    let part = rest
        .iter()
        .take(rest.len() - 1)
        .chain([end])
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    presenting(&part)
}

/// The rows: every way to pass, and every code of contract §7.
fn rows() -> Vec<Row> {
    let mut rows = passes();
    rows.extend(refusals_of_requests());
    rows.extend(refusals_of_clients());
    rows.extend(resources());
    rows.extend(anchored());
    rows.extend(hostile::rows());
    // The cost of a repeated refusal is measured, not that of the first one.
    for row in rows.iter_mut().filter(|row| row.before.body == hot().before.body) {
        row.before = row.request.clone();
    }
    rows
}

fn passes() -> Vec<Row> {
    // An unknown client_id is refused before the certificate is read.
    let unseen = |row: Row, name| Row { before: body("client_id=nobody"), ..row.named(name) };
    let by_proxy = json!({ "peer_certificate": {
        "source": "forwarded",
        "dialect": "client-cert",
        "trusted_proxies": [URL_SAFE_NO_PAD.encode(sha256(CERTIFICATE))],
    } });
    let client_cert = format!(":{}:", STANDARD.encode(der(CERTIFICATE)));
    vec![
        hot(),
        unseen(hot(), "authenticated, certificate not seen before"),
        unseen(hot().on(presenting(RSA_4096)), "authenticated, RSA of 4096 bits not seen before"),
        unseen(hot().on(presenting(NAMES_400)), "authenticated, 400 host names not seen before"),
        unseen(hot().on(presenting(KB_16)), "authenticated, 16 kB not seen before"),
        hot().named("authenticated, identity headers written").configured(json!({ "forward": {
            "client_id": "x-client-id",
            "thumbprint": "x-client-thumbprint",
            "certificate": ["client-cert"],
        } })),
        hot().named("authenticated, by SAN").registered(json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "client.example.org",
        })),
        hot().named("authenticated, self-signed").registered(self_signed(sha256(CERTIFICATE))),
        forwarded("authenticated, by Envoy's own header"),
        unseen(forwarded(""), "authenticated, header not seen before"),
        hot()
            .named("authenticated, by a proxy's header")
            .configured(by_proxy)
            .sending(with_header("client-cert", &client_cert)),
        hot().named("authenticated, secret for the backend").registered(json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": SUBJECT,
            "backend_authentication": {
                "method": "client_secret_basic",
                "client_secret": "a secret of the backend",
            },
        })),
        by_tenant("authenticated, by tenant"),
        hot().named("authenticated, ten more headers").sending(with_more_headers(10)),
        hot().named("authenticated, a thousand more octets").sending(body(&format!(
            "{}&state={}",
            String::from_utf8_lossy(&token_request().body),
            "x".repeat(1_000 - "&state=".len()),
        ))),
        hot()
            .named("passed_unidentified")
            .configured(json!({ "unidentified_clients": "pass" }))
            .sending(body("grant_type=refresh_token&refresh_token=x")),
        hot().named("not_gated").sending(to("/.well-known/openid-configuration")),
        hot()
            .named("passed_other_method")
            .registered(json!({ "token_endpoint_auth_method": "private_key_jwt" })),
        hot()
            .named("passed_unregistered")
            .configured(json!({ "unregistered_clients": "pass" }))
            .sending(body("client_id=nobody")),
        hot().named("not_gated, with an endpoint's name").sending(to("/auth/token")),
    ]
}

fn refusals_of_requests() -> Vec<Row> {
    let put = Request { method: "PUT".into(), ..token_request() };
    let json = with_header("content-type", "application/json");
    let twice = body("client_id=client-050&client_id=client-050");
    // client-050:secret
    let basic = with_header("authorization", "Basic Y2xpZW50LTA1MDpzZWNyZXQ=");
    vec![
        hot().named("upgrade_refused").sending(with_header("upgrade", "websocket")),
        hot().named("method_not_allowed").sending(put),
        hot().named("unsupported_media_type").sending(json),
        hot().named("encoded_body").sending(with_header("content-encoding", "gzip")),
        hot().named("body_too_large").configured(json!({ "max_body_bytes": 10 })),
        hot().named("malformed_form").sending(body("client_id=%zz")),
        hot().named("duplicate_parameter").sending(twice),
        hot().named("missing_client_id").sending(body("grant_type=client_credentials")),
        hot().named("client_id_mismatch").sending(to("/token?client_id=client-051")),
        hot().named("malformed_authorization").sending(with_header("authorization", "Basic !")),
        hot().named("multiple_auth_methods").sending(basic),
    ]
}

fn refusals_of_clients() -> Vec<Row> {
    let unverified = presenting(CERTIFICATE).with(PEER_CERTIFICATE_VALID, [0]);
    let without_digest = presenting(CERTIFICATE).with(PEER_CERTIFICATE_DIGEST, "no digest");
    vec![
        hot()
            .named("other_method_refused")
            .registered(json!({ "token_endpoint_auth_method": "private_key_jwt" }))
            .configured(json!({ "other_methods": "reject" })),
        hot()
            .named("method_not_supported")
            .configured(json!({ "methods": ["self_signed_tls_client_auth"] })),
        hot().named("unknown_client").sending(body("client_id=nobody")),
        hot().named("certificate_missing").on(Connection::without_certificate()),
        hot().named("certificate_malformed").on(presenting_a_part()),
        Row { clock: "2040-01-01T00:00:00Z", ..hot().named("certificate_expired") },
        Row { clock: "2020-01-01T00:00:00Z", ..hot().named("certificate_not_yet_valid") },
        hot().named("certificate_unverified").on(unverified),
        hot()
            .named("certificate_revoked")
            .configured(json!({ "revoked": [{ "issuer": "CN=x", "serial": "1" },
                to_hex(&sha256(CERTIFICATE))] })),
        hot().named("revocation_unknown").configured(json!({
            "trust_anchors": [include_str!("../../src/revocation/crl/tests/ca.pem")],
            "crl": [{ "cluster": "crl", "authority": "crl.example", "path": "/ca.crl" }],
        })),
        hot().named("certificate_not_registered").registered(self_signed([0; 32])),
        hot().named("subject_mismatch").registered(json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": SUBJECT.replace("O=Client", "O=Other"),
        })),
        hot().named("unknown_tenant").configured(json!({
            "endpoints": null,
            "clients": null,
            "tenants": [{ "hosts": ["other.example.com"], "clients": [] }],
        })),
        Row {
            connection: presenting(CERTIFICATE).with(REQUESTED_SERVER_NAME, "b.example.com"),
            ..by_tenant("server_name_mismatch")
        },
        hot().named("registry_unavailable").configured(json!({
            "clients": null,
            "registry": {
                "cluster": "registry",
                "authority": "registry.test",
                "path": "/clients",
            },
        })),
        hot().named("host_error").on(without_digest),
    ]
}

/// The claims of an access token.
fn claims(cnf: Value) -> Value {
    json!({
        "iss": "https://as.example.com", "sub": "account-4711", "aud": "https://api.example.com",
        "exp": 1_780_275_600, "iat": 1_780_272_000, "jti": "0c8a5e6e-27a1-4f0e-9a59-2d4d5be0c0aa",
        "client_id": "client-050", "scope": "accounts payments", "cnf": cnf,
    })
}

/// A JWT of usual size with this payload.
fn jwt(payload: &str) -> String {
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"at+jwt","kid":"2026-06"}"#);
    // A signature by a key of 2048 bits.
    format!("{head}.{payload}.{}", "s".repeat(342))
}

/// The `cnf` of a token that is bound to the certificate.
fn own_cnf() -> Value {
    json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(CERTIFICATE)) })
}

fn other_cnf() -> Value {
    json!({ "x5t#S256": URL_SAFE_NO_PAD.encode([0; 32]) })
}

/// A request to a resource, with a JWT that jwt_authn has verified.
fn at_resource(name: &'static str, cnf: Value) -> Row {
    let claims = claims(cnf);
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    let token = jwt(&payload);
    hot()
        .named(name)
        .configured(json!({ "bound_tokens": {
            "resources": ["/api"],
            "jwt": { "metadata": "verified", "payload_header": "x-jwt-payload" },
        } }))
        .on(presenting(CERTIFICATE).with_verified(&claims))
        .sending(Request {
            method: "GET".into(),
            path: "/api/accounts/4711".into(),
            headers: vec![
                ("authorization".into(), format!("Bearer {token}").into()),
                ("accept".into(), "application/json".into()),
                ("user-agent".into(), "client/1.0".into()),
                ("x-jwt-payload".into(), payload.into()),
            ],
            body: Vec::new(),
            ..token_request()
        })
}

fn resources() -> Vec<Row> {
    let with = |name, change: fn(&mut Request)| {
        let mut row = at_resource(name, own_cnf());
        change(&mut row.request);
        row
    };
    vec![
        at_resource("token_bound", own_cnf()),
        with("token_missing", |request| request.headers.retain(|(name, _)| name == "accept")),
        with("token_malformed", |request| request.path += "?access_token=x"),
        with("token_unverified", |request| {
            request.headers.retain(|(name, _)| name != "x-jwt-payload")
        }),
        at_resource("token_unbound", Value::Null),
        at_resource("token_bound_to_another", other_cnf()),
    ]
}

/// A client of `src/trust/tests`, whose listener says nothing of its chain.
fn of_file(name: &'static str, file: &str) -> Row {
    let pem = pem_of_file(file);
    hot()
        .named(name)
        .registered(json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=client",
        }))
        .on(presenting(&pem))
}

fn pem_of_file(name: &str) -> String {
    let path = crate::support::repository().join(format!("src/trust/tests/{name}.pem"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same under these anchors and intermediates.
fn under(row: Row, anchor: &str, between: &[&str]) -> Row {
    let between: Vec<String> = between.iter().map(|name| pem_of_file(name)).collect();
    let connection = row.connection.clone().with(PEER_CERTIFICATE_VALID, [0]);
    row.on(connection).configured(json!({
        "peer_certificate": { "chain": "anchors" },
        "trust_anchors": [pem_of_file(anchor)],
        "intermediates": if between.is_empty() { Value::Null } else { json!(between) },
    }))
}

/// The first request of a certificate, by the algorithm of its issuer, and further ones.
fn anchored() -> Vec<Row> {
    let first = |row: Row| Row { before: body("client_id=nobody"), ..row };
    let mut rows: Vec<Row> = [
        ("authenticated, under an RSA anchor, not seen before", "rsa256"),
        ("authenticated, under a P-256 anchor, not seen before", "p256"),
        ("authenticated, under a P-384 anchor, not seen before", "p384"),
        ("authenticated, under a P-521 anchor, not seen before", "p521"),
        ("authenticated, under a PSS anchor, not seen before", "pss256"),
        ("authenticated, under an Ed25519 anchor, not seen before", "ed25519"),
    ]
    .into_iter()
    .map(|(name, file)| first(under(of_file(name, file), &format!("{file}.ca"), &[])))
    .collect();
    let name = "authenticated, under an intermediate, not seen before";
    rows.push(first(under(of_file(name, "undersub"), "p256.ca", &["sub"])));
    rows.push(under(of_file("authenticated, under an anchor", "p256"), "p256.ca", &[]));
    rows.push(of_file("authenticated, the same without anchors", "p256"));
    rows.push(under(of_file("certificate_untrusted_issuer", "p256"), "p384.ca", &[]));
    rows
}

fn to(path: &str) -> Request {
    Request { path: path.into(), ..token_request() }
}

fn body(body: &str) -> Request {
    Request { body: body.into(), ..token_request() }
}

fn with_header(name: &str, value: &str) -> Request {
    let mut request = token_request();
    request.headers.retain(|(header, _)| header != name);
    request.headers.push((name.into(), value.into()));
    request
}

/// With headers of 40 octets each.
fn with_more_headers(number: usize) -> Request {
    let mut request = token_request();
    for index in 0..number {
        request.headers.push((format!("traceparent-{index:03}"), vec![b'v'; 25]));
    }
    request
}

fn self_signed(thumbprint: [u8; 32]) -> Value {
    let jwks = json!({ "keys": [{ "kty": "EC", "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint) }] });
    json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks })
}
