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

    /// The issuers in it, if its leaf is this one. What is not the certificate of a CA is left out.
    pub(crate) fn issuers(&self, leaf: &Thumbprint) -> Vec<Arc<CaCertificate>> {
        let chain = pem::decode_chain(self.text.as_bytes(), limits::OFFERED_CHAIN);
        match chain.split_first() {
            Some((first, issuers)) if Thumbprint::of(first) == *leaf => issuers
                .iter()
                .filter_map(|der| CaCertificate::from_der(der).map(Arc::new).ok())
                .collect(),
            _ => Vec::new(),
        }
    }
}
