//! The member `jwks_uri` (contract §6): how key sets of clients are fetched.

use super::registry::{duration, required};
use super::size;
use crate::json::{Json, JsonError, Members};
use crate::limits;
use crate::registration::{ListedHost, ListedHosts};
use crate::registry::KeySetSource;

impl KeySetSource {
    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to `jwks_uri`.
    #[inline(never)]
    pub(super) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let cluster = required(&mut members, "cluster", "the name of an Envoy cluster")?;
        let hosts = members
            .read("hosts", |json| json.some_elements("at least one host", listed_host))?
            .ok_or_else(|| JsonError::expected("the member hosts"))?;
        let refresh = members.read("refresh", duration)?.unwrap_or(limits::DEFAULT_KEY_SET_REFRESH);
        let timeout = members.read("timeout", duration)?.unwrap_or(limits::DEFAULT_TIMEOUT);
        let max_stale = members.read("max_stale", duration)?.unwrap_or(limits::DEFAULT_MAX_STALE);
        let max_bytes = members
            .read("max_bytes", |json| json.integer(limits::LARGEST_KEY_SET_BYTES))?
            .unwrap_or(limits::DEFAULT_KEY_SET_BYTES);
        let cache_entries = members
            .read("cache_entries", |json| json.integer(limits::LARGEST_CACHE_ENTRIES))?
            .unwrap_or(limits::DEFAULT_KEY_SETS);
        members.finish()?;
        Ok(Self {
            cluster: cluster.into(),
            hosts: ListedHosts::new(hosts),
            refresh,
            timeout,
            max_stale,
            max_bytes: size(max_bytes),
            cache_entries: size(cache_entries),
        })
    }
}

pub(super) fn listed_host(json: &Json) -> Result<ListedHost, JsonError> {
    let what = "a host name such as \"keys.example.com\" or \"*.bank.example\"";
    ListedHost::parse(json.string(what)?)
        .map_err(|expected| JsonError::expected(format!("{what}: {expected}")))
}
