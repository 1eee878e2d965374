//! HTTP calls of the module (`proxy_http_call`), and the answers that a test gives.
//!
//! A call belongs to the root context, also if a stream makes it: it outlives the stream, and its
//! answer comes to the root. The answer can be read only during its callback. Envoy returns nothing
//! afterwards, which is a [`Fault`] here.

use std::collections::BTreeSet;
use std::mem;

use wasmtime::{Result, bail};

use super::abi::Host;
use super::guest::Guest;
use super::pairs::{check_head, decode_pairs};
use super::stream::{Headers, Status, values};
use super::{Fault, StreamId, Vm};

const ANSWER_HEADERS: u32 = 6;
const ANSWER_TRAILERS: u32 = 7;
pub const ANSWER_BODY: u32 = 4;

/// Envoy fails a call with a longer answer (`http.async_response_buffer_limit`).
pub const ANSWER_LIMIT: usize = 32 << 20;

/// A call that is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    pub token: u32,
    pub cluster: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
    pub timeout_ms: u32,
    /// The stream that made it or for which it was made; `None` for the root.
    pub made_for: Option<StreamId>,
    root: u32,
}

impl HttpCall {
    pub fn header(&self, name: &str) -> Vec<&[u8]> {
        values(&self.headers, name)
    }

    pub fn path(&self) -> String {
        String::from_utf8_lossy(self.header(":path").first().copied().unwrap_or_default())
            .into_owned()
    }
}

/// What the module receives. `:status` is one of the headers; without trailers there is no map of
/// trailers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAnswer {
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
}

/// The calls of one VM.
#[derive(Debug, Default)]
pub struct Calls {
    clusters: BTreeSet<String>,
    unreachable: BTreeSet<String>,
    pending: Vec<HttpCall>,
    last_token: u32,
    shown: Option<Shown>,
}

/// The root whose callback is running, and the answer; `None` if the call failed.
#[derive(Debug)]
struct Shown {
    root: u32,
    answer: Option<HttpAnswer>,
}

impl Calls {
    pub fn any_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether there was any call.
    pub fn any_made(&self) -> bool {
        self.last_token > 0
    }

    /// Removes the calls of a root context.
    pub fn cancel(&mut self, root: u32) {
        self.pending.retain(|call| call.root != root);
    }

    /// Registers a call; returns its token. The checks are in Envoy's order.
    fn place(&mut self, mut call: HttpCall) -> Result<Result<u32, Status>> {
        if i32::try_from(call.timeout_ms).is_err() || !self.clusters.contains(&call.cluster) {
            return Ok(Err(Status::BadArgument));
        }
        for (name, _) in &mut call.headers {
            name.make_ascii_lowercase();
        }
        if [":path", ":method", ":authority"].into_iter().any(|name| call.header(name).is_empty()) {
            return Ok(Err(Status::BadArgument));
        }
        check_head(&call.headers)?;
        if call.timeout_ms == 0 {
            bail!("a call without a time-out: a request may wait for its answer without end");
        }
        if self.unreachable.contains(&call.cluster) {
            return Ok(Err(Status::InternalFailure));
        }
        // In proxy-wasm-cpp-host the two lowest bits distinguish HTTP from gRPC calls.
        self.last_token += 4;
        call.token = self.last_token;
        self.pending.push(call);
        Ok(Ok(self.last_token))
    }
}

/// Whether a header map belongs to an answer.
pub fn is_answer_map(map: u32) -> bool {
    [ANSWER_HEADERS, ANSWER_TRAILERS].contains(&map)
}

impl Guest<'_> {
    pub fn http_call(
        &mut self,
        cluster: (u32, u32),
        headers: (u32, u32),
        body: (u32, u32),
        trailers: (u32, u32),
        timeout_ms: u32,
        token_out: u32,
    ) -> Result<Status> {
        let call = HttpCall {
            token: 0,
            cluster: self.read_text(cluster.0, cluster.1)?,
            headers: decode_pairs(&self.read(headers.0, headers.1)?)?,
            body: self.read(body.0, body.1)?,
            trailers: if trailers.1 == 0 {
                Headers::new()
            } else {
                decode_pairs(&self.read(trailers.0, trailers.1)?)?
            },
            timeout_ms,
            made_for: self.host().subject_stream(),
            root: self.host().subject_root()?,
        };
        let host = self.host();
        if host.is_configuring {
            bail!(
                "a call from on_vm_start or on_configure: its answer never comes to Envoy's base VM"
            );
        }
        let (status, token) = match host.calls.place(call)? {
            Ok(token) => (Status::Ok, token),
            Err(status) => (status, 0),
        };
        self.write(token_out, &token.to_le_bytes())?;
        Ok(status)
    }

    /// A header map of the answer; `None` if the call failed or there are no trailers.
    pub fn answer_fields(&mut self, map: u32) -> Result<Option<&Headers>> {
        let Some(answer) = self.shown_answer()? else { return Ok(None) };
        Ok(match map {
            ANSWER_HEADERS => Some(&answer.headers),
            _ => Some(&answer.trailers).filter(|trailers| !trailers.is_empty()),
        })
    }

    pub fn answer_body(&mut self) -> Result<Option<&[u8]>> {
        Ok(self.shown_answer()?.map(|answer| answer.body.as_slice()))
    }

    fn shown_answer(&mut self) -> Result<Option<&HttpAnswer>> {
        let host = self.host();
        let root = host.subject_root()?;
        match &host.calls.shown {
            // Each root sees the answers to its own calls.
            Some(shown) => Ok(shown.answer.as_ref().filter(|_| shown.root == root)),
            None => bail!("the answer to a call is read outside of its callback"),
        }
    }
}

impl Vm {
    /// Sets the clusters that Envoy has. Initially there are none.
    pub fn set_clusters(&mut self, clusters: &[&str]) {
        self.store.data_mut().calls.clusters = clusters.iter().map(ToString::to_string).collect();
    }

    /// Sets the clusters that have no healthy host: a call is refused at once (InternalFailure),
    /// without a callback.
    pub fn set_unreachable(&mut self, clusters: &[&str]) {
        self.store.data_mut().calls.unreachable =
            clusters.iter().map(ToString::to_string).collect();
    }

    /// The pending calls, the oldest first.
    pub fn calls(&self) -> Vec<HttpCall> {
        self.store.data().calls.pending.clone()
    }

    /// Answers a call. Streams that the module answers or continues in the callback proceed as in
    /// [`Vm::tick`].
    pub fn answer(&mut self, token: u32, answer: HttpAnswer) -> Result<(), Fault> {
        if answer.body.len() > ANSWER_LIMIT {
            return Err(Fault("Envoy fails a call with an answer of more than 32 MiB".into()));
        }
        if values(&answer.headers, ":status").len() != 1 {
            return Err(Fault("an answer has one :status".into()));
        }
        self.finish(token, Some(answer))
    }

    /// Fails a call. Envoy does not distinguish a time-out, a failed connection and an answer that
    /// is too long.
    pub fn fail(&mut self, token: u32) -> Result<(), Fault> {
        self.finish(token, None)
    }

    /// What the module did outside of the callbacks of requests since it was asked last:
    /// instructions and host calls.
    pub fn take_cost_of_roots(&mut self) -> (u64, u64) {
        let Host { accounts, streams, .. } = self.store.data_mut();
        let of_roots = accounts.iter_mut().filter(|(context, _)| !streams.contains_key(context));
        of_roots.fold((0, 0), |(instructions, host_calls), (_, account)| {
            let calls: u32 = mem::take(&mut account.host_calls).into_values().sum();
            (instructions + mem::take(&mut account.fuel), host_calls + u64::from(calls))
        })
    }

    fn finish(&mut self, token: u32, answer: Option<HttpAnswer>) -> Result<(), Fault> {
        let others = self.unanswered();
        let calls = &mut self.store.data_mut().calls;
        let at = calls.pending.iter().position(|call| call.token == token);
        let at = at.ok_or_else(|| Fault(format!("call {token} is not pending")))?;
        let root = calls.pending.remove(at).root;
        let sizes = answer.as_ref().map_or((0, 0, 0), |answer| {
            (answer.headers.len() as u32, answer.body.len() as u32, answer.trailers.len() as u32)
        });
        calls.shown = Some(Shown { root, answer });
        let result = self.call::<_, ()>(
            root,
            "proxy_on_http_call_response",
            (root, token, sizes.0, sizes.1, sizes.2),
        );
        self.store.data_mut().calls.shown = None;
        result?;
        self.update_others(others)
    }
}
