//! The member `forward` (contract §5).

use super::header_name;
use super::stripped_headers::header_pattern;
use crate::certificate::CertificateHeader;
use crate::json::{Json, JsonError, Members, first_repeated, one_of};
use crate::policy::{Forward, is_reserved};
use crate::request::same_header;

impl Forward {
    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to `forward`.
    pub(super) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let client_id = members.read("client_id", identity_header)?;
        let certificate = members.read("certificate", |json| {
            let names = CertificateHeader::ALL.map(|header| (header.name(), header));
            json.elements("an array of header names", one_of(&names))
        })?;
        let thumbprint = members.read("thumbprint", identity_header)?;
        let keep =
            members.read("keep", |json| json.elements("an array of header names", kept_name))?;
        let strip = members
            .read("strip", |json| json.elements("an array of header names", header_pattern))?;
        members.finish()?;
        let forward = Self {
            client_id,
            thumbprint,
            certificate: certificate.unwrap_or_default(),
            keep: keep.unwrap_or_default(),
            strip: strip.unwrap_or_default(),
        };

        if let Some(index) = forward
            .keep
            .iter()
            .position(|kept| forward.written_names().any(|name| same_header(name, &**kept)))
        {
            // The backend could not distinguish a header of the client from that of the filter.
            let error = JsonError::expected("a header that forward does not write");
            return Err(error.within(index).within("keep"));
        }
        let written: Vec<String> = forward
            .written_names()
            .map(|name| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
            .collect();
        if let Some(name) = first_repeated(written.iter().map(String::as_str)) {
            return Err(JsonError::new(format!(
                "expected different headers, found \"{name}\" twice"
            )));
        }
        Ok(forward)
    }
}

/// An entry of `keep`. The header is kept in exactly this spelling, so that a pattern with `*`
/// would keep nothing.
fn kept_name(json: &Json) -> Result<Box<str>, JsonError> {
    let name = header_name(json)?;
    if name.contains('*') {
        Err(JsonError::expected("one header name: * stands for itself here"))
    } else {
        Ok(name)
    }
}

/// The name of a header that the filter may write.
fn identity_header(json: &Json) -> Result<Box<str>, JsonError> {
    let name = header_name(json)?;
    // Servers read other information in these headers.
    const NOT_FOR_IDENTITY: [&str; 4] = ["date", "expect", "forwarded", "x-forwarded-client-cert"];
    if is_reserved(&name) || NOT_FOR_IDENTITY.iter().any(|reserved| same_header(reserved, &*name)) {
        return Err(JsonError::expected("a header of its own: this one has another meaning"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(json: &str) -> Result<Forward, JsonError> {
        Forward::from_json(&Json::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn mistakes() {
        for (json, pointer) in [
            (r#"[]"#, ""),
            (r#"{"client_id": ""}"#, "/client_id"),
            (r#"{"client_id": "a b"}"#, "/client_id"),
            (r#"{"client_id": ":path"}"#, "/client_id"),
            (r#"{"client_id": "Host"}"#, "/client_id"),
            (r#"{"thumbprint": "content_length"}"#, "/thumbprint"),
            (r#"{"certificate": ["x"]}"#, "/certificate/0"),
            (r#"{"certificate": "client-cert"}"#, "/certificate"),
            (r#"{"certificate": ["client-cert", "client-cert"]}"#, ""),
            (r#"{"client_id": "x-a", "thumbprint": "X-A"}"#, ""),
            (r#"{"client_id": "x-a", "thumbprint": "x_a"}"#, ""),
            (r#"{"client_id": "x-a", "keep": ["b", "X_A"]}"#, "/keep/1"),
            (r#"{"keep": [1]}"#, "/keep/0"),
            (r#"{"keep": ["x-a", "x-ssl-cert*"]}"#, "/keep/1"),
            (r#"{"kep": []}"#, "/kep"),
            (r#"{"client_id": "x_request_id"}"#, "/client_id"),
            (r#"{"client_id": "X-Envoy-Peer"}"#, "/client_id"),
            (r#"{"thumbprint": "content-md5"}"#, "/thumbprint"),
            (r#"{"thumbprint": "proxy-connection"}"#, "/thumbprint"),
            (r#"{"thumbprint": "x-forwarded-client-cert"}"#, "/thumbprint"),
            (r#"{"strip": "x-a"}"#, "/strip"),
            (r#"{"strip": ["x-a", "a b"]}"#, "/strip/1"),
        ] {
            assert_eq!(forward(json).unwrap_err().pointer, pointer, "{json}");
        }
    }
}
