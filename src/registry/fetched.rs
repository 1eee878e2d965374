//! A registry that is fetched: the requests to it, and its answers (contract §6).

use std::sync::Arc;
use std::time::Duration;

use super::error::FetchError;
use crate::limits;
use crate::percent;

/// The configuration of a fetched registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedRegistry {
    /// Digest of what is fetched, in hexadecimal: registries with the same identity have the same
    /// clients.
    pub(crate) identity: Box<str>,
    /// The Envoy cluster of the registry.
    pub cluster: Box<str>,
    /// `:authority` of the requests.
    pub authority: Box<str>,
    /// `:path` of the requests; with [`FetchMode::Lookup`] it contains `{client_id}`.
    pub path: Box<str>,
    /// The whole list at once, or one client at a time.
    pub mode: FetchMode,
    /// How often a list is fetched, and for how long an answer about a client is held that does not
    /// say it itself.
    pub refresh: Duration,
    /// How long each request waits for its answer.
    pub timeout: Duration,
    /// For how long what is known is used while nothing newer arrives.
    pub max_stale: Duration,
    /// Further headers of the requests.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// Largest body of an answer, in bytes.
    pub max_bytes: usize,
    /// The header, in lower case, that has the same value on all pages of one list; `None` = there
    /// is no such header.
    pub generation_header: Option<Box<str>>,
    /// How a client is looked up that the list lacks: this registry with another path, in
    /// [`FetchMode::Lookup`]; `None` = it is unregistered.
    pub on_miss: Option<Arc<FetchedRegistry>>,
}

/// How a registry is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchMode {
    /// The whole list, fetched by one VM for all.
    Snapshot {
        /// The largest number of pages of a list.
        max_pages: usize,
        /// Whether an empty list may replace ten clients or more.
        allow_empty: bool,
    },
    /// One client at a time, fetched by the VM that needs it.
    Lookup {
        /// The largest number of clients held.
        cache_entries: usize,
    },
}

/// The placeholder of the identifier in the path of a lookup.
pub(crate) const CLIENT_ID: &str = "{client_id}";

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
    /// Conditional requests in a row that were answered "not modified".
    pub(in crate::registry) unmodified: u8,
}

/// An answer of the registry, from the host.
pub struct RegistryAnswer<'a> {
    /// `:status`; `None` = there is no answer.
    pub status: Option<u16>,
    /// Names in lower case, and values.
    pub headers: &'a [(String, Vec<u8>)],
    /// Length of the body in bytes.
    pub body_size: usize,
    /// Gives this number of bytes of the body.
    pub read: &'a dyn Fn(usize) -> Option<Vec<u8>>,
}

impl FetchedRegistry {
    /// The longest time between two fetches of a list: short enough that no list becomes older than
    /// `max_stale` between two answers.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.refresh.min(self.max_stale / 2)
    }

    /// The request for `path`; conditional, if `known` has validators.
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
            headers.extend(known.etag.iter().map(|etag| ("if-none-match".into(), etag.clone())));
        }
        RegistryRequest { headers }
    }

    /// The path of a lookup; `None` = this identifier cannot be a part of a path.
    #[must_use]
    pub fn path_for(&self, client_id: &str) -> Option<String> {
        // Dot segments are removed from a path, encoded or not (RFC 3986 §5.2.4): the request would
        // be for another resource.
        if client_id.len() > limits::LOOKUP_ID_OCTETS || matches!(client_id, "." | "..") {
            return None;
        }
        Some(self.path.replace(CLIENT_ID, &percent::encode(client_id)))
    }
}

impl RegistryAnswer<'_> {
    /// The first field of this name that is UTF-8.
    #[must_use]
    pub fn first<'s>(&'s self, name: &'s str) -> Option<&'s str> {
        self.fields(name).find_map(|value| std::str::from_utf8(value).ok())
    }

    /// All fields of this name as one list (RFC 9110 §5.3). Octets that are not UTF-8 are replaced,
    /// so that they do not hide the rest of a field.
    #[must_use]
    pub fn all(&self, name: &str) -> String {
        String::from_utf8_lossy(&self.octets(name)).into_owned()
    }

    /// As [`RegistryAnswer::all`], without replacements.
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
    /// [`FetchError::TooLarge`], or [`FetchError::Body`] if the host does not give all of it.
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
