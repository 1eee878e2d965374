//! Envoy and Istio, by the proxy-wasm ABI.
//!
//! Only `hostcalls` is used, never the traits' shorthands: those unwrap, and a panic here takes a
//! worker's VM down. Where a host may refuse, in [`headers`], not even that is used: it panics on a
//! status.
//!
//! On other targets than wasm32 this crate is empty: there are no host functions to link.

#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, reason = "what the SDK's macro exports is the ABI's")]
// No panic is reachable from a request, and none from a configuration.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::todo,
    clippy::unimplemented,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::dbg_macro
)]
mod downstream;
mod headers;
mod held_headers_watch;
mod metrics;
mod outcome;
mod registries;
mod request;
mod shared_data;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};
use tls_client_auth::host::{CertificateMemory, LineBudget};
use tls_client_auth::limits;
use tls_client_auth::{Configuration, JsonError};

use self::held_headers_watch::HeldHeadersWatch;
use self::metrics::Metrics;
use self::registries::Registries;
use self::request::RequestContext;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { plugin: None }));
}}

/// The configuration compiled into this module by `./build.sh --embed FILE`, used where the plugin
/// configuration is empty.
#[cfg(feature = "embed")]
const EMBEDDED: Option<&[u8]> = Some(include_bytes!(env!("TLS_CLIENT_AUTH_EMBED")));
#[cfg(not(feature = "embed"))]
const EMBEDDED: Option<&[u8]> = None;

/// What the requests of one filter share in one VM.
struct Plugin {
    configuration: Configuration,
    metrics: Metrics,
    /// By the host's digest.
    certificates: RefCell<CertificateMemory>,
    /// By the header that carried them.
    forwarded_certificates: RefCell<CertificateMemory>,
    lines: RefCell<LineBudget>,
    held_headers: RefCell<HeldHeadersWatch>,
    registries: Registries,
    /// Paths of forms that were not gated although they end like an endpoint, as far as a line in
    /// the log said so.
    lookalikes: RefCell<BTreeSet<String>>,
}

struct Root {
    plugin: Option<Rc<Plugin>>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_size: usize, _: usize) {
        if let Some(plugin) = &self.plugin {
            plugin.registries.on_root_answer(plugin, token, headers, body_size);
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.registries.release();
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match configure(size) {
            Ok(plugin) => {
                self.plugin = Some(Rc::new(plugin));
                true
            }
            Err(error) => {
                log(LogLevel::Error, &format!("tls_client_auth configuration refused: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(plugin) = &self.plugin else { return };
        if plugin.registries.is_empty() {
            if !held_headers_watch::on_tick(plugin, limits::HELD_HEADERS_TICK) {
                // Nothing is left to watch for; without a period there are no more ticks.
                let _ = hostcalls::set_tick_period(Duration::ZERO);
            }
        } else {
            let elapsed = plugin.registries.on_tick(plugin);
            held_headers_watch::on_tick(plugin, elapsed);
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(RequestContext::new(context_id, self.plugin.clone())))
    }
}

fn configure(size: usize) -> Result<Plugin, JsonError> {
    let given = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size)
        .ok()
        .flatten()
        .unwrap_or_default();
    let configuration = match (given.as_slice(), EMBEDDED) {
        ([], Some(embedded)) => Configuration::parse(embedded)?,
        (given, _) => Configuration::parse(given)?,
    };
    let metrics = Metrics::define();
    metrics.registry(configuration.number_of_clients() as u64, 0);
    let registries = Registries::new(configuration.fetched_registries(), downstream::now_nanos());
    if !registries.is_empty() {
        registries.start();
    } else if hostcalls::set_tick_period(limits::HELD_HEADERS_TICK).is_err() {
        log(
            LogLevel::Warn,
            "tls_client_auth gets no ticks: a missing allow_on_headers_stop_iteration will not be \
             detected",
        );
    }
    Ok(Plugin {
        configuration,
        metrics,
        certificates: RefCell::default(),
        forwarded_certificates: RefCell::default(),
        lines: RefCell::default(),
        held_headers: RefCell::default(),
        registries,
        lookalikes: RefCell::default(),
    })
}

fn log(level: LogLevel, message: &str) {
    // Nobody is left to tell when even the log fails.
    let _ = hostcalls::log(level, message);
}
