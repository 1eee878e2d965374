//! Two filter chains by server name, each with a CA of its own, and one configuration with a tenant for each: a certificate of
//! one CA, verified under its own name, must not count for the other's tenant (SPEC §4 `server_name`).

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::bootstrap::{self, Listener};
use super::client::{Delivery, TlsStream, next_id, within_deadline};
use super::fixture::{Outcome, outcome, post};
use super::http1::Http1;
use super::http2::Http2;
use super::process::{CURRENT, Envoy, module};
use crate::support::case::Request;

/// A CA and the certificate of its client. All CAs of this file issue the same name, which their tenants know.
struct Authority {
    pem: String,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let params = || CertificateParams::new(Vec::new()).expect("there are no names to misspell");
        let mut ca = params();
        ca.distinguished_name.push(DnType::CommonName, name);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_key = KeyPair::generate().expect("a key");
        let pem = ca.self_signed(&ca_key).expect("a certificate").pem();
        let mut client = params();
        client.distinguished_name.push(DnType::CommonName, "the client");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = client.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate");
        let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("it is PEM");
        Self { pem, certificate: certificate.der().clone(), key: private }
    }

    /// A connection with this CA's client under a server name; an empty one is none.
    async fn connect(&self, envoy: &Envoy, listener: &str, server_name: &str, protocol: &[u8]) -> TlsStream {
        let provider = rustls::crypto::ring::default_provider();
        let anybody = Arc::new(Anybody(provider.signature_verification_algorithms));
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has these versions")
            .dangerous()
            .with_custom_certificate_verifier(anybody)
            .with_client_auth_cert(vec![self.certificate.clone()], self.key.clone_key())
            .expect("the key is that of the certificate");
        config.alpn_protocols = vec![protocol.to_vec()];
        config.enable_sni = !server_name.is_empty();
        let name = if server_name.is_empty() { "unnamed" } else { server_name };
        let name = ServerName::try_from(name.to_owned()).expect("it is a DNS name");
        let stream = TcpStream::connect(envoy.address(listener)).await.expect("Envoy listens");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.expect("the filter chain trusts this CA")
    }

    /// One request over HTTP/1.1 and over HTTP/2, each on a connection of its own under this server name.
    async fn ask(&self, envoy: &Envoy, listener: &str, server_name: &str, request: &Request) -> [Outcome; 2] {
        let one = async {
            let mut http1 = Http1::new(self.connect(envoy, listener, server_name, b"http/1.1").await);
            let answer = http1.exchange(&next_id(), request, Delivery::Http1Whole).await.expect("an answer");
            outcome(envoy, request.clone(), answer).await
        };
        let two = async {
            let http2 = Http2::new(self.connect(envoy, listener, server_name, b"h2").await).await.expect("HTTP/2");
            let answer = http2.exchange(&next_id(), request, Delivery::Http2Whole).await.expect("an answer");
            outcome(envoy, request.clone(), answer).await
        };
        [within_deadline(one).await, within_deadline(two).await]
    }
}

/// The server's certificate is for none of these names, and it is not the server that is tested.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Tenants with the same client, which is another one in each: they trust different CAs.
fn configuration(peer_certificate: Value) -> Value {
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

/// Of the shipped shape, but that `a.example` and `b.example` each have a filter chain with a CA, and no name has that of `a`.
fn by_server_name(bootstrap: &mut Value, a: &Authority, b: &Authority) {
    for listener in bootstrap["static_resources"]["listeners"].as_array_mut().expect("listeners are an array") {
        let inspector = "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
        listener["listener_filters"] = json!([{ "name": "tls_inspector", "typed_config": { "@type": inspector } }]);
        let chain = |ca: &str| {
            let mut chain = listener["filter_chains"][0].clone();
            let context = &mut chain["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"];
            context["trusted_ca"]["inline_string"] = ca.into();
            chain
        };
        let named = |name: &str, ca: &str| {
            let mut chain = chain(ca);
            chain["filter_chain_match"] = json!({ "server_names": [name] });
            chain
        };
        let (chains, without_name) = (json!([named("a.example", &a.pem), named("b.example", &b.pem)]), chain(&a.pem));
        listener["filter_chains"] = chains;
        listener["default_filter_chain"] = without_name;
    }
}

fn token(host: &str) -> Request {
    Request { host: host.into(), ..post("/token", "grant_type=client_credentials&client_id=shared") }
}

#[tokio::test]
async fn a_certificate_counts_under_the_name_that_it_was_verified_under() {
    let (a, b) = (Authority::new("the CA of a"), Authority::new("the CA of b"));
    let forwarded = Listener {
        forward_client_cert: "SANITIZE_SET",
        ..Listener::new("forwarded", &configuration(json!({ "source": "forwarded" })))
    };
    let ignoring = Listener::new("ignoring", &configuration(json!({ "server_name": "ignore" })));
    let listeners = [Listener::new("connection", &configuration(json!({}))), forwarded, ignoring];
    let envoy = Envoy::start_with(CURRENT, 1, |backend, directory| {
        let mut bootstrap = bootstrap::bootstrap(&listeners, backend, &module(), &directory.join("access.log"));
        by_server_name(&mut bootstrap, &a, &b);
        bootstrap.to_string()
    });
    let envoy = envoy.await.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log));

    for listener in ["connection", "forwarded"] {
        for (authority, server_name, host, code) in [
            (&a, "a.example", "a.example", "authenticated"),
            (&b, "b.example", "b.example", "authenticated"),
            (&a, "a.example", "A.Example:443", "authenticated"),
            // Each CA vouches for its own.
            (&a, "b.example", "b.example", "certificate_unverified"),
            (&b, "a.example", "a.example", "certificate_unverified"),
            // The breach: verified by B's CA under B's name, and then a client of A.
            (&b, "b.example", "a.example", "server_name_mismatch"),
            (&a, "a.example", "b.example", "server_name_mismatch"),
            // No name chooses no tenant, but a client sends none where RFC 6066 has none, or Java finds no dot.
            (&a, "", "a.example", "server_name_mismatch"),
            (&a, "", "plain", "authenticated"),
            // A host that is nobody's is nobody's under every name.
            (&a, "a.example", "c.example", "unknown_tenant"),
        ] {
            for outcome in authority.ask(&envoy, listener, server_name, &token(host)).await {
                outcome.assert_is(code);
            }
        }
        // What is not gated is nobody's either.
        let page = Request { host: "a.example".into(), ..post("/page", "a=b") };
        for outcome in b.ask(&envoy, listener, "b.example", &page).await {
            outcome.assert_is("not_gated");
        }
    }
    // What `match` is there for: without it the client of B is A's.
    for outcome in b.ask(&envoy, "ignoring", "b.example", &token("a.example")).await {
        outcome.assert_is("authenticated");
    }
    envoy.assert_healthy().await;
}
