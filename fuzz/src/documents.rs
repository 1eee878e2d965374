//! What an operator or a registry writes.

use tls_client_auth::inspect::{ClientListFormat, convert_list};
use tls_client_auth::{ClientList, Configuration};

/// A list of clients in every format. The identifiers that were converted are found in it, if it is
/// the list of a registry, too.
pub(crate) fn client_list(octets: &[u8]) {
    let formats = [
        ClientListFormat::Authlete,
        ClientListFormat::Keycloak,
        ClientListFormat::Spring,
        ClientListFormat::Duende,
    ];
    for format in formats {
        _ = convert_list(octets, format);
    }
    if let Ok(list) = ClientList::parse(octets) {
        for client_id in ["a", "client", ""] {
            _ = list.find(client_id);
        }
    }
}

/// A configuration is refused with a place in it, or decides.
pub(crate) fn configuration(octets: &[u8]) {
    if let Err(error) = Configuration::parse(octets) {
        assert!(error.pointer.is_empty() || error.pointer.starts_with('/'), "{error}");
        assert!(!error.message.is_empty());
    }
}
