//! The configurations of the table in on_configure: Envoy's log names the place of the mistake.

use crate::fixture::CLOCK;
use crate::host::{Module, StartError, Vm};
use crate::support::case::{Configuration, table};

const ERROR: u32 = 4;

#[test]
fn every_configuration_of_the_table() {
    let configurations = table().configurations;
    assert!(!configurations.is_empty());
    let failures: Vec<_> = configurations.iter().filter_map(failure_of).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn failure_of(configuration: &Configuration) -> Option<String> {
    let fail = |why: String| Some(format!("{}: {why}", configuration.name));
    // Of some members the first module says only that it does not have them
    // (artifacts.test.mjs).
    let is_of_responses = ["\"response_check\"", "\"discovery\""]
        .iter()
        .any(|member| configuration.text.contains(member));
    let module = if is_of_responses { Module::reading_responses() } else { Module::shipped() };
    match (Vm::start(module, configuration.text.as_bytes(), CLOCK), &configuration.error) {
        (Ok(_), None) => None,
        (Ok(_), Some(error)) => fail(format!("accepted, expected an error at {:?}", error.pointer)),
        (Err(StartError::Fault(fault)), _) => fail(format!("fault: {fault}")),
        (Err(StartError::Refused(logs)), None) => fail(format!("refused: {logs:?}")),
        (Err(StartError::Refused(logs)), Some(error)) => match logs.as_slice() {
            [log]
                if log.level == ERROR
                    && log.message.contains(&error.pointer)
                    && log.message.contains(&error.contains) =>
            {
                None
            }
            logs => fail(format!(
                "expected one error line with {:?} and {:?}: {logs:?}",
                error.pointer, error.contains
            )),
        },
    }
}
