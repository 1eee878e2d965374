//! VMs that stop, hang or start while others go on, and clocks that are set.

use super::super::shared::Slot;
use super::world::{TICK, World, numbered, page, registry};
use super::*;

#[test]
fn a_dead_vm_is_replaced_whatever_it_was_doing() {
    for pieces in [0, 1, 5, 50, 150, 250] {
        let mut world = World::new(3, registry(|_| {}), numbered(0, 200));
        world.run_until_switched();
        let (holder, _) = *world.asked.last().unwrap();
        world.serve("/clients", page(numbered(100, 300)));
        let asked = world.asked.len();
        while world.asked.len() == asked {
            world.tick();
        }
        world.tick_with(pieces);
        world.vms[holder] = None;
        world.run(Duration::from_secs(13));
        assert!(world.has("c250") && !world.has("c50"), "after {pieces} pieces of work");
        assert_ne!(world.asked.last().unwrap().0, holder);
    }
}

#[test]
fn an_answer_may_come_until_the_timeout_and_a_while_longer() {
    let mut world = World::new(1, registry(|_| {}), "");
    world.pages.clear();
    world.run_until(|world| world.asked.len() == 1);
    world.run(world.registry.timeout + crate::limits::CALL_BACK_GRACE);
    assert_eq!((world.events.len(), world.asked.len()), (0, 1));
    world.tick();
    assert_eq!(world.failures(), [&FetchError::NeverCalledBack]);
}

#[test]
fn a_vm_whose_host_never_calls_back_leaves_the_lease_to_another() {
    let mut world = World::new(2, registry(|_| {}), "");
    world.pages.clear();
    world.run(Duration::from_secs(9));
    assert_eq!(world.failures().first(), Some(&&FetchError::NeverCalledBack));
    world.serve("/clients", page(numbered(0, 3)));
    world.run(Duration::from_secs(90));
    assert!(world.has("c1"));
    let askers: Vec<_> = world.asked.iter().map(|(vm, _)| *vm).collect();
    assert!(askers.contains(&0) && askers.contains(&1), "{askers:?}");
}

#[test]
fn a_released_registry_is_refreshed_by_another_vm() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    let (holder, _) = world.asked[0];
    world.vms[holder].as_mut().unwrap().release(&mut world.process);
    world.vms[holder] = None;
    world.tick();
    let other = world.vm(1 - holder);
    assert!(other.refresh.lease.owner().is_some(), "it does not wait for a silent holder");
    world.serve("/clients", page(numbered(1, 3)));
    world.run(Duration::from_secs(10) + TICK * 3);
    assert!(!world.has("c0") && world.has("c1"));
}

#[test]
fn the_clock_may_jump() {
    let mut world = World::new(2, registry(|_| {}), numbered(0, 3));
    world.run_until_switched();
    for jump in [-100_000_000_i64, 1_000_000_000] {
        world.now = world.now.saturating_add_signed(jump);
        world.serve("/clients", page(numbered(0, 3)));
        let asked = world.asked.len();
        world.run(Duration::from_secs(35));
        assert!(world.has("c1"));
        assert!((3..=5).contains(&(world.asked.len() - asked)));
    }
    // For a VM that starts after the clock was set back, the list is a recent one.
    world.now = 5;
    world.vms.push(Some(Snapshot::new(world.registry.clone(), false, 7)));
    assert!(matches!(world.find(2, "c1"), Ok(Registration::Registered(_))));
}

/// Lets the VM with the lease receive a list of c100 to c299. Takes it out of the world, which goes
/// on with a registry that has c150 to c349.
fn vm_with_an_answer(world: &mut World) -> Snapshot {
    world.run_until_switched();
    world.serve("/clients", page(numbered(100, 300)));
    let asked = world.asked.len();
    world.run_until(|world| world.asked.len() > asked);
    let (holder, _) = *world.asked.last().unwrap();
    world.serve("/clients", page(numbered(150, 350)));
    world.vms[holder].take().unwrap()
}

#[test]
fn a_vm_that_stalls_between_two_ticks_has_lost_the_lease_when_it_goes_on() {
    // The answer waits; it is read; shards are written; shards are compared.
    for pieces in [0, 150, 203, 207] {
        let mut world = World::new(2, registry(|_| {}), numbered(0, 200));
        let mut stalled = vm_with_an_answer(&mut world);
        let mut left = pieces;
        let mut has_time = || {
            left -= 1;
            left > 0
        };
        if pieces > 0 {
            stalled.tick(TICK, world.now, &mut world.process, &mut has_time);
        }
        world.run(Duration::from_secs(5));
        assert!(world.has("c349") && !world.has("c149"), "after {pieces} pieces of work");
        let generation = world.generation();
        let outcome = stalled.tick(TICK, world.now, &mut world.process, &mut || true);
        assert!(outcome.request.is_none() && !outcome.is_busy);
        assert_eq!(world.generation(), generation);
        world.vms.push(Some(stalled));
        world.run(Duration::from_secs(1));
        assert!(world.has("c349") && !world.has("c149"), "after {pieces} pieces of work");
    }
}

/// Puts a list with four empty shards in force, in this slot, as a VM would that goes on late.
fn overtake(world: &mut World, slot: Slot) -> Vec<String> {
    let keys = Keys::of("r", false);
    let known = shared::ListHead::read(&keys, &mut world.process).unwrap();
    let generation = known.generation + 1;
    let layout = shared::ShardLayout { shards: 4, ..known.layout };
    let head = shared::ListHead { generation, slot, layout, attempt: generation, ..known };
    world.process.write(&keys.head(), &head.encode(), None);
    let shards: Vec<String> = (0..4).map(|shard| keys.shard(slot, shard)).collect();
    for key in &shards {
        let value = shared::Shard::encode(generation, std::iter::empty());
        world.process.write(key, &value, None);
    }
    shards
}

/// The shards of a list in force are not written, by whomever it was put in force.
#[test]
fn what_was_begun_is_given_up_where_another_list_is_in_force() {
    // An answer is read; the shards of the list before are emptied.
    for is_read in [true, false] {
        let mut world = World::new(1, registry(|_| {}), numbered(0, 200));
        world.run_until_switched();
        let keys = Keys::of("r", false);
        let first = shared::ListHead::read(&keys, &mut world.process).unwrap();
        world.serve("/clients", page(numbered(100, 300)));
        let asked = world.asked.len();
        world.run_until(|world| world.asked.len() > asked);
        let slot = if is_read {
            world.tick_with(50);
            first.slot.other()
        } else {
            while world.generation() == Some(first.generation) {
                world.tick_with(1);
            }
            first.slot
        };
        let shards = overtake(&mut world, slot);
        let generation = world.generation();
        let before: Vec<_> = shards.iter().map(|key| world.process.read(key)).collect();
        for _ in 0..8 {
            world.tick();
        }
        let after: Vec<_> = shards.iter().map(|key| world.process.read(key)).collect();
        assert!(before == after && before.iter().all(Option::is_some), "{is_read}");
        assert_eq!(world.generation(), generation);
        world.run(Duration::from_secs(10));
        assert!(world.has("c250") && !world.has("c50"), "{is_read}");
    }
}

/// Shared data that lets the other VMs of the world go on for some seconds before one access.
struct Stalling<'a> {
    world: &'a mut World,
    accesses_before: usize,
    /// The generation in force when the stall ended.
    after_stall: Option<u64>,
}

impl Stalling<'_> {
    fn count(&mut self) {
        if self.accesses_before == 0 && self.after_stall.is_none() {
            self.world.run(Duration::from_secs(5));
            self.after_stall = self.world.generation();
        }
        self.accesses_before = self.accesses_before.saturating_sub(1);
    }
}

impl SharedData for Stalling<'_> {
    fn read(&mut self, key: &str) -> Option<(Vec<u8>, Option<Version>)> {
        self.count();
        self.world.process.read(key)
    }

    fn write(&mut self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        self.count();
        self.world.process.write(key, value, expected)
    }
}

/// The lease is checked once in a tick. A VM that stalls after that writes beside the VM that has
/// taken the lease over: then the list may be damaged until the next refresh, which is an error for
/// a request, but no client is lost, no two lists are mixed, and no older list is in force again.
#[test]
fn a_vm_that_stalls_inside_a_tick_loses_no_client() {
    for accesses_before in 0.. {
        let mut world = World::new(2, registry(|_| {}), numbered(0, 200));
        let mut stalled = vm_with_an_answer(&mut world);
        let now = world.now;
        let mut shared = Stalling { world: &mut world, accesses_before, after_stall: None };
        stalled.tick(TICK, now, &mut shared, &mut || true);
        let Some(after_stall) = shared.after_stall else {
            assert!(accesses_before > 20, "a tick with {accesses_before} accesses");
            break;
        };
        assert_eq!(world.generation(), Some(after_stall), "before access {accesses_before}");
        world.vms.push(Some(stalled));
        for vm in (0..world.vms.len()).filter(|vm| world.vms[*vm].is_some()).collect::<Vec<_>>() {
            let [mut first, mut last] = [false; 2];
            for n in (100..350).rev() {
                let found = world.find(vm, &format!("c{n}"));
                first |= n < 150 && matches!(found, Ok(Registration::Registered(_)));
                last |= n >= 300 && matches!(found, Ok(Registration::Registered(_)));
                let may_be_absent = !(150..200).contains(&n);
                assert!(
                    may_be_absent || found != Ok(Registration::Unregistered),
                    "VM {vm}, c{n}, before access {accesses_before}"
                );
            }
            assert!(!(first && last), "VM {vm}: two lists, before access {accesses_before}");
        }
        world.run(Duration::from_secs(21));
        assert!(world.has("c349") && !world.has("c149"), "before access {accesses_before}");
    }
}
