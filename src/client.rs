//! The registration: what was agreed with a client.

mod jwks;
mod metadata;
mod registry;

pub use self::metadata::{ClientMetadata, ExpectedSubject, TokenEndpointAuthMethod};
pub use self::registry::Registry;
