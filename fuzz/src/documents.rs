//! What an operator writes.

use tls_client_auth::Configuration;

/// A configuration is refused with a place in it, or decides.
pub(crate) fn configuration(octets: &[u8]) {
    if let Err(error) = Configuration::parse(octets) {
        assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{error}");
        assert!(!error.message.is_empty());
    }
}
