//! One reading of the whole list: its pages, what they state about the list, and the new list that
//! is made of them.

use std::collections::BTreeSet;

use super::super::super::error::FetchError;
use super::super::super::fetched::{FetchMode, FetchedRegistry, RegistryAnswer, Validators};
use super::super::super::import;
use super::super::super::list::{
    Completeness, IncompleteList, ListEntry, ListReader, PageSummary, link, page_from,
};
use super::super::shared::{ListHead, ShardLayout, Slot};
use super::super::staged_list::{Comparison, StagedList};
use super::super::stored_client::StoredClient;
use super::event::RefreshEvent;
use crate::certificate::Thumbprint;
use crate::json::{JsonError, shortened};
use crate::limits;

/// Why a client cannot be used whose entry has many identifiers.
const ELSEWHERE: &str = "the reason is with the first identifier of the entry";

/// One attempt to fetch a whole list.
#[derive(Clone, Debug)]
pub(super) struct FetchAttempt {
    /// The page that is requested or read.
    pub(super) path: Box<str>,
    /// The pages requested so far, with this one.
    pages: BTreeSet<Box<str>>,
    /// The page after it, where a link leads there.
    next: Option<Box<str>>,
    /// Whether the page has the header `link`.
    has_link: bool,
    /// What the pages state about the list.
    completeness: Completeness,
    /// The `generation_header` of the first page.
    generation: Option<Vec<u8>>,
    /// Digest of the clients compared so far, where two readings must agree on them.
    pub(super) ids: Option<Thumbprint>,
    /// The list in force when the attempt began.
    pub(super) head: Option<ListHead>,
    pub(super) is_conditional: bool,
    validators: Validators,
    pub(super) staged: StagedList,
    /// Whether every shard has been written once.
    pub(super) is_written: bool,
    /// Entries that cannot be used and identify no client.
    refused: u64,
    /// What is wrong with the first few entries.
    pub(super) events: Vec<RefreshEvent>,
}

impl FetchAttempt {
    /// An attempt whose first request is for `path`.
    pub(super) fn new(
        path: Box<str>,
        is_conditional: bool,
        head: Option<&ListHead>,
        staged: StagedList,
    ) -> Self {
        Self {
            pages: BTreeSet::from([path.clone()]),
            path,
            next: None,
            has_link: false,
            completeness: Completeness::default(),
            generation: None,
            ids: None,
            head: head.cloned(),
            is_conditional,
            validators: Validators::default(),
            staged,
            is_written: false,
            refused: 0,
            events: Vec::new(),
        }
    }

    /// Takes the answer to the request for a page. Returns the body; `None` = the list in force is
    /// confirmed.
    pub(super) fn on_answer(
        &mut self,
        registry: &FetchedRegistry,
        answer: &RegistryAnswer<'_>,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        match answer.status.ok_or(FetchError::NoAnswer)? {
            200 => {}
            304 if self.is_conditional && self.pages.len() == 1 => return Ok(None),
            status => return Err(FetchError::Status(status)),
        }
        if let Some(name) = &registry.generation_header {
            let generation = answer.octets(name);
            if generation.is_empty() {
                return Err(FetchError::Incomplete(IncompleteList::GenerationMissing));
            }
            if *self.generation.get_or_insert_with(|| generation.clone()) != generation {
                return Err(FetchError::Incomplete(IncompleteList::GenerationChanged));
            }
        }
        self.has_link = answer.has("link");
        let links = answer.all("link");
        let target = link::next(&links).map_err(FetchError::NextPage)?;
        self.next = match target {
            Some(target) => {
                let next = link::resolve(target, &self.path, &registry.authority)
                    .map_err(FetchError::NextPage)?;
                if self.pages.len() >= max_pages(registry) {
                    return Err(FetchError::NextPage("more pages than max_pages"));
                }
                if !self.pages.insert(next.clone()) {
                    return Err(FetchError::NextPage("a page that came before"));
                }
                Some(next)
            }
            None => None,
        };
        // The validators of one page say nothing about the other pages.
        self.validators = if self.pages.len() == 1 {
            // No Last-Modified: two lists of one second have the same (RFC 9110 §8.8.2.2).
            Validators { etag: answer.first("etag").map(Into::into), unmodified: 0 }
        } else {
            Validators::default()
        };
        answer.body(registry.max_bytes).map(Some)
    }

    /// Whether the headers of an answer state more entries than the list in force has.
    pub(super) fn is_below_total(&self, header: &dyn Fn(&str) -> Option<String>) -> bool {
        let mut page = PageSummary::default();
        page.add_headers(header);
        let entries = self.head.as_ref().map_or(0, |head| head.entries);
        page.states_more_than(entries)
    }

    /// Adds an entry to the new list.
    ///
    /// # Errors
    /// The list cannot be used because of this entry.
    pub(super) fn add_entry(
        &mut self,
        entry: &ListEntry,
        passes_unregistered: bool,
    ) -> Result<(), FetchError> {
        let read = import::read(&entry.json);
        match read.clients {
            Ok(clients) => {
                for warning in read.warnings {
                    self.report(&entry.pointer, warning, true);
                }
                for client in clients {
                    let client_id: Box<str> = client.client_id().into();
                    self.staged.add(&client_id, &StoredClient::Client(client));
                }
            }
            // Any client may be the one of this entry, and would pass as unregistered.
            Err(error) if passes_unregistered && read.is_in_doubt => {
                let reason = format!("{}{}: {}", entry.pointer, error.pointer, error.message);
                return Err(FetchError::Unidentified(shortened(reason).into()));
            }
            Err(error) => {
                let doubtful = read.other_client_ids.iter();
                doubtful.for_each(|id| self.staged.add(id, &StoredClient::Doubtful));
                if read.never_authenticates {
                    self.add_all(&read.client_ids, StoredClient::LeftOut, &error);
                } else {
                    self.add_all(&read.client_ids, StoredClient::Unusable, &error);
                    self.refused += u64::from(read.client_ids.is_empty());
                    self.report(&entry.pointer, error, false);
                }
            }
        }
        Ok(())
    }

    /// Adds an entry that cannot be used under each of its identifiers. Only the first few have the
    /// reason, so that an entry with many takes no more memory than its own octets suggest.
    fn add_all(
        &mut self,
        client_ids: &[Box<str>],
        stored: fn(Box<str>) -> StoredClient,
        error: &JsonError,
    ) {
        let (reason, other) = (stored(error.in_entry().into()), stored(ELSEWHERE.into()));
        for (index, client_id) in client_ids.iter().enumerate() {
            let is_explained = index < limits::EXPLAINED_IDENTIFIERS;
            self.staged.add(client_id, if is_explained { &reason } else { &other });
        }
    }

    /// Reports an entry that is refused, or a part of it that is left out, unless there are many of
    /// them already.
    #[inline(never)]
    fn report(&mut self, entry: &str, error: JsonError, is_left_out: bool) {
        if self.events.len() < limits::SHOWN_REFUSALS {
            let pointer = shortened(format!("{entry}{}", error.pointer));
            let reason = shortened(error.message);
            self.events.push(if is_left_out {
                RefreshEvent::LeftOut { pointer, reason }
            } else {
                RefreshEvent::Refused { pointer, reason }
            });
        }
    }

    /// The page after the one that is read to its end; `None` = the list is whole.
    pub(super) fn next_page(
        &mut self,
        registry: &FetchedRegistry,
        list: &ListReader,
    ) -> Result<Option<Box<str>>, IncompleteList> {
        let (page, next) = (list.page(), self.next.take());
        if self.pages.len() == 1 && !self.has_link {
            page.check_limit(&self.path)?;
        }
        let Some(start) = self.completeness.add(page, next.is_some())? else { return Ok(next) };
        if self.pages.len() >= max_pages(registry) {
            return Err(IncompleteList::TooManyPages);
        }
        let next = page_from(&registry.path, start);
        self.pages.insert(next.clone());
        Ok(Some(next))
    }

    /// Whether only a second reading can show that the pages are of one list: where a client that
    /// was moved from one page to another between the two requests would pass as unregistered, or
    /// where the list has a client twice, which can have the same cause.
    pub(super) fn needs_agreement(
        &self,
        registry: &FetchedRegistry,
        passes_unregistered: bool,
    ) -> bool {
        let is_one_list = self.pages.len() == 1 || registry.generation_header.is_some();
        !is_one_list && (passes_unregistered || self.staged.repeated > 0)
    }

    /// Checks the new list before it is put in force. `found` = the comparison of all of its
    /// shards, to which the entries are added that identify no client.
    pub(super) fn check(
        &self,
        registry: &FetchedRegistry,
        found: &mut Comparison,
    ) -> Result<(), FetchError> {
        if !self.staged.is_intact(found) {
            return Err(FetchError::SharedData);
        }
        found.refused += self.refused;
        let allow_empty = matches!(registry.mode, FetchMode::Snapshot { allow_empty: true, .. });
        let had_clients =
            self.head.as_ref().is_some_and(|head| head.clients >= limits::CLIENTS_NOT_LOST_AT_ONCE);
        if found.clients == 0 && had_clients && !allow_empty {
            return Err(FetchError::Empty);
        }
        Ok(())
    }

    /// The head that puts the new list in force, or confirms the list in force if the two are the
    /// same.
    pub(super) fn new_head(&self, layout: ShardLayout, found: &Comparison, now: u64) -> NewHead {
        let old = self.head.as_ref();
        let is_same = |head: &&ListHead| head.refused == found.refused && !found.is_difference();
        let entries = self.completeness.entries();
        if let Some(head) = old.filter(is_same) {
            let head = head.confirmed(self.staged.generation, now, self.validators.clone());
            return NewHead { head: ListHead { entries, ..head }, is_same: true };
        }
        let head = ListHead {
            generation: self.staged.generation,
            slot: self.staged.slot,
            layout,
            clients: found.clients,
            refused: found.refused,
            entries,
            confirmations: old.map_or(0, |head| head.confirmations) + 1,
            confirmed_at: now,
            attempt: self.staged.generation,
            validators: self.validators.clone(),
        };
        NewHead { head, is_same: false }
    }

    /// The shards that may have been written.
    pub(super) fn written(&self) -> Option<(Slot, ShardLayout)> {
        Some((self.staged.slot, self.staged.layout()?))
    }
}

/// The head that an attempt ends with.
pub(super) struct NewHead {
    pub(super) head: ListHead,
    /// Whether the list in force stays.
    pub(super) is_same: bool,
}

fn max_pages(registry: &FetchedRegistry) -> usize {
    if let FetchMode::Snapshot { max_pages, .. } = registry.mode { max_pages } else { 1 }
}
