//! What the VMs of one process share: the keys, and how the host gives access to them. The host
//! implements [`SharedData`]; tests have a map.

mod list_head;
mod shard;
mod siphash;

pub(super) use self::list_head::ListHead;
pub(super) use self::shard::{Shard, ShardEntry, ShardLayout};

/// The version of a shared value; two writes never give the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

impl Version {
    /// A version that no value has: the host counts up from 1. A write that expects it creates a
    /// key, and does not replace the value that another VM has written meanwhile.
    pub const OF_NO_VALUE: Self = Self(u32::MAX);
}

/// Values that every VM of the process sees. Keys are never deleted, so there must be a bounded
/// number of them.
pub trait SharedData {
    /// The value of a key and its version; `None` = no such key, or the host fails.
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)>;

    /// Writes a value. With `expected`, only if the version still is this one, or if there is no
    /// such key. `false` = not written.
    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool;
}

/// The version of everything that is stored; a part of every key. Different versions of this module
/// may follow each other in one process, or run side by side, and must not read each other's
/// values. Raise it with every change of a stored format (head, lease, shard, client), of the hash
/// that assigns clients to shards, and of the conversion of an entry of a list.
const FORMAT_VERSION: u32 = 5;

/// The keys of one registry.
#[derive(Clone, Debug)]
pub(super) struct Keys(Box<str>);

impl Keys {
    /// `identity` = that of the `FetchedRegistry`: filters with different registries share one
    /// process. Policies that let unregistered clients pass (`passes_unregistered`) have keys of
    /// their own: they accept fewer lists than others (see `FetchAttempt::needs_agreement`), and
    /// must not use a list that only the others accept.
    pub(super) fn of(identity: &str, passes_unregistered: bool) -> Self {
        let suffix = if passes_unregistered { "+" } else { "" };
        Self(format!("tls_client_auth/{FORMAT_VERSION}/{identity}{suffix}").into())
    }

    /// The key of the [`ListHead`].
    pub(super) fn head(&self) -> String {
        format!("{}/head", self.0)
    }

    /// The key of the [`Lease`](super::lease::Lease).
    pub(super) fn lease(&self) -> String {
        format!("{}/lease", self.0)
    }

    /// The key of one [`Shard`].
    pub(super) fn shard(&self, slot: Slot, shard: u32) -> String {
        format!("{}/{}/{shard}", self.0, slot as u8)
    }
}

/// A set of shards. While the list in one slot is in force, the next list is written to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Slot {
    A = 0,
    B = 1,
}

impl Slot {
    pub(super) fn other(self) -> Self {
        if self == Self::A { Self::B } else { Self::A }
    }
}

#[cfg(test)]
mod tests;
