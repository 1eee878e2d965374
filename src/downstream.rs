//! What a host knows of the downstream connection, and the certificate that counts as the client's.
//!
//! That is either the certificate of the downstream connection or the one in a header. A header is
//! trusted where it carries the certificate of the connection, which no client can forge, or where
//! the peer of the connection is a proxy that the operator trusts. Where the operator names trusted
//! proxies, the header of any other peer is not read.

mod issuer;

use std::sync::{Arc, Mutex};

use crate::certificate::{CertificateError, CertificateHeader, PeerCertificate, Thumbprint};
use crate::limits;
use crate::policy::{
    Chain, NamedHeader, PeerCertificatePolicy, Source, TrustedProxies, TrustedProxy, VerifiedHeader,
};
use crate::rejection::{
    FoundWord, HostError, MissingCertificate, Rejection, UnverifiedCertificate,
};
use crate::request::{Head, SingletonField};
use crate::time::UnixTime;
use crate::trust::{PathMemory, SignatureVerifier, SoftwareVerifier};

/// The downstream connection, as its host knows it. Only what a decision needs is asked for.
///
/// A certificate that cannot be given is an error: [`Rejection::CertificateMissing`],
/// [`Rejection::CertificateMalformed`], [`Rejection::CertificateUnverified`] or
/// [`Rejection::HostError`], whichever applies.
pub trait Downstream {
    /// The current time.
    ///
    /// # Errors
    /// [`HostError::Time`].
    fn now(&mut self) -> Result<UnixTime, HostError>;

    /// The server name of the TLS handshake (RFC 6066 §3).
    fn server_name(&mut self) -> ServerName;

    /// The leaf certificate of which the peer of the connection proved possession in the TLS
    /// handshake.
    ///
    /// # Errors
    /// The reason to refuse the request where there is no certificate, or none that can be read.
    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection>;

    /// The thumbprint of that certificate. A host may know it without the certificate.
    ///
    /// # Errors
    /// The reason to refuse the request where there is no certificate, or none that can be read.
    fn peer_thumbprint(&mut self) -> Result<Thumbprint, Rejection> {
        Ok(self.peer_certificate()?.thumbprint())
    }

    /// Whether the listener verified the chain of that certificate; `None` = the host does not
    /// know.
    fn is_peer_certificate_verified(&mut self) -> Option<bool>;

    /// The claim `cnf` with its member `x5t#S256` of the token that `jwt_authn` verified, from the
    /// payload that it left in the dynamic metadata under `key`. A host without it knows of no
    /// token.
    fn verified_thumbprint(&mut self, key: &str) -> VerifiedClaim {
        let _ = key;
        VerifiedClaim::NoToken
    }

    /// The result of [`CertificateHeader::read`], which a host may cache.
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

    /// What computes signatures of CAs. It is asked for only where a configuration needs it
    /// ([`crate::Configuration::verifies_signatures`]).
    fn signature_verifier(&mut self) -> &'static dyn SignatureVerifier {
        &SoftwareVerifier
    }

    /// The verdicts on paths that the host remembers; `None` = it remembers none.
    fn path_memory(&mut self) -> Option<&Mutex<PathMemory>> {
        None
    }
}

/// What a host knows of a claim of the token that `jwt_authn` verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VerifiedClaim {
    /// It knows of no such token.
    #[default]
    NoToken,
    /// The token has no such claim, or the claim has no value that the host can give.
    Absent,
    /// The octets of a text, or of something else.
    Value(Vec<u8>),
}

/// What is known of the server name of the TLS handshake (RFC 6066 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerName {
    /// Nothing, so that it is not compared. This is for descriptions of connections; a host of real
    /// connections must not return it.
    #[default]
    Unspecified,
    /// The client sent none.
    Absent,
    /// The client sent this one.
    Name(Box<[u8]>),
}

/// The headers of a request in which a hop in front reports the client's certificate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ForwardedFields<'a> {
    /// The header with the certificate.
    pub(crate) certificate: SingletonField<'a>,
    /// `verified`
    pub(crate) verified: SingletonField<'a>,
    /// Where the certificate is that of the connection: the header in which the listener may report
    /// the chain that the client sent.
    pub(crate) chain: SingletonField<'a>,
}

impl<'a> ForwardedFields<'a> {
    /// Whether the head has none of them, by a check that suffices for nearly every request.
    #[inline]
    pub(crate) fn are_absent(head: &Head<'_>, source: &Source) -> bool {
        source.header().is_none() && matches!(head.forwarded_client_cert, SingletonField::Absent)
    }

    /// Those that `source` names, and that of the chain.
    pub(crate) fn of(head: &Head<'a>, source: &Source) -> Self {
        let Some(header) = source.header() else {
            return Self { chain: head.forwarded_client_cert, ..Self::default() };
        };
        Self {
            certificate: head.fields.singleton(&header.name),
            verified: source
                .verified()
                .map_or(SingletonField::Absent, |verified| head.fields.singleton(&verified.name)),
            chain: SingletonField::Absent,
        }
    }
}

/// The certificate that counts as the client's in one decision. It is read when it is asked for.
pub(crate) struct PresentedCertificate<'a> {
    policy: &'a PeerCertificatePolicy,
    /// The headers that the policy names.
    fields: ForwardedFields<'a>,
    downstream: &'a mut dyn Downstream,
    /// The certificate that was read, for the log.
    found: Option<Arc<PeerCertificate>>,
    origin: Origin,
}

/// Why a certificate counts as the client's.
enum Origin {
    /// It is that of the connection, or a proxy that is trusted by its certificate forwarded it.
    Known,
    /// A proxy that is trusted by a name forwarded it. The name counts only if the chain of the
    /// proxy's certificate is verified.
    NamedProxy,
    /// It does not: a header has it, which does not describe this connection.
    Unknown(Rejection),
}

impl<'a> PresentedCertificate<'a> {
    pub(crate) fn new(
        policy: &'a PeerCertificatePolicy,
        fields: ForwardedFields<'a>,
        downstream: &'a mut dyn Downstream,
    ) -> Self {
        Self { policy, fields, downstream, found: None, origin: Origin::Known }
    }

    /// The certificate.
    ///
    /// # Errors
    /// The reason to refuse the request where there is no certificate, or none that can be read.
    pub(crate) fn read(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        let certificate = match &self.policy.source {
            Source::Connection => self.downstream.peer_certificate()?,
            Source::Forwarded { header, trusted_proxies } => {
                self.forwarded(header, trusted_proxies.as_ref())?
            }
        };
        self.found = Some(certificate.clone());
        Ok(certificate)
    }

    /// The certificate that [`PresentedCertificate::read`] returned; `None` = it returned none.
    pub(crate) fn found(self) -> Option<Arc<PeerCertificate>> {
        self.found
    }

    /// The current time.
    pub(crate) fn now(&mut self) -> Result<UnixTime, HostError> {
        self.downstream.now()
    }

    /// [`Downstream::verified_thumbprint`]
    pub(crate) fn verified_thumbprint(&mut self, key: &str) -> VerifiedClaim {
        self.downstream.verified_thumbprint(key)
    }

    /// The server name of the TLS handshake.
    pub(crate) fn server_name(&mut self) -> ServerName {
        self.downstream.server_name()
    }

    /// Checks that the certificate is that of the connection, or that the peer of the connection
    /// may forward it. It is called after [`PresentedCertificate::read`].
    ///
    /// # Errors
    /// [`Rejection::CertificateUnverified`].
    pub(crate) fn check_origin(&mut self) -> Result<(), Rejection> {
        match &self.origin {
            Origin::Known => Ok(()),
            Origin::NamedProxy => self.check_chain_of_connection(),
            Origin::Unknown(rejection) => Err(rejection.clone()),
        }
    }

    /// Checks that the chain of the client's certificate is verified: by the word of the hop in
    /// front where `peer_certificate.verified` asks for it, otherwise as `peer_certificate.chain`
    /// requires of the connection.
    ///
    /// # Errors
    /// [`Rejection::CertificateUnverified`].
    pub(crate) fn check_chain(&mut self) -> Result<(), Rejection> {
        match self.policy.source.verified() {
            Some(verified) => check_word(verified, self.fields.verified),
            // The path is verified instead.
            None if self.policy.chain == Chain::Anchors => Ok(()),
            None => self.check_chain_of_connection(),
        }
    }

    fn check_chain_of_connection(&mut self) -> Result<(), Rejection> {
        match self.policy.chain {
            Chain::Listener => Ok(()),
            // The anchors are those of clients, and a proxy may have another CA.
            Chain::Connection | Chain::Anchors => match self
                .downstream
                .is_peer_certificate_verified()
            {
                Some(true) => Ok(()),
                Some(false) => Err(Rejection::CertificateUnverified(UnverifiedCertificate::Chain)),
                None => Err(Rejection::CertificateUnverified(UnverifiedCertificate::NotGiven)),
            },
        }
    }

    /// The certificate in the header. [`PresentedCertificate::check_origin`] checks whether it
    /// counts.
    fn forwarded(
        &mut self,
        header: &NamedHeader,
        trusted_proxies: Option<&TrustedProxies>,
    ) -> Result<Arc<PeerCertificate>, Rejection> {
        let own = self.downstream.peer_thumbprint()?;
        let proxy = trusted_proxies
            .map(|proxies| trusted_proxy(proxies, &own, self.downstream))
            .transpose()?;
        let missing = Rejection::CertificateMissing(MissingCertificate::NotForwarded {
            header: header.name.clone(),
        });
        let value = match self.fields.certificate {
            // Proxies write an empty value where the client has no certificate.
            SingletonField::Absent | SingletonField::Present([]) => return Err(missing),
            SingletonField::Present(value) => value,
            SingletonField::Repeated => {
                return Err(Rejection::CertificateMalformed(CertificateError::HeaderRepeated(
                    header.name.clone(),
                )));
            }
        };
        let own_hop = trusted_proxies.map(|_| &own);
        let read = self.downstream.forwarded_certificate(header.form, value, own_hop);
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

/// Checks that a trusted hop says that it verified the chain.
fn check_word(verified: &VerifiedHeader, field: SingletonField<'_>) -> Result<(), Rejection> {
    let found = match field {
        SingletonField::Present(value) if verified.vouches(value) => return Ok(()),
        SingletonField::Present(value) => {
            let start = value.get(..limits::LOGGED_BYTES).unwrap_or(value);
            FoundWord::Other(String::from_utf8_lossy(start).into())
        }
        SingletonField::Absent => FoundWord::Absent,
        SingletonField::Repeated => FoundWord::Repeated,
    };
    let header = verified.name.clone();
    Err(Rejection::CertificateUnverified(UnverifiedCertificate::NotVouchedFor { header, found }))
}

/// How the peer of the connection, with the certificate `own`, is trusted as a proxy.
///
/// # Errors
/// [`MissingCertificate::ProxyNotTrusted`], and those of [`Downstream::peer_certificate`].
fn trusted_proxy(
    TrustedProxies { peers: trusted, .. }: &TrustedProxies,
    own: &Thumbprint,
    downstream: &mut dyn Downstream,
) -> Result<Origin, Rejection> {
    // The thumbprint is enough for a proxy that is trusted by it. Older hosts have only that.
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
