//! The findings as text and as JSON.

use std::io::Write as _;

use serde_json::{Value, json};

use super::finding::{Finding, Severity};
use crate::output::{BOLD, GREEN, PLAIN, RED, YELLOW, visible};
use crate::unusable::Unusable;

pub fn print(all: &[(String, Finding)], is_complete: bool) -> Result<(), Unusable> {
    let mut out = anstream::stdout().lock();
    for (file, Finding { severity, line, pointer, message }) in all {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let colour = match severity {
            Severity::Error => RED,
            Severity::Doubtful => YELLOW,
            Severity::Note => GREEN,
        };
        let pointer = pointer
            .as_deref()
            .filter(|pointer| !pointer.is_empty())
            .map(|pointer| format!("{pointer}: "));
        let message = format!("{}{message}", pointer.unwrap_or_default());
        let kind = severity.as_str();
        writeln!(
            out,
            "{BOLD}{}{line}{PLAIN}: {colour}{kind}{PLAIN}: {}",
            visible(file),
            visible(&message)
        )?;
    }
    if is_complete && all.iter().all(|(_, finding)| finding.severity == Severity::Note) {
        writeln!(out, "no errors, nothing doubtful")?;
    }
    Ok(())
}

pub fn to_json(file: &str, finding: &Finding) -> Value {
    json!({
        "file": file,
        "line": finding.line,
        "pointer": finding.pointer,
        "severity": finding.severity.as_str(),
        "message": finding.message,
    })
}
