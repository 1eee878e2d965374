//! What a client offers to the building of a path beside its leaf: the chain of its handshake, as
//! far as a hop reports it.

use std::sync::Arc;

use super::ca_certificate::CaCertificate;
use crate::certificate::{Thumbprint, pem};
use crate::limits;

/// A chain in PEM, leaf first. It proves nothing: each certificate of a path must be signed all the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedChain {
    text: String,
    id: Thumbprint,
}

impl OfferedChain {
    pub(crate) fn new(text: String) -> Self {
        Self { id: Thumbprint::of(text.as_bytes()), text }
    }

    /// A digest of it, a part of the key of remembered refusals.
    pub(crate) fn id(&self) -> Thumbprint {
        self.id
    }

    /// The issuers in it, each once, if its leaf is this one. What is not the certificate of a CA
    /// is left out, and of those with one subject all but two: a CA and what signed it across. With
    /// more the number of ways that must be tried grows with their factorial.
    pub(crate) fn issuers(&self, leaf: &Thumbprint) -> Vec<Arc<CaCertificate>> {
        let chain = pem::decode_chain(self.text.as_bytes(), limits::OFFERED_CHAIN);
        match chain.split_first() {
            Some((first, issuers)) if Thumbprint::of(first) == *leaf => {
                let mut found: Vec<Arc<CaCertificate>> = Vec::new();
                for ca in issuers.iter().filter_map(|der| CaCertificate::offered(der).ok()) {
                    let same =
                        |other: &&Arc<CaCertificate>| other.subject_der() == ca.subject_der();
                    if !found.iter().any(|other| other.der() == ca.der())
                        && found.iter().filter(same).count() < limits::OFFERED_OF_ONE_NAME
                    {
                        found.push(Arc::new(ca));
                    }
                }
                found
            }
            _ => Vec::new(),
        }
    }
}
