//! `lint`: every error and doubtful setting, where it stands, and how to fix it.
//!
//! Settings are judged one by one (`settings`, `listener`). What stands round the filter becomes a
//! graph, whatever format it is written in (`envoy`, `istio`, `gateway`), and the rules speak of
//! that graph alone (`rules`).

mod endpoints;
mod envoy;
mod filters;
mod gateway;
mod graph;
mod install;
mod istio;
mod kubernetes;
mod listener;
mod matcher;
mod patches;
mod paths;
mod rules;
mod settings;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use tls_client_auth::Configuration;

use self::endpoints::LintedConfig;
use self::graph::{At, ConfigPlaces, Graph, Remark};
use self::rules::Rules;
use crate::envoy_config::{self, ConfigFile, FoundConfig};
use crate::output::{BOLD, Format, GREEN, PLAIN, RED, YELLOW, print_json, visible};
use crate::unusable::Unusable;

/// A configuration with more mistakes than this has one that explains the others.
const MOST_ERRORS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Doubtful,
    /// Nothing is wrong: it says what a setting means.
    Note,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Doubtful => "doubtful",
            Self::Note => "note",
        }
    }
}

#[derive(Debug)]
struct Finding {
    severity: Severity,
    line: Option<usize>,
    /// JSON Pointer in the plugin configuration, or in the document where it is about what stands
    /// round that.
    pointer: Option<String>,
    message: String,
}

impl Finding {
    fn error(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, line, pointer: None, message: message.into() }
    }

    fn doubtful(line: Option<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Doubtful, line, pointer: None, message: message.into() }
    }

    fn at(self, pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..self }
    }
}

pub fn run(paths: &[PathBuf], format: Format) -> Result<ExitCode, Unusable> {
    let mut unusable = Vec::new();
    let mut files: Vec<(&PathBuf, ConfigFile)> = Vec::new();
    for path in paths {
        match envoy_config::load(path) {
            Ok(file) => files.push((path, file)),
            Err(error) => unusable.push(error),
        }
    }
    // What stands round the filter may be in a file of its own.
    let has_any = files.iter().any(|(_, file)| !file.found.is_empty());
    let (used, without): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, file)| {
        !file.found.is_empty()
            || (has_any && file.documents.iter().any(envoy_config::is_surrounding))
    });
    unusable.extend(without.iter().map(|(path, _)| envoy_config::without_configuration(path)));
    let files: Vec<&ConfigFile> = used.iter().map(|(_, file)| file).collect();
    let mut round = of_surroundings(&files);
    let mut all = Vec::new();
    for (number, (path, file)) in used.iter().enumerate() {
        let mut findings: Vec<Finding> = file.found.iter().flat_map(findings).collect();
        findings.extend(
            round
                .iter_mut()
                .filter(|(file, _)| *file == number)
                .filter_map(|(_, finding)| finding.take()),
        );
        findings.sort_by_key(|finding| finding.line);
        all.extend(findings.into_iter().map(|finding| (path.display().to_string(), finding)));
    }
    let has_errors = all.iter().any(|(_, finding)| finding.severity == Severity::Error);
    match format {
        Format::Json => {
            print_json(&all.iter().map(|(file, finding)| to_json(file, finding)).collect())?
        }
        Format::Text => print(&all, unusable.is_empty())?,
    }
    // The last is printed by whoever ends the program.
    let last = unusable.pop();
    for unusable in unusable {
        unusable.print();
    }
    match last {
        Some(unusable) => Err(unusable),
        None => Ok(if has_errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

fn print(all: &[(String, Finding)], is_complete: bool) -> Result<(), Unusable> {
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

fn to_json(file: &str, finding: &Finding) -> Value {
    json!({
        "file": file,
        "line": finding.line,
        "pointer": finding.pointer,
        "severity": finding.severity.as_str(),
        "message": finding.message,
    })
}

/// What is to be said of one configuration and the settings of its filter.
fn findings(found: &FoundConfig) -> Vec<Finding> {
    let mut findings = errors(found);
    let configuration = Configuration::parse(found.text.as_bytes());
    if let Ok(json) = serde_json::from_str(&found.text) {
        findings.extend(settings::doubts(&json, found.listener.as_ref()));
        findings.extend(settings::left_out(&found.text));
        if configuration.is_ok() {
            findings.extend(settings::gated(&json));
        }
        if let (Some(chain), Ok(configuration)) = (&found.listener, &configuration) {
            findings.extend(listener::findings(
                chain,
                configuration,
                settings::serves_self_signed(&json),
            ));
        }
    }
    for finding in &mut findings {
        finding.line = finding.line.or_else(|| Some(found.line_of(finding.pointer.as_deref()?)));
    }
    findings.extend(found.filter.iter().flat_map(settings::of_filter));
    findings
}

fn errors(found: &FoundConfig) -> Vec<Finding> {
    if let Err(error) = serde_json::from_str::<Value>(&found.text) {
        // The place is said in lines of the file, not of the text in it.
        let message = error.to_string();
        let message =
            message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        return vec![
            Finding::error(Some(found.line(error.line())), format!("not JSON: {message}")).at(""),
        ];
    }
    let mistakes = Configuration::mistakes(found.text.as_bytes(), MOST_ERRORS + 1);
    let has_more = mistakes.len() > MOST_ERRORS;
    let mistakes = mistakes.into_iter().take(MOST_ERRORS);
    let mut errors: Vec<_> =
        mistakes.map(|mistake| Finding::error(None, mistake.message).at(mistake.pointer)).collect();
    if has_more {
        errors.push(
            Finding::error(None, format!("more than {MOST_ERRORS} errors; the rest is not shown"))
                .at(""),
        );
    }
    errors
}

/// What stands round the configurations of all files, by the number of the file.
fn of_surroundings(files: &[&ConfigFile]) -> Vec<(usize, Option<Finding>)> {
    let mut places = Vec::new();
    let mut configs = Vec::new();
    let mut serves_self_signed = false;
    for (number, file) in files.iter().enumerate() {
        for found in &file.found {
            places.push(
                found.settings.clone().map(|(document, pointer)| (number, document, pointer)),
            );
            configs.push(LintedConfig::new(&found.text, found.line(1)));
            let json: Option<Value> = serde_json::from_str(&found.text).ok();
            serves_self_signed |= json.as_ref().is_some_and(settings::serves_self_signed);
        }
    }
    let places = ConfigPlaces { places };
    let documents = |number: usize| -> Vec<At<'_>> {
        let documents = files.get(number).map(|file| file.documents.as_slice()).unwrap_or_default();
        documents
            .iter()
            .enumerate()
            .map(|(document, node)| At::root(number, document, node))
            .collect()
    };
    let all: Vec<At<'_>> = (0..files.len()).flat_map(documents).collect();
    let (resources, envoys): (Vec<At<'_>>, Vec<At<'_>>) =
        all.into_iter().partition(|at| kubernetes::is_resource(*at));
    // A bootstrap is an Envoy of its own; what is none comes to each of them by discovery.
    let is_bootstrap = |file: &usize| {
        let has = |at: &At<'_>| {
            ["static_resources", "dynamic_resources"].iter().any(|name| at.member(name).is_some())
        };
        envoys.iter().any(|at| at.file == *file && has(at))
    };
    let (bootstraps, rest): (Vec<usize>, Vec<usize>) = (0..files.len()).partition(is_bootstrap);
    let mut groups: Vec<Vec<usize>> = bootstraps
        .iter()
        .map(|bootstrap| [*bootstrap].into_iter().chain(rest.clone()).collect())
        .collect();
    if groups.is_empty() {
        groups.push(rest);
    }
    let mut remarks: Vec<Remark> = Vec::new();
    for group in groups {
        let (own, others): (Vec<_>, Vec<_>) =
            envoys.iter().partition(|at| group.contains(&at.file));
        let envoy = envoy::Envoy::new(own, others, &places);
        let graph = Graph { entries: envoy.entries(), remarks: Vec::new() };
        let same_server = |cluster: &str| envoy.same_server(cluster);
        let rules = Rules::new(&graph, &configs, &same_server);
        rules.of_unknown_clusters(|cluster| envoy.unknown(cluster));
        rules.of_upstream(|cluster| envoy.upstream_filters(cluster));
        remarks.extend(rules.findings());
    }
    let mut told = BTreeSet::new();
    remarks.retain(|remark| told.insert((remark.place.clone(), remark.message.clone())));
    let graph = kubernetes::graph(&resources, &places, serves_self_signed);
    let services = graph.services();
    remarks.extend(
        Rules::new(&graph, &configs, &|name| kubernetes::same_service(name, &services)).findings(),
    );
    let found = remarks.into_iter().map(|Remark { place, is_error, message }| {
        let finding = if is_error { Finding::error } else { Finding::doubtful };
        (place.file, Some(finding(Some(place.line), message).at(place.pointer)))
    });
    found.collect()
}
