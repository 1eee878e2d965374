//! What the requests of one filter share in one VM.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use tls_client_auth::host::{Downstream as _, UntouchedMetadata};
use tls_client_auth::{Configuration, JsonError, limits};

use super::abi::{self, Buffer};
use super::clock;
use super::downstream::CertificateCaches;
use super::held_headers_watch::HeldHeadersWatch;
use super::held_responses::HeldResponses;
use super::log::{Level, RequestLog, log};
use super::metrics::Metrics;
use super::registries::Registries;
use super::signatures::HostVerifier;

/// The configuration that `./build.sh --embed FILE` compiles into the module. It is used if the
/// plugin configuration is empty.
#[cfg(feature = "embed")]
const EMBEDDED: Option<&[u8]> = Some(include_bytes!(env!("TLS_CLIENT_AUTH_EMBED")));
#[cfg(not(feature = "embed"))]
const EMBEDDED: Option<&[u8]> = None;

/// One configuration of the filter, with everything that it accumulates.
pub(super) struct Plugin {
    pub(super) configuration: Configuration,
    pub(super) metrics: Rc<Metrics>,
    pub(super) request_log: Rc<RequestLog>,
    pub(super) certificates: CertificateCaches,
    pub(super) held_headers: RefCell<HeldHeadersWatch>,
    pub(super) registries: Registries,
    pub(super) held_responses: RefCell<HeldResponses>,
    /// Metadata that was not edited, as far as that was logged.
    pub(super) untouched_metadata: RefCell<BTreeSet<UntouchedMetadata>>,
    /// Paths of ungated forms that resemble an endpoint, as far as they were logged.
    pub(super) reported_lookalikes: RefCell<BTreeSet<String>>,
}

impl Plugin {
    /// Reads the plugin configuration, of `size` bytes, and starts the ticks that it needs.
    ///
    /// # Errors
    /// Where the configuration is wrong.
    pub(super) fn configure(size: usize) -> Result<Self, JsonError> {
        let given = abi::buffer(Buffer::Configuration, size).unwrap_or_default();
        let text = match (given.as_slice(), EMBEDDED) {
            ([], Some(embedded)) => embedded,
            (given, _) => given,
        };
        let configuration = if abi::reads_responses() {
            Configuration::parse(text)?
        } else {
            Configuration::parse_without_responses(text)?
        };
        if configuration.verifies_signatures() && !HostVerifier::is_available() {
            return Err(JsonError {
                pointer: "/trust_anchors".to_owned(),
                message: "this host has no foreign function verify_signature, by which signatures \
                          of CAs are verified: it takes Envoy 1.36 or later"
                    .to_owned(),
            });
        }
        for anchor in clock::now().iter().flat_map(|now| configuration.anchors_out_of_force(*now)) {
            let Some(subject) = anchor.subject() else { continue };
            let (from, to) = (anchor.not_before(), anchor.not_after());
            let text = format!(
                "tls_client_auth trust_anchors: {subject} is valid from {from} to {to} alone, and \
                 counts for nothing now"
            );
            log(Level::Warn, &text);
        }
        let metrics = Rc::new(Metrics::define());
        let request_log = Rc::<RequestLog>::default();
        let certificates = CertificateCaches::default();
        let verifier = certificates.connection().signature_verifier();
        let registries = Registries::new(
            &configuration,
            verifier,
            clock::now_nanos(),
            metrics.clone(),
            request_log.clone(),
        );
        if !registries.is_empty() {
            registries.start();
        } else if !abi::set_tick_period(limits::TICK.as_millis() as u32) {
            log(
                Level::Warn,
                "tls_client_auth gets no ticks: decisions are not counted, and a missing \
                 allow_on_headers_stop_iteration will not be detected",
            );
        }
        Ok(Self {
            configuration,
            metrics,
            request_log,
            certificates,
            held_headers: RefCell::default(),
            registries,
            held_responses: RefCell::default(),
            untouched_metadata: RefCell::default(),
            reported_lookalikes: RefCell::default(),
        })
    }
}
