//! Envoy's clock.

use tls_client_auth::UnixTime;

use super::abi;

/// The time in seconds.
pub(super) fn now() -> Option<UnixTime> {
    i64::try_from(abi::now()? / 1_000_000_000).ok().map(UnixTime)
}

/// Milliseconds since 1970; 0 if Envoy gives no time.
pub(super) fn now_millis() -> u64 {
    now_nanos() / 1_000_000
}

/// Nanoseconds since 1970; 0 if Envoy gives no time.
pub(super) fn now_nanos() -> u64 {
    abi::now().unwrap_or(0)
}
