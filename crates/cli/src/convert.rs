//! `convert`: client lists of other servers as client metadata.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use tls_client_auth::JsonError;
use tls_client_auth::inspect::{convert_list, missing_part};

use crate::arguments::ServerArgument;
use crate::input;
use crate::output::{print_json, visible};
use crate::unusable::Unusable;

pub fn run(from: ServerArgument, file: &Path) -> Result<ExitCode, Unusable> {
    let text = input::bytes(file)?;
    let place =
        |pointer: String| if pointer.is_empty() { "the document".to_owned() } else { pointer };
    let unusable = |error: JsonError| {
        Unusable::new(format!("{}: {}: {}", file.display(), place(error.pointer), error.message))
    };
    let list = convert_list(&text, from.format()).map_err(unusable)?;
    let missing = missing_part(&text, from.format()).map_err(unusable)?;
    let (mut clients, mut left_out) = (Vec::new(), Vec::new());
    let missing = missing.map(|why| format!("not the whole list: {why}"));
    let mut refused: Vec<String> = missing.into_iter().collect();
    for conversion in list {
        match conversion.clients {
            Ok(converted) => clients.extend(converted),
            Err(_) if conversion.never_authenticates => left_out.extend(conversion.client_ids),
            Err(error) => {
                let who = if conversion.client_ids.is_empty() {
                    "a client without an identifier".into()
                } else {
                    conversion.client_ids.join(", ")
                };
                let at = place(conversion.pointer + &error.pointer);
                refused.push(format!("not converted: {who} ({at}): {}", error.message));
            }
        }
    }
    print_json(&Value::Array(clients))?;
    if !left_out.is_empty() {
        let line = format!(
            "left out, because bearer-only clients never authenticate: {}",
            left_out.join(", ")
        );
        writeln!(anstream::stderr(), "{}", visible(&line))?;
    }
    for line in &refused {
        writeln!(anstream::stderr(), "{}", visible(line))?;
    }
    Ok(if refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
