//! The host functions of ABI 0.2.1 that the filter calls, and the memory that the host fills.
//!
//! The SDK's own functions for them panic on every status that they do not list, serialise the path
//! of a property at every call, and copy each header. So this module has the only `unsafe` of the
//! project. Two things can go wrong in it, and each block says why they do not:
//!
//! - The host reads memory that the filter does not own: every pointer that is handed over comes
//!   from a slice or a variable that outlives the call, and the host keeps no pointer.
//! - The filter takes memory that it does not own: the host returns an address that it got from the
//!   allocation function of this module, which the SDK exports, for exactly this call.

#![allow(unsafe_code, reason = "calls host functions, and owns what they return")]

mod allocator;
mod artifact;
mod header_map;

use std::ptr::null_mut;

use tls_client_auth::host::log_line;

pub(crate) use self::allocator::Reusing;
use self::artifact::tls_client_auth_reads_responses;
pub(crate) use self::header_map::HeaderMap;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, text_size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *mut *mut u8,
        data_size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        size: usize,
        data: *const u8,
        data_size: usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, data_size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        data: *mut *mut u8,
        data_size: *mut usize,
    ) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        data_size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        arguments: *const u8,
        arguments_size: usize,
        results: *mut *mut u8,
        results_size: *mut usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// `proxy_status_t`: done. Every other status is a failure, whatever its number is.
const OK: u32 = 0;

/// A header map of the request or of the answer whose callback is running.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    AnswerHeaders = 6,
}

/// A buffer of the request, of an answer, or of the configuration.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    AnswerBody = 4,
    Configuration = 7,
}

/// How important a line of the log is.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// What a metric measures.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum MetricKind {
    Counter = 0,
    Gauge = 1,
}

/// Writes one line into Envoy's log, whatever the text is. A failure of the log cannot be reported
/// anywhere.
pub(crate) fn log(level: Level, text: &str) {
    let text = log_line(text);
    // SAFETY: the host reads `text` during the call.
    unsafe { proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// The time, in nanoseconds since 1970; `None` = the host does not give it.
pub(crate) fn now() -> Option<u64> {
    let mut time = 0;
    // SAFETY: the host writes eight octets to `time` during the call.
    let status = unsafe { proxy_get_current_time_nanoseconds(&mut time) };
    (status == OK).then_some(time)
}

/// Sets the time between two ticks, in milliseconds; 0 ends them. Returns whether the host did it.
pub(crate) fn set_tick_period(milliseconds: u32) -> bool {
    // SAFETY: no memory is handed over.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) == OK }
}

/// Makes the calls that follow about the context with this number; returns whether there is one.
pub(crate) fn set_effective_context(context: u32) -> bool {
    // SAFETY: no memory is handed over.
    unsafe { proxy_set_effective_context(context) == OK }
}

/// The first `size` octets of a buffer, or as many as it has.
pub(crate) fn buffer(buffer: Buffer, size: usize) -> Option<Vec<u8>> {
    // SAFETY: the two places are those of `filled`.
    filled(|data, data_size| unsafe {
        proxy_get_buffer_bytes(buffer as u32, 0, size, data, data_size)
    })
}

/// All headers or trailers; `None` = the host does not give them, or not as the ABI says.
pub(crate) fn header_map(map: Map) -> Option<HeaderMap> {
    // SAFETY: the two places are those of `filled`.
    filled(|data, data_size| unsafe { proxy_get_header_map_pairs(map as u32, data, data_size) })
        .map(HeaderMap::new)
}

/// The result of a function that the host has beside the ABI; `None` = it has no such function, or
/// the function failed.
pub(crate) fn call_foreign_function(name: &str, arguments: &[u8]) -> Option<Vec<u8>> {
    // SAFETY: the host reads `name` and `arguments` during the call. The two places are those of
    // `filled`.
    filled(|data, data_size| unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            data,
            data_size,
        )
    })
}

/// Whether there is a header `name`.
pub(crate) fn has_header(map: Map, name: &str) -> bool {
    header_map(map)
        .as_ref()
        .and_then(HeaderMap::fields)
        .is_some_and(|fields| fields.iter().any(|(found, _)| *found == name.as_bytes()))
}

/// Removes every header `name`; returns whether the host did it.
pub(crate) fn remove_header(map: Map, name: &[u8]) -> bool {
    // SAFETY: the host reads `name` during the call.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) == OK }
}

/// Replaces every header `name` by one with this value; returns whether the host did it.
pub(crate) fn replace_header(map: Map, name: &str, value: &str) -> bool {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    // SAFETY: the host reads `name` and `value` during the call.
    unsafe {
        proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        ) == OK
    }
}

/// The attribute of a path, whose segments are separated by NUL; `None` = the host does not have
/// it. An empty value is returned as such.
pub(crate) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `path` during the call; the two places are those of `filled`.
    filled(|data, data_size| unsafe {
        proxy_get_property(path.as_ptr(), path.len(), data, data_size)
    })
}

/// Whether the host has a property under this path, also one that it cannot write as octets.
pub(crate) fn has_property(path: &str) -> bool {
    /// Of a map with a value that has no form.
    const SERIALIZATION_FAILURE: u32 = 3;
    let mut status = OK;
    // SAFETY: the host reads `path` during the call; the two places are those of `filled`.
    let value = filled(|data, data_size| unsafe {
        status = proxy_get_property(path.as_ptr(), path.len(), data, data_size);
        status
    });
    value.is_some() || status == SERIALIZATION_FAILURE
}

/// Sets the filter state `wasm.{name}` of the request; returns whether the host did it.
pub(crate) fn set_property(name: &str, value: &[u8]) -> bool {
    // SAFETY: the host reads `name` and `value` during the call.
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) == OK }
}

/// Whether Envoy calls this module for responses: whether it is `tls_client_auth_responses.wasm`.
/// What only these callbacks need is behind this, so that the other module is without it.
#[inline(always)]
pub(crate) fn reads_responses() -> bool {
    tls_client_auth_reads_responses() != 0
}

/// Replaces the first `size` octets of a buffer; returns whether the host did it. A buffer that is
/// not there, as where trailers came without a body, is a failure.
pub(crate) fn replace_buffer(buffer: Buffer, size: usize, data: &[u8]) -> bool {
    // SAFETY: the host reads `data` during the call.
    unsafe { proxy_set_buffer_bytes(buffer as u32, 0, size, data.as_ptr(), data.len()) == OK }
}

/// Lets the held response go on; returns whether the host does it.
pub(crate) fn continue_response() -> bool {
    // SAFETY: no memory is handed over. 1 is the type of a response's stream.
    unsafe { proxy_continue_stream(1) == OK }
}

/// Lets the held request go on; returns whether the host does it.
pub(crate) fn continue_request() -> bool {
    // SAFETY: no memory is handed over. 0 is the type of a request's stream.
    unsafe { proxy_continue_stream(0) == OK }
}

/// Answers the request; returns whether the host does it.
pub(crate) fn send_local_response(status: u16, headers: &[(&str, &str)], body: &str) -> bool {
    let headers = header_map::encode(headers);
    // SAFETY: the host reads `body` and `headers` during the call. There are no details: their
    // length is 0. -1 stands for no status of gRPC.
    unsafe {
        proxy_send_local_response(
            status.into(),
            null_mut(),
            0,
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        ) == OK
    }
}

/// The value of `key` in the shared data, and its version; `None` = there is none.
pub(crate) fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut version = 0;
    // SAFETY: the host reads `key` and writes four octets to `version` during the call; the two
    // places are those of `filled`.
    let value = filled(|data, data_size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, data_size, &mut version)
    })?;
    Some((value, version))
}

/// Sets the value of `key` in the shared data, if its version is `version`, where that is not 0;
/// returns whether the host did it.
pub(crate) fn set_shared_data(key: &str, value: &[u8], version: u32) -> bool {
    // SAFETY: the host reads `key` and `value` during the call.
    unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) == OK
    }
}

/// Defines a metric, or finds the one that has this name; `None` = the host does not.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: the host reads `name` and writes four octets to `id` during the call.
    let status = unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

/// Adds `more` to a counter. A counter that the host does not have counts nothing.
pub(crate) fn increment_metric(id: u32, more: u32) {
    // SAFETY: no memory is handed over.
    unsafe { proxy_increment_metric(id, more.into()) };
}

/// Sets a gauge. A gauge that the host does not have shows nothing.
pub(crate) fn record_metric(id: u32, value: u64) {
    // SAFETY: no memory is handed over.
    unsafe { proxy_record_metric(id, value) };
}

/// What a host function returns in memory that it allocates; `None` = its status is a failure. The
/// two places, for the address and the length, are valid during the call.
fn filled(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (null_mut(), 0);
    if call(&mut data, &mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the host got `data` from `proxy_on_memory_allocate` of the SDK, which it called with
    // `size`: a boxed slice of so many octets, which the host has written, and which nothing else
    // owns. `Vec` has the same allocator and layout.
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}
