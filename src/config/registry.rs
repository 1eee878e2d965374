//! The member `registry` (contract §6).

use std::sync::Arc;
use std::time::Duration;

use super::{header_name, size};
use crate::certificate::Thumbprint;
use crate::json::{Json, JsonError, Members, first_repeated, one_of};
use crate::limits;
use crate::registry::{CLIENT_ID, FetchMode, FetchedRegistry};
use crate::request::is_token;

impl FetchedRegistry {
    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to `registry`.
    pub(super) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let cluster = required(&mut members, "cluster", "the name of an Envoy cluster")?;
        let authority = authority(&mut members)?;
        let path = required(&mut members, "path", "a path")?;
        let is_lookup = members
            .read("mode", one_of(&[("snapshot", false), ("lookup", true)]))?
            .unwrap_or(false);
        let refresh = members.read("refresh", duration)?.unwrap_or(limits::DEFAULT_REFRESH);
        let timeout = members.read("timeout", duration)?.unwrap_or(limits::DEFAULT_TIMEOUT);
        let max_stale = members.read("max_stale", duration)?.unwrap_or(limits::DEFAULT_MAX_STALE);
        let headers = members.read("headers", headers)?.unwrap_or_default();
        let max_bytes = members
            .read("max_bytes", |json| json.integer(limits::LARGEST_ANSWER_BYTES))?
            .unwrap_or(limits::DEFAULT_ANSWER_BYTES);
        let allow_empty = members.read("allow_empty", Json::boolean)?.unwrap_or(false);
        let max_pages = members
            .read("max_pages", |json| json.integer(limits::LARGEST_PAGES))?
            .unwrap_or(limits::DEFAULT_PAGES);
        let cache_entries = members
            .read("cache_entries", |json| json.integer(limits::LARGEST_CACHE_ENTRIES))?
            .unwrap_or(limits::DEFAULT_CACHE_ENTRIES);
        let generation_header = members.read("generation_header", header_name)?;
        let on_miss = members.read("on_miss", |json| {
            if is_lookup {
                return Err(JsonError::expected(
                    "no on_miss with mode \"lookup\", which looks every client up",
                ));
            }
            on_miss_path(json)
        })?;
        members.finish()?;
        let reads_placeholder = is_lookup.then_some("mode is \"lookup\"");
        check_path(path, reads_placeholder).map_err(|error| error.within("path"))?;
        let mode = if is_lookup {
            FetchMode::Lookup { cache_entries: size(cache_entries) }
        } else {
            FetchMode::Snapshot { max_pages: size(max_pages), allow_empty }
        };
        // With generation_header, and without allow_empty, a list may be refused that is accepted
        // otherwise, so that filters that differ in them do not share a list.
        let generation = generation_header.as_deref().unwrap_or_default();
        let empty = if allow_empty { "allow_empty" } else { "" };
        let identity = identity(&[cluster, authority, path, generation, empty], &headers);
        let [cluster, authority, path] = [cluster, authority, path].map(Into::into);
        let max_bytes = size(max_bytes);
        let registry = Self {
            identity,
            cluster,
            authority,
            path,
            mode,
            refresh,
            timeout,
            max_stale,
            headers,
            max_bytes,
            generation_header,
            on_miss: None,
        };
        let on_miss = on_miss.map(|path| {
            let mode = FetchMode::Lookup { cache_entries: limits::FOUND_ON_MISS };
            Arc::new(Self { path, mode, ..registry.clone() })
        });
        Ok(Self { on_miss, ..registry })
    }
}

/// The member `on_miss`: its path.
#[inline(never)]
fn on_miss_path(json: &Json) -> Result<Box<str>, JsonError> {
    let mut members = Members::of(json, "an object with the member path")?;
    let path = required(&mut members, "path", "a path")?;
    members.finish()?;
    check_path(path, Some("on_miss looks one client up")).map_err(|error| error.within("path"))?;
    Ok(path.into())
}

/// A short name of what is fetched. It does not depend on how often, so that a list is kept when
/// only that changes.
pub(super) fn identity(source: &[&str], headers: &[(Box<str>, Box<str>)]) -> Box<str> {
    let headers = headers.iter().flat_map(|(name, value)| [&**name, &**value]);
    let mut octets = Vec::new();
    for text in source.iter().copied().chain(headers) {
        octets.extend_from_slice(text.as_bytes());
        // No member can have this octet, so that different sources have different texts.
        octets.push(0);
    }
    Thumbprint::of(&octets).to_hex().chars().take(16).collect::<String>().into()
}

pub(super) fn required<'a>(
    members: &mut Members<'a>,
    name: &'static str,
    what: &'static str,
) -> Result<&'a str, JsonError> {
    let is_visible = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    let text = members.read(name, |json| {
        Some(json.string(what)?)
            .filter(is_visible)
            .ok_or_else(|| JsonError::expected(format!("{what}, in visible ASCII")))
    })?;
    text.ok_or_else(|| JsonError::expected(format!("the member {name}")))
}

/// The member `authority` of a server that is asked.
pub(super) fn authority<'a>(members: &mut Members<'a>) -> Result<&'a str, JsonError> {
    let what = "the host of the server, with its port if it is not the usual one";
    let authority = required(members, "authority", what)?;
    if authority.contains(['/', '@', '?', '#']) {
        return Err(JsonError::expected("a host, with its port if need be, and nothing else")
            .within("authority"));
    }
    Ok(authority)
}

/// `one_client` = why the path must be that of one client.
pub(super) fn check_path(path: &str, one_client: Option<&str>) -> Result<(), JsonError> {
    if !path.starts_with('/') || path.contains('#') {
        return Err(JsonError::expected("a path that begins with /, without fragment"));
    }
    match (one_client, path.contains(CLIENT_ID)) {
        (Some(why), false) => {
            Err(JsonError::expected(format!("{{client_id}} in the path, because {why}")))
        }
        (None, true) => Err(JsonError::expected("no {client_id} in the path, or mode \"lookup\"")),
        _ => Ok(()),
    }
}

/// A duration: an integer and its unit, as in `"500ms"`, `"30s"`, `"5m"` or `"24h"`.
pub(super) fn duration(json: &Json) -> Result<Duration, JsonError> {
    let expected = || {
        JsonError::expected(
            "a duration such as \"500ms\", \"30s\", \"5m\" or \"24h\", greater than 0",
        )
    };
    let text = json.string("a duration such as \"30s\"")?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(expected)?;
    let number: u64 = number.parse().map_err(|_| expected())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    let duration = Duration::from_millis(number.saturating_mul(millis));
    if duration.is_zero() {
        return Err(expected());
    }
    if duration > limits::LONGEST_DURATION {
        return Err(JsonError::expected("a duration of at most ten years"));
    }
    Ok(duration)
}

/// Names in lower case, and values.
pub(super) type Headers = Vec<(Box<str>, Box<str>)>;

/// Headers of requests that the filter or Envoy sets, and the configuration must not.
const RESERVED: [&str; 7] = [
    "host",
    "if-none-match",
    "if-modified-since",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
];

pub(super) fn headers(json: &Json) -> Result<Headers, JsonError> {
    let Json::Object(members) = json else {
        return Err(JsonError::expected("an object of header names and values"));
    };
    let mut headers: Headers = Vec::with_capacity(members.len());
    for (name, value) in members {
        let lower = name.to_ascii_lowercase();
        if !is_token(lower.as_bytes()) || RESERVED.contains(&lower.as_str()) {
            return Err(JsonError::expected(
                "the name of a header that the filter does not set itself",
            )
            .within(name));
        }
        let value = value.string("the value of a header").map_err(|error| error.within(name))?;
        // RFC 9110 §5.5: no control characters, no blanks at the ends. The value is often a secret,
        // so that no message repeats it.
        let is_value =
            value.trim() == value && !value.chars().any(char::is_control) && value.is_ascii();
        if !is_value {
            return Err(JsonError::expected(
                "the value of a header, in ASCII, without blanks at its ends",
            )
            .within(name));
        }
        headers.push((lower.into(), value.into()));
    }
    match first_repeated(headers.iter().map(|(name, _)| &**name)) {
        Some(name) => Err(JsonError::new("expected this header once, found it twice").within(name)),
        None => Ok(headers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Configuration;

    fn registries(text: &str) -> Vec<(Arc<FetchedRegistry>, bool)> {
        Configuration::parse(
            text.replace("R", r#""registry": {"cluster": "c", "authority": "a", "path": "/""#)
                .as_bytes(),
        )
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .fetched_registries()
    }

    #[test]
    fn whether_unregistered_clients_pass_by_a_registry() {
        for (text, expected) in [
            ("{R}}", vec![false]),
            (r#"{R}, "unregistered_clients": "pass"}"#, vec![true]),
            (r#"{R}, "tenants": [{"hosts": ["a"], "unregistered_clients": "pass"}]}"#, vec![true]),
            (
                r#"{R}, "unregistered_clients": "pass",
                    "tenants": [{"hosts": ["a"], "unregistered_clients": "reject"}]}"#,
                vec![true],
            ),
            // The same registry, named twice; and two that are not the same.
            (
                r#"{"tenants": [{"hosts": ["a"], "unregistered_clients": "pass", R}},
                                {"hosts": ["b"], R}}]}"#,
                vec![true],
            ),
            (
                r#"{"tenants": [{"hosts": ["b"], R}}, {"hosts": ["a"], R, "refresh": "1s"}}]}"#,
                vec![false, false],
            ),
            (
                r#"{R}, "tenants": [{"hosts": ["a"], "unregistered_clients": "pass",
                                      "clients": []}]}"#,
                vec![false],
            ),
        ] {
            let found: Vec<bool> = registries(text).into_iter().map(|(_, passes)| passes).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_is_fetched_otherwise_is_another_registry() {
        let identity =
            |members: &str| registries(&format!("{{R{members}}}}}"))[0].0.identity.clone();
        assert_eq!(identity(""), identity(r#", "refresh": "1s", "max_pages": 3"#));
        let others = [
            "",
            r#", "generation_header": "etag""#,
            r#", "generation_header": "x-etag""#,
            r#", "headers": {"etag": "x"}"#,
        ];
        let identities: std::collections::BTreeSet<_> =
            others.iter().map(|members| identity(members)).collect();
        assert_eq!(identities.len(), others.len());
        assert_eq!(
            identity(others[1]),
            identity(r#", "generation_header": "ETag""#),
            "names of headers have no letter case"
        );
        assert!(identity("").len() == 16 && identity("").bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
