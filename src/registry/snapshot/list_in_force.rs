//! The list in force, as every VM of the process reads it for requests.

use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;

use super::super::error::RegistryFault;
use super::shared::{Keys, ListHead, Shard, ShardLayout, SharedData};
use super::stored_client::StoredClient;
use crate::limits;
use crate::registration::Registration;
use crate::registry::fetched::Validators;

/// One VM's view of the list in force.
#[derive(Clone, Debug)]
pub(super) struct ListInForce {
    keys: Keys,
    max_stale: Duration,
    head: Option<ListHead>,
    /// How long ago the list in force was confirmed, as of the last `update`.
    age: Duration,
    /// Clients of the list of `head`.
    pub(super) remembered: LruCache<Box<str>, Registration>,
}

impl ListInForce {
    pub(super) fn new(keys: Keys, max_stale: Duration) -> Self {
        Self {
            keys,
            max_stale,
            head: None,
            age: Duration::ZERO,
            remembered: LruCache::new(limits::REMEMBERED_CLIENTS),
        }
    }

    pub(super) fn head(&self) -> Option<&ListHead> {
        self.head.as_ref()
    }

    /// How long ago the list in force was confirmed; `None` = there is no list.
    pub(super) fn age(&self) -> Option<Duration> {
        self.head.as_ref().map(|_| self.age)
    }

    /// Reads which list is in force. `elapsed` = the time since the last update; `now` =
    /// milliseconds since 1970.
    pub(super) fn update(&mut self, elapsed: Duration, now: u64, shared: &mut dyn SharedData) {
        self.age += elapsed;
        let Some(stored) = ListHead::read(&self.keys, shared) else { return };
        match &self.head {
            Some(known) if *known == stored => return,
            // The same list without its validators (see `require_new_list`): not a confirmation.
            Some(known)
                if known.confirmations == stored.confirmations
                    && known.generation == stored.generation => {}
            Some(_) => self.age = Duration::ZERO,
            // A VM that has just started has nothing but the clock to measure the age by.
            None => self.age = Duration::from_millis(now.saturating_sub(stored.confirmed_at)),
        }
        if self.head.as_ref().map(|known| known.generation) != Some(stored.generation) {
            self.remembered.clear();
        }
        self.head = Some(stored);
    }

    /// What the list in force says of a client. `clock` gives milliseconds since 1970, and is not
    /// read for a client that is remembered.
    ///
    /// # Errors
    /// There is no list, it is too old, or it is damaged.
    pub(super) fn find(
        &mut self,
        client_id: &str,
        clock: &dyn Fn() -> u64,
        shared: &mut dyn SharedData,
    ) -> Result<Registration, RegistryFault> {
        if self.head.is_none() {
            self.update(Duration::ZERO, clock(), shared);
        }
        // The second attempt is for a switch since the last update, after which the shards of the
        // old list are emptied.
        for _ in 0..2 {
            let head = self.head.as_ref().ok_or(RegistryFault::NoList)?;
            if self.age > self.max_stale {
                return Err(RegistryFault::Stale);
            }
            if let Some(known) = self.remembered.get(client_id) {
                return Ok(known.clone());
            }
            let hash = ShardLayout::hash(head.layout.seed, client_id);
            let value = shared.read(&self.keys.shard(head.slot, head.layout.shard_of(hash)));
            let value = value.map(|(octets, _)| octets).unwrap_or_default();
            if let Some(shard) =
                Shard::read(&value).filter(|shard| shard.generation == head.generation)
            {
                let found = shard
                    .find(hash, client_id)
                    .map(|encoded| StoredClient::decode(client_id, encoded));
                let registration = match found {
                    None => return Ok(Registration::Unregistered),
                    Some(None) => break,
                    Some(Some(StoredClient::Client(client))) => {
                        Registration::Registered(Arc::new(client))
                    }
                    Some(Some(StoredClient::Unusable(reason) | StoredClient::LeftOut(reason))) => {
                        Registration::Unusable(reason.into())
                    }
                    Some(Some(StoredClient::Doubtful)) => Registration::Doubtful,
                };
                self.remembered.put(client_id.into(), registration.clone());
                return Ok(registration);
            }
            self.update(Duration::ZERO, clock(), shared);
        }
        self.require_new_list(shared);
        Err(RegistryFault::Inconsistent)
    }

    /// A part of the list in force is missing. Without validators in the head, the next request is
    /// unconditional, and its answer brings a list instead of a confirmation of the damaged one.
    fn require_new_list(&self, shared: &mut dyn SharedData) {
        let Some(head) = &self.head else { return };
        let Some((octets, Some(version))) = shared.read(&self.keys.head()) else { return };
        let without = ListHead { validators: Validators::default(), ..head.clone() };
        if ListHead::decode(&octets).as_ref() == Some(head) && without != *head {
            shared.write(&self.keys.head(), &without.encode(), Some(version));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::Slot;
    use super::super::tests::Process;
    use super::*;

    fn head(generation: u64, etag: Option<&str>) -> ListHead {
        ListHead {
            generation,
            slot: Slot::A,
            layout: ShardLayout { seed: 0, shards: 1 },
            clients: 0,
            refused: 0,
            entries: 0,
            confirmations: generation,
            confirmed_at: 0,
            attempt: generation,
            validators: Validators { etag: etag.map(Into::into), ..Validators::default() },
        }
    }

    #[test]
    fn a_head_loses_its_validators_only_if_it_is_the_one_of_the_damaged_list() {
        let (old, new, bare) = (head(1, Some("1")), head(2, Some("2")), head(2, None));
        for (known, stored, expected) in
            [(&new, &new, &bare), (&old, &new, &new), (&old, &bare, &bare), (&bare, &bare, &bare)]
        {
            let (keys, mut process) = (Keys::of("r", false), Process::default());
            let mut list = ListInForce::new(keys.clone(), Duration::MAX);
            process.write(&keys.head(), &known.encode(), None);
            list.update(Duration::ZERO, 0, &mut process);
            process.write(&keys.head(), &stored.encode(), None);
            let before = process.read(&keys.head());
            list.require_new_list(&mut process);
            assert_eq!(ListHead::read(&keys, &mut process).as_ref(), Some(expected));
            assert_eq!(process.read(&keys.head()) == before, stored == expected, "written");
        }
    }
}
