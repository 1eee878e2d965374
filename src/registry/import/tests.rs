mod authlete;
mod client_metadata;
mod documents;
mod duende;
mod foreign_formats;
mod keycloak;
mod spring;

use super::super::ClientList;
use super::*;
use crate::policy::Configuration;
use crate::registration::Registration;

fn parse(json: &str) -> Json {
    Json::parse(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// The `client_id`s that an entry concerns, and whether it is converted, or what is wrong with it.
fn converted(entry: &str) -> (Vec<String>, Result<(), String>) {
    let entry = read(&parse(entry));
    let ids = entry.client_ids.iter().chain(&entry.other_client_ids);
    let ids = ids.map(ToString::to_string).collect();
    (ids, entry.clients.map(|_| ()).map_err(|error| error.in_entry()))
}

/// Asserts that an entry is converted to these clients of RFC 7591.
fn same(entry: &str, clients: &[&str]) {
    let found = read(&parse(entry));
    let expected: Vec<_> =
        clients.iter().map(|client| ClientMetadata::from_json(&parse(client)).unwrap()).collect();
    let ids: Vec<_> = expected.iter().map(|client| client.client_id().into()).collect();
    let clients = found.clients.unwrap_or_else(|error| panic!("{entry}: {error}"));
    assert_eq!(clients, expected, "{entry}");
    assert_eq!(found.client_ids, ids, "{entry}");
}

/// Asserts that an entry that concerns these `client_id`s is refused with this error.
fn refused(entry: &str, client_ids: &[&str], error: &str) {
    let (ids, found) = converted(entry);
    let found = found.expect_err(entry);
    assert!(found.starts_with(error), "{entry}: {found}");
    assert_eq!(ids, client_ids, "{entry}");
}

/// A client of RFC 7591 with this subject: `member` is the rest of a name after `tls_client_auth_`.
fn tls_client(id: &str, member: &str, value: &str) -> String {
    serde_json::json!({
        "client_id": id,
        "token_endpoint_auth_method": "tls_client_auth",
        (format!("tls_client_auth_{member}")): value,
    })
    .to_string()
}

/// A client of RFC 7591 with this method and nothing else.
fn client_with_method(id: &str, method: &str) -> String {
    serde_json::json!({ "client_id": id, "token_endpoint_auth_method": method }).to_string()
}

/// The conversion of each entry of a list: its pointer, its identifiers, and the number of clients
/// or the reason why there is none.
fn converted_list(
    format: ClientListFormat,
    list: &str,
) -> Vec<(String, String, Result<usize, String>)> {
    let list =
        convert_list(list.as_bytes(), format).unwrap_or_else(|error| panic!("{list}: {error}"));
    let of = |entry: Conversion| {
        (
            entry.pointer,
            entry.client_ids.join(" "),
            entry.clients.map(|clients| clients.len()).map_err(|error| error.in_entry()),
        )
    };
    list.into_iter().map(of).collect()
}

/// The only client to which this entry is converted.
fn only(format: ClientListFormat, entry: &str) -> serde_json::Value {
    let list =
        convert_list(entry.as_bytes(), format).unwrap_or_else(|error| panic!("{entry}: {error}"));
    match list.as_slice() {
        [Conversion { pointer, clients: Ok(clients), .. }]
            if pointer.is_empty() && clients.len() == 1 =>
        {
            clients[0].clone()
        }
        other => panic!("{entry}: {other:?}"),
    }
}

/// Asserts that this entry is not converted, with this error.
fn unconvertible(format: ClientListFormat, entry: &str, error: &str) {
    match converted_list(format, entry).as_slice() {
        [(pointer, _, Err(found))] if pointer.is_empty() && found.starts_with(error) => {}
        other => panic!("{entry}: {other:?}"),
    }
}
