//! The plugin configuration (SPEC §2), parsed into types that cannot be wrong.

mod forward;
mod mistakes;
mod peer_certificate;
mod registry;
mod stripped;
mod tenants;

use std::rc::Rc;

pub use self::forward::{CertificateHeader, Forward};
pub use self::peer_certificate::{PeerCertificatePolicy, Source, TrustedProxy};
pub use self::stripped::StrippedHeaders;
use self::tenants::{TenantMembers, Tenants};
use crate::client::{FetchedRegistry, Registry};
use crate::error::ConfigError;
use crate::json::{Json, Members, one_of};
use crate::request::Endpoints;

/// A whole configuration: one policy for every host, or one for each tenant.
#[derive(Clone, Debug)]
pub struct Configuration {
    tenants: Tenants,
    /// Which decisions are logged.
    pub log: LogDecisions,
    /// What is written into filter state.
    pub filter_state: FilterState,
}

/// `filter_state`: what of a decision is written into filter state. Each costs some microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterState {
    /// `"code"`
    pub code: bool,
    /// `"client_id"`
    pub client_id: bool,
}

/// What applies to the requests of one host.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How a decision is carried out.
    pub handling: Handling,
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
    /// `peer_certificate.server_name: "match"`, in force because there are tenants.
    pub matches_server_name: bool,
    /// `max_body_bytes`.
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

/// Where the clients come from.
#[derive(Clone, Debug)]
pub enum RegistrySource {
    /// `clients`: they are in the configuration.
    Embedded(Rc<Registry>),
    /// `registry`: the host fetches them.
    Fetched(Rc<FetchedRegistry>),
}

/// What is done with every request, whatever is decided.
#[derive(Clone, Debug, Default)]
pub struct Handling {
    /// `mode`.
    pub mode: Mode,
    /// `forward`.
    pub forward: Rc<Forward>,
    /// `peer_certificate`.
    pub peer_certificate: Rc<PeerCertificatePolicy>,
    /// The headers and trailers that must not reach the backend as they came.
    pub stripped: Rc<StrippedHeaders>,
    /// The first of the tenant's `hosts`, its name in metrics and logs; `None` = the policy of the top level.
    pub tenant: Option<Rc<str>>,
}

/// Whether decisions bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A refusal refuses.
    #[default]
    Enforce,
    /// Everything passes; decisions are counted and logged.
    Shadow,
}

/// Who vouches for the chain of a `tls_client_auth` client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chain {
    /// `connection.peer_certificate_valid` must be true.
    #[default]
    Connection,
    /// The operator states that the listener refuses untrusted certificates.
    Listener,
}

/// Which decisions get a line in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogDecisions {
    /// Refusals.
    #[default]
    Rejections,
    /// All.
    All,
    /// None.
    None,
}

/// The policy of one request's host.
#[derive(Clone, Debug)]
pub enum HostPolicy {
    /// Some tenant's, or the top level's.
    Policy(Rc<Policy>),
    /// No tenant names the host and the top level has no registry.
    UnknownTenant(Rc<UnknownTenant>),
}

/// What applies to a host that is no tenant's.
#[derive(Clone, Debug)]
pub struct UnknownTenant {
    /// The top level's; its mode is that of such a refusal.
    pub handling: Handling,
    /// The paths on which there is something to refuse; `None` = every path.
    pub endpoints: Option<Endpoints>,
}

impl HostPolicy {
    /// What is done with every request of the host.
    #[must_use]
    pub fn handling(&self) -> &Handling {
        match self {
            Self::Policy(policy) => &policy.handling,
            Self::UnknownTenant(unknown) => &unknown.handling,
        }
    }

    /// The paths that carry client authentication; `None` = every path.
    #[must_use]
    pub fn endpoints(&self) -> Option<&Endpoints> {
        match self {
            Self::Policy(policy) => policy.endpoints.as_ref(),
            Self::UnknownTenant(unknown) => unknown.endpoints.as_ref(),
        }
    }
}

impl Configuration {
    /// Parses the configuration, a JSON object.
    ///
    /// # Errors
    /// The first mistake; nothing of a configuration with a mistake is used.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        if text.is_empty() {
            return Err(ConfigError::expected("a configuration object, found nothing"));
        }
        Self::from_json(&Json::parse(text)?)
    }

    fn from_json(json: &Json) -> Result<Self, ConfigError> {
        let mut members = Members::of(json, "a configuration object")?;
        let defaults = PolicyMembers::read(&mut members)?;
        let log = members.read("log", one_of(&LOG))?.unwrap_or_default();
        let filter_state = members.read("filter_state", FilterState::from_json)?.unwrap_or(FilterState::ALL);
        let tenants = members.read("tenants", |json| json.some_elements("at least one tenant", TenantMembers::from_json))?;
        members.finish()?;
        let tenants = Tenants::new(&defaults, tenants.unwrap_or_default())?;
        Ok(Self { tenants, log, filter_state })
    }

    /// The policy for `:authority`.
    #[must_use]
    pub fn policy_for(&self, authority: &[u8]) -> HostPolicy {
        self.tenants.policy_for(authority)
    }

    /// Whether the name that the client asked for in the TLS handshake (RFC 6066 §3), or that it asked for none, chooses the
    /// same tenant as `authority` does. An authority for which TLS has no name, an IP address or a name without a dot, agrees
    /// with none.
    #[must_use]
    pub fn server_name_agrees(&self, authority: &[u8], server_name: Option<&[u8]>) -> bool {
        self.tenants.server_name_agrees(authority, server_name)
    }

    /// The mode of refusals that are no tenant's: shadow only where the top level and every tenant are.
    #[must_use]
    pub fn mode_of_all(&self) -> Mode {
        self.tenants.mode_of_all()
    }

    /// Every policy, those of tenants and that of the top level, if it has one for other hosts.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.tenants.policies()
    }

    /// Number of clients in all embedded registries.
    #[must_use]
    pub fn number_of_clients(&self) -> usize {
        let mut counted: Vec<&Rc<Registry>> = Vec::new();
        for source in self.policies().map(|policy| &policy.registry) {
            if let RegistrySource::Embedded(registry) = source
                && !counted.iter().any(|other| Rc::ptr_eq(other, registry))
            {
                counted.push(registry);
            }
        }
        counted.iter().map(|registry| registry.len()).sum()
    }

    /// Every fetched registry once, however many tenants name it; and whether one of them lets unregistered clients pass.
    #[must_use]
    pub fn fetched_registries(&self) -> Vec<(Rc<FetchedRegistry>, bool)> {
        let mut registries: Vec<(Rc<FetchedRegistry>, bool)> = Vec::new();
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

const LOG: [(&str, LogDecisions); 3] =
    [("rejections", LogDecisions::Rejections), ("all", LogDecisions::All), ("none", LogDecisions::None)];

impl FilterState {
    /// SPEC §2: both.
    const ALL: Self = Self { code: true, client_id: true };

    fn from_json(json: &Json) -> Result<Self, ConfigError> {
        const CODE: &str = "code";
        const CLIENT_ID: &str = "client_id";
        let names = json.elements("an array", one_of(&[(CODE, CODE), (CLIENT_ID, CLIENT_ID)]))?;
        once_each(&names)?;
        Ok(Self { code: names.contains(&CODE), client_id: names.contains(&CLIENT_ID) })
    }
}

impl Methods {
    /// SPEC §2: both.
    const ALL: Self = Self { tls_client_auth: true, self_signed_tls_client_auth: true };

    fn from_json(json: &Json) -> Result<Self, ConfigError> {
        const TLS: &str = "tls_client_auth";
        const SELF_SIGNED: &str = "self_signed_tls_client_auth";
        let names = json.some_elements("at least one method", one_of(&[(TLS, TLS), (SELF_SIGNED, SELF_SIGNED)]))?;
        once_each(&names)?;
        Ok(Self { tls_client_auth: names.contains(&TLS), self_signed_tls_client_auth: names.contains(&SELF_SIGNED) })
    }
}

/// Refuses an array that says a word twice.
fn once_each(words: &[&str]) -> Result<(), ConfigError> {
    let repeated = words.iter().enumerate().find(|(index, word)| words.iter().take(*index).any(|other| other == *word));
    repeated.map_or(Ok(()), |(index, word)| {
        Err(ConfigError::new(format!("expected each once, found \"{word}\" twice")).within(index))
    })
}

/// The members that the top level and each tenant can have. `None` = not given.
#[derive(Clone, Debug)]
struct PolicyMembers {
    endpoints: Option<Endpoints>,
    registry: Option<RegistrySource>,
    passes_unregistered_clients: Option<bool>,
    passes_other_methods: Option<bool>,
    passes_unidentified_clients: Option<bool>,
    methods: Option<Methods>,
    mode: Option<Mode>,
    max_body_bytes: Option<usize>,
    peer_certificate: Option<Rc<PeerCertificatePolicy>>,
    forward: Option<Rc<Forward>>,
}

impl PolicyMembers {
    /// SPEC §2: 64 KiB.
    const MAX_BODY_BYTES: usize = 65_536;
    /// Envoy buffers bodies in memory; nothing that authenticates a client needs more.
    const LARGEST_MAX_BODY_BYTES: u64 = 16 << 20;

    fn read(members: &mut Members<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            endpoints: members.read("endpoints", Endpoints::from_json)?,
            registry: registry_source(members)?,
            passes_unregistered_clients: members.read("unregistered_clients", one_of(&[("reject", false), ("pass", true)]))?,
            passes_other_methods: members.read("other_methods", one_of(&[("pass", true), ("reject", false)]))?,
            passes_unidentified_clients: members.read("unidentified_clients", one_of(&[("reject", false), ("pass", true)]))?,
            methods: members.read("methods", Methods::from_json)?,
            mode: members.read("mode", one_of(&[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)]))?,
            max_body_bytes: members.read("max_body_bytes", max_body_bytes)?,
            peer_certificate: members.read("peer_certificate", |json| PeerCertificatePolicy::from_json(json).map(Rc::new))?,
            forward: members.read("forward", |json| Forward::from_json(json).map(Rc::new))?,
        })
    }

    /// These members, and where one is missing the default's.
    fn or(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            endpoints: self.endpoints.or(defaults.endpoints),
            registry: self.registry.or(defaults.registry),
            passes_unregistered_clients: self.passes_unregistered_clients.or(defaults.passes_unregistered_clients),
            passes_other_methods: self.passes_other_methods.or(defaults.passes_other_methods),
            passes_unidentified_clients: self.passes_unidentified_clients.or(defaults.passes_unidentified_clients),
            methods: self.methods.or(defaults.methods),
            mode: self.mode.or(defaults.mode),
            max_body_bytes: self.max_body_bytes.or(defaults.max_body_bytes),
            peer_certificate: self.peer_certificate.or(defaults.peer_certificate),
            forward: self.forward.or(defaults.forward),
        }
    }

    /// `stripped` = what is taken away under these members.
    fn handling(&self, stripped: StrippedHeaders) -> Handling {
        Handling {
            mode: self.mode.unwrap_or_default(),
            forward: self.forward.clone().unwrap_or_default(),
            peer_certificate: self.peer_certificate.clone().unwrap_or_default(),
            stripped: Rc::new(stripped),
            tenant: None,
        }
    }

    fn into_policy(self, handling: Handling, has_tenants: bool) -> Result<Policy, ConfigError> {
        let registry = self.registry.ok_or_else(|| ConfigError::expected("the member clients or the member registry"))?;
        Ok(Policy {
            matches_server_name: has_tenants && handling.peer_certificate.matches_server_name(),
            handling,
            endpoints: self.endpoints,
            registry,
            passes_unregistered_clients: self.passes_unregistered_clients.unwrap_or(false),
            passes_other_methods: self.passes_other_methods.unwrap_or(true),
            passes_unidentified_clients: self.passes_unidentified_clients.unwrap_or(false),
            methods: self.methods.unwrap_or(Methods::ALL),
            max_body_bytes: self.max_body_bytes.unwrap_or(Self::MAX_BODY_BYTES),
        })
    }
}

/// SPEC §2: exactly one of the two.
fn registry_source(members: &mut Members<'_>) -> Result<Option<RegistrySource>, ConfigError> {
    let embedded = members.read("clients", |json| Registry::from_json(json).map(Rc::new).map(RegistrySource::Embedded))?;
    let fetched = members.read("registry", |json| {
        if embedded.is_some() {
            return Err(ConfigError::expected("either clients or registry, not both"));
        }
        FetchedRegistry::from_json(json).map(Rc::new).map(RegistrySource::Fetched)
    })?;
    Ok(embedded.or(fetched))
}

fn max_body_bytes(json: &Json) -> Result<usize, ConfigError> {
    let number = if let Json::Number(number) = json { number.as_u64() } else { None };
    let fits = number.filter(|bytes| (1..=PolicyMembers::LARGEST_MAX_BODY_BYTES).contains(bytes));
    fits.and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| ConfigError::expected(format!("an integer from 1 to {}", PolicyMembers::LARGEST_MAX_BODY_BYTES)))
}

#[cfg(test)]
mod tests;
