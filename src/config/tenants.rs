//! The member `tenants` (contract §2).

use std::sync::Arc;

use super::stripped_headers::IdentityHeaders;
use super::{PolicyMembers, Responses, ServerNames};
use crate::json::{Json, JsonError, Members};
use crate::policy::{
    CommonPolicy, Forward, HostPattern, Mode, Policy, Realms, TenantPolicy, Tenants, UnknownTenant,
};
use crate::registry::KeySetSource;
use crate::request::PathPrefix;

/// One entry of `tenants`.
pub(super) struct TenantMembers {
    /// Empty = the tenant has no `hosts`.
    hosts: Vec<HostPattern>,
    /// Empty = the tenant has no `paths`.
    paths: Vec<PathPrefix>,
    own: PolicyMembers,
}

impl TenantMembers {
    /// The members that the top level may have, too.
    pub(super) fn own(&self) -> &PolicyMembers {
        &self.own
    }

    /// The members of the top level that this tenant has not replaced, of those about which a
    /// policy as a whole may be wrong.
    fn inherited(&self) -> Vec<&'static str> {
        let PolicyMembers { bound_tokens, peer_certificate, registry, .. } = &self.own;
        let members = [
            ("bound_tokens", bound_tokens.is_none()),
            ("peer_certificate", peer_certificate.is_none()),
            ("clients", registry.is_none()),
        ];
        members.into_iter().filter(|(_, inherits)| *inherits).map(|(name, _)| name).collect()
    }

    /// Reads the entry.
    ///
    /// # Errors
    /// The pointer is relative to the tenant.
    pub(super) fn from_json(
        json: &Json,
        key_sets: Option<&Arc<KeySetSource>>,
        responses: Responses,
    ) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "a tenant")?;
        let hosts =
            members.read("hosts", |json| json.some_elements("at least one host", host_pattern))?;
        let paths = members
            .read("paths", |json| json.some_elements("at least one path", PathPrefix::from_json))?;
        let own = PolicyMembers::read(&mut members, key_sets, responses)?;
        members.finish()?;
        if hosts.is_none() && paths.is_none() {
            return Err(JsonError::expected("the member hosts, the member paths or both"));
        }
        Ok(Self { hosts: hosts.unwrap_or_default(), paths: paths.unwrap_or_default(), own })
    }
}

/// The error of the tenant at this index, at the member that it is about, which the tenant may have
/// from the top level.
fn of_tenant(error: JsonError, index: usize, inherited: &[&str]) -> JsonError {
    let member = error.pointer.split('/').nth(1).unwrap_or_default();
    if inherited.contains(&member) {
        let message = format!("{}, for /tenants/{index}", error.message);
        return JsonError { message, ..error };
    }
    error.within(index).within("tenants")
}

/// The policies of all tenants, from the members of the top level and those of the tenants.
///
/// # Errors
/// The pointer is relative to the configuration.
pub(super) fn tenants(
    defaults: &PolicyMembers,
    tenants: Vec<TenantMembers>,
) -> Result<Tenants, JsonError> {
    let has_tenants = !tenants.is_empty();
    let compares = if !has_tenants {
        ServerNames::None
    } else if tenants.iter().any(|tenant| !tenant.hosts.is_empty()) {
        ServerNames::OfHosts
    } else {
        ServerNames::OfPaths
    };
    // A header that the filter reads or writes for one tenant is stripped for every tenant.
    let identity = IdentityHeaders::of(
        std::iter::once(defaults).chain(tenants.iter().map(|tenant| &tenant.own)),
    );
    let common = defaults.common(identity.stripped_under(defaults, None)?, compares);
    let mut mode_of_all = common.mode;
    let other = match defaults.clone().into_policy(common.clone()) {
        Ok(policy) => TenantPolicy::Known(Arc::new(policy)),
        // The top level decides about no request itself, and a tenant may make the error good by
        // members of its own.
        Err(_) if has_tenants && !defaults.is_policy() => unknown(common.clone(), Some(defaults)),
        Err(error) => return Err(error),
    };
    let mut all = Tenants::new(other);
    let mut by_path = None;
    if tenants.iter().any(|tenant| !tenant.paths.is_empty()) {
        let modes = tenants.iter().map(|tenant| tenant.own.mode.or(defaults.mode));
        if modes.into_iter().any(|mode| mode.unwrap_or_default() == Mode::Enforce) {
            mode_of_all = Mode::Enforce;
        }
        let stripped = identity.stripped_for_all(
            std::iter::once(defaults).chain(tenants.iter().map(|tenant| &tenant.own)),
        );
        by_path = Some(Realms::new(UnknownTenant {
            common: CommonPolicy {
                mode: mode_of_all,
                forward: Arc::new(Forward::default()),
                stripped: Arc::new(stripped),
                ..common.clone()
            },
            endpoints: None,
            resources: None,
        }));
    }
    for (index, tenant) in tenants.into_iter().enumerate() {
        let inherited = tenant.inherited();
        let mode = add(&mut all, by_path.as_mut(), tenant, defaults, &identity, compares)
            .map_err(|error| of_tenant(error, index, &inherited))?;
        mode_of_all = if mode == Mode::Enforce { mode } else { mode_of_all };
    }
    if let Some(realms) = by_path {
        all = all.with_realms(realms);
    }
    // An authority that is no host belongs neither to a tenant nor to the top level, on any path:
    // some backend may take it for any of them.
    Ok(all
        .with_unreadable(mode_of_all, unknown(CommonPolicy { mode: mode_of_all, ..common }, None)))
}

/// Adds a tenant, and returns its mode.
fn add(
    all: &mut Tenants,
    by_path: Option<&mut Realms>,
    TenantMembers { hosts, paths, own }: TenantMembers,
    defaults: &PolicyMembers,
    identity: &IdentityHeaders,
    compares: ServerNames,
) -> Result<Mode, JsonError> {
    let stripped = identity.stripped_under(&own, Some(defaults))?;
    let members = own.or(defaults);
    let mut common = members.common(stripped, compares);
    let host = hosts.first().map(HostPattern::name).unwrap_or_default();
    let path = paths.first().map(ToString::to_string).unwrap_or_default();
    common.tenant = Some(format!("{host}{path}").into());
    let mode = common.mode;
    let policy = Arc::new(members.into_policy(common)?);
    if let Some(realms) = by_path {
        add_realm(realms, &hosts, &paths, &policy)?;
        return Ok(mode);
    }
    for (index, host) in hosts.into_iter().enumerate() {
        if !all.add(host, &policy) {
            return Err(JsonError::expected("a host that is not named before")
                .within(index)
                .within("hosts"));
        }
    }
    Ok(mode)
}

/// Adds a tenant for each of its hosts and paths.
fn add_realm(
    realms: &mut Realms,
    hosts: &[HostPattern],
    paths: &[PathPrefix],
    policy: &Arc<Policy>,
) -> Result<(), JsonError> {
    let any = [None];
    let hosts: Vec<_> = hosts.iter().map(Some).collect();
    let all_hosts = if hosts.is_empty() { &any[..] } else { &hosts };
    for (at, host) in all_hosts.iter().enumerate() {
        if paths.is_empty() && !realms.add(*host, None, policy) {
            let expected = "a host that no tenant without paths names before";
            return Err(JsonError::expected(expected).within(at).within("hosts"));
        }
        for (at, path) in paths.iter().enumerate() {
            if !realms.add(*host, Some(path), policy) {
                let expected =
                    "a path that is not named before for the same host, in any letter case";
                return Err(JsonError::expected(expected).within(at).within("paths"));
            }
        }
    }
    Ok(())
}

/// The policy for requests without a tenant. `members` name the paths on which they are refused;
/// `None` = all.
fn unknown(common: CommonPolicy, members: Option<&PolicyMembers>) -> TenantPolicy {
    let tokens = members.and_then(|members| members.bound_tokens.as_ref());
    TenantPolicy::Unknown(Arc::new(UnknownTenant {
        common,
        endpoints: members.and_then(|members| members.endpoints.clone()),
        resources: tokens.and_then(|tokens| tokens.resources.clone()),
    }))
}

fn host_pattern(json: &Json) -> Result<HostPattern, JsonError> {
    let expected = "a host name without port, such as \"as.example.com\" or \"*.example.net\"";
    HostPattern::parse(json.string("a host")?).ok_or_else(|| JsonError::expected(expected))
}
