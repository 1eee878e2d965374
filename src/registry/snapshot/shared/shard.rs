//! Shards: a list in parts small enough to be copied for a request.

use super::super::codec::{Reader, Writer};
use super::siphash::siphash;

/// How the clients of a list are distributed to shards. The seed differs from process to process,
/// so that no choice of identifiers fills one shard: a party that registers clients may choose
/// their identifiers, but sees neither the seed nor the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct ShardLayout {
    pub(in super::super) seed: u64,
    /// A power of two.
    pub(in super::super) shards: u32,
}

impl ShardLayout {
    /// SipHash, keyed with the seed. All VMs of the process must compute the same hash, whichever
    /// compiler built their module: the hashes of Rust's standard library may change. (SHA-256
    /// would also do, with some 7,000 instructions more for each client that is looked up.)
    pub(in super::super) fn hash(seed: u64, client_id: &str) -> u32 {
        (siphash(seed, 0, client_id.as_bytes()) >> 32) as u32
    }

    /// The shard of the clients with this hash.
    pub(in super::super) fn shard_of(self, hash: u32) -> u32 {
        hash & (self.shards - 1)
    }
}

/// The clients of one shard: the generation of the list that they belong to, then the hash, the
/// identifier and the encoded client of each.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Shard<'a> {
    pub(in super::super) generation: u64,
    entries: &'a [u8],
}

/// One client of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct ShardEntry<'a> {
    pub(in super::super) hash: u32,
    pub(in super::super) client_id: &'a str,
    /// A [`StoredClient`](super::super::stored_client::StoredClient), encoded.
    pub(in super::super) encoded: &'a [u8],
}

impl<'a> Shard<'a> {
    /// `None` = an emptied shard, or octets that this module did not write.
    pub(in super::super) fn read(octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        Some(Self { generation: reader.u64()?, entries: reader.0 })
    }

    /// The value of a shard with these entries.
    pub(in super::super) fn encode<'e>(
        generation: u64,
        entries: impl Iterator<Item = ShardEntry<'e>>,
    ) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(generation);
        for entry in entries {
            entry.write(&mut writer);
        }
        writer.0
    }

    pub(in super::super) fn entries(self) -> impl Iterator<Item = ShardEntry<'a>> {
        let mut reader = Reader(self.entries);
        std::iter::from_fn(move || ShardEntry::read(&mut reader))
    }

    /// The encoded client with this identifier.
    pub(in super::super) fn find(&self, hash: u32, client_id: &str) -> Option<&'a [u8]> {
        let mut same =
            self.entries().filter(|entry| entry.hash == hash && entry.client_id == client_id);
        same.next().map(|entry| entry.encoded)
    }
}

impl<'a> ShardEntry<'a> {
    pub(in super::super) fn write(&self, writer: &mut Writer) {
        writer.u32(self.hash);
        writer.octets(self.client_id.as_bytes());
        writer.octets(self.encoded);
    }

    pub(in super::super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        Some(Self { hash: reader.u32()?, client_id: reader.text()?, encoded: reader.octets()? })
    }
}
