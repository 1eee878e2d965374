//! What all test binaries share: the case table and the certificates that its rows name.

#![allow(dead_code, reason = "every test binary uses its own part of this module")]

pub mod case;
pub mod certificate;
pub mod der;
pub mod moment;
