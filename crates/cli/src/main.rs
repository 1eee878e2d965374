//! The operator's command line: what the filter would decide, and why.
//!
//! It makes no connections, and decides by the code of the filter itself.

#![forbid(unsafe_code)]

mod arguments;
mod audit;
mod certificate_file;
mod convert;
mod described_request;
mod document;
mod envoy_config;
mod explain;
mod input;
mod lint;
mod manual;
mod name;
mod openssl_name;
mod output;
mod register;
mod unusable;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::arguments::{Arguments, Command};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Name(arguments) => name::run(&arguments.names, arguments.output.format),
        Command::Convert(arguments) => convert::run(arguments.from, &arguments.file),
        Command::Register(arguments) => register::run(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "tls-client-auth",
                &mut io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Manual { command } => {
            manual::print(command.as_deref()).map(|()| ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|unusable| {
        unusable.print();
        ExitCode::from(unusable::EXIT_CODE)
    })
}
