//! The member `forward` (contract §5).

use super::stripped_headers::header_pattern;
use super::{has_another_meaning, header_name, header_of_its_own};
use crate::certificate::{CertificateHeader, XFCC};
use crate::json::{Json, JsonError, Members, first_repeated, one_of};
use crate::policy::{CertificateFor, Forward, NamedHeader};
use crate::request::same_header;

impl Forward {
    /// Reads the member.
    ///
    /// # Errors
    /// The pointer is relative to `forward`.
    pub(super) fn from_json(json: &Json) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "an object")?;
        let client_id = members.read("client_id", identity_header)?;
        let certificate = members
            .read("certificate", |json| json.elements("an array of headers", certificate_header))?;
        let thumbprint = members.read("thumbprint", identity_header)?;
        let certificate_for = members.read(
            "certificate_for",
            one_of(&[
                ("authenticated", CertificateFor::Authenticated),
                ("gated", CertificateFor::Gated),
                ("every_request", CertificateFor::EveryRequest),
            ]),
        )?;
        let keep =
            members.read("keep", |json| json.elements("an array of header names", kept_name))?;
        let strip = members
            .read("strip", |json| json.elements("an array of header names", header_pattern))?;
        members.finish()?;
        let forward = Self {
            client_id,
            thumbprint,
            certificate: certificate.unwrap_or_default(),
            certificate_for: certificate_for.unwrap_or_default(),
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

/// An entry of `certificate`: a header by its usual name, or `{"header", "format"}`.
fn certificate_header(json: &Json) -> Result<NamedHeader, JsonError> {
    const WORDS: [CertificateHeader; 3] =
        [CertificateHeader::Xfcc, CertificateHeader::ByteSequence, CertificateHeader::Pem];
    if let Json::String(_) = json {
        let words = WORDS.map(|form| (form.usual_name().unwrap_or_default(), form));
        let form = one_of(&words)(json)?;
        return NamedHeader::usual(form).ok_or_else(|| JsonError::expected("an object"));
    }
    let mut members = Members::of(json, "the name of a header, or an object")?;
    let name = members.read("header", header_of_its_own)?;
    let form = members.read("format", one_of(&CertificateHeader::FORMATS))?;
    members.finish()?;
    let name = name.ok_or_else(|| JsonError::expected("the member header"))?;
    let form = form.ok_or_else(|| JsonError::expected("the member format"))?;
    // Envoy and others read and extend this header, in its own form.
    if same_header(XFCC, &*name) && form != CertificateHeader::Xfcc {
        return Err(JsonError::expected("the format xfcc for this header").within("format"));
    }
    Ok(NamedHeader { name: name.into(), form })
}

/// The name of a header that the filter may write, other than a certificate.
fn identity_header(json: &Json) -> Result<Box<str>, JsonError> {
    let name = header_of_its_own(json)?;
    if same_header(XFCC, &*name) { Err(has_another_meaning()) } else { Ok(name) }
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
