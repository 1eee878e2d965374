//! Where the filter runs. A host carries bytes to the [`crate::exchange`] and its steps back; it decides nothing.

#[cfg(feature = "bindgen")]
mod bindgen;
#[cfg(feature = "proxy-wasm")]
mod proxy_wasm;
