//! Envoy's clock.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use tls_client_auth::UnixTime;

/// The time in seconds.
pub(super) fn now() -> Option<UnixTime> {
    i64::try_from(since_epoch()?.as_secs()).ok().map(UnixTime)
}

/// Milliseconds since 1970; 0 if Envoy gives no time.
pub(super) fn now_millis() -> u64 {
    now_nanos() / 1_000_000
}

/// Nanoseconds since 1970; 0 if Envoy gives no time.
pub(super) fn now_nanos() -> u64 {
    since_epoch().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn since_epoch() -> Option<Duration> {
    hostcalls::get_current_time().ok()?.duration_since(UNIX_EPOCH).ok()
}
