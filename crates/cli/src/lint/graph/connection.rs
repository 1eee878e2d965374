//! The connections of clients to a filter chain.

use crate::lint::located::Place;

/// Whether clients connect by TLS.
#[derive(Clone, Debug)]
pub enum ChainTls {
    /// The files do not show it; the place where it is missing.
    Unseen(Place),
    Plain(Place),
    Tls(TlsParameters),
}

/// The versions and cipher suites that a server negotiates.
#[derive(Clone, Debug)]
pub struct TlsParameters {
    pub place: Place,
    /// None: that of Envoy, TLS 1.2.
    pub minimum: Option<TlsVersion>,
    /// None: that of Envoy, TLS 1.3.
    pub maximum: Option<TlsVersion>,
    /// Of versions below 1.3, in the names of OpenSSL; none: those of Envoy.
    pub cipher_suites: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
}

impl TlsVersion {
    /// By the word of Envoy, Istio or Envoy Gateway: `TLSv1_2`, `TLSV1_2`, `1.2`.
    pub fn of(word: &str) -> Option<Self> {
        let number = word.to_ascii_lowercase().replace('_', ".");
        match number.strip_prefix("tlsv").unwrap_or(&number) {
            "1.0" => Some(Self::V1_0),
            "1.1" => Some(Self::V1_1),
            "1.2" => Some(Self::V1_2),
            "1.3" => Some(Self::V1_3),
            _ => None,
        }
    }
}

/// Of a ClientTrafficPolicy, what the meaning of a certificate depends on.
#[derive(Clone, Debug)]
pub struct ClientTraffic {
    /// The place of its `tls`, or of its `spec`.
    pub place: Place,
    pub certificates: ClientCertificates,
    /// The place of `tls.session.resumption`, where sessions are resumed.
    pub resumption: Option<Place>,
    /// `headers.xForwardedClientCert.mode`, and its place; none: it is removed.
    pub forwarded_header: Option<(String, Place)>,
    /// `connection.bufferLimit`; none: it is not understood.
    pub buffer_limit: Option<OctetLimit>,
    /// `http2.initialStreamWindowSize`, the limit for HTTP/2; none: it is not understood.
    pub stream_window: Option<OctetLimit>,
}

/// How much of a request or an answer Envoy holds, in octets.
#[derive(Clone, Debug)]
pub struct OctetLimit {
    pub octets: u64,
    /// Whether Envoy Gateway sets it by itself.
    pub is_default: bool,
    pub place: Place,
}

/// Whether clients are asked for certificates.
#[derive(Clone, Debug)]
pub enum ClientCertificates {
    /// The policy says nothing of TLS.
    Unseen,
    NotAsked,
    Asked(ClientValidation),
}

/// `tls.clientValidation` of a ClientTrafficPolicy.
#[derive(Clone, Debug)]
pub struct ClientValidation {
    pub place: Place,
    /// Whether it has authorities to verify certificates with.
    pub has_authorities: bool,
    /// The mode, where it lets in certificates that are not verified.
    pub lenient_mode: Option<String>,
}
