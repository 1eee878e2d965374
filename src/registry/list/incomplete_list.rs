//! Why a list is not taken for the whole list.

use std::fmt;

/// Why a list is not taken for the whole list (contract §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncompleteList {
    /// A page without entries, before the stated total was reached.
    EmptyPage {
        /// Entries of all pages so far.
        entries: u64,
        /// The total that was stated.
        total: u64,
    },
    /// A later page states another `totalCount`: the list changed in the meantime.
    TotalChanged {
        /// The total of the pages before.
        before: u64,
        /// The total of this page.
        now: u64,
    },
    /// The last page is read, and there are fewer entries than a member states.
    BelowTotal {
        /// The member that states the total.
        member: &'static str,
        /// Entries of all pages.
        entries: u64,
        /// The total that was stated.
        total: u64,
    },
    /// The page does not begin at the entry that was requested.
    WrongStart {
        /// The entry that was requested.
        requested: u64,
        /// The `start` of the page; `None` = the page does not state it.
        start: Option<u64>,
    },
    /// This member states that there is more, and no link leads there.
    MoreStated(&'static str),
    /// This member states that something went wrong, and the page may lack entries.
    Lacking(&'static str),
    /// This member should be a number and is not.
    NotANumber(&'static str),
    /// The page has as many entries as the path asks for, and does not state whether there are
    /// more.
    ExactlyRequested {
        /// The parameter of `path` that asks for this number.
        parameter: &'static str,
        /// The number of entries.
        entries: u64,
    },
    /// Two pages begin with the same entry: one page was sent twice.
    RepeatedPage,
    /// The list has more pages than `max_pages`.
    TooManyPages,
    /// A page lacks the header that `generation_header` names.
    GenerationMissing,
    /// The header that `generation_header` names is not the same on every page.
    GenerationChanged,
    /// No two readings of the pages had the same clients.
    ReadingsDiffer,
}

impl fmt::Display for IncompleteList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyPage { entries, total } => {
                write!(f, "an empty page after {entries} of {total} entries")
            }
            Self::TotalChanged { before, now } => {
                write!(f, "totalCount was {before} and is {now} on a later page")
            }
            Self::BelowTotal { member, entries, total } => {
                write!(f, "it ends with {entries} entries, {member} is {total}")
            }
            Self::WrongStart { requested, start: Some(start) } => {
                write!(f, "a page begins at {start} instead of {requested}")
            }
            Self::WrongStart { requested, start: None } => {
                write!(f, "the page from {requested} on has no start, end and totalCount")
            }
            Self::MoreStated(member) => {
                write!(f, "\"{member}\" says that there is more, and no link leads there")
            }
            Self::Lacking(member) => write!(f, "\"{member}\" says that something went wrong"),
            Self::NotANumber(member) => write!(f, "\"{member}\" is no number"),
            Self::ExactlyRequested { parameter, entries } => write!(
                f,
                "exactly the {entries} entries that {parameter} asks for, and no link: there may \
                 be more"
            ),
            Self::RepeatedPage => f.write_str("two of its pages begin with the same entry"),
            Self::TooManyPages => f.write_str("more pages than max_pages"),
            Self::GenerationMissing => {
                f.write_str("a page lacks the generation_header (three attempts)")
            }
            Self::GenerationChanged => {
                f.write_str("the generation_header changed between pages (three attempts)")
            }
            Self::ReadingsDiffer => f.write_str(
                "three readings of its pages had different clients; unregistered_clients is \
                 \"pass\", set generation_header",
            ),
        }
    }
}
