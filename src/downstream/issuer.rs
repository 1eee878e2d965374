//! Whether the client's certificate was issued under the anchors that count (contract §9).

use std::borrow::Cow;

use super::PresentedCertificate;
use crate::certificate::{CertificateHeader, PeerCertificate, Thumbprint};
use crate::policy::{Chain, CommonPolicy};
use crate::registration::ClientAnchors;
use crate::rejection::{Rejection, UntrustedIssuer};
use crate::request::SingletonField;
use crate::time::UnixTime;
use crate::trust::{self, CaCertificate, OfferedChain, PathError, PathQuestion, SignatureError};

impl PresentedCertificate<'_> {
    /// Checks that a path leads from the certificate to the anchors in force, where
    /// `peer_certificate.chain` is "anchors", and to those of the client, if it has any. No CA on
    /// it is one of `revoked`.
    ///
    /// # Errors
    /// [`Rejection::CertificateUntrustedIssuer`].
    pub(crate) fn check_issuer(
        &mut self,
        certificate: &PeerCertificate,
        common: &CommonPolicy,
        of_client: Option<&ClientAnchors>,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        if self.policy.chain == Chain::Anchors {
            self.check_path(certificate, common, None, now)?;
        }
        match of_client {
            Some(_) => self.check_path(certificate, common, of_client, now),
            None => Ok(()),
        }
    }

    fn check_path(
        &mut self,
        certificate: &PeerCertificate,
        common: &CommonPolicy,
        of_client: Option<&ClientAnchors>,
        now: UnixTime,
    ) -> Result<(), Rejection> {
        let question = PathQuestion {
            leaf: certificate.thumbprint(),
            trust: common.trust.id().copied(),
            client: of_client.map(ClientAnchors::id),
            offered: None,
        };
        let mut result = self.find_path(certificate, common, of_client, question, None, now);
        // What the client sent is read only where the path is not known without it.
        if let Err(error) = &result
            && *error != PathError::Signature(SignatureError::Unavailable)
            && let Some(offered) = self.offered_chain(&question.leaf)
        {
            let question = PathQuestion { offered: Some(offered.id()), ..question };
            result = self.find_path(certificate, common, of_client, question, Some(&offered), now);
        }
        result.map_err(|error| {
            let is_of_client = of_client.is_some();
            Rejection::CertificateUntrustedIssuer(UntrustedIssuer { is_of_client, error })
        })
    }

    /// Looks for a path, first among the verdicts that are remembered.
    #[inline(never)]
    fn find_path(
        &mut self,
        certificate: &PeerCertificate,
        common: &CommonPolicy,
        of_client: Option<&ClientAnchors>,
        question: PathQuestion,
        offered: Option<&OfferedChain>,
        now: UnixTime,
    ) -> Result<(), PathError> {
        if let Some(memory) = self.downstream.path_memory()
            && let Ok(mut memory) = memory.lock()
            && let Some(verdict) = memory.recall(&question, now)
        {
            return verdict.result.clone();
        }
        // Those of `trust` are not revoked.
        let is_revoked = |ca: &CaCertificate, is_anchor| {
            common.revoked.as_ref().is_some_and(|revoked| revoked.has_ca(ca, is_anchor))
        };
        let trust = &common.trust;
        let own = of_client.map(|anchors| anchors.in_force(trust)).transpose();
        let mut own = own.map_err(|_| PathError::NoAnchorOfSubject)?;
        if let Some(own) = &mut own {
            own.retain(|ca| !is_revoked(ca, true));
        }
        let anchors = own.as_deref().unwrap_or(trust.anchors());
        let mut intermediates = Cow::Borrowed(trust.intermediates());
        if let Some(offered) = offered {
            let offered = offered.issuers(&question.leaf).into_iter();
            intermediates.to_mut().extend(offered.filter(|ca| !is_revoked(ca, false)));
        }
        let verifier = self.downstream.signature_verifier();
        let verdict = trust::verify(certificate, anchors, &intermediates, now, verifier);
        let result = verdict.result.clone();
        if result != Err(PathError::Signature(SignatureError::Unavailable))
            && let Some(memory) = self.downstream.path_memory()
            && let Ok(mut memory) = memory.lock()
        {
            // A path that is known holds whatever the client sends with its next request.
            let offered = question.offered.filter(|_| result.is_err());
            memory.remember(PathQuestion { offered, ..question }, verdict);
        }
        result
    }

    /// The chain that the client sent with this leaf, as far as a header reports it.
    #[inline(never)]
    fn offered_chain(&self, leaf: &Thumbprint) -> Option<OfferedChain> {
        let (form, field) = match self.policy.source.header() {
            None => (CertificateHeader::Xfcc, self.fields.chain),
            Some(header) => (header.form, self.fields.certificate),
        };
        match field {
            SingletonField::Present(value) => form.chain_of(value, leaf).map(OfferedChain::new),
            SingletonField::Absent | SingletonField::Repeated => None,
        }
    }
}
