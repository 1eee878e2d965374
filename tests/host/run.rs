//! Runs cases and requests in the module.

use crate::host::stream::REQUESTED_SERVER_NAME;
use crate::host::{
    Connection, Fault, Headers, Module, Outcome, Process, StartError, StreamId, Verdict, Vm,
};
use crate::random::Random;
use crate::support::case::{Case, DECISIONS, Request};
use crate::support::certificate::Certificate;

/// How the frames of a request arrive. No decision may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The headers end the stream; only for an empty body.
    EndInHeaders,
    WholeBody,
    /// One byte at a time; large bodies in a thousand pieces.
    SmallChunks,
    RandomChunks,
    /// The body, then an empty data frame that ends the stream.
    EmptyDataAtEnd,
    /// The body, then trailers: no body callback has an end of stream.
    Trailers,
}

pub const DELIVERIES: &[Delivery] = &[
    Delivery::EndInHeaders,
    Delivery::WholeBody,
    Delivery::SmallChunks,
    Delivery::RandomChunks,
    Delivery::EmptyDataAtEnd,
    Delivery::Trailers,
];

/// The name of the registry's cluster.
pub const REGISTRY: &str = "registry";

pub const REQUEST_ID: &str = "7c1f0b52-6d3e-4a8f-9b1c-2f5a3d4e6b70";

impl Delivery {
    pub fn suits(self, case: &Case) -> bool {
        match self {
            Delivery::EndInHeaders => case.request.body.is_empty(),
            _ => !case.is_preflight(),
        }
    }

    /// The frames of the body, each with whether it ends the stream.
    pub fn frames(self, body: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let mut frames: Vec<(Vec<u8>, bool)> = match self {
            Delivery::EndInHeaders => Vec::new(),
            Delivery::SmallChunks => {
                body.chunks(body.len() / 1000 + 1).map(|chunk| (chunk.to_vec(), false)).collect()
            }
            Delivery::RandomChunks => {
                random_chunks(body).into_iter().map(|chunk| (chunk, false)).collect()
            }
            Delivery::Trailers if body.is_empty() => Vec::new(),
            _ => vec![(body.to_vec(), false)],
        };
        match self {
            Delivery::EndInHeaders | Delivery::Trailers => {}
            Delivery::EmptyDataAtEnd => frames.push((Vec::new(), true)),
            _ => match frames.last_mut() {
                Some((_, end_of_stream)) => *end_of_stream = true,
                None => frames.push((Vec::new(), true)),
            },
        }
        frames
    }
}

fn random_chunks(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut random = Random::seeded(body.len() as u64);
    let mut chunks = Vec::new();
    while !body.is_empty() {
        // Empty data frames also occur in the middle of a body.
        let (chunk, rest) = body.split_at(random.below(body.len() + 1));
        chunks.push(chunk.to_vec());
        body = rest;
    }
    chunks
}

pub fn start(configuration: &[u8], clock: u64) -> Vm {
    try_start(configuration, clock).unwrap_or_else(|error| panic!("{error}"))
}

pub fn try_start(configuration: &[u8], clock: u64) -> Result<Vm, StartError> {
    Vm::start(Module::shipped(), configuration, clock)
}

/// Starts another VM of a process whose Envoy has the cluster `registry`.
pub fn start_in(process: &Process, configuration: &[u8], clock: u64) -> Vm {
    let vm = Vm::start_in(process, Module::shipped(), configuration, clock);
    let mut vm = vm.unwrap_or_else(|error| panic!("{error}"));
    vm.set_clusters(&[REGISTRY]);
    vm
}

pub fn start_for(case: &Case) -> Vm {
    start(case.config.to_string().as_bytes(), clock(case))
}

pub fn clock(case: &Case) -> u64 {
    // Envoy's clock has fractions of a second.
    case.now.0 as u64 * 1_000_000_000 + 987_654_321
}

pub fn connection_of(certificate: Option<&Certificate>, chain_valid: Option<bool>) -> Connection {
    match certificate {
        None => Connection::without_certificate(),
        Some(certificate) => {
            Connection::mutual_tls(&certificate.host_text, &certificate.sha256_hex(), chain_valid)
        }
    }
}

pub fn connection(case: &Case) -> Connection {
    let connection = connection_of(case.certificate.as_deref(), case.chain_valid);
    let connection =
        connection.with(REQUESTED_SERVER_NAME, case.server_name.as_deref().unwrap_or_default());
    match &case.verified {
        Some((_, claims)) => connection.with_verified(claims),
        None => connection,
    }
}

/// The header map of a request, as Envoy's connection manager makes it.
pub fn headers(request: &Request) -> Headers {
    let mut headers = request.header_map();
    headers.push(("x-request-id".into(), REQUEST_ID.into()));
    headers
}

pub fn run(vm: &mut Vm, case: &Case, delivery: Delivery) -> Result<Outcome, Fault> {
    send(vm, connection(case), &case.request, delivery)
}

pub fn send(
    vm: &mut Vm,
    connection: Connection,
    request: &Request,
    delivery: Delivery,
) -> Result<Outcome, Fault> {
    let id = deliver(vm, connection, request, delivery)?;
    close(vm, id)
}

/// Closes a stream; what the filter counted is in the outcome, as if it had been at once.
pub fn close(vm: &mut Vm, id: StreamId) -> Result<Outcome, Fault> {
    let mut outcome = vm.close(id)?;
    outcome.account.counted.extend(vm.take_counted()?);
    Ok(outcome)
}

/// Sends a whole request without closing its stream, which may wait for an answer.
pub fn deliver(
    vm: &mut Vm,
    connection: Connection,
    request: &Request,
    delivery: Delivery,
) -> Result<StreamId, Fault> {
    let id = vm.open(connection)?;
    vm.headers(id, headers(request), delivery == Delivery::EndInHeaders)?;
    for (chunk, end_of_stream) in delivery.frames(&request.body) {
        vm.body(id, &chunk, end_of_stream)?;
    }
    if delivery == Delivery::Trailers {
        vm.trailers(id, vec![("x-trailer".into(), b"1".to_vec())])?;
    }
    Ok(id)
}

/// Opens a stream and sends the headers only.
pub fn open(vm: &mut Vm, case: &Case) -> Result<StreamId, Fault> {
    let id = vm.open(connection(case))?;
    vm.headers(id, headers(&case.request), false)?;
    Ok(id)
}

/// The code in filter state. A request that is not gated has none there; its code is counted only.
pub fn code(outcome: &Outcome) -> String {
    let stated = outcome
        .properties
        .get("tls_client_auth_code")
        .map(|code| String::from_utf8_lossy(code).into_owned());
    let counted =
        || outcome.account.counted.keys().filter_map(|name| name.strip_prefix("tls_client_auth."));
    let is_code = |name: &&str| DECISIONS.iter().any(|(code, _)| code == name);
    stated.or_else(|| counted().find(is_code).map(String::from)).unwrap_or_else(|| "no code".into())
}

/// The status of the answer; `None` if the request was forwarded.
pub fn status(outcome: &Outcome) -> Option<u32> {
    match &outcome.verdict {
        Verdict::Replied(reply) => Some(reply.status),
        Verdict::Forwarded(_) => None,
        Verdict::Held => panic!("the request is still held"),
    }
}
