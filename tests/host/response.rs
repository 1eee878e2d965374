//! The response of the backend to a stream: what of it is held, and what the client received.

use std::collections::BTreeSet;

use super::stream::{Action, Headers, Reply, Withheld};
use super::{Fault, StreamId, Vm};

/// What the client received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
}

/// What a client sees in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// The answer of the backend, as it went on.
    Whole(Received),
    /// A local reply in its place.
    Replied(Reply),
    /// Nothing: the client waits.
    Held,
}

/// What this host fails to do for responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResponseFault {
    GiveHeaders,
    GiveBody,
    ReplaceBody,
    Reply,
    Continue,
}

/// The response to a stream, as far as it came.
#[derive(Debug, Default)]
pub struct BackendResponse {
    came: bool,
    pub headers: Headers,
    buffered: Vec<u8>,
    has_body: bool,
    trailers: Headers,
    /// What went on to the client, from the headers on.
    sent: Option<Received>,
    end_came: bool,
    ended: bool,
    /// As [`super::Stream::stopped`].
    stopped: Option<Withheld>,
}

impl BackendResponse {
    /// Whether a local reply can still take its place.
    pub fn is_replaceable(&self) -> bool {
        self.came && self.sent.is_none()
    }

    /// Its headers, while the filter holds them.
    pub fn held_headers(&mut self) -> Option<&mut Headers> {
        if self.is_replaceable() { Some(&mut self.headers) } else { None }
    }

    pub fn buffered(&self) -> Option<&[u8]> {
        self.has_body.then_some(&self.buffered)
    }

    /// Replaces the body, which Envoy does only if there is one.
    pub fn replace(&mut self, start: usize, size: usize, body: Vec<u8>) -> Result<bool, String> {
        if start != 0 || size < self.buffered.len() {
            return Err(format!("{start}, {size}: only a part of the body is replaced"));
        }
        if !self.is_replaceable() {
            return Err("a body is replaced whose headers went on".into());
        }
        if self.has_body {
            self.buffered = body;
        }
        Ok(self.has_body)
    }

    /// Whether it is held at its end: only the filter can resume it.
    pub fn waits(&self) -> bool {
        self.end_came && !self.ended
    }

    /// `proxy_continue_stream`
    pub fn resume(&mut self) -> Result<(), String> {
        if !self.is_replaceable() {
            return Err("a response is continued that is not held".into());
        }
        self.release();
        Ok(())
    }

    fn release(&mut self) {
        let headers = &self.headers;
        let sent = self
            .sent
            .get_or_insert_with(|| Received { headers: headers.clone(), ..Received::default() });
        sent.body.append(&mut self.buffered);
        sent.trailers.clone_from(&self.trailers);
        self.ended = self.end_came;
    }
}

impl Vm {
    /// Makes the host fail at this, for every response.
    pub fn fail_responses(&mut self, faults: impl IntoIterator<Item = ResponseFault>) {
        self.store.data_mut().response_faults = faults.into_iter().collect::<BTreeSet<_>>();
    }

    /// Delivers the headers of the response to a request that went upstream.
    pub fn response_headers(
        &mut self,
        id: StreamId,
        headers: Headers,
        end_of_stream: bool,
    ) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        if !stream.is_released() || stream.response.came {
            return Err(Fault("no backend answers this request now".into()));
        }
        let count = headers.len() as u32;
        stream.response.headers = headers;
        stream.response.came = true;
        let arguments = (id.0, count, u32::from(end_of_stream));
        self.proceed_response(id, "proxy_on_response_headers", arguments, end_of_stream)?;
        let stops = !self.allow_on_headers_stop_iteration;
        let response = &mut self.stream_mut(id).response;
        if stops && response.is_replaceable() {
            response.stopped = Some(Withheld::default());
        }
        Ok(())
    }

    /// Delivers a part of its body.
    pub fn response_body(
        &mut self,
        id: StreamId,
        chunk: &[u8],
        end_of_stream: bool,
    ) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        if stream.reply.is_some() {
            return Ok(());
        }
        let response = &mut stream.response;
        if let Some(withheld) = &mut response.stopped {
            withheld.body.extend_from_slice(chunk);
            withheld.end_of_stream = end_of_stream;
            return Ok(());
        }
        response.buffered.extend_from_slice(chunk);
        response.has_body = true;
        let size = response.buffered.len() as u32;
        let arguments = (id.0, size, u32::from(end_of_stream));
        self.proceed_response(id, "proxy_on_response_body", arguments, end_of_stream)
    }

    /// Delivers its trailers, which end it.
    pub fn response_trailers(&mut self, id: StreamId, trailers: Headers) -> Result<(), Fault> {
        let stream = self.stream_mut(id);
        if stream.reply.is_some() {
            return Ok(());
        }
        let response = &mut stream.response;
        if let Some(withheld) = &mut response.stopped {
            withheld.trailers = Some(trailers);
            return Ok(());
        }
        let count = trailers.len() as u32;
        response.trailers = trailers;
        self.proceed_response(id, "proxy_on_response_trailers", (id.0, count), true)
    }

    /// What the client sees now.
    pub fn delivered(&self, id: StreamId) -> Delivered {
        let stream = self.stream(id);
        match (&stream.reply, &stream.response.sent) {
            (Some(reply), _) => Delivered::Replied(reply.clone()),
            (None, Some(sent)) if stream.response.ended => Delivered::Whole(sent.clone()),
            _ => Delivered::Held,
        }
    }

    fn proceed_response<P: wasmtime::WasmParams>(
        &mut self,
        id: StreamId,
        callback: &str,
        arguments: P,
        end_of_stream: bool,
    ) -> Result<(), Fault> {
        let others = self.unanswered_but(id);
        let action = match self.call_if_exported::<_, u32>(id.0, callback, arguments)? {
            None | Some(0) => Action::Continue,
            Some(1) => Action::Pause,
            Some(other) => {
                return Err(Fault(format!("{callback} returned {other}, which is not an action")));
            }
        };
        let may_wake = self.may_wake();
        let is_failing = self.store.data().response_faults.contains(&ResponseFault::Reply);
        let stream = self.stream_mut(id);
        stream.response.end_came |= end_of_stream;
        match action {
            Action::Continue if stream.reply.is_some() => {
                return Err(Fault(format!("{callback}: Continue after a local reply")));
            }
            Action::Continue => stream.response.release(),
            Action::Pause
                if end_of_stream && stream.reply.is_none() && !may_wake && !is_failing =>
            {
                return Err(Fault(format!(
                    "{callback}: Pause at the end of the response: nothing can resume it"
                )));
            }
            Action::Pause => {}
        }
        self.run_response_callbacks(id)?;
        self.update_others(others)
    }

    /// Delivers to a continued response what arrived while it was stopped.
    pub(super) fn deliver_withheld_response(&mut self, id: StreamId) -> Result<(), Fault> {
        let response = &mut self.stream_mut(id).response;
        if response.sent.is_none() {
            return Ok(());
        }
        let Some(withheld) = response.stopped.take() else { return Ok(()) };
        if !withheld.body.is_empty() || withheld.end_of_stream {
            self.response_body(id, &withheld.body, withheld.end_of_stream)?;
        }
        match withheld.trailers {
            Some(trailers) => self.response_trailers(id, trailers),
            None => Ok(()),
        }
    }
}
