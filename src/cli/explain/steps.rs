//! The steps of a decision, in the filter's order, and what can be told of each.

use tls_client_auth::certificate::{CertificateError, PeerCertificate};
use tls_client_auth::client::{ClientMetadata, ExpectedSubject, TokenEndpointAuthMethod};
use tls_client_auth::config::{Chain, Policy};
use tls_client_auth::decision::Decision;
use tls_client_auth::error::{Code, Rejection};
use tls_client_auth::gate::{GateRequest, Outcome};

/// One step of a decision.
pub struct Step {
    pub name: &'static str,
    pub state: State,
    pub text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    Done,
    Refused,
    NotReached,
}

/// The steps, each with the codes that end there, as far as a code has one place alone.
const STEPS: [(&str, &[Code]); 10] = [
    ("host", &[Code::UnknownTenant]),
    ("endpoint", &[Code::NotGated, Code::MethodNotAllowed]),
    ("content", &[Code::UnsupportedMediaType, Code::EncodedBody, Code::BodyTooLarge, Code::MalformedForm]),
    (
        "client_id",
        &[
            Code::MalformedAuthorization,
            Code::DuplicateParameter,
            Code::MissingClientId,
            Code::ClientIdMismatch,
            Code::MultipleAuthMethods,
        ],
    ),
    (
        "registration",
        &[
            Code::RegistryUnavailable,
            Code::UnknownClient,
            Code::OtherMethodRefused,
            Code::PassedOtherMethod,
            Code::PassedUnregistered,
        ],
    ),
    (ONE_METHOD, &[]),
    ("certificate", &[Code::CertificateMissing, Code::CertificateMalformed]),
    ("validity", &[Code::CertificateExpired, Code::CertificateNotYetValid]),
    ("chain", &[Code::CertificateUnverified]),
    (MATCH, &[Code::CertificateNotRegistered, Code::SubjectMismatch]),
];
const ONE_METHOD: &str = "one method";
const MATCH: &str = "match";

/// The step at which a decision fell.
fn last_step(decision: &Decision) -> Option<usize> {
    let name = match &decision.rejection {
        // Two credentials are one too many for anybody; one beside the certificate only where the client is registered for that.
        Some(Rejection::MultipleAuthMethods) if decision.request.client_id.is_some() => Some(ONE_METHOD),
        // Names are read where they are compared.
        Some(Rejection::CertificateMalformed(CertificateError::Subject(_) | CertificateError::SubjectAlternativeName)) => {
            Some(MATCH)
        }
        _ => None,
    };
    STEPS.iter().position(|(step, codes)| name.map_or_else(|| codes.contains(&decision.code), |name| *step == name))
}

/// What is known of a decision.
pub struct Facts<'a> {
    pub request: &'a GateRequest,
    pub outcome: &'a Outcome,
    pub policy: Option<&'a Policy>,
    pub client: Option<&'a ClientMetadata>,
    pub certificate: Option<&'a PeerCertificate>,
}

impl Facts<'_> {
    pub fn steps(&self) -> Vec<Step> {
        let decision = &self.outcome.decision;
        let last = last_step(decision);
        let steps = STEPS.iter().enumerate().map(|(index, (name, _))| {
            let state = match last {
                Some(last) if index > last => State::NotReached,
                Some(last) if index == last && decision.rejection.is_some() => State::Refused,
                _ => State::Done,
            };
            let text = match (&decision.rejection, state) {
                (Some(rejection), State::Refused) => rejection.to_string(),
                (_, State::NotReached) => String::new(),
                _ => self.of(name),
            };
            Step { name, state, text }
        });
        steps.collect()
    }

    /// What a step tells where nothing is wrong.
    fn of(&self, step: &str) -> String {
        let decision = &self.outcome.decision;
        let header = |name: &str| {
            let found = self.request.headers.iter().find(|(header, _)| header == name);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
        };
        match (step, self.certificate, self.client.map(ClientMetadata::method)) {
            ("host", ..) => match &decision.request.tenant {
                Some(tenant) => format!("{} has the policy of the tenant {tenant}", header(":authority")),
                None => format!("{} has the policy of the top level", header(":authority")),
            },
            ("endpoint", ..) if decision.code == Code::NotGated && header(":method") == "OPTIONS" => {
                "OPTIONS carries no credentials: a preflight of CORS".to_owned()
            }
            ("endpoint", ..) if decision.code == Code::NotGated => format!("{} is not gated", header(":path")),
            ("endpoint", ..) => format!("{} {} is gated", header(":method"), header(":path")),
            ("content", ..) => format!("{}, {} bytes", header("content-type"), self.request.body.len()),
            ("client_id", ..) => format!("\"{}\"", decision.request.client_id.as_deref().unwrap_or_default().escape_debug()),
            ("registration", _, Some(method)) => format!("registered for {}", method_name(method)),
            ("registration", ..) => "not registered; unregistered_clients lets it pass".to_owned(),
            (ONE_METHOD, ..) => "the request has no credential besides".to_owned(),
            ("certificate", Some(certificate), method) => {
                let mut text = certificate.thumbprint().to_string();
                if let (Some(TokenEndpointAuthMethod::TlsClientAuth(_)), Ok(subject)) = (method, certificate.subject()) {
                    text = format!("{subject}, {text}");
                }
                if let Some(dialect) = self.policy.and_then(|policy| policy.handling.peer_certificate.source.header()) {
                    text = format!("{text}, from {}", dialect.header_name());
                }
                text
            }
            ("validity", Some(certificate), _) => format!("{} to {}", certificate.not_before(), certificate.not_after()),
            ("chain", _, Some(TokenEndpointAuthMethod::SelfSignedTlsClientAuth(_))) => "nobody needs to vouch for it".to_owned(),
            ("chain", ..) if self.policy.is_some_and(|policy| policy.handling.peer_certificate.chain == Chain::Listener) => {
                "the listener vouches for it, says the configuration".to_owned()
            }
            ("chain", ..) => "verified, says --chain: this program has no trust store".to_owned(),
            (MATCH, _, Some(method)) => match method {
                TokenEndpointAuthMethod::TlsClientAuth(expected) => format!("{} is the registered one", subject_name(expected)),
                _ => "the certificate is a registered one".to_owned(),
            },
            _ => String::new(),
        }
    }
}

fn method_name(method: &TokenEndpointAuthMethod) -> String {
    match method {
        TokenEndpointAuthMethod::TlsClientAuth(expected) => format!("tls_client_auth, by {}", subject_name(expected)),
        TokenEndpointAuthMethod::SelfSignedTlsClientAuth(registered) => {
            format!("self_signed_tls_client_auth, {} certificates", registered.len())
        }
        TokenEndpointAuthMethod::Other => "another method, which the backend checks".to_owned(),
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
