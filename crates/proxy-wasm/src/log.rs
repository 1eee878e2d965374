//! Lines in Envoy's log.

use std::cell::RefCell;
use std::fmt;

use tls_client_auth::host::LineBudget;

pub(super) use super::abi::{Level, log};
use super::clock;

/// The lines that requests cause. A client can cause any number of requests, so all these lines
/// share one limit per second; the first line after it states how many were suppressed.
#[derive(Default)]
pub(super) struct RequestLog(RefCell<LineBudget>);

impl RequestLog {
    /// Writes one line, if the limit allows it.
    pub(super) fn write(&self, level: Level, line: &dyn fmt::Display) {
        let Some(now) = clock::now() else { return };
        let Some(suppressed) = self.0.borrow_mut().admit(now) else { return };
        let line = match suppressed {
            0 => line.to_string(),
            more => format!("{line} suppressed_lines={more}"),
        };
        log(level, &line);
    }
}
