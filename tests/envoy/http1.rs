//! An HTTP/1.1 client that writes exactly what a test states, byte by byte if required.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::Notify;

use super::client::{Answer, Delivery, TlsStream};
use super::wire;
use crate::support::case::Request;

#[derive(Debug)]
pub struct Http1 {
    stream: BufReader<TlsStream>,
}

impl Http1 {
    pub fn new(stream: TlsStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub fn is_resumed(&self) -> bool {
        self.stream.get_ref().get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Writes and flushes `bytes`.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        write(&mut self.stream, bytes).await
    }

    /// Reads the next final answer.
    pub async fn answer(&mut self, id: &str) -> io::Result<Answer> {
        answer(&mut self.stream, id, &Notify::new()).await
    }

    /// Sends a request and reads the answer. The connection stays open unless Envoy closes it.
    pub async fn exchange(
        &mut self,
        id: &str,
        request: &Request,
        delivery: Delivery,
    ) -> io::Result<Answer> {
        let go_on = Notify::new();
        let (reading, mut writing) = tokio::io::split(&mut self.stream);
        // Envoy may answer and stop reading before the whole body is sent. Only the answer counts;
        // after a failed write, reading shows what happened.
        let write = async {
            let _ = deliver(&mut writing, id, request, delivery, &go_on).await;
            std::future::pending::<()>().await;
        };
        let mut reading = BufReader::new(reading);
        tokio::select! {
            answer = answer(&mut reading, id, &go_on) => answer,
            () = write => Err(io::Error::other("writing never ends")),
        }
    }
}

/// The headers of `request`, with the framing fields of its delivery.
pub fn head(id: &str, request: &Request, framing: &[&str]) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {}\r\nx-test-id: {id}\r\n",
        request.method, request.path, request.host
    )
    .into_bytes();
    for (name, value) in &request.headers {
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    for field in framing {
        head.extend([field.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}

async fn deliver(
    stream: &mut (impl AsyncWrite + Unpin),
    id: &str,
    request: &Request,
    delivery: Delivery,
    go_on: &Notify,
) -> io::Result<()> {
    let length = format!("content-length: {}", request.body.len());
    let length = length.as_str();
    match delivery {
        Delivery::Http1Bytes => {
            let whole = [head(id, request, &[length]), request.body.clone()].concat();
            for byte in whole.chunks(1) {
                write(stream, byte).await?;
            }
        }
        Delivery::Http1Chunked | Delivery::Http1Trailers => {
            let trailers = delivery == Delivery::Http1Trailers;
            write(stream, &head(id, request, &["transfer-encoding: chunked"])).await?;
            for byte in request.body.chunks(1) {
                write(stream, &[b"1\r\n", byte, b"\r\n"].concat()).await?;
            }
            write(stream, if trailers { b"0\r\nx-trailer: last\r\n\r\n" } else { b"0\r\n\r\n" })
                .await?;
        }
        Delivery::Http1Expect => {
            write(stream, &head(id, request, &[length, "expect: 100-continue"])).await?;
            go_on.notified().await;
            write(stream, &request.body).await?;
        }
        _ => {
            let framing: &[&str] = if frames_itself(request) { &[] } else { &[length] };
            write(stream, &[head(id, request, framing), request.body.clone()].concat()).await?;
        }
    }
    Ok(())
}

/// Whether no `content-length` is added: there is no body, or the test gives the framing itself.
fn frames_itself(request: &Request) -> bool {
    (request.body.is_empty() && request.method != "POST")
        || request.has_header("content-length")
        || request.has_header("transfer-encoding")
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn answer(
    stream: &mut (impl tokio::io::AsyncBufRead + Unpin),
    id: &str,
    go_on: &Notify,
) -> io::Result<Answer> {
    loop {
        let head = wire::read_head(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.word(1).parse().map_err(io::Error::other)?;
        if status < 200 {
            go_on.notify_one();
            continue;
        }
        let (body, _) = wire::read_body(stream, &head).await?;
        return Ok(Answer { id: id.into(), status, fields: head.fields, body });
    }
}
