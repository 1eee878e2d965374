//! One HTTP request: Envoy's callbacks into the exchange, its steps back to Envoy.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action as Envoy, BufferType, LogLevel, MapType};
use tls_client_auth::host::{CertificateHeader, Exchange, Fields, Head, Step};
use tls_client_auth::{HostError, Response};

use super::downstream::DownstreamConnection;
use super::outcome::{carry_out, reply};
use super::registries::{Pending, Waiting};
use super::{Plugin, headers, log};

/// A request's state. Without a plugin or before its headers there is no exchange, and nothing
/// passes.
pub(super) struct RequestContext {
    context_id: u32,
    plugin: Option<Rc<Plugin>>,
    exchange: Option<Rc<RefCell<Exchange>>>,
    /// There while the registry is asked about this request's client.
    pending: Option<Pending>,
}

impl RequestContext {
    pub(super) fn new(context_id: u32, plugin: Option<Rc<Plugin>>) -> Self {
        Self { context_id, plugin, exchange: None, pending: None }
    }

    /// Lets the exchange take a step and does what comes of it.
    fn step(
        &mut self,
        take: impl FnOnce(&mut Exchange, &mut DownstreamConnection<'_>) -> Step,
    ) -> Envoy {
        let (Some(plugin), Some(exchange)) = (self.plugin.clone(), self.exchange.clone()) else {
            return Envoy::Pause;
        };
        let plugin = &*plugin;
        let mut step = take(&mut exchange.borrow_mut(), &mut DownstreamConnection { plugin });
        if let Step::LookUp { registry, client_id } = step {
            let answer = match plugin.registries.find(&registry, &client_id) {
                Poll::Ready(answer) => Err(answer),
                Poll::Pending => {
                    let waiting =
                        Waiting { context_id: self.context_id, exchange: exchange.clone() };
                    plugin.registries.look_up(plugin, &registry, &client_id, waiting)
                }
            };
            step = match answer {
                Ok(pending) => {
                    self.pending = Some(pending);
                    Step::Wait
                }
                Err(answer) => exchange
                    .borrow_mut()
                    .on_registration(answer, &mut DownstreamConnection { plugin }),
            };
        }
        match step {
            // A lookup follows no lookup.
            Step::Wait | Step::LookUp { .. } => Envoy::Pause,
            Step::Decided { passed } => to_envoy(passed),
            Step::Decide(decision) => to_envoy(carry_out(plugin, &exchange, *decision)),
        }
    }

    /// More of the request came. If its headers are held, Envoy is configured as it must be.
    fn on_more(&self) {
        if let (Some(plugin), Some(exchange)) = (&self.plugin, &self.exchange)
            && exchange.borrow().is_held()
        {
            plugin.held_headers.borrow_mut().prove();
        }
    }
}

impl Context for RequestContext {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body_size: usize, _: usize) {
        if let (Some(plugin), Some(pending)) = (&self.plugin, self.pending.take()) {
            plugin.registries.on_answer(plugin, &pending, headers, body_size);
        }
    }
}

impl HttpContext for RequestContext {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Envoy {
        let Some(plugin) = self.plugin.clone() else {
            // Envoy routes no request to a filter that refused its configuration; if it did, none
            // must pass or hang.
            reply(&Response::to(&HostError::Configuration.into(), false));
            return Envoy::Pause;
        };
        // One call for all of them: the names of identity headers are open-ended, and each single
        // read is a call.
        let pairs = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        let headers = Fields(&pairs);
        let head = Head::of(headers);
        let exchange = Exchange::new(&plugin.configuration, &head);
        let trusted = exchange
            .trusted_certificate_header(&head, &mut DownstreamConnection { plugin: &plugin });
        let is_stripped = strip(&exchange, MapType::HttpRequestHeaders, headers, trusted);
        let exchange = Rc::new(RefCell::new(exchange));
        self.exchange = Some(exchange.clone());
        let action = self.step(|exchange, connection| {
            if is_stripped {
                exchange.on_headers(&plugin.configuration, &head, end_of_stream, connection)
            } else {
                exchange.on_removal_failed(&head)
            }
        });
        if exchange.borrow().is_held() {
            plugin.held_headers.borrow_mut().watch(self.context_id, &exchange);
        }
        action
    }

    fn on_http_request_body(&mut self, buffered: usize, end_of_stream: bool) -> Envoy {
        self.on_more();
        self.step(|exchange, connection| {
            exchange.on_body(buffered, end_of_stream, read_body, connection)
        })
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Envoy {
        self.on_more();
        if let Some(exchange) = self.exchange.clone() {
            // Some backends merge trailers into headers.
            let pairs = hostcalls::get_map_bytes(MapType::HttpRequestTrailers).unwrap_or_default();
            let is_stripped =
                strip(&exchange.borrow(), MapType::HttpRequestTrailers, Fields(&pairs), None);
            if !is_stripped {
                let had_passed = exchange.borrow().has_passed();
                let action = self.step(|exchange, _| exchange.on_removal_failed(&Head::default()));
                if had_passed && action == Envoy::Pause {
                    // It was counted when it passed, and its headers are gone; without an end the
                    // backend has no whole request.
                    log(LogLevel::Error, &format!("tls_client_auth {}", HostError::HeaderRemoval));
                    reply(&Response::to(&HostError::HeaderRemoval.into(), false));
                }
                return action;
            }
        }
        self.step(|exchange, connection| exchange.on_end(read_body, connection))
    }
}

impl Drop for RequestContext {
    fn drop(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.held_headers.borrow_mut().forget(self.context_id);
            if let Some(pending) = &self.pending {
                plugin.registries.leave(self.context_id, pending);
            }
        }
    }
}

fn read_body(length: usize) -> Option<Vec<u8>> {
    hostcalls::get_buffer(BufferType::HttpRequestBody, 0, length).ok().flatten()
}

/// Takes away what no client may set; returns whether all of it is gone.
fn strip(
    exchange: &Exchange,
    map: MapType,
    fields: Fields<'_>,
    trusted: Option<CertificateHeader>,
) -> bool {
    exchange.names_to_strip(fields, trusted).all(|name| headers::remove(map, name))
}

fn to_envoy(passed: bool) -> Envoy {
    if passed { Envoy::Continue } else { Envoy::Pause }
}
