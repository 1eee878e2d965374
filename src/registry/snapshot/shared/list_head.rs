//! The head: which list is in force. Writing it is the switch from one list to the next.

use super::super::codec::{Reader, Writer};
use super::{Keys, ShardLayout, SharedData, Slot, Version};
use crate::registry::fetched::Validators;

/// The list in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct ListHead {
    /// Different from that of any other list; every shard of the list has it, too.
    pub(in super::super) generation: u64,
    pub(in super::super) slot: Slot,
    pub(in super::super) layout: ShardLayout,
    /// Usable clients.
    pub(in super::super) clients: u64,
    /// Entries that cannot be used.
    pub(in super::super) refused: u64,
    /// Entries of all pages, of which several may be for one client, and one for several.
    pub(in super::super) entries: u64,
    /// Counts the answers that brought or confirmed a list.
    pub(in super::super) confirmations: u64,
    /// When the last of these answers came, in milliseconds since 1970 of the host's clock.
    pub(in super::super) confirmed_at: u64,
    /// The number of the attempt that brought or confirmed the list (`Lease::next_generation`
    /// (super::super::lease::Lease::next_generation)). It grows from attempt to attempt.
    pub(in super::super) attempt: u64,
    pub(in super::super) validators: Validators,
}

impl ListHead {
    /// The list in force; `None` = there is none, or the octets are not a head.
    pub(in super::super) fn read(keys: &Keys, shared: &mut dyn SharedData) -> Option<Self> {
        shared.read(&keys.head()).and_then(|(octets, _)| Self::decode(&octets))
    }

    /// The same list, confirmed by an answer at `now` to the request of this attempt.
    pub(in super::super) fn confirmed(
        &self,
        attempt: u64,
        now: u64,
        validators: Validators,
    ) -> Self {
        Self {
            confirmations: self.confirmations + 1,
            confirmed_at: now,
            attempt,
            validators,
            ..self.clone()
        }
    }

    /// Puts this list in force. Returns `false`, and changes nothing, if another list than `old` is
    /// in force, if a later attempt has confirmed that one, if the head is written at the same
    /// time, or if the host does not write.
    pub(in super::super) fn replace(
        &self,
        old: Option<&Self>,
        keys: &Keys,
        shared: &mut dyn SharedData,
    ) -> bool {
        let key = keys.head();
        let stored = shared.read(&key);
        let version = match &stored {
            Some((_, version)) => *version,
            None => Some(Version::OF_NO_VALUE),
        };
        let stored = stored.and_then(|(octets, _)| Self::decode(&octets));
        let is_old = match (&stored, old) {
            // Not over the confirmation by a later attempt, in a VM that has taken the lease.
            (Some(stored), Some(old)) => {
                stored.generation == old.generation && stored.attempt < self.attempt
            }
            (None, None) => true,
            _ => false,
        };
        is_old && shared.write(&key, &self.encode(), version)
    }

    pub(in super::super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for number in
            [self.generation, self.slot as u64, self.layout.seed, u64::from(self.layout.shards)]
        {
            writer.u64(number);
        }
        for number in
            [self.clients, self.refused, self.entries, self.confirmations, self.confirmed_at]
        {
            writer.u64(number);
        }
        writer.u64(self.attempt);
        writer.u8(self.validators.unmodified);
        writer.octets(self.validators.etag.as_deref().unwrap_or_default().as_bytes());
        writer.0
    }

    /// `None` = these octets are not a head.
    pub(in super::super) fn decode(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader(octets);
        let generation = reader.u64()?;
        let slot = match reader.u64()? {
            0 => Slot::A,
            1 => Slot::B,
            _ => return None,
        };
        let layout = ShardLayout {
            seed: reader.u64()?,
            shards: u32::try_from(reader.u64()?).ok().filter(|n| n.is_power_of_two())?,
        };
        let [clients, refused, entries] = [reader.u64()?, reader.u64()?, reader.u64()?];
        let [confirmations, confirmed_at, attempt] = [reader.u64()?, reader.u64()?, reader.u64()?];
        let unmodified = reader.u8()?;
        let etag = reader.text().map(|text| (!text.is_empty()).then(|| text.into()))?;
        let validators = Validators { etag, unmodified };
        reader.end()?;
        Some(Self {
            generation,
            slot,
            layout,
            clients,
            refused,
            entries,
            confirmations,
            confirmed_at,
            attempt,
            validators,
        })
    }
}
