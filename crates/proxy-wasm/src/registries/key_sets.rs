//! Key sets that clients publish at their `jwks_uri`: requests that wait for one.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Poll;

use tls_client_auth::host::{Fact, JwksUri, KeySet, KeySetSource, KeySets, RegistryFault};
use tls_client_auth::{Thumbprint, limits};

use super::call::{AnswerSizes, send, with_answer};
use super::lookups::{Answer, FinishedLookup};
use super::{Registries, RootCall};
use crate::clock::now_millis;
use crate::held_request::HeldRequest;
use crate::log::Level;

/// How key sets are fetched, and those that are known.
pub(super) struct KeySetAccess {
    source: Arc<KeySetSource>,
    sets: RefCell<KeySets<HeldRequest>>,
}

impl KeySetAccess {
    pub(super) fn new(source: Arc<KeySetSource>) -> Self {
        Self { sets: RefCell::new(KeySets::new(source.clone())), source }
    }
}

impl Registries {
    /// The key set at `uri`, for a client that presents this certificate; pending = the request
    /// waits for it. A request that ends meanwhile is left out when the answer comes.
    pub(super) fn find_key_set(
        &self,
        uri: &JwksUri,
        certificate: &Thumbprint,
        request: &HeldRequest,
    ) -> Poll<Result<KeySet, RegistryFault>> {
        let Some(access) = &self.key_sets else {
            return Poll::Ready(Err(RegistryFault::KeySetsNotFetched));
        };
        let (mut sets, now) = (access.sets.borrow_mut(), now_millis());
        let found = sets.find(uri, certificate, now).map(Ok);
        if found.is_pending() {
            sets.wait(uri, request.clone(), now);
            // The call is sent by the root context, so that it outlives the request.
            self.set_tick_period(limits::REGISTRY_TICK_BUSY);
        }
        found
    }

    /// Sends the calls that are due. Returns the fetches that could not be sent.
    pub(super) fn send_key_set_calls(&self) -> Vec<FinishedLookup> {
        let Some(access) = &self.key_sets else { return Vec::new() };
        let requests = access.sets.borrow_mut().take_requests();
        let unsent = requests.into_iter().filter_map(|(uri, request)| {
            match send(&access.source.cluster, access.source.timeout, &request) {
                Some(token) => {
                    self.root_calls.borrow_mut().insert(token, RootCall::KeySet(uri));
                    None
                }
                None => self.on_key_set_answer(&uri, None),
            }
        });
        unsent.collect()
    }

    /// `sizes` are those of the answer; `None`: the call was not sent.
    pub(super) fn on_key_set_answer(
        &self,
        uri: &str,
        sizes: Option<AnswerSizes>,
    ) -> Option<FinishedLookup> {
        let (sets, now) = (&self.key_sets.as_ref()?.sets, now_millis());
        let fetched = match sizes {
            None => sets.borrow_mut().on_answer(uri, None, now),
            Some(sizes) => {
                with_answer(sizes, |answer| sets.borrow_mut().on_answer(uri, Some(&answer), now))
            }
        };
        if let Some(warning) = fetched.warning {
            let line = format!("tls_client_auth jwks_uri \"{}\": {warning}", uri.escape_debug());
            self.request_log.write(Level::Warn, &line);
        }
        let fact = Fact::KeySet(fetched.result);
        let (answer, responses) = (Answer::Fact(fact), Vec::new());
        Some(FinishedLookup { answer, waiting: fetched.waiting, responses })
    }
}
