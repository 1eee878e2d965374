//! One HTTP request: Envoy's callbacks go into the exchange, its steps go back to Envoy.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action as Iteration;
use tls_client_auth::host::{Exchange, Fields, Head, Question, Step};
use tls_client_auth::{Challenge, HostError, Response};

use super::abi::{self, Buffer, HeaderMap, Map};
use super::decision::{apply, reply};
use super::downstream::DownstreamConnection;
use super::held_request::HeldRequest;
use super::log::{Level, log};
use super::plugin::Plugin;
use super::registries::{Answer, AnswerSizes, FinishedLookup, PendingLookup};
use super::response::{self, ReadResponse};

/// The state of a request. Without a plugin, and before the headers, there is no exchange, and the
/// request does not pass.
pub(super) struct RequestContext {
    context_id: u32,
    plugin: Option<Rc<Plugin>>,
    exchange: Option<Rc<RefCell<Exchange>>>,
    /// Present while the request waits for a lookup of its client.
    pending: Option<PendingLookup>,
    response: ReadResponse,
}

impl RequestContext {
    pub(super) fn new(context_id: u32, plugin: Option<Rc<Plugin>>) -> Self {
        Self {
            context_id,
            plugin,
            exchange: None,
            pending: None,
            response: ReadResponse::default(),
        }
    }

    /// Lets the exchange take a step and does what the step demands.
    fn step(
        &mut self,
        take: impl FnOnce(&mut Exchange, &mut DownstreamConnection<'_>) -> Step,
    ) -> Iteration {
        let Self { context_id, plugin: Some(plugin), exchange: Some(exchange), pending, .. } = self
        else {
            return Iteration::Pause;
        };
        let mut step = take(&mut exchange.borrow_mut(), &mut plugin.certificates.connection());
        if let Step::LookUp { registry, client_id } = step {
            let answer = match plugin.registries.find(&registry, &client_id) {
                Poll::Ready(answer) => Err(answer),
                Poll::Pending => {
                    let request = HeldRequest::new(*context_id, exchange);
                    plugin.registries.look_up(&registry, &client_id, request)
                }
            };
            step = match answer {
                Ok(lookup) => {
                    *pending = Some(lookup);
                    Step::Wait
                }
                Err(answer) => exchange
                    .borrow_mut()
                    .on_registration(answer, &mut plugin.certificates.connection()),
            };
        }
        if let Step::Ask(question) = step {
            let request = HeldRequest::new(*context_id, exchange);
            step = find_out(plugin, &request, exchange, question);
        }
        match step {
            // After a registration no second lookup comes, and no question is left here.
            Step::Wait | Step::LookUp { .. } | Step::Ask(_) => Iteration::Pause,
            Step::Decided { passed } => iteration(passed),
            Step::Decide(decision) => iteration(apply(plugin, exchange, *decision)),
        }
    }

    /// A body or trailers were delivered. If the headers are held, Envoy has the setting that this
    /// needs.
    fn on_delivery(&self) {
        if let (Some(plugin), Some(exchange)) = (&self.plugin, &self.exchange)
            && exchange.borrow().is_held()
        {
            plugin.held_headers.borrow_mut().prove();
        }
    }
}

impl Context for RequestContext {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, _: usize) {
        if let (Some(plugin), Some(pending)) = (&self.plugin, self.pending.take())
            && let Some(finished) =
                plugin.registries.on_answer(&pending, AnswerSizes { headers, body })
        {
            resume_all(plugin, &finished);
        }
    }
}

impl HttpContext for RequestContext {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Iteration {
        let Some(plugin) = self.plugin.clone() else {
            // Envoy gives no requests to a filter that refused its configuration. If it did, they
            // must neither pass nor hang.
            reply(&Response::to(&HostError::Configuration.into(), Challenge::None));
            return Iteration::Pause;
        };
        // One call for all headers: the names of identity headers are not a fixed list, and each
        // read of a single header is a call of its own.
        let map = abi::header_map(Map::RequestHeaders);
        let given = map.as_ref().and_then(HeaderMap::fields);
        let is_readable = given.is_some();
        let fields = given.unwrap_or_default();
        let headers = Fields(&fields);
        let head = Head::of(headers);
        let exchange = Exchange::new(&plugin.configuration, &head);
        let trusted =
            exchange.trusted_certificate_header(&head, &mut plugin.certificates.connection());
        // What cannot be read cannot be stripped either.
        let stripped = if !is_readable {
            Err(HostError::HeaderMap)
        } else if exchange.may_strip(&head) {
            remove(Map::RequestHeaders, exchange.names_to_strip(headers, trusted))
        } else {
            Ok(())
        };
        self.exchange = Some(Rc::new(RefCell::new(exchange)));
        let iteration = self.step(|exchange, connection| match stripped {
            Ok(()) => exchange.on_headers(&plugin.configuration, &head, end_of_stream, connection),
            Err(error) => exchange.on_removal_failed(&head, error),
        });
        if let Some(exchange) = &self.exchange
            && exchange.borrow().is_held()
        {
            plugin.held_headers.borrow_mut().watch(self.context_id, exchange);
        }
        if abi::reads_responses() && iteration == Iteration::Continue {
            self.response = ReadResponse::to_metadata_request(&plugin, &head);
        }
        iteration
    }

    fn on_http_request_body(&mut self, buffered: usize, end_of_stream: bool) -> Iteration {
        self.on_delivery();
        self.step(|exchange, connection| {
            exchange.on_body(buffered, end_of_stream, read_body, connection)
        })
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Iteration {
        self.on_delivery();
        if let Some(exchange) = self.exchange.clone() {
            // Some backends merge trailers into the headers.
            let map = abi::header_map(Map::RequestTrailers);
            let stripped = match map.as_ref().and_then(HeaderMap::fields) {
                Some(fields) => {
                    let exchange = exchange.borrow();
                    remove(Map::RequestTrailers, exchange.trailers_to_strip(Fields(&fields)))
                }
                None => Err(HostError::HeaderMap),
            };
            if let Err(error) = stripped {
                let had_passed = exchange.borrow().has_passed();
                let iteration =
                    self.step(|exchange, _| exchange.on_removal_failed(&Head::default(), error));
                if had_passed && iteration == Iteration::Pause {
                    // The request was counted when it passed, and its headers are upstream. Without
                    // an end, the backend does not have a complete request.
                    log(Level::Error, &format!("tls_client_auth {error}"));
                    reply(&Response::to(&error.into(), Challenge::None));
                }
                return iteration;
            }
        }
        self.step(|exchange, connection| exchange.on_end(read_body, connection))
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Iteration {
        if !abi::reads_responses() {
            return Iteration::Continue;
        }
        let (Some(plugin), Some(exchange)) = (&self.plugin, &self.exchange) else {
            return Iteration::Continue;
        };
        // The filter's own reply comes here too, and is not read.
        if let Some(response) = exchange.borrow_mut().take_response() {
            self.response = ReadResponse::of(*response);
        }
        self.response.on_headers(plugin, self.context_id, end_of_stream)
    }

    fn on_http_response_body(&mut self, buffered: usize, end_of_stream: bool) -> Iteration {
        match &self.plugin {
            Some(plugin) if abi::reads_responses() => {
                self.response.on_body(plugin, self.context_id, buffered, end_of_stream)
            }
            _ => Iteration::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Iteration {
        match &self.plugin {
            Some(plugin) if abi::reads_responses() => {
                self.response.on_trailers(plugin, self.context_id)
            }
            _ => Iteration::Continue,
        }
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.held_headers.borrow_mut().forget(self.context_id);
            if abi::reads_responses() {
                plugin.held_responses.borrow_mut().forget(self.context_id);
            }
            if let Some(pending) = &self.pending {
                plugin.registries.cancel(self.context_id, pending);
            }
        }
    }
}

/// Continues the requests and the responses that waited for a lookup.
pub(super) fn resume_all(plugin: &Plugin, finished: &FinishedLookup) {
    for request in &finished.waiting {
        resume(plugin, request, |exchange, connection| match &finished.answer {
            Answer::Registration(result) => exchange.on_registration(result.clone(), connection),
            Answer::Fact(fact) => exchange.on_fact(fact.clone(), connection),
        });
    }
    if abi::reads_responses()
        && let Answer::Fact(fact) = &finished.answer
    {
        for held in &finished.responses {
            response::resume(plugin, held, |response| response.on_fact(fact.clone()));
        }
    }
}

/// The step after one that asks this question, and after those that follow from it.
#[inline(never)]
fn find_out(
    plugin: &Plugin,
    request: &HeldRequest,
    exchange: &RefCell<Exchange>,
    mut question: Box<Question>,
) -> Step {
    loop {
        let Poll::Ready(fact) = plugin.registries.find_out(&question, request) else {
            return Step::Wait;
        };
        let mut connection = plugin.certificates.connection();
        match exchange.borrow_mut().on_fact(fact, &mut connection) {
            Step::Ask(next) => question = next,
            step => return step,
        }
    }
}

/// Lets the exchange of a held request take a step outside of the request's own callbacks.
pub(super) fn resume(
    plugin: &Plugin,
    request: &HeldRequest,
    take: impl FnOnce(&mut Exchange, &mut DownstreamConnection<'_>) -> Step,
) {
    let Some(exchange) = request.make_effective() else { return };
    let mut step = take(&mut exchange.borrow_mut(), &mut plugin.certificates.connection());
    if let Step::Ask(question) = step {
        step = find_out(plugin, request, &exchange, question);
    }
    if let Step::Decide(decision) = step
        && apply(plugin, &exchange, *decision)
    {
        abi::continue_request();
    }
}

fn read_body(length: usize) -> Option<Vec<u8>> {
    abi::buffer(Buffer::RequestBody, length)
}

/// Removes headers or trailers.
///
/// # Errors
/// The host did not remove one of them.
fn remove<'a>(map: Map, mut names: impl Iterator<Item = &'a [u8]>) -> Result<(), HostError> {
    if names.all(|name| abi::remove_header(map, name)) {
        Ok(())
    } else {
        Err(HostError::HeaderRemoval)
    }
}

fn iteration(passed: bool) -> Iteration {
    if passed { Iteration::Continue } else { Iteration::Pause }
}
