//! The fuzzer of the target that the variable TARGET names. One program has all targets, because
//! each would take as long to link.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tls_client_auth_fuzz::{Target, target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| {
        eprintln!("TARGET must be one of {:?}", tls_client_auth_fuzz::names());
        std::process::exit(2)
    })
});

fuzz_target!(|octets: &[u8]| TARGET(octets));
