//! The shipped module in a real Envoy, with real TLS, in front of a backend that records everything
//! that it receives. README.md says what these tests need.

extern crate test_support as support;

mod anchors;
pub mod backend;
pub mod bootstrap;
pub mod client;
mod connections;
mod decisions;
mod delivery;
mod endurance;
pub mod fixture;
mod forwarded;
mod forwarding;
mod hosts;
mod hot_change;
pub mod http1;
pub mod http2;
pub mod jwt;
mod key_sets;
mod manual;
mod process;
mod realms;
pub mod registry;
mod registry_faults;
mod registry_lifecycle;
mod registry_lookup;
mod registry_on_miss;
mod registry_snapshot;
mod resources;
mod revocation;
mod revoked;
mod server_names;
mod table;
mod upgrades;
pub mod wire;
