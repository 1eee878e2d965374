use super::super::tests::{client, registry};
use super::*;

const BEFORE: u64 = 6;
const NEXT: u64 = 7;

fn on_miss() -> OnMiss<u32> {
    OnMiss::new(registry(|_| {}))
}

/// Asks for a client, and takes this answer at the same moment.
fn ask(
    on_miss: &mut OnMiss<u32>,
    client_id: &str,
    now: u64,
    status: u16,
    body: &str,
) -> LookupOutcome<u32> {
    on_miss.wait(client_id, 1, now);
    assert_eq!(on_miss.take_requests().len(), 1);
    answer(on_miss, client_id, now, status, body)
}

fn answer(
    on_miss: &mut OnMiss<u32>,
    client_id: &str,
    now: u64,
    status: u16,
    body: &str,
) -> LookupOutcome<u32> {
    let read = |length: usize| Some(body.as_bytes()[..length].to_vec());
    let headers = [("cache-control".to_owned(), b"no-store".to_vec())];
    let answer = RegistryAnswer {
        status: Some(status),
        headers: &headers,
        body_size: body.len(),
        read: &read,
    };
    on_miss.on_answer(client_id, Some(&answer), NEXT, now)
}

type Found = Poll<Result<Registration, RegistryFault>>;

fn is_registered(found: &Found) -> bool {
    matches!(found, Poll::Ready(Ok(Registration::Registered(_))))
}

const UNREGISTERED: Found = Poll::Ready(Ok(Registration::Unregistered));
const NOT_NOW: Found = Poll::Ready(Err(RegistryFault::NoLookupNow));

#[test]
fn a_client_is_gone_with_the_first_list_that_was_begun_after_the_answer() {
    let mut on_miss = on_miss();
    assert!(on_miss.find("a", BEFORE, 0).is_pending());
    let outcome = ask(&mut on_miss, "a", 0, 200, &client("a"));
    assert!(outcome.result.is_ok() && outcome.failure.is_none() && outcome.waiting == [1]);
    // `cache-control` says nothing about how long it counts.
    assert!(is_registered(&on_miss.find("a", BEFORE, 0)));
    assert!(is_registered(&on_miss.find("a", BEFORE, 3_599_999)));
    assert_eq!(on_miss.find("a", NEXT, 9_999), UNREGISTERED);
    assert_eq!(on_miss.find("a", NEXT + 5, 9_999), UNREGISTERED);
    // Then it is a client that the list lacks.
    assert!(on_miss.find("a", NEXT, 10_000).is_pending());
}

#[test]
fn an_answer_never_counts_longer_than_max_stale() {
    let mut on_miss = on_miss();
    ask(&mut on_miss, "a", 5_000, 200, &client("a")).result.unwrap();
    assert!(is_registered(&on_miss.find("a", BEFORE, 3_604_999)));
    assert!(on_miss.find("a", BEFORE, 3_605_000).is_pending());
    ask(&mut on_miss, "a", 5_000, 200, &client("a")).result.unwrap();
    assert!(on_miss.find("a", BEFORE, 4_999).is_pending(), "the clock was set back");
}

#[test]
fn a_client_is_asked_for_once_in_ten_seconds_whatever_is_answered() {
    for (status, body, is_failure) in [
        (404, String::new(), false),
        (200, "[]".to_owned(), false),
        (500, String::new(), true),
        (302, String::new(), true),
        (200, "<html>".to_owned(), true),
        (200, client("b"), true),
        (200, " ".repeat(1001), true),
    ] {
        let mut on_miss = on_miss();
        let outcome = ask(&mut on_miss, "a", 0, status, &body);
        assert_eq!(outcome.failure.is_some(), is_failure, "{status} {body}");
        let expected = match outcome.failure {
            Some(error) => Poll::Ready(Err(RegistryFault::Lookup(error))),
            None => UNREGISTERED,
        };
        // A list that is newer than the answer lacks the client, too.
        for (attempt, now) in [(BEFORE, 0), (NEXT, 9_999)] {
            assert_eq!(on_miss.find("a", attempt, now), expected, "{status} {body}");
        }
        assert!(on_miss.find("a", BEFORE, 10_000).is_pending(), "{status} {body}");
        assert!(on_miss.find("b", BEFORE, 0).is_pending());
    }
    let mut on_miss = on_miss();
    on_miss.wait("a", 1, 0);
    on_miss.on_answer("a", None, NEXT, 0);
    let not_sent = Poll::Ready(Err(RegistryFault::Lookup(FetchError::NotSent)));
    assert_eq!(on_miss.find("a", BEFORE, 9_999), not_sent);
}

#[test]
fn the_call_goes_on_without_those_that_left() {
    let mut on_miss = on_miss();
    for waiting in 1..=3 {
        on_miss.wait("a", waiting, 0);
    }
    on_miss.leave("a", |waiting| *waiting == 1);
    let requests = on_miss.take_requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].1.headers.contains(&(":path".into(), "/clients/a".into())));
    on_miss.leave("a", |waiting| *waiting == 2);
    // Longer than the pause: it is not asked for twice at the same time.
    assert!(on_miss.find("a", BEFORE, 20_000).is_pending());
    on_miss.wait("a", 4, 20_000);
    assert!(on_miss.take_requests().is_empty());
    assert_eq!(answer(&mut on_miss, "a", 20_000, 404, "").waiting, [3, 4]);
    on_miss.wait("b", 5, 0);
    on_miss.take_requests();
    on_miss.leave("b", |_| true);
    assert!(on_miss.find("b", BEFORE, 1).is_pending());
    assert!(answer(&mut on_miss, "b", 1, 404, "").waiting.is_empty());
    assert_eq!(on_miss.find("b", BEFORE, 9_999), UNREGISTERED);
}

#[test]
fn unusual_identifiers_are_not_asked_for() {
    let mut on_miss = on_miss();
    let longest = "x".repeat(255);
    for client_id in [&*longest, "ü?x=1&y#z", "a b", "..."] {
        assert!(on_miss.find(client_id, BEFORE, 0).is_pending(), "{client_id}");
    }
    let too_long = "x".repeat(256);
    // 256 octets, 128 characters.
    let accents = "ü".repeat(128);
    for client_id in [&*too_long, &*accents, "a\n", "a\0b", "a\u{85}b", " a", ".", ".."] {
        assert_eq!(on_miss.find(client_id, BEFORE, 0), UNREGISTERED, "{client_id:?}");
    }
}

#[test]
fn at_most_twenty_lookups_are_in_flight() {
    let mut on_miss = on_miss();
    ask(&mut on_miss, "known", 0, 200, &client("known")).result.unwrap();
    for number in 0..20 {
        let client_id = number.to_string();
        assert!(on_miss.find(&client_id, BEFORE, 0).is_pending());
        on_miss.wait(&client_id, number, 0);
    }
    assert_eq!(on_miss.take_requests().len(), 20);
    assert_eq!(on_miss.find("more", BEFORE, 0), NOT_NOW);
    assert!(on_miss.find("7", BEFORE, 0).is_pending(), "it waits for the same answer");
    assert!(is_registered(&on_miss.find("known", BEFORE, 0)));
    answer(&mut on_miss, "7", 0, 404, "");
    assert!(on_miss.find("more", BEFORE, 0).is_pending());
}

#[test]
fn a_flood_of_identifiers_displaces_no_client_and_none_is_asked_for_twice() {
    let mut on_miss = on_miss();
    ask(&mut on_miss, "found", 0, 200, &client("found")).result.unwrap();
    for number in 1..limits::ASKED_ON_MISS {
        ask(&mut on_miss, &number.to_string(), 1, 404, "").result.unwrap();
    }
    assert_eq!(on_miss.find("more", BEFORE, 9_999), NOT_NOW);
    assert_eq!(on_miss.find("1", BEFORE, 9_999), UNREGISTERED);
    assert!(is_registered(&on_miss.find("found", BEFORE, 9_999)));
    // The first one may be asked for again.
    assert!(on_miss.find("more", BEFORE, 10_000).is_pending());
    ask(&mut on_miss, "more", 10_000, 404, "").result.unwrap();
    assert_eq!(on_miss.asked.len(), limits::ASKED_ON_MISS);
}

#[test]
fn a_client_whose_answer_was_displaced_is_not_unregistered() {
    let mut on_miss = on_miss();
    ask(&mut on_miss, "first", 0, 200, &client("first")).result.unwrap();
    for number in 0..limits::FOUND_ON_MISS {
        let client_id = number.to_string();
        ask(&mut on_miss, &client_id, 1, 200, &client(&client_id)).result.unwrap();
    }
    assert_eq!(on_miss.find("first", BEFORE, 2), NOT_NOW);
    assert_eq!(on_miss.find("first", NEXT, 2), UNREGISTERED);
}

#[test]
fn a_client_that_cannot_be_used_is_unusable_until_the_next_list() {
    let mut on_miss = on_miss();
    let bad = r#"{"client_id":"a","token_endpoint_auth_method":"tls_client_auth"}"#;
    let unusable = |found: Found| matches!(found, Poll::Ready(Ok(Registration::Unusable(_))));
    ask(&mut on_miss, "a", 0, 200, bad).result.unwrap();
    assert!(unusable(on_miss.find("a", BEFORE, 60_000)));
    let twice = format!("[{},{}]", client("b"), client("b"));
    ask(&mut on_miss, "b", 0, 200, &twice).result.unwrap();
    assert!(unusable(on_miss.find("b", BEFORE, 60_000)));
}
