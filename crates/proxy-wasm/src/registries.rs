//! Fetched registries: ticks, requests and answers between Envoy and `client`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tls_client_auth::limits;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType};
use tls_client_auth::host::{
    Exchange, FetchMode, FetchedRegistry, Lookup, RefreshEvent, Registration, RegistryAnswer,
    RegistryFault, RegistryRequest, Snapshot, Step, Stopwatch,
};

use super::downstream::{DownstreamConnection, now_nanos};
use super::outcome::{carry_out, log_bounded};
use super::shared_data::HostSharedData;
use super::{Plugin, log};

/// The fetched registries of one filter in one VM.
pub(super) struct Registries {
    known: Vec<Known>,
    ticks: RefCell<Stopwatch>,
    /// The tick period in force.
    period: Cell<Duration>,
    /// Requests of the root context that are under way.
    calls: RefCell<HashMap<u32, RegistryCall>>,
}

struct Known {
    registry: Arc<FetchedRegistry>,
    part: Part,
}

/// This VM's part in a registry.
enum Part {
    Snapshot(Box<RefCell<Snapshot>>),
    Lookup(RefCell<Lookup<Waiting>>),
}

/// A held request that waits for a registration.
pub(super) struct Waiting {
    pub(super) context_id: u32,
    pub(super) exchange: Rc<RefCell<Exchange>>,
}

/// What a request of the root context is for.
enum RegistryCall {
    List(usize),
    Client(usize, Box<str>),
}

/// A request that waits: for which registry, for which client, and whether the answer comes to its
/// context.
pub(super) struct Pending {
    registry: usize,
    client_id: Box<str>,
    has_asked: bool,
}

impl Registries {
    /// Each with whether clients may pass that it lacks. `random` = a number that others can hardly
    /// foresee.
    pub(super) fn new(registries: Vec<(Arc<FetchedRegistry>, bool)>, random: u64) -> Self {
        let known = registries.into_iter().map(|(registry, passes_unregistered)| {
            let snapshot = || {
                Box::new(RefCell::new(Snapshot::new(registry.clone(), passes_unregistered, random)))
            };
            let part = match registry.mode {
                FetchMode::Snapshot { .. } => Part::Snapshot(snapshot()),
                FetchMode::Lookup { .. } => {
                    Part::Lookup(RefCell::new(Lookup::new(registry.clone())))
                }
            };
            Known { registry, part }
        });
        Self {
            known: known.collect(),
            ticks: RefCell::default(),
            period: Cell::new(Duration::ZERO),
            calls: RefCell::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What is known of a client without asking.
    pub(super) fn find(
        &self,
        registry: &Arc<FetchedRegistry>,
        client_id: &str,
    ) -> Poll<Result<Registration, RegistryFault>> {
        match self.part(registry).map(|(_, part)| part) {
            Some(Part::Snapshot(snapshot)) => {
                Poll::Ready(snapshot.borrow_mut().find(client_id, &now_millis, &mut HostSharedData))
            }
            Some(Part::Lookup(lookup)) => lookup.borrow_mut().find(client_id, now_millis()).map(Ok),
            None => Poll::Ready(Err(RegistryFault::NoList)),
        }
    }

    fn part(&self, registry: &Arc<FetchedRegistry>) -> Option<(usize, &Part)> {
        let mut same =
            self.known.iter().enumerate().filter(|(_, known)| known.registry == *registry);
        same.next().map(|(index, known)| (index, &known.part))
    }

    /// A request waits for a lookup; the first one for a client sends it.
    ///
    /// # Errors
    /// The fault, where nothing was sent.
    pub(super) fn look_up(
        &self,
        plugin: &Plugin,
        registry: &Arc<FetchedRegistry>,
        client_id: &str,
        waiting: Waiting,
    ) -> Result<Pending, Result<Registration, RegistryFault>> {
        let Some((index, Part::Lookup(lookup))) = self.part(registry) else {
            return Err(Err(RegistryFault::NoList));
        };
        let request = lookup.borrow_mut().wait(client_id, waiting);
        let has_asked = match request {
            None => false,
            Some(request) if send(registry, &request).is_some() => true,
            Some(_) => return Err(settle(plugin, registry, lookup, client_id, None).0),
        };
        Ok(Pending { registry: index, client_id: client_id.into(), has_asked })
    }

    /// The answer to a request that [`Registries::look_up`] sent.
    pub(super) fn on_answer(
        &self,
        plugin: &Plugin,
        pending: &Pending,
        headers: usize,
        body_size: usize,
    ) {
        self.on_client(plugin, pending.registry, &pending.client_id, Some((headers, body_size)));
    }

    /// A request is over that waited.
    pub(super) fn leave(&self, context_id: u32, pending: &Pending) {
        if let Some(Known { part: Part::Lookup(lookup), .. }) = self.known.get(pending.registry) {
            let is_gone = |waiting: &Waiting| waiting.context_id == context_id;
            lookup.borrow_mut().leave(&pending.client_id, pending.has_asked, is_gone);
        }
    }

    /// The answer to a request of the root context.
    pub(super) fn on_root_answer(
        &self,
        plugin: &Plugin,
        token: u32,
        headers: usize,
        body_size: usize,
    ) {
        let call = self.calls.borrow_mut().remove(&token);
        match call {
            Some(RegistryCall::Client(index, client_id)) => {
                self.on_client(plugin, index, &client_id, Some((headers, body_size)))
            }
            Some(RegistryCall::List(index)) => {
                if let Some(Known { part: Part::Snapshot(snapshot), .. }) = self.known.get(index) {
                    with_answer(headers, body_size, |answer| {
                        snapshot.borrow_mut().on_answer(answer)
                    });
                    self.set_period(limits::REGISTRY_TICK_BUSY);
                }
            }
            None => {}
        }
    }

    /// Tells everybody who waits for a client what the registry said.
    fn on_client(
        &self,
        plugin: &Plugin,
        index: usize,
        client_id: &str,
        answer: Option<(usize, usize)>,
    ) {
        let Some(Known { registry, part: Part::Lookup(lookup) }) = self.known.get(index) else {
            return;
        };
        let (result, waiting) = settle(plugin, registry, lookup, client_id, answer);
        for waiting in waiting {
            if hostcalls::set_effective_context(waiting.context_id).is_err() {
                continue;
            }
            let step = waiting
                .exchange
                .borrow_mut()
                .on_registration(result.clone(), &mut DownstreamConnection { plugin });
            if let Step::Decide(decision) = step
                && carry_out(plugin, &waiting.exchange, *decision)
            {
                let _ = hostcalls::resume_http_request();
            }
        }
    }

    /// Does what is due in every registry; returns the time since the last tick.
    pub(super) fn on_tick(&self, plugin: &Plugin) -> Duration {
        let now = now_millis();
        let elapsed = self.ticks.borrow_mut().elapsed(now, self.period.get());
        let mut period = self.idle_period();
        for (index, Known { registry, part }) in self.known.iter().enumerate() {
            match part {
                Part::Snapshot(snapshot) => {
                    let turn = self.tick_snapshot(plugin, index, registry, snapshot, elapsed, now);
                    if turn {
                        period = limits::REGISTRY_TICK_BUSY;
                    }
                }
                Part::Lookup(lookup) => {
                    let orphans = lookup.borrow_mut().take_orphans();
                    for (client_id, request) in orphans {
                        match send(registry, &request) {
                            Some(token) => {
                                self.calls
                                    .borrow_mut()
                                    .insert(token, RegistryCall::Client(index, client_id));
                            }
                            None => self.on_client(plugin, index, &client_id, None),
                        }
                    }
                }
            }
        }
        self.record(plugin);
        self.set_period(period);
        elapsed
    }

    /// Returns whether there is more to do soon.
    fn tick_snapshot(
        &self,
        plugin: &Plugin,
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
            match send(registry, &request) {
                Some(token) => {
                    self.calls.borrow_mut().insert(token, RegistryCall::List(index));
                }
                None => snapshot.borrow_mut().not_sent(),
            }
        }
        let reports = snapshot.borrow_mut().take_events();
        for report in reports {
            tell(plugin, registry, &report);
        }
        turn.is_busy
    }

    /// How often ticks are due while there is nothing to read.
    fn idle_period(&self) -> Duration {
        let each = self.known.iter().map(|Known { registry, part }| match part {
            Part::Snapshot(snapshot) if snapshot.borrow().state().is_none() => {
                limits::REGISTRY_TICK_SOON
            }
            Part::Snapshot(_) => {
                (registry.period() / 4).clamp(limits::REGISTRY_TICK_SOON, limits::REGISTRY_TICK)
            }
            Part::Lookup(_) => limits::REGISTRY_TICK_SOON,
        });
        each.min().unwrap_or(limits::REGISTRY_TICK)
    }

    fn set_period(&self, period: Duration) {
        if self.period.replace(period) != period && hostcalls::set_tick_period(period).is_err() {
            log(LogLevel::Error, "tls_client_auth gets no ticks: registries are not refreshed");
        }
    }

    /// Begins to tick.
    pub(super) fn start(&self) {
        self.set_period(limits::REGISTRY_TICK_SOON);
    }

    fn record(&self, plugin: &Plugin) {
        let states = self.known.iter().filter_map(|known| match &known.part {
            Part::Snapshot(snapshot) => snapshot.borrow().state(),
            Part::Lookup(_) => None,
        });
        let (clients, age) = states.fold((0, Duration::ZERO), |(clients, oldest), (more, age)| {
            (clients + more, oldest.max(age))
        });
        plugin
            .metrics
            .registry(plugin.configuration.number_of_clients() as u64 + clients, age.as_secs());
    }

    /// Leaves the fetching to other VMs.
    pub(super) fn release(&self) {
        for known in &self.known {
            if let Part::Snapshot(snapshot) = &known.part {
                snapshot.borrow_mut().release(&mut HostSharedData);
            }
        }
    }
}

/// Takes the answer about a client; counts and logs.
fn settle(
    plugin: &Plugin,
    registry: &FetchedRegistry,
    lookup: &RefCell<Lookup<Waiting>>,
    client_id: &str,
    answer: Option<(usize, usize)>,
) -> (Result<Registration, RegistryFault>, Vec<Waiting>) {
    let now = now_millis();
    let settled = match answer {
        None => lookup.borrow_mut().on_answer(client_id, None, now),
        Some((headers, body_size)) => with_answer(headers, body_size, |answer| {
            lookup.borrow_mut().on_answer(client_id, Some(&answer), now)
        }),
    };
    plugin.metrics.refreshed(settled.failure.is_none());
    // Where nothing older serves, the line of the decision says it.
    if let (Some(error), Ok(_)) = (&settled.failure, &settled.result) {
        let text =
            format!("client_id=\"{}\" is served from memory: {error}", client_id.escape_debug());
        log_bounded(plugin, LogLevel::Warn, &about(registry, &text));
    }
    (settled.result, settled.waiting)
}

fn tell(plugin: &Plugin, registry: &FetchedRegistry, report: &RefreshEvent) {
    let level = match report {
        RefreshEvent::Confirmed => {
            plugin.metrics.refreshed(true);
            return;
        }
        RefreshEvent::Switched { .. } => {
            plugin.metrics.refreshed(true);
            LogLevel::Info
        }
        RefreshEvent::Failed { .. } => {
            plugin.metrics.refreshed(false);
            LogLevel::Warn
        }
        RefreshEvent::Refused { .. } | RefreshEvent::LeftOut { .. } => LogLevel::Warn,
        RefreshEvent::Changed(_) => LogLevel::Info,
    };
    log(level, &about(registry, &report.to_string()));
}

fn about(registry: &FetchedRegistry, text: &str) -> String {
    format!(
        "tls_client_auth registry cluster=\"{}\" path=\"{}\": {text}",
        registry.cluster, registry.path
    )
}

/// Sends a request; `None` = the host does not.
fn send(registry: &FetchedRegistry, request: &RegistryRequest) -> Option<u32> {
    let headers = request.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    hostcalls::dispatch_http_call(
        &registry.cluster,
        headers,
        None,
        Vec::new(),
        registry.timeout.min(limits::LONGEST_TIMEOUT),
    )
    .ok()
}

/// The answer that the host announces in this callback; without headers there is none.
fn with_answer<T>(
    headers: usize,
    body_size: usize,
    take: impl FnOnce(RegistryAnswer<'_>) -> T,
) -> T {
    let pairs = if headers == 0 {
        Vec::new()
    } else {
        hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).unwrap_or_default()
    };
    let status = pairs
        .iter()
        .find(|(name, _)| name == ":status")
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    let read =
        |length| hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, length).ok().flatten();
    take(RegistryAnswer { status, headers: &pairs, body_size, read: &read })
}

fn now_millis() -> u64 {
    now_nanos() / 1_000_000
}
