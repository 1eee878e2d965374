//! The request headers and trailers that no client may set (contract §5).

use std::sync::Arc;

use crate::certificate::{CertificateHeader, XFCC};
use crate::limits;
use crate::request::{Beginnings, Head, begins_as_identity, is_token, same_header};

/// Names, and beginnings of names, of headers by which some server or proxy learns the identity of
/// a client.
const IDENTITY: [(&str, Extent); 30] = [
    ("client-cert", Extent::Name),
    ("client-cert-chain", Extent::Name),
    ("client-certificate", Extent::Name),
    ("x-ssl-cert", Extent::Beginning),
    ("x-ssl-client-", Extent::Beginning),
    ("ssl-client-", Extent::Beginning),
    ("x-client-cert", Extent::Beginning),
    ("x-clientcert", Extent::Beginning),
    ("x-forwarded-tls-client-", Extent::Beginning),
    ("x-amzn-mtls-", Extent::Beginning),
    ("x-arr-clientcert", Extent::Name),
    ("cf-client-cert-", Extent::Beginning),
    ("cf-cert-", Extent::Beginning),
    ("cloudfront-viewer-cert-", Extent::Beginning),
    ("x-client-verify", Extent::Name),
    ("x-client-dn", Extent::Name),
    ("x-client-subject", Extent::Beginning),
    ("x-wso2-mutual-auth-cert", Extent::Name),
    ("x-wso2-mtls-cert", Extent::Name),
    ("wl-proxy-client-cert", Extent::Name),
    ("proxy-auth-cert", Extent::Name),
    ("client-certificate-ca-verified", Extent::Name),
    ("bank-tls-certificate", Extent::Name),
    ("x-bank-certificate-", Extent::Beginning),
    ("cert-chain", Extent::Beginning),
    ("$wsat", Extent::Name),
    ("$wscc", Extent::Name),
    ("$wsru", Extent::Name),
    ("sec-client-x509-cert", Extent::Beginning),
    ("l5d-client-id", Extent::Name),
];

/// Whether a text is the name of a header, or the beginning of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Name,
    Beginning,
}

impl Extent {
    /// Whether the text `given` stands for `name` in some backend, see [`same_header`].
    fn covers(self, given: &str, name: &[u8]) -> bool {
        match self {
            Self::Name => same_header(given, name),
            Self::Beginning => {
                name.get(..given.len()).is_some_and(|start| same_header(given, start))
            }
        }
    }
}

/// Headers with a meaning in HTTP or in Envoy. No identity is written into them, and no pattern may
/// strip them.
const RESERVED: [(&str, Extent); 16] = [
    ("authorization", Extent::Name),
    ("connection", Extent::Name),
    ("content-", Extent::Beginning),
    ("cookie", Extent::Name),
    ("host", Extent::Name),
    ("http2-settings", Extent::Name),
    ("keep-alive", Extent::Name),
    ("proxy-authenticate", Extent::Name),
    ("proxy-authorization", Extent::Name),
    ("proxy-connection", Extent::Name),
    ("te", Extent::Name),
    ("trailer", Extent::Name),
    ("transfer-encoding", Extent::Name),
    ("upgrade", Extent::Name),
    ("x-envoy-", Extent::Beginning),
    ("x-request-id", Extent::Name),
];

/// Whether `name` is a header with a meaning in HTTP or in Envoy.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|(reserved, extent)| extent.covers(reserved, name.as_bytes()))
}

/// An entry of `forward.strip`: a name, or the beginning of names before a `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderPattern {
    /// In lower case, without the `*`.
    text: Box<str>,
    extent: Extent,
}

impl HeaderPattern {
    /// Reads a name, or the beginning of names with a `*` behind it.
    ///
    /// # Errors
    /// What is expected instead, in words for the operator.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_lowercase();
        let (text, extent) = match text.strip_suffix('*') {
            Some(beginning) => (beginning.into(), Extent::Beginning),
            None => (text.into(), Extent::Name),
        };
        let pattern = Self { text, extent };
        if !is_token(pattern.text.as_bytes()) || pattern.text.contains('*') {
            return Err(
                "a header name (RFC 9110 section 5.1), with * at its end at most".to_owned()
            );
        }
        if extent == Extent::Beginning && pattern.text.len() < limits::STRIP_PREFIX_CHARACTERS {
            return Err("at least four characters before the *".to_owned());
        }
        if let Some((reserved, _)) =
            RESERVED.iter().find(|(reserved, extent)| pattern.overlaps(reserved, *extent))
        {
            return Err(format!(
                "headers that HTTP can do without: this takes \"{reserved}\" away"
            ));
        }
        Ok(pattern)
    }

    /// Whether the entry strips the header `name`, in any spelling.
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.covers_octets(name.as_bytes())
    }

    fn covers_octets(&self, name: &[u8]) -> bool {
        self.extent.covers(&self.text, name)
    }

    /// Whether both cover some name.
    fn overlaps(&self, other: &str, extent: Extent) -> bool {
        extent.covers(other, self.text.as_bytes())
            || (self.extent == Extent::Beginning && self.covers(other))
    }
}

/// The headers and trailers that no client may send to the backend under one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrippedHeaders {
    /// The headers that this policy reads: that of the certificate, and `verified`.
    own: Vec<Arc<str>>,
    /// Those that any policy reads.
    read: Vec<Arc<str>>,
    written: Vec<Box<str>>,
    kept: Vec<Box<str>>,
    patterns: Vec<HeaderPattern>,
    /// With what the names in `read`, `written` and `patterns` begin.
    beginnings: Beginnings,
    /// How long they are: a length shares its bit with all that differ from it by 32, and all bits
    /// are set where there is a pattern.
    lengths: u32,
}

impl StrippedHeaders {
    /// What is stripped where `own` are the headers that this policy reads, `read` those that any
    /// policy does, `written` those that any policy writes, and `kept`
    /// and `patterns` the lists of the configuration.
    pub(crate) fn new(
        own: Vec<Arc<str>>,
        read: Vec<Arc<str>>,
        written: Vec<Box<str>>,
        kept: Vec<Box<str>>,
        patterns: Vec<HeaderPattern>,
    ) -> Self {
        let mut beginnings = Beginnings::default();
        read.iter().for_each(|name| beginnings.add_spellings(name));
        written.iter().for_each(|name| beginnings.add_spellings(name));
        patterns.iter().for_each(|pattern| beginnings.add_spellings(&pattern.text));
        let lengths = if patterns.is_empty() {
            let names = read.iter().map(|name| name.len());
            let names = names.chain(written.iter().map(|name| name.len()));
            names.fold(0, |lengths, length| lengths | bit_of(length))
        } else {
            u32::MAX
        };
        Self { own, read, written, kept, patterns, beginnings, lengths }
    }

    /// Whether a header of `head` may be one that must not reach the backend. Nearly no request has
    /// one.
    pub(crate) fn may_strip(&self, head: &Head<'_>) -> bool {
        head.beginnings.may_have(self.beginnings)
    }

    /// Whether a header or trailer of this name must not reach the backend as the client sent it.
    /// `trusted` is the form of the header from which the client's certificate was read, if it was.
    #[must_use]
    pub fn strips(&self, name: &[u8], trusted: Option<CertificateHeader>) -> bool {
        // Hardly any header begins as one of these and is as long.
        let may_be_named = self.beginnings.has(name) && self.lengths & bit_of(name.len()) != 0;
        if !may_be_named && !begins_as_identity(name) {
            return false;
        }
        if self.written.iter().any(|written| same_header(&**written, name))
            || self.patterns.iter().any(|pattern| pattern.covers_octets(name))
        {
            return true;
        }
        let is_identity = begins_as_identity(name)
            && (same_header(XFCC, name)
                || IDENTITY.iter().any(|(identity, extent)| extent.covers(identity, name)));
        if !is_identity && !self.read.iter().any(|read| same_header(&**read, name)) {
            return false;
        }
        let is_kept = self.kept.iter().any(|kept| kept.as_bytes() == name);
        let is_own = self.own.iter().any(|own| same_header(&**own, name));
        !is_kept || (is_own && trusted.is_none())
    }
}

/// The bit of a length in [`StrippedHeaders::lengths`].
fn bit_of(length: usize) -> u32 {
    1 << (length & 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Fields;

    #[test]
    fn identity_headers_are_stripped() {
        let nothing = StrippedHeaders::default();
        for name in [
            "client-cert",
            "client-cert-chain",
            "client-certificate",
            "x-ssl-cert",
            "x-ssl-cert-chain-0",
            "x-ssl-certificate",
            "x-ssl-client-dn",
            "x-ssl-client-",
            "ssl-client-verify",
            "x-client-cert",
            "x-client-certificate",
            "x-clientcert",
            "x-forwarded-tls-client-cert",
            "x-forwarded-tls-client-cert-info",
            "x-amzn-mtls-clientcert",
            "x-arr-clientcert",
            "cf-client-cert-der-base64",
            "cloudfront-viewer-cert-pem",
            "x-client-verify",
            "x-client-dn",
            "x-client-subject-dn",
            "x-wso2-mutual-auth-cert",
            "x-wso2-mtls-cert",
            "wl-proxy-client-cert",
            "proxy-auth-cert",
            "cf-cert-presented",
            "client-certificate-ca-verified",
            "bank-tls-certificate",
            "x-bank-certificate-verify",
            "cert-chain-0",
            "$wscc",
            "x_forwarded-client-cert",
            "sec-client-x509-cert",
            "l5d-client-id",
            "x_ssl_cert",
            "ssl_client_s-dn",
            "X-SSL-Cert",
            "client_cert",
            "x.ssl.cert",
        ] {
            for spelt in [name.to_owned(), name.replace('-', "_"), name.replace('-', ".")] {
                assert!(nothing.strips(spelt.as_bytes(), None), "{spelt}");
            }
        }
        for name in [
            "x-forwarded-client-cert",
            "x-forwarded-for",
            "client-certx",
            "client-certificate-x",
            "x-ssl",
            "authorization",
            "ssl-client",
            "x-arr-clientcertx",
            "x-client-verified",
            "l5d-client-ids",
            "cf-client-cert",
            "cf-cert",
            "wl-proxy-client-ip",
            "proxy-connection",
            "banks",
            "x-b3-traceid",
            "x",
            "",
            "é-ssl-client",
        ] {
            assert!(!nothing.strips(name.as_bytes(), None), "{name}");
        }
    }

    #[test]
    fn the_quick_check_misses_no_identity_header() {
        for (name, _) in IDENTITY {
            for spelt in [name.to_owned(), name.replace('-', "_")] {
                let field = (spelt.as_bytes(), &b"v"[..]);
                let head = Head::of(Fields(std::slice::from_ref(&field)));
                assert!(StrippedHeaders::default().may_strip(&head), "{spelt}");
            }
        }
    }
}
