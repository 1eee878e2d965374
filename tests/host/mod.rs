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
pub mod stream;

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use wasmtime::{Config, Engine, Instance, Linker, Store, WasmParams, WasmResults};

pub use abi::Log;
use abi::{Account, Host, ROOT};
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

/// A compiled module.
pub struct Module(wasmtime::Module);

impl Module {
    pub fn compile(bytes: impl AsRef<[u8]>) -> Result<Module, Fault> {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| {
            let mut config = Config::new();
            config.consume_fuel(true);
            Engine::new(&config).expect("wasmtime runs on this machine")
        });
        wasmtime::Module::new(engine, bytes).map(Module).map_err(|error| Fault(format!("{error:#}")))
    }

    /// The file that operators get. An old one would test code that is no longer there.
    pub fn shipped() -> &'static Module {
        static SHIPPED: OnceLock<Module> = OnceLock::new();
        SHIPPED.get_or_init(|| {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let path = root.join("target/tls_client_auth.wasm");
            let built = modified(&path).unwrap_or_else(|error| panic!("{error}: run ./build.sh first"));
            let newest = newest_source(root).unwrap_or_else(|error| panic!("{error}"));
            assert!(newest <= built, "{} is older than src/: run ./build.sh", path.display());
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Module::compile(bytes).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))
        })
    }

    /// `module.name` of every import.
    pub fn imports(&self) -> Vec<String> {
        self.0.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect()
    }

    pub fn exports(&self) -> Vec<String> {
        self.0.exports().map(|export| export.name().to_string()).collect()
    }
}

fn newest_source(root: &Path) -> Result<std::time::SystemTime, String> {
    let mut newest = modified(&root.join("Cargo.lock"))?;
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                newest = newest.max(modified(&path)?);
            }
        }
    }
    Ok(newest)
}

fn modified(path: &Path) -> Result<std::time::SystemTime, String> {
    let metadata = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    metadata.map_err(|error| format!("{}: {error}", path.display()))
}

/// One wasm VM with its root context, as one worker thread of Envoy has it.
pub struct Vm {
    store: Store<Host>,
    instance: Instance,
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
        match vm.configure(configuration).map_err(StartError::Fault)? {
            true => Ok(vm),
            false => Err(StartError::Refused(vm.store.data_mut().account().logs.clone())),
        }
    }

    fn instantiate(module: &Module, clock: u64) -> Result<Vm, Fault> {
        let engine = module.0.engine();
        let mut linker = Linker::new(engine);
        abi::link(&mut linker, &module.0).map_err(|error| Fault(format!("{error:#}")))?;
        let mut store = Store::new(engine, Host::new(clock));
        // A start function may run before the first callback.
        store.set_fuel(CALLBACK_FUEL).map_err(|error| Fault(error.to_string()))?;
        let instance = linker.instantiate(&mut store, &module.0).map_err(|error| Fault(format!("{error:#}")))?;
        let mut vm = Vm { store, instance, next_context: ROOT + 1, allow_on_headers_stop_iteration: true };
        vm.call::<_, ()>(ROOT, "proxy_abi_version_0_2_1", ())?;
        vm.call::<_, ()>(ROOT, "_initialize", ())?;
        Ok(vm)
    }

    fn configure(&mut self, configuration: &[u8]) -> Result<bool, Fault> {
        self.call::<_, ()>(ROOT, "proxy_on_context_create", (ROOT, 0u32))?;
        self.store.data_mut().configuration = Some(configuration.to_vec());
        let size = configuration.len() as u32;
        let accepted = self.call::<_, u32>(ROOT, "proxy_on_vm_start", (ROOT, 0u32))? != 0
            && self.call::<_, u32>(ROOT, "proxy_on_configure", (ROOT, size))? != 0;
        self.store.data_mut().configuration = None;
        Ok(accepted)
    }

    /// A new stream: the module gets its HTTP context.
    pub fn open(&mut self, connection: Connection) -> Result<StreamId, Fault> {
        let id = self.next_context;
        self.next_context += 1;
        self.store.data_mut().streams.insert(id, Stream::new(connection));
        self.call::<_, ()>(id, "proxy_on_context_create", (id, ROOT))?;
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

    /// One tick of the timer that the module set.
    pub fn tick(&mut self) -> Result<(), Fault> {
        if self.store.data().tick_period.is_none() {
            return Err(Fault("no tick period is set, so Envoy never ticks".into()));
        }
        let unanswered = self.unanswered();
        self.call::<_, ()>(ROOT, "proxy_on_tick", ROOT)?;
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
        self.store.data().tick_period
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

    /// What the root context was logged and charged.
    pub fn root_account(&mut self) -> &Account {
        self.store.data_mut().accounts.entry(ROOT).or_default()
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
