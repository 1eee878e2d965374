//! What the VMs of one process share, as a trait: the host has it, tests have a map.

use sha2::{Digest as _, Sha256};

use super::super::wire::{Reader, Writer};

/// The version of a shared value; two writes never give the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

/// Values that every VM of the process sees. Keys are never deleted, so there must be a bounded number of them.
pub trait SharedData {
    /// The value of a key and its version; `None` = no such key, or the host fails.
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)>;

    /// Writes a value. With `expected`, only if the version still is this one. `false` = not written.
    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool;
}

/// Versions of this module may follow each other in one process, or run beside each other, and share what lies under the same
/// keys. This number is part of every key. It changes with whatever is stored there: heads, leases, shards, records, the hash
/// that spreads them; and where the same entry of a list is converted otherwise than before.
const LAYOUT: u32 = 2;

/// The keys of one registry.
#[derive(Clone, Debug)]
pub(super) struct Keys(Box<str>);

impl Keys {
    /// Filters with different registries share one process. Those that let unregistered clients pass ask more of a list than
    /// others (`is_strict`), and must not take one that did for the others.
    pub(super) fn of(identity: &str, is_strict: bool) -> Self {
        Self(format!("tls_client_auth/{LAYOUT}/{identity}{}", if is_strict { "+" } else { "" }).into())
    }

    pub(super) fn head(&self) -> String {
        format!("{}/head", self.0)
    }

    pub(super) fn lease(&self) -> String {
        format!("{}/lease", self.0)
    }

    pub(super) fn shard(&self, slot: Slot, shard: u32) -> String {
        format!("{}/{}/{shard}", self.0, slot as u8)
    }
}

/// Where a list lies. While one is in force, the next is written to the other.
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

/// How a list is spread over shards. The seed differs from process to process, so that nobody can choose identifiers
/// that all fall into one shard: whoever registers clients chooses their names, but sees neither seed nor shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) seed: u64,
    /// A power of two.
    pub(super) shards: u32,
}

impl Spread {
    /// The first four octets of SHA-256 over the seed and the identifier. Every VM of the process must find the same, whatever
    /// compiler its module came from; the hashes of Rust's standard library are free to change.
    pub(super) fn hash(seed: u64, client_id: &str) -> u32 {
        let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(client_id).finalize();
        digest.first_chunk().map_or(0, |first| u32::from_le_bytes(*first))
    }
}

/// The list in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Greater than that of any list before it.
    pub(super) generation: u64,
    pub(super) slot: Slot,
    pub(super) spread: Spread,
    /// Usable clients.
    pub(super) clients: u64,
    /// Entries that cannot be used.
    pub(super) refused: u64,
    /// Counts the answers that brought or confirmed this list.
    pub(super) confirmations: u64,
    /// When the last of them came, in milliseconds since 1970 of the host's clock.
    pub(super) confirmed_at: u64,
    pub(super) validators: Validators,
}

/// What makes the next request conditional (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, quotes included.
    pub etag: Option<Box<str>>,
    /// `Last-Modified`.
    pub last_modified: Option<Box<str>>,
    /// Conditional requests in a row that were answered "not modified".
    pub(super) unmodified: u8,
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for number in [self.generation, self.slot as u64, self.spread.seed, u64::from(self.spread.shards)] {
            writer.u64(number);
        }
        for number in [self.clients, self.refused, self.confirmations, self.confirmed_at] {
            writer.u64(number);
        }
        writer.u8(self.validators.unmodified);
        for validator in [&self.validators.etag, &self.validators.last_modified] {
            writer.octets(validator.as_deref().unwrap_or_default().as_bytes());
        }
        writer.0
    }

    /// `None` = these octets are no head.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let generation = reader.u64()?;
        let slot = match reader.u64()? {
            0 => Slot::A,
            1 => Slot::B,
            _ => return None,
        };
        let spread = Spread { seed: reader.u64()?, shards: u32::try_from(reader.u64()?).ok().filter(|n| n.is_power_of_two())? };
        let [clients, refused, confirmations, confirmed_at] = [reader.u64()?, reader.u64()?, reader.u64()?, reader.u64()?];
        let unmodified = reader.u8()?;
        let mut validator = || reader.text().map(|text| (!text.is_empty()).then(|| text.into()));
        let validators = Validators { etag: validator()?, last_modified: validator()?, unmodified };
        reader.end()?;
        Some(Self { generation, slot, spread, clients, refused, confirmations, confirmed_at, validators })
    }
}

/// The clients of one shard: which list they belong to, then each one's hash, identifier and record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shard<'a> {
    pub(super) generation: u64,
    entries: &'a [u8],
}

/// One client of a shard, still encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShardEntry<'a> {
    pub(super) hash: u32,
    pub(super) client_id: &'a str,
    pub(super) record: &'a [u8],
}

impl<'a> Shard<'a> {
    /// `None` = emptied, or not written by this module.
    pub(super) fn read(octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        Some(Self { generation: reader.u64()?, entries: reader.0 })
    }

    /// The value of a shard with these entries.
    pub(super) fn encode<'e>(generation: u64, entries: impl Iterator<Item = ShardEntry<'e>>) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(generation);
        for entry in entries {
            entry.write(&mut writer);
        }
        writer.0
    }

    pub(super) fn entries(self) -> impl Iterator<Item = ShardEntry<'a>> {
        let mut reader = Reader(self.entries);
        std::iter::from_fn(move || ShardEntry::read(&mut reader))
    }

    /// The record of a client.
    pub(super) fn find(&self, hash: u32, client_id: &str) -> Option<&'a [u8]> {
        let mut same = self.entries().filter(|entry| entry.hash == hash && entry.client_id == client_id);
        same.next().map(|entry| entry.record)
    }
}

impl<'a> ShardEntry<'a> {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u32(self.hash);
        writer.octets(self.client_id.as_bytes());
        writer.octets(self.record);
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        Some(Self { hash: reader.u32()?, client_id: reader.text()?, record: reader.octets()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back() {
        let mut head = Head {
            generation: 7,
            slot: Slot::B,
            spread: Spread { seed: 3, shards: 64 },
            clients: 1,
            refused: 2,
            confirmations: 3,
            confirmed_at: 4,
            validators: Validators { etag: Some("\"x\"".into()), last_modified: None, unmodified: 9 },
        };
        assert_eq!(Head::decode(&head.encode()).as_ref(), Some(&head));
        let whole = head.encode();
        assert!((0..whole.len()).all(|end| Head::decode(&whole[..end]).is_none()));
        head.spread.shards = 3;
        assert_eq!(Head::decode(&head.encode()), None, "no power of two");
    }

    #[test]
    fn a_shard_finds_its_own_clients_only() {
        let entry = |client_id, record| ShardEntry { hash: Spread::hash(1, client_id), client_id, record };
        let octets = Shard::encode(5, [entry("a", b"1"), entry("ab", b""), entry("", b"3")].into_iter());
        let shard = Shard::read(&octets).unwrap();
        assert_eq!(shard.generation, 5);
        for (client_id, record) in [("a", Some(&b"1"[..])), ("ab", Some(b"")), ("", Some(b"3")), ("b", None), ("A", None)] {
            assert_eq!(shard.find(Spread::hash(1, client_id), client_id), record);
        }
        assert!(Shard::read(b"").is_none() && Shard::read(&[0; 7]).is_none());
        // A cut shard ends early; it never shows a part of an entry.
        for end in 8..octets.len() {
            assert!(Shard::read(&octets[..end]).unwrap().entries().count() < 3);
        }
    }
}
