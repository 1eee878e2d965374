//! The switch from one list to the next, and lists that are damaged.

use super::world::{TICK, World, client, numbered, page, registry};
use super::*;

#[test]
fn a_list_is_read_in_slices_and_switched_at_once() {
    let mut world = World::new(3, registry(|_| {}), numbered(0, 200));
    world.run_until_switched();
    world.serve("/clients", page(numbered(100, 300)));
    let asked = world.asked.len();
    let mut slices = 0;
    for _ in 0..1000 {
        world.tick_with(3);
        slices += usize::from(world.asked.len() > asked);
        let mut switched = 0;
        for vm in 0..3 {
            let mut has =
                |client_id| matches!(world.find(vm, client_id), Ok(Registration::Registered(_)));
            // A VM may see the switch between two of these requests, but never see it undone.
            let (before, new, old) = (has("c50"), has("c250"), has("c50"));
            assert!(old != new || before != old, "a mixture of two lists");
            assert!(has("c150") && (before || !old));
            switched += usize::from(new);
        }
        if switched == 3 {
            break;
        }
    }
    assert!(slices > 60, "200 entries in {slices} slices of three");
    assert!(world.has("c250"));
}

#[test]
fn a_long_list_is_distributed_to_small_shards_and_stored_once() {
    let unlimited = registry(|registry| registry.max_bytes = usize::MAX);
    let mut world = World::new(2, unlimited, numbered(0, 70_000));
    world.run_until_switched();
    for id in ["c0", "c65535", "c65536", "c69999"] {
        assert!(world.has(id), "{id}");
    }
    assert!(!world.has("c70000"));
    let largest = world.process.values.values().map(|(value, _)| value.len()).max().unwrap();
    assert!(largest < 4096, "a shard of {largest} bytes");
    world.serve("/clients", page(format!("[{},{}]", client("c1", "CN=c1"), client("x", "CN=x"))));
    world.events.clear();
    world.run_until_switched();
    world.run(TICK * 2);
    assert!(world.has("x") && world.has("c1") && !world.has("c2"));
    assert_eq!(world.slots_in_use(), 1);
    let [RefreshEvent::Switched { clients, added, removed, changed, .. }, ..] = world.events[..]
    else {
        panic!("{:?}", world.events)
    };
    assert_eq!((clients, added, removed, changed), (2, 1, 69_999, 0));
}

#[test]
fn every_shard_of_the_list_before_is_emptied() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 300));
    world.run_until_switched();
    for to in [301, 302, 303] {
        world.serve("/clients", page(numbered(0, to)));
        world.run_until_switched();
        assert_eq!(world.slots_in_use(), 1);
    }
    // The head, the lease, and twice four shards: keys are never deleted.
    assert_eq!(world.process.values.len(), 10);
    // Also where a shard is emptied in each tick.
    world.serve("/clients", page(numbered(0, 304)));
    let generation = world.generation();
    let is_switched = (0..1000).any(|_| {
        world.tick_with(1);
        world.generation() != generation
    });
    assert!(is_switched && world.slots_in_use() == 2);
    (0..4).for_each(|_| world.tick_with(1));
    assert_eq!(world.slots_in_use(), 1);
}

#[test]
fn a_vm_that_has_missed_switches_uses_the_list_in_force() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    assert!(world.has("c1"));
    // Two switches, so that the third list is in the slot of the first, in more shards.
    let mut behind = world.vms[1 - world.asked[0].0].take().unwrap();
    for clients in [4, 300] {
        world.serve("/clients", page(numbered(0, clients)));
        world.run_until_switched();
    }
    let head = shared::ListHead::read(&Keys::of("r", false), &mut world.process).unwrap();
    let shard_of =
        |id: &String| head.layout.shard_of(shared::ShardLayout::hash(head.layout.seed, id));
    let id = (4..300).map(|n| format!("c{n}")).find(|id| shard_of(id) != 0).unwrap();
    let found = behind.find(&id, &|| world.now, &mut world.process);
    assert!(matches!(found, Ok(Registration::Registered(_))), "{id}: {found:?}");
}

#[test]
fn a_client_of_a_missing_shard_is_not_unregistered() {
    let mut world = World::new(2, registry(|_| {}), "");
    world.serve("/clients", page(numbered(0, 3)).with("etag", "\"1\""));
    world.run_until_switched();
    let mut keys = world.process.values.keys();
    let shard = keys.find(|key| key.contains("/r/0/") || key.contains("/r/1/")).unwrap().clone();
    world.process.values.remove(&shard);
    world.run(Duration::from_secs(3));
    assert_eq!(world.find(0, "c1"), Err(RegistryFault::Inconsistent));
    // A list that is damaged becomes older, although its head is another one now.
    world.tick();
    for vm in 0..2 {
        let (_, age) = world.vm(vm).state().unwrap();
        assert!(age > Duration::from_secs(3), "VM {vm}: {age:?}");
    }
    // The next request is unconditional, and its list repairs the damage.
    world.run(Duration::from_secs(11));
    assert!(world.has("c1"));
    let request = &world.requests.last().unwrap().headers;
    assert!(request.iter().all(|(name, _)| **name != *"if-none-match"));
}

#[test]
fn a_head_that_cannot_be_decoded_is_no_list() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    let head = Keys::of("r", false).head();
    world.process.values.insert(head, (b"garbage".to_vec(), 1));
    let mut fresh = Snapshot::new(world.registry.clone(), false, 7);
    assert_eq!(fresh.find("c1", &|| 0, &mut world.process), Err(RegistryFault::NoList));
}

#[test]
fn registries_of_one_process_have_separate_lists() {
    let mut world = World::new(1, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    let other = registry(|registry| registry.identity = "other".into());
    let mut fresh = Snapshot::new(other, false, 7);
    assert_eq!(fresh.find("c1", &|| 0, &mut world.process), Err(RegistryFault::NoList));
    // So have policies that let unregistered clients pass, and accept fewer lists.
    let mut fresh = Snapshot::new(world.registry.clone(), true, 7);
    assert_eq!(fresh.find("c1", &|| 0, &mut world.process), Err(RegistryFault::NoList));
}
