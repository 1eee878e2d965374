//! Verdicts on paths, remembered: each certificate is verified once, for all its requests.

use std::hash::{Hash, Hasher};

use lru::LruCache;

use super::path::Verdict;
use crate::certificate::Thumbprint;
use crate::limits;
use crate::octets::equal;
use crate::time::UnixTime;

/// A least-recently-used cache of verdicts, passes and refusals alike, so that a certificate that
/// is costly to refuse is verified once. It has at most [`limits::REMEMBERED_CERTIFICATES`].
#[derive(Debug)]
pub struct PathMemory {
    verdicts: LruCache<PathQuestion, Verdict>,
}

/// Everything on which a verdict depends but the time.
#[derive(Clone, Copy, Debug, Eq)]
pub(crate) struct PathQuestion {
    /// The leaf.
    pub(crate) leaf: Thumbprint,
    /// The digest of the anchors and intermediates of the tenant; `None` = there are none.
    pub(crate) trust: Option<Thumbprint>,
    /// The digest of the anchors of the client; `None` = those of the tenant are meant.
    pub(crate) client: Option<Thumbprint>,
    /// The digest of the chain that the client sent; `None` = it was not needed, or there is none.
    pub(crate) offered: Option<Thumbprint>,
}

impl PartialEq for PathQuestion {
    fn eq(&self, other: &Self) -> bool {
        let Self { leaf, trust, client, offered } = other;
        equal(self.leaf.octets(), leaf.octets())
            && [(&self.trust, trust), (&self.client, client), (&self.offered, offered)]
                .into_iter()
                .all(|pair| match pair {
                    (Some(one), Some(other)) => equal(one.octets(), other.octets()),
                    (one, other) => one.is_none() && other.is_none(),
                })
    }
}

impl Hash for PathQuestion {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // There are few anchors for one leaf, and each request looks its verdict up.
        state.write(self.leaf.octets());
    }
}

impl PathMemory {
    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self { verdicts: LruCache::new(limits::REMEMBERED_CERTIFICATES) }
    }

    /// The verdict that holds now; `None` = there is none.
    pub(crate) fn recall(&mut self, question: &PathQuestion, now: UnixTime) -> Option<&Verdict> {
        // A clock that was set back makes it unknown whether every certificate is valid already.
        self.verdicts.get(question).filter(|verdict| verdict.from <= now && now <= verdict.until)
    }

    /// Adds a verdict.
    pub(crate) fn remember(&mut self, question: PathQuestion, verdict: Verdict) {
        self.verdicts.put(question, verdict);
    }
}

impl Default for PathMemory {
    fn default() -> Self {
        Self::new()
    }
}
