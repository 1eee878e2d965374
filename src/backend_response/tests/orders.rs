//! Every order of the callbacks about a response, also those that no host gives. Equal states are
//! examined once, so that sequences of every length are covered, as in
//! `src/exchange/tests/orders.rs`.

use std::collections::HashSet;

use super::*;

/// The pieces of a body. After the last one, only empty ones follow.
const PIECES: usize = 2;
/// States and transitions.
const SEARCHED: (usize, usize) = (63, 1_288);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// `is_given` = the host gives them.
    Headers {
        end: bool,
        is_given: bool,
    },
    /// So many pieces are buffered now. `is_given` = the host gives them when they are read.
    Body {
        pieces: usize,
        end: bool,
        is_given: bool,
    },
    Trailers {
        is_given: bool,
    },
    /// The number of one of `facts`.
    Fact(usize),
    Withheld,
}

/// What the host has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    pieces: usize,
    has_asked: bool,
    /// The answer that was taken.
    fact: Option<usize>,
    is_decided: bool,
}

#[derive(Debug)]
struct Scenario {
    name: &'static str,
    body: String,
    mode: Mode,
    is_introspected: bool,
    is_metadata: bool,
    /// Whether the whole body may leave as it is without an answer of the server.
    leaves: bool,
}

/// A document to which something is added.
const METADATA: &str = r#"{"token_endpoint": "https://as.example.com/token"}"#;

fn scenarios() -> Vec<Scenario> {
    let of = |name, body, leaves| Scenario {
        name,
        body,
        mode: Mode::Enforce,
        is_introspected: false,
        is_metadata: false,
        leaves,
    };
    vec![
        of("a bound token", issuing(&bound(CERTIFICATE)), true),
        of("a token of another certificate", issuing(&bound(OTHER)), false),
        of("an opaque token", issuing("Zm9v"), false),
        Scenario { is_introspected: true, ..of("a server is asked", issuing("Zm9v"), false) },
        Scenario {
            is_introspected: true,
            mode: Mode::Shadow,
            ..of("a server is asked, in shadow", issuing("Zm9v"), false)
        },
        Scenario { is_metadata: true, ..of("metadata", METADATA.into(), false) },
    ]
}

fn facts() -> Vec<Fact> {
    let thumbprint = |text| Thumbprint::parse(text).unwrap();
    let token = |token| Fact::Token(Ok(token));
    vec![
        token(IntrospectedToken::BoundTo(thumbprint(CERTIFICATE))),
        token(IntrospectedToken::BoundTo(thumbprint(OTHER))),
        token(IntrospectedToken::Inactive),
        Fact::Token(Err(RegistryFault::NoList)),
        Fact::Revocation(RevocationStatus::Good),
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![Event::Withheld];
    for flag in [false, true] {
        events.push(Event::Trailers { is_given: flag });
        events.extend([false, true].map(|end| Event::Headers { end, is_given: flag }));
        for pieces in 0..=PIECES {
            events.extend([false, true].map(|end| Event::Body { pieces, end, is_given: flag }));
        }
    }
    events.extend((0..facts().len()).map(Event::Fact));
    events
}

impl Scenario {
    fn start(&self) -> BackendResponse {
        if self.is_metadata {
            let path = b"/.well-known/openid-configuration";
            let fields: [Field<'_>; 2] = [(b":method", b"GET"), (b":path", path)];
            let head = Head::of(Fields(&fields));
            let configuration = self.configuration();
            let discovery = configuration.discovery.as_deref().unwrap();
            return BackendResponse::to_metadata_request(discovery, &head).unwrap();
        }
        BackendResponse::to_token_request(TokenCheck {
            introspection: self.is_introspected.then(|| Arc::new(introspection_source())),
            ..token_check(self.mode)
        })
    }

    fn configuration(&self) -> Configuration {
        configuration(DISCOVERY)
    }

    fn after(&self, sequence: &[Event]) -> BackendResponse {
        let mut response = self.start();
        let mut buffered = 0;
        for &event in sequence {
            if let Event::Body { pieces, .. } = event {
                buffered = pieces;
            }
            self.report(&mut response, event, buffered);
        }
        response
    }

    fn report(&self, response: &mut BackendResponse, event: Event, pieces: usize) -> ResponseStep {
        let configuration = self.configuration();
        let fields = fields("200", &[("content-type", "application/json")]);
        let buffered = |pieces| self.body.len() * pieces / PIECES;
        let read = |is_given: bool| {
            move |length: usize| is_given.then(|| self.body.as_bytes()[..length].to_vec())
        };
        match event {
            Event::Headers { end, is_given } => {
                response.on_headers(is_given.then_some(Fields(&fields)), end)
            }
            Event::Body { pieces, end, is_given } => {
                response.on_body(&configuration, buffered(pieces), end, read(is_given))
            }
            Event::Trailers { is_given } => {
                response.on_end(&configuration, buffered(pieces), read(is_given))
            }
            Event::Fact(number) => response.on_fact(facts().swap_remove(number)),
            Event::Withheld => response.on_body_withheld(),
        }
    }
}

#[test]
fn every_order_of_callbacks_has_one_decision() {
    let (mut states, mut transitions) = (0, 0);
    for scenario in scenarios() {
        let mut known = HashSet::from([String::new()]);
        let mut nodes = vec![(Vec::new(), Seen::default())];
        let (mut at, mut leaves) = (0, false);
        while let Some((sequence, before)) = nodes.get(at).cloned() {
            at += 1;
            for event in events() {
                let mut seen: Seen = before.clone();
                if let Event::Body { pieces, .. } = event {
                    if pieces < seen.pieces {
                        continue;
                    }
                    seen.pieces = pieces;
                }
                transitions += 1;
                let mut response = scenario.after(&sequence);
                let progress = format!("{:?}", response.0);
                let step = scenario.report(&mut response, event, seen.pieces);
                let mut longer = sequence.clone();
                longer.push(event);
                let shown = format!("{}: {longer:?}: {step:?}", scenario.name);
                check(&scenario, event, &before, &mut seen, &step, &shown);
                let is_no_answer = matches!((&step, event), (ResponseStep::Wait, Event::Fact(_)));
                if before.is_decided || is_no_answer {
                    assert_eq!(format!("{:?}", response.0), progress, "{shown}");
                }
                let is_decided = matches!(response.0, Progress::Decided);
                assert_eq!(is_decided, seen.is_decided, "{shown}");
                leaves |= !before.is_decided && matches!(step, ResponseStep::Continue);
                if known.insert(format!("{:?} {seen:?}", response.0)) {
                    nodes.push((longer, seen));
                }
            }
        }
        println!("{}: {} states", scenario.name, nodes.len());
        states += nodes.len();
        assert_eq!(leaves, !scenario.is_metadata, "{}: some answer leaves", scenario.name);
    }
    // A search that became smaller has lost something.
    assert_eq!((states, transitions), SEARCHED, "also in docs/verification.md");
}

fn check(
    scenario: &Scenario,
    event: Event,
    before: &Seen,
    seen: &mut Seen,
    step: &ResponseStep,
    shown: &str,
) {
    if before.is_decided {
        // Nothing follows a decision but what the host has begun.
        assert!(matches!(step, ResponseStep::Continue | ResponseStep::Wait), "{shown}");
        return;
    }
    let is_end = match event {
        Event::Headers { end, .. } | Event::Body { end, .. } => end,
        Event::Trailers { .. } | Event::Withheld => true,
        Event::Fact(_) => false,
    };
    let is_awaiting = before.has_asked && before.fact.is_none();
    let is_answer =
        matches!(event, Event::Fact(number) if matches!(facts()[number], Fact::Token(_)));
    if let Event::Fact(number) = event
        && is_awaiting
        && is_answer
    {
        seen.fact = Some(number);
    }
    match step {
        ResponseStep::Wait => {
            // Headers come once: others while it is held or asked for are none.
            let is_repeated = matches!(event, Event::Headers { .. });
            assert!(!is_end || is_awaiting || is_repeated, "an end without a decision: {shown}");
        }
        ResponseStep::Ask(_) => {
            assert!(scenario.is_introspected && !before.has_asked && is_end, "{shown}");
            seen.has_asked = true;
        }
        ResponseStep::Continue => {
            assert!(!scenario.is_metadata, "{shown}");
            seen.is_decided = true;
            // An answer that has ended without a body has no token.
            let is_empty = seen.pieces == 0 && is_end;
            let is_bound = scenario.leaves && seen.pieces == PIECES;
            assert!(is_empty || is_bound || seen.fact == Some(0), "{shown}");
        }
        ResponseStep::Edit(_) | ResponseStep::Untouched(_) | ResponseStep::Undescribe => {
            assert!(scenario.is_metadata, "{shown}");
            seen.is_decided = true;
        }
        ResponseStep::Unbound(decision) => {
            assert!(!scenario.is_metadata && seen.fact != Some(0), "{shown}");
            assert_eq!(decision.passes(), scenario.mode == Mode::Shadow, "{shown}");
            seen.is_decided = true;
        }
    }
}
