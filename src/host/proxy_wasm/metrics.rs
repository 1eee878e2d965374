//! Counters and gauges (SPEC §8); Envoy shows them under `wasmcustom.`.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::error::Code;

/// Identifiers of defined metrics; `None` = the host would not define it, and then it is not counted.
pub(super) struct Metrics {
    /// By [`Code`].
    decisions: Vec<Option<u32>>,
    registry_clients: Option<u32>,
    registry_age_seconds: Option<u32>,
}

impl Metrics {
    /// Defines all metrics, so that each is there at zero before it is first counted.
    pub(super) fn define() -> Self {
        let define = |kind, name: &str| hostcalls::define_metric(kind, &format!("tls_client_auth.{name}")).ok();
        Self {
            decisions: Code::ALL.iter().map(|code| define(MetricType::Counter, code.as_str())).collect(),
            registry_clients: define(MetricType::Gauge, "registry_clients"),
            registry_age_seconds: define(MetricType::Gauge, "registry_age_seconds"),
        }
    }

    /// One decision more.
    pub(super) fn count(&self, code: Code) {
        if let Some(Some(id)) = self.decisions.get(code as usize) {
            let _ = hostcalls::increment_metric(*id, 1);
        }
    }

    /// An embedded registry: so many clients, never out of date.
    pub(super) fn registry(&self, clients: usize) {
        for (id, value) in [(self.registry_clients, clients as u64), (self.registry_age_seconds, 0)] {
            if let Some(id) = id {
                let _ = hostcalls::record_metric(id, value);
            }
        }
    }
}
