//! No request may cost more than `tests/bench/budget.json` says. What `./build.sh bench` prints,
//! without the printing.

extern crate test_support as support;

use tls_client_auth_tests::{host, run};

#[allow(dead_code, reason = "shared with the bench")]
mod cost;
#[allow(dead_code, reason = "shared with the bench")]
mod figures;
mod request;

use std::collections::BTreeSet;

use cost::{Cost, Costs};
use support::case::DECISIONS;

#[test]
fn no_request_costs_more_than_its_budget() {
    let excesses = figures::excesses(&figures::committed(), &cost::measure());
    assert!(
        excesses.is_empty(),
        "{}\nif that is the price of something wanted: {}",
        excesses.join("\n"),
        figures::MEND
    );
}

/// What a stranger can send, however large and odd, is answered within two milliseconds.
#[test]
fn no_request_costs_more_than_two_milliseconds() {
    let dear: Costs = cost::measure()
        .into_iter()
        .filter(|(_, cost)| cost.instructions > cost::hostile::MOST_INSTRUCTIONS)
        .collect();
    assert!(dear.is_empty(), "{dear:?}");
}

/// Two runs in one process have different addresses and hash seeds.
#[test]
fn the_figures_are_the_same_in_every_run() {
    assert_eq!(cost::measure(), cost::measure());
}

#[test]
fn every_code_has_a_figure() {
    let costs = figures::committed();
    let codes: BTreeSet<&str> =
        costs.iter().filter_map(|(name, _)| name.split(',').next()).collect();
    assert_eq!(codes, DECISIONS.iter().map(|(code, _)| *code).collect());
}

#[test]
fn what_is_an_excess() {
    let costs = |rows: &[(&str, u64, u64)]| -> Costs {
        rows.iter()
            .map(|(name, instructions, host_calls)| {
                (name.to_string(), Cost { instructions: *instructions, host_calls: *host_calls })
            })
            .collect()
    };
    let budget = costs(&[("a", 10_000, 9)]);
    for (measured, excess) in [
        (vec![("a", 10_000, 9)], ""),
        (vec![("a", 10_500, 9)], ""),
        (vec![("a", 1, 1)], ""),
        (vec![("a", 10_501, 9)], "a: 10501 instructions, the budget is 10000"),
        (vec![("a", 10_000, 10)], "a: 10 host calls, the budget is 9"),
        (vec![], "a: in the budget, and no longer measured"),
        (vec![("a", 10_000, 9), ("b", 1, 1)], "b: measured, and not in the budget"),
    ] {
        assert_eq!(figures::excesses(&budget, &costs(&measured)).join("\n"), excess);
    }
}
