//! Refreshes that fail: the list in force stays.

use super::world::{ServedPage, World, numbered, page, registry, status};
use super::*;

fn page_of_twelve() -> ServedPage {
    page(numbered(0, 12))
}

#[test]
fn an_answer_that_is_not_a_list_keeps_the_list_in_force() {
    let mut world = World::new(3, registry(|_| {}), page_of_twelve().body);
    world.run_until_switched();
    let malformed = |text: &str| FetchError::Malformed(text.into());
    let three = numbered(0, 3);
    for (page, expected) in [
        (page("<html>"), malformed("not JSON at byte 0")),
        (page("[{\"client_id\":"), malformed("not JSON: it ends in the middle")),
        (page(""), malformed("not JSON: it ends in the middle")),
        (
            page("{\"error\":\"x\"}"),
            malformed("expected an array of clients, or an object with the array clients"),
        ),
        (page(format!("{three}x")), malformed(&format!("not JSON at byte {}", three.len()))),
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
        assert_eq!(world.slots_in_use(), 1, "the shards of a failed list are emptied");
        world.serve("/clients", page_of_twelve());
        world.run(Duration::from_secs(60));
        assert_eq!(world.events.last(), Some(&RefreshEvent::Confirmed), "it recovers");
    }
}

#[test]
fn failures_are_retried_at_growing_intervals() {
    let mut world = World::new(1, registry(|_| {}), "");
    world.serve("/clients", status(503));
    world.run(Duration::from_secs(120));
    let retry = |event: &RefreshEvent| match event {
        RefreshEvent::Failed { retry, .. } => retry.as_secs_f64(),
        other => panic!("{other:?}"),
    };
    let retries: Vec<_> = world.events.iter().map(retry).collect();
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
fn an_old_list_serves_until_max_stale() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    world.serve("/clients", status(500));
    let age = |world: &World| world.vms[0].as_ref().unwrap().state().unwrap().1;
    world.run_until(|world| age(world) == Duration::from_secs(100));
    assert!(matches!(world.find(0, "c1"), Ok(Registration::Registered(_))));
    world.tick();
    assert_eq!(world.find(0, "c1"), Err(RegistryFault::Stale));
    world.tick();
    assert_eq!(
        [world.find(0, "c1"), world.find(1, "unregistered")],
        [Err(RegistryFault::Stale), Err(RegistryFault::Stale)]
    );
    world.serve("/clients", page(numbered(0, 3)));
    world.run(Duration::from_secs(31));
    assert!(world.has("c1"));
}

#[test]
fn a_request_that_is_not_sent_is_a_failure() {
    let mut world = World::new(1, registry(|_| {}), "");
    world.pages.clear();
    world.run_until(|world| world.asked.len() == 1);
    world.vm(0).not_sent();
    world.serve("/clients", page(numbered(0, 3)));
    world.run(Duration::from_secs(2));
    assert_eq!(world.failures(), [&FetchError::NotSent]);
    assert!(world.has("c1"), "the next attempt is a second later");
    world.vm(0).not_sent();
    world.run(Duration::from_secs(2));
    assert_eq!(world.failures().len(), 1, "no request was under way");
}

#[test]
fn lists_are_fetched_often_enough_for_max_stale() {
    let registry = registry(|registry| registry.max_stale = Duration::from_secs(4));
    let mut world = World::new(1, registry, numbered(0, 3));
    world.run_until_switched();
    for _ in 0..100 {
        world.tick();
        assert!(world.has("c1"));
    }
}

#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    let read = |_: usize| Some(b"[]".to_vec());
    let late = RegistryAnswer { status: Some(200), headers: &[], body_size: 2, read: &read };
    world.vm(0).on_answer(late);
    world.run(Duration::from_secs(2));
    assert!(world.has("c1"));
}
