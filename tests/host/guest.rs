//! The effects of host calls on the module's memory and on the host.

use wasmtime::{Caller, Error, Memory, Result, TypedFunc, bail, format_err};

use super::abi::{Host, Log, Metric};
use super::http_call::{ANSWER_BODY, is_answer_map};
use super::pairs::{check_header, decode_pairs, encode_pairs};
use super::response::ResponseFault;
use super::stream::{Headers, Reply, Status};

/// The longest line that the filter gives to a log, in bytes.
const LONGEST_LINE: usize = 4096;

const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const HTTP_REQUEST: u32 = 0;
const HTTP_RESPONSE: u32 = 1;
const HISTOGRAM: u32 = 2;

/// The module during one of its host calls. A pair of numbers is an address and a size in its
/// memory, or the two addresses where the host must write an address and a size.
pub struct Guest<'a> {
    caller: Caller<'a, Host>,
    memory: Memory,
}

pub enum Change {
    Remove,
    Replace(u32, u32),
    Add(u32, u32),
}

impl<'a> Guest<'a> {
    pub fn new(caller: Caller<'a, Host>, memory: Memory) -> Guest<'a> {
        Guest { caller, memory }
    }
}

impl Guest<'_> {
    pub fn log(&mut self, level: u32, text: u32, size: u32) -> Result<Status> {
        if level > 5 {
            bail!("{level} is not a log level");
        }
        let message = self.read_text(text, size)?;
        // Envoy writes it as it is: a line end would begin another line.
        if message.contains(char::is_control) || message.len() > LONGEST_LINE {
            bail!("not one line of at most {LONGEST_LINE} bytes: {message:?}");
        }
        self.host().account().logs.push(Log { level, message });
        Ok(Status::Ok)
    }

    pub fn current_time(&mut self, out: u32) -> Result<Status> {
        let host = self.host();
        let clock = host.clock;
        host.clock += host.clock_step;
        self.write(out, &clock.to_le_bytes())
    }

    pub fn set_tick_period(&mut self, period: u32) -> Result<Status> {
        let host = self.host();
        let root = host.subject_root()?;
        host.roots.insert(root, (period > 0).then_some(period));
        Ok(Status::Ok)
    }

    pub fn buffer_bytes(
        &mut self,
        buffer: u32,
        start: u32,
        size: u32,
        out: (u32, u32),
    ) -> Result<Status> {
        let bytes = match buffer {
            PLUGIN_CONFIGURATION => self.host().configuration.as_deref(),
            VM_CONFIGURATION => self.host().configuration.is_some().then_some(&[][..]),
            REQUEST_BODY => Some(self.host().stream()?.buffered()),
            RESPONSE_BODY if self.fails(ResponseFault::GiveBody) => None,
            RESPONSE_BODY => self.host().stream()?.response.buffered(),
            ANSWER_BODY => self.answer_body()?,
            _ => bail!("unknown buffer {buffer}"),
        };
        let Some(bytes) = bytes else { return Ok(Status::NotFound) };
        let (start, size) = (start as usize, size as usize);
        if start > bytes.len() {
            bail!("{start} is past the end of a buffer of {} bytes", bytes.len());
        }
        let end = bytes.len().min(start.saturating_add(size));
        let piece = bytes[start..end].to_vec();
        self.give(&piece, out)
    }

    pub fn header_pairs(&mut self, map: u32, out: (u32, u32)) -> Result<Status> {
        let headers = match self.readable_fields(map)? {
            Some(headers) => headers.clone(),
            // Envoy does not distinguish an absent map from an empty one.
            None if is_answer_map(map) => Headers::new(),
            None => return Ok(Status::BadArgument),
        };
        self.give(&encode_pairs(&headers), out)
    }

    pub fn header_value(&mut self, map: u32, key: (u32, u32), out: (u32, u32)) -> Result<Status> {
        let key = self.read_text(key.0, key.1)?.to_ascii_lowercase();
        let Some(headers) = self.readable_fields(map)? else { return Ok(Status::BadArgument) };
        match headers.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone()) {
            Some(value) => self.give(&value, out),
            None => Ok(Status::NotFound),
        }
    }

    pub fn change_header(&mut self, map: u32, key: (u32, u32), change: Change) -> Result<Status> {
        let key = self.read_text(key.0, key.1)?.to_ascii_lowercase();
        let value = match change {
            Change::Remove => None,
            Change::Replace(value, size) | Change::Add(value, size) => {
                Some(self.read(value, size)?)
            }
        };
        check_header(&key, value.as_deref().unwrap_or_default())?;
        if self.host().stream()?.reply.is_some() {
            bail!("a header is written after the local reply");
        }
        if matches!(change, Change::Remove) && self.host().unremovable.as_ref() == Some(&key) {
            return Ok(Status::InternalFailure);
        }
        if !matches!(change, Change::Remove) && self.host().unwritable.as_ref() == Some(&key) {
            return Ok(Status::InternalFailure);
        }
        let headers = self.fields(map)?;
        let went = match map {
            RESPONSE_HEADERS => "the response went on",
            _ => "the request went upstream",
        };
        let headers = headers.ok_or_else(|| format_err!("a header is written after {went}"))?;
        if !matches!(change, Change::Add(..)) {
            headers.retain(|(name, _)| *name != key);
        }
        headers.extend(value.map(|value| (key, value)));
        Ok(Status::Ok)
    }

    /// A header map, while Envoy shows it to the filter.
    fn fields(&mut self, map: u32) -> Result<Option<&mut Headers>> {
        match map {
            REQUEST_HEADERS => Ok(self.host().stream()?.held_headers()),
            REQUEST_TRAILERS => Ok(self.host().stream()?.shown_trailers()),
            RESPONSE_HEADERS => Ok(self.host().stream()?.response.held_headers()),
            _ => bail!("header map {map} is unknown, or not writable"),
        }
    }

    fn readable_fields(&mut self, map: u32) -> Result<Option<&Headers>> {
        if is_answer_map(map) {
            self.answer_fields(map)
        } else if map == RESPONSE_HEADERS && self.fails(ResponseFault::GiveHeaders) {
            Ok(None)
        } else if map == RESPONSE_HEADERS && self.host().stream()?.reply.is_some() {
            // The filter's own reply comes to it, too.
            Ok(self.host().stream()?.reply.as_ref().map(|reply| &reply.headers))
        } else {
            Ok(self.fields(map)?.map(|headers| &*headers))
        }
    }

    pub fn property(&mut self, path: (u32, u32), out: (u32, u32)) -> Result<Status> {
        let name = self.read_text(path.0, path.1)?.replace('\0', ".");
        match self.host().stream()?.attribute(&name).map_err(Error::msg)? {
            Ok(value) => self.give(&value, out),
            Err(status) => Ok(status),
        }
    }

    pub fn set_property(&mut self, path: (u32, u32), value: (u32, u32)) -> Result<Status> {
        let name = self.read_text(path.0, path.1)?;
        if name.is_empty() || name.contains(['\0', '.']) {
            bail!("{name:?}: Envoy sets filter state only for a path of one segment");
        }
        let value = self.read(value.0, value.1)?;
        self.host().stream()?.properties.insert(name, value);
        Ok(Status::Ok)
    }

    pub fn local_response(
        &mut self,
        status: u32,
        body: (u32, u32),
        headers: (u32, u32),
        grpc_status: i32,
    ) -> Result<Status> {
        if !(200..600).contains(&status) {
            bail!("{status} is not a final HTTP status");
        }
        if grpc_status != -1 {
            bail!("gRPC status {grpc_status} instead of -1 (none)");
        }
        let body = self.read(body.0, body.1)?;
        let headers = decode_pairs(&self.read(headers.0, headers.1)?)?;
        for (name, value) in &headers {
            check_header(name, value)?;
        }
        if self.fails(ResponseFault::Reply) {
            return Ok(Status::BadArgument);
        }
        let host = self.host();
        let is_last_resort = host.unremovable.is_some();
        host.stream()?
            .answer(Reply { status, headers, body }, is_last_resort)
            .map_err(Error::msg)?;
        host.answered_another |= host.subject() != host.active;
        Ok(Status::Ok)
    }

    pub fn define_metric(&mut self, kind: u32, name: (u32, u32), out: u32) -> Result<Status> {
        let name = self.read_text(name.0, name.1)?;
        if kind > HISTOGRAM || name.is_empty() {
            bail!("metric {name:?} of kind {kind}");
        }
        let metrics = &mut self.host().metrics;
        let id = metrics.len() as u32;
        metrics.push(Metric { name, kind, value: 0 });
        self.write(out, &id.to_le_bytes())
    }

    pub fn increment_metric(&mut self, id: u32, offset: i64) -> Result<Status> {
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

    pub fn record_metric(&mut self, id: u32, value: u64) -> Result<Status> {
        let metric = self.host().metric(id)?;
        if metric.kind == 0 {
            bail!("{} is a counter, which can only be incremented", metric.name);
        }
        metric.value = value;
        Ok(Status::Ok)
    }

    pub fn continue_stream(&mut self, kind: u32) -> Result<Status> {
        if kind == HTTP_RESPONSE && self.fails(ResponseFault::Continue) {
            return Ok(Status::InternalFailure);
        }
        let stream = self.host().stream()?;
        match kind {
            HTTP_REQUEST => stream.resume(),
            HTTP_RESPONSE => stream.response.resume(),
            _ => bail!("unknown stream type {kind}"),
        }
        .map_err(Error::msg)?;
        Ok(Status::Ok)
    }

    pub fn set_buffer_bytes(
        &mut self,
        buffer: u32,
        start: u32,
        size: u32,
        data: (u32, u32),
    ) -> Result<Status> {
        if buffer != RESPONSE_BODY {
            bail!("buffer {buffer} is none that a filter replaces");
        }
        let body = self.read(data.0, data.1)?;
        if self.fails(ResponseFault::ReplaceBody) {
            return Ok(Status::InternalFailure);
        }
        let response = &mut self.host().stream()?.response;
        let is_replaced = response.replace(start as usize, size as usize, body);
        Ok(if is_replaced.map_err(Error::msg)? { Status::Ok } else { Status::BadArgument })
    }

    fn fails(&mut self, fault: ResponseFault) -> bool {
        self.host().response_faults.contains(&fault)
    }

    pub fn set_effective_context(&mut self, context: u32) -> Result<Status> {
        let host = self.host();
        // Envoy deletes the context of a request later in the same turn of its loop than it destroys
        // the filters. A call for such a request is a fault, but this one succeeds.
        if !host.roots.contains_key(&context)
            && !host.streams.contains_key(&context)
            && !host.destroyed.contains(&context)
        {
            return Ok(Status::BadArgument);
        }
        host.effective = Some(context);
        Ok(Status::Ok)
    }

    pub fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    pub fn read(&self, address: u32, size: u32) -> Result<Vec<u8>> {
        let (start, end) = (address as usize, address as usize + size as usize);
        let bytes = self.memory.data(&self.caller).get(start..end);
        Ok(bytes
            .ok_or_else(|| format_err!("{start}..{end} is outside the module's memory"))?
            .to_vec())
    }

    pub fn read_text(&self, address: u32, size: u32) -> Result<String> {
        String::from_utf8(self.read(address, size)?)
            .map_err(|error| format_err!("not UTF-8: {error}"))
    }

    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<Status> {
        self.memory.write(&mut self.caller, address as usize, bytes)?;
        Ok(Status::Ok)
    }

    /// Copies a value into the module's memory. As in proxy-wasm-cpp-host, an empty value is a null
    /// pointer, so the SDK cannot distinguish it from no value.
    pub fn give(&mut self, bytes: &[u8], (data_out, size_out): (u32, u32)) -> Result<Status> {
        let size = bytes.len() as u32;
        let address = if bytes.is_empty() { 0 } else { self.allocate(size)? };
        self.write(address, bytes)?;
        self.write(data_out, &address.to_le_bytes())?;
        self.write(size_out, &size.to_le_bytes())
    }

    fn allocate(&mut self, size: u32) -> Result<u32> {
        // In the order in which proxy-wasm-cpp-host looks for them.
        let mut exports = ["proxy_on_memory_allocate", "malloc"].into_iter();
        let export = exports.find_map(|name| self.caller.get_export(name)?.into_func());
        let export = export.ok_or_else(|| format_err!("the module exports no allocator"))?;
        let allocate: TypedFunc<u32, u32> = export.typed(&self.caller)?;
        match allocate.call(&mut self.caller, size)? {
            0 => bail!("the module did not allocate {size} bytes"),
            address => Ok(address),
        }
    }
}
