//! The parts of `abi` that need no host, tested on this machine, where the crate itself is empty.

#![allow(dead_code, reason = "the tests are in the modules")]
#![allow(unsafe_code, reason = "one of them is an allocator")]

#[path = "../src/abi/allocator.rs"]
mod allocator;
#[path = "../src/abi/header_map.rs"]
mod header_map;
