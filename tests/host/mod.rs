//! A proxy-wasm host that behaves as Envoy does and forgives nothing.
//!
//! Driven call by call: [`Vm::open`], [`Vm::headers`], [`Vm::body`], [`Vm::trailers`], [`Vm::close`]. All state is in the
//! wasmtime `Store`, so tests run in parallel on one compiled module. Instructions are counted and bounded: what does
//! not end fails, and costs are the same in every run.
//!
//! Strictness is the point. A [`Fault`] is: an import or argument that this host does not know, a trap, an endless
//! loop, a second reply, a reply or header write after the request went upstream, a Pause at the end of the stream without a
//! reply, a Continue after a reply.

#![allow(dead_code, reason = "every test binary uses its own part of this module")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod abi;
mod guest;
mod module;
mod pairs;
pub mod stream;

use std::fmt;

use wasmtime::{Instance, Linker, Store, WasmParams, WasmResults};

pub use abi::Log;
use abi::{Account, Host, ROOT};
pub use module::Module;
pub use stream::{Action, Connection, Headers, Status, Stream, Verdict, Withheld};

/// Instructions that one callback may take. A request takes tens of thousands.
pub const CALLBACK_FUEL: u64 = 1_000_000_000;

/// Why a run is no valid run.
#[derive(Debug)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a VM did not start.
#[derive(Debug)]
pub enum StartError {
    Fault(Fault),
    /// on_vm_start or on_configure returned false, and what was logged.
    Refused(Vec<Log>),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Fault(fault) => fault.fmt(formatter),
            StartError::Refused(logs) => write!(formatter, "the configuration was refused: {logs:?}"),
        }
    }
}

/// One wasm VM with its root context, as one worker thread of Envoy has it.
pub struct Vm {
    store: Store<Host>,
    instance: Instance,
    /// The root context of the configuration in force.
    root: u32,
    next_context: u32,
    /// The plugin's `allow_on_headers_stop_iteration`. Without it a Pause at the headers stops everything: Envoy calls
    /// no body callback.
    pub allow_on_headers_stop_iteration: bool,
}

/// A stream of a [`Vm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(u32);

/// What became of a stream, and what it cost.
#[derive(Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    /// Filter state: `wasm.<name>` in Envoy.
    pub properties: std::collections::BTreeMap<String, Vec<u8>>,
    pub account: Account,
}

impl Vm {
    /// Starts the module with a plugin configuration, at `clock` nanoseconds since 1970.
    pub fn start(module: &Module, configuration: &[u8], clock: u64) -> Result<Vm, StartError> {
        let mut vm = Vm::instantiate(module, clock).map_err(StartError::Fault)?;
        vm.configure(ROOT, configuration)?;
        Ok(vm)
    }

    fn instantiate(module: &Module, clock: u64) -> Result<Vm, Fault> {
        let engine = module.0.engine();
        let mut linker = Linker::new(engine);
        abi::link(&mut linker, &module.0).map_err(|error| Fault(format!("{error:#}")))?;
        let mut store = Store::new(engine, Host::new(clock));
        // A start function may run before the first callback.
        store.set_fuel(CALLBACK_FUEL).map_err(|error| Fault(error.to_string()))?;
        let instance = linker.instantiate(&mut store, &module.0).map_err(|error| Fault(format!("{error:#}")))?;
        let mut vm = Vm { store, instance, root: ROOT, next_context: ROOT + 1, allow_on_headers_stop_iteration: true };
        vm.call::<_, ()>(ROOT, "proxy_abi_version_0_2_1", ())?;
        vm.call::<_, ()>(ROOT, "_initialize", ())?;
        Ok(vm)
    }

    /// An update of the plugin's configuration: a new root context in the same VM, for streams from now on. Where it is
    /// refused, the old one goes on serving.
    pub fn reconfigure(&mut self, configuration: &[u8]) -> Result<(), StartError> {
        let root = self.next_context;
        self.next_context += 1;
        self.configure(root, configuration)?;
        self.root = root;
        Ok(())
    }

    fn configure(&mut self, root: u32, configuration: &[u8]) -> Result<(), StartError> {
        let accepted = self.try_configure(root, configuration).map_err(StartError::Fault)?;
        if accepted {
            return Ok(());
        }
        let host = self.store.data_mut();
        host.roots.remove(&root);
        Err(StartError::Refused(host.accounts.remove(&root).unwrap_or_default().logs))
    }

    fn try_configure(&mut self, root: u32, configuration: &[u8]) -> Result<bool, Fault> {
        self.store.data_mut().roots.insert(root, None);
        self.call::<_, ()>(root, "proxy_on_context_create", (root, 0u32))?;
        self.store.data_mut().configuration = Some(configuration.to_vec());
        let size = configuration.len() as u32;
        // Envoy starts a VM once, with its first root context.
        let accepted = (root != ROOT || self.call::<_, u32>(root, "proxy_on_vm_start", (root, 0u32))? != 0)
            && self.call::<_, u32>(root, "proxy_on_configure", (root, size))? != 0;
        self.store.data_mut().configuration = None;
        Ok(accepted)
    }

    /// A new stream: the module gets its HTTP context.
    pub fn open(&mut self, connection: Connection) -> Result<StreamId, Fault> {
        let id = self.next_context;
        self.next_context += 1;
        self.store.data_mut().streams.insert(id, Stream::new(connection));
        self.call::<_, ()>(id, "proxy_on_context_create", (id, self.root))?;
        Ok(StreamId(id))
    }

    pub fn headers(&mut self, id: StreamId, headers: Headers, end_of_stream: bool) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        stream.receive_headers(headers);
        let count = stream.headers.len() as u32;
        let arguments = (id.0, count, u32::from(end_of_stream));
        self.proceed(id, "proxy_on_request_headers", arguments, end_of_stream)?;
        let stops = !self.allow_on_headers_stop_iteration && !self.stream(id).is_released();
        self.stream_mut(id).stopped = stops.then(Withheld::default);
        Ok(())
    }

    pub fn body(&mut self, id: StreamId, chunk: &[u8], end_of_stream: bool) -> Result<(), Fault> {
        self.stream_mut(id).count_received(chunk);
        self.deliver_body(id, chunk, end_of_stream)
    }

    /// Body bytes that Envoy has, and that a filter before this one still holds.
    pub fn body_before_delivery(&mut self, id: StreamId, chunk: &[u8]) {
        self.stream_mut(id).count_received(chunk);
    }

    fn deliver_body(&mut self, id: StreamId, chunk: &[u8], end_of_stream: bool) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        if stream.reply.is_some() {
            return Ok(());
        }
        if let Some(withheld) = &mut stream.stopped {
            withheld.body.extend_from_slice(chunk);
            withheld.end_of_stream = end_of_stream;
            return Ok(());
        }
        let size = stream.buffer(chunk) as u32;
        let arguments = (id.0, size, u32::from(end_of_stream));
        self.proceed(id, "proxy_on_request_body", arguments, end_of_stream)
    }

    pub fn trailers(&mut self, id: StreamId, trailers: Headers) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        if stream.reply.is_some() {
            return Ok(());
        }
        if let Some(withheld) = &mut stream.stopped {
            withheld.trailers = Some(trailers);
            return Ok(());
        }
        let count = trailers.len() as u32;
        stream.trailers = trailers;
        self.store.data_mut().in_trailers = true;
        let result = self.proceed(id, "proxy_on_request_trailers", (id.0, count), true);
        self.store.data_mut().in_trailers = false;
        result
    }

    /// Ends the stream, by its end or because the client went away.
    pub fn close(&mut self, id: StreamId) -> Result<Outcome, Fault> {
        if self.call::<_, u32>(id.0, "proxy_on_done", id.0)? == 0 {
            return Err(Fault("on_done wants to go on, and there is nothing to wait for".into()));
        }
        self.call::<_, ()>(id.0, "proxy_on_log", id.0)?;
        self.call::<_, ()>(id.0, "proxy_on_delete", id.0)?;
        let host = self.store.data_mut();
        let stream = host.streams.remove(&id.0).ok_or_else(|| Fault("the stream is already closed".into()))?;
        let account = host.accounts.remove(&id.0).unwrap_or_default();
        Ok(Outcome { verdict: stream.verdict(), properties: stream.properties, account })
    }

    /// One tick of the timer that the configuration in force set.
    pub fn tick(&mut self) -> Result<(), Fault> {
        if self.tick_period().is_none() {
            return Err(Fault("no tick period is set, so Envoy never ticks".into()));
        }
        let unanswered = self.unanswered();
        self.call::<_, ()>(self.root, "proxy_on_tick", self.root)?;
        for id in unanswered {
            self.run_response_callbacks(id)?;
            self.deliver_withheld(id)?;
        }
        Ok(())
    }

    // What a continued stream was not told while it was stopped, it is told now.
    fn deliver_withheld(&mut self, id: StreamId) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        if !stream.is_released() {
            return Ok(());
        }
        let Some(withheld) = stream.stopped.take() else { return Ok(()) };
        if !withheld.body.is_empty() || withheld.end_of_stream {
            self.deliver_body(id, &withheld.body, withheld.end_of_stream)?;
        }
        match withheld.trailers {
            Some(trailers) => self.trailers(id, trailers),
            None => Ok(()),
        }
    }

    pub fn tick_period(&self) -> Option<u32> {
        self.store.data().roots.get(&self.root).copied().flatten()
    }

    pub fn set_clock(&mut self, nanoseconds: u64) {
        self.store.data_mut().clock = nanoseconds;
    }

    pub fn stream(&self, id: StreamId) -> &Stream {
        &self.store.data().streams[&id.0]
    }

    fn stream_mut(&mut self, id: StreamId) -> &mut Stream {
        self.store.data_mut().streams.get_mut(&id.0).expect("a StreamId is of an open stream")
    }

    /// The value of a metric; none where no such metric was defined.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let mut same = self.store.data().metrics.iter().filter(|metric| metric.name == name).peekable();
        same.peek()?;
        Some(same.map(|metric| metric.value).sum())
    }

    pub fn metric_names(&self) -> Vec<String> {
        self.store.data().metrics.iter().map(|metric| metric.name.clone()).collect()
    }

    /// What the root context of the configuration in force logged and cost.
    pub fn root_account(&mut self) -> &Account {
        self.store.data_mut().accounts.entry(self.root).or_default()
    }

    pub fn memory_bytes(&mut self) -> usize {
        self.instance.get_memory(&mut self.store, "memory").map_or(0, |memory| memory.data_size(&self.store))
    }

    fn unanswered(&self) -> Vec<StreamId> {
        let streams = self.store.data().streams.iter();
        streams.filter(|(_, stream)| stream.reply.is_none()).map(|(id, _)| StreamId(*id)).collect()
    }

    fn proceed<P: WasmParams>(&mut self, id: StreamId, callback: &str, arguments: P, end_of_stream: bool) -> Result<(), Fault> {
        let action = match self.call::<_, u32>(id.0, callback, arguments)? {
            0 => Action::Continue,
            1 => Action::Pause,
            other => return Err(Fault(format!("{callback} returned {other}, which is no action"))),
        };
        let stream = self.stream_mut(id);
        stream.proceed(action, end_of_stream).map_err(|why| Fault(format!("{callback}: {why}")))?;
        self.run_response_callbacks(id)
    }

    // Envoy sends a local reply through the response callbacks of the filter that made it.
    fn run_response_callbacks(&mut self, id: StreamId) -> Result<(), Fault> {
        let Some(reply) = &self.stream(id).reply else { return Ok(()) };
        let (headers, size) = (reply.headers.len() as u32 + 1, reply.body.len() as u32);
        let mut actions = vec![self.call::<_, u32>(id.0, "proxy_on_response_headers", (id.0, headers, u32::from(size == 0)))?];
        if size > 0 {
            actions.push(self.call::<_, u32>(id.0, "proxy_on_response_body", (id.0, size, 1u32))?);
        }
        if actions.iter().any(|action| *action != 0) {
            return Err(Fault("the filter holds back its own reply".into()));
        }
        Ok(())
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, context: u32, export: &str, arguments: P) -> Result<R, Fault> {
        let fault = |error: wasmtime::Error| Fault(format!("{export}: {error:#}"));
        let function = self.instance.get_typed_func::<P, R>(&mut self.store, export).map_err(fault)?;
        self.store.data_mut().active = context;
        self.store.data_mut().effective = None;
        self.store.set_fuel(CALLBACK_FUEL).map_err(fault)?;
        let result = function.call(&mut self.store, arguments);
        let spent = CALLBACK_FUEL - self.store.get_fuel().map_err(fault)?;
        let account = self.store.data_mut().account();
        account.fuel += spent;
        // A panic of the module tells its place in the log only.
        result.map_err(|error| Fault(format!("{export}: {error:#}; last log: {:?}", account.logs.last())))
    }
}
