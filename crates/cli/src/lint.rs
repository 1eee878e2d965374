//! `lint`: every error and doubtful setting, its place, and how to fix it.
//!
//! Settings are judged one by one (`configuration`, `settings`, `listener`). What surrounds the
//! filter becomes a graph, whatever format it is written in (`envoy`, `kubernetes`), and the rules
//! judge that graph alone (`rules`).

mod configuration;
mod endpoints;
mod envoy;
mod files;
mod finding;
mod graph;
mod hosts;
mod kubernetes;
mod listener;
mod located;
mod paths;
mod profile;
mod report;
mod rules;
mod settings;
mod surroundings;
#[cfg(test)]
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use self::files::Files;
use self::finding::{Finding, Severity};
use crate::arguments::{LintArguments, ProfileArgument};
use crate::envoy_config::ConfigFile;
use crate::output::{Format, print_json};
use crate::unusable::Unusable;

pub fn run(arguments: &LintArguments) -> Result<ExitCode, Unusable> {
    let Files { used, left_out, mut unusable } = Files::read(&arguments.configs);
    let mut all = findings(&used, arguments.profile);
    all.extend(
        left_out
            .into_iter()
            .map(|(path, why)| (path.display().to_string(), Finding::note(None, why))),
    );
    let has_errors = all.iter().any(|(_, finding)| finding.severity == Severity::Error);
    match arguments.output.format {
        Format::Json => {
            print_json(&all.iter().map(|(file, finding)| report::to_json(file, finding)).collect())?
        }
        Format::Text => report::print(&all, unusable.is_empty())?,
    }
    // The last one is printed where the program ends.
    let last = unusable.pop();
    for unusable in unusable {
        unusable.print();
    }
    match last {
        Some(unusable) => Err(unusable),
        None => Ok(if has_errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

/// The findings of all files, file by file and in each of them line by line.
fn findings(
    files: &[(PathBuf, ConfigFile)],
    profile: Option<ProfileArgument>,
) -> Vec<(String, Finding)> {
    let read: Vec<&ConfigFile> = files.iter().map(|(_, file)| file).collect();
    let mut surrounding: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    for (number, finding) in surroundings::findings(&read, profile) {
        surrounding.entry(number).or_default().push(finding);
    }
    let mut all = Vec::new();
    for (number, (path, file)) in files.iter().enumerate() {
        let mut findings: Vec<Finding> =
            file.found.iter().flat_map(|found| configuration::findings(found, profile)).collect();
        findings.extend(surrounding.remove(&number).unwrap_or_default());
        findings.sort_by_key(|finding| finding.line);
        all.extend(findings.into_iter().map(|finding| (path.display().to_string(), finding)));
    }
    all
}
