//! What the VM that fetches reports, for logs and metrics.

use std::fmt;
use std::time::Duration;

use super::super::super::error::FetchError;
use super::super::staged_list::{Change, ChangeKind};

/// An event of the VM that fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshEvent {
    /// A new list is in force.
    Switched {
        /// Usable clients.
        clients: u64,
        /// Entries that cannot be used.
        refused: u64,
        /// Clients that the list before did not have.
        added: u64,
        /// Clients that only the list before has.
        removed: u64,
        /// Clients with another registration than before.
        changed: u64,
    },
    /// One of the first few clients that differ in the new list.
    Changed(Change),
    /// One of the first few entries of the new list that cannot be used.
    Refused {
        /// JSON Pointer in the page that has the entry.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// One of the first few parts that are left out of clients of the new list. These clients can
    /// be used.
    LeftOut {
        /// JSON Pointer in the page that has the part.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// The list in force was confirmed.
    Confirmed,
    /// The refresh failed; the list in force stays.
    Failed {
        /// Why.
        error: FetchError,
        /// Path of the request that failed.
        path: Box<str>,
        /// How long from now the next refresh begins.
        retry: Duration,
    },
}

impl fmt::Display for RefreshEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switched { clients, refused, added, removed, changed } => {
                write!(
                    f,
                    "{clients} clients: {added} added, {removed} removed, {changed} changed, \
                     {refused} refused"
                )
            }
            Self::Changed(change) => {
                f.write_str(match change.kind {
                    ChangeKind::Added => "added",
                    ChangeKind::Removed => "removed",
                    ChangeKind::Changed => "changed",
                })?;
                write!(f, " client_id=\"{}\"", change.client_id.escape_debug())
            }
            Self::Refused { pointer, reason } => write!(f, "refused {pointer}: {reason}"),
            Self::LeftOut { pointer, reason } => write!(f, "left out {pointer}: {reason}"),
            Self::Confirmed => f.write_str("confirmed"),
            Self::Failed { error, path, retry } => {
                write!(
                    f,
                    "refresh failed: {path}: {error}; next attempt in {} ms",
                    retry.as_millis()
                )
            }
        }
    }
}
