//! What an operator decided, in types that have only valid values. [`crate::config`] reads them
//! from JSON.

mod bound_tokens;
mod forward;
mod host;
mod peer_certificate;
mod realms;
mod responses;
mod stripped_headers;
mod tenants;

use std::sync::Arc;

pub use self::bound_tokens::{BoundTokens, VerifiedJwt};
pub use self::forward::{CertificateFor, Forward};
pub(crate) use self::host::HostPattern;
pub use self::peer_certificate::{
    Chain, NamedHeader, PeerCertificatePolicy, Source, TrustedProxies, TrustedProxy, VerifiedHeader,
};
pub(crate) use self::realms::Realms;
pub use self::responses::{AliasOrigin, Discovery, ResponseCheck};
pub use self::stripped_headers::StrippedHeaders;
pub(crate) use self::stripped_headers::{HeaderPattern, is_reserved};
pub(crate) use self::tenants::Tenants;
use crate::registration::ClientMetadata;
use crate::registry::{FetchedRegistry, IntrospectionSource, KeySetSource, Registry};
use crate::request::{Endpoints, Target};
use crate::revocation::{RevocationSources, RevokedCertificates};
use crate::sort::sort;
use crate::time::UnixTime;
use crate::trust::{CaCertificate, Trust};

/// A configuration: one policy for every request, or one for each tenant.
#[derive(Clone, Debug)]
pub struct Configuration {
    pub(crate) tenants: Tenants,
    /// `log`.
    pub log: LogDecisions,
    /// `filter_state`.
    pub filter_state: FilterState,
    /// `discovery`; `None` = metadata of the backend goes on as it is.
    pub discovery: Option<Arc<Discovery>>,
}

/// `filter_state`: the parts of a decision that are written into filter state. Each costs some
/// microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterState {
    /// `"code"`: [`crate::Code`].
    pub code: bool,
    /// `"client_id"`: [`crate::Decision::client_id_state`].
    pub client_id: bool,
}

/// The policy for the requests of one tenant, or of all.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The part that applies to every request, whatever is decided.
    pub common: CommonPolicy,
    /// `endpoints`; `None` = every request is gated.
    pub endpoints: Option<Endpoints>,
    /// `clients` or `registry`.
    pub registry: RegistrySource,
    /// `unregistered_clients: "pass"`.
    pub passes_unregistered_clients: bool,
    /// `other_methods: "pass"`.
    pub passes_other_methods: bool,
    /// `unidentified_clients: "pass"`.
    pub passes_unidentified_clients: bool,
    /// `methods`.
    pub methods: Methods,
    /// `bound_tokens`; `None` = no request needs a bound token.
    pub bound_tokens: Option<Arc<BoundTokens>>,
    /// `jwks_uri`: how key sets of clients are fetched; `None` = they are not.
    pub key_sets: Option<Arc<KeySetSource>>,
    /// `max_body_bytes`, in bytes.
    pub max_body_bytes: usize,
}

/// `methods`: which of the two methods of RFC 8705 the service supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    /// `tls_client_auth`
    pub tls_client_auth: bool,
    /// `self_signed_tls_client_auth`
    pub self_signed_tls_client_auth: bool,
}

/// Where registrations come from.
#[derive(Clone, Debug)]
pub enum RegistrySource {
    /// `clients`: the configuration has them.
    Embedded(Arc<Registry>),
    /// `registry`: the host fetches them.
    Fetched(Arc<FetchedRegistry>),
}

/// The part of a policy that applies to every request, whatever is decided.
#[derive(Clone, Debug, Default)]
pub struct CommonPolicy {
    /// `mode`.
    pub mode: Mode,
    /// `forward`.
    pub forward: Arc<Forward>,
    /// `peer_certificate`.
    pub peer_certificate: Arc<PeerCertificatePolicy>,
    /// `peer_certificate.server_name: "match"`, and there are tenants to compare.
    pub matches_server_name: bool,
    /// `trust_anchors` and `intermediates`.
    pub trust: Arc<Trust>,
    /// The headers and trailers that must not reach the backend as the client sent them.
    pub stripped: Arc<StrippedHeaders>,
    /// `revoked` of the top level and of the tenant; `None` = both are absent.
    pub revoked: Option<Arc<RevokedCertificates>>,
    /// `crl` and `ocsp`, the same for all tenants; `None` = both are absent.
    pub revocation: Option<Arc<RevocationSources>>,
    /// The name of the tenant in metrics and logs, which is the first of its `hosts` and behind it
    /// the first of its `paths`; `None` = the policy of the top level.
    pub tenant: Option<Arc<str>>,
}

/// `mode`: whether a refusal is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A refused request is answered.
    #[default]
    Enforce,
    /// Every request passes. Decisions are counted and logged all the same.
    Shadow,
}

/// `log`: which decisions get a line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogDecisions {
    /// Refusals.
    #[default]
    Rejections,
    /// All.
    All,
    /// None.
    None,
}

/// The policy for a request.
#[derive(Clone, Debug)]
pub enum TenantPolicy {
    /// That of a tenant, or of the top level.
    Known(Arc<Policy>),
    /// No tenant is the one of the request, and the top level has no registry; or it is not certain
    /// which tenant is.
    Unknown(Arc<UnknownTenant>),
}

/// The policy for a request that belongs to no tenant.
#[derive(Clone, Debug)]
pub struct UnknownTenant {
    /// That of the top level. Its mode is the mode of the refusal.
    pub common: CommonPolicy,
    /// The paths on which such a request is refused; `None` = every path.
    pub endpoints: Option<Endpoints>,
    /// Further paths, with everything below them.
    pub resources: Option<Endpoints>,
}

impl Policy {
    /// The paths that need a bound token, each with everything below it; `None` = none does.
    #[must_use]
    pub fn resources(&self) -> Option<&Endpoints> {
        self.bound_tokens.as_ref()?.resources.as_ref()
    }
}

impl TenantPolicy {
    /// The part that applies to every request of the host.
    #[must_use]
    pub fn common(&self) -> &CommonPolicy {
        match self {
            Self::Known(policy) => &policy.common,
            Self::Unknown(unknown) => &unknown.common,
        }
    }

    /// The paths that carry client authentication; `None` = every path.
    #[must_use]
    pub fn endpoints(&self) -> Option<&Endpoints> {
        match self {
            Self::Known(policy) => policy.endpoints.as_ref(),
            Self::Unknown(unknown) => unknown.endpoints.as_ref(),
        }
    }

    /// The paths that need a bound token, each with everything below it; `None` = none does.
    #[must_use]
    pub fn resources(&self) -> Option<&Endpoints> {
        match self {
            Self::Known(policy) => policy.resources(),
            Self::Unknown(unknown) => unknown.resources.as_ref(),
        }
    }

    /// How a request for `target` is gated.
    #[must_use]
    pub fn gating(&self, target: &Target<'_>) -> Gating {
        Gating {
            endpoint: self.endpoints().is_none_or(|endpoints| endpoints.gates(target)),
            resource: self.resources().is_some_and(|resources| resources.gates(target)),
        }
    }
}

/// How a request is gated, by the spellings of its path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gating {
    /// Some spelling is one of `endpoints`: the request must authenticate its client.
    pub endpoint: bool,
    /// Some spelling is below one of `bound_tokens.resources`: the request must carry a token that
    /// is bound to its certificate.
    pub resource: bool,
}

impl Gating {
    /// Whether the request is gated at all.
    #[must_use]
    pub fn is_any(self) -> bool {
        self.endpoint || self.resource
    }
}

/// The policy for a request, and what choosing it has shown.
#[derive(Clone, Debug)]
pub struct TenantChoice {
    /// The policy.
    pub policy: TenantPolicy,
    /// Where tenants are chosen by path: how some spelling of the path is gated. `None` = they are
    /// not, and the policy says it.
    pub gating: Option<Gating>,
    /// Whether spellings of the path that count choose several tenants.
    pub is_ambiguous: bool,
}

impl Policy {
    /// `bound_tokens.response_check`.
    #[must_use]
    pub fn response_check(&self) -> ResponseCheck {
        self.bound_tokens.as_ref().map(|bound| bound.response_check).unwrap_or_default()
    }
}

impl Configuration {
    /// The policy for `:authority` and `:path`.
    #[must_use]
    pub fn choose(&self, authority: &[u8], path: &[u8]) -> TenantChoice {
        self.tenants.choose(authority, path)
    }

    /// The policy of [`Configuration::choose`] alone.
    #[must_use]
    pub fn policy_for(&self, authority: &[u8], path: &[u8]) -> TenantPolicy {
        self.choose(authority, path).policy
    }

    /// A path that is gated for this host, in lower case but for the path of a tenant; `None` =
    /// there is none, or every path is gated.
    #[must_use]
    pub fn example_path(&self, authority: &[u8]) -> Option<String> {
        let paths = self.tenants.example_paths(authority);
        paths.into_iter().find(|path| {
            let choice = self.choose(authority, path.as_bytes());
            !choice.is_ambiguous && choice.gating.is_none_or(|gating| gating.endpoint)
        })
    }

    /// Whether the server name of the TLS handshake (RFC 6066 §3) chooses the same tenant as
    /// `authority`, each together with the path. `server_name` is `None` where the client sent
    /// none, which agrees with an authority for which TLS has no name: an IP address, or a name
    /// without a dot.
    #[must_use]
    pub fn server_name_agrees(
        &self,
        authority: &[u8],
        target: &Target<'_>,
        server_name: Option<&[u8]>,
    ) -> bool {
        self.tenants.server_name_agrees(authority, target, server_name)
    }

    /// The mode of refusals that belong to no tenant: shadow only where the top level and every
    /// tenant are in shadow mode.
    #[must_use]
    pub fn mode_of_all(&self) -> Mode {
        self.tenants.mode_of_all()
    }

    /// The policies of all tenants, once for each host and path, and that of the top level, if it
    /// has a registry.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.tenants.policies()
    }

    /// Whether decisions under this configuration may verify signatures of CAs, so that the host
    /// must be able to.
    #[must_use]
    pub fn verifies_signatures(&self) -> bool {
        let has_anchors = |client: &ClientMetadata| client.trust_anchors().is_some();
        self.policies().any(|policy| {
            policy.common.trust.has_certificates()
                || matches!(
                    &policy.registry,
                    RegistrySource::Embedded(registry) if registry.clients().any(has_anchors)
                )
        })
    }

    /// The anchors of the top level and of tenants, each once, that are not valid at `now`: they
    /// count for nothing.
    #[must_use]
    pub fn anchors_out_of_force(&self, now: UnixTime) -> Vec<&CaCertificate> {
        let mut found: Vec<&CaCertificate> = Vec::new();
        for anchor in self.policies().flat_map(|policy| policy.common.trust.anchors()) {
            if !anchor.is_valid_at(now) && !found.contains(&&**anchor) {
                found.push(anchor);
            }
        }
        found
    }

    /// The number of clients in all embedded registries.
    #[must_use]
    pub fn number_of_clients(&self) -> usize {
        let mut counted: Vec<&Arc<Registry>> = Vec::new();
        for source in self.policies().map(|policy| &policy.registry) {
            if let RegistrySource::Embedded(registry) = source
                && !counted.iter().any(|other| Arc::ptr_eq(other, registry))
            {
                counted.push(registry);
            }
        }
        counted.iter().map(|registry| registry.len()).sum()
    }

    /// The `payload_header` of every policy.
    pub(crate) fn payload_headers(&self) -> Vec<Arc<str>> {
        let tokens = self.policies().filter_map(|policy| policy.bound_tokens.as_ref());
        let mut names: Vec<Arc<str>> =
            tokens.filter_map(|all| Some(all.jwt.as_ref()?.payload_header.clone())).collect();
        sort(&mut names);
        names.dedup();
        names
    }

    /// Each authorization server that is asked about tokens, once however many tenants ask it.
    #[must_use]
    pub fn introspection(&self) -> Vec<Arc<IntrospectionSource>> {
        let mut sources: Vec<Arc<IntrospectionSource>> = Vec::new();
        for tokens in self.policies().filter_map(|policy| policy.bound_tokens.as_ref()) {
            if let Some(source) = &tokens.introspection
                && !sources.contains(source)
            {
                sources.push(source.clone());
            }
        }
        sources
    }

    /// How key sets of clients are fetched, which is the same for all tenants; `None` = they are
    /// not.
    #[must_use]
    pub fn key_sets(&self) -> Option<Arc<KeySetSource>> {
        self.policies().find_map(|policy| policy.key_sets.clone())
    }

    /// `crl` and `ocsp`; `None` = both are absent.
    #[must_use]
    pub fn revocation(&self) -> Option<Arc<RevocationSources>> {
        self.policies().find_map(|policy| policy.common.revocation.clone())
    }

    /// Each fetched registry, once however many tenants use it, and whether one of them lets
    /// unregistered clients pass.
    #[must_use]
    pub fn fetched_registries(&self) -> Vec<(Arc<FetchedRegistry>, bool)> {
        let mut registries: Vec<(Arc<FetchedRegistry>, bool)> = Vec::new();
        for policy in self.policies() {
            let RegistrySource::Fetched(registry) = &policy.registry else { continue };
            match registries.iter_mut().find(|(known, _)| known == registry) {
                Some((_, passes)) => *passes |= policy.passes_unregistered_clients,
                None => registries.push((registry.clone(), policy.passes_unregistered_clients)),
            }
        }
        registries
    }
}
