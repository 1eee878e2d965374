//! Resources behind the real `jwt_authn` of Envoy, and behind introspection at a real server.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, Outcome, ask, outcome, with_header};
use super::jwt::{HEADER, bound_to, get, jwt_authn, listener, token};
use super::process::{Envoy, eventually};
use super::registry::{CLUSTER, Registry, Reply, start};
use crate::support::case::Request;
use crate::support::certificate::Certificate;

async fn send(envoy: &Envoy, gate: &str, own: &Certificate, request: Request) -> Outcome {
    ask(envoy, gate, &Client::new(own), request, Delivery::Http1Whole).await
}

#[tokio::test]
async fn a_token_passes_with_its_own_certificate_alone() {
    let registry = Registry::start().await;
    let keep = json!({ "forward": { "keep": [HEADER], "thumbprint": "x-thumb",
        "certificate_for": "every_request" } });
    let listeners = vec![
        listener("api", vec![jwt_authn(json!({}))], json!({})),
        listener("keep", vec![jwt_authn(json!({}))], keep),
        listener("shadow", vec![jwt_authn(json!({}))], json!({ "mode": "shadow" })),
    ];
    let envoy = start(1, &registry, listeners).await;
    let (own, other) = (&CERTIFICATES.seed, &CERTIFICATES.self_signed);
    for certificate in [own, other] {
        let bearer = format!("Bearer {}", token(&bound_to(certificate)));
        let passed = send(&envoy, "api", certificate, get("/api/a?b=c", &bearer)).await;
        let seen = passed.assert_is("token_bound").seen.clone().expect("it passed");
        assert_eq!(seen.field("authorization"), Some(bearer.as_str()));
        assert_eq!(seen.field(HEADER), None);
        let thief = if certificate.der == own.der { other } else { own };
        let stolen = send(&envoy, "api", thief, get("/api/a", &bearer)).await;
        stolen.assert_is("token_bound_to_another");
    }
    let bearer = format!("Bearer {}", token(&bound_to(own)));
    for delivery in Delivery::ALL {
        let mut request =
            with_header(Request::form("/api/x", "a=b&c=%zz"), "authorization", &bearer);
        ask(&envoy, "api", &Client::new(own), request.clone(), delivery)
            .await
            .assert_is("token_bound");
        request.body = b"a=b&access_token=x".to_vec();
        ask(&envoy, "api", &Client::new(own), request, delivery).await.assert_is("token_malformed");
    }
    let client = Client::without_certificate();
    ask(&envoy, "api", &client, get("/api", &bearer), Delivery::Http2Whole)
        .await
        .assert_is("token_bound_to_another");
    let expired = &CERTIFICATES.expired;
    let request = get("/api", &format!("Bearer {}", token(&bound_to(expired))));
    let outcome = send(&envoy, "api", expired, request).await;
    assert_eq!((outcome.code(), outcome.answer.status), ("certificate_expired", 401));
    let challenge = outcome.answer.field("www-authenticate");
    assert_eq!(challenge, Some("Bearer error=\"invalid_token\""));

    let kept = send(&envoy, "keep", own, get("/api", &bearer)).await;
    let seen = kept.assert_is("token_bound").seen.clone().expect("it passed");
    assert_eq!(seen.field("x-thumb"), Some(own.x5t_s256().as_str()));
    assert_eq!(seen.field(HEADER), bearer.split('.').nth(1));
    let forged = with_header(get("/elsewhere", ""), HEADER, "e30");
    let seen = send(&envoy, "keep", own, forged).await.seen.expect("it passed");
    assert_eq!(seen.field(HEADER), None);

    let shadow = send(&envoy, "shadow", other, get("/api", &bearer)).await;
    assert_eq!(shadow.code(), "token_bound_to_another");
    shadow.assert_passed();
    envoy.assert_healthy().await;
}

/// A backend that merges trailers into the headers would use the token of the trailers.
#[tokio::test]
async fn no_token_comes_in_trailers() {
    let registry = Registry::start().await;
    let listeners = vec![listener("api", vec![jwt_authn(json!({}))], json!({}))];
    let envoy = start(1, &registry, listeners).await;
    let own = &CERTIFICATES.seed;
    let connection = Client::new(own).http2(envoy.address("api")).await.expect("HTTP/2");
    let bearer = format!("Bearer {}", token(&bound_to(own)));
    let form = Request::form("/api/a", "a=b");
    let json = Request { headers: Vec::new(), body: b"{}".to_vec(), ..form.clone() };
    for (request, code) in [
        (with_header(form, "authorization", &bearer), "token_bound"),
        (with_header(json.clone(), "authorization", &bearer), "token_bound"),
        (json, "token_missing"),
    ] {
        let mut stream = connection.open(&next_id(), &request, false).await.expect("a stream");
        // A refused request may be answered before it ends.
        let _ = stream.data(&request.body, false);
        let _ = stream.trailers(&[
            ("authorization", "Bearer stolen"),
            (HEADER, "e30"),
            ("x-checksum", "1"),
        ]);
        let answer = within_deadline(stream.answer()).await.expect("an answer");
        let outcome = outcome(&envoy, request, answer).await;
        outcome.assert_is(code);
        if let Some(seen) = &outcome.seen {
            assert_eq!(seen.trailers, [("x-checksum".to_owned(), "1".to_owned())]);
            assert_eq!(seen.field("authorization"), Some(bearer.as_str()));
        }
    }
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn what_is_no_bound_token_is_refused() {
    let registry = Registry::start().await;
    // By default jwt_authn reads ?access_token= too.
    let by_default = json!({ "from_headers": null });
    let listeners = vec![
        listener("api", vec![jwt_authn(json!({}))], json!({})),
        listener("by-default", vec![jwt_authn(by_default)], json!({})),
        listener("alone", Vec::new(), json!({})),
        listener("taken", vec![jwt_authn(json!({ "forward": false }))], json!({})),
        listener(
            "no-header",
            vec![jwt_authn(json!({ "forward_payload_header": null }))],
            json!({}),
        ),
        listener("no-payload", vec![jwt_authn(json!({ "payload_in_metadata": null }))], json!({})),
    ];
    let envoy = start(1, &registry, listeners).await;
    let own = &CERTIFICATES.seed;
    let right = token(&bound_to(own));
    let bearer = format!("Bearer {right}");
    let poor = token(&json!({ "iss": "as", "sub": "thief" }));
    let with = |members: Value| {
        let mut claims = json!({ "iss": "as" });
        claims["cnf"] = members;
        format!("Bearer {}", token(&claims))
    };
    // The last letter of a signature may stand for bits that are none of it.
    let letter = if right.ends_with('A') { "Q" } else { "A" };
    let forged = format!("{}{letter}", &right[..right.len() - 1]);
    for (gate, path, authorization, code) in [
        ("api", "/api".to_owned(), bearer.clone(), "token_bound"),
        ("api", "/api".into(), String::new(), "token_missing"),
        ("api", "/api".into(), format!("bearer {right}"), "token_missing"),
        ("api", "/api".into(), format!("BEARER {right}"), "token_missing"),
        ("api", "/api".into(), format!("DPoP {right}"), "token_missing"),
        ("api", "/api".into(), format!("Bearer  {right}"), "token_malformed"),
        ("api", format!("/api?access_token={right}"), bearer.clone(), "token_malformed"),
        ("by-default", format!("/api?access_token={right}"), String::new(), "token_malformed"),
        // The attack: a stolen or forged token, beside a poor but valid one in the query.
        (
            "by-default",
            format!("/api?access_token={right}"),
            format!("bearer {poor}"),
            "token_malformed",
        ),
        (
            "by-default",
            format!("/api?access%5Ftoken={right}"),
            format!("Bearer {forged}"),
            "token_malformed",
        ),
        ("by-default", "/api".into(), bearer.clone(), "token_bound"),
        ("api", "/api".into(), format!("Bearer {forged}"), "token_unverified"),
        ("api", "/api".into(), "Bearer opaque".into(), "token_unverified"),
        ("api", "/api".into(), format!("Bearer {}", "a".repeat(40_000)), "token_unverified"),
        ("api", "/without-rule".into(), bearer.clone(), "token_unverified"),
        ("api", "/x/..;/api".into(), bearer.clone(), "token_unverified"),
        ("alone", "/api".into(), bearer.clone(), "token_unverified"),
        ("no-header", "/api".into(), bearer.clone(), "token_unverified"),
        ("no-payload", "/api".into(), bearer.clone(), "token_unverified"),
        ("taken", "/api".into(), bearer.clone(), "token_missing"),
        ("api", "/api".into(), format!("Bearer {poor}"), "token_unbound"),
        ("api", "/api".into(), with(Value::Null), "token_unbound"),
        ("api", "/api".into(), with(json!(7)), "token_unbound"),
        ("api", "/api".into(), with(json!([])), "token_unbound"),
        ("api", "/api".into(), with(json!({})), "token_unbound"),
        ("api", "/api".into(), with(json!({ "x5t#S256": null })), "token_unbound"),
        ("api", "/api".into(), with(json!({ "x5t#S256": 7 })), "token_unbound"),
        ("api", "/api".into(), with(json!({ "x5t#S256": [own.x5t_s256()] })), "token_unbound"),
        ("api", "/api".into(), with(json!({ "x5t#S256": "" })), "token_unbound"),
        ("api", "/api".into(), with(json!({ "x5t#S256": "a".repeat(20_000) })), "token_unbound"),
        ("api", "/api".into(), with(json!({ "x5t#S256": own.x5t_s256() + "=" })), "token_unbound"),
    ] {
        send(&envoy, gate, own, get(&path, &authorization)).await.assert_is(code);
    }
    // A header of the client's own, where jwt_authn writes none.
    let payload = right.split('.').nth(1).expect("a payload");
    for (gate, path) in [("alone", "/api"), ("api", "/without-rule"), ("no-payload", "/api")] {
        let request = with_header(get(path, &bearer), HEADER, payload);
        send(&envoy, gate, own, request).await.assert_is("token_unverified");
    }
    let twice = with_header(get("/api", &bearer), "authorization", &bearer);
    send(&envoy, "api", own, twice).await.assert_is("token_malformed");
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn opaque_tokens_are_asked_about_once() {
    let mut server = Registry::start().await;
    let introspection = json!({
        "cluster": CLUSTER, "authority": "as.example", "path": "/introspect",
        "headers": { "authorization": "Basic cnM6c2VjcmV0" }, "timeout": "1s", "cache": "1s",
    });
    let jwt = json!({ "metadata": "verified", "payload_header": HEADER });
    let both = json!({
        "bound_tokens": { "resources": ["/api"], "jwt": jwt, "introspection": introspection },
        "forward": { "keep": [HEADER] },
    });
    let listeners = vec![listener("api", vec![jwt_authn(json!({}))], both)];
    let envoy = start(1, &server, listeners).await;
    let (own, other) = (&CERTIFICATES.seed, &CERTIFICATES.self_signed);
    let active = |certificate: &Certificate| {
        let cnf = json!({ "x5t#S256": certificate.x5t_s256() });
        Reply::json(&json!({ "active": true, "cnf": cnf }))
    };
    server.serve("/introspect", active(own));
    let request = || get("/api", "Bearer opaque+/=");
    for _ in 0..3 {
        send(&envoy, "api", own, request()).await.assert_is("token_bound");
        send(&envoy, "api", other, request()).await.assert_is("token_bound_to_another");
    }
    let asked = server.asked("/introspect");
    assert_eq!(asked.len(), 1);
    // jwt_authn has no rule for this spelling, and the payload is the client's own.
    let forged = with_header(get("/API", "Bearer opaque+/="), HEADER, "eyJzdWIiOiJhZG1pbiJ9");
    let passed = send(&envoy, "api", own, forged).await;
    let seen = passed.assert_is("token_bound").seen.clone().expect("it passed");
    assert_eq!(seen.field(HEADER), None);
    let field =
        |name: &str| asked[0].iter().find(|(found, _)| found == name).map(|(_, value)| value);
    assert_eq!(field("authorization").map(String::as_str), Some("Basic cnM6c2VjcmV0"));
    // What jwt_authn has verified is not asked about.
    let bearer = format!("Bearer {}", token(&bound_to(own)));
    send(&envoy, "api", own, get("/api", &bearer)).await.assert_is("token_bound");
    assert_eq!(server.asked("/introspect").len(), 1);
    // Revoked: after the time of the cache.
    server.serve("/introspect", Reply::json(&json!({ "active": false })));
    eventually("the token is refused", async || {
        (send(&envoy, "api", own, request()).await.code() == "token_unverified").then_some(())
    })
    .await;
    for (name, reply, code) in [
        ("unbound", Reply::json(&json!({ "active": true })), "token_unbound"),
        ("html", Reply::body("<html>"), "registry_unavailable"),
        ("status", Reply::status(401), "registry_unavailable"),
        ("large", active(own).padded(1 << 20), "registry_unavailable"),
        ("slow", active(own).after(Duration::from_secs(20)), "registry_unavailable"),
    ] {
        server.serve("/introspect", reply);
        send(&envoy, "api", own, get("/api", &format!("Bearer {name}"))).await.assert_is(code);
    }
    server.stop().await;
    send(&envoy, "api", own, get("/api", "Bearer down")).await.assert_is("registry_unavailable");
    envoy.assert_healthy().await;
}
