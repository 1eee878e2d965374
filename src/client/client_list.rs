//! A whole client list in memory, as a registry answers with it: for those who have it in a file.

use std::collections::HashMap;
use std::rc::Rc;

use super::convert;
use super::registration::Registration;
use super::snapshot::list::ListReader;

/// What a fetched registry says of each client of a list. Its formats are those of the `registry` member.
#[derive(Clone, Debug, Default)]
pub struct ClientList {
    clients: HashMap<Box<str>, Registration>,
}

impl ClientList {
    /// Reads a list, all of its pages in one.
    ///
    /// # Errors
    /// It is no list. An entry that cannot be used is no error: its client is [`Registration::Unusable`].
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let mut list = Self::default();
        let mut reader = ListReader::new(text.to_vec());
        while let Some(entry) = reader.next()? {
            let read = convert::read(&entry.json);
            match read.clients {
                Ok(clients) => {
                    for client in clients {
                        list.add(client.client_id().into(), Registration::Registered(Rc::new(client)));
                    }
                }
                // Of those that never authenticate, too.
                Err(error) => {
                    let unusable = Registration::Unusable(error.in_entry().into());
                    read.client_ids.into_iter().for_each(|client_id| list.add(client_id, unusable.clone()));
                }
            }
        }
        Ok(list)
    }

    fn add(&mut self, client_id: Box<str>, registration: Registration) {
        let twice = || Registration::Unusable("the list has this client_id twice".into());
        self.clients.entry(client_id).and_modify(|known| *known = twice()).or_insert(registration);
    }

    /// The client with exactly this `client_id`.
    #[must_use]
    pub fn find(&self, client_id: &str) -> Registration {
        self.clients.get(client_id).cloned().unwrap_or(Registration::Unregistered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_what_a_registry_would() {
        let text = br#"{"clients": [{"client_id": "a", "token_endpoint_auth_method": "none"}, {"client_id": "b", "token_endpoint_auth_method": "none"}, {"client_id": "b", "token_endpoint_auth_method": "none"},
            {"client_id": "c", "tls_client_auth_oops": 1}, 7, {"clientId": "k", "clientAuthenticatorType": "client-secret", "publicClient": true}]}"#;
        let list = ClientList::parse(text).unwrap();
        for client_id in ["a", "k"] {
            assert!(matches!(list.find(client_id), Registration::Registered(client) if client.client_id() == client_id));
        }
        assert_eq!(list.find("b"), Registration::Unusable("the list has this client_id twice".into()));
        assert!(matches!(list.find("c"), Registration::Unusable(reason) if reason.starts_with("/tls_client_auth_oops")));
        assert_eq!(list.find("d"), Registration::Unregistered);
        for text in [&b"7"[..], b"{}", b"[", b"[] x", b""] {
            assert!(ClientList::parse(text).is_err());
        }
    }
}
