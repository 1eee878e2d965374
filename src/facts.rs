//! What a decision may depend on beside the request, the connection and the registry, and which a
//! host must find out first: one question at a time, as far as the decision needs it.

use crate::certificate::Thumbprint;
use crate::registration::JwksUri;
use crate::registry::{KeySet, RegistryFault};

/// What a host must find out before a request is decided.
#[derive(Clone, Debug)]
pub enum Question {
    /// Which certificates a client has published ([`crate::host::KeySets`]).
    KeySet {
        /// Where the client publishes them.
        uri: JwksUri,
        /// The certificate that may be one of them.
        certificate: Thumbprint,
    },
}

/// The answer to a [`Question`] of the same name, or why there is none.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The certificates that the client has published.
    KeySet(Result<KeySet, RegistryFault>),
}

/// The facts that are known of one request. A question is asked only while its fact is missing.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) key_set: Option<Result<KeySet, RegistryFault>>,
}

impl Question {
    /// The answer of a host that can ask no one.
    #[must_use]
    pub(crate) fn unanswered(&self) -> Fact {
        match self {
            Self::KeySet { .. } => Fact::KeySet(Err(RegistryFault::KeySetsNotFetched)),
        }
    }
}

impl Facts {
    pub(crate) fn add(&mut self, fact: Fact) {
        match fact {
            Fact::KeySet(key_set) => self.key_set = Some(key_set),
        }
    }
}
