//! The JWK Sets that clients publish at their `jwks_uri` (contract §6): fetched when a client first
//! needs its set, held as a lookup is, and asked for once more where a certificate is not in it.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lru::LruCache;

use super::error::{FetchError, RegistryFault};
use super::fetched::{RegistryAnswer, RegistryRequest};
use super::lookup::{Freshness, PendingAnswers, lifetime};
use crate::certificate::Thumbprint;
use crate::json::Json;
use crate::limits;
use crate::registration::{JwksUri, ListedHosts, jwks};

/// `jwks_uri` of the top level: how the key sets of clients are fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetSource {
    /// The Envoy cluster through which every host is reached.
    pub cluster: Box<str>,
    /// The hosts that are asked.
    pub(crate) hosts: ListedHosts,
    /// How long a set is held that does not say it itself.
    pub refresh: Duration,
    /// How long each request waits for its answer.
    pub timeout: Duration,
    /// For how long a set is used while nothing newer arrives.
    pub max_stale: Duration,
    /// Largest set, in bytes.
    pub max_bytes: usize,
    /// The largest number of sets held.
    pub cache_entries: usize,
}

/// The certificates that a client has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    certificates: Arc<[Thumbprint]>,
    /// Why the set could not be fetched again. A certificate that it lacks may be a new one.
    failure: Option<FetchError>,
}

/// One VM's part in the key sets. `W` = what waits for an answer.
#[derive(Debug)]
pub struct KeySets<W> {
    source: Arc<KeySetSource>,
    known: LruCache<Box<str>, KnownKeySet>,
    pending: PendingAnswers<W>,
}

#[derive(Debug)]
struct KnownKeySet {
    set: KeySet,
    freshness: Freshness,
    /// When the host last gave this set.
    confirmed_at: u64,
    /// For how long it is not asked for because of a certificate that it lacks.
    pause: Option<Freshness>,
}

/// The result of a fetch.
#[derive(Debug)]
pub struct FetchedKeySet<W> {
    /// The result for all that wait.
    pub result: Result<KeySet, RegistryFault>,
    /// All that wait.
    pub waiting: Vec<W>,
}

impl KeySetSource {
    /// Whether this URI may be asked. `source` = the one of the configuration.
    ///
    /// # Errors
    /// Why not.
    #[inline(never)]
    pub(crate) fn check(source: Option<&Self>, uri: &JwksUri) -> Result<(), String> {
        match source {
            Some(source) if source.hosts.has(uri) => Ok(()),
            Some(_) => Err(format!(
                "the host {} is not one of the hosts of the top-level jwks_uri",
                uri.host()
            )),
            None => Err("the key set is not fetched: the configuration has no member jwks_uri at \
                 its top level"
                .to_owned()),
        }
    }

    /// The request for the set of a client.
    fn request(uri: &JwksUri) -> RegistryRequest {
        let headers = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", uri.host()),
            (":path", uri.path()),
            ("accept", "application/jwk-set+json, application/json"),
        ];
        let headers = headers.map(|(name, value)| (name.into(), value.into()));
        RegistryRequest { headers: headers.into() }
    }
}

impl KeySet {
    /// Whether the certificate is one of the set.
    ///
    /// # Errors
    /// It is not one of the set that is known, and there may be a newer set.
    pub(crate) fn has(&self, certificate: &Thumbprint) -> Result<bool, RegistryFault> {
        match (self.certificates.contains(certificate), &self.failure) {
            (false, Some(error)) => Err(RegistryFault::KeySet(error.clone())),
            (has, _) => Ok(has),
        }
    }
}

impl<W> KeySets<W> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(source: Arc<KeySetSource>) -> Self {
        Self { source, known: LruCache::unbounded(), pending: PendingAnswers::default() }
    }

    /// The set at `uri` for a client that presents `certificate`, at `now`, in milliseconds since
    /// 1970; pending = [`KeySets::wait`] for it.
    #[inline(never)]
    pub fn find(&mut self, uri: &JwksUri, certificate: &Thumbprint, now: u64) -> Poll<KeySet> {
        let key = uri.to_string();
        let known = self.known.get(&*key).filter(|known| known.freshness.contains(now));
        match known {
            // A fetch for another certificate does not delay this one.
            Some(known) if known.set.certificates.contains(certificate) => {
                Poll::Ready(known.set.clone())
            }
            Some(known)
                if !self.pending.has(&key)
                    && known.pause.as_ref().is_some_and(|pause| pause.contains(now)) =>
            {
                Poll::Ready(known.set.clone())
            }
            _ => Poll::Pending,
        }
    }

    /// Waits for the set for which [`KeySets::find`] is pending. Returns the request that must be
    /// sent, unless one is under way.
    pub fn wait(&mut self, uri: &JwksUri, waiting: W, now: u64) {
        let key = uri.to_string();
        if self.pending.wait(&key, waiting)
            && let Some(known) = self.known.peek_mut(&*key)
            && known.freshness.contains(now)
        {
            known.pause = Some(Freshness::new(now, limits::KEY_SET_PAUSE_MILLIS));
        }
    }

    /// The requests that must be sent now, and the URIs that they are for.
    pub fn take_requests(&mut self) -> Vec<(Box<str>, RegistryRequest)> {
        let unsent = self.pending.take_unsent().into_iter();
        unsent
            .filter_map(|key| {
                let uri = JwksUri::parse(&key).ok()?;
                Some((key, KeySetSource::request(&uri)))
            })
            .collect()
    }

    /// Takes the answer to the request for the set at `uri`; `None` = it was not sent.
    #[inline(never)]
    pub fn on_answer(
        &mut self,
        uri: &str,
        answer: Option<&RegistryAnswer<'_>>,
        now: u64,
    ) -> FetchedKeySet<W> {
        let waiting = self.pending.finish(uri);
        let source = &self.source;
        let result = match read(answer, source.max_bytes) {
            Ok(certificates) => {
                let set = KeySet { certificates: certificates.into(), failure: None };
                let millis =
                    answer.map_or(0, |answer| lifetime(answer, source.refresh, source.max_stale));
                let pause = self.known.peek(uri).and_then(|known| known.pause);
                let known = KnownKeySet {
                    set: set.clone(),
                    freshness: Freshness::new(now, millis),
                    confirmed_at: now,
                    pause,
                };
                self.known.put(uri.into(), known);
                if self.known.len() > source.cache_entries {
                    self.known.pop_lru();
                }
                Ok(set)
            }
            Err(error) => self.stale_if_error(uri, now, error),
        };
        FetchedKeySet { result, waiting }
    }

    /// The earlier set, where the host gives no new one (RFC 5861 §4), for as long as `max_stale`
    /// allows.
    fn stale_if_error(
        &mut self,
        uri: &str,
        now: u64,
        error: FetchError,
    ) -> Result<KeySet, RegistryFault> {
        let max_stale = self.source.max_stale.as_millis();
        match self.known.get_mut(uri) {
            Some(known) if u128::from(now.saturating_sub(known.confirmed_at)) <= max_stale => {
                known.set.failure = Some(error);
                if !known.freshness.contains(now) {
                    known.freshness = Freshness::new(now, limits::PAUSE_AFTER_FAILURE_MILLIS);
                }
                Ok(known.set.clone())
            }
            _ => Err(RegistryFault::KeySet(error)),
        }
    }
}

/// The certificates of a set; `None` = the request was not sent.
fn read(
    answer: Option<&RegistryAnswer<'_>>,
    max_bytes: usize,
) -> Result<Vec<Thumbprint>, FetchError> {
    let answer = answer.ok_or(FetchError::NotSent)?;
    match answer.status.ok_or(FetchError::NoAnswer)? {
        200 => {}
        status => return Err(FetchError::Status(status)),
    }
    let malformed = |error: crate::json::JsonError| FetchError::Malformed(error.in_entry().into());
    let json = Json::parse(&answer.body(max_bytes)?).map_err(malformed)?;
    jwks::published(&json).map_err(malformed)
}

#[cfg(test)]
mod tests;
