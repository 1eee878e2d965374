//! `lint`: errors, doubts, and their places.

mod commented;
mod config_map;
mod files;
mod listener;
mod patches;
mod places;
mod profile;
mod resources;
mod settings;
mod ways;

use serde_json::Value;

use crate::{run, value};

/// The findings of `lint` as line, severity and the beginning of the message; what is no finding,
/// left out.
fn findings(config: &str) -> Vec<(u64, String, String)> {
    let found = value(&run(&["lint", config, "--format", "json"]));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let found =
        found.as_array().into_iter().flatten().filter(|finding| finding["severity"] != "note");
    found
        .map(|f| (f["line"].as_u64().unwrap_or_default(), text(f, "severity"), text(f, "message")))
        .collect()
}
