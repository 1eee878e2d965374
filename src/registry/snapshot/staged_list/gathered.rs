//! Clients of a new list that are not in their shards yet.

use super::super::codec::{Reader, Writer};
use super::super::shared::{ShardEntry, ShardLayout};
use crate::limits;

/// How a list is divided. Tests divide short lists as others are divided.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ListSizes {
    /// Most shards of a list; a power of two.
    pub(in super::super) shards: u32,
    /// Clients in a shard of a list that is gathered whole.
    pub(in super::super) clients_in_shard: u32,
    /// Most clients that are gathered before they are written.
    pub(in super::super) gathered_clients: usize,
}

impl ListSizes {
    pub(in super::super) const LIMITS: Self = Self {
        shards: limits::SHARDS,
        clients_in_shard: limits::CLIENTS_IN_SHARD,
        gathered_clients: limits::GATHERED_CLIENTS,
    };
}

/// The clients, by the low bits of their hash.
#[derive(Clone, Debug)]
pub(super) struct GatheredClients {
    sizes: ListSizes,
    octets: Vec<u8>,
    /// Where each client begins in `octets`, and the number of the client before it in the same
    /// bucket.
    clients: Vec<(u32, u32)>,
    /// The number of the last client of each bucket; [`NO_CLIENT`] = an empty bucket. There are no
    /// buckets before the first client.
    buckets: Vec<u32>,
}

const NO_CLIENT: u32 = u32::MAX;

impl GatheredClients {
    pub(super) fn new(sizes: ListSizes) -> Self {
        Self { sizes, octets: Vec::new(), clients: Vec::new(), buckets: Vec::new() }
    }

    pub(super) fn add(&mut self, hash: u32, client_id: &str, encoded: &[u8]) {
        if self.buckets.is_empty() {
            self.buckets.resize(self.sizes.shards as usize, NO_CLIENT);
        }
        // Both fit into 32 bits: `is_full` keeps them far below.
        let (start, number) = (self.octets.len() as u32, self.clients.len() as u32);
        let mut writer = Writer(std::mem::take(&mut self.octets));
        ShardEntry { hash, client_id, encoded }.write(&mut writer);
        self.octets = writer.0;
        if let Some(last) = self.buckets.get_mut((hash & (self.sizes.shards - 1)) as usize) {
            self.clients.push((start, std::mem::replace(last, number)));
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.clients.len() >= self.sizes.gathered_clients
            || self.octets.len() >= limits::GATHERED_OCTETS
    }

    /// How many shards a list needs whose first clients these are; a power of two. `is_complete` =
    /// these are all of its clients.
    pub(super) fn number_of_shards(&self, is_complete: bool) -> u32 {
        let ListSizes { shards, clients_in_shard, .. } = self.sizes;
        let enough = (self.clients.len() as u32 / clients_in_shard).max(1).next_power_of_two();
        if is_complete { enough.min(shards) } else { shards }
    }

    /// The clients of one shard: those of each bucket whose number ends in the bits of the shard's
    /// number, the last client of a bucket first.
    pub(super) fn of_shard(
        &self,
        layout: ShardLayout,
        shard: u32,
    ) -> impl Iterator<Item = ShardEntry<'_>> {
        let buckets = self.buckets.iter().skip(shard as usize).step_by(layout.shards as usize);
        buckets.flat_map(move |&last| {
            let mut next = last;
            std::iter::from_fn(move || {
                let (start, before) = *self.clients.get(next as usize)?;
                next = before;
                ShardEntry::read(&mut Reader(self.octets.get(start as usize..)?))
            })
        })
    }

    /// Forgets the clients and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.octets.clear();
        self.clients.clear();
        self.buckets.fill(NO_CLIENT);
    }
}
