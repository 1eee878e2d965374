//! One whole request and one certificate in, one decision out: the filter for those who have no
//! Envoy.
//!
//! A [`Gate`] runs the same [`Exchange`] as the filter does. It holds what the command line and
//! JavaScript share.

use std::sync::Arc;

use crate::certificate::{CertificateError, PeerCertificate};
use crate::decision::{Decision, RequestSummary};
use crate::downstream::{Downstream, ServerName};
use crate::exchange::{Exchange, Step};
use crate::json::JsonError;
use crate::policy::Configuration;
use crate::registry::{ClientList, RegistryFault};
use crate::rejection::{HostError, MissingCertificate, Rejection};
use crate::request::{Fields, Head};
use crate::time::UnixTime;

/// A configuration that decides.
#[derive(Debug)]
pub struct Gate {
    configuration: Configuration,
}

/// A whole request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateRequest {
    /// Names in lower case, the pseudo-headers `:method`, `:path` and `:authority` among them;
    /// values any bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is known of the connection of a request.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The certificate that the client proved possession of; `None` = it sent none.
    pub certificate: Option<Result<Arc<PeerCertificate>, CertificateError>>,
    /// Whether somebody verified the certificate's chain; `None` = nobody says.
    pub chain_valid: Option<bool>,
    /// The time; `None` = there is no clock, and nobody is authenticated.
    pub now: Option<UnixTime>,
    /// The name that the client asked for in the TLS handshake; unspecified, it is not compared.
    pub server_name: ServerName,
    /// What a fetched registry says; `None` = nobody fetched it, and its clients are
    /// `registry_unavailable`.
    pub list: Option<Arc<ClientList>>,
}

/// A decision, and what becomes of the request's headers.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the filter decides.
    pub decision: Decision,
    /// Names of headers that must not reach the backend as they came.
    pub stripped: Vec<String>,
}

impl Outcome {
    /// Whether the request passes.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.decision.passes()
    }
}

impl Peer {
    /// A certificate in PEM, plain or percent-encoded, or in DER. Without any octets there is none,
    /// as with Envoy.
    #[must_use]
    pub fn presenting(mut self, certificate: &[u8]) -> Self {
        if certificate.is_empty() {
            return Self { certificate: None, ..self };
        }
        let is_der = certificate.first() == Some(&0x30);
        let read = if is_der {
            PeerCertificate::from_der(certificate)
        } else {
            PeerCertificate::from_pem(certificate)
        };
        self.certificate = Some(read.map(Arc::new));
        self
    }
}

impl Downstream for Peer {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        self.now.ok_or(HostError::Time)
    }

    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        let certificate = self
            .certificate
            .clone()
            .ok_or(Rejection::CertificateMissing(MissingCertificate::NotPresented))?;
        certificate.map_err(Rejection::CertificateMalformed)
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        self.chain_valid
    }

    fn server_name(&mut self) -> ServerName {
        self.server_name.clone()
    }
}

impl Gate {
    /// Reads a configuration, a JSON object.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn new(configuration: &[u8]) -> Result<Self, JsonError> {
        Configuration::parse(configuration).map(|configuration| Self { configuration })
    }

    /// What the configuration says.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Decides about a request.
    #[must_use]
    pub fn decide(&self, request: &GateRequest, peer: &mut Peer) -> Outcome {
        let body = &request.body;
        let Begun { mut exchange, mut step, stripped } =
            self.begin(&request.headers, body.is_empty(), peer);
        if let Step::Wait = step {
            step = exchange.on_body(body.len(), true, |_| Some(body.clone()), peer);
        }
        if let Step::LookUp { client_id, .. } = step {
            let registration =
                peer.list.as_ref().map(|list| list.find(&client_id)).ok_or(RegistryFault::NoList);
            step = exchange.on_registration(registration, peer);
        }
        let decision = match step {
            Step::Decide(decision) => *decision,
            // A whole request is decided on. Were it not, it would not pass.
            Step::Wait | Step::LookUp { .. } | Step::Decided { .. } => {
                exchange.fail(HostError::Body, RequestSummary::default())
            }
        };
        Outcome { decision, stripped }
    }

    /// Decides about a request before there is anything of its body; `None` = it takes the body, or
    /// that there is none.
    #[must_use]
    pub fn decide_head(&self, headers: &[(String, Vec<u8>)], peer: &mut Peer) -> Option<Outcome> {
        let outcome = self.decide_begun(headers, false, peer)?;
        // A preflight is one only where nothing follows its headers.
        let without_body = self.decide_begun(headers, true, peer)?;
        (outcome.decision.code == without_body.decision.code).then_some(outcome)
    }

    fn decide_begun(
        &self,
        headers: &[(String, Vec<u8>)],
        end_of_stream: bool,
        peer: &mut Peer,
    ) -> Option<Outcome> {
        let Begun { step, stripped, .. } = self.begin(headers, end_of_stream, peer);
        if let Step::Decide(decision) = step {
            Some(Outcome { decision: *decision, stripped })
        } else {
            None
        }
    }

    fn begin(&self, headers: &[(String, Vec<u8>)], end_of_stream: bool, peer: &mut Peer) -> Begun {
        let fields = Fields(headers);
        let head = Head::of(fields);
        let mut exchange = Exchange::new(&self.configuration, &head);
        let trusted = exchange.trusted_certificate_header(&head, peer);
        let stripped = exchange.names_to_strip(fields, trusted).map(str::to_owned).collect();
        let step = exchange.on_headers(&self.configuration, &head, end_of_stream, peer);
        Begun { exchange, step, stripped }
    }
}

/// An exchange whose headers are there.
struct Begun {
    exchange: Exchange,
    step: Step,
    stripped: Vec<String>,
}
