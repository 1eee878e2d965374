//! Header maps in the encoding of the ABI.

use wasmtime::{Result, bail, format_err};

use super::stream::Headers;

/// Refuses a header that Envoy's codecs would refuse or split into two.
pub fn check_header(name: &str, value: &[u8]) -> Result<()> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        bail!("{name:?} is not a header name");
    }
    if value.iter().any(|byte| b"\0\r\n".contains(byte)) {
        bail!("header {name}: {:?} would break the message", String::from_utf8_lossy(value));
    }
    Ok(())
}

/// Checks the headers of a request that Envoy sends for the filter.
pub fn check_head(headers: &Headers) -> Result<()> {
    for (name, value) in headers {
        if !name.starts_with(':') {
            check_header(name, value)?;
            continue;
        }
        if ![":authority", ":method", ":path", ":scheme"].contains(&name.as_str()) {
            bail!("{name} is not a pseudo-header of a request");
        }
        let breaks = value.is_empty() || value.iter().any(|byte| *byte <= b' ' || *byte == 0x7f);
        if breaks || headers.iter().filter(|(other, _)| other == name).count() > 1 {
            bail!(
                "{name}: {:?} would break the request, or occurs twice",
                String::from_utf8_lossy(value)
            );
        }
    }
    Ok(())
}

/// An empty map has no bytes: proxy-wasm-cpp-host gives a null pointer.
pub fn encode_pairs(headers: &Headers) -> Vec<u8> {
    if headers.is_empty() {
        return Vec::new();
    }
    let mut bytes = (headers.len() as u32).to_le_bytes().to_vec();
    for (name, value) in headers {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (name, value) in headers {
        bytes.extend([name.as_bytes(), b"\0", value, b"\0"].concat());
    }
    bytes
}

pub fn decode_pairs(mut bytes: &[u8]) -> Result<Headers> {
    let count = take_size(&mut bytes)?;
    let sizes = (0..count)
        .map(|_| Ok((take_size(&mut bytes)?, take_size(&mut bytes)?)))
        .collect::<Result<Vec<_>>>()?;
    let headers = sizes
        .into_iter()
        .map(|(name, value)| {
            let name = String::from_utf8(take_terminated(&mut bytes, name)?)?;
            Ok((name, take_terminated(&mut bytes, value)?))
        })
        .collect::<Result<Headers>>()?;
    if bytes.is_empty() {
        Ok(headers)
    } else {
        bail!("{} bytes after the last header", bytes.len())
    }
}

fn take_size(bytes: &mut &[u8]) -> Result<usize> {
    let size = bytes.split_off(..4).ok_or_else(|| format_err!("a header map is cut off"))?;
    Ok(u32::from_le_bytes(size.try_into()?) as usize)
}

fn take_terminated(bytes: &mut &[u8], size: usize) -> Result<Vec<u8>> {
    let text = bytes.split_off(..size).ok_or_else(|| format_err!("a header map is cut off"))?;
    match bytes.split_off(..1) {
        Some([0]) => Ok(text.to_vec()),
        _ => bail!("a header map lacks its terminators"),
    }
}
