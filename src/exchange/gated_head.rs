//! What the headers of a gated request show before there is a body.

use crate::checks::{Check, Checks};
use crate::downstream::{Downstream, ForwardedFields, ServerName};
use crate::policy::{Configuration, Policy, Source};
use crate::rejection::{HostError, Rejection};
use crate::request::{
    Authorization, AuthorizationError, Charset, Claim, ClaimedClient, ClientIdMismatch, Form, Head,
    SingletonField, Target, attested_subjects, check_content, check_length,
};

/// What a decision needs of the headers after the body ended.
#[derive(Debug)]
pub(super) struct GatedHead {
    authorization: Option<Authorization>,
    /// The subjects of the client attestation; `None` = the request has none.
    attested: Option<Box<[String]>>,
    charset: Charset,
    /// `None` = no hop reports anything, as nearly always.
    forwarded: Option<Box<HeldFields>>,
}

/// [`ForwardedFields`] that outlive the headers.
#[derive(Debug)]
pub(super) struct HeldFields {
    certificate: HeldField,
    verified: HeldField,
    chain: HeldField,
}

/// A [`SingletonField`] that outlives the headers.
#[derive(Debug)]
pub(super) enum HeldField {
    /// The header is absent, or the policy names none.
    Absent,
    Present(Box<[u8]>),
    Repeated,
}

impl From<SingletonField<'_>> for HeldField {
    fn from(field: SingletonField<'_>) -> Self {
        match field {
            SingletonField::Absent => Self::Absent,
            SingletonField::Present(value) => Self::Present(value.into()),
            SingletonField::Repeated => Self::Repeated,
        }
    }
}

impl HeldField {
    pub(super) fn get(&self) -> SingletonField<'_> {
        match self {
            Self::Absent => SingletonField::Absent,
            Self::Present(value) => SingletonField::Present(value),
            Self::Repeated => SingletonField::Repeated,
        }
    }
}

impl HeldFields {
    /// The headers that `source` names, and that of the chain; `None` = all are absent.
    #[inline]
    pub(super) fn of(head: &Head<'_>, source: &Source) -> Option<Box<Self>> {
        if ForwardedFields::are_absent(head, source) { None } else { Self::of_some(head, source) }
    }

    #[inline(never)]
    fn of_some(head: &Head<'_>, source: &Source) -> Option<Box<Self>> {
        let ForwardedFields { certificate, verified, chain } = ForwardedFields::of(head, source);
        let is_absent = |field| field == SingletonField::Absent;
        if [certificate, verified, chain].into_iter().all(is_absent) {
            return None;
        }
        let [certificate, verified, chain] = [certificate, verified, chain].map(HeldField::from);
        Some(Box::new(Self { certificate, verified, chain }))
    }

    /// The same fields as those of a head.
    pub(super) fn get(held: Option<&Self>) -> ForwardedFields<'_> {
        held.map_or_else(ForwardedFields::default, |fields| ForwardedFields {
            certificate: fields.certificate.get(),
            verified: fields.verified.get(),
            chain: fields.chain.get(),
        })
    }
}

impl GatedHead {
    /// Makes every check that needs the headers alone.
    ///
    /// # Errors
    /// The first check that fails, in the order of contract §7.
    pub(super) fn read(
        configuration: &Configuration,
        policy: &Policy,
        head: &Head<'_>,
        target: &Target<'_>,
        downstream: &mut dyn Downstream,
        checks: &mut Checks,
    ) -> Result<Self, Rejection> {
        check_server_name(configuration, policy, head, target, downstream, checks)?;
        checks.begin(Check::Protocol);
        // A body may never end after an upgrade, so the headers decide.
        if head.has_upgrade || expects_more_than_continue(head.expect) {
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
        if head.overrides_charset {
            return Err(Rejection::UnsupportedMediaType);
        }
        let charset = check_content(head.content_type, head.content_encoding)?;
        check_length(head.content_length, policy.max_body_bytes)?;
        checks.begin(Check::Authorization);
        if head.has_php_credentials {
            return Err(Rejection::MalformedAuthorization(AuthorizationError::PhpVariable));
        }
        // Most clients of the TLS methods send none.
        let authorization = match head.authorization {
            SingletonField::Absent => None,
            field => Authorization::read(field).map_err(Rejection::MalformedAuthorization)?,
        };
        let attested = if head.has_client_attestation {
            Some(attested_subjects(head.client_attestation()))
        } else {
            None
        };
        checks.begin(Check::Query);
        if let Some(name) = target.credential_in_query() {
            return Err(Rejection::ClientIdMismatch(ClientIdMismatch::CredentialInQuery { name }));
        }
        let forwarded = HeldFields::of(head, &policy.common.peer_certificate.source);
        Ok(Self { authorization, attested, charset, forwarded })
    }

    /// The headers in which a hop in front reports the certificate.
    pub(super) fn forwarded(&self) -> ForwardedFields<'_> {
        HeldFields::get(self.forwarded.as_deref())
    }

    /// The client that the complete request names. `None` = it names none, and may pass.
    /// `buffered` is the length of the body, in bytes.
    pub(super) fn claim(
        &self,
        policy: &Policy,
        body: Option<Vec<u8>>,
        buffered: usize,
        checks: &mut Checks,
    ) -> Result<Option<ClaimedClient>, Rejection> {
        checks.begin(Check::Form);
        // The part of a body that is missing may hold the parameter that refuses the request.
        let body = body.filter(|body| body.len() == buffered).ok_or(HostError::Body)?;
        let form = Form::read(&body, self.charset)?;
        checks.begin(Check::ClientId);
        match Claim::read(self.authorization.as_ref(), self.attested.as_deref(), &form)? {
            Claim::Client(client) => Ok(Some(client)),
            Claim::Unidentified { has_credential: false } if policy.passes_unidentified_clients => {
                Ok(None)
            }
            Claim::Unidentified { .. } => Err(Rejection::MissingClientId),
        }
    }
}

/// Whether the request is a CORS preflight: it has no credentials and no body, and nothing in it
/// asks to be read as another request.
pub(super) fn is_preflight(head: &Head<'_>, target: &Target<'_>, end_of_stream: bool) -> bool {
    head.method == Some(b"OPTIONS")
        && end_of_stream
        && head.authorization == SingletonField::Absent
        && !head.has_upgrade
        && !head.overrides_method
        && !head.has_php_credentials
        && !head.has_client_attestation
        && target.credential_in_query().is_none()
        && !target.has_access_token()
}

/// RFC 9110 §10.1.1: `100-continue` is the one expectation that changes nothing.
fn expects_more_than_continue(expect: SingletonField<'_>) -> bool {
    match expect {
        SingletonField::Absent => false,
        SingletonField::Present(value) => !value.trim_ascii().eq_ignore_ascii_case(b"100-continue"),
        SingletonField::Repeated => true,
    }
}

/// Checks that the connection was made to the tenant that the request is for. Otherwise a client of
/// another tenant could connect under that tenant's name, where the listener trusts that tenant's
/// CA, and send its request here.
pub(super) fn check_server_name(
    configuration: &Configuration,
    policy: &Policy,
    head: &Head<'_>,
    target: &Target<'_>,
    downstream: &mut dyn Downstream,
    checks: &mut Checks,
) -> Result<(), Rejection> {
    if !policy.common.matches_server_name {
        return Ok(());
    }
    let server_name = downstream.server_name();
    if server_name == ServerName::Unspecified {
        return Ok(());
    }
    checks.begin(Check::ServerName);
    if agrees(configuration, head, target, &server_name) {
        return Ok(());
    }
    let authority = head.authority.unwrap_or_default();
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    Err(Rejection::ServerNameMismatch {
        server_name: match &server_name {
            ServerName::Name(name) => Some(text(name)),
            ServerName::Absent | ServerName::Unspecified => None,
        },
        host: text(authority),
    })
}

/// Whether the server name is of the tenant that the request is for. One that is not known is not
/// compared.
pub(super) fn agrees(
    configuration: &Configuration,
    head: &Head<'_>,
    target: &Target<'_>,
    server_name: &ServerName,
) -> bool {
    let name = match server_name {
        ServerName::Unspecified => return true,
        ServerName::Absent => None,
        ServerName::Name(name) => Some(name.as_ref()),
    };
    configuration.server_name_agrees(head.authority.unwrap_or_default(), target, name)
}
