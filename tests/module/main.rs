//! The shipped module in wasmtime: the bytes that operators load, driven as Envoy drives them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

extern crate test_support as support;

use tls_client_auth_tests::{host, random, run};

mod calls;
mod configurations;
mod deliveries;
mod ended;
mod faulty_host;
mod fixture;
mod harness;
mod hostile;
mod module_file;
mod operations;
mod orders;
mod registry;
mod responses;
mod strictness;
mod trust;
