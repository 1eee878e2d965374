//! What the backend is told, and which request headers no client may set (SPEC §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::{PeerCertificate, pem};
use crate::error::ConfigError;
use crate::json::{Json, Members, first_repeated, one_of};
use crate::request::is_token;

/// `forward`: the headers that an accepted request gets, and those that every request loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    client_id: Option<Box<str>>,
    thumbprint: Option<Box<str>>,
    certificate: Vec<CertificateHeader>,
    keep: Vec<Box<str>>,
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

/// Names that carry a client's identity at some server or proxy, without those that `forward` names.
const IDENTITY_NAMES: [&str; 3] = ["client-cert", "client-cert-chain", "x-ssl-cert"];
const IDENTITY_PREFIXES: [&str; 5] = ["x-ssl-cert-chain-", "x-ssl-client-", "ssl-client-", "x-client-cert", "x-amzn-mtls-"];

/// Whether `name` begins as one of them. It is asked for each header of each request, and hardly any does.
fn may_be_identity(name: &str) -> bool {
    let Some([first, second, third]) = name.as_bytes().first_chunk::<3>().map(|start| start.map(|b| b.to_ascii_lowercase()))
    else {
        return false;
    };
    match first {
        b'c' => second == b'l',
        b's' => second == b's',
        b'x' => matches!(third, b's' | b'c' | b'a'),
        _ => false,
    }
}

/// Headers that mean something else to Envoy or to the backend.
const NOT_FOR_IDENTITY: [&str; 17] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-client-cert",
    "x-request-id",
];

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
        let keep = members.read("keep", |json| json.elements("an array of header names", header_name))?;
        members.finish()?;
        let forward =
            Self { client_id, thumbprint, certificate: certificate.unwrap_or_default(), keep: keep.unwrap_or_default() };

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

    fn written_names(&self) -> impl Iterator<Item = &str> {
        let named = self.client_id.iter().chain(&self.thumbprint).map(AsRef::as_ref);
        named.chain(self.certificate.iter().map(|header| header.name()))
    }

    /// Whether a header of this name, as a client sent it, must not reach the backend.
    #[must_use]
    pub fn strips(&self, name: &str) -> bool {
        let is_identity = may_be_identity(name)
            && (IDENTITY_NAMES.iter().any(|identity| same_header(identity, name))
                || IDENTITY_PREFIXES
                    .iter()
                    .any(|prefix| name.get(..prefix.len()).is_some_and(|start| same_header(prefix, start))));
        (is_identity && !self.keeps(name)) || self.written_names().any(|written| same_header(written, name))
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

/// Whether two names are one header to some backend: CGI and its heirs (WSGI, Rack, PHP, nginx) turn `-`, and some all that
/// is no letter or digit, into `_`, so `x_ssl_cert` and `x.ssl.cert` would arrive as `X-SSL-Cert` does.
pub(super) fn same_header(one: &str, other: &str) -> bool {
    let fold = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| fold(one) == fold(other))
}

/// A field name (RFC 9110 §5.1) in the lower case that Envoy uses.
fn header_name(json: &Json) -> Result<Box<str>, ConfigError> {
    let name = json.string("a header name")?;
    if !is_token(name.as_bytes()) {
        return Err(ConfigError::expected("a header name (RFC 9110 section 5.1)"));
    }
    Ok(name.to_ascii_lowercase().into())
}

fn identity_header(json: &Json) -> Result<Box<str>, ConfigError> {
    let name = header_name(json)?;
    if NOT_FOR_IDENTITY.iter().any(|reserved| same_header(reserved, &name)) || name.starts_with("x-envoy-") {
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
    fn identity_headers_are_stripped() {
        let nothing = Forward::default();
        for name in [
            "client-cert",
            "client-cert-chain",
            "x-ssl-cert",
            "x-ssl-cert-chain-0",
            "x-ssl-client-dn",
            "x-ssl-client-",
            "ssl-client-verify",
            "x-client-cert",
            "x-client-certificate",
            "x-amzn-mtls-clientcert",
            "x_ssl_cert",
            "ssl_client_s-dn",
            "X-SSL-Cert",
            "client_cert",
            "x.ssl.cert",
        ] {
            assert!(nothing.strips(name), "{name}");
        }
        for name in [
            "x-forwarded-client-cert",
            "client-certx",
            "x-ssl",
            "x-ssl-certs",
            "authorization",
            "ssl-client",
            "x",
            "",
            "é-ssl-client",
        ] {
            assert!(!nothing.strips(name), "{name}");
        }
        let all = forward(r#"{"client_id": "X-Client-Id", "thumbprint": "x-thumb", "certificate": ["x-forwarded-client-cert"], "keep": ["SSL-Client-Verify"]}"#).unwrap();
        for (name, strips) in [
            ("x-client-id", true),
            ("x_client_id", true),
            ("x-thumb", true),
            ("x-forwarded-client-cert", true),
            ("ssl-client-verify", false),
            ("ssl_client_verify", true),
            ("x-ssl-cert", true),
        ] {
            assert_eq!(all.strips(name), strips, "{name}");
        }
    }

    #[test]
    fn the_short_look_at_a_name_misses_no_identity() {
        for name in IDENTITY_NAMES.into_iter().chain(IDENTITY_PREFIXES) {
            assert!(may_be_identity(name) && Forward::default().strips(&name.replace('-', "_")), "{name}");
        }
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
            (r#"{"kep": []}"#, "/kep"),
        ] {
            assert_eq!(forward(json).unwrap_err().pointer, pointer, "{json}");
        }
    }
}
