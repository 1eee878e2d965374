//! HTTP calls to a registry, and their answers.

use std::time::Duration;

use proxy_wasm::hostcalls;
use tls_client_auth::host::{RegistryAnswer, RegistryRequest};
use tls_client_auth::limits;

use crate::abi::{self, Buffer, HeaderMap, Map};

/// Sends a request; returns the call's token, or `None` if Envoy refuses the call.
pub(super) fn send(cluster: &str, timeout: Duration, request: &RegistryRequest) -> Option<u32> {
    send_form(cluster, timeout, request, b"")
}

/// The same with a body, of which the headers have the type and the length. Empty = it has none.
pub(super) fn send_form(
    cluster: &str,
    timeout: Duration,
    request: &RegistryRequest,
    body: &[u8],
) -> Option<u32> {
    let headers = request.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    hostcalls::dispatch_http_call(
        cluster,
        headers,
        (!body.is_empty()).then_some(body),
        Vec::new(),
        timeout.min(limits::LONGEST_TIMEOUT),
    )
    .ok()
}

/// What `on_http_call_response` reports of an answer. The answer itself can be read only during
/// that callback.
#[derive(Clone, Copy)]
pub(crate) struct AnswerSizes {
    /// Number of headers; 0 if the call failed.
    pub(crate) headers: usize,
    /// Length of the body, in bytes.
    pub(crate) body: usize,
}

/// Reads the answer whose callback is running.
pub(super) fn with_answer<T>(
    sizes: AnswerSizes,
    read_answer: impl FnOnce(RegistryAnswer<'_>) -> T,
) -> T {
    // A call that failed has no headers, and Envoy then has no map of them.
    let map = (sizes.headers > 0).then(|| abi::header_map(Map::AnswerHeaders)).flatten();
    let fields = map.as_ref().and_then(HeaderMap::fields).unwrap_or_default();
    let headers: Vec<(String, Vec<u8>)> = fields
        .into_iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.to_vec()))
        .collect();
    let status = headers
        .iter()
        .find(|(name, _)| name == ":status")
        .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok());
    let read = |length| abi::buffer(Buffer::AnswerBody, length);
    read_answer(RegistryAnswer { status, headers: &headers, body_size: sizes.body, read: &read })
}
