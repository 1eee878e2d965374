//! Refreshes that succeed: requests, changes, confirmations.

use super::world::{TICK, World, client, numbered, page, registry, status};
use super::*;

#[test]
fn one_vm_fetches_for_all() {
    let mut world = World::new(6, registry(|_| {}), numbered(0, 3));
    assert_eq!(world.find(0, "c1"), Err(RegistryFault::NoList));
    world.run_until_switched();
    assert!(world.has("c0") && world.has("c2") && !world.has("c3"));
    world.run(Duration::from_secs(100));
    let fetchers: Vec<_> = world.asked.iter().map(|(vm, _)| *vm).collect();
    assert!(fetchers.windows(2).all(|pair| pair[0] == pair[1]), "{fetchers:?}");
    // Every 9 to 10 s, and up to a tick more.
    assert!((10..=12).contains(&fetchers.len()), "{fetchers:?}");
    assert_eq!(world.vm(3).state().map(|(clients, _)| clients), Some(3));
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
fn clients_are_added_removed_and_changed() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    assert_eq!(
        world.events,
        [RefreshEvent::Switched { clients: 3, refused: 0, added: 3, removed: 0, changed: 0 }]
    );
    world.events.clear();
    let before = world.find(0, "c2");
    let [c1, c2, c3] = [("c1", "c1"), ("c2", "other"), ("c3", "c3")]
        .map(|(id, name)| client(id, &format!("CN={name}")));
    world.serve("/clients", page(format!("[{c1},{c2},{c3}]")));
    world.run_until_switched();
    assert!(!world.has("c0") && world.has("c1") && world.has("c3"));
    assert_ne!(world.find(0, "c2"), before);
    let lines: Vec<_> = world.events.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "3 clients: 1 added, 1 removed, 1 changed, 0 refused");
    let mut changes = lines[1..].to_vec();
    changes.sort();
    assert_eq!(
        changes,
        ["added client_id=\"c3\"", "changed client_id=\"c2\"", "removed client_id=\"c0\""]
    );
    // The same list again is a confirmation.
    world.events.clear();
    world.run(Duration::from_secs(30));
    assert!(world.events.iter().all(|event| *event == RefreshEvent::Confirmed));
    assert!(world.events.len() >= 2);
}

#[test]
fn a_removed_client_is_refused_one_refresh_later() {
    let mut world = World::new(3, registry(|_| {}), numbered(0, 20));
    world.run_until_switched();
    assert!(world.has("c7"));
    world.serve("/clients", page(numbered(8, 20)));
    world.run(Duration::from_secs(10) + 2 * TICK);
    assert!(!world.has("c7"));
}

#[test]
fn small_lists_may_become_empty() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 9));
    world.run_until_switched();
    world.serve("/clients", page("[]"));
    world.run_until_switched();
    assert_eq!(world.find(0, "c1"), Ok(Registration::Unregistered));
    assert_eq!(world.vm(0).state().unwrap().0, 0);
    let allow = registry(|registry| {
        registry.mode = FetchMode::Snapshot { max_pages: 1, allow_empty: true }
    });
    let mut world = World::new(1, allow, numbered(0, 50));
    world.run_until_switched();
    world.serve("/clients", page("{\"clients\":[]}"));
    world.run_until_switched();
    assert!(!world.has("c1"));
}

fn header(request: &RegistryRequest, name: &str) -> Option<String> {
    let mut same = request.headers.iter().filter(|(header, _)| **header == *name);
    same.next().map(|(_, value)| value.to_string())
}

#[test]
fn validators_make_requests_conditional() {
    let mut world = World::new(2, registry(|_| {}), "");
    let first = page(numbered(0, 3)).with("etag", "\"1\"").with("last-modified", "yesterday");
    world.serve("/clients", first);
    world.run_until_switched();
    world.serve("/clients", status(304));
    world.run(Duration::from_secs(50));
    assert_eq!(header(&world.requests[0], "if-none-match"), None);
    for request in &world.requests[1..] {
        assert_eq!(header(request, "if-none-match").as_deref(), Some("\"1\""));
        // Two lists of one second have the same date.
        assert_eq!(header(request, "if-modified-since"), None);
    }
    assert!(world.has("c1") && world.failures().is_empty());
    let (_, age) = world.vm(0).state().unwrap();
    assert!(age < Duration::from_secs(11), "a confirmed list is young");
}

#[test]
fn not_modified_with_a_greater_total_is_not_believed() {
    for (header_name, total, is_conditional) in [
        ("x-total-count", "3", true),
        ("x-total-count", "4", false),
        ("content-range", "items 0-2/4", false),
        ("content-range", "bytes 0-2/4", true),
    ] {
        let mut world = World::new(1, registry(|_| {}), "");
        world.serve("/clients", page(numbered(0, 3)).with("etag", "\"1\""));
        world.run_until_switched();
        world.serve("/clients", status(304).with(header_name, total));
        world.run(Duration::from_secs(11));
        let last = world.requests.last().expect("a request");
        assert_eq!(header(last, "if-none-match").is_some(), is_conditional, "{total}");
    }
}

/// An entry that is refused may name many clients, one that is there twice is one client, and one
/// may be left out.
#[test]
fn a_total_is_compared_with_the_entries_that_were_read() {
    let broken = r#"{"client_id": "x", "clientId": "y", "client_identifier": "z"}"#;
    for (entries, total, is_conditional) in [
        (vec![client("a", "CN=a"), broken.to_owned()], "2", true),
        (vec![client("a", "CN=a"), broken.to_owned()], "3", false),
        (vec![client("a", "CN=a"), client("a", "CN=a")], "2", true),
        (vec![client("a", "CN=a"), client("a", "CN=a")], "3", false),
    ] {
        let mut world = World::new(1, registry(|_| {}), "");
        let list = format!("[{}]", entries.join(","));
        world.serve("/clients", page(list).with("etag", "\"1\""));
        world.run_until_switched();
        world.serve("/clients", status(304).with("x-total-count", total));
        world.run(Duration::from_secs(11));
        let last = world.requests.last().expect("a request");
        let asked = header(last, "if-none-match").is_some();
        assert_eq!(asked, is_conditional, "{entries:?} {total}");
    }
}

#[test]
fn not_modified_does_not_count_without_end() {
    let mut world = World::new(2, registry(|_| {}), "");
    world.serve("/clients", page(numbered(0, 3)).with("etag", "\"1\""));
    world.run_until_switched();
    world.serve("/clients", status(304));
    world.run(Duration::from_secs(150));
    // Every tenth request is unconditional, and "not modified" is then an error.
    let is_unconditional = |request: &&RegistryRequest| header(request, "if-none-match").is_none();
    let unconditional = world.requests.iter().filter(is_unconditional).count();
    assert_eq!(unconditional, 1 + world.failures().len());
    assert_eq!(world.requests[1..].iter().position(|request| is_unconditional(&request)), Some(9));
    assert_eq!(world.failures().first(), Some(&&FetchError::Status(304)));
    world.serve("/clients", page(numbered(1, 3)).with("etag", "\"1\""));
    world.run(Duration::from_secs(40));
    assert!(!world.has("c0") && world.has("c1"), "another list with the same ETag is another list");
}

#[test]
fn a_tick_says_whether_there_is_more_to_do() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 20));
    world.run_until(|world| world.asked.len() == 1);
    let mut left = 0;
    while world.vms[0]
        .as_mut()
        .unwrap()
        .tick(TICK, world.now, &mut world.process, &mut || false)
        .is_busy
    {
        left += 1;
    }
    // An entry at a time, then the shard, which is written and compared.
    assert_eq!(left, 22);
    assert!(world.has("c19"));
}

/// By this number `OnMiss` knows whether a list is later than the lookup of a client.
#[test]
fn a_list_that_is_requested_later_has_at_least_the_next_number() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    assert_eq!(world.vm(0).attempt(), 0, "there is no list yet");
    world.run_until_switched();
    for _ in 0..3 {
        let attempts = [0, 1].map(|vm| world.vm(vm).attempt());
        let next =
            [0, 1].map(|vm| world.vms[vm].as_ref().unwrap().next_attempt(&mut world.process));
        assert!(attempts[0] == attempts[1] && next[0] == next[1] && attempts[0] < next[0]);
        world.run(Duration::from_secs(10));
        assert!(world.vm(0).attempt() >= next[0]);
    }
}

/// Otherwise a party that knows the time would know some of it.
#[test]
fn every_bit_of_the_random_number_is_in_the_seed() {
    let seed = |random| {
        let mut world = World::new(1, registry(|_| {}), numbered(0, 1));
        world.vms[0] = Some(Snapshot::new(world.registry.clone(), false, random));
        world.run_until_switched();
        world.vm(0).list.head().unwrap().layout.seed
    };
    let zero = seed(0);
    for bit in 0..64 {
        assert_eq!(seed(1 << bit) ^ zero, 1 << bit);
    }
}

/// A VM that has just started has nothing but the time of the last confirmation.
#[test]
fn a_vm_that_starts_later_uses_a_list_that_was_confirmed() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    world.run(Duration::from_secs(150));
    world.vms.push(Some(Snapshot::new(world.registry.clone(), false, 7)));
    assert!(matches!(world.find(1, "c1"), Ok(Registration::Registered(_))));
    let (_, age) = world.vm(1).state().unwrap();
    assert!(age <= Duration::from_secs(10), "{age:?}");
}
