//! Counters and gauges (contract §8). Envoy exports them under `wasmcustom.`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;
use tls_client_auth::Code;

/// The identifiers of the metrics. `None`: Envoy did not define the metric, and it is not counted.
pub(super) struct Metrics {
    /// Decisions, in the order of [`Code::ALL`].
    decisions: Vec<Option<u32>>,
    /// Decisions by tenant, each defined when it is first counted: with hundreds of tenants, most
    /// combinations never occur.
    tenant_decisions: RefCell<TenantDecisions>,
    registry_clients: Option<u32>,
    registry_age_seconds: Option<u32>,
    registry_refresh_ok: Option<u32>,
    registry_refresh_failed: Option<u32>,
    ungated_lookalike: Option<u32>,
    /// The values of the two gauges that were recorded last.
    recorded: Cell<Option<(u64, u64)>>,
}

type TenantDecisions = HashMap<(Arc<str>, Code), Option<u32>>;

impl Metrics {
    /// Defines all metrics, so that each is exported as zero before it is first counted.
    pub(super) fn define() -> Self {
        let define = |kind, name: &str| {
            hostcalls::define_metric(kind, &format!("tls_client_auth.{name}")).ok()
        };
        Self {
            decisions: Code::ALL
                .iter()
                .map(|code| define(MetricType::Counter, code.as_str()))
                .collect(),
            tenant_decisions: RefCell::default(),
            registry_clients: define(MetricType::Gauge, "registry_clients"),
            registry_age_seconds: define(MetricType::Gauge, "registry_age_seconds"),
            registry_refresh_ok: define(MetricType::Counter, "registry_refresh_ok"),
            registry_refresh_failed: define(MetricType::Counter, "registry_refresh_failed"),
            ungated_lookalike: define(MetricType::Counter, "ungated_lookalike"),
            recorded: Cell::default(),
        }
    }

    /// Counts a decision, also under its tenant.
    pub(super) fn count_decision(&self, code: Code, tenant: Option<&Arc<str>>) {
        if let Some(Some(id)) = self.decisions.get(code as usize) {
            let _ = hostcalls::increment_metric(*id, 1);
        }
        if let Some(tenant) = tenant {
            let mut tenant_decisions = self.tenant_decisions.borrow_mut();
            let id = tenant_decisions.entry((tenant.clone(), code)).or_insert_with(|| {
                let name = format!("tls_client_auth_tenant.{tenant}.{code}");
                hostcalls::define_metric(MetricType::Counter, &name).ok()
            });
            if let Some(id) = id {
                let _ = hostcalls::increment_metric(*id, 1);
            }
        }
    }

    /// Counts a form that passed ungated although its path ends like that of an endpoint.
    pub(super) fn count_lookalike(&self) {
        if let Some(id) = self.ungated_lookalike {
            let _ = hostcalls::increment_metric(id, 1);
        }
    }

    /// Counts an answer of a fetched registry, or an attempt that got none.
    pub(super) fn count_refresh(&self, is_ok: bool) {
        if let Some(id) =
            if is_ok { self.registry_refresh_ok } else { self.registry_refresh_failed }
        {
            let _ = hostcalls::increment_metric(id, 1);
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
                let _ = hostcalls::record_metric(id, value);
            }
        }
    }
}
