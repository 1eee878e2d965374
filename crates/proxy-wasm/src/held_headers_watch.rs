//! Detects that `allow_on_headers_stop_iteration` is missing.
//!
//! Without this setting, a Pause at the headers stops the whole stream: Envoy buffers the body and
//! makes no further callback, and the request hangs until a time-out that does not explain it. On
//! a tick, such a request is recognised by bytes that Envoy received and did not deliver. The first
//! body or trailers that are delivered while headers are held prove the setting; from then on
//! nothing is watched.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tls_client_auth::host::Exchange;
use tls_client_auth::{HostError, limits};

use super::abi;
use super::held_request::HeldRequest;
use super::log::{Level, log};

/// What this VM knows about the setting.
pub(super) enum HeldHeadersWatch {
    /// Nothing yet.
    Unknown {
        /// The held requests, by their contexts.
        held: BTreeMap<u32, WatchedRequest>,
        /// Whether the missing setting has been logged.
        is_reported: bool,
    },
    /// Bodies are delivered while headers are held.
    Proven,
}

/// A held request whose bytes are counted.
pub(super) struct WatchedRequest {
    request: HeldRequest,
    /// Bytes of headers and body that Envoy had received when the headers were held.
    received: u64,
    /// For how long Envoy has had more bytes than that.
    late: Duration,
}

impl Default for HeldHeadersWatch {
    fn default() -> Self {
        Self::Unknown { held: BTreeMap::new(), is_reported: false }
    }
}

impl HeldHeadersWatch {
    /// A request is held from now on.
    pub(super) fn watch(&mut self, context_id: u32, exchange: &Rc<RefCell<Exchange>>) {
        if let Self::Unknown { held, .. } = self
            && let Some(received) = received()
        {
            let request = HeldRequest::new(context_id, exchange);
            held.insert(context_id, WatchedRequest { request, received, late: Duration::ZERO });
        }
    }

    /// A body or trailers were delivered for a held request.
    pub(super) fn prove(&mut self) {
        if let Self::Unknown { .. } = self {
            *self = Self::Proven;
        }
    }

    /// Whether the setting is there; `None` = that is not known yet.
    pub(super) fn is_setting_there(&self) -> Option<bool> {
        match self {
            Self::Proven => Some(true),
            Self::Unknown { is_reported: true, .. } => Some(false),
            Self::Unknown { is_reported: false, .. } => None,
        }
    }

    /// A request has ended.
    pub(super) fn forget(&mut self, context_id: u32) {
        if let Self::Unknown { held, .. } = self {
            held.remove(&context_id);
        }
    }

    /// Removes and returns the held requests whose bodies Envoy does not deliver, `elapsed` after
    /// the last tick.
    pub(super) fn take_late(&mut self, elapsed: Duration) -> Vec<HeldRequest> {
        let Self::Unknown { held, is_reported } = self else { return Vec::new() };
        let is_late = |_: &u32, watched: &mut WatchedRequest| {
            let has_more = watched.request.make_effective().is_some()
                && received().is_some_and(|now| now > watched.received);
            watched.late += if has_more { elapsed } else { Duration::ZERO };
            watched.late >= limits::WITHHELD
        };
        let late: Vec<_> =
            held.extract_if(.., is_late).map(|(_, watched)| watched.request).collect();
        if !late.is_empty() && !std::mem::replace(is_reported, true) {
            log(Level::Error, &format!("tls_client_auth {}", HostError::BodyWithHeadersHeld));
        }
        late
    }
}

/// `request.total_size`: bytes of headers and body that Envoy has received. (`request.size` is the
/// value of `content-length`.)
fn received() -> Option<u64> {
    let value = abi::property("request\0total_size")?;
    value.try_into().ok().map(u64::from_le_bytes)
}
