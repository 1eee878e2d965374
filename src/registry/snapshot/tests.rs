//! A process of several VMs and a registry, without any host: time is a number, requests and
//! answers are values.

use std::collections::{BTreeMap, HashMap};

use super::super::error::FetchError;
use super::super::fetched::{FetchMode, RegistryRequest};
use super::super::list::IncompleteList;
use super::*;

/// The shared data of a process.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) values: HashMap<String, (Vec<u8>, u32)>,
    writes: u32,
}

impl SharedData for Process {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        self.values.get(key).map(|(value, version)| (value.clone(), Some(Version(*version))))
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        let current = self.values.get(key).map(|(_, version)| *version);
        if let (Some(current), Some(Version(expected))) = (current, expected)
            && current != expected
        {
            return false;
        }
        self.writes += 1;
        self.values.insert(key.to_owned(), (value.to_vec(), self.writes));
        true
    }
}

/// One page of the registry's answer.
#[derive(Clone)]
struct Page {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn page(body: impl Into<String>) -> Page {
    Page { status: 200, headers: Vec::new(), body: body.into() }
}

impl Page {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

fn status(status: u16) -> Page {
    Page { status, ..page("") }
}

/// So many clients, and the body that lists them.
fn list(clients: impl Iterator<Item = String>) -> String {
    let clients: Vec<String> = clients.map(|id| client(&id, &format!("CN={id}"))).collect();
    format!("[{}]", clients.join(","))
}

fn client(id: &str, dn: &str) -> String {
    format!(
        "{{\"client_id\":\"{id}\",\"token_endpoint_auth_method\":\"tls_client_auth\",\"tls_client_auth_subject_dn\":\"{dn}\"}}"
    )
}

fn numbered(from: usize, to: usize) -> String {
    list((from..to).map(|n| format!("c{n}")))
}

const TICK: Duration = Duration::from_millis(250);

fn registry(change: impl FnOnce(&mut FetchedRegistry)) -> Arc<FetchedRegistry> {
    let mut registry = FetchedRegistry {
        identity: "r".into(),
        cluster: "registry".into(),
        authority: "registry.test".into(),
        path: "/clients".into(),
        mode: FetchMode::Snapshot { max_pages: 5, allow_empty: false },
        refresh: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
        max_stale: Duration::from_secs(100),
        headers: vec![("authorization".into(), "Bearer x".into())],
        max_bytes: 1 << 20,
        generation_header: None,
    };
    change(&mut registry);
    Arc::new(registry)
}

/// A process of VMs, and a registry that answers by path. A path without an answer is never
/// answered.
struct World {
    process: Process,
    vms: Vec<Option<Snapshot>>,
    registry: Arc<FetchedRegistry>,
    /// Whether whom the list lacks may pass.
    is_strict: bool,
    pages: BTreeMap<&'static str, Page>,
    /// What a path answers when it has been asked for once more, and again.
    sequels: BTreeMap<&'static str, Vec<Page>>,
    now: u64,
    /// Which VM asked what, in order.
    asked: Vec<(usize, String)>,
    requests: Vec<RegistryRequest>,
    reports: Vec<RefreshEvent>,
}

impl World {
    fn new(vms: usize, registry: Arc<FetchedRegistry>, body: impl Into<String>) -> Self {
        Self::of(vms, registry, false, body)
    }

    fn of(
        vms: usize,
        registry: Arc<FetchedRegistry>,
        is_strict: bool,
        body: impl Into<String>,
    ) -> Self {
        // Born in the same nanosecond, they have the same number.
        let snapshots =
            (0..vms).map(|_| Some(Snapshot::new(registry.clone(), is_strict, 7))).collect();
        Self {
            process: Process::default(),
            vms: snapshots,
            registry,
            is_strict,
            pages: BTreeMap::from([("/clients", page(body))]),
            sequels: BTreeMap::new(),
            now: 1_000_000,
            asked: vec![],
            requests: vec![],
            reports: vec![],
        }
    }

    fn serve(&mut self, path: &'static str, page: Page) {
        self.pages.insert(path, page);
    }

    /// The first of these is the next answer, then comes the second; the last one stays.
    fn serve_each(&mut self, path: &'static str, mut pages: Vec<Page>) {
        pages.reverse();
        self.pages.insert(path, pages.pop().expect("a page"));
        self.sequels.insert(path, pages);
    }

    /// One tick of every VM, each with the time for so many pieces of work, and the answers to what
    /// they ask.
    fn tick_with(&mut self, pieces: usize) {
        self.now += TICK.as_millis() as u64;
        for vm in 0..self.vms.len() {
            let Some(snapshot) = &mut self.vms[vm] else { continue };
            let mut left = pieces;
            let mut has_time = || {
                left = left.saturating_sub(1);
                left > 0
            };
            let turn = snapshot.tick(TICK, self.now, &mut self.process, &mut has_time);
            self.reports.extend(snapshot.take_events());
            if let Some(request) = turn.request {
                assert!(!turn.is_busy);
                self.answer(vm, &request);
            }
        }
    }

    fn answer(&mut self, vm: usize, request: &RegistryRequest) {
        let path =
            request.headers.iter().find(|(name, _)| **name == *":path").unwrap().1.to_string();
        let page = self.pages.get(path.as_str()).cloned();
        if let Some((path, sequel)) = self.sequels.iter_mut().find(|(known, _)| ***known == *path)
            && let Some(next) = sequel.pop()
        {
            self.pages.insert(path, next);
        }
        self.asked.push((vm, path));
        self.requests.push(request.clone());
        let Some(page) = page else { return };
        let mut headers = vec![(":status".to_owned(), page.status.to_string().into_bytes())];
        headers.extend(
            page.headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes())),
        );
        let read = |length: usize| Some(page.body.as_bytes()[..length].to_vec());
        let answer = RegistryAnswer {
            status: Some(page.status),
            headers: &headers,
            body_size: page.body.len(),
            read: &read,
        };
        self.vms[vm].as_mut().unwrap().on_answer(answer);
    }

    fn tick(&mut self) {
        self.tick_with(usize::MAX);
    }

    fn run(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis().div_ceil(TICK.as_millis()) {
            self.tick();
        }
    }

    /// Until this is so; returns after how many ticks.
    fn until(&mut self, is_so: impl Fn(&Self) -> bool) -> usize {
        let ticks = (0..1000).find(|_| {
            self.tick();
            is_so(self)
        });
        ticks.unwrap_or_else(|| panic!("never: {:?}", self.reports))
    }

    /// Until the list in force is another one.
    fn until_switched(&mut self) {
        let before = self.generation();
        for _ in 0..1000 {
            self.tick();
            if self.generation() != before {
                // One more look for those who ticked before.
                self.tick();
                return;
            }
        }
        panic!("no other list: {:?}", self.reports);
    }

    fn generation(&self) -> Option<u64> {
        let (octets, _) = self.process.values.get(&Keys::of("r", self.is_strict).head())?;
        Some(shared::ListHead::decode(octets).unwrap().generation)
    }

    fn find(&mut self, vm: usize, client_id: &str) -> Result<Registration, RegistryFault> {
        let now = self.now;
        self.vms[vm].as_mut().unwrap().find(client_id, &|| now, &mut self.process)
    }

    fn has(&mut self, client_id: &str) -> bool {
        let all: Vec<_> = (0..self.vms.len())
            .filter(|vm| self.vms[*vm].is_some())
            .collect::<Vec<_>>()
            .into_iter()
            .map(|vm| matches!(self.find(vm, client_id), Ok(Registration::Registered(_))))
            .collect();
        assert!(all.iter().all(|has| *has == all[0]), "the VMs disagree about {client_id}");
        all[0]
    }

    fn failures(&self) -> Vec<&FetchError> {
        let errors = self.reports.iter().filter_map(|report| {
            if let RefreshEvent::Failed { error, .. } = report { Some(error) } else { None }
        });
        errors.collect()
    }

    /// The list that serves, while the registry answers with `page`, is the one of before; returns
    /// why.
    fn keeps_the_list(&mut self, page: Page) -> FetchError {
        let generation = self.generation();
        self.reports.clear();
        self.serve("/clients", page);
        self.run(Duration::from_secs(15));
        assert_eq!(self.generation(), generation);
        assert!(self.has("c1"));
        self.failures().first().copied().cloned().expect("a failure is told")
    }
}

#[test]
fn one_vm_fetches_and_all_decide_by_it() {
    let mut world = World::new(6, registry(|_| {}), numbered(0, 3));
    assert_eq!(world.find(0, "c1"), Err(RegistryFault::NoList));
    world.until_switched();
    assert!(world.has("c0") && world.has("c2") && !world.has("c3"));
    world.run(Duration::from_secs(100));
    let fetchers: Vec<_> = world.asked.iter().map(|(vm, _)| *vm).collect();
    assert!(fetchers.windows(2).all(|pair| pair[0] == pair[1]), "{fetchers:?}");
    // Every 9 to 10 s, and what a tick adds.
    assert!((10..=12).contains(&fetchers.len()), "{fetchers:?}");
    assert_eq!(world.vms[3].as_ref().unwrap().state().map(|(clients, _)| clients), Some(3));
    let request = &world.requests[0].headers;
    let expected = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "registry.test"),
        (":path", "/clients"),
        ("accept", "application/json"),
        ("authorization", "Bearer x"),
    ];
    assert_eq!(
        request.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn clients_come_go_and_change() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.until_switched();
    assert!(
        matches!(
            world.reports[..],
            [RefreshEvent::Switched { clients: 3, refused: 0, added: 3, removed: 0, changed: 0 }]
        ),
        "{:?}",
        world.reports
    );
    world.reports.clear();
    let before = world.find(0, "c2");
    world.serve(
        "/clients",
        page(format!(
            "[{},{},{}]",
            client("c1", "CN=c1"),
            client("c2", "CN=other"),
            client("c3", "CN=c3")
        )),
    );
    world.until_switched();
    assert!(!world.has("c0") && world.has("c1") && world.has("c3"));
    assert_ne!(world.find(0, "c2"), before);
    let lines: Vec<_> = world.reports.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "3 clients: 1 added, 1 removed, 1 changed, 0 refused");
    let mut changes = lines[1..].to_vec();
    changes.sort();
    assert_eq!(
        changes,
        ["added client_id=\"c3\"", "changed client_id=\"c2\"", "removed client_id=\"c0\""]
    );
    // The same list again is no change, and nothing is told of it.
    world.reports.clear();
    world.run(Duration::from_secs(30));
    assert!(
        world.reports.iter().all(|report| *report == RefreshEvent::Confirmed)
            && world.reports.len() >= 2
    );
}

#[test]
fn a_removed_client_is_gone_one_refresh_later() {
    let mut world = World::new(3, registry(|_| {}), numbered(0, 20));
    world.until_switched();
    assert!(world.has("c7"));
    world.serve("/clients", page(numbered(8, 20)));
    world.run(Duration::from_secs(10) + 2 * TICK);
    assert!(!world.has("c7"));
}

#[test]
fn validators_make_requests_conditional() {
    let mut world = World::new(2, registry(|_| {}), "");
    world.serve(
        "/clients",
        page(numbered(0, 3)).with("etag", "\"1\"").with("last-modified", "yesterday"),
    );
    world.until_switched();
    world.serve("/clients", status(304));
    world.run(Duration::from_secs(50));
    let condition = |request: &RegistryRequest, name: &str| {
        request
            .headers
            .iter()
            .find(|(header, _)| **header == *name)
            .map(|(_, value)| value.to_string())
    };
    assert_eq!(condition(&world.requests[0], "if-none-match"), None);
    for request in &world.requests[1..] {
        assert_eq!(condition(request, "if-none-match").as_deref(), Some("\"1\""));
        assert_eq!(condition(request, "if-modified-since").as_deref(), Some("yesterday"));
    }
    assert!(world.has("c1") && world.failures().is_empty());
    assert!(
        world.vms[0].as_ref().unwrap().state().unwrap().1 < Duration::from_secs(11),
        "confirmed lists are young"
    );
    // A registry that says so for ever is not believed for ever: the tenth request has no
    // condition.
    world.run(Duration::from_secs(100));
    let unconditional = world
        .requests
        .iter()
        .filter(|request| condition(request, "if-none-match").is_none())
        .count();
    assert_eq!(unconditional, 1 + world.failures().len());
    assert_eq!(
        world.failures().first(),
        Some(&&FetchError::Status(304)),
        "not modified since nothing"
    );
    world.serve("/clients", page(numbered(1, 3)).with("etag", "\"1\""));
    world.run(Duration::from_secs(40));
    assert!(!world.has("c0") && world.has("c1"), "another list with the same ETag is another list");
}

#[test]
fn what_is_no_list_keeps_the_old_one() {
    let mut world = World::new(3, registry(|_| {}), numbered(0, 12));
    world.until_switched();
    let malformed = |text: &str| FetchError::Malformed(text.into());
    for (page, expected) in [
        (page("<html>"), malformed("not JSON at byte 0")),
        (page("[{\"client_id\":"), malformed("not JSON: it ends in the middle")),
        (page(""), malformed("not JSON: it ends in the middle")),
        (
            page("{\"error\":\"x\"}"),
            malformed("expected an array of clients, or an object with the array clients"),
        ),
        (
            page(format!("{}x", numbered(0, 3))),
            malformed(&format!("not JSON at byte {}", numbered(0, 3).len())),
        ),
        (page("[]"), FetchError::Empty),
        (page("[{\"client_id\":\"c1\",\"tls_client_auth_oops\":1}]"), FetchError::Empty),
        (page(" ".repeat((1 << 20) + 1)), FetchError::TooLarge(1 << 20)),
        (status(302).with("location", "/elsewhere"), FetchError::Status(302)),
        (status(304), FetchError::Status(304)),
        (status(500), FetchError::Status(500)),
        (status(204), FetchError::Status(204)),
        (
            page("[]").with("link", "<https://other.test/2>; rel=next"),
            FetchError::NextPage("another authority than the registry's"),
        ),
        (
            page("[]").with("link", "</clients>; rel=next"),
            FetchError::NextPage("a page that came before"),
        ),
        (
            page("[]").with("link", "</2>; rel=\"next"),
            FetchError::NextPage("malformed Link header"),
        ),
    ] {
        assert_eq!(world.keeps_the_list(page), expected);
        world.serve("/clients", page_of_twelve());
        world.run(Duration::from_secs(60));
        assert_eq!(world.reports.last(), Some(&RefreshEvent::Confirmed), "it recovers");
    }
    assert_eq!(slots_in_use(&world), 1, "what failed is emptied");
}

fn page_of_twelve() -> Page {
    page(numbered(0, 12))
}

/// Slots with any client in them.
fn slots_in_use(world: &World) -> usize {
    let is_used = |slot: &str| {
        world.process.values.iter().any(|(key, (value, _))| key.contains(slot) && !value.is_empty())
    };
    ["/0/", "/1/"].into_iter().filter(|slot| is_used(slot)).count()
}

#[test]
fn a_bad_entry_is_left_out_and_never_unknown() {
    let body = format!(
        "{{\"clients\":[{},{{\"client_id\":\"bad\",\"token_endpoint_auth_method\":\"tls_client_auth\"}},7,{}]}}",
        client("c1", "CN=c1"),
        client("c2", "CN=c2")
    );
    let mut world = World::new(2, registry(|_| {}), body);
    world.until_switched();
    assert!(world.has("c1") && world.has("c2"));
    let Ok(Registration::Unusable(reason)) = world.find(1, "bad") else {
        panic!("{:?}", world.find(1, "bad"))
    };
    assert!(reason.contains("expected exactly one of"), "{reason}");
    assert!(
        matches!(world.reports[0], RefreshEvent::Switched { clients: 2, refused: 2, added: 3, .. }),
        "{:?}",
        world.reports
    );
    let RefreshEvent::Refused { pointer, .. } = &world.reports[1] else {
        panic!("{:?}", world.reports)
    };
    assert_eq!(pointer, "/clients/1");
    assert_eq!(world.reports.len(), 3);
}

#[test]
fn a_bearer_only_client_is_neither_counted_nor_told_and_never_unknown() {
    let bearer = |id: &str| {
        format!(
            r#"{{"clientId":"{id}","clientAuthenticatorType":"client-secret","bearerOnly":true}}"#
        )
    };
    let secret = r#"{"clientId":"broker","clientAuthenticatorType":"client-secret"}"#.to_owned();
    let of =
        |entries: &[String]| page(format!("[{},{}]", client("c1", "CN=c1"), entries.join(",")));
    let mut world =
        World::new(2, registry(|_| {}), of(&[bearer("broker"), bearer("realm-management")]).body);
    world.until_switched();
    assert_eq!(
        world.reports,
        [RefreshEvent::Switched { clients: 1, refused: 0, added: 1, removed: 0, changed: 0 }]
    );
    for vm in 0..2 {
        let Ok(Registration::Unusable(reason)) = world.find(vm, "broker") else {
            panic!("{:?}", world.find(vm, "broker"))
        };
        assert!(reason.contains("bearer-only"), "{reason}");
    }
    assert_eq!(world.vms[0].as_ref().unwrap().state().unwrap().0, 1);
    // The same list again is the same.
    world.reports.clear();
    world.run(Duration::from_secs(10));
    assert_eq!(world.reports, [RefreshEvent::Confirmed]);
    // Others of them make another list, and so does one that becomes a client.
    for (entries, added, removed) in [
        (vec![bearer("broker"), bearer("other")], 0, 0),
        (vec![secret, bearer("other")], 1, 0),
        (vec![bearer("broker"), bearer("other")], 0, 1),
    ] {
        world.reports.clear();
        world.serve("/clients", of(&entries));
        world.until_switched();
        let RefreshEvent::Switched { refused: 0, added: a, removed: r, changed: 0, .. } =
            world.reports[0]
        else {
            panic!("{:?}", world.reports)
        };
        assert_eq!((a, r), (added, removed));
        assert!(matches!(world.find(1, "other"), Ok(Registration::Unusable(_))));
        assert_eq!(world.find(1, "realm-management"), Ok(Registration::Unregistered));
        assert_eq!(world.has("broker"), added == 1);
    }
    assert!(matches!(world.find(0, "broker"), Ok(Registration::Unusable(_))));
}

#[test]
fn a_key_that_is_left_out_is_told_with_the_list_and_costs_its_client_nothing_else() {
    let client = r#"{"client_id":"s","token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{"keys":[
        {"kty":"EC","x5t#S256":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"},{"kty":"EC","use":"enc","x5c":["AAAA"]}]}}"#;
    let mut world = World::new(1, registry(|_| {}), format!(r#"{{"clients":[7,{client}]}}"#));
    world.until_switched();
    assert!(world.has("s"));
    assert_eq!(
        world.reports[0],
        RefreshEvent::Switched { clients: 1, refused: 1, added: 1, removed: 0, changed: 0 }
    );
    let told: Vec<_> = world.reports.iter().skip(1).map(ToString::to_string).collect();
    assert!(told[0].starts_with("refused /clients/0: "), "{told:?}");
    assert_eq!(
        told[1],
        "left out /clients/1/jwks/keys/1/use: expected \"sig\": other keys are not for signatures"
    );
    assert_eq!(told.len(), 2);
    world.reports.clear();
    world.run(Duration::from_secs(10));
    assert_eq!(world.reports, [RefreshEvent::Confirmed], "once for each change of the list");
}

/// Whom a list has in a form that nobody recognises, nobody may take for unregistered.
#[test]
fn foreign_clients_are_never_unknown() {
    let shapes: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/convert/foreign.json")).unwrap();
    for shape in shapes.as_array().unwrap() {
        let mut world = World::new(
            1,
            registry(|_| {}),
            format!("[{},{}]", client("c1", "CN=c1"), shape["entry"]),
        );
        world.until_switched();
        assert!(world.has("c1"));
        let client_id = shape["client_id"].as_str().unwrap_or("f");
        let Ok(Registration::Unusable(reason)) = world.find(0, client_id) else {
            panic!("{shape}")
        };
        assert!(reason.contains(shape["says"].as_str().unwrap()), "{shape}: {reason}");
    }
}

/// Whoever it is, everybody would pass as this client.
#[test]
fn where_strangers_pass_an_entry_of_nobody_is_no_list() {
    for (entry, at) in [
        ("7", "/1: expected client metadata"),
        ("{}", "/1: expected the member client_id"),
        (r#"{"client_id":18446744073709551616}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":1e300}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":" ","name":"a"}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":["a",{"of":"b"}]}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":{"of":"b"},"id":"a"}"#, "/1/client_id: expected a client_id"),
        (r#"{"client_id":"a","clientId":true}"#, "/1/clientId: unknown member"),
        (r#"{"id":"a","credentials":{"client_id":1e30}}"#, "/1: expected the member client_id"),
        (r#"{"client_id":{"a":"b"}}"#, "/1/client_id: expected a client_id"),
        (
            r#"{"clientId":1e30,"tokenAuthMethod":"NONE","entityId":"x"}"#,
            "/1/clientId: expected a whole number",
        ),
        (
            r#"{"clientId":null,"tokenAuthMethod":"NONE","clientIdAlias":"x","clientIdAliasEnabled":true}"#,
            "/1/clientId: expected a whole number",
        ),
        (r#"{"clientId":true,"tokenAuthMethod":"NONE"}"#, "/1/clientId: expected a whole number"),
    ] {
        let body = format!("[{},{entry}]", client("c2", "CN=c2"));
        let mut world = World::of(1, registry(|_| {}), true, numbered(1, 2));
        world.until_switched();
        let FetchError::Unidentified(why) = world.keeps_the_list(page(body.clone())) else {
            panic!("{entry}")
        };
        assert!(why.starts_with(at), "{entry}: {why}");
        assert!(!world.has("c2"), "{entry}");
        assert_eq!(slots_in_use(&world), 1, "{entry}");
        // Where they are refused, it costs nobody else anything.
        let mut world = World::new(1, registry(|_| {}), body);
        world.until_switched();
        assert!(world.has("c2") && world.failures().is_empty(), "{entry}");
    }
    // One that names somebody does not, and is not taken for unregistered.
    let body = format!(
        r#"[{},{{"client_id":"bad","peer":{{"client_id":true}}}},{{"client_id":-1}},{{"client_id":{{}},"id":7}}]"#,
        client("c2", "CN=c2")
    );
    let mut world = World::of(1, registry(|_| {}), true, body);
    world.until_switched();
    assert!(world.has("c2") && world.failures().is_empty());
    for client_id in ["bad", "-1", "7"] {
        assert!(matches!(world.find(0, client_id), Ok(Registration::Unusable(_))), "{client_id}");
    }
}

#[test]
fn a_client_id_that_is_there_twice_is_nobodys() {
    let twice =
        format!("[{},{},{}]", client("a", "CN=a"), client("b", "CN=b"), client("a", "CN=evil"));
    let mut world = World::new(2, registry(|_| {}), twice);
    world.until_switched();
    assert_eq!(
        world.find(0, "a"),
        Ok(Registration::Unusable("the list has this client_id twice".into()))
    );
    assert!(world.has("b"));
}

#[test]
fn small_lists_may_become_empty() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 9));
    world.until_switched();
    world.serve("/clients", page("[]"));
    world.until_switched();
    assert_eq!(world.find(0, "c1"), Ok(Registration::Unregistered));
    assert_eq!(world.vms[0].as_ref().unwrap().state().unwrap().0, 0);
    let allow = registry(|registry| {
        registry.mode = FetchMode::Snapshot { max_pages: 1, allow_empty: true }
    });
    let mut world = World::new(1, allow, numbered(0, 50));
    world.until_switched();
    world.serve("/clients", page("{\"clients\":[]}"));
    world.until_switched();
    assert!(!world.has("c1"));
}

#[test]
fn pages_are_one_list() {
    let mut world = World::new(2, registry(|_| {}), "");
    let next = |target: &str| format!("<{target}>; rel=\"next\"");
    world.serve(
        "/clients",
        page(numbered(0, 10)).with("link", &next("?page=2")).with("etag", "\"1\""),
    );
    world.serve(
        "/clients?page=2",
        page(numbered(10, 20)).with("link", &next("http://REGISTRY.test/p3")),
    );
    world.serve("/p3", page(numbered(20, 30)));
    world.until_switched();
    assert!(world.has("c5") && world.has("c15") && world.has("c25"));
    world.run(Duration::from_secs(11));
    assert!(
        world
            .requests
            .iter()
            .all(|request| request.headers.iter().all(|(name, _)| !name.starts_with("if-")))
    );

    // A page that is missing, in the middle or at the end, is a list that is missing.
    for missing in ["/clients?page=2", "/p3"] {
        let page = world.pages.insert(missing, status(404)).unwrap();
        world.reports.clear();
        world.run(Duration::from_secs(12));
        assert_eq!(world.failures().first(), Some(&&FetchError::Status(404)));
        assert!(world.has("c5") && world.has("c25"));
        world.pages.insert(missing, page);
        world.run(Duration::from_secs(60));
    }
    // Pages without end.
    world.serve("/p3", page("[]").with("link", &next("/p4")));
    world.serve("/p4", page("[]").with("link", &next("/p5")));
    world.serve("/p5", page("[]").with("link", &next("/p6")));
    world.reports.clear();
    world.run(Duration::from_secs(12));
    assert_eq!(world.failures().first(), Some(&&FetchError::NextPage("more pages than max_pages")));
    world.serve("/p4", page("[]").with("link", &next("/clients?page=2")));
    world.reports.clear();
    world.run(Duration::from_secs(60));
    assert_eq!(world.failures().first(), Some(&&FetchError::NextPage("a page that came before")));
    assert!(world.has("c5") && world.has("c25"));
}

#[test]
fn a_list_is_read_in_slices_and_switched_at_once() {
    let mut world = World::new(3, registry(|_| {}), numbered(0, 200));
    world.until_switched();
    world.serve("/clients", page(numbered(100, 300)));
    let asked = world.asked.len();
    let mut slices = 0;
    for _ in 0..1000 {
        world.tick_with(3);
        slices += usize::from(world.asked.len() > asked);
        let mut switched = 0;
        for vm in 0..3 {
            let mut has =
                |client_id| matches!(world.find(vm, client_id), Ok(Registration::Registered(_)));
            // A VM may learn of the switch between two requests, and then it has happened for good.
            let (before, new, old) = (has("c50"), has("c250"), has("c50"));
            assert!(old != new || before != old, "a mixture of two lists");
            assert!(has("c150") && (before || !old));
            switched += usize::from(new);
        }
        if switched == 3 {
            break;
        }
    }
    assert!(slices > 60, "200 entries in {slices} slices of three");
    assert!(world.has("c250"));
}

#[test]
fn a_long_list_is_spread_and_kept_within_one_copy() {
    let unlimited = registry(|registry| registry.max_bytes = usize::MAX);
    let mut world = World::new(2, unlimited, numbered(0, 70_000));
    world.until_switched();
    for id in ["c0", "c65535", "c65536", "c69999"] {
        assert!(world.has(id), "{id}");
    }
    assert!(!world.has("c70000"));
    let largest = world.process.values.values().map(|(value, _)| value.len()).max().unwrap();
    assert!(largest < 4096, "a shard of {largest} bytes");
    world.serve("/clients", page(format!("[{},{}]", client("c1", "CN=c1"), client("x", "CN=x"))));
    world.until_switched();
    world.run(TICK * 2);
    assert!(world.has("x") && world.has("c1") && !world.has("c2"));
    assert_eq!(slots_in_use(&world), 1);
    assert!(matches!(
        world
            .reports
            .iter()
            .find(|report| matches!(report, RefreshEvent::Switched { clients: 2, .. })),
        Some(RefreshEvent::Switched { added: 1, removed: 69_999, changed: 0, .. })
    ));
}

#[test]
fn failures_are_retried_ever_less_often() {
    let mut world = World::new(1, registry(|_| {}), "");
    world.serve("/clients", status(503));
    world.run(Duration::from_secs(120));
    let retries: Vec<_> = world
        .reports
        .iter()
        .map(|report| {
            if let RefreshEvent::Failed { retry, .. } = report {
                retry.as_secs_f64()
            } else {
                panic!("{report:?}")
            }
        })
        .collect();
    for (retry, expected) in retries.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]) {
        assert!((0.9 * expected..=expected).contains(retry), "{retries:?}");
    }
    assert!(retries.len() >= 7);
    assert_eq!(world.find(0, "c1"), Err(RegistryFault::NoList));
    world.serve("/clients", page(numbered(0, 3)));
    world.run(Duration::from_secs(31));
    assert!(world.has("c1"), "it recovers by itself");
}

#[test]
fn old_lists_serve_until_they_are_too_old() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.until_switched();
    world.serve("/clients", status(500));
    world.run(Duration::from_secs(98));
    assert!(world.has("c1"));
    world.run(Duration::from_secs(4));
    assert_eq!(
        [world.find(0, "c1"), world.find(1, "nobody")],
        [Err(RegistryFault::Stale), Err(RegistryFault::Stale)]
    );
    world.serve("/clients", page(numbered(0, 3)));
    world.run(Duration::from_secs(31));
    assert!(world.has("c1"));
}

#[test]
fn lists_are_fetched_often_enough_for_max_stale() {
    let mut world = World::new(
        1,
        registry(|registry| registry.max_stale = Duration::from_secs(4)),
        numbered(0, 3),
    );
    world.until_switched();
    for _ in 0..100 {
        world.tick();
        assert!(world.has("c1"));
    }
}

#[test]
fn the_clock_may_jump() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.until_switched();
    for jump in [-100_000_000_i64, 1_000_000_000] {
        world.now = world.now.saturating_add_signed(jump);
        world.serve("/clients", page(numbered(0, 3)));
        let asked = world.asked.len();
        world.run(Duration::from_secs(35));
        assert!(world.has("c1"));
        assert!((3..=5).contains(&(world.asked.len() - asked)));
    }
    // A VM that starts after the clock was set back takes the list for a fresh one.
    world.now = 5;
    world.vms.push(Some(Snapshot::new(world.registry.clone(), false, 7)));
    assert!(matches!(world.find(2, "c1"), Ok(Registration::Registered(_))));
}

#[test]
fn a_dead_vm_is_replaced_whatever_it_was_doing() {
    for pieces in [0, 1, 5, 50, 150, 250] {
        let mut world = World::new(3, registry(|_| {}), numbered(0, 200));
        world.until_switched();
        let (holder, _) = *world.asked.last().unwrap();
        world.serve("/clients", page(numbered(100, 300)));
        let asked = world.asked.len();
        while world.asked.len() == asked {
            world.tick();
        }
        world.tick_with(pieces);
        world.vms[holder] = None;
        world.run(Duration::from_secs(13));
        assert!(world.has("c250") && !world.has("c50"), "after {pieces} pieces of work");
        assert_ne!(world.asked.last().unwrap().0, holder);
    }
}

#[test]
fn a_vm_whose_host_never_calls_back_leaves_it_to_another() {
    let mut world = World::new(2, registry(|_| {}), "");
    world.pages.clear();
    world.run(Duration::from_secs(9));
    assert_eq!(world.failures().first(), Some(&&FetchError::NeverCalledBack));
    world.serve("/clients", page(numbered(0, 3)));
    world.run(Duration::from_secs(90));
    assert!(world.has("c1"));
    let askers: Vec<_> = world.asked.iter().map(|(vm, _)| *vm).collect();
    assert!(askers.contains(&0) && askers.contains(&1), "{askers:?}");
}

#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 3));
    world.until_switched();
    let read = |_: usize| Some(b"[]".to_vec());
    let late = RegistryAnswer { status: Some(200), headers: &[], body_size: 2, read: &read };
    world.vms[0].as_mut().unwrap().on_answer(late);
    world.run(Duration::from_secs(2));
    assert!(world.has("c1"));
}

#[test]
fn a_missing_shard_is_no_missing_client() {
    let mut world = World::new(2, registry(|_| {}), "");
    world.serve("/clients", page(numbered(0, 3)).with("etag", "\"1\""));
    world.until_switched();
    let shard = world
        .process
        .values
        .keys()
        .find(|key| key.contains("/r/0/") || key.contains("/r/1/"))
        .unwrap()
        .clone();
    world.process.values.remove(&shard);
    assert_eq!(world.find(0, "c1"), Err(RegistryFault::Inconsistent));
    // The next request is unconditional, and its list mends it.
    world.run(Duration::from_secs(11));
    assert!(world.has("c1"));
    assert!(
        world.requests.last().unwrap().headers.iter().all(|(name, _)| **name != *"if-none-match")
    );
    // Garbage is no list either.
    let head = Keys::of("r", false).head();
    world.process.values.insert(head, (b"garbage".to_vec(), 1));
    let mut fresh = Snapshot::new(world.registry.clone(), false, 7);
    assert_eq!(fresh.find("c1", &|| 0, &mut world.process), Err(RegistryFault::NoList));
}

#[test]
fn two_registries_share_a_process() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 3));
    world.until_switched();
    let other = registry(|registry| registry.identity = "other".into());
    let mut fresh = Snapshot::new(other, false, 7);
    assert_eq!(fresh.find("c1", &|| 0, &mut world.process), Err(RegistryFault::NoList));
}

#[test]
fn a_released_registry_is_refreshed_by_the_next() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.until_switched();
    let holder = world.asked[0].0;
    world.vms[holder].as_mut().unwrap().release(&mut world.process);
    world.vms[holder] = None;
    world.serve("/clients", page(numbered(1, 3)));
    world.run(Duration::from_secs(10) + TICK * 3);
    assert!(!world.has("c0") && world.has("c1"));
}

/// Authlete's answer: the clients from one number to before another, of so many.
fn authlete(from: usize, to: usize, total: usize) -> Page {
    let clients = (from..to)
        .map(|n| format!("{{\"clientId\":{n},\"tokenAuthMethod\":\"TLS_CLIENT_AUTH\",\"tlsClientAuthSubjectDn\":\"CN=c{n}\"}}"));
    let clients: Vec<String> = clients.collect();
    page(format!(
        "{{\"start\":{from},\"end\":{to},\"clients\":[{}],\"totalCount\":{total}}}",
        clients.join(",")
    ))
}

fn next(target: &str) -> String {
    format!("<{target}>; rel=\"next\"")
}

#[test]
fn authletes_list_is_read_to_its_total() {
    let path = "/list?developer=x&end=5";
    let mut world = World::new(2, registry(|registry| registry.path = path.into()), "");
    world.pages.clear();
    world.serve(path, authlete(0, 5, 9));
    world.serve("/list?developer=x&end=505&start=5", authlete(5, 7, 9));
    world.serve("/list?developer=x&end=507&start=7", authlete(7, 9, 9));
    world.until_switched();
    assert!(["0", "4", "5", "8"].iter().all(|id| world.has(id)) && !world.has("9"));
    assert!(
        world
            .requests
            .iter()
            .all(|request| request.headers.contains(&("authorization".into(), "Bearer x".into())))
    );
    let fails = |world: &mut World, third: Page, why: IncompleteList| {
        world.serve("/list?developer=x&end=507&start=7", third);
        world.reports.clear();
        world.run(Duration::from_secs(12));
        assert_eq!(world.failures().first(), Some(&&FetchError::Incomplete(why)));
        let Some(RefreshEvent::Failed { path, .. }) = world.reports.first() else {
            panic!("{:?}", world.reports)
        };
        assert_eq!(&**path, "/list?developer=x&end=507&start=7");
        assert!(world.has("0") && world.has("8") && !world.has("evil"));
        world.serve("/list?developer=x&end=507&start=7", authlete(7, 9, 9));
        world.run(Duration::from_secs(31));
        assert_eq!(world.reports.last(), Some(&RefreshEvent::Confirmed), "it recovers");
    };
    fails(&mut world, authlete(7, 7, 9), IncompleteList::EmptyPage { entries: 7, total: 9 });
    fails(&mut world, authlete(7, 10, 10), IncompleteList::TotalChanged { before: 9, now: 10 });
    fails(
        &mut world,
        authlete(5, 7, 9),
        IncompleteList::WrongStart { requested: 7, start: Some(5) },
    );
    let early = page(authlete(7, 8, 9).body.replace("\"end\":8", "\"end\":9"));
    fails(
        &mut world,
        early,
        IncompleteList::BelowTotal { member: "totalCount", entries: 8, total: 9 },
    );
    fails(
        &mut world,
        page(list(["evil".to_owned()].into_iter())),
        IncompleteList::WrongStart { requested: 7, start: None },
    );
    // Pages by start count like any others.
    let few = registry(|registry| {
        registry.path = path.into();
        registry.mode = FetchMode::Snapshot { max_pages: 2, allow_empty: false };
    });
    let mut few =
        World { registry: few.clone(), vms: vec![Some(Snapshot::new(few, false, 7))], ..world };
    few.process = Process::default();
    few.reports.clear();
    few.run(Duration::from_secs(3));
    assert_eq!(
        few.failures().first(),
        Some(&&FetchError::Incomplete(IncompleteList::TooManyPages))
    );
    assert_eq!(few.find(0, "0"), Err(RegistryFault::NoList));
}

#[test]
fn half_a_list_is_no_list() {
    let clients = numbered(0, 3);
    let with = |members: &str| page(format!("{{\"clients\":{clients},{members}}}"));
    let path = "/clients?max=3";
    for strict in [false, true] {
        for (half, why) in [
            (
                with("\"totalCount\":4"),
                IncompleteList::BelowTotal { member: "totalCount", entries: 3, total: 4 },
            ),
            (
                with("\"total\":4").with("link", "</0>; rel=prev"),
                IncompleteList::BelowTotal { member: "total", entries: 3, total: 4 },
            ),
            (with("\"has_more\":true"), IncompleteList::MoreStated("has_more")),
            (
                with("\"links\":[{\"rel\":\"next\",\"href\":\"/2\"}]"),
                IncompleteList::MoreStated("links"),
            ),
            (
                page(clients.clone()),
                IncompleteList::ExactlyRequested { parameter: "max", entries: 3 },
            ),
        ] {
            let mut world =
                World::of(1, registry(|registry| registry.path = path.into()), strict, "");
            world.serve(path, half.clone());
            world.run(Duration::from_secs(2));
            assert_eq!(world.failures().first(), Some(&&FetchError::Incomplete(why)));
            assert_eq!(world.find(0, "c1"), Err(RegistryFault::NoList), "nothing of it serves");
            // A way to the rest makes it a page, and a header that shows none makes it the only
            // one.
            world.serve("/2", page(numbered(3, 4)));
            world.serve(path, half.with("link", &next("/2")));
            world.run(Duration::from_secs(4));
            assert!(world.has("c1") && world.has("c3"));
        }
        let mut world = World::of(1, registry(|registry| registry.path = path.into()), strict, "");
        world.serve(path, page(clients.clone()).with("link", "</0>; rel=prev"));
        world.until_switched();
        assert!(world.has("c1"));
        // The last page of several may be full.
        world.serve(path, page(clients.clone()).with("link", &next("/clients?max=3&first=3")));
        world.serve("/clients?max=3&first=3", page(numbered(3, 6)));
        world.until_switched();
        assert!(world.has("c5"));
    }
    // What is on a link that is no text counts.
    let mut world = World::new(1, registry(|_| {}), "");
    world.serve("/clients", page(clients));
    let body = world.pages["/clients"].body.clone();
    for _ in 0..2 {
        world.vms[0].as_mut().unwrap().tick(TICK, world.now, &mut world.process, &mut || true);
    }
    let headers = [
        (":status".to_owned(), b"200".to_vec()),
        ("link".to_owned(), b"</2\xff>; rel=next".to_vec()),
    ];
    let read = |_: usize| Some(body.clone().into_bytes());
    let answer =
        RegistryAnswer { status: Some(200), headers: &headers, body_size: body.len(), read: &read };
    world.vms[0].as_mut().unwrap().on_answer(answer);
    world.tick();
    assert_eq!(world.failures().first(), Some(&&FetchError::NextPage("not a URI reference")));
}

/// A list in two pages, of one generation each.
fn serve_generations(world: &mut World, first: &[&str], second: &[&str]) {
    let page = |body: String, generation: &&str| {
        let page = page(body);
        if generation.is_empty() { page } else { page.with("x-revision", generation) }
    };
    let pages =
        first.iter().map(|generation| page(numbered(0, 3), generation).with("link", &next("/2")));
    world.serve_each("/clients", pages.collect());
    world.serve_each(
        "/2",
        second.iter().map(|generation| page(numbered(3, 6), generation)).collect(),
    );
}

#[test]
fn pages_of_two_generations_are_not_joined() {
    let other = FetchError::Incomplete(IncompleteList::GenerationChanged);
    let missing = FetchError::Incomplete(IncompleteList::GenerationMissing);
    for strict in [false, true] {
        let world = || {
            World::of(
                2,
                registry(|registry| registry.generation_header = Some("x-revision".into())),
                strict,
                "",
            )
        };
        for (first, second, asked, expected) in [
            // The third time at the latest.
            (vec!["1"], vec!["1"], 2, None),
            (vec!["1", "2"], vec!["2"], 4, None),
            (vec!["1", "2", "3"], vec!["2", "3", "3"], 6, None),
            (vec!["1", "2", "3"], vec!["2", "3", "4"], 6, Some(&other)),
            (vec!["1"], vec![""], 6, Some(&missing)),
            (vec![""], vec!["1"], 3, Some(&missing)),
            (vec![""], vec![""], 3, Some(&missing)),
            (vec!["1", "", "2"], vec!["2"], 5, None),
        ] {
            let mut world = world();
            serve_generations(&mut world, &first, &second);
            let ticks =
                world.until(|world| world.generation().is_some() || !world.failures().is_empty());
            assert!(ticks < 9, "{first:?} {second:?}: begun anew at once, not after {ticks} ticks");
            world.tick();
            assert_eq!(
                (world.failures().first().copied(), world.asked.len()),
                (expected, asked),
                "{first:?} {second:?}"
            );
            assert_eq!(
                matches!(world.find(0, "c5"), Ok(Registration::Registered(_))),
                expected.is_none()
            );
        }
        // After a failure there are three attempts again.
        let mut world = world();
        serve_generations(&mut world, &["1"], &["2"]);
        world.until(|world| world.failures().len() == 2);
        assert_eq!(world.asked.len(), 12);
        serve_generations(&mut world, &["1"], &["1"]);
        world.run(Duration::from_secs(3));
        assert!(world.has("c0") && world.has("c5"));
        // The list that serves goes on doing so.
        serve_generations(&mut world, &["2"], &["3"]);
        world.reports.clear();
        world.run(Duration::from_secs(11));
        assert_eq!(world.failures().first(), Some(&&other));
        assert!(world.has("c0") && world.has("c5"));
        // A single page has a generation, too, or the name is wrong.
        world.reports.clear();
        world.serve_each("/clients", vec![page(numbered(0, 7))]);
        world.run(Duration::from_secs(40));
        assert_eq!(world.failures().first(), Some(&&missing));
        world.serve("/clients", page(numbered(0, 7)).with("x-revision", "3"));
        world.run(Duration::from_secs(40));
        assert!(world.has("c6"));
    }
}

/// Two pages of clients with these names, each as often as it is read.
fn serve_readings(world: &mut World, readings: &[(&[&str], &[&str])]) {
    let names = |names: &[&str]| page(list(names.iter().map(|name| (*name).to_owned())));
    world.serve_each(
        "/clients",
        readings.iter().map(|(first, _)| names(first).with("link", &next("/2"))).collect(),
    );
    world.serve_each("/2", readings.iter().map(|(_, second)| names(second)).collect());
    world.asked.clear();
    world.reports.clear();
}

#[test]
fn where_strangers_pass_two_readings_must_agree() {
    let mut world = World::of(2, registry(|_| {}), true, "");
    // The first list of all is read twice, in whatever order it comes.
    serve_readings(&mut world, &[(&["a", "b"], &["c"]), (&["c", "a"], &["b"])]);
    world.until_switched();
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("a") && world.has("b") && world.has("c"));
    // The list in force counts as the first reading, however its clients are registered.
    world.run(Duration::from_secs(20));
    assert_eq!(world.asked.len(), 8, "{:?}", world.asked);
    serve_readings(&mut world, &[(&["a", "b"], &["c"])]);
    world.serve("/2", page(format!("[{}]", client("c", "CN=other"))));
    let before = world.find(0, "c");
    world.until_switched();
    assert_eq!(world.asked.len(), 2);
    assert_ne!(world.find(0, "c"), before);
    // B fell between the pages: it goes on serving, and is there in the second reading.
    serve_readings(&mut world, &[(&["a"], &["c"]), (&["a", "b"], &["c"])]);
    world.run(Duration::from_secs(11));
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("b") && world.failures().is_empty());
    // A new list, read twice at once.
    serve_readings(&mut world, &[(&["a", "b"], &["c", "d"])]);
    world.until_switched();
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("d"));
    // B is deleted in the meantime.
    serve_readings(
        &mut world,
        &[(&["a", "b"], &["c", "d", "e"]), (&["a"], &["c", "d"]), (&["a"], &["c", "d"])],
    );
    world.until_switched();
    assert_eq!(world.asked.len(), 6);
    assert!(!world.has("b") && !world.has("e"));
    // No two are alike, three times: nothing of them counts.
    let restless: [(&[&str], &[&str]); 4] = [
        (&["a"], &["c", "f"]),
        (&["a"], &["c", "g"]),
        (&["a"], &["c", "h"]),
        (&["a"], &["c", "h"]),
    ];
    serve_readings(&mut world, &restless[..3]);
    world.until(|world| !world.failures().is_empty());
    assert_eq!(world.asked.len(), 6);
    assert_eq!(world.failures(), [&FetchError::Incomplete(IncompleteList::ReadingsDiffer)]);
    assert!(world.has("d") && !world.has("h"));
    // A failed attempt is none of the readings of the next.
    serve_readings(&mut world, &restless[2..]);
    world.run(Duration::from_secs(3));
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("h") && !world.has("d"));
    // Authlete's pages are pages.
    world.serve("/clients", authlete(0, 2, 3));
    world.serve("/clients?start=2&end=502", authlete(2, 3, 3));
    world.asked.clear();
    world.until_switched();
    assert_eq!(world.asked.len(), 4);
    // One page is one list.
    world.serve("/clients", page(numbered(0, 3)));
    world.asked.clear();
    world.until_switched();
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn a_client_that_is_left_out_is_one_of_those_on_which_readings_agree() {
    // Whom the list does not have at all would pass.
    let bearer =
        r#"{"clientId":"broker","clientAuthenticatorType":"client-secret","bearerOnly":true}"#;
    let second = |clients: &str| page(format!("[{clients}]"));
    let mut world = World::of(1, registry(|_| {}), true, "");
    world.serve("/clients", page(numbered(0, 3)).with("link", &next("/2")));
    world.serve("/2", second(bearer));
    world.until_switched();
    assert!(matches!(world.find(0, "broker"), Ok(Registration::Unusable(_))));
    // It fell between two pages; the second reading has it.
    world.asked.clear();
    world.serve_each("/2", vec![second(""), second(bearer)]);
    world.run(Duration::from_secs(11));
    assert_eq!(world.asked.len(), 4);
    assert!(
        matches!(world.find(0, "broker"), Ok(Registration::Unusable(_)))
            && world.failures().is_empty()
    );
}

#[test]
fn where_strangers_are_refused_one_reading_will_do() {
    let mut world = World::new(2, registry(|_| {}), "");
    serve_readings(&mut world, &[(&["a", "b"], &["c"])]);
    world.until_switched();
    serve_readings(&mut world, &[(&["a"], &["c"]), (&["a", "b"], &["c"])]);
    world.until_switched();
    assert_eq!(world.asked.len(), 2);
    assert!(!world.has("b"));
    // And what they accepted is not for those that let strangers pass.
    let mut strict = Snapshot::new(world.registry.clone(), true, 7);
    assert_eq!(strict.find("b", &|| 0, &mut world.process), Err(RegistryFault::NoList));
}

#[test]
fn a_client_on_two_pages_is_there_twice_only_if_it_stays_so() {
    for strict in [false, true] {
        let mut world = World::of(2, registry(|_| {}), strict, "");
        serve_readings(&mut world, &[(&["a", "b"], &["c", "d"])]);
        world.until_switched();
        // A new client at the front moves b to the second page.
        serve_readings(
            &mut world,
            &[(&["a", "b"], &["b", "c", "d"]), (&["n", "a"], &["b", "c", "d"])],
        );
        world.until_switched();
        assert_eq!(world.asked.len(), if strict { 6 } else { 4 });
        assert!(["n", "a", "b", "c", "d"].iter().all(|id| world.has(id)));
        // Others are there twice every time: that is motion, too.
        let moving: [(&[&str], &[&str]); 3] = [
            (&["n", "a", "b"], &["b", "c", "d"]),
            (&["n", "a", "b", "c"], &["c", "d"]),
            (&["n", "a", "b"], &["c", "d"]),
        ];
        serve_readings(&mut world, &moving);
        world.until(|world| !world.reports.is_empty());
        assert_eq!(world.asked.len(), 6);
        assert!(
            ["n", "a", "b", "c", "d"].iter().all(|id| world.has(id)) && world.failures().is_empty()
        );
        // A client_id that both pages have is unusable, and the second reading has the same
        // clients.
        serve_readings(&mut world, &[(&["n", "a"], &["b", "a", "d", "c"])]);
        world.until_switched();
        assert_eq!(world.asked.len(), 4);
        let twice = Ok(Registration::Unusable("the list has this client_id twice".into()));
        assert_eq!(world.find(0, "a"), twice);
        world.run(Duration::from_secs(10));
        assert_eq!(world.asked.len(), 6);
        assert!(world.failures().is_empty() && world.has("b"));
        // Twice, and another one every time: who lets nobody pass by it takes the last.
        serve_readings(
            &mut world,
            &[(&["a"], &["1", "a"]), (&["a"], &["2", "a"]), (&["a"], &["3", "a"])],
        );
        world.until(|world| !world.reports.is_empty());
        world.tick();
        assert_eq!(world.asked.len(), 6);
        assert_eq!(world.has("3"), !strict);
        assert_eq!(world.failures().is_empty(), !strict);
    }
    // Pages of one generation were never in motion.
    let mut world =
        World::new(1, registry(|registry| registry.generation_header = Some("etag".into())), "");
    world.serve("/clients", page(numbered(0, 2)).with("etag", "1").with("link", &next("/2")));
    world.serve("/2", page(numbered(1, 3)).with("etag", "1"));
    world.until_switched();
    assert_eq!(world.asked.len(), 2);
    assert!(matches!(world.find(0, "c1"), Ok(Registration::Unusable(_))));
}

#[test]
fn a_long_list_in_pages_is_read_twice_and_kept_once() {
    // So long that it goes into its shards before its end is known.
    let unlimited = registry(|registry| registry.max_bytes = usize::MAX);
    let mut world = World::of(1, unlimited, true, "");
    world.serve("/clients", page(numbered(0, 40_000)).with("link", &next("/2")));
    world.serve_each("/2", vec![page(numbered(40_000, 69_999)), page(numbered(40_000, 70_000))]);
    world.until_switched();
    assert_eq!(world.asked.len(), 6);
    assert!(world.has("c0") && world.has("c69999") && !world.has("c70000"));
    assert!(matches!(
        world.reports[..],
        [RefreshEvent::Switched { clients: 70_000, added: 70_000, .. }, ..]
    ));
    assert_eq!(slots_in_use(&world), 1);
}

#[test]
fn the_first_page_may_be_the_same_and_no_longer_the_only_one() {
    for strict in [false, true] {
        let mut world = World::of(1, registry(|_| {}), strict, "");
        world.serve("/clients", page(numbered(0, 3)).with("etag", "\"1\""));
        world.until_switched();
        // RFC 9110 §15.4.5: nothing of it was modified.
        world.serve_each(
            "/clients",
            vec![
                status(304).with("link", &next("/2")),
                page(numbered(0, 3)).with("link", &next("/2")),
            ],
        );
        world.serve("/2", page(numbered(3, 4)));
        world.run(Duration::from_secs(11));
        assert!(world.has("c3") && world.failures().is_empty());
        assert!(world.requests[2].headers.iter().all(|(name, _)| !name.starts_with("if-")));
    }
}
