//! What Envoy knows of the downstream connection, read when it is asked for.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use tls_client_auth::host::{CertificateHeader, Downstream};
use tls_client_auth::inspect::MissingCertificate;
use tls_client_auth::{
    CertificateError, HostError, PeerCertificate, Rejection, ServerName, Thumbprint, UnixTime,
};

use super::Plugin;

/// The connection of one request, during one callback.
pub(super) struct DownstreamConnection<'a> {
    pub(super) plugin: &'a Plugin,
}

impl Downstream for DownstreamConnection<'_> {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        now().ok_or(HostError::Time)
    }

    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        let digest = property("sha256_peer_certificate_digest")
            .ok_or(Rejection::CertificateMissing(MissingCertificate::NotPresented))?;
        let mut memory = self.plugin.certificates.borrow_mut();
        let parsed = match memory.recall(&digest) {
            Some(parsed) => parsed,
            None => {
                let thumbprint = Thumbprint::from_hex(&digest).ok_or(HostError::Digest)?;
                let text = property("peer_certificate")
                    .ok_or(Rejection::CertificateMissing(MissingCertificate::NotGiven))?;
                let parsed = PeerCertificate::from_pem(&text).map(Arc::new);
                if parsed.as_ref().is_ok_and(|certificate| certificate.thumbprint() != thumbprint) {
                    return Err(HostError::CertificateOfDigest.into());
                }
                memory.remember(&digest, parsed.clone());
                parsed
            }
        };
        parsed.map_err(Rejection::CertificateMalformed)
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        property("peer_certificate_valid").map(|value| value == [1])
    }
    fn server_name(&mut self) -> ServerName {
        property("requested_server_name")
            .map_or(ServerName::Absent, |name| ServerName::Name(name.into()))
    }

    fn peer_thumbprint(&mut self) -> Result<Thumbprint, Rejection> {
        let digest = property("sha256_peer_certificate_digest")
            .ok_or(Rejection::CertificateMissing(MissingCertificate::NotPresented))?;
        Thumbprint::from_hex(&digest).ok_or(HostError::Digest.into())
    }

    fn forwarded_certificate(
        &mut self,
        header: CertificateHeader,
        value: &[u8],
        own_hop: Option<&Thumbprint>,
    ) -> Result<Arc<PeerCertificate>, CertificateError> {
        let mut memory = self.plugin.forwarded_certificates.borrow_mut();
        memory.recall_or_read(header, value, own_hop)
    }
}

/// The attribute `connection.name`; `None` = Envoy does not give it, or gives nothing.
fn property(name: &str) -> Option<Vec<u8>> {
    hostcalls::get_property(vec!["connection", name])
        .ok()
        .flatten()
        .filter(|value| !value.is_empty())
}

/// Envoy's clock.
pub(super) fn now() -> Option<UnixTime> {
    i64::try_from(since_epoch()?.as_secs()).ok().map(UnixTime)
}

/// Envoy's clock in nanoseconds since 1970; 0 = it gives none.
pub(super) fn now_nanos() -> u64 {
    since_epoch().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn since_epoch() -> Option<Duration> {
    hostcalls::get_current_time().ok()?.duration_since(UNIX_EPOCH).ok()
}
