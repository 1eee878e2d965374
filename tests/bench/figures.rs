//! `budget.json`: the accepted costs, and what exceeds them.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::cost::{Cost, Costs};

/// How new figures are accepted.
pub const HOW_TO_ACCEPT: &str =
    "./build.sh bench --accept rewrites tests/bench/budget.json, which a reviewer sees";

/// The greatest share of its budget that a figure may have, in per cent. Less growth is noise of
/// the compiler.
const TOLERATED_PERCENT: u64 = 103;

fn path() -> PathBuf {
    support::repository().join("tests/bench/budget.json")
}

pub fn committed() -> Costs {
    let text = fs::read_to_string(path())
        .unwrap_or_else(|error| panic!("tests/bench/budget.json: {error}; {HOW_TO_ACCEPT}"));
    let rows: Map<String, Value> = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("tests/bench/budget.json: {error}"));
    let cost = |value| {
        serde_json::from_value::<Cost>(value)
            .unwrap_or_else(|error| panic!("tests/bench/budget.json: {error}"))
    };
    rows.into_iter().map(|(name, value)| (name, cost(value))).collect()
}

pub fn accept(costs: &Costs) {
    let lines: Vec<String> = costs
        .iter()
        .map(|(name, Cost { instructions, host_calls })| {
            format!(
                "  {name:?}: {{ \"instructions\": {instructions}, \"host_calls\": {host_calls} }}"
            )
        })
        .collect();
    fs::write(path(), format!("{{\n{}\n}}\n", lines.join(",\n")))
        .expect("the repository can be written");
}

/// The budget of a row.
pub fn of<'a>(costs: &'a Costs, name: &str) -> Option<&'a Cost> {
    costs.iter().find(|(row, _)| row == name).map(|(_, cost)| cost)
}

/// Everything in `measured` that `budget` does not allow, in words.
pub fn excesses(budget: &Costs, measured: &Costs) -> Vec<String> {
    let missing = budget.iter().filter(|(name, _)| of(measured, name).is_none());
    let missing = missing.map(|(name, _)| format!("{name}: in the budget, but not measured"));
    missing
        .chain(measured.iter().flat_map(|(name, cost)| excess(name, of(budget, name), cost)))
        .collect()
}

fn excess(name: &str, budget: Option<&Cost>, measured: &Cost) -> Vec<String> {
    let Some(budget) = budget else {
        return vec![format!("{name}: measured, but not in the budget")];
    };
    let figures = [
        ("instructions", measured.instructions, budget.instructions),
        ("host calls", measured.host_calls, budget.host_calls),
    ];
    let grown = figures
        .into_iter()
        .filter(|(_, measured, budget)| measured * 100 > budget * TOLERATED_PERCENT);
    grown
        .map(|(unit, measured, budget)| {
            format!("{name}: {measured} {unit}, the budget is {budget}")
        })
        .collect()
}
