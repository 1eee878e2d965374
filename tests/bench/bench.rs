//! `./build.sh bench`: the cost of the filter, as tables of plain text. No time is asserted.

extern crate test_support as support;

use tls_client_auth_tests::{host, run};

#[allow(dead_code, reason = "shared with the tests in Envoy")]
#[path = "../envoy"]
mod envoy {
    pub mod backend;
    pub mod bootstrap;
    pub mod client;
    pub mod fixture;
    pub mod http1;
    pub mod http2;
    pub mod jwt;
    pub mod process;
    pub mod registry;
    pub mod wire;
}

mod cost;
mod figures;
mod flood;
mod load;
mod plot;
mod request;
mod scale;
mod start;

use std::path::PathBuf;

use cost::Costs;
use cost::growth::Series;
use load::throughput::{self, Figures, PACES};
use load::{REQUESTS, ROUNDS, Rounds, Variant};
use start::Start;

fn main() {
    if std::env::args().any(|argument| argument == "profile") {
        let file = |name| PathBuf::from(std::env::var_os(name).expect("profile.sh sets it"));
        let module = host::Module::of_file(&file("MODULE")).expect("a module");
        return cost::trace(&module, &file("EVENTS"));
    }
    let costs = cost::measure();
    // `cargo test` and `cargo bench` add arguments.
    if std::env::args().any(|argument| argument == "--accept") {
        figures::accept(&costs);
        plot::costs(&costs);
        plot::growth(&cost::growth::measure(MOST_CLIENTS));
        plot::into_manual();
        println!(
            "tests/bench/budget.json has the figures of this module, and docs/plots their plots. The \
             commit message must say why they changed."
        );
        return;
    }
    if std::env::args().any(|argument| argument == "registry") {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        println!("\nA fetched registry, in wasmtime and in Envoy {}.\n", envoy::process::CURRENT);
        print_table(&scale::measure(&runtime));
        return;
    }
    print_costs(&costs);
    plot::costs(&costs);
    let growth = cost::growth::measure(MOST_CLIENTS);
    print_growth(&growth);
    plot::growth(&growth);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let rounds = runtime.block_on(load::measure());
    print_load(&rounds);
    plot::load(&rounds);
    let (figures, paces) = runtime.block_on(throughput::measure());
    print_throughput(&figures, paces);
    plot::throughput(&figures, paces);
    let starts = runtime.block_on(async { start::measure(load::Servers::start().await).await });
    print_starts(&starts);
    println!("\ntarget/bench has these figures as JSON, and plots of them.");
}

fn print_starts(starts: &[Start]) {
    println!("\nBefore the first request: medians of Envoys that are started in turns.\n");
    let mut rows = vec![
        ["", "memory", "each further worker", "until the first answer"].map(String::from).to_vec(),
    ];
    let megabytes = |octets: f64| format!("{:.1} MB", octets / 1e6);
    for start in starts {
        rows.push(vec![
            start.variant.name().to_owned(),
            megabytes(start.resident),
            megabytes(start.per_worker),
            format!("{:.2} s", start.seconds),
        ]);
    }
    print_table(&rows);
    let of = |variant| starts.iter().find(|start| start.variant == variant);
    if let (Some(own), Some(wasm)) = (of(Variant::Filter), of(Variant::Calls(0))) {
        let more = own.per_worker - wasm.per_worker;
        let added = megabytes(more);
        println!(
            "\neach worker, beyond a wasm filter that only waits: {added}, aim: at most 10 MB"
        );
    }
}

/// The longest list of a measured request.
const MOST_CLIENTS: usize = 1_000_000;

fn print_growth(all: &[Series]) {
    println!("\nOne request by the size of what it meets, in instructions (and host calls):\n");
    for series in all {
        println!("{}, {:?}", series.name, series.growth);
        let rows = series.points.iter().map(|(size, cost)| {
            vec![
                format!("  {} {}", thousands(*size), series.unit),
                thousands(cost.instructions),
                cost.host_calls.to_string(),
            ]
        });
        print_table(&rows.collect::<Vec<_>>());
        for excess in series.excesses() {
            println!("grows more than it should: {excess}");
        }
    }
}

fn print_throughput(figures: &[Figures], paces: [u64; PACES.len()]) {
    println!(
        "\nOne worker, {} rounds in turns: median (1st to 3rd quarter).\n",
        throughput::ROUNDS
    );
    let cell = |values: &Vec<u64>| {
        let values = values.iter().map(|value| *value as i64);
        let [first, median, third] = [1, 2, 3].map(|quarter| quartile(values.clone(), quarter));
        format!("{median} ({first} to {third})")
    };
    let table = |titles: [&str; 3], cells: &dyn Fn(&Figures) -> [String; 2]| {
        let mut rows = vec![titles.map(String::from).to_vec()];
        for (variant, figures) in throughput::VARIANTS.iter().zip(figures) {
            let mut row = vec![variant.name().to_owned()];
            row.extend(cells(figures));
            rows.push(row);
        }
        print_table(&rows);
    };
    table(["", "requests a second", "Envoy busy, %"], &|of_one| {
        [&of_one.throughput, &of_one.busy].map(cell)
    });
    for (at, (pace, per_cent)) in paces.into_iter().zip(PACES).enumerate() {
        println!(
            "\nAt {} requests a second, {per_cent} % of what Envoy without a filter reaches:\n",
            thousands(pace)
        );
        table(["", "p50, us", "p99, us"], &|of_one| [&of_one.p50[at], &of_one.p99[at]].map(cell));
    }
}

fn print_costs(costs: &Costs) {
    let budget = figures::committed();
    println!(
        "\nOne request in the shipped module, in wasmtime: the figures are equal on all machines."
    );
    println!(
        "Aims for `{}`: at most {} instructions and {} host calls.\n",
        cost::HOT,
        thousands(cost::AIM.instructions),
        cost::AIM.host_calls
    );
    let mut rows = vec![
        ["decision", "instructions", "budget", "host calls", "budget"].map(String::from).to_vec(),
    ];
    for (name, cost) in costs {
        let budget = figures::of(&budget, name);
        let [instructions, host_calls] =
            [budget.map(|cost| cost.instructions), budget.map(|cost| cost.host_calls)]
                .map(|figure| figure.map_or("none".into(), thousands));
        rows.push(vec![
            name.clone(),
            thousands(cost.instructions),
            instructions,
            cost.host_calls.to_string(),
            host_calls,
        ]);
    }
    print_table(&rows);
    for excess in figures::excesses(&budget, costs) {
        println!("over budget: {excess}");
    }

    println!("\nThe host calls of `{}`:\n", cost::RESOURCE);
    let of_resource = cost::host_calls(cost::RESOURCE).into_iter();
    print_table(
        &of_resource.map(|(name, calls)| vec![name.into(), calls.to_string()]).collect::<Vec<_>>(),
    );
    let (phases, host_calls) = cost::profile();
    println!("\n`{}` in parts:\n", cost::HOT);
    let phases = phases.into_iter().map(|(phase, instructions)| {
        vec![phase.into(), thousands(instructions), "instructions".into()]
    });
    let host_calls = host_calls
        .into_iter()
        .map(|(name, calls)| vec![name.into(), calls.to_string(), "host calls".into()]);
    print_table(&phases.chain(host_calls).collect::<Vec<_>>());
}

fn print_load(rounds: &Rounds) {
    println!(
        "\nCPU time of a whole Envoy {} per request, HTTP/1.1 over TLS 1.3, one kept connection \
         with a client certificate.",
        envoy::process::CURRENT
    );
    println!(
        "{ROUNDS} rounds of {REQUESTS} requests for each, in turns. Added: the median of the \
         differences in a round.\n"
    );
    let place = |variant: Variant| {
        Variant::ALL.iter().position(|other| *other == variant).expect("it is one of them")
    };
    let column = |place: usize| rounds.iter().map(move |round| round[place] as i64);
    let added = |variant: Variant| {
        let (own, base) = (place(variant), place(variant.base()));
        rounds.iter().map(move |round| round[own] as i64 - round[base] as i64)
    };
    let mut rows = vec![
        ["", "median", "added", "1st quarter", "3rd quarter", "least", "most"]
            .map(String::from)
            .to_vec(),
    ];
    for variant in Variant::ALL {
        let mut row = vec![variant.name().to_owned(), microseconds(median(column(place(variant))))];
        if variant == variant.base() {
            row.extend(["", "", "", "", ""].map(String::from));
        } else {
            let figures = [2, 1, 3, 0, 4].map(|quarter| quartile(added(variant), quarter));
            row.extend(figures.map(microseconds));
        }
        rows.push(row);
    }
    print_table(&rows);
    println!();
    let of = |variant: Variant| median(added(variant)) as f64;
    let ratio = |name: &str, one: f64, other: f64, aim: &str| {
        vec![name.to_owned(), format!("{:.2}", one / other), aim.to_owned()]
    };
    let total = |variant: Variant| median(column(place(variant))) as f64;
    print_table(&[
        ratio(
            "added by this filter / by the limit",
            of(Variant::Filter),
            of(Variant::LIMIT),
            "aim: at most 1.15",
        ),
        ratio(
            "not gated: added by this filter / by reading the headers",
            of(Variant::FilterUngated),
            of(Variant::ReadsHeaders),
            "aim: at most 1.10",
        ),
        ratio(
            "a resource: added by this filter / by its limit",
            of(Variant::FilterResource),
            of(Variant::ResourceCalls),
            "aim: at most 1.15",
        ),
        ratio(
            "a refusal / an accepted request, in all",
            total(Variant::Refused),
            total(Variant::Filter),
            "aim: at most 1.20",
        ),
        ratio("added by this filter / by Lua", of(Variant::Filter), of(Variant::Lua), ""),
        ratio(
            "added by this filter / by ext_authz",
            of(Variant::Filter),
            of(Variant::ExternalAuthorization),
            "",
        ),
    ]);
}

fn median(values: impl Iterator<Item = i64>) -> i64 {
    quartile(values, 2)
}

/// A quartile: 0 is the least value, 4 the greatest.
fn quartile(values: impl Iterator<Item = i64>, quarter: usize) -> i64 {
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    values[(values.len() - 1) * quarter / 4]
}

fn microseconds(nanoseconds: i64) -> String {
    format!("{:.1} us", nanoseconds as f64 / 1_000.0)
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}

/// Aligns the first column to the left and the others to the right.
fn print_table(rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            line +=
                &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        println!("{}", line.trim_end());
    }
}
