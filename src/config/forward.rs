//! What the backend is told, and which request headers no client may set (SPEC §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::stripped::{HeaderPattern, is_reserved};
use crate::certificate::{PeerCertificate, pem};
use crate::error::ConfigError;
use crate::json::{Json, Members, first_repeated, one_of};
use crate::request::{is_token, same_header};

/// `forward`: the headers that an accepted request gets, and those that every request loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    client_id: Option<Box<str>>,
    thumbprint: Option<Box<str>>,
    certificate: Vec<CertificateHeader>,
    keep: Vec<Box<str>>,
    strip: Vec<HeaderPattern>,
}

/// A header that carries the whole certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateHeader {
    /// RFC 9440 §2.1.
    ClientCert,
    /// URL-escaped PEM, as nginx writes it.
    XSslCert,
    /// Envoy's `Hash` and `Cert`.
    XForwardedClientCert,
}

impl CertificateHeader {
    fn name(self) -> &'static str {
        match self {
            Self::ClientCert => "client-cert",
            Self::XSslCert => "x-ssl-cert",
            Self::XForwardedClientCert => "x-forwarded-client-cert",
        }
    }

    fn value(self, certificate: &PeerCertificate) -> String {
        match self {
            // A Byte Sequence of RFC 8941 §3.3.5.
            Self::ClientCert => format!(":{}:", STANDARD.encode(certificate.der())),
            Self::XSslCert => pem::encode_escaped(certificate.der()),
            Self::XForwardedClientCert => {
                let hash = certificate.thumbprint().to_hex();
                format!("Hash={hash};Cert=\"{}\"", pem::encode_escaped(certificate.der()))
            }
        }
    }
}

impl Forward {
    /// # Errors
    /// The pointer is relative to `forward`.
    pub(super) fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let mut members = Members::of(json, "an object")?;
        let client_id = members.read("client_id", identity_header)?;
        let certificate = members.read("certificate", |json| {
            let names = [CertificateHeader::ClientCert, CertificateHeader::XSslCert, CertificateHeader::XForwardedClientCert];
            json.elements("an array of header names", one_of(&names.map(|header| (header.name(), header))))
        })?;
        let thumbprint = members.read("thumbprint", identity_header)?;
        let keep = members.read("keep", |json| json.elements("an array of header names", kept_name))?;
        let strip = members.read("strip", |json| json.elements("an array of header names", HeaderPattern::from_json))?;
        members.finish()?;
        let forward = Self {
            client_id,
            thumbprint,
            certificate: certificate.unwrap_or_default(),
            keep: keep.unwrap_or_default(),
            strip: strip.unwrap_or_default(),
        };

        if let Some(index) = forward.keep.iter().position(|kept| forward.written_names().any(|name| same_header(name, kept))) {
            // A client could send it itself, and the backend would believe it.
            let error = ConfigError::expected("a header that forward does not write");
            return Err(error.within(index).within("keep"));
        }
        let written: Vec<String> =
            forward.written_names().map(|name| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-")).collect();
        if let Some(name) = first_repeated(written.iter().map(String::as_str)) {
            return Err(ConfigError::new(format!("expected different headers, found \"{name}\" twice")));
        }
        Ok(forward)
    }

    /// The headers that it writes.
    pub(super) fn written_names(&self) -> impl Iterator<Item = &str> {
        let named = self.client_id.iter().chain(&self.thumbprint).map(AsRef::as_ref);
        named.chain(self.certificate.iter().map(|header| header.name()))
    }

    /// `keep`
    pub(super) fn kept_names(&self) -> &[Box<str>] {
        &self.keep
    }

    /// `strip`
    pub(super) fn strip_patterns(&self) -> &[HeaderPattern] {
        &self.strip
    }

    /// Whether `keep` names this header.
    #[must_use]
    pub fn keeps(&self, name: &str) -> bool {
        self.keep.iter().any(|kept| kept.as_ref() == name)
    }

    /// The headers of an authenticated request.
    #[must_use]
    pub fn headers(&self, client_id: &str, certificate: &PeerCertificate) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        headers.extend(self.client_id.as_ref().map(|name| (name.to_string(), client_id.to_owned())));
        headers.extend(self.thumbprint.as_ref().map(|name| (name.to_string(), certificate.thumbprint().to_string())));
        headers.extend(self.certificate.iter().map(|header| (header.name().to_owned(), header.value(certificate))));
        headers
    }
}

/// A field name (RFC 9110 §5.1) in the lower case that Envoy uses.
fn header_name(json: &Json) -> Result<Box<str>, ConfigError> {
    let name = json.string("a header name")?;
    if !is_token(name.as_bytes()) {
        return Err(ConfigError::expected("a header name (RFC 9110 section 5.1)"));
    }
    Ok(name.to_ascii_lowercase().into())
}

/// A name that is kept in exactly this spelling, so that a `*` would keep nothing.
fn kept_name(json: &Json) -> Result<Box<str>, ConfigError> {
    let name = header_name(json)?;
    if name.contains('*') { Err(ConfigError::expected("one header name: * stands for itself here")) } else { Ok(name) }
}

fn identity_header(json: &Json) -> Result<Box<str>, ConfigError> {
    let name = header_name(json)?;
    // Servers take these for something else than what the filter would say.
    const NOT_FOR_IDENTITY: [&str; 4] = ["date", "expect", "forwarded", "x-forwarded-client-cert"];
    if is_reserved(&name) || NOT_FOR_IDENTITY.iter().any(|reserved| same_header(reserved, &name)) {
        return Err(ConfigError::expected("a header of its own: this one has another meaning"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(json: &str) -> Result<Forward, ConfigError> {
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
