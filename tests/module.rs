//! The shipped module in wasmtime.

mod host;
mod support;
