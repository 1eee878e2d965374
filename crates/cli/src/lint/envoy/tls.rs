//! The TLS parameters of a filter chain.

use crate::lint::graph::{ChainTls, TlsParameters, TlsVersion};
use crate::lint::located::At;

/// `TlsProtocol` by number.
const VERSIONS: [&str; 5] = ["TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"];

/// Of a filter chain.
pub fn of_chain(chain: At<'_>) -> ChainTls {
    let Some(socket) = chain.member("transport_socket") else {
        return ChainTls::Plain(chain.place());
    };
    if socket.text_of("name") == Some("envoy.transport_sockets.raw_buffer") {
        return ChainTls::Plain(socket.place());
    }
    let config = socket.member("typed_config");
    // QUIC has its TLS one level below.
    let context = config.and_then(|config| config.member("downstream_tls_context")).or(config);
    let Some(common) = context.and_then(|context| context.member("common_tls_context")) else {
        return ChainTls::Unseen(socket.place());
    };
    let parameters = common.member("tls_params");
    let version = |name: &str| {
        parameters
            .and_then(|parameters| parameters.word_of(name, &VERSIONS))
            .and_then(TlsVersion::of)
    };
    let suites = parameters.and_then(|parameters| parameters.member("cipher_suites"));
    ChainTls::Tls(TlsParameters {
        place: parameters.unwrap_or(common).place(),
        minimum: version("tls_minimum_protocol_version"),
        maximum: version("tls_maximum_protocol_version"),
        cipher_suites: suites.map(texts).filter(|suites| !suites.is_empty()),
    })
}

/// The texts of a list.
pub fn texts(list: At<'_>) -> Vec<String> {
    list.elements().filter_map(At::text).map(str::to_owned).collect()
}
