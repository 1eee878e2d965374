//! What the listener must do, so that the configuration has its meaning.

use tls_client_auth::Configuration;
use tls_client_auth::inspect::{
    Chain, Policy, RegistrySource, ResponseCheck, Source, TokenEndpointAuthMethod,
};
use tls_client_auth::limits::TOKEN_RESPONSE_BYTES;

use super::Finding;
use crate::envoy_config::{DownstreamTls, ListenerSettings, Position, Transport};

pub fn findings(
    chain: &ListenerSettings,
    configuration: &Configuration,
    serves_self_signed: bool,
) -> Vec<Finding> {
    let policies: Vec<&Policy> = configuration.policies().collect();
    let reads_connection =
        policies.iter().any(|policy| policy.common.peer_certificate.source == Source::Connection);
    let mut findings = match &chain.transport {
        Transport::Tls(tls) => of_tls(tls, &policies, serves_self_signed),
        Transport::Plain if reads_connection => {
            let message =
                "no TLS in this filter chain, so no client has a certificate, and each is refused";
            vec![
                Finding::doubtful(Some(chain.position.line), message)
                    .at(chain.position.pointer.clone()),
            ]
        }
        Transport::Plain | Transport::Other => Vec::new(),
    };
    let (details, position) = &chain.forward_client_cert_details;
    let reads_xfcc =
        policies.iter().any(|policy| policy.common.peer_certificate.source.reads_xfcc());
    if reads_xfcc && details == "SANITIZE" {
        let message = "forward_client_cert_details: SANITIZE removes x-forwarded-client-cert \
            before the filter reads it, and every client is refused";
        findings.push(Finding::error(Some(position.line), message).at(position.pointer.clone()));
    }
    if !chain.knows_server_name && policies.iter().any(|policy| policy.common.matches_server_name) {
        let message = "without the listener filter envoy.filters.listener.tls_inspector Envoy does \
            not know the server name of a TLS handshake, and every gated request of a tenant is \
            refused as server_name_mismatch";
        findings.push(
            Finding::error(Some(chain.position.line), message).at(chain.position.pointer.clone()),
        );
    }
    // Envoy's default per_connection_buffer_limit_bytes.
    let (limit, position) =
        chain.buffer_limit.clone().unwrap_or_else(|| (1 << 20, chain.position.clone()));
    let mut doubt = |position: &Position, message: String| {
        let finding = Finding::doubtful(Some(position.line), message);
        findings.push(finding.at(position.pointer.clone()));
    };
    if policies.iter().any(|policy| policy.max_body_bytes as u64 >= limit) {
        let message = "per_connection_buffer_limit_bytes is not above max_body_bytes: Envoy's own \
            413 comes before the filter's";
        doubt(&position, message.to_owned());
    }
    let reads_answers = policies.iter().any(|policy| reads_answers(policy));
    if reads_answers && limit < ANSWER {
        doubt(&position, short_of_answers("per_connection_buffer_limit_bytes"));
    }
    if let Some((window, position)) = &chain.stream_window {
        if policies.iter().any(|policy| policy.max_body_bytes as u64 > *window) {
            let message = "initial_stream_window_size, the limit for HTTP/2, is below \
                max_body_bytes: Envoy's own 413 comes before the filter's";
            doubt(position, message.to_owned());
        }
        if reads_answers && *window < ANSWER {
            doubt(position, short_of_answers("initial_stream_window_size, the limit for HTTP/2,"));
        }
    }
    findings
}

/// The longest answer that `response_check` reads.
pub const ANSWER: u64 = TOKEN_RESPONSE_BYTES as u64;

/// Whether answers are held until they have been read.
pub fn reads_answers(policy: &Policy) -> bool {
    let tokens = policy.bound_tokens.as_ref();
    tokens.is_some_and(|tokens| tokens.response_check != ResponseCheck::Off)
}

/// What follows where Envoy holds less of an answer than `response_check` reads.
pub fn short_of_answers(limit: &str) -> String {
    format!(
        "{limit} is below the 256 KiB of an answer that response_check reads: Envoy answers 500 in \
         place of a longer one"
    )
}

fn of_tls(tls: &DownstreamTls, policies: &[&Policy], serves_self_signed: bool) -> Vec<Finding> {
    let trusts_listener =
        policies.iter().any(|policy| policy.common.peer_certificate.chain == Chain::Listener);
    let trusts_connection =
        policies.iter().any(|policy| policy.common.peer_certificate.chain == Chain::Connection);
    let has_self_signed = policies.iter().any(|policy| {
        let RegistrySource::Embedded(registry) = &policy.registry else { return false };
        policy.common.peer_certificate.source == Source::Connection
            && registry.clients().any(|client| {
                matches!(client.method(), TokenEndpointAuthMethod::SelfSignedTlsClientAuth(_))
            })
    });
    let at = Some(tls.position.line);
    let mut findings = Vec::new();
    if !tls.verifies && trusts_listener {
        let message = "no trusted_ca: the listener verifies no certificate, and chain \"listener\" \
            trusts the listener; anyone can make a certificate with a client's name and be that \
            client";
        findings.push(Finding::error(at, message));
    } else if !tls.verifies {
        let message =
            "no trusted_ca: no chain is ever verified, and every tls_client_auth client is refused";
        findings.push(Finding::doubtful(at, message));
    }
    if tls.accepts_untrusted == Some(true) && trusts_listener {
        let message = "ACCEPT_UNTRUSTED lets every certificate in, and chain \"listener\" trusts \
            the listener: set chain \"connection\"";
        findings.push(Finding::error(at, message));
    }
    let has_idle_anchors = policies.iter().any(|policy| {
        let RegistrySource::Embedded(registry) = &policy.registry else { return false };
        policy.common.trust.has_certificates()
            && policy.common.peer_certificate.chain != Chain::Anchors
            && policy.common.revocation.is_none()
            && registry.clients().all(|client| client.trust_anchors().is_none())
    });
    if tls.accepts_untrusted == Some(true) && has_idle_anchors {
        let message = "ACCEPT_UNTRUSTED lets every certificate in, and trust_anchors verify none \
            of them, because peer_certificate.chain is not \"anchors\": what counts is trusted_ca \
            of this listener alone; set chain \"anchors\", or take trust_anchors out";
        findings.push(Finding::doubtful(at, message));
    }
    if tls.accepts_untrusted == Some(false) && tls.verifies && has_self_signed {
        let message = "without trust_chain_verification: ACCEPT_UNTRUSTED the handshake refuses \
            the certificates of self_signed_tls_client_auth clients";
        findings.push(Finding::doubtful(at, message));
    }
    if tls.resumes_sessions && trusts_connection && tls.verifies {
        let message = "resumed sessions count as unverified, so valid clients are refused at \
            times: set disable_stateless_session_resumption and \
            disable_stateful_session_resumption";
        findings.push(Finding::doubtful(at, message));
    }
    if serves_self_signed
        && tls.verifies
        && tls.accepts_untrusted == Some(true)
        && !tls.suppresses_authorities
    {
        let message = "without suppress_client_ca_list: true (Envoy 1.39) beside \
            trust_chain_verification, clients are asked for certificates of trusted_ca, and \
            self-signed ones of Java and Go then send none: every one of them is refused";
        findings.push(Finding::doubtful(at, message));
    }
    findings.into_iter().map(|finding| finding.at(tls.position.pointer.clone())).collect()
}
