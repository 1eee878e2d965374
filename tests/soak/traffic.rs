//! Clients that ask and get answers, good and refused ones.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::envoy::client::{Answer, Client, Delivery};
use crate::envoy::fixture::{CERTIFICATES, post, token, with_header};
use crate::envoy::http1::Http1;
use crate::envoy::http2::Http2;
use crate::ledger::{Right, Seen};
use crate::stage::{Conditions, GENERATIONS, Gate, LISTED, Stage};
use crate::support::case::{DECISIONS, Request};
use crate::support::certificate::{Certificate, CertificateSpec, Issuer, mint};

/// Longer than anything that Envoy does before it answers.
const NO_ANSWER: Duration = Duration::from_secs(30);

/// With which certificate a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The right subject, in a new certificate for each connection.
    Seed,
    /// Another subject, in a new certificate for each connection.
    Other,
    /// The right subject, by another CA.
    Untrusted,
    Nobody,
    /// One of the two self-signed certificates of a client that changes them.
    Own(usize),
}

impl Who {
    fn client(self) -> Client {
        let renewed = |subject: bool, issuer| {
            let spec = CertificateSpec { issuer, ..CertificateSpec::default() };
            let spec = if subject {
                CertificateSpec { subject: Some(crate::envoy::fixture::seed_subject()), ..spec }
            } else {
                spec
            };
            mint(&spec).expect("the description is well-formed")
        };
        let by = |certificate: &Certificate| Client::new(certificate);
        match self {
            Self::Seed => by(&renewed(true, Issuer::Ca)),
            Self::Other => by(&renewed(false, Issuer::Ca)),
            Self::Untrusted => by(&renewed(true, Issuer::Untrusted)),
            Self::Nobody => Client::without_certificate(),
            Self::Own(0) => by(&CERTIFICATES.self_signed),
            Self::Own(_) => by(&CERTIFICATES.self_signed_rsa),
        }
    }
}

/// What decides about a question.
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    Always(Right),
    /// It passes only with this configuration.
    Generation(usize),
    /// It passes only with this list, and has this code otherwise.
    List(usize, &'static str),
}

impl Policy {
    fn right(self, begin: &Conditions, end: &Conditions) -> Right {
        let by = |own: usize, begin: Option<usize>, end: Option<usize>, code| match (begin, end) {
            (Some(begin), Some(end)) if begin == end && begin == own => {
                Right::Pass("authenticated")
            }
            (Some(begin), Some(end)) if begin == end => Right::Refuse(code, 401),
            _ => Right::Either("authenticated", code),
        };
        match self {
            Self::Always(right) => right,
            Self::Generation(own) => by(own, begin.generation, end.generation, "unknown_client"),
            Self::List(own, code) => by(own, begin.list, end.list, code),
        }
    }
}

pub fn pass(code: &'static str) -> Policy {
    Policy::Always(Right::Pass(code))
}

pub fn refuse(code: &'static str) -> Policy {
    let of = DECISIONS.iter().find(|(other, _)| *other == code).and_then(|(_, answer)| *answer);
    let (status, _) = of.unwrap_or_else(|| panic!("{code} is not a refusal"));
    Policy::Always(Right::Refuse(code, status))
}

fn questions(gate: Gate, who: Who) -> Vec<(Request, Policy)> {
    let seed = || token("seed");
    match (gate, who) {
        (Gate::Static, Who::Seed) => vec![
            (seed(), pass("authenticated")),
            (token("secret"), pass("passed_other_method")),
            (post("/userinfo", "client_id=seed"), pass("not_gated")),
            (token(GENERATIONS[0]), Policy::Generation(0)),
            (token(GENERATIONS[1]), Policy::Generation(1)),
            (token("dns"), refuse("subject_mismatch")),
            (token("nobody"), refuse("unknown_client")),
            (post("/token", "client_id=seed&client_id=seed"), refuse("duplicate_parameter")),
            (post("/token", "client_id=%zz"), refuse("malformed_form")),
            (post("/token", ""), refuse("missing_client_id")),
            (post("/x/..;/%74oken/", "client_id=dns"), refuse("subject_mismatch")),
            (post("/token?client_id=dns", "client_id=seed"), refuse("client_id_mismatch")),
            (with_header(seed(), "authorization", "Basic !"), refuse("malformed_authorization")),
            (Request { method: "PUT".into(), ..seed() }, refuse("method_not_allowed")),
            (with_header(seed(), "content-encoding", "gzip"), refuse("encoded_body")),
            (post("/token", &"x".repeat(70_000)), refuse("body_too_large")),
            (with_header(seed(), "x-odd", b"\xff\xfe\x80"), pass("authenticated")),
            (with_many_fields(seed()), pass("authenticated")),
        ],
        (_, Who::Nobody) => vec![
            (seed(), refuse("certificate_missing")),
            (
                with_header(seed(), "x-forwarded-client-cert", "Hash=00;Subject=\"CN=seed\""),
                refuse("certificate_missing"),
            ),
            (token("secret"), pass("passed_other_method")),
        ],
        (_, Who::Untrusted) => vec![
            (seed(), refuse("certificate_unverified")),
            (token("secret"), pass("passed_other_method")),
        ],
        (Gate::Registry, Who::Seed) => vec![
            (token("always"), pass("authenticated")),
            (token(LISTED[0]), Policy::List(0, "unknown_client")),
            (token(LISTED[1]), Policy::List(1, "unknown_client")),
            (token("never"), refuse("unknown_client")),
            (post("/token", "client_id=always&client_id=odd"), refuse("duplicate_parameter")),
        ],
        (Gate::Registry, Who::Own(own)) => {
            vec![(token("rotating"), Policy::List(own, "certificate_not_registered"))]
        }
        (Gate::Registry, _) => vec![(token("always"), refuse("subject_mismatch"))],
        _ => vec![
            (
                seed(),
                if who == Who::Seed { pass("authenticated") } else { refuse("subject_mismatch") },
            ),
            (token("secret"), pass("passed_other_method")),
            (token("email"), refuse("subject_mismatch")),
        ],
    }
}

/// With which the module of [`Gate::Victim`] ends.
pub fn with_many_fields(mut request: Request) -> Request {
    for number in 0..80 {
        request.headers.push((format!("x-field-{number}"), b"x".to_vec()));
    }
    request
}

pub enum Connection {
    Http1(Box<Http1>),
    Http2(Http2),
}

/// An open connection, counted as long as it is.
pub struct Open {
    stage: Arc<Stage>,
    pub connection: Connection,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stage.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

pub enum Sent {
    Seen(Seen),
    /// The connection was closing: nothing was sent.
    Not,
}

impl Open {
    pub async fn new(stage: &Arc<Stage>, gate: Gate, who: Who, http2: bool) -> Option<Self> {
        let client = who.client();
        let to = stage.address(gate);
        let is_draining = || stage.conditions().excuses(gate).draining;
        let was_draining = is_draining();
        let connect = async {
            std::io::Result::Ok(if http2 {
                Connection::Http2(client.http2(to).await?)
            } else {
                Connection::Http1(Box::new(client.http1(to).await?))
            })
        };
        match tokio::time::timeout(NO_ANSWER, connect).await {
            Ok(Ok(connection)) => {
                stage.handshakes.fetch_add(1, Ordering::Relaxed);
                let open = stage.connections.fetch_add(1, Ordering::Relaxed) + 1;
                stage.most_connections.fetch_max(open, Ordering::Relaxed);
                Some(Self { stage: Arc::clone(stage), connection })
            }
            Ok(Err(error)) => {
                if !was_draining && !is_draining() && !stage.is_over() {
                    stage.ledger.violation(format!("{gate:?} {who:?}: no connection: {error}"));
                }
                None
            }
            Err(_) => {
                stage.ledger.violation(format!("{gate:?} {who:?}: no connection in 30 s"));
                None
            }
        }
    }

    pub async fn send(&mut self, tag: &str, request: &Request, delivery: Delivery) -> Sent {
        let exchange = async {
            match &mut self.connection {
                Connection::Http1(connection) => {
                    Some(connection.exchange(tag, request, delivery).await)
                }
                Connection::Http2(connection) => {
                    // Nothing is sent where a stream cannot be opened.
                    if !connection.is_open().await {
                        return None;
                    }
                    Some(connection.exchange(tag, request, delivery).await)
                }
            }
        };
        match tokio::time::timeout(NO_ANSWER, exchange).await {
            Ok(Some(Ok(answer))) => Sent::Seen(Seen::Answer(answer)),
            Ok(Some(Err(error))) => Sent::Seen(Seen::Nothing(format!("{delivery:?} {error}"))),
            Ok(None) => Sent::Not,
            Err(_) => Sent::Seen(Seen::Nothing("30 s have passed".into())),
        }
    }
}

/// Whether the connection takes no more requests. After a refusal at the headers the rest of the
/// body is not sent, so that nothing can follow it.
fn ends(answer: &Answer, http2: bool) -> bool {
    !http2 && (answer.field("connection") == Some("close") || ![200, 401].contains(&answer.status))
}

const HTTP1: [Delivery; 5] = [
    Delivery::Http1Whole,
    Delivery::Http1Bytes,
    Delivery::Http1Chunked,
    Delivery::Http1Trailers,
    Delivery::Http1Expect,
];
const HTTP2: [Delivery; 4] =
    [Delivery::Http2Whole, Delivery::Http2Bytes, Delivery::Http2EmptyEnd, Delivery::Http2Trailers];

/// A client that asks one question after another until the end.
pub struct Lane {
    pub gate: Gate,
    pub who: Who,
    pub http2: bool,
    pub interval: Duration,
    /// With which question it begins.
    pub first: usize,
}

impl Lane {
    pub async fn run(self, stage: Arc<Stage>) {
        let questions = questions(self.gate, self.who);
        let mut number = self.first;
        // A crowd does not come at once.
        stage.rest(self.interval.mul_f64((self.first % 100) as f64 / 100.0)).await;
        while !stage.is_over() {
            let Some(mut open) = Open::new(&stage, self.gate, self.who, self.http2).await else {
                stage.rest(Duration::from_millis(500)).await;
                continue;
            };
            while !stage.is_over() {
                let (request, policy) = &questions[number % questions.len()];
                let delivery = self.delivery(number / questions.len(), request);
                number += 1;
                let goes_on = ask(&stage, self.gate, &mut open, request, delivery, *policy).await;
                stage.rest(self.interval).await;
                if !goes_on {
                    break;
                }
            }
        }
    }

    fn delivery(&self, round: usize, request: &Request) -> Delivery {
        // A byte at a time is much work for both ends, and the crowd is large.
        let whole = request.body.len() > 1_000 || self.interval > Duration::from_secs(1);
        let place = if whole { 0 } else { round };
        if self.http2 { HTTP2[place % HTTP2.len()] } else { HTTP1[place % HTTP1.len()] }
    }
}

/// Asks and settles; returns whether the connection takes another request.
pub async fn ask(
    stage: &Stage,
    gate: Gate,
    open: &mut Open,
    request: &Request,
    delivery: Delivery,
    policy: Policy,
) -> bool {
    let begin = stage.conditions();
    let excuses = begin.excuses(gate);
    let tag = stage.ledger.begin();
    let http2 = matches!(open.connection, Connection::Http2(_));
    let seen = match open.send(&tag, request, delivery).await {
        Sent::Seen(seen) => seen,
        Sent::Not => {
            stage.ledger.not_sent();
            return false;
        }
    };
    let goes_on = matches!(&seen, Seen::Answer(answer) if !ends(answer, http2));
    let end = stage.conditions();
    let right = policy.right(&begin, &end);
    stage.ledger.settle(gate, &tag, right, excuses.and(end.excuses(gate)), seen);
    goes_on
}

/// [`ask_at_pace`] on a thread of its own: the other clients keep those of the runtime busy, and
/// how long a question waits for them says nothing of Envoy.
pub async fn probe(stage: &Arc<Stage>, until: Instant) -> Vec<Duration> {
    let stage = Arc::clone(stage);
    let on_thread = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(ask_at_pace(&stage, until))
    });
    on_thread.await.expect("it does not panic")
}

/// One good request after another at one pace; returns how long each took.
async fn ask_at_pace(stage: &Arc<Stage>, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    let (request, policy) = (token("seed"), pass("authenticated"));
    while Instant::now() < until && !stage.is_over() {
        let Some(mut open) = Open::new(stage, Gate::Static, Who::Seed, false).await else {
            stage.rest(Duration::from_millis(100)).await;
            continue;
        };
        loop {
            let begin = Instant::now();
            let goes_on =
                ask(stage, Gate::Static, &mut open, &request, Delivery::Http1Whole, policy).await;
            times.push(begin.elapsed());
            if !goes_on || Instant::now() >= until || stage.is_over() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    times
}
