//! What one request costs in the shipped module: instructions and host calls, the same on every
//! machine.
//!
//! The certificate is a file, and the clock, the registry and the requests are constants, so
//! nothing here is random. The module has its memory to itself, so no address of the machine gets
//! in.

#[path = "hostile.rs"]
pub mod hostile;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::host::stream::{PEER_CERTIFICATE_DIGEST, PEER_CERTIFICATE_VALID, REQUESTED_SERVER_NAME};
use crate::host::{Connection, Outcome, Vm};
use crate::request::{CLIENT, SUBJECT, configuration, token_request};
use crate::run::{self, Delivery};
use crate::support::case::Request;
use crate::support::moment::Moment;

const CERTIFICATE: &str = include_str!("client.pem");
/// Within the validity of `client.pem`.
const CLOCK: &str = "2027-06-01T00:00:00Z";

/// What a request is charged from the creation of its context to its deletion.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub instructions: u64,
    pub host_calls: u64,
}

/// The costs by the names of their rows, in the order of the table.
pub type Costs = Vec<(String, Cost)>;

/// The row of the request that a server sees all day.
pub const HOT: &str = "authenticated";
/// The aims for [`HOT`].
pub const AIM: Cost = Cost { instructions: 30_000, host_calls: 9 };

/// One kind of request.
struct Row {
    /// The code of its decision; a second of the same code says more behind a comma.
    name: &'static str,
    configuration: Value,
    connection: Connection,
    clock: &'static str,
    request: Request,
    /// Comes before the one that is measured.
    before: Request,
}

impl Row {
    fn named(self, name: &'static str) -> Row {
        Row { name, ..self }
    }

    /// Sets members of the configuration's top level; null takes one away.
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
            .expect("the client is there") = metadata;
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
        // The first requests of a VM also prove that Envoy delivers bodies, and get memory from the
        // host.
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
            "{}: another decision than the one to measure",
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
    rows().iter().map(|row| (row.name.to_string(), row.measure())).collect()
}

/// Where the cost of [`HOT`] goes: instructions by phase, host calls by name.
pub fn profile() -> (Vec<(&'static str, u64)>, BTreeMap<&'static str, u32>) {
    let row = hot();
    let mut vm = row.start();
    let request = as_envoy_forwards(&row.request);
    // A client may leave at any time, so each phase can be the last.
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
    let digest: String = sha256(pem).iter().map(|byte| format!("{byte:02x}")).collect();
    Connection::mutual_tls(pem, &digest, Some(true))
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("it is PEM")
}

fn sha256(pem: &str) -> [u8; 32] {
    Sha256::digest(der(pem)).into()
}

/// The certificate in the header that Envoy writes about its own connection.
fn forwarded(name: &'static str) -> Row {
    let hash: String = sha256(CERTIFICATE).iter().map(|byte| format!("{byte:02x}")).collect();
    let cert = CERTIFICATE
        .replace(' ', "%20")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
        .replace('\n', "%0A");
    let element =
        format!("By=spiffe://example.com/edge;Hash={hash};Cert=\"{cert}\";Subject=\"{SUBJECT}\"");
    hot()
        .named(name)
        .configured(json!({ "peer_certificate": { "source": "forwarded" } }))
        .sending(with_header("x-forwarded-client-cert", &element))
}

/// A tenant's client, on a connection under the tenant's name.
fn by_tenant(name: &'static str) -> Row {
    hot()
        .named(name)
        .configured(json!({ "tenants": [{ "hosts": ["as.example.com"] }] }))
        .on(presenting(CERTIFICATE).with(REQUESTED_SERVER_NAME, "as.example.com"))
}

/// The same, but that the DER ends early.
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

/// Every way to pass, and every code of contract §7.
fn rows() -> Vec<Row> {
    let mut rows = vec![
        hot(),
        // A client_id that nobody has is decided on before the certificate is looked at.
        Row { before: body("client_id=nobody"), ..hot().named("authenticated, certificate not seen \
            before") },
        hot().named("authenticated, identity headers written").configured(json!({
            "forward": { "client_id": "x-client-id", "thumbprint": "x-client-thumbprint", "certificate": ["client-cert"] },
        })),
        hot().named("authenticated, by SAN").registered(json!({
            "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "client.example.org",
        })),
        hot().named("authenticated, self-signed").registered(self_signed(sha256(CERTIFICATE))),
        forwarded("authenticated, by Envoy's own header"),
        Row { before: body("client_id=nobody"), ..forwarded("authenticated, header not seen \
            before") },
        hot()
            .named("authenticated, by a proxy's header")
            .configured(json!({ "peer_certificate": {
                "source": "forwarded",
                "dialect": "client-cert",
                "trusted_proxies": [URL_SAFE_NO_PAD.encode(sha256(CERTIFICATE))],
            } }))
            .sending(with_header("client-cert", &format!(":{}:", STANDARD.encode(der(CERTIFICATE))))),
        hot().named("authenticated, secret for the backend").registered(json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": SUBJECT,
            "backend_authentication": { "method": "client_secret_basic", "client_secret": "a secret of the backend" },
        })),
        by_tenant("authenticated, by tenant"),
        hot()
            .named("passed_unidentified")
            .configured(json!({ "unidentified_clients": "pass" }))
            .sending(body("grant_type=refresh_token&refresh_token=x")),
        hot().named("not_gated").sending(Request { path: "/.well-known/openid-configuration".into(), ..token_request() }),
        hot().named("passed_other_method").registered(json!({ "token_endpoint_auth_method": "private_key_jwt" })),
        hot()
            .named("passed_unregistered")
            .configured(json!({ "unregistered_clients": "pass" }))
            .sending(body("client_id=nobody")),
        hot().named("not_gated, with an endpoint's name").sending(Request { path: "/auth/token".into(), ..token_request() }),
        hot().named("upgrade_refused").sending(with_header("upgrade", "websocket")),
        hot().named("method_not_allowed").sending(Request { method: "PUT".into(), ..token_request() }),
        hot().named("unsupported_media_type").sending(with_header("content-type", "application/json")),
        hot().named("encoded_body").sending(with_header("content-encoding", "gzip")),
        hot().named("body_too_large").configured(json!({ "max_body_bytes": 10 })),
        hot().named("malformed_form").sending(body("client_id=%zz")),
        hot().named("duplicate_parameter").sending(body("client_id=client-050&client_id=client-050")),
        hot().named("missing_client_id").sending(body("grant_type=client_credentials")),
        hot().named("client_id_mismatch").sending(Request { path: "/token?client_id=client-051".into(), ..token_request() }),
        hot().named("malformed_authorization").sending(with_header("authorization", "Basic !")),
        // client-050:secret
        hot().named("multiple_auth_methods").sending(with_header("authorization", "Basic \
            Y2xpZW50LTA1MDpzZWNyZXQ=")),
        hot()
            .named("other_method_refused")
            .registered(json!({ "token_endpoint_auth_method": "private_key_jwt" }))
            .configured(json!({ "other_methods": "reject" })),
        hot().named("method_not_supported").configured(json!({ "methods": ["self_signed_tls_client_auth"] })),
        hot().named("unknown_client").sending(body("client_id=nobody")),
        hot().named("certificate_missing").on(Connection::without_certificate()),
        hot().named("certificate_malformed").on(presenting_a_part()),
        Row { clock: "2040-01-01T00:00:00Z", ..hot().named("certificate_expired") },
        Row { clock: "2020-01-01T00:00:00Z", ..hot().named("certificate_not_yet_valid") },
        hot().named("certificate_unverified").on(presenting(CERTIFICATE).with(PEER_CERTIFICATE_VALID, [0])),
        hot().named("certificate_not_registered").registered(self_signed([0; 32])),
        hot().named("subject_mismatch").registered(json!({
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": SUBJECT.replace("O=Client", "O=Other"),
        })),
        hot().named("unknown_tenant").configured(json!({
            "endpoints": null, "clients": null, "tenants": [{ "hosts": ["other.example.com"], "clients": [] }],
        })),
        Row {
            connection: presenting(CERTIFICATE).with(REQUESTED_SERVER_NAME, "b.example.com"),
            ..by_tenant("server_name_mismatch")
        },
        hot().named("registry_unavailable").configured(json!({
            "clients": null, "registry": { "cluster": "registry", "authority": "registry.test", "path": "/clients" },
        })),
        hot().named("host_error").on(presenting(CERTIFICATE).with(PEER_CERTIFICATE_DIGEST, "no digest")),
    ];
    rows.extend(hostile::rows());
    // A refusal that comes once costs nobody anything: measured is the one that comes again.
    for row in rows.iter_mut().filter(|row| row.before.body == hot().before.body) {
        row.before = row.request.clone();
    }
    rows
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

fn self_signed(thumbprint: [u8; 32]) -> Value {
    let jwks = json!({ "keys": [{ "kty": "EC", "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint) }] });
    json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks })
}
