//! What an answer to a lookup says of the client that was requested.

use std::sync::Arc;

use super::super::error::FetchError;
use super::super::fetched::RegistryAnswer;
use super::super::import::{self, ImportedEntry};
use super::super::list::{Completeness, PageSummary, link};
use crate::json::Json;
use crate::registration::{Registration, foreign};

/// `None` = the request was not sent.
///
/// # Errors
/// The answer says nothing about the client.
#[inline(never)]
pub(super) fn read(
    client_id: &str,
    answer: Option<&RegistryAnswer<'_>>,
    max_bytes: usize,
) -> Result<Registration, FetchError> {
    let answer = answer.ok_or(FetchError::NotSent)?;
    match answer.status.ok_or(FetchError::NoAnswer)? {
        200 => {}
        404 => return Ok(Registration::Unregistered),
        status => return Err(FetchError::Status(status)),
    }
    let body = answer.body(max_bytes)?;
    let json =
        Json::parse_in_parts(&body).map_err(|error| FetchError::Malformed(error.message.into()))?;
    // A member `clients` of a client says nothing, whoever put it there.
    let is_client = foreign::is_client(&json);
    let mut lists =
        json.members("clients").filter(|list| !is_client && matches!(list, Json::Array(_)));
    let entries = match (&json, lists.next()) {
        (Json::Array(entries), _) | (Json::Object(_), Some(Json::Array(entries)))
            if lists.next().is_none() =>
        {
            entries.as_slice()
        }
        (other, _) => std::slice::from_ref(other),
    };
    let mut entries = entries.iter().map(import::read).map(|entry| registration(client_id, entry));
    let Some(first) = entries.next() else {
        check_is_all(&json, answer)?;
        return Ok(Registration::Unregistered);
    };
    let first = first?;
    match entries.next() {
        None => Ok(first),
        Some(second) => {
            second.map(|_| Registration::Unusable("the registry has this client_id twice".into()))
        }
    }
}

/// Checks that an empty list does not state that there is more, where the client may be.
fn check_is_all(json: &Json, answer: &RegistryAnswer<'_>) -> Result<(), FetchError> {
    let mut page = PageSummary::default();
    page.add_headers(&|name| answer.has(name).then(|| answer.all(name)));
    if let Json::Object(members) = json {
        members.iter().for_each(|(name, value)| page.add_member(name, value));
    }
    if link::next(&answer.all("link")).map_err(FetchError::NextPage)?.is_some() {
        return Err(FetchError::NextPage("the empty answer to a lookup has one"));
    }
    Completeness::of_single_page(&page).map_err(FetchError::Incomplete)
}

/// What an entry says of the client that was requested.
fn registration(client_id: &str, entry: ImportedEntry) -> Result<Registration, FetchError> {
    if entry.client_ids.iter().chain(&entry.other_client_ids).all(|id| **id != *client_id) {
        return Err(match entry.clients {
            Err(error) if entry.client_ids.is_empty() => {
                FetchError::Malformed(error.in_entry().into())
            }
            _ => FetchError::OtherClient,
        });
    }
    match entry.clients {
        Ok(clients) => {
            let own = clients.into_iter().find(|client| client.client_id() == client_id);
            own.map(|client| Registration::Registered(Arc::new(client)))
                .ok_or(FetchError::OtherClient)
        }
        Err(error) => Ok(Registration::Unusable(error.in_entry().into())),
    }
}
