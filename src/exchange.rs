//! One request as a machine without I/O: what the host reports goes in, what the host must do comes
//! out.
//!
//! A gated request is held from its headers to the end of its body; the decision falls exactly
//! once, wherever the request ends: in the headers, in the body, or in the trailers.

use std::sync::Arc;

use crate::authenticate::{Verdict, authenticate, identify};
use crate::certificate::CertificateHeader;
use crate::checks::{Check, Checks};
use crate::decision::{Action, Decision, RequestSummary};
use crate::downstream::{Downstream, PresentedCertificate, ServerName};
use crate::policy::{CommonPolicy, Configuration, Mode, Policy, RegistrySource, TenantPolicy};
use crate::registration::Registration;
use crate::registry::{FetchedRegistry, RegistryFault};
use crate::rejection::{Code, HostError, Rejection};
use crate::request::{
    Authorization, Charset, Claim, ClaimedClient, ClientIdMismatch, Fields, Form, Head,
    SingletonField, Target, check_content, check_length, is_form,
};
use crate::response::Response;

/// What the host must do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Hold the request, headers included, until there is more of it.
    Wait,
    /// Ask this registry for this client and hand over what it says
    /// ([`Exchange::on_registration`]); hold the request while it has no answer.
    LookUp {
        /// The registry to ask.
        registry: Arc<FetchedRegistry>,
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

/// The state of one request.
#[derive(Debug)]
pub struct Exchange {
    policy: TenantPolicy,
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
    AwaitingRegistration(Held, ClaimedClient),
    Decided {
        passed: bool,
    },
}

#[derive(Debug)]
struct Held {
    policy: Arc<Policy>,
    authorization: Option<Authorization>,
    charset: Charset,
    /// The header that carries the certificate, where the policy names one.
    certificate: OwnedSingletonField,
    request: RequestSummary,
    /// Length of the body that the host has buffered so far, in bytes.
    buffered: usize,
}

impl Exchange {
    /// The exchange that begins with `head`, under the policy of its `:authority`.
    #[must_use]
    pub fn new(configuration: &Configuration, head: &Head<'_>) -> Self {
        let policy = configuration.policy_for(head.authority.unwrap_or_default());
        Self {
            policy,
            mode_of_all: configuration.mode_of_all(),
            phase: Phase::Start,
            checks: Checks::default(),
        }
    }

    /// Names of those headers or trailers that must not reach the backend as they came (contract
    /// §5). `trusted` = what [`Exchange::trusted_certificate_header`] says; trailers are never
    /// trusted.
    pub fn names_to_strip<'a>(
        &self,
        fields: Fields<'a>,
        trusted: Option<CertificateHeader>,
    ) -> impl Iterator<Item = &'a str> {
        let stripped = self.policy.common().stripped.clone();
        fields
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(move |name| stripped.strips(name, trusted))
    }

    /// The header that tells the client's certificate to the filter and, because `keep` names it,
    /// to the backend; `None` = none does, or the one that is there is not to be trusted.
    pub fn trusted_certificate_header(
        &self,
        head: &Head<'_>,
        downstream: &mut dyn Downstream,
    ) -> Option<CertificateHeader> {
        let CommonPolicy { peer_certificate: policy, forward, .. } = self.policy.common();
        let header = policy.source.header().filter(|header| forward.keeps(header.name()))?;
        let mut presented =
            PresentedCertificate::new(policy, head.certificate.of(header), downstream);
        (presented.read().is_ok() && presented.check_origin().is_ok()).then_some(header)
    }

    /// The headers are there.
    pub fn on_headers(
        &mut self,
        configuration: &Configuration,
        head: &Head<'_>,
        end_of_stream: bool,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let mut request = RequestSummary::new(head);
        request.tenant.clone_from(&self.policy.common().tenant);
        self.checks.begin(Check::Tenant);
        // A request without a path cannot be told from a gated one.
        let target = Target::new(head.path.unwrap_or_default());
        let is_gated = self.policy.endpoints().is_none_or(|endpoints| endpoints.gates(&target));
        let policy = match self.policy.clone() {
            TenantPolicy::Known(policy) => policy,
            TenantPolicy::Unknown(_) if !is_gated => {
                return self.pass_ungated(head, &target, request);
            }
            TenantPolicy::Unknown(unknown) => {
                let host = String::from_utf8_lossy(head.authority.unwrap_or_default()).into_owned();
                return self.refuse(
                    Rejection::UnknownTenant { host },
                    unknown.common.mode,
                    request,
                );
            }
        };
        self.checks.begin(Check::Endpoint);
        if !is_gated || is_preflight(head, &target, end_of_stream) {
            return self.pass_ungated(head, &target, request);
        }
        let head_of_form =
            check_server_name(configuration, &policy, head, downstream, &mut self.checks)
                .and_then(|()| read_head(head, &target, &policy, &mut self.checks));
        match head_of_form {
            Ok((authorization, charset)) => {
                let header = policy.common.peer_certificate.source.header();
                let certificate = header
                    .map_or(SingletonField::Absent, |header| head.certificate.of(header))
                    .into();
                self.phase = Phase::Held(Held {
                    policy,
                    authorization,
                    charset,
                    certificate,
                    request,
                    buffered: 0,
                });
                if end_of_stream { self.on_end(|_| None, downstream) } else { Step::Wait }
            }
            Err(rejection) => self.refuse(rejection, policy.common.mode, request),
        }
    }

    /// A header or trailer that must not reach the backend could not be removed. A request that
    /// passed before goes no further.
    pub fn on_removal_failed(&mut self, head: &Head<'_>) -> Step {
        let request = match std::mem::replace(&mut self.phase, Phase::Decided { passed: false }) {
            Phase::Start => RequestSummary::new(head),
            Phase::Held(held) | Phase::AwaitingRegistration(held, _) => held.request,
            Phase::Decided { passed } => {
                let passed = passed && self.mode_of_all == Mode::Shadow;
                self.phase = Phase::Decided { passed };
                return Step::Decided { passed };
            }
        };
        self.refuse(HostError::HeaderRemoval.into(), self.mode_of_all, request)
    }

    /// The host has `buffered` bytes of the body in all, which `read` hands over once the body is
    /// complete.
    pub fn on_body(
        &mut self,
        buffered: usize,
        end_of_stream: bool,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
        downstream: &mut dyn Downstream,
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
        self.on_end(read, downstream)
    }

    /// The request is complete: its body ended, or its trailers are there, after which no body
    /// follows.
    pub fn on_end(
        &mut self,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        if let Phase::AwaitingRegistration(..) = self.phase {
            // Trailers of a request whose body had ended: no host has them, and they change
            // nothing.
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
            Err(rejection) => return self.refuse(rejection, held.policy.common.mode, held.request),
        };
        held.request.client_id = Some(claimed.client_id.clone());
        self.checks.begin(Check::Registration);
        let registry = match &held.policy.registry {
            RegistrySource::Embedded(registry) => {
                let registration = registry.find(&claimed.client_id);
                return self.decide(held, &claimed, Ok(registration), downstream);
            }
            RegistrySource::Fetched(registry) => registry.clone(),
        };
        let client_id = claimed.client_id.as_str().into();
        self.phase = Phase::AwaitingRegistration(held, claimed);
        Step::LookUp { registry, client_id }
    }

    /// The registry answered a [`Step::LookUp`], or did not.
    pub fn on_registration(
        &mut self,
        registration: Result<Registration, RegistryFault>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Decided { passed: false }) {
            Phase::AwaitingRegistration(held, claimed) => {
                self.decide(held, &claimed, registration, downstream)
            }
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
        downstream: &mut dyn Downstream,
    ) -> Step {
        let Held { policy, mut request, certificate, .. } = held;
        let mut presented = PresentedCertificate::new(
            &policy.common.peer_certificate,
            certificate.field(),
            downstream,
        );
        let checks = &mut self.checks;
        let registration = registration.map_err(Rejection::RegistryUnavailable);
        let verdict = registration.and_then(|registration| {
            authenticate(claimed, registration, &policy, &mut presented, checks)
        });
        request.certificate = presented.found();
        match verdict {
            Ok(Verdict::Authenticated(certificate, client)) => {
                let client_id = client.client_id();
                let mut set = policy.common.forward.headers(client_id, &certificate);
                let backend = client.backend_authentication();
                set.extend(
                    backend.map(|backend| {
                        ("authorization".to_owned(), backend.authorization(client_id))
                    }),
                );
                self.pass(Code::Authenticated, set, request)
            }
            Ok(Verdict::OtherMethod) => self.pass(Code::PassedOtherMethod, Vec::new(), request),
            Ok(Verdict::Unregistered) => self.pass(Code::PassedUnregistered, Vec::new(), request),
            Err(rejection) => self.refuse(rejection, policy.common.mode, request),
        }
    }

    /// Whether the request is held for its body.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held(_))
    }

    /// A header of the request that the decision lets pass could not be written: the decision that
    /// comes in its place.
    pub fn on_write_failed(&mut self, request: RequestSummary) -> Decision {
        self.phase = Phase::Decided { passed: false };
        let rejection = Rejection::HostError(HostError::HeaderWrite);
        let action = Action::Reply(Response::to(&rejection, request.has_authorization));
        let checks = self.checks;
        Decision {
            code: rejection.code(),
            action,
            rejection: Some(rejection),
            request,
            checks,
            is_lookalike: false,
        }
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
        Decision {
            code: rejection.code(),
            action,
            rejection: Some(rejection),
            request,
            checks,
            is_lookalike: false,
        }
    }

    fn refuse_held(&mut self, rejection: Rejection) -> Step {
        match self.take_held() {
            Ok(held) => self.refuse(rejection, held.policy.common.mode, held.request),
            Err(step) => step,
        }
    }

    /// The held request, which is then no longer held: whatever happens next, it does not pass by
    /// accident.
    fn take_held(&mut self) -> Result<Held, Step> {
        match std::mem::replace(&mut self.phase, Phase::Decided { passed: false }) {
            Phase::Held(held) | Phase::AwaitingRegistration(held, _) => Ok(held),
            Phase::Decided { passed } => {
                self.phase = Phase::Decided { passed };
                Err(Step::Decided { passed })
            }
            // A body or trailers before any headers: no host does this, and nothing of it may pass.
            Phase::Start => Err(self.refuse(
                Rejection::HostError(HostError::Headers),
                Mode::Enforce,
                RequestSummary::default(),
            )),
        }
    }

    fn pass(&mut self, code: Code, set: Vec<(String, String)>, request: RequestSummary) -> Step {
        self.phase = Phase::Decided { passed: true };
        let action = Action::Continue { set };
        Step::Decide(Box::new(Decision {
            code,
            action,
            rejection: None,
            request,
            checks: self.checks,
            is_lookalike: false,
        }))
    }

    fn pass_ungated(
        &mut self,
        head: &Head<'_>,
        target: &Target<'_>,
        request: RequestSummary,
    ) -> Step {
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
        Step::Decide(Box::new(Decision {
            code,
            action,
            rejection: Some(rejection),
            request,
            checks,
            is_lookalike: false,
        }))
    }
}

/// A CORS preflight carries no credentials and nothing behind its headers; what asks to be taken
/// for another request is none.
fn is_preflight(head: &Head<'_>, target: &Target<'_>, end_of_stream: bool) -> bool {
    head.method == Some(b"OPTIONS")
        && end_of_stream
        && head.authorization == SingletonField::Absent
        && !head.has_upgrade
        && !head.overrides_method
        && target.credential_in_query().is_none()
}

/// Whether the connection was made to the tenant that the request is for. Otherwise a client whom
/// another tenant's CA vouches for could connect there, where the listener trusts that CA, and then
/// ask here.
fn check_server_name(
    configuration: &Configuration,
    policy: &Policy,
    head: &Head<'_>,
    downstream: &mut dyn Downstream,
    checks: &mut Checks,
) -> Result<(), Rejection> {
    if !policy.matches_server_name {
        return Ok(());
    }
    let server_name = match downstream.server_name() {
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
    Err(Rejection::ServerNameMismatch {
        server_name: server_name.as_deref().map(text),
        host: text(authority),
    })
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
        || !matches!(head.expect, SingletonField::Absent)
            && !matches!(head.expect, SingletonField::Present(value) if is_continue(value))
    {
        return Err(Rejection::UpgradeRefused);
    }
    checks.begin(Check::HttpMethod);
    match (head.method, head.path) {
        (Some(b"POST"), Some(_)) => {}
        (None, _) | (Some(b"POST"), None) => {
            return Err(Rejection::HostError(HostError::PseudoHeader));
        }
        (Some(_), _) => return Err(Rejection::MethodNotAllowed),
    }
    checks.begin(Check::Content);
    let charset = check_content(head.content_type, head.content_encoding)?;
    check_length(head.content_length, policy.max_body_bytes)?;
    checks.begin(Check::Authorization);
    let authorization =
        Authorization::read(head.authorization).map_err(Rejection::MalformedAuthorization)?;
    checks.begin(Check::Query);
    match target.credential_in_query() {
        Some(name) => {
            Err(Rejection::ClientIdMismatch(ClientIdMismatch::CredentialInQuery { name }))
        }
        None => Ok((authorization, charset)),
    }
}

/// What a complete request claims; `None` = it names no client, and may pass all the same.
fn read_claim(
    body: Option<Vec<u8>>,
    held: &Held,
    checks: &mut Checks,
) -> Result<Option<ClaimedClient>, Rejection> {
    checks.begin(Check::Form);
    // A part of a body could lack the very parameter that makes it a refusal.
    let body = body.filter(|body| body.len() == held.buffered).ok_or(HostError::Body)?;
    let form = Form::read(&body, held.charset)?;
    checks.begin(Check::ClientId);
    identify(Claim::read(held.authorization.as_ref(), &form)?, &held.policy)
}

/// A [`SingletonField`] that outlives the headers.
#[derive(Debug)]
enum OwnedSingletonField {
    Absent,
    Present(Box<[u8]>),
    Repeated,
}

impl From<SingletonField<'_>> for OwnedSingletonField {
    fn from(field: SingletonField<'_>) -> Self {
        match field {
            SingletonField::Absent => Self::Absent,
            SingletonField::Present(value) => Self::Present(value.into()),
            SingletonField::Repeated => Self::Repeated,
        }
    }
}

impl OwnedSingletonField {
    fn field(&self) -> SingletonField<'_> {
        match self {
            Self::Absent => SingletonField::Absent,
            Self::Present(value) => SingletonField::Present(value),
            Self::Repeated => SingletonField::Repeated,
        }
    }
}

#[cfg(test)]
mod tests;
