use super::*;
use crate::registration::ListedHost;

const URI: &str = "https://keys.example.com/a";

fn key_sets() -> KeySets<u32> {
    KeySets::new(Arc::new(KeySetSource {
        cluster: "keys".into(),
        hosts: ListedHosts::new(vec![ListedHost::parse("keys.example.com").unwrap()]),
        refresh: Duration::from_secs(3600),
        timeout: Duration::from_secs(5),
        max_stale: Duration::from_secs(7200),
        max_bytes: 1000,
        cache_entries: 2,
    }))
}

fn uri(text: &str) -> JwksUri {
    JwksUri::parse(text).unwrap()
}

fn certificate(of: &str) -> Thumbprint {
    Thumbprint::of(of.as_bytes())
}

/// A JWK Set with these certificates.
fn set(of: &[&str]) -> String {
    let keys: Vec<String> = of
        .iter()
        .map(|of| format!(r#"{{"kty":"EC","x5t#S256":"{}"}}"#, certificate(of).to_hex()))
        .collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

fn answer(
    key_sets: &mut KeySets<u32>,
    at: &str,
    now: u64,
    status: u16,
    headers: &[(&str, &str)],
    body: &str,
) -> FetchedKeySet<u32> {
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
    key_sets.on_answer(at, Some(&answer), now)
}

/// Whether the certificate is one of the set that is known; `None` = a set must be waited for.
fn has(key_sets: &mut KeySets<u32>, of: &str, now: u64) -> Option<Result<bool, RegistryFault>> {
    match key_sets.find(&uri(URI), &certificate(of), now) {
        Poll::Ready(set) => Some(set.has(&certificate(of))),
        Poll::Pending => None,
    }
}

/// Key sets with one that was fetched at 0.
fn fetched(of: &[&str]) -> KeySets<u32> {
    let mut key_sets = key_sets();
    key_sets.wait(&uri(URI), 1, 0);
    key_sets.take_requests();
    assert_eq!(answer(&mut key_sets, URI, 0, 200, &[], &set(of)).waiting, [1]);
    key_sets
}

#[test]
fn a_set_is_fetched_when_it_is_needed_and_once_for_all_that_wait() {
    let mut key_sets = key_sets();
    assert_eq!(has(&mut key_sets, "a", 0), None);
    for waiting in 1..=3 {
        key_sets.wait(&uri(URI), waiting, 0);
    }
    let requests = key_sets.take_requests();
    assert_eq!(requests.len(), 1);
    let (at, request) = &requests[0];
    assert_eq!(&**at, URI);
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "keys.example.com"),
        (":path", "/a"),
    ] {
        assert!(request.headers.contains(&(name.into(), value.into())), "{name}");
    }
    assert!(key_sets.take_requests().is_empty());
    let fetched = answer(&mut key_sets, URI, 0, 200, &[], &set(&["a", "b"]));
    assert_eq!(fetched.waiting, [1, 2, 3]);
    let set = fetched.result.unwrap();
    assert_eq!((set.has(&certificate("a")), set.has(&certificate("c"))), (Ok(true), Ok(false)));
    assert_eq!(has(&mut key_sets, "b", 3_599_999), Some(Ok(true)));
    assert_eq!(has(&mut key_sets, "b", 3_600_000), None, "older than refresh");
}

#[test]
fn a_certificate_that_the_set_lacks_asks_once_more_in_thirty_seconds() {
    let mut key_sets = fetched(&["old"]);
    assert_eq!(has(&mut key_sets, "new", 1000), None);
    key_sets.wait(&uri(URI), 2, 1000);
    assert_eq!(key_sets.take_requests().len(), 1);
    // Another one waits for the same answer; those that the set has do not.
    assert_eq!(has(&mut key_sets, "newer", 1000), None);
    assert_eq!(has(&mut key_sets, "old", 1000), Some(Ok(true)));
    let again = answer(&mut key_sets, URI, 1000, 200, &[], &set(&["new"]));
    assert_eq!(again.result.unwrap().has(&certificate("new")), Ok(true));
    assert_eq!(has(&mut key_sets, "new", 1000), Some(Ok(true)));
    assert_eq!(has(&mut key_sets, "old", 1000), Some(Ok(false)));
    assert_eq!(has(&mut key_sets, "old", 30_999), Some(Ok(false)));
    assert_eq!(has(&mut key_sets, "old", 31_000), None);
}

#[test]
fn answers_are_held_as_they_say() {
    for (headers, seconds) in [
        (&[("cache-control", "max-age=5")][..], 5),
        (&[("cache-control", "no-store")], 0),
        (&[("cache-control", "max-age=99999999")], 7200),
        (&[], 3600),
    ] {
        let mut key_sets = key_sets();
        key_sets.wait(&uri(URI), 1, 0);
        answer(&mut key_sets, URI, 1000, 200, headers, &set(&["a"])).result.unwrap();
        assert_eq!(has(&mut key_sets, "a", 1000).is_some(), seconds > 0, "{headers:?}");
        assert_eq!(has(&mut key_sets, "a", 1000 + seconds * 1000), None, "{headers:?}");
    }
}

#[test]
fn what_is_no_key_set_is_a_failure() {
    for (status, body, failure) in [
        (404, String::new(), Some(FetchError::Status(404))),
        (302, set(&["a"]), Some(FetchError::Status(302))),
        (503, String::new(), Some(FetchError::Status(503))),
        (200, " ".repeat(1001), Some(FetchError::TooLarge(1000))),
        (200, "<html>".to_owned(), None),
        (200, "{}".to_owned(), None),
        (200, r#"{"keys": {}}"#.to_owned(), None),
        (200, r#"[{"kty": "EC"}]"#.to_owned(), None),
        (200, r#"{"error": "x"}"#.to_owned(), None),
        // Here the document is the unit, as it is no list of others' clients.
        (200, r#"{"keys": [], "x": "\ud800"}"#.to_owned(), None),
        (200, r#"{"keys": [], "x": 1e400}"#.to_owned(), None),
        (200, String::new(), None),
    ] {
        let mut key_sets = key_sets();
        key_sets.wait(&uri(URI), 1, 0);
        let error = answer(&mut key_sets, URI, 0, status, &[], &body).result.unwrap_err();
        let RegistryFault::KeySet(error) = error else { panic!("{error:?}") };
        match failure {
            Some(expected) => assert_eq!(error, expected),
            None => assert!(matches!(error, FetchError::Malformed(_)), "{body}: {error:?}"),
        }
        assert_eq!(has(&mut key_sets, "a", 0), None, "a failure is not held");
    }
    let mut key_sets = key_sets();
    key_sets.wait(&uri(URI), 1, 0);
    let not_sent = key_sets.on_answer(URI, None, 0).result;
    assert_eq!(not_sent, Err(RegistryFault::KeySet(FetchError::NotSent)));
}

#[test]
fn a_set_without_certificates_is_a_set() {
    for body in [
        r#"{"keys": []}"#.to_owned(),
        r#"{"keys": [{"kty": "EC"}, {"kty": "EC", "x5c": ["AAAA"]}, 7]}"#.to_owned(),
        set(&["b"]),
    ] {
        let mut key_sets = key_sets();
        key_sets.wait(&uri(URI), 1, 0);
        let known = answer(&mut key_sets, URI, 0, 200, &[], &body).result.unwrap();
        assert_eq!(known.has(&certificate("a")), Ok(false), "{body}");
    }
}

#[test]
fn an_earlier_set_serves_until_max_stale_where_no_newer_one_is_to_be_had() {
    let mut key_sets = fetched(&["a"]);
    assert_eq!(has(&mut key_sets, "a", 3_600_000), None);
    key_sets.wait(&uri(URI), 2, 3_600_000);
    let known = answer(&mut key_sets, URI, 3_600_000, 500, &[], "").result.unwrap();
    let failed = Err(RegistryFault::KeySet(FetchError::Status(500)));
    assert_eq!((known.has(&certificate("a")), known.has(&certificate("b"))), (Ok(true), failed));
    assert_eq!(has(&mut key_sets, "a", 3_604_999), Some(Ok(true)));
    assert_eq!(has(&mut key_sets, "a", 3_605_000), None, "it is asked for again");
    key_sets.wait(&uri(URI), 3, 7_200_001);
    assert!(answer(&mut key_sets, URI, 7_200_001, 500, &[], "").result.is_err());
}

#[test]
fn a_certificate_for_which_no_newer_set_is_to_be_had_may_be_a_new_one() {
    let mut key_sets = fetched(&["a"]);
    key_sets.wait(&uri(URI), 2, 1000);
    let failed = Err(RegistryFault::KeySet(FetchError::Status(500)));
    let known = answer(&mut key_sets, URI, 1000, 500, &[], "").result.unwrap();
    assert_eq!(known.has(&certificate("b")), failed);
    assert_eq!(has(&mut key_sets, "b", 30_999), Some(failed));
    assert_eq!(has(&mut key_sets, "a", 30_999), Some(Ok(true)));
    key_sets.wait(&uri(URI), 3, 31_000);
    answer(&mut key_sets, URI, 31_000, 200, &[], &set(&["b"])).result.unwrap();
    assert_eq!(has(&mut key_sets, "b", 31_000), Some(Ok(true)));
    assert_eq!(has(&mut key_sets, "a", 31_000), Some(Ok(false)));
}

#[test]
fn the_least_recently_used_set_goes_first() {
    let mut key_sets = fetched(&["a"]);
    for (path, now) in [("b", 1), ("c", 2)] {
        assert_eq!(has(&mut key_sets, "a", now), Some(Ok(true)));
        let at = format!("https://keys.example.com/{path}");
        key_sets.wait(&uri(&at), 1, now);
        answer(&mut key_sets, &at, now, 200, &[], &set(&["x"])).result.unwrap();
    }
    assert_eq!(has(&mut key_sets, "a", 3), Some(Ok(true)));
    assert!(key_sets.find(&uri("https://keys.example.com/b"), &certificate("x"), 3).is_pending());
}

#[test]
fn keys_that_are_left_out_are_said_once_for_each_fetch() {
    let mut key_sets = key_sets();
    let good = certificate("a").to_hex();
    let body = format!(
        r#"{{"keys":[{{"kty":"EC","x5t#S256":"{good}"}},{{"x5t#S256":"{good}"}},
            {{"kty":"EC","use":"enc"}},{{"kty":"EC"}}]}}"#
    );
    let fetched = answer(&mut key_sets, URI, 0, 200, &[], &body);
    assert_eq!(
        fetched.warning.as_deref(),
        Some(
            "left out 2 of 4 keys; /keys/1: expected the member kty; /keys/2/use: expected \"sig\": \
             other keys are not for signatures"
        )
    );
    assert_eq!(has(&mut key_sets, "a", 1), Some(Ok(true)));
    assert_eq!(answer(&mut key_sets, URI, 1, 200, &[], &set(&["a"])).warning, None);
    let failed = answer(&mut key_sets, URI, 2, 500, &[], "");
    let warning = failed.warning.unwrap();
    assert!(warning.starts_with("the earlier key set serves: "), "{warning}");
    // Without an earlier one the decision line has the reason.
    let failed = answer(&mut key_sets, "https://keys.example.com/b", 3, 500, &[], "");
    assert!(failed.warning.is_none() && failed.result.is_err());
}
