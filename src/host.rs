//! Where the filter runs. A host carries bytes to the [`crate::exchange`] and its steps back; it decides nothing.

mod proxy_wasm;
