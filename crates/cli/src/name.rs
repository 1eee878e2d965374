//! `name`: distinguished names as they were understood.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};
use tls_client_auth::DistinguishedName;

use crate::output::{BOLD, Format, PLAIN, RED, print_json, visible};
use crate::unusable::Unusable;

pub fn run(names: &[String], format: Format) -> Result<ExitCode, Unusable> {
    let parsed: Vec<_> = names.iter().map(|name| (name, DistinguishedName::parse(name))).collect();
    match format {
        Format::Json => {
            print_json(&parsed.iter().map(|(given, parsed)| to_json(given, parsed)).collect())?
        }
        Format::Text => {
            let mut out = anstream::stdout().lock();
            for (given, parsed) in &parsed {
                writeln!(out, "{BOLD}{}{PLAIN}", visible(given))?;
                match parsed {
                    Ok(name) => {
                        for (index, rdn) in name.rdns().enumerate() {
                            for (part, (kind, value)) in rdn.into_iter().enumerate() {
                                let number = if part == 0 {
                                    format!("RDN {}", index + 1)
                                } else {
                                    "+".to_owned()
                                };
                                writeln!(out, "  {number:<10}{kind:<24} {}", visible(&value))?;
                            }
                        }
                        writeln!(out, "  {:<10}{}", "RFC 4514", visible(&name.to_string()))?;
                    }
                    Err(error) => {
                        writeln!(out, "  {RED}no name{PLAIN}: {}", visible(&error.to_string()))?
                    }
                }
            }
        }
    }
    Ok(if parsed.iter().all(|(_, parsed)| parsed.is_ok()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn to_json(given: &str, parsed: &Result<DistinguishedName, impl std::fmt::Display>) -> Value {
    match parsed {
        Ok(name) => {
            let rdn = |rdn: Vec<(String, String)>| -> Value {
                rdn.into_iter()
                    .map(|(kind, value)| json!({ "type": kind, "value": value }))
                    .collect()
            };
            let rdns: Vec<Value> = name.rdns().map(rdn).collect();
            json!({ "given": given, "rfc4514": name.to_string(), "rdns": rdns })
        }
        Err(error) => json!({ "given": given, "error": error.to_string() }),
    }
}
