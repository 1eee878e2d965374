//! What registries, the servers of key sets and other workers say about clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tls_client_auth::host::{
    Exchange, Fact, FetchedRegistry, Fields, Head, KeySets, Lookup, Question, Registration,
    RegistryAnswer, SharedData, Snapshot, Step, Version,
};
use tls_client_auth::inspect::{
    ClientListFormat, RegistrySource, TenantPolicy, TokenEndpointAuthMethod, convert_list,
};
use tls_client_auth::{ClientList, Code, Configuration, Decision, Peer};

use crate::requests::{NOW, PEER, TOKEN_REQUEST};

/// A list of clients in every format. What is converted is found in a list under each identifier,
/// and authenticates as it was converted.
pub(crate) fn client_list(octets: &[u8]) {
    _ = converted(octets);
    let Ok(list) = ClientList::parse(octets) else { return };
    for client_id in ["a", "client", ""] {
        if let Registration::Registered(client) = list.find(client_id) {
            assert_eq!(client.client_id(), client_id);
            assert!(occurs(octets, client_id), "{client_id}");
        }
    }
}

/// How many clients were converted.
fn converted(octets: &[u8]) -> usize {
    let mut number = 0;
    for format in [
        ClientListFormat::Authlete,
        ClientListFormat::Keycloak,
        ClientListFormat::Spring,
        ClientListFormat::Duende,
    ] {
        let Ok(conversions) = convert_list(octets, format) else { continue };
        let mut all = BTreeSet::new();
        for conversion in conversions {
            let Ok(clients) = conversion.clients else { continue };
            assert_eq!(clients.len(), conversion.client_ids.len(), "{}", conversion.pointer);
            for (client, client_id) in clients.iter().zip(&conversion.client_ids) {
                assert_eq!(client.get("client_id"), Some(&Value::from(&**client_id)));
                assert!(all.insert(client_id.clone()), "{client_id} twice");
                let list = ClientList::parse(json!([client]).to_string().as_bytes());
                let found = list.expect("a list").find(client_id);
                let Registration::Registered(found) = found else { panic!("{found:?}: {client}") };
                let method = client.get("token_endpoint_auth_method").and_then(Value::as_str);
                let is_by_certificate =
                    !matches!(found.method(), TokenEndpointAuthMethod::Other(_));
                let says_so = method.is_some_and(|method| method.ends_with("tls_client_auth"));
                assert_eq!(is_by_certificate, says_so, "{client}");
                number += 1;
            }
        }
    }
    number
}

/// Whether a text stands in JSON, or may stand there in another spelling.
fn occurs(octets: &[u8], text: &str) -> bool {
    octets.contains(&b'\\')
        || text.is_empty()
        || octets.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The exchange of a client with the certificate of [`PEER`], up to its first question.
fn asked(configuration: &Configuration) -> (Exchange, Step, Peer) {
    let head = Head::of(Fields(&TOKEN_REQUEST));
    let mut peer = PEER.clone();
    let mut exchange = Exchange::new(configuration, &head);
    let mut step = exchange.on_headers(configuration, &head, false, &mut peer);
    if matches!(step, Step::Wait) {
        step = exchange.on_body(11, true, |_| Some(b"client_id=a".to_vec()), &mut peer);
    }
    (exchange, step, peer)
}

fn decided(step: Step) -> Box<Decision> {
    let Step::Decide(decision) = step else { panic!("no decision: {step:?}") };
    decision
}

fn now() -> u64 {
    u64::try_from(NOW.0).expect("after 1970") * 1000
}

/// Lines up to an empty one as headers, and the rest as the body.
fn answer_of(octets: &[u8]) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let mut headers = Vec::new();
    let mut rest = octets;
    while let Some(end) = rest.iter().position(|octet| *octet == b'\n') {
        let (line, after) = rest.split_at(end);
        let Some(colon) = line.iter().position(|octet| *octet == b':') else { break };
        let (name, value) = line.split_at(colon);
        let Ok(name) = std::str::from_utf8(name) else { break };
        headers.push((name.to_ascii_lowercase(), value.get(1..).unwrap_or_default().to_vec()));
        rest = after.get(1..).unwrap_or_default();
    }
    (headers, rest.strip_prefix(b"\n").unwrap_or(rest).to_vec())
}

/// Gives `take` an answer with status 200 and these octets.
fn answered<T>(octets: &[u8], take: impl FnOnce(&RegistryAnswer<'_>) -> T) -> T {
    let (headers, body) = answer_of(octets);
    take(&RegistryAnswer {
        status: Some(200),
        headers: &headers,
        body_size: body.len(),
        read: &|length| body.get(..length).map(<[u8]>::to_vec),
    })
}

static AT_URI: LazyLock<Configuration> = LazyLock::new(|| {
    Configuration::parse(
        br#"{
            "endpoints": ["/token"],
            "jwks_uri": {"cluster": "k", "hosts": ["keys.example.com"]},
            "clients": [{"client_id": "a",
                "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks_uri": "https://keys.example.com/a"}]
        }"#,
    )
    .expect("a configuration")
});

/// The key set that a client publishes. A certificate counts only if a key of it, as another parser
/// reads it, has that certificate.
pub(crate) fn key_set(octets: &[u8]) {
    _ = has_own_key(octets);
}

fn has_own_key(octets: &[u8]) -> bool {
    let (mut exchange, step, mut peer) = asked(&AT_URI);
    let Step::Ask(question) = step else { panic!("asks nothing: {step:?}") };
    let Question::KeySet { uri, certificate } = *question else { panic!("another question") };
    let source = AT_URI.key_sets().expect("jwks_uri");
    let mut sets = KeySets::new(source);
    sets.wait(&uri, (), now());
    let requests = sets.take_requests();
    assert_eq!(requests.len(), 1);
    let outcome = answered(octets, |answer| sets.on_answer(&uri.to_string(), Some(answer), now()));
    assert_eq!(outcome.waiting.len(), 1);
    // What is held is what was said.
    if let Poll::Ready(known) = sets.find(&uri, &certificate, now()) {
        assert_eq!(outcome.result.as_ref().ok(), Some(&known));
    }
    let decision = decided(exchange.on_fact(Fact::KeySet(outcome.result), &mut peer));
    assert_eq!(decision.passes(), decision.code == Code::Authenticated);
    if decision.passes() {
        let (_, body) = answer_of(octets);
        let set: Value = serde_json::from_slice(&body).expect("JSON");
        let keys = set.get("keys").and_then(Value::as_array).expect("keys");
        let own = PEER.certificate.clone().expect("a certificate").expect("one that is read");
        let has_own = |key: &Value| {
            let x5t = key.get("x5t#S256").and_then(Value::as_str);
            let x5c = key.get("x5c").and_then(|chain| chain.get(0)).and_then(Value::as_str);
            x5t == std::str::from_utf8(&own.thumbprint().to_base64url()).ok()
                || x5c.is_some_and(|x5c| STANDARD.decode(x5c).as_deref() == Ok(own.der()))
        };
        assert!(keys.iter().any(has_own), "{set}");
    }
    decision.passes()
}

fn registry_of(mode: &str) -> Configuration {
    let text = json!({
        "endpoints": ["/token"],
        "registry": {
            "cluster": "r", "authority": "r.example.org", "mode": mode, "max_bytes": 65536,
            "path": if mode == "lookup" { "/clients/{client_id}" } else { "/clients" },
        },
    });
    Configuration::parse(text.to_string().as_bytes()).expect("a configuration")
}

fn fetched(configuration: &Configuration) -> Arc<FetchedRegistry> {
    let TenantPolicy::Known(policy) = configuration.policy_for(b"", b"/token") else {
        panic!("no tenants")
    };
    let RegistrySource::Fetched(registry) = &policy.registry else { panic!("not fetched") };
    registry.clone()
}

/// The answer of a registry about the client `a`. It is about no other one.
pub(crate) fn lookup(octets: &[u8]) {
    _ = looked_up(octets);
}

fn looked_up(octets: &[u8]) -> Code {
    static LOOKUP: LazyLock<Configuration> = LazyLock::new(|| registry_of("lookup"));
    let (mut exchange, step, mut peer) = asked(&LOOKUP);
    let Step::LookUp { registry, client_id } = step else { panic!("no lookup: {step:?}") };
    let mut lookups = Lookup::new(registry);
    assert!(lookups.wait(&client_id, ()).is_some());
    let outcome = answered(octets, |answer| lookups.on_answer(&client_id, Some(answer), now()));
    assert_eq!(outcome.waiting.len(), 1);
    if let Ok(Registration::Registered(client)) = &outcome.result {
        assert_eq!(client.client_id(), "a");
        assert!(occurs(octets, "a"));
    }
    if let Poll::Ready(held) = lookups.find(&client_id, now()) {
        assert_eq!(outcome.result.as_ref().ok(), Some(&held));
    }
    let registered = outcome.result.clone();
    let decision = decided(exchange.on_registration(outcome.result, &mut peer));
    assert_eq!(decision.passes(), decision.rejection.is_none());
    assert!(!decision.passes() || matches!(registered, Ok(Registration::Registered(_))));
    decision.code
}

/// What VMs share.
#[derive(Default)]
struct Memory(BTreeMap<String, (Vec<u8>, u32)>);

impl SharedData for Memory {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        let (value, version) = self.0.get(key)?;
        Some((value.clone(), Some(Version(*version))))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        let known = self.0.get(key).map(|(_, version)| *version);
        if expected.is_some_and(|expected| known.is_some_and(|known| Version(known) != expected)) {
            return false;
        }
        self.0.insert(key.to_owned(), (value.to_vec(), known.unwrap_or_default() + 1));
        true
    }
}

/// Pages of a list, which a line `--` divides; the last one is given again and again. The registry
/// is asked nothing but pages of the list, and a client is one of a page.
pub(crate) fn list_pages(octets: &[u8]) {
    _ = listed(octets);
}

/// Whether the client `a` is registered at last.
fn listed(octets: &[u8]) -> bool {
    static SNAPSHOT: LazyLock<Configuration> = LazyLock::new(|| registry_of("snapshot"));
    let mut snapshot = Snapshot::new(fetched(&SNAPSHOT), false, 7);
    let mut memory = Memory::default();
    let text = octets.split(|octet| *octet == b'\n').collect::<Vec<_>>();
    let pages: Vec<Vec<u8>> =
        text.split(|line| *line == b"--").map(|lines| lines.join(&b'\n')).collect();
    let mut asked = 0;
    for tick in 0..40 {
        let time = now() + tick * 1000;
        let outcome = snapshot.tick(Duration::from_secs(1), time, &mut memory, &mut || true);
        let Some(request) = outcome.request else { continue };
        for (name, value) in &request.headers {
            assert!(value.bytes().all(|octet| (0x21..0x7f).contains(&octet) || octet == b' '));
            match &**name {
                ":path" => assert!(value.starts_with('/') && !value.contains([' ', '#'])),
                ":authority" => assert_eq!(**value, *"r.example.org"),
                _ => {}
            }
        }
        let page = pages.get(asked).or(pages.last()).cloned().unwrap_or_default();
        asked += 1;
        answered(&page, |answer| {
            snapshot.on_answer(RegistryAnswer { ..*answer });
        });
    }
    let found = snapshot.find("a", &|| now() + 40_000, &mut memory);
    let is_registered = matches!(&found, Ok(Registration::Registered(_)));
    if let Ok(Registration::Registered(client)) = found {
        assert_eq!(client.client_id(), "a");
        assert!(pages.iter().any(|page| occurs(page, "a")));
    }
    is_registered
}

/// Values of shared data: the lengths of the first two in an octet each, and the head, the lease
/// and every shard.
struct Same<'a>([&'a [u8]; 3]);

impl<'a> Same<'a> {
    fn of(octets: &'a [u8]) -> Self {
        let [head, lease, rest @ ..] = octets else { return Self([&[]; 3]) };
        let (head, rest) = rest.split_at(rest.len().min((*head).into()));
        let (lease, shard) = rest.split_at(rest.len().min((*lease).into()));
        Self([head, lease, shard])
    }
}

impl SharedData for Same<'_> {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        let [head, lease, shard] = self.0;
        let value = match key.rsplit('/').next() {
            Some("head") => head,
            Some("lease") => lease,
            _ => shard,
        };
        Some((value.to_vec(), Some(Version(1))))
    }

    fn write(&mut self, _: &str, _: &[u8], _: Option<Version>) -> bool {
        true
    }
}

/// What another worker has left in shared data. It is an answer or an error, and a client has the
/// identifier that was asked for.
pub(crate) fn shared_data(octets: &[u8]) {
    _ = shared(octets);
}

/// Whether the client `a` is registered.
fn shared(octets: &[u8]) -> bool {
    static SNAPSHOT: LazyLock<Configuration> = LazyLock::new(|| registry_of("snapshot"));
    let mut snapshot = Snapshot::new(fetched(&SNAPSHOT), false, 7);
    let mut shared = Same::of(octets);
    let mut is_registered = false;
    for tick in 0..4 {
        let time = now() + tick * 1000;
        snapshot.tick(Duration::from_secs(1), time, &mut shared, &mut || true);
        let found = snapshot.find("a", &|| time, &mut shared);
        if let Ok(Registration::Registered(client)) = found {
            assert_eq!(client.client_id(), "a");
            is_registered = true;
        }
    }
    is_registered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the targets examine is reached.
    #[test]
    fn the_corpus_has_what_counts() {
        assert_eq!(converted(include_bytes!("../corpus/client_list/keycloak")), 5);
        assert!(has_own_key(include_bytes!("../corpus/key_set/x5t")));
        assert!(has_own_key(include_bytes!("../corpus/key_set/x5c")));
        assert!(!has_own_key(include_bytes!("../corpus/key_set/another")));
        assert_eq!(looked_up(include_bytes!("../corpus/lookup/client")), Code::Authenticated);
        assert_ne!(looked_up(include_bytes!("../corpus/lookup/another")), Code::Authenticated);
        assert!(listed(include_bytes!("../corpus/list_pages/one")));
        assert!(listed(include_bytes!("../corpus/list_pages/link")));
        assert!(listed(include_bytes!("../corpus/list_pages/one")));
        assert!(!listed(include_bytes!("../corpus/list_pages/half")));
        assert!(shared(include_bytes!("../corpus/shared_data/list")));
        assert!(!shared(include_bytes!("../corpus/shared_data/damaged")));
    }
}
