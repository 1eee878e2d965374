//! The JWK Sets that clients publish at their `jwks_uri` (contract §6): fetched when a client first
//! needs its set, held as a lookup is, and asked for once more where a certificate is not in it.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::error::{FetchError, RegistryFault};
use super::fetched::{RegistryAnswer, RegistryRequest};
use super::lookup::{Freshness, HeldAnswer, HeldAnswers, PendingAnswers, lifetime};
use crate::certificate::Thumbprint;
use crate::json::Json;
use crate::limits;
use crate::registration::jwks::PublishedKeys;
use crate::registration::{JwksUri, ListedHosts};

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
    known: HeldAnswers<KnownKeySet>,
    pending: PendingAnswers<W>,
}

#[derive(Debug)]
struct KnownKeySet {
    set: HeldAnswer<KeySet>,
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
    /// Why no new set came, where an earlier one serves; or the keys that are left out of the new
    /// one, with their reasons.
    pub warning: Option<String>,
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
    /// A set of these certificates.
    #[cfg(test)]
    pub(crate) fn of(certificates: &[Thumbprint]) -> Self {
        Self { certificates: certificates.into(), failure: None }
    }

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
        let known = HeldAnswers::new(source.cache_entries);
        Self { source, known, pending: PendingAnswers::default() }
    }

    /// The set at `uri` for a client that presents `certificate`, at `now`, in milliseconds since
    /// 1970; pending = [`KeySets::wait`] for it.
    #[inline(never)]
    pub fn find(&mut self, uri: &JwksUri, certificate: &Thumbprint, now: u64) -> Poll<KeySet> {
        let key = uri.to_string();
        let known = self.known.get(&key).filter(|known| known.set.is_fresh(now));
        match known {
            // A fetch for another certificate does not delay this one.
            Some(KnownKeySet { set, .. }) if set.value.certificates.contains(certificate) => {
                Poll::Ready(set.value.clone())
            }
            Some(KnownKeySet { set, pause: Some(pause) })
                if !self.pending.has(&key) && pause.contains(now) =>
            {
                Poll::Ready(set.value.clone())
            }
            _ => Poll::Pending,
        }
    }

    /// Waits for the set for which [`KeySets::find`] is pending. Returns the request that must be
    /// sent, unless one is under way.
    pub fn wait(&mut self, uri: &JwksUri, waiting: W, now: u64) {
        let key = uri.to_string();
        if self.pending.wait(&key, waiting)
            && let Some(known) = self.known.peek_mut(&key)
            && known.set.is_fresh(now)
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
        let (result, warning) = match read(answer, self.source.max_bytes) {
            Ok(keys) => {
                let warning = keys.warning();
                let set = KeySet { certificates: keys.certificates.into(), failure: None };
                self.hold(uri, answer, set.clone(), now);
                (Ok(set), warning)
            }
            Err(error) => {
                let max_stale = self.source.max_stale;
                let known = self.known.get_mut(uri);
                match known.and_then(|known| known.set.stale_if_error(now, max_stale)) {
                    Some(set) => {
                        let warning = format!("the earlier key set serves: {error}");
                        set.failure = Some(error);
                        (Ok(set.clone()), Some(warning))
                    }
                    None => (Err(RegistryFault::KeySet(error)), None),
                }
            }
        };
        FetchedKeySet { result, waiting, warning }
    }

    fn hold(&mut self, uri: &str, answer: Option<&RegistryAnswer<'_>>, set: KeySet, now: u64) {
        let source = &self.source;
        let millis = answer.map_or(0, |answer| lifetime(answer, source.refresh, source.max_stale));
        let pause = self.known.peek_mut(uri).and_then(|known| known.pause);
        let set = HeldAnswer::new(set, now, millis);
        self.known.hold(uri, KnownKeySet { set, pause });
    }
}

/// The keys of a set; `None` = the request was not sent.
fn read(
    answer: Option<&RegistryAnswer<'_>>,
    max_bytes: usize,
) -> Result<PublishedKeys, FetchError> {
    let answer = answer.ok_or(FetchError::NotSent)?;
    match answer.status.ok_or(FetchError::NoAnswer)? {
        200 => {}
        status => return Err(FetchError::Status(status)),
    }
    let malformed = |error: crate::json::JsonError| FetchError::Malformed(error.in_entry().into());
    let json = Json::parse(&answer.body(max_bytes)?).map_err(malformed)?;
    PublishedKeys::read(&json).map_err(malformed)
}

#[cfg(test)]
mod tests;
