//! No request may cost more than `tests/bench/budget.json` says. `./build.sh bench` prints the same
//! figures.

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
        "{}\nif this cost is intended: {}",
        excesses.join("\n"),
        figures::HOW_TO_ACCEPT
    );
}

/// Every request that a client can send, of any size, is answered within two milliseconds.
#[test]
fn no_request_costs_more_than_two_milliseconds() {
    let expensive: Costs = cost::measure()
        .into_iter()
        .filter(|(_, cost)| cost.instructions > cost::hostile::MOST_INSTRUCTIONS)
        .collect();
    assert!(expensive.is_empty(), "{expensive:?}");
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
fn excesses_are_found() {
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
        (vec![], "a: in the budget, but not measured"),
        (vec![("a", 10_000, 9), ("b", 1, 1)], "b: measured, but not in the budget"),
    ] {
        assert_eq!(figures::excesses(&budget, &costs(&measured)).join("\n"), excess);
    }
}
