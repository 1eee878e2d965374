//! What Envoy knows about the downstream connection, read only when it is needed.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use tls_client_auth::host::{
    CertificateHeader, CertificateMemory, Downstream, PathMemory, SignatureVerifier, VerifiedClaim,
};
use tls_client_auth::inspect::MissingCertificate;
use tls_client_auth::{
    CertificateError, HostError, PeerCertificate, Rejection, ServerName, Thumbprint, UnixTime,
};

use super::signatures::HostVerifier;
use super::{abi, clock};

/// The certificates that this VM parsed before.
#[derive(Default)]
pub(super) struct CertificateCaches {
    /// Certificates of connections, by the digest that Envoy gives.
    presented: RefCell<CertificateMemory>,
    /// Certificates in headers, by the header and its value.
    forwarded: RefCell<CertificateMemory>,
    /// Verdicts on paths.
    paths: Mutex<PathMemory>,
    /// The path of the claim that was read last, which nearly always is the one that is read next.
    claim: RefCell<ClaimPath>,
}

/// The path of the attribute with the claim `cnf` and its member `x5t#S256`.
#[derive(Default)]
struct ClaimPath {
    /// `payload_in_metadata` of `jwt_authn`.
    key: String,
    path: String,
}

impl ClaimPath {
    const PAYLOAD: &str = "metadata\0filter_metadata\0envoy.filters.http.jwt_authn\0";
    const CLAIM: &str = "\0cnf\0x5t#S256";

    fn of(key: &str) -> Self {
        Self { key: key.to_owned(), path: [Self::PAYLOAD, key, Self::CLAIM].concat() }
    }

    /// The path of the whole payload.
    fn payload(&self) -> &str {
        self.path.strip_suffix(Self::CLAIM).unwrap_or_default()
    }
}

impl CertificateCaches {
    /// The connection of the request that the running callback is about.
    pub(super) fn connection(&self) -> DownstreamConnection<'_> {
        DownstreamConnection { caches: self }
    }
}

/// The connection of one request, during one callback.
pub(super) struct DownstreamConnection<'a> {
    caches: &'a CertificateCaches,
}

impl Downstream for DownstreamConnection<'_> {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        clock::now().ok_or(HostError::Time)
    }

    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        let digest = peer_certificate_digest()?;
        let read = |digest: &[u8]| {
            let thumbprint = Thumbprint::from_hex(digest).ok_or(HostError::Digest)?;
            let text = property("connection\0peer_certificate")
                .ok_or(Rejection::CertificateMissing(MissingCertificate::NotGiven))?;
            let parsed = PeerCertificate::from_pem(&text).map(Arc::new);
            if parsed.as_ref().is_ok_and(|certificate| certificate.thumbprint() != thumbprint) {
                return Err(HostError::CertificateOfDigest.into());
            }
            Ok(parsed)
        };
        let parsed =
            self.caches.presented.borrow_mut().recall_digest_or::<Rejection>(digest, read)?;
        parsed.map_err(Rejection::CertificateMalformed)
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        property("connection\0peer_certificate_valid").map(|value| value == [1])
    }

    fn server_name(&mut self) -> ServerName {
        property("connection\0requested_server_name")
            .map_or(ServerName::Absent, |name| ServerName::Name(name.into()))
    }

    fn verified_thumbprint(&mut self, key: &str) -> VerifiedClaim {
        let mut claim = self.caches.claim.borrow_mut();
        if claim.key != key {
            *claim = ClaimPath::of(key);
        }
        // One claim that is null makes reading the whole payload fail, so that the deepest path is
        // read, and whether there is a payload only where that fails.
        match abi::property(&claim.path) {
            Some(value) => VerifiedClaim::Value(value),
            None if abi::has_property(claim.payload()) => VerifiedClaim::Absent,
            None => VerifiedClaim::NoToken,
        }
    }

    fn peer_thumbprint(&mut self) -> Result<Thumbprint, Rejection> {
        Thumbprint::from_hex(&peer_certificate_digest()?).ok_or(HostError::Digest.into())
    }

    fn forwarded_certificate(
        &mut self,
        header: CertificateHeader,
        value: &[u8],
        own_hop: Option<&Thumbprint>,
    ) -> Result<Arc<PeerCertificate>, CertificateError> {
        self.caches.forwarded.borrow_mut().recall_or_read(header, value, own_hop)
    }

    fn signature_verifier(&mut self) -> &'static dyn SignatureVerifier {
        &HostVerifier
    }

    fn path_memory(&mut self) -> Option<&Mutex<PathMemory>> {
        Some(&self.caches.paths)
    }
}

fn peer_certificate_digest() -> Result<Vec<u8>, Rejection> {
    property("connection\0sha256_peer_certificate_digest")
        .ok_or(Rejection::CertificateMissing(MissingCertificate::NotPresented))
}

/// The attribute of this path; `None` if Envoy does not have it or if it is empty.
fn property(path: &str) -> Option<Vec<u8>> {
    abi::property(path).filter(|value| !value.is_empty())
}
