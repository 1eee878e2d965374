//! The embedded registry: clients by `client_id`.

use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

use super::key_sets::KeySetSource;
use crate::json::{Json, JsonError};
use crate::octets::equal;
use crate::registration::{ClientMetadata, Registration};

/// A list of clients that is complete and has no `client_id` twice.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    clients: HashMap<Box<str>, Arc<ClientMetadata>>,
    /// The clients with `trust_anchors`, and their places in the array.
    with_anchors: Vec<(usize, Arc<ClientMetadata>)>,
}

/// A `client_id` that is looked up.
#[derive(Hash)]
struct Id<'a>(&'a str);

impl Equivalent<Box<str>> for Id<'_> {
    fn equivalent(&self, key: &Box<str>) -> bool {
        equal(self.0.as_bytes(), key.as_bytes())
    }
}

impl Registry {
    /// Reads an array of client metadata. `key_sets` = how key sets of clients are fetched.
    ///
    /// # Errors
    /// A client cannot be used, or a `client_id` occurs twice.
    pub(crate) fn from_json(
        json: &Json,
        key_sets: Option<&KeySetSource>,
    ) -> Result<Self, JsonError> {
        let mut registry = Self::default();
        json.elements("an array of client metadata", |client| {
            let client = ClientMetadata::from_json(client)?;
            if let Some(uri) = client.jwks_uri() {
                KeySetSource::check(key_sets, uri)
                    .map_err(|reason| JsonError::new(reason).within("jwks_uri"))?;
            }
            let client = Arc::new(client);
            if client.trust_anchors().is_some() {
                registry.with_anchors.push((registry.clients.len(), client.clone()));
            }
            let before = registry.clients.insert(client.client_id().into(), client);
            match before {
                None => Ok(()),
                Some(_) => {
                    Err(JsonError::expected("a client_id that no other client of the list has")
                        .within("client_id"))
                }
            }
        })?;
        Ok(registry)
    }

    /// The parts that are left out of clients of an array that can be used.
    pub(crate) fn warnings(json: &Json) -> Vec<JsonError> {
        let mut warnings = Vec::new();
        let clients = if let Json::Array(clients) = json { clients.as_slice() } else { &[] };
        for (index, client) in clients.iter().enumerate() {
            let mut own = Vec::new();
            // A client that cannot be used is an error, which `from_json` returns.
            if ClientMetadata::read(client, &mut own).is_ok() {
                warnings.extend(own.into_iter().map(|warning| warning.within(index)));
            }
        }
        warnings
    }

    /// The client with exactly this `client_id`.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Registration {
        self.clients
            .get(&Id(client_id))
            .cloned()
            .map_or(Registration::Unregistered, Registration::Registered)
    }

    /// Every client, in no particular order.
    pub fn clients(&self) -> impl Iterator<Item = &ClientMetadata> {
        self.clients.values().map(Arc::as_ref)
    }

    /// The clients with `trust_anchors`, in the order of the array, and their places in it.
    pub(crate) fn with_anchors(&self) -> &[(usize, Arc<ClientMetadata>)] {
        &self.with_anchors
    }

    /// Number of clients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there is no client.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table compares a key only with those of the same few bits of hash, which some of so many
    /// have.
    #[test]
    fn a_client_is_found_by_its_own_identifier_alone() {
        let client =
            |n: u32| format!(r#"{{"client_id":"c{n}","token_endpoint_auth_method":"none"}}"#);
        let clients: Vec<String> = (0..1000).map(client).collect();
        let json = Json::parse(format!("[{}]", clients.join(",")).as_bytes()).unwrap();
        let registry = Registry::from_json(&json, None).unwrap();
        assert_eq!((registry.len(), registry.is_empty()), (1000, false));
        for n in 0..1000 {
            let id = format!("c{n}");
            let found = registry.find(&id);
            let is_own =
                matches!(&found, Registration::Registered(client) if client.client_id() == id);
            assert!(is_own, "{id}: {found:?}");
            assert_eq!(registry.find(&format!("x{n}")), Registration::Unregistered);
        }
        let none = Registry::default();
        assert_eq!((none.len(), none.is_empty()), (0, true));
    }
}
