//! Every order of the callbacks that a host may give, also those that no host gives today: nothing
//! is taken from it but that a body does not become shorter. Equal states of the exchange are
//! examined once, so that sequences of every length are covered.

use std::collections::{BTreeMap, HashMap};
use std::mem::{Discriminant, discriminant};

use super::*;
use crate::certificate::Thumbprint;
use crate::facts::{Fact, Question};
use crate::registry::KeySet;

/// 1 January 2027, when the certificate is valid.
const NOW: UnixTime = UnixTime(1_798_761_600);
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
        ServerName::Absent
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

/// What the host has seen. A sequence is checked against this alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    pieces: usize,
    has_begun: bool,
    has_lookup: bool,
    /// The answers that the exchange took.
    registration: Option<usize>,
    facts: Vec<usize>,
    questions: Vec<Discriminant<Question>>,
    /// Whether a lookup or a question has no answer yet.
    is_asking: bool,
    /// Whether the request was decided, and whether it may go on.
    decided: Option<bool>,
}

/// The answers to questions. The answers to a further question are further lines.
fn facts() -> Vec<(&'static str, Fact)> {
    let failed = || Err(RegistryFault::NoList);
    vec![
        ("has it", Fact::KeySet(Ok(KeySet::of(&[certificate().thumbprint()])))),
        ("lacks it", Fact::KeySet(Ok(KeySet::of(&[Thumbprint::of(b"another")])))),
        ("time-out", Fact::KeySet(failed())),
    ]
}

struct Scenario {
    name: &'static str,
    configuration: &'static str,
    path: &'static str,
    body: &'static str,
    /// Codes of the requests that pass.
    passes: &'static [Code],
}

const TLS: &str = r#"{"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=client.example.org,O=Client,L=Chiyoda-ku,ST=Tokyo,C=JP"}"#;
const OF_ANOTHER: &str = r#"{"client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "CN=another"}"#;
const AT_URI: &str = r#"{"client_id": "a",
    "token_endpoint_auth_method": "self_signed_tls_client_auth",
    "jwks_uri": "https://keys.example.com/a"}"#;
const OTHER: &str = r#"{"client_id": "a", "token_endpoint_auth_method": "none"}"#;

const LOOKUP: &str = r#""registry": {
    "cluster": "r", "authority": "r", "path": "/{client_id}", "mode": "lookup"},
    "jwks_uri": {"cluster": "k", "hosts": ["keys.example.com"]}, "endpoints": ["/token"]"#;

/// `TLS`, `LOOKUP` and the other words stand for the texts above.
const SCENARIOS: [Scenario; 9] = [
    Scenario {
        name: "embedded clients",
        configuration: r#"{"clients": [TLS], "endpoints": ["/token"]}"#,
        path: "/token",
        body: "client_id=a&grant_type=client_credentials",
        passes: &[Code::Authenticated],
    },
    Scenario {
        name: "embedded clients, another certificate",
        configuration: r#"{"clients": [OF_ANOTHER], "endpoints": ["/token"]}"#,
        path: "/token",
        body: "client_id=a&grant_type=client_credentials",
        passes: &[],
    },
    Scenario {
        name: "a set of keys",
        configuration: r#"{"clients": [AT_URI], "endpoints": ["/token"],
            "jwks_uri": {"cluster": "k", "hosts": ["keys.example.com"]}}"#,
        path: "/token",
        body: "client_id=a&grant_type=client_credentials",
        passes: &[Code::Authenticated],
    },
    Scenario {
        name: "lookups",
        configuration: "{LOOKUP}",
        path: "/token",
        body: "client_id=a&grant_type=client_credentials",
        passes: &[Code::Authenticated, Code::PassedOtherMethod],
    },
    Scenario {
        name: "lookups, unregistered clients pass, others do not",
        configuration: r#"{LOOKUP, "unregistered_clients": "pass", "other_methods": "reject"}"#,
        path: "/token",
        body: "client_id=a&grant_type=client_credentials",
        passes: &[Code::Authenticated, Code::PassedUnregistered],
    },
    Scenario {
        name: "lookups in shadow",
        configuration: r#"{LOOKUP, "mode": "shadow"}"#,
        path: "/token",
        body: "client_id=a&grant_type=client_credentials",
        passes: Code::ALL,
    },
    Scenario {
        name: "a body that is too large",
        configuration: r#"{LOOKUP, "max_body_bytes": 20}"#,
        path: "/token",
        body: "client_id=a&grant_type=client_credentials",
        // The first two pieces are a whole body to a host that ends there.
        passes: &[Code::Authenticated, Code::PassedOtherMethod],
    },
    Scenario {
        name: "no client",
        configuration: r#"{LOOKUP, "unidentified_clients": "pass"}"#,
        path: "/token",
        body: "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer",
        passes: &[Code::PassedUnidentified],
    },
    Scenario {
        name: "another path",
        configuration: "{LOOKUP}",
        path: "/jwks.json",
        body: "client_id=a&grant_type=client_credentials",
        passes: &[Code::NotGated],
    },
];

impl Scenario {
    fn configuration(&self) -> Configuration {
        let mut text = self.configuration.to_owned();
        let texts =
            [("TLS", TLS), ("OF_ANOTHER", OF_ANOTHER), ("AT_URI", AT_URI), ("LOOKUP", LOOKUP)];
        for (word, stands_for) in texts {
            text = text.replace(&format!("[{word}]"), &format!("[{stands_for}]"));
            text = text.replace(&format!("{{{word}"), &format!("{{{stands_for}"));
        }
        Configuration::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The octets that are buffered with so many pieces.
    fn buffered(&self, pieces: usize) -> usize {
        self.body.len() * pieces / PIECES
    }

    fn events(&self, registrations: usize, facts: usize) -> Vec<Event> {
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
        events.extend((0..registrations).map(Event::Registration));
        events.extend((0..facts).map(Event::Fact));
        events
    }
}

/// What a registry may answer.
fn registrations() -> Vec<Result<Registration, RegistryFault>> {
    let registered = |client: &str| {
        let text = format!(
            r#"{{"clients": [{client}],
                "jwks_uri": {{"cluster": "k", "hosts": ["keys.example.com"]}}}}"#
        );
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
    fn head_fields(&self) -> Vec<Field<'_>> {
        let fields = [
            (":method", "POST"),
            (":path", self.scenario.path),
            (":authority", "as.example.com"),
            FORM,
        ];
        fields.map(|(name, value)| (name.as_bytes(), value.as_bytes())).into()
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
        assert!(!is_taken || node.seen.is_asking, "an answer that was not asked for: {shown}");
        match &step {
            Step::Wait => {
                assert!(!is_end || node.seen.is_asking, "an end without a decision: {shown}");
                assert!(!is_taken, "an answer without a decision: {shown}");
            }
            Step::LookUp { client_id, .. } => {
                assert!(seen.decided.is_none() && is_end && !seen.has_lookup, "{shown}");
                assert_eq!(**client_id, *"a", "{shown}");
                (seen.has_lookup, seen.is_asking) = (true, true);
            }
            Step::Ask(question) => {
                let question = discriminant(&**question);
                assert!(seen.decided.is_none() && !seen.questions.contains(&question), "{shown}");
                seen.questions.push(question);
                seen.is_asking = true;
            }
            Step::Decide(decision) => {
                assert_eq!(seen.decided, None, "a second decision: {shown}");
                self.check_decision(decision, event, &seen, &shown);
                seen.decided = Some(decision.passes());
                seen.is_asking = false;
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
        if decision.code == Code::Authenticated && self.scenario.configuration.contains("LOOKUP") {
            let client = client.unwrap_or_else(|| panic!("no registered client: {shown}"));
            assert!(client.jwks_uri().is_none() || facts == ["has it"], "{shown}");
        }
        if decision.code == Code::PassedUnregistered {
            assert_eq!(registered, Some(&Ok(Registration::Unregistered)), "{shown}");
        }
    }
}

/// Sequences of at most this length are counted.
const COUNTED: usize = 10;

#[test]
fn every_order_of_callbacks_has_one_decision() {
    for scenario in &SCENARIOS {
        let mut search = Search {
            scenario,
            configuration: scenario.configuration(),
            registrations: registrations(),
            facts: facts(),
            verdicts: BTreeMap::new(),
            passed: Vec::new(),
        };
        let events = scenario.events(search.registrations.len(), search.facts.len());
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
        println!(
            "{}: {} states, {} transitions; {sequences} sequences of at most {COUNTED} events; the \
             farthest state is {longest:?} events away",
            scenario.name,
            nodes.len(),
            edges.iter().map(Vec::len).sum::<usize>(),
        );
        for code in scenario.passes.iter().filter(|_| scenario.passes != Code::ALL) {
            assert!(search.passed.contains(code), "{}: never {code:?}", scenario.name);
        }
        assert!(nodes.len() > 10, "{}", scenario.name);
    }
}
