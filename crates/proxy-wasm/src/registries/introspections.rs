//! Questions to authorization servers about access tokens: requests that wait for an answer.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Poll;

use tls_client_auth::host::{
    AccessToken, Fact, IntrospectedToken, IntrospectionSource, Introspections, RegistryFault,
    TokenKey,
};
use tls_client_auth::limits;

use super::call::{AnswerSizes, send_form, with_answer};
use super::lookups::{Answer, FinishedLookup};
use super::{Registries, RootCall};
use crate::clock::now_millis;
use crate::held_request::Waiting;

/// A server that is asked, and what it said.
pub(super) struct IntrospectionAccess {
    source: Arc<IntrospectionSource>,
    tokens: RefCell<Introspections<Waiting>>,
}

impl IntrospectionAccess {
    pub(super) fn new(source: Arc<IntrospectionSource>) -> Self {
        Self { tokens: RefCell::new(Introspections::new(source.clone())), source }
    }
}

impl Registries {
    /// What the server says about a token; pending = `waiting` waits for it. What ends meanwhile is
    /// left out when the answer comes.
    pub(super) fn find_token(
        &self,
        source: &Arc<IntrospectionSource>,
        token: &AccessToken,
        waiting: Waiting,
    ) -> Poll<Result<IntrospectedToken, RegistryFault>> {
        let access = self.introspections.iter().find(|access| access.source == *source);
        let Some(access) = access else {
            return Poll::Ready(Err(RegistryFault::NotIntrospected));
        };
        let mut tokens = access.tokens.borrow_mut();
        let found = tokens.find(token, now_millis()).map(Ok);
        if found.is_pending() {
            if let Err(fault) = tokens.wait(token, waiting) {
                return Poll::Ready(Err(fault));
            }
            // The call is sent by the root context, so that it outlives the request.
            self.set_tick_period(limits::REGISTRY_TICK_BUSY);
        }
        found
    }

    /// Sends the calls that are due. Returns the questions that could not be sent.
    pub(super) fn send_introspections(&self) -> Vec<FinishedLookup> {
        let mut unsent = Vec::new();
        for (index, access) in self.introspections.iter().enumerate() {
            let IntrospectionSource { cluster, timeout, .. } = &*access.source;
            let requests = access.tokens.borrow_mut().take_requests();
            for question in requests {
                match send_form(cluster, *timeout, &question.request, question.body.as_bytes()) {
                    Some(call) => {
                        let waits = RootCall::Token(index, question.token);
                        self.root_calls.borrow_mut().insert(call, waits);
                    }
                    None => unsent.extend(self.on_token_answer(index, question.token, None)),
                }
            }
        }
        unsent
    }

    /// `sizes` are those of the answer; `None`: the call was not sent.
    pub(super) fn on_token_answer(
        &self,
        index: usize,
        token: TokenKey,
        sizes: Option<AnswerSizes>,
    ) -> Option<FinishedLookup> {
        let (tokens, now) = (&self.introspections.get(index)?.tokens, now_millis());
        let outcome = match sizes {
            None => tokens.borrow_mut().on_answer(token, None, now),
            Some(sizes) => with_answer(sizes, |answer| {
                tokens.borrow_mut().on_answer(token, Some(&answer), now)
            }),
        };
        let (mut waiting, mut responses) = (Vec::new(), Vec::new());
        for each in outcome.waiting {
            match each {
                Waiting::Request(request) => waiting.push(request),
                Waiting::Response(response) => responses.push(response),
            }
        }
        let answer = Answer::Fact(Fact::Token(outcome.result));
        Some(FinishedLookup { answer, waiting, responses })
    }
}
