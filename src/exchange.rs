//! One request as a machine without I/O: the host reports what arrives, and the exchange answers
//! with what the host must do.
//!
//! A gated request is held from its headers to the end of its body. It is decided exactly once,
//! wherever it ends: in the headers, in the body, or in the trailers.

mod bystander;
mod client;
mod gated_head;
mod resource;
mod stripping;

use std::mem;
use std::sync::Arc;

use self::bystander::headers_of_bystander;
use self::gated_head::{GatedHead, agrees, is_preflight};
use self::resource::{ArrivedHeaders, HeldResource};
use crate::backend_response::BackendResponse;
use crate::checks::{Check, Checks};
use crate::decision::{Decision, RequestSummary};
use crate::downstream::{Downstream, ForwardedFields, PresentedCertificate};
use crate::facts::{Fact, Facts, Question, Topic};
use crate::policy::{
    CertificateFor, Configuration, Gating, Mode, Policy, RegistrySource, TenantChoice, TenantPolicy,
};
use crate::registration::{ClientMetadata, Registration};
use crate::registry::{FetchedRegistry, RegistryFault};
use crate::rejection::{Code, HostError, NoTenant, Rejection};
use crate::request::{ClaimedClient, Head, Target, is_form};

/// What the host must do next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Hold the request, headers included, until more of it arrives.
    Wait,
    /// Ask `registry` for the client and report its answer to [`Exchange::on_registration`]. The
    /// request is held until then.
    LookUp {
        /// The registry to ask.
        registry: Arc<FetchedRegistry>,
        /// The claimed identifier.
        client_id: Box<str>,
    },
    /// Find this out and report it to [`Exchange::on_fact`]. The request is held until then. No
    /// question is asked twice.
    Ask(Box<Question>),
    /// Carry out the decision. An exchange has exactly one.
    Decide(Box<Decision>),
    /// Do nothing: the request was decided before.
    Decided {
        /// Whether it passed. A request that was answered must not go on.
        passed: bool,
    },
}

/// The state of one request, from its headers to its decision.
#[derive(Debug)]
pub struct Exchange {
    policy: TenantPolicy,
    /// How the path is gated, where that was asked to choose the policy.
    gating: Option<Gating>,
    /// Whether it is not certain which tenant the request is for.
    is_ambiguous: bool,
    /// The mode of refusals that belong to no tenant.
    mode_of_all: Mode,
    progress: Progress,
    checks: Checks,
    /// The response to the request, if it must be read.
    response: Option<Box<BackendResponse>>,
}

#[derive(Debug)]
enum Progress {
    Start,
    /// A gated request whose body is awaited.
    Held(Box<HeldRequest>),
    /// A gated request with its body, about whose client a registry is asked.
    AwaitingRegistration(Box<HeldRequest>, ClaimedClient),
    /// A gated request of a registered client, whose decision depends on a further fact.
    AwaitingFact(Box<AwaitedFact>),
    /// A request to a resource, whose body is awaited.
    HeldResource(Box<HeldResource>),
    /// A request to a resource, about whose token an authorization server is asked.
    AwaitingToken(Box<HeldResource>),
    Decided {
        passed: bool,
    },
}

#[derive(Debug)]
struct HeldRequest {
    policy: Arc<Policy>,
    head: GatedHead,
    summary: RequestSummary,
    /// Length of the body that the host has buffered so far, in bytes.
    buffered: usize,
}

#[derive(Debug)]
struct AwaitedFact {
    held: Box<HeldRequest>,
    claimed: ClaimedClient,
    client: Arc<ClientMetadata>,
    /// Those that are known already.
    facts: Facts,
    /// What is awaited.
    topic: Topic,
}

impl Exchange {
    /// The exchange that begins with `head`, under the policy of its `:authority` and its path.
    #[must_use]
    pub fn new(configuration: &Configuration, head: &Head<'_>) -> Self {
        let (authority, path) = (head.authority.unwrap_or_default(), head.path.unwrap_or_default());
        let TenantChoice { policy, gating, is_ambiguous } = configuration.choose(authority, path);
        Self {
            policy,
            gating,
            is_ambiguous,
            mode_of_all: configuration.mode_of_all(),
            progress: Progress::Start,
            checks: Checks::default(),
            response: None,
        }
    }

    /// The headers arrived. `end_of_stream` = nothing follows them.
    pub fn on_headers(
        &mut self,
        configuration: &Configuration,
        head: &Head<'_>,
        end_of_stream: bool,
        downstream: &mut dyn Downstream,
    ) -> Step {
        match self.progress {
            Progress::Start => {}
            // A body or a failure came first, and the request was refused.
            Progress::Decided { passed } => return Step::Decided { passed },
            _ => return Step::Wait,
        }
        self.checks.begin(Check::Tenant);
        // A request without a path may be a gated one.
        let target = head.target;
        let mut summary = RequestSummary::new(head);
        summary.tenant.clone_from(&self.policy.common().tenant);
        let gating = self.gating.unwrap_or_else(|| self.policy.gating(&target));
        let is_gated = gating.is_any();
        let policy = match self.policy.clone() {
            TenantPolicy::Known(policy) => policy,
            TenantPolicy::Unknown(_) if !is_gated => {
                return self.pass_ungated(configuration, head, &target, summary, downstream);
            }
            TenantPolicy::Unknown(unknown) => {
                let host = String::from_utf8_lossy(head.authority.unwrap_or_default()).into_owned();
                let cause = match self.gating {
                    _ if self.is_ambiguous => NoTenant::Ambiguous,
                    Some(_) => NoTenant::OfHostAndPath,
                    None => NoTenant::OfHost,
                };
                let rejection = Rejection::UnknownTenant { host, cause };
                return self.refuse(rejection, unknown.common.mode, summary);
            }
        };
        self.checks.begin(Check::Endpoint);
        if !is_gated || is_preflight(head, &target, end_of_stream) {
            return self.pass_ungated(configuration, head, &target, summary, downstream);
        }
        if gating.resource {
            let is_endpoint = gating.endpoint;
            let arrived = ArrivedHeaders { policy, is_endpoint, end_of_stream, summary };
            return self.start_resource(configuration, head, arrived, downstream);
        }
        let checks = &mut self.checks;
        match GatedHead::read(configuration, &policy, head, &target, downstream, checks) {
            Ok(head) => {
                let held = HeldRequest { policy, head, summary, buffered: 0 };
                self.progress = Progress::Held(Box::new(held));
                if end_of_stream { self.on_end(|_| None, downstream) } else { Step::Wait }
            }
            Err(rejection) => self.refuse(rejection, policy.common.mode, summary),
        }
    }

    /// The host has buffered `buffered` bytes of the body in all. `read` returns so many bytes of
    /// it, and is called once the body is complete.
    pub fn on_body(
        &mut self,
        buffered: usize,
        end_of_stream: bool,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let held = match &mut self.progress {
            Progress::Held(held) => Some((&mut held.buffered, &held.policy)),
            Progress::HeldResource(held) => Some((&mut held.buffered, &held.policy)),
            _ => None,
        };
        if let Some((held, policy)) = held {
            *held = buffered;
            let limit = policy.max_body_bytes;
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

    /// The request is complete: its body ended, or its trailers arrived, after which no body
    /// follows.
    pub fn on_end(
        &mut self,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let held = match mem::replace(&mut self.progress, Progress::Decided { passed: false }) {
            Progress::Held(held) => held,
            Progress::HeldResource(held) => return self.end_resource(held, read, downstream),
            other => {
                self.progress = other;
                return match self.progress {
                    // Trailers after the end of the body: no host has them, and they change
                    // nothing.
                    Progress::AwaitingRegistration(..)
                    | Progress::AwaitingFact(_)
                    | Progress::AwaitingToken(_) => Step::Wait,
                    _ => self.refuse_unheld(),
                };
            }
        };
        let body = if held.buffered == 0 { Some(Vec::new()) } else { read(held.buffered) };
        match held.head.claim(&held.policy, body, held.buffered, &mut self.checks) {
            Ok(claimed) => self.register(held, claimed, downstream),
            Err(rejection) => self.refuse(rejection, held.policy.common.mode, held.summary),
        }
    }

    /// Asks the registry for the client that a complete request names; `None` = it names none, and
    /// may pass.
    fn register(
        &mut self,
        held: Box<HeldRequest>,
        claimed: Option<ClaimedClient>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let Some(claimed) = claimed else { return self.pass_unidentified(*held, downstream) };
        self.checks.begin(Check::Registration);
        match &held.policy.registry {
            RegistrySource::Embedded(registry) => {
                let registration = registry.find(&claimed.client_id);
                self.decide_client(held, claimed, Ok(registration), Facts::default(), downstream)
            }
            RegistrySource::Fetched(registry) => {
                let (registry, client_id) = (registry.clone(), claimed.client_id.as_str().into());
                self.progress = Progress::AwaitingRegistration(held, claimed);
                Step::LookUp { registry, client_id }
            }
        }
    }

    /// The registry answered a [`Step::LookUp`], or failed to.
    pub fn on_registration(
        &mut self,
        registration: Result<Registration, RegistryFault>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        match mem::replace(&mut self.progress, Progress::Decided { passed: false }) {
            Progress::AwaitingRegistration(held, claimed) => {
                self.decide_client(held, claimed, registration, Facts::default(), downstream)
            }
            other => {
                self.progress = other;
                Step::Wait
            }
        }
    }

    /// The answer to a [`Step::Ask`].
    pub fn on_fact(&mut self, fact: Fact, downstream: &mut dyn Downstream) -> Step {
        let progress = mem::replace(&mut self.progress, Progress::Decided { passed: false });
        match (progress, fact) {
            (Progress::AwaitingToken(held), Fact::Token(answer)) => {
                self.decide_resource(held, Some(answer), downstream)
            }
            (Progress::AwaitingFact(awaited), fact) if awaited.topic == fact.topic() => {
                let AwaitedFact { held, claimed, client, mut facts, .. } = *awaited;
                facts.add(fact);
                let registration = Ok(Registration::Registered(client));
                self.decide_client(held, claimed, registration, facts, downstream)
            }
            // What was not asked for changes nothing.
            (other, _) => {
                self.progress = other;
                Step::Wait
            }
        }
    }

    /// The host has some of a held request's body and does not deliver it.
    pub fn on_body_withheld(&mut self) -> Step {
        self.refuse_held(Rejection::HostError(HostError::BodyWithHeadersHeld))
    }

    /// A header or trailer that must not reach the backend could not be removed: `error` says why.
    /// A request that passed before goes no further.
    pub fn on_removal_failed(&mut self, head: &Head<'_>, error: HostError) -> Step {
        if let Progress::Decided { passed } = &mut self.progress {
            *passed = *passed && self.mode_of_all == Mode::Shadow;
            return Step::Decided { passed: *passed };
        }
        let held = self.take_held();
        let summary = held.map_or_else(|| RequestSummary::new(head), |(_, summary)| summary);
        self.refuse(error.into(), self.mode_of_all, summary)
    }

    /// A header of a request that passed could not be written. Returns the decision that replaces
    /// the first one; `summary` is that of the first one.
    pub fn on_write_failed(&mut self, summary: RequestSummary) -> Decision {
        self.fail(HostError::HeaderWrite, summary)
    }

    /// Whether the response to the request must be read ([`Exchange::take_response`]). Then
    /// `accept-encoding` must be removed from the request: an encoded response cannot be read.
    #[must_use]
    pub fn reads_response(&self) -> bool {
        self.response.is_some()
    }

    /// The response to the request that passed, if it must be read.
    pub fn take_response(&mut self) -> Option<Box<BackendResponse>> {
        self.response.take()
    }

    /// Whether the request is held for its body.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(self.progress, Progress::Held(_) | Progress::HeldResource(_))
    }

    /// Whether the request was decided, and passed.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        matches!(self.progress, Progress::Decided { passed: true })
    }

    /// Refuses the request, whatever the mode is.
    pub(crate) fn fail(&mut self, error: HostError, summary: RequestSummary) -> Decision {
        self.progress = Progress::Decided { passed: false };
        Decision::refuse(error.into(), Mode::Enforce, summary, self.checks)
    }

    /// Lets a gated request pass that names no client.
    fn pass_unidentified(
        &mut self,
        mut held: HeldRequest,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let code = Code::PassedUnidentified;
        let common = &held.policy.common;
        let mut headers = Vec::new();
        if common.forward.certificate_for() >= CertificateFor::Gated {
            let mut presented = PresentedCertificate::new(
                &common.peer_certificate,
                held.head.forwarded(),
                downstream,
            );
            headers = headers_of_bystander(code, common, &mut presented, |_| true);
            held.summary.certificate = presented.found();
        }
        self.pass(code, headers, held.summary)
    }

    /// What follows where no request is held.
    fn refuse_unheld(&mut self) -> Step {
        if let Progress::Decided { passed } = self.progress {
            return Step::Decided { passed };
        }
        // A body or trailers before the headers: no host reports this, and it must not pass.
        self.refuse(
            Rejection::HostError(HostError::Headers),
            Mode::Enforce,
            RequestSummary::default(),
        )
    }

    fn pass(&mut self, code: Code, set: Vec<(String, String)>, summary: RequestSummary) -> Step {
        self.progress = Progress::Decided { passed: true };
        Step::Decide(Box::new(Decision::pass(code, set, summary, self.checks)))
    }

    fn pass_ungated(
        &mut self,
        configuration: &Configuration,
        head: &Head<'_>,
        target: &Target<'_>,
        mut summary: RequestSummary,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let is_lookalike = head.method == Some(b"POST")
            && is_form(head.content_type)
            && self.policy.endpoints().is_some_and(|endpoints| endpoints.resembles(target));
        let common = self.policy.common();
        let mut headers = Vec::new();
        // Nearly every request is none of an endpoint, and nearly no policy asks for this.
        if common.forward.certificate_for() == CertificateFor::EveryRequest {
            let policy = &common.peer_certificate;
            let fields = ForwardedFields::of(head, &policy.source);
            let mut presented = PresentedCertificate::new(policy, fields, downstream);
            let is_of_tenant = |server_name| {
                !common.matches_server_name || agrees(configuration, head, target, &server_name)
            };
            headers = headers_of_bystander(Code::NotGated, common, &mut presented, is_of_tenant);
            summary.certificate = presented.found();
        }
        let mut step = self.pass(Code::NotGated, headers, summary);
        if let Step::Decide(decision) = &mut step {
            decision.is_lookalike = is_lookalike;
        }
        step
    }

    fn refuse(&mut self, rejection: Rejection, mode: Mode, summary: RequestSummary) -> Step {
        self.progress = Progress::Decided { passed: mode == Mode::Shadow };
        Step::Decide(Box::new(Decision::refuse(rejection, mode, summary, self.checks)))
    }

    fn refuse_held(&mut self, rejection: Rejection) -> Step {
        match self.take_held() {
            Some((policy, summary)) => self.refuse(rejection, policy.common.mode, summary),
            None => self.refuse_unheld(),
        }
    }

    /// The policy and the summary of the held request, which is decided next; `None` = none is
    /// held.
    #[inline(never)]
    fn take_held(&mut self) -> Option<(Arc<Policy>, RequestSummary)> {
        match mem::replace(&mut self.progress, Progress::Decided { passed: false }) {
            Progress::Held(held) => Some((held.policy, held.summary)),
            Progress::AwaitingRegistration(held, claimed) => {
                Some((held.policy, held.summary.of(claimed)))
            }
            Progress::AwaitingFact(awaited) => {
                let AwaitedFact { held, claimed, .. } = *awaited;
                Some((held.policy, held.summary.of(claimed)))
            }
            Progress::HeldResource(held) | Progress::AwaitingToken(held) => {
                Some((held.policy, held.summary))
            }
            other @ (Progress::Start | Progress::Decided { .. }) => {
                self.progress = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
