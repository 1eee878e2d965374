//! The decision about a request that names a client.

use super::bystander::headers_of_bystander;
use super::{AwaitedFact, Exchange, HeldRequest, Progress, Step};
use crate::authenticate::{Verdict, authenticate};
use crate::backend_response::{BackendResponse, TokenCheck};
use crate::certificate::Thumbprint;
use crate::downstream::{Downstream, PresentedCertificate};
use crate::facts::Facts;
use crate::policy::{Mode, ResponseCheck};
use crate::registration::Registration;
use crate::registry::RegistryFault;
use crate::rejection::{Code, Rejection};
use crate::request::ClaimedClient;

impl Exchange {
    /// Decides about a request that names a client, once the registry answered, from the facts that
    /// are known.
    #[inline(never)]
    pub(super) fn decide_client(
        &mut self,
        mut held: Box<HeldRequest>,
        claimed: ClaimedClient,
        registration: Result<Registration, RegistryFault>,
        facts: Facts,
        downstream: &mut dyn Downstream,
    ) -> Step {
        let policy = &held.policy;
        let mut presented = PresentedCertificate::new(
            &policy.common.peer_certificate,
            held.head.forwarded(),
            downstream,
        );
        let checks = &mut self.checks;
        let must_bind = policy.response_check() != ResponseCheck::Off
            && matches!(&registration, Ok(Registration::Registered(client))
                if client.binds_access_tokens());
        let registration = registration.map_err(Rejection::RegistryUnavailable);
        let verdict = registration.and_then(|registration| {
            authenticate(&claimed, registration, &facts, policy, &mut presented, checks)
        });
        let (code, headers) = match verdict {
            Ok(Verdict::Authenticated { headers }) => (Code::Authenticated, headers),
            Ok(verdict @ (Verdict::OtherMethod | Verdict::Unregistered)) => {
                let code = match verdict {
                    Verdict::OtherMethod => Code::PassedOtherMethod,
                    _ => Code::PassedUnregistered,
                };
                (code, headers_of_bystander(code, &policy.common, &mut presented, |_| true))
            }
            Ok(Verdict::DependsOn { client, question }) => {
                held.summary.certificate = presented.found();
                let topic = question.topic();
                let awaited = AwaitedFact { held, claimed, client, facts, topic };
                self.progress = Progress::AwaitingFact(Box::new(awaited));
                return Step::Ask(question);
            }
            Err(rejection) => {
                let mode = held.policy.common.mode;
                let certificate = (must_bind && mode == Mode::Shadow)
                    .then(|| certificate_to_bind(&mut presented));
                held.summary.certificate = presented.found();
                held.summary.client_id = Some(claimed.client_id);
                if let Some(certificate) = certificate {
                    self.response = Some(self.token_response(certificate, &held));
                }
                return self.refuse(rejection, mode, held.summary);
            }
        };
        let certificate = must_bind.then(|| certificate_to_bind(&mut presented));
        held.summary.certificate = presented.found();
        held.summary.client_id = Some(claimed.client_id);
        if let Some(certificate) = certificate {
            self.response = Some(self.token_response(certificate, &held));
        }
        self.pass(code, headers, held.summary)
    }

    /// The response to a held request that passes, whose client has access tokens that must be
    /// bound to this certificate.
    #[inline(never)]
    fn token_response(
        &self,
        certificate: Option<Thumbprint>,
        held: &HeldRequest,
    ) -> Box<BackendResponse> {
        let policy = &held.policy;
        let is_enforced = policy.response_check() == ResponseCheck::Enforce
            && policy.common.mode == Mode::Enforce;
        Box::new(BackendResponse::to_token_request(TokenCheck {
            certificate,
            mode: if is_enforced { Mode::Enforce } else { Mode::Shadow },
            introspection: policy
                .bound_tokens
                .as_ref()
                .and_then(|tokens| tokens.introspection.clone()),
            request: held.summary.clone(),
            checks: self.checks,
            doubt: None,
        }))
    }
}

/// The certificate to which the access tokens of the client must be bound; `None` = the connection
/// has none that is known to be the client's.
#[inline(never)]
fn certificate_to_bind(presented: &mut PresentedCertificate<'_>) -> Option<Thumbprint> {
    let certificate = presented.read().ok()?;
    presented.check_origin().is_ok().then(|| certificate.thumbprint())
}
