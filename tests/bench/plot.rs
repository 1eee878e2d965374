//! What `./build.sh bench` leaves in `target/bench`: each table as JSON and as a plot. The manual
//! has copies of the plots in `docs/plots`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use plotters::coord::ranged1d::ValueFormatter;
use plotters::coord::types::RangedCoordu64;
use plotters::prelude::*;
use serde_json::{Value, json};

use crate::cost::Costs;
use crate::cost::growth::Series;
use crate::load::Rounds;
use crate::load::throughput::{self, Figures, PACES};
use crate::{Variant, quartile};

type Drawn = Result<(), Box<dyn Error>>;

const SIZE: (u32, u32) = (760, 380);
const COLOUR: RGBColor = RGBColor(31, 119, 180);

fn folder() -> PathBuf {
    let folder = crate::support::repository().join("target/bench");
    fs::create_dir_all(&folder).expect("target/ can be written");
    folder
}

/// Copies the plots of what is the same on every machine into the manual.
pub fn into_manual() {
    let manual = crate::support::repository().join("docs/plots");
    fs::create_dir_all(&manual).expect("docs/ can be written");
    for plot in fs::read_dir(folder()).expect("the plots are there") {
        let name = plot.expect("it can be listed").file_name();
        let text = name.to_string_lossy();
        let is_exact = ["growth-", "instructions", "host-calls"];
        if is_exact.iter().any(|start| text.starts_with(start)) && text.ends_with(".svg") {
            fs::copy(folder().join(&name), manual.join(&name)).expect("docs/ can be written");
        }
    }
}

fn write(name: &str, value: &Value) {
    let text = serde_json::to_string_pretty(value).expect("it is JSON");
    fs::write(folder().join(name), text + "\n").expect("target/ can be written");
}

/// Growth by size, a plot for each series.
pub fn growth(all: &[Series]) {
    let points = |series: &Series| {
        let point = |(size, cost): &(u64, crate::cost::Cost)| {
            json!({
                "size": size, "instructions": cost.instructions, "host_calls": cost.host_calls,
            })
        };
        series.points.iter().map(point).collect::<Vec<_>>()
    };
    let all_points = all.iter().map(|one| (one.name.to_owned(), points(one).into()));
    write("growth.json", &Value::Object(all_points.collect()));
    for series in all {
        let file = folder().join(format!("growth-{}.svg", series.file));
        draw_growth(&file, series).expect("a plot can be drawn");
    }
}

fn draw_growth(file: &PathBuf, series: &Series) -> Drawn {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (first, last) = (series.points[0].0, series.points[series.points.len() - 1].0);
    let most = series.points.iter().map(|(_, cost)| cost.instructions).max().unwrap_or(1);
    let top = most + most / 5;
    let title = format!("instructions of a request: {}", series.name);
    let mut builder = ChartBuilder::on(&area);
    builder
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .margin_right(40)
        .x_label_area_size(40)
        .y_label_area_size(84);
    // A table that a probe does not depend on is shown over its orders of magnitude.
    if last / first > 1_000 {
        let chart = builder.build_cartesian_2d((first..last).log_scale(), 0..top)?;
        draw_points(chart, series)?;
    } else {
        draw_points(builder.build_cartesian_2d(0..last, 0..top)?, series)?;
    }
    area.present()?;
    Ok(())
}

/// Axes, a line and its points, whatever the scale of the sizes is.
fn draw_points<X: Ranged<ValueType = u64> + ValueFormatter<u64>>(
    mut chart: ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, RangedCoordu64>>,
    series: &Series,
) -> Drawn {
    let points = series.points.iter().map(|(size, cost)| (*size, cost.instructions));
    chart.configure_mesh().max_light_lines(1).x_desc(series.unit).y_desc("instructions").draw()?;
    chart.draw_series(LineSeries::new(points.clone(), &COLOUR))?;
    chart.draw_series(points.map(|at| Circle::new(at, 3, COLOUR.filled())))?;
    Ok(())
}

/// Instructions and host calls of every code: the first row of each.
pub fn costs(costs: &Costs) {
    let rows = costs.iter().map(|(name, cost)| {
        let row = json!({ "instructions": cost.instructions, "host_calls": cost.host_calls });
        (name.clone(), row)
    });
    write("costs.json", &Value::Object(rows.collect()));
    let of_codes = |of: fn(&crate::cost::Cost) -> u64| -> Vec<Bar> {
        let codes = costs.iter().filter(|(name, _)| !name.contains(','));
        codes.map(|(name, cost)| Bar::exact(name, of(cost) as i64)).collect()
    };
    bars("instructions.svg", "instructions by outcome", &of_codes(|cost| cost.instructions));
    bars("host-calls.svg", "host calls by outcome", &of_codes(|cost| cost.host_calls));
}

/// CPU time that each variant adds.
pub fn load(rounds: &Rounds) {
    let place = |variant: Variant| {
        Variant::ALL.iter().position(|other| *other == variant).expect("it is one of them")
    };
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for variant in Variant::ALL {
        let (own, base) = (place(variant), place(variant.base()));
        let total = rounds.iter().map(|round| round[own] as i64);
        let added = rounds.iter().map(|round| round[own] as i64 - round[base] as i64);
        let of = |figures: &dyn Fn(usize) -> i64| (0..=4).map(figures).collect::<Vec<_>>();
        rows.push(json!({
            "variant": variant.name(),
            "nanoseconds": of(&|quarter| quartile(total.clone(), quarter)),
            "added_nanoseconds": of(&|quarter| quartile(added.clone(), quarter)),
        }));
        if own != base {
            let microseconds = added.map(|nanoseconds| nanoseconds / 1_000);
            all.push(Bar::of(variant.name(), microseconds));
        }
    }
    write("load.json", &json!({ "quartiles": "least, 1st, median, 3rd, most", "rows": rows }));
    bars("load.svg", "CPU time added to a request, in microseconds", &all);
}

/// Throughput and times.
pub fn throughput(figures: &[Figures], paces: [u64; PACES.len()]) {
    let of = |values: &[u64]| values.iter().map(|value| *value as i64).collect::<Vec<_>>();
    let quartiles = |values: &[u64]| -> Vec<i64> {
        (0..=4).map(|quarter| quartile(of(values).into_iter(), quarter)).collect()
    };
    let rows = throughput::VARIANTS.iter().zip(figures).map(|(variant, figures)| {
        json!({
            "variant": variant.name(),
            "requests_per_second": quartiles(&figures.throughput),
            "envoy_busy_per_cent": quartiles(&figures.busy),
            "p50_us": figures.p50.each_ref().map(|values| quartiles(values)),
            "p99_us": figures.p99.each_ref().map(|values| quartiles(values)),
        })
    });
    let rows: Vec<_> = rows.collect();
    write(
        "throughput.json",
        &json!({
            "quartiles": "least, 1st, median, 3rd, most",
            "requests_per_second_of_the_times": paces,
            "rows": rows,
        }),
    );
    let plot = |file: &str, title: &str, of_one: &dyn Fn(&Figures) -> &Vec<u64>| {
        let named = throughput::VARIANTS.iter().zip(figures);
        let all: Vec<_> = named
            .map(|(variant, figures)| Bar::of(variant.name(), of(of_one(figures)).into_iter()))
            .collect();
        bars(file, title, &all);
    };
    plot("throughput.svg", "requests a second at saturation, one worker", &|one| &one.throughput);
    for (at, (pace, per_cent)) in paces.into_iter().zip(PACES).enumerate() {
        let title = |what| format!("{what} at {pace} requests a second, in microseconds");
        plot(&format!("p50-at-{per_cent}.svg"), &title("p50"), &|one| &one.p50[at]);
        plot(&format!("p99-at-{per_cent}.svg"), &title("p99"), &|one| &one.p99[at]);
    }
}

/// A row of a plot: its quartiles, from the least to the most.
struct Bar {
    name: String,
    quartiles: [i64; 5],
}

impl Bar {
    fn exact(name: &str, value: i64) -> Self {
        Self { name: name.into(), quartiles: [value; 5] }
    }

    fn of(name: &str, values: impl Iterator<Item = i64> + Clone) -> Self {
        let quartiles = [0, 1, 2, 3, 4].map(|quarter| quartile(values.clone(), quarter));
        Self { name: name.into(), quartiles }
    }
}

fn bars(file: &str, title: &str, all: &[Bar]) {
    draw_bars(&folder().join(file), title, all).expect("a plot can be drawn");
}

/// A bar to the median, a line from the first to the third quarter, and the median in figures.
fn draw_bars(file: &PathBuf, title: &str, all: &[Bar]) -> Drawn {
    const ROW: u32 = 22;
    let rows = u32::try_from(all.len())?;
    let area = SVGBackend::new(file, (SIZE.0, rows * ROW + 80)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = all.iter().map(|bar| bar.quartiles[3]).max().unwrap_or(1).max(1);
    let range = 0..most + most / 6 + 1;
    let names: Vec<_> = all.iter().map(|bar| bar.name.clone()).collect();
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(26)
        .y_label_area_size(290)
        .build_cartesian_2d(range, (0..rows).into_segmented())?;
    let name = |place: &SegmentValue<u32>| match place {
        SegmentValue::CenterOf(place) => {
            // The first row is the uppermost.
            names.iter().rev().nth(*place as usize).cloned().unwrap_or_default()
        }
        _ => String::new(),
    };
    chart.configure_mesh().disable_y_mesh().y_labels(all.len()).y_label_formatter(&name).draw()?;
    for (place, bar) in (0..rows).rev().zip(all) {
        let [_, first, median, third, _] = bar.quartiles;
        let (bottom, top) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
        let mut drawn = Rectangle::new([(0, bottom), (median, top)], COLOUR.mix(0.6).filled());
        drawn.set_margin(4, 4, 0, 0);
        chart.draw_series([drawn])?;
        let middle = SegmentValue::CenterOf(place);
        if first != third {
            let line = vec![(first, middle.clone()), (third, middle.clone())];
            chart.draw_series([PathElement::new(line, BLACK.stroke_width(2))])?;
        }
        let label = (third.max(median) + most / 100, middle);
        let style = ("sans-serif", 12).into_font();
        chart.draw_series([Text::new(format!(" {median}"), label, style)])?;
    }
    area.present()?;
    Ok(())
}
