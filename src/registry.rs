//! Where registrations are kept.
//!
//! A registry is embedded in the configuration ([`Registry`]) or fetched ([`FetchedRegistry`]): as
//! a whole list ([`Snapshot`]) or one client at a time ([`Lookup`]). Neither reads a clock or sends
//! a request: both return what the host must do.

mod client_list;
mod embedded;
mod error;
mod fetched;
mod import;
mod introspection;
mod key_sets;
mod list;
mod lookup;
mod snapshot;

pub use self::client_list::ClientList;
pub use self::embedded::Registry;
pub use self::error::{FetchError, RegistryFault};
pub(crate) use self::fetched::CLIENT_ID;
pub use self::fetched::{FetchMode, FetchedRegistry, RegistryAnswer, RegistryRequest, Validators};
pub use self::import::{ClientListFormat, Conversion, convert_list, missing_part};
pub use self::introspection::{
    AccessToken, IntrospectedToken, IntrospectionOutcome, IntrospectionRequest,
    IntrospectionSource, Introspections, TokenKey,
};
pub use self::key_sets::{FetchedKeySet, KeySet, KeySetSource, KeySets};
pub use self::list::{IncompleteList, has_entry_limit};
pub(crate) use self::lookup::{Freshness, PendingAnswers};
pub use self::lookup::{Lookup, LookupOutcome, OnMiss};
pub use self::snapshot::{
    Change, ChangeKind, RefreshEvent, SharedData, Snapshot, Stopwatch, TickOutcome, Version,
};
pub(crate) use self::snapshot::{Lease, Reader, Schedule, Writer};
