//! HTTP/1.1 by a client and a server that cost little, so that Envoy is the limit.

use std::io;
use std::net::SocketAddr;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A connection on which every message has a `content-length`, in lower case, or no body.
#[derive(Debug)]
pub struct Messages<S> {
    stream: S,
    buffer: Vec<u8>,
    /// Octets of the message that was returned last.
    taken: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), taken: 0 }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The head and the body of the next message; `None` if the peer has closed the connection.
    pub async fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        let (head, whole) = loop {
            if let Some((head, whole)) = lengths(&self.buffer)?
                && whole <= self.buffer.len()
            {
                break (head, whole);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        self.taken = whole;
        Ok(Some(self.buffer[..whole].split_at(head)))
    }

    /// The status of the next answer.
    pub async fn status(&mut self) -> io::Result<u16> {
        let (head, _) = self.next().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.get(9..12).and_then(|status| std::str::from_utf8(status).ok());
        status.and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
    }
}

/// Of the head, and of the whole message that begins with it.
fn lengths(buffer: &[u8]) -> io::Result<Option<(usize, usize)>> {
    static END: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
    static LENGTH: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(NAME));
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let Some(end) = END.find(buffer) else { return Ok(None) };
    let head = &buffer[..end + 4];
    let Some(place) = LENGTH.find(head) else {
        // Its body would be read as the next message.
        let has_no_body = Finder::new(b"transfer-encoding").find(head).is_none();
        return if has_no_body {
            Ok(Some((head.len(), head.len())))
        } else {
            Err(io::ErrorKind::InvalidData.into())
        };
    };
    let digits = head[place + NAME.len()..].iter().take_while(|octet| octet.is_ascii_digit());
    let length = digits.fold(0, |length, digit| 10 * length + usize::from(digit - b'0'));
    Ok(Some((head.len(), head.len() + length)))
}

/// Answers every request, by its head and its body, until the runtime ends.
pub async fn serve(
    answer: impl Fn(&[u8], &[u8]) -> &'static str + Copy + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut messages = Messages::new(stream);
                // Envoy may close a connection at any time.
                while let Ok(Some((head, body))) = messages.next().await {
                    let answer = answer(head, body);
                    if messages.write(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}
