//! A whole client list in memory, as a registry answers with it: for those who have it in a file.

use std::collections::HashMap;
use std::sync::Arc;

use super::import;
use super::list::Completeness;
use super::list::ListReader;
use crate::registration::Registration;

/// What a fetched registry says of each client of a list. Its formats are those of the `registry`
/// member.
#[derive(Clone, Debug, Default)]
pub struct ClientList {
    clients: HashMap<Box<str>, Registration>,
    /// The first entry of which nobody can say whom it is about: whoever is not found may be meant.
    in_doubt: Option<Arc<str>>,
}

impl ClientList {
    /// Reads a list, all of its pages in one.
    ///
    /// # Errors
    /// It is no list, or says that there is more of it. An entry that cannot be used is no error:
    /// its client is [`Registration::Unusable`].
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
                // Of those that never authenticate, too.
                Err(error) => {
                    if read.is_in_doubt && list.in_doubt.is_none() {
                        let reason = format!(
                            "it may be in an entry that names nobody: {}{}: {}",
                            entry.pointer, error.pointer, error.message
                        );
                        list.in_doubt = Some(reason.into());
                    }
                    let unusable = Registration::Unusable(error.in_entry().into());
                    read.client_ids
                        .into_iter()
                        .for_each(|client_id| list.add(client_id, unusable.clone()));
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

    /// The client with exactly this `client_id`. Where an entry names nobody, nobody is surely
    /// unregistered.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Registration {
        let unknown =
            || self.in_doubt.clone().map_or(Registration::Unregistered, Registration::Unusable);
        self.clients.get(client_id).cloned().unwrap_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_list_is_no_list() {
        for (text, expected) in [
            (
                &br#"{"start": 0, "end": 1, "totalCount": 2, "clients": [{"client_id": "a"}]}"#[..],
                "totalCount is 2",
            ),
            (
                br#"{"clients": [{"client_id": "a"}], "has_more": true}"#,
                "\"has_more\" says that there is more",
            ),
            (br#"{"clients": [], "total": 1}"#, "an empty page after 0 of 1 entries"),
        ] {
            let error = ClientList::parse(text).unwrap_err();
            assert!(
                error.starts_with("not the whole list: ") && error.contains(expected),
                "{error}"
            );
        }
        assert!(
            ClientList::parse(br#"{"start": 0, "end": 5, "totalCount": 1, "clients": [{"client_id": "a"}], "next": null}"#)
                .is_ok()
        );
    }

    #[test]
    fn a_list_says_what_a_registry_would() {
        let text = br#"{"clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}, {"client_id": "b", "token_endpoint_auth_method": "none"}, {"client_id": "b", "token_endpoint_auth_method": "none"},
            {"client_id": "c", "tls_client_auth_oops": 1}, {"clientId": "k", "clientAuthenticatorType": "client-secret", "publicClient": true}]}"#;
        let list = ClientList::parse(text).unwrap();
        for client_id in ["a", "k"] {
            assert!(
                matches!(list.find(client_id), Registration::Registered(client) if client.client_id() == client_id)
            );
        }
        assert_eq!(
            list.find("b"),
            Registration::Unusable("the list has this client_id twice".into())
        );
        assert!(
            matches!(list.find("c"), Registration::Unusable(reason) if reason.starts_with("/tls_client_auth_oops"))
        );
        assert_eq!(list.find("d"), Registration::Unregistered);
        let list = ClientList::parse(
            br#"[{"client_id": "a", "token_endpoint_auth_method": "none"}, 7, {}]"#,
        )
        .unwrap();
        assert!(matches!(list.find("a"), Registration::Registered(_)));
        let expected = "it may be in an entry that names nobody: /1: expected client metadata";
        assert!(
            matches!(list.find("d"), Registration::Unusable(reason) if reason.starts_with(expected)),
            "{:?}",
            list.find("d")
        );
        for text in [&b"7"[..], b"{}", b"[", b"[] x", b""] {
            assert!(ClientList::parse(text).is_err());
        }
    }
}
