//! What an operator decided about CRLs and OCSP (contract §9).

use std::sync::Arc;
use std::time::Duration;

use super::issuers::Issuers;
use crate::certificate::DistinguishedName;
use crate::registration::ListedHosts;

/// `crl` and `ocsp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationSources {
    /// `crl`
    pub crls: Vec<Arc<CrlSource>>,
    /// `ocsp`
    pub ocsp: Option<Arc<OcspSource>>,
    /// All anchors and intermediates of the configuration.
    pub issuers: Arc<Issuers>,
}

/// An entry of `crl`: one CRL, which is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlSource {
    /// Digest of what is fetched and of the issuers that may have signed it, in hexadecimal: lists
    /// with the same identity are the same.
    pub(crate) identity: Box<str>,
    /// The Envoy cluster.
    pub cluster: Box<str>,
    /// `:authority` of the requests.
    pub authority: Box<str>,
    /// `:path` of the requests.
    pub path: Box<str>,
    /// How often it is fetched.
    pub refresh: Duration,
    /// How long each request waits for its answer.
    pub timeout: Duration,
    /// What follows where it does not say whether a certificate is revoked.
    pub on_unavailable: OnUnavailable,
    /// `issuers`: it counts for certificates of these alone; empty = of every issuer.
    pub(crate) issuers: Vec<DistinguishedName>,
}

/// `ocsp`: how responders are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspSource {
    /// The Envoy cluster through which every responder is reached.
    pub cluster: Box<str>,
    /// The hosts that are asked.
    pub(crate) hosts: ListedHosts,
    /// How long each request waits for its answer.
    pub timeout: Duration,
    /// For how long an answer counts at most.
    pub max_age: Duration,
    /// What follows where a responder does not say whether a certificate is revoked.
    pub on_unavailable: OnUnavailable,
}

/// `on_unavailable`: what follows where a source does not say whether a certificate is revoked. The
/// greater is the stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnUnavailable {
    /// The certificate counts as good.
    Allow,
    /// The request is refused.
    #[default]
    Reject,
}

impl CrlSource {
    /// Whether it counts for certificates of the issuer with this `Name`.
    pub(crate) fn covers(&self, issuer: &[u8]) -> bool {
        self.issuers.is_empty() || self.issuers.iter().any(|listed| listed.may_be(issuer))
    }
}
