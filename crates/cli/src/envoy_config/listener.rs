//! What a listener of Envoy promises about the connections that reach the filter.

use super::Position;
use crate::document::{Node, NodeMember};

/// `ForwardClientCertDetails` by number.
pub const CLIENT_CERT_DETAILS: [&str; 5] =
    ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"];

/// `TrustChainVerification` by number.
const TRUST_CHAIN_VERIFICATION: [&str; 2] = ["VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"];

/// What the listener promises about connections that reach the filter.
#[derive(Debug)]
pub struct ListenerSettings {
    /// Where it begins.
    pub position: Position,
    pub transport: Transport,
    /// `per_connection_buffer_limit_bytes`.
    pub buffer_limit: Option<(u64, Position)>,
    /// `initial_stream_window_size` of HTTP/2, which is the limit there.
    pub stream_window: Option<(u64, Position)>,
    /// `forward_client_cert_details` of the connection manager.
    pub forward_client_cert_details: (String, Position),
    /// Whether Envoy knows the name that a client asks for: a listener filter reads it, which Envoy
    /// adds by itself where a filter chain is chosen by it.
    pub knows_server_name: bool,
}

/// How clients connect.
#[derive(Debug)]
pub enum Transport {
    Plain,
    Tls(DownstreamTls),
    /// Another transport socket, of which nothing is known.
    Other,
}

/// Of Envoy's `DownstreamTlsContext`, what the meaning of a certificate depends on.
#[derive(Debug)]
pub struct DownstreamTls {
    /// Where it begins.
    pub position: Position,
    /// Whether it has authorities to verify certificates with, or gets them from elsewhere.
    pub verifies: bool,
    /// `ACCEPT_UNTRUSTED`; none: a secret that the files do not have decides.
    pub accepts_untrusted: Option<bool>,
    /// Whether clients can resume a session, of either kind.
    pub resumes_sessions: bool,
    /// `suppress_client_ca_list`: clients do not learn which authorities are known.
    pub suppresses_authorities: bool,
}

impl ListenerSettings {
    /// Those of a filter chain of the listener. `manager` = its HTTP connection manager; `all` =
    /// the documents of the file, which may have the secrets that the chain names.
    pub(super) fn of(listener: &Node, chain: &Node, manager: Option<&Node>, all: &[Node]) -> Self {
        let octets =
            |member: &NodeMember| Some((member.value.whole_number()?, Position::of_member(member)));
        let buffer_limit = listener.named("per_connection_buffer_limit_bytes").and_then(octets);
        let stream_window = manager
            .and_then(|manager| manager.member("http2_protocol_options"))
            .and_then(|options| options.named("initial_stream_window_size"))
            .and_then(octets);
        let details = manager.and_then(|manager| manager.named("forward_client_cert_details"));
        let details = details.and_then(|member| {
            let word = member.value.word(&CLIENT_CERT_DETAILS)?;
            Some((word.to_owned(), Position::of_member(member)))
        });
        // Envoy's default.
        let details = details
            .unwrap_or_else(|| ("SANITIZE".to_owned(), Position::of(manager.unwrap_or(chain))));
        Self {
            position: Position::of(chain),
            transport: Transport::of(chain, all),
            buffer_limit,
            stream_window,
            forward_client_cert_details: details,
            knows_server_name: knows_server_name(listener),
        }
    }

    /// Whether every certificate that comes through it is one that it verified.
    pub fn refuses_untrusted(&self) -> bool {
        let Transport::Tls(tls) = &self.transport else { return false };
        tls.verifies && tls.accepts_untrusted == Some(false)
    }
}

fn knows_server_name(listener: &Node) -> bool {
    const INSPECTOR: &str = "tls_inspector";
    let elements = |name| listener.member(name).map(Node::elements).unwrap_or_default().iter();
    let is_inspector = |filter: &Node| {
        let kind = filter.member("typed_config").and_then(|config| config.member("@type"));
        [kind, filter.member("name")]
            .into_iter()
            .flatten()
            .filter_map(Node::text)
            .any(|text| text.contains(INSPECTOR))
    };
    let is_chosen_by_name = |chain: &Node| {
        let names =
            chain.member("filter_chain_match").and_then(|wanted| wanted.member("server_names"));
        names.is_some_and(|names| !names.elements().is_empty())
    };
    elements("listener_filters").any(is_inspector)
        || elements("filter_chains").any(is_chosen_by_name)
}

impl Transport {
    fn of(chain: &Node, all: &[Node]) -> Self {
        let Some(socket) = chain.member("transport_socket") else { return Self::Plain };
        if socket.member("name").and_then(Node::text) == Some("envoy.transport_sockets.raw_buffer")
        {
            return Self::Plain;
        }
        let config = socket.member("typed_config");
        // QUIC has its TLS one level below.
        let context = config.and_then(|config| config.member("downstream_tls_context")).or(config);
        match context {
            Some(context) if context.member("common_tls_context").is_some() => {
                Self::Tls(DownstreamTls::of(context, all))
            }
            _ => Self::Other,
        }
    }
}

impl DownstreamTls {
    fn of(context: &Node, all: &[Node]) -> Self {
        let common = context.member("common_tls_context");
        let of_common = |name: &str| common.and_then(|common| common.member(name));
        let combined = of_common("combined_validation_context");
        let of_combined = |name: &str| combined.and_then(|combined| combined.member(name));
        let secret = of_common("validation_context_sds_secret_config")
            .or_else(|| of_combined("validation_context_sds_secret_config"));
        let secret_name = secret.and_then(|secret| secret.member("name")).and_then(Node::text);
        // A secret of the same file is known, another one is not.
        let by_secret = secret_name
            .and_then(|name| all.iter().find_map(|document| validation_secret(document, name)));
        let contexts =
            [of_common("validation_context"), of_combined("default_validation_context"), by_secret];
        let known = || contexts.iter().flatten();
        let is_elsewhere = secret.is_some() && by_secret.is_none();
        let mut verification = known().filter_map(|context| {
            context.member("trust_chain_verification")?.word(&TRUST_CHAIN_VERIFICATION)
        });
        Self {
            position: Position::of(context),
            verifies: is_elsewhere || known().any(|context| context.member("trusted_ca").is_some()),
            accepts_untrusted: match verification.any(|word| word == "ACCEPT_UNTRUSTED") {
                false if is_elsewhere => None,
                accepts => Some(accepts),
            },
            suppresses_authorities: known().any(|context| {
                context.member("suppress_client_ca_list").is_some_and(Node::is_true)
            }),
            resumes_sessions: ![
                "disable_stateless_session_resumption",
                "disable_stateful_session_resumption",
            ]
            .iter()
            .all(|name| context.member(name).is_some_and(Node::is_true)),
        }
    }
}

/// The validation context of the secret of this name.
fn validation_secret<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let is_it = node.member("name").and_then(Node::text) == Some(name);
    let own = node.member("validation_context").filter(|_| is_it);
    own.or_else(|| node.children().find_map(|child| validation_secret(child, name)))
}
