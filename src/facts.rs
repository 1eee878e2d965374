//! What a decision may depend on beside the request, the connection and the registry, and which a
//! host must find out first: one question at a time, as far as the decision needs it.

use std::sync::Arc;

use crate::certificate::{PeerCertificate, Thumbprint};
use crate::registration::JwksUri;
use crate::registry::{AccessToken, IntrospectedToken, IntrospectionSource, KeySet, RegistryFault};
use crate::revocation::{RevocationSources, RevocationStatus};

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
    /// Whether a certificate is revoked ([`crate::host::Revocations`]).
    Revocation {
        /// The certificate.
        certificate: Arc<PeerCertificate>,
        /// Who may know it.
        sources: Arc<RevocationSources>,
    },
    /// What an authorization server says about a token ([`crate::host::Introspections`]).
    Token {
        /// The server.
        source: Arc<IntrospectionSource>,
        /// The token.
        token: AccessToken,
    },
}

/// The answer to a [`Question`] of the same name, or why there is none.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The certificates that the client has published.
    KeySet(Result<KeySet, RegistryFault>),
    /// Whether the certificate is revoked.
    Revocation(RevocationStatus),
    /// What the authorization server says about the token.
    Token(Result<IntrospectedToken, RegistryFault>),
}

/// What a question asks, and a fact answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    KeySet,
    Revocation,
    Token,
}

/// The facts that are known of one request. A question is asked only while its fact is missing.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) key_set: Option<Result<KeySet, RegistryFault>>,
    pub(crate) revocation: Option<RevocationStatus>,
}

impl Question {
    pub(crate) fn topic(&self) -> Topic {
        match self {
            Self::KeySet { .. } => Topic::KeySet,
            Self::Revocation { .. } => Topic::Revocation,
            Self::Token { .. } => Topic::Token,
        }
    }

    /// The answer of a host that can ask no one.
    #[must_use]
    pub(crate) fn unanswered(&self) -> Fact {
        match self {
            Self::KeySet { .. } => Fact::KeySet(Err(RegistryFault::KeySetsNotFetched)),
            Self::Revocation { certificate, sources } => {
                Fact::Revocation(sources.unasked(certificate))
            }
            Self::Token { .. } => Fact::Token(Err(RegistryFault::NotIntrospected)),
        }
    }
}

impl Fact {
    pub(crate) fn topic(&self) -> Topic {
        match self {
            Self::KeySet(_) => Topic::KeySet,
            Self::Revocation(_) => Topic::Revocation,
            Self::Token(_) => Topic::Token,
        }
    }
}

impl Facts {
    pub(crate) fn add(&mut self, fact: Fact) {
        match fact {
            Fact::KeySet(key_set) => self.key_set = Some(key_set),
            Fact::Revocation(status) => self.revocation = Some(status),
            // No decision about a client depends on it.
            Fact::Token(_) => {}
        }
    }
}
