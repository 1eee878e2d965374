//! An HTTP/2 client with control over each frame.

use std::io::{self, Cursor};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use tokio::task::JoinHandle;

use super::backend::fields;
use super::client::{Answer, Delivery, TlsStream};
use crate::support::case::Request;

pub type Bytes = Cursor<Vec<u8>>;

#[derive(Debug)]
pub struct Http2 {
    requests: h2::client::SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

/// A stream whose headers are sent.
pub struct Stream {
    id: String,
    answer: h2::client::ResponseFuture,
    pub body: h2::SendStream<Bytes>,
}

impl Http2 {
    pub async fn new(stream: TlsStream) -> io::Result<Self> {
        let (requests, connection) =
            h2::client::Builder::new().handshake(stream).await.map_err(io::Error::other)?;
        // If Envoy closes the connection, this ends in an error, which the streams report.
        let connection = tokio::spawn(async { drop(connection.await) });
        Ok(Self { requests, connection })
    }

    /// Whether Envoy takes another stream, as far as it has said.
    pub async fn is_open(&self) -> bool {
        self.requests.clone().ready().await.is_ok()
    }

    /// Sends the headers. Several streams of a connection may be open at the same time.
    pub async fn open(
        &self,
        id: &str,
        request: &Request,
        end_of_stream: bool,
    ) -> io::Result<Stream> {
        let mut requests = self.requests.clone().ready().await.map_err(io::Error::other)?;
        let (answer, body) =
            requests.send_request(head(id, request)?, end_of_stream).map_err(io::Error::other)?;
        Ok(Stream { id: id.into(), answer, body })
    }

    /// Sends the headers of an extended CONNECT (RFC 8441), after Envoy has announced support for
    /// it.
    pub async fn connect(
        &self,
        id: &str,
        request: &Request,
        protocol: &'static str,
    ) -> io::Result<Stream> {
        let mut requests = self.requests.clone().ready().await.map_err(io::Error::other)?;
        while !requests.is_extended_connect_protocol_enabled() {
            tokio::task::yield_now().await;
        }
        let mut head = head(id, request)?;
        *head.method_mut() = http::Method::CONNECT;
        head.extensions_mut().insert(h2::ext::Protocol::from_static(protocol));
        let (answer, body) = requests.send_request(head, false).map_err(io::Error::other)?;
        Ok(Stream { id: id.into(), answer, body })
    }

    pub async fn exchange(
        &self,
        id: &str,
        request: &Request,
        delivery: Delivery,
    ) -> io::Result<Answer> {
        let nothing_more = request.body.is_empty()
            && matches!(delivery, Delivery::Http2Whole | Delivery::Http2Bytes);
        let mut stream = self.open(id, request, nothing_more).await?;
        if !nothing_more {
            // Envoy may answer and reset the stream before everything is sent: only the answer
            // counts.
            let _ = stream.deliver(&request.body, delivery);
        }
        stream.answer().await
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Stream {
    fn deliver(&mut self, body: &[u8], delivery: Delivery) -> Result<(), h2::Error> {
        let frame = if delivery == Delivery::Http2Whole { body.len() } else { 1 };
        let ends_itself = matches!(delivery, Delivery::Http2Whole | Delivery::Http2Bytes);
        let mut rest = body.chunks(frame).peekable();
        while let Some(data) = rest.next() {
            self.data(data, ends_itself && rest.peek().is_none())?;
        }
        match delivery {
            Delivery::Http2EmptyEnd => self.data(b"", true),
            Delivery::Http2Trailers => self.trailers(&[("x-trailer", "last")]),
            _ => Ok(()),
        }
    }

    pub fn data(&mut self, data: &[u8], end_of_stream: bool) -> Result<(), h2::Error> {
        self.body.send_data(Cursor::new(data.to_vec()), end_of_stream)
    }

    pub fn trailers(&mut self, trailers: &[(&'static str, &'static str)]) -> Result<(), h2::Error> {
        let trailer = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        self.body.send_trailers(trailers.iter().map(trailer).collect())
    }

    pub async fn answer(self) -> io::Result<Answer> {
        let (head, mut stream) = self.answer.await.map_err(io::Error::other)?.into_parts();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            let data = data.map_err(io::Error::other)?;
            stream.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
            body.extend_from_slice(&data);
        }
        Ok(Answer {
            id: self.id,
            status: head.status.as_u16(),
            fields: fields(&head.headers),
            body,
        })
    }
}

/// Whether the client library can send this request. HTTP/1.1 is written here and has no limits.
pub fn can_carry(request: &Request) -> bool {
    head("any", request).is_ok()
}

fn head(id: &str, request: &Request) -> io::Result<http::Request<()>> {
    let uri = Uri::builder()
        .scheme("https")
        .authority(request.host.as_str())
        .path_and_query(request.path.as_str());
    let mut head = http::Request::new(());
    *head.method_mut() = request.method.parse().map_err(io::Error::other)?;
    *head.uri_mut() = uri.build().map_err(io::Error::other)?;
    *head.headers_mut() = headers(id, request)?;
    Ok(head)
}

fn headers(id: &str, request: &Request) -> io::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert("x-test-id", id.parse().map_err(io::Error::other)?);
    for (name, value) in &request.headers {
        let name: HeaderName = name.parse().map_err(io::Error::other)?;
        headers.append(name, HeaderValue::from_bytes(value).map_err(io::Error::other)?);
    }
    Ok(headers)
}
