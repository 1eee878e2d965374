//! The module that reads responses: access tokens that the backend issues, and its metadata.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::calls::{answer, elapse, tick, tick_until_call};
use crate::fixture::{CLOCK, certificate, token_request, verified};
use crate::host::{Connection, Delivered, Headers, Module, Outcome, ResponseFault, StreamId, Vm};
use crate::run::{DELIVERIES, Delivery, close, code, deliver, headers};
use crate::support::case::Request;
use crate::support::certificate::Certificate;

const METADATA: &str = "/.well-known/openid-configuration";
const KB256: usize = 256 << 10;

/// A configuration with this `response_check`, and these further members.
fn configuration(check: &str, more: &Value) -> Vec<u8> {
    let mut configuration = json!({
        "endpoints": ["/token", "/revoke"],
        "bound_tokens": {
            "response_check": check,
            "introspection": { "cluster": "as", "authority": "as.test", "path": "/introspect" },
        },
        "discovery": { "paths": [METADATA], "mtls_endpoint_aliases": "https://mtls.as.test" },
        "clients": [
            {
                "client_id": "client", "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": "CN=client",
                "tls_client_certificate_bound_access_tokens": true,
            },
            {
                "client_id": "free", "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": "CN=client",
            },
            {
                "client_id": "basic", "token_endpoint_auth_method": "client_secret_basic",
                "tls_client_certificate_bound_access_tokens": true,
            },
        ],
    });
    for (name, value) in more.as_object().expect("an object") {
        configuration[name] = value.clone();
    }
    configuration.to_string().into_bytes()
}

fn start(check: &str, more: &Value) -> Vm {
    let vm = Vm::start(Module::reading_responses(), &configuration(check, more), CLOCK);
    let mut vm = vm.unwrap_or_else(|error| panic!("{error}"));
    vm.set_clusters(&["as"]);
    vm
}

fn map(status: &str, more: &[(&str, &str)]) -> Headers {
    let all = [(":status", status)].into_iter().chain(more.iter().copied());
    all.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect()
}

/// Delivers an answer, whose frames arrive like those of a request.
fn respond(vm: &mut Vm, id: StreamId, headers: &Headers, body: &[u8], delivery: Delivery) {
    let no_fault = |result: Result<(), _>| result.unwrap_or_else(|fault| panic!("{fault}"));
    no_fault(vm.response_headers(id, headers.clone(), delivery == Delivery::EndInHeaders));
    for (chunk, end_of_stream) in delivery.frames(body) {
        no_fault(vm.response_body(id, &chunk, end_of_stream));
    }
    if delivery == Delivery::Trailers {
        no_fault(vm.response_trailers(id, trailers()));
    }
}

fn trailers() -> Headers {
    vec![("x-trailer".to_owned(), b"1".to_vec())]
}

fn ask(vm: &mut Vm, connection: &Connection, request: &Request) -> StreamId {
    deliver(vm, connection.clone(), request, Delivery::WholeBody)
        .unwrap_or_else(|fault| panic!("{fault}"))
}

fn closed(vm: &mut Vm, id: StreamId) -> Outcome {
    close(vm, id).unwrap_or_else(|fault| panic!("{fault}"))
}

fn assert_whole(found: &Delivered, headers: &Headers, body: &[u8], has_trailers: bool, why: &str) {
    let Delivered::Whole(received) = found else { panic!("{why}: {found:?}") };
    assert_eq!(&received.headers, headers, "{why}");
    assert!(received.body == body, "{why}: another body");
    assert_eq!(!received.trailers.is_empty(), has_trailers, "{why}");
}

fn assert_replaced(found: &Delivered, secret: &str, why: &str) {
    let Delivered::Replied(reply) = found else { panic!("{why}: {found:?}") };
    assert_eq!(reply.status, 502, "{why}");
    let body = String::from_utf8_lossy(&reply.body);
    assert!(body.starts_with(r#"{"error":"server_error","#), "{why}: {body}");
    assert!(!format!("{reply:?}{body}").contains(secret), "{why}: the token leaves");
}

fn jwt(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.c2ln")
}

fn with_cnf(cnf: &str) -> String {
    jwt(r#"{"alg":"PS256"}"#, &format!(r#"{{"sub":"a","cnf":{cnf}}}"#))
}

fn thumbprint(certificate: &Certificate) -> String {
    let hex = certificate.sha256_hex();
    let octets: Vec<u8> = (0..32)
        .map(|index| u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).expect("hex"))
        .collect();
    URL_SAFE_NO_PAD.encode(octets)
}

fn issuing(token: &str) -> String {
    format!(r#"{{"access_token":"{token}","token_type":"Bearer","refresh_token":"r"}}"#)
}

/// An answer, and why it is unbound; `None` = it goes on.
struct Row {
    name: &'static str,
    headers: Headers,
    body: Vec<u8>,
    unbound: Option<&'static str>,
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn row(name: &'static str, body: impl Into<Vec<u8>>, unbound: Option<&'static str>) -> Row {
    Row { name, headers: map("200", &[JSON]), body: body.into(), unbound }
}

impl Row {
    fn with(mut self, status: &str, headers: &[(&str, &str)]) -> Self {
        self.headers = map(status, headers);
        self
    }
}

/// Padded with blanks to this length.
fn padded(body: &str, length: usize) -> String {
    format!("{body}{}", " ".repeat(length - body.len()))
}

fn rows(own: &str) -> Vec<Row> {
    const CNF: Option<&str> = Some("no cnf with one x5t#S256");
    const JSON_ONLY: Option<&str> = Some("not application/json in UTF-8");
    const DOUBT: Option<&str> = Some("twice");
    let bound = with_cnf(&format!(r#"{{"x5t#S256":"{own}"}}"#));
    let other = with_cnf(r#"{"x5t#S256":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}"#);
    let cnf = |name, value: &str| row(name, issuing(&with_cnf(value)), CNF);
    let unsigned = jwt(r#"{"alg":"none"}"#, &format!(r#"{{"cnf":{{"x5t#S256":"{own}"}}}}"#));
    let form = format!("access_token={bound}");
    vec![
        row("bound", issuing(&bound), None),
        row("256 kB", padded(&issuing(&bound), KB256), None),
        row("256 kB and one", padded(&issuing(&bound), KB256 + 1), Some("more than 256 kB")),
        row("2 MB", padded(&issuing(&bound), 2_000_000), Some("more than 256 kB")),
        row("announced 2 MB", padded(&issuing(&bound), 2_000_000), Some("more than 256 kB"))
            .with("200", &[JSON, ("content-length", "2000000")]),
        row("to another", issuing(&other), Some("another certificate")),
        row("without cnf", issuing(&jwt(r#"{"alg":"PS256"}"#, "{}")), CNF),
        cnf("cnf null", "null"),
        cnf("cnf a number", "7"),
        cnf("cnf a list", &format!(r#"[{{"x5t#S256":"{own}"}}]"#)),
        cnf("cnf empty", "{}"),
        cnf("x5t empty", r#"{"x5t#S256":""}"#),
        cnf("x5t null", r#"{"x5t#S256":null}"#),
        cnf("x5t of 20,000 octets", &format!(r#"{{"x5t#S256":"{}"}}"#, "a".repeat(20_000))),
        cnf("x5t padded", &format!(r#"{{"x5t#S256":"{own}="}}"#)),
        row("alg none", issuing(&unsigned), Some("without a signature")),
        row("an array", format!("[{}]", issuing(&bound)), DOUBT),
        row("two tokens", format!(r#"{{"access_token":"{bound}","access_token":"x"}}"#), DOUBT),
        row("a number", r#"{"access_token":4711}"#, DOUBT),
        row("an empty token", issuing(""), DOUBT),
        row("no JSON", "<html>", JSON_ONLY),
        row("gzip", b"\x1f\x8b\x08".as_slice(), Some("content encoding"))
            .with("200", &[JSON, ("content-encoding", "gzip")]),
        row("a form", form, JSON_ONLY)
            .with("200", &[("content-type", "application/x-www-form-urlencoded")]),
        row("no type", issuing(&bound), JSON_ONLY).with("200", &[]),
        row("201, unbound", issuing(&other), Some("another certificate")).with("201", &[JSON]),
        row("no status", issuing(&other), Some("another certificate")).with("x", &[JSON]),
        row("no token", r#"{"active":true}"#, None),
        row("empty", "", None),
        row("204", "", None).with("204", &[]),
        row("302", "x", None).with("302", &[("location", "/a")]),
        row("400", r#"{"error":"invalid_grant"}"#, None).with("400", &[JSON]),
        row("500", "<html>", None).with("500", &[("content-type", "text/html")]),
        row("signed introspection", "a.b.c", None)
            .with("200", &[("content-type", "application/token-introspection+jwt")]),
    ]
}

#[test]
fn every_answer_in_every_delivery_with_every_check() {
    let certificate = certificate();
    let connection = verified(&certificate);
    let shadow = json!({ "mode": "shadow" });
    for (check, more) in
        [("off", &json!({})), ("count", &json!({})), ("enforce", &json!({})), ("enforce", &shadow)]
    {
        let mut vm = start(check, more);
        let is_enforced = check == "enforce" && more != &shadow;
        for Row { name, headers, body, unbound } in rows(&thumbprint(&certificate)) {
            for delivery in DELIVERIES {
                if *delivery == Delivery::EndInHeaders && !body.is_empty() {
                    continue;
                }
                let why = format!("{name}, {delivery:?}, {check}, {more}");
                let id = ask(&mut vm, &connection, &token_request("client"));
                respond(&mut vm, id, &headers, &body, *delivery);
                let found = vm.delivered(id);
                let outcome = closed(&mut vm, id);
                let counted = |code: &str| outcome.account.counted.get(code).copied().unwrap_or(0);
                let unbound = unbound.filter(|_| check != "off");
                assert_eq!(counted("tls_client_auth.authenticated"), 1, "{why}");
                assert_eq!(
                    counted("tls_client_auth.response_unbound"),
                    u64::from(unbound.is_some()),
                    "{why}"
                );
                if is_enforced && unbound.is_some() {
                    assert_replaced(&found, "refresh", &why);
                    assert_eq!(code(&outcome), "response_unbound", "{why}");
                } else {
                    let has_trailers = *delivery == Delivery::Trailers;
                    assert_whole(&found, &headers, &body, has_trailers, &why);
                    assert_eq!(code(&outcome), "authenticated", "{why}");
                }
                let lines = outcome.account.logs.iter();
                let reasons: Vec<_> = lines
                    .filter(|line| line.message.contains("code=response_unbound"))
                    .map(|line| line.message.as_str())
                    .collect();
                if let Some(unbound) = unbound {
                    // At most ten lines a second are written.
                    assert!(reasons.iter().all(|line| line.contains(unbound)), "{why} {reasons:?}");
                } else {
                    assert!(reasons.is_empty(), "{why} {reasons:?}");
                }
                vm.set_clock(vm.clock() + 1_000_000_000);
            }
        }
    }
}

/// Other clients, other paths, and requests that were refused.
#[test]
fn no_other_answer_is_read() {
    let connection = verified(&certificate());
    let mut vm = start("enforce", &json!({}));
    let page = Request { method: "GET".into(), body: Vec::new(), ..Request::form("/page", "") };
    for request in [token_request("free"), page] {
        let id = ask(&mut vm, &connection, &request);
        let headers = map("200", &[JSON, ("content-encoding", "br")]);
        respond(&mut vm, id, &headers, b"{", Delivery::SmallChunks);
        assert_whole(&vm.delivered(id), &headers, b"{", false, &request.path);
        closed(&mut vm, id);
    }
    let id = ask(&mut vm, &Connection::without_certificate(), &token_request("client"));
    let Delivered::Replied(reply) = vm.delivered(id) else { panic!("not refused") };
    assert_eq!(reply.status, 401);
}

#[test]
fn only_requests_whose_answers_are_read_lose_accept_encoding() {
    let connection = verified(&certificate());
    let mut vm = start("enforce", &json!({}));
    for (client, expected) in [("client", 0), ("free", 1)] {
        let mut request = token_request(client);
        request.headers.push(("accept-encoding".into(), "gzip".into()));
        let id = ask(&mut vm, &connection, &request);
        let outcome = closed(&mut vm, id);
        let crate::host::Verdict::Forwarded(forwarded) = outcome.verdict else { panic!("held") };
        assert_eq!(forwarded.header("accept-encoding").len(), expected, "{client}");
    }
}

/// Issues an opaque token, and returns the stream, held, with the question about it.
fn issue_opaque(vm: &mut Vm, connection: &Connection, delivery: Delivery) -> (StreamId, Headers) {
    let id = ask(vm, connection, &token_request("client"));
    let headers = map("200", &[JSON]);
    respond(vm, id, &headers, issuing("opaque").as_bytes(), delivery);
    assert_eq!(vm.delivered(id), Delivered::Held);
    (id, headers)
}

#[test]
fn a_token_that_is_no_jwt_is_asked_about() {
    let certificate = certificate();
    let connection = verified(&certificate);
    let own = thumbprint(&certificate);
    let bound = json!({ "active": true, "cnf": { "x5t#S256": own } });
    let padded = json!({ "active": true, "cnf": { "x5t#S256": format!("{own}=") } });
    let rows = [
        (200, bound.to_string(), true),
        (200, r#"{"active":false}"#.to_owned(), false),
        (200, r#"{"active":true}"#.to_owned(), false),
        (200, r#"{"active":true,"cnf":{"x5t#S256":"x"}}"#.to_owned(), false),
        (200, padded.to_string(), false),
        (200, "<html>".to_owned(), false),
        (401, bound.to_string(), false),
        // Each answer is asked for anew: nothing of the above is remembered.
        (200, bound.to_string(), true),
    ];
    for check in ["enforce", "count"] {
        let mut vm = start(check, &json!({}));
        for (status, said, is_bound) in &rows {
            for delivery in [Delivery::WholeBody, Delivery::SmallChunks, Delivery::Trailers] {
                let why = format!("{said}, {check}, {delivery:?}");
                let (id, headers) = issue_opaque(&mut vm, &connection, delivery);
                let call = tick_until_call(&mut vm);
                assert_eq!((call.path().as_str(), call.cluster.as_str()), ("/introspect", "as"));
                assert_eq!(call.body, b"token=opaque&token_type_hint=access_token");
                vm.answer(call.token, answer(*status, &[], said)).expect("no fault");
                let body = issuing("opaque");
                if *is_bound || check == "count" {
                    let has_trailers = delivery == Delivery::Trailers;
                    let found = vm.delivered(id);
                    assert_whole(&found, &headers, body.as_bytes(), has_trailers, &why);
                } else {
                    assert_replaced(&vm.delivered(id), "opaque", &why);
                }
                let counted = closed(&mut vm, id).account.counted;
                let unbound = counted.get("tls_client_auth.response_unbound").copied();
                assert_eq!(unbound.unwrap_or(0), u64::from(!is_bound), "{why}");
            }
        }
    }
}

#[test]
fn a_question_that_cannot_be_asked_or_is_not_answered() {
    let connection = verified(&certificate());
    let mut vm = start("enforce", &json!({}));
    let (id, _) = issue_opaque(&mut vm, &connection, Delivery::WholeBody);
    let call = tick_until_call(&mut vm);
    vm.fail(call.token).expect("no fault");
    assert_replaced(&vm.delivered(id), "opaque", "time-out");
    closed(&mut vm, id);

    vm.set_clusters(&[]);
    let (id, _) = issue_opaque(&mut vm, &connection, Delivery::WholeBody);
    tick(&mut vm);
    assert_replaced(&vm.delivered(id), "opaque", "no cluster");
    closed(&mut vm, id);
}

/// The client goes away while the question is open, before it is sent or after.
#[test]
fn an_answer_about_a_stream_that_has_ended() {
    let certificate = certificate();
    let connection = verified(&certificate);
    let said = json!({ "active": true, "cnf": { "x5t#S256": thumbprint(&certificate) } });
    let mut vm = start("enforce", &json!({}));
    let (first, _) = issue_opaque(&mut vm, &connection, Delivery::WholeBody);
    let (second, headers) = issue_opaque(&mut vm, &connection, Delivery::WholeBody);
    vm.close(first).expect("no fault");
    let call = tick_until_call(&mut vm);
    vm.answer(call.token, answer(200, &[], said.to_string())).expect("no fault");
    let body = issuing("opaque");
    assert_whole(&vm.delivered(second), &headers, body.as_bytes(), false, "the other one");
    closed(&mut vm, second);

    let (third, _) = issue_opaque(&mut vm, &connection, Delivery::WholeBody);
    let call = tick_until_call(&mut vm);
    vm.close(third).expect("no fault");
    vm.answer(call.token, answer(200, &[], r#"{"active":false}"#)).expect("no fault");
    assert!(vm.calls().is_empty());
}

/// A request that passes at its headers: its credentials are in `Authorization`.
fn without_body(vm: &mut Vm, connection: &Connection) -> StreamId {
    let mut request = Request { body: Vec::new(), ..Request::form("/token", "") };
    request.headers.push(("authorization".into(), "Basic YmFzaWM6c2VjcmV0".into()));
    let id = vm.open(connection.clone()).expect("no fault");
    vm.headers(id, headers(&request), true).unwrap_or_else(|fault| panic!("{fault}"));
    id
}

#[test]
fn without_the_setting_no_answer_hangs() {
    let connection = verified(&certificate());
    for check in ["enforce", "count"] {
        let mut vm = start(check, &json!({}));
        vm.allow_on_headers_stop_iteration = false;
        let (json, body) = (map("200", &[JSON]), issuing("opaque"));
        // The first is found by the time that passes, the next ones at once.
        for attempt in 0..3 {
            let why = format!("{check}, {attempt}");
            let id = without_body(&mut vm, &connection);
            respond(&mut vm, id, &json, body.as_bytes(), Delivery::Trailers);
            if attempt == 0 {
                assert_eq!(vm.delivered(id), Delivered::Held);
                elapse(&mut vm, Duration::from_secs(6));
            }
            if check == "enforce" {
                assert_replaced(&vm.delivered(id), "opaque", &why);
            } else {
                assert_whole(&vm.delivered(id), &json, body.as_bytes(), true, &why);
            }
            let outcome = vm.close(id).expect("no fault");
            let line = "allow_on_headers_stop_iteration";
            let logs = [outcome.account.logs, vm.root_account().logs.clone()].concat();
            assert!(logs.iter().any(|log| log.message.contains(line)), "{why}");
        }
        let counted = vm.take_counted().expect("no fault");
        vm.tick().expect("no fault");
        let total = vm.metric("tls_client_auth.response_unbound");
        assert_eq!(total, Some(3), "{counted:?}");
    }
}

#[test]
fn metadata_without_the_setting_goes_on_as_it_is() {
    let mut vm = start("off", &json!({}));
    vm.allow_on_headers_stop_iteration = false;
    let (json, document) = (map("200", &[JSON]), br#"{"token_endpoint":"https://a/token"}"#);
    for attempt in 0..3 {
        let id = metadata_request(&mut vm, "GET", &[]);
        respond(&mut vm, id, &json, document, Delivery::WholeBody);
        if attempt == 0 {
            assert_eq!(vm.delivered(id), Delivered::Held);
            elapse(&mut vm, Duration::from_secs(6));
        }
        assert_whole(&vm.delivered(id), &json, document, false, "metadata");
        closed(&mut vm, id);
    }
}

#[test]
fn a_host_that_fails_is_no_panic_and_lets_no_token_pass() {
    let connection = verified(&certificate());
    for fault in [
        ResponseFault::GiveHeaders,
        ResponseFault::GiveBody,
        ResponseFault::ReplaceBody,
        ResponseFault::Reply,
        ResponseFault::Continue,
    ] {
        let mut vm = start("enforce", &json!({}));
        vm.fail_responses([fault]);
        let bad = issuing(&with_cnf("{}"));
        for delivery in [Delivery::WholeBody, Delivery::SmallChunks, Delivery::Trailers] {
            let id = ask(&mut vm, &connection, &token_request("client"));
            respond(&mut vm, id, &map("200", &[JSON]), bad.as_bytes(), delivery);
            match fault {
                // Nothing else can be done with it; Envoy ends it by a time-out.
                ResponseFault::Reply => assert_eq!(vm.delivered(id), Delivered::Held),
                _ => assert_replaced(&vm.delivered(id), "refresh", &format!("{fault:?}")),
            }
            vm.close(id).expect("no fault");
            let id = metadata_request(&mut vm, "GET", &[]);
            let headers = map("200", &[JSON, ("etag", "\"a\"")]);
            let document = br#"{"token_endpoint":"https://a/token"}"#;
            respond(&mut vm, id, &headers, document, delivery);
            let Delivered::Whole(received) = vm.delivered(id) else { panic!("{fault:?}: held") };
            let is_edited = received.body != document;
            let has_tag = received.headers.iter().any(|(name, _)| name == "etag");
            assert_eq!(is_edited, !has_tag, "{fault:?}: the tag is of another body");
            let may_edit = matches!(fault, ResponseFault::Reply | ResponseFault::Continue);
            assert_eq!(is_edited, may_edit, "{fault:?}");
            vm.close(id).expect("no fault");
        }
    }
}

fn metadata_request(vm: &mut Vm, method: &str, more: &[(&str, &str)]) -> StreamId {
    let mut request = Request { method: method.into(), ..Request::form(METADATA, "") };
    request.headers.retain(|(name, _)| name.as_str() != "content-type");
    request.headers.extend(more.iter().map(|(name, value)| ((*name).into(), (*value).into())));
    let id = vm.open(Connection::without_certificate()).expect("no fault");
    vm.headers(id, headers(&request), true).unwrap_or_else(|fault| panic!("{fault}"));
    id
}

#[test]
fn metadata_is_edited_in_every_delivery() {
    let mut vm = start("enforce", &json!({}));
    let document = concat!(
        "{ \"issuer\":\"https:\\/\\/a\", \"n\": 1.0,\n",
        " \"token_endpoint\": \"https://a/token\",\n",
        " \"token_endpoint_auth_methods_supported\": [ \"none\" ],\n",
        " \"x\": [1, {\"a\":2, \"a\":3}], \"userinfo_endpoint\": \"https://a/userinfo\" }\n",
    );
    let expected = document
        .replace("\"none\" ", "\"none\",\"tls_client_auth\",\"self_signed_tls_client_auth\" ");
    let expected = expected.replace("/userinfo\" }", concat!(
        "/userinfo\",\"mtls_endpoint_aliases\":{\"token_endpoint\":\"https://mtls.as.test/token\"},",
        "\"tls_client_certificate_bound_access_tokens\":true }",
    ));
    let conditions = [
        ("accept-encoding", "gzip"),
        ("if-modified-since", "Sun, 29 Nov 2026 00:00:00 GMT"),
        ("if-none-match", "\"a\""),
        ("if-range", "\"a\""),
        ("range", "bytes=0-9"),
    ];
    for delivery in DELIVERIES.iter().filter(|delivery| **delivery != Delivery::EndInHeaders) {
        let id = metadata_request(&mut vm, "GET", &conditions);
        let length = document.len().to_string();
        let headers = map(
            "200",
            &[JSON, ("content-length", &length), ("etag", "\"a\""), ("digest", "x"), ("x", "y")],
        );
        respond(&mut vm, id, &headers, document.as_bytes(), *delivery);
        let length = expected.len().to_string();
        let mut edited = map("200", &[JSON, ("content-length", &length), ("x", "y")]);
        let Delivered::Whole(received) = vm.delivered(id) else { panic!("{delivery:?}: held") };
        let mut found = received.headers;
        found.sort();
        edited.sort();
        assert_eq!(found, edited, "{delivery:?}");
        assert_eq!(String::from_utf8_lossy(&received.body), expected, "{delivery:?}");
        assert_eq!(received.trailers.is_empty(), *delivery != Delivery::Trailers);
        let outcome = closed(&mut vm, id);
        let crate::host::Verdict::Forwarded(forwarded) = outcome.verdict else { panic!("held") };
        for (name, _) in conditions {
            assert!(forwarded.header(name).is_empty(), "{name}");
        }
    }
    // In chunks there is no length, and none is written.
    let id = metadata_request(&mut vm, "GET", &[]);
    respond(&mut vm, id, &map("200", &[JSON]), document.as_bytes(), Delivery::RandomChunks);
    let Delivered::Whole(received) = vm.delivered(id) else { panic!("held") };
    assert_eq!(received.headers, map("200", &[JSON]));
    let id = metadata_request(&mut vm, "HEAD", &conditions);
    let headers = map("200", &[JSON, ("content-length", "200"), ("etag", "\"a\"")]);
    respond(&mut vm, id, &headers, b"", Delivery::EndInHeaders);
    let Delivered::Whole(received) = vm.delivered(id) else { panic!("held") };
    assert_eq!(received.headers, map("200", &[JSON]), "of HEAD");
}

#[test]
fn metadata_that_cannot_be_edited_goes_on_as_it_is() {
    let mut vm = start("enforce", &json!({}));
    let endpoint = r#""token_endpoint":"https://a/token""#;
    let methods =
        |value: &str| format!(r#"{{{endpoint},"token_endpoint_auth_methods_supported":{value}}}"#);
    let large = padded(&format!("{{{endpoint}}}"), (64 << 10) + 1);
    let json = || map("200", &[JSON, ("etag", "\"a\"")]);
    let rows = [
        (json(), String::new()),
        (json(), "[]".to_owned()),
        (json(), "<html>".to_owned()),
        (json(), "{".to_owned()),
        (json(), large),
        (json(), format!("{{{endpoint},{endpoint}}}")),
        (json(), methods("\"none\"")),
        (json(), methods("[1]")),
        (json(), methods("[null]")),
        (json(), methods("{}")),
        (json(), methods("null")),
        (json(), format!(r#"{{{endpoint},"mtls_endpoint_aliases":[]}}"#)),
        (json(), format!(r#"{{{endpoint},"mtls_endpoint_aliases":{{"a":1,"a":2}}}}"#)),
        (map("404", &[JSON]), format!("{{{endpoint}}}")),
        (map("206", &[JSON]), format!("{{{endpoint}}}")),
        (map("200", &[("content-type", "text/html")]), format!("{{{endpoint}}}")),
        (map("200", &[]), format!("{{{endpoint}}}")),
        (map("200", &[JSON, ("content-encoding", "br")]), "x".to_owned()),
    ];
    let mut lines = Vec::new();
    for (headers, document) in &rows {
        for delivery in DELIVERIES {
            if *delivery == Delivery::EndInHeaders && !document.is_empty() {
                continue;
            }
            let id = metadata_request(&mut vm, "GET", &[]);
            respond(&mut vm, id, headers, document.as_bytes(), *delivery);
            let has_trailers = *delivery == Delivery::Trailers;
            let why = format!("{document:.200} {headers:?} {delivery:?}");
            assert_whole(&vm.delivered(id), headers, document.as_bytes(), has_trailers, &why);
            lines.extend(closed(&mut vm, id).account.logs.into_iter().map(|log| log.message));
        }
    }
    lines.sort();
    let distinct: BTreeSet<_> = lines.iter().collect();
    assert_eq!(lines.len(), distinct.len(), "once for each path and reason: {lines:?}");
    for reason in ["not 200", "encoding", "one JSON object", "more than 64 kB", "occurs twice"] {
        assert!(lines.iter().any(|line| line.contains(reason)), "{reason}: {lines:?}");
    }
    let exact = padded(&format!("{{{endpoint}}}"), 64 << 10);
    let id = metadata_request(&mut vm, "GET", &[]);
    respond(&mut vm, id, &json(), exact.as_bytes(), Delivery::RandomChunks);
    let Delivered::Whole(received) = vm.delivered(id) else { panic!("held") };
    assert!(received.body.len() > exact.len(), "64 kB are edited");
}
