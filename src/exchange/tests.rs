mod orders;

use super::*;
use crate::certificate::{PeerCertificate, Thumbprint};
use crate::decision::Action;
use crate::downstream::ServerName;
use crate::registry::IntrospectedToken;
use crate::rejection::{MissingCertificate, UnverifiedToken};
use crate::request::{Field, Fields};
use crate::time::UnixTime;

const CONFIG: &[u8] = br#"{
    "endpoints": ["/token"], "max_body_bytes": 40, "other_methods": "pass",
    "clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]
}"#;
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// A connection of which nothing must be asked.
struct Unasked;

impl Downstream for Unasked {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        panic!("asked for the time")
    }
    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        panic!("asked for the certificate")
    }
    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        panic!("asked for the chain")
    }
    fn server_name(&mut self) -> ServerName {
        panic!("asked for the server name")
    }
}

fn headers<'a>(more: &[(&'a str, &'a str)]) -> Vec<Field<'a>> {
    let pseudo = [(":method", "POST"), (":path", "/token"), (":authority", "as.example.com")];
    pseudo.iter().chain(more).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn started(config: &[u8], more: &[(&str, &str)], end_of_stream: bool) -> (Exchange, Step) {
    let headers = headers(more);
    let configuration = Configuration::parse(config).unwrap();
    let mut exchange = Exchange::new(&configuration, &Head::of(Fields(&headers)));
    let step = exchange.on_headers(
        &configuration,
        &Head::of(Fields(&headers)),
        end_of_stream,
        &mut Unasked,
    );
    (exchange, step)
}

fn decision(step: Step) -> Decision {
    match step {
        Step::Decide(decision) => *decision,
        other => panic!("no decision: {other:?}"),
    }
}

fn must_not_read(_: usize) -> Option<Vec<u8>> {
    panic!("read a body that is not there")
}

fn gives(body: &'static [u8]) -> impl FnOnce(usize) -> Option<Vec<u8>> {
    move |length| {
        assert_eq!(length, body.len());
        Some(body.to_vec())
    }
}

#[test]
fn a_gated_request_is_held_until_its_body_ends() {
    let (mut exchange, step) = started(CONFIG, &[FORM], false);
    assert!(matches!(step, Step::Wait) && exchange.is_held());
    assert!(matches!(exchange.on_body(3, false, must_not_read, &mut Unasked), Step::Wait));
    let step = exchange.on_body(11, true, gives(b"client_id=a"), &mut Unasked);
    assert_eq!(decision(step).code, Code::PassedOtherMethod);
    assert!(!exchange.is_held());
    assert!(matches!(exchange.on_end(must_not_read, &mut Unasked), Step::Decided { passed: true }));
}

#[test]
fn trailers_end_a_request_too() {
    let (mut exchange, _) = started(CONFIG, &[FORM], false);
    assert!(matches!(exchange.on_body(11, false, must_not_read, &mut Unasked), Step::Wait));
    assert_eq!(
        decision(exchange.on_end(gives(b"client_id=b"), &mut Unasked)).code,
        Code::UnknownClient
    );
    assert!(matches!(
        exchange.on_body(11, true, must_not_read, &mut Unasked),
        Step::Decided { passed: false }
    ));

    let (mut exchange, _) = started(CONFIG, &[FORM], false);
    assert_eq!(
        decision(exchange.on_end(must_not_read, &mut Unasked)).code,
        Code::MissingClientId,
        "no data at all"
    );
}

#[test]
fn a_request_without_a_body_is_decided_at_its_headers() {
    let (_, step) = started(CONFIG, &[FORM], true);
    assert_eq!(decision(step).code, Code::MissingClientId);
}

#[test]
fn an_incomplete_body_is_never_decided_on() {
    for part in [None, Some(b"client_id=".to_vec())] {
        let (mut exchange, _) = started(CONFIG, &[FORM], false);
        let decision = decision(exchange.on_body(11, true, |_| part, &mut Unasked));
        assert_eq!(decision.rejection, Some(Rejection::HostError(HostError::Body)));
    }
}

#[test]
fn a_body_is_too_large_as_soon_as_that_is_known() {
    let (_, step) = started(CONFIG, &[FORM, ("content-length", "41")], false);
    assert_eq!(decision(step).code, Code::BodyTooLarge);
    let (mut exchange, _) = started(CONFIG, &[FORM], false);
    assert!(matches!(exchange.on_body(40, false, must_not_read, &mut Unasked), Step::Wait));
    assert_eq!(
        decision(exchange.on_body(41, false, must_not_read, &mut Unasked)).code,
        Code::BodyTooLarge
    );
    assert!(matches!(
        exchange.on_body(50, true, must_not_read, &mut Unasked),
        Step::Decided { passed: false }
    ));
}

#[test]
fn nothing_passes_before_the_headers() {
    let mut exchange =
        Exchange::new(&Configuration::parse(CONFIG).unwrap(), &Head::of(Fields(&[])));
    assert_eq!(
        decision(exchange.on_body(1, true, must_not_read, &mut Unasked)).code,
        Code::HostError
    );
    let configuration = Configuration::parse(CONFIG).unwrap();
    let mut exchange = Exchange::new(&configuration, &Head::of(Fields(&[])));
    assert_eq!(
        decision(exchange.on_headers(&configuration, &Head::of(Fields(&[])), true, &mut Unasked))
            .code,
        Code::HostError
    );
}

#[test]
fn a_withheld_body_is_a_host_error_once() {
    let (mut exchange, _) = started(CONFIG, &[FORM], false);
    let refused = decision(exchange.on_body_withheld());
    assert_eq!(refused.rejection, Some(Rejection::HostError(HostError::BodyWithHeadersHeld)));
    assert!(refused.to_string().contains("allow_on_headers_stop_iteration"));
    assert!(matches!(exchange.on_body_withheld(), Step::Decided { passed: false }));
}

#[test]
fn shadow_decides_and_lets_pass() {
    let config = br#"{"mode": "shadow", "clients": []}"#;
    let (mut exchange, step) = started(config, &[("content-type", "text/plain")], false);
    let refused = decision(step);
    assert_eq!(
        (refused.code, &refused.action),
        (Code::UnsupportedMediaType, &Action::Continue { set: Vec::new() })
    );
    assert!(refused.to_string().contains(" mode=shadow "));
    assert!(matches!(
        exchange.on_body(99_999, true, must_not_read, &mut Unasked),
        Step::Decided { passed: true }
    ));
}

#[test]
fn the_decision_line_has_what_an_operator_needs_and_no_more() {
    let more = [FORM, ("x-request-id", "r-1\""), ("authorization", "Bearer secret-token")];
    let (mut exchange, _) = started(CONFIG, &more, false);
    let refused = decision(exchange.on_body(33, true, |_| None, &mut Unasked));
    assert_eq!(
        refused.to_string(),
        "tls_client_auth code=host_error endpoint=\"/token\" request_id=\"r-1\\\"\" \
         detail=\"the host does not give the body that it announced\""
    );
    let (mut exchange, _) = started(CONFIG, &more, false);
    let refused = decision(exchange.on_body(
        34,
        true,
        gives(b"client_id=x%0A%22&code=secret-code"),
        &mut Unasked,
    ));
    assert_eq!(
        refused.to_string(),
        "tls_client_auth code=unknown_client client_id=\"x\\n\\\"\" endpoint=\"/token\" \
         request_id=\"r-1\\\"\" detail=\"not in the registry\""
    );
    assert_eq!(refused.client_id_state().as_deref(), Some(r#"x\n\""#));
}

#[test]
fn identity_headers_are_stripped_by_the_policy_of_the_host() {
    let config = br#"{
        "forward": {"client_id": "x-id"},
        "tenants": [{
            "hosts": ["as.example.com"], "clients": [], "forward": {"keep": ["x-ssl-cert"]}
        }]
    }"#;
    let configuration = Configuration::parse(config).unwrap();
    let fields = headers(&[("x-ssl-cert", "a"), ("x_ssl_client_dn", "b"), ("x-id", "c")]);
    let stripped: Vec<&[u8]> = Exchange::new(&configuration, &Head::of(Fields(&fields)))
        .names_to_strip(Fields(&fields), None)
        .collect();
    assert_eq!(stripped, [&b"x_ssl_client_dn"[..], b"x-id"]);
    let elsewhere = [(&b":authority"[..], &b"other"[..])];
    let stripped: Vec<&[u8]> = Exchange::new(&configuration, &Head::of(Fields(&elsewhere)))
        .names_to_strip(Fields(&fields), None)
        .collect();
    assert_eq!(stripped, [&b"x-ssl-cert"[..], b"x_ssl_client_dn", b"x-id"]);
}

/// The quick answer of an exchange is that of its policy.
#[test]
fn what_may_be_stripped_is_known_quickly() {
    let configuration = Configuration::parse(br#"{"endpoints": []}"#).unwrap();
    for (name, may_strip) in [("x-ssl-client-dn", true), ("accept", false)] {
        let fields = headers(&[(name, "a")]);
        let head = Head::of(Fields(&fields));
        let exchange = Exchange::new(&configuration, &head);
        let is_stripped = exchange.names_to_strip(Fields(&fields), None).next().is_some();
        assert_eq!((exchange.may_strip(&head), is_stripped), (may_strip, may_strip), "{name}");
        assert!(!exchange.reads_response() && !exchange.has_passed());
    }
}

/// No trailer may have credentials or say how the body is read: a backend that merges trailers into
/// the headers would take other ones than those that were decided about.
#[test]
fn no_trailer_has_a_claim() {
    let config = br#"{
        "endpoints": [],
        "forward": {"keep": ["x-jwt-payload"]},
        "bound_tokens": {
            "resources": ["/api"], "jwt": {"metadata": "m", "payload_header": "x-jwt-payload"}
        }
    }"#;
    let configuration = Configuration::parse(config).unwrap();
    let trailers = headers(&[
        ("authorization", "Bearer a"),
        ("Authorization", "Bearer a"),
        ("grpc-status", "0"),
        ("x-jwt-payload", "e30"),
        ("x_jwt_payload", "e30"),
        ("client-cert", "a"),
        ("authorizations", "a"),
        ("oauth_client_attestation", "a"),
        ("php-auth-user", "a"),
        ("Content-Type", "a"),
        ("content-type", "a"),
        ("content-encoding", "gzip"),
        ("x-http-method-override", "PUT"),
        ("x-up-devcap-post-charset", "utf-7"),
        ("content-language", "de"),
    ]);
    let head = headers(&[(":path", "/api")]);
    let exchange = Exchange::new(&configuration, &Head::of(Fields(&head)));
    let stripped: Vec<&[u8]> = exchange.trailers_to_strip(Fields(&trailers)).collect();
    let expected = [
        "authorization",
        "Authorization",
        "x-jwt-payload",
        "x_jwt_payload",
        "client-cert",
        "oauth_client_attestation",
        "php-auth-user",
        "Content-Type",
        "content-type",
        "content-encoding",
        "x-http-method-override",
        "x-up-devcap-post-charset",
    ];
    assert_eq!(stripped, expected.map(str::as_bytes));
}

const FETCHED: &[u8] = br#"{
    "registry": {"cluster": "r", "authority": "r", "path": "/{client_id}", "mode": "lookup"}
}"#;

/// A connection without a certificate.
struct WithoutCertificate;

impl Downstream for WithoutCertificate {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        Ok(UnixTime(0))
    }
    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        Err(Rejection::CertificateMissing(MissingCertificate::NotPresented))
    }
    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        None
    }
    fn server_name(&mut self) -> ServerName {
        ServerName::Absent
    }
}

/// An exchange that waits for its registry.
fn looked_up() -> Exchange {
    let (mut exchange, step) = started(FETCHED, &[FORM], false);
    assert!(matches!(step, Step::Wait));
    let step = exchange.on_body(11, true, gives(b"client_id=a"), &mut WithoutCertificate);
    assert!(matches!(step, Step::LookUp { client_id, .. } if *client_id == *"a"));
    exchange
}

#[test]
fn a_lookup_holds_the_request_until_its_answer() {
    let registered = |text: &[u8]| {
        let configuration = Configuration::parse(text).unwrap();
        let TenantPolicy::Known(policy) = configuration.policy_for(b"", b"/") else {
            panic!("no tenants")
        };
        let RegistrySource::Embedded(registry) = &policy.registry else { panic!("embedded") };
        registry.find("a")
    };
    let other = || {
        registered(br#"{"clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}]}"#)
    };
    let by_certificate = registered(
        br#"{"clients": [{
            "client_id": "a", "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "a"
        }]}"#,
    );
    for (registration, code) in [
        (Ok(other()), Code::PassedOtherMethod),
        (Ok(by_certificate), Code::CertificateMissing),
        (Ok(Registration::Unregistered), Code::UnknownClient),
        (Ok(Registration::Unusable("x".into())), Code::UnknownClient),
        (Ok(Registration::Doubtful), Code::UnknownClient),
        (Err(RegistryFault::NoList), Code::RegistryUnavailable),
    ] {
        let mut exchange = looked_up();
        assert!(!exchange.is_held(), "its body is there");
        // Nothing that arrives in the meantime lets it pass.
        assert!(matches!(exchange.on_end(must_not_read, &mut Unasked), Step::Wait));
        assert!(matches!(exchange.on_body(11, true, must_not_read, &mut Unasked), Step::Wait));
        let decided = decision(exchange.on_registration(registration, &mut WithoutCertificate));
        assert_eq!(decided.code, code);
        assert_eq!(decided.request.client_id.as_deref(), Some("a"));
        let passed = code == Code::PassedOtherMethod;
        let decided = |step| matches!(step, Step::Decided { passed: found } if found == passed);
        assert!(decided(exchange.on_end(must_not_read, &mut Unasked)));
        // A second answer changes nothing.
        assert!(matches!(exchange.on_registration(Ok(other()), &mut Unasked), Step::Wait));
        assert!(decided(exchange.on_end(must_not_read, &mut Unasked)));
    }
}

#[test]
fn an_answer_without_a_question_decides_nothing() {
    let (mut exchange, _) = started(FETCHED, &[FORM], false);
    assert!(matches!(
        exchange.on_registration(Ok(Registration::Unregistered), &mut Unasked),
        Step::Wait
    ));
    assert!(exchange.is_held());
}

#[test]
fn an_unusable_client_is_not_unregistered() {
    let pass = br#"{
        "unregistered_clients": "pass",
        "registry": {"cluster": "r", "authority": "r", "path": "/{client_id}", "mode": "lookup"}
    }"#;
    for (registration, code) in [
        (Registration::Unregistered, Code::PassedUnregistered),
        (Registration::Unusable("x".into()), Code::UnknownClient),
        (Registration::Doubtful, Code::UnknownClient),
    ] {
        let (mut exchange, _) = started(pass, &[FORM], false);
        exchange.on_body(11, true, gives(b"client_id=a"), &mut WithoutCertificate);
        assert_eq!(
            decision(exchange.on_registration(Ok(registration), &mut WithoutCertificate)).code,
            code
        );
    }
}

#[test]
fn without_an_answer_of_its_registry_no_request_passes() {
    let decided = decision(looked_up().on_registration(Err(RegistryFault::NoList), &mut Unasked));
    assert_eq!(decided.code, Code::RegistryUnavailable);
}

/// What goes wrong while the registry is asked is logged with the client of which it was asked.
#[test]
fn a_failure_during_a_lookup_names_the_client() {
    let no_head = Head::default();
    for step in [
        looked_up().on_body_withheld(),
        looked_up().on_removal_failed(&no_head, HostError::HeaderRemoval),
    ] {
        let refused = decision(step);
        assert_eq!(refused.code, Code::HostError);
        assert_eq!(refused.request.client_id.as_deref(), Some("a"));
        assert_eq!(refused.request.printable_path(), "/token");
    }
}

#[test]
fn a_header_that_cannot_be_removed_refuses_unless_all_is_shadow() {
    let shadow = br#"{"endpoints": ["/token"], "mode": "shadow", "clients": []}"#;
    for (config, passes) in [(CONFIG, false), (shadow, true)] {
        let configuration = Configuration::parse(config).unwrap();
        let headers = headers(&[FORM]);
        let head = Head::of(Fields(&headers));
        let mut exchange = Exchange::new(&configuration, &head);
        let refused = decision(exchange.on_removal_failed(&head, HostError::HeaderRemoval));
        assert_eq!(refused.rejection, Some(Rejection::HostError(HostError::HeaderRemoval)));
        assert_eq!(matches!(refused.action, Action::Continue { .. }), passes);

        let (mut held, _) = started(config, &[FORM], false);
        let refused = decision(held.on_removal_failed(&Head::default(), HostError::HeaderRemoval));
        assert_eq!(
            (refused.code, matches!(refused.action, Action::Continue { .. })),
            (Code::HostError, passes)
        );

        let configuration = Configuration::parse(config).unwrap();
        let other = [(&b":method"[..], &b"GET"[..]), (b":path", b"/")];
        let mut passed = Exchange::new(&configuration, &Head::of(Fields(&other)));
        let step =
            passed.on_headers(&configuration, &Head::of(Fields(&other)), false, &mut Unasked);
        assert_eq!(decision(step).code, Code::NotGated);
        let step = passed.on_removal_failed(&Head::default(), HostError::HeaderRemoval);
        assert!(matches!(step, Step::Decided { passed } if passed == passes));
    }
}

#[test]
fn the_checks_of_a_decision_are_noted() {
    for (more, body, last, checks) in [
        (vec![], "", Check::Content, 6),
        (vec![FORM, ("upgrade", "x")], "", Check::Protocol, 4),
        (vec![FORM, ("authorization", "x y,z")], "", Check::Authorization, 7),
        (vec![FORM], "a=%", Check::Form, 9),
        (vec![FORM], "", Check::ClientId, 10),
        (vec![FORM], "client_id=b", Check::Registration, 11),
        (vec![FORM], "client_id=a", Check::AuthMethod, 12),
    ] {
        let (mut exchange, step) = started(CONFIG, &more, false);
        let step = match step {
            Step::Wait => exchange.on_body(body.len(), true, |_| Some(body.into()), &mut Unasked),
            step => step,
        };
        let decided = decision(step);
        // The server name is not checked, because there are no tenants.
        let expected = checks - 1;
        let made = Check::ALL.into_iter().filter(|check| decided.checks.has(*check)).count();
        assert_eq!((decided.checks.last(), made), (Some(last), expected), "{body} {more:?}");
    }
}

const RESOURCES: &[u8] = br#"{
    "endpoints": [], "max_body_bytes": 40,
    "bound_tokens": {
        "resources": ["/token"],
        "introspection": {"cluster": "c", "authority": "a", "path": "/introspect"}
    }
}"#;

/// An exchange that waits for what an authorization server says about its token.
fn asking() -> (Exchange, Question) {
    let (exchange, step) = started(RESOURCES, &[JSON, ("authorization", "Bearer opaque")], false);
    match step {
        Step::Ask(question) => (exchange, *question),
        other => panic!("asks nothing: {other:?}"),
    }
}

#[test]
fn an_opaque_token_holds_the_request_until_its_answer() {
    let (mut exchange, question) = asking();
    assert!(!format!("{exchange:?}{question:?}").contains("opaque"), "no token is written");
    // Nothing that arrives in the meantime lets it pass.
    assert!(matches!(exchange.on_body(11, true, must_not_read, &mut Unasked), Step::Wait));
    assert!(matches!(exchange.on_end(must_not_read, &mut Unasked), Step::Wait));
    let other = Fact::KeySet(Err(RegistryFault::KeySetsNotFetched));
    assert!(matches!(exchange.on_fact(other, &mut Unasked), Step::Wait));
    for (answer, code) in [
        (Ok(IntrospectedToken::Inactive), Code::TokenUnverified),
        (Ok(IntrospectedToken::Unbound), Code::TokenUnbound),
        (Ok(IntrospectedToken::Unreadable), Code::TokenUnbound),
        (Ok(IntrospectedToken::BoundTo(Thumbprint::of(b""))), Code::TokenBoundToAnother),
        (Err(RegistryFault::NotIntrospected), Code::RegistryUnavailable),
    ] {
        let (mut exchange, _) = asking();
        let step = exchange.on_fact(Fact::Token(answer), &mut WithoutCertificate);
        assert_eq!(decision(step).code, code);
        let step = exchange.on_end(must_not_read, &mut Unasked);
        assert!(matches!(step, Step::Decided { passed: false }));
        // A second answer changes nothing.
        let again = Fact::Token(Ok(IntrospectedToken::Inactive));
        assert!(matches!(exchange.on_fact(again, &mut Unasked), Step::Wait));
    }
}

#[test]
fn a_form_at_a_resource_is_held_and_bounded() {
    let more = [FORM, ("authorization", "Bearer opaque")];
    let (mut exchange, step) = started(RESOURCES, &more, false);
    assert!(matches!(step, Step::Wait) && exchange.is_held());
    assert!(matches!(exchange.on_body(40, false, must_not_read, &mut Unasked), Step::Wait));
    let too_large = exchange.on_body(41, false, must_not_read, &mut Unasked);
    assert_eq!(decision(too_large).code, Code::BodyTooLarge);

    let (mut exchange, _) = started(RESOURCES, &more, false);
    let step = exchange.on_body(14, true, gives(b"access_token=a"), &mut Unasked);
    assert_eq!(decision(step).code, Code::TokenMalformed);

    let (mut exchange, _) = started(RESOURCES, &more, false);
    let step = exchange.on_body(14, true, |_| Some(b"a".to_vec()), &mut Unasked);
    assert_eq!(decision(step).rejection, Some(Rejection::HostError(HostError::Body)));

    // Trailers end it too, and a body that is withheld is a host error.
    let (mut exchange, _) = started(RESOURCES, &more, false);
    assert!(matches!(exchange.on_body(3, false, must_not_read, &mut Unasked), Step::Wait));
    assert!(matches!(exchange.on_end(gives(b"a=b"), &mut Unasked), Step::Ask(_)));
    let (mut exchange, _) = started(RESOURCES, &more, false);
    assert_eq!(decision(exchange.on_body_withheld()).code, Code::HostError);

    // No other body is held, whatever its length, but that of a POST which does not say what it is.
    let token = ("authorization", "Bearer opaque");
    let more = [JSON, token, ("content-length", "999999")];
    assert!(matches!(started(RESOURCES, &more, false).1, Step::Ask(_)));
    let (exchange, step) = started(RESOURCES, &[token], false);
    assert!(matches!(step, Step::Wait) && exchange.is_held());
    let (_, step) = started(RESOURCES, &[token, ("content-length", "999999")], false);
    assert_eq!(decision(step).code, Code::BodyTooLarge);
}

/// Responses are read where the policy checks them and the client's tokens must be bound, also of a
/// request that only shadow mode lets pass; they are refused where policy and check both enforce.
#[test]
fn which_responses_are_read_and_how() {
    const NONE: &str = r#""token_endpoint_auth_method": "none""#;
    // There is no certificate, so such a client is refused.
    const TLS: &str = r#""token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": "a.example""#;
    for (method, check, mode, binds, expected) in [
        (NONE, "enforce", "enforce", true, Some("mode: Enforce")),
        (NONE, "enforce", "shadow", true, Some("mode: Shadow")),
        (NONE, "count", "enforce", true, Some("mode: Shadow")),
        (NONE, "enforce", "enforce", false, None),
        (NONE, "count", "enforce", false, None),
        (TLS, "enforce", "shadow", true, Some("mode: Shadow")),
        (TLS, "enforce", "shadow", false, None),
        (TLS, "enforce", "enforce", true, None),
    ] {
        let config = format!(
            r#"{{
                "endpoints": ["/token"], "mode": "{mode}", "other_methods": "pass",
                "bound_tokens": {{"response_check": "{check}"}},
                "clients": [{{
                    "client_id": "a", {method},
                    "tls_client_certificate_bound_access_tokens": {binds}
                }}]
            }}"#
        );
        let configuration = Configuration::parse(config.as_bytes()).unwrap();
        let fields = headers(&[FORM]);
        let head = Head::of(Fields(&fields));
        let mut exchange = Exchange::new(&configuration, &head);
        let mut peer = crate::gate::Peer::default();
        exchange.on_headers(&configuration, &head, false, &mut peer);
        let step = exchange.on_body(11, true, gives(b"client_id=a"), &mut peer);
        assert_eq!(decision(step).code == Code::PassedOtherMethod, method == NONE, "{config}");
        assert_eq!(exchange.reads_response(), expected.is_some(), "{config}");
        let response = exchange.take_response().map(|response| format!("{response:?}"));
        assert_eq!(response.is_some(), expected.is_some(), "{config}");
        let is_expected = response.unwrap_or_default().contains(expected.unwrap_or_default());
        assert!(is_expected, "{config}");
    }
}

/// The tokens of a response must be bound to the certificate of its request; of a connection
/// without one, to none.
#[test]
fn responses_are_compared_with_the_certificate_of_the_request() {
    let configuration = Configuration::parse(
        br#"{
            "endpoints": ["/token"], "bound_tokens": {"response_check": "enforce"},
            "clients": [{
                "client_id": "a", "token_endpoint_auth_method": "none",
                "tls_client_certificate_bound_access_tokens": true
            }]
        }"#,
    )
    .unwrap();
    let certificate =
        PeerCertificate::from_pem(include_bytes!("../../tests/bench/client.pem")).unwrap();
    let own = format!("certificate: Some({:?})", certificate.thumbprint());
    let with = crate::gate::Peer {
        certificate: Some(Ok(Arc::new(certificate))),
        ..crate::gate::Peer::default()
    };
    for (mut peer, expected) in
        [(with, own.as_str()), (crate::gate::Peer::default(), "certificate: None")]
    {
        let fields = headers(&[FORM]);
        let head = Head::of(Fields(&fields));
        let mut exchange = Exchange::new(&configuration, &head);
        exchange.on_headers(&configuration, &head, false, &mut peer);
        exchange.on_body(11, true, gives(b"client_id=a"), &mut peer);
        let response = format!("{:?}", exchange.take_response().unwrap());
        assert!(response.contains(expected), "{response}");
    }
}

/// No server is asked about the token of a request that must satisfy an endpoint, too.
#[test]
fn an_opaque_token_at_an_endpoint_is_refused() {
    let both = br#"{
        "endpoints": ["/token"], "clients": [],
        "bound_tokens": {
            "resources": ["/api"],
            "introspection": {"cluster": "c", "authority": "a", "path": "/introspect"}
        }
    }"#;
    let more = [(":path", "/api/..;/token"), FORM, ("authorization", "Bearer opaque")];
    let (mut exchange, step) = started(both, &more, false);
    assert!(matches!(step, Step::Wait) && exchange.is_held());
    let step = exchange.on_body(11, true, gives(b"client_id=a"), &mut Unasked);
    let expected = Rejection::TokenUnverified(UnverifiedToken::OfEndpoint);
    assert_eq!(decision(step).rejection, Some(expected));
}
