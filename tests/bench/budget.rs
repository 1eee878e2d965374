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

use cost::growth::{Growth, Series};
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

/// What the most frequent request may cost, whatever the budget says.
#[test]
fn the_most_frequent_request_meets_its_aims() {
    let costs = cost::measure();
    let of = |name: &str| *figures::of(&costs, name).expect("it is a row");
    let hot = of(cost::HOT);
    assert!(hot.instructions <= cost::AIM.instructions, "{hot:?}");
    assert!(hot.host_calls <= cost::AIM.host_calls, "{hot:?}");
    let more = |name: &str, number: u64| (of(name).instructions - hot.instructions) / number;
    let header = more("authenticated, ten more headers", 10);
    assert!(header <= cost::HEADER_AIM, "{header} for each further header");
    let octet = more("authenticated, a thousand more octets", 1_000);
    assert!(octet <= cost::OCTET_AIM, "{octet} for each further octet of body");
    // A path that is known costs some hundred instructions, and a host call less: Envoy is not
    // asked whether it verified the chain.
    let [anchored, without] =
        ["authenticated, under an anchor", "authenticated, the same without anchors"].map(of);
    assert!(anchored.instructions * 100 <= without.instructions * 105, "{anchored:?} {without:?}");
    assert!(anchored.host_calls < without.host_calls, "{anchored:?} {without:?}");
}

/// The cost is independent of how many clients and tenants there are, and linear in the body, the
/// names of a certificate and the endpoints.
#[test]
fn the_cost_grows_as_it_should() {
    for series in cost::growth::measure(10_000) {
        assert!(series.points.len() > 3, "{}", series.name);
        assert_eq!(series.excesses(), Vec::<String>::new(), "{:?}", series.points);
    }
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
        (vec![("a", 10_300, 9)], ""),
        (vec![("a", 1, 1)], ""),
        (vec![("a", 10_301, 9)], "a: 10301 instructions, the budget is 10000"),
        (vec![("a", 10_000, 10)], "a: 10 host calls, the budget is 9"),
        (vec![], "a: in the budget, but not measured"),
        (vec![("a", 10_000, 9), ("b", 1, 1)], "b: measured, but not in the budget"),
    ] {
        assert_eq!(figures::excesses(&budget, &costs(&measured)).join("\n"), excess);
    }
}

#[test]
fn excesses_of_growth_are_found() {
    let excesses = |growth, points: &[(u64, u64, u64)]| {
        let cost = |instructions, host_calls| Cost { instructions, host_calls };
        let points = points.iter().map(|(size, one, other)| (*size, cost(*one, *other))).collect();
        Series { name: "x", file: "x", unit: "xs", growth, points }.excesses().join("\n")
    };
    let none = |points: &[(u64, u64, u64)]| excesses(Growth::None, points);
    let linear = |points: &[(u64, u64, u64)]| excesses(Growth::Linear, points);
    assert_eq!(none(&[(1, 10_000, 7), (1_000, 10_300, 7)]), "");
    let more = "x 1000: 10301 instructions instead of 10000";
    assert_eq!(none(&[(1, 10_000, 7), (1_000, 10_301, 7)]), more);
    assert_eq!(none(&[(1, 10_000, 7), (2, 10_000, 8)]), "x 2: 8 host calls");
    assert_eq!(linear(&[(1, 110, 7), (10, 200, 7), (100, 1_100, 7)]), "");
    assert_eq!(linear(&[(1, 110, 7), (2, 120, 8)]), "x 2: 8 host calls");
    let steeper = "x 200: 100 instructions for each further one, 60 on average";
    assert_eq!(linear(&[(1, 1, 7), (100, 2_000, 7), (200, 12_000, 7)]), steeper);
}
