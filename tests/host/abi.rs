//! The functions that the host gives the module: proxy-wasm ABI 0.2.1, as Envoy implements it, but strict. What Envoy
//! would let pass in silence, or answer with a status that the filter has no business to cause, ends the test here.

use std::collections::BTreeMap;

use wasmtime::{Caller, Error, ExternType, Linker, Memory, Module, Result, TypedFunc, bail, format_err};

use super::stream::{Headers, Reply, Status, Stream};

/// The identifier of the root context; streams count up from here.
pub const ROOT: u32 = 1;

const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const REQUEST_BODY: u32 = 0;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const HTTP_REQUEST: u32 = 0;
const HISTOGRAM: u32 = 2;

/// proxy-wasm functions that Envoy 1.35 to 1.40 register for ABI 0.2.1 (`exports.h` of proxy-wasm-cpp-host).
pub const PROVIDED_BY_ENVOY: &[&str] = &[
    "proxy_add_header_map_value",
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_buffer_bytes",
    "proxy_get_buffer_status",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_size",
    "proxy_get_header_map_value",
    "proxy_get_log_level",
    "proxy_get_metric",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_register_shared_queue",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_send_local_response",
    "proxy_set_buffer_bytes",
    "proxy_set_effective_context",
    "proxy_set_header_map_pairs",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];

/// Everything outside the module.
#[derive(Debug)]
pub struct Host {
    pub streams: BTreeMap<u32, Stream>,
    /// What each context cost and said; the root's under [`ROOT`].
    pub accounts: BTreeMap<u32, Account>,
    /// Whose callback is running.
    pub active: u32,
    /// Whom host calls are about, where `proxy_set_effective_context` said so.
    pub effective: Option<u32>,
    pub clock: u64,
    /// Whether the running callback is the one for trailers.
    pub in_trailers: bool,
    /// There during on_vm_start and on_configure only.
    pub configuration: Option<Vec<u8>>,
    pub tick_period: Option<u32>,
    pub metrics: Vec<Metric>,
}

#[derive(Clone, Debug)]
pub struct Metric {
    pub name: String,
    kind: u32,
    pub value: u64,
}

/// The record of one context.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub host_calls: BTreeMap<&'static str, u32>,
    /// wasm instructions, as wasmtime counts them: the same for the same work.
    pub fuel: u64,
    pub logs: Vec<Log>,
    /// What was added to each counter.
    pub counted: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub level: u32,
    pub message: String,
}

impl Host {
    pub fn new(clock: u64) -> Host {
        Host {
            streams: BTreeMap::new(),
            accounts: BTreeMap::new(),
            active: ROOT,
            effective: None,
            clock,
            in_trailers: false,
            configuration: None,
            tick_period: None,
            metrics: Vec::new(),
        }
    }

    pub fn account(&mut self) -> &mut Account {
        self.accounts.entry(self.active).or_default()
    }

    fn stream(&mut self) -> Result<&mut Stream> {
        let context = self.effective.unwrap_or(self.active);
        self.streams.get_mut(&context).ok_or_else(|| format_err!("context {context} is not an HTTP stream"))
    }

    fn metric(&mut self, id: u32) -> Result<&mut Metric> {
        // Envoy answers NotFound; a filter that asks for what it never defined is wrong in any case.
        self.metrics.get_mut(id as usize).ok_or_else(|| format_err!("metric {id} was never defined"))
    }
}

/// Links exactly what `module` imports. The SDK imports more than a filter calls, so what Envoy has and this host has
/// not may be imported; calling it is an error, not a stub: a stub would answer something that no Envoy ever said.
pub fn link(linker: &mut Linker<Host>, module: &Module) -> Result<()> {
    for import in module.imports() {
        let name = import.name();
        if import.module() != "env" || !PROVIDED_BY_ENVOY.contains(&name) {
            bail!("unknown import {}.{name}: Envoy does not provide it", import.module());
        }
        if link_function(linker, name)? {
            continue;
        }
        let ExternType::Func(signature) = import.ty() else { bail!("import env.{name} is no function") };
        let refusal = format!("{name}: give it to tests/host as Envoy implements it, or do without it");
        linker.func_new("env", name, signature, move |_, _, _| Err(Error::msg(refusal.clone())))?;
    }
    Ok(())
}

/// Whether there is such a function.
fn link_function(linker: &mut Linker<Host>, name: &str) -> Result<bool> {
    match name {
        "proxy_log" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, level: u32, text: u32, size: u32| {
            enter(caller, "proxy_log", |guest| guest.log(level, text, size))
        }),
        "proxy_get_log_level" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, out: u32| {
            enter(caller, "proxy_get_log_level", |guest| guest.write(out, &0u32.to_le_bytes()))
        }),
        "proxy_get_current_time_nanoseconds" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, out: u32| {
            enter(caller, "proxy_get_current_time_nanoseconds", |guest| guest.current_time(out))
        }),
        "proxy_set_tick_period_milliseconds" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, period: u32| {
            enter(caller, "proxy_set_tick_period_milliseconds", |guest| guest.set_tick_period(period))
        }),
        "proxy_get_buffer_bytes" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, buffer: u32, start: u32, size: u32, data_out: u32, size_out: u32| {
                enter(caller, "proxy_get_buffer_bytes", |guest| guest.buffer_bytes(buffer, start, size, (data_out, size_out)))
            },
        ),
        "proxy_get_header_map_pairs" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, map: u32, data_out: u32, size_out: u32| {
                enter(caller, "proxy_get_header_map_pairs", |guest| guest.header_pairs(map, (data_out, size_out)))
            })
        }
        "proxy_get_header_map_value" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, map: u32, key: u32, key_size: u32, data_out: u32, size_out: u32| {
                enter(caller, "proxy_get_header_map_value", |guest| {
                    guest.header_value(map, (key, key_size), (data_out, size_out))
                })
            },
        ),
        "proxy_remove_header_map_value" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, map: u32, key: u32, key_size: u32| {
                enter(caller, "proxy_remove_header_map_value", |guest| guest.change_header(map, (key, key_size), Change::Remove))
            })
        }
        "proxy_replace_header_map_value" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, map: u32, key: u32, key_size: u32, value: u32, value_size: u32| {
                enter(caller, "proxy_replace_header_map_value", |guest| {
                    guest.change_header(map, (key, key_size), Change::Replace(value, value_size))
                })
            },
        ),
        "proxy_add_header_map_value" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>, map: u32, key: u32, key_size: u32, value: u32, value_size: u32| {
                enter(caller, "proxy_add_header_map_value", |guest| {
                    guest.change_header(map, (key, key_size), Change::Add(value, value_size))
                })
            },
        ),
        "proxy_get_property" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, path: u32, path_size: u32, data_out: u32, size_out: u32| {
                enter(caller, "proxy_get_property", |guest| guest.property((path, path_size), (data_out, size_out)))
            })
        }
        "proxy_set_property" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, path: u32, path_size: u32, value: u32, value_size: u32| {
                enter(caller, "proxy_set_property", |guest| guest.set_property((path, path_size), (value, value_size)))
            })
        }
        "proxy_send_local_response" => linker.func_wrap(
            "env",
            name,
            |caller: Caller<'_, Host>,
             status: u32,
             details: u32,
             details_size: u32,
             body: u32,
             body_size: u32,
             headers: u32,
             headers_size: u32,
             grpc_status: i32| {
                enter(caller, "proxy_send_local_response", |guest| {
                    guest.read_text(details, details_size)?;
                    guest.local_response(status, (body, body_size), (headers, headers_size), grpc_status)
                })
            },
        ),
        "proxy_define_metric" => {
            linker.func_wrap("env", name, |caller: Caller<'_, Host>, kind: u32, metric: u32, metric_size: u32, id_out: u32| {
                enter(caller, "proxy_define_metric", |guest| guest.define_metric(kind, (metric, metric_size), id_out))
            })
        }
        "proxy_increment_metric" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, id: u32, offset: i64| {
            enter(caller, "proxy_increment_metric", |guest| guest.increment_metric(id, offset))
        }),
        "proxy_record_metric" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, id: u32, value: u64| {
            enter(caller, "proxy_record_metric", |guest| guest.record_metric(id, value))
        }),
        "proxy_continue_stream" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, kind: u32| {
            enter(caller, "proxy_continue_stream", |guest| guest.continue_stream(kind))
        }),
        "proxy_set_effective_context" => linker.func_wrap("env", name, |caller: Caller<'_, Host>, context: u32| {
            enter(caller, "proxy_set_effective_context", |guest| guest.set_effective_context(context))
        }),
        _ => return Ok(false),
    }?;
    Ok(true)
}

fn enter(mut caller: Caller<'_, Host>, name: &'static str, call: impl FnOnce(&mut Guest<'_>) -> Result<Status>) -> Result<u32> {
    *caller.data_mut().account().host_calls.entry(name).or_default() += 1;
    let memory = caller.get_export("memory").and_then(|export| export.into_memory());
    let memory = memory.ok_or_else(|| format_err!("the module exports no memory"))?;
    let status = call(&mut Guest { caller, memory }).map_err(|error| error.context(name))?;
    Ok(status as u32)
}

/// The module during one of its host calls. Pairs of numbers are an address and a size in its memory, or the two
/// addresses where it wants to find those.
struct Guest<'a> {
    caller: Caller<'a, Host>,
    memory: Memory,
}

enum Change {
    Remove,
    Replace(u32, u32),
    Add(u32, u32),
}

impl Guest<'_> {
    fn log(&mut self, level: u32, text: u32, size: u32) -> Result<Status> {
        if level > 5 {
            bail!("{level} is no log level");
        }
        let message = self.read_text(text, size)?;
        self.host().account().logs.push(Log { level, message });
        Ok(Status::Ok)
    }

    fn current_time(&mut self, out: u32) -> Result<Status> {
        let clock = self.host().clock;
        self.write(out, &clock.to_le_bytes())
    }

    fn set_tick_period(&mut self, period: u32) -> Result<Status> {
        if self.host().active != ROOT {
            bail!("a tick period is set from an HTTP stream");
        }
        self.host().tick_period = (period > 0).then_some(period);
        Ok(Status::Ok)
    }

    fn buffer_bytes(&mut self, buffer: u32, start: u32, size: u32, out: (u32, u32)) -> Result<Status> {
        let host = self.host();
        let bytes = match buffer {
            PLUGIN_CONFIGURATION => host.configuration.clone(),
            VM_CONFIGURATION => host.configuration.is_some().then(Vec::new),
            REQUEST_BODY => Some(host.stream()?.buffered().to_vec()),
            _ => bail!("unknown buffer {buffer}"),
        };
        let Some(bytes) = bytes else { return Ok(Status::NotFound) };
        let (start, size) = (start as usize, size as usize);
        if start > bytes.len() {
            bail!("{start} is past the end of a buffer of {} bytes", bytes.len());
        }
        let end = bytes.len().min(start.saturating_add(size));
        self.give(&bytes[start..end], out)
    }

    fn header_pairs(&mut self, map: u32, out: (u32, u32)) -> Result<Status> {
        let Some(headers) = self.fields(map)? else { return Ok(Status::BadArgument) };
        let bytes = encode_pairs(headers);
        self.give(&bytes, out)
    }

    fn header_value(&mut self, map: u32, key: (u32, u32), out: (u32, u32)) -> Result<Status> {
        let key = self.read_text(key.0, key.1)?.to_ascii_lowercase();
        let Some(headers) = self.fields(map)? else { return Ok(Status::BadArgument) };
        match headers.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone()) {
            Some(value) => self.give(&value, out),
            None => Ok(Status::NotFound),
        }
    }

    fn change_header(&mut self, map: u32, key: (u32, u32), change: Change) -> Result<Status> {
        let key = self.read_text(key.0, key.1)?.to_ascii_lowercase();
        let value = match change {
            Change::Remove => None,
            Change::Replace(value, size) | Change::Add(value, size) => Some(self.read(value, size)?),
        };
        check_header(&key, value.as_deref().unwrap_or_default())?;
        if self.host().stream()?.reply.is_some() {
            bail!("a request header is written after the local reply");
        }
        let headers = self.fields(map)?;
        let headers = headers.ok_or_else(|| format_err!("a header is written after the request went upstream"))?;
        if !matches!(change, Change::Add(..)) {
            headers.retain(|(name, _)| *name != key);
        }
        headers.extend(value.map(|value| (key, value)));
        Ok(Status::Ok)
    }

    /// A header map for as long as Envoy lets the filter see it.
    fn fields(&mut self, map: u32) -> Result<Option<&mut Headers>> {
        let host = self.host();
        let in_trailers = host.in_trailers;
        let stream = host.stream()?;
        match map {
            REQUEST_HEADERS => Ok(stream.held_headers()),
            REQUEST_TRAILERS => Ok(in_trailers.then_some(&mut stream.trailers)),
            _ => bail!("unknown header map {map}"),
        }
    }

    fn property(&mut self, path: (u32, u32), out: (u32, u32)) -> Result<Status> {
        let name = self.read_text(path.0, path.1)?.replace('\0', ".");
        match self.host().stream()?.attribute(&name).map_err(Error::msg)? {
            Ok(value) => self.give(&value, out),
            Err(status) => Ok(status),
        }
    }

    fn set_property(&mut self, path: (u32, u32), value: (u32, u32)) -> Result<Status> {
        let name = self.read_text(path.0, path.1)?;
        if name.is_empty() || name.contains(['\0', '.']) {
            bail!("{name:?}: Envoy makes filter state of a path of one segment only");
        }
        let value = self.read(value.0, value.1)?;
        self.host().stream()?.properties.insert(name, value);
        Ok(Status::Ok)
    }

    fn local_response(&mut self, status: u32, body: (u32, u32), headers: (u32, u32), grpc_status: i32) -> Result<Status> {
        if !(200..600).contains(&status) {
            bail!("{status} is no final HTTP status");
        }
        if grpc_status != -1 {
            bail!("gRPC status {grpc_status}: -1 (none) is meant");
        }
        let body = self.read(body.0, body.1)?;
        let headers = decode_pairs(&self.read(headers.0, headers.1)?)?;
        for (name, value) in &headers {
            check_header(name, value)?;
        }
        self.host().stream()?.answer(Reply { status, headers, body }).map_err(Error::msg)?;
        Ok(Status::Ok)
    }

    fn define_metric(&mut self, kind: u32, name: (u32, u32), out: u32) -> Result<Status> {
        let name = self.read_text(name.0, name.1)?;
        if kind > HISTOGRAM || name.is_empty() {
            bail!("metric {name:?} of kind {kind}");
        }
        let metrics = &mut self.host().metrics;
        let id = metrics.len() as u32;
        metrics.push(Metric { name, kind, value: 0 });
        self.write(out, &id.to_le_bytes())
    }

    fn increment_metric(&mut self, id: u32, offset: i64) -> Result<Status> {
        let host = self.host();
        let metric = host.metric(id)?;
        let offset = match (metric.kind, u64::try_from(offset)) {
            (0, Ok(offset)) => offset,
            _ => bail!("{} is not a counter, or {offset} is negative", metric.name),
        };
        metric.value += offset;
        let name = metric.name.clone();
        *host.account().counted.entry(name).or_default() += offset;
        Ok(Status::Ok)
    }

    fn record_metric(&mut self, id: u32, value: u64) -> Result<Status> {
        let metric = self.host().metric(id)?;
        if metric.kind == 0 {
            bail!("{} is a counter: it counts up, it is not set", metric.name);
        }
        metric.value = value;
        Ok(Status::Ok)
    }

    fn continue_stream(&mut self, kind: u32) -> Result<Status> {
        if kind != HTTP_REQUEST {
            bail!("unknown stream type {kind}");
        }
        self.host().stream()?.resume().map_err(Error::msg)?;
        Ok(Status::Ok)
    }

    fn set_effective_context(&mut self, context: u32) -> Result<Status> {
        let host = self.host();
        if context != ROOT && !host.streams.contains_key(&context) {
            return Ok(Status::BadArgument);
        }
        host.effective = Some(context);
        Ok(Status::Ok)
    }

    fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    fn read(&self, address: u32, size: u32) -> Result<Vec<u8>> {
        let (start, end) = (address as usize, address as usize + size as usize);
        let bytes = self.memory.data(&self.caller).get(start..end);
        Ok(bytes.ok_or_else(|| format_err!("{start}..{end} is outside the module's memory"))?.to_vec())
    }

    fn read_text(&self, address: u32, size: u32) -> Result<String> {
        String::from_utf8(self.read(address, size)?).map_err(|error| format_err!("not UTF-8: {error}"))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<Status> {
        self.memory.write(&mut self.caller, address as usize, bytes)?;
        Ok(Status::Ok)
    }

    // As proxy-wasm-cpp-host: an empty value is a null pointer, so the SDK cannot tell it from none.
    fn give(&mut self, bytes: &[u8], (data_out, size_out): (u32, u32)) -> Result<Status> {
        let size = bytes.len() as u32;
        let address = if bytes.is_empty() { 0 } else { self.allocate(size)? };
        self.write(address, bytes)?;
        self.write(data_out, &address.to_le_bytes())?;
        self.write(size_out, &size.to_le_bytes())
    }

    fn allocate(&mut self, size: u32) -> Result<u32> {
        // In the order in which proxy-wasm-cpp-host looks for it.
        let mut exports = ["proxy_on_memory_allocate", "malloc"].into_iter();
        let export = exports.find_map(|name| self.caller.get_export(name)?.into_func());
        let export = export.ok_or_else(|| format_err!("the module exports no allocator"))?;
        let allocate: TypedFunc<u32, u32> = export.typed(&self.caller)?;
        match allocate.call(&mut self.caller, size)? {
            0 => bail!("the module allocated nothing for {size} bytes"),
            address => Ok(address),
        }
    }
}

// What Envoy's codecs would refuse or, worse, split into two headers.
fn check_header(name: &str, value: &[u8]) -> Result<()> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        bail!("{name:?} is no header name");
    }
    if value.iter().any(|byte| b"\0\r\n".contains(byte)) {
        bail!("header {name}: {:?} would break the message", String::from_utf8_lossy(value));
    }
    Ok(())
}

fn encode_pairs(headers: &Headers) -> Vec<u8> {
    let mut bytes = (headers.len() as u32).to_le_bytes().to_vec();
    for (name, value) in headers {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in headers {
        bytes.extend([name.as_bytes(), b"\0", value, b"\0"].concat());
    }
    bytes
}

fn decode_pairs(mut bytes: &[u8]) -> Result<Headers> {
    let count = take_size(&mut bytes)?;
    let sizes = (0..count).map(|_| Ok((take_size(&mut bytes)?, take_size(&mut bytes)?))).collect::<Result<Vec<_>>>()?;
    let headers = sizes
        .into_iter()
        .map(|(name, value)| {
            let name = String::from_utf8(take_terminated(&mut bytes, name)?)?;
            Ok((name, take_terminated(&mut bytes, value)?))
        })
        .collect::<Result<Headers>>()?;
    if bytes.is_empty() { Ok(headers) } else { bail!("{} bytes after the last header", bytes.len()) }
}

fn take_size(bytes: &mut &[u8]) -> Result<usize> {
    let size = bytes.split_off(..4).ok_or_else(|| format_err!("a header map is cut off"))?;
    Ok(u32::from_le_bytes(size.try_into()?) as usize)
}

fn take_terminated(bytes: &mut &[u8], size: usize) -> Result<Vec<u8>> {
    let text = bytes.split_off(..size).ok_or_else(|| format_err!("a header map is cut off"))?;
    match bytes.split_off(..1) {
        Some([0]) => Ok(text.to_vec()),
        _ => bail!("a header map lacks its terminators"),
    }
}
