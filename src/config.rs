//! The configuration (contract §2): reads a policy from JSON.

mod bound_tokens;
mod discovery;
mod forward;
mod key_sets;
mod mistakes;
mod peer_certificate;
mod registry;
mod revocation;
mod revoked;
mod stripped_headers;
mod tenants;
mod trust;

use std::sync::Arc;

use self::tenants::TenantMembers;
use crate::json::{Json, JsonError, Members, one_of};
use crate::limits;
use crate::policy::{
    BoundTokens, Chain, CommonPolicy, Configuration, Discovery, FilterState, Forward, LogDecisions,
    Methods, Mode, PeerCertificatePolicy, Policy, RegistrySource, StrippedHeaders, is_reserved,
};
use crate::registration::ClientAnchors;
use crate::registry::{FetchedRegistry, KeySetSource, Registry};
use crate::request::{Endpoints, is_token, same_header};
use crate::revocation::{RevocationSources, RevokedCertificates};
use crate::trust::{CaCertificate, Trust};

impl Configuration {
    /// Parses a configuration, a JSON object in UTF-8 (contract §2).
    ///
    /// # Errors
    /// The first mistake in it. [`Configuration::mistakes`] lists all.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        if text.is_empty() {
            return Err(nothing());
        }
        Self::from_json(&Json::parse_in_parts(text)?, Responses::Read)
    }

    /// The same, for a host that does not read what the backend answers. It refuses the members
    /// that need that, because they would have no effect.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse_without_responses(text: &[u8]) -> Result<Self, JsonError> {
        if text.is_empty() {
            return Err(nothing());
        }
        Self::from_json(&Json::parse_in_parts(text)?, Responses::NotRead)
    }

    fn from_json(json: &Json, responses: Responses) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "a configuration object")?;
        // Before the clients, whose jwks_uri depends on it.
        let key_sets = members.read("jwks_uri", KeySetSource::from_json)?.map(Arc::new);
        let mut defaults = PolicyMembers::read(&mut members, key_sets.as_ref(), responses)?;
        let log = members.read("log", one_of(&LOG))?.unwrap_or_default();
        let filter_state =
            members.read("filter_state", FilterState::from_json)?.unwrap_or(FilterState::ALL);
        let tenants = members.read("tenants", |json| {
            json.some_elements("at least one tenant", |tenant| {
                TenantMembers::from_json(tenant, key_sets.as_ref(), responses)
            })
        })?;
        let tenants = tenants.unwrap_or_default();
        let own = tenants.iter().map(TenantMembers::own);
        let policies = std::iter::once(&defaults).chain(own);
        defaults.revocation = RevocationSources::read(&mut members, policies)?;
        let discovery = members.read("discovery", |json| {
            responses.check()?;
            Discovery::from_json(json, &defaults, &tenants).map(Arc::new)
        })?;
        members.finish()?;
        let tenants = tenants::tenants(&defaults, tenants)?;
        Ok(Self { tenants, log, filter_state, discovery })
    }
}

/// The JSON of a configuration as the filter reads it, for tools that say more about it; `None` =
/// it is not JSON. Members of clients that the filter does not use may have values that
/// `serde_json` cannot hold (contract §3); they are null here.
#[must_use]
pub fn configuration_value(text: &[u8]) -> Option<serde_json::Value> {
    Json::parse_in_parts(text).ok().map(|json| json.to_value())
}

fn nothing() -> JsonError {
    JsonError::expected("a configuration object, found nothing")
}

/// Whether the host gives the filter what the backend answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Responses {
    Read,
    NotRead,
}

impl Responses {
    /// Refuses a member that needs them.
    fn check(self) -> Result<(), JsonError> {
        match self {
            Self::Read => Ok(()),
            Self::NotRead => Err(JsonError::expected(
                "no such member: this host does not read responses, as \
                 tls_client_auth_responses.wasm does",
            )),
        }
    }
}

const LOG: [(&str, LogDecisions); 3] = [
    ("rejections", LogDecisions::Rejections),
    ("all", LogDecisions::All),
    ("none", LogDecisions::None),
];

impl FilterState {
    /// The default of contract §2.
    const ALL: Self = Self { code: true, client_id: true };

    fn from_json(json: &Json) -> Result<Self, JsonError> {
        const CODE: &str = "code";
        const CLIENT_ID: &str = "client_id";
        let names = json.elements("an array", one_of(&[(CODE, CODE), (CLIENT_ID, CLIENT_ID)]))?;
        check_distinct(&names)?;
        Ok(Self { code: names.contains(&CODE), client_id: names.contains(&CLIENT_ID) })
    }
}

impl Methods {
    /// The default of contract §2.
    const ALL: Self = Self { tls_client_auth: true, self_signed_tls_client_auth: true };

    fn from_json(json: &Json) -> Result<Self, JsonError> {
        const TLS: &str = "tls_client_auth";
        const SELF_SIGNED: &str = "self_signed_tls_client_auth";
        let names = json.some_elements(
            "at least one method",
            one_of(&[(TLS, TLS), (SELF_SIGNED, SELF_SIGNED)]),
        )?;
        check_distinct(&names)?;
        Ok(Self {
            tls_client_auth: names.contains(&TLS),
            self_signed_tls_client_auth: names.contains(&SELF_SIGNED),
        })
    }
}

/// Refuses an array with a word that it has before.
fn check_distinct(words: &[&str]) -> Result<(), JsonError> {
    let repeated = words
        .iter()
        .enumerate()
        .find(|(index, word)| words.iter().take(*index).any(|other| other == *word));
    repeated.map_or(Ok(()), |(index, word)| {
        Err(JsonError::new(format!("expected each once, found \"{word}\" twice")).within(index))
    })
}

/// What server names of the TLS handshake are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerNames {
    /// There are no tenants.
    None,
    /// Tenants by host.
    OfHosts,
    /// Tenants by path alone, which no server name chooses. They are compared where the
    /// configuration asks for it.
    OfPaths,
}

/// The members that the top level and each tenant may have. `None` = the member is absent.
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
    peer_certificate: Option<Arc<PeerCertificatePolicy>>,
    forward: Option<Arc<Forward>>,
    trust_anchors: Option<Vec<Arc<CaCertificate>>>,
    intermediates: Option<Vec<Arc<CaCertificate>>>,
    /// `revoked`, with those of the top level.
    revoked: Option<Arc<RevokedCertificates>>,
    /// `crl` and `ocsp` of the top level.
    revocation: Option<Arc<RevocationSources>>,
    bound_tokens: Option<Arc<BoundTokens>>,
    /// That of the top level.
    key_sets: Option<Arc<KeySetSource>>,
}

impl PolicyMembers {
    fn read(
        members: &mut Members<'_>,
        key_sets: Option<&Arc<KeySetSource>>,
        responses: Responses,
    ) -> Result<Self, JsonError> {
        Ok(Self {
            endpoints: members.read("endpoints", Endpoints::from_json)?,
            registry: registry_source(members, key_sets)?,
            passes_unregistered_clients: members
                .read("unregistered_clients", one_of(&[("reject", false), ("pass", true)]))?,
            passes_other_methods: members
                .read("other_methods", one_of(&[("pass", true), ("reject", false)]))?,
            passes_unidentified_clients: members
                .read("unidentified_clients", one_of(&[("reject", false), ("pass", true)]))?,
            methods: members.read("methods", Methods::from_json)?,
            mode: members
                .read("mode", one_of(&[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)]))?,
            max_body_bytes: members.read("max_body_bytes", max_body_bytes)?,
            peer_certificate: members.read("peer_certificate", |json| {
                PeerCertificatePolicy::from_json(json).map(Arc::new)
            })?,
            forward: members.read("forward", |json| Forward::from_json(json).map(Arc::new))?,
            trust_anchors: members
                .read("trust_anchors", |json| trust::certificates(json, "one trust anchor"))?,
            intermediates: members
                .read("intermediates", |json| trust::certificates(json, "one intermediate"))?,
            revoked: members
                .read("revoked", |json| RevokedCertificates::from_json(json).map(Arc::new))?,
            revocation: None,
            bound_tokens: members.read("bound_tokens", |json| {
                BoundTokens::from_json(json, responses).map(Arc::new)
            })?,
            key_sets: key_sets.cloned(),
        })
    }

    /// These members, and for an absent one that of `defaults`. What `defaults` revokes stays
    /// revoked.
    fn or(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            endpoints: self.endpoints.or(defaults.endpoints),
            registry: self.registry.or(defaults.registry),
            passes_unregistered_clients: self
                .passes_unregistered_clients
                .or(defaults.passes_unregistered_clients),
            passes_other_methods: self.passes_other_methods.or(defaults.passes_other_methods),
            passes_unidentified_clients: self
                .passes_unidentified_clients
                .or(defaults.passes_unidentified_clients),
            methods: self.methods.or(defaults.methods),
            mode: self.mode.or(defaults.mode),
            max_body_bytes: self.max_body_bytes.or(defaults.max_body_bytes),
            peer_certificate: self.peer_certificate.or(defaults.peer_certificate),
            forward: self.forward.or(defaults.forward),
            trust_anchors: self.trust_anchors.or(defaults.trust_anchors),
            intermediates: self.intermediates.or(defaults.intermediates),
            revoked: match (self.revoked, defaults.revoked) {
                (Some(own), Some(of_all)) => Some(Arc::new(of_all.and(&own))),
                (own, of_all) => own.or(of_all),
            },
            revocation: defaults.revocation,
            bound_tokens: self.bound_tokens.or(defaults.bound_tokens),
            key_sets: self.key_sets.or(defaults.key_sets),
        }
    }

    /// Whether these members are enough to decide: they have a registry, or gate nothing.
    fn is_policy(&self) -> bool {
        self.registry.is_some() || self.endpoints.as_ref().is_some_and(Endpoints::is_empty)
    }

    /// The policy for every request under these members, with the headers that they strip.
    fn common(&self, stripped: StrippedHeaders, compares: ServerNames) -> CommonPolicy {
        let peer_certificate = self.peer_certificate.clone().unwrap_or_default();
        CommonPolicy {
            mode: self.mode.unwrap_or_default(),
            forward: self.forward.clone().unwrap_or_default(),
            matches_server_name: match compares {
                ServerNames::None => false,
                ServerNames::OfHosts => peer_certificate.matches_server_name(),
                ServerNames::OfPaths => peer_certificate.server_name_matches == Some(true),
            },
            peer_certificate,
            trust: Arc::new(trust::in_force(
                self.trust_anchors.as_deref(),
                self.intermediates.as_deref(),
                self.revoked.as_deref(),
            )),
            stripped: Arc::new(stripped),
            revoked: self.revoked.clone(),
            revocation: self.revocation.clone(),
            tenant: None,
        }
    }

    fn into_policy(self, common: CommonPolicy) -> Result<Policy, JsonError> {
        if let Some(resources) = self.bound_tokens.as_ref().and_then(|all| all.resources.as_ref()) {
            let endpoints = self.endpoints.as_ref().ok_or_else(|| {
                JsonError::expected(
                    "the member endpoints beside bound_tokens.resources: without it every path \
                     carries client authentication, and with [] none does",
                )
            })?;
            if let Some((index, path)) = resources.common_with(endpoints) {
                let expected = format!("a path that is no endpoint: {path} is in both");
                return Err(JsonError::expected(expected)
                    .within(index)
                    .within("resources")
                    .within("bound_tokens"));
            }
        }
        let registry = match self.registry {
            Some(registry) => registry,
            // No client is asked for.
            None if self.endpoints.as_ref().is_some_and(Endpoints::is_empty) => {
                RegistrySource::Embedded(Arc::default())
            }
            None => {
                return Err(JsonError::expected("the member clients or the member registry"));
            }
        };
        // Not whether one is left that is not revoked: a host that refuses a configuration goes on
        // with the one before, in which it is not revoked.
        if common.peer_certificate.chain == Chain::Anchors && self.trust_anchors.is_none() {
            let expected = "the member trust_anchors, to which chain \"anchors\" leads";
            return Err(JsonError::expected(expected).within("chain").within("peer_certificate"));
        }
        if let RegistrySource::Embedded(registry) = &registry {
            let anchors = self.trust_anchors.clone().unwrap_or_default();
            check_client_anchors(
                registry,
                [&common.trust, &Trust::new(anchors, Vec::new(), None)],
            )?;
        }
        Ok(Policy {
            common,
            endpoints: self.endpoints,
            registry,
            passes_unregistered_clients: self.passes_unregistered_clients.unwrap_or(false),
            passes_other_methods: self.passes_other_methods.unwrap_or(true),
            passes_unidentified_clients: self.passes_unidentified_clients.unwrap_or(false),
            methods: self.methods.unwrap_or(Methods::ALL),
            bound_tokens: self.bound_tokens,
            key_sets: self.key_sets,
            max_body_bytes: self.max_body_bytes.unwrap_or(limits::DEFAULT_BODY_BYTES),
        })
    }
}

/// `clients` or `registry` (contract §2: not both); `None` = both are absent.
fn registry_source(
    members: &mut Members<'_>,
    key_sets: Option<&Arc<KeySetSource>>,
) -> Result<Option<RegistrySource>, JsonError> {
    let embedded = members.read("clients", |json| {
        Registry::from_json(json, key_sets.map(Arc::as_ref))
            .map(Arc::new)
            .map(RegistrySource::Embedded)
    })?;
    let fetched = members.read("registry", |json| {
        if embedded.is_some() {
            return Err(JsonError::expected("either clients or registry, not both"));
        }
        FetchedRegistry::from_json(json).map(Arc::new).map(RegistrySource::Fetched)
    })?;
    Ok(embedded.or(fetched))
}

/// Checks that every anchor that an embedded client names by its subject is one of `in_force`, or
/// of `all` where it is revoked.
fn check_client_anchors(
    registry: &Registry,
    [in_force, all]: [&Trust; 2],
) -> Result<(), JsonError> {
    for (index, client) in registry.with_anchors() {
        let check =
            |anchors: &ClientAnchors| anchors.check(in_force).or_else(|_| anchors.check(all));
        let checked = client.trust_anchors().map_or(Ok(()), check);
        checked.map_err(|reason| {
            let reason = format!("client \"{}\": {reason}", client.client_id());
            JsonError::new(reason).within("trust_anchors").within(index).within("clients")
        })?;
    }
    Ok(())
}

fn max_body_bytes(json: &Json) -> Result<usize, JsonError> {
    json.integer(limits::LARGEST_BODY_BYTES).map(size)
}

/// A number that [`Json::integer`] bounded far below what a pointer can address.
fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A field name (RFC 9110 §5.1), in lower case, as Envoy has them.
fn header_name(json: &Json) -> Result<Box<str>, JsonError> {
    let name = json.string("the name of a header")?;
    if is_token(name.as_bytes()) {
        Ok(name.to_ascii_lowercase().into())
    } else {
        Err(JsonError::expected("the name of a header (RFC 9110 section 5.1)"))
    }
}

/// The name of a header that has no meaning in HTTP or in Envoy, and in which servers read no other
/// information.
fn header_of_its_own(json: &Json) -> Result<Box<str>, JsonError> {
    const TAKEN: [&str; 3] = ["date", "expect", "forwarded"];
    let name = header_name(json)?;
    if is_reserved(&name) || TAKEN.iter().any(|taken| same_header(taken, &*name)) {
        return Err(has_another_meaning());
    }
    Ok(name)
}

fn has_another_meaning() -> JsonError {
    JsonError::expected("a header of its own: this one has another meaning")
}

#[cfg(test)]
mod tests;
