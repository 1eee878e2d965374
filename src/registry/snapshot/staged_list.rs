//! A new list on its way into shared data: gathered, written to the slot that is not in force,
//! compared with the list that is.

use super::codec::{Reader, Writer};
use super::shared::{Head, Keys, Shard, ShardEntry, ShardLayout, SharedData, Slot};
use super::stored_client::StoredClient;
use crate::certificate::Thumbprint;
use crate::limits;

/// The new list. Each method that takes a shard does a bounded piece of work.
#[derive(Debug)]
pub(super) struct StagedList {
    keys: Keys,
    pub(super) generation: u64,
    pub(super) slot: Slot,
    seed: u64,
    /// Known when the first shard is written.
    spread: Option<ShardLayout>,
    gathered: Gathered,
    /// Clients in the shards.
    written: u64,
    /// How often a client came that was there already.
    pub(super) repeated: u64,
}

/// Clients that are not in their shards yet, by the low bits of their hash.
#[derive(Debug, Default)]
struct Gathered {
    octets: Vec<u8>,
    /// Where each client begins in `octets`, and which client of the same bucket came before it.
    clients: Vec<(u32, u32)>,
    /// The last client of each bucket; [`NONE`] = empty. No bucket until there is a client.
    buckets: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// What is different in a new list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) clients: u64,
    pub(super) refused: u64,
    pub(super) added: u64,
    pub(super) removed: u64,
    pub(super) changed: u64,
    /// Clients that never authenticate, which no other number counts; and whether they are others
    /// than before.
    left_out: u64,
    is_otherwise_left_out: bool,
    /// The first few of them.
    pub(super) examples: Vec<Change>,
}

/// A client that is different in a new list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose entry it is.
    pub client_id: Box<str>,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// Its registration is another one.
    Changed,
}

impl Comparison {
    pub(super) fn is_difference(&self) -> bool {
        self.added + self.removed + self.changed > 0 || self.is_otherwise_left_out
    }

    /// Whether the same clients are there as before, however they are registered; and those that
    /// are there twice, twice.
    pub(super) fn has_same_clients(&self, repeated: u64) -> bool {
        self.added + self.removed == 0
            && !self.is_otherwise_left_out
            && (repeated == 0 || self.changed == 0)
    }

    fn note(&mut self, kind: ChangeKind, client_id: &str) {
        match kind {
            ChangeKind::Added => self.added += 1,
            ChangeKind::Removed => self.removed += 1,
            ChangeKind::Changed => self.changed += 1,
        }
        if self.examples.len() < limits::SHOWN_CHANGES {
            self.examples.push(Change { client_id: client_id.into(), kind });
        }
    }
}

/// Another VM wrote where this one does, or the host refused to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WriteConflict;

impl StagedList {
    /// A list that will go beside `head`. It keeps the seed of the list in force, so that both can
    /// be compared shard by shard.
    pub(super) fn new(keys: Keys, generation: u64, seed: u64, head: Option<&Head>) -> Self {
        let slot = head.map_or(Slot::A, |head| head.slot.other());
        let seed = head.map_or(seed, |head| head.spread.seed);
        Self {
            keys,
            generation,
            slot,
            seed,
            spread: None,
            gathered: Gathered::default(),
            written: 0,
            repeated: 0,
        }
    }

    /// Gathers one more client.
    pub(super) fn add(&mut self, client_id: &str, record: &StoredClient) {
        let gathered = &mut self.gathered;
        if gathered.buckets.is_empty() {
            gathered.buckets.resize(limits::SHARDS as usize, NONE);
        }
        let hash = ShardLayout::hash(self.seed, client_id);
        // Both fit: what is gathered is far below 4 GiB.
        let (start, number) = (gathered.octets.len() as u32, gathered.clients.len() as u32);
        let mut writer = Writer(std::mem::take(&mut gathered.octets));
        ShardEntry { hash, client_id, record: &record.encode() }.write(&mut writer);
        gathered.octets = writer.0;
        if let Some(last) = gathered.buckets.get_mut((hash & (limits::SHARDS - 1)) as usize) {
            gathered.clients.push((start, std::mem::replace(last, number)));
        }
    }

    /// Whether what is gathered should go into its shards before more comes.
    pub(super) fn is_full(&self) -> bool {
        self.gathered.clients.len() >= limits::GATHERED_CLIENTS
            || self.gathered.octets.len() >= limits::GATHERED_OCTETS
    }

    /// How the list is spread; from the first call on it is settled.
    pub(super) fn settle(&mut self, is_complete: bool) -> ShardLayout {
        *self.spread.get_or_insert_with(|| {
            let few = (self.gathered.clients.len() as u32 / limits::CLIENTS_IN_SHARD)
                .max(1)
                .next_power_of_two();
            ShardLayout {
                seed: self.seed,
                shards: if is_complete { few.min(limits::SHARDS) } else { limits::SHARDS },
            }
        })
    }

    /// The spread of a list of which something may be written.
    pub(super) fn spread(&self) -> Option<ShardLayout> {
        self.spread
    }

    /// Adds what is gathered for one shard to it.
    pub(super) fn write_shard(
        &mut self,
        spread: ShardLayout,
        shard: u32,
        is_first: bool,
        shared: &mut dyn SharedData,
    ) -> Result<(), WriteConflict> {
        let key = self.keys.shard(self.slot, shard);
        let before = if is_first { None } else { Some(shared.read(&key).ok_or(WriteConflict)?.0) };
        let mut entries: Vec<ShardEntry<'_>> = Vec::new();
        if let Some(before) = &before {
            let before = Shard::read(before)
                .filter(|before| before.generation == self.generation)
                .ok_or(WriteConflict)?;
            entries.extend(before.entries());
        }
        let (known, twice) = (entries.len(), twice());
        let mut repeated = 0;
        // Clients of one bucket are chained from the last to the first.
        for entry in self.gathered.of_shard(spread, shard) {
            match entries
                .iter_mut()
                .find(|other| other.hash == entry.hash && other.client_id == entry.client_id)
            {
                Some(other) => {
                    other.record = &twice;
                    repeated += 1;
                }
                None => entries.push(entry),
            }
        }
        if !is_first
            && entries.len() == known
            && self.gathered.of_shard(spread, shard).next().is_none()
        {
            return Ok(());
        }
        let (value, added) =
            (Shard::encode(self.generation, entries.iter().copied()), entries.len() - known);
        if !shared.write(&key, &value, None) {
            return Err(WriteConflict);
        }
        self.written += added as u64;
        self.repeated += repeated;
        Ok(())
    }

    /// What is gathered is in its shards; the memory for it is kept for the next clients.
    pub(super) fn clear(&mut self) {
        self.gathered.octets.clear();
        self.gathered.clients.clear();
        self.gathered.buckets.fill(NONE);
    }

    /// Number of steps that a comparison with `head` takes.
    pub(super) fn steps(&self, spread: ShardLayout, head: Option<&Head>) -> u32 {
        spread.shards.max(head.map_or(1, |head| head.spread.shards))
    }

    /// Compares those clients with the list in force whose hashes end in `step`, and adds their
    /// identifiers to the digest `ids`.
    ///
    /// If two lists with the same seed have the same digest in the end, their identifiers are the
    /// same, whoever chose them: what is hashed is the one way to write the set down, step by step
    /// and sorted within each; each digest is over the one before; and SHA-256 has no known
    /// collisions. (Sums of hashes need no order, but whoever chooses the summands can make them
    /// equal.)
    pub(super) fn compare(
        &self,
        spread: ShardLayout,
        head: Option<&Head>,
        step: u32,
        found: &mut Comparison,
        ids: Option<&mut Thumbprint>,
        shared: &mut dyn SharedData,
    ) -> Result<(), WriteConflict> {
        let mask = self.steps(spread, head) - 1;
        let mut load = |slot, spread: ShardLayout, generation| {
            let value = shared.read(&self.keys.shard(slot, step & (spread.shards - 1)))?.0;
            Shard::read(&value).is_some_and(|shard| shard.generation == generation).then_some(value)
        };
        let new = load(self.slot, spread, self.generation).ok_or(WriteConflict)?;
        // A list in force that is damaged is as good as none: the new one is what mends it.
        let old =
            head.and_then(|head| load(head.slot, head.spread, head.generation)).unwrap_or_default();
        let new: Vec<_> = entries_of_step(&new, mask, step).collect();
        if let Some(ids) = ids {
            *ids = with_identifiers(ids, &new);
        }
        let mut old: Vec<_> = entries_of_step(&old, mask, step).collect();
        for entry in new {
            let same = old
                .iter()
                .position(|other| other.hash == entry.hash && other.client_id == entry.client_id);
            let same = same.map(|same| old.swap_remove(same));
            let was_left_out = same.is_some_and(|same| StoredClient::is_left_out(same.record));
            let is_left_out = StoredClient::is_left_out(entry.record);
            match same.filter(|_| !was_left_out) {
                // Whoever is left out is known all the same: a list that leaves out others is
                // another list.
                None if is_left_out => found.is_otherwise_left_out |= !was_left_out,
                Some(_) if is_left_out => found.note(ChangeKind::Removed, entry.client_id),
                None => found.note(ChangeKind::Added, entry.client_id),
                Some(before) if before.record != entry.record => {
                    found.note(ChangeKind::Changed, entry.client_id)
                }
                Some(_) => {}
            }
            *(match StoredClient::is_usable(entry.record) {
                _ if is_left_out => &mut found.left_out,
                true => &mut found.clients,
                false => &mut found.refused,
            }) += 1;
        }
        for entry in old {
            if StoredClient::is_left_out(entry.record) {
                found.is_otherwise_left_out = true;
            } else {
                found.note(ChangeKind::Removed, entry.client_id);
            }
        }
        Ok(())
    }

    /// Whether the shards that were compared hold all clients that were written.
    pub(super) fn is_whole(&self, found: &Comparison) -> bool {
        found.clients + found.refused + found.left_out == self.written
    }
}

/// The digest of what has `before` as its digest, and these clients: all of them, and once more
/// those that are there twice.
fn with_identifiers(before: &Thumbprint, clients: &[ShardEntry<'_>]) -> Thumbprint {
    let twice = twice();
    let mut writer = Writer(before.octets().to_vec());
    for only_twice in [false, true] {
        let some = clients.iter().filter(|client| !only_twice || client.record == twice);
        let mut ids: Vec<&str> = some.map(|client| client.client_id).collect();
        ids.sort_unstable();
        writer.u64(ids.len() as u64);
        ids.into_iter().for_each(|id| writer.octets(id.as_bytes()));
    }
    Thumbprint::of(&writer.0)
}

/// The record of a client that is there twice.
fn twice() -> Vec<u8> {
    StoredClient::Unusable("the list has this client_id twice".into()).encode()
}

fn entries_of_step(shard: &[u8], mask: u32, step: u32) -> impl Iterator<Item = ShardEntry<'_>> {
    Shard::read(shard)
        .into_iter()
        .flat_map(Shard::entries)
        .filter(move |entry| entry.hash & mask == step)
}

impl Gathered {
    /// The clients of one shard, which takes in every bucket whose number ends in the shard's.
    fn of_shard(&self, spread: ShardLayout, shard: u32) -> impl Iterator<Item = ShardEntry<'_>> {
        let buckets = self.buckets.iter().skip(shard as usize).step_by(spread.shards as usize);
        buckets.flat_map(move |&last| {
            let mut next = last;
            std::iter::from_fn(move || {
                let (start, before) = *self.clients.get(next as usize)?;
                next = before;
                ShardEntry::read(&mut Reader(self.octets.get(start as usize..)?))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_one_set_of_clients() {
        let (once, twice) = (StoredClient::Unusable("why".into()).encode(), twice());
        let digest = |before: &[u8], ids: &[&str], repeated: &[&str]| {
            let record = |id| if repeated.contains(&id) { &twice } else { &once };
            let entries: Vec<_> = ids
                .iter()
                .map(|id| ShardEntry { hash: 0, client_id: id, record: record(*id) })
                .collect();
            with_identifiers(&Thumbprint::of(before), &entries)
        };
        let known = digest(b"", &["a", "b", "c"], &[]);
        assert_eq!(
            digest(b"", &["c", "a", "b"], &[]),
            known,
            "whatever the order in which they came"
        );
        for (before, ids, repeated) in [
            (&b"x"[..], &["a", "b", "c"][..], &[][..]),
            (b"", &["a", "b"], &[]),
            (b"", &["a", "b", "c", "d"], &[]),
            (b"", &["a", "bc"], &[]),
            (b"", &["ab", "c"], &[]),
            (b"", &["a", "b", "c"], &["b"]),
            (b"", &["a", "b", "c", "b"], &[]),
        ] {
            assert_ne!(digest(before, ids, repeated), known, "{before:?} {ids:?} {repeated:?}");
        }
        assert_ne!(digest(b"", &["a", "b"], &["a"]), digest(b"", &["a", "b"], &["b"]));
    }
}
