//! Counters and gauges (contract §8); Envoy shows them under `wasmcustom.`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use tls_client_auth::Code;

/// Identifiers of defined metrics; `None` = the host would not define it, and then it is not
/// counted.
pub(super) struct Metrics {
    /// By [`Code`].
    decisions: Vec<Option<u32>>,
    /// The same by tenant. Defined when first counted: most of some hundred tenants' codes never
    /// occur.
    by_tenant: RefCell<ByTenant>,
    registry_clients: Option<u32>,
    registry_age_seconds: Option<u32>,
    registry_refresh_ok: Option<u32>,
    registry_refresh_failed: Option<u32>,
    ungated_lookalike: Option<u32>,
    /// The gauges as they were recorded last.
    registry: Cell<Option<(u64, u64)>>,
}

type ByTenant = HashMap<(Arc<str>, Code), Option<u32>>;

impl Metrics {
    /// Defines all metrics, so that each is there at zero before it is first counted.
    pub(super) fn define() -> Self {
        let define = |kind, name: &str| {
            hostcalls::define_metric(kind, &format!("tls_client_auth.{name}")).ok()
        };
        Self {
            decisions: Code::ALL
                .iter()
                .map(|code| define(MetricType::Counter, code.as_str()))
                .collect(),
            by_tenant: RefCell::default(),
            registry_clients: define(MetricType::Gauge, "registry_clients"),
            registry_age_seconds: define(MetricType::Gauge, "registry_age_seconds"),
            registry_refresh_ok: define(MetricType::Counter, "registry_refresh_ok"),
            registry_refresh_failed: define(MetricType::Counter, "registry_refresh_failed"),
            ungated_lookalike: define(MetricType::Counter, "ungated_lookalike"),
            registry: Cell::default(),
        }
    }

    /// One decision more, under the policy of `tenant`.
    pub(super) fn count(&self, code: Code, tenant: Option<&Arc<str>>) {
        if let Some(Some(id)) = self.decisions.get(code as usize) {
            let _ = hostcalls::increment_metric(*id, 1);
        }
        if let Some(tenant) = tenant {
            let mut by_tenant = self.by_tenant.borrow_mut();
            let id = by_tenant.entry((tenant.clone(), code)).or_insert_with(|| {
                let name = format!("tls_client_auth_tenant.{tenant}.{code}");
                hostcalls::define_metric(MetricType::Counter, &name).ok()
            });
            if let Some(id) = id {
                let _ = hostcalls::increment_metric(*id, 1);
            }
        }
    }

    /// One form more that passed the gate although its path ends like that of an endpoint.
    pub(super) fn lookalike(&self) {
        if let Some(id) = self.ungated_lookalike {
            let _ = hostcalls::increment_metric(id, 1);
        }
    }

    /// One answer of a fetched registry more.
    pub(super) fn refreshed(&self, is_ok: bool) {
        if let Some(id) =
            if is_ok { self.registry_refresh_ok } else { self.registry_refresh_failed }
        {
            let _ = hostcalls::increment_metric(id, 1);
        }
    }

    /// So many clients, the oldest of their lists confirmed so many seconds ago.
    pub(super) fn registry(&self, clients: u64, age: u64) {
        if self.registry.replace(Some((clients, age))) == Some((clients, age)) {
            return;
        }
        for (id, value) in [(self.registry_clients, clients), (self.registry_age_seconds, age)] {
            if let Some(id) = id {
                let _ = hostcalls::record_metric(id, value);
            }
        }
    }
}
