//! Contract §9: anchors, with CAs that the listener trusts and with such as it does not, and on
//! sessions that were resumed.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use super::bootstrap::{Listener, Trust};
use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, ask, outcome, token};
use super::process::{CURRENT, Envoy, OLDEST};
use crate::support::certificate::{
    Algorithm, Authority, AuthoritySpec, Certificate, CertificateSpec, authority_pem,
};

const UNTRUSTED: &str = "certificate_untrusted_issuer";

/// A configuration with these members, and one client, `client`, with these.
fn configuration(members: Value, of_client: Value) -> Value {
    let mut client = json!({
        "client_id": "client",
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=client",
    });
    let mut configuration = json!({ "endpoints": ["/token"] });
    for (target, members) in [(&mut configuration, members), (&mut client, of_client)] {
        for (name, value) in members.as_object().into_iter().flatten() {
            target[name] = value.clone();
        }
    }
    configuration["clients"] = json!([client]);
    configuration
}

/// The anchors vouch.
fn anchored(anchors: &[String]) -> Value {
    let members = json!({ "peer_certificate": { "chain": "anchors" }, "trust_anchors": anchors });
    configuration(members, json!({}))
}

fn named(common_name: &'static str) -> AuthoritySpec {
    AuthoritySpec { common_name, ..AuthoritySpec::default() }
}

/// `CN=client` of the CA that every listener trusts.
fn own() -> &'static Certificate {
    &CERTIFICATES.other_subject
}

#[tokio::test]
async fn a_second_trusted_ca_cannot_mint_the_name_of_a_client_with_anchors() {
    let second = Authority::root(&named("Second CA"));
    let mallory = second.issue(&CertificateSpec::default());
    let listener = |name: &str, members, of_client| Listener {
        trust: Trust::Verify,
        also_trusted: second.pem(),
        ..Listener::new(name, &configuration(members, of_client))
    };
    let envoy = Envoy::start(vec![
        listener("none", json!({}), json!({})),
        listener("pem", json!({}), json!({ "trust_anchors": [authority_pem()] })),
        listener(
            "subject",
            json!({ "trust_anchors": [authority_pem(), second.pem()] }),
            json!({ "trust_anchors": [{ "subject": "CN=Clients CA" }] }),
        ),
        listener("second", json!({}), json!({ "trust_anchors": [second.pem()] })),
    ])
    .await;
    for (name, of_own, of_mallory) in [
        ("none", "authenticated", "authenticated"),
        ("pem", "authenticated", UNTRUSTED),
        ("subject", "authenticated", UNTRUSTED),
        ("second", UNTRUSTED, "authenticated"),
    ] {
        for (certificate, code) in [(own(), of_own), (&mallory, of_mallory)] {
            for version in [&TLS12, &TLS13] {
                let client = Client::build(Some(certificate), &[version]);
                ask(&envoy, name, &client, token("client"), Delivery::Http2Whole)
                    .await
                    .assert_is(code);
            }
        }
    }
    envoy.log_line("trust_anchors of the client: ").await;
    envoy.assert_healthy().await;
}

/// Two connections of one client, of which the second resumes the session of the first; the codes.
async fn twice(
    envoy: &Envoy,
    listener: &str,
    certificate: &Certificate,
    issuers: &[&[u8]],
    version: &'static SupportedProtocolVersion,
) -> [String; 2] {
    let client = Client::with_chain(Some(certificate), issuers, &[version]);
    let mut codes = [String::new(), String::new()];
    for (resumed, code) in [false, true].into_iter().zip(&mut codes) {
        let mut connection = client.http1(envoy.address(listener)).await.expect("a connection");
        assert_eq!(connection.is_resumed(), resumed, "{listener} {version:?}");
        let (id, request) = (next_id(), token("client"));
        let exchange = connection.exchange(&id, &request, Delivery::Http1Whole);
        let answer = within_deadline(exchange).await.expect("an answer");
        let outcome = outcome(envoy, request, answer).await;
        *code = outcome.code().to_owned();
        outcome.assert_is(code);
    }
    codes
}

/// Envoy does not say of a resumed session that its certificate was verified.
#[tokio::test]
async fn a_client_on_a_resumed_session_is_verified_by_the_anchors() {
    let stranger = Authority::root(&AuthoritySpec::default()).issue(&CertificateSpec::default());
    let listener = |name: &str, trust, configuration: &Value| Listener {
        trust,
        session_resumption: true,
        ..Listener::new(name, configuration)
    };
    let (anchors, connection) = (anchored(&[authority_pem()]), configuration(json!({}), json!({})));
    let envoy = Envoy::start(vec![
        listener("anchors", Trust::Verify, &anchors),
        listener("anchors-untrusted", Trust::AcceptUntrusted, &anchors),
        listener("connection", Trust::Verify, &connection),
    ])
    .await;
    for version in [&TLS12, &TLS13] {
        for (name, code) in [
            ("anchors", "authenticated"),
            ("anchors-untrusted", "authenticated"),
            ("connection", "certificate_unverified"),
        ] {
            let codes = twice(&envoy, name, own(), &[], version).await;
            assert_eq!(codes, ["authenticated", code], "{name} {version:?}");
        }
        let codes = twice(&envoy, "anchors-untrusted", &stranger, &[], version).await;
        assert_eq!(codes, [UNTRUSTED, UNTRUSTED], "{version:?}");
    }
    envoy.assert_healthy().await;
}

/// On every supported Envoy: by `verify_signature` and by the module itself.
#[tokio::test]
async fn every_algorithm_counts_where_the_listener_accepts_untrusted_certificates() {
    let authorities: Vec<Authority> = Algorithm::ALL
        .into_iter()
        .map(|algorithm| Authority::root(&AuthoritySpec { algorithm, ..named("Any CA") }))
        .collect();
    for (version, chain) in [(CURRENT, "connection"), (OLDEST, "forwarded")] {
        // One anchor each, of one name: no other key of the name counts.
        let listeners = authorities.iter().zip(Algorithm::ALL).map(|(authority, algorithm)| {
            let mut configuration = anchored(&[authority.pem()]);
            configuration["peer_certificate"]["source"] = chain.into();
            let name = format!("{algorithm:?}");
            Listener { forward_client_cert: "SANITIZE_SET", ..Listener::new(&name, &configuration) }
        });
        let envoy = Envoy::try_start(version, 1, listeners.collect())
            .await
            .unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));
        let strangers = [Algorithm::P256, Algorithm::Ed25519]
            .map(|algorithm| Authority::root(&AuthoritySpec { algorithm, ..named("Any CA") }));
        for (authority, algorithm) in authorities.iter().zip(Algorithm::ALL) {
            let name = format!("{algorithm:?}");
            for (issuer, code) in [
                (authority, "authenticated"),
                (&strangers[0], UNTRUSTED),
                (&strangers[1], UNTRUSTED),
            ] {
                let client = Client::new(&issuer.issue(&CertificateSpec::default()));
                let outcome =
                    ask(&envoy, &name, &client, token("client"), Delivery::Http1Whole).await;
                assert_eq!(outcome.code(), code, "{version} {name}: {outcome:?}");
                outcome.assert_is(code);
            }
        }
        envoy.assert_healthy().await;
    }
}

/// `intermediates` and what the client sent, which the listener reports on resumed sessions too.
#[tokio::test]
async fn the_chain_that_a_client_sends_joins_the_path() {
    let root = Authority::root(&named("Root CA"));
    let between = root.below(&named("Issuing CA"));
    let leaf = between.issue(&CertificateSpec::default());
    let anchors = anchored(&[root.pem()]);
    let mut with_intermediate = anchors.clone();
    with_intermediate["intermediates"] = json!([between.pem()]);
    let listener = |name: &str, forward_client_cert, client_cert_in_json| Listener {
        session_resumption: true,
        forward_client_cert,
        client_cert_in_json,
        ..Listener::new(name, &anchors)
    };
    let configured = Listener {
        configuration: with_intermediate.to_string(),
        ..listener("configured", "SANITIZE", false)
    };
    let envoy = Envoy::start(vec![
        listener("text", "SANITIZE_SET", false),
        listener("json", "SANITIZE_SET", true),
        listener("append", "APPEND_FORWARD", false),
        listener("silent", "SANITIZE", false),
        configured,
    ])
    .await;
    let good = ["authenticated", "authenticated"];
    let bad = [UNTRUSTED, UNTRUSTED];
    for version in [&TLS12, &TLS13] {
        for (name, sends, codes) in [
            ("silent", true, bad),
            ("configured", false, good),
            ("configured", true, good),
            ("text", true, good),
            ("json", true, good),
            ("append", true, good),
        ] {
            // A certificate of its own, so that nothing is known of it.
            let fresh = between.issue(&CertificateSpec::default());
            let issuers: &[&[u8]] = if sends { &[between.der()] } else { &[] };
            let found = twice(&envoy, name, &fresh, issuers, version).await;
            assert_eq!(found, codes, "{name} {sends} {version:?}");
        }
        for name in ["text", "json", "append"] {
            let fresh = between.issue(&CertificateSpec::default());
            let found = twice(&envoy, name, &fresh, &[], version).await;
            assert_eq!(found, bad, "{name} {version:?}");
        }
    }
    // Ten certificates that lead nowhere.
    let strangers: Vec<Authority> = (0..9).map(|_| Authority::root(&named("Issuing CA"))).collect();
    let issuers: Vec<&[u8]> = strangers.iter().map(Authority::der).collect();
    let found = twice(&envoy, "text", &leaf, &issuers, &TLS13).await;
    assert_eq!(found, bad);
    envoy.assert_healthy().await;
}
