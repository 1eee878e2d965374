//! The listener of Envoy around the filter.

use super::findings;
use crate::file;

/// Settings of the listener on which the meaning of a certificate depends.
#[test]
fn the_listener_is_judged_with_the_filter() {
    let envoy = |configuration: &str, replaced: &[(&str, &str)]| {
        let mut yaml = include_str!("../../../../../envoy/envoy.yaml").to_owned();
        for (from, to) in [(r#""forward": { "client_id": "x-oauth-client-id" },"#, configuration)]
            .iter()
            .chain(replaced)
        {
            assert_eq!(yaml.matches(from).count(), 1, "{from}");
            yaml = yaml.replace(from, to);
        }
        findings(&file("listener.yaml", yaml))
    };
    let listener = r#""peer_certificate": { "chain": "listener" },"#;
    let answers = r#""bound_tokens": { "response_check": "count" },"#;
    let responses = ("target/tls_client_auth.wasm", "target/tls_client_auth_responses.wasm");
    let trusted = "trusted_ca: {filename: target/demo/pki/ca.pem}";
    let self_signed = (
        r#""token_endpoint_auth_method": "self_signed_tls_client_auth","#,
        r#""token_endpoint_auth_method": "none","#,
    );
    let nothing: [(&str, &str); 0] = [];
    for (configuration, replaced, wanted) in [
        ("", &nothing[..], &[][..]),
        (
            "",
            &[(
                "disable_stateful_session_resumption: true",
                "disable_stateful_session_resumption: false",
            )],
            &[("doubtful", "resumed")],
        ),
        (
            "",
            &[("disable_stateless_session_resumption: true", "session_timeout: 60s")],
            &[("doubtful", "resumed")],
        ),
        ("", &[(trusted, "")], &[("doubtful", "no trusted_ca: no chain")]),
        (
            "",
            &[("limit_bytes: 131072", "limit_bytes: 65536")],
            &[("doubtful", "per_connection_buffer")],
        ),
        (r#""max_body_bytes": 131072,"#, &[], &[("doubtful", "per_connection_buffer")]),
        (
            "",
            &[("window_size: 131072", "window_size: 32768")],
            &[("doubtful", "initial_stream_window_size, the limit for HTTP/2, is below max_body")],
        ),
        ("", &[("window_size: 131072", "window_size: 65536")], &[]),
        (
            answers,
            &[responses],
            &[
                ("doubtful", "per_connection_buffer_limit_bytes is below the 256 KiB"),
                ("doubtful", "initial_stream_window_size, the limit for HTTP/2, is below the 256"),
            ],
        ),
        (
            answers,
            &[
                responses,
                ("limit_bytes: 131072", "limit_bytes: 262144"),
                ("window_size: 131072", "window_size: 262144"),
            ],
            &[],
        ),
        (listener, &[], &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")]),
        // Java and Go send no certificate of their own making where they are asked for one of an
        // authority.
        (
            "",
            &[("              suppress_client_ca_list: true\n", "")],
            &[("doubtful", "without suppress_client_ca_list")],
        ),
        ("", &[("              suppress_client_ca_list: true\n", ""), self_signed], &[]),
        (
            "",
            &[("trust_chain_verification: ACCEPT_UNTRUSTED", "")],
            &[("doubtful", "without trust_chain_verification")],
        ),
        (listener, &[("trust_chain_verification: ACCEPT_UNTRUSTED", ""), self_signed], &[]),
        (
            listener,
            &[("trust_chain_verification: ACCEPT_UNTRUSTED", ""), (trusted, "")],
            &[
                ("error", "no trusted_ca: the listener verifies no certificate"),
                ("doubtful", "names count"),
            ],
        ),
        (
            concat!(
                r#""tenants": [{"hosts": ["a.example"], "#,
                r#""peer_certificate": { "chain": "listener" }}],"#
            ),
            &[],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        (
            "",
            &[("      transport_socket:", "      other:")],
            &[("doubtful", "no TLS in this filter chain")],
        ),
        (
            r#""peer_certificate": { "source": "forwarded" },"#,
            &[("      transport_socket:", "      other:")],
            &[("error", "forward_client_cert_details: SANITIZE removes")],
        ),
        (
            r#""peer_certificate": { "source": "forwarded" },"#,
            &[
                ("      transport_socket:", "      other:"),
                ("client_cert_details: SANITIZE", "client_cert_details: FORWARD_ONLY"),
            ],
            &[],
        ),
        (
            "",
            &[("name: envoy.transport_sockets.tls", "name: envoy.transport_sockets.raw_buffer")],
            &[("doubtful", "no TLS in this")],
        ),
        // Of QUIC's and of unknown sockets nothing false is said.
        (
            "",
            &[(
                "          common_tls_context:",
                "          downstream_tls_context:\n           common_tls_context:",
            )],
            &[("doubtful", "resumed")],
        ),
        ("", &[("          common_tls_context:", "          what_is_this:")], &[]),
        (
            listener,
            &[(
                "    filter_chains:\n    - transport",
                "    default_filter_chain:\n      transport",
            )],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        // Secrets of this file are known, others are not.
        (
            listener,
            &[(
                "validation_context:",
                "validation_context_sds_secret_config: {name: elsewhere}\n            x:",
            )],
            &[("doubtful", "names count")],
        ),
        (
            listener,
            &[
                (
                    "validation_context:",
                    "validation_context_sds_secret_config: {name: here}\n            x:",
                ),
                (
                    "static_resources:\n",
                    "static_resources:\n  secrets: [{name: here, validation_context: \
                     {suppress_client_ca_list: true, trust_chain_verification: ACCEPT_UNTRUSTED, \
                     trusted_ca: {filename: x}}}]\n",
                ),
            ],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
        ("", &[("failure_policy: FAIL_RELOAD", "fail_open: true")], &[("error", "FAIL_OPEN")]),
        ("", &[("failure_policy: FAIL_RELOAD", "failure_policy: 3")], &[("error", "FAIL_OPEN")]),
        ("", &[("failure_policy: FAIL_RELOAD", "failure_policy: 1")], &[]),
        (
            "",
            &[("failure_policy: FAIL_RELOAD", "failure_policy: FAIL_CLOSED")],
            &[("doubtful", "without failure_policy")],
        ),
        // A tenant's own word holds in place of the top level's, and as a whole.
        (
            concat!(
                r#""peer_certificate": { "chain": "listener" }, "#,
                r#""tenants": [{"hosts": ["a.example"], "peer_certificate": {}}],"#
            ),
            &[],
            &[("error", "ACCEPT_UNTRUSTED"), ("doubtful", "names count")],
        ),
    ] {
        let found = envoy(configuration, replaced);
        let messages: Vec<_> = found
            .iter()
            .map(|(_, severity, message)| (severity.as_str(), message.as_str()))
            .collect();
        assert!(
            messages.len() == wanted.len()
                && messages
                    .iter()
                    .zip(wanted)
                    .all(|(messages, wanted)| messages.0 == wanted.0
                        && messages.1.starts_with(wanted.1)),
            "{configuration} {replaced:?}: {found:#?}"
        );
    }
}
