//! A proxy-wasm host in wasmtime that behaves like Envoy, and reports every misuse as a fault.
//!
//! A test drives it call by call: [`Vm::open`], [`Vm::headers`], [`Vm::body`], [`Vm::trailers`],
//! [`Vm::close`]; [`Vm::response_headers`], [`Vm::response_body`], [`Vm::response_trailers`],
//! [`Vm::delivered`]; [`Vm::tick`]; [`Vm::calls`], [`Vm::answer`], [`Vm::fail`]. All state is in
//! the wasmtime `Store` and in the [`Process`] that VMs may share, so tests run in parallel on one
//! compiled module. Instructions are counted and bounded: an endless loop fails, and a cost is the
//! same in every run.
//!
//! Each of these is a [`Fault`]:
//!
//! - an import or an argument that this host does not know;
//! - a trap or an endless loop;
//! - a second reply, and a reply or a header write after the request went upstream;
//! - a Continue after a reply, and a Continue of a stream whose callback answered another stream;
//! - an HTTP call whose answer could never arrive, and a read of an answer after its callback;
//! - a request that is held at its end although nothing can resume it.
//!
//! A request may become held at its end if an HTTP call is pending. It may also if there was a call
//! before and the timer runs: an answer may be processed over several ticks, and the call of a
//! stream that has ended may be repeated at a tick. It may stay held if a call is pending or the
//! timer runs. A filter that ticks and forgets a request is therefore no fault; a test finds it by
//! [`Vm::waiting`].

#![allow(dead_code, reason = "each test binary uses a part of this module")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod abi;
mod fault;
mod foreign;
mod guest;
mod http_call;
mod inspect;
mod module;
mod pairs;
mod response;
mod shared_data;
pub mod stream;

use wasmtime::{Instance, Linker, Store, WasmParams, WasmResults};

pub use abi::Log;
use abi::{Account, Host, ROOT};
pub use fault::{Fault, StartError};
pub use foreign::Foreign;
pub use http_call::{ANSWER_LIMIT, HttpAnswer, HttpCall};
pub use module::Module;
pub use response::{Delivered, Received, ResponseFault};
pub use shared_data::Process;
pub use stream::{Action, Connection, Headers, Status, Stream, Verdict, Withheld};

/// The most instructions of one callback. A request takes tens of thousands.
pub const CALLBACK_FUEL: u64 = 1_000_000_000;

/// One wasm VM with its root context: what one worker thread of Envoy has.
pub struct Vm {
    store: Store<Host>,
    instance: Instance,
    /// The root context of the configuration in force.
    root: u32,
    next_context: u32,
    /// The plugin's `allow_on_headers_stop_iteration`. Without it, a Pause at the headers stops the
    /// stream: Envoy makes no body callback.
    pub allow_on_headers_stop_iteration: bool,
}

/// A stream of a [`Vm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(u32);

/// The result of a stream, and its cost.
#[derive(Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    /// Filter state, which Envoy names `wasm.<name>`.
    pub properties: std::collections::BTreeMap<String, Vec<u8>>,
    pub account: Account,
}

impl Vm {
    /// Starts the module with a plugin configuration in a process of its own. `clock` is in
    /// nanoseconds since 1970.
    pub fn start(module: &Module, configuration: &[u8], clock: u64) -> Result<Vm, StartError> {
        Vm::start_in(&Process::new(), module, configuration, clock)
    }

    /// Starts another VM of a process, like that of another worker thread. Dropping it ends the
    /// thread: its pending calls and its streams are gone, its shared data stays.
    pub fn start_in(
        process: &Process,
        module: &Module,
        configuration: &[u8],
        clock: u64,
    ) -> Result<Vm, StartError> {
        Vm::start_with(Foreign::AsEnvoy, process, module, configuration, clock)
    }

    /// As [`Vm::start_in`], in a host in which foreign functions are so.
    pub fn start_with(
        foreign: Foreign,
        process: &Process,
        module: &Module,
        configuration: &[u8],
        clock: u64,
    ) -> Result<Vm, StartError> {
        let mut vm = Vm::instantiate(process, module, clock).map_err(StartError::Fault)?;
        vm.store.data_mut().foreign = foreign;
        vm.configure(ROOT, configuration)?;
        Ok(vm)
    }

    fn instantiate(process: &Process, module: &Module, clock: u64) -> Result<Vm, Fault> {
        let engine = module.0.engine();
        let mut linker = Linker::new(engine);
        abi::link(&mut linker, &module.0).map_err(|error| Fault(format!("{error:#}")))?;
        let mut store = Store::new(engine, Host::new(process.clone(), clock));
        // A start function may run before the first callback.
        store.set_fuel(CALLBACK_FUEL).map_err(|error| Fault(error.to_string()))?;
        let instance = linker
            .instantiate(&mut store, &module.0)
            .map_err(|error| Fault(format!("{error:#}")))?;
        let mut vm = Vm {
            store,
            instance,
            root: ROOT,
            next_context: ROOT + 1,
            allow_on_headers_stop_iteration: true,
        };
        vm.call::<_, ()>(ROOT, "proxy_abi_version_0_2_1", ())?;
        vm.call::<_, ()>(ROOT, "_initialize", ())?;
        Ok(vm)
    }

    /// Updates the plugin's configuration: a new root context in the same VM, for new streams. If
    /// the configuration is refused, the old one stays in force.
    pub fn reconfigure(&mut self, configuration: &[u8]) -> Result<(), StartError> {
        let root = self.next_context;
        self.next_context += 1;
        self.configure(root, configuration)?;
        self.root = root;
        self.retire_roots();
        Ok(())
    }

    fn configure(&mut self, root: u32, configuration: &[u8]) -> Result<(), StartError> {
        self.store.data_mut().is_configuring = true;
        let accepted = self.try_configure(root, configuration).map_err(StartError::Fault)?;
        self.store.data_mut().is_configuring = false;
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
        // Envoy calls on_vm_start once for a VM, with its first root context.
        let accepted = (root != ROOT
            || self.call::<_, u32>(root, "proxy_on_vm_start", (root, 0u32))? != 0)
            && self.call::<_, u32>(root, "proxy_on_configure", (root, size))? != 0;
        self.store.data_mut().configuration = None;
        Ok(accepted)
    }

    /// Opens a stream: creates its HTTP context in the module.
    pub fn open(&mut self, connection: Connection) -> Result<StreamId, Fault> {
        let id = self.next_context;
        self.next_context += 1;
        self.store.data_mut().streams.insert(id, Stream::new(connection));
        self.store.data_mut().parents.insert(id, self.root);
        self.call::<_, ()>(id, "proxy_on_context_create", (id, self.root))?;
        Ok(StreamId(id))
    }

    /// Delivers the headers.
    pub fn headers(
        &mut self,
        id: StreamId,
        headers: Headers,
        end_of_stream: bool,
    ) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        stream.receive_headers(headers);
        let count = stream.headers.len() as u32;
        let arguments = (id.0, count, u32::from(end_of_stream));
        self.proceed(id, "proxy_on_request_headers", arguments, end_of_stream)?;
        let stops = !self.allow_on_headers_stop_iteration && !self.stream(id).is_released();
        self.stream_mut(id).stopped = stops.then(Withheld::default);
        Ok(())
    }

    /// Receives and delivers body bytes.
    pub fn body(&mut self, id: StreamId, chunk: &[u8], end_of_stream: bool) -> Result<(), Fault> {
        self.stream_mut(id).count_received(chunk);
        self.deliver_body(id, chunk, end_of_stream)
    }

    /// Receives body bytes that another filter, before this one, still holds.
    pub fn body_held_before(&mut self, id: StreamId, chunk: &[u8]) {
        self.stream_mut(id).count_received(chunk);
    }

    fn deliver_body(
        &mut self,
        id: StreamId,
        chunk: &[u8],
        end_of_stream: bool,
    ) -> Result<(), Fault> {
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

    /// Delivers the trailers, which end the request.
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
        stream.receive_trailers(trailers);
        self.proceed(id, "proxy_on_request_trailers", (id.0, count), true)
    }

    /// Closes the stream, because it ended or because the client went away.
    pub fn close(&mut self, id: StreamId) -> Result<Outcome, Fault> {
        let others = self.unanswered_but(id);
        if self.call_if_exported::<_, u32>(id.0, "proxy_on_done", id.0)? == Some(0) {
            return Err(Fault("on_done returned false, and there is nothing to wait for".into()));
        }
        self.call_if_exported::<_, ()>(id.0, "proxy_on_log", id.0)?;
        self.call::<_, ()>(id.0, "proxy_on_delete", id.0)?;
        let host = self.store.data_mut();
        let stream = host
            .streams
            .remove(&id.0)
            .ok_or_else(|| Fault("the stream is already closed".into()))?;
        host.destroyed.insert(id.0);
        host.parents.remove(&id.0);
        let account = host.accounts.remove(&id.0).unwrap_or_default();
        self.retire_roots();
        self.update_others(others)?;
        Ok(Outcome { verdict: stream.verdict(), properties: stream.properties, account })
    }

    /// Fires the timer of the configuration in force once.
    pub fn tick(&mut self) -> Result<(), Fault> {
        if self.tick_period().is_none() {
            return Err(Fault("no tick period is set, so Envoy makes no ticks".into()));
        }
        let others = self.unanswered();
        self.call::<_, ()>(self.root, "proxy_on_tick", self.root)?;
        self.update_others(others)
    }

    /// Carries out what a callback did to other streams than its own.
    fn update_others(&mut self, streams: Vec<StreamId>) -> Result<(), Fault> {
        for id in streams {
            self.run_response_callbacks(id)?;
            self.deliver_withheld(id)?;
            self.deliver_withheld_response(id)?;
        }
        let host = self.store.data();
        let may_wake = host.calls.any_pending() || host.roots.values().any(Option::is_some);
        match self.waiting().first() {
            Some(StreamId(id)) if !may_wake => Err(Fault(format!(
                "stream {id} is held at its end: no call is pending and no tick period is set"
            ))),
            _ => Ok(()),
        }
    }

    /// Removes the old roots that serve no stream any more. Envoy cancels their calls and timers.
    /// (Their last callbacks, on_done and on_delete, are not made here.)
    fn retire_roots(&mut self) {
        let host = self.store.data_mut();
        let retired: Vec<u32> =
            host.roots.keys().copied().filter(|root| *root != self.root).collect();
        for root in
            retired.into_iter().filter(|root| !host.parents.values().any(|parent| parent == root))
        {
            host.roots.remove(&root);
            host.calls.cancel(root);
        }
    }

    /// Delivers to a continued stream what arrived while it was stopped.
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

    fn stream_mut(&mut self, id: StreamId) -> &mut Stream {
        self.store.data_mut().streams.get_mut(&id.0).expect("a StreamId is of an open stream")
    }

    fn unanswered_but(&self, id: StreamId) -> Vec<StreamId> {
        self.unanswered().into_iter().filter(|other| *other != id).collect()
    }

    fn unanswered(&self) -> Vec<StreamId> {
        let streams = self.store.data().streams.iter();
        streams.filter(|(_, stream)| stream.reply.is_none()).map(|(id, _)| StreamId(*id)).collect()
    }

    fn proceed<P: WasmParams>(
        &mut self,
        id: StreamId,
        callback: &str,
        arguments: P,
        end_of_stream: bool,
    ) -> Result<(), Fault> {
        let others = self.unanswered_but(id);
        let action = match self.call::<_, u32>(id.0, callback, arguments)? {
            0 => Action::Continue,
            1 => Action::Pause,
            other => {
                return Err(Fault(format!("{callback} returned {other}, which is not an action")));
            }
        };
        let host = self.store.data();
        // sendLocalResponse stops the callback that it is called from, whichever stream it answers.
        if action == Action::Continue && host.answered_another {
            return Err(Fault(format!(
                "{callback}: Continue after a reply to another stream: Envoy stops this one"
            )));
        }
        let may_wake = self.may_wake();
        let stream = self.stream_mut(id);
        stream
            .proceed(action, end_of_stream, may_wake)
            .map_err(|why| Fault(format!("{callback}: {why}")))?;
        self.run_response_callbacks(id)?;
        self.update_others(others)
    }

    /// Whether something can resume a stream that is held at its end.
    fn may_wake(&self) -> bool {
        let host = self.store.data();
        // Every module ticks four times a second; one that wants to make a call, much sooner.
        let is_soon = |period: &Option<u32>| period.is_some_and(|millis| millis < 50);
        host.calls.any_pending()
            || host.calls.any_made() && host.roots.values().any(Option::is_some)
            || host.roots.values().any(is_soon)
    }

    /// Makes the response callbacks for a local reply: Envoy makes them in the filter that replied,
    /// too.
    fn run_response_callbacks(&mut self, id: StreamId) -> Result<(), Fault> {
        let Some(reply) = &self.stream(id).reply else { return Ok(()) };
        let (headers, size) = (reply.headers.len() as u32 + 1, reply.body.len() as u32);
        let end = u32::from(size == 0);
        let mut actions = vec![self.call_if_exported::<_, u32>(
            id.0,
            "proxy_on_response_headers",
            (id.0, headers, end),
        )?];
        if size > 0 {
            actions.push(self.call_if_exported::<_, u32>(
                id.0,
                "proxy_on_response_body",
                (id.0, size, 1u32),
            )?);
        }
        if actions.iter().flatten().any(|action| *action != 0) {
            return Err(Fault("the filter holds back its own reply".into()));
        }
        Ok(())
    }

    /// Calls an export if the module has it, like Envoy.
    fn call_if_exported<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        export: &str,
        arguments: P,
    ) -> Result<Option<R>, Fault> {
        match self.instance.get_func(&mut self.store, export) {
            Some(_) => self.call(context, export, arguments).map(Some),
            None => Ok(None),
        }
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        export: &str,
        arguments: P,
    ) -> Result<R, Fault> {
        let fault = |error: wasmtime::Error| Fault(format!("{export}: {error:#}"));
        let function =
            self.instance.get_typed_func::<P, R>(&mut self.store, export).map_err(fault)?;
        self.store.data_mut().active = context;
        self.store.data_mut().effective = None;
        self.store.data_mut().answered_another = false;
        self.store.set_fuel(CALLBACK_FUEL).map_err(fault)?;
        let result = function.call(&mut self.store, arguments);
        let spent = CALLBACK_FUEL - self.store.get_fuel().map_err(fault)?;
        let account = self.store.data_mut().account();
        account.fuel += spent;
        // The place of a panic is in the log only.
        result.map_err(|error| {
            Fault(format!("{export}: {error:#}; last log: {:?}", account.logs.last()))
        })
    }
}
