//! Whole requests in, decisions out: the filter for hosts other than Envoy. The command line and
//! JavaScript use it.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::certificate::{CertificateError, PeerCertificate};
use crate::decision::{Decision, RequestSummary};
use crate::downstream::{Downstream, ServerName, VerifiedClaim};
use crate::exchange::{Exchange, Step};
use crate::json::{Json, JsonError};
use crate::policy::Configuration;
use crate::registry::{ClientList, RegistryFault};
use crate::rejection::{HostError, MissingCertificate, Rejection};
use crate::request::{Field, Fields, Head};
use crate::time::UnixTime;
use crate::trust::PathMemory;

/// Decides about whole requests under one configuration, as the filter in Envoy does. It can be
/// shared by threads.
///
/// ```
/// use tls_client_auth::{Code, Gate, GateRequest, Peer, UnixTime};
///
/// let gate = Gate::new(br#"{"endpoints": ["/token"], "clients": []}"#)?;
/// let mut peer = Peer { now: Some(UnixTime(1_780_272_000)), ..Peer::default() };
/// let mut request = GateRequest {
///     headers: vec![
///         (":method".to_owned(), b"GET".to_vec()),
///         (":path".to_owned(), b"/jwks.json".to_vec()),
///         (":authority".to_owned(), b"as.example.org".to_vec()),
///     ],
///     body: Vec::new(),
/// };
/// assert_eq!(gate.decide(&request, &mut peer).decision.code, Code::NotGated);
///
/// request.headers[1].1 = b"/token".to_vec();
/// let outcome = gate.decide(&request, &mut peer);
/// assert_eq!(outcome.decision.code, Code::MethodNotAllowed);
/// assert!(!outcome.passes());
/// # Ok::<(), tls_client_auth::JsonError>(())
/// ```
#[derive(Debug)]
pub struct Gate {
    configuration: Configuration,
    paths: Mutex<PathMemory>,
}

/// A [`Peer`], and what its gate remembers.
struct RememberedPeer<'a> {
    peer: &'a mut Peer,
    paths: &'a Mutex<PathMemory>,
}

impl Downstream for RememberedPeer<'_> {
    fn now(&mut self) -> Result<UnixTime, HostError> {
        self.peer.now()
    }

    fn peer_certificate(&mut self) -> Result<Arc<PeerCertificate>, Rejection> {
        self.peer.peer_certificate()
    }

    fn is_peer_certificate_verified(&mut self) -> Option<bool> {
        self.peer.is_peer_certificate_verified()
    }

    fn server_name(&mut self) -> ServerName {
        self.peer.server_name()
    }

    fn verified_thumbprint(&mut self, key: &str) -> VerifiedClaim {
        self.peer.verified_thumbprint(key)
    }

    fn path_memory(&mut self) -> Option<&Mutex<PathMemory>> {
        Some(self.paths)
    }
}

/// A whole request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateRequest {
    /// Names in lower case, with the pseudo-headers `:method`, `:path` and `:authority`, and
    /// values, which may be any bytes.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body; empty = there is none.
    pub body: Vec<u8>,
}

/// What the host knows of the connection of a request. By default nothing is known.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The leaf certificate of which the client proved possession in the TLS handshake, or why it
    /// cannot be read; `None` = the client sent none.
    pub certificate: Option<Result<Arc<PeerCertificate>, CertificateError>>,
    /// Whether the chain of the certificate was verified; `None` = that is not known.
    pub chain_valid: Option<bool>,
    /// The time; `None` = it is not known, and no client is authenticated.
    pub now: Option<UnixTime>,
    /// The server name of the TLS handshake.
    pub server_name: ServerName,
    /// An access token that the host has verified, signature and claims, in compact form (RFC 7515
    /// §7.1). It takes the place of what `jwt_authn` leaves in Envoy, and that in `Authorization`
    /// must be the very same. `None` = no token was
    /// verified, and none is accepted at a resource.
    pub verified_token: Option<String>,
    /// The list of a fetched registry; `None` = it was not fetched, and the code of a request of
    /// its clients is `registry_unavailable`.
    pub list: Option<Arc<ClientList>>,
}

/// A decision, and the headers that must be removed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The decision.
    pub decision: Decision,
    /// Names of the headers that must not reach the backend as the client sent them. They are
    /// removed before the headers of [`crate::Action::Continue`] are set.
    pub stripped: Vec<String>,
}

impl Outcome {
    /// Whether the request goes on, [`Decision::passes`].
    #[must_use]
    pub fn passes(&self) -> bool {
        self.decision.passes()
    }
}

impl Peer {
    /// The same connection with this certificate, in PEM, plain or percent-encoded, or in DER.
    /// Empty octets mean that the client sent none, as in Envoy.
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

    fn verified_thumbprint(&mut self, _: &str) -> VerifiedClaim {
        let token = self.verified_token.as_deref();
        token.map_or(VerifiedClaim::NoToken, thumbprint_of_payload)
    }
}

impl Gate {
    /// Reads a configuration, [`Configuration::parse`].
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn new(configuration: &[u8]) -> Result<Self, JsonError> {
        let configuration = Configuration::parse(configuration)?;
        Ok(Self { configuration, paths: Mutex::default() })
    }

    /// The same for a host that carries decisions out and does not read what the backend answers,
    /// [`Configuration::parse_without_responses`].
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn without_responses(configuration: &[u8]) -> Result<Self, JsonError> {
        let configuration = Configuration::parse_without_responses(configuration)?;
        Ok(Self { configuration, paths: Mutex::default() })
    }

    /// The configuration.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Decides about a request.
    #[must_use]
    pub fn decide(&self, request: &GateRequest, peer: &mut Peer) -> Outcome {
        let body = &request.body;
        let list = peer.list.clone();
        let peer = &mut RememberedPeer { peer, paths: &self.paths };
        let Begun { mut exchange, mut step, stripped } =
            self.begin(&request.headers, body.is_empty(), peer);
        if let Step::Wait = step {
            step = exchange.on_body(body.len(), true, |_| Some(body.clone()), peer);
        }
        if let Step::LookUp { client_id, .. } = step {
            let registration =
                list.as_ref().map(|list| list.find(&client_id)).ok_or(RegistryFault::NoList);
            step = exchange.on_registration(registration, peer);
        }
        while let Step::Ask(question) = step {
            step = exchange.on_fact(question.unanswered(), peer);
        }
        let decision = match step {
            Step::Decide(decision) => *decision,
            // A whole request is always decided. If it were not, it would not pass.
            Step::Wait | Step::LookUp { .. } | Step::Ask(_) | Step::Decided { .. } => {
                exchange.fail(HostError::Body, RequestSummary::default())
            }
        };
        Outcome { decision, stripped }
    }

    /// Decides about a request from its headers alone; `None` = the decision depends on the body,
    /// or on whether there is one.
    #[must_use]
    pub fn decide_head(&self, headers: &[(String, Vec<u8>)], peer: &mut Peer) -> Option<Outcome> {
        let outcome = self.decide_begun(headers, false, peer)?;
        // A request with a body is no preflight.
        let without_body = self.decide_begun(headers, true, peer)?;
        (outcome.decision.code == without_body.decision.code).then_some(outcome)
    }

    fn decide_begun(
        &self,
        headers: &[(String, Vec<u8>)],
        end_of_stream: bool,
        peer: &mut Peer,
    ) -> Option<Outcome> {
        let peer = &mut RememberedPeer { peer, paths: &self.paths };
        let Begun { step, stripped, .. } = self.begin(headers, end_of_stream, peer);
        if let Step::Decide(decision) = step {
            Some(Outcome { decision: *decision, stripped })
        } else {
            None
        }
    }

    fn begin(
        &self,
        headers: &[(String, Vec<u8>)],
        end_of_stream: bool,
        peer: &mut RememberedPeer<'_>,
    ) -> Begun {
        let payload_headers = self.configuration.payload_headers();
        let payload = peer.peer.verified_token.clone();
        let payload = payload.as_deref().and_then(|token| {
            let is_sent = |(name, value): &(String, Vec<u8>)| {
                name == "authorization"
                    && value.strip_prefix(b"Bearer ").is_some_and(|sent| sent == token.as_bytes())
            };
            // Here the whole token is known. Another one with the same payload was not verified.
            let payload = token.split('.').nth(1)?;
            Some(if headers.iter().any(is_sent) { payload } else { "" })
        });
        // As jwt_authn does, which overwrites what a client sends.
        let is_payload = |name: &str| payload_headers.iter().any(|header| **header == *name);
        let sent: Vec<Field<'_>> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let fields = headers.iter().filter(|(name, _)| !is_payload(name));
        let mut fields: Vec<Field<'_>> =
            fields.map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        for name in &payload_headers {
            fields.extend(payload.map(|payload| (name.as_bytes(), payload.as_bytes())));
        }
        let fields = Fields(&fields);
        let head = Head::of(fields);
        let mut exchange = Exchange::new(&self.configuration, &head);
        let trusted = exchange.trusted_certificate_header(&head, peer);
        let stripped = exchange
            .names_to_strip(Fields(&sent), trusted)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        let step = exchange.on_headers(&self.configuration, &head, end_of_stream, peer);
        Begun { exchange, step, stripped }
    }
}

/// The claim `cnf` with its member `x5t#S256` in the payload of a JWT, as Envoy's metadata has it.
/// Of a member that is there twice, two readers may take different values.
fn thumbprint_of_payload(token: &str) -> VerifiedClaim {
    let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let Some(claims @ Json::Object(_)) = payload.and_then(|json| Json::parse(&json).ok()) else {
        return VerifiedClaim::NoToken;
    };
    let mut all = claims.members("cnf");
    let (cnf, None) = (all.next(), all.next()) else { return VerifiedClaim::Value(Vec::new()) };
    let mut found = cnf.into_iter().flat_map(|cnf| cnf.members("x5t#S256"));
    match (found.next(), found.next()) {
        (Some(Json::String(text)), None) => VerifiedClaim::Value(text.clone().into_bytes()),
        // Envoy gives no null, and of other values octets that are no text.
        (Some(Json::Null), None) | (None, _) => VerifiedClaim::Absent,
        _ => VerifiedClaim::Value(Vec::new()),
    }
}

/// An exchange whose headers were reported.
struct Begun {
    exchange: Exchange,
    step: Step,
    stripped: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Code;

    fn head(method: &str, path: &str) -> Vec<(String, Vec<u8>)> {
        let form = "application/x-www-form-urlencoded";
        [(":method", method), (":path", path), (":authority", "as"), ("content-type", form)]
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .to_vec()
    }

    /// A host that decides so must not wait for a body, and must not miss one that counts.
    #[test]
    fn a_head_is_decided_alone_where_the_body_changes_nothing() {
        let gate = Gate::new(br#"{"endpoints": ["/token"], "clients": []}"#).unwrap();
        for (method, path, code) in [
            ("GET", "/jwks.json", Some(Code::NotGated)),
            ("GET", "/token", Some(Code::MethodNotAllowed)),
            // A preflight without a body, and refused with one.
            ("OPTIONS", "/token", None),
            ("POST", "/token", None),
        ] {
            let found = gate.decide_head(&head(method, path), &mut Peer::default());
            assert_eq!(found.as_ref().map(|one| one.decision.code), code, "{method} {path}");
            let passes = code.map(|code| code == Code::NotGated);
            assert_eq!(found.map(|one| one.passes()), passes, "{method} {path}");
        }
    }

    /// A signature or a header that nobody verified is not read, and may be any.
    #[test]
    fn the_verified_token_is_compared_as_a_whole() {
        let gate = Gate::new(
            br#"{
                "endpoints": [],
                "bound_tokens": {
                    "resources": ["/api"],
                    "jwt": {"metadata": "m", "payload_header": "x-payload"}
                }
            }"#,
        )
        .unwrap();
        let payload = URL_SAFE_NO_PAD.encode(r#"{"cnf":{"x5t#S256":"a"}}"#);
        let token = format!("e30.{payload}.c2ln");
        for (sent, code) in [
            (token.clone(), Code::TokenUnbound),
            (format!("e30.{payload}.c2lo"), Code::TokenUnverified),
            (format!("e31.{payload}.c2ln"), Code::TokenUnverified),
            (format!("~{token}"), Code::TokenUnverified),
            (format!("{token}="), Code::TokenUnverified),
        ] {
            let mut headers = head("GET", "/api");
            headers.push(("authorization".to_owned(), format!("Bearer {sent}").into_bytes()));
            // That of the client is overwritten.
            headers.push(("x-payload".to_owned(), payload.clone().into_bytes()));
            let request = GateRequest { headers, body: Vec::new() };
            let mut peer = Peer { verified_token: Some(token.clone()), ..Peer::default() };
            assert_eq!(gate.decide(&request, &mut peer).decision.code, code, "{sent}");
        }
    }

    #[test]
    fn empty_octets_take_a_certificate_away() {
        let presented = Peer::default().presenting(b"no certificate");
        assert!(matches!(presented.certificate, Some(Err(_))));
        assert!(presented.presenting(b"").certificate.is_none());
    }

    /// A claim that is no text is not an absent one: that token is bound, to nothing that is known.
    #[test]
    fn the_claim_of_a_verified_token() {
        for (claims, expected) in [
            (r#"{"cnf":{"x5t#S256":"a"}}"#, VerifiedClaim::Value(b"a".to_vec())),
            (r#"{"cnf":{"x5t#S256":1}}"#, VerifiedClaim::Value(Vec::new())),
            (r#"{"cnf":{"x5t#S256":"a","x5t#S256":"b"}}"#, VerifiedClaim::Value(Vec::new())),
            (r#"{"cnf":null,"cnf":{"x5t#S256":"a"}}"#, VerifiedClaim::Value(Vec::new())),
            (r#"{"cnf":{"x5t#S256":"a"},"cnf":null}"#, VerifiedClaim::Value(Vec::new())),
            (r#"{"cnf":{"x5t#S256":"a"},"cnf":{}}"#, VerifiedClaim::Value(Vec::new())),
            (
                r#"{"cnf":{"jkt":"b"},"c\u006ef":{"x5t#S256":"a"}}"#,
                VerifiedClaim::Value(Vec::new()),
            ),
            (r#"{"cnf":1,"cnf":2}"#, VerifiedClaim::Value(Vec::new())),
            (r#"{"cnf":null}"#, VerifiedClaim::Absent),
            (r#"{"cnf":{"x5t#S256":null}}"#, VerifiedClaim::Absent),
            (r#"{"cnf":{"jkt":"a"}}"#, VerifiedClaim::Absent),
            (r#"{"cnf":"x5t#S256"}"#, VerifiedClaim::Absent),
            ("{}", VerifiedClaim::Absent),
            ("[]", VerifiedClaim::NoToken),
            ("{", VerifiedClaim::NoToken),
        ] {
            let token = format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims));
            assert_eq!(thumbprint_of_payload(&token), expected, "{claims}");
        }
        for token in ["", "e30", "e30.!.", "e30.e30=."] {
            assert_eq!(thumbprint_of_payload(token), VerifiedClaim::NoToken, "{token}");
        }
    }
}
