//! Two filter chains by server name, each with its own CA, and a tenant for each. A certificate
//! that was verified under one name must not count for the tenant of the other (contract §4
//! `server_name`).

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

use super::bootstrap::{self, Listener};
use super::client::{Client, Delivery};
use super::fixture::{ask, post};
use super::process::{CURRENT, Envoy, module};
use crate::support::case::Request;
use crate::support::certificate::{self, Certificate, CertificateSpec, KeyKind, mint};

/// A CA and a client with its certificate. Both CAs issue the same subject, which both tenants
/// register.
struct Authority {
    pem: String,
    client: Client,
    /// The certificate of the client.
    leaf: Vec<u8>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let params = || CertificateParams::new(Vec::new()).expect("no names, no error");
        let mut ca = params();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_key = KeyPair::generate().expect("a key");
        let pem = ca.self_signed(&ca_key).expect("a certificate").pem();
        let mut leaf = params();
        leaf.distinguished_name.push(DnType::CommonName, "the client");
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::try_from(certificate::private_key_pkcs8(KeyKind::Ec)).expect("a key");
        let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
        let other = mint(&CertificateSpec::default()).expect("the description is well-formed");
        let leaf = leaf.der().to_vec();
        let client = Client::new(&Certificate { der: Some(leaf.clone()), ..other });
        Self { pem, client, leaf }
    }

    /// The client with a server name; empty for none.
    fn under(&self, server_name: &str) -> Client {
        self.client.clone().asking_for((!server_name.is_empty()).then_some(server_name))
    }
}

/// Tenants that register the same client and subject. They trust different CAs, so it is a
/// different client in each.
fn configuration(peer_certificate: &Value) -> Value {
    let client = json!({
        "client_id": "shared",
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=the client",
    });
    let tenant = |host: &str| json!({ "hosts": [host], "clients": [client] });
    json!({
        "endpoints": ["/token"],
        "peer_certificate": peer_certificate,
        "tenants": [tenant("a.example"), tenant("b.example"), tenant("plain")],
    })
}

/// Gives `a.example` and `b.example` a filter chain with a CA each. Without a server name the CA of
/// A is trusted.
fn by_server_name(bootstrap: &mut Value, a: &Authority, b: &Authority) {
    for listener in
        bootstrap["static_resources"]["listeners"].as_array_mut().expect("listeners are an array")
    {
        let chain = |ca: &Authority| {
            let mut chain = listener["filter_chains"][0].clone();
            let context = &mut chain["transport_socket"]["typed_config"]["common_tls_context"];
            context["validation_context"]["trusted_ca"]["inline_string"] = ca.pem.as_str().into();
            chain
        };
        let named = |name: &str, ca: &Authority| {
            let mut chain = chain(ca);
            chain["filter_chain_match"] = json!({ "server_names": [name] });
            chain
        };
        let (chains, without_name) =
            (json!([named("a.example", a), named("b.example", b)]), chain(a));
        listener["filter_chains"] = chains;
        listener["default_filter_chain"] = without_name;
    }
}

/// The status of an answer to a token request for `host`, under a server name that no library for
/// TLS but OpenSSL sends.
async fn status_under(
    server_name: &str,
    host: &str,
    to: SocketAddr,
    authority: &Authority,
    directory: &Path,
) -> String {
    let (certificate, key) = (directory.join("client.der"), directory.join("client.key"));
    fs::write(&certificate, &authority.leaf).expect("the directory is ours");
    fs::write(&key, certificate::private_key_pkcs8(KeyKind::Ec)).expect("the directory is ours");
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &to.to_string(), "-servername", server_name])
        .args(["-certform", "DER", "-keyform", "DER", "-cert"])
        .arg(certificate)
        .arg("-key")
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let body = "grant_type=client_credentials&client_id=shared";
    let request = format!(
        "POST /token HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    // The backend answers meanwhile.
    let answered = tokio::task::spawn_blocking(move || {
        let mut stdin = openssl.stdin.take().expect("a pipe");
        stdin.write_all(request.as_bytes()).expect("openssl reads");
        let answer = openssl.wait_with_output().expect("openssl ends");
        drop(stdin);
        String::from_utf8_lossy(&answer.stdout).into_owned()
    });
    let answer = answered.await.expect("it does not panic");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn token(host: &str) -> Request {
    Request {
        host: host.into(),
        ..post("/token", "grant_type=client_credentials&client_id=shared")
    }
}

#[tokio::test]
async fn a_certificate_counts_only_under_the_name_under_which_it_was_verified() {
    let (a, b) = (Authority::new("the CA of a"), Authority::new("the CA of b"));
    let forwarded = Listener {
        forward_client_cert: "SANITIZE_SET",
        ..Listener::new("forwarded", &configuration(&json!({ "source": "forwarded" })))
    };
    let ignoring = Listener::new("ignoring", &configuration(&json!({ "server_name": "ignore" })));
    let listeners = [Listener::new("connection", &configuration(&json!({}))), forwarded, ignoring];
    let envoy = Envoy::start_with(CURRENT, 1, |backend, directory| {
        let mut bootstrap =
            bootstrap::bootstrap(&listeners, backend, &module(), &directory.join("access.log"));
        by_server_name(&mut bootstrap, &a, &b);
        bootstrap.to_string()
    });
    let envoy = envoy.await.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));

    for listener in ["connection", "forwarded"] {
        for (ca, server_name, host, code) in [
            (&a, "a.example", "a.example", "authenticated"),
            (&b, "b.example", "b.example", "authenticated"),
            (&a, "a.example", "A.Example:443", "authenticated"),
            // A CA is trusted only in its own chain.
            (&a, "b.example", "b.example", "certificate_unverified"),
            (&b, "a.example", "a.example", "certificate_unverified"),
            // The attack: verified by the CA of B under the name of B, for the tenant A.
            (&b, "b.example", "a.example", "server_name_mismatch"),
            (&a, "a.example", "b.example", "server_name_mismatch"),
            // Without a server name no tenant is chosen, except for a host without a dot, for which
            // Java sends none.
            (&a, "", "a.example", "server_name_mismatch"),
            (&a, "", "plain", "authenticated"),
            // A host without a tenant has none under any server name.
            (&a, "a.example", "c.example", "unknown_tenant"),
        ] {
            for delivery in [
                Delivery::Http1Whole,
                Delivery::Http1Trailers,
                Delivery::Http2Whole,
                Delivery::Http2Trailers,
            ] {
                ask(&envoy, listener, &ca.under(server_name), token(host), delivery)
                    .await
                    .assert_is(code);
            }
        }
        // A request that is not gated needs no tenant.
        let page = Request { host: "a.example".into(), ..post("/page", "a=b") };
        ask(&envoy, listener, &b.under("b.example"), page, Delivery::Http2Whole)
            .await
            .assert_is("not_gated");
    }
    // Envoy compares server names as they are: these come to the chain without a name, which trusts
    // the CA of A. No name is a tenant's but its own.
    for (server_name, status) in [
        ("a.example", "200"),
        ("a.example.", "421"),
        ("b.example.", "421"),
        ("b.example:443", "421"),
        ("b.example:", "421"),
    ] {
        let host = server_name.trim_end_matches(|c: char| !c.is_ascii_lowercase());
        let to = envoy.address("connection");
        let found = status_under(server_name, host, to, &a, &envoy.directory).await;
        assert_eq!(found, status, "{server_name}");
    }
    // Without the check (`server_name: "ignore"`), the client of B counts for A.
    ask(&envoy, "ignoring", &b.under("b.example"), token("a.example"), Delivery::Http1Whole)
        .await
        .assert_is("authenticated");
    envoy.assert_healthy().await;
}
