//! Which of the two artifacts this module is. Both come from one compilation: `./build.sh` removes
//! the exports of the response callbacks from the first, because each of them costs every request
//! some microseconds, and sets the constant below, so that nothing that only they need is left.

/// Whether Envoy calls this module for responses. The module as compiled has those callbacks;
/// `./build.sh` (`.ci/artifact.mjs`) replaces the body of this function by a constant, which
/// `wasm-opt` follows.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn tls_client_auth_reads_responses() -> u32 {
    // The compiler must not follow it, because both artifacts come from its one result.
    std::hint::black_box(1)
}
