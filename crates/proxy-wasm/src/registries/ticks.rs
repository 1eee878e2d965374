//! What a VM does for its registries without a request: it reads lists, and sends the lookups that
//! must outlive the requests that wait for them.

use std::cell::RefCell;
use std::time::Duration;

use tls_client_auth::host::{FetchedRegistry, RefreshEvent, RegistryRequest, Snapshot};
use tls_client_auth::limits;

use super::call::{AnswerSizes, send, with_answer};
use super::revocations::RevocationAccess;
use super::{Access, FinishedLookup, Registries, RegistryState, RootCall, registry_line};
use crate::abi;
use crate::clock::{now_millis, now_nanos};
use crate::log::{Level, log};
use crate::shared_data::HostSharedData;

impl Registries {
    /// The answer to a call of the root context.
    pub(crate) fn on_root_answer(&self, token: u32, sizes: AnswerSizes) -> Option<FinishedLookup> {
        let call = self.root_calls.borrow_mut().remove(&token)?;
        match call {
            RootCall::Client(index, client_id) => {
                self.on_client_answer(index, &client_id, Some(sizes))
            }
            RootCall::Token(index, token) => self.on_token_answer(index, token, Some(sizes)),
            RootCall::KeySet(uri) => self.on_key_set_answer(&uri, Some(sizes)),
            RootCall::Responder(key) => self.on_ocsp_answer(&key, Some(sizes)),
            RootCall::Crl(index) => {
                self.on_crl_answer(index, sizes);
                None
            }
            RootCall::List(index) => {
                if let RegistryState { access: Access::Snapshot(access), .. } =
                    self.registries.get(index)?
                {
                    with_answer(sizes, |answer| access.snapshot.borrow_mut().on_answer(answer));
                    self.set_tick_period(limits::REGISTRY_TICK_BUSY);
                }
                None
            }
        }
    }

    /// Does what is due in every registry. Returns the time since the last tick, and the lookups
    /// that this tick finished.
    pub(crate) fn on_tick(&self) -> (Duration, Vec<FinishedLookup>) {
        let now = now_millis();
        let elapsed = self.stopwatch.borrow_mut().elapsed(now, self.period_since_tick.get());
        let mut period = self.idle_period();
        let mut finished = self.send_key_set_calls();
        finished.extend(self.send_ocsp_calls());
        if self.tick_crls(elapsed, now) {
            period = limits::REGISTRY_TICK_BUSY;
        }
        finished.extend(self.send_introspections());
        for (index, RegistryState { registry, access }) in self.registries.iter().enumerate() {
            match access {
                Access::Snapshot(access) => {
                    if self.tick_snapshot(index, registry, &access.snapshot, elapsed, now) {
                        period = limits::REGISTRY_TICK_BUSY;
                    }
                    if let Some(on_miss) = &access.on_miss {
                        let requests = on_miss.borrow_mut().take_requests();
                        finished.extend(self.send_lookups(index, registry, requests));
                    }
                }
                Access::Lookup(lookup) => {
                    let orphans = lookup.borrow_mut().take_orphans();
                    finished.extend(self.send_lookups(index, registry, orphans));
                }
            }
        }
        self.record_metrics();
        self.set_tick_period(period);
        self.period_since_tick.set(period);
        (elapsed, finished)
    }

    /// Works on a list for a short time; returns whether there is more to do soon.
    fn tick_snapshot(
        &self,
        index: usize,
        registry: &FetchedRegistry,
        snapshot: &RefCell<Snapshot>,
        elapsed: Duration,
        now: u64,
    ) -> bool {
        let start = now_nanos();
        let mut has_time = || {
            now_nanos()
                .checked_sub(start)
                .is_some_and(|spent| Duration::from_nanos(spent) < limits::TICK_SLICE)
        };
        let turn = snapshot.borrow_mut().tick(elapsed, now, &mut HostSharedData, &mut has_time);
        if let Some(request) = turn.request {
            match send(&registry.cluster, registry.timeout, &request) {
                Some(token) => {
                    self.await_only(token, RootCall::List(index));
                }
                None => snapshot.borrow_mut().not_sent(),
            }
        }
        let reports = snapshot.borrow_mut().take_events();
        for report in reports {
            self.report(registry, &report);
        }
        turn.is_busy
    }

    /// Sends lookups by the root context, whose answers come also when the requests that wait have
    /// ended. Returns those that could not be sent.
    fn send_lookups(
        &self,
        index: usize,
        registry: &FetchedRegistry,
        requests: Vec<(Box<str>, RegistryRequest)>,
    ) -> Vec<FinishedLookup> {
        let unsent = requests.into_iter().filter_map(|(client_id, request)| {
            match send(&registry.cluster, registry.timeout, &request) {
                Some(token) => {
                    let call = RootCall::Client(index, client_id);
                    self.root_calls.borrow_mut().insert(token, call);
                    None
                }
                None => self.on_client_answer(index, &client_id, None),
            }
        });
        unsent.collect()
    }

    /// The tick period while no list is being read.
    fn idle_period(&self) -> Duration {
        let periods =
            self.registries.iter().map(|RegistryState { registry, access }| match access {
                Access::Snapshot(access) if access.snapshot.borrow().state().is_none() => {
                    limits::REGISTRY_TICK_SOON
                }
                Access::Snapshot(_) => {
                    (registry.period() / 4).clamp(limits::REGISTRY_TICK_SOON, limits::REGISTRY_TICK)
                }
                Access::Lookup(_) => limits::REGISTRY_TICK_SOON,
            });
        let of_crls = self.revocations.as_ref().map(RevocationAccess::idle_period);
        periods.chain(of_crls).min().unwrap_or(limits::REGISTRY_TICK)
    }

    pub(super) fn set_tick_period(&self, period: Duration) {
        if self.tick_period.replace(period) != period
            && !abi::set_tick_period(u32::try_from(period.as_millis()).unwrap_or(u32::MAX))
        {
            log(Level::Error, "tls_client_auth gets no ticks: registries are not refreshed");
        }
    }

    /// Records the number of clients and the age of the oldest list. Only ticks do: the VM that
    /// tries a configuration has none, and shares its gauges with the VMs that serve.
    pub(crate) fn record_metrics(&self) {
        let states = self.snapshots().filter_map(|snapshot| snapshot.borrow().state());
        let (clients, age) = states
            .fold((self.embedded_clients, Duration::ZERO), |(clients, oldest), (more, age)| {
                (clients + more, oldest.max(age))
            });
        self.metrics.record_registry(clients, age.as_secs());
        if let Some((entries, left)) = self.state_of_crls(now_millis()) {
            self.metrics.record_crls(entries, left);
        }
    }

    /// Counts and logs what came of the fetching of a list.
    fn report(&self, registry: &FetchedRegistry, report: &RefreshEvent) {
        let level = match report {
            RefreshEvent::Confirmed => {
                self.metrics.count_refresh(true);
                return;
            }
            RefreshEvent::Switched { .. } => {
                self.metrics.count_refresh(true);
                Level::Info
            }
            RefreshEvent::Failed { .. } => {
                self.metrics.count_refresh(false);
                Level::Warn
            }
            RefreshEvent::Refused { .. } | RefreshEvent::LeftOut { .. } => Level::Warn,
            RefreshEvent::Changed(_) => Level::Info,
        };
        log(level, &registry_line(registry, &report.to_string()));
    }
}
