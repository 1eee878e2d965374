//! Every order in which a host may make the callbacks of a request, up to a bound, in the shipped
//! module. `src/exchange/tests/orders.rs` searches the exchange alone, without a bound; here the
//! callbacks, the header map and the metrics of the module take part.
//!
//! The body is cut into pieces in every way, with at most one empty frame and one tick at any
//! place; the stream ends with the headers, with the last piece, with an empty frame or with
//! trailers; the client goes away at every place; a registry answers in every way, also after the
//! client went away. The host itself ([`crate::host`]) refuses a second reply, a reply after the
//! request went on, a Continue after a reply, and a request that is forgotten.

use std::collections::BTreeMap;

use serde_json::json;

use crate::calls::answer;
use crate::fixture::{CLOCK, CONFIG, certificate, token_request, verified};
use crate::host::{Connection, Process, StreamId, Verdict, Vm};
use crate::run::{headers, start_in};
use crate::support::case::{DECISIONS, Request};

/// The pieces of a body.
const PIECES: usize = 4;

/// What happens next to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The headers ended the stream; only where there is no body.
    EndInHeaders,
    /// So many further pieces; 0 = an empty frame.
    Body {
        pieces: usize,
        end: bool,
    },
    Trailers,
    Tick,
    /// The registry answers.
    Answer(Answer),
    /// The client goes away, and the registry answers afterwards.
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Client,
    AnotherSubject,
    NoSuchClient,
    /// A time-out, or no connection.
    Nothing,
}

const ANSWERS: [Answer; 4] =
    [Answer::Client, Answer::AnotherSubject, Answer::NoSuchClient, Answer::Nothing];

struct Scenario {
    name: &'static str,
    configuration: &'static str,
    path: &'static str,
    /// The body up to a client's name.
    body: &'static str,
    /// Whether the registry is asked, so that each request names another client.
    asks: bool,
    /// Whether it is decided before the body ends.
    is_early: bool,
    /// The code, or those that follow the answers.
    codes: &'static [&'static str],
    prepare: fn(&mut Vm),
}

const SMALL: &str = r#"{"endpoints": ["/token"], "max_body_bytes": 10, "clients": []}"#;
const LOOKUP: &str = r#"{"registry": {"cluster": "registry", "authority": "registry.test",
    "path": "/clients/{client_id}", "mode": "lookup"},
    "forward": {"client_id": "x-client-id"}}"#;
const LOOKUP_PASSING: &str = r#"{"unregistered_clients": "pass",
    "registry": {"cluster": "registry", "authority": "registry.test",
    "path": "/clients/{client_id}", "mode": "lookup"}}"#;

fn scenarios() -> Vec<Scenario> {
    let of = |name, body, codes| Scenario {
        name,
        configuration: CONFIG,
        path: "/token",
        body,
        asks: false,
        is_early: false,
        codes,
        prepare: |_| {},
    };
    vec![
        of("the client of the certificate", "client_id=client", &["authenticated"]),
        of("another client", "client_id=san", &["subject_mismatch"]),
        of("no such client", "client_id=nobody", &["unknown_client"]),
        of("two clients", "client_id=client&client_id=san", &["duplicate_parameter"]),
        of("no body", "", &["missing_client_id"]),
        Scenario {
            path: "/login",
            is_early: true,
            ..of("another path", "client_id=san", &["not_gated"])
        },
        Scenario {
            configuration: SMALL,
            is_early: true,
            ..of("a body that is too large", "client_id=client", &["body_too_large"])
        },
        Scenario {
            prepare: |vm| vm.refuse_write("x-client-id"),
            ..of("a header that cannot be written", "client_id=client", &["host_error"])
        },
        Scenario {
            configuration: LOOKUP,
            asks: true,
            ..of(
                "a lookup",
                "client_id=",
                &["authenticated", "subject_mismatch", "unknown_client", "registry_unavailable"],
            )
        },
        Scenario {
            configuration: LOOKUP_PASSING,
            asks: true,
            ..of(
                "a lookup, and unregistered clients pass",
                "client_id=",
                &[
                    "authenticated",
                    "subject_mismatch",
                    "passed_unregistered",
                    "registry_unavailable",
                ],
            )
        },
    ]
}

/// What has happened to one stream.
#[derive(Clone, Default)]
struct Run {
    events: Vec<Event>,
    pieces: usize,
    has_ended: bool,
    has_answer: bool,
    is_over: bool,
}

impl Run {
    fn has(&self, event: Event) -> bool {
        self.events.contains(&event)
    }

    /// All that can happen next; which depends on whether a registry is asked.
    fn next(&self, Scenario { asks, body, .. }: &Scenario) -> Vec<Self> {
        let mut next = Vec::new();
        let mut push = |event, change: &dyn Fn(&mut Self)| {
            let mut run = self.clone();
            run.events.push(event);
            change(&mut run);
            next.push(run);
        };
        if self.is_over {
            return next;
        }
        push(Event::Reset, &|run| run.is_over = true);
        if !self.has(Event::Tick) {
            push(Event::Tick, &|_| {});
        }
        if self.has_ended {
            if *asks && !self.has_answer {
                for answer in ANSWERS {
                    push(Event::Answer(answer), &|run| run.has_answer = true);
                }
            }
            return next;
        }
        if self.events.is_empty() && body.is_empty() && !asks {
            push(Event::EndInHeaders, &|run| run.has_ended = true);
        }
        let empty = Event::Body { pieces: 0, end: false };
        if !self.has(empty) {
            push(empty, &|_| {});
        }
        for pieces in 1..=PIECES - self.pieces {
            push(Event::Body { pieces, end: false }, &|run| run.pieces += pieces);
        }
        // The whole body always has the same octets.
        let pieces = PIECES - self.pieces;
        push(Event::Body { pieces, end: true }, &|run| {
            run.pieces = PIECES;
            run.has_ended = true;
        });
        if self.pieces == PIECES {
            push(Event::Trailers, &|run| run.has_ended = true);
        }
        next
    }
}

/// All runs, each with all that can follow it: a prefix of a run ends by a reset, too.
fn runs(scenario: &Scenario) -> Vec<Run> {
    let mut ready = vec![Run::default()];
    let mut whole = Vec::new();
    while let Some(run) = ready.pop() {
        ready.extend(run.next(scenario));
        let is_complete = run.has_ended && (!scenario.asks || run.has_answer);
        if is_complete || run.is_over {
            whole.push(run);
        }
    }
    whole
}

struct Driven<'a> {
    scenario: &'a Scenario,
    vm: &'a mut Vm,
    client_id: String,
    body: Vec<u8>,
}

impl Driven<'_> {
    /// Carries out a run; returns the code that was counted, if any, and checks the stream after
    /// each callback.
    fn run(&mut self, connection: Connection, run: &Run) -> Option<(Option<Answer>, String)> {
        let request = Request { path: self.scenario.path.into(), ..token_request("") };
        let id = self.vm.open(connection).expect("no fault");
        let mut ended = run.events.first() == Some(&Event::EndInHeaders);
        let (mut given, mut answered) = (0, None);
        self.vm.headers(id, headers(&request), ended).expect("no fault");
        self.check(id, ended, answered);
        for event in &run.events {
            let done = match *event {
                Event::EndInHeaders => Ok(()),
                Event::Body { pieces, end } => {
                    let cut = |at: usize| self.body.len() * at / PIECES;
                    let chunk = self.body[cut(given)..cut(given + pieces)].to_vec();
                    given += pieces;
                    ended = end;
                    self.vm.body(id, &chunk, end)
                }
                Event::Trailers => {
                    ended = true;
                    self.vm.trailers(id, vec![("x-trailer".into(), b"1".to_vec())])
                }
                Event::Tick => self.vm.tick(),
                Event::Answer(kind) => {
                    answered = Some(kind);
                    self.answer(kind);
                    Ok(())
                }
                Event::Reset => break,
            };
            done.unwrap_or_else(|fault| panic!("{:?}: {fault}", run.events));
            self.check(id, ended, answered);
        }
        let is_decided = ended && (!self.scenario.asks || answered.is_some());
        let mut outcome = self.vm.close(id).expect("no fault");
        // The answer comes too late.
        if self.scenario.asks && answered.is_none() && !self.vm.calls().is_empty() {
            self.answer(Answer::Client);
        }
        outcome.account.counted.extend(self.vm.take_counted().expect("no fault"));
        let counted: Vec<(String, u64)> = outcome
            .account
            .counted
            .iter()
            .filter_map(|(name, n)| Some((name.strip_prefix("tls_client_auth.")?.to_owned(), *n)))
            .filter(|(name, _)| DECISIONS.iter().any(|(code, _)| code == name))
            .collect();
        let [(code, 1)] = counted.as_slice() else {
            assert!(!is_decided && counted.is_empty(), "{:?}: {counted:?}", run.events);
            assert_eq!(outcome.verdict, Verdict::Held, "{:?}", run.events);
            return None;
        };
        let (_, refused) =
            DECISIONS.iter().find(|(known, _)| known == code).expect("a code of the contract");
        match &outcome.verdict {
            Verdict::Replied(reply) => {
                let expected = refused.expect("a refusal").0;
                assert_eq!(reply.status, u32::from(expected), "{:?}", run.events);
            }
            Verdict::Forwarded(forwarded) => {
                assert!(refused.is_none(), "{code}: {:?}", run.events);
                assert_eq!(forwarded.body, self.body, "{:?}", run.events);
            }
            Verdict::Held => {
                assert!(refused.is_none() && self.scenario.is_early, "{:?}", run.events);
            }
        }
        Some((answered, code.clone()))
    }

    /// Nothing goes on, and nothing is answered, before there can be a decision.
    fn check(&self, id: StreamId, ended: bool, answered: Option<Answer>) {
        let stream = self.vm.stream(id);
        let is_complete = ended && (!self.scenario.asks || answered.is_some());
        if !is_complete && !self.scenario.is_early {
            assert!(!stream.is_released(), "it goes on too early");
            assert!(stream.reply.is_none(), "it is answered too early");
        }
        if is_complete {
            assert!(stream.is_released() || stream.reply.is_some(), "it is not decided");
        }
    }

    fn answer(&mut self, kind: Answer) {
        let calls = self.vm.calls();
        let [call] = calls.as_slice() else { panic!("{} calls", calls.len()) };
        let client = |subject: &str| {
            json!({
                "client_id": self.client_id, "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": subject,
            })
        };
        let given = match kind {
            Answer::Client => answer(200, &[], client("CN=client").to_string()),
            Answer::AnotherSubject => answer(200, &[], client("CN=another").to_string()),
            Answer::NoSuchClient => answer(404, &[], ""),
            Answer::Nothing => return self.vm.fail(call.token).expect("no fault"),
        };
        self.vm.answer(call.token, given).expect("no fault");
    }
}

fn search(scenario: &Scenario) -> usize {
    let certificate = certificate();
    let mut vm = start_in(&Process::new(), scenario.configuration.as_bytes(), CLOCK);
    (scenario.prepare)(&mut vm);
    let runs = runs(scenario);
    let mut codes: BTreeMap<Option<Answer>, BTreeMap<String, usize>> = BTreeMap::new();
    for (number, run) in runs.iter().enumerate() {
        // What a registry said of a client is remembered.
        let client_id = if scenario.asks { format!("client-{number}") } else { String::new() };
        let body = format!("{}{client_id}", scenario.body).into_bytes();
        let mut driven = Driven { scenario, vm: &mut vm, client_id, body };
        if let Some((answered, code)) = driven.run(verified(&certificate), run) {
            *codes.entry(answered).or_default().entry(code).or_default() += 1;
        }
    }
    // The same octets and the same answer always have the same code.
    let found: Vec<Vec<&str>> =
        codes.values().map(|codes| codes.keys().map(String::as_str).collect()).collect();
    let expected: Vec<Vec<&str>> = scenario.codes.iter().map(|code| vec![*code]).collect();
    assert_eq!(found, expected, "{}: {codes:?}", scenario.name);
    println!("{}: {} orders, {codes:?}", scenario.name, runs.len());
    runs.len()
}

#[test]
fn every_order_of_callbacks_in_the_module() {
    let orders: usize = std::thread::scope(|scope| {
        let scenarios = scenarios();
        let threads: Vec<_> =
            scenarios.into_iter().map(|scenario| scope.spawn(move || search(&scenario))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a search that succeeds")).sum()
    });
    println!("{orders} orders in all");
    assert_eq!(orders, 25_748, "also in docs/verification.md");
}
