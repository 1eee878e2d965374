//! A client registry that a test controls, and what the tests of fetched registries share.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::bootstrap::{self, Listener};
use super::client::{Client, Delivery};
use super::fixture::{CERTIFICATES, Outcome, ask, token};
use super::process::{CURRENT, Envoy, eventually, module};
use super::wire::{self, Fields, Head};

/// Envoy's name for the registry.
pub const CLUSTER: &str = "registry";

/// The answer at one path.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    /// Shared, because it may contain a million clients.
    body: Arc<[u8]>,
    delay: Duration,
    ending: Ending,
    not_modified: NotModified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Whole,
    /// `content-length` promises more than is sent.
    Short,
    /// The chunks end before the last one.
    ShortChunks,
    /// This many blanks follow.
    Padded(usize),
}

/// When 304 is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotModified {
    Never,
    /// `if-none-match` is the `etag`.
    SameTag,
    /// To every conditional request.
    Always,
}

impl Reply {
    pub fn body(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            fields: Vec::new(),
            body: body.into().into(),
            delay: Duration::ZERO,
            ending: Ending::Whole,
            not_modified: NotModified::Never,
        }
    }

    pub fn json(value: &Value) -> Self {
        Self::body(value.to_string()).field("content-type", "application/json")
    }

    /// A list of these clients.
    pub fn clients(ids: &[&str]) -> Self {
        Self::json(&ids.iter().map(|id| client(id)).collect())
    }

    pub fn status(status: u16) -> Self {
        Self { status, ..Self::body("") }
    }

    pub fn field(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub fn etag(self, tag: &str) -> Self {
        Self { not_modified: NotModified::SameTag, ..self.field("etag", tag) }
    }

    pub fn always_304(self) -> Self {
        Self { not_modified: NotModified::Always, ..self }
    }

    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub fn short(self) -> Self {
        Self { ending: Ending::Short, ..self }
    }

    pub fn short_chunks(self) -> Self {
        Self { ending: Ending::ShortChunks, ..self }
    }

    pub fn padded(self, bytes: usize) -> Self {
        Self { ending: Ending::Padded(bytes), ..self }
    }

    pub fn next(self, target: &str) -> Self {
        self.field("link", &format!("<{target}>; rel=\"next\""))
    }
}

/// A client with the seed certificate.
pub fn client(id: &str) -> Value {
    json!({
        "client_id": id,
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, \
            C=JP",
    })
}

#[derive(Debug, Default)]
struct State {
    replies: BTreeMap<String, Reply>,
    /// To every other path; by default 404.
    to_unknown: Option<Reply>,
    asked: Vec<(String, Fields)>,
    in_flight: usize,
    most_in_flight: usize,
    keeps_connections: bool,
}

/// A request without an answer yet.
struct InFlight(Arc<Mutex<State>>);

impl InFlight {
    fn begin(state: &Arc<Mutex<State>>) -> Self {
        let mut counted = lock(state);
        counted.in_flight += 1;
        counted.most_in_flight = counted.most_in_flight.max(counted.in_flight);
        Self(Arc::clone(state))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        lock(&self.0).in_flight -= 1;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An HTTP/1.1 server on loopback. It answers unknown paths with 404, unless a test says otherwise.
#[derive(Debug)]
pub struct Registry {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Registry {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::default();
        let server = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// Stops accepting connections.
    pub async fn stop(&mut self) {
        self.server.abort();
        let address = self.address;
        eventually("the registry is gone", async || {
            TcpStream::connect(address).await.is_err().then_some(())
        })
        .await;
    }

    /// Accepts connections again, at the same address.
    pub async fn start_again(&mut self) {
        let address = self.address;
        let listener =
            eventually("the port is free", async || TcpListener::bind(address).await.ok()).await;
        self.server = tokio::spawn(accept(listener, Arc::clone(&self.state)));
    }

    pub fn serve(&self, path: &str, reply: Reply) {
        self.state().replies.insert(path.into(), reply);
    }

    /// Serves many requests of one connection from now on.
    pub fn keep_connections(&self) {
        self.state().keeps_connections = true;
    }

    /// Answers the paths that nothing is served at.
    pub fn answer_unknown(&self, reply: Reply) {
        self.state().to_unknown = Some(reply);
    }

    /// The header fields of every request for this path.
    pub fn asked(&self, path: &str) -> Vec<Fields> {
        self.state()
            .asked
            .iter()
            .filter(|(asked, _)| asked == path)
            .map(|(_, fields)| fields.clone())
            .collect()
    }

    /// Every path that was asked for, in order.
    pub fn asked_paths(&self) -> Vec<String> {
        self.state().asked.iter().map(|(path, _)| path.clone()).collect()
    }

    /// The most requests that had no answer at one moment, lists among them.
    pub fn most_in_flight(&self) -> usize {
        self.state().most_in_flight
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        // The client may leave before the answer.
        tokio::spawn(async move { serve(stream, state).await.ok() });
    }
}

/// Serves one request per connection, so that a connection that is open when the registry stops has
/// an answer under way; or many, where a test says so.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Some(head) = wire::read_head(&mut stream).await? else { return Ok(()) };
        let (reply, keeps_connection) = {
            let mut state = lock(&state);
            let path = head.word(1).to_string();
            state.asked.push((path.clone(), head.fields.clone()));
            let reply = state.replies.get(&path).or(state.to_unknown.as_ref()).cloned();
            (reply.unwrap_or_else(|| Reply::status(404)), state.keeps_connections)
        };
        let in_flight = InFlight::begin(&state);
        // Envoy closes the connection of a request whose time is over. Nothing but the body of the
        // request comes meanwhile.
        tokio::select! {
            () = tokio::time::sleep(reply.delay) => {}
            () = read_to_end(&mut stream) => {}
        }
        // Before the answer, because Envoy may send the next request as soon as it has it.
        drop(in_flight);
        write(&mut stream, &reply, &head, keeps_connection).await?;
        if !keeps_connection {
            return stream.shutdown().await;
        }
        stream.flush().await?;
    }
}

/// Returns when the other side has closed the connection.
async fn read_to_end(stream: &mut BufReader<TcpStream>) {
    while let Ok(octets @ [_, ..]) = stream.fill_buf().await {
        let length = octets.len();
        stream.consume(length);
    }
}

async fn write(
    stream: &mut BufReader<TcpStream>,
    reply: &Reply,
    head: &Head,
    keeps_connection: bool,
) -> io::Result<()> {
    let etag =
        reply.fields.iter().find(|(name, _)| *name == "etag").map(|(_, value)| value.as_str());
    let known = wire::field(&head.fields, "if-none-match");
    let not_modified = match reply.not_modified {
        NotModified::Never => false,
        NotModified::SameTag => known.is_some() && known == etag,
        NotModified::Always => known.is_some(),
    };
    let (status, body) = if not_modified { (304, &[][..]) } else { (reply.status, &*reply.body) };
    let connection = if keeps_connection { "keep-alive" } else { "close" };
    let mut text = format!("HTTP/1.1 {status} X\r\nconnection: {connection}\r\n");
    for (name, value) in &reply.fields {
        text += &format!("{name}: {value}\r\n");
    }
    let length = match reply.ending {
        Ending::Whole => Some(body.len()),
        Ending::Short => Some(body.len() + 1000),
        Ending::Padded(bytes) => Some(body.len() + bytes),
        Ending::ShortChunks => None,
    };
    text += &match length {
        Some(length) => format!("content-length: {length}\r\n\r\n"),
        None => format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len()),
    };
    stream.write_all(text.as_bytes()).await?;
    stream.write_all(body).await?;
    match reply.ending {
        Ending::ShortChunks => stream.write_all(b"\r\n").await,
        Ending::Padded(bytes) => {
            let blanks = vec![b' '; 1 << 20];
            for _ in 0..bytes.div_ceil(blanks.len()) {
                stream.write_all(&blanks).await?;
            }
            Ok(())
        }
        Ending::Whole | Ending::Short => Ok(()),
    }
}

/// A plugin configuration whose clients come from this path, refreshed every second.
pub fn snapshot(path: &str, members: Value) -> Value {
    with(
        json!({
            "cluster": CLUSTER, "authority": "registry.test", "path": path,
            "refresh": "1s", "timeout": "1s",
        }),
        members,
    )
}

/// A plugin configuration with lookups.
pub fn lookup(members: Value) -> Value {
    let path = "/clients/{client_id}";
    with(
        json!({
            "cluster": CLUSTER, "authority": "registry.test", "path": path,
            "mode": "lookup", "timeout": "1s",
        }),
        members,
    )
}

fn with(mut registry: Value, members: Value) -> Value {
    for (name, value) in members.as_object().into_iter().flatten() {
        registry[name] = value.clone();
    }
    json!({ "endpoints": ["/token"], "registry": registry })
}

/// Starts an Envoy that has the cluster of the registry.
pub async fn start(workers: u32, registry: &Registry, listeners: Vec<Listener>) -> Envoy {
    let make = |backend, directory: &Path| {
        let bootstrap =
            bootstrap::bootstrap(&listeners, backend, &module(), &directory.join("access.log"));
        bootstrap::with_cluster(bootstrap, CLUSTER, registry.address).to_string()
    };
    let envoy = Envoy::start_with(CURRENT, workers, make).await;
    envoy.unwrap_or_else(|refused| panic!("Envoy ended:\n{}", refused.log))
}

/// Sends a token request of this client with its certificate, on a connection of its own.
pub async fn request(envoy: &Envoy, listener: &str, client_id: &str) -> Outcome {
    ask(envoy, listener, &Client::new(&CERTIFICATES.seed), token(client_id), Delivery::Http1Whole)
        .await
}

/// Waits until every worker decides this about the client. Envoy distributes new connections over
/// the workers.
pub async fn decided(envoy: &Envoy, listener: &str, client_id: &str, code: &str) {
    eventually(&format!("{client_id}: {code}"), async || {
        for _ in 0..12 {
            if request(envoy, listener, client_id).await.code() != code {
                return None;
            }
        }
        Some(())
    })
    .await;
    request(envoy, listener, client_id).await.assert_is(code);
}
