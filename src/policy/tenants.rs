//! Several tenants behind one filter: the policy is chosen by `:authority`, or by it and the path.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::host::{HostPattern, host_of, server_name_of};
use super::realms::{RealmChoice, Realms};
use super::{Mode, Policy, TenantChoice, TenantPolicy};
use crate::request::{Endpoint, Target};

/// Policies by host, and the policy for every other host.
#[derive(Clone, Debug)]
pub(crate) struct Tenants {
    /// By lower-case host.
    exact: HashMap<Box<str>, Arc<Policy>>,
    /// By lower-case suffix with its leading dot.
    suffixes: Vec<(Box<str>, Arc<Policy>)>,
    /// All tenants, where some are chosen by path. Then `exact` and `suffixes` are empty.
    realms: Option<Box<Realms>>,
    /// For hosts that no tenant names.
    other: TenantPolicy,
    /// For an `:authority` that is no host.
    unreadable: TenantPolicy,
    /// [`super::Configuration::mode_of_all`].
    mode_of_all: Mode,
}

impl Tenants {
    /// Without tenants: `other` is the policy for every host.
    pub(crate) fn new(other: TenantPolicy) -> Self {
        let mode_of_all = other.common().mode;
        Self {
            exact: HashMap::new(),
            suffixes: Vec::new(),
            realms: None,
            unreadable: other.clone(),
            other,
            mode_of_all,
        }
    }

    /// Adds a host of a tenant. Returns whether it is new.
    pub(crate) fn add(&mut self, host: HostPattern, policy: &Arc<Policy>) -> bool {
        match host {
            HostPattern::Exact(host) => self.exact.insert(host, policy.clone()).is_none(),
            HostPattern::Suffix(suffix) => {
                let is_new = self.suffixes.iter().all(|(other, _)| *other != suffix);
                self.suffixes.push((suffix, policy.clone()));
                is_new
            }
        }
    }

    /// The same with these tenants, of which some are chosen by path.
    pub(crate) fn with_realms(self, realms: Realms) -> Self {
        Self { realms: Some(Box::new(realms)), ..self }
    }

    /// The same tenants with this `mode_of_all`, and the policy for an `:authority` that is no
    /// host.
    pub(crate) fn with_unreadable(self, mode_of_all: Mode, unreadable: TenantPolicy) -> Self {
        Self { mode_of_all, unreadable, ..self }
    }

    /// Every policy, once for each of its hosts and paths.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Policy> {
        let other = if let TenantPolicy::Known(policy) = &self.other { Some(policy) } else { None };
        let by_path = self.realms.iter().flat_map(|realms| realms.policies());
        let policies = self
            .exact
            .values()
            .chain(self.suffixes.iter().map(|(_, policy)| policy))
            .chain(by_path);
        policies.chain(other).map(Arc::as_ref)
    }

    pub(crate) fn mode_of_all(&self) -> Mode {
        self.mode_of_all
    }

    pub(crate) fn choose(&self, authority: &[u8], path: &[u8]) -> TenantChoice {
        // Nearly every filter has no tenants.
        let policy = if self.has_tenants() {
            let host = host_of(authority);
            match (host, &self.realms) {
                (None, _) => self.unreadable.clone(),
                (Some(host), Some(realms)) => {
                    let RealmChoice { policy, gating, is_ambiguous } =
                        realms.choose(Some(&host), &Target::new(path), &self.other);
                    return TenantChoice { policy, gating: Some(gating), is_ambiguous };
                }
                (Some(host), None) => match self.tenant_of(&host) {
                    Some(policy) => TenantPolicy::Known(policy.clone()),
                    None => self.other.clone(),
                },
            }
        } else {
            self.other.clone()
        };
        TenantChoice { policy, gating: None, is_ambiguous: false }
    }

    /// Paths that are gated, if they choose the tenant whose endpoints they are of.
    pub(crate) fn example_paths(&self, authority: &[u8]) -> Vec<String> {
        let host = host_of(authority);
        match (host, &self.realms) {
            (Some(host), Some(realms)) => realms.example_paths(&host, &self.other),
            _ => {
                let policy = self.choose(authority, b"/").policy;
                policy
                    .endpoints()
                    .into_iter()
                    .flat_map(|all| all.iter().map(Endpoint::example))
                    .collect()
            }
        }
    }

    pub(crate) fn server_name_agrees(
        &self,
        authority: &[u8],
        target: &Target<'_>,
        server_name: Option<&[u8]>,
    ) -> bool {
        if !self.has_tenants() {
            return true;
        }
        let Some(authority) = host_of(authority) else { return false };
        // The usual case, in which both are read to the same host.
        let is_same = |name: &[u8]| {
            name.eq_ignore_ascii_case(authority.as_bytes()) && !authority.starts_with('[')
        };
        if self.realms.is_none() && server_name.is_some_and(is_same) {
            return true;
        }
        let by_name = match server_name.map(server_name_of) {
            // RFC 6066 §3 allows no literal addresses, and Java sends no name without a dot.
            None if !authority.contains('.')
                || authority.starts_with('[')
                || authority.parse::<Ipv4Addr>().is_ok() =>
            {
                return true;
            }
            None => None,
            Some(Some(name)) => Some(name),
            Some(None) => return false,
        };
        if let Some(realms) = &self.realms {
            let [one, other] = [Some(&authority), by_name.as_ref()]
                .map(|host| realms.choose(host.map(String::as_str), target, &self.other));
            return match (&one.policy, &other.policy) {
                (TenantPolicy::Known(one), TenantPolicy::Known(other)) => Arc::ptr_eq(one, other),
                // Both choose no tenant, and no spelling chooses one.
                (TenantPolicy::Unknown(one), TenantPolicy::Unknown(other)) => {
                    let is_none = |policy: &Arc<_>| match &self.other {
                        TenantPolicy::Unknown(none) => Arc::ptr_eq(none, policy),
                        TenantPolicy::Known(_) => false,
                    };
                    is_none(one) && is_none(other)
                }
                _ => false,
            };
        }
        match (self.tenant_of(&authority), by_name.and_then(|name| self.tenant_of(&name))) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    fn has_tenants(&self) -> bool {
        !self.exact.is_empty() || !self.suffixes.is_empty() || self.realms.is_some()
    }

    /// The policy of the tenant that names `host`, which is in lower case.
    fn tenant_of(&self, host: &str) -> Option<&Arc<Policy>> {
        let by_suffix = || {
            let is_below =
                |suffix: &str| host.strip_suffix(suffix).is_some_and(|label| !label.is_empty());
            let below = self.suffixes.iter().filter(|(suffix, _)| is_below(suffix));
            below.max_by_key(|(suffix, _)| suffix.len()).map(|(_, policy)| policy)
        };
        self.exact.get(host).or_else(by_suffix)
    }
}
