//! What all tests share: the case table and the certificates that its rows name.

#![allow(dead_code, reason = "each test binary uses a part of this crate")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod case;
pub mod certificate;
pub mod der;
pub mod moment;
pub mod revocation;

/// The root of the repository.
pub fn repository() -> &'static std::path::Path {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this package is in tests/support")
}
