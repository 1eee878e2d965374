//! Pages without a generation header: whether they are of one list shows only in a second reading.

use super::world::{World, authlete, client, list, numbered, page, registry};
use super::*;

/// The identifiers of the clients on two pages.
type Reading<'a> = (&'a [&'a str], &'a [&'a str]);

/// Serves two pages with the clients of each of these readings in turn.
fn serve_readings(world: &mut World, readings: &[Reading<'_>]) {
    let clients = |ids: &[&str]| page(list(ids.iter().map(|id| (*id).to_owned())));
    let first = readings.iter().map(|(first, _)| clients(first).with_next("/2"));
    world.serve_each("/clients", first.collect());
    world.serve_each("/2", readings.iter().map(|(_, second)| clients(second)).collect());
    world.asked.clear();
    world.events.clear();
}

/// A world in which unregistered clients pass, with a list of a, b and c in force.
fn world_of_abc() -> World {
    let mut world = World::of(2, registry(|_| {}), true, "");
    serve_readings(&mut world, &[(&["a", "b"], &["c"]), (&["c", "a"], &["b"])]);
    world.run_until_switched();
    world
}

#[test]
fn where_unregistered_clients_pass_two_readings_must_agree() {
    // The first list of all is read twice; the order of the clients does not matter.
    let mut world = world_of_abc();
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("a") && world.has("b") && world.has("c"));
    // A new list is read twice, too.
    serve_readings(&mut world, &[(&["a", "b"], &["c", "d"])]);
    world.run_until_switched();
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("d"));
    // B is deleted while the pages are read.
    serve_readings(
        &mut world,
        &[(&["a", "b"], &["c", "d", "e"]), (&["a"], &["c", "d"]), (&["a"], &["c", "d"])],
    );
    world.run_until_switched();
    assert_eq!(world.asked.len(), 6);
    assert!(!world.has("b") && !world.has("e"));
}

#[test]
fn the_list_in_force_counts_as_a_reading() {
    let mut world = world_of_abc();
    world.asked.clear();
    world.run(Duration::from_secs(20));
    assert_eq!(world.asked.len(), 4, "{:?}", world.asked);
    // However its clients are registered.
    serve_readings(&mut world, &[(&["a", "b"], &["c"])]);
    world.serve("/2", page(format!("[{}]", client("c", "CN=other"))));
    let before = world.find(0, "c");
    world.run_until_switched();
    assert_eq!(world.asked.len(), 2);
    assert_ne!(world.find(0, "c"), before);
    // B is on neither page of the first reading, because it was moved; it stays registered.
    serve_readings(&mut world, &[(&["a"], &["c"]), (&["a", "b"], &["c"])]);
    world.run(Duration::from_secs(11));
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("b") && world.failures().is_empty());
}

#[test]
fn three_readings_that_differ_fail_the_refresh() {
    let mut world = world_of_abc();
    let restless: [Reading<'_>; 4] = [
        (&["a"], &["c", "f"]),
        (&["a"], &["c", "g"]),
        (&["a"], &["c", "h"]),
        (&["a"], &["c", "h"]),
    ];
    serve_readings(&mut world, &restless[..3]);
    world.run_until(|world| !world.failures().is_empty());
    assert_eq!(world.asked.len(), 6);
    assert_eq!(world.failures(), [&FetchError::Incomplete(IncompleteList::ReadingsDiffer)]);
    assert!(world.has("b") && !world.has("h"));
    // The readings of a failed refresh do not count in the next one.
    serve_readings(&mut world, &restless[2..]);
    world.run(Duration::from_secs(3));
    assert_eq!(world.asked.len(), 4);
    assert!(world.has("h") && !world.has("b"));
}

#[test]
fn authletes_pages_are_read_twice_and_a_single_page_once() {
    let mut world = world_of_abc();
    world.serve("/clients", authlete(0, 2, 3));
    world.serve("/clients?start=2&end=502", authlete(2, 3, 3));
    world.asked.clear();
    world.run_until_switched();
    assert_eq!(world.asked.len(), 4);
    world.serve("/clients", page(numbered(0, 3)));
    world.asked.clear();
    world.run_until_switched();
    assert_eq!(world.asked.len(), 1);
}

#[test]
fn readings_must_also_agree_on_clients_that_never_authenticate() {
    // A client that the list lacks would pass.
    let bearer =
        r#"{"clientId":"broker","clientAuthenticatorType":"client-secret","bearerOnly":true}"#;
    let second = |clients: &str| page(format!("[{clients}]"));
    let mut world = World::of(1, registry(|_| {}), true, "");
    world.serve("/clients", page(numbered(0, 3)).with_next("/2"));
    world.serve("/2", second(bearer));
    world.run_until_switched();
    assert!(matches!(world.find(0, "broker"), Ok(Registration::Unusable(_))));
    // It is missing in the first reading, and back in the second.
    world.asked.clear();
    world.serve_each("/2", vec![second(""), second(bearer)]);
    world.run(Duration::from_secs(11));
    assert_eq!(world.asked.len(), 4);
    assert!(matches!(world.find(0, "broker"), Ok(Registration::Unusable(_))));
    assert!(world.failures().is_empty());
}

#[test]
fn where_unregistered_clients_are_refused_one_reading_counts() {
    let mut world = World::new(2, registry(|_| {}), "");
    serve_readings(&mut world, &[(&["a", "b"], &["c"])]);
    world.run_until_switched();
    serve_readings(&mut world, &[(&["a"], &["c"]), (&["a", "b"], &["c"])]);
    world.run_until_switched();
    assert_eq!(world.asked.len(), 2);
    assert!(!world.has("b"));
    // Policies that let unregistered clients pass do not use the list.
    let mut strict = Snapshot::new(world.registry.clone(), true, 7);
    assert_eq!(strict.find("b", &|| 0, &mut world.process), Err(RegistryFault::NoList));
}

const ALL: [&str; 5] = ["n", "a", "b", "c", "d"];

#[test]
fn a_client_on_two_pages_counts_as_repeated_only_if_it_stays_so() {
    for passes_unregistered in [false, true] {
        let mut world = World::of(2, registry(|_| {}), passes_unregistered, "");
        serve_readings(&mut world, &[(&["a", "b"], &["c", "d"])]);
        world.run_until_switched();
        // A new client at the front moves b to the second page.
        serve_readings(
            &mut world,
            &[(&["a", "b"], &["b", "c", "d"]), (&["n", "a"], &["b", "c", "d"])],
        );
        world.run_until_switched();
        assert_eq!(world.asked.len(), if passes_unregistered { 6 } else { 4 });
        assert!(ALL.iter().all(|id| world.has(id)));
        // Another client is there twice in each reading: the list is changing, too.
        let moving: [Reading<'_>; 3] = [
            (&["n", "a", "b"], &["b", "c", "d"]),
            (&["n", "a", "b", "c"], &["c", "d"]),
            (&["n", "a", "b"], &["c", "d"]),
        ];
        serve_readings(&mut world, &moving);
        world.run_until(|world| !world.events.is_empty());
        assert_eq!(world.asked.len(), 6);
        assert!(ALL.iter().all(|id| world.has(id)) && world.failures().is_empty());
        // A client that both readings have twice is unusable.
        serve_readings(&mut world, &[(&["n", "a"], &["b", "a", "d", "c"])]);
        world.run_until_switched();
        assert_eq!(world.asked.len(), 4);
        let repeated = Ok(Registration::Unusable("the list has this client_id twice".into()));
        assert_eq!(world.find(0, "a"), repeated);
        world.run(Duration::from_secs(10));
        assert_eq!(world.asked.len(), 6);
        assert!(world.failures().is_empty() && world.has("b"));
        // With another client in each reading, the last reading counts where unregistered clients
        // are refused.
        serve_readings(
            &mut world,
            &[(&["a"], &["1", "a"]), (&["a"], &["2", "a"]), (&["a"], &["3", "a"])],
        );
        world.run_until(|world| !world.events.is_empty());
        world.tick();
        assert_eq!(world.asked.len(), 6);
        assert_eq!(world.has("3"), !passes_unregistered);
        assert_eq!(world.failures().is_empty(), !passes_unregistered);
    }
}

#[test]
fn a_client_on_two_pages_of_one_generation_is_unusable_at_once() {
    let registry = registry(|registry| registry.generation_header = Some("etag".into()));
    let mut world = World::new(1, registry, "");
    world.serve("/clients", page(numbered(0, 2)).with("etag", "1").with_next("/2"));
    world.serve("/2", page(numbered(1, 3)).with("etag", "1"));
    world.run_until_switched();
    assert_eq!(world.asked.len(), 2);
    assert!(matches!(world.find(0, "c1"), Ok(Registration::Unusable(_))));
}

#[test]
fn a_long_list_in_pages_is_read_twice_and_stored_once() {
    // So long that clients are written before all are gathered.
    let unlimited = registry(|registry| registry.max_bytes = usize::MAX);
    let mut world = World::of(1, unlimited, true, "");
    world.serve("/clients", page(numbered(0, 40_000)).with_next("/2"));
    world.serve_each("/2", vec![page(numbered(40_000, 69_999)), page(numbered(40_000, 70_000))]);
    world.run_until_switched();
    assert_eq!(world.asked.len(), 6);
    assert!(world.has("c0") && world.has("c69999") && !world.has("c70000"));
    assert!(matches!(
        world.events[..],
        [RefreshEvent::Switched { clients: 70_000, added: 70_000, .. }, ..]
    ));
    assert_eq!(world.slots_in_use(), 1);
}
