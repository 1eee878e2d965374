//! What the explorer may do in one search.

use super::super::super::staged_list::ListSizes;
use super::mutation::Mutation;

/// How often something may happen in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    /// VMs that stop at any access.
    pub(super) crashes: u8,
    /// VMs that their host ends.
    pub(super) releases: u8,
    /// VMs that start in the place of a dead one.
    pub(super) starts: u8,
    /// New lists of the registry.
    pub(super) changes: u8,
    /// The clock is set: forward by 11 days, or back to 1970.
    pub(super) jumps: u8,
    /// Requests to the registry without an answer.
    pub(super) failures: u8,
    /// Requests of clients, beside those that are tried in every state.
    pub(super) finds: u8,
    /// How often another VM goes on before the operation of the last one has ended; `None` = each
    /// time.
    pub(super) stalls: Option<u8>,
}

impl Budget {
    pub(super) const NOTHING: Self = Self {
        crashes: 0,
        releases: 0,
        starts: 0,
        changes: 0,
        jumps: 0,
        failures: 0,
        finds: 0,
        stalls: None,
    };
}

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) vms: usize,
    /// Ticks of each VM.
    pub(super) ticks: u8,
    /// The times that a tick may measure, in milliseconds.
    pub(super) elapsed: &'static [u64],
    /// The pieces of work for which a tick may have time.
    pub(super) pieces: &'static [usize],
    /// Whether a list is in force at the beginning.
    pub(super) is_warm: bool,
    pub(super) pages: usize,
    pub(super) generation_header: bool,
    pub(super) has_etag: bool,
    pub(super) passes_unregistered: bool,
    pub(super) sizes: ListSizes,
    pub(super) budget: Budget,
    pub(super) mutation: Option<Mutation>,
}

/// Lists of two shards.
const TWO_SHARDS: ListSizes =
    ListSizes { shards: 2, clients_in_shard: 1, gathered_clients: usize::MAX };

impl Scenario {
    const BASE: Self = Self {
        name: "",
        vms: 2,
        ticks: 2,
        elapsed: &[2_000],
        pieces: &[usize::MAX],
        is_warm: true,
        pages: 1,
        generation_header: false,
        has_etag: false,
        passes_unregistered: false,
        sizes: TWO_SHARDS,
        budget: Budget::NOTHING,
        mutation: None,
    };

    /// A VM that does not tick while two lists follow. It has more states than the others, so that
    /// only the deep search has it, and the search with a mutation, which ends early.
    pub(super) fn missed_lists() -> Self {
        let budget = Budget { changes: 2, stalls: Some(0), ..Budget::NOTHING };
        Self { name: "a VM that misses lists", ticks: 4, budget, ..Self::BASE }
    }

    /// The scenarios; `deep` = with more ticks, more faults or more interruptions. Where a deep
    /// one has more of all three, no machine has the memory for its states.
    pub(super) fn all(deep: bool) -> Vec<Self> {
        let more = u8::from(deep);
        let of = |name, budget| Self { name, budget, ..Self::BASE };
        let none = Budget::NOTHING;
        let uninterrupted = |budget| Budget { stalls: Some(0), ..budget };
        let seldom = |stalls, budget| Budget { stalls: Some(stalls + more), ..budget };
        vec![
            Self {
                ticks: 2 + more,
                ..of("two VMs, one stops", Budget { changes: 1, crashes: 1, ..none })
            },
            Self {
                ticks: 3,
                ..of("two VMs, one is ended", seldom(0, Budget { changes: 1, releases: 1, ..none }))
            },
            Self { ticks: 3, ..of("a VM that stalls", seldom(1, Budget { changes: 1, ..none })) },
            Self { ticks: 3, is_warm: false, ..of("the first list", seldom(1, none)) },
            Self {
                ticks: 2 + more,
                ..of("requests", seldom(0, Budget { changes: 1, finds: 1 + more, ..none }))
            },
            Self {
                vms: 3,
                ..of("three VMs", seldom(0, Budget { changes: 1, crashes: 1, ..none }))
            },
            Self { vms: 4, ..of("four VMs, one stops", seldom(0, Budget { crashes: 1, ..none })) },
            Self {
                ticks: 3,
                pages: 2,
                generation_header: true,
                ..of("pages of one generation", seldom(0, Budget { changes: 2, ..none }))
            },
            Self {
                vms: 1 + usize::from(deep),
                ticks: 6 - more,
                pages: 2,
                passes_unregistered: true,
                ..of("pages that are read twice", uninterrupted(Budget { changes: 2, ..none }))
            },
            Self {
                elapsed: if deep { &[250, 2_500] } else { &[2_500] },
                ..of(
                    "the clock is set",
                    uninterrupted(Budget { jumps: 1, crashes: 1, starts: 1, ..none }),
                )
            },
            Self {
                ticks: 3,
                has_etag: true,
                ..of(
                    "conditional requests, no answers",
                    seldom(0, Budget { changes: 1, failures: 1, ..none }),
                )
            },
            Self {
                ticks: 3 + more,
                pieces: if deep { &[4, usize::MAX] } else { &[4] },
                ..of("ticks that are too short", uninterrupted(Budget { changes: 1, ..none }))
            },
            Self {
                ticks: 3,
                sizes: ListSizes { gathered_clients: 1, ..TWO_SHARDS },
                ..of("lists that are written in parts", seldom(0, Budget { changes: 1, ..none }))
            },
        ]
    }
}
