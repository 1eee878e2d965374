use super::super::tests::Process;
use super::*;

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
