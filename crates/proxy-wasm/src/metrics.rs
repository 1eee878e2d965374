//! Counters and gauges (contract §8). Envoy exports them under `wasmcustom.`.
//!
//! Decisions are counted here and handed over at each tick, because a call of the host for each of
//! them would cost more than the counting. What is left at the end of a VM is handed over then.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use tls_client_auth::Code;

use super::abi::{self, MetricKind};

/// The metrics. A metric that Envoy does not define counts nothing.
pub(super) struct Metrics {
    /// Decisions, in the order of [`Code::ALL`].
    decisions: Vec<Counter>,
    /// The places of those that have something to hand over, as bits.
    counted_decisions: Cell<u64>,
    /// Decisions by tenant, each defined when it is first counted: with hundreds of tenants, most
    /// combinations never occur.
    tenant_decisions: RefCell<HashMap<(Arc<str>, Code), Counter>>,
    ungated_lookalike: Counter,
    registry_clients: Option<u32>,
    registry_age_seconds: Option<u32>,
    registry_refresh_ok: Counter,
    registry_refresh_failed: Counter,
    crl_entries: Option<u32>,
    crl_seconds_left: Option<u32>,
    crl_refresh_ok: Counter,
    crl_refresh_failed: Counter,
    ocsp_ok: Counter,
    ocsp_failed: Counter,
    /// The values of the two gauges that were recorded last.
    recorded: Cell<Option<(u64, u64)>>,
    /// Those of the two gauges of CRLs.
    recorded_crls: Cell<Option<(u64, u64)>>,
}

const _: () = assert!(Code::ALL.len() <= 64, "counted_decisions has a bit for each");

/// A counter of Envoy, and what was counted since it was handed over last.
struct Counter {
    id: Option<u32>,
    counted: Cell<u32>,
}

impl Counter {
    fn define(name: &str) -> Self {
        Self { id: abi::define_metric(MetricKind::Counter, name), counted: Cell::new(0) }
    }

    fn count(&self) {
        self.counted.set(self.counted.get().saturating_add(1));
    }

    fn hand_over(&self) {
        let counted = self.counted.take();
        if let Some(id) = self.id
            && counted > 0
        {
            abi::increment_metric(id, counted);
        }
    }
}

impl Metrics {
    /// Defines all metrics, so that each is exported as zero before it is first counted.
    pub(super) fn define() -> Self {
        let name = |name: &str| format!("tls_client_auth.{name}");
        let counter = |of: &str| Counter::define(&name(of));
        let gauge = |of: &str| abi::define_metric(MetricKind::Gauge, &name(of));
        Self {
            decisions: Code::ALL.iter().map(|code| counter(code.as_str())).collect(),
            counted_decisions: Cell::default(),
            tenant_decisions: RefCell::default(),
            ungated_lookalike: counter("ungated_lookalike"),
            registry_clients: gauge("registry_clients"),
            registry_age_seconds: gauge("registry_age_seconds"),
            registry_refresh_ok: counter("registry_refresh_ok"),
            registry_refresh_failed: counter("registry_refresh_failed"),
            crl_entries: gauge("crl_entries"),
            crl_seconds_left: gauge("crl_seconds_left"),
            crl_refresh_ok: counter("crl_refresh_ok"),
            crl_refresh_failed: counter("crl_refresh_failed"),
            ocsp_ok: counter("ocsp_ok"),
            ocsp_failed: counter("ocsp_failed"),
            recorded: Cell::default(),
            recorded_crls: Cell::default(),
        }
    }

    /// Counts a decision, also under its tenant.
    pub(super) fn count_decision(&self, code: Code, tenant: Option<&Arc<str>>) {
        if let Some(counter) = self.decisions.get(code as usize) {
            counter.count();
            self.counted_decisions.set(self.counted_decisions.get() | 1 << code as u64);
        }
        if let Some(tenant) = tenant {
            let mut tenant_decisions = self.tenant_decisions.borrow_mut();
            let counter = tenant_decisions.entry((tenant.clone(), code)).or_insert_with(|| {
                Counter::define(&format!("tls_client_auth_tenant.{tenant}.{code}"))
            });
            counter.count();
        }
    }

    /// Counts a form that passed ungated although its path ends like that of an endpoint.
    pub(super) fn count_lookalike(&self) {
        self.ungated_lookalike.count();
    }

    /// Counts an answer of a fetched registry, or an attempt that got none.
    pub(super) fn count_refresh(&self, is_ok: bool) {
        if is_ok { &self.registry_refresh_ok } else { &self.registry_refresh_failed }.count();
    }

    /// Counts an attempt to fetch a CRL.
    pub(super) fn count_crl_refresh(&self, is_ok: bool) {
        if is_ok { &self.crl_refresh_ok } else { &self.crl_refresh_failed }.count();
    }

    /// Counts a question to a responder, by whether it got a usable answer.
    pub(super) fn count_ocsp(&self, is_ok: bool) {
        if is_ok { &self.ocsp_ok } else { &self.ocsp_failed }.count();
    }

    /// Hands everything over that was counted since the last time.
    pub(super) fn hand_over(&self) {
        // Between two ticks few codes occur.
        let mut counted = self.counted_decisions.take();
        while counted != 0 {
            if let Some(counter) = self.decisions.get(counted.trailing_zeros() as usize) {
                counter.hand_over();
            }
            counted &= counted - 1;
        }
        self.tenant_decisions.borrow().values().for_each(Counter::hand_over);
        self.ungated_lookalike.hand_over();
        self.registry_refresh_ok.hand_over();
        self.registry_refresh_failed.hand_over();
        self.crl_refresh_ok.hand_over();
        self.crl_refresh_failed.hand_over();
        self.ocsp_ok.hand_over();
        self.ocsp_failed.hand_over();
    }

    /// Records the number of revoked certificates, and the seconds until the first CRL is too old.
    pub(super) fn record_crls(&self, entries: u64, left: u64) {
        if self.recorded_crls.replace(Some((entries, left))) == Some((entries, left)) {
            return;
        }
        for (id, value) in [(self.crl_entries, entries), (self.crl_seconds_left, left)] {
            if let Some(id) = id {
                abi::record_metric(id, value);
            }
        }
    }

    /// Records the number of clients, and how many seconds ago the oldest of their lists was
    /// confirmed.
    pub(super) fn record_registry(&self, clients: u64, age: u64) {
        if self.recorded.replace(Some((clients, age))) == Some((clients, age)) {
            return;
        }
        for (id, value) in [(self.registry_clients, clients), (self.registry_age_seconds, age)] {
            if let Some(id) = id {
                abi::record_metric(id, value);
            }
        }
    }
}

/// At the end of the VM, and of a configuration that another one replaced.
impl Drop for Metrics {
    fn drop(&mut self) {
        self.hand_over();
    }
}
