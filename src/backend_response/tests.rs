mod orders;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use std::time::Duration;

use super::*;
use crate::decision::Action;
use crate::registry::{AccessToken, FetchError};
use crate::rejection::Code;
use crate::request::Field;
use crate::revocation::RevocationStatus;

const CERTIFICATE: &str = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";
const OTHER: &str = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

fn configuration(text: &str) -> Configuration {
    Configuration::parse(text.as_bytes()).unwrap()
}

fn any() -> Configuration {
    configuration(r#"{"clients": []}"#)
}

fn fields<'a>(status: &'a str, more: &[(&'a str, &'a str)]) -> Vec<Field<'a>> {
    let all = [(":status", status)];
    all.iter().chain(more).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn token_check(mode: Mode) -> TokenCheck {
    TokenCheck {
        certificate: Thumbprint::parse(CERTIFICATE),
        mode,
        introspection: None,
        request: RequestSummary::default(),
        checks: Checks::default(),
        doubt: None,
    }
}

fn token_response(mode: Mode) -> BackendResponse {
    BackendResponse::to_token_request(token_check(mode))
}

fn introspection_source() -> IntrospectionSource {
    IntrospectionSource {
        cluster: "as".into(),
        authority: "as".into(),
        path: "/introspect".into(),
        headers: Vec::new(),
        timeout: Duration::from_secs(1),
        cache: Duration::from_secs(30),
    }
}

fn jwt(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.c2ln")
}

fn bound(thumbprint: &str) -> String {
    jwt(r#"{"alg":"PS256"}"#, &format!(r#"{{"cnf":{{"x5t#S256":"{thumbprint}"}}}}"#))
}

fn issuing(token: &str) -> String {
    format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":60}}"#)
}

/// The cause of the refusal of a JSON answer; `None` = it goes on.
fn cause(body: &str) -> Option<UnboundResponse> {
    cause_with(&[("content-type", "application/json;charset=UTF-8")], body)
}

fn cause_with(headers: &[(&str, &str)], body: &str) -> Option<UnboundResponse> {
    let mut response = token_response(Mode::Enforce);
    let fields = fields("200", headers);
    let mut step = response.on_headers(Some(Fields(&fields)), body.is_empty());
    if matches!(step, ResponseStep::Wait) {
        step = response.on_body(&any(), body.len(), true, |_| Some(body.as_bytes().to_vec()));
    }
    match step {
        ResponseStep::Continue => None,
        ResponseStep::Unbound(decision) => {
            assert_eq!(decision.code, Code::ResponseUnbound);
            let Action::Reply(reply) = &decision.action else { panic!("not replaced") };
            assert_eq!(reply.status, 502);
            let Some(Rejection::ResponseUnbound(cause)) = decision.rejection else {
                panic!("no cause")
            };
            Some(cause)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_token_that_is_bound_to_the_certificate_leaves() {
    assert_eq!(cause(&issuing(&bound(CERTIFICATE))), None);
    let bound_to = Thumbprint::parse(OTHER).unwrap();
    assert_eq!(cause(&issuing(&bound(OTHER))), Some(UnboundResponse::ToAnother { bound_to }));
    for (claims, expected) in [
        (r#"{"sub":"a"}"#, UnboundResponse::NotBound),
        (r#"{"cnf":null}"#, UnboundResponse::NotBound),
        (r#"{"cnf":{"jkt":"a"}}"#, UnboundResponse::NotBound),
        (r#"{"cnf":{"x5t#S256":1}}"#, UnboundResponse::NotBound),
        (&format!(r#"{{"cnf":{{"x5t#S256":"{CERTIFICATE}="}}}}"#), UnboundResponse::NotBound),
        (&format!(r#"{{"cnf":["{CERTIFICATE}"]}}"#), UnboundResponse::NotBound),
        (
            &format!(r#"{{"cnf":{{"x5t#S256":"{CERTIFICATE}","x5t#S256":"{OTHER}"}}}}"#),
            UnboundResponse::Doubtful,
        ),
        (
            &format!(r#"{{"cnf":{{"x5t#S256":"{CERTIFICATE}"}},"c\u006ef":{{}}}}"#),
            UnboundResponse::Doubtful,
        ),
    ] {
        let token = jwt(r#"{"alg":"PS256"}"#, claims);
        assert_eq!(cause(&issuing(&token)), Some(expected), "{claims}");
    }
    let claims = format!(r#"{{"cnf":{{"x5t#S256":"{CERTIFICATE}"}}}}"#);
    for (token, expected) in [
        (jwt(r#"{"alg":"none"}"#, &claims), UnboundResponse::Unsigned),
        (jwt(r#"{"alg":""}"#, &claims), UnboundResponse::Unsigned),
        (jwt(r#"{"alg":"NONE"}"#, &claims), UnboundResponse::Unsigned),
        (bound(CERTIFICATE).trim_end_matches("c2ln").to_owned(), UnboundResponse::Unsigned),
        (jwt(r#"{"alg":"PS256","alg":"none"}"#, &claims), UnboundResponse::Doubtful),
        (jwt(r#"{"alg":1}"#, &claims), UnboundResponse::Doubtful),
        (jwt("{}", &claims), UnboundResponse::Opaque),
        ("Zm9v".to_owned(), UnboundResponse::Opaque),
        ("a.b.c".to_owned(), UnboundResponse::Opaque),
        ("a.b.c.d.e".to_owned(), UnboundResponse::Opaque),
        (String::new(), UnboundResponse::Doubtful),
    ] {
        assert_eq!(cause(&issuing(&token)), Some(expected), "{token}");
    }
}

#[test]
fn answers_without_a_token_pass() {
    for body in [
        "",
        "{}",
        r#"{"active":true,"scope":"a"}"#,
        r#"{"request_uri":"urn:a"}"#,
        r#"{"access_tokens":[],"x_access_token":"a","access_token_type":"b","access":"c"}"#,
    ] {
        assert_eq!(cause(body), None, "{body}");
    }
    let introspection = [("content-type", "application/token-introspection+jwt")];
    assert_eq!(cause_with(&introspection, "a.b.c"), None);
    for status in ["204", "302", "400", "401", "500"] {
        let mut response = token_response(Mode::Enforce);
        let fields = fields(status, &[("content-type", "text/html")]);
        let step = response.on_headers(Some(Fields(&fields)), status == "204");
        assert!(matches!(step, ResponseStep::Continue), "{status}");
    }
}

#[test]
fn an_answer_that_is_read_with_doubt_does_not_leave() {
    let token = bound(CERTIFICATE);
    for body in [
        "[]".to_owned(),
        "null".to_owned(),
        "\"a\"".to_owned(),
        format!("[{}]", issuing(&token)),
        format!(r#"{{"access_token":"{token}","access_token":"{token}"}}"#),
        format!(r#"{{"access_token":"{token}","access_tok\u0065n":"a"}}"#),
        format!(r#"{{"access_token":"{token}","Access_Token":"a"}}"#),
        "{\"acce\u{17f}s_token\":\"a\"}".to_owned(),
        "{\"access_to\u{212a}en\":\"a\"}".to_owned(),
        format!(r#"{{"access_token":"{token}","\u0000access_token":"a"}}"#),
        format!(r#"{{"access_token":"{token}","access_token\u0000x":"a"}}"#),
        format!(r#"{{"\tAccess_Token\r\n":"a","access_token":"{token}"}}"#),
        r#"{"access_token ":"a"}"#.to_owned(),
        r#"{"access_token\u007f":"a"}"#.to_owned(),
        r#"{"\u0085access_token":"a"}"#.to_owned(),
        r#"{"access_token\u00a0":"a"}"#.to_owned(),
        r#"{"\u3000access_token":"a"}"#.to_owned(),
        r#"{"\ufeffaccess_token":"a"}"#.to_owned(),
        r#"{"access_token\ufeff":"a"}"#.to_owned(),
        r#"{"\u200baccess_token":"a"}"#.to_owned(),
        r#"{"access_token\u180e":"a"}"#.to_owned(),
        r#"{"access_token[]":"a"}"#.to_owned(),
        r#"{"access_token":null}"#.to_owned(),
        r#"{"access_token":{"a":1}}"#.to_owned(),
    ] {
        assert_eq!(cause(&body), Some(UnboundResponse::Doubtful), "{body}");
    }
    for body in ["<html>", "{", "{}{}", "\u{feff}{}", "access_token=a", "{\"a\":\"\\ud800\"}"] {
        assert_eq!(cause(body), Some(UnboundResponse::NotJson), "{body}");
    }
    let bound = issuing(&token);
    for content_type in [
        "text/html",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json;charset=utf-16",
        "application/json, text/plain",
        "application/jsonx",
    ] {
        let found = cause_with(&[("content-type", content_type)], &bound);
        assert_eq!(found, Some(UnboundResponse::NotJson), "{content_type}");
    }
    assert_eq!(cause_with(&[], &bound), Some(UnboundResponse::NotJson));
    let json = ("content-type", "application/json");
    let encoded = cause_with(&[json, ("content-encoding", "gzip")], &bound);
    assert_eq!(encoded, Some(UnboundResponse::Encoded));
    assert_eq!(cause_with(&[json, ("content-encoding", "identity")], &bound), None);
    // Nothing is encoded in an empty body.
    assert_eq!(cause_with(&[json, ("content-encoding", "gzip")], ""), None);
    assert_eq!(
        cause_with(&[json, ("content-length", "262145")], &bound),
        Some(UnboundResponse::TooLarge)
    );
}

/// The response with an opaque token, complete, and the question about it.
fn asked(mode: Mode) -> (BackendResponse, AccessToken) {
    let mut response = BackendResponse::to_token_request(TokenCheck {
        introspection: Some(Arc::new(introspection_source())),
        ..token_check(mode)
    });
    let fields = fields("200", &[("content-type", "application/json")]);
    response.on_headers(Some(Fields(&fields)), false);
    let body = issuing("Zm9v").into_bytes();
    let step = response.on_body(&any(), body.len(), true, |_| Some(body));
    let ResponseStep::Ask(question) = step else { panic!("{step:?}") };
    let Question::Token { token, .. } = *question else { panic!("another question") };
    (response, token)
}

#[test]
fn the_server_is_asked_about_a_token_that_is_no_jwt() {
    let bound = |text| IntrospectedToken::BoundTo(Thumbprint::parse(text).unwrap());
    let failed = RegistryFault::Introspection(FetchError::NoAnswer);
    let bound_to = Thumbprint::parse(OTHER).unwrap();
    for (answer, expected) in [
        (Ok(bound(CERTIFICATE)), None),
        (Ok(bound(OTHER)), Some(UnboundResponse::ToAnother { bound_to })),
        (Ok(IntrospectedToken::Unbound), Some(UnboundResponse::NotBound)),
        (Ok(IntrospectedToken::Unreadable), Some(UnboundResponse::NotBound)),
        (Ok(IntrospectedToken::Inactive), Some(UnboundResponse::Inactive)),
        (Err(failed.clone()), Some(UnboundResponse::NotIntrospected(failed))),
    ] {
        for mode in [Mode::Enforce, Mode::Shadow] {
            let (mut response, token) = asked(mode);
            assert_eq!(token, AccessToken::issued(b"Zm9v"));
            assert!(!response.is_held(), "its body has come");
            assert!(matches!(response.on_end(&any(), 1, |_| None), ResponseStep::Wait));
            assert!(matches!(response.on_body_withheld(), ResponseStep::Wait));
            let revocation = Fact::Revocation(RevocationStatus::Good);
            assert!(matches!(response.on_fact(revocation), ResponseStep::Wait));
            let found = match response.on_fact(Fact::Token(answer.clone())) {
                ResponseStep::Continue => None,
                ResponseStep::Unbound(decision) => {
                    assert_eq!(decision.passes(), mode == Mode::Shadow);
                    let Some(Rejection::ResponseUnbound(cause)) = decision.rejection else {
                        panic!("no cause")
                    };
                    Some(cause)
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected);
            // It is decided once.
            assert!(matches!(response.on_fact(Fact::Token(answer.clone())), ResponseStep::Wait));
            assert!(matches!(response.on_end(&any(), 1, |_| None), ResponseStep::Continue));
        }
    }
}

#[test]
fn an_announced_body_that_will_not_be_read_is_not_awaited() {
    for headers in [
        [("content-type", "application/json"), ("content-length", "262145")],
        [("content-type", "text/html"), ("content-length", "1")],
    ] {
        let mut response = token_response(Mode::Shadow);
        let fields = fields("200", &headers);
        let step = response.on_headers(Some(Fields(&fields)), false);
        assert!(matches!(step, ResponseStep::Unbound(_)) && !response.is_held(), "{headers:?}");
    }
}

#[test]
fn a_long_answer_is_decided_before_it_ends() {
    let mut response = token_response(Mode::Enforce);
    let fields = fields("200", &[("content-type", "application/json")]);
    assert!(matches!(response.on_headers(Some(Fields(&fields)), false), ResponseStep::Wait));
    let unread = |_: usize| -> Option<Vec<u8>> { panic!("read before its end") };
    let step = response.on_body(&any(), limits::TOKEN_RESPONSE_BYTES, false, unread);
    assert!(matches!(step, ResponseStep::Wait) && response.is_held());
    let step = response.on_body(&any(), limits::TOKEN_RESPONSE_BYTES + 1, false, unread);
    assert!(matches!(step, ResponseStep::Unbound(_)) && !response.is_held());
    let step = response.on_body(&any(), 1, true, unread);
    assert!(matches!(step, ResponseStep::Continue), "it is decided once");
}

#[test]
fn what_the_host_does_not_give_is_unbound() {
    let fields = fields("200", &[("content-type", "application/json")]);
    for body in [None, Some(b"{".to_vec())] {
        let mut response = token_response(Mode::Enforce);
        response.on_headers(Some(Fields(&fields)), false);
        let step = response.on_end(&any(), 2, |_| body);
        assert!(matches!(step, ResponseStep::Unbound(_)));
    }
    let mut response = token_response(Mode::Enforce);
    assert!(matches!(response.on_headers(None, false), ResponseStep::Wait));
    let step = response.on_body(&any(), 2, true, |_| Some(b"{}".to_vec()));
    assert!(matches!(step, ResponseStep::Unbound(_)));
    let mut response = token_response(Mode::Enforce);
    response.on_headers(Some(Fields(&fields)), false);
    let ResponseStep::Unbound(decision) = response.on_body_withheld() else { panic!("passes") };
    assert!(decision.to_string().contains("allow_on_headers_stop_iteration"));
}

#[test]
fn what_is_counted_goes_on() {
    let mut response = token_response(Mode::Shadow);
    let fields = fields("200", &[("content-type", "application/json")]);
    response.on_headers(Some(Fields(&fields)), false);
    let body = issuing("a").into_bytes();
    let step = response.on_body(&any(), body.len(), true, |_| Some(body));
    let ResponseStep::Unbound(decision) = step else { panic!("not counted") };
    assert!(decision.passes());
    assert!(
        decision
            .to_string()
            .starts_with("tls_client_auth code=response_unbound response_check=count ")
    );
}

const DISCOVERY: &str = r#"{
    "endpoints": ["/token", "/revoke", "/introspect", "/par"],
    "discovery": {
        "paths": ["/.well-known/openid-configuration"],
        "mtls_endpoint_aliases": "https://mtls.as.example.com"
    },
    "clients": []
}"#;

fn metadata_response(
    configuration: &Configuration,
    method: &str,
    path: &str,
) -> Option<BackendResponse> {
    let fields = [(&b":method"[..], method.as_bytes()), (b":path", path.as_bytes())];
    let discovery = configuration.discovery.as_deref().unwrap();
    BackendResponse::to_metadata_request(discovery, &Head::of(Fields(&fields)))
}

/// The document as it goes on; `None` = untouched, because it cannot be edited.
fn edited(configuration: &Configuration, document: &str) -> Option<String> {
    let path = "/.well-known/openid-configuration";
    let mut response = metadata_response(configuration, "GET", path).unwrap();
    let fields = fields("200", &[("content-type", "application/json")]);
    assert!(matches!(response.on_headers(Some(Fields(&fields)), false), ResponseStep::Wait));
    let body = document.as_bytes().to_vec();
    match response.on_body(configuration, document.len(), true, |_| Some(body)) {
        ResponseStep::Edit(body) => Some(String::from_utf8(body).unwrap()),
        ResponseStep::Continue => Some(document.to_owned()),
        ResponseStep::Untouched(_) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn metadata_gains_what_the_filter_adds_and_nothing_else_changes() {
    let document = "{\n  \"issuer\": \"https:\\/\\/as.example.com\", \"n\": 1.0,\n  \
        \"authorization_endpoint\": \"https://as.example.com/authorize\",\n  \
        \"token_endpoint\": \"https:\\/\\/as.example.com\\/token?a=b\",\n  \
        \"token_endpoint_auth_methods_supported\": [\n    \"none\"\n  ],\n  \
        \"revocation_endpoint\": \"https://as.example.com/revoke\",\n  \
        \"introspection_endpoint\": \"https://as.example.com/introspect\",\n  \
        \"userinfo_endpoint\": \"https://as.example.com/userinfo\"\n}\n";
    let expected = document
        .replace("\"none\"\n", "\"none\",\"tls_client_auth\",\"self_signed_tls_client_auth\"\n")
        .replace(
            "/userinfo\"\n}",
            "/userinfo\",\"revocation_endpoint_auth_methods_supported\":[\"client_secret_basic\",\
             \"tls_client_auth\",\"self_signed_tls_client_auth\"],\"mtls_endpoint_aliases\":{\
             \"token_endpoint\":\"https://mtls.as.example.com/token?a=b\",\
             \"revocation_endpoint\":\"https://mtls.as.example.com/revoke\",\
             \"introspection_endpoint\":\"https://mtls.as.example.com/introspect\"}\n}",
        );
    let found = edited(&configuration(DISCOVERY), document).unwrap();
    assert_eq!(found, expected);
    assert_eq!(edited(&configuration(DISCOVERY), &found).unwrap(), found, "nothing twice");
}

#[test]
fn aliases_of_the_backend_stay_and_browsers_get_none() {
    let all = configuration(
        r#"{
            "endpoints": ["/**"], "methods": ["tls_client_auth"],
            "discovery": {"paths": ["/x"], "mtls_endpoint_aliases": "https://m"},
            "tenants": [{"hosts": ["m", "a"], "clients": []}]
        }"#
        .replace("\"/**\"", "\"/token\", \"/authorize\", \"/logout\"")
        .as_str(),
    );
    let document = concat!(
        r#"{"authorization_endpoint":"https://a/authorize","end_session_endpoint":"https://a/logout","#,
        r#""token_endpoint":"https://a/token","token_endpoint_auth_methods_supported":[],"#,
        r#""mtls_endpoint_aliases":{"token_endpoint":"https://b/token"}}"#,
    );
    let mut response = metadata_response(&all, "GET", "/x?y").unwrap();
    let fields = fields("200", &[("content-type", "application/json")]);
    response.on_headers(Some(Fields(&fields)), false);
    let body = document.as_bytes().to_vec();
    let step = response.on_end(&all, document.len(), |_| Some(body));
    let ResponseStep::Edit(body) = step else { panic!("{step:?}") };
    let expected = document.replace("[]", "[\"tls_client_auth\"]");
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

/// The document with this token endpoint, as one of a filter for several tenants edits it.
fn edited_for(tenants: &str, endpoint: &str) -> String {
    let text = format!(
        r#"{{
            "endpoints": ["/token"],
            "discovery": {{
                "paths": ["/.well-known/openid-configuration"],
                "mtls_endpoint_aliases": "https://mtls.a.example"
            }},
            "bound_tokens": {{"response_check": "enforce"}},
            "clients": [],
            "tenants": [{tenants}]
        }}"#
    );
    let document = format!(r#"{{"token_endpoint":"{endpoint}","userinfo_endpoint":"/u"}}"#);
    edited(&configuration(&text), &document).unwrap()
}

#[test]
fn the_aliases_of_one_tenant_are_of_no_other() {
    const TENANTS: &str = r#"
        {"hosts": ["a.example", "*.a.example"], "clients": [], "methods": ["tls_client_auth"]},
        {"hosts": ["b.example"], "clients": []},
        {"hosts": ["c.example"], "clients": [], "endpoints": ["/login"]}"#;
    for endpoint in ["https://a.example/token", "https://AS.a.example.:443/token?x"] {
        let (_, target) = endpoint.rsplit_once('/').unwrap();
        let alias = format!(r#""token_endpoint":"https://mtls.a.example/{target}""#);
        let found = edited_for(TENANTS, endpoint);
        assert!(found.contains(&alias), "{found}");
        assert!(found.contains(r#"["client_secret_basic","tls_client_auth"]"#), "{found}");
        assert!(found.contains(r#""tls_client_certificate_bound_access_tokens":true"#), "{found}");
    }
    for endpoint in [
        "https://b.example/token",
        "https://c.example/token",
        "https://c.example/login",
        // The policy of the top level gates it.
        "https://elsewhere.example/token",
        // No host: a browser goes to b.example.
        "https://b.example\\\\@a.example/token",
        "https://x@a.example/token",
        "https://a.example/login",
    ] {
        let found = edited_for(TENANTS, endpoint);
        let untouched = format!(r#"{{"token_endpoint":"{endpoint}","userinfo_endpoint":"/u"}}"#);
        assert_eq!(found, untouched);
    }
    // The host of the aliases is that of no tenant.
    let others = r#"{"hosts": ["b.example"], "clients": []}"#;
    assert!(!edited_for(others, "https://b.example/token").contains("mtls"));
    assert!(edited_for(others, "https://as.example/token").contains("mtls.a.example/token"));
}

#[test]
fn tenants_by_path_share_the_host_of_aliases() {
    const TENANTS: &str = r#"
        {"paths": ["/one"], "clients": [], "methods": ["tls_client_auth"],
         "endpoints": ["/one/token"]},
        {"paths": ["/two"], "hosts": ["as.example", "mtls.a.example"], "clients": [],
         "methods": ["self_signed_tls_client_auth"], "endpoints": ["/two/token"]},
        {"paths": ["/three"], "hosts": ["as.example"], "clients": [],
         "endpoints": ["/three/token"]}"#;
    for (path, method) in
        [("one", "\"tls_client_auth\""), ("two", "\"self_signed_tls_client_auth\"")]
    {
        let found = edited_for(TENANTS, &format!("https://as.example/{path}/token"));
        assert!(found.contains(&format!("https://mtls.a.example/{path}/token")), "{found}");
        assert!(found.contains(&format!("[\"client_secret_basic\",{method}]")), "{found}");
    }
    for endpoint in ["https://as.example/three/token", "https://b.example/two/token"] {
        assert!(!edited_for(TENANTS, endpoint).contains("mtls"), "{endpoint}");
    }
}

#[test]
fn enforced_binding_is_published() {
    let with = |members: &str| {
        configuration(&DISCOVERY.replace("\"clients\"", &format!("{members} \"clients\"")))
    };
    let enforced = with(r#""bound_tokens": {"response_check": "enforce"},"#);
    let shadow = with(r#""mode": "shadow", "bound_tokens": {"response_check": "enforce"},"#);
    let counted = with(r#""bound_tokens": {"response_check": "count"},"#);
    let document = |more: &str| format!(r#"{{"token_endpoint":"https://a/token"{more}}}"#);
    const NAME: &str = "tls_client_certificate_bound_access_tokens";
    let is_true = |text: &str| text.contains(&format!("\"{NAME}\":true"));
    assert!(is_true(&edited(&enforced, &document("")).unwrap()));
    let said = document(&format!(",\"{NAME}\":false"));
    assert!(is_true(&edited(&enforced, &said).unwrap()));
    for other in [&shadow, &counted] {
        assert!(!is_true(&edited(other, &said).unwrap()));
    }
    assert_eq!(edited(&enforced, &document(&format!(",\"{NAME}\":1"))), None);
}

#[test]
fn what_cannot_be_edited_is_untouched() {
    let configuration = configuration(DISCOVERY);
    for document in [
        "",
        "[]",
        "{",
        "<html>",
        r#"{"token_endpoint":"https://a/token","token_endpoint":"https://a/token"}"#,
        r#"{"token_endpoint":"https://a/token","token_endpoint_auth_methods_supported":"none"}"#,
        r#"{"token_endpoint":"https://a/token","token_endpoint_auth_methods_supported":[1]}"#,
        r#"{"token_endpoint":"https://a/token","mtls_endpoint_aliases":[]}"#,
    ] {
        assert_eq!(edited(&configuration, document), None, "{document}");
    }
    for document in ["{}", r#"{"token_endpoint":1}"#, r#"{"token_endpoint":"https://a/login"}"#] {
        assert_eq!(edited(&configuration, document).unwrap(), document);
    }
    let path = "/.well-known/openid-configuration";
    let json = ("content-type", "application/json");
    for (status, headers) in [
        ("404", vec![json]),
        ("304", vec![json]),
        ("206", vec![json]),
        ("200", vec![]),
        ("200", vec![("content-type", "text/html")]),
        ("200", vec![json, ("content-encoding", "br")]),
        ("200", vec![json, ("content-length", "65537")]),
    ] {
        let mut response = metadata_response(&configuration, "GET", path).unwrap();
        let fields = fields(status, &headers);
        let step = response.on_headers(Some(Fields(&fields)), false);
        assert!(matches!(step, ResponseStep::Untouched(_)), "{status} {headers:?}");
    }
    let mut response = metadata_response(&configuration, "HEAD", path).unwrap();
    let head = fields("200", &[json]);
    let step = response.on_headers(Some(Fields(&head)), true);
    assert!(matches!(step, ResponseStep::Undescribe));
    for (method, path) in [("POST", path), ("GET", "/token")] {
        assert!(metadata_response(&configuration, method, path).is_none());
    }
}
