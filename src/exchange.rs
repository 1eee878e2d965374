//! One request as a machine without I/O: what the host reports goes in, what the host must do comes out.
//!
//! A gated request is held from its headers to the end of its body; the decision falls exactly once, wherever the
//! request ends: in the headers, in the body, or in the trailers.

use std::rc::Rc;
use std::task::Poll;

use crate::authenticate::{Connection, Verdict, authenticate, identify};
use crate::certificate::{CertificateError, Dialect, PeerCertificate, Thumbprint};
use crate::checks::{Check, Checks};
use crate::client::{FetchedRegistry, Registration, RegistryFault};
use crate::config::{Configuration, Handling, HostPolicy, Mode, Policy, RegistrySource};
use crate::decision::{Action, Decision, RequestSummary};
use crate::error::{Code, HostError, Rejection};
use crate::proof::Proof;
use crate::request::{
    Authorization, Charset, Claim, ClaimedClient, Field, Form, Head, Target, check_content, check_length, is_form,
};
use crate::response::Response;

/// What the host must do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Hold the request, headers included, until there is more of it.
    Wait,
    /// Hold the request, ask this registry for this client, and hand over what it says.
    Lookup {
        /// Whom to ask.
        registry: Rc<FetchedRegistry>,
        /// The client.
        client_id: Box<str>,
    },
    /// Carry out the decision; there is exactly one in an exchange.
    Decide(Box<Decision>),
    /// Nothing: the decision fell before.
    Decided {
        /// Whether the request passed; one that was answered must not go on.
        passed: bool,
    },
}

/// What an exchange asks of its host.
pub trait Host: Connection {
    /// What a fetched registry says of a client; pending = it has to be asked ([`Step::Lookup`]).
    ///
    /// # Errors
    /// The registry has no answer. A host that fetches nothing never has one.
    fn registration(&mut self, registry: &Rc<FetchedRegistry>, client_id: &str) -> Poll<Result<Registration, RegistryFault>> {
        let _ = (registry, client_id);
        Poll::Ready(Err(RegistryFault::NoList))
    }

    /// The name that the client asked for in the TLS handshake (RFC 6066 §3).
    fn server_name(&mut self) -> ServerName;

    /// SHA-256 of the certificate of the connection's peer; a host may know it without the certificate.
    ///
    /// # Errors
    /// The rejection that its absence or its form deserves.
    fn peer_thumbprint(&mut self) -> Result<Thumbprint, Rejection> {
        Ok(self.peer_certificate()?.thumbprint())
    }

    /// [`Dialect::read`]; a host may remember what it read before.
    ///
    /// # Errors
    /// Those of [`Dialect::read`].
    fn forwarded_certificate(
        &mut self,
        dialect: Dialect,
        value: &[u8],
        own_hop: Option<&Thumbprint>,
    ) -> Result<Rc<PeerCertificate>, CertificateError> {
        dialect.read(value, own_hop).map(Rc::new)
    }
}

/// What is known of the name that a client asked for in the TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerName {
    /// Whoever describes the connection does not say; then it is not compared. No host of real connections may say so.
    #[default]
    Unspecified,
    /// The client asked for no name.
    Absent,
    /// It asked for this one.
    Name(Box<[u8]>),
}

/// Request headers as the host gives them, pseudo-headers included; names are in lower case, values any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a>(pub &'a [(String, Vec<u8>)]);

/// The state of one request.
#[derive(Debug)]
pub struct Exchange {
    policy: HostPolicy,
    /// The mode of refusals that are no tenant's.
    mode_of_all: Mode,
    phase: Phase,
    checks: Checks,
}

#[derive(Debug)]
enum Phase {
    Start,
    /// A gated request whose body is awaited.
    Held(Held),
    /// A gated request about whose client the registry is asked.
    LookedUp(Held, ClaimedClient),
    Decided {
        passed: bool,
    },
}

#[derive(Debug)]
struct Held {
    policy: Rc<Policy>,
    authorization: Option<Authorization>,
    charset: Charset,
    /// The header that carries the certificate, where the policy names one.
    certificate: OwnedField,
    request: RequestSummary,
    /// Length of the body that the host has buffered so far, in bytes.
    buffered: usize,
}

impl Exchange {
    /// The exchange that begins with `head`, under the policy of its `:authority`.
    #[must_use]
    pub fn new(configuration: &Configuration, head: &Head<'_>) -> Self {
        let policy = configuration.policy_for(head.authority.unwrap_or_default());
        Self { policy, mode_of_all: configuration.mode_of_all(), phase: Phase::Start, checks: Checks::default() }
    }

    /// Names of those headers or trailers that must not reach the backend as they came (SPEC §5). `believed` = what
    /// [`Exchange::believed_header`] says; trailers are never believed.
    pub fn names_to_strip<'a>(&self, fields: Headers<'a>, believed: Option<Dialect>) -> impl Iterator<Item = &'a str> {
        let stripped = self.policy.handling().stripped.clone();
        fields.0.iter().map(|(name, _)| name.as_str()).filter(move |name| stripped.strips(name, believed))
    }

    /// The header that tells the client's certificate to the filter and, because `keep` names it, to the backend; `None` =
    /// none does, or the one that is there is not to be believed.
    pub fn believed_header(&self, head: &Head<'_>, host: &mut dyn Host) -> Option<Dialect> {
        let Handling { peer_certificate: policy, forward, .. } = self.policy.handling();
        let dialect = policy.source.header().filter(|dialect| forward.keeps(dialect.header_name()))?;
        let mut proof = Proof::new(policy, head.certificate.of(dialect), host);
        (proof.peer_certificate().is_ok() && proof.check_origin().is_ok()).then_some(dialect)
    }

    /// The headers are there.
    pub fn on_headers(
        &mut self,
        configuration: &Configuration,
        head: &Head<'_>,
        end_of_stream: bool,
        host: &mut dyn Host,
    ) -> Step {
        let mut request = RequestSummary::new(head);
        request.tenant.clone_from(&self.policy.handling().tenant);
        self.checks.begin(Check::Tenant);
        // A request without a path cannot be told from a gated one.
        let target = Target::new(head.path.unwrap_or_default());
        let is_gated = self.policy.endpoints().is_none_or(|endpoints| endpoints.gates(&target));
        let policy = match self.policy.clone() {
            HostPolicy::Policy(policy) => policy,
            HostPolicy::UnknownTenant(_) if !is_gated => return self.pass_ungated(head, &target, request),
            HostPolicy::UnknownTenant(unknown) => {
                let host = String::from_utf8_lossy(head.authority.unwrap_or_default()).into_owned();
                return self.refuse(Rejection::UnknownTenant { host }, unknown.handling.mode, request);
            }
        };
        self.checks.begin(Check::Endpoint);
        if !is_gated || is_preflight(head, &target, end_of_stream) {
            return self.pass_ungated(head, &target, request);
        }
        let head_of_form = check_server_name(configuration, &policy, head, host, &mut self.checks)
            .and_then(|()| read_head(head, &target, &policy, &mut self.checks));
        match head_of_form {
            Ok((authorization, charset)) => {
                let dialect = policy.handling.peer_certificate.source.header();
                let certificate = dialect.map_or(Field::Absent, |dialect| head.certificate.of(dialect)).into();
                self.phase = Phase::Held(Held { policy, authorization, charset, certificate, request, buffered: 0 });
                if end_of_stream { self.on_end(|_| None, host) } else { Step::Wait }
            }
            Err(rejection) => self.refuse(rejection, policy.handling.mode, request),
        }
    }

    /// A header or trailer that must not reach the backend could not be removed. A request that passed before goes no further.
    pub fn on_removal_failed(&mut self, head: &Head<'_>) -> Step {
        let request = match std::mem::replace(&mut self.phase, Phase::Decided { passed: false }) {
            Phase::Start => RequestSummary::new(head),
            Phase::Held(held) | Phase::LookedUp(held, _) => held.request,
            Phase::Decided { passed } => {
                let passed = passed && self.mode_of_all == Mode::Shadow;
                self.phase = Phase::Decided { passed };
                return Step::Decided { passed };
            }
        };
        self.refuse(HostError::HeaderRemoval.into(), self.mode_of_all, request)
    }

    /// The host has `buffered` bytes of the body in all, which `read` hands over once the body is complete.
    pub fn on_body(
        &mut self,
        buffered: usize,
        end_of_stream: bool,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
        host: &mut dyn Host,
    ) -> Step {
        if let Phase::Held(held) = &mut self.phase {
            held.buffered = buffered;
            let limit = held.policy.max_body_bytes;
            if buffered > limit {
                self.checks.begin(Check::Form);
                return self.refuse_held(Rejection::BodyTooLarge { limit });
            }
            if !end_of_stream {
                return Step::Wait;
            }
        }
        self.on_end(read, host)
    }

    /// The request is complete: its body ended, or its trailers are there, after which no body follows.
    pub fn on_end(&mut self, read: impl FnOnce(usize) -> Option<Vec<u8>>, host: &mut dyn Host) -> Step {
        if let Phase::LookedUp(..) = self.phase {
            // Trailers of a request whose body had ended: no host has them, and they change nothing.
            return Step::Wait;
        }
        let mut held = match self.take_held() {
            Ok(held) => held,
            Err(step) => return step,
        };
        let body = if held.buffered == 0 { Some(Vec::new()) } else { read(held.buffered) };
        let claimed = match read_claim(body, &held, &mut self.checks) {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return self.pass(Code::PassedUnidentified, Vec::new(), held.request),
            Err(rejection) => return self.refuse(rejection, held.policy.handling.mode, held.request),
        };
        held.request.client_id = Some(claimed.client_id.clone());
        self.checks.begin(Check::Registration);
        let registry = match &held.policy.registry {
            RegistrySource::Embedded(registry) => {
                let registration = registry.find(&claimed.client_id);
                return self.decide(held, &claimed, Ok(registration), host);
            }
            RegistrySource::Fetched(registry) => registry.clone(),
        };
        match host.registration(&registry, &claimed.client_id) {
            Poll::Ready(registration) => self.decide(held, &claimed, registration, host),
            Poll::Pending => {
                let client_id = claimed.client_id.as_str().into();
                self.phase = Phase::LookedUp(held, claimed);
                Step::Lookup { registry, client_id }
            }
        }
    }

    /// The registry answered a [`Step::Lookup`], or did not.
    pub fn on_registration(&mut self, registration: Result<Registration, RegistryFault>, host: &mut dyn Host) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Decided { passed: false }) {
            Phase::LookedUp(held, claimed) => self.decide(held, &claimed, registration, host),
            other => {
                self.phase = other;
                Step::Wait
            }
        }
    }

    fn decide(
        &mut self,
        held: Held,
        claimed: &ClaimedClient,
        registration: Result<Registration, RegistryFault>,
        host: &mut dyn Host,
    ) -> Step {
        let Held { policy, mut request, certificate, .. } = held;
        let mut connection = Proof::new(&policy.handling.peer_certificate, certificate.field(), host);
        let checks = &mut self.checks;
        let registration = registration.map_err(Rejection::RegistryUnavailable);
        let verdict = registration.and_then(|registration| authenticate(claimed, registration, &policy, &mut connection, checks));
        request.certificate = connection.certificate;
        match verdict {
            Ok(Verdict::Authenticated(certificate, client)) => {
                let client_id = client.client_id();
                let mut set = policy.handling.forward.headers(client_id, &certificate);
                let backend = client.backend_authentication();
                set.extend(backend.map(|backend| ("authorization".to_owned(), backend.authorization(client_id))));
                self.pass(Code::Authenticated, set, request)
            }
            Ok(Verdict::OtherMethod) => self.pass(Code::PassedOtherMethod, Vec::new(), request),
            Ok(Verdict::Unregistered) => self.pass(Code::PassedUnregistered, Vec::new(), request),
            Err(rejection) => self.refuse(rejection, policy.handling.mode, request),
        }
    }

    /// Whether the request is held for its body.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held(_))
    }

    /// A header of the request that the decision lets pass could not be written: the decision that comes in its place.
    pub fn on_write_failed(&mut self, request: RequestSummary) -> Decision {
        self.phase = Phase::Decided { passed: false };
        let rejection = Rejection::HostError(HostError::HeaderWrite);
        let action = Action::Reply(Response::to(&rejection, request.has_authorization));
        let checks = self.checks;
        Decision { code: rejection.code(), action, rejection: Some(rejection), request, checks, is_lookalike: false }
    }

    /// Whether the decision fell, and the request went on.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        matches!(self.phase, Phase::Decided { passed: true })
    }

    /// The host does not deliver the body of a held request, though it has some of it.
    pub fn on_body_withheld(&mut self) -> Step {
        self.refuse_held(Rejection::HostError(HostError::BodyWithHeadersHeld))
    }

    /// The decision that there is none, for a host that does not understand what it was told.
    pub(crate) fn fail(&mut self, error: HostError) -> Decision {
        let request = RequestSummary::default();
        self.phase = Phase::Decided { passed: false };
        let rejection = Rejection::HostError(error);
        let action = Action::Reply(Response::to(&rejection, false));
        let checks = self.checks;
        Decision { code: rejection.code(), action, rejection: Some(rejection), request, checks, is_lookalike: false }
    }

    fn refuse_held(&mut self, rejection: Rejection) -> Step {
        match self.take_held() {
            Ok(held) => self.refuse(rejection, held.policy.handling.mode, held.request),
            Err(step) => step,
        }
    }

    /// The held request, which is then no longer held: whatever happens next, it does not pass by accident.
    fn take_held(&mut self) -> Result<Held, Step> {
        match std::mem::replace(&mut self.phase, Phase::Decided { passed: false }) {
            Phase::Held(held) | Phase::LookedUp(held, _) => Ok(held),
            Phase::Decided { passed } => {
                self.phase = Phase::Decided { passed };
                Err(Step::Decided { passed })
            }
            // A body or trailers before any headers: no host does this, and nothing of it may pass.
            Phase::Start => Err(self.refuse(Rejection::HostError(HostError::Headers), Mode::Enforce, RequestSummary::default())),
        }
    }

    fn pass(&mut self, code: Code, set: Vec<(String, String)>, request: RequestSummary) -> Step {
        self.phase = Phase::Decided { passed: true };
        let action = Action::Continue { set };
        Step::Decide(Box::new(Decision { code, action, rejection: None, request, checks: self.checks, is_lookalike: false }))
    }

    fn pass_ungated(&mut self, head: &Head<'_>, target: &Target<'_>, request: RequestSummary) -> Step {
        let is_lookalike = head.method == Some(b"POST")
            && is_form(head.content_type)
            && self.policy.endpoints().is_some_and(|endpoints| endpoints.resembles(target));
        let mut step = self.pass(Code::NotGated, Vec::new(), request);
        if let Step::Decide(decision) = &mut step {
            decision.is_lookalike = is_lookalike;
        }
        step
    }

    fn refuse(&mut self, rejection: Rejection, mode: Mode, request: RequestSummary) -> Step {
        let passed = mode == Mode::Shadow;
        self.phase = Phase::Decided { passed };
        let action = if passed {
            Action::Continue { set: Vec::new() }
        } else {
            Action::Reply(Response::to(&rejection, request.has_authorization))
        };
        let (code, checks) = (rejection.code(), self.checks);
        Step::Decide(Box::new(Decision { code, action, rejection: Some(rejection), request, checks, is_lookalike: false }))
    }
}

/// A CORS preflight carries no credentials and nothing behind its headers; what asks to be taken for another request is none.
fn is_preflight(head: &Head<'_>, target: &Target<'_>, end_of_stream: bool) -> bool {
    head.method == Some(b"OPTIONS")
        && end_of_stream
        && head.authorization == Field::Absent
        && !head.has_upgrade
        && !head.overrides_method
        && target.credential_in_query().is_none()
}

/// Whether the connection was made to the tenant that the request is for. Otherwise a client whom another tenant's CA vouches for
/// could connect there, where the listener trusts that CA, and then ask here.
fn check_server_name(
    configuration: &Configuration,
    policy: &Policy,
    head: &Head<'_>,
    host: &mut dyn Host,
    checks: &mut Checks,
) -> Result<(), Rejection> {
    if !policy.matches_server_name {
        return Ok(());
    }
    let server_name = match host.server_name() {
        ServerName::Unspecified => return Ok(()),
        ServerName::Absent => None,
        ServerName::Name(name) => Some(name),
    };
    checks.begin(Check::ServerName);
    let authority = head.authority.unwrap_or_default();
    if configuration.server_name_agrees(authority, server_name.as_deref()) {
        return Ok(());
    }
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Err(Rejection::ServerNameMismatch { server_name: server_name.as_deref().map(text), host: text(authority) })
}

/// Everything that the headers alone can tell of a gated request.
fn read_head(
    head: &Head<'_>,
    target: &Target<'_>,
    policy: &Policy,
    checks: &mut Checks,
) -> Result<(Option<Authorization>, Charset), Rejection> {
    checks.begin(Check::Protocol);
    let is_continue = |expect: &[u8]| expect.trim_ascii().eq_ignore_ascii_case(b"100-continue");
    // A body may never end after an upgrade, so this is decided at the headers.
    if head.has_upgrade
        || !matches!(head.expect, Field::Absent) && !matches!(head.expect, Field::Once(value) if is_continue(value))
    {
        return Err(Rejection::UpgradeRefused);
    }
    checks.begin(Check::HttpMethod);
    match (head.method, head.path) {
        (Some(b"POST"), Some(_)) => {}
        (None, _) | (Some(b"POST"), None) => return Err(Rejection::HostError(HostError::PseudoHeader)),
        (Some(_), _) => return Err(Rejection::MethodNotAllowed),
    }
    checks.begin(Check::Content);
    let charset = check_content(head.content_type, head.content_encoding)?;
    check_length(head.content_length, policy.max_body_bytes)?;
    checks.begin(Check::Authorization);
    let authorization = Authorization::read(head.authorization).map_err(Rejection::MalformedAuthorization)?;
    checks.begin(Check::Query);
    match target.credential_in_query() {
        Some(name) => Err(Rejection::CredentialInQuery { name }),
        None => Ok((authorization, charset)),
    }
}

/// What a complete request claims; `None` = it names no client, and may pass all the same.
fn read_claim(body: Option<Vec<u8>>, held: &Held, checks: &mut Checks) -> Result<Option<ClaimedClient>, Rejection> {
    checks.begin(Check::Form);
    // A part of a body could lack the very parameter that makes it a refusal.
    let body = body.filter(|body| body.len() == held.buffered).ok_or(HostError::Body)?;
    let form = Form::read(&body, held.charset)?;
    checks.begin(Check::ClientId);
    identify(Claim::read(held.authorization.as_ref(), &form)?, &held.policy)
}

/// A [`Field`] that outlives the headers.
#[derive(Debug)]
enum OwnedField {
    Absent,
    Once(Box<[u8]>),
    Repeated,
}

impl From<Field<'_>> for OwnedField {
    fn from(field: Field<'_>) -> Self {
        match field {
            Field::Absent => Self::Absent,
            Field::Once(value) => Self::Once(value.into()),
            Field::Repeated => Self::Repeated,
        }
    }
}

impl OwnedField {
    fn field(&self) -> Field<'_> {
        match self {
            Self::Absent => Field::Absent,
            Self::Once(value) => Field::Once(value),
            Self::Repeated => Field::Repeated,
        }
    }
}

#[cfg(test)]
mod tests;
