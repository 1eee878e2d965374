//! Whether the pages that are read are the whole list (contract §6). With a part of a list, every
//! client of the rest is unregistered; under `unregistered_clients: "pass"`, any client can then
//! pass in the name of one of these.

use std::collections::BTreeSet;

use super::incomplete_list::IncompleteList;
use super::page_summary::{PageSummary, StatedTotal};

/// What the pages that are read so far state about the list.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct Completeness {
    pages: u64,
    /// Entries of all pages.
    entries: u64,
    total_count: Option<u64>,
    total: Option<StatedTotal>,
    /// Whether a link led to one of the pages.
    has_links: bool,
    /// Where the next page must begin, if it is requested by its start.
    requested_start: Option<u64>,
    /// Digest of the first entry of each page.
    first_entries: BTreeSet<Box<str>>,
    has_repeated_page: bool,
}

impl Completeness {
    /// The entries of all pages that were read.
    pub(in crate::registry) fn entries(&self) -> u64 {
        self.entries
    }

    /// Adds a page. `has_next` = a link leads to the next one. Returns where the next page begins
    /// if it must be requested by its start; without that and without link the list is whole.
    pub(in crate::registry) fn add(
        &mut self,
        page: &PageSummary,
        has_next: bool,
    ) -> Result<Option<u64>, IncompleteList> {
        self.pages += 1;
        self.entries = self.entries.saturating_add(page.entries);
        let range = page.start.zip(page.end).zip(page.total_count).map(|(range, _)| range);
        if let Some(requested) = self.requested_start.take() {
            let start = range.map(|(start, _)| start);
            if start != Some(requested) {
                return Err(IncompleteList::WrongStart { requested, start });
            }
        }
        match (self.total_count, page.total_count) {
            (Some(before), Some(now)) if before != now => {
                return Err(IncompleteList::TotalChanged { before, now });
            }
            (before, now) => self.total_count = before.or(now),
        }
        self.total = [self.total, page.total].into_iter().flatten().max_by_key(|total| total.total);
        self.has_repeated_page |=
            page.entries > 0 && !self.first_entries.insert(page.first_entry.clone());
        if let Some(member) = page.lacks {
            return Err(IncompleteList::Lacking(member));
        }
        if has_next {
            self.has_links = true;
            return Ok(None);
        }
        if let Some(member) = page.not_a_number.filter(|_| !self.has_links) {
            return Err(IncompleteList::NotANumber(member));
        }
        if let Some(stated) = self.total.filter(|stated| stated.total > self.entries) {
            return self.after_fewer_than(stated, page, range);
        }
        // The number of pages is also stated by the last page.
        let pages = page.pages.is_some_and(|pages| pages > self.pages).then_some("total_pages");
        match page.more.or(pages) {
            Some(member) => Err(IncompleteList::MoreStated(member)),
            None if self.has_repeated_page => Err(IncompleteList::RepeatedPage),
            None => Ok(None),
        }
    }

    /// The start of the page after this one, where the pages so far have fewer entries than
    /// `stated` and no link leads on; `range` = the start and the end of this page.
    fn after_fewer_than(
        &mut self,
        stated: StatedTotal,
        page: &PageSummary,
        range: Option<(u64, u64)>,
    ) -> Result<Option<u64>, IncompleteList> {
        let (entries, StatedTotal { member, total }) = (self.entries, stated);
        match range.filter(|_| !self.has_links) {
            _ if page.entries == 0 => Err(IncompleteList::EmptyPage { entries, total }),
            Some((start, _)) if self.pages == 1 && start != 0 => {
                Err(IncompleteList::WrongStart { requested: 0, start: Some(start) })
            }
            // Each page counts with the entries that it has, not with those that its range states:
            // entries missing from it are on no other page, and the total is not reached.
            Some((start, end))
                if start < end && self.total_count.is_some_and(|total| end < total) =>
            {
                self.requested_start = Some(end);
                Ok(Some(end))
            }
            _ => Err(IncompleteList::BelowTotal { member, entries, total }),
        }
    }

    /// Checks a page that should be the whole list.
    pub(in crate::registry) fn of_single_page(page: &PageSummary) -> Result<(), IncompleteList> {
        let mut pages = Self::default();
        match (pages.add(page, false)?, pages.total) {
            (Some(_), Some(StatedTotal { member, total })) => {
                Err(IncompleteList::BelowTotal { member, entries: pages.entries, total })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
