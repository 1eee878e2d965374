//! The query of the path of a page: how many entries it asks for, and where the page begins.

use super::spelling::known;
use crate::{limits, percent};

/// Parameters of a path that ask for a number of entries, in any spelling.
const ENTRY_LIMITS: [&str; 10] =
    ["max", "limit", "per_page", "pageSize", "page_size", "size", "count", "take", "top", "$top"];

/// The parameter of the path that asks for exactly this number of entries.
pub(super) fn limit_of(path: &str, entries: u64) -> Option<&'static str> {
    parameters(path).into_iter().find_map(|(name, rest)| {
        let known = known(&ENTRY_LIMITS, &decoded(name))?;
        let number = decoded(rest.get(1..)?);
        // In a query "+" is also a blank.
        (number.trim_matches([' ', '+']).parse() == Ok(entries)).then_some(known)
    })
}

/// Whether the query of a path asks for a number of entries, so that a first page with as many of
/// them is not taken for the whole list.
pub fn has_entry_limit(path: &str) -> bool {
    parameters(path).into_iter().any(|(name, rest)| {
        let number = decoded(rest.get(1..).unwrap_or_default());
        let number = number.trim_matches([' ', '+']).parse::<u64>();
        known(&ENTRY_LIMITS, &decoded(name)).is_some() && number.is_ok_and(|number| number > 0)
    })
}

/// The path of the page that begins at `start`, for five hundred entries, as Authlete has it.
/// `start` and `end` are replaced where `path` has them, and appended where it does not.
pub(in crate::registry) fn page_from(path: &str, start: u64) -> Box<str> {
    let mut page = path.split('?').next().unwrap_or_default().to_owned();
    let mut range = [
        ("start", Some(start)),
        ("end", Some(start.saturating_add(limits::AUTHLETE_PAGE_ENTRIES))),
    ];
    for (name, rest) in parameters(path).into_iter().chain([("start", ""), ("end", "")]) {
        let value;
        let rest = match range.iter_mut().find(|(own, _)| *own == decoded(name)) {
            None => rest,
            Some((_, number)) => {
                let Some(number) = number.take() else { continue };
                value = format!("={number}");
                &value
            }
        };
        page.push_str(if page.contains('?') { "&" } else { "?" });
        page.push_str(name);
        page.push_str(rest);
    }
    page.into()
}

#[inline(never)]
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent::decode(text.as_bytes())).into_owned()
}

/// The name of each parameter of the query, and the rest of the parameter with its `=`.
#[inline(never)]
fn parameters(path: &str) -> Vec<(&str, &str)> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let name_end = |parameter: &'_ str| parameter.find('=').unwrap_or(parameter.len());
    query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_at(name_end(parameter)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authletes_next_page_has_its_range_in_the_path() {
        for (path, expected) in [
            ("/list", "/list?start=5&end=505"),
            ("/list?", "/list?start=5&end=505"),
            ("/list?developer=x", "/list?developer=x&start=5&end=505"),
            ("/list?start=0&end=5&developer=x%26", "/list?start=5&end=505&developer=x%26"),
            ("/list?end=5&a=start", "/list?end=505&a=start&start=5"),
            ("/list?start=0&start=3&end=5&end", "/list?start=5&end=505"),
            ("/list?starts=1&Start=1", "/list?starts=1&Start=1&start=5&end=505"),
            ("/list?%73tart=0&en%64=5&a=%73", "/list?%73tart=5&en%64=505&a=%73"),
        ] {
            assert_eq!(&*page_from(path, 5), expected, "{path}");
        }
    }

    #[test]
    fn paths_that_ask_for_a_number_of_entries() {
        for (path, has_limit) in [
            ("/clients?limit=100", true),
            ("/clients?a=b&Per-Page=+1", true),
            ("/clients?%24top=50", true),
            ("/clients?limit=0", false),
            ("/clients?limit=all", false),
            ("/clients?limit", false),
            ("/clients?offset=100", false),
            ("/clients/limit=100", false),
            ("/clients", false),
        ] {
            assert_eq!(has_entry_limit(path), has_limit, "{path}");
        }
    }
}
