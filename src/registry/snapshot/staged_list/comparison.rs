//! How a new list differs from the list in force, and a digest of the clients that it has.

use super::super::codec::Writer;
use super::super::shared::ShardEntry;
use super::super::stored_client::StoredClient;
use super::repeated_client;
use crate::certificate::Thumbprint;
use crate::limits;
use crate::sort::sort;

/// The differences between a new list and the list in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Comparison {
    /// Usable clients of the new list.
    pub(in super::super) clients: u64,
    /// Entries of the new list that cannot be used.
    pub(in super::super) refused: u64,
    pub(in super::super) added: u64,
    pub(in super::super) removed: u64,
    pub(in super::super) changed: u64,
    /// Identifiers of the new list that are in no other number ([`StoredClient::is_uncounted`]).
    uncounted: u64,
    /// Whether the list in force has others of these.
    uncounted_differ: bool,
    /// The first few clients that differ.
    pub(in super::super) examples: Vec<Change>,
}

/// A client that differs in a new list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The client.
    pub client_id: Box<str>,
    /// How it differs.
    pub kind: ChangeKind,
}

/// How a client differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The list before did not have the client.
    Added,
    /// The new list does not have the client.
    Removed,
    /// The registration of the client is another one.
    Changed,
}

impl Comparison {
    pub(in super::super) fn is_difference(&self) -> bool {
        self.added + self.removed + self.changed > 0 || self.uncounted_differ
    }

    /// Whether both lists have the same clients, however these are registered. Where the new list
    /// has `repeated` clients, the list in force must have the same registrations, too: then it has
    /// the same clients repeatedly.
    pub(in super::super) fn has_same_clients(&self, repeated: u64) -> bool {
        self.added + self.removed == 0
            && !self.uncounted_differ
            && (repeated == 0 || self.changed == 0)
    }

    /// Number of entries of the new list.
    pub(super) fn entries(&self) -> u64 {
        self.clients + self.refused + self.uncounted
    }

    /// Adds the clients of one step.
    pub(super) fn add_step(&mut self, new: &[ShardEntry<'_>], mut old: Vec<ShardEntry<'_>>) {
        for entry in new {
            let same = old
                .iter()
                .position(|other| other.hash == entry.hash && other.client_id == entry.client_id);
            let same = same.map(|same| old.swap_remove(same));
            let was_uncounted = same.is_some_and(|same| StoredClient::is_uncounted(same.encoded));
            let is_uncounted = StoredClient::is_uncounted(entry.encoded);
            match same.filter(|_| !was_uncounted) {
                // Each of these is nevertheless no unregistered client, so a list with another one
                // is another list.
                None if is_uncounted => self.uncounted_differ |= !was_uncounted,
                Some(_) if is_uncounted => self.add(ChangeKind::Removed, entry.client_id),
                None => self.add(ChangeKind::Added, entry.client_id),
                Some(before) if before.encoded != entry.encoded => {
                    self.add(ChangeKind::Changed, entry.client_id)
                }
                Some(_) => {}
            }
            *(match StoredClient::is_usable(entry.encoded) {
                _ if is_uncounted => &mut self.uncounted,
                true => &mut self.clients,
                false => &mut self.refused,
            }) += 1;
        }
        for entry in old {
            if StoredClient::is_uncounted(entry.encoded) {
                self.uncounted_differ = true;
            } else {
                self.add(ChangeKind::Removed, entry.client_id);
            }
        }
    }

    fn add(&mut self, kind: ChangeKind, client_id: &str) {
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

/// The digest of a set of clients whose digest was `before` and to which these clients are added:
/// all of them, and again those that the list has more than once.
///
/// Two lists with the same seed and as many steps have the same digest if and only if they have the
/// same identifiers, even if an attacker chose these. What is hashed is a unique notation of the
/// set: step by step, sorted within each step. Each digest covers the one before, and SHA-256 has
/// no known collisions.
/// (Sums of hashes would not need an order, but an attacker who chooses the summands can make two
/// sums equal.)
pub(in super::super) fn add_to_digest(
    before: &Thumbprint,
    clients: &[ShardEntry<'_>],
) -> Thumbprint {
    let repeated_client = repeated_client();
    let mut writer = Writer(before.octets().to_vec());
    for only_repeated in [false, true] {
        let some =
            clients.iter().filter(|client| !only_repeated || client.encoded == repeated_client);
        let mut ids: Vec<&str> = some.map(|client| client.client_id).collect();
        sort(&mut ids);
        writer.u64(ids.len() as u64);
        ids.into_iter().for_each(|id| writer.octets(id.as_bytes()));
    }
    Thumbprint::of(&writer.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_identifies_one_set_of_clients() {
        let once = StoredClient::Unusable("why".into()).encode();
        let repeatedly = repeated_client();
        let digest = |before: &[u8], ids: &[&str], repeated: &[&str]| {
            let encoded = |id| if repeated.contains(&id) { &repeatedly } else { &once };
            let entries: Vec<_> = ids
                .iter()
                .map(|id| ShardEntry { hash: 0, client_id: id, encoded: encoded(*id) })
                .collect();
            add_to_digest(&Thumbprint::of(before), &entries)
        };
        let known = digest(b"", &["a", "b", "c"], &[]);
        assert_eq!(digest(b"", &["c", "a", "b"], &[]), known, "in any order");
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

    fn entry<'a>(client_id: &'a str, encoded: &'a [u8]) -> ShardEntry<'a> {
        ShardEntry { hash: 5, client_id, encoded }
    }

    #[test]
    fn clients_with_the_same_hash_are_compared_with_themselves() {
        let one = [entry("a", &[0]), entry("b", &[1]), entry("c", &[2])];
        let other = vec![entry("c", &[2]), entry("b", &[1]), entry("a", &[0])];
        let mut found = Comparison::default();
        found.add_step(&one, other);
        assert!(!found.is_difference());
        assert_eq!(found.clients, 3);
    }

    /// As for all others, a list with another one is another list: a client that is not counted is
    /// not unregistered.
    #[test]
    fn a_client_that_is_not_counted_may_be_the_only_difference() {
        let left_out = StoredClient::LeftOut("why".into()).encode();
        let doubtful = StoredClient::Doubtful.encode();
        let with = [entry("a", &[0]), entry("b", &left_out), entry("c", &doubtful)];
        for (new, old, is_difference) in [
            (&with[..], &with[..], false),
            (&with[..], &with[..1], true),
            (&with[..], &with[..2], true),
            (&with[..1], &with[..], true),
            (&with[..2], &with[..], true),
        ] {
            let mut found = Comparison::default();
            found.add_step(new, old.to_vec());
            assert_eq!(found.is_difference(), is_difference, "{new:?} {old:?}");
            assert_eq!((found.added, found.removed, found.changed), (0, 0, 0));
            assert_eq!(found.entries(), new.len() as u64);
        }
    }

    #[test]
    fn a_client_in_the_place_of_another_is_a_difference() {
        let differences = |added, removed, changed| {
            Comparison { added, removed, changed, ..Comparison::default() }.is_difference()
        };
        assert!(differences(1, 1, 0) && differences(1, 0, 0) && differences(0, 1, 0));
        assert!(differences(0, 0, 1) && differences(1, 0, 1) && !differences(0, 0, 0));
    }
}
