//! CRLs and OCSP responders: what a VM fetches and asks, and the requests that wait for answers.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tls_client_auth::host::{
    CrlEvent, CrlSource, Fact, RevocationHost, RevocationSources, RevocationStatus, Revocations,
    SignatureVerifier,
};
use tls_client_auth::{PeerCertificate, limits};

use super::call::{AnswerSizes, send, with_answer};
use super::lookups::{Answer, FinishedLookup};
use super::{Registries, RootCall};
use crate::clock::{now_millis, now_nanos};
use crate::held_request::HeldRequest;
use crate::log::{Level, log};
use crate::shared_data::HostSharedData;

/// The sources of a configuration, and what this VM knows of them.
pub(super) struct RevocationAccess {
    sources: Arc<RevocationSources>,
    revocations: RefCell<Revocations<HeldRequest>>,
    verifier: &'static dyn SignatureVerifier,
}

impl RevocationAccess {
    pub(super) fn new(
        sources: Arc<RevocationSources>,
        verifier: &'static dyn SignatureVerifier,
        random: u64,
    ) -> Self {
        let revocations = RefCell::new(Revocations::new(sources.clone(), random));
        Self { sources, revocations, verifier }
    }

    /// Leaves the fetching to other VMs.
    pub(super) fn release(&self) {
        let mut revocations = self.revocations.borrow_mut();
        revocations.crls().iter_mut().for_each(|crl| crl.release(&mut HostSharedData));
    }

    /// The tick period while no list is being read.
    pub(super) fn idle_period(&self) -> Duration {
        let mut revocations = self.revocations.borrow_mut();
        if revocations.crls().iter().any(|crl| crl.state().is_none()) {
            limits::REGISTRY_TICK_SOON
        } else {
            limits::REGISTRY_TICK
        }
    }
}

impl Registries {
    /// Whether a certificate is revoked; pending = the request waits for its responder.
    pub(super) fn find_revocation(
        &self,
        certificate: &Arc<PeerCertificate>,
        request: &HeldRequest,
    ) -> Poll<RevocationStatus> {
        let Some(access) = &self.revocations else {
            return Poll::Ready(RevocationStatus::not_asked());
        };
        let mut revocations = access.revocations.borrow_mut();
        let shared = &mut HostSharedData;
        let mut host = RevocationHost { now: now_millis(), shared, verifier: access.verifier };
        let found = revocations.find(certificate, &mut host);
        if found.is_pending() {
            revocations.wait(certificate, request.clone(), access.verifier);
            // The call is sent by the root context, so that it outlives the request.
            self.set_tick_period(limits::REGISTRY_TICK_BUSY);
        }
        found
    }

    /// Works on the CRLs for a short time each; returns whether there is more to do soon.
    pub(super) fn tick_crls(&self, elapsed: Duration, now: u64) -> bool {
        let Some(access) = &self.revocations else { return false };
        let mut is_busy = false;
        for (index, source) in access.sources.crls.iter().enumerate() {
            let start = now_nanos();
            let mut has_time = || {
                now_nanos()
                    .checked_sub(start)
                    .is_some_and(|spent| Duration::from_nanos(spent) < limits::TICK_SLICE)
            };
            let mut revocations = access.revocations.borrow_mut();
            let Some(crl) = revocations.crls().get_mut(index) else { continue };
            let shared = &mut HostSharedData;
            let turn = crl.tick(elapsed, now, shared, access.verifier, &mut has_time);
            is_busy |= turn.is_busy;
            if let Some(request) = turn.request {
                match send(&source.cluster, source.timeout, &request) {
                    Some(token) => {
                        self.await_only(token, RootCall::Crl(index));
                    }
                    None => crl.not_sent(),
                }
            }
            for event in crl.take_events() {
                self.report_crl(source, &event);
            }
        }
        is_busy
    }

    /// Counts and logs what came of the fetching of a CRL.
    fn report_crl(&self, source: &CrlSource, event: &CrlEvent) {
        self.metrics.count_crl_refresh(!matches!(event, CrlEvent::Failed { .. }));
        let level = match event {
            CrlEvent::Confirmed => return,
            CrlEvent::Replaced { .. } => Level::Info,
            CrlEvent::Failed { .. } => Level::Warn,
        };
        let CrlSource { cluster, path, .. } = source;
        log(level, &format!("tls_client_auth crl cluster=\"{cluster}\" path=\"{path}\": {event}"));
    }

    pub(super) fn on_crl_answer(&self, index: usize, sizes: AnswerSizes) {
        let Some(access) = &self.revocations else { return };
        let mut revocations = access.revocations.borrow_mut();
        if let Some(crl) = revocations.crls().get_mut(index) {
            with_answer(sizes, |answer| crl.on_answer(&answer));
            self.set_tick_period(limits::REGISTRY_TICK_BUSY);
        }
    }

    /// Sends the questions that are due. Returns those that could not be sent.
    pub(super) fn send_ocsp_calls(&self) -> Vec<FinishedLookup> {
        let Some(access) = &self.revocations else { return Vec::new() };
        let Some(source) = &access.sources.ocsp else { return Vec::new() };
        let requests = access.revocations.borrow_mut().take_requests();
        let unsent = requests.into_iter().filter_map(|(key, request)| {
            match send(&source.cluster, source.timeout, &request) {
                Some(token) => {
                    self.root_calls.borrow_mut().insert(token, RootCall::Responder(key));
                    None
                }
                None => self.on_ocsp_answer(&key, None),
            }
        });
        unsent.collect()
    }

    /// `sizes` are those of the answer; `None`: the call was not sent.
    pub(super) fn on_ocsp_answer(
        &self,
        key: &str,
        sizes: Option<AnswerSizes>,
    ) -> Option<FinishedLookup> {
        let access = self.revocations.as_ref()?;
        let mut revocations = access.revocations.borrow_mut();
        let shared = &mut HostSharedData;
        let mut host = RevocationHost { now: now_millis(), shared, verifier: access.verifier };
        let finished = match sizes {
            None => revocations.on_answer(key, None, &mut host),
            Some(sizes) => {
                with_answer(sizes, |answer| revocations.on_answer(key, Some(&answer), &mut host))
            }
        }?;
        self.metrics.count_ocsp(finished.is_ok);
        let answer = Answer::Fact(Fact::Revocation(finished.status));
        Some(FinishedLookup { answer, waiting: finished.waiting, responses: Vec::new() })
    }

    /// The certificates of all CRLs in force, and the seconds until the first of them is too old; 0
    /// = one is, or there is none.
    pub(super) fn state_of_crls(&self, now: u64) -> Option<(u64, u64)> {
        let access = self.revocations.as_ref().filter(|access| !access.sources.crls.is_empty())?;
        let mut revocations = access.revocations.borrow_mut();
        let states = revocations.crls().iter().map(|crl| crl.state());
        Some(states.fold((0, u64::MAX), |(entries, left), state| match state {
            Some((more, next_update)) => {
                let until = u64::try_from(next_update.0).unwrap_or(0);
                (entries + more, left.min(until.saturating_sub(now / 1000)))
            }
            None => (entries, 0),
        }))
    }
}
