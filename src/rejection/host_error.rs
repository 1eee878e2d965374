//! Errors of the host.

use std::fmt;

/// What the host failed to give or to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostError {
    /// It did not give the request headers before anything else.
    Headers,
    /// It gave headers or trailers that cannot be read, so that none can be removed.
    HeaderMap,
    /// It did not give the pseudo-header `:method` or `:path`.
    PseudoHeader,
    /// It did not give all of the body that it announced.
    Body,
    /// It did not give the body while the headers are held.
    BodyWithHeadersHeld,
    /// It did not give the time.
    Time,
    /// It did not give the digest of the certificate as SHA-256.
    Digest,
    /// It did not give the certificate whose digest it gave.
    CertificateOfDigest,
    /// It did not write a header of a request that passed.
    HeaderWrite,
    /// It did not remove a header that no client may set.
    HeaderRemoval,
    /// It did not give a configuration before the first request.
    Configuration,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headers => "the host gives no request headers",
            Self::HeaderMap => "the host gives headers or trailers that cannot be read",
            Self::PseudoHeader => "the request has no :method or no :path",
            Self::Body => "the host does not give the body that it announced",
            Self::BodyWithHeadersHeld => {
                "the host gives no body while headers are held: set \
                 allow_on_headers_stop_iteration: true in the plugin configuration of this wasm \
                 filter (Envoy 1.35 and later)"
            }
            Self::Time => "the host gives no time",
            Self::Digest => "connection.sha256_peer_certificate_digest is not a SHA-256 digest",
            Self::CertificateOfDigest => {
                "connection.peer_certificate is not the certificate that \
                 connection.sha256_peer_certificate_digest names"
            }
            Self::Configuration => "the filter has no configuration",
            Self::HeaderWrite => "the host does not let a request header be written",
            Self::HeaderRemoval => "the host does not let a request header be removed",
        })
    }
}
