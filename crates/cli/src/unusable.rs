//! Why a command ends without an answer.

use std::io::{self, Write as _};

use crate::output::visible;

/// The exit code for input that cannot be used: a file that cannot be read, a certificate that is
/// no certificate.
pub const EXIT_CODE: u8 = 2;

/// Why a command cannot answer.
#[derive(Debug)]
pub struct Unusable {
    message: String,
    is_broken_pipe: bool,
}

impl Unusable {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_broken_pipe: false }
    }

    /// Writes it to standard error.
    pub fn print(&self) {
        // A reader that stops early, as `head` does, needs no message.
        if !self.is_broken_pipe {
            let _ = writeln!(anstream::stderr(), "tls-client-auth: {}", visible(&self.message));
        }
    }
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self {
            message: error.to_string(),
            is_broken_pipe: error.kind() == io::ErrorKind::BrokenPipe,
        }
    }
}
