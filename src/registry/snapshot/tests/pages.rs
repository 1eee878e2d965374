//! Lists in several pages.

use super::world::{ServedPage, TICK, World, authlete, list, numbered, page, registry, status};
use super::*;

fn is_conditional(request: &RegistryRequest) -> bool {
    request.headers.iter().any(|(name, _)| name.starts_with("if-"))
}

#[test]
fn linked_pages_are_one_list() {
    let mut world = World::new(2, registry(|_| {}), "");
    world.serve("/clients", page(numbered(0, 10)).with_next("?page=2").with("etag", "\"1\""));
    world.serve("/clients?page=2", page(numbered(10, 20)).with_next("http://REGISTRY.test/p3"));
    world.serve("/p3", page(numbered(20, 30)));
    world.run_until_switched();
    assert!(world.has("c5") && world.has("c15") && world.has("c25"));
    world.run(Duration::from_secs(11));
    assert!(!world.requests.iter().any(is_conditional));

    // A page that is missing, in the middle or at the end, fails the refresh.
    for missing in ["/clients?page=2", "/p3"] {
        let page = world.pages.insert(missing, status(404)).unwrap();
        world.events.clear();
        world.run(Duration::from_secs(12));
        assert_eq!(world.failures().first(), Some(&&FetchError::Status(404)));
        assert!(world.has("c5") && world.has("c25"));
        world.pages.insert(missing, page);
        world.run(Duration::from_secs(60));
    }
    // Pages without end.
    world.serve("/p3", page("[]").with_next("/p4"));
    world.serve("/p4", page("[]").with_next("/p5"));
    world.serve("/p5", page("[]").with_next("/p6"));
    world.events.clear();
    world.run(Duration::from_secs(12));
    assert_eq!(world.failures().first(), Some(&&FetchError::NextPage("more pages than max_pages")));
    world.serve("/p4", page("[]").with_next("/clients?page=2"));
    world.events.clear();
    world.run(Duration::from_secs(60));
    assert_eq!(world.failures().first(), Some(&&FetchError::NextPage("a page that came before")));
    assert!(world.has("c5") && world.has("c25"));
}

const AUTHLETE_PATH: &str = "/list?developer=x&end=5";
const AUTHLETE_THIRD: &str = "/list?developer=x&end=507&start=7";

/// A registry with nine clients of Authlete in three pages.
fn authlete_world(registry: Arc<FetchedRegistry>) -> World {
    let mut world = World::new(2, registry, "");
    world.pages.clear();
    world.serve(AUTHLETE_PATH, authlete(0, 5, 9));
    world.serve("/list?developer=x&end=505&start=5", authlete(5, 7, 9));
    world.serve(AUTHLETE_THIRD, authlete(7, 9, 9));
    world
}

#[test]
fn authletes_list_is_read_to_its_total() {
    let mut world = authlete_world(registry(|registry| registry.path = AUTHLETE_PATH.into()));
    world.run_until_switched();
    assert!(["0", "4", "5", "8"].iter().all(|id| world.has(id)) && !world.has("9"));
    let authorization = ("authorization".into(), "Bearer x".into());
    assert!(world.requests.iter().all(|request| request.headers.contains(&authorization)));
    let early_end = page(authlete(7, 8, 9).body.replace("\"end\":8", "\"end\":9"));
    for (third, why) in [
        (authlete(7, 7, 9), IncompleteList::EmptyPage { entries: 7, total: 9 }),
        (authlete(7, 10, 10), IncompleteList::TotalChanged { before: 9, now: 10 }),
        (authlete(5, 7, 9), IncompleteList::WrongStart { requested: 7, start: Some(5) }),
        (early_end, IncompleteList::BelowTotal { member: "totalCount", entries: 8, total: 9 }),
        (
            page(list(["evil".to_owned()].into_iter())),
            IncompleteList::WrongStart { requested: 7, start: None },
        ),
    ] {
        world.serve(AUTHLETE_THIRD, third);
        world.events.clear();
        world.run(Duration::from_secs(12));
        assert_eq!(world.failures().first(), Some(&&FetchError::Incomplete(why)));
        let Some(RefreshEvent::Failed { path, .. }) = world.events.first() else {
            panic!("{:?}", world.events)
        };
        assert_eq!(&**path, AUTHLETE_THIRD);
        assert!(world.has("0") && world.has("8") && !world.has("evil"));
        world.serve(AUTHLETE_THIRD, authlete(7, 9, 9));
        world.run(Duration::from_secs(31));
        assert_eq!(world.events.last(), Some(&RefreshEvent::Confirmed), "it recovers");
    }
}

#[test]
fn authletes_pages_are_limited_by_max_pages() {
    let mut world = authlete_world(registry(|registry| {
        registry.path = AUTHLETE_PATH.into();
        registry.mode = FetchMode::Snapshot { max_pages: 2, allow_empty: false };
    }));
    world.run(Duration::from_secs(3));
    let expected = FetchError::Incomplete(IncompleteList::TooManyPages);
    assert_eq!(world.failures().first(), Some(&&expected));
    assert_eq!(world.find(0, "0"), Err(RegistryFault::NoList));
}

#[test]
fn a_part_of_a_list_is_not_used() {
    let clients = numbered(0, 3);
    let with = |members: &str| page(format!("{{\"clients\":{clients},{members}}}"));
    let path = "/clients?max=3";
    let world_of =
        |strict| World::of(1, registry(|registry| registry.path = path.into()), strict, "");
    for passes_unregistered in [false, true] {
        for (part, why) in [
            (
                with("\"totalCount\":4"),
                IncompleteList::BelowTotal { member: "totalCount", entries: 3, total: 4 },
            ),
            (
                with("\"total\":4").with("link", "</0>; rel=prev"),
                IncompleteList::BelowTotal { member: "total", entries: 3, total: 4 },
            ),
            (with("\"has_more\":true"), IncompleteList::MoreStated("has_more")),
            (with("\"nextPageToken\":\"0\""), IncompleteList::MoreStated("nextPageToken")),
            (
                page(clients.clone()).with("x-total-count", "4"),
                IncompleteList::BelowTotal { member: "x-total-count", entries: 3, total: 4 },
            ),
            (
                page(clients.clone()).with("content-range", "clients 0-2/4"),
                IncompleteList::BelowTotal { member: "content-range", entries: 3, total: 4 },
            ),
            (
                with("\"total\":null,\"cursor\":\"\",\"has_more\":null"),
                IncompleteList::ExactlyRequested { parameter: "max", entries: 3 },
            ),
            (
                with("\"links\":[{\"rel\":\"next\",\"href\":\"/2\"}]"),
                IncompleteList::MoreStated("links"),
            ),
            (
                page(clients.clone()),
                IncompleteList::ExactlyRequested { parameter: "max", entries: 3 },
            ),
        ] {
            let mut world = world_of(passes_unregistered);
            world.serve(path, part.clone());
            world.run(Duration::from_secs(2));
            assert_eq!(world.failures().first(), Some(&&FetchError::Incomplete(why)));
            assert_eq!(world.find(0, "c1"), Err(RegistryFault::NoList));
            // With a link to the rest it is a page.
            world.serve("/2", page(numbered(3, 4)));
            world.serve(path, part.with_next("/2"));
            world.run(Duration::from_secs(4));
            assert!(world.has("c1") && world.has("c3"));
        }
        // With links, and none to a next page, it is the only page.
        let mut world = world_of(passes_unregistered);
        world.serve(path, page(clients.clone()).with("link", "</0>; rel=prev"));
        world.run_until_switched();
        assert!(world.has("c1"));
        // The last of several pages may be full.
        world.serve(path, page(clients.clone()).with_next("/clients?max=3&first=3"));
        world.serve("/clients?max=3&first=3", page(numbered(3, 6)));
        world.run_until_switched();
        assert!(world.has("c5"));
    }
}

#[test]
fn a_link_that_is_not_utf_8_is_not_ignored() {
    let mut world = World::new(1, registry(|_| {}), "");
    let body = numbered(0, 3);
    for _ in 0..2 {
        world.vms[0].as_mut().unwrap().tick(TICK, world.now, &mut world.process, &mut || true);
    }
    let headers = [
        (":status".to_owned(), b"200".to_vec()),
        ("link".to_owned(), b"</2\xff>; rel=next".to_vec()),
    ];
    let read = |_: usize| Some(body.clone().into_bytes());
    world.vm(0).on_answer(RegistryAnswer {
        status: Some(200),
        headers: &headers,
        body_size: body.len(),
        read: &read,
    });
    world.tick();
    assert_eq!(world.failures().first(), Some(&&FetchError::NextPage("not a URI reference")));
}

#[test]
fn a_confirmed_first_page_may_be_followed_by_others_now() {
    for passes_unregistered in [false, true] {
        let mut world = World::of(1, registry(|_| {}), passes_unregistered, "");
        world.serve("/clients", page(numbered(0, 3)).with("etag", "\"1\""));
        world.run_until_switched();
        // RFC 9110 §15.4.5: "not modified" is said of this page only.
        let pages = [status(304), page(numbered(0, 3))].map(|page| page.with_next("/2"));
        world.serve_each("/clients", pages.into());
        world.serve("/2", page(numbered(3, 4)));
        world.run(Duration::from_secs(11));
        assert!(world.has("c3") && world.failures().is_empty());
        assert!(!is_conditional(&world.requests[2]));
    }
}

/// Serves a list in two pages; each page has one of these values of the generation header in turn.
fn serve_generations(world: &mut World, first: &[&str], second: &[&str]) {
    let page = |body: String, generation: &&str| -> ServedPage {
        let page = page(body);
        if generation.is_empty() { page } else { page.with("x-revision", generation) }
    };
    let first = first.iter().map(|generation| page(numbered(0, 3), generation).with_next("/2"));
    world.serve_each("/clients", first.collect());
    let second = second.iter().map(|generation| page(numbered(3, 6), generation));
    world.serve_each("/2", second.collect());
}

fn world_with_generations(passes_unregistered: bool) -> World {
    let registry = registry(|registry| registry.generation_header = Some("x-revision".into()));
    World::of(2, registry, passes_unregistered, "")
}

const CHANGED: FetchError = FetchError::Incomplete(IncompleteList::GenerationChanged);
const MISSING: FetchError = FetchError::Incomplete(IncompleteList::GenerationMissing);

#[test]
fn pages_of_two_generations_are_read_again_up_to_three_times() {
    for passes_unregistered in [false, true] {
        for (first, second, asked, expected) in [
            (vec!["1"], vec!["1"], 2, None),
            (vec!["1", "2"], vec!["2"], 4, None),
            (vec!["1", "2", "3"], vec!["2", "3", "3"], 6, None),
            (vec!["1", "2", "3"], vec!["2", "3", "4"], 6, Some(&CHANGED)),
            (vec!["1"], vec![""], 6, Some(&MISSING)),
            (vec![""], vec!["1"], 3, Some(&MISSING)),
            (vec![""], vec![""], 3, Some(&MISSING)),
            (vec!["1", "", "2"], vec!["2"], 5, None),
        ] {
            let mut world = world_with_generations(passes_unregistered);
            serve_generations(&mut world, &first, &second);
            let ticks = world
                .run_until(|world| world.generation().is_some() || !world.failures().is_empty());
            assert!(ticks < 9, "{first:?} {second:?}: {ticks} ticks, instead of at once");
            world.tick();
            assert_eq!(
                (world.failures().first().copied(), world.asked.len()),
                (expected, asked),
                "{first:?} {second:?}"
            );
            let is_registered = matches!(world.find(0, "c5"), Ok(Registration::Registered(_)));
            assert_eq!(is_registered, expected.is_none());
        }
    }
}

#[test]
fn a_list_in_force_stays_while_generations_change() {
    for passes_unregistered in [false, true] {
        // After a failure there are three readings again.
        let mut world = world_with_generations(passes_unregistered);
        serve_generations(&mut world, &["1"], &["2"]);
        world.run_until(|world| world.failures().len() == 2);
        assert_eq!(world.asked.len(), 12);
        serve_generations(&mut world, &["1"], &["1"]);
        world.run(Duration::from_secs(3));
        assert!(world.has("c0") && world.has("c5"));
        serve_generations(&mut world, &["2"], &["3"]);
        world.events.clear();
        world.run(Duration::from_secs(11));
        assert_eq!(world.failures().first(), Some(&&CHANGED));
        assert!(world.has("c0") && world.has("c5"));
        // A single page must have the header, too: otherwise its name is wrong.
        world.events.clear();
        world.serve_each("/clients", vec![page(numbered(0, 7))]);
        world.run(Duration::from_secs(40));
        assert_eq!(world.failures().first(), Some(&&MISSING));
        world.serve("/clients", page(numbered(0, 7)).with("x-revision", "3"));
        world.run(Duration::from_secs(40));
        assert!(world.has("c6"));
    }
}
