//! A new list on its way into shared data: its clients are gathered, written to the slot that is
//! not in force, and compared with the list in force.

mod comparison;
mod gathered;

pub use self::comparison::{Change, ChangeKind};
pub(super) use self::comparison::{Comparison, add_to_digest};
use self::gathered::GatheredClients;
pub(super) use self::gathered::ListSizes;
use super::shared::{Keys, ListHead, Shard, ShardEntry, ShardLayout, SharedData, Slot};
use super::stored_client::StoredClient;
use crate::certificate::Thumbprint;

/// The new list. Each method that takes a shard or a step does a bounded amount of work.
#[derive(Clone, Debug)]
pub(super) struct StagedList {
    keys: Keys,
    pub(super) generation: u64,
    pub(super) slot: Slot,
    seed: u64,
    /// `None` until the first shard is written.
    layout: Option<ShardLayout>,
    gathered: GatheredClients,
    /// Clients in the shards.
    written: u64,
    /// How many entries had a `client_id` that the list had already.
    pub(super) repeated: u64,
}

/// Another VM writes to the same shards, or the host does not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WriteConflict;

impl StagedList {
    /// An empty list for the slot that `head` does not use. It has the seed of the list in force,
    /// so that the two can be compared shard by shard.
    pub(super) fn new(
        keys: Keys,
        generation: u64,
        seed: u64,
        sizes: ListSizes,
        head: Option<&ListHead>,
    ) -> Self {
        Self {
            keys,
            generation,
            slot: head.map_or(Slot::A, |head| head.slot.other()),
            seed: head.map_or(seed, |head| head.layout.seed),
            layout: None,
            gathered: GatheredClients::new(sizes),
            written: 0,
            repeated: 0,
        }
    }

    /// Gathers one more client.
    pub(super) fn add(&mut self, client_id: &str, client: &StoredClient) {
        self.gathered.add(ShardLayout::hash(self.seed, client_id), client_id, &client.encode());
    }

    /// Whether the gathered clients must be written before more are gathered.
    pub(super) fn is_full(&self) -> bool {
        self.gathered.is_full()
    }

    /// Decides, at the first call, how the list is distributed to shards. `is_complete` = all of
    /// its clients are gathered.
    pub(super) fn fix_layout(&mut self, is_complete: bool) -> ShardLayout {
        *self.layout.get_or_insert_with(|| ShardLayout {
            seed: self.seed,
            shards: self.gathered.number_of_shards(is_complete),
        })
    }

    /// The layout of a list of which shards may be written.
    pub(super) fn layout(&self) -> Option<ShardLayout> {
        self.layout
    }

    /// Adds the gathered clients of one shard to it. `is_first` = nothing of this list has been
    /// written to the shard.
    pub(super) fn write_shard(
        &mut self,
        layout: ShardLayout,
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
        let (known, repeated_client) = (entries.len(), repeated_client());
        let (mut gathered, mut repeated) = (0_u64, 0);
        for entry in self.gathered.of_shard(layout, shard) {
            gathered += 1;
            let is_same = |other: &&mut ShardEntry<'_>| {
                other.hash == entry.hash && other.client_id == entry.client_id
            };
            match entries.iter_mut().find(is_same) {
                Some(_) if StoredClient::is_doubtful(entry.encoded) => {}
                Some(other) if StoredClient::is_doubtful(other.encoded) => {
                    other.encoded = entry.encoded;
                }
                Some(other) => {
                    other.encoded = &repeated_client;
                    repeated += 1;
                }
                None => entries.push(entry),
            }
        }
        // An empty shard is written once, too: a missing shard means a damaged list.
        if !is_first && gathered == 0 {
            return Ok(());
        }
        let added = entries.len() - known;
        let value = Shard::encode(self.generation, entries.into_iter());
        if !shared.write(&key, &value, None) {
            return Err(WriteConflict);
        }
        self.written += added as u64;
        self.repeated += repeated;
        Ok(())
    }

    /// Forgets the gathered clients, which are in their shards. Their memory is kept for the next
    /// ones.
    pub(super) fn clear_gathered(&mut self) {
        self.gathered.clear();
    }

    /// Number of steps of a comparison with `head`.
    pub(super) fn steps(&self, layout: ShardLayout, head: Option<&ListHead>) -> u32 {
        layout.shards.max(head.map_or(1, |head| head.layout.shards))
    }

    /// Compares the clients whose hashes end in `step` with those of the list in force, and adds
    /// their identifiers to the digest `ids` (see [`add_to_digest`]).
    pub(super) fn compare(
        &self,
        layout: ShardLayout,
        head: Option<&ListHead>,
        step: u32,
        found: &mut Comparison,
        ids: Option<&mut Thumbprint>,
        shared: &mut dyn SharedData,
    ) -> Result<(), WriteConflict> {
        let mask = self.steps(layout, head) - 1;
        let mut load = |slot, layout: ShardLayout, generation| {
            let value = shared.read(&self.keys.shard(slot, layout.shard_of(step)))?.0;
            Shard::read(&value).is_some_and(|shard| shard.generation == generation).then_some(value)
        };
        let new = load(self.slot, layout, self.generation).ok_or(WriteConflict)?;
        // A missing shard of the list in force counts as empty: the new list repairs the damage.
        let old =
            head.and_then(|head| load(head.slot, head.layout, head.generation)).unwrap_or_default();
        let new: Vec<_> = entries_of_step(&new, mask, step).collect();
        if let Some(ids) = ids {
            *ids = add_to_digest(ids, &new);
        }
        found.add_step(&new, entries_of_step(&old, mask, step).collect());
        Ok(())
    }

    /// Whether the shards that were compared have all clients that were written. If not, another VM
    /// has written to the same slot.
    pub(super) fn is_intact(&self, found: &Comparison) -> bool {
        found.entries() == self.written
    }
}

fn entries_of_step(shard: &[u8], mask: u32, step: u32) -> impl Iterator<Item = ShardEntry<'_>> {
    Shard::read(shard)
        .into_iter()
        .flat_map(Shard::entries)
        .filter(move |entry| entry.hash & mask == step)
}

/// What is stored for a `client_id` that the list has more than once.
fn repeated_client() -> Vec<u8> {
    StoredClient::Unusable("the list has this client_id twice".into()).encode()
}

#[cfg(test)]
mod tests;
