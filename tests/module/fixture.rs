//! What the tests of the module share.

use crate::host::Connection;
use crate::run;
use crate::support::case::{NOW, Request};
use crate::support::certificate::{Certificate, CertificateSpec, mint};

/// The time of the tests, in nanoseconds since 1970.
pub const CLOCK: u64 = NOW.0 as u64 * 1_000_000_000;

/// A token request of this client.
pub fn token_request(client_id: &str) -> Request {
    Request::form("/token", format!("client_id={client_id}"))
}

/// A new certificate of `CN=client`.
pub fn certificate() -> Certificate {
    mint(&CertificateSpec::default()).expect("the default certificate can be minted")
}

/// A connection with this certificate, which Envoy verified.
pub fn verified(certificate: &Certificate) -> Connection {
    run::connection_of(Some(certificate), Some(true))
}

/// Two clients, and identity headers for the backend.
pub const CONFIG: &str = r#"{"endpoints": ["/token"],
    "forward": {"client_id": "x-client-id", "certificate": ["client-cert"]},
    "clients": [
        {"client_id": "client", "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=client"},
        {"client_id": "san", "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_ip": "192.0.2.7"}]}"#;
