//! What one page states about the whole list, beside its entries: totals, positions, and whether
//! there is more (contract §6).

use super::incomplete_list::IncompleteList;
use super::page_path::limit_of;
use super::spelling::known;
use crate::certificate::Thumbprint;
use crate::json::Json;

/// Members that state the number of entries of the whole list, and headers. These and all names
/// below are recognised in every letter case, and without `_` and `-`.
pub(super) const TOTALS: [&str; 10] = [
    TOTAL_COUNT,
    "total",
    "total_count",
    "totalResults",
    "totalElements",
    "totalItems",
    "totalRecords",
    "@odata.count",
    HEADERS[0],
    CONTENT_RANGE,
];
/// Headers that state it.
const HEADERS: [&str; 2] = ["x-total-count", CONTENT_RANGE];
const CONTENT_RANGE: &str = "content-range";
/// Authlete's total.
const TOTAL_COUNT: &str = "totalCount";
/// Members that state that there is more, unless their value is empty (see [`is_set`]).
pub(super) const MORE: [&str; 20] = [
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
    "nextToken",
    "nextPaginationToken",
    "continuationToken",
    "isTruncated",
    "hasNextPage",
    "next_page_uri",
    "truncated",
    "incomplete_results",
];
/// Members that state that the answer lacks something, also beside a link to the next page.
pub(super) const LACKS: [&str; 4] = ["error", "errors", "timed_out", "partial"];
/// Members that state the number of pages of the list.
const PAGES: [&str; 2] = ["total_pages", "last_page"];
/// States that there is more where it is false. Where it is not a boolean, it is a link to the last
/// page.
const LAST: [&str; 3] = ["last", "isLast", "is_last_page"];
/// Members that hold links, one of which may lead to the next page (HAL has `_links`).
pub(super) const LINKS: [&str; 2] = ["links", "_links"];
/// Objects that may hold any of these members.
const GROUPS: [&str; 6] = ["meta", "page", "paging", "pagination", "response_metadata", "pageInfo"];

/// What a page states about the list, beside its entries.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct PageSummary {
    /// Number of entries of this page.
    pub(super) entries: u64,
    /// SHA-256 of the octets of the first entry, in base64url.
    pub(super) first_entry: Box<str>,
    pub(super) start: Option<u64>,
    pub(super) end: Option<u64>,
    pub(super) total_count: Option<u64>,
    /// The largest number of [`TOTALS`].
    pub(super) total: Option<StatedTotal>,
    /// The first member that states that there is more.
    pub(super) more: Option<&'static str>,
    /// The first member that states that the page lacks something.
    pub(super) lacks: Option<&'static str>,
    /// The largest number of [`PAGES`].
    pub(super) pages: Option<u64>,
    /// A total that is not a number.
    pub(super) not_a_number: Option<&'static str>,
    /// Whether any member but a total states that there is more, or that there is not. One whose
    /// value says nothing, as null does, is no such statement.
    states_extent: bool,
}

/// A total, and the member that states it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StatedTotal {
    pub(super) member: &'static str,
    pub(super) total: u64,
}

impl PageSummary {
    /// Adds an entry; `octets` = the entry as the page has it.
    pub(in crate::registry) fn add_entry(&mut self, octets: &[u8]) {
        self.entries += 1;
        if self.entries == 1 {
            self.first_entry = Thumbprint::of(octets.trim_ascii()).to_string().into();
        }
    }

    /// Adds a member beside the entries.
    pub(in crate::registry) fn add_member(&mut self, name: &str, value: &Json) {
        match name {
            "start" => self.start = number(value).ok().flatten(),
            "end" => self.end = number(value).ok().flatten(),
            _ => self.add_statement(name, value),
        }
    }

    /// Adds the headers of the answer that has the page.
    #[inline(never)]
    pub(in crate::registry) fn add_headers(&mut self, header: &dyn Fn(&str) -> Option<String>) {
        for name in HEADERS {
            let Some(mut total) = header(name) else { continue };
            if name == CONTENT_RANGE
                && let Some((range, length)) = total.split_once('/')
            {
                // RFC 9110 §14.4: "*" is an unknown length, and octets are no entries.
                // RFC 9110 §14.1: in any letter case.
                let unit = range.trim_start().get(..5);
                let is_octets = unit.is_some_and(|unit| unit.eq_ignore_ascii_case("bytes"));
                total = if is_octets { "" } else { length.trim_matches([' ', '*']) }.to_owned();
            }
            self.add_statement(name, &Json::String(total));
        }
    }

    /// Adds a member that may also stand in one of [`GROUPS`].
    fn add_statement(&mut self, name: &str, value: &Json) {
        if let Some(member) = known(&TOTALS, name) {
            match number(value) {
                Err(NotANumber) => self.not_a_number = Some(member),
                Ok(None) => {}
                Ok(Some(total)) => {
                    if member == TOTAL_COUNT {
                        self.total_count = Some(total);
                    }
                    if self.total.is_none_or(|known| known.total < total) {
                        self.total = Some(StatedTotal { member, total });
                    }
                }
            }
        } else if let Some(member) = known(&MORE, name) {
            // A next page that is null is an end. A flag must be false to say so, and a cursor may
            // be that of this page.
            self.states_extent |= match member {
                "has_more" | "hasMore" | "hasNext" | "hasNextPage" | "isTruncated"
                | "truncated" | "incomplete_results" => {
                    matches!(value, Json::Bool(_))
                }
                other => !matches!(other, "cursor" | "continuationToken"),
            };
            self.more = self.more.or(is_set(value).then_some(member));
        } else if let Some(member) = known(&LINKS, name) {
            self.states_extent |= matches!(value, Json::Array(_) | Json::Object(_));
            self.more = self.more.or(has_next(value).then_some(member));
        } else if let Some(member) = known(&LACKS, name) {
            self.lacks = self.lacks.or(is_set(value).then_some(member));
        } else if known(&PAGES, name).is_some() {
            // Some servers have a link of this name.
            let pages = number(value).ok().flatten();
            self.states_extent |= pages > Some(0);
            self.pages = self.pages.max(pages);
        } else if let (Some(member), Json::Bool(is_last)) = (known(&LAST, name), value) {
            self.states_extent = true;
            self.more = self.more.or((!is_last).then_some(member));
        } else if let (Some(_), Json::Object(members)) = (known(&GROUPS, name), value) {
            members.iter().for_each(|(name, value)| self.add_statement(name, value));
        }
    }

    /// Whether a total is stated that is above this number of entries.
    pub(in crate::registry) fn states_more_than(&self, entries: u64) -> bool {
        self.total.is_some_and(|stated| stated.total > entries)
    }

    /// Checks the first page of a list that is requested with `path`, where the answer has no
    /// header `link`.
    pub(in crate::registry) fn check_limit(&self, path: &str) -> Result<(), IncompleteList> {
        // A total below the number of entries, such as 0 for "not known", is none.
        let has_total = self.total.is_some_and(|stated| stated.total >= self.entries);
        // These are errors of their own.
        let is_part = self.more.is_some() || self.not_a_number.is_some();
        let states_extent = self.states_extent || has_total || is_part;
        let limit = if states_extent { None } else { limit_of(path, self.entries) };
        limit.map_or(Ok(()), |parameter| {
            Err(IncompleteList::ExactlyRequested { parameter, entries: self.entries })
        })
    }
}

/// The values of an object's members of this name, in any spelling.
fn members<'a>(json: &'a Json, wanted: &'static str) -> impl Iterator<Item = &'a Json> {
    let members = if let Json::Object(members) = json { members.as_slice() } else { &[] };
    members.iter().filter(move |(name, _)| known(&[wanted], name).is_some()).map(|(_, value)| value)
}

struct NotANumber;

/// A whole number, also in quotes or as the `value` of an object whose `relation`, if it has one,
/// is "eq" (OpenSearch has "gte" for a lower bound). `Ok(None)` = nothing is stated; so is a
/// negative number, which some servers send for "not known".
fn number(json: &Json) -> Result<Option<u64>, NotANumber> {
    match json {
        Json::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(number), _) => Ok(Some(number)),
            // Rounded up: 2.5 is more than two entries.
            (None, Some(number)) => Ok((number > 0.0).then_some(number.ceil() as u64)),
            (None, None) => Err(NotANumber),
        },
        Json::String(text) if text.trim().parse::<u64>().is_ok() => Ok(text.trim().parse().ok()),
        Json::String(text) if text.trim().parse::<i64>().is_ok() => Ok(None),
        Json::Object(_) if members(json, "value").next().is_some() => {
            let mut values = members(json, "value");
            match (values.next(), values.next()) {
                (Some(value), None) if members(json, "relation").all(is_eq) => number(value),
                _ => Err(NotANumber),
            }
        }
        other if is_set(other) => Err(NotANumber),
        _ => Ok(None),
    }
}

fn is_eq(relation: &Json) -> bool {
    matches!(relation, Json::String(relation) if relation.eq_ignore_ascii_case("eq"))
}

/// Whether a value states anything: `null`, `false`, 0 and the empty string do not, also as the
/// only contents of an array or object. Text that is not empty does, whatever it is: "0" may be a
/// token.
fn is_set(json: &Json) -> bool {
    match json {
        Json::Null => false,
        Json::Bool(value) => *value,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(elements) => elements.iter().any(is_set),
        Json::Object(members) => members.iter().any(|(_, value)| is_set(value)),
        Json::Unreadable(_) => true,
    }
}

/// Whether one of these links leads to the next page: the member `next` of an object, or an element
/// of an array that has this relation type.
fn has_next(links: &Json) -> bool {
    let is_next =
        |text: &str| text.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next"));
    let has_type = |rel: &Json| match rel {
        Json::String(types) => is_next(types),
        Json::Array(types) => {
            let may_be_next = |one: &Json| match one {
                Json::String(one) => is_next(one),
                one => matches!(one, Json::Unreadable(_)),
            };
            types.iter().any(may_be_next)
        }
        Json::Unreadable(_) => true,
        _ => false,
    };
    match links {
        Json::Array(entries) => entries.iter().any(|entry| {
            members(entry, "rel").chain(members(entry, "relation")).any(has_type)
                && (members(entry, "href").next().is_none() || members(entry, "href").any(is_set))
        }),
        links => members(links, "next").any(is_set),
    }
}
