//! The steps of a decision: the checks that it made, as it recorded them, and the result of each.

use tls_client_auth::inspect::{
    CertificateBinding, Chain, Check, Checks, ClientMetadata, ExpectedSubject, Gating, Policy,
    SelfSignedKeys, Source, Target, TokenEndpointAuthMethod,
};
use tls_client_auth::{GateRequest, Outcome, PeerCertificate, ServerName};

/// One step of a decision.
pub struct ExplainedStep {
    pub name: &'static str,
    /// Whether requests of this kind, to an endpoint or to a resource, have the step.
    pub is_of_request: bool,
    pub state: StepState,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Checked, and nothing was wrong.
    Done,
    /// Checked, and this is why the request is refused.
    Refused,
    /// Not checked: the decision does not depend on it.
    NotAsked,
    /// Not checked: the request was refused before.
    NotReached,
}

impl StepState {
    fn of(check: Check, checks: &Checks, is_refused: bool) -> Self {
        let last = checks.last();
        if !checks.has(check) {
            let falls_before = is_refused && last.is_none_or(|last| last < check);
            return if falls_before { Self::NotReached } else { Self::NotAsked };
        }
        if is_refused && last == Some(check) { Self::Refused } else { Self::Done }
    }
}

/// The name of a step.
pub fn name(check: Check) -> &'static str {
    match check {
        Check::Tenant => "host",
        Check::Endpoint => "endpoint",
        Check::ServerName => "server name",
        Check::Protocol => "protocol",
        Check::HttpMethod => "method",
        Check::Content => "content",
        Check::Authorization => "authorization",
        Check::Query => "query",
        Check::Form => "form",
        Check::ClientId => "client_id",
        Check::Token => "token",
        Check::TokenVerified => "token verified",
        Check::TokenBinding => "token binding",
        Check::Registration => "registration",
        Check::AuthMethod => "auth method",
        Check::OneMethod => "one method",
        Check::Certificate => "certificate",
        Check::Validity => "validity",
        Check::Origin => "origin",
        Check::Chain => "chain",
        Check::Issuer => "issuer",
        Check::Revocation => "revocation",
        Check::Registered => "registered",
        Check::Subject => "subject",
        Check::TokenCertificate => "bound to",
    }
}

/// What is known of a decision.
pub struct Facts<'a> {
    pub request: &'a GateRequest,
    pub outcome: &'a Outcome,
    pub server_name: &'a ServerName,
    pub policy: Option<&'a Policy>,
    /// How the path is gated, where tenants are chosen by path.
    pub gating: Option<Gating>,
    pub client: Option<&'a ClientMetadata>,
    /// The one that the decision looked at.
    pub certificate: Option<&'a PeerCertificate>,
}

impl Facts<'_> {
    pub fn steps(&self) -> Vec<ExplainedStep> {
        let decision = &self.outcome.decision;
        let is_for_resource = self.gating().resource;
        let steps = Check::ALL.into_iter().map(|check| {
            let state = StepState::of(check, &decision.checks, decision.rejection.is_some());
            let text = match (state, &decision.rejection) {
                (StepState::Done, _) => self.of(check),
                (StepState::Refused, Some(rejection)) => rejection.to_string(),
                (StepState::NotAsked, _) => self.why_not(check).to_owned(),
                (StepState::NotReached | StepState::Refused, _) => String::new(),
            };
            let is_of_resources = matches!(
                check,
                Check::Token | Check::TokenVerified | Check::TokenBinding | Check::TokenCertificate
            );
            let is_of_request = is_for_resource || !is_of_resources;
            ExplainedStep { name: name(check), is_of_request, state, text }
        });
        steps.collect()
    }

    /// How the path is gated.
    fn gating(&self) -> Gating {
        let of_policy = || {
            let policy = self.policy?;
            let path = self.header(":path").unwrap_or_default();
            let target = Target::new(path.as_bytes());
            Some(Gating {
                endpoint: policy.endpoints.as_ref().is_none_or(|all| all.gates(&target)),
                resource: policy.resources().is_some_and(|all| all.gates(&target)),
            })
        };
        self.gating.or_else(of_policy).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<String> {
        let found = self.request.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    /// By what the tenant is chosen: the host, and the path where that counts.
    fn place(&self) -> String {
        let path = self.gating.and_then(|_| self.header(":path")).unwrap_or_default();
        format!("{}{path}", self.header(":authority").unwrap_or_default())
    }

    /// What a check found where nothing is wrong.
    fn of(&self, check: Check) -> String {
        let header = |name: &str| self.header(name).unwrap_or_default();
        let decision = &self.outcome.decision;
        let peer_certificate = self.policy.map(|policy| &policy.common.peer_certificate);
        match check {
            Check::Tenant => match (&decision.request.tenant, self.policy) {
                (Some(tenant), _) => {
                    format!("{} has the policy of the tenant {tenant}", self.place())
                }
                (None, Some(_)) => {
                    format!("{} has the policy of the top level", self.place())
                }
                (None, None) => format!(
                    "{} is no tenant's, and {} is not gated",
                    header(":authority"),
                    header(":path")
                ),
            },
            Check::Endpoint => {
                let gating = self.gating();
                // It is the last check alone where the request is let go.
                match (gating.is_any(), decision.checks.last() == Some(check)) {
                    (true, true) => {
                        "OPTIONS without credentials and body: a preflight of CORS".to_owned()
                    }
                    (true, false) if gating.resource => {
                        format!("{} {} is a resource", header(":method"), header(":path"))
                    }
                    (true, false) => format!("{} {} is gated", header(":method"), header(":path")),
                    (false, _) => format!("{} is not gated", header(":path")),
                }
            }
            Check::ServerName => match self.server_name {
                ServerName::Name(name) => {
                    format!("\"{}\" is of the same tenant", String::from_utf8_lossy(name))
                }
                ServerName::Absent | ServerName::Unspecified => {
                    "none, which the host agrees with".to_owned()
                }
            },
            Check::Protocol => "neither an upgrade nor an expectation".to_owned(),
            Check::HttpMethod => header(":method"),
            Check::Content => header("content-type"),
            Check::Authorization => match self.header("authorization") {
                Some(_) => "can be read".to_owned(),
                None => "none".to_owned(),
            },
            Check::Query => "no credential in the query string".to_owned(),
            Check::Form => {
                format!(
                    "{} bytes, which every server reads in the same way",
                    self.request.body.len()
                )
            }
            Check::ClientId => match &decision.request.client_id {
                Some(client_id) => format!("\"{}\"", client_id.escape_debug()),
                None => "none, and no credential; unidentified_clients lets it pass".to_owned(),
            },
            Check::Token => "one access token, behind Bearer".to_owned(),
            Check::TokenVerified => "--verified-token is this token".to_owned(),
            Check::TokenBinding => "the token has cnf with x5t#S256".to_owned(),
            Check::TokenCertificate => "the token is bound to this certificate".to_owned(),
            Check::Registration => match self.client.map(ClientMetadata::method) {
                Some(method) => format!("registered for {}", method_name(method)),
                None => "not registered; unregistered_clients lets it pass".to_owned(),
            },
            Check::AuthMethod => match self.client.map(ClientMetadata::method) {
                Some(TokenEndpointAuthMethod::Other(None)) => {
                    "the backend's to check; other_methods lets it pass".to_owned()
                }
                Some(TokenEndpointAuthMethod::Other(Some(_))) => {
                    "the backend's to check; certificate_binding asks for a certificate beside it"
                        .to_owned()
                }
                _ => "one of methods".to_owned(),
            },
            Check::OneMethod => "the request has no second credential".to_owned(),
            Check::Certificate => {
                let Some(certificate) = self.certificate else {
                    return "that of the token".to_owned();
                };
                let mut text = certificate.thumbprint().to_string();
                if let (Some(_), Ok(subject)) = (self.expected_subject(), certificate.subject()) {
                    text = format!("{subject}, {text}");
                }
                if let Some(header) = peer_certificate.and_then(|policy| policy.source.header()) {
                    text = format!("{text}, from {}", header.name);
                }
                text
            }
            Check::Validity => self
                .certificate
                .map(|known| format!("{} to {}", known.not_before(), known.not_after()))
                .unwrap_or_else(|| "in force".to_owned()),
            Check::Origin => match peer_certificate.map(|policy| &policy.source) {
                Some(Source::Forwarded { trusted_proxies: Some(_), .. }) => {
                    "the peer is one of trusted_proxies".to_owned()
                }
                Some(Source::Forwarded { trusted_proxies: None, .. }) => {
                    "the header has the one that was presented on this connection".to_owned()
                }
                Some(Source::Connection) | None => "presented on this connection".to_owned(),
            },
            Check::Chain
                if let Some(verified) =
                    peer_certificate.and_then(|policy| policy.source.verified()) =>
            {
                format!("the hop in front vouches for it: {} is one of verified", verified.name)
            }
            Check::Chain
                if peer_certificate.is_some_and(|policy| policy.chain == Chain::Listener) =>
            {
                "peer_certificate.chain is \"listener\": the listener verifies it".to_owned()
            }
            Check::Chain
                if peer_certificate.is_some_and(|policy| policy.chain == Chain::Anchors) =>
            {
                "peer_certificate.chain is \"anchors\": see the issuer".to_owned()
            }
            Check::Issuer => {
                let of_client = self.client.is_some_and(|client| client.trust_anchors().is_some());
                let whose = match (peer_certificate.map(|policy| policy.chain), of_client) {
                    (Some(Chain::Anchors), true) => {
                        "one of trust_anchors, and to one of the client"
                    }
                    (_, true) => "one of the client's trust_anchors",
                    (_, false) => "one of trust_anchors",
                };
                format!("a path leads to {whose}")
            }
            Check::Chain => "--chain is \"valid\": this program has no trust store".to_owned(),
            Check::Revocation
                if self.policy.is_some_and(|policy| policy.common.revocation.is_some()) =>
            {
                "not one of revoked; crl and ocsp are not asked here, and on_unavailable is \
                 \"allow\""
                    .to_owned()
            }
            Check::Revocation => "not one of revoked".to_owned(),
            Check::Registered if self.expected_subject().is_none() => {
                "the certificate is a registered one".to_owned()
            }
            Check::Registered => "no certificate_thumbprints forbid it".to_owned(),
            Check::Subject => self.expected_subject().map_or_else(String::new, |expected| {
                format!("{} is the registered one", subject_name(expected))
            }),
        }
    }

    /// The name by which the client is registered.
    fn expected_subject(&self) -> Option<&ExpectedSubject> {
        self.client?.method().expected_subject()
    }

    /// Why a check was not made, where that is not plain. A request that passes before needs none.
    fn why_not(&self, check: Check) -> &'static str {
        let checks = &self.outcome.decision.checks;
        match check {
            // One of the next checks is made of every gated request.
            Check::ServerName
                if checks.has(Check::Protocol) || checks.has(Check::Authorization) =>
            {
                match self.policy {
                    Some(policy) if policy.common.matches_server_name => {
                        "not checked: --server-name is not given"
                    }
                    Some(policy) if policy.common.peer_certificate.matches_server_name() => {
                        match self.gating {
                            Some(_) => "not asked: there are no tenants by host",
                            None => "not asked: there are no tenants",
                        }
                    }
                    _ => "not asked: peer_certificate.server_name is \"ignore\"",
                }
            }
            Check::OneMethod if checks.has(Check::Certificate) => {
                "not asked: the backend checks the client's own credentials"
            }
            Check::Issuer if checks.has(Check::Registered) => {
                "not asked: trust_anchors do not concern this client"
            }
            Check::Revocation if checks.has(Check::Registered) => {
                "not asked: the configuration revokes nothing and asks no source"
            }
            Check::Chain | Check::Subject if checks.has(Check::Registered) => {
                "not asked: the certificate itself is registered"
            }
            _ => "",
        }
    }
}

fn method_name(method: &TokenEndpointAuthMethod) -> String {
    match method {
        TokenEndpointAuthMethod::TlsClientAuth(expected) => {
            format!("tls_client_auth, by {}", subject_name(expected))
        }
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(SelfSignedKeys::At(uri)) => {
            format!("self_signed_tls_client_auth, by the certificates at {uri}")
        }
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(SelfSignedKeys::Registered(
            registered,
        )) => {
            format!("self_signed_tls_client_auth, {} certificates", registered.len())
        }
        TokenEndpointAuthMethod::Other(None) => "another method".to_owned(),
        TokenEndpointAuthMethod::Other(Some(CertificateBinding::Subject(expected))) => {
            format!("another method, and bound to {}", subject_name(expected))
        }
        TokenEndpointAuthMethod::Other(Some(CertificateBinding::Certificates(registered))) => {
            format!("another method, and bound to {} certificates", registered.len())
        }
    }
}

fn subject_name(expected: &ExpectedSubject) -> String {
    match expected {
        ExpectedSubject::SubjectDn(name) => format!("the subject {name}"),
        ExpectedSubject::SanDns(name)
        | ExpectedSubject::SanUri(name)
        | ExpectedSubject::SanIp(name)
        | ExpectedSubject::SanEmail(name) => {
            format!("the alternative name {name}")
        }
    }
}
