//! CPU time that filters add to a request in a real Envoy.
//!
//! Each variant has an Envoy. All of them run at the same time, and get load one after another in
//! turns, so other work of the machine affects all of them. The figure is the CPU time of the Envoy
//! process per request, as the kernel counts it, without the client, the backend and waiting.

#[path = "messages.rs"]
mod messages;
#[path = "throughput.rs"]
pub mod throughput;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memchr::memmem;
use serde_json::{Value, json};

use self::messages::Messages;
use crate::envoy::bootstrap::{self, Listener};
use crate::envoy::client::{Client, Delivery, TlsStream, within_deadline};
use crate::envoy::fixture::CERTIFICATES;
use crate::envoy::http1;
use crate::envoy::jwt;
use crate::envoy::process::{self, CURRENT, Envoy};
use crate::request::{CLIENT, SUBJECT, configuration, token_request};
use crate::support::case::Request;
use crate::support::certificate::authority_pem;

/// Many short turns: a disturbance affects neighbouring turns alike, and disappears in their
/// difference.
pub const ROUNDS: usize = 60;
pub const REQUESTS: usize = 150;
const WARM_UP: usize = 30_000;
/// A client with a secret.
const OTHER: &str = "client-of-another-method";

/// What stands between the listener and the router, and what is sent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Nothing,
    /// `limit.wat` with so many of its calls, for a request whose body is awaited.
    Calls(u8),
    Filter,
    /// The client is found by its certificate (`self_signed_tls_client_auth`).
    SelfSigned,
    /// The filter checks the path to a CA.
    Anchors,
    /// A client with a secret passes.
    OtherMethod,
    /// A client with another certificate is refused.
    Refused,
    /// So is one that is not registered.
    UnknownClient,
    /// So is a request by its method, at its headers. It has no body: after an answer to a part of a
    /// request Envoy closes the connection.
    NotAllowed,
    Lua,
    /// An authorizer behind `ext_authz`, without the CPU time of the authorizer itself.
    ExternalAuthorization,
    /// No filter, for a request that is not gated.
    NothingUngated,
    /// `limit.wat` that reads the header map and lets the request pass.
    ReadsHeaders,
    FilterUngated,
    /// `jwt_authn` alone, for a request to a resource.
    JwtAuthn,
    /// `jwt_authn`, and a module that makes the calls of a decision about its token.
    ResourceCalls,
    FilterResource,
}

impl Variant {
    pub const ALL: [Self; 24] = [
        Self::Nothing,
        Self::Calls(0),
        Self::Calls(1),
        Self::Calls(2),
        Self::Calls(3),
        Self::Calls(4),
        Self::Calls(5),
        Self::Calls(6),
        Self::Calls(7),
        Self::Filter,
        Self::SelfSigned,
        Self::Anchors,
        Self::OtherMethod,
        Self::Refused,
        Self::UnknownClient,
        Self::NotAllowed,
        Self::Lua,
        Self::ExternalAuthorization,
        Self::NothingUngated,
        Self::ReadsHeaders,
        Self::FilterUngated,
        Self::JwtAuthn,
        Self::ResourceCalls,
        Self::FilterResource,
    ];

    /// The module with every call that a decision needs.
    pub const LIMIT: Self = Self::Calls(7);

    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no filter",
            Self::Calls(0) => "wasm that waits for the body",
            Self::Calls(1) => "... and reads the header map",
            Self::Calls(2) => "... and the body",
            Self::Calls(3) => "... and the digest",
            Self::Calls(4) => "... and whether the chain was verified",
            Self::Calls(5) => "... and the time",
            Self::Calls(6) => "... and writes a filter state",
            Self::Calls(_) => "... and a second one: the limit",
            Self::Filter => "this filter, accepted",
            Self::SelfSigned => "this filter, accepted: self-signed",
            Self::Anchors => "this filter, accepted: under trust anchors",
            Self::OtherMethod => "this filter, passed: another method",
            Self::Refused => "this filter, refused: another certificate",
            Self::UnknownClient => "this filter, refused: unknown client",
            Self::NotAllowed => "this filter, refused at the headers",
            Self::Lua => "Lua that compares the printed subject",
            Self::ExternalAuthorization => "ext_authz over HTTP, without the authorizer",
            Self::NothingUngated => "not gated: no filter",
            Self::ReadsHeaders => "not gated: wasm that reads the header map",
            Self::FilterUngated => "not gated: this filter",
            Self::JwtAuthn => "a resource: jwt_authn alone",
            Self::ResourceCalls => "a resource: jwt_authn, and every call: the limit",
            Self::FilterResource => "a resource: jwt_authn and this filter",
        }
    }

    /// With what the figure is compared.
    pub fn base(self) -> Self {
        match self {
            Self::ReadsHeaders | Self::FilterUngated => Self::NothingUngated,
            Self::ResourceCalls | Self::FilterResource => Self::JwtAuthn,
            _ => Self::Nothing,
        }
    }

    /// The status of an answer to a client with another certificate.
    fn status_for_another(self) -> u16 {
        match self {
            Self::Filter
            | Self::SelfSigned
            | Self::Anchors
            | Self::Lua
            | Self::ExternalAuthorization
            | Self::FilterResource => 401,
            _ => self.status(),
        }
    }

    /// The status of an answer in the rounds. No backend is asked by those that refuse.
    fn status(self) -> u16 {
        match self {
            Self::Refused | Self::UnknownClient => 401,
            Self::NotAllowed => 405,
            _ => 200,
        }
    }

    fn is_resource(self) -> bool {
        matches!(self, Self::JwtAuthn | Self::ResourceCalls | Self::FilterResource)
    }

    fn request(self) -> Request {
        match self {
            Self::NothingUngated | Self::ReadsHeaders | Self::FilterUngated => {
                Request { path: "/userinfo".into(), ..token_request() }
            }
            Self::JwtAuthn | Self::ResourceCalls | Self::FilterResource => {
                let token = jwt::token(&jwt::bound_to(&CERTIFICATES.seed));
                jwt::get("/api/accounts", &format!("Bearer {token}"))
            }
            Self::OtherMethod => {
                let body =
                    format!("grant_type=client_credentials&client_id={OTHER}&client_secret=s");
                Request { body: body.into(), ..token_request() }
            }
            Self::UnknownClient => {
                let body = "grant_type=client_credentials&client_id=nobody";
                Request { body: body.into(), ..token_request() }
            }
            Self::NotAllowed => {
                Request { method: "GET".into(), body: Vec::new(), ..token_request() }
            }
            _ => token_request(),
        }
    }

    fn configuration(self) -> Value {
        let mut configuration = configuration();
        match self {
            Self::SelfSigned => {
                let clients = configuration["clients"].as_array_mut().expect("it is a list");
                clients.retain(|client| client["client_id"] != CLIENT);
                clients.push(json!({
                    "client_id": CLIENT,
                    "token_endpoint_auth_method": "self_signed_tls_client_auth",
                    "jwks": { "keys": [{
                        "kty": "EC", "x5t#S256": CERTIFICATES.seed.x5t_s256(),
                    }] },
                }));
            }
            Self::Anchors => {
                configuration["peer_certificate"] = json!({ "chain": "anchors" });
                configuration["trust_anchors"] = json!([authority_pem()]);
            }
            Self::OtherMethod => {
                let clients = configuration["clients"].as_array_mut().expect("it is a list");
                clients.push(json!({
                    "client_id": OTHER, "token_endpoint_auth_method": "client_secret_post",
                }));
            }
            _ => {}
        }
        configuration
    }
}

/// CPU time per request in nanoseconds, by variant in the order of [`Variant::ALL`], round by
/// round.
pub type Rounds = Vec<[u64; Variant::ALL.len()]>;

pub async fn measure() -> Rounds {
    let servers = Servers::start().await;
    let mut lanes = Vec::new();
    for variant in Variant::ALL {
        lanes.push(Lane::start(variant, servers).await);
    }
    for lane in &mut lanes {
        lane.assert_decides().await;
        // V8 compiles a function a second time when it has run often: a short one after ten
        // thousands of requests.
        lane.load(WARM_UP).await;
    }
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let mut nanoseconds = [0; Variant::ALL.len()];
        for turn in 0..lanes.len() {
            // The order changes from round to round.
            let place = (round + turn) % lanes.len();
            nanoseconds[place] = lanes[place].load(REQUESTS).await;
        }
        rounds.push(nanoseconds);
    }
    rounds
}

/// An Envoy with one variant, and a connection to it.
struct Lane {
    variant: Variant,
    envoy: Envoy,
    connection: Connection,
}

type Connection = Messages<TlsStream>;

impl Lane {
    async fn start(variant: Variant, servers: Servers) -> Self {
        let envoy = start_envoy(variant, 1, servers).await;
        let certificate = match variant {
            Variant::Refused => &CERTIFICATES.other_subject,
            _ => &CERTIFICATES.seed,
        };
        let stream = Client::new(certificate).tls(envoy.address("gate")).await;
        let connection = Messages::new(stream.expect("a connection"));
        Self { variant, envoy, connection }
    }

    /// Asserts that the variant decides; otherwise its cost could not be compared.
    async fn assert_decides(&self) {
        let other = Client::new(&CERTIFICATES.other_subject);
        let answer = other
            .send(self.envoy.address("gate"), &self.variant.request(), Delivery::Http1Whole)
            .await
            .expect("an answer");
        assert_eq!(
            answer.status,
            self.variant.status_for_another(),
            "{:?}: {}",
            self.variant,
            self.envoy.log()
        );
    }

    /// Sends requests one after another; returns the CPU time of each in nanoseconds.
    async fn load(&mut self, requests: usize) -> u64 {
        let request = self.variant.request();
        let length = format!("content-length: {}", request.body.len());
        let bytes = [http1::head("bench", &request, &[&length]), request.body].concat();
        let expected = self.variant.status();
        let before = cpu_time(self.envoy.process.id());
        for _ in 0..requests {
            let exchange = async {
                self.connection.write(&bytes).await?;
                self.connection.status().await
            };
            let status = within_deadline(exchange).await.expect("an answer");
            assert_eq!(status, expected, "{:?}", self.variant);
        }
        let spent = cpu_time(self.envoy.process.id()) - before;
        u64::try_from(spent.as_nanos() / requests as u128).unwrap_or(u64::MAX)
    }
}

/// An Envoy with this variant.
pub async fn start_envoy(variant: Variant, workers: u32, servers: Servers) -> Envoy {
    let make = |_, directory: &Path| {
        let module = match variant {
            Variant::Calls(steps) => limit(directory, steps, true),
            Variant::ReadsHeaders => limit(directory, 1, false),
            Variant::ResourceCalls => written(directory, include_str!("limit_resource.wat")),
            _ => process::module(),
        };
        let listener = if variant.is_resource() {
            jwt::listener("gate", vec![jwt::jwt_authn(json!({}))], json!({}))
        } else {
            Listener::new("gate", &variant.configuration())
        };
        let mut bootstrap = bootstrap::bootstrap(&[listener], servers.backend, &module, directory);
        change_filters(&mut bootstrap, variant, servers.authorizer);
        bootstrap.to_string()
    };
    let envoy = Envoy::start_with(CURRENT, workers, make).await;
    envoy.unwrap_or_else(|refused| panic!("{variant:?}: {}", refused.log))
}

/// `limit.wat` with so many calls, which waits for the body or not.
fn limit(directory: &Path, steps: u8, waits: bool) -> PathBuf {
    let text = include_str!("limit.wat")
        .replace("const STEPS", &format!("const {steps}"))
        .replace("const PAUSE", if waits { "const 1" } else { "const 0" });
    written(directory, &text)
}

/// A module as a file.
fn written(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("limit.wasm");
    let module = wat::parse_str(text).expect("a constant of this project");
    fs::write(&path, module).expect("the directory can be written");
    path
}

fn change_filters(bootstrap: &mut Value, variant: Variant, authorizer: SocketAddr) {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = bootstrap.pointer_mut(manager).expect("the bootstrap of the Envoy tests has it");
    // The access log would cost the same in all variants.
    manager["access_log"] = json!([]);
    if variant == Variant::ExternalAuthorization {
        manager["forward_client_cert_details"] = "SANITIZE_SET".into();
        manager["set_current_client_cert_details"] = json!({ "subject": true });
    }
    let filters = manager["http_filters"].as_array_mut().expect("it is a list");
    match variant {
        Variant::Nothing | Variant::NothingUngated => drop(filters.remove(0)),
        Variant::JwtAuthn => drop(filters.remove(1)),
        Variant::Lua => {
            let script =
                include_str!("subject.lua").replace("CLIENT", CLIENT).replace("SUBJECT", SUBJECT);
            filters[0] = json!({ "name": "lua", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": { "inline_string": script },
            }});
        }
        Variant::ExternalAuthorization => {
            filters[0] = json!({ "name": "ext_authz", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "http_service": {
                    "server_uri": {
                        "uri": "http://authorizer", "cluster": "authorizer", "timeout": "5s",
                    },
                },
                "allowed_headers": {
                    "patterns": [{ "exact": "x-forwarded-client-cert" }],
                },
                "with_request_body": { "max_request_bytes": 65_536 },
            }});
        }
        // Those with a module.
        _ => {}
    }
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut().expect("it is a list");
    clusters.push(json!({
        "name": "authorizer",
        "type": "STATIC",
        "load_assignment": { "cluster_name": "authorizer", "endpoints": [{ "lb_endpoints": [{
            "endpoint": { "address": { "socket_address": {
                "address": authorizer.ip().to_string(), "port_value": authorizer.port(),
            }}},
        }]}]},
    }));
}

/// What Envoys ask.
#[derive(Clone, Copy, Debug)]
pub struct Servers {
    /// It records nothing: millions of requests would be a gigabyte.
    backend: SocketAddr,
    /// A native authorizer: it lets a request pass if the printed subject of the certificate is that
    /// of the client.
    authorizer: SocketAddr,
}

impl Servers {
    pub async fn start() -> Self {
        let backend = messages::serve(|_, _| BACKEND_ANSWER);
        Self { backend: backend.await, authorizer: messages::serve(authorize).await }
    }
}

const BACKEND_ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    content-type: application/json\r\n\
    content-length: 35\r\n\
    \r\n\
    {\"access_token\":\"from the backend\"}";

fn authorize(head: &[u8], body: &[u8]) -> &'static str {
    let contains = |text: &[u8], part: &str| memmem::find(text, part.as_bytes()).is_some();
    let is_client = contains(head, &format!("Subject=\"{SUBJECT}\""));
    if is_client && contains(body, CLIENT) {
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    } else {
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"
    }
}

/// CPU time of all threads. `/proc/PID/stat` has it in ticks of 10 ms, which is too coarse for a
/// round.
pub(crate) fn cpu_time(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("Linux, and Envoy runs");
    let nanoseconds = threads.map(|thread| {
        let path = thread.expect("it can be listed").path().join("schedstat");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.split(' ')
            .next()
            .and_then(|time| time.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{}: {text:?}", path.display()))
    });
    Duration::from_nanos(nanoseconds.sum())
}
