//! Every code of contract §7: a real request that causes it, and the answer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::bootstrap::Listener;
use super::client::{Client, Delivery};
use super::fixture::{
    CERTIFICATES, ask, configuration, configuration_with, post, token, with_header,
};
use super::jwt;
use super::process::Envoy;
use crate::support::case::{DECISIONS, Request};
use crate::support::certificate::{Certificate, authority_pem};

/// The default policies.
const GATE: &str = "gate";
/// The other value of every policy.
const POLICY: &str = "policy";
/// No registry except that of its one tenant.
const TENANTS: &str = "tenants";
/// A registry whose cluster Envoy does not have.
const NO_REGISTRY: &str = "no_registry";
/// A CRL whose cluster Envoy does not have.
const NO_CRL: &str = "no_crl";
/// CAs of which none has issued the certificate of a client with the right name.
const ANCHORS: &str = "anchors";
/// A resource behind `jwt_authn`.
const RESOURCE: &str = "resource";
/// A listener without `allow_on_headers_stop_iteration`.
const WITHOUT_SETTING: &str = "without_setting";

async fn start() -> Envoy {
    let policy = configuration_with(json!({
        "unregistered_clients": "pass",
        "other_methods": "reject",
        "unidentified_clients": "pass",
        "methods": ["tls_client_auth"],
        "max_body_bytes": 100,
        "revoked": [CERTIFICATES.names.x5t_s256()],
    }));
    let tenants = json!({ "tenants": [
        { "hosts": ["as.example.com"], "clients": configuration()["clients"] },
    ] });
    let no_crl = configuration_with(json!({
        "trust_anchors": [authority_pem()],
        "crl": [{ "cluster": "nowhere", "authority": "a", "path": "/" }],
    }));
    let anchors = configuration_with(json!({
        "trust_anchors": [authority_pem()],
        "peer_certificate": { "chain": "anchors" },
    }));
    Envoy::start(vec![
        Listener::new(GATE, &configuration()),
        Listener::new(POLICY, &policy),
        Listener::new(TENANTS, &tenants),
        Listener::new(
            NO_REGISTRY,
            &json!({ "registry": { "cluster": "nowhere", "authority": "a", "path": "/" } }),
        ),
        Listener::new(NO_CRL, &no_crl),
        Listener::new(ANCHORS, &anchors),
        jwt::listener(RESOURCE, vec![jwt::jwt_authn(json!({}))], json!({})),
        Listener {
            allow_on_headers_stop_iteration: false,
            ..Listener::new(WITHOUT_SETTING, &configuration())
        },
    ])
    .await
}

struct Row(&'static str, &'static str, Client, Request, Delivery);

fn rows() -> Vec<Row> {
    use Delivery::{Http1Chunked, Http1Whole, Http2Whole};
    let all = &*CERTIFICATES;
    let seed = || Client::new(&all.seed);
    let basic = |credentials| with_header(token("seed"), "authorization", credentials);
    let method =
        |method: &str| Request { method: method.into(), body: Vec::new(), ..token("seed") };
    let typed = |kind: &str| Request {
        headers: vec![("content-type".into(), kind.into())],
        ..token("seed")
    };
    let form = |body| post("/token", body);
    let elsewhere = Request { host: "other.example.com".into(), ..token("seed") };
    let bearer = |own: &Certificate| format!("Bearer {}", jwt::token(&jwt::bound_to(own)));
    let unbound = format!("Bearer {}", jwt::token(&json!({ "iss": "as" })));
    let at_resource = |authorization: &str| jwt::get("/api/a", authorization);
    let big = post("/token", &format!("client_id=seed&padding={}", "x".repeat(100)));
    vec![
        Row("authenticated", GATE, seed(), token("seed"), Http1Whole),
        Row("authenticated", GATE, Client::new(&all.seed_rsa), token("seed"), Http2Whole),
        Row("authenticated", GATE, Client::new(&all.names), token("dns"), Http1Whole),
        Row("authenticated", GATE, Client::new(&all.names), token("uri"), Http2Whole),
        Row("authenticated", GATE, Client::new(&all.names), token("ip"), Http1Whole),
        Row("authenticated", GATE, Client::new(&all.names), token("email"), Http1Whole),
        Row("authenticated", GATE, Client::new(&all.self_signed), token("self-signed"), Http1Whole),
        Row(
            "authenticated",
            GATE,
            Client::new(&all.self_signed_rsa),
            token("self-signed-rsa"),
            Http2Whole,
        ),
        Row("authenticated", TENANTS, seed(), token("seed"), Http1Whole),
        Row(
            "passed_other_method",
            GATE,
            Client::without_certificate(),
            token("secret"),
            Http1Whole,
        ),
        Row("passed_unregistered", POLICY, seed(), token("nobody"), Http1Whole),
        Row(
            "passed_unidentified",
            POLICY,
            Client::without_certificate(),
            form("grant_type=refresh_token"),
            Http1Whole,
        ),
        Row("not_gated", GATE, Client::without_certificate(), post("/userinfo", "a=b"), Http1Whole),
        Row("not_gated", GATE, Client::without_certificate(), method("OPTIONS"), Http1Whole),
        Row(
            "upgrade_refused",
            GATE,
            seed(),
            with_header(token("seed"), "expect", "200-ok"),
            Http1Whole,
        ),
        Row("method_not_allowed", GATE, seed(), method("GET"), Http1Whole),
        Row("method_not_allowed", GATE, seed(), method("PUT"), Http2Whole),
        Row("unsupported_media_type", GATE, seed(), typed("application/json"), Http1Whole),
        Row(
            "encoded_body",
            GATE,
            seed(),
            with_header(token("seed"), "content-encoding", "gzip"),
            Http1Whole,
        ),
        Row("body_too_large", POLICY, seed(), big.clone(), Http1Whole),
        Row("body_too_large", POLICY, seed(), big, Http1Chunked),
        Row("malformed_form", GATE, seed(), form("client_id=%zz"), Http1Whole),
        Row("duplicate_parameter", GATE, seed(), form("client_id=seed&client_id=seed"), Http1Whole),
        Row("missing_client_id", GATE, seed(), form("grant_type=client_credentials"), Http1Whole),
        Row(
            "client_id_mismatch",
            GATE,
            seed(),
            post("/token?client_id=dns", "client_id=seed"),
            Http1Whole,
        ),
        Row("malformed_authorization", GATE, seed(), basic("Basic !"), Http1Whole),
        Row("multiple_auth_methods", GATE, seed(), basic("Basic c2VlZDpzZWNyZXQ="), Http1Whole),
        Row("other_method_refused", POLICY, seed(), token("secret"), Http1Whole),
        Row(
            "method_not_supported",
            POLICY,
            Client::new(&all.self_signed),
            token("self-signed"),
            Http1Whole,
        ),
        Row("unknown_client", GATE, seed(), token("nobody"), Http1Whole),
        Row("certificate_missing", GATE, Client::without_certificate(), token("seed"), Http1Whole),
        Row("certificate_malformed", GATE, Client::new(&all.malformed), token("dns"), Http1Whole),
        Row("certificate_expired", GATE, Client::new(&all.expired), token("seed"), Http1Whole),
        Row(
            "certificate_not_yet_valid",
            GATE,
            Client::new(&all.not_yet_valid),
            token("seed"),
            Http1Whole,
        ),
        Row("certificate_unverified", GATE, Client::new(&all.untrusted), token("seed"), Http1Whole),
        Row(
            "certificate_untrusted_issuer",
            ANCHORS,
            Client::new(&all.untrusted),
            token("seed"),
            Http1Whole,
        ),
        Row("certificate_revoked", POLICY, Client::new(&all.names), token("dns"), Http2Whole),
        Row(
            "certificate_not_registered",
            GATE,
            Client::new(&all.other_subject),
            token("self-signed"),
            Http1Whole,
        ),
        Row("certificate_not_registered", GATE, seed(), token("pinned"), Http1Whole),
        Row("subject_mismatch", GATE, Client::new(&all.other_subject), token("seed"), Http1Whole),
        Row("revocation_unknown", NO_CRL, seed(), token("seed"), Http1Whole),
        Row("registry_unavailable", NO_REGISTRY, seed(), token("seed"), Http2Whole),
        Row("unknown_tenant", TENANTS, seed(), elsewhere, Http1Whole),
        Row(
            "server_name_mismatch",
            TENANTS,
            seed().asking_for(Some("other.example.com")),
            token("seed"),
            Http2Whole,
        ),
        Row("server_name_mismatch", TENANTS, seed().asking_for(None), token("seed"), Http1Whole),
        Row("token_bound", RESOURCE, seed(), at_resource(&bearer(&all.seed)), Http1Whole),
        Row("token_missing", RESOURCE, seed(), at_resource(""), Http2Whole),
        Row("token_malformed", RESOURCE, seed(), at_resource("Bearer a b"), Http1Whole),
        Row("token_unverified", RESOURCE, seed(), at_resource("Bearer opaque"), Http1Whole),
        Row("token_unbound", RESOURCE, seed(), at_resource(&unbound), Http2Whole),
        Row(
            "token_bound_to_another",
            RESOURCE,
            seed(),
            at_resource(&bearer(&all.names)),
            Http1Whole,
        ),
        Row("host_error", WITHOUT_SETTING, seed(), token("seed"), Http1Whole),
    ]
}

#[tokio::test]
async fn every_code_is_produced_and_answered() {
    let envoy = start().await;
    let mut produced = BTreeMap::new();
    for Row(code, listener, client, request, delivery) in rows() {
        ask(&envoy, listener, &client, request, delivery).await.assert_is(code);
        *produced.entry(code).or_default() += 1;
    }
    for (code, times) in &produced {
        envoy.metrics_become(&[code], *times).await;
    }
    assert_eq!(
        produced.into_keys().collect::<BTreeSet<_>>(),
        // Only the module that reads responses has response_unbound: see tests/responses.
        DECISIONS
            .iter()
            .map(|(code, _)| *code)
            .filter(|code| *code != "response_unbound")
            .collect(),
        "the codes of contract §7"
    );
    envoy.assert_healthy().await;
}

/// RFC 6749 §5.2: only a client that used the `Authorization` header gets a challenge.
#[tokio::test]
async fn a_401_challenges_the_client_that_used_authorization() {
    let envoy = start().await;
    let client = Client::without_certificate();
    let basic = with_header(token("nobody"), "authorization", "Basic bm9ib2R5OnNlY3JldA==");
    for (request, challenged) in [(basic, true), (token("nobody"), false)] {
        let outcome = ask(&envoy, GATE, &client, request, Delivery::Http1Whole).await;
        outcome.assert_is("unknown_client");
        assert_eq!(outcome.answer.field("www-authenticate").is_some(), challenged);
    }
}

#[tokio::test]
async fn a_listener_without_the_setting_is_detected_and_reported() {
    let envoy = start().await;
    let client = Client::new(&CERTIFICATES.seed);
    // Envoy delivers the body of a request that passes, also without the setting. It proves
    // nothing.
    ask(&envoy, WITHOUT_SETTING, &client, post("/userinfo", "a=b"), Delivery::Http2Bytes)
        .await
        .assert_is("not_gated");
    for delivery in Delivery::ALL {
        ask(&envoy, WITHOUT_SETTING, &client, token("seed"), delivery)
            .await
            .assert_is("host_error");
    }
    envoy.log_line("allow_on_headers_stop_iteration").await;
    // A decision without the body does not need the setting.
    ask(&envoy, WITHOUT_SETTING, &client, post("/userinfo", "a=b"), Delivery::Http1Trailers)
        .await
        .assert_is("not_gated");
    let get = Request { method: "GET".into(), body: Vec::new(), ..token("seed") };
    ask(&envoy, WITHOUT_SETTING, &client, get, Delivery::Http1Whole)
        .await
        .assert_is("method_not_allowed");
    assert_eq!(envoy.upstream_requests(WITHOUT_SETTING).await, 2);
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn shadow_mode_decides_and_counts_and_passes_every_request() {
    let configuration = configuration_with(json!({ "mode": "shadow", "log": "all" }));
    let envoy = Envoy::start(vec![Listener::new("shadow", &configuration)]).await;
    let mut expected = BTreeSet::new();
    let shadowed = rows().into_iter().filter(|Row(_, listener, ..)| *listener == GATE);
    let mut sent = 0;
    for Row(code, _, client, request, delivery) in shadowed {
        let outcome = ask(&envoy, "shadow", &client, request, delivery).await;
        assert_eq!(outcome.code(), code, "{outcome:?}");
        outcome.assert_passed();
        expected.insert(code);
        sent += 1;
    }
    assert_eq!(envoy.upstream_requests("shadow").await, sent);
    // Each decision is counted once.
    envoy.metrics_become(&Vec::from_iter(expected), sent).await;
    envoy.assert_healthy().await;
}
