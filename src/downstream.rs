//! What a host can say of the downstream connection, and which certificate the client proved
//! possession of.
//!
//! Either it is the certificate of the downstream connection, or it is in a header. A header is
//! trusted where it describes the certificate of the connection, so that no client could have made
//! it up, or where the peer of the connection is a proxy that the operator trusts. From any other
//! peer it is not even read.

use std::sync::Arc;

use crate::certificate::{CertificateError, CertificateHeader, PeerCertificate, Thumbprint};
use crate::policy::{Chain, PeerCertificatePolicy, Source, TrustedProxies, TrustedProxy};
use crate::rejection::{HostError, MissingCertificate, Rejection, UnverifiedCertificate};
use crate::request::SingletonField;
use crate::time::UnixTime;

/// What a host can say of the downstream connection. It is asked only for what a decision needs.
pub trait Downstream {
    /// The time.
    ///
    /// # Errors
    /// [`HostError::Time`].
    fn now(&mut self) -> Result<UnixTime, HostError>;

    /// The name that the client asked for in the TLS handshake (RFC 6066 §3).
    fn server_name(&mut self) -> ServerName;

    /// The leaf certificate that the peer of the connection proved possession of in the TLS
    /// handshake.
    ///
    /// # Errors
    /// The rejection that its absence or its form deserves.
    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection>;

    /// SHA-256 of that certificate; a host may know it without the certificate.
    ///
    /// # Errors
    /// The rejection that its absence or its form deserves.
    fn peer_thumbprint(&mut self) -> Result<Thumbprint, Rejection> {
        Ok(self.peer_certificate()?.thumbprint())
    }

    /// Whether the listener verified the chain of that certificate; `None` = the host does not say.
    fn is_peer_certificate_verified(&mut self) -> Option<bool>;

    /// [`CertificateHeader::read`]; a host may remember what it read before.
    ///
    /// # Errors
    /// Those of [`CertificateHeader::read`].
    fn forwarded_certificate(
        &mut self,
        header: CertificateHeader,
        value: &[u8],
        own_hop: Option<&Thumbprint>,
    ) -> Result<Arc<PeerCertificate>, CertificateError> {
        header.read(value, own_hop).map(Arc::new)
    }
}

/// What is known of the name that a client asked for in the TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerName {
    /// Whoever describes the connection does not say; then it is not compared. No host of real
    /// connections may say so.
    #[default]
    Unspecified,
    /// The client asked for no name.
    Absent,
    /// It asked for this one.
    Name(Box<[u8]>),
}

/// The certificate that the client presented, for one decision: read when it is asked for.
pub(crate) struct PresentedCertificate<'a> {
    policy: &'a PeerCertificatePolicy,
    /// The header that the policy names.
    field: SingletonField<'a>,
    downstream: &'a mut dyn Downstream,
    /// What was found, so that a refusal can be logged with it.
    found: Option<Arc<PeerCertificate>>,
    origin: Origin,
}

/// On whose word a certificate is the client's.
enum Origin {
    /// The connection's, or that of a proxy which is known by its certificate.
    Known,
    /// That of a proxy which is known by a name, and a name means something only in a chain that
    /// somebody verified.
    NamedProxy,
    /// A header's that does not describe this connection.
    Unknown(Rejection),
}

impl<'a> PresentedCertificate<'a> {
    pub(crate) fn new(
        policy: &'a PeerCertificatePolicy,
        field: SingletonField<'a>,
        downstream: &'a mut dyn Downstream,
    ) -> Self {
        Self { policy, field, downstream, found: None, origin: Origin::Known }
    }

    /// The certificate.
    ///
    /// # Errors
    /// The rejection that its absence or its form deserves.
    pub(crate) fn read(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        let certificate = match &self.policy.source {
            Source::Connection => self.downstream.peer_certificate()?,
            Source::Forwarded { header, trusted_proxies } => {
                self.forwarded(*header, trusted_proxies.as_ref())?
            }
        };
        self.found = Some(certificate.clone());
        Ok(certificate)
    }

    /// What [`PresentedCertificate::read`] found.
    pub(crate) fn found(self) -> Option<Arc<PeerCertificate>> {
        self.found
    }

    /// The time.
    pub(crate) fn now(&mut self) -> Result<UnixTime, HostError> {
        self.downstream.now()
    }

    /// Whether the one that handed the certificate over may speak for the client; asked after
    /// [`PresentedCertificate::read`].
    pub(crate) fn check_origin(&mut self) -> Result<(), Rejection> {
        match &self.origin {
            Origin::Known => Ok(()),
            Origin::NamedProxy => self.check_chain(),
            Origin::Unknown(rejection) => Err(rejection.clone()),
        }
    }

    /// Whether the chain of the connection's certificate is vouched for, as
    /// `peer_certificate.chain` asks.
    pub(crate) fn check_chain(&mut self) -> Result<(), Rejection> {
        match self.policy.chain {
            Chain::Listener => Ok(()),
            Chain::Connection => match self.downstream.is_peer_certificate_verified() {
                Some(true) => Ok(()),
                Some(false) => Err(Rejection::CertificateUnverified(UnverifiedCertificate::Chain)),
                None => Err(Rejection::CertificateUnverified(UnverifiedCertificate::NotGiven)),
            },
        }
    }

    /// The certificate in a header that may be trusted, if what comes of its origin is right.
    fn forwarded(
        &mut self,
        header: CertificateHeader,
        trusted_proxies: Option<&TrustedProxies>,
    ) -> Result<Arc<PeerCertificate>, Rejection> {
        let own = self.downstream.peer_thumbprint()?;
        let proxy = trusted_proxies
            .map(|proxies| trusted_proxy(proxies, &own, self.downstream))
            .transpose()?;
        let missing = Rejection::CertificateMissing(MissingCertificate::NotForwarded {
            header: header.name(),
        });
        let value = match self.field {
            // What proxies write where the client has no certificate.
            SingletonField::Absent | SingletonField::Present([]) => return Err(missing),
            SingletonField::Present(value) => value,
            SingletonField::Repeated => {
                return Err(Rejection::CertificateMalformed(CertificateError::HeaderRepeated(
                    header.name(),
                )));
            }
        };
        let own_hop = trusted_proxies.map(|_| &own);
        let read = self.downstream.forwarded_certificate(header, value, own_hop);
        let certificate = read.map_err(|error| match error {
            CertificateError::NotForwarded => missing,
            error => Rejection::CertificateMalformed(error),
        })?;
        let forwarded = certificate.thumbprint();
        self.origin = match proxy {
            Some(origin) => origin,
            None if forwarded == own => Origin::Known,
            None => {
                let cause = UnverifiedCertificate::OfAnotherConnection { forwarded, own };
                Origin::Unknown(Rejection::CertificateUnverified(cause))
            }
        };
        Ok(certificate)
    }
}

/// How the peer of the connection is known as a proxy that may speak for the client.
fn trusted_proxy(
    TrustedProxies(trusted): &TrustedProxies,
    own: &Thumbprint,
    downstream: &mut dyn Downstream,
) -> Result<Origin, Rejection> {
    // A digest is enough for a proxy that is known by it: older hosts give no more.
    if trusted.contains(&TrustedProxy::Certificate(*own)) {
        return Ok(Origin::Known);
    }
    let untrusted =
        || Rejection::CertificateMissing(MissingCertificate::ProxyNotTrusted { peer: *own });
    if !trusted.iter().any(|proxy| matches!(proxy, TrustedProxy::Name(_))) {
        return Err(untrusted());
    }
    let proxy = downstream.peer_certificate()?;
    if trusted.iter().any(|trusted| trusted.is(&proxy)) {
        Ok(Origin::NamedProxy)
    } else {
        Err(untrusted())
    }
}
