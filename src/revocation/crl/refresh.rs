//! The work of the one VM of the process that fetches a CRL: it reads and verifies the list, writes
//! its serial numbers, and puts it in force.
//!
//! All but two steps are divided into pieces of bounded length: the copy of the body, which the
//! host has only during its callback, and the verification of the signature, which is of the whole
//! list.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::super::error::CrlError;
use super::super::issuers::{Issuers, SignerError};
use super::super::serial::SerialNumber;
use super::super::sources::CrlSource;
use super::buckets::Buckets;
use super::in_force::{CrlHead, CrlInForce};
use super::list::{CertificateList, CrlProfile};
use super::pem::PemDecoder;
use crate::certificate::Thumbprint;
use crate::limits;
use crate::registry::{
    FetchError, Lease, RegistryAnswer, RegistryRequest, Schedule, SharedData, TickOutcome,
};
use crate::time::UnixTime;
use crate::trust::SignatureVerifier;

/// The fetching side of one CRL in one VM. It does nothing while another VM has the lease.
#[derive(Debug)]
pub(super) struct CrlRefresh {
    source: Arc<CrlSource>,
    issuers: Arc<Issuers>,
    lease: Lease,
    schedule: Schedule,
    phase: CrlPhase,
    /// The number of the attempt.
    generation: u64,
    /// For how long this VM leaves the lease to other VMs.
    stand_back: Duration,
    events: Vec<CrlEvent>,
}

#[derive(Debug)]
enum CrlPhase {
    /// This VM does not have the lease.
    Idle,
    /// The next attempt begins after this time.
    Waiting(Duration),
    /// The list was requested this long ago.
    AwaitingAnswer(Duration),
    Decoding(PemDecoder),
    /// The DER is read and its signature verified.
    Verifying(Vec<u8>),
    /// The entries are distributed to buckets.
    Walking(Box<CertificateList>, Thumbprint, Buckets),
    /// The buckets are written; the number is that of the next.
    Writing(Box<CrlHead>, Buckets, u32),
    /// The buckets of a list that is not in force are emptied; the number is that of the next. Then
    /// the next attempt begins after this time.
    Emptying(Box<CrlHead>, u32, Duration),
}

/// What the VM that fetches reports, for logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrlEvent {
    /// A list that was not known before is in force.
    Replaced {
        /// Certificates that it revokes.
        entries: u64,
        /// `cRLNumber`.
        number: Option<SerialNumber>,
        /// `nextUpdate`.
        next_update: UnixTime,
    },
    /// The list in force was fetched again.
    Confirmed,
    /// The list could not be fetched, or not be used. The one in force stays.
    Failed {
        /// Why.
        error: CrlError,
        /// How long from now the next attempt begins.
        retry: Duration,
    },
}

impl CrlRefresh {
    pub(super) fn new(
        source: Arc<CrlSource>,
        issuers: Arc<Issuers>,
        lease: String,
        random: u64,
    ) -> Self {
        Self {
            lease: Lease::new(lease, source.refresh),
            schedule: Schedule::new(source.refresh, random),
            source,
            issuers,
            phase: CrlPhase::Idle,
            generation: 0,
            stand_back: Duration::ZERO,
            events: Vec::new(),
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<CrlEvent> {
        mem::take(&mut self.events)
    }

    /// Makes the lease vacant, if this VM has it.
    pub(super) fn release(&mut self, shared: &mut dyn SharedData) {
        self.lease.release(shared);
        self.phase = CrlPhase::Idle;
    }

    /// Does what is due. `elapsed` = the time since the last call; `now` = milliseconds since 1970.
    /// Work goes on while `has_time` returns `true`.
    pub(super) fn tick(
        &mut self,
        elapsed: Duration,
        now: u64,
        in_force: &mut CrlInForce,
        shared: &mut dyn SharedData,
        verifier: &dyn SignatureVerifier,
        has_time: &mut dyn FnMut() -> bool,
    ) -> TickOutcome {
        self.stand_back = self.stand_back.saturating_sub(elapsed);
        if !self.stand_back.is_zero() || !self.lease.tick(elapsed, shared) {
            self.phase = CrlPhase::Idle;
            return TickOutcome::default();
        }
        self.schedule.add(elapsed);
        match &mut self.phase {
            CrlPhase::Idle => {
                let wait = in_force.head().map_or(Duration::ZERO, |head| {
                    let age = Duration::from_millis(now.saturating_sub(head.confirmed_at));
                    // As the VM that fetched it would have waited.
                    let half = half_of_life(&head.profile, head.confirmed_at);
                    self.schedule.after_takeover(Some(age)).min(half.saturating_sub(age))
                });
                self.phase = CrlPhase::Waiting(wait);
            }
            CrlPhase::Waiting(left) => *left = left.saturating_sub(elapsed),
            CrlPhase::AwaitingAnswer(waited) => {
                *waited += elapsed;
                if *waited > self.source.timeout + limits::CALL_BACK_GRACE {
                    self.fail(CrlError::Fetch(FetchError::NeverCalledBack), None);
                    // The host may call back in another VM.
                    self.lease.release(shared);
                    self.stand_back = limits::STAND_BACK;
                    return TickOutcome::default();
                }
            }
            _ => {}
        }
        if let CrlPhase::Waiting(Duration::ZERO) = self.phase {
            return self.begin(shared);
        }
        while self.is_busy() {
            self.work(now, in_force, shared, verifier);
            if !has_time() {
                break;
            }
        }
        TickOutcome { request: None, is_busy: self.is_busy() }
    }

    fn is_busy(&self) -> bool {
        !matches!(self.phase, CrlPhase::Idle | CrlPhase::Waiting(_) | CrlPhase::AwaitingAnswer(_))
    }

    fn begin(&mut self, shared: &mut dyn SharedData) -> TickOutcome {
        let Some(generation) = self.lease.next_generation(shared) else {
            self.phase = CrlPhase::Idle;
            return TickOutcome::default();
        };
        self.generation = generation;
        self.schedule.start();
        self.phase = CrlPhase::AwaitingAnswer(Duration::ZERO);
        let headers = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", &*self.source.authority),
            (":path", &*self.source.path),
            ("accept", "application/pkix-crl, */*"),
        ];
        let headers = headers.map(|(name, value)| (name.into(), value.into()));
        TickOutcome { request: Some(RegistryRequest { headers: headers.into() }), is_busy: false }
    }

    /// The host did not send the request.
    pub(super) fn not_sent(&mut self) {
        if let CrlPhase::AwaitingAnswer(_) = self.phase {
            self.fail(CrlError::Fetch(FetchError::NotSent), None);
        }
    }

    /// Takes the answer to the request. The body is copied now and read in later ticks.
    pub(super) fn on_answer(&mut self, answer: &RegistryAnswer<'_>) {
        if !matches!(self.phase, CrlPhase::AwaitingAnswer(_)) {
            // Too late, or the lease was lost in the meantime.
            return;
        }
        let body = match answer.status {
            None => Err(FetchError::NoAnswer),
            Some(200) => answer.body(limits::LARGEST_CRL_BYTES),
            Some(status) => Err(FetchError::Status(status)),
        };
        match body {
            Ok(body) => {
                self.phase = match PemDecoder::new(body) {
                    Ok(decoder) => CrlPhase::Decoding(decoder),
                    Err(der) => CrlPhase::Verifying(der),
                }
            }
            Err(error) => self.fail(CrlError::Fetch(error), None),
        }
    }

    /// Does one bounded piece of work.
    fn work(
        &mut self,
        now: u64,
        in_force: &mut CrlInForce,
        shared: &mut dyn SharedData,
        verifier: &dyn SignatureVerifier,
    ) {
        match mem::replace(&mut self.phase, CrlPhase::Idle) {
            CrlPhase::Decoding(mut decoder) => match decoder.step() {
                Ok(None) => self.phase = CrlPhase::Decoding(decoder),
                Ok(Some(der)) => self.phase = CrlPhase::Verifying(der),
                Err(error) => self.fail(error, None),
            },
            CrlPhase::Verifying(der) => match self.verify(der, now, in_force, verifier) {
                Ok((list, issuer)) => {
                    let buckets = Buckets::for_octets(list.entries_octets());
                    self.phase = CrlPhase::Walking(Box::new(list), issuer, buckets);
                }
                Err(error) => self.fail(error, None),
            },
            CrlPhase::Walking(mut list, issuer, mut buckets) => match list.walk(&mut buckets) {
                Ok(true) => self.phase = CrlPhase::Walking(list, issuer, buckets),
                Ok(false) => {
                    let head = CrlHead {
                        generation: self.generation,
                        slot: in_force.head().map_or(0, |head| 1 - head.slot.min(1)),
                        buckets: buckets.number(),
                        entries: buckets.entries,
                        others: in_force
                            .head()
                            .map(|head| head.others_than(&issuer))
                            .unwrap_or_default(),
                        issuer,
                        profile: list.profile,
                        confirmed_at: now,
                    };
                    self.phase = CrlPhase::Writing(Box::new(head), buckets, 0);
                }
                Err(error) => self.fail(error, None),
            },
            CrlPhase::Writing(head, buckets, bucket) => {
                self.write(head, buckets, bucket, now, in_force, shared);
            }
            CrlPhase::Emptying(head, bucket, wait) => {
                // A bucket that is not emptied takes memory, and nothing else.
                let _ = in_force.keys.write_bucket(&head, bucket, None, shared);
                self.phase = if bucket + 1 < head.buckets {
                    CrlPhase::Emptying(head, bucket + 1, wait)
                } else {
                    CrlPhase::Waiting(wait)
                };
            }
            other => self.phase = other,
        }
    }

    /// Reads the profile of a list and verifies its signature. Returns the digest of its issuer's
    /// key, too.
    fn verify(
        &self,
        der: Vec<u8>,
        now: u64,
        in_force: &CrlInForce,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(CertificateList, Thumbprint), CrlError> {
        let list = CertificateList::read(der)?;
        let CrlProfile { this_update, next_update, .. } = list.profile;
        let now = i64::try_from(now / 1000).unwrap_or(i64::MAX);
        if this_update.0 > now.saturating_add(limits::CLOCK_SKEW_SECONDS) {
            return Err(CrlError::NotYetValid { this_update });
        }
        if next_update.0 < now {
            return Err(CrlError::Expired { next_update });
        }
        let issuer = self.issuers.of_crl(list.signed(), verifier);
        let issuer = issuer.map_err(|error| match error {
            SignerError::UnknownName => CrlError::UnknownIssuer,
            SignerError::Signature(error) => CrlError::Signature(error),
            SignerError::KeyUsage => CrlError::KeyUsage,
        })?;
        // It would say nothing, and take the place of a list that does: whoever is on the way can
        // send that of any issuer.
        if !self.source.covers(list.signed().signer) {
            return Err(CrlError::OtherIssuer);
        }
        let id = issuer.id;
        let is_older = in_force.head().and_then(|head| head.last_of(&id)).is_some_and(|known| {
            // A CA that lost its count begins again. When its last list is too old, a later one is
            // better than none; what is on the way can repeat only earlier ones.
            let is_later = known.next_update.0 < now && known.this_update < this_update;
            list.profile.is_older_than(known) && !is_later
        });
        if is_older { Err(CrlError::Older) } else { Ok((list, id)) }
    }

    /// Writes one bucket, and after the last puts the list in force.
    fn write(
        &mut self,
        head: Box<CrlHead>,
        buckets: Buckets,
        bucket: u32,
        now: u64,
        in_force: &mut CrlInForce,
        shared: &mut dyn SharedData,
    ) {
        if let Err(error) = in_force.keys.write_bucket(&head, bucket, Some(&buckets), shared) {
            return self.fail(error, Some(head));
        }
        if bucket + 1 < head.buckets {
            self.phase = CrlPhase::Writing(head, buckets, bucket + 1);
            return;
        }
        let old = in_force.head().cloned();
        if let Err(error) = in_force.replace(&head, shared) {
            return self.fail(error, Some(head));
        }
        let is_known = old
            .as_ref()
            .is_some_and(|old| (&old.profile, old.issuer) == (&head.profile, head.issuer));
        self.events.push(if is_known {
            CrlEvent::Confirmed
        } else {
            CrlEvent::Replaced {
                entries: head.entries,
                number: head.profile.number.as_deref().map(SerialNumber::from_der),
                next_update: head.profile.next_update,
            }
        });
        let wait = self.schedule.after_success().min(half_of_life(&head.profile, now));
        self.phase = match old {
            Some(old) => CrlPhase::Emptying(Box::new(old), 0, wait),
            None => CrlPhase::Waiting(wait),
        };
    }

    /// An attempt failed. The buckets that it may have written are emptied.
    fn fail(&mut self, error: CrlError, written: Option<Box<CrlHead>>) {
        let longest = self.source.refresh.min(limits::LATEST_CRL_RETRY);
        let retry = self.schedule.after_failure(longest);
        self.events.push(CrlEvent::Failed { error, retry });
        self.phase = match written {
            Some(head) => CrlPhase::Emptying(head, 0, retry),
            None => CrlPhase::Waiting(retry),
        };
    }
}

/// Half of the time for which a list counts that was fetched at `fetched_at`: `refresh` may be
/// longer than that, and a CA gives the next list some time before.
fn half_of_life(profile: &CrlProfile, fetched_at: u64) -> Duration {
    let until = u64::try_from(profile.next_update.0).unwrap_or(0).saturating_mul(1000);
    Duration::from_millis(until.saturating_sub(fetched_at) / 2).max(limits::FIRST_RETRY)
}

impl fmt::Display for CrlEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { entries, number, next_update } => {
                write!(f, "{entries} certificates revoked, ")?;
                if let Some(number) = number {
                    write!(f, "number {number}, ")?;
                }
                write!(f, "next update {next_update}")
            }
            Self::Confirmed => f.write_str("confirmed"),
            Self::Failed { error, retry } => {
                write!(f, "refresh failed: {error}; next attempt in {} ms", retry.as_millis())
            }
        }
    }
}
