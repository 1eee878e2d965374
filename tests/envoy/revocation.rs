//! Contract §9: CRLs and OCSP, with a CA that revokes a certificate while its connection is open.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::bootstrap::Listener;
use super::client::{Client, Delivery, next_id, within_deadline};
use super::fixture::{CERTIFICATES, configuration_with, outcome, token};
use super::http1::Http1;
use super::process::{Envoy, eventually};
use super::registry::{CLUSTER, Registry, Reply, start};
use crate::support::certificate::{Certificate, CertificateSpec, authority_pem, mint};
use crate::support::revocation::{crl, ocsp_answer, ocsp_error};

fn configuration(members: Value) -> Value {
    let mut configuration = configuration_with(members);
    configuration["trust_anchors"] = json!([authority_pem()]);
    let client = json!({
        "client_id": "asked",
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=client",
    });
    configuration["clients"].as_array_mut().expect("clients are an array").push(client);
    configuration
}

fn list(members: Value) -> Value {
    let mut list = json!({
        "cluster": CLUSTER, "authority": "crl.test", "path": "/ca.crl",
        "refresh": "1s", "timeout": "2s",
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        list[name] = value.clone();
    }
    json!({ "crl": [list] })
}

/// One connection of a client, which stays open.
struct Open<'a> {
    envoy: &'a Envoy,
    connection: Mutex<Http1>,
    client_id: &'static str,
}

impl<'a> Open<'a> {
    async fn new(envoy: &'a Envoy, certificate: &Certificate, client_id: &'static str) -> Self {
        let connection = Client::new(certificate).http1(envoy.address("gate")).await;
        let connection = Mutex::new(connection.expect("HTTP/1.1"));
        Self { envoy, connection, client_id }
    }

    async fn code(&self) -> String {
        let (id, request) = (next_id(), token(self.client_id));
        let mut connection = self.connection.lock().await;
        let exchange = connection.exchange(&id, &request, Delivery::Http1Whole);
        let answer = within_deadline(exchange).await.expect("the connection is open");
        let outcome = outcome(self.envoy, request, answer).await;
        let code = outcome.code().to_owned();
        outcome.assert_is(&code);
        code
    }

    async fn becomes(&self, code: &str) {
        eventually(code, async || (self.code().await == code).then_some(())).await;
    }
}

#[tokio::test]
async fn a_list_revokes_a_certificate_whose_connection_is_open() {
    let server = Registry::start().await;
    let envoy =
        start(2, &server, vec![Listener::new("gate", &configuration(list(json!({}))))]).await;
    let seed = Open::new(&envoy, &CERTIFICATES.seed, "seed").await;
    let names = Open::new(&envoy, &CERTIFICATES.names, "dns").await;
    let own = Open::new(&envoy, &CERTIFICATES.self_signed, "self-signed").await;
    // Nothing has come.
    assert_eq!(seed.code().await, "revocation_unknown");
    assert_eq!(own.code().await, "authenticated");

    server.serve("/ca.crl", Reply::body(crl(1, &["7fffffff".to_owned()])));
    seed.becomes("authenticated").await;
    names.becomes("authenticated").await;

    let serial = CERTIFICATES.seed.serial_hex().expect("a serial number");
    server.serve("/ca.crl", Reply::body(crl(2, std::slice::from_ref(&serial))));
    seed.becomes("certificate_revoked").await;
    assert_eq!(names.code().await, "authenticated");
    envoy.log_line("tls_client_auth crl cluster=\"registry\" path=\"/ca.crl\": 1 cert").await;

    // What is no such list leaves it in force.
    let mut forged = crl(3, &[]);
    *forged.last_mut().expect("a signature") ^= 1;
    for (reply, line) in [
        (Reply::body(crl(1, &[])), "older than the one in force"),
        (Reply::body(forged), "the signature is not by the issuer's key"),
        (Reply::body("<html>Not here</html>"), "not the DER of a CRL"),
        (Reply::body(crl(3, &[])).short(), "no answer"),
        (Reply::status(404), "status 404"),
        (Reply::body("").padded(50 << 20), "no answer"),
    ] {
        let before = envoy.log().len();
        server.serve("/ca.crl", reply);
        envoy.log_line_after(before, line).await;
        assert_eq!(seed.code().await, "certificate_revoked", "{line}");
        assert_eq!(names.code().await, "authenticated", "{line}");
    }
    server.serve("/ca.crl", Reply::body(crl(4, &[])));
    seed.becomes("authenticated").await;
    envoy.assert_healthy().await;
}

#[tokio::test]
async fn a_list_that_never_comes_may_be_allowed() {
    let server = Registry::start().await;
    let members = list(json!({ "on_unavailable": "allow" }));
    let envoy = start(1, &server, vec![Listener::new("gate", &configuration(members))]).await;
    let seed = Open::new(&envoy, &CERTIFICATES.seed, "seed").await;
    assert_eq!(seed.code().await, "authenticated");
    let serial = CERTIFICATES.seed.serial_hex().expect("a serial number");
    server.serve("/ca.crl", Reply::body(crl(1, &[serial])));
    seed.becomes("certificate_revoked").await;
}

/// The question in the path of a GET.
fn question(path: &str) -> Vec<u8> {
    let text = path.strip_prefix("/ocsp/").expect("below the URI of the certificate");
    let text = text.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    STANDARD.decode(text).expect("base64")
}

#[tokio::test]
async fn a_responder_revokes_a_certificate_whose_connection_is_open() {
    let server = Registry::start().await;
    let members = json!({ "ocsp": {
        "cluster": CLUSTER, "hosts": ["ocsp.test"], "timeout": "1s", "max_age": "2s",
    } });
    let envoy = start(1, &server, vec![Listener::new("gate", &configuration(members))]).await;
    let certificate = |uri: &str| {
        let ocsp = Some(uri.to_owned());
        mint(&CertificateSpec { ocsp, ..CertificateSpec::default() }).expect("it is well-formed")
    };
    let asked = certificate("http://ocsp.test/ocsp/");
    let asked = Open::new(&envoy, &asked, "asked").await;
    assert_eq!(asked.code().await, "revocation_unknown");
    let paths = server.asked_paths();
    let [path] = paths.as_slice() else { panic!("{paths:?}") };
    let fields = server.asked(path);
    assert!(fields[0].iter().any(|(name, value)| name == "host" && value == "ocsp.test"));
    let question = question(path);

    server.serve(path, Reply::body(ocsp_answer(&question, false)));
    asked.becomes("authenticated").await;
    for (reply, detail) in [
        (Reply::body(ocsp_error(6)), "unauthorized"),
        (Reply::body(ocsp_error(3)), "tryLater"),
        (Reply::body("<html></html>"), "not the DER of an OCSP answer"),
        (Reply::body(ocsp_answer(&question, false)).after(Duration::from_secs(3)), "status 504"),
    ] {
        let before = envoy.log().len();
        server.serve(path, reply);
        asked.becomes("revocation_unknown").await;
        envoy.log_line_after(before, detail).await;
        server.serve(path, Reply::body(ocsp_answer(&question, false)));
        asked.becomes("authenticated").await;
    }
    server.serve(path, Reply::body(ocsp_answer(&question, true)));
    asked.becomes("certificate_revoked").await;

    // A host that is not listed is not asked.
    let before = server.asked_paths().len();
    let elsewhere = certificate("http://elsewhere.test/ocsp/");
    let elsewhere = Open::new(&envoy, &elsewhere, "asked").await;
    assert_eq!(elsewhere.code().await, "revocation_unknown");
    assert_eq!(server.asked_paths().len(), before);
    envoy.assert_healthy().await;
}
