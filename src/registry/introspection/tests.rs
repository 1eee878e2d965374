use super::*;

const CNF: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

fn introspections() -> Introspections<u32> {
    let source = IntrospectionSource {
        cluster: "as".into(),
        authority: "as.example".into(),
        path: "/introspect".into(),
        headers: vec![("authorization".into(), "Basic cnM6c2VjcmV0".into())],
        timeout: Duration::from_secs(1),
        cache: Duration::from_secs(30),
    };
    Introspections::new(Arc::new(source))
}

fn answered(
    introspections: &mut Introspections<u32>,
    token: &AccessToken,
    status: Option<u16>,
    body: &str,
    now: u64,
) -> IntrospectionOutcome<u32> {
    let read = |length: usize| Some(body.as_bytes().get(..length)?.to_vec());
    let answer = RegistryAnswer { status, headers: &[], body_size: body.len(), read: &read };
    introspections.on_answer(token.key, Some(&answer), now)
}

fn result(body: &str) -> Result<IntrospectedToken, RegistryFault> {
    let token = AccessToken::new(b"t");
    answered(&mut introspections(), &token, Some(200), body, 1_000).result
}

#[test]
fn what_answers_say() {
    let bound = IntrospectedToken::BoundTo(Thumbprint::from_base64url(CNF.as_bytes()).unwrap());
    let active = |members: &str| result(&format!(r#"{{"active": true{members}}}"#)).unwrap();
    let cnf = |value: &str| active(&format!(r#", "cnf": {{"x5t#S256": {value}}}"#));
    assert_eq!(cnf(&format!("\"{CNF}\"")), bound);
    for exp in ["2", "1.5", "1e300", "null"] {
        let members = format!(r#", "exp": {exp}, "cnf": {{"x5t#S256": "{CNF}", "jkt": 1}}"#);
        assert_eq!(active(&members), bound, "{exp}");
    }
    for expired in ["1", "0", "-5", "0.5"] {
        assert_eq!(active(&format!(r#", "exp": {expired}"#)), IntrospectedToken::Inactive);
    }
    assert_eq!(result(r#"{"active": false, "cnf": 7}"#), Ok(IntrospectedToken::Inactive));
    for members in ["", r#", "cnf": null"#, r#", "cnf": 7"#, r#", "cnf": []"#, r#", "cnf": {}"#] {
        assert_eq!(active(members), IntrospectedToken::Unbound, "{members}");
    }
    let long = format!("\"{}\"", "a".repeat(20_000));
    let noncanonical = "\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV\"";
    let padded = format!("\"{CNF}=\"");
    for value in ["null", "7", "[]", "{}", "\"\"", "true", &long, noncanonical, &padded] {
        assert_eq!(cnf(value), IntrospectedToken::Unreadable, "{value}");
    }
}

#[test]
fn answers_that_cannot_be_used() {
    for body in [
        "",
        "<html>",
        "[]",
        "null",
        "{}",
        r#"{"active": "true"}"#,
        r#"{"active": 1}"#,
        r#"{"active": false, "active": true}"#,
        r#"{"active": true, "exp": "soon"}"#,
        r#"{"active": true, "cnf": {}, "cnf": {}}"#,
        r#"{"active": true, "cnf": {"x5t#S256": "a", "x5t#S256": "b"}}"#,
        r#"{"active": true, "x": "\ud800"}"#,
        r#"{"active": true, "x": 1e400}"#,
    ] {
        let found = result(body);
        let is_malformed =
            matches!(found, Err(RegistryFault::Introspection(FetchError::Malformed(_))));
        assert!(is_malformed, "{body}: {found:?}");
    }
    let fault = |status, body: &str| {
        let token = AccessToken::new(b"t");
        answered(&mut introspections(), &token, status, body, 0).result.unwrap_err()
    };
    let of = RegistryFault::Introspection;
    assert_eq!(fault(None, ""), of(FetchError::NoAnswer));
    assert_eq!(fault(Some(401), "{}"), of(FetchError::Status(401)));
    let large = " ".repeat(limits::INTROSPECTION_BYTES + 1);
    let too_large = of(FetchError::TooLarge(limits::INTROSPECTION_BYTES));
    assert_eq!(fault(Some(200), &large), too_large);
    let not_sent = introspections().on_answer(AccessToken::new(b"t").key, None, 0);
    assert_eq!(not_sent.result, Err(of(FetchError::NotSent)));
}

#[test]
fn a_token_is_asked_about_once_and_never_longer_than_it_lives() {
    let mut all = introspections();
    let token = AccessToken::new(b"a+b/c==");
    assert!(all.find(&token, 0).is_pending());
    all.wait(&token, 1).unwrap();
    all.wait(&token, 2).unwrap();
    let requests = all.take_requests();
    let [request] = requests.as_slice() else { panic!("one question") };
    assert_eq!(request.body, "token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token");
    let header = |name: &str| {
        let mut found = request.request.headers.iter().filter(|(found, _)| **found == *name);
        found.next().map(|(_, value)| &**value)
    };
    assert_eq!(header(":method"), Some("POST"));
    assert_eq!(header("content-length"), Some("50"));
    assert_eq!(header("authorization"), Some("Basic cnM6c2VjcmV0"));
    assert!(all.take_requests().is_empty());
    assert!(!format!("{all:?}{request:?}{token:?}").contains("a+b"), "no token is written");

    let body = format!(r#"{{"active": true, "exp": 20, "cnf": {{"x5t#S256": "{CNF}"}}}}"#);
    let outcome = answered(&mut all, &token, Some(200), &body, 1_000);
    assert_eq!(outcome.waiting, [1, 2]);
    assert!(all.find(&token, 1_000).is_ready() && all.find(&token, 19_999).is_ready());
    assert!(all.find(&token, 20_000).is_pending(), "it expires before the cache does");
    assert!(all.find(&token, 999).is_pending(), "the clock was set back");

    let forever = format!(r#"{{"active": true, "cnf": {{"x5t#S256": "{CNF}"}}}}"#);
    answered(&mut all, &token, Some(200), &forever, 50_000);
    assert!(all.find(&token, 79_999).is_ready() && all.find(&token, 80_000).is_pending());
    // Revoked meanwhile: what was known before does not come back.
    answered(&mut all, &token, Some(200), r#"{"active": false}"#, 60_000);
    assert_eq!(all.find(&token, 60_000), Poll::Ready(IntrospectedToken::Inactive));
    assert_eq!(all.find(&token, 69_999), Poll::Ready(IntrospectedToken::Inactive));
    assert!(all.find(&token, 70_000).is_pending());
}

#[test]
fn a_question_has_one_accept() {
    for (configured, expected) in [
        (None, "application/json"),
        (Some(("authorization", "Basic eA==")), "application/json"),
        (Some(("accept", "application/jwt")), "application/jwt"),
    ] {
        let mut source = IntrospectionSource::clone(&introspections().source);
        source.headers =
            configured.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let request = source.request(&AccessToken::new(b"t")).request;
        let accept = request.headers.iter().filter(|(name, _)| **name == *"accept");
        let accept: Vec<&str> = accept.map(|(_, value)| &**value).collect();
        assert_eq!(accept, [expected]);
    }
}

#[test]
fn a_failure_is_not_held_and_floods_are_bounded() {
    let mut all = introspections();
    let token = AccessToken::new(b"t");
    all.wait(&token, 7).unwrap();
    assert_eq!(all.take_requests().len(), 1);
    assert_eq!(answered(&mut all, &token, Some(503), "", 5).waiting, [7]);
    assert!(all.find(&token, 5).is_pending());
    let tokens: Vec<_> =
        (0..=limits::INTROSPECTIONS).map(|n| AccessToken::new(n.to_string().as_bytes())).collect();
    let results: Vec<bool> = tokens.iter().map(|token| all.wait(token, 0).is_ok()).collect();
    assert_eq!(results.iter().filter(|is_ok| !**is_ok).count(), 1);
    assert!(all.wait(&tokens[0], 1).is_ok(), "the question is under way");
    // Tokens that are not active do not displace those that are.
    let body = format!(r#"{{"active": true, "cnf": {{"x5t#S256": "{CNF}"}}}}"#);
    answered(&mut all, &token, Some(200), &body, 5);
    for n in 0..limits::INACTIVE_TOKENS.get() + 10 {
        let other = AccessToken::new(format!("x{n}").as_bytes());
        answered(&mut all, &other, Some(200), r#"{"active": false}"#, 5);
    }
    assert!(all.find(&token, 5).is_ready());
    assert_eq!(all.inactive.len(), limits::INACTIVE_TOKENS.get());
}

#[test]
fn a_token_that_was_just_issued_is_asked_about_anew() {
    let mut all = introspections();
    let (known, issued) = (AccessToken::new(b"t +/=&%"), AccessToken::issued(b"t +/=&%"));
    let bound = format!(r#"{{"active": true, "cnf": {{"x5t#S256": "{CNF}"}}}}"#);
    let inactive = r#"{"active": false}"#;

    // Neither of what was said before, nor of what was asked before.
    answered(&mut all, &known, Some(200), inactive, 5);
    assert!(all.find(&known, 5).is_ready() && all.find(&issued, 5).is_pending());
    all.wait(&known, 1).unwrap();
    all.wait(&issued, 2).unwrap();
    let bodies: Vec<_> = all.take_requests().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, ["token=t%20%2B%2F%3D%26%25&token_type_hint=access_token"; 2]);

    assert_eq!(answered(&mut all, &issued, Some(200), &bound, 6).waiting, [2]);
    assert!(matches!(all.find(&known, 6), Poll::Ready(IntrospectedToken::BoundTo(_))));
    assert_eq!(answered(&mut all, &known, Some(200), &bound, 6).waiting, [1]);
    assert!(all.find(&issued, 6).is_pending());
    // A server that does not know it yet says nothing about a token that another one issued.
    all.wait(&issued, 3).unwrap();
    let outcome = answered(&mut all, &issued, Some(200), inactive, 7);
    assert_eq!((outcome.result, outcome.waiting), (Ok(IntrospectedToken::Inactive), vec![3]));
    assert!(matches!(all.find(&known, 7), Poll::Ready(IntrospectedToken::BoundTo(_))));
}

#[test]
fn a_flood_of_presented_tokens_does_not_delay_issued_ones() {
    let mut all = introspections();
    for n in 0..=limits::INTROSPECTIONS {
        let _ = all.wait(&AccessToken::new(n.to_string().as_bytes()), 0);
    }
    assert!(all.wait(&AccessToken::new(b"t"), 0).is_err());
    for n in 0..limits::INTROSPECTIONS {
        assert!(all.wait(&AccessToken::issued(n.to_string().as_bytes()), 0).is_ok());
    }
    assert!(all.wait(&AccessToken::issued(b"t"), 0).is_err());
}

#[test]
fn a_flood_of_tokens_does_not_keep_those_out_that_were_active() {
    let mut all = introspections();
    let body = format!(r#"{{"active": true, "cnf": {{"x5t#S256": "{CNF}"}}}}"#);
    let known = |n: usize| AccessToken::new(format!("known {n}").as_bytes());
    for n in 0..=limits::INTROSPECTIONS_OF_ACTIVE_TOKENS {
        answered(&mut all, &known(n), Some(200), &body, 0);
    }
    for n in 0..=limits::INTROSPECTIONS {
        let _ = all.wait(&AccessToken::new(n.to_string().as_bytes()), 0);
    }
    assert!(all.find(&known(0), 1_000_000).is_pending(), "it must be asked about again");
    for n in 0..limits::INTROSPECTIONS_OF_ACTIVE_TOKENS {
        assert!(all.wait(&known(n), 0).is_ok());
    }
    assert!(all.wait(&known(limits::INTROSPECTIONS_OF_ACTIVE_TOKENS), 0).is_err());
    assert!(all.wait(&AccessToken::new(b"t"), 0).is_err());
}
