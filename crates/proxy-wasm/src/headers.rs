//! Removes and replaces request headers and trailers, and reports whether Envoy did it.
//!
//! The functions of the SDK panic on every status but Ok, and Envoy may refuse. These two host
//! functions are therefore called directly; it is the only unsafe code of this crate.

#![allow(unsafe_code, reason = "calls host functions")]

use proxy_wasm::types::MapType;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_remove_header_map_value(map_type: u32, key_data: *const u8, key_size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map_type: u32,
        key_data: *const u8,
        key_size: usize,
        value_data: *const u8,
        value_size: usize,
    ) -> u32;
}

/// `proxy_status_t` of the ABI.
const OK: u32 = 0;

/// Removes every field `name`; returns whether Envoy did it.
pub(super) fn remove(map: MapType, name: &str) -> bool {
    // SAFETY: the host reads the given bytes during the call and keeps no pointer to them.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) == OK }
}

/// Replaces every field `name` by one with this value; returns whether Envoy did it.
pub(super) fn replace(map: MapType, name: &str, value: &str) -> bool {
    // SAFETY: the host reads the given bytes during the call and keeps no pointer to them.
    unsafe {
        proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        ) == OK
    }
}
