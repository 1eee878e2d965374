//! Which certificate the client proved possession of, and on whose word.
//!
//! Either it is the certificate of the downstream connection, or a header tells. A header is believed where it describes
//! the certificate of the connection, so that nobody could have made it up, or where the peer of the connection is a
//! proxy that the operator trusts. From anybody else it is not even read.

use std::rc::Rc;

use crate::authenticate::{Connection, check_chain};
use crate::certificate::{CertificateError, Dialect, PeerCertificate, Thumbprint, UnixTime};
use crate::config::{PeerCertificatePolicy, Source, TrustedProxy};
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
    /// On whose word it was found.
    origin: Origin,
}

/// On whose word a certificate is the client's.
enum Origin {
    /// The connection's, or that of a proxy which is known by its certificate.
    Known,
    /// That of a proxy which is known by a name, and a name means something only in a chain that somebody verified.
    NamedProxy,
    /// A header's that does not describe this connection.
    Unknown(Rejection),
}

impl<'a> Proof<'a> {
    pub(crate) fn new(policy: &'a PeerCertificatePolicy, header: Field<'a>, host: &'a mut dyn Host) -> Self {
        Self { policy, header, host, certificate: None, origin: Origin::Known }
    }
}

impl Connection for Proof<'_> {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        self.host.now()
    }

    fn peer_certificate(&mut self) -> Result<Rc<PeerCertificate>, Rejection> {
        let certificate = match &self.policy.source {
            Source::Connection => self.host.peer_certificate()?,
            Source::Forwarded { dialect, trusted_proxies } => {
                let (certificate, origin) = forwarded(*dialect, trusted_proxies.as_deref(), self.header, self.host)?;
                self.origin = origin;
                certificate
            }
        };
        self.certificate = Some(certificate.clone());
        Ok(certificate)
    }

    fn check_origin(&mut self) -> Result<(), Rejection> {
        match &self.origin {
            Origin::Known => Ok(()),
            Origin::NamedProxy => check_chain(self.policy.chain, self.host),
            Origin::Unknown(rejection) => Err(rejection.clone()),
        }
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        self.host.is_peer_certificate_verified()
    }
}

/// The certificate in a header that may be believed, if what comes of its origin is right.
fn forwarded(
    dialect: Dialect,
    trusted_proxies: Option<&[TrustedProxy]>,
    header: Field<'_>,
    host: &mut dyn Host,
) -> Result<(Rc<PeerCertificate>, Origin), Rejection> {
    let own = host.peer_thumbprint()?;
    let proxy = trusted_proxies.map(|trusted_proxies| trusted_proxy(trusted_proxies, &own, host)).transpose()?;
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
    let forwarded = certificate.thumbprint();
    let origin = match proxy {
        Some(origin) => origin,
        None if forwarded == own => Origin::Known,
        None => Origin::Unknown(Rejection::ForwardedCertificateOfAnother { forwarded, own }),
    };
    Ok((certificate, origin))
}

/// How the peer of the connection is known as a proxy that may speak for the client.
fn trusted_proxy(trusted_proxies: &[TrustedProxy], own: &Thumbprint, host: &mut dyn Host) -> Result<Origin, Rejection> {
    // A digest is enough for a proxy that is known by it: older hosts give no more.
    if trusted_proxies.contains(&TrustedProxy::Certificate(*own)) {
        return Ok(Origin::Known);
    }
    let untrusted = || Rejection::ProxyNotTrusted { peer: *own };
    if !trusted_proxies.iter().any(|proxy| matches!(proxy, TrustedProxy::Name(_))) {
        return Err(untrusted());
    }
    let proxy = host.peer_certificate()?;
    if trusted_proxies.iter().any(|trusted| trusted.is(&proxy)) { Ok(Origin::NamedProxy) } else { Err(untrusted()) }
}
