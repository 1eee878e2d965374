//! The TLS parameters of a server of Istio's Gateway.

use crate::lint::envoy::tls::texts;
use crate::lint::graph::{ChainTls, TlsParameters, TlsVersion};
use crate::lint::located::At;

pub fn of_server(server: At<'_>, has_tls: bool) -> ChainTls {
    let Some(tls) = server.member("tls").filter(|_| has_tls) else {
        return if has_tls {
            ChainTls::Unseen(server.place())
        } else {
            ChainTls::Plain(server.place())
        };
    };
    let version = |name: &str| tls.text_of(name).and_then(TlsVersion::of);
    ChainTls::Tls(TlsParameters {
        place: tls.place(),
        minimum: version("minProtocolVersion"),
        maximum: version("maxProtocolVersion"),
        cipher_suites: tls.member("cipherSuites").map(texts).filter(|suites| !suites.is_empty()),
    })
}
