//! A host for proxy-wasm modules in wasmtime, for all tests that load the shipped module.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

extern crate test_support as support;

pub mod host;
#[path = "host/random.rs"]
pub mod random;
#[path = "host/run.rs"]
pub mod run;
