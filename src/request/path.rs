//! Which requests are gated, and what a query string must not carry.
//!
//! A path is gated if any spelling rule that a common backend applies brings it to a listed path.
//! Backends combine the rules in many orders (decode then resolve, cut parameters then decode, …),
//! so a path with anything unusual in it is followed through every combination: whatever can be
//! reached from it is what some backend may see.

use crate::limits;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::form::{self, reads_as_credential};
use crate::json::{Json, JsonError};

/// The paths that carry client authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    endpoints: Vec<Endpoint>,
}

/// One path, or a pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// In lower case, without a slash at the end and without the `/**` of a pattern.
    path: Box<str>,
    /// Whether a segment is `*`, which stands for any one segment that is not empty.
    has_wildcard: bool,
    /// Whether everything below the path belongs to it: `/**`.
    with_all_below: bool,
}

/// As it stands in the configuration, but in lower case and without a slash at the end.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&*self.path, self.with_all_below) {
            ("", false) => "/",
            (path, _) => path,
        })?;
        f.write_str(if self.with_all_below { ALL_BELOW } else { "" })
    }
}

const WILDCARD: &str = "*";
const ALL_BELOW: &str = "/**";

/// The request target (RFC 9112 §3.2): `:path`.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    path: &'a [u8],
    query: &'a [u8],
}

impl<'a> Target<'a> {
    /// Splits `:path`; a fragment, which no request should have, is no part of the path, and behind
    /// a `?` one of the query, since some servers know none.
    #[must_use]
    pub fn new(path: &'a [u8]) -> Self {
        let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
        let (path, rest) = path.split_at(end);
        Self { path, query: rest.strip_prefix(b"?").unwrap_or_default() }
    }

    /// The path without query, for the log.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        self.path
    }

    /// The name of a credential in the query string, or in what becomes one when a backend decodes
    /// `%3F` first.
    #[must_use]
    pub fn credential_in_query(&self) -> Option<String> {
        if self.query.is_empty() && !self.path.contains(&b'%') {
            return None;
        }
        let decoded = percent_decoded(&percent_decoded(self.path));
        let hidden = decoded
            .iter()
            .position(|&b| b == b'?')
            .and_then(|question| decoded.get(question + 1..));
        let named = [self.query, hidden.unwrap_or_default()].into_iter().flat_map(|query| {
            // Some servers separate by semicolons too.
            query
                .split(|b| matches!(b, b'&' | b';' | b'#'))
                .map(|sequence| sequence.split(|&b| b == b'=').next().unwrap_or_default())
        });
        // Each takes several readings, and no client sends more than a slip.
        let mut malformed = 0;
        named.filter(|name| name.len() >= SHORTEST_CREDENTIAL).find_map(|name| {
            match form::decode(name) {
                Ok(name) => reads_as_credential(&name).map(|_| name.into_owned()),
                Err(_) => {
                    malformed += 1;
                    let mut readings = form::decode_leniently(name).into_iter();
                    readings.find(|name| {
                        malformed > limits::MALFORMED_QUERY_NAMES
                            || reads_as_credential(name).is_some()
                    })
                }
            }
        })
    }
}

/// Whatever name is shorter is no credential's in any reading.
const SHORTEST_CREDENTIAL: usize = "client_id".len();

impl Endpoint {
    /// Reads a path or a pattern as it stands in the configuration.
    fn from_json(json: &Json) -> Result<Self, JsonError> {
        let text = json.string("a path")?;
        let (path, with_all_below) = match text.strip_suffix(ALL_BELOW) {
            Some(path) => (path, true),
            None => (text, false),
        };
        if !(path.starts_with('/') || path.is_empty() && with_all_below)
            || (with_all_below && path.ends_with('/'))
        {
            return Err(JsonError::expected(
                "a path that begins with a slash, without scheme and host",
            ));
        }
        // Read letter by letter, a pattern of another language would gate nothing.
        let is_mark = |b: u8| b"{}[]()^$?|<>".contains(&b);
        let is_pattern = |segment: &str| segment.bytes().any(is_mark) || segment.starts_with(':');
        let mut segments = path.split('/').skip(1);
        if segments.any(|segment| {
            is_pattern(segment) || (segment.contains(WILDCARD) && segment != WILDCARD)
        }) {
            return Err(JsonError::expected(
                "a plain path, in which * may stand for one whole segment and /** at the end for \
                 everything below: other patterns are not understood",
            ));
        }
        let is_plain = path.bytes().all(|b| b.is_ascii_graphic() && !b"%#;\\\"`".contains(&b));
        if !is_plain || path.contains("//") || resolve_dots(path.as_bytes()) != path.as_bytes() {
            return Err(JsonError::expected(
                "a plain path that begins with a slash, without escapes, query, parameters, dot or \
                 empty segments",
            ));
        }
        let path = path.strip_suffix('/').unwrap_or(path).to_ascii_lowercase();
        Ok(Self {
            has_wildcard: path.split('/').any(|segment| segment == WILDCARD),
            path: path.into(),
            with_all_below,
        })
    }

    /// Whether it is a pattern, and not one path alone.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.has_wildcard || self.with_all_below
    }

    /// Whether `path`, which has no slash at its end, is this path or matches this pattern as it
    /// stands, letter case apart.
    fn lists(&self, path: &[u8]) -> bool {
        if !self.is_pattern() && path.is_ascii() {
            return self.path.as_bytes().eq_ignore_ascii_case(path);
        }
        let mut segments = path.split(|&b| b == b'/');
        let is_below = self.path.split('/').all(|wanted| {
            segments.next().is_some_and(|found| match wanted {
                WILDCARD => !found.is_empty(),
                wanted => is_same_segment(wanted, found),
            })
        });
        is_below && (self.with_all_below || segments.next().is_none())
    }

    /// The segments that a path of this endpoint must have.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter(|segment| !segment.is_empty() && *segment != WILDCARD)
    }

    /// The last segment; none where it is `*` or everything below, or where the path is the root.
    fn last_segment(&self) -> Option<&str> {
        let last = self.path.rsplit('/').next().filter(|_| !self.with_all_below)?;
        (!last.is_empty() && last != WILDCARD).then_some(last)
    }
}

impl Endpoints {
    /// Reads an array of paths and patterns, each as it reaches this filter.
    ///
    /// # Errors
    /// The pointer is relative to the array.
    pub(crate) fn from_json(json: &Json) -> Result<Self, JsonError> {
        Ok(Self { endpoints: json.some_elements("at least one path", Endpoint::from_json)? })
    }

    /// Each of them, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter()
    }

    /// A path that the first of them gates, in lower case.
    #[must_use]
    pub fn example(&self) -> Option<String> {
        let path = &self.endpoints.first()?.path;
        let segments =
            path.split('/').map(|segment| if segment == WILDCARD { "any" } else { segment });
        Some(if path.is_empty() { "/".to_owned() } else { segments.collect::<Vec<_>>().join("/") })
    }

    /// Whether a common backend could take `target` for one of the listed paths.
    #[must_use]
    pub fn gates(&self, target: &Target<'_>) -> bool {
        let path = target.path;
        if is_plain(path) {
            return self.lists(path);
        }
        // What does not begin with a slash is no path; some backends strip a scheme and host, some
        // add the slash.
        !path.starts_with(b"/") || self.lists_any_spelling_of(path)
    }

    /// Whether the last segment of `target` is that of an endpoint, in any spelling that a backend
    /// could make the same of: a route that rewrites paths may lead from here to the endpoint.
    #[must_use]
    pub fn resembles(&self, target: &Target<'_>) -> bool {
        let end = target
            .path
            .len()
            .checked_sub(limits::LOOKALIKE_SEGMENT_OCTETS)
            .and_then(|start| target.path.get(start..))
            .unwrap_or(target.path);
        let is_last = |last: &str| {
            self.endpoints.iter().filter_map(Endpoint::last_segment).any(|segment| segment == last)
        };
        if is_plain(target.path) {
            let last = without_final_slash(end).rsplit(|&b| b == b'/').next().unwrap_or_default();
            let is_equal = |segment: &str| segment.as_bytes().eq_ignore_ascii_case(last);
            return self.endpoints.iter().filter_map(Endpoint::last_segment).any(is_equal);
        }
        let decoded = percent_decoded(&percent_decoded(end));
        let path = resolve_dots(&up_to(&decoded, b"?#\0"));
        let segments = path.split(|b| matches!(b, b'/' | b'\\')).rev();
        let named = segments
            .map(|segment| trimmed_segments(&up_to(segment, b";")))
            .find(|segment| !segment.is_empty());
        named.is_some_and(|segment| is_last(&folded(&String::from_utf8_lossy(&segment))))
    }

    fn lists(&self, path: &[u8]) -> bool {
        let path = without_final_slash(path);
        self.endpoints.iter().any(|endpoint| endpoint.lists(path))
    }

    fn lists_any_spelling_of(&self, path: &[u8]) -> bool {
        if path.len() > limits::LONG_PATH_OCTETS && !self.may_be_in(path) {
            return false;
        }
        // No rule makes a path longer, so the search ends; a path that exceeds the bound is gated,
        // because it cannot be said what it means.
        let mut octets_left = limits::PATH_SPELLING_OCTETS;
        let mut seen = BTreeSet::new();
        let mut open = vec![path.to_vec()];
        while let Some(path) = open.pop() {
            if self.lists(&path) {
                return true;
            }
            for rule in RULES {
                // Rules copy the path, whatever comes of it.
                let Some(left) = octets_left.checked_sub(path.len() / 4 + 16) else { return true };
                octets_left = left;
                let next = rule(&path);
                if next == path || seen.contains(&next) {
                    continue;
                }
                let Some(left) = octets_left.checked_sub(next.len() + 16) else { return true };
                octets_left = left;
                seen.insert(next.clone());
                open.push(next);
            }
        }
        false
    }

    /// Whether every word of some endpoint is in `path`. Rules take text away and decode it, but
    /// join nothing: where a word is in no decoding, no spelling has it as a segment.
    fn may_be_in(&self, path: &[u8]) -> bool {
        let mut decoded = path.to_vec();
        let mut decodings = 0;
        while decoded.contains(&b'%') {
            let next = percent_decoded(&decoded);
            if next.len() == decoded.len() {
                break;
            }
            decodings += 1;
            if decodings > limits::PATH_DECODINGS {
                return true;
            }
            decoded = next;
        }
        let text = if decoded.is_ascii() {
            decoded.make_ascii_lowercase();
            String::from_utf8(decoded).unwrap_or_default()
        } else {
            folded(&String::from_utf8_lossy(&decoded))
        };
        let mut words = Words { text: &text, found: BTreeMap::new() };
        self.endpoints.iter().any(|endpoint| endpoint.words().all(|word| words.have(word)))
    }
}

/// A text that is searched for each word once: a word between whatever may come to separate
/// segments.
struct Words<'a> {
    text: &'a str,
    found: BTreeMap<&'a str, bool>,
}

impl<'a> Words<'a> {
    fn have(&mut self, word: &'a str) -> bool {
        *self.found.entry(word).or_insert_with(|| {
            self.text.match_indices(word).any(|(start, _)| {
                let (before, rest) = self.text.split_at_checked(start).unwrap_or_default();
                let after = rest.strip_prefix(word).unwrap_or_default();
                before.chars().next_back().is_none_or(|c| is_blank(c) || matches!(c, '/' | '\\'))
                    && after
                        .chars()
                        .next()
                        .is_none_or(|c| is_blank(c) || matches!(c, '/' | '\\' | ';' | '?' | '#'))
            })
        })
    }
}

/// Whether no rule changes more than the letter case of `path`, which is so for nearly every
/// request.
fn is_plain(path: &[u8]) -> bool {
    path.starts_with(b"/")
        && path
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_' | b'~' | b'.'))
        && !path.windows(2).any(|pair| pair == b"//")
        && !path.split(|&b| b == b'/').any(|segment| {
            let is_script =
                segment.last_chunk::<4>().is_some_and(|end| end.eq_ignore_ascii_case(b".php"));
            is_script || matches!(segment, b"." | b"..")
        })
}

/// What some backend does to a path. No rule makes a path longer.
type Rule = fn(&[u8]) -> Vec<u8>;

const RULES: [Rule; 10] = [
    percent_decoded,
    backslashes_as_slashes,
    without_empty_segments,
    resolve_dots,
    without_parameters,
    |path| up_to(path, b";"),
    |path| up_to(path, b"?#\0"),
    trimmed_segments,
    without_authority,
    without_script,
];

/// Lower case by Unicode's rules, as far as it is the same for all languages, and `i` for `İ`, as
/// Java has it. Characters that never become ASCII, as the names of endpoints are, stay as they
/// are.
fn folded(path: &str) -> String {
    let mut folded = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            'İ' => folded.push('i'),
            c if folds_to_ascii(c) => folded.extend(c.to_uppercase().flat_map(char::to_lowercase)),
            c => folded.push(c.to_ascii_lowercase()),
        }
    }
    folded
}

/// Whether a character beyond ASCII has ASCII letters in its upper or lower case.
fn folds_to_ascii(c: char) -> bool {
    matches!(c, 'ß' | 'ı' | 'ŉ' | 'ſ' | 'ǰ' | 'ẖ'..='ẛ' | '\u{212a}' | 'ﬀ'..='ﬆ')
}

/// Whether a segment is the wanted one, which is in lower case, to some comparison without regard
/// to letter case.
fn is_same_segment(wanted: &str, found: &[u8]) -> bool {
    if found.is_ascii() {
        return wanted.as_bytes().eq_ignore_ascii_case(found);
    }
    // U+212A, the Kelvin sign, is a `K` to such a comparison, and has three octets; no character
    // has more than four.
    found.len() <= 4 * wanted.len() && folded(&String::from_utf8_lossy(found)) == *wanted
}

fn without_final_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

fn percent_decoded(path: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(path).collect()
}

fn backslashes_as_slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|&b| if b == b'\\' { b'/' } else { b }).collect()
}

fn up_to(path: &[u8], ends: &[u8]) -> Vec<u8> {
    path.iter().copied().take_while(|b| !ends.contains(b)).collect()
}

/// Each segment up to its first semicolon, as servlet containers see it: `/token;x=1`,
/// `/x/..;/token`.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    join(
        path.split(|&b| b == b'/')
            .map(|segment| segment.split(|&b| b == b';').next().unwrap_or_default()),
    )
}

/// Without the host of a network-path reference (RFC 3986 §4.2), which URL parsers see in
/// `//host/token`.
fn without_authority(path: &[u8]) -> Vec<u8> {
    let slashes = path.iter().take_while(|&&b| b == b'/').count();
    let rest = path.get(slashes..).unwrap_or_default();
    match rest.iter().position(|&b| b == b'/') {
        Some(slash) if slashes > 1 => rest.get(slash..).unwrap_or_default().to_vec(),
        _ => path.to_vec(),
    }
}

/// Without the front controller, after which PHP frameworks route: `/index.php/token`.
fn without_script(path: &[u8]) -> Vec<u8> {
    const SCRIPT: &[u8] = b".php/";
    let script = path.windows(SCRIPT.len()).position(|window| window.eq_ignore_ascii_case(SCRIPT));
    script.and_then(|at| path.get(at + SCRIPT.len() - 1..)).unwrap_or(path).to_vec()
}

/// Blanks and control characters at the ends of segments are dropped, as file systems and some
/// routers do.
fn trimmed_segments(path: &[u8]) -> Vec<u8> {
    join(path.split(|&b| b == b'/').map(|segment| match std::str::from_utf8(segment) {
        Ok(text) => text.trim_matches(is_blank).as_bytes(),
        // In Latin-1, what is a blank or a control character has one octet.
        Err(_) => {
            let is_blank = |b: &u8| is_blank(char::from(*b));
            let start = segment.iter().position(|b| !is_blank(b)).unwrap_or(segment.len());
            let end = segment.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
            segment.get(start..end).unwrap_or_default()
        }
    }))
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

fn without_empty_segments(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &b in path {
        if b != b'/' || out.last() != Some(&b'/') {
            out.push(b);
        }
    }
    out
}

/// RFC 3986 §5.2.4.
fn resolve_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|&b| b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b".." => {
                kept.pop();
            }
            b"." => {}
            other => {
                kept.push(other);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push(b"");
        }
    }
    join(std::iter::once(&b""[..]).chain(kept))
}

fn join<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    segments.collect::<Vec<_>>().join(&b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoints(paths: &str) -> Result<Endpoints, JsonError> {
        Endpoints::from_json(&Json::parse(paths.as_bytes()).unwrap())
    }

    fn gated(path: &str) -> bool {
        endpoints(r#"["/token", "/oauth/Introspect/"]"#)
            .unwrap()
            .gates(&Target::new(path.as_bytes()))
    }

    #[test]
    fn characters_that_become_ascii() {
        for c in (0x80..=u32::from(char::MAX)).filter_map(char::from_u32).filter(|c| *c != 'İ') {
            let whole: String = c.to_uppercase().flat_map(char::to_lowercase).collect();
            assert!(
                folds_to_ascii(c) || whole.bytes().all(|b| !b.is_ascii_alphanumeric()),
                "{c}: {whole}"
            );
            assert!(!folds_to_ascii(c) || folded(&c.to_string()) == whole, "{c}: {whole}");
        }
    }

    #[test]
    fn every_spelling_of_a_listed_path_is_gated() {
        for path in [
            "/token",
            "/token?x",
            "/token?",
            "/token#x",
            "//token",
            "/./token",
            "/x/../token",
            "/%74oken",
            "/%2574oken",
            "/token/",
            "/token//",
            "/token;x=1",
            "/token;x=1/../y",
            "/TOKEN",
            "/x/..;/token",
            "/x/..;a=b/token",
            "/x/..%2ftoken",
            "/x/..%252ftoken",
            "/token%20",
            "/token%09",
            "/%20token",
            "/token%3Fx",
            "/token%3fx/../y",
            "/token%23x",
            "/token%00",
            "/token%00.html",
            "/x\\..\\token",
            "/x%5c..%5ctoken",
            "\\token",
            "token",
            "http://host/token",
            "*",
            "",
            "/../token",
            "/token/.",
            "/token/x/..",
            "/%2e%2e/token",
            "/a/b/../../token",
            "/a//../token",
            "/%2f/token",
            "/token%2f",
            "/token%3bx",
            "/to%e2%84%aaen",
            "/token%0a",
            "/token/%20/",
            "/TO%4BEN/.//;x",
            "/oauth/introspect",
            "/oauth/INTROSPECT/",
            "/oauth;v=1/introspect;y",
            "/%25252574oken",
            "/x/.;/../token",
            "//x/token",
            "///x/token",
            "/\\x/token",
            "/index.php/token",
            "/a/b.PHP/x/../token",
            "/oauth/%C4%B0ntrospect",
            "/oauth/%C4%B1NTROSPECT",
            "/oauth/introspect%C2%A0",
            "/oauth/introspect%C2%85",
            "/oauth/introspect%E3%80%80",
            "/%C2%A0token",
            "/token%A0",
        ] {
            assert!(gated(path), "{path}");
        }
    }

    #[test]
    fn other_paths_are_not() {
        for path in [
            "/",
            "/tokens",
            "/token/info",
            "/x?/token",
            "/x#/token",
            "/x%3f/token",
            "/tok",
            "/token.html",
            "/token-x",
            "/x/token",
            "/oauth",
            "/oauth/introspect/x",
            "/token/..",
            "/x;/token/y",
            "/jwks.json",
            "/.well-known/openid-configuration",
            "/a%20b/c%C3%A9",
            "/token%2fx",
            "/%zz",
        ] {
            assert!(!gated(path), "{path}");
        }
    }

    #[test]
    fn a_path_too_tangled_to_follow_is_gated() {
        for word in ["token", "oauth/%2525/..\\introspect", "TO\u{212a}EN;x", "a/%25252574oken%00"]
        {
            assert!(gated(&format!("/{}/{word}", "%2525;/..\\".repeat(5_000))), "{word}");
        }
        assert!(gated(&format!("/%{}74oken", "25".repeat(3_000))), "escaped too often to say");
        for word in ["", "tokens", "a-token", "oauth", "introspect"] {
            assert!(
                !gated(&format!("/{}/{word}", "%2525;/..\\".repeat(5_000))),
                "{word} is no endpoint's in any spelling"
            );
        }
        assert!(!gated(&format!("/files/{}", "%20a".repeat(500))), "long is not tangled");
    }

    #[test]
    fn only_plain_paths_can_be_listed() {
        for path in [
            "token",
            "",
            "/a?b",
            "/a#b",
            "/a;b",
            "/%74oken",
            "//a",
            "/a//b",
            "/./a",
            "/a/..",
            "/a b",
            "/é",
            "/a\\\\b",
            "http://h/a",
            "*",
            "**",
            "/*.json",
            "/token*",
            "/**/token",
            "/a/***",
            "/a/**/",
            "//**",
            "/a//**",
            "/realms/{realm}/token",
            "/realms/:realm/token",
            "/realms/<realm>/token",
            "/realms/[^/]+/token",
            "/(token|revoke)",
            "^/token",
            "/token$",
            "/token?",
            "/a|b",
        ] {
            let error = endpoints(&format!("[\"/ok\", \"{path}\"]")).unwrap_err();
            assert_eq!(error.pointer, "/1", "{path}");
        }
        assert!(endpoints("[]").is_err());
        assert!(endpoints("\"/token\"").is_err());
        assert!(
            endpoints(
                r#"["/", "/.well-known/a.b", "/a/", "/v1/token:revoke", "/**", "/*", "/*/a/**"]"#
            )
            .is_ok()
        );
    }

    #[test]
    fn patterns() {
        let patterns =
            endpoints(r#"["/realms/*/protocol/openid-connect/token", "/Oauth2/**", "/a/*"]"#)
                .unwrap();
        for path in [
            "/realms/bank/protocol/openid-connect/token",
            "/REALMS/Bank/protocol/openid-connect/token/",
            "/realms/b%61nk/protocol/%2fopenid-connect/token",
            "/realms/a%2fb/protocol/openid-connect/token",
            "/realms/é/protocol/openid-connect/token;x",
            "/x/../realms/bank//protocol/openid-connect/token",
            "/oauth2",
            "/oauth2/",
            "/oauth2/token",
            "/oauth2/a/b/c?x",
            "/x/../oauth2/%74oken",
            "/a/b",
            "/a/%2e",
        ] {
            assert!(patterns.gates(&Target::new(path.as_bytes())), "{path}");
        }
        for path in [
            "/realms/protocol/openid-connect/token",
            "/realms//protocol/openid-connect/token",
            "/realms/a/b/protocol/openid-connect/token",
            "/realms/bank/protocol/openid-connect/token/x",
            "/x/realms/bank/protocol/openid-connect/token",
            "/oauth22",
            "/oauth",
            "/a",
            "/a/",
            "/a/b/c",
        ] {
            assert!(!patterns.gates(&Target::new(path.as_bytes())), "{path}");
        }
        assert_eq!(
            patterns.example().as_deref(),
            Some("/realms/any/protocol/openid-connect/token")
        );
        let printed: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["/realms/*/protocol/openid-connect/token", "/oauth2/**", "/a/*"]);
        for (pattern, path, gates) in [
            (r#"["/**"]"#, "/", true),
            (r#"["/**"]"#, "/a/b", true),
            (r#"["/*"]"#, "/a", true),
            (r#"["/*"]"#, "/", false),
            (r#"["/*"]"#, "/a/b", false),
            (r#"["/*/**"]"#, "/a/b", true),
            (r#"["/"]"#, "/", true),
            (r#"["/"]"#, "/a", false),
        ] {
            let endpoints = endpoints(pattern).unwrap();
            assert_eq!(endpoints.gates(&Target::new(path.as_bytes())), gates, "{pattern} {path}");
            assert!(
                endpoints.gates(&Target::new(endpoints.example().unwrap().as_bytes())),
                "{pattern}"
            );
        }
    }

    #[test]
    fn resemblances_of_endpoints() {
        let endpoints =
            endpoints(r#"["/oauth/Token", "/realms/*/par", "/x/*", "/y/**", "/"]"#).unwrap();
        for path in [
            "/v1/token/.",
            "/v1/token/x/..",
            "/auth/token",
            "/token",
            "/a/TOKEN/",
            "/a/%74oken;x=1",
            "/a%2Ftoken%3Fx",
            "/a\\token//",
            "/a/ token ",
            "/b/par?x",
        ] {
            assert!(endpoints.resembles(&Target::new(path.as_bytes())), "{path}");
        }
        for path in ["/", "/tokens", "/token/info", "/*", "/x", "/y", "/a/**", ""] {
            assert!(!endpoints.resembles(&Target::new(path.as_bytes())), "{path}");
        }
    }

    #[test]
    fn credentials_in_the_query() {
        let found = |path: &str| Target::new(path.as_bytes()).credential_in_query();
        for (path, name) in [
            ("/token?client_id=a", "client_id"),
            ("/token?a=b&client%5Fsecret=a", "client_secret"),
            ("/token?a;client_assertion", "client_assertion"),
            ("/token?client_assertion_type=a", "client_assertion_type"),
            ("/token?Client_Id[]=a", "Client_Id[]"),
            ("/token%3Fclient_id=a", "client_id"),
            ("/token%253Fclient_id=a", "client_id"),
            ("/token?%zz=1&client_id=a", "client_id"),
            ("/token?client_id%00x=a", "client_id\0x"),
            ("/token?client_id%00%ff=a", "client_id\0\u{fffd}"),
            ("/token?client_id[%zz]=a", "client_id[%zz]"),
            ("/token?%u0063lient_secret=a", "client_secret"),
            ("/token%3F%u0063lient_id=a", "client_id"),
            ("/token?client_id%A0=a", "client_id\u{a0}"),
            ("/token?a#&client_id=a", "client_id"),
            ("/token?a#client_id=a", "client_id"),
        ] {
            assert_eq!(found(path).as_deref(), Some(name), "{path}");
        }
        for (number, is_refused) in [(64, false), (65, true)] {
            assert_eq!(
                found(&format!("/token?{}", "%ffclientele&".repeat(number))).is_some(),
                is_refused,
                "{number}"
            );
        }
        for path in [
            "/token",
            "/token?",
            "/token?clientid=a&scope=client_id",
            "/client_id",
            "/token?%ff=a",
            "/token#client_id=a",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_for_plain_paths_is_the_long_way(path in "(/[a-z.~]{0,5}|/token|/\\.{1,2}|/x\\.php){0,4}") {
            let endpoints = endpoints(r#"["/token"]"#).unwrap();
            if is_plain(path.as_bytes()) {
                prop_assert_eq!(endpoints.lists(path.as_bytes()), endpoints.lists_any_spelling_of(path.as_bytes()));
            }
        }

        #[test]
        fn decorations_never_hide_a_listed_path(
            decorations in prop::collection::vec(prop::sample::select(vec!["/", "/.", "/x/..", "/%2e", "/y/%2e%2e", "\\", "/;a=b", "/ ", "/%00"]), 0..4),
            escape in prop::collection::vec(any::<bool>(), 5),
            end in prop::sample::select(vec!["", "/", ";x", "?q", "%3Fq", "%20", "%00", "/.", "%09", "//", "%2F"]),
        ) {
            let name: String = "token".chars().zip(escape).map(|(c, escape)| if escape { format!("%{:02x}", c as u32) } else { c.to_string() }).collect();
            let path = format!("{}/{name}{end}", decorations.concat());
            prop_assert!(gated(&path), "{}", path);
        }

        #[test]
        fn any_path_gets_an_answer(path in prop::collection::vec(any::<u8>(), 0..300)) {
            let target = Target::new(&path);
            let _ = endpoints(r#"["/token"]"#).unwrap().gates(&target);
            let _ = target.credential_in_query();
        }
    }
}
