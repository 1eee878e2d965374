//! The fuzz targets. Each takes any octets, and panics where what it examines is wrong.
//!
//! A new reader of foreign octets gets a line in [`TARGETS`] and a folder in `corpus/`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target reports by panicking"
)]

mod documents;
mod names;
mod registries;
mod requests;
mod tokens;
mod trust;

/// The decoder of header maps, which the module of Envoy uses.
#[path = "../../crates/proxy-wasm/src/abi/header_map.rs"]
mod header_map;

/// What a target does with octets.
pub type Target = fn(&[u8]);

/// All targets.
pub const TARGETS: [(&str, Target); 24] = [
    ("access_token", tokens::access_token),
    ("assertion", requests::assertion),
    ("authorization", requests::authorization),
    ("ca_certificate", trust::ca_certificate),
    ("certificate", names::certificate),
    ("certificate_header", names::certificate_header),
    ("chain", trust::chain),
    ("client_list", registries::client_list),
    ("configuration", documents::configuration),
    ("crl", trust::crl),
    ("discovery", tokens::discovery),
    ("distinguished_name", names::distinguished_name),
    ("exchange", requests::exchange),
    ("form", requests::form),
    ("forwarded_chain", names::forwarded_chain),
    ("header_map", decoded_map),
    ("introspection", tokens::introspection),
    ("key_set", registries::key_set),
    ("list_pages", registries::list_pages),
    ("lookup", registries::lookup),
    ("ocsp", trust::ocsp),
    ("path", requests::path),
    ("shared_data", registries::shared_data),
    ("token_response", tokens::token_response),
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// The names of all targets.
#[must_use]
pub fn names() -> Vec<&'static str> {
    TARGETS.iter().map(|(name, _)| *name).collect()
}

/// A map of headers in the ABI: what is decoded lies within the map, and encodes to it again.
fn decoded_map(octets: &[u8]) {
    let map = header_map::HeaderMap::new(octets.to_vec());
    let Some(fields) = map.fields() else { return };
    let octets_of_texts: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    let numbers = if octets.is_empty() { 0 } else { 4 + 10 * fields.len() };
    assert_eq!(octets_of_texts + numbers, octets.len());
    let texts: Option<Vec<_>> = fields
        .iter()
        .map(|(name, value)| {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
        })
        .collect();
    if let Some(texts) = texts {
        let again = header_map::HeaderMap::new(header_map::encode(&texts));
        assert_eq!(again.fields(), Some(fields));
    }
}
