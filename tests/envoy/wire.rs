//! HTTP/1.1 for both ends, without a library that would change what a test sends.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// Names and values as text, in which invalid UTF-8 becomes U+FFFD.
pub type Fields = Vec<(String, String)>;

/// The start line and the header fields of one message.
#[derive(Clone, Debug)]
pub struct Head {
    pub start_line: String,
    pub fields: Fields,
}

impl Head {
    /// The words of the start line.
    pub fn word(&self, index: usize) -> &str {
        self.start_line.split(' ').nth(index).unwrap_or_default()
    }
}

/// The first field of this name.
pub fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Reads the start line and the headers; `None` if the peer closed between two messages.
pub async fn read_head(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Head>> {
    let start_line = line(stream).await?;
    if start_line.is_empty() {
        return Ok(None);
    }
    let start_line = String::from_utf8_lossy(trim(&start_line)).into_owned();
    Ok(Some(Head { start_line, fields: read_fields(stream).await? }))
}

/// The body and the trailers that follow `head`.
pub async fn read_body(
    stream: &mut (impl AsyncBufRead + Unpin),
    head: &Head,
) -> io::Result<(Vec<u8>, Fields)> {
    let mut body = Vec::new();
    if field(&head.fields, "transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let size = line(stream).await?;
            let size = std::str::from_utf8(trim(&size))
                .ok()
                .and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size.ok_or_else(|| io::Error::other("a chunk without its size"))?;
            if size == 0 {
                return Ok((body, read_fields(stream).await?));
            }
            read_exactly(stream, size, &mut body).await?;
            line(stream).await?;
        }
    }
    if let Some(length) = field(&head.fields, "content-length") {
        let length = length.parse().map_err(io::Error::other)?;
        read_exactly(stream, length, &mut body).await?;
    }
    Ok((body, Fields::new()))
}

async fn read_exactly(
    stream: &mut (impl AsyncBufRead + Unpin),
    size: usize,
    body: &mut Vec<u8>,
) -> io::Result<()> {
    let read = stream.take(size as u64).read_to_end(body).await?;
    if read == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn read_fields(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Fields> {
    let mut fields = Fields::new();
    loop {
        let line = line(stream).await?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = trim(&line);
        if line.is_empty() {
            return Ok(fields);
        }
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or_else(|| io::Error::other("a field without a colon"))?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        fields.push((text(&line[..colon]), text(line[colon + 1..].trim_ascii())));
    }
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await?;
    Ok(line)
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r\n").unwrap_or(line)
}
