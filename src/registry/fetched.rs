//! A registry that is fetched: what is asked of it, and what its answers look like (contract §6).

use crate::limits;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::FetchError;

/// The configuration of a fetched registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedRegistry {
    /// What it fetches, in hexadecimal: registries with the same identity have the same clients.
    pub(crate) identity: Box<str>,
    /// Envoy's name of the registry's hosts.
    pub cluster: Box<str>,
    /// `:authority` of the requests.
    pub authority: Box<str>,
    /// `:path` of the requests; with [`FetchMode::Lookup`] it has [`CLIENT_ID`] in it.
    pub path: Box<str>,
    /// The whole list at once, or one client at a time.
    pub mode: FetchMode,
    /// How often a list is fetched, and for how long a client is held whose answer does not say it.
    pub refresh: Duration,
    /// For how long an answer is awaited.
    pub timeout: Duration,
    /// For how long what is known serves while nothing newer comes.
    pub max_stale: Duration,
    /// Further headers of the requests.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Largest body of an answer, in bytes.
    pub max_bytes: usize,
    /// A header of the answers, in lower case, that all pages of one list share; `None` = there is
    /// none.
    pub generation_header: Option<Box<str>>,
}

/// How a registry is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchMode {
    /// The whole list, by one VM for all.
    Snapshot {
        /// Most pages of a list.
        max_pages: usize,
        /// Whether an empty list may replace ten clients or more.
        allow_empty: bool,
    },
    /// One client at a time, by the VM that needs it.
    Lookup {
        /// Most clients held.
        cache_entries: usize,
    },
}

/// What stands for the client in the path of a lookup.
pub(crate) const CLIENT_ID: &str = "{client_id}";

/// RFC 3986 §2.3: everything but unreserved characters is percent-encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request to the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRequest {
    /// Pseudo-headers first.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// What makes the next request conditional (RFC 9110 §13.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, quotes included.
    pub etag: Option<Box<str>>,
    /// `Last-Modified`.
    pub last_modified: Option<Box<str>>,
    /// Conditional requests in a row that were answered "not modified".
    pub(in crate::registry) unmodified: u8,
}

/// An answer of the registry, as the host gives it.
pub struct RegistryAnswer<'a> {
    /// `:status`; `None` = there is no answer.
    pub status: Option<u16>,
    /// Names in lower case, and values.
    pub headers: &'a [(String, Vec<u8>)],
    /// Length of the body in bytes.
    pub body_size: usize,
    /// Hands over so many bytes of the body.
    pub read: &'a dyn Fn(usize) -> Option<Vec<u8>>,
}

impl FetchedRegistry {
    /// How often a list is fetched at least: nothing must grow older than `max_stale` between two
    /// good answers.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.refresh.min(self.max_stale / 2)
    }

    /// The request for `path`, conditional where `known` validators are given.
    #[must_use]
    pub fn request(&self, path: &str, known: Option<&Validators>) -> RegistryRequest {
        let mut headers: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(8);
        let fixed = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", &*self.authority),
            (":path", path),
        ];
        headers.extend(fixed.map(|(name, value)| (name.into(), value.into())));
        if self.headers.iter().all(|(name, _)| **name != *"accept") {
            headers.push(("accept".into(), "application/json".into()));
        }
        headers.extend(self.headers.iter().cloned());
        if let Some(known) = known {
            let conditions =
                [("if-none-match", &known.etag), ("if-modified-since", &known.last_modified)];
            headers.extend(
                conditions
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.into(), value.clone()?))),
            );
        }
        RegistryRequest { headers }
    }

    /// The path of a lookup; `None` = this identifier cannot stand in a path.
    #[must_use]
    pub fn path_for(&self, client_id: &str) -> Option<String> {
        // Dot segments are taken out of a path, encoded or not (RFC 3986 §5.2.4): the request would
        // ask for something else.
        if client_id.len() > limits::LOOKUP_ID_OCTETS || matches!(client_id, "." | "..") {
            return None;
        }
        Some(self.path.replace(CLIENT_ID, &utf8_percent_encode(client_id, RESERVED).to_string()))
    }
}

impl RegistryAnswer<'_> {
    /// The first field of this name, if it is text.
    #[must_use]
    pub fn first<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        self.fields(name).find_map(|value| std::str::from_utf8(value).ok())
    }

    /// All fields of this name as one list (RFC 9110 §5.3). What is no text in them is replaced,
    /// because whoever asks must not overlook a field for one octet.
    #[must_use]
    pub fn all(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.octets(name)).into_owned()
    }

    /// The same, octet for octet.
    #[must_use]
    pub fn octets(&self, name: &str) -> Vec<u8> {
        let mut list = Vec::new();
        for (index, value) in self.fields(name).enumerate() {
            list.extend_from_slice(if index == 0 { b"" } else { b", " });
            list.extend_from_slice(value);
        }
        list
    }

    /// Whether there is a field of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields(name).next().is_some()
    }

    fn fields<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n [u8]> {
        let same = self.headers.iter().filter(move |(field, _)| field == name);
        same.map(|(_, value)| value.as_slice())
    }

    /// The body.
    ///
    /// # Errors
    /// [`FetchError::TooLarge`], or [`FetchError::Body`] where less than all of it is handed over.
    pub fn body(&self, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
        if self.body_size > max_bytes {
            return Err(FetchError::TooLarge(max_bytes));
        }
        if self.body_size == 0 {
            return Ok(Vec::new());
        }
        (self.read)(self.body_size)
            .filter(|body| body.len() == self.body_size)
            .ok_or(FetchError::Body)
    }
}
