//! What all test binaries share: the case table and the certificates that its rows name.

#![allow(dead_code, reason = "every test binary uses its own part of this module")]
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
