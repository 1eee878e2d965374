//! The fetched registries of one filter in one VM: HTTP calls, their answers, ticks.
//!
//! What a list or a lookup makes of an answer is decided in the core (`Snapshot`, `Lookup`). This
//! module sends the calls, passes the answers on and reports what comes of them. It does not know
//! the requests that wait: it returns them to its caller together with their answer.

mod call;
mod introspections;
mod key_sets;
mod lookups;
mod revocations;
mod ticks;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tls_client_auth::host::{
    Fact, FetchMode, FetchedRegistry, Lookup, OnMiss, Question, RegistryFault, SignatureVerifier,
    Snapshot, Stopwatch, TokenKey,
};
use tls_client_auth::{Configuration, limits};

pub(super) use self::call::AnswerSizes;
use self::introspections::IntrospectionAccess;
use self::key_sets::KeySetAccess;
pub(super) use self::lookups::{Answer, FinishedLookup, PendingLookup};
use self::revocations::RevocationAccess;
use super::held_request::{HeldRequest, HeldResponse, Waiting};
use super::log::RequestLog;
use super::metrics::Metrics;
use super::shared_data::HostSharedData;

/// All fetched registries of a filter.
pub(super) struct Registries {
    registries: Vec<RegistryState>,
    /// The key sets that clients publish themselves, if the configuration fetches them.
    key_sets: Option<KeySetAccess>,
    /// CRLs and responders, if the configuration has any.
    revocations: Option<RevocationAccess>,
    /// The authorization servers that are asked about tokens.
    introspections: Vec<IntrospectionAccess>,
    /// The clients of the configuration itself, which the same gauge counts.
    embedded_clients: u64,
    metrics: Rc<Metrics>,
    request_log: Rc<RequestLog>,
    stopwatch: RefCell<Stopwatch>,
    /// The tick period in force.
    tick_period: Cell<Duration>,
    /// The one that was in force after the last tick. A shorter one, for a call that must be sent
    /// soon, does not make the time since then shorter.
    period_since_tick: Cell<Duration>,
    /// Calls of the root context that are not answered yet, by token.
    root_calls: RefCell<HashMap<u32, RootCall>>,
}

/// A registry, and what this VM holds of it.
struct RegistryState {
    registry: Arc<FetchedRegistry>,
    access: Access,
}

/// How the clients of a registry are read.
enum Access {
    /// As a whole list.
    Snapshot(Box<SnapshotAccess>),
    /// One client at a time.
    Lookup(RefCell<Lookup<HeldRequest>>),
}

/// A whole list, and the clients that it lacks.
struct SnapshotAccess {
    snapshot: RefCell<Snapshot>,
    on_miss: Option<RefCell<OnMiss<HeldRequest>>>,
}

/// What a call of the root context asks for. The number is an index of [`Registries::registries`].
#[derive(PartialEq)]
enum RootCall {
    List(usize),
    Client(usize, Box<str>),
    /// The key set at this URI.
    KeySet(Box<str>),
    /// The CRL at this index of the configuration.
    Crl(usize),
    /// The responder's answer to the question with this key.
    Responder(Box<str>),
    /// What an authorization server says about the token with this key. The number is an index of
    /// [`Registries::introspections`].
    Token(usize, TokenKey),
}

impl Registries {
    /// Those of `configuration`. `random` is a number that is hard to predict.
    pub(super) fn new(
        configuration: &Configuration,
        verifier: &'static dyn SignatureVerifier,
        random: u64,
        metrics: Rc<Metrics>,
        request_log: Rc<RequestLog>,
    ) -> Self {
        let registries = configuration.fetched_registries();
        let registries = registries.into_iter().map(|(registry, passes_unregistered)| {
            let access = match registry.mode {
                FetchMode::Snapshot { .. } => Access::Snapshot(Box::new(SnapshotAccess {
                    snapshot: RefCell::new(Snapshot::new(
                        registry.clone(),
                        passes_unregistered,
                        random,
                    )),
                    on_miss: registry
                        .on_miss
                        .as_ref()
                        .map(|on_miss| RefCell::new(OnMiss::new(on_miss.clone()))),
                })),
                FetchMode::Lookup { .. } => {
                    Access::Lookup(RefCell::new(Lookup::new(registry.clone())))
                }
            };
            RegistryState { registry, access }
        });
        Self {
            registries: registries.collect(),
            key_sets: configuration.key_sets().map(KeySetAccess::new),
            revocations: configuration
                .revocation()
                .map(|sources| RevocationAccess::new(sources, verifier, random)),
            introspections: configuration
                .introspection()
                .into_iter()
                .map(IntrospectionAccess::new)
                .collect(),
            embedded_clients: configuration.number_of_clients() as u64,
            metrics,
            request_log,
            stopwatch: RefCell::default(),
            tick_period: Cell::new(Duration::ZERO),
            period_since_tick: Cell::new(limits::REGISTRY_TICK_SOON),
            root_calls: RefCell::default(),
        }
    }

    /// From now on only the answer to this call counts. An earlier call for the same may still be
    /// answered, if the lease was lost in the meantime and taken back: that answer is to another
    /// question, such as a later page.
    fn await_only(&self, token: u32, call: RootCall) {
        let mut calls = self.root_calls.borrow_mut();
        calls.retain(|_, earlier| *earlier != call);
        calls.insert(token, call);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.registries.is_empty()
            && self.key_sets.is_none()
            && self.revocations.is_none()
            && self.introspections.is_empty()
    }

    /// Starts the ticks.
    pub(super) fn start(&self) {
        self.set_tick_period(limits::REGISTRY_TICK_SOON);
    }

    /// Leaves the fetching to other VMs.
    pub(super) fn release(&self) {
        for snapshot in self.snapshots() {
            snapshot.borrow_mut().release(&mut HostSharedData);
        }
        if let Some(access) = &self.revocations {
            access.release();
        }
    }

    /// The answer to `question`; pending = the request waits for it. A request that ends meanwhile
    /// is left out when the answer comes.
    pub(super) fn find_out(&self, question: &Question, request: &HeldRequest) -> Poll<Fact> {
        match question {
            Question::KeySet { uri, certificate } => {
                self.find_key_set(uri, certificate, request).map(Fact::KeySet)
            }
            Question::Revocation { certificate, .. } => {
                self.find_revocation(certificate, request).map(Fact::Revocation)
            }
            Question::Token { source, token } => {
                let waiting = Waiting::Request(request.clone());
                self.find_token(source, token, waiting).map(Fact::Token)
            }
        }
    }

    /// The answer to a question about the access token in a response; pending = the response waits
    /// for it.
    pub(super) fn find_out_issued(
        &self,
        question: &Question,
        response: HeldResponse,
    ) -> Poll<Fact> {
        match question {
            Question::Token { source, token } => {
                self.find_token(source, token, Waiting::Response(response)).map(Fact::Token)
            }
            // No response asks anything else.
            Question::KeySet { .. } | Question::Revocation { .. } => {
                Poll::Ready(Fact::Token(Err(RegistryFault::NotIntrospected)))
            }
        }
    }

    fn snapshots(&self) -> impl Iterator<Item = &RefCell<Snapshot>> {
        self.registries.iter().filter_map(|state| match &state.access {
            Access::Snapshot(access) => Some(&access.snapshot),
            Access::Lookup(_) => None,
        })
    }

    fn position(&self, registry: &Arc<FetchedRegistry>) -> Option<(usize, &Access)> {
        let mut same =
            self.registries.iter().enumerate().filter(|(_, state)| state.registry == *registry);
        same.next().map(|(index, state)| (index, &state.access))
    }
}

fn registry_line(registry: &FetchedRegistry, text: &str) -> String {
    format!(
        "tls_client_auth registry cluster=\"{}\" path=\"{}\": {text}",
        registry.cluster, registry.path
    )
}
