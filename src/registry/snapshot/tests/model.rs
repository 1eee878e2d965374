//! The protocol as a model that is searched: every order of the accesses of several VMs to shared
//! data, with VMs that stop, clocks that are set and lists that change (docs/verification.md).
//!
//! It is the code of this module itself that runs. An operation of a VM, which is a tick or a
//! request, can be interrupted before each of its accesses to shared data.

mod explorer;
mod mutation;
mod registry;
mod scenario;
mod vm;

use self::explorer::{Outcome, Violation, explore};
use self::mutation::Mutation;
use self::scenario::Scenario;

/// The scenarios, or the one that the variable MODEL names.
fn scenarios(deep: bool) -> Vec<Scenario> {
    let only = std::env::var("MODEL").ok();
    let mut scenarios = Scenario::all(deep);
    scenarios.extend(deep.then(Scenario::missed_lists));
    scenarios.retain(|scenario| only.as_deref().is_none_or(|only| only == scenario.name));
    assert!(!scenarios.is_empty(), "no scenario {only:?}");
    scenarios
}

/// Searches the scenario, and prints how much was searched.
fn holds(scenario: &Scenario) -> usize {
    let Outcome { states, steps, ends, violation } = explore(scenario);
    println!("{}: {states} states, {steps} steps, {ends} ends", scenario.name);
    if let Some(Violation { invariant, what, run }) = violation {
        panic!("{}: {invariant:?}: {what}\n{}", scenario.name, run.join("\n"));
    }
    assert!(ends > 0 && states > 100, "{}: nothing was searched", scenario.name);
    states
}

/// The states of all scenarios.
const SEARCHED: usize = 299_064;

#[test]
fn every_order_of_accesses_keeps_the_invariants() {
    let scenarios = scenarios(false);
    let states: usize = scenarios.iter().map(holds).sum();
    // A search that became smaller has lost something.
    if scenarios.len() > 1 {
        assert_eq!(states, SEARCHED, "also in docs/verification.md");
    }
}

/// The same with more ticks and more faults: `./build.sh model`.
#[test]
#[ignore = "minutes"]
fn every_order_of_more_accesses_keeps_the_invariants() {
    let states: usize = scenarios(true).iter().map(holds).sum();
    println!("{states} states in all");
}

/// Without one rule of the protocol, an invariant fails.
#[test]
fn every_rule_of_the_protocol_is_needed() {
    let mut wrong = Vec::new();
    for (mutation, name, expected) in Mutation::ALL {
        let mut scenarios = Scenario::all(false);
        scenarios.push(Scenario::missed_lists());
        scenarios.retain(|scenario| scenario.name == name);
        let [scenario] = scenarios.try_into().expect("one scenario");
        let outcome = explore(&Scenario { mutation: Some(mutation), ..scenario });
        let searched = outcome.states;
        let Some(Violation { invariant, what, run }) = outcome.violation else {
            wrong.push(format!("{mutation:?} is not found in {searched} states"));
            continue;
        };
        println!("{mutation:?}: {invariant:?} after {searched} states, {name}: {what}");
        if invariant != expected {
            let run = run.join("\n");
            wrong.push(format!("{mutation:?}: {invariant:?}, not {expected:?}: {what}\n{run}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
