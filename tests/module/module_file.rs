//! The imports and exports of the module.

use crate::host::Module;
use crate::host::abi::PROVIDED_BY_ENVOY;

#[test]
fn imports_only_what_envoy_provides() {
    for import in Module::shipped().imports() {
        let name = import.strip_prefix("env.").unwrap_or_else(|| panic!("{import}: not from env"));
        assert!(PROVIDED_BY_ENVOY.contains(&name), "{import}: Envoy does not provide it");
    }
}

#[test]
fn exports_what_envoy_calls() {
    let exports = Module::shipped().exports();
    for name in [
        "_initialize",
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_http_call_response",
        "proxy_on_request_body",
        "proxy_on_request_headers",
        "proxy_on_request_trailers",
        "proxy_on_tick",
        "proxy_on_vm_start",
    ] {
        assert!(exports.iter().any(|export| export == name), "no export {name}: {exports:?}");
    }
    let allocators = exports
        .iter()
        .filter(|export| ["malloc", "proxy_on_memory_allocate"].contains(&export.as_str()));
    assert_eq!(allocators.count(), 1, "{exports:?}");
}
