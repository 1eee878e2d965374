//! A trial of each registration: the filter itself decides on a request with the certificate.

use std::sync::Arc;

use serde_json::{Value, json};
use tls_client_auth::inspect::convert_list;
use tls_client_auth::{Code, Gate, Peer, PeerCertificate};

use crate::arguments::ServerArgument;
use crate::described_request::{Described, default_host};

/// Whether a client that is registered so can authenticate by the certificate.
///
/// # Errors
/// Why not.
pub fn passes(certificate: &PeerCertificate, client: &Value) -> Result<(), String> {
    let configuration = json!({ "clients": [client] }).to_string();
    let gate = Gate::new(configuration.as_bytes()).map_err(|error| error.message)?;
    let client_id = client.get("client_id").and_then(Value::as_str).unwrap_or_default();
    let described = Described { client_id: Some(client_id), ..Described::default() };
    let request = described.complete(&gate, &default_host(&gate, &configuration))?;
    let mut peer = Peer {
        certificate: Some(Ok(Arc::new(certificate.clone()))),
        chain_valid: Some(true),
        // Whether it is still valid is another question.
        now: Some(certificate.not_before()),
        ..Peer::default()
    };
    let decision = gate.decide(&request, &mut peer).decision;
    match (decision.code, decision.rejection) {
        (Code::Authenticated, None) => Ok(()),
        (code, None) => Err(code.to_string()),
        (_, Some(rejection)) => Err(rejection.to_string()),
    }
}

/// Whether `convert` makes of the entry a client with this identifier that can authenticate by the
/// certificate.
///
/// # Errors
/// Why not.
pub fn converts(
    certificate: &PeerCertificate,
    entry: &Value,
    server: ServerArgument,
    client_id: &str,
) -> Result<(), String> {
    let list = json!([entry]).to_string();
    let converted =
        convert_list(list.as_bytes(), server.format()).map_err(|error| error.message)?;
    let mut has_client_id = false;
    for conversion in converted {
        for client in conversion.clients.map_err(|error| error.message)? {
            passes(certificate, &client)?;
            has_client_id |= client.get("client_id").and_then(Value::as_str) == Some(client_id);
        }
    }
    if has_client_id { Ok(()) } else { Err("it is read with another client_id".to_owned()) }
}
