//! All sources of one configuration in one VM, and what they say together.

use std::sync::Arc;
use std::task::Poll;

use lru::LruCache;

use super::crl::Crl;
use super::issuers::{Issuer, Issuers, SignerError};
use super::ocsp::OcspAnswers;
use super::sources::{CrlSource, OnUnavailable, RevocationSources};
use super::status::{RevocationStatus, RevocationUnknown, SourceStatus, together};
use crate::certificate::{IssuedCertificate, Parts, PeerCertificate, Thumbprint};
use crate::limits;
use crate::registry::{RegistryAnswer, RegistryRequest, SharedData};
use crate::time::UnixTime;
use crate::trust::{SignatureError, SignatureVerifier};

/// One VM's part in `crl` and `ocsp`. `W` = what waits for an answer.
#[derive(Debug)]
pub struct Revocations<W> {
    sources: Arc<RevocationSources>,
    crls: Vec<Crl>,
    ocsp: Option<OcspAnswers<W>>,
    /// The issuer of each certificate, or why there is none. Both never change.
    issuers: LruCache<Thumbprint, Result<Issuer, RevocationUnknown>>,
}

/// What became of a question to a responder.
#[derive(Debug)]
pub struct FinishedRevocation<W> {
    /// What all sources together say.
    pub status: RevocationStatus,
    /// Whether the responder gave a usable answer.
    pub is_ok: bool,
    /// All that wait.
    pub waiting: Vec<W>,
}

/// What a host lends for a moment.
pub struct RevocationHost<'a> {
    /// Milliseconds since 1970.
    pub now: u64,
    /// The shared data of the process.
    pub shared: &'a mut dyn SharedData,
    /// What computes signatures.
    pub verifier: &'a dyn SignatureVerifier,
}

impl<W> Revocations<W> {
    /// `random` = a number that is different in each process of a fleet.
    #[must_use]
    pub fn new(sources: Arc<RevocationSources>, random: u64) -> Self {
        let crl =
            |source: &Arc<CrlSource>| Crl::new(source.clone(), sources.issuers.clone(), random);
        Self {
            crls: sources.crls.iter().map(crl).collect(),
            ocsp: sources.ocsp.clone().map(OcspAnswers::new),
            issuers: LruCache::new(limits::REMEMBERED_ISSUERS),
            sources,
        }
    }

    /// The CRLs, in the order of the configuration.
    pub fn crls(&mut self) -> &mut [Crl] {
        &mut self.crls
    }

    /// Whether a certificate is revoked; pending = [`Revocations::wait`] for its responder.
    pub fn find(
        &mut self,
        certificate: &PeerCertificate,
        host: &mut RevocationHost<'_>,
    ) -> Poll<RevocationStatus> {
        let Ok(issued) = IssuedCertificate::of(certificate.der()) else {
            return Poll::Ready(RevocationStatus::Unknown(RevocationUnknown::UnknownIssuer));
        };
        let issuer = self.issuer(certificate, &issued, host.verifier);
        let mut statuses = self.of_crls(&issued.parts, &issuer, host);
        let is_revoked =
            statuses.iter().any(|(status, _)| matches!(status, SourceStatus::Revoked(_)));
        if let (Some(ocsp), Some(source), false) = (&mut self.ocsp, &self.sources.ocsp, is_revoked)
        {
            let status = match issuer {
                Ok(_) => match ocsp.find(certificate, &issued.parts, host.now) {
                    Poll::Ready(status) => status,
                    Poll::Pending => return Poll::Pending,
                },
                Err(why) => SourceStatus::Silent(why),
            };
            statuses.push((status, source.on_unavailable));
        }
        Poll::Ready(together(statuses))
    }

    /// Waits for the answer about a certificate for which [`Revocations::find`] is pending.
    pub fn wait(
        &mut self,
        certificate: &Arc<PeerCertificate>,
        waiting: W,
        verifier: &dyn SignatureVerifier,
    ) {
        let Ok(issued) = IssuedCertificate::of(certificate.der()) else { return };
        let issuer = self.issuer(certificate, &issued, verifier);
        if let (Some(ocsp), Ok(issuer)) = (&mut self.ocsp, issuer) {
            ocsp.wait(certificate, &issued.parts, &issuer, waiting);
        }
    }

    /// The requests to responders that must be sent now, each with its key.
    pub fn take_requests(&mut self) -> Vec<(Box<str>, RegistryRequest)> {
        self.ocsp.as_mut().map(OcspAnswers::take_requests).unwrap_or_default()
    }

    /// Takes the answer to the request with this key; no answer = it was not sent. `None` = nothing
    /// was asked with this key.
    pub fn on_answer(
        &mut self,
        key: &str,
        answer: Option<&RegistryAnswer<'_>>,
        host: &mut RevocationHost<'_>,
    ) -> Option<FinishedRevocation<W>> {
        let on_unavailable = self.sources.ocsp.as_ref()?.on_unavailable;
        let answered = self.ocsp.as_mut()?.on_answer(key, answer, host.now, host.verifier)?;
        let certificate = &answered.certificate;
        let issued = IssuedCertificate::of(certificate.der()).ok()?;
        let issuer = self.issuer(certificate, &issued, host.verifier);
        let mut statuses = self.of_crls(&issued.parts, &issuer, host);
        statuses.push((answered.status, on_unavailable));
        let (is_ok, waiting) = (answered.is_ok, answered.waiting);
        Some(FinishedRevocation { status: together(statuses), is_ok, waiting })
    }

    fn of_crls(
        &mut self,
        certificate: &Parts<'_>,
        issuer: &Result<Issuer, RevocationUnknown>,
        host: &mut RevocationHost<'_>,
    ) -> Vec<(SourceStatus, OnUnavailable)> {
        let now = UnixTime(i64::try_from(host.now / 1000).unwrap_or(i64::MAX));
        let issuer = issuer.as_ref();
        let crls = self.crls.iter_mut().filter_map(|crl| {
            let status = crl.status(certificate, issuer, now, host.shared)?;
            Some((status, crl.source().on_unavailable))
        });
        crls.collect()
    }

    /// The issuer of a certificate, by the key that verifies it.
    fn issuer(
        &mut self,
        certificate: &PeerCertificate,
        issued: &IssuedCertificate<'_>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Issuer, RevocationUnknown> {
        let thumbprint = certificate.thumbprint();
        if let Some(known) = self.issuers.get(&thumbprint) {
            return known.clone();
        }
        let issuers: &Issuers = &self.sources.issuers;
        let found = issuers.of(issued, verifier).cloned().map_err(|error| match error {
            SignerError::Signature(error) => RevocationUnknown::IssuerSignature(error),
            SignerError::UnknownName | SignerError::KeyUsage => RevocationUnknown::UnknownIssuer,
        });
        // The host may be able to verify at the next request.
        let is_lasting =
            found != Err(RevocationUnknown::IssuerSignature(SignatureError::Unavailable));
        if is_lasting {
            self.issuers.put(thumbprint, found.clone());
        }
        found
    }
}

impl RevocationSources {
    /// What a host says that fetches and asks nothing: every source is silent.
    #[must_use]
    pub fn unasked(&self, certificate: &PeerCertificate) -> RevocationStatus {
        let crls = self.crls.iter().filter(|crl| crl.covers(certificate.issuer_der()));
        let policies = crls.map(|crl| crl.on_unavailable);
        let policies = policies.chain(self.ocsp.iter().map(|ocsp| ocsp.on_unavailable));
        together(policies.map(|policy| (SourceStatus::Silent(RevocationUnknown::NotAsked), policy)))
    }
}
