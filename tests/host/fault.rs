//! The errors of a run.

use std::fmt;

use super::Log;

/// A misuse of the ABI, or a trap.
#[derive(Debug)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a VM did not start.
#[derive(Debug)]
pub enum StartError {
    Fault(Fault),
    /// on_vm_start or on_configure returned false; with what was logged.
    Refused(Vec<Log>),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Fault(fault) => fault.fmt(formatter),
            StartError::Refused(logs) => {
                write!(formatter, "the configuration was refused: {logs:?}")
            }
        }
    }
}
