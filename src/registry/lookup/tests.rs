use std::time::Duration;

use super::*;

pub(super) fn registry(change: impl FnOnce(&mut FetchedRegistry)) -> Arc<FetchedRegistry> {
    let mut registry = FetchedRegistry {
        identity: "r".into(),
        cluster: "registry".into(),
        authority: "registry.test".into(),
        path: "/clients/{client_id}".into(),
        mode: FetchMode::Lookup { cache_entries: 3 },
        refresh: Duration::from_secs(60),
        timeout: Duration::from_secs(2),
        max_stale: Duration::from_secs(3600),
        headers: Vec::new(),
        max_bytes: 1000,
        generation_header: None,
        on_miss: None,
    };
    change(&mut registry);
    Arc::new(registry)
}

fn lookup() -> Lookup<u32> {
    Lookup::new(registry(|_| {}))
}

pub(super) fn client(id: &str) -> String {
    format!(
        r#"{{"client_id":"{id}","token_endpoint_auth_method":"tls_client_auth",
            "tls_client_auth_san_dns":"a.test"}}"#
    )
}

/// The answer to the lookup of `client_id`.
fn answer(
    lookup: &mut Lookup<u32>,
    client_id: &str,
    now: u64,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> LookupOutcome<u32> {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect();
    let read = |length: usize| Some(body.as_bytes()[..length].to_vec());
    let answer = RegistryAnswer {
        status: Some(status),
        headers: &headers,
        body_size: body.len(),
        read: &read,
    };
    lookup.on_answer(client_id, Some(&answer), now)
}

fn is_registered(registration: &Registration) -> bool {
    matches!(registration, Registration::Registered(client) if client.client_id() == "a")
}

#[test]
fn all_requests_for_a_client_wait_for_one_lookup() {
    let mut lookup = lookup();
    assert!(lookup.find("a", 0).is_pending());
    let request = lookup.wait("a", 1).unwrap();
    assert!(request.headers.contains(&(":path".into(), "/clients/a".into())));
    assert!(lookup.wait("a", 2).is_none() && lookup.wait("a", 3).is_none());
    assert!(lookup.wait("b", 4).is_some());
    let outcome = answer(&mut lookup, "a", 0, 200, &[], &client("a"));
    assert_eq!(outcome.waiting, [1, 2, 3]);
    assert!(is_registered(&outcome.result.unwrap()) && outcome.failure.is_none());
    assert!(matches!(lookup.find("a", 59_999), Poll::Ready(known) if is_registered(&known)));
    assert!(lookup.find("a", 60_000).is_pending(), "older than refresh");
    assert!(lookup.find("b", 0).is_pending());
}

#[test]
fn identifiers_are_percent_encoded_and_never_change_the_path() {
    let mut lookup = lookup();
    for (client_id, path) in [
        ("a b/../%2e", "/clients/a%20b%2F..%2F%252e"),
        ("ü?x=1&y#z", "/clients/%C3%BC%3Fx%3D1%26y%23z"),
        ("a.b_c~d-e", "/clients/a.b_c~d-e"),
        ("{client_id}", "/clients/%7Bclient_id%7D"),
        ("...", "/clients/..."),
    ] {
        let request = lookup.wait(client_id, 0).unwrap();
        assert_eq!(&*request.headers[3].1, path);
    }
    let longest = "x".repeat(limits::LOOKUP_ID_OCTETS);
    assert!(lookup.find(&longest, 0).is_pending());
    for client_id in [".", "..", &format!("{longest}x")] {
        let found = lookup.find(client_id, 0);
        assert!(matches!(found, Poll::Ready(Registration::Unusable(_))), "{client_id} {found:?}");
    }
}

#[test]
fn answers_are_held_for_as_long_as_cache_control_says() {
    for (headers, seconds) in [
        (&[("cache-control", "max-age=5")][..], 5),
        (&[("cache-control", "private, Max-Age=\"7\"")], 7),
        (&[("cache-control", "max-age=100"), ("age", "60")], 40),
        (&[("cache-control", "max-age=5"), ("age", "60")], 0),
        (&[("cache-control", "max-age=5"), ("age", "2, 60")], 3),
        (&[("cache-control", "max-age = 5")], 5),
        (&[("cache-control", "max-age=99999999999999999999999")], 3600),
        (&[("cache-control", "max-age=5"), ("cache-control", "no-cache")], 0),
        (&[("cache-control", "no-store, max-age=5")], 0),
        (&[("cache-control", "max-age=x")], 0),
        (&[("cache-control", "max-age=5, max-age=9")], 5),
        (&[("cache-control", "public")], 60),
        (&[("cache-control", "max-age=99999999999999999")], 3600),
        (&[], 60),
    ] {
        let mut lookup = lookup();
        answer(&mut lookup, "a", 1000, 200, headers, &client("a"));
        assert_eq!(lookup.find("a", 1000).is_ready(), seconds > 0, "{headers:?}");
        assert_eq!(lookup.find("a", 999 + seconds * 1000).is_ready(), seconds > 0, "{headers:?}");
        assert!(lookup.find("a", 1000 + seconds * 1000).is_pending(), "{headers:?}");
        assert!(lookup.find("a", 999).is_pending(), "the clock was set back");
    }
}

#[test]
fn nothing_is_held_for_longer_than_max_stale() {
    let registry = registry(|registry| registry.refresh = 2 * registry.max_stale);
    let mut lookup = Lookup::new(registry);
    answer(&mut lookup, "a", 0, 200, &[], &client("a"));
    assert!(lookup.find("a", 3_599_999).is_ready());
    assert!(lookup.find("a", 3_600_000).is_pending());
}

#[test]
fn not_found_is_held_for_ten_seconds_at_most() {
    for (headers, millis) in [
        (&[][..], 10_000),
        (&[("cache-control", "max-age=3")], 3_000),
        (&[("cache-control", "max-age=60")], 10_000),
    ] {
        for (status, body) in [(404, ""), (404, "<html>"), (200, "[]"), (200, "{\"clients\":[]}")] {
            let mut lookup = lookup();
            let outcome = answer(&mut lookup, "a", 0, status, headers, body);
            assert_eq!(outcome.result, Ok(Registration::Unregistered));
            assert_eq!(lookup.find("a", millis - 1), Poll::Ready(Registration::Unregistered));
            assert!(lookup.find("a", millis).is_pending());
        }
    }
}

#[test]
fn an_answer_that_is_not_about_the_client_is_a_failure() {
    let other = format!("[{},{}]", client("a"), client("b"));
    let malformed = |text: &str| FetchError::Malformed(text.into());
    for (status, body, expected) in [
        (500, "", FetchError::Status(500)),
        (302, "", FetchError::Status(302)),
        (304, "", FetchError::Status(304)),
        (204, "", FetchError::Status(204)),
        (401, "", FetchError::Status(401)),
        (410, "", FetchError::Status(410)),
        (200, &*client("b"), FetchError::OtherClient),
        (200, &client("A"), FetchError::OtherClient),
        (200, &other, FetchError::OtherClient),
        (200, r#"{"client_id":"b","tls_client_auth_oops":1}"#, FetchError::OtherClient),
        (200, "<html>", malformed("not JSON: expected value at line 1 column 1")),
        (200, "", malformed("not JSON: EOF while parsing a value at line 1 column 0")),
        (200, &" ".repeat(1001), FetchError::TooLarge(1000)),
    ] {
        let mut lookup = lookup();
        lookup.wait("a", 1);
        let outcome = answer(&mut lookup, "a", 0, status, &[], body);
        assert_eq!(outcome.failure.as_ref(), Some(&expected), "{body}");
        assert_eq!(outcome.result, Err(RegistryFault::Lookup(expected)));
        assert_eq!(outcome.waiting, [1]);
        assert!(lookup.find("a", 0).is_pending(), "failures are not held");
        assert!(lookup.wait("a", 1).is_some());
    }
    for body in
        [r#"{"error":"x"}"#, "null", "[[]]", r#"{"clients":{}}"#, r#"{"clients":[],"clients":[]}"#]
    {
        let failure = answer(&mut lookup(), "a", 0, 200, &[], body).failure;
        assert!(matches!(failure, Some(FetchError::Malformed(_))), "{body}: {failure:?}");
    }
}

#[test]
fn an_empty_list_that_states_more_is_a_failure() {
    let next_page = ("link", "</clients?page=2>; rel=\"next\"");
    for (headers, body, failure) in [
        (&[][..], r#"{"clients":[],"totalCount":5}"#, "an empty page after 0 of 5 entries"),
        (&[], r#"{"total":"1","clients":[]}"#, "an empty page after 0 of 1 entries"),
        (&[], r#"{"clients":[],"total":"many"}"#, "\"total\" is no number"),
        (&[], r#"{"clients":[],"nextPageToken":"x"}"#, "\"nextPageToken\" says that there is more"),
        (&[], r#"{"clients":[],"page":{"total_pages":2}}"#, "\"total_pages\" says"),
        (&[("x-total-count", "5")], "[]", "an empty page after 0 of 5 entries"),
        (&[next_page], "[]", "the empty answer to a lookup has one"),
        (&[("link", "</clients?page=2")], "[]", "malformed Link header"),
    ] {
        let outcome = answer(&mut lookup(), "a", 0, 200, headers, body);
        let found = outcome.failure.expect(body).to_string();
        assert!(found.contains(failure), "{body}: {found}");
    }
    // These state that there is no more.
    for body in [
        r#"{"clients":[],"totalCount":0,"start":0,"end":0,"next":null}"#,
        r#"{"clients":[],"total":-1,"has_more":false}"#,
    ] {
        let outcome = answer(&mut lookup(), "a", 0, 200, &[("link", "</>; rel=self")], body);
        assert_eq!(outcome.result, Ok(Registration::Unregistered), "{body}");
    }
    // A client that is found is its own statement.
    let found = format!("{{\"clients\":[{}],\"totalCount\":5}}", client("a"));
    assert!(is_registered(
        &answer(&mut lookup(), "a", 0, 200, &[next_page], &found).result.unwrap()
    ));
}

#[test]
fn an_answer_from_the_host_that_is_incomplete_is_a_failure() {
    let mut lookup = lookup();
    lookup.wait("a", 1);
    let longest = format!("{:1000}", client("a"));
    assert!(answer(&mut lookup, "a", 0, 200, &[], &longest).result.is_ok());
    let nothing = RegistryAnswer { status: None, headers: &[], body_size: 0, read: &|_| None };
    assert_eq!(lookup.on_answer("a", Some(&nothing), 0).failure, Some(FetchError::NoAnswer));
    assert_eq!(lookup.on_answer("a", None, 0).failure, Some(FetchError::NotSent));
    let truncated = RegistryAnswer {
        status: Some(200),
        headers: &[],
        body_size: 10,
        read: &|_| Some(b"{}".to_vec()),
    };
    assert_eq!(lookup.on_answer("a", Some(&truncated), 0).failure, Some(FetchError::Body));
}

#[test]
fn a_client_that_cannot_be_used_is_unusable() {
    let twice = format!("[{},{}]", client("a"), client("a"));
    let outcome = answer(&mut lookup(), "a", 0, 200, &[], &twice);
    assert_eq!(
        outcome.result,
        Ok(Registration::Unusable("the registry has this client_id twice".into()))
    );
    let no_subject = r#"{"client_id":"a","token_endpoint_auth_method":"tls_client_auth"}"#;
    let outcome = answer(&mut lookup(), "a", 0, 200, &[], no_subject);
    assert!(matches!(outcome.result, Ok(Registration::Unusable(_))));
}

/// A server may echo members that a client chose when it registered.
#[test]
fn a_client_with_a_member_clients_is_no_list() {
    for clients in [
        "[]",
        r#"[{"client_id":"a","token_endpoint_auth_method":"none"}]"#,
        r#"[{"client_id":"b","token_endpoint_auth_method":"none"}]"#,
        "7",
    ] {
        let more = format!(r#","clients":{clients}}}"#);
        let body = client("a").strip_suffix('}').unwrap().to_owned() + &more;
        // The member resembles another one.
        let found = answer(&mut lookup(), "a", 0, 200, &[], &body).result.unwrap();
        let Registration::Unusable(reason) = &found else { panic!("{clients}: {found:?}") };
        assert!(reason.starts_with("/clients: unknown member"), "{reason}");
        for entry in [
            r#"{"client_id":"a""#,
            r#"{"clientId":"a""#,
            r#"{"clientId":"a","clientAuthenticatorType":"client-x509""#,
            r#"{"clientId":5,"clientIdAlias":"a","tokenAuthMethod":"TLS_CLIENT_AUTH""#,
        ] {
            let body = format!("{entry}{more}");
            let found = answer(&mut lookup(), "a", 0, 200, &[], &body).result.unwrap();
            assert!(matches!(found, Registration::Unusable(_)), "{body}: {found:?}");
        }
        let method = format!(r#"{{"token_endpoint_auth_method":"none"{more}"#);
        let found = answer(&mut lookup(), "a", 0, 200, &[], &method).result;
        assert!(matches!(found, Err(_) | Ok(Registration::Unusable(_))), "{method}: {found:?}");
    }
}

#[test]
fn a_value_that_cannot_be_held_concerns_its_member_alone() {
    for value in [r#""\ud800""#, "1e400"] {
        let odd = client("a").replace('{', &format!(r#"{{"client_name":{value},"#));
        let list = format!(r#"{{"x":{value},"clients":[{odd}]}}"#);
        for body in [odd.clone(), format!("[{odd}]"), list] {
            let outcome = answer(&mut lookup(), "a", 0, 200, &[], &body);
            assert!(is_registered(&outcome.result.unwrap()), "{body}");
        }
        let bad = client("a").replace(r#""a.test""#, value);
        let outcome = answer(&mut lookup(), "a", 0, 200, &[], &bad);
        let Ok(Registration::Unusable(reason)) = outcome.result else { panic!("{bad}") };
        assert!(reason.starts_with("/tls_client_auth_san_dns: expected "), "{reason}");
    }
}

#[test]
fn a_known_client_serves_while_the_registry_fails() {
    let mut lookup = lookup();
    answer(&mut lookup, "a", 0, 200, &[("cache-control", "max-age=1")], &client("a"));
    assert!(lookup.find("a", 1000).is_pending());
    lookup.wait("a", 1);
    let outcome = answer(&mut lookup, "a", 1000, 500, &[], "");
    assert!(is_registered(&outcome.result.unwrap()));
    assert_eq!(outcome.failure, Some(FetchError::Status(500)));
    assert!(
        lookup.find("a", 5_999).is_ready(),
        "not every request waits for the time-out of a registry that fails"
    );
    assert!(lookup.find("a", 6_000).is_pending());
    assert!(is_registered(&answer(&mut lookup, "a", 3_600_000, 500, &[], "").result.unwrap()));
    assert!(answer(&mut lookup, "a", 3_600_001, 500, &[], "").result.is_err(), "max_stale");
    // An answer counts, whatever was known before.
    answer(&mut lookup, "a", 0, 200, &[], &client("a"));
    answer(&mut lookup, "a", 1, 404, &[], "");
    assert_eq!(lookup.find("a", 2), Poll::Ready(Registration::Unregistered));
    assert!(
        answer(&mut lookup, "a", 20_000, 500, &[], "").result.is_err(),
        "a client that was removed is not used again"
    );
}

#[test]
fn the_least_recently_used_client_is_dropped_first() {
    let mut lookup = lookup();
    for (now, id) in ["a", "b", "c"].iter().enumerate() {
        answer(&mut lookup, id, now as u64, 200, &[], &client(id));
    }
    assert!(lookup.find("a", 5).is_ready());
    answer(&mut lookup, "d", 5, 200, &[], &client("d"));
    assert!(lookup.find("b", 5).is_pending());
    // Unregistered identifiers displace no client.
    for n in 0..5000 {
        answer(&mut lookup, &format!("x{n}"), 5, 404, &[], "");
    }
    for id in ["a", "c", "d"] {
        assert!(lookup.find(id, 5).is_ready(), "{id}");
    }
    let absent = (0..5000).filter(|n| lookup.find(&format!("x{n}"), 5).is_ready()).count();
    assert_eq!(absent, 3);
}

#[test]
fn a_request_that_is_gone_gets_no_answer_and_its_lookup_is_sent_again() {
    let mut lookup = lookup();
    lookup.wait("a", 1);
    lookup.wait("a", 2);
    lookup.leave("a", false, |waiting| *waiting == 2);
    assert!(lookup.take_orphans().is_empty(), "the one that sent the lookup still waits");
    lookup.wait("a", 3);
    lookup.leave("a", true, |waiting| *waiting == 1);
    let orphans = lookup.take_orphans();
    assert_eq!(orphans.len(), 1);
    assert_eq!((&*orphans[0].0, &*orphans[0].1.headers[3].1), ("a", "/clients/a"));
    assert!(lookup.take_orphans().is_empty(), "once");
    assert_eq!(answer(&mut lookup, "a", 0, 200, &[], &client("a")).waiting, [3]);
    lookup.wait("b", 4);
    lookup.leave("b", true, |waiting| *waiting == 4);
    assert!(lookup.take_orphans().is_empty(), "none waits any more");
    assert!(lookup.wait("b", 5).is_some());
}
