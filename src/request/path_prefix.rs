//! Plain paths, and a path with everything below it: `paths` of a tenant.

use std::fmt;

use super::path;
use crate::json::{Json, JsonError};

/// A path and all that is below it, by whole segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix {
    /// In its letter case, without a slash at the end.
    path: Box<str>,
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.path.is_empty() { "/" } else { &self.path })
    }
}

impl PathPrefix {
    /// Reads one entry of `paths`; `None` = it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_json(&Json::String(text.to_owned())).ok()
    }

    /// Reads a plain path, as in `endpoints` but without `*`.
    ///
    /// # Errors
    /// The pointer is relative to the entry.
    pub(crate) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let path = json.string("a path")?;
        if path.contains('*') {
            return Err(JsonError::expected(
                "a plain path without *: everything below it belongs to it by itself",
            ));
        }
        check_plain(path)?;
        Ok(Self { path: path.strip_suffix('/').unwrap_or(path).into() })
    }

    /// The root, below which everything is.
    pub(crate) fn root() -> Self {
        Self { path: "".into() }
    }

    /// The path without a slash at its end; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }
}

/// A segment that stands for any one segment that is not empty.
pub(super) const WILDCARD: &str = "*";

/// Checks that `path` is a plain one, in which `*` may stand for whole segments.
///
/// # Errors
/// What is expected instead.
pub(super) fn check_plain(path: &str) -> Result<(), JsonError> {
    if !path.starts_with('/') {
        return Err(no_path());
    }
    // A pattern of another language, read as plain text, would match nothing.
    let is_mark = |b: u8| b"{}[]()^$?|<>".contains(&b);
    let is_pattern = |segment: &str| segment.bytes().any(is_mark) || segment.starts_with(':');
    let mut segments = path.split('/').skip(1);
    if segments
        .any(|segment| is_pattern(segment) || (segment.contains(WILDCARD) && segment != WILDCARD))
    {
        return Err(JsonError::expected(
            "a plain path, in which * may stand for one whole segment and /** at the end for \
             everything below: other patterns are not understood",
        ));
    }
    let is_plain = path.bytes().all(|b| b.is_ascii_graphic() && !b"%#;\\\"`".contains(&b));
    if !is_plain || path.contains("//") || path::resolve_dots(path.as_bytes()) != path.as_bytes() {
        return Err(JsonError::expected(
            "a plain path that begins with a slash, without escapes, query, parameters, dot or \
             empty segments",
        ));
    }
    Ok(())
}

pub(super) fn no_path() -> JsonError {
    JsonError::expected("a path that begins with a slash, without scheme and host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        for (text, own, printed) in
            [("/", "", "/"), ("/Realms/Bank/", "/Realms/Bank", "/Realms/Bank"), ("/a", "/a", "/a")]
        {
            let prefix = PathPrefix::parse(text).unwrap();
            assert_eq!((prefix.as_str(), &*prefix.to_string()), (own, printed));
        }
        for text in ["", "a", "/*", "/a/**", "/a//b", "/a/../b", "/a%2f", "/:realm", "/a?b"] {
            assert_eq!(PathPrefix::parse(text), None, "{text}");
        }
    }
}
