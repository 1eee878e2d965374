//! TLS clients of every kind.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::http1::Http1;
use super::http2::Http2;
use super::wire::{self, Fields};
use crate::support::case::Request;
use crate::support::certificate::{self, Certificate};

pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// A request that hangs fails the test, before Envoy's own time-outs.
const DEADLINE: Duration = Duration::from_secs(60);

/// The host of most requests of the tests.
const HOST: &str = "as.example.com";

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// HTTP/1.1 with `content-length`, in one write.
    Http1Whole,
    /// The same, one TLS record for each byte.
    Http1Bytes,
    /// `transfer-encoding: chunked`, one byte to a chunk.
    Http1Chunked,
    /// Chunked, and request trailers after it.
    Http1Trailers,
    /// `expect: 100-continue`: the body follows when Envoy asks for it.
    Http1Expect,
    /// HTTP/2 with END_STREAM on the last frame that has content.
    Http2Whole,
    /// One DATA frame for each byte.
    Http2Bytes,
    /// END_STREAM on an empty DATA frame.
    Http2EmptyEnd,
    /// END_STREAM on trailers; without a body, the trailers follow the headers.
    Http2Trailers,
}

impl Delivery {
    pub const ALL: [Self; 9] = [
        Self::Http1Whole,
        Self::Http1Bytes,
        Self::Http1Chunked,
        Self::Http1Trailers,
        Self::Http1Expect,
        Self::Http2Whole,
        Self::Http2Bytes,
        Self::Http2EmptyEnd,
        Self::Http2Trailers,
    ];

    fn is_http2(self) -> bool {
        matches!(
            self,
            Self::Http2Whole | Self::Http2Bytes | Self::Http2EmptyEnd | Self::Http2Trailers
        )
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The `x-test-id` that the request carried.
    pub id: String,
    pub status: u16,
    pub fields: Fields,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        wire::field(&self.fields, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The server name in the handshake.
#[derive(Clone, Debug)]
enum ServerNameChoice {
    Host,
    None,
    Name(String),
}

/// A client with its certificate and its TLS sessions.
#[derive(Clone, Debug)]
pub struct Client {
    config: ClientConfig,
    /// By default the host of the request.
    server_name: ServerNameChoice,
}

impl Client {
    pub fn new(certificate: &Certificate) -> Self {
        Self::build(Some(certificate), rustls::ALL_VERSIONS)
    }

    pub fn without_certificate() -> Self {
        Self::build(None, rustls::ALL_VERSIONS)
    }

    pub fn build(
        certificate: Option<&Certificate>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        Self::with_chain(certificate, &[], versions)
    }

    /// The same client, which sends these certificates, in DER, behind its own.
    pub fn with_chain(
        certificate: Option<&Certificate>,
        issuers: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(certificate::authority_pem().as_bytes());
        roots.add(authority.expect("the CA is PEM")).expect("the CA is well-formed");
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build();
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("the provider has these versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Localhost(
                verifier.expect("the CA is a root"),
            )));
        let config = match certificate {
            None => config.with_no_client_auth(),
            Some(certificate) => {
                let der =
                    certificate.der.clone().expect("a real connection needs a certificate in DER");
                let key = PrivatePkcs8KeyDer::from(certificate::private_key_pkcs8(certificate.key));
                let key = provider
                    .key_provider
                    .load_private_key(key.into())
                    .expect("the key is of a known kind");
                // `with_client_auth_cert` would refuse a malformed certificate.
                let chain = std::iter::once(CertificateDer::from(der));
                let issuers = issuers.iter().map(|issuer| CertificateDer::from(issuer.to_vec()));
                let presented = CertifiedKey::new(chain.chain(issuers).collect(), key);
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(presented)))
            }
        };
        Self { config, server_name: ServerNameChoice::Host }
    }

    /// The same client with another server name.
    pub fn asking_for(mut self, server_name: Option<&str>) -> Self {
        self.server_name =
            server_name.map_or(ServerNameChoice::None, |name| ServerNameChoice::Name(name.into()));
        self
    }

    /// Sends one request on a connection of its own. It fails if the connection does: there is no
    /// answer.
    pub async fn send(
        &self,
        to: SocketAddr,
        request: &Request,
        delivery: Delivery,
    ) -> io::Result<Answer> {
        let id = next_id();
        let exchange = async {
            if delivery.is_http2() {
                Http2::new(self.connect(to, b"h2", &request.host).await?)
                    .await?
                    .exchange(&id, request, delivery)
                    .await
            } else {
                Http1::new(self.connect(to, b"http/1.1", &request.host).await?)
                    .exchange(&id, request, delivery)
                    .await
            }
        };
        within_deadline(exchange).await
    }

    pub async fn http1(&self, to: SocketAddr) -> io::Result<Http1> {
        Ok(Http1::new(self.tls(to).await?))
    }

    /// A connection for HTTP/1.1.
    pub async fn tls(&self, to: SocketAddr) -> io::Result<TlsStream> {
        self.connect(to, b"http/1.1", HOST).await
    }

    pub async fn http2(&self, to: SocketAddr) -> io::Result<Http2> {
        Http2::new(self.connect(to, b"h2", HOST).await?).await
    }

    async fn connect(&self, to: SocketAddr, protocol: &[u8], host: &str) -> io::Result<TlsStream> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(to).await?;
        // Otherwise the kernel would join what a test sends in pieces.
        stream.set_nodelay(true)?;
        let name = match &self.server_name {
            ServerNameChoice::Host => host,
            ServerNameChoice::Name(name) => name,
            ServerNameChoice::None => "",
        };
        // A TLS client sends only DNS names.
        let name = ServerName::try_from(name.to_owned())
            .ok()
            .filter(|name| matches!(name, ServerName::DnsName(_)));
        config.enable_sni = name.is_some();
        let name = name.unwrap_or_else(|| ServerName::try_from(HOST).expect("a DNS name"));
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// Accepts the certificate of `localhost`, which every listener of the tests has, for every server
/// name.
#[derive(Debug)]
struct Localhost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Localhost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = ServerName::try_from("localhost").expect("a DNS name");
        self.0.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A value of `x-test-id` that is unique in this process.
pub fn next_id() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    format!("request-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub async fn within_deadline<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work)
        .await
        .expect("an answer before the deadline; the request hangs")
}
