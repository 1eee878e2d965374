//! Which certificate the client proved possession of, and on whose word.
//!
//! Either it is the certificate of the downstream connection, or a header tells. A header is believed where it describes
//! the certificate of the connection, so that nobody could have made it up, or where the peer of the connection is a
//! proxy that the operator trusts. From anybody else it is not even read.

use std::rc::Rc;

use crate::authenticate::{Connection, check_chain};
use crate::certificate::{CertificateError, Dialect, PeerCertificate, Thumbprint, UnixTime};
use crate::config::{Chain, PeerCertificatePolicy, Source, TrustedProxy};
use crate::error::{HostError, Rejection};
use crate::exchange::Host;
use crate::request::Field;

/// The client's certificate, for one decision.
pub(crate) struct Proof<'a> {
    pub(crate) policy: &'a PeerCertificatePolicy,
    /// The header that the policy names.
    pub(crate) header: Field<'a>,
    pub(crate) host: &'a mut dyn Host,
    /// What was found, so that a refusal can be logged with it.
    pub(crate) certificate: Option<Rc<PeerCertificate>>,
}

impl Connection for Proof<'_> {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        self.host.now()
    }

    fn peer_certificate(&mut self) -> Result<Rc<PeerCertificate>, Rejection> {
        let certificate = match &self.policy.source {
            Source::Connection => self.host.peer_certificate()?,
            Source::Forwarded { dialect, trusted_proxies } => {
                forwarded(*dialect, trusted_proxies.as_deref(), self.policy.chain, self.header, self.host)?
            }
        };
        self.certificate = Some(certificate.clone());
        Ok(certificate)
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        self.host.is_peer_certificate_verified()
    }
}

/// The certificate in a header that may be believed.
fn forwarded(
    dialect: Dialect,
    trusted_proxies: Option<&[TrustedProxy]>,
    chain: Chain,
    header: Field<'_>,
    host: &mut dyn Host,
) -> Result<Rc<PeerCertificate>, Rejection> {
    let own = host.peer_thumbprint()?;
    if let Some(trusted_proxies) = trusted_proxies {
        check_proxy(trusted_proxies, &own, chain, host)?;
    }
    let missing = Rejection::ForwardedCertificateMissing { header: dialect.header_name() };
    let value = match header {
        // What proxies write where the client has no certificate.
        Field::Absent | Field::Once([]) => return Err(missing),
        Field::Once(value) => value,
        Field::Repeated => return Err(Rejection::ForwardedCertificateRepeated { header: dialect.header_name() }),
    };
    let own_hop = trusted_proxies.map(|_| &own);
    let certificate = host.forwarded_certificate(dialect, value, own_hop).map_err(|error| match error {
        CertificateError::NotForwarded => missing,
        error => Rejection::CertificateMalformed(error),
    })?;
    if trusted_proxies.is_none() && certificate.thumbprint() != own {
        return Err(Rejection::ForwardedCertificateOfAnother { forwarded: certificate.thumbprint(), own });
    }
    Ok(certificate)
}

/// Whether the peer of the connection is a proxy that may tell.
fn check_proxy(trusted_proxies: &[TrustedProxy], own: &Thumbprint, chain: Chain, host: &mut dyn Host) -> Result<(), Rejection> {
    // A digest is enough for a proxy that is known by it: older hosts give no more.
    if trusted_proxies.contains(&TrustedProxy::Certificate(*own)) {
        return Ok(());
    }
    let untrusted = || Rejection::ProxyNotTrusted { peer: *own };
    if !trusted_proxies.iter().any(|proxy| matches!(proxy, TrustedProxy::Name(_))) {
        return Err(untrusted());
    }
    let proxy = host.peer_certificate()?;
    if !trusted_proxies.iter().any(|trusted| trusted.is(&proxy)) {
        return Err(untrusted());
    }
    // A name means something only in a chain that somebody verified.
    check_chain(chain, host)
}
