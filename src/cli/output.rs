//! Text for people and JSON for programs.

use std::io::Write;

use clap::ValueEnum;
use serde_json::Value;

use super::Unusable;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

// The stream takes them away where nobody sees colours.
pub const BOLD: &str = "\x1b[1m";
pub const RED: &str = "\x1b[31m";
pub const GREEN: &str = "\x1b[32m";
pub const YELLOW: &str = "\x1b[33m";
pub const PLAIN: &str = "\x1b[0m";

pub fn print_json(value: &Value) -> Result<(), Unusable> {
    Ok(writeln!(std::io::stdout(), "{value:#}")?)
}
