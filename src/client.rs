//! The registration: what was agreed with a client.
//!
//! A registry is embedded in the configuration ([`Registry`]) or fetched ([`FetchedRegistry`]): as a whole list ([`Snapshot`]) or
//! one client at a time ([`Lookup`]). Neither reads a clock or sends a request: what the host must do, they say.

mod backend_authentication;
mod client_list;
mod convert;
mod fetched;
mod foreign;
mod jwks;
mod lookup;
mod metadata;
mod record;
mod registration;
mod registry;
mod snapshot;
mod wire;

pub use self::backend_authentication::BackendAuthentication;
pub use self::client_list::ClientList;
pub use self::convert::{ClientListFormat, Conversion, convert_list};
pub use self::fetched::{Answer, CLIENT_ID, FetchedRegistry, Mode, Request};
pub use self::lookup::{Lookup, Settled};
pub(crate) use self::metadata::is_client_id;
pub use self::metadata::{ClientMetadata, ExpectedSubject, TokenEndpointAuthMethod};
pub use self::registration::{FetchError, Registration, RegistryFault};
pub use self::registry::Registry;
pub use self::snapshot::{Change, ChangeKind, NotWhole, Report, SharedData, Snapshot, Ticks, Turn, Validators, Version};
