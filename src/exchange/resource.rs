//! A request to a protected resource (contract §10): held only where its body is a form, or while
//! an authorization server is asked about its token.

use std::sync::Arc;

use super::bystander::headers_of_bystander;
use super::gated_head::{GatedHead, HeldField, HeldFields, check_server_name};
use super::{Exchange, HeldRequest, Progress, Step};
use crate::bound_token::{TokenClaim, TokenVerdict, check_bound_token};
use crate::checks::{Check, Checks};
use crate::decision::RequestSummary;
use crate::downstream::{Downstream, PresentedCertificate};
use crate::facts::{Fact, Question};
use crate::policy::{BoundTokens, Configuration, Policy};
use crate::registry::{AccessToken, IntrospectedToken, RegistryFault};
use crate::rejection::{Code, HostError, Rejection, UnverifiedToken};
use crate::request::{
    ClaimedClient, Head, MalformedToken, SingletonField, Target, bearer_token, check_content,
    check_form, check_length, may_be_form,
};
use crate::response::Challenge;

/// A request to a resource, of which the headers are not at hand any more.
#[derive(Debug)]
pub(super) struct HeldResource {
    pub(super) policy: Arc<Policy>,
    tokens: Arc<BoundTokens>,
    /// `None` = there is none behind `Bearer`.
    token: Option<Token>,
    payload: HeldField,
    forwarded: Option<Box<HeldFields>>,
    pub(super) summary: RequestSummary,
    /// Where some spelling of the path is an endpoint too: what its decision needs.
    endpoint: Option<Box<EndpointPart>>,
    /// Length of the body that the host has buffered so far, in bytes.
    pub(super) buffered: usize,
}

/// What is known of a request to a resource when its headers have arrived.
pub(super) struct ArrivedHeaders {
    pub(super) policy: Arc<Policy>,
    /// Whether some spelling of its path is an endpoint too, so that it must satisfy both.
    pub(super) is_endpoint: bool,
    pub(super) end_of_stream: bool,
    pub(super) summary: RequestSummary,
}

/// The octets of a token, which `Debug` does not write.
struct Token(Box<[u8]>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[derive(Debug)]
struct EndpointPart {
    head: GatedHead,
    /// The client that the body names, once the body is complete.
    claimed: Option<ClaimedClient>,
}

impl Exchange {
    /// The headers of a request to a resource.
    #[inline(never)]
    pub(super) fn start_resource(
        &mut self,
        configuration: &Configuration,
        head: &Head<'_>,
        arrived: ArrivedHeaders,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let ArrivedHeaders { policy, is_endpoint, end_of_stream, mut summary } = arrived;
        let target = &head.target;
        summary.challenge = Challenge::Bearer;
        let mode = policy.common.mode;
        let endpoint = if is_endpoint {
            let checks = &mut self.checks;
            match GatedHead::read(configuration, &policy, head, target, downstream, checks) {
                Ok(head) => Some(Box::new(EndpointPart { head, claimed: None })),
                Err(rejection) => return self.refuse(rejection, mode, summary),
            }
        } else {
            let checks = &mut self.checks;
            let result =
                check_server_name(configuration, &policy, head, target, downstream, checks);
            if let Err(rejection) = result {
                return self.refuse(rejection, mode, summary);
            }
            None
        };
        let Some(tokens) = policy.bound_tokens.clone() else {
            return self.refuse(HostError::Configuration.into(), mode, summary);
        };
        let checks = &mut self.checks;
        let (token, has_form) = match read_head(&policy, head, target, end_of_stream, checks) {
            Ok(read) => read,
            Err(rejection) => return self.refuse(rejection, mode, summary),
        };
        let jwt = tokens.jwt.as_ref();
        let payload =
            jwt.map_or(SingletonField::Absent, |jwt| head.fields.singleton(&jwt.payload_header));
        let held = Box::new(HeldResource {
            token: token.map(|token| Token(token.into())),
            payload: payload.into(),
            forwarded: HeldFields::of(head, &policy.common.peer_certificate.source),
            policy,
            tokens,
            summary,
            endpoint,
            buffered: 0,
        });
        let awaits_body = has_form || held.endpoint.is_some();
        if !awaits_body {
            return self.decide_resource(held, None, downstream);
        }
        self.progress = Progress::HeldResource(held);
        if end_of_stream { self.on_end(|_| None, downstream) } else { Step::Wait }
    }

    /// The body of a request to a resource is complete.
    #[inline(never)]
    pub(super) fn end_resource(
        &mut self,
        mut held: Box<HeldResource>,
        read: impl FnOnce(usize) -> Option<Vec<u8>>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let body = if held.buffered == 0 { Some(Vec::new()) } else { read(held.buffered) };
        let body = body.filter(|body| body.len() == held.buffered);
        self.checks.begin(Check::Form);
        let form = body.as_deref().ok_or(Rejection::HostError(HostError::Body));
        if let Err(rejection) = form.and_then(|body| check_form(body).map_err(Rejection::from)) {
            return self.refuse(rejection, held.policy.common.mode, held.summary);
        }
        if let Some(endpoint) = &mut held.endpoint {
            let claim = endpoint.head.claim(&held.policy, body, held.buffered, &mut self.checks);
            match claim {
                Ok(claimed) => endpoint.claimed = claimed,
                Err(rejection) => {
                    return self.refuse(rejection, held.policy.common.mode, held.summary);
                }
            }
        }
        self.decide_resource(held, None, downstream)
    }

    /// The answer of the authorization server that was asked about the token.
    pub(super) fn on_token_answer(
        &mut self,
        held: Box<HeldResource>,
        fact: Fact,
        downstream: &mut dyn Downstream,
    ) -> Step {
        if let Fact::Token(answer) = fact {
            return self.decide_resource(held, Some(answer), downstream);
        }
        // No host answers what it was not asked.
        self.progress = Progress::AwaitingToken(held);
        Step::Wait
    }

    #[inline(never)]
    fn decide_resource(
        &mut self,
        mut held: Box<HeldResource>,
        answer: Option<Result<IntrospectedToken, RegistryFault>>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let common = &held.policy.common;
        let fields = HeldFields::get(held.forwarded.as_deref());
        let mut presented = PresentedCertificate::new(&common.peer_certificate, fields, downstream);
        let token = held.token.as_ref().map(|token| &*token.0);
        let claim = TokenClaim { token, payload: held.payload.get() };
        let checks = &mut self.checks;
        let verdict = check_bound_token(claim, answer, &held.tokens, &mut presented, checks);
        let mut headers = Vec::new();
        if verdict == Ok(TokenVerdict::Bound) && held.endpoint.is_none() {
            headers = headers_of_bystander(Code::TokenBound, common, &mut presented, |_| true);
            // It was taken off the request when it arrived, because a client can send it too.
            if let (Some(jwt), SingletonField::Present(payload)) =
                (&held.tokens.jwt, held.payload.get())
                && common.forward.keeps(&jwt.payload_header)
            {
                let payload = String::from_utf8_lossy(payload).into_owned();
                headers.push((jwt.payload_header.to_string(), payload));
            }
        }
        held.summary.certificate = presented.found();
        match verdict {
            Ok(TokenVerdict::Bound) => match held.endpoint.take() {
                None => self.pass(Code::TokenBound, headers, held.summary),
                Some(endpoint) => {
                    let EndpointPart { head, claimed } = *endpoint;
                    let (policy, summary, buffered) = (held.policy, held.summary, held.buffered);
                    let request = Box::new(HeldRequest { policy, head, summary, buffered });
                    self.register(request, claimed, downstream)
                }
            },
            // No backend has a path that is both, and no server is asked for the sake of one.
            Ok(TokenVerdict::DependsOnIntrospection) if held.endpoint.is_some() => {
                let rejection = Rejection::TokenUnverified(UnverifiedToken::OfEndpoint);
                self.refuse(rejection, held.policy.common.mode, held.summary)
            }
            Ok(TokenVerdict::DependsOnIntrospection) => {
                // The policy has a server to ask, and the request has a token.
                let (Some(source), Some(token)) = (held.tokens.introspection.clone(), token) else {
                    let error = HostError::Configuration.into();
                    return self.refuse(error, held.policy.common.mode, held.summary);
                };
                let token = AccessToken::new(token);
                self.progress = Progress::AwaitingToken(held);
                Step::Ask(Box::new(Question::Token { source, token }))
            }
            Err(rejection) => self.refuse(rejection, held.policy.common.mode, held.summary),
        }
    }
}

/// The token of the headers, and whether the body must be read, because it may be a form.
///
/// # Errors
/// The token is where it must not be, or the body may be a form that cannot be read.
fn read_head<'a>(
    policy: &Policy,
    head: &Head<'a>,
    target: &Target<'_>,
    end_of_stream: bool,
    checks: &mut Checks,
) -> Result<(Option<&'a [u8]>, bool), Rejection> {
    let has_form = !end_of_stream && may_be_form(head.content_type);
    if has_form {
        // RFC 6750 §2.2: a token may be in a form. It is found only in one that every reader reads
        // in the same way, and that ends.
        checks.begin(Check::Protocol);
        if head.has_upgrade {
            return Err(Rejection::UpgradeRefused);
        }
        checks.begin(Check::Content);
        check_content(head.content_type, head.content_encoding)?;
        check_length(head.content_length, policy.max_body_bytes)?;
    }
    checks.begin(Check::Authorization);
    let token = bearer_token(head.authorization)?;
    checks.begin(Check::Query);
    if target.has_access_token() {
        return Err(MalformedToken::InQuery.into());
    }
    Ok((token, has_form))
}
