//! One plugin configuration and the settings of its filter.

use serde_json::Value;
use tls_client_auth::Configuration;
use tls_client_auth::inspect::configuration_value;

use super::finding::Finding;
use super::{listener, profile, settings};
use crate::arguments::ProfileArgument;
use crate::envoy_config::{FoundConfig, NO_BYTE_ORDER_MARK};

/// A configuration with more errors than this has one that explains the others.
const MOST_ERRORS: usize = 100;

/// The findings of one configuration and of the settings of its filter.
pub fn findings(found: &FoundConfig, profile: Option<ProfileArgument>) -> Vec<Finding> {
    let mut findings = errors(found);
    if found.has_byte_order_mark {
        findings.push(Finding::error(Some(found.line(1)), NO_BYTE_ORDER_MARK).at(""));
    }
    let configuration = Configuration::parse(found.text.as_bytes());
    if let Some(json) = configuration_value(found.text.as_bytes()) {
        findings.extend(settings::doubts(&json, found.listener.as_ref()));
        findings.extend(settings::left_out(&found.text));
        if configuration.is_ok() {
            findings.extend(settings::gated(&json));
            findings.extend(
                profile.into_iter().flat_map(|profile| profile::of_configuration(&json, profile)),
            );
        }
        if configuration.is_ok() {
            findings.extend(module(found));
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
    findings.extend(found.filter.iter().flat_map(settings::wasm_filter::findings));
    findings
}

/// Whether the module that is loaded is the one that this configuration needs.
fn module(found: &FoundConfig) -> Option<Finding> {
    let filter = found.filter.as_ref()?;
    let without = Configuration::parse_without_responses(found.text.as_bytes());
    match (filter.module.as_deref()?, without) {
        ("tls_client_auth.wasm", Err(error)) => {
            let message = "tls_client_auth.wasm does not read responses and refuses this member: \
                load tls_client_auth_responses.wasm";
            Some(Finding::error(None, message).at(error.pointer))
        }
        ("tls_client_auth_responses.wasm", Ok(_)) => {
            let message = "no response_check and no discovery: tls_client_auth.wasm does the same, \
                some microseconds faster";
            Some(Finding::doubtful(Some(filter.line), message).at(filter.pointer.clone()))
        }
        _ => None,
    }
}

fn errors(found: &FoundConfig) -> Vec<Finding> {
    let mistakes = Configuration::mistakes(found.text.as_bytes(), MOST_ERRORS + 1);
    let is_json = !mistakes.first().is_some_and(|first| first.message.starts_with("not JSON"));
    // The filter reads more than this reader does (contract §3).
    if let (Err(error), false) = (serde_json::from_str::<Value>(&found.text), is_json) {
        // The line is that of the file, not of the text in it.
        let message = error.to_string();
        let message =
            message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        return vec![
            Finding::error(Some(found.line(error.line())), format!("not JSON: {message}")).at(""),
        ];
    }
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
