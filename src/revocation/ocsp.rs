//! OCSP (RFC 6960): a responder is asked when a certificate is first presented, and its answer held
//! until it is too old (contract §9).

mod request;
mod responder;
mod response;

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Poll;

use lru::LruCache;

use self::request::CertId;
use self::responder::ResponderUri;
use self::response::{OcspAnswer, Question};
use super::error::OcspError;
use super::issuers::Issuer;
use super::sources::OcspSource;
use super::status::{RevocationUnknown, RevokedBy, SourceStatus};
use crate::certificate::{Parts, PeerCertificate, Thumbprint};
use crate::limits;
use crate::registry::{FetchError, Freshness, PendingAnswers, RegistryAnswer, RegistryRequest};
use crate::time::UnixTime;
use crate::trust::SignatureVerifier;

/// One VM's part in OCSP. `W` = what waits for an answer.
#[derive(Debug)]
pub(super) struct OcspAnswers<W> {
    source: Arc<OcspSource>,
    known: LruCache<Thumbprint, KnownAnswer>,
    pending: PendingAnswers<W>,
    /// What is asked, by the thumbprint of the certificate.
    asked: HashMap<Box<str>, AskedQuestion>,
}

#[derive(Clone, Debug)]
struct KnownAnswer {
    status: SourceStatus,
    freshness: Freshness,
    /// `thisUpdate`; `None` = there is no usable answer.
    this_update: Option<UnixTime>,
}

#[derive(Debug)]
struct AskedQuestion {
    certificate: Arc<PeerCertificate>,
    issuer: Issuer,
    id: CertId,
    responder: ResponderUri,
}

/// What became of a question.
pub(super) struct Answered<W> {
    /// The certificate that was asked about.
    pub(super) certificate: Arc<PeerCertificate>,
    pub(super) status: SourceStatus,
    pub(super) is_ok: bool,
    pub(super) waiting: Vec<W>,
}

impl<W> OcspAnswers<W> {
    pub(super) fn new(source: Arc<OcspSource>) -> Self {
        Self {
            source,
            known: LruCache::new(limits::REMEMBERED_ISSUERS),
            pending: PendingAnswers::default(),
            asked: HashMap::new(),
        }
    }

    /// What is known of a certificate of this issuer at `now`, in milliseconds since 1970; pending
    /// = its responder must be asked.
    pub(super) fn find(
        &mut self,
        certificate: &PeerCertificate,
        parts: &Parts<'_>,
        now: u64,
    ) -> Poll<SourceStatus> {
        let known = self.known.get(&certificate.thumbprint());
        if let Some(known) = known.filter(|known| known.freshness.contains(now)) {
            return Poll::Ready(known.status.clone());
        }
        if ResponderUri::of(parts, &self.source.hosts).is_some() {
            Poll::Pending
        } else {
            Poll::Ready(SourceStatus::Silent(RevocationUnknown::NoResponder))
        }
    }

    /// Waits for the answer about a certificate, for which [`OcspAnswers::find`] is pending.
    pub(super) fn wait(
        &mut self,
        certificate: &Arc<PeerCertificate>,
        parts: &Parts<'_>,
        issuer: &Issuer,
        waiting: W,
    ) {
        let Some(responder) = ResponderUri::of(parts, &self.source.hosts) else { return };
        let key = certificate.thumbprint().to_string();
        if self.pending.wait(&key, waiting) {
            let id = CertId::of(parts.issuer, issuer, parts.serial_number);
            let (certificate, issuer) = (certificate.clone(), issuer.clone());
            self.asked.insert(key.into(), AskedQuestion { certificate, issuer, id, responder });
        }
    }

    /// The requests that must be sent now, each with its key.
    pub(super) fn take_requests(&mut self) -> Vec<(Box<str>, RegistryRequest)> {
        let unsent = self.pending.take_unsent().into_iter();
        unsent
            .filter_map(|key| {
                let AskedQuestion { id, responder, .. } = self.asked.get(&key)?;
                let request = id.http_request(responder);
                Some((key, request))
            })
            .collect()
    }

    /// Takes the answer to the request with this key; no answer = it was not sent. `None` = nothing
    /// was asked with this key.
    pub(super) fn on_answer(
        &mut self,
        key: &str,
        answer: Option<&RegistryAnswer<'_>>,
        now: u64,
        verifier: &dyn SignatureVerifier,
    ) -> Option<Answered<W>> {
        let waiting = self.pending.finish(key);
        let AskedQuestion { certificate, issuer, id, responder } = self.asked.remove(key)?;
        let seconds = UnixTime(i64::try_from(now / 1000).unwrap_or(i64::MAX));
        let millis = self.source.max_age.as_millis();
        // The times of answers are whole seconds.
        let max_age = i64::try_from(millis.div_ceil(1000)).unwrap_or(i64::MAX);
        let question = Question { id: &id, issuer: &issuer, now: seconds, max_age };
        let read = body(answer)
            .map_err(OcspError::Fetch)
            .and_then(|body| OcspAnswer::read(&body, &question, verifier));
        let uri = responder.to_string().into();
        let thumbprint = certificate.thumbprint();
        let is_revoked = |known: &KnownAnswer| matches!(known.status, SourceStatus::Revoked(_));
        let mut revoked = self.known.pop(&thumbprint).filter(is_revoked);
        // Whoever has a certificate can make its other encoding, of which nothing is known.
        for other in certificate.other_thumbprints() {
            let known = self.known.peek(other).filter(|known| is_revoked(known)).cloned();
            revoked = revoked.into_iter().chain(known).max_by_key(|known| known.this_update);
        }
        let this_update = read.as_ref().ok().map(|answer| answer.this_update);
        let pause = Freshness::new(now, limits::PAUSE_AFTER_FAILURE_MILLIS);
        let (known, is_ok) = match (read, revoked) {
            // What was revoked stays so where nothing comes, and an answer of before, which anyone
            // can send again, does not take it back. Responders round their times: one of the same
            // time may be of before.
            (read, Some(revoked))
                if this_update < revoked.this_update
                    || this_update == revoked.this_update
                        && read.as_ref().is_ok_and(|answer| answer.revoked_at.is_none()) =>
            {
                (KnownAnswer { freshness: pause, ..revoked }, false)
            }
            (Ok(answer), _) => {
                let longest = u64::try_from(millis).unwrap_or(u64::MAX);
                let held_for = answer.left(seconds, max_age).min(longest);
                let freshness = Freshness::new(now, held_for);
                let status = match answer.revoked_at {
                    Some(revoked_at) => {
                        SourceStatus::Revoked(RevokedBy::Ocsp { responder: uri, revoked_at })
                    }
                    None => SourceStatus::Good,
                };
                (KnownAnswer { status, freshness, this_update }, true)
            }
            (Err(error), _) => {
                let why = RevocationUnknown::Ocsp { responder: uri, error };
                let status = SourceStatus::Unavailable(why);
                (KnownAnswer { status, freshness: pause, this_update }, false)
            }
        };
        let status = known.status.clone();
        self.known.put(thumbprint, known);
        Some(Answered { certificate, status, is_ok, waiting })
    }
}

impl OcspAnswer {
    /// The last second at which it counts: `nextUpdate`, or without one `max_age` seconds after
    /// `thisUpdate`.
    fn until(&self, max_age: i64) -> UnixTime {
        let oldest = UnixTime(self.this_update.0.saturating_add(max_age));
        self.next_update.unwrap_or(oldest)
    }

    /// For how many milliseconds it still counts.
    fn left(&self, now: UnixTime, max_age: i64) -> u64 {
        let left = self.until(max_age).0.saturating_sub(now.0);
        u64::try_from(left).unwrap_or(0).saturating_mul(1000)
    }
}

fn body(answer: Option<&RegistryAnswer<'_>>) -> Result<Vec<u8>, FetchError> {
    let answer = answer.ok_or(FetchError::NotSent)?;
    match answer.status {
        None => Err(FetchError::NoAnswer),
        Some(200) => answer.body(limits::LARGEST_OCSP_BYTES),
        Some(status) => Err(FetchError::Status(status)),
    }
}

#[cfg(test)]
mod tests;
