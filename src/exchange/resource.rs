//! A request to a protected resource (contract §10): held only where its body is a form, or while
//! an authorization server is asked about its token.

use std::sync::Arc;

use super::bystander::headers_of_bystander;
use super::gated_head::{GatedHead, HeldFields, check_server_name};
use super::{Exchange, HeldRequest, Progress, Step};
use crate::bound_token::{TokenVerdict, check_bound_token};
use crate::certificate::PeerCertificate;
use crate::checks::{Check, Checks};
use crate::decision::RequestSummary;
use crate::downstream::{Downstream, ForwardedFields, PresentedCertificate};
use crate::facts::Question;
use crate::policy::{BoundTokens, Configuration, Policy};
use crate::registry::{AccessToken, IntrospectedToken, RegistryFault};
use crate::rejection::{Code, HostError, Rejection, UnverifiedToken};
use crate::request::{
    BearerToken, ClaimedClient, Head, MalformedToken, SingletonField, Target, TokenPayload,
    assumed_content_type, bearer_token, check_content, check_form, check_length, may_be_form,
};
use crate::response::Challenge;

/// A request to a resource, of which the headers are not at hand any more.
#[derive(Debug)]
pub(super) struct HeldResource {
    pub(super) policy: Arc<Policy>,
    /// `None` = there is none behind `Bearer`.
    token: Option<HeldToken>,
    /// [`Resource::kept_payload`]
    kept_payload: Option<Box<[u8]>>,
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

/// A [`BearerToken`] that outlives the headers. `Debug` does not write its octets.
struct HeldToken {
    text: Box<[u8]>,
    payload: TokenPayload,
}

impl std::fmt::Debug for HeldToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeldToken")
    }
}

impl HeldToken {
    fn get(&self) -> BearerToken<'_> {
        BearerToken { text: &self.text, payload: self.payload }
    }
}

/// What a decision about a token needs of the headers.
struct Resource<'a> {
    policy: &'a Policy,
    token: Option<BearerToken<'a>>,
    /// The payload that goes on after `token_bound`; `None` = none does.
    kept_payload: Option<&'a [u8]>,
    forwarded: ForwardedFields<'a>,
    /// Whether some spelling of the path is an endpoint too.
    is_endpoint: bool,
}

/// The result of [`Exchange::check_resource`].
struct CheckedResource {
    verdict: Result<TokenVerdict, Rejection>,
    /// The headers for the backend, if the request passes.
    headers: Vec<(String, String)>,
    certificate: Option<Arc<PeerCertificate>>,
}

#[derive(Debug)]
struct EndpointPart {
    head: GatedHead,
    /// The client that the body names, once the body is complete.
    claimed: Option<ClaimedClient>,
    /// What an answer asks for that is about the client, and not about the token.
    challenge: Challenge,
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
        let challenge = std::mem::replace(&mut summary.challenge, Challenge::Bearer);
        let mode = policy.common.mode;
        let endpoint = if is_endpoint {
            let checks = &mut self.checks;
            match GatedHead::read(configuration, &policy, head, target, downstream, checks) {
                Ok(head) => Some(Box::new(EndpointPart { head, claimed: None, challenge })),
                Err(rejection) => {
                    summary.challenge = challenge;
                    return self.refuse(rejection, mode, summary);
                }
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
        let Some(tokens) = policy.bound_tokens.as_deref() else {
            return self.refuse(HostError::Configuration.into(), mode, summary);
        };
        let payload = match &tokens.jwt {
            Some(jwt) => head.fields.singleton(&jwt.payload_header),
            None => SingletonField::Absent,
        };
        let checks = &mut self.checks;
        let read = read_head(&policy, head, target, payload, end_of_stream, checks);
        let (token, has_form) = match read {
            Ok(read) => read,
            Err(rejection) => return self.refuse(rejection, mode, summary),
        };
        // It was taken off the request when it arrived, because a client can send it too.
        let kept_payload = match (&tokens.jwt, payload) {
            (Some(jwt), SingletonField::Present(payload))
                if policy.common.forward.keeps(&jwt.payload_header) =>
            {
                Some(payload)
            }
            _ => None,
        };
        if !has_form && endpoint.is_none() {
            let forwarded = ForwardedFields::of(head, &policy.common.peer_certificate.source);
            let is_endpoint = false;
            let resource =
                Resource { policy: &policy, token, kept_payload, forwarded, is_endpoint };
            let checked = self.check_resource(&resource, tokens, None, downstream);
            summary.certificate = checked.certificate;
            match checked.verdict {
                Ok(TokenVerdict::Bound) => {
                    return self.pass(Code::TokenBound, checked.headers, summary);
                }
                Ok(TokenVerdict::DependsOnIntrospection) => {}
                Err(rejection) => return self.refuse(rejection, mode, summary),
            }
        }
        let held = Box::new(HeldResource {
            token: token.map(|token| HeldToken { text: token.text.into(), payload: token.payload }),
            kept_payload: kept_payload.map(Into::into),
            forwarded: HeldFields::of(head, &policy.common.peer_certificate.source),
            policy,
            summary,
            endpoint,
            buffered: 0,
        });
        if !has_form && held.endpoint.is_none() {
            return self.introspect(held);
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
                    held.summary.challenge = endpoint.challenge;
                    return self.refuse(rejection, held.policy.common.mode, held.summary);
                }
            }
        }
        self.decide_resource(held, None, downstream)
    }

    /// Decides once the body is complete. `answer` is that of the authorization server, once it was
    /// asked about the token.
    #[inline(never)]
    pub(super) fn decide_resource(
        &mut self,
        mut held: Box<HeldResource>,
        answer: Option<Result<IntrospectedToken, RegistryFault>>,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let mode = held.policy.common.mode;
        let Some(tokens) = held.policy.bound_tokens.as_deref() else {
            return self.refuse(HostError::Configuration.into(), mode, held.summary);
        };
        let resource = Resource {
            policy: &held.policy,
            token: held.token.as_ref().map(HeldToken::get),
            kept_payload: held.kept_payload.as_deref(),
            forwarded: HeldFields::get(held.forwarded.as_deref()),
            is_endpoint: held.endpoint.is_some(),
        };
        let checked = self.check_resource(&resource, tokens, answer, downstream);
        held.summary.certificate = checked.certificate;
        match checked.verdict {
            Ok(TokenVerdict::Bound) => match held.endpoint.take() {
                None => self.pass(Code::TokenBound, checked.headers, held.summary),
                Some(endpoint) => {
                    let EndpointPart { head, claimed, challenge } = *endpoint;
                    held.summary.challenge = challenge;
                    // The certificate was compared with the token, and is with the client now.
                    self.checks.begin_again_at(Check::Registration);
                    let (policy, summary, buffered) = (held.policy, held.summary, held.buffered);
                    let request = Box::new(HeldRequest { policy, head, summary, buffered });
                    self.register(request, claimed, downstream)
                }
            },
            // No backend has a path that is both, and no server is asked for the sake of one.
            Ok(TokenVerdict::DependsOnIntrospection) if held.endpoint.is_some() => {
                let rejection = Rejection::TokenUnverified(UnverifiedToken::OfEndpoint);
                self.refuse(rejection, mode, held.summary)
            }
            Ok(TokenVerdict::DependsOnIntrospection) => self.introspect(held),
            Err(rejection) => self.refuse(rejection, mode, held.summary),
        }
    }

    /// Asks the authorization server about the token.
    #[inline(never)]
    fn introspect(&mut self, held: Box<HeldResource>) -> Step {
        let source = held.policy.bound_tokens.as_ref().and_then(|all| all.introspection.clone());
        // The policy has a server to ask, and the request has a token.
        let (Some(source), Some(token)) = (source, &held.token) else {
            let error = HostError::Configuration.into();
            return self.refuse(error, held.policy.common.mode, held.summary);
        };
        let token = AccessToken::new(&token.text);
        self.progress = Progress::AwaitingToken(held);
        Step::Ask(Box::new(Question::Token { source, token }))
    }

    fn check_resource(
        &mut self,
        resource: &Resource<'_>,
        tokens: &BoundTokens,
        answer: Option<Result<IntrospectedToken, RegistryFault>>,
        downstream: &mut dyn Downstream,
    ) -> CheckedResource {
        let common = &resource.policy.common;
        let policy = &common.peer_certificate;
        let mut presented = PresentedCertificate::new(policy, resource.forwarded, downstream);
        let (token, checks) = (resource.token, &mut self.checks);
        // Where a server was asked about the token, jwt_authn has not verified it, and the header
        // is the client's own.
        let is_verified_here = answer.is_none();
        let verdict = check_bound_token(token, answer, tokens, common, &mut presented, checks);
        let mut headers = Vec::new();
        if verdict == Ok(TokenVerdict::Bound) && !resource.is_endpoint {
            headers = headers_of_bystander(Code::TokenBound, common, &mut presented, |_| true);
            if let (Some(jwt), Some(payload), true) =
                (&tokens.jwt, resource.kept_payload, is_verified_here)
            {
                let payload = String::from_utf8_lossy(payload).into_owned();
                headers.push((jwt.payload_header.to_string(), payload));
            }
        }
        CheckedResource { verdict, headers, certificate: presented.found() }
    }
}

/// The token of the headers, and whether the body must be read, because it may be a form. `payload`
/// is the header in which `jwt_authn` forwarded what it verified.
///
/// # Errors
/// The token is where it must not be, or the body may be a form that cannot be read.
fn read_head<'a>(
    policy: &Policy,
    head: &Head<'a>,
    target: &Target<'_>,
    payload: SingletonField<'_>,
    end_of_stream: bool,
    checks: &mut Checks,
) -> Result<(Option<BearerToken<'a>>, bool), Rejection> {
    let content_type = assumed_content_type(head.method, head.content_type);
    let has_form = !end_of_stream && may_be_form(content_type);
    if has_form {
        // RFC 6750 §2.2: a token may be in a form. It is found only in one that every reader reads
        // in the same way, and that ends.
        checks.begin(Check::Protocol);
        if head.has_upgrade {
            return Err(Rejection::UpgradeRefused);
        }
        checks.begin(Check::Content);
        if head.overrides_charset {
            return Err(Rejection::UnsupportedMediaType);
        }
        check_content(content_type, head.content_encoding)?;
        check_length(head.content_length, policy.max_body_bytes)?;
    }
    checks.begin(Check::Authorization);
    let token = bearer_token(head.authorization, payload)?;
    checks.begin(Check::Query);
    if target.has_access_token() {
        return Err(MalformedToken::InQuery.into());
    }
    Ok((token, has_form))
}
