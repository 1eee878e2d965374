//! The authorization server behind Envoy: it answers every request with 200 and records it.

use std::fmt;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::wire::{self, Fields};

/// The body of every answer.
pub const ANSWER: &str = r#"{"access_token":"from the backend"}"#;

/// One request, as far as it has arrived. It is recorded as soon as its headers have arrived.
#[derive(Clone, Default)]
pub struct Seen {
    /// The listener of Envoy through which it came.
    pub listener: String,
    pub method: String,
    pub path: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    pub complete: bool,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {} {:?} {body} {:?}", self.method, self.path, self.fields, self.trailers)
    }
}

impl Seen {
    pub fn field(&self, name: &str) -> Option<&str> {
        wire::field(&self.fields, name)
    }

    /// The values of every field of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str()).collect()
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// Serves HTTP/1.1 and HTTP/2 without TLS on one port, until the runtime of its test ends.
#[derive(Debug)]
pub struct Backend {
    pub address: SocketAddr,
    log: Log,
}

impl Backend {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let log = Log::default();
        let backend = Self { address, log: Arc::clone(&log) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log)));
            }
        });
        backend
    }

    /// All requests that came through this listener, in the order of arrival.
    pub fn seen(&self, listener: &str) -> Vec<Seen> {
        lock(&self.log).iter().filter(|seen| seen.listener == listener).cloned().collect()
    }

    /// The request with this `x-test-id`.
    pub fn request(&self, id: &str) -> Option<Seen> {
        lock(&self.log).iter().find(|seen| seen.field("x-test-id") == Some(id)).cloned()
    }
}

fn lock(log: &Log) -> MutexGuard<'_, Vec<Seen>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records the headers; returns the index of the record.
fn record(log: &Log, method: String, path: String, fields: Fields) -> usize {
    let listener = wire::field(&fields, "x-listener").unwrap_or_default().to_string();
    let mut log = lock(log);
    log.push(Seen { listener, method, path, fields, ..Seen::default() });
    log.len() - 1
}

fn complete(log: &Log, place: usize, body: Vec<u8>, trailers: Fields) {
    if let Some(seen) = lock(log).get_mut(place) {
        *seen = Seen { body, trailers, complete: true, ..std::mem::take(seen) };
    }
}

async fn serve(stream: TcpStream, log: Log) {
    // HTTP/2 begins with "PRI * HTTP/2.0".
    let mut start = [0; 4];
    loop {
        match stream.peek(&mut start).await {
            Ok(4) => break,
            Ok(1..) => tokio::task::yield_now().await,
            _ => return,
        }
    }
    if &start == b"PRI " {
        serve_http2(stream, log).await;
    } else {
        // Envoy may close a connection early; what has arrived is recorded.
        let _ = serve_http1(stream, log).await;
    }
}

async fn serve_http1(stream: TcpStream, log: Log) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(head) = wire::read_head(&mut stream).await? {
        let place = record(&log, head.word(0).into(), head.word(1).into(), head.fields.clone());
        let (body, trailers) = wire::read_body(&mut stream, &head).await?;
        complete(&log, place, body, trailers);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

async fn serve_http2(stream: TcpStream, log: Log) {
    let Ok(mut connection) =
        h2::server::Builder::new().handshake::<_, Cursor<&'static str>>(stream).await
    else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer_http2(request, respond, Arc::clone(&log)));
    }
}

async fn answer_http2(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Cursor<&'static str>>,
    log: Log,
) -> Option<()> {
    let (head, mut stream) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let place = record(&log, head.method.to_string(), path, fields(&head.headers));
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.ok()?;
        stream.flow_control().release_capacity(data.len()).ok()?;
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await.ok()?;
    complete(&log, place, body, trailers.as_ref().map(fields).unwrap_or_default());
    let mut answer = respond.send_response(http::Response::new(()), false).ok()?;
    answer.send_data(Cursor::new(ANSWER), true).ok()
}

pub fn fields(map: &http::HeaderMap) -> Fields {
    map.iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect()
}
