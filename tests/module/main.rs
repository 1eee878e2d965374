//! The shipped module in wasmtime: the same bytes that operators load, driven as Envoy drives them.

#[path = "../host/mod.rs"]
mod host;
#[path = "../support/mod.rs"]
mod support;

mod configurations;
mod deliveries;
mod harness;
mod hostile;
mod module_file;
mod operations;
mod random;
mod run;
mod strictness;
