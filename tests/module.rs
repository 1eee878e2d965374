//! The shipped module in wasmtime.

mod support;
