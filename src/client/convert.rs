//! Entries of client lists in terms of RFC 7591.
use super::metadata::ClientMetadata;
use crate::error::ConfigError;
use crate::json::Json;

pub(crate) struct Entry {
    pub(crate) client_ids: Vec<Box<str>>,
    pub(crate) clients: Result<Vec<ClientMetadata>, ConfigError>,
}

pub(crate) fn read(entry: &Json) -> Entry {
    let client_ids: Vec<Box<str>> =
        entry.members("client_id").filter_map(|id| id.string("id").ok().map(Into::into)).take(1).collect();
    Entry { client_ids, clients: ClientMetadata::from_json(entry).map(|client| vec![client]) }
}
