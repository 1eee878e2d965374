use super::super::tests::Process;
use super::*;
use crate::limits;

const GENERATION: u64 = 7;

/// A list of so many clients that it has four shards, written.
fn written(process: &mut Process) -> (StagedList, ShardLayout) {
    let mut staged = StagedList::new(Keys::of("r", false), GENERATION, 3, ListSizes::LIMITS, None);
    for n in 0..300 {
        staged.add(&format!("c{n}"), &StoredClient::Unusable("why".into()));
    }
    let layout = staged.fix_layout(true);
    assert_eq!(layout.shards, 4);
    for shard in 0..layout.shards {
        staged.write_shard(layout, shard, true, process).unwrap();
    }
    staged.clear_gathered();
    (staged, layout)
}

fn compared(staged: &StagedList, layout: ShardLayout, process: &mut Process) -> Comparison {
    let mut found = Comparison::default();
    for step in 0..staged.steps(layout, None) {
        staged.compare(layout, None, step, &mut found, None, process).unwrap();
    }
    found
}

#[test]
fn the_shards_have_every_client_that_was_written() {
    let mut process = Process::default();
    let (staged, layout) = written(&mut process);
    let found = compared(&staged, layout, &mut process);
    assert_eq!((found.refused, found.added), (300, 300));
    assert!(staged.is_intact(&found));
}

#[test]
fn a_shard_that_lacks_a_client_is_detected() {
    let mut process = Process::default();
    let (staged, layout) = written(&mut process);
    let key = staged.keys.shard(staged.slot, 2);
    let (value, _) = process.read(&key).unwrap();
    let fewer = Shard::read(&value).unwrap().entries().skip(1);
    process.write(&key, &Shard::encode(GENERATION, fewer), None);
    let found = compared(&staged, layout, &mut process);
    assert!(!staged.is_intact(&found));
}

#[test]
fn a_shard_of_another_generation_is_a_conflict() {
    for other in [Shard::encode(GENERATION + 1, std::iter::empty()), Vec::new()] {
        let mut process = Process::default();
        let (mut staged, layout) = written(&mut process);
        process.write(&staged.keys.shard(staged.slot, 2), &other, None);
        let mut found = Comparison::default();
        let conflict = Err(WriteConflict);
        assert_eq!(staged.compare(layout, None, 2, &mut found, None, &mut process), conflict);
        staged.add("more", &StoredClient::Unusable("why".into()));
        assert_eq!(staged.write_shard(layout, 2, false, &mut process), conflict);
    }
}

/// A list that is gathered in several parts: each part is added to the shards of those before it.
#[test]
fn what_is_gathered_later_is_added_to_the_shards() {
    let mut process = Process::default();
    let sizes = ListSizes { shards: 4, ..ListSizes::LIMITS };
    let mut staged = StagedList::new(Keys::of("r", false), GENERATION, 3, sizes, None);
    let client = StoredClient::Unusable("why".into());
    for (part, ids) in [0..8, 8..24, 0..1, 24..25].into_iter().enumerate() {
        ids.for_each(|n| staged.add(&format!("c{n}"), &client));
        let layout = staged.fix_layout(false);
        for shard in 0..layout.shards {
            staged.write_shard(layout, shard, part == 0, &mut process).unwrap();
        }
        staged.clear_gathered();
    }
    let layout = staged.layout().unwrap();
    let found = compared(&staged, layout, &mut process);
    assert_eq!((found.refused, staged.repeated), (25, 1));
    assert!(staged.is_intact(&found));
    for n in 0..25 {
        let id = format!("c{n}");
        let hash = ShardLayout::hash(3, &id);
        let key = staged.keys.shard(staged.slot, layout.shard_of(hash));
        let (value, _) = process.read(&key).unwrap();
        let expected = if n == 0 { repeated_client() } else { client.encode() };
        let found = Shard::read(&value).unwrap().find(hash, &id).map(<[u8]>::to_vec);
        assert_eq!(found, Some(expected), "{id}");
    }
}

#[test]
fn what_is_gathered_is_bounded_in_number_and_octets() {
    let list = |sizes| StagedList::new(Keys::of("r", false), GENERATION, 3, sizes, None);
    let client = |octets| StoredClient::Unusable("x".repeat(octets).into());
    let mut staged = list(ListSizes { gathered_clients: 3, ..ListSizes::LIMITS });
    for (id, is_full) in [("a", false), ("b", false), ("c", true), ("d", true)] {
        staged.add(id, &client(1));
        assert_eq!(staged.is_full(), is_full, "{id}");
    }
    staged.clear_gathered();
    assert!(!staged.is_full());
    // The hash, the length of the identifier and the identifier, that of the client, its kind, and
    // the length of the text.
    let others = 4 + 4 + 1 + 4 + 1 + 4;
    for (octets, is_full) in [(limits::GATHERED_OCTETS - 1, false), (limits::GATHERED_OCTETS, true)]
    {
        let mut staged = list(ListSizes::LIMITS);
        staged.add("a", &client(octets - others));
        assert_eq!(staged.is_full(), is_full, "{octets}");
    }
}

/// Two identifiers have the same hash by chance, among a million clients most likely.
#[test]
fn clients_with_the_same_hash_are_two_clients() {
    let mut process = Process::default();
    let mut staged = StagedList::new(Keys::of("r", false), GENERATION, 3, ListSizes::LIMITS, None);
    for (id, encoded) in [("a", b"1"), ("b", b"2"), ("c", b"3")] {
        staged.gathered.add(5, id, encoded);
    }
    let layout = staged.fix_layout(true);
    staged.write_shard(layout, 0, true, &mut process).unwrap();
    assert_eq!((staged.written, staged.repeated), (3, 0));
    let (value, _) = process.read(&staged.keys.shard(staged.slot, 0)).unwrap();
    let shard = Shard::read(&value).unwrap();
    for (id, encoded) in [("a", Some(&b"1"[..])), ("b", Some(b"2")), ("c", Some(b"3")), ("d", None)]
    {
        assert_eq!(shard.find(5, id), encoded, "{id}");
    }
}
