//! The operator's command line: what the filter would decide, and why.
//!
//! It makes no connections, and decides by the very code of the filter.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
