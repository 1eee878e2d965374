//! What backends make of a path before they route by it.
//!
//! Backends combine these rules in many orders (decode and then resolve, cut parameters and then
//! decode, …). So a path with anything unusual in it is followed through every combination:
//! whatever can be reached from it is what some backend may see.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::{limits, percent};

/// What an octet of a request target can do to a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Nothing.
    Plain,
    Slash,
    Dot,
    /// It ends the path.
    End,
    /// Some rule may change it.
    Unusual,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Unusual; 256];
    let mut octet = 0;
    while octet < classes.len() {
        #[allow(clippy::indexing_slicing, reason = "the compiler runs it")]
        {
            classes[octet] = match octet as u8 {
                b'/' => Class::Slash,
                b'.' => Class::Dot,
                b'?' | b'#' => Class::End,
                b'-' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Class::Plain,
                _ => Class::Unusual,
            };
        }
        octet += 1;
    }
    classes
};

/// The length of the path at the beginning of a request target, which ends at the first `?` or `#`;
/// and whether no rule changes more than its letter case, which is so for nearly every request.
pub(super) fn measure(target: &[u8]) -> (usize, bool) {
    let (mut is_plain, mut has_dot, mut before) = (true, false, Class::Plain);
    let mut length = target.len();
    for (place, octet) in target.iter().enumerate() {
        let class = CLASSES.get(usize::from(*octet)).copied().unwrap_or(Class::Unusual);
        match class {
            Class::Plain => {}
            Class::Slash => is_plain &= before != Class::Slash,
            Class::Dot => has_dot = true,
            Class::Unusual => is_plain = false,
            Class::End => {
                length = place;
                break;
            }
        }
        before = class;
    }
    let path = target.get(..length).unwrap_or_default();
    is_plain &= path.first() == Some(&b'/') && !(has_dot && has_unusual_dots(path));
    (length, is_plain)
}

/// Whether a segment is `.` or `..`, or the name of a script.
fn has_unusual_dots(path: &[u8]) -> bool {
    path.split(|&b| b == b'/').any(|segment| is_script(segment) || matches!(segment, b"." | b".."))
}

/// What a search for a spelling found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spellings {
    /// One of them is wanted.
    Wanted,
    /// None of them is.
    Others,
    /// The path is long or has many, and its words show that none is wanted.
    Unlikely,
    /// There are more than [`limits::PATH_SPELLING_OCTETS`], and none of those that were looked at
    /// is wanted. What the path means cannot be determined.
    TooMany,
}

/// Looks for a spelling of `path`, `path` itself included, for which `is_wanted` holds.
/// `may_be_wanted` = whether some spelling may be, by the words of the path; it is asked where a
/// search for all spellings costs much, or has not found an end.
pub(crate) fn find_spelling(
    path: &[u8],
    may_be_wanted: &dyn Fn() -> bool,
    is_wanted: &mut dyn FnMut(&[u8]) -> bool,
) -> Spellings {
    let is_long = path.len() > limits::LONG_PATH_OCTETS;
    if is_long && !may_be_wanted() {
        return Spellings::Unlikely;
    }
    match follow(path, is_wanted) {
        Spellings::TooMany if !is_long && !may_be_wanted() => Spellings::Unlikely,
        found => found,
    }
}

fn follow(path: &[u8], is_wanted: &mut dyn FnMut(&[u8]) -> bool) -> Spellings {
    // http.sys of Windows, which few paths concern.
    let of_escapes: &[Rule] = if path.contains(&b'%') { &[percent::decode_utf16] } else { &[] };
    // No rule makes a path longer, so the search ends.
    let mut octets_left = limits::PATH_SPELLING_OCTETS;
    let mut seen = BTreeSet::new();
    let mut open = vec![path.to_vec()];
    while let Some(path) = open.pop() {
        if is_wanted(&path) {
            return Spellings::Wanted;
        }
        for rule in RULES.iter().chain(of_escapes) {
            // Each rule copies the path, even where it changes nothing.
            let Some(left) = octets_left.checked_sub(path.len() / 4 + 16) else {
                return Spellings::TooMany;
            };
            octets_left = left;
            let next = rule(&path);
            if next == path || seen.contains(&next) {
                continue;
            }
            let Some(left) = octets_left.checked_sub(next.len() + 16) else {
                return Spellings::TooMany;
            };
            octets_left = left;
            seen.insert(next.clone());
            open.push(next);
        }
    }
    Spellings::Others
}

/// `path`, decoded until nothing changes, and whether it is: at most [`limits::PATH_DECODINGS`]
/// times.
pub(super) fn decoded(path: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = path.to_vec();
    let mut decodings = 0;
    while decoded.contains(&b'%') {
        let next = percent::decode_utf16(&percent_decoded(&decoded));
        if next.len() == decoded.len() {
            break;
        }
        decodings += 1;
        if decodings > limits::PATH_DECODINGS {
            return (decoded, false);
        }
        decoded = next;
    }
    (decoded, true)
}

/// The text in which every word of every spelling of `path` occurs, in lower case. `None` = it is
/// still escaped after all decodings.
pub(super) fn fully_decoded(path: &[u8]) -> Option<String> {
    let (mut decoded, is_whole) = decoded(path);
    is_whole.then(|| {
        if decoded.is_ascii() {
            decoded.make_ascii_lowercase();
            String::from_utf8(decoded).unwrap_or_default()
        } else {
            folded(&String::from_utf8_lossy(&decoded))
        }
    })
}

/// A text of [`fully_decoded`] that is searched at most once for each word. A word stands between
/// characters that may come to separate segments.
pub(super) struct Words<'a> {
    text: &'a str,
    found: BTreeMap<&'a str, bool>,
}

impl<'a> Words<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, found: BTreeMap::new() }
    }

    pub(super) fn contain(&mut self, word: &'a str) -> bool {
        // An octet that is not UTF-8 may be a blank of Latin-1, which some rule takes away.
        let is_blank = |c: char| is_blank(c) || c == char::REPLACEMENT_CHARACTER;
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

/// The last segment of `path`, of which [`measure`] says whether it is plain. If it is not, that is
/// the last one that is not empty after the usual rules, in lower case. Only the last
/// [`limits::LOOKALIKE_SEGMENT_OCTETS`] octets of the path are read.
pub(super) fn last_segment(path: &[u8], is_plain: bool) -> Option<Cow<'_, [u8]>> {
    let end = path
        .len()
        .checked_sub(limits::LOOKALIKE_SEGMENT_OCTETS)
        .and_then(|start| path.get(start..))
        .unwrap_or(path);
    if is_plain {
        return without_final_slash(end).rsplit(|&b| b == b'/').next().map(Cow::Borrowed);
    }
    let decoded = percent::decode_utf16(&percent_decoded(&percent_decoded(end)));
    let path = resolve_dots(&up_to(&decoded, b"?#\0"));
    let mut segments = path
        .rsplit(|b| matches!(b, b'/' | b'\\'))
        .map(|segment| trimmed_segments(&up_to(segment, b";")));
    let segment = segments.find(|segment| !segment.is_empty())?;
    Some(Cow::Owned(folded(&String::from_utf8_lossy(&segment)).into_bytes()))
}

/// What some backend does to a path. No rule makes a path longer.
type Rule = fn(&[u8]) -> Vec<u8>;

const RULES: [Rule; 12] = [
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
    without_path_info,
    without_sessions,
];

/// `path` in lower case by the rules of Unicode that are the same for all languages, and with `i`
/// for `İ`, as in Java. A character that folds to no ASCII letter stays as it is, because the names
/// of endpoints are ASCII.
pub(crate) fn folded(path: &str) -> String {
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

/// Whether the segment `found` equals `wanted`, which is in lower case, to some comparison without
/// regard to letter case.
pub(super) fn is_same_segment(wanted: &str, found: &[u8]) -> bool {
    if found.is_ascii() {
        return wanted.as_bytes().eq_ignore_ascii_case(found);
    }
    // One octet of `wanted` may stand for a longer character: the Kelvin sign, U+212A, has three
    // octets and equals `k`. No character has more than four.
    found.len() <= 4 * wanted.len() && folded(&String::from_utf8_lossy(found)) == *wanted
}

pub(super) fn without_final_slash(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

fn percent_decoded(path: &[u8]) -> Vec<u8> {
    percent::decode(path).into_owned()
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
    map_segments(path, &mut |segment| segment.split(|&b| b == b';').next())
}

/// Without the host of a network-path reference (RFC 3986 §4.2), as URL parsers read
/// `//host/token`.
fn without_authority(path: &[u8]) -> Vec<u8> {
    let slashes = path.iter().take_while(|&&b| b == b'/').count();
    let rest = path.get(slashes..).unwrap_or_default();
    match rest.iter().position(|&b| b == b'/') {
        Some(slash) if slashes > 1 => rest.get(slash..).unwrap_or_default().to_vec(),
        _ => path.to_vec(),
    }
}

/// Without the front controller, behind which PHP frameworks route: `/index.php/token`.
fn without_script(path: &[u8]) -> Vec<u8> {
    const SCRIPT: &[u8] = b".php/";
    let script = path.windows(SCRIPT.len()).position(|window| window.eq_ignore_ascii_case(SCRIPT));
    script.and_then(|at| path.get(at + SCRIPT.len() - 1..)).unwrap_or(path).to_vec()
}

/// Up to the first script, which gets the rest as its PATH_INFO (RFC 3875 §4.1.5): `/token.php/x`.
fn without_path_info(path: &[u8]) -> Vec<u8> {
    let mut has_script = false;
    map_segments(path, &mut |segment| {
        let is_info = has_script;
        has_script |= is_script(segment);
        (!is_info).then_some(segment)
    })
}

/// Whether a segment is the name of a script that a server runs with what follows in the path.
fn is_script(segment: &[u8]) -> bool {
    // The fast path: the name of nearly no segment ends so.
    let may_be_one =
        segment.last().is_some_and(|last| matches!(last | 0x20, b'p' | b'i' | b'l' | b'x'));
    may_be_one && has_ending(segment)
}

#[inline(never)]
fn has_ending(segment: &[u8]) -> bool {
    let ending = segment.iter().rposition(|&b| b == b'.').and_then(|dot| segment.get(dot + 1..));
    ending.is_some_and(|ending| SCRIPTS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

/// The endings of scripts of PHP, CGI (RFC 3875) and ASP.NET.
const SCRIPTS: [&[u8]; 8] = [b"php", b"cgi", b"fcgi", b"pl", b"asp", b"aspx", b"ashx", b"asmx"];

/// Without the segments in which ASP.NET keeps sessions of clients that have no cookies:
/// `/(S(abc))/token`.
fn without_sessions(path: &[u8]) -> Vec<u8> {
    map_segments(path, &mut |segment| {
        let is_session = segment.starts_with(b"(") && segment.ends_with(b"))");
        (!is_session).then_some(segment)
    })
}

/// Without blanks and control characters at the ends of segments, which file systems and some
/// routers drop.
fn trimmed_segments(path: &[u8]) -> Vec<u8> {
    map_segments(path, &mut |segment| match std::str::from_utf8(segment) {
        Ok(text) => Some(text.trim_matches(is_blank).as_bytes()),
        // Read as Latin-1, a blank or a control character is one octet.
        Err(_) => {
            let is_blank = |b: &u8| is_blank(char::from(*b));
            let start = segment.iter().position(|b| !is_blank(b)).unwrap_or(segment.len());
            let end = segment.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
            segment.get(start..end)
        }
    })
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

/// Without dot segments (RFC 3986 §5.2.4).
pub(super) fn resolve_dots(path: &[u8]) -> Vec<u8> {
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

/// The segments that `map` makes of those of `path`; `None` = none in its place.
fn map_segments<'a>(path: &'a [u8], map: &mut dyn FnMut(&'a [u8]) -> Option<&'a [u8]>) -> Vec<u8> {
    join(path.split(|&b| b == b'/').filter_map(map))
}

fn join<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    segments.collect::<Vec<_>>().join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_network_path_is_dropped() {
        for (path, without) in [
            ("//host/token", "/token"),
            ("///host/a/b", "/a/b"),
            ("//host", "//host"),
            ("/a/token", "/a/token"),
            ("token", "token"),
        ] {
            assert_eq!(without_authority(path.as_bytes()), without.as_bytes(), "{path}");
        }
    }

    #[test]
    fn only_scripts_have_a_path_info_and_only_sessions_are_dropped() {
        for (path, without_info, no_session) in [
            ("/a.php/token", "/a.php", "/a.php/token"),
            ("/a.aSPx/b/c", "/a.aSPx", "/a.aSPx/b/c"),
            ("/api/token", "/api/token", "/api/token"),
            ("/a.pp/token", "/a.pp/token", "/a.pp/token"),
            ("/a.phpx/token", "/a.phpx/token", "/a.phpx/token"),
            ("/(S(a))/token", "/(S(a))/token", "/token"),
            ("/(S(a)/token", "/(S(a)/token", "/(S(a)/token"),
            ("/S(a))/token", "/S(a))/token", "/S(a))/token"),
        ] {
            assert_eq!(without_path_info(path.as_bytes()), without_info.as_bytes(), "{path}");
            assert_eq!(without_sessions(path.as_bytes()), no_session.as_bytes(), "{path}");
        }
    }

    #[test]
    fn segments_beyond_ascii() {
        for (wanted, found, is_same) in [
            ("token", "é", false),
            ("token", "toĸen", false),
            ("token", "to\u{212a}en", true),
            ("kkkk", "\u{212a}\u{212a}\u{212a}\u{212a}", true),
            ("k", "\u{212a}\u{212a}", false),
        ] {
            assert_eq!(is_same_segment(wanted, found.as_bytes()), is_same, "{wanted} {found}");
        }
    }

    #[test]
    fn a_path_is_decoded_so_often_and_no_more() {
        let escaped = |times: usize| format!("/%{}41", "25".repeat(times - 1));
        for times in 1..=limits::PATH_DECODINGS {
            assert_eq!(fully_decoded(escaped(times).as_bytes()).as_deref(), Some("/a"), "{times}");
        }
        assert_eq!(fully_decoded(escaped(limits::PATH_DECODINGS + 1).as_bytes()), None);
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
}
