//! `name`: distinguished names as the filter reads them.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};
use tls_client_auth::DistinguishedName;

use crate::openssl_name::{self, GivenName};
use crate::output::{BOLD, Format, PLAIN, RED, YELLOW, print_json, visible};
use crate::unusable::Unusable;

const REORDERED: &str = "OpenSSL prints the least specific RDN first; the filter reads the form of \
    RFC 4514, with the most specific one first";

pub fn run(names: &[String], format: Format) -> Result<ExitCode, Unusable> {
    let read: Vec<(&String, GivenName)> =
        names.iter().map(|given| (given, GivenName::parse(given))).collect();
    match format {
        Format::Json => {
            print_json(&read.iter().map(|(given, read)| to_json(given, read)).collect())?
        }
        Format::Text => {
            let mut out = anstream::stdout().lock();
            for (given, read) in &read {
                print(&mut out, given, read)?;
            }
        }
    }
    let all_valid = read.iter().all(|(_, read)| read.name.is_ok());
    Ok(if all_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What an operator should know of the given text beside the name.
fn notes(given: &str, read: &GivenName) -> Vec<String> {
    let reordered = read.is_reordered.then(|| REORDERED.to_owned());
    let unknown = openssl_name::unknown_types(given).into_iter().map(openssl_name::doubt);
    reordered.into_iter().chain(unknown).collect()
}

fn print(out: &mut impl Write, given: &str, read: &GivenName) -> io::Result<()> {
    writeln!(out, "{BOLD}{}{PLAIN}", visible(given))?;
    let name = match &read.name {
        Ok(name) => name,
        Err(error) => {
            return writeln!(out, "  {RED}no name{PLAIN}: {}", visible(&error.to_string()));
        }
    };
    for (index, rdn) in name.rdns().enumerate() {
        for (part, (kind, value)) in rdn.into_iter().enumerate() {
            let number = if part == 0 { format!("RDN {}", index + 1) } else { "+".to_owned() };
            writeln!(out, "  {number:<10}{kind:<24} {}", visible(&value))?;
        }
    }
    writeln!(out, "  {:<10}{}", "RFC 4514", visible(&name.to_string()))?;
    for note in notes(given, read) {
        writeln!(out, "  {YELLOW}note{PLAIN}      {}", visible(&note))?;
    }
    Ok(())
}

fn to_json(given: &str, read: &GivenName) -> Value {
    let name: &DistinguishedName = match &read.name {
        Ok(name) => name,
        Err(error) => return json!({ "given": given, "error": error.to_string() }),
    };
    let rdn = |rdn: Vec<(String, String)>| -> Value {
        rdn.into_iter().map(|(kind, value)| json!({ "type": kind, "value": value })).collect()
    };
    let rdns: Vec<Value> = name.rdns().map(rdn).collect();
    let mut printed = json!({ "given": given, "rfc4514": name.to_string(), "rdns": rdns });
    let notes = notes(given, read);
    if let (false, Some(members)) = (notes.is_empty(), printed.as_object_mut()) {
        members.insert("notes".to_owned(), notes.into());
    }
    printed
}
