//! The member `tenants` (contract §2).

use std::sync::Arc;

use super::PolicyMembers;
use super::stripped_headers::IdentityHeaders;
use crate::json::{Json, JsonError, Members};
use crate::policy::{CommonPolicy, HostPattern, Mode, TenantPolicy, Tenants, UnknownTenant};
use crate::registry::KeySetSource;
use crate::request::Endpoints;

/// One entry of `tenants`.
pub(super) struct TenantMembers {
    hosts: Vec<HostPattern>,
    own: PolicyMembers,
}

impl TenantMembers {
    /// Reads the entry.
    ///
    /// # Errors
    /// The pointer is relative to the tenant.
    pub(super) fn from_json(
        json: &Json,
        key_sets: Option<&Arc<KeySetSource>>,
    ) -> Result<Self, JsonError> {
        let mut members = Members::of(json, "a tenant")?;
        let hosts =
            members.read("hosts", |json| json.some_elements("at least one host", host_pattern))?;
        let hosts = hosts.ok_or_else(|| JsonError::expected("the member hosts"))?;
        let own = PolicyMembers::read(&mut members, key_sets)?;
        members.finish()?;
        Ok(Self { hosts, own })
    }
}

/// The policies of all hosts, from the members of the top level and those of the tenants.
///
/// # Errors
/// The pointer is relative to the configuration.
pub(super) fn tenants(
    defaults: &PolicyMembers,
    tenants: Vec<TenantMembers>,
) -> Result<Tenants, JsonError> {
    let has_tenants = !tenants.is_empty();
    // A header that the filter reads or writes for one tenant is stripped for every tenant.
    let identity = IdentityHeaders::of(
        std::iter::once(defaults).chain(tenants.iter().map(|tenant| &tenant.own)),
    );
    let common = defaults.common(identity.stripped_under(defaults, None)?);
    let mut mode_of_all = common.mode;
    let other = match defaults.clone().into_policy(common.clone(), has_tenants) {
        Ok(policy) => TenantPolicy::Known(Arc::new(policy)),
        Err(_) if has_tenants => unknown(common.clone(), defaults.endpoints.clone()),
        Err(error) => return Err(error),
    };
    let mut all = Tenants::new(other);
    for (index, tenant) in tenants.into_iter().enumerate() {
        let mode = add(&mut all, tenant, defaults, &identity)
            .map_err(|error| error.within(index).within("tenants"))?;
        mode_of_all = if mode == Mode::Enforce { mode } else { mode_of_all };
    }
    // An authority that is no host belongs neither to a tenant nor to the top level, on any path:
    // some backend may take it for any of them.
    Ok(all
        .with_unreadable(mode_of_all, unknown(CommonPolicy { mode: mode_of_all, ..common }, None)))
}

/// Adds a tenant, and returns its mode.
fn add(
    all: &mut Tenants,
    TenantMembers { hosts, own }: TenantMembers,
    defaults: &PolicyMembers,
    identity: &IdentityHeaders,
) -> Result<Mode, JsonError> {
    let stripped = identity.stripped_under(&own, Some(defaults))?;
    let members = own.or(defaults);
    let mut common = members.common(stripped);
    common.tenant = hosts.first().map(HostPattern::name);
    let mode = common.mode;
    let policy = Arc::new(members.into_policy(common, true)?);
    for (index, host) in hosts.into_iter().enumerate() {
        if !all.add(host, &policy) {
            return Err(JsonError::expected("a host that is not named before")
                .within(index)
                .within("hosts"));
        }
    }
    Ok(mode)
}

fn unknown(common: CommonPolicy, endpoints: Option<Endpoints>) -> TenantPolicy {
    TenantPolicy::Unknown(Arc::new(UnknownTenant { common, endpoints }))
}

fn host_pattern(json: &Json) -> Result<HostPattern, JsonError> {
    let expected = "a host name without port, such as \"as.example.com\" or \"*.example.net\"";
    HostPattern::parse(json.string("a host")?).ok_or_else(|| JsonError::expected(expected))
}
