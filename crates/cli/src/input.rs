//! The content of files and of standard input.

use std::fs;
use std::io::{self, Read as _, Stdin};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tls_client_auth::ClientList;

use crate::unusable::Unusable;

/// The content of a file; `-` is standard input.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Unusable> {
    let read = if path == Path::new("-") {
        let mut content = Vec::new();
        standard_input()?.lock().read_to_end(&mut content).map(|_| content)
    } else {
        fs::read(path)
    };
    read.map_err(|error| Unusable::new(format!("{}: {error}", path.display())))
}

/// Standard input, which can be read once.
pub fn standard_input() -> Result<Stdin, Unusable> {
    static IS_TAKEN: AtomicBool = AtomicBool::new(false);
    if IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Unusable::new("-: standard input can be named once"));
    }
    Ok(io::stdin())
}

/// A client list in one of the formats of a fetched registry.
pub fn client_list(path: &Path, content: &[u8]) -> Result<ClientList, Unusable> {
    ClientList::parse(content)
        .map_err(|error| Unusable::new(format!("{}: {error}", path.display())))
}
