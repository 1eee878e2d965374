//! Where a certificate says that its responder is (RFC 5280 §4.2.2.1).

use crate::certificate::Parts;
use crate::certificate::der::{Elements, MalformedDer, Tlv, tag};
use crate::limits;
use crate::registration::{ListedHosts, host_name};

/// The URI of a responder: `http` or `https`, a host name, and no user information.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponderUri {
    pub(crate) scheme: &'static str,
    pub(crate) host: Box<str>,
    /// Host and port, as in `:authority`.
    pub(crate) authority: Box<str>,
    /// Without a slash at its end.
    pub(crate) path: Box<str>,
}

impl ResponderUri {
    /// Reads a URI. Everything that two readers might read as different hosts is none; with a query
    /// it is none either, because the request is a part of the path (RFC 6960 §A.1).
    pub(crate) fn parse(uri: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(uri).ok()?;
        let is_plain =
            text.bytes().all(|b| b.is_ascii_graphic() && !b"\\\"<>^`{|}?#@".contains(&b));
        if text.len() > limits::RESPONDER_URI_OCTETS || !is_plain {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let scheme =
            ["http", "https"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let is_port =
            |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
        if port.is_some_and(|port| !is_port(port)) {
            return None;
        }
        let host = host_name(host).ok()?;
        let authority = match port {
            Some(port) => format!("{host}:{port}").into(),
            None => host.clone(),
        };
        Some(Self { scheme, host, authority, path: path.trim_end_matches('/').into() })
    }

    /// The first responder of a certificate whose host is listed.
    pub(crate) fn of(certificate: &Parts<'_>, hosts: &ListedHosts) -> Option<Self> {
        // 1.3.6.1.5.5.7.1.1, 1.3.6.1.5.5.7.48.1
        const AUTHORITY_INFORMATION_ACCESS: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 1, 1];
        const OCSP: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 0x30, 1];
        let read = || -> Result<Option<Self>, MalformedDer> {
            let Some(value) = certificate.extension(&AUTHORITY_INFORMATION_ACCESS)? else {
                return Ok(None);
            };
            for description in Elements(Tlv::only(value)?.contents_of(tag::SEQUENCE)?) {
                let mut description = Elements(description?.contents_of(tag::SEQUENCE)?);
                let method = description.required()?.contents_of(tag::OBJECT_IDENTIFIER)?;
                let location = description.required()?;
                if method == OCSP
                    && location.tag == tag::context(6)
                    && let Some(uri) = Self::parse(location.contents)
                    && hosts.has_host(&uri.host)
                {
                    return Ok(Some(uri));
                }
            }
            Ok(None)
        };
        read().ok().flatten()
    }
}

impl std::fmt::Display for ResponderUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_responder_has_one_host_for_every_reader() {
        for (text, expected) in [
            ("http://ocsp.example", Some(("ocsp.example", "ocsp.example", ""))),
            ("HTTP://OCSP.example/", Some(("ocsp.example", "ocsp.example", ""))),
            ("https://o.example:8443/a/b/", Some(("o.example", "o.example:8443", "/a/b"))),
            ("ldap://ocsp.example/", None),
            ("http:/ocsp.example/", None),
            ("http://a@ocsp.example/", None),
            ("http://ocsp.example:/", None),
            ("http://ocsp.example:1:2/", None),
            ("http://ocsp.example/?a=b", None),
            ("http://ocsp.example/#a", None),
            ("http://127.0.0.1/", None),
            ("http://[::1]/", None),
            ("http://ocsp.example\\@b/", None),
            ("http://ocsp.example/\r\nx: y", None),
            ("http://", None),
            ("", None),
        ] {
            let uri = ResponderUri::parse(text.as_bytes());
            let parts = uri.as_ref().map(|uri| (&*uri.host, &*uri.authority, &*uri.path));
            assert_eq!(parts, expected, "{text}");
        }
        assert_eq!(ResponderUri::parse(b"http://ocsp.example/\xff"), None);
    }
}
