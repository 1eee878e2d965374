//! Whether a list is whole (contract §6). Half of one makes every client of the other half unknown,
//! and where the policy is `unregistered_clients: "pass"`, everybody passes as them.

use crate::limits;
use std::collections::BTreeSet;
use std::fmt;

use crate::certificate::Thumbprint;
use crate::json::Json;

/// Why a list is not taken for the whole list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotWhole {
    /// A page without entries, before the stated total was reached.
    EmptyPage {
        /// Entries of all pages so far.
        entries: u64,
        /// The total that was stated.
        total: u64,
    },
    /// A later page states another `totalCount`: the list changed in the meantime.
    OtherTotal {
        /// That of the pages before.
        before: u64,
        /// That of this page.
        now: u64,
    },
    /// The last page is in, and there are fewer entries than the list is said to have.
    BelowTotal {
        /// The member that says so.
        member: &'static str,
        /// Entries of all pages.
        entries: u64,
        /// The total that was stated.
        total: u64,
    },
    /// The page does not begin where it must.
    OtherStart {
        /// Where it must.
        asked: u64,
        /// Its `start`; `None` = it does not say.
        start: Option<u64>,
    },
    /// This member says that there is more, and no link leads there.
    SaysMore(&'static str),
    /// This member should be a number and is none.
    NoNumber(&'static str),
    /// As many entries as the path asks for, and not a word about whether there are more.
    AsLongAsAsked {
        /// The parameter of `path` that asks for so many.
        parameter: &'static str,
        /// So many.
        entries: u64,
    },
    /// Two pages begin with the same entry: one was sent twice.
    PageAgain,
    /// The list has more pages than `max_pages`.
    MorePages,
    /// A page lacks the header that `generation_header` names.
    NoGeneration,
    /// The header that `generation_header` names is not the same on every page.
    OtherGeneration,
    /// No two readings of the pages had the same clients.
    Unsettled,
}

impl fmt::Display for NotWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyPage { entries, total } => write!(
                f,
                "an empty page after {entries} of \
                {total} entries"
            ),
            Self::OtherTotal { before, now } => write!(
                f,
                "totalCount was {before} and is {now} on \
                a later page"
            ),
            Self::BelowTotal { member, entries, total } => write!(
                f,
                "it ends with {entries} \
                entries, {member} is {total}"
            ),
            Self::OtherStart { asked, start: Some(start) } => write!(
                f,
                "a page begins at {start} \
                instead of {asked}"
            ),
            Self::OtherStart { asked, start: None } => write!(
                f,
                "the page from {asked} on has no \
                start, end and totalCount"
            ),
            Self::SaysMore(member) => write!(
                f,
                "\"{member}\" says that there is more, and no link \
                leads there"
            ),
            Self::NoNumber(member) => write!(f, "\"{member}\" is no number"),
            Self::AsLongAsAsked { parameter, entries } => {
                write!(
                    f,
                    "exactly the {entries} entries that {parameter} asks for, and no link: \
                    there may be more"
                )
            }
            Self::PageAgain => f.write_str("two of its pages begin with the same entry"),
            Self::MorePages => f.write_str("more pages than max_pages"),
            Self::NoGeneration => f.write_str(
                "a page lacks the generation_header (three \
                attempts)",
            ),
            Self::OtherGeneration => f.write_str(
                "the generation_header changed between pages \
                (three attempts)",
            ),
            Self::Unsettled => f.write_str(
                "three readings of its pages had different clients; unregistered_clients is \
                 \"pass\", set generation_header",
            ),
        }
    }
}

/// Members that say how many entries the whole list has. These and the others are known in every
/// letter case, and without `_` and `-`.
const TOTALS: [&str; 8] = [
    TOTAL_COUNT,
    "total",
    "total_count",
    "totalResults",
    "totalElements",
    "totalItems",
    "totalRecords",
    "@odata.count",
];
/// Authlete's.
const TOTAL_COUNT: &str = "totalCount";
/// Members that say that there is more, unless they say nothing.
const MORE: [&str; 12] = [
    "has_more",
    "hasMore",
    "next",
    "nextPageToken",
    "next_page_token",
    "cursor",
    "@odata.nextLink",
    "nextLink",
    "next_page",
    "next_page_url",
    "next_cursor",
    "hasNext",
];
/// Members that say how many pages the list has.
const PAGES: [&str; 2] = ["total_pages", "last_page"];
/// Says that there is more where it is false. Where it is no boolean, it is a link to the last
/// page.
const LAST: &str = "last";
/// Members that hold links, one of which may be to the next page: HAL's, and those of others.
const LINKS: [&str; 2] = ["links", "_links"];
/// Objects of such members.
const GROUPS: [&str; 4] = ["meta", "page", "paging", "pagination"];
/// Parameters of a path that ask for so many entries.
const LIMITS: [&str; 5] = ["max", "limit", "per_page", "pageSize", "page_size"];

/// What a page says of the list, beside its entries.
#[derive(Debug, Default)]
pub(in crate::registry) struct Page {
    /// Number of its entries.
    entries: u64,
    /// SHA-256 of the first one as it stands there, in base64url.
    first: Box<str>,
    start: Option<u64>,
    end: Option<u64>,
    total_count: Option<u64>,
    /// The largest number of [`TOTALS`].
    total: Option<Total>,
    more: Option<&'static str>,
    /// The largest number of [`PAGES`].
    pages: Option<u64>,
    no_number: Option<&'static str>,
    /// Whether any member says that there is more, or that there is not.
    speaks: bool,
}

#[derive(Clone, Copy, Debug)]
struct Total {
    member: &'static str,
    total: u64,
}

impl Page {
    /// Takes note of an entry; `octets` = as it stands there.
    pub(super) fn entry(&mut self, octets: &[u8]) {
        self.entries += 1;
        if self.entries == 1 {
            self.first = Thumbprint::of(octets.trim_ascii()).to_string().into();
        }
    }

    /// Takes note of a member beside the entries.
    pub(super) fn member(&mut self, name: &str, value: &Json) {
        match name {
            "start" => self.start = number(value).ok().flatten(),
            "end" => self.end = number(value).ok().flatten(),
            _ => self.word(name, value),
        }
    }

    /// The same, also of a member of one of [`GROUPS`].
    fn word(&mut self, name: &str, value: &Json) {
        if let Some(member) = known(&TOTALS, name) {
            self.speaks = true;
            match number(value) {
                Err(NoNumber) => self.no_number = Some(member),
                Ok(None) => {}
                Ok(Some(total)) => {
                    if member == TOTAL_COUNT {
                        self.total_count = Some(total);
                    }
                    if self.total.is_none_or(|known| known.total < total) {
                        self.total = Some(Total { member, total });
                    }
                }
            }
        } else if let Some(member) = known(&MORE, name) {
            self.speaks = true;
            self.more = self.more.or(says_something(value).then_some(member));
        } else if let Some(member) = known(&LINKS, name) {
            self.speaks = true;
            self.more = self.more.or(leads_on(value).then_some(member));
        } else if known(&PAGES, name).is_some() {
            // Others have a link of this name.
            let pages = number(value).ok().flatten();
            self.speaks |= pages.is_some();
            self.pages = self.pages.max(pages);
        } else if let (Some(member), Json::Bool(is_last)) = (known(&[LAST], name), value) {
            self.speaks = true;
            self.more = self.more.or((!is_last).then_some(member));
        } else if let (Some(_), Json::Object(members)) = (known(&GROUPS, name), value) {
            members.iter().for_each(|(name, value)| self.word(name, value));
        }
    }

    /// The page is the first of a list that is asked for with `path`, and has no header `link`.
    pub(in crate::registry) fn check_limit(&self, path: &str) -> Result<(), NotWhole> {
        if self.speaks {
            return Ok(());
        }
        for (name, rest) in parameters(path) {
            if let Some(parameter) = LIMITS.iter().find(|known| known.eq_ignore_ascii_case(name))
                && rest.get(1..).and_then(|value| value.parse().ok()) == Some(self.entries)
            {
                return Err(NotWhole::AsLongAsAsked { parameter, entries: self.entries });
            }
        }
        Ok(())
    }
}

/// The one of `names` that `name` is: as it stands, or else in another spelling.
#[inline(never)]
fn known(names: &[&'static str], name: &str) -> Option<&'static str> {
    let is_spelling = |known: &&&'static str| folded(known).eq(folded(name));
    names.iter().find(|known| **known == name).or_else(|| names.iter().find(is_spelling)).copied()
}

fn folded(name: &str) -> impl Iterator<Item = u8> {
    name.bytes()
        .filter(|octet| !matches!(octet, b'_' | b'-'))
        .map(|octet| octet.to_ascii_lowercase())
}

/// The values of an object's members of this name, in whatever spelling.
fn members<'a>(json: &'a Json, wanted: &'static str) -> impl Iterator<Item = &'a Json> {
    let members = if let Json::Object(members) = json { members.as_slice() } else { &[] };
    members.iter().filter(move |(name, _)| known(&[wanted], name).is_some()).map(|(_, value)| value)
}

struct NoNumber;

/// A whole number, also in quotes or as the `value` of an object that does not say that there may
/// be more (OpenSearch's `relation`); `Ok(None)` = nothing is said. One below zero is no number of
/// anything: "not known".
fn number(json: &Json) -> Result<Option<u64>, NoNumber> {
    match json {
        Json::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(number), _) => Ok(Some(number)),
            // A fraction is more than what is below it.
            (None, Some(number)) => Ok((number > 0.0).then_some(number.ceil() as u64)),
            (None, None) => Err(NoNumber),
        },
        Json::String(text) if text.trim().parse::<u64>().is_ok() => Ok(text.trim().parse().ok()),
        Json::Object(_) if members(json, "value").next().is_some() => {
            let is_exact = |relation: &Json| matches!(relation, Json::String(relation) if relation.eq_ignore_ascii_case("eq"));
            let mut values = members(json, "value");
            match (values.next(), values.next()) {
                (Some(value), None) if members(json, "relation").all(is_exact) => number(value),
                _ => Err(NoNumber),
            }
        }
        other if says_something(other) => Err(NoNumber),
        _ => Ok(None),
    }
}

/// `null`, `false`, 0 and what is empty say nothing, in quotes or as all that something holds.
fn says_something(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !["", "0", "false", "null"]
            .iter()
            .any(|nothing| nothing.eq_ignore_ascii_case(text.trim())),
        Json::Array(elements) => elements.iter().any(says_something),
        Json::Object(members) => members.iter().any(|(_, value)| says_something(value)),
    }
}

/// Whether one of these links is to the next page: the member `next` of an object, or an entry with
/// the relation type.
fn leads_on(links: &Json) -> bool {
    let is_next =
        |text: &str| text.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next"));
    let has_type = |rel: &Json| match rel {
        Json::String(types) => is_next(types),
        Json::Array(types) => {
            types.iter().any(|one| matches!(one, Json::String(one) if is_next(one)))
        }
        _ => false,
    };
    match links {
        Json::Array(entries) => entries.iter().any(|entry| {
            members(entry, "rel").chain(members(entry, "relation")).any(has_type)
                && (members(entry, "href").next().is_none()
                    || members(entry, "href").any(says_something))
        }),
        links => members(links, "next").any(says_something),
    }
}

/// The name of each parameter of the query, and the rest of it with its `=`.
#[inline(never)]
fn parameters(path: &str) -> Vec<(&str, &str)> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let named = |parameter: &'_ str| parameter.find('=').unwrap_or(parameter.len());
    query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_at(named(parameter)))
        .collect()
}

/// The path of the page from `start` on, for five hundred entries: Authlete's way. `start` and
/// `end` of `path` are replaced where they stand.
pub(in crate::registry) fn page_from(path: &str, start: u64) -> Box<str> {
    let mut page = path.split('?').next().unwrap_or_default().to_owned();
    let mut left = [
        ("start", Some(start)),
        ("end", Some(start.saturating_add(limits::AUTHLETE_PAGE_ENTRIES))),
    ];
    // Where there is none to be replaced, it comes last.
    for (name, rest) in parameters(path).into_iter().chain([("start", ""), ("end", "")]) {
        let value;
        let rest = match left.iter_mut().find(|(own, _)| *own == name) {
            None => rest,
            Some((_, left)) => {
                let Some(number) = left.take() else { continue };
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

/// The pages of a list, as far as they are in.
#[derive(Debug, Default)]
pub(in crate::registry) struct Whole {
    pages: u64,
    /// Entries of all of them.
    entries: u64,
    total_count: Option<u64>,
    total: Option<Total>,
    /// Whether a link led to one of them.
    by_link: bool,
    /// Where the page must begin that was asked for by its start.
    asked: Option<u64>,
    firsts: BTreeSet<Box<str>>,
    is_page_again: bool,
}

impl Whole {
    /// A page is in. `has_next` = a link leads to the next one. Returns where the next one begins
    /// that must be asked for by its start; without it and without link the list is whole.
    pub(in crate::registry) fn add(
        &mut self,
        page: &Page,
        has_next: bool,
    ) -> Result<Option<u64>, NotWhole> {
        self.pages += 1;
        self.entries = self.entries.saturating_add(page.entries);
        let range = page.start.zip(page.end).zip(page.total_count).map(|(range, _)| range);
        if let Some(asked) = self.asked.take() {
            let start = range.map(|(start, _)| start);
            if start != Some(asked) {
                return Err(NotWhole::OtherStart { asked, start });
            }
        }
        match (self.total_count, page.total_count) {
            (Some(before), Some(now)) if before != now => {
                return Err(NotWhole::OtherTotal { before, now });
            }
            (before, now) => self.total_count = before.or(now),
        }
        self.total = [self.total, page.total].into_iter().flatten().max_by_key(|total| total.total);
        self.is_page_again |= page.entries > 0 && !self.firsts.insert(page.first.clone());
        if has_next {
            self.by_link = true;
            return Ok(None);
        }
        if let Some(member) = page.no_number.filter(|_| !self.by_link) {
            return Err(NotWhole::NoNumber(member));
        }
        if let Some(Total { member, total }) =
            self.total.filter(|stated| stated.total > self.entries)
        {
            let entries = self.entries;
            return match range.filter(|_| !self.by_link) {
                _ if page.entries == 0 => Err(NotWhole::EmptyPage { entries, total }),
                Some((start, _)) if self.pages == 1 && start != 0 => {
                    Err(NotWhole::OtherStart { asked: 0, start: Some(start) })
                }
                // What holds fewer entries than it says leaves out some that no other page has.
                Some((start, end))
                    if start < end && self.total_count.is_some_and(|total| end < total) =>
                {
                    self.asked = Some(end);
                    Ok(Some(end))
                }
                _ => Err(NotWhole::BelowTotal { member, entries, total }),
            };
        }
        // The last page, too, says how many there are.
        let more = page
            .more
            .or(page.pages.is_some_and(|pages| pages > self.pages).then_some("total_pages"));
        match more {
            Some(member) => Err(NotWhole::SaysMore(member)),
            None if self.is_page_again => Err(NotWhole::PageAgain),
            None => Ok(None),
        }
    }

    /// The page is all that there is.
    pub(in crate::registry) fn only(page: &Page) -> Result<(), NotWhole> {
        let mut whole = Self::default();
        match (whole.add(page, false)?, whole.total) {
            (Some(_), Some(Total { member, total })) => {
                Err(NotWhole::BelowTotal { member, entries: whole.entries, total })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ListReader;
    use super::*;

    fn page(body: &str) -> Page {
        let mut list = ListReader::new(body.as_bytes().to_vec());
        while list.next().unwrap_or_else(|error| panic!("{body}: {error}")).is_some() {}
        list.page
    }

    /// What comes of these pages: where each leads on to, or why it does not. A body behind `->`
    /// has a link to the next page.
    fn read(bodies: &[&str]) -> Result<Vec<Option<u64>>, NotWhole> {
        let mut whole = Whole::default();
        let add = |body: &&str| {
            let linked = body.strip_prefix("->");
            whole.add(&page(linked.unwrap_or(body)), linked.is_some())
        };
        bodies.iter().map(add).collect()
    }

    /// The entries from one number to before another.
    fn entries(from: u64, to: u64) -> String {
        format!("[{}]", (from..to).map(|n| n.to_string()).collect::<Vec<_>>().join(","))
    }

    fn authlete(from: u64, to: u64, end: u64, total: u64) -> String {
        format!(
            r#"{{"start":{from},"end":{end},"totalCount":{total},"clients":{}}}"#,
            entries(from, to)
        )
    }

    #[test]
    fn authletes_pages_go_on_until_the_total_is_reached() {
        let pages = [authlete(0, 5, 5, 9), authlete(5, 7, 7, 9), authlete(7, 9, 507, 9)];
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        assert_eq!(read(&pages), Ok(vec![Some(5), Some(7), None]));
        // `end` is what was asked for, whatever there is.
        assert_eq!(read(&[&authlete(0, 9, 500, 9)]), Ok(vec![None]));
        assert_eq!(read(&[&authlete(0, 0, 5, 0)]), Ok(vec![None]));
        // The members may stand in any order, and more than was stated is no less.
        let behind = r#"{"clients":[1,2],"totalCount":3,"end":2,"start":0}"#;
        let between = r#"{"totalCount":3,"start":2,"clients":[3,4],"end":502}"#;
        assert_eq!(read(&[behind, between]), Ok(vec![Some(2), None]));
        let quoted = r#"{"clients":[1,2],"totalCount":"3","end":"2","start":"0"}"#;
        assert_eq!(read(&[quoted]), Ok(vec![Some(2)]));
    }

    #[test]
    fn authletes_pages_that_are_no_whole_list() {
        let first = authlete(0, 5, 5, 9);
        let below = |entries, total| NotWhole::BelowTotal { member: "totalCount", entries, total };
        for (second, expected) in [
            (authlete(5, 5, 505, 9), NotWhole::EmptyPage { entries: 5, total: 9 }),
            (authlete(5, 10, 10, 10), NotWhole::OtherTotal { before: 9, now: 10 }),
            (authlete(5, 8, 8, 8), NotWhole::OtherTotal { before: 9, now: 8 }),
            (authlete(5, 8, 9, 9), below(8, 9)),
            (authlete(5, 8, 505, 9), below(8, 9)),
            (authlete(5, 8, 5, 9), below(8, 9)),
            (authlete(0, 5, 5, 9), NotWhole::OtherStart { asked: 5, start: Some(0) }),
            (authlete(6, 10, 10, 9), NotWhole::OtherStart { asked: 5, start: Some(6) }),
            ("[5,6,7,8]".to_owned(), NotWhole::OtherStart { asked: 5, start: None }),
            (
                r#"{"start":5,"totalCount":9,"clients":[5,6,7,8]}"#.to_owned(),
                NotWhole::OtherStart { asked: 5, start: None },
            ),
            (
                format!("->{}", authlete(0, 5, 5, 9)),
                NotWhole::OtherStart { asked: 5, start: Some(0) },
            ),
        ] {
            assert_eq!(read(&[&first, &second]), Err(expected), "{second}");
        }
        assert_eq!(
            read(&[&authlete(0, 0, 5, 9)]),
            Err(NotWhole::EmptyPage { entries: 0, total: 9 })
        );
        assert_eq!(
            read(&[&authlete(2, 5, 5, 9)]),
            Err(NotWhole::OtherStart { asked: 0, start: Some(2) })
        );
        assert_eq!(read(&[&authlete(0, 4, 9, 9)]), Err(below(4, 9)));
        // By link, too.
        let linked = format!("->{first}");
        assert_eq!(read(&[&linked, "[6,7,8,9]"]), Ok(vec![None, None]));
        assert_eq!(read(&[&linked, "[6,7,8]"]), Err(below(8, 9)));
        assert_eq!(read(&[&linked, &authlete(5, 8, 8, 9)]), Err(below(8, 9)));
        assert_eq!(
            read(&[&linked, &authlete(5, 10, 10, 10)]),
            Err(NotWhole::OtherTotal { before: 9, now: 10 })
        );
        // Who answers every page with the first one is found out in the end.
        let stuck =
            [authlete(0, 5, 5, 9), authlete(5, 9, 505, 9).replace("[5,6,7,8]", "[0,1,2,3]")];
        assert_eq!(read(&[&stuck[0], &stuck[1]]), Err(NotWhole::PageAgain));
        assert_eq!(read(&["->[1,2]", "->[3]", "[ 1]"]), Err(NotWhole::PageAgain));
        assert_eq!(read(&["->[1,2]", "->[]", "[]"]), Ok(vec![None, None, None]));
    }

    #[test]
    fn whatever_says_that_there_is_more() {
        for member in TOTALS {
            for (value, total) in [("3", 3), ("\"3\"", 3), ("2.5", 3), ("1e3", 1000)] {
                let body = format!(r#"{{"clients":[1,2],"{member}":{value}}}"#);
                assert_eq!(
                    read(&[&body]),
                    Err(NotWhole::BelowTotal { member, entries: 2, total }),
                    "{body}"
                );
                let before = format!(r#"{{"{member}":{value},"clients":[1,2]}}"#);
                assert_eq!(
                    read(&[&before]),
                    Err(NotWhole::BelowTotal { member, entries: 2, total }),
                    "{before}"
                );
                assert_eq!(
                    Whole::only(&page(&before)),
                    Err(NotWhole::BelowTotal { member, entries: 2, total }),
                    "{before}"
                );
            }
            for value in [
                "2",
                "1",
                "0",
                "null",
                "false",
                "\"\"",
                "[]",
                "{}",
                "-1",
                "\"2\"",
                "1.5",
                "{\"value\":null}",
                "{\"value\":2}",
                "{\"relation\":\"eq\",\"value\":1}",
            ] {
                let body = format!(r#"{{"clients":[1,2],"{member}":{value}}}"#);
                assert_eq!(read(&[&body]), Ok(vec![None]), "{body}");
                assert_eq!(Whole::only(&page(&body)), Ok(()), "{body}");
            }
            for value in [
                "true",
                "\"many\"",
                "{\"of\":2}",
                "[2]",
                "{\"value\":2,\"relation\":\"gte\"}",
                "{\"value\":2,\"value\":3}",
            ] {
                let body = format!(r#"{{"clients":[1,2],"{member}":{value}}}"#);
                assert_eq!(read(&[&body]), Err(NotWhole::NoNumber(member)), "{body}");
                assert_eq!(read(&[&format!("->{body}"), "[3]"]), Ok(vec![None, None]), "{body}");
            }
            // All pages count, and the largest total that any of them states.
            let first = format!(r#"->{{"clients":[1,2],"{member}":4}}"#);
            assert_eq!(read(&[&first, "[3,4]"]), Ok(vec![None, None]));
            assert_eq!(
                read(&[&first, "[3]"]),
                Err(NotWhole::BelowTotal { member, entries: 3, total: 4 })
            );
        }
        let two = r#"{"clients":[1,2],"total":2,"totalResults":3}"#;
        assert_eq!(
            read(&[two]),
            Err(NotWhole::BelowTotal { member: "totalResults", entries: 2, total: 3 })
        );
        for member in MORE {
            for value in
                ["true", "1", "\"x\"", "{\"href\":\"/2\"}", "[\"x\"]", "\"/clients?page=2\""]
            {
                for body in [
                    format!(r#"{{"clients":[1],"{member}":{value}}}"#),
                    format!(r#"{{"{member}":{value},"clients":[1]}}"#),
                ] {
                    assert_eq!(read(&[&body]), Err(NotWhole::SaysMore(member)), "{body}");
                    assert_eq!(
                        Whole::only(&page(&body)),
                        Err(NotWhole::SaysMore(member)),
                        "{body}"
                    );
                    assert_eq!(
                        read(&[&format!("->{body}"), "[2]"]),
                        Ok(vec![None, None]),
                        "{body}"
                    );
                }
            }
            for value in [
                "null",
                "false",
                "0",
                "\"\"",
                "\" \"",
                "[]",
                "{}",
                "0.0",
                "\"0\"",
                "\"False\"",
                "{\"href\":null}",
            ] {
                let body = format!(r#"{{"clients":[1],"{member}":{value}}}"#);
                assert_eq!(read(&[&body]), Ok(vec![None]), "{body}");
            }
        }
        for (links, says_more) in [
            (r#"{"next":{"href":"/2"}}"#, true),
            (r#"{"next":"/2"}"#, true),
            (r#"{"self":{"href":"/1"}}"#, false),
            (r#"{"next":{"href":""}}"#, false),
            (r#"{"next":null,"prev":"/0"}"#, false),
            ("{}", false),
            ("null", false),
            ("[]", false),
            ("\"next\"", false),
            (r#"[{"rel":"self","href":"/1"},{"rel":"next","href":"/2"}]"#, true),
            (r#"[{"rel":"last NEXT","href":"/2"}]"#, true),
            (r#"[{"rel":["prev","next"],"href":"/2"}]"#, true),
            (r#"[{"rel":"next"}]"#, true),
            (r#"[{"rel":"next","href":null}]"#, false),
            (r#"[{"rel":"nextish","href":"/2"},{"href":"next"},7]"#, false),
        ] {
            for member in LINKS {
                let body = format!(r#"{{"clients":[1],"{member}":{links}}}"#);
                let expected =
                    if says_more { Err(NotWhole::SaysMore(member)) } else { Ok(vec![None]) };
                assert_eq!(read(&[&body]), expected, "{body}");
            }
        }
        // Only what is said of the list counts, not what is said of a client or of something else.
        let inner = r#"{"clients":[{"next":"x","totalCount":9}],"realm":{"next":"x"},"nextUpdate":7,"limit":100,"start":0}"#;
        assert_eq!(read(&[inner]), Ok(vec![None]));
    }

    #[test]
    fn whatever_says_so_in_another_spelling_or_one_level_down() {
        let below = |member, total| NotWhole::BelowTotal { member, entries: 1, total };
        let more = NotWhole::SaysMore;
        for (members, expected) in [
            (r#""TotalCount":2"#, below("totalCount", 2)),
            (r#""Total":2"#, below("total", 2)),
            (r#""total-results":2"#, below("totalResults", 2)),
            (r#""totalElements":2"#, below("totalElements", 2)),
            (r#""total_items":2"#, below("totalItems", 2)),
            (r#""TotalRecords":2"#, below("totalRecords", 2)),
            (r#""@odata.count":2"#, below("@odata.count", 2)),
            (r#""total":{"value":2,"relation":"eq"}"#, below("total", 2)),
            (r#""total":{"Value":1,"Relation":"gte"}"#, NotWhole::NoNumber("total")),
            (r#""HasMore":true"#, more("has_more")),
            (r#""hasNext":true"#, more("hasNext")),
            (r#""next_cursor":"x""#, more("next_cursor")),
            (r#""nextCursor":"x""#, more("next_cursor")),
            (r#""next_page":2"#, more("next_page")),
            (r#""next_page_url":"/2""#, more("next_page_url")),
            (r#""nextLink":"/2""#, more("nextLink")),
            (r#""Links":[{"rel":"next"}]"#, more("links")),
            (r#""links":[{"relation":"next"}]"#, more("links")),
            (r#""links":[{"Rel":"Next","Href":"/2"}]"#, more("links")),
            (r#""links":{"Next":"/2"}"#, more("links")),
            (r#""last":false"#, more("last")),
            (r#""total_pages":3"#, more("total_pages")),
            (r#""totalPages":"2""#, more("total_pages")),
            (r#""last_page":2,"current_page":2"#, more("total_pages")),
            (r#""meta":{"total":2}"#, below("total", 2)),
            (r#""meta":{"pagination":{"total":2}}"#, below("total", 2)),
            (r#""Meta":{"Links":{"next":"/2"}}"#, more("links")),
            (r#""paging":{"next":"/p"}"#, more("next")),
            (r#""pagination":{"has_more":true}"#, more("has_more")),
            (r#""page":{"totalElements":5,"totalPages":2,"number":0}"#, below("totalElements", 5)),
            (r#""page":{"totalPages":2,"number":1}"#, more("total_pages")),
        ] {
            for body in [
                format!(r#"{{"clients":[1],{members}}}"#),
                format!(r#"{{{members},"clients":[1]}}"#),
            ] {
                assert_eq!(read(&[&body]), Err(expected), "{body}");
                assert_eq!(Whole::only(&page(&body)), Err(expected), "{body}");
                // What they say of the first of two linked pages is true.
                assert_eq!(
                    read(&[&format!("->{body}"), "[2,3,4,5,6]"]),
                    Ok(vec![None, None]),
                    "{body}"
                );
            }
        }
        for members in [
            r#""last":true"#,
            r#""last":"/clients?page=1""#,
            r#""last":null"#,
            r#""total":1,"totalElements":1,"Total":1"#,
            r#""total":{"value":1,"relation":"eq"}"#,
            r#""page":{"number":0,"totalPages":1,"totalElements":1,"size":20}"#,
            r#""page":1,"pages":3,"count":9"#,
            r#""total_pages":1,"last_page":"/clients?page=3""#,
            r#""total_pages":0,"lastPage":null"#,
            r#""meta":{"next":null,"has_more":false,"links":{}},"paging":null,"pagination":[]"#,
            r#""meta":{"start":0,"end":1,"limit":100,"last":true}"#,
            r#""next_page":null,"nextLink":"","next_cursor":"","@odata.count":1"#,
            r#""Links":[{"Rel":"self","Href":"/2"}]"#,
            r#""clientsMeta":{"total":9}"#,
        ] {
            for body in [
                format!(r#"{{"clients":[1],{members}}}"#),
                format!(r#"{{{members},"clients":[1]}}"#),
            ] {
                assert_eq!(read(&[&body]), Ok(vec![None]), "{body}");
                assert_eq!(Whole::only(&page(&body)), Ok(()), "{body}");
            }
        }
        // Every page says how many there are, the last one too.
        let of_three =
            |n: u64| format!(r#"{{"clients":[{n}],"page":{{"number":{n},"totalPages":3}}}}"#);
        let [first, second, third] = [0, 1, 2].map(of_three);
        let linked = [format!("->{first}"), format!("->{second}")];
        assert_eq!(read(&[&linked[0], &linked[1], &third]), Ok(vec![None; 3]));
        assert_eq!(read(&[&linked[0], &second]), Err(more("total_pages")));
        // Only at the top they are Authlete's, and lead on.
        let below_top = r#"{"clients":[1,2],"page":{"totalCount":3,"end":2,"start":0}}"#;
        assert_eq!(
            read(&[below_top]),
            Err(NotWhole::BelowTotal { member: "totalCount", entries: 2, total: 3 })
        );
    }

    #[test]
    fn as_many_as_were_asked_for_may_not_be_all() {
        let as_long = |parameter, entries| Err(NotWhole::AsLongAsAsked { parameter, entries });
        for (path, body, expected) in [
            ("/c?max=2", "[1,2]", as_long("max", 2)),
            ("/c?limit=2", "[1,2]", as_long("limit", 2)),
            ("/c?x=1&per_page=2", "[1,2]", as_long("per_page", 2)),
            ("/c?pageSize=2&page=1", "[1,2]", as_long("pageSize", 2)),
            ("/c?page_size=2", "[1,2]", as_long("page_size", 2)),
            ("/c?max=9&limit=2", "[1,2]", as_long("limit", 2)),
            ("/c?LIMIT=2", "[1,2]", as_long("limit", 2)),
            ("/c?limit=2", r#"{"clients":[1,2]}"#, as_long("limit", 2)),
            ("/c?limit=0", "[]", as_long("limit", 0)),
            ("/c?max=2", "[1]", Ok(())),
            ("/c?max=2", "[1,2,3]", Ok(())),
            ("/c?maxi=2&first=2", "[1,2]", Ok(())),
            ("/c?max=x&limit&", "[1,2]", Ok(())),
            ("/max=2", "[1,2]", Ok(())),
            // These say how many there are, or that there are no more.
            ("/c?limit=2", r#"{"clients":[1,2],"total":2}"#, Ok(())),
            ("/c?limit=2", r#"{"clients":[1,2],"has_more":false}"#, Ok(())),
            ("/c?limit=2", r#"{"clients":[1,2],"_links":{}}"#, Ok(())),
            ("/c?limit=2", r#"{"clients":[1,2],"Meta":{"Total":2}}"#, Ok(())),
            ("/c?limit=2", r#"{"clients":[1,2],"last":true}"#, Ok(())),
            ("/c?limit=2", r#"{"clients":[1,2],"total_pages":1}"#, Ok(())),
            (
                "/c?limit=2",
                r#"{"clients":[1,2],"last":"/c","last_page":"/c","meta":{},"page":1}"#,
                as_long("limit", 2),
            ),
        ] {
            assert_eq!(page(body).check_limit(path), expected, "{path} {body}");
        }
    }

    #[test]
    fn authletes_next_path() {
        for (path, expected) in [
            ("/list", "/list?start=5&end=505"),
            ("/list?", "/list?start=5&end=505"),
            ("/list?developer=x", "/list?developer=x&start=5&end=505"),
            ("/list?start=0&end=5&developer=x%26", "/list?start=5&end=505&developer=x%26"),
            ("/list?end=5&a=start", "/list?end=505&a=start&start=5"),
            ("/list?start=0&start=3&end=5&end", "/list?start=5&end=505"),
            ("/list?starts=1&Start=1", "/list?starts=1&Start=1&start=5&end=505"),
        ] {
            assert_eq!(&*page_from(path, 5), expected, "{path}");
        }
    }
}
