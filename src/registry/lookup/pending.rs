//! What waits for answers about clients, where the host sends the requests at its next tick: so
//! they outlive the requests that wait, and none is sent twice.

use std::collections::HashMap;
use std::mem;

/// What waits, by `client_id`.
#[derive(Debug)]
pub(crate) struct PendingAnswers<W> {
    waiting: HashMap<Box<str>, Vec<W>>,
    /// Those of them whose request the host did not take yet.
    unsent: Vec<Box<str>>,
}

impl<W> Default for PendingAnswers<W> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), unsent: Vec::new() }
    }
}

impl<W> PendingAnswers<W> {
    /// Clients about which an answer is pending.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn has(&self, client_id: &str) -> bool {
        self.waiting.contains_key(client_id)
    }

    /// Waits for the answer about a client. `true` = it is the first that does, and a request must
    /// be sent.
    pub(crate) fn wait(&mut self, client_id: &str, waiting: W) -> bool {
        if let Some(others) = self.waiting.get_mut(client_id) {
            others.push(waiting);
            return false;
        }
        self.waiting.insert(client_id.into(), vec![waiting]);
        self.unsent.push(client_id.into());
        true
    }

    /// Those for which `is_gone` holds wait no longer. The answer is still taken.
    pub(crate) fn leave(&mut self, client_id: &str, is_gone: impl Fn(&W) -> bool) {
        if let Some(waiting) = self.waiting.get_mut(client_id) {
            waiting.retain(|waiting| !is_gone(waiting));
        }
    }

    /// The clients for which a request must be sent now.
    pub(crate) fn take_unsent(&mut self) -> Vec<Box<str>> {
        mem::take(&mut self.unsent)
    }

    /// The answer about a client came: returns what waited for it.
    pub(crate) fn finish(&mut self, client_id: &str) -> Vec<W> {
        self.waiting.remove(client_id).unwrap_or_default()
    }
}
