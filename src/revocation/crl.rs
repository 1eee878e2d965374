//! CRLs (RFC 5280 §5): each is fetched, verified and read by one VM of the process, and used by all
//! (contract §9).

mod buckets;
mod in_force;
mod list;
mod pem;
mod refresh;
mod scope;

use std::sync::Arc;
use std::time::Duration;

use self::in_force::{CrlInForce, CrlKeys, Listing};
pub use self::refresh::CrlEvent;
use self::refresh::CrlRefresh;
use super::issuers::{Issuer, Issuers};
use super::serial::SerialNumber;
use super::sources::CrlSource;
use super::status::{RevocationUnknown, RevokedBy, SourceStatus};
use crate::certificate::Parts;
use crate::certificate::der::without_zeros;
use crate::registry::{RegistryAnswer, SharedData, TickOutcome};
use crate::time::UnixTime;
use crate::trust::SignatureVerifier;

/// One VM's part in a CRL.
#[derive(Debug)]
pub struct Crl {
    source: Arc<CrlSource>,
    in_force: CrlInForce,
    refresh: CrlRefresh,
}

impl Crl {
    /// `random` = a number that is different in each process of a fleet.
    pub(super) fn new(source: Arc<CrlSource>, issuers: Arc<Issuers>, random: u64) -> Self {
        let keys = CrlKeys::of(&source.identity);
        let refresh = CrlRefresh::new(source.clone(), issuers, keys.lease(), random);
        Self { source, in_force: CrlInForce::new(keys), refresh }
    }

    /// What is fetched.
    #[must_use]
    pub fn source(&self) -> &CrlSource {
        &self.source
    }

    /// Does what is due. `elapsed` = the time since the last tick; `now` = milliseconds since 1970.
    /// Work goes on while `has_time` returns `true`.
    pub fn tick(
        &mut self,
        elapsed: Duration,
        now: u64,
        shared: &mut dyn SharedData,
        verifier: &dyn SignatureVerifier,
        has_time: &mut dyn FnMut() -> bool,
    ) -> TickOutcome {
        self.in_force.update(shared);
        self.refresh.tick(elapsed, now, &mut self.in_force, shared, verifier, has_time)
    }

    /// The host did not send the request of a [`TickOutcome`].
    pub fn not_sent(&mut self) {
        self.refresh.not_sent();
    }

    /// Takes the answer to the request of a [`TickOutcome`].
    pub fn on_answer(&mut self, answer: &RegistryAnswer<'_>) {
        self.refresh.on_answer(answer);
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<CrlEvent> {
        self.refresh.take_events()
    }

    /// How many certificates the list in force has, and the seconds since 1970 until which it
    /// counts; `None` = there is no list.
    #[must_use]
    pub fn state(&self) -> Option<(u64, UnixTime)> {
        let head = self.in_force.head()?;
        Some((head.entries, head.profile.next_update))
    }

    /// Leaves fetching to another VM.
    pub fn release(&mut self, shared: &mut dyn SharedData) {
        self.refresh.release(shared);
    }

    /// What the list in force says of a certificate; `None` = it does not concern it. `issuer` =
    /// the one that issued it, or why that is not known.
    pub(super) fn status(
        &mut self,
        certificate: &Parts<'_>,
        issuer: Result<&Issuer, &RevocationUnknown>,
        now: UnixTime,
        shared: &mut dyn SharedData,
    ) -> Option<SourceStatus> {
        if !self.source.covers(certificate.issuer) {
            return None;
        }
        let path = || self.source.path.clone();
        if self.in_force.head().is_none() {
            self.in_force.update(shared);
        }
        if self.in_force.head().is_none() {
            return Some(SourceStatus::Silent(RevocationUnknown::NoCrl(path())));
        }
        let issuer = match issuer {
            Ok(issuer) => issuer,
            Err(why) => return Some(SourceStatus::Silent(why.clone())),
        };
        let of_others = || SourceStatus::Silent(RevocationUnknown::CrlOfOthers(path()));
        let serial = without_zeros(certificate.serial_number);
        let listing = self.in_force.find(serial, shared);
        // That of the list which was looked at: another one may be in force since a moment.
        let Some(head) = self.in_force.head().filter(|head| head.issuer == issuer.id) else {
            return Some(of_others());
        };
        let is_covered = scope::covers(&head.profile, certificate, issuer);
        let next_update = head.profile.next_update;
        // A list that is too old still tells what was revoked, and so does one that need not have
        // the certificate: an issuer gives no serial number twice.
        Some(match listing {
            Listing::Present => {
                let serial = SerialNumber::from_der(serial);
                SourceStatus::Revoked(RevokedBy::Crl { path: path(), serial })
            }
            _ if !is_covered => of_others(),
            Listing::Absent if now > next_update => {
                let path = path();
                SourceStatus::Unavailable(RevocationUnknown::CrlExpired { path, next_update })
            }
            Listing::Absent => SourceStatus::Good,
            Listing::Damaged => {
                SourceStatus::Unavailable(RevocationUnknown::CrlInconsistent(path()))
            }
        })
    }
}

#[cfg(test)]
mod tests;
