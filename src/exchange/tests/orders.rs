//! Every order of the callbacks that a host may give, also those that no host gives today: nothing
//! is taken from it but that a body does not become shorter. Equal states of the exchange are
//! examined once, so that sequences of every length are covered.

mod scenario;

use std::collections::{BTreeMap, HashMap};

use self::scenario::{AT_URI, KEY_SETS, OF_ANOTHER, OTHER, SCENARIOS, Scenario, TLS};
use super::*;
use crate::certificate::Thumbprint;
use crate::downstream::VerifiedClaim;
use crate::facts::{Fact, Question};
use crate::registry::{IntrospectedToken, KeySet};
use crate::revocation::{RevocationStatus, RevokedBy};

/// 1 January 2027, when the certificate is valid.
const NOW: UnixTime = UnixTime(1_798_761_600);
const AUTHORITY: &str = "as.example.com";
const CERTIFICATE: &[u8] = include_bytes!("../../../tests/bench/client.pem");
/// The pieces of a body. After the last one, only empty ones follow.
const PIECES: usize = 4;

/// A connection with the client's certificate.
struct Connection;

fn certificate() -> PeerCertificate {
    PeerCertificate::from_pem(CERTIFICATE).unwrap()
}

impl Downstream for Connection {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        Ok(NOW)
    }
    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        Ok(Arc::new(certificate()))
    }
    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        Some(true)
    }
    fn server_name(&mut self) -> ServerName {
        ServerName::Name(AUTHORITY.as_bytes().into())
    }
    fn verified_thumbprint(&mut self, _: &str) -> VerifiedClaim {
        VerifiedClaim::Value(certificate().thumbprint().to_base64url().to_vec())
    }
}

/// A callback of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Headers {
        end: bool,
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
    /// The answer to a lookup, asked for or not: the number of one of `Scenario::registrations`.
    Registration(usize),
    /// A fact, asked for or not: the number of one of `facts`.
    Fact(usize),
    BodyWithheld,
    RemovalFailed,
    WriteFailed,
}

/// Whom the exchange may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    Registry,
    KeySet,
    Revocation,
    Token,
}

impl Asked {
    fn by(question: &Question) -> Self {
        match question {
            Question::KeySet { .. } => Self::KeySet,
            Question::Revocation { .. } => Self::Revocation,
            Question::Token { .. } => Self::Token,
        }
    }

    /// Who answers so.
    fn of(fact: &Fact) -> Self {
        match fact {
            Fact::KeySet(_) => Self::KeySet,
            Fact::Revocation(_) => Self::Revocation,
            Fact::Token(_) => Self::Token,
        }
    }
}

/// What the host has seen. A sequence is checked against this alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    pieces: usize,
    has_begun: bool,
    /// The answers that the exchange took.
    registration: Option<usize>,
    facts: Vec<usize>,
    asked: Vec<Asked>,
    /// What has no answer yet.
    awaited: Option<Asked>,
    /// Whether the request was decided, and whether it may go on.
    decided: Option<bool>,
}

/// The answers to questions. The answers to a further question are further lines.
fn facts() -> Vec<(&'static str, Fact)> {
    let own = certificate().thumbprint();
    let another = Thumbprint::of(b"another");
    let revoked = RevokedBy::Ocsp { responder: "r".into(), revoked_at: NOW };
    let token = |token| Fact::Token(Ok(token));
    vec![
        ("has it", Fact::KeySet(Ok(KeySet::of(&[own])))),
        ("lacks it", Fact::KeySet(Ok(KeySet::of(&[another])))),
        ("no key set", Fact::KeySet(Err(RegistryFault::NoList))),
        ("good", Fact::Revocation(RevocationStatus::Good)),
        ("revoked", Fact::Revocation(RevocationStatus::Revoked(revoked))),
        ("not known", Fact::Revocation(RevocationStatus::not_asked())),
        ("bound to it", token(IntrospectedToken::BoundTo(own))),
        ("bound to another", token(IntrospectedToken::BoundTo(another))),
        ("not bound", token(IntrospectedToken::Unbound)),
        ("not readable", token(IntrospectedToken::Unreadable)),
        ("not active", token(IntrospectedToken::Inactive)),
        ("no answer", Fact::Token(Err(RegistryFault::NoList))),
    ]
}

impl Seen {
    fn ask(&mut self, whom: Asked, shown: &str) {
        assert!(self.decided.is_none() && !self.asked.contains(&whom), "{shown}");
        self.asked.push(whom);
        self.awaited = Some(whom);
    }
}

/// What a registry may answer.
fn registrations() -> Vec<Result<Registration, RegistryFault>> {
    let registered = |client: &str| {
        let text = format!(r#"{{"clients": [{client}], {KEY_SETS}}}"#);
        let configuration = Configuration::parse(text.as_bytes()).unwrap();
        let TenantPolicy::Known(policy) = configuration.policy_for(b"", b"/") else {
            panic!("no tenants")
        };
        let RegistrySource::Embedded(registry) = &policy.registry else { panic!("embedded") };
        registry.find("a")
    };
    let mut all: Vec<_> =
        [TLS, OF_ANOTHER, AT_URI, OTHER].map(|client| Ok(registered(client))).into();
    all.push(Ok(Registration::Unregistered));
    all.push(Ok(Registration::Unusable("why".into())));
    all.push(Err(RegistryFault::NoList));
    all
}

/// One state, and a sequence that leads to it.
struct Node {
    sequence: Vec<Event>,
    seen: Seen,
}

struct Search<'a> {
    scenario: &'a Scenario,
    configuration: Configuration,
    registrations: Vec<Result<Registration, RegistryFault>>,
    facts: Vec<(&'static str, Fact)>,
    /// The code for the same bytes, answers and faults.
    verdicts: BTreeMap<String, Code>,
    passed: Vec<Code>,
}

impl Search<'_> {
    fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::BodyWithheld, Event::RemovalFailed, Event::WriteFailed];
        events.extend([false, true].map(|end| Event::Headers { end }));
        events.extend([false, true].map(|is_given| Event::Trailers { is_given }));
        for pieces in 0..=PIECES {
            events.push(Event::Body { pieces, end: false, is_given: true });
            events.extend([false, true].map(|is_given| Event::Body {
                pieces,
                end: true,
                is_given,
            }));
        }
        events.extend((0..self.registrations.len()).map(Event::Registration));
        events.extend((0..self.facts.len()).map(Event::Fact));
        events
    }

    fn head_fields(&self) -> Vec<Field<'_>> {
        let pseudo =
            [(":method", "POST"), (":path", self.scenario.path), (":authority", AUTHORITY)];
        let fields = pseudo.iter().chain(self.scenario.fields);
        fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }

    fn start(&self) -> Exchange {
        Exchange::new(&self.configuration, &Head::of(Fields(&self.head_fields())))
    }

    /// Reports one event. `None` = nothing is reported: the host has no write that could fail.
    fn report(&self, exchange: &mut Exchange, event: Event, seen: &Seen) -> Option<Step> {
        let fields = self.head_fields();
        let fields = Fields(&fields);
        let head = Head::of(fields);
        let given = |is_given: bool| {
            let body = self.scenario.body;
            move |length: usize| is_given.then(|| body.as_bytes()[..length].to_vec())
        };
        Some(match event {
            Event::Headers { end } => {
                exchange.on_headers(&self.configuration, &head, end, &mut Connection)
            }
            Event::Body { pieces, end, is_given } => {
                let buffered = self.scenario.buffered(pieces);
                exchange.on_body(buffered, end, given(is_given), &mut Connection)
            }
            Event::Trailers { is_given } => exchange.on_end(given(is_given), &mut Connection),
            Event::Registration(number) => {
                exchange.on_registration(self.registrations[number].clone(), &mut Connection)
            }
            Event::Fact(number) => exchange.on_fact(self.facts[number].1.clone(), &mut Connection),
            Event::BodyWithheld => exchange.on_body_withheld(),
            Event::RemovalFailed => exchange.on_removal_failed(&head, HostError::HeaderRemoval),
            Event::WriteFailed if seen.decided == Some(true) => {
                let decision = exchange.on_write_failed(RequestSummary::default());
                assert_eq!((decision.code, decision.passes()), (Code::HostError, false));
                Step::Decided { passed: false }
            }
            Event::WriteFailed => return None,
        })
    }

    /// The state after one more event, which is checked.
    fn follow(&mut self, node: &Node, event: Event) -> Option<(String, Node)> {
        let mut seen = node.seen.clone();
        if let Event::Body { pieces, .. } = event {
            if pieces < seen.pieces {
                return None;
            }
            seen.pieces = pieces;
        }
        let is_first = !seen.has_begun;
        seen.has_begun |= matches!(event, Event::Headers { .. });
        let mut exchange = self.start();
        let mut before = Seen::default();
        for &earlier in &node.sequence {
            if earlier == Event::WriteFailed {
                before.decided = Some(true);
            }
            self.report(&mut exchange, earlier, &before);
        }
        let progress = format!("{:?}", exchange.progress);
        let step = self.report(&mut exchange, event, &node.seen)?;
        let mut sequence = node.sequence.clone();
        sequence.push(event);
        let shown = format!("{}: {sequence:?}: {step:?}", self.scenario.name);
        let is_end = match event {
            // Headers come once. Others change nothing.
            Event::Headers { end } => end && is_first,
            Event::Body { end, .. } => end,
            Event::Trailers { .. } => true,
            _ => false,
        };
        let is_answer = matches!(event, Event::Registration(_) | Event::Fact(_));
        let is_taken = is_answer && format!("{:?}", exchange.progress) != progress;
        match event {
            Event::Registration(number) if is_taken => seen.registration = Some(number),
            Event::Fact(number) if is_taken => seen.facts.push(number),
            _ => {}
        }
        let answers = match event {
            Event::Registration(_) => Some(Asked::Registry),
            Event::Fact(number) => Some(Asked::of(&self.facts[number].1)),
            _ => None,
        };
        let is_asked_for = answers.is_some() && answers == node.seen.awaited;
        assert_eq!(is_taken, is_asked_for, "an answer that was not asked for: {shown}");
        match &step {
            Step::Wait => {
                let awaits = node.seen.awaited.is_some();
                assert!(!is_end || awaits, "an end without a decision: {shown}");
                assert!(!is_taken, "an answer without a decision: {shown}");
            }
            Step::LookUp { client_id, .. } => {
                assert!(is_end, "{shown}");
                assert_eq!(**client_id, *"a", "{shown}");
                seen.ask(Asked::Registry, &shown);
            }
            Step::Ask(question) => seen.ask(Asked::by(question), &shown),
            Step::Decide(decision) => {
                assert_eq!(seen.decided, None, "a second decision: {shown}");
                self.check_decision(decision, event, &seen, &shown);
                seen.decided = Some(decision.passes());
                seen.awaited = None;
            }
            Step::Decided { passed } => {
                let is_failure = matches!(event, Event::RemovalFailed | Event::WriteFailed);
                let was = seen.decided.unwrap_or_else(|| panic!("no decision: {shown}"));
                assert!(*passed == was || (is_failure && was), "{shown}");
                seen.decided = Some(*passed);
            }
        }
        assert_eq!(exchange.has_passed(), seen.decided == Some(true), "{shown}");
        assert!(!(exchange.is_held() && seen.decided.is_some()), "{shown}");
        let state = format!("{:?} {:?} {seen:?}", exchange.progress, exchange.checks);
        Some((state, Node { sequence, seen }))
    }

    fn check_decision(&mut self, decision: &Decision, event: Event, seen: &Seen, shown: &str) {
        let fault = match event {
            Event::BodyWithheld => "withheld",
            Event::RemovalFailed => "not removed",
            Event::Body { is_given: false, .. } | Event::Trailers { is_given: false }
                if seen.pieces > 0 =>
            {
                "not given"
            }
            _ if !seen.has_begun => "no headers",
            _ => "",
        };
        let Seen { pieces, registration, facts, .. } = seen;
        // A request that has no body has no pieces, and one that is not gated is decided before.
        let octets = if decision.code == Code::NotGated { 0 } else { *pieces };
        let of = format!("{octets} pieces, {registration:?}, {facts:?} {fault}");
        // A body is too large as soon as that is known.
        if decision.code != Code::BodyTooLarge {
            let code = *self.verdicts.entry(of.clone()).or_insert(decision.code);
            assert_eq!(code, decision.code, "two verdicts for {of}: {shown}");
        }
        if decision.passes() {
            assert!(self.scenario.passes.contains(&decision.code), "{shown}");
            let is_shadow = self.scenario.passes == Code::ALL;
            assert!(is_shadow || (fault.is_empty() && decision.rejection.is_none()), "{shown}");
            self.passed.push(decision.code);
        }
        let facts: Vec<_> = facts.iter().map(|number| self.facts[*number].0).collect();
        let registered = registration.map(|number| &self.registrations[number]);
        let client = match registered {
            Some(Ok(Registration::Registered(client))) => Some(client),
            _ => None,
        };
        let has = |word| self.scenario.configuration.contains(word);
        if decision.code == Code::Authenticated && has("@LOOKUP") {
            let client = client.unwrap_or_else(|| panic!("no registered client: {shown}"));
            let needed = match client.jwks_uri() {
                Some(_) => &["has it"][..],
                None if has("@REVOCATION") => &["good"],
                None => &[],
            };
            assert_eq!(facts, needed, "{shown}");
        }
        if decision.code == Code::TokenBound {
            let needed = if has("@INTROSPECTION") { &["bound to it"][..] } else { &[] };
            assert_eq!(facts, needed, "{shown}");
        }
        if decision.code == Code::PassedUnregistered {
            assert_eq!(registered, Some(&Ok(Registration::Unregistered)), "{shown}");
        }
    }
}

/// Configurations, states and transitions.
const SEARCHED: (usize, usize, usize) = (20, 1_545, 51_052);
/// Sequences of at most this length are counted.
const COUNTED: usize = 10;

#[test]
fn every_order_of_callbacks_has_one_decision() {
    let (mut states, mut transitions) = (0, 0);
    for scenario in &SCENARIOS {
        let mut search = Search {
            scenario,
            configuration: scenario.configuration(),
            registrations: registrations(),
            facts: facts(),
            verdicts: BTreeMap::new(),
            passed: Vec::new(),
        };
        let events = search.events();
        let mut numbers = HashMap::from([(String::new(), 0)]);
        let mut nodes = vec![Node { sequence: Vec::new(), seen: Seen::default() }];
        let mut edges: Vec<Vec<usize>> = Vec::new();
        while let Some(node) = nodes.get(edges.len()) {
            let node = Node { sequence: node.sequence.clone(), seen: node.seen.clone() };
            let mut to = Vec::new();
            for &event in &events {
                let Some((state, next)) = search.follow(&node, event) else { continue };
                let number = *numbers.entry(state).or_insert(nodes.len());
                if number == nodes.len() {
                    nodes.push(next);
                }
                to.push(number);
            }
            edges.push(to);
        }
        // How many sequences there are: those of each length to each state.
        let mut ways = vec![0_u128; nodes.len()];
        ways[0] = 1;
        let mut sequences = 0_u128;
        for _ in 0..COUNTED {
            let mut next = vec![0_u128; nodes.len()];
            for (from, to) in edges.iter().enumerate() {
                to.iter().for_each(|to| next[*to] += ways[from]);
            }
            ways = next;
            sequences += ways.iter().sum::<u128>();
        }
        let longest = nodes.iter().map(|node| node.sequence.len()).max();
        let to = edges.iter().map(Vec::len).sum::<usize>();
        println!(
            "{}: {} states, {to} transitions; {sequences} sequences of at most {COUNTED} events; \
             the farthest state is {longest:?} events away",
            scenario.name,
            nodes.len(),
        );
        states += nodes.len();
        transitions += to;
        for code in scenario.passes.iter().filter(|_| scenario.passes != Code::ALL) {
            assert!(search.passed.contains(code), "{}: never {code:?}", scenario.name);
        }
    }
    // A search that became smaller has lost something.
    assert_eq!((SCENARIOS.len(), states, transitions), SEARCHED, "also in docs/verification.md");
}
