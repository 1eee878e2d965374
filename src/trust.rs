//! Trust beyond the handshake (contract §9): the CAs that a configuration names, and the
//! verification of what they signed.

mod algorithm;
mod ca_certificate;
mod known;
mod mailbox_constraints;
mod memory;
mod offered;
mod path;
mod signature;
mod software;

use std::sync::Arc;

pub use tls_client_auth_signatures::{Curve, Hash};

pub use self::algorithm::SignatureAlgorithm;
pub use self::ca_certificate::{CaCertificate, CaError};
pub use self::memory::PathMemory;
pub(crate) use self::memory::PathQuestion;
pub(crate) use self::offered::OfferedChain;
pub use self::path::PathError;
pub(crate) use self::path::verify;
pub use self::signature::verify_signed;
pub use self::signature::{PublicKeyError, SignatureError, SignatureVerifier};
pub use self::software::{SoftwareVerifier, verify_ed25519, verify_pss};
use crate::certificate::Thumbprint;

/// `trust_anchors` and `intermediates` in force for a tenant, or for the top level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    anchors: Vec<Arc<CaCertificate>>,
    intermediates: Vec<Arc<CaCertificate>>,
    /// A digest of both and of what is revoked, a part of the key of remembered verdicts: those of
    /// one configuration do not count in another.
    id: Option<Thumbprint>,
}

impl Trust {
    /// `revoked` = a digest of what is revoked, of which no path has any.
    pub(crate) fn new(
        anchors: Vec<Arc<CaCertificate>>,
        intermediates: Vec<Arc<CaCertificate>>,
        revoked: Option<Thumbprint>,
    ) -> Self {
        if anchors.is_empty() && intermediates.is_empty() && revoked.is_none() {
            return Self::default();
        }
        let mut digests = Vec::new();
        for anchor in &anchors {
            digests.extend_from_slice(anchor.thumbprint().octets());
        }
        // No digest has these octets: they separate the two lists.
        digests.extend_from_slice(b"intermediates");
        for intermediate in &intermediates {
            digests.extend_from_slice(intermediate.thumbprint().octets());
        }
        if let Some(revoked) = revoked {
            digests.extend_from_slice(b"revoked");
            digests.extend_from_slice(revoked.octets());
        }
        Self { anchors, intermediates, id: Some(Thumbprint::of(&digests)) }
    }

    /// `trust_anchors`
    #[must_use]
    pub fn anchors(&self) -> &[Arc<CaCertificate>] {
        &self.anchors
    }

    /// `intermediates`
    #[must_use]
    pub fn intermediates(&self) -> &[Arc<CaCertificate>] {
        &self.intermediates
    }

    /// All certificates of CAs: anchors, then intermediates.
    pub fn certificates(&self) -> impl Iterator<Item = &Arc<CaCertificate>> {
        self.anchors.iter().chain(&self.intermediates)
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_certificates(&self) -> bool {
        self.certificates().next().is_some()
    }

    /// A digest of all of them and of what is revoked; `None` = there is neither.
    pub(crate) fn id(&self) -> Option<&Thumbprint> {
        self.id.as_ref()
    }
}

#[cfg(test)]
pub(crate) mod tests;
