//! A whole client list in memory, in the formats of the answers of a registry: for tools that read
//! a list from a file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::import;
use super::list::{Completeness, ListReader};
use crate::registration::Registration;

/// What a fetched registry says of each client of a list. The formats are those of the
/// configuration's member `registry`.
#[derive(Clone, Debug, Default)]
pub struct ClientList {
    clients: HashMap<Box<str>, Registration>,
    /// What refused entries name that state another identifier.
    doubtful: HashSet<Box<str>>,
    /// The first entry that may concern any client: one that is not found may be the client of this
    /// entry.
    in_doubt: Option<Arc<str>>,
}

impl ClientList {
    /// Reads a list, which must be in one page.
    ///
    /// # Errors
    /// The text is not a list, or states that there is more of the list. An entry that cannot be
    /// used is no error: its client is [`Registration::Unusable`].
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let mut list = Self::default();
        let mut reader = ListReader::new(text.to_vec());
        while let Some(entry) = reader.next()? {
            let read = import::read(&entry.json);
            match read.clients {
                Ok(clients) => {
                    for client in clients {
                        list.add(
                            client.client_id().into(),
                            Registration::Registered(Arc::new(client)),
                        );
                    }
                }
                // Clients that never authenticate are unusable, too.
                Err(error) => {
                    if read.is_in_doubt && list.in_doubt.is_none() {
                        let reason = format!(
                            "it may be in an entry that names no client: {}{}: {}",
                            entry.pointer, error.pointer, error.message
                        );
                        list.in_doubt = Some(reason.into());
                    }
                    let unusable = Registration::Unusable(error.in_entry().into());
                    for client_id in read.client_ids {
                        list.add(client_id, unusable.clone());
                    }
                    list.doubtful.extend(read.other_client_ids);
                }
            }
        }
        Completeness::of_single_page(reader.page())
            .map_err(|error| format!("not the whole list: {error}"))?;
        Ok(list)
    }

    fn add(&mut self, client_id: Box<str>, registration: Registration) {
        let twice = || Registration::Unusable("the list has this client_id twice".into());
        self.clients.entry(client_id).and_modify(|known| *known = twice()).or_insert(registration);
    }

    /// The client with exactly this `client_id`. Where an entry may concern any client, a client
    /// that is not found is unusable, not unregistered.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Registration {
        let unknown =
            || self.in_doubt.clone().map_or(Registration::Unregistered, Registration::Unusable);
        match self.clients.get(client_id) {
            Some(found) => found.clone(),
            None if self.doubtful.contains(client_id) => Registration::Doubtful,
            None => unknown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_list_is_an_error() {
        for (text, expected) in [
            (
                r#"{"start": 0, "end": 1, "totalCount": 2, "clients": [{"client_id": "a"}]}"#,
                "totalCount is 2",
            ),
            (
                r#"{"clients": [{"client_id": "a"}], "has_more": true}"#,
                "\"has_more\" says that there is more",
            ),
            (r#"{"clients": [], "total": 1}"#, "an empty page after 0 of 1 entries"),
        ] {
            let error = ClientList::parse(text.as_bytes()).unwrap_err();
            assert!(error.starts_with("not the whole list: "), "{error}");
            assert!(error.contains(expected), "{error}");
        }
        let whole = br#"{
            "start": 0, "end": 5, "totalCount": 1, "next": null, "clients": [{"client_id": "a"}]
        }"#;
        assert!(ClientList::parse(whole).is_ok());
    }

    fn is_registered(list: &ClientList, client_id: &str) -> bool {
        let found = list.find(client_id);
        matches!(found, Registration::Registered(client) if client.client_id() == client_id)
    }

    fn reason(list: &ClientList, client_id: &str) -> Arc<str> {
        match list.find(client_id) {
            Registration::Unusable(reason) => reason,
            other => panic!("{client_id}: {other:?}"),
        }
    }

    #[test]
    fn a_list_says_what_a_registry_would() {
        let list = ClientList::parse(
            br#"{"clients": [
                {"client_id": "a", "token_endpoint_auth_method": "none"},
                {"client_id": "b", "token_endpoint_auth_method": "none"},
                {"client_id": "b", "token_endpoint_auth_method": "none"},
                {"client_id": "c", "tls_client_auth_oops": 1},
                {"clientId": "k", "clientAuthenticatorType": "client-secret", "publicClient": true}
            ]}"#,
        )
        .unwrap();
        assert!(is_registered(&list, "a") && is_registered(&list, "k"));
        assert_eq!(&*reason(&list, "b"), "the list has this client_id twice");
        assert!(reason(&list, "c").starts_with("/tls_client_auth_oops"));
        assert_eq!(list.find("d"), Registration::Unregistered);
    }

    #[test]
    fn no_client_is_unregistered_where_an_entry_names_no_client() {
        let list = ClientList::parse(
            br#"[{"client_id": "a", "token_endpoint_auth_method": "none"}, 7, {}]"#,
        )
        .unwrap();
        assert!(is_registered(&list, "a"));
        let expected = "it may be in an entry that names no client: /1: expected client metadata";
        assert!(reason(&list, "d").starts_with(expected), "{list:?}");
    }

    #[test]
    fn what_is_not_a_list_is_an_error() {
        for text in ["7", "{}", "[", "[] x", ""] {
            assert!(ClientList::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
