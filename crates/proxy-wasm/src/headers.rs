//! Request headers and trailers, changed so that a host which refuses can be answered.
//!
//! The SDK panics on any status but Ok, and a panic takes the worker's VM down. Here alone the host
//! is called without it.

#![allow(unsafe_code, reason = "calls into the host")]

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

/// `proxy_status_t` of the ABI: the call did what it was asked.
const OK: u32 = 0;

/// Removes every field `name`; returns whether the host did.
pub(super) fn remove(map: MapType, name: &str) -> bool {
    // SAFETY: the host reads these octets during the call, and keeps nothing of them.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) == OK }
}

/// Puts one field in place of every field `name`; returns whether the host did.
pub(super) fn replace(map: MapType, name: &str, value: &str) -> bool {
    // SAFETY: as above.
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
