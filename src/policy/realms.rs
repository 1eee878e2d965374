//! Tenants by path, the realms of one server: which of them a request is for.
//!
//! The tenant of a path is chosen before the backend interprets the path, so it is chosen for every
//! spelling that a backend may make of it. Where they differ, no policy is right.

use std::collections::HashMap;
use std::sync::Arc;

use super::{
    CommonPolicy, Gating, HostPattern, Policy, StrippedHeaders, TenantPolicy, UnknownTenant,
};
use crate::request::{
    Endpoints, PathPrefix, Spellings, Target, find_spelling, folded, may_be_listed,
};
use crate::sort::sort_by;

/// The tenants of a configuration in which some are chosen by path.
#[derive(Clone, Debug)]
pub(crate) struct Realms {
    /// By lower-case host.
    exact: HashMap<Box<str>, RealmsOfHost>,
    /// By lower-case suffix with its leading dot, the longest first.
    suffixes: Vec<(Box<str>, RealmsOfHost)>,
    /// Of the tenants without hosts.
    of_any_host: RealmsOfHost,
    /// For requests whose spellings do not choose one tenant.
    ambiguous: Arc<UnknownTenant>,
}

/// The tenants that name one host.
#[derive(Clone, Debug, Default)]
struct RealmsOfHost {
    /// By path, folded. No two paths of a host differ by letter case alone.
    by_path: HashMap<Box<str>, (PathPrefix, Arc<Policy>)>,
    /// The largest number of slashes in a path.
    depth: usize,
    /// The tenant without paths.
    of_any_path: Option<Arc<Policy>>,
}

/// The tenant of a request.
#[derive(Clone, Debug)]
pub(crate) struct RealmChoice {
    pub(crate) policy: TenantPolicy,
    /// How some spelling of the path is gated.
    pub(crate) gating: Gating,
    /// Whether spellings that count choose several tenants.
    pub(crate) is_ambiguous: bool,
}

/// The tenants of one spelling; `None` = none, so that the top level counts.
struct Chosen<'a> {
    tenant: Option<&'a Arc<Policy>>,
    /// Where letter case does not count. A backend may route so.
    folded: Option<&'a Arc<Policy>>,
}

impl Realms {
    /// `ambiguous` is the policy for requests whose spellings do not choose one tenant.
    pub(crate) fn new(ambiguous: UnknownTenant) -> Self {
        Self {
            exact: HashMap::new(),
            suffixes: Vec::new(),
            of_any_host: RealmsOfHost::default(),
            ambiguous: Arc::new(ambiguous),
        }
    }

    /// Adds a tenant for one of its hosts and one of its paths; `None` = it has no hosts, or no
    /// paths. Returns whether the two are new together.
    pub(crate) fn add(
        &mut self,
        host: Option<&HostPattern>,
        path: Option<&PathPrefix>,
        policy: &Arc<Policy>,
    ) -> bool {
        let of_host = match host {
            None => &mut self.of_any_host,
            Some(HostPattern::Exact(host)) => self.exact.entry(host.clone()).or_default(),
            Some(HostPattern::Suffix(suffix)) => {
                let longer = |(other, _): &(Box<str>, _)| {
                    (other.len(), &**other) > (suffix.len(), &**suffix)
                };
                let at = self.suffixes.partition_point(longer);
                if self.suffixes.get(at).is_none_or(|(other, _)| other != suffix) {
                    self.suffixes.insert(at, (suffix.clone(), RealmsOfHost::default()));
                }
                // It is there, or was inserted.
                let Some((_, of_host)) = self.suffixes.get_mut(at) else { return false };
                of_host
            }
        };
        of_host.add(path, policy)
    }

    /// The policy of every tenant, once for each of its hosts and paths.
    pub(crate) fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        let hosts = self.exact.values().chain(self.suffixes.iter().map(|(_, of_host)| of_host));
        hosts.chain([&self.of_any_host]).flat_map(RealmsOfHost::policies)
    }

    /// The tenant of a request for `host`; `None` = no host is known. `other` is the policy of the
    /// top level.
    pub(crate) fn choose(
        &self,
        host: Option<&str>,
        target: &Target<'_>,
        other: &TenantPolicy,
    ) -> RealmChoice {
        let path = target.path();
        let of_host: Vec<&RealmsOfHost> = self.of_host(host).collect();
        let as_it_came = choose(&of_host, path);
        let policy = match as_it_came.tenant {
            Some(policy) => TenantPolicy::Known(policy.clone()),
            None => other.clone(),
        };
        let mut search = Search {
            other,
            as_it_came: as_it_came.tenant,
            gating: Gating::default(),
            is_ambiguous: false,
            is_mixed: false,
        };
        if target.is_plain() {
            search.see(path, &as_it_came);
        } else if !path.starts_with(b"/") {
            // It is no path. What a backend makes of it is not known.
            (search.gating, search.is_ambiguous) = (ALL, true);
        } else {
            let may_be_gated = || Self::may_be_gated(&of_host, path, other);
            let found = find_spelling(path, &may_be_gated, &mut |spelling| {
                search.see(spelling, &choose(&of_host, spelling));
                search.is_ambiguous
            });
            match found {
                Spellings::Others => {}
                // No spelling is gated. Which tenants they choose is not worth a search.
                Spellings::Unlikely if !search.gating.is_any() => search.is_mixed = true,
                Spellings::Unlikely | Spellings::Wanted | Spellings::TooMany => {
                    (search.gating, search.is_ambiguous) = (ALL, true);
                }
            }
        }
        let Search { gating, is_ambiguous, is_mixed, .. } = search;
        let policy = match (is_ambiguous, is_mixed) {
            (true, _) => TenantPolicy::Unknown(self.ambiguous.clone()),
            (false, true) if !gating.is_any() => self.stripped_for_all(&policy),
            _ => policy,
        };
        RealmChoice { policy, gating, is_ambiguous }
    }

    /// The policy for a request that is not gated and whose spellings choose several tenants: what
    /// one of them strips, none keeps.
    fn stripped_for_all(&self, policy: &TenantPolicy) -> TenantPolicy {
        let stripped: Arc<StrippedHeaders> = self.ambiguous.common.stripped.clone();
        let common = CommonPolicy {
            stripped,
            forward: self.ambiguous.common.forward.clone(),
            ..policy.common().clone()
        };
        let (endpoints, resources) = (policy.endpoints().cloned(), policy.resources().cloned());
        TenantPolicy::Unknown(Arc::new(UnknownTenant { common, endpoints, resources }))
    }

    /// Whether some spelling of a path may be gated for some tenant of these hosts.
    fn may_be_gated(of_host: &[&RealmsOfHost], path: &[u8], other: &TenantPolicy) -> bool {
        let policies = of_host.iter().flat_map(|of_host| of_host.policies());
        let lists = policies.flat_map(|policy| {
            [Some(policy.endpoints.as_ref()), policy.resources().map(Some)].into_iter().flatten()
        });
        let others = [Some(other.endpoints()), other.resources().map(Some)];
        may_be_listed(path, lists.chain(others.into_iter().flatten()))
    }

    /// Paths of the endpoints of each tenant, below its own paths, and those of the top level.
    pub(crate) fn example_paths(&self, host: &str, other: &TenantPolicy) -> Vec<String> {
        let mut found = Vec::new();
        let mut add = |endpoints: Option<&Endpoints>, prefix: &PathPrefix| {
            found.extend(match endpoints {
                Some(all) => all.iter().filter_map(|one| one.example_below(prefix)).collect(),
                None => vec![format!("{}/token", prefix.as_str())],
            });
        };
        let root = PathPrefix::root();
        for of_host in self.of_host(Some(host)) {
            let mut by_path: Vec<_> = of_host.by_path.values().collect();
            sort_by(&mut by_path, |(one, _), (other, _)| one.as_str().cmp(other.as_str()));
            for (path, policy) in by_path {
                add(policy.endpoints.as_ref(), path);
            }
            if let Some(policy) = &of_host.of_any_path {
                add(policy.endpoints.as_ref(), &root);
            }
        }
        add(other.endpoints(), &root);
        found
    }

    /// The tenants that may be chosen for `host`, in the order of the choice.
    fn of_host(&self, host: Option<&str>) -> impl Iterator<Item = &RealmsOfHost> {
        let exact = host.and_then(|host| self.exact.get(host));
        let suffixes = self.suffixes.iter().filter(move |(suffix, _)| {
            let label = host.and_then(|host| host.strip_suffix(&**suffix));
            label.is_some_and(|label| !label.is_empty())
        });
        exact.into_iter().chain(suffixes.map(|(_, of_host)| of_host)).chain([&self.of_any_host])
    }
}

/// How a path is gated of which not every spelling can be followed.
const ALL: Gating = Gating { endpoint: true, resource: true };

/// What the spellings of one path say together.
struct Search<'a> {
    other: &'a TenantPolicy,
    as_it_came: Option<&'a Arc<Policy>>,
    gating: Gating,
    is_ambiguous: bool,
    /// Whether spellings choose several tenants, gated or not.
    is_mixed: bool,
}

impl<'a> Search<'a> {
    /// Takes one spelling into account.
    fn see(&mut self, spelling: &[u8], chosen: &Chosen<'a>) {
        let differs = !same(chosen.tenant, self.as_it_came);
        let differs_by_case = !same(chosen.tenant, chosen.folded);
        self.is_mixed |= differs || differs_by_case;
        // A realm in another letter case is gated as the realm is that some backend takes it for.
        let mut gating = self.gates(chosen.tenant, spelling);
        if differs_by_case {
            let folded = self.gates(chosen.folded, spelling);
            gating.endpoint |= folded.endpoint;
            gating.resource |= folded.resource;
        }
        if gating.is_any() {
            self.gating.endpoint |= gating.endpoint;
            self.gating.resource |= gating.resource;
            self.is_ambiguous |= differs || differs_by_case;
        }
    }

    fn gates(&self, tenant: Option<&Arc<Policy>>, spelling: &[u8]) -> Gating {
        let (endpoints, resources) = match tenant {
            Some(policy) => (policy.endpoints.as_ref(), policy.resources()),
            None => (self.other.endpoints(), self.other.resources()),
        };
        Gating {
            endpoint: endpoints.is_none_or(|endpoints| endpoints.list_spelling(spelling)),
            resource: resources.is_some_and(|resources| resources.list_spelling(spelling)),
        }
    }
}

fn same(one: Option<&Arc<Policy>>, other: Option<&Arc<Policy>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// The tenants of one spelling, of those `of_host`, which are in the order of the choice.
fn choose<'a>(of_host: &[&'a RealmsOfHost], spelling: &[u8]) -> Chosen<'a> {
    let text = folded(&String::from_utf8_lossy(spelling));
    let find = |by_case| of_host.iter().find_map(|of_host| of_host.find(spelling, &text, by_case));
    Chosen { tenant: find(true), folded: find(false) }
}

impl RealmsOfHost {
    fn add(&mut self, path: Option<&PathPrefix>, policy: &Arc<Policy>) -> bool {
        let Some(path) = path else {
            let is_new = self.of_any_path.is_none();
            self.of_any_path = Some(policy.clone());
            return is_new;
        };
        self.depth = self.depth.max(path.as_str().matches('/').count());
        let key = path.as_str().to_ascii_lowercase().into();
        self.by_path.insert(key, (path.clone(), policy.clone())).is_none()
    }

    fn policies(&self) -> impl Iterator<Item = &Arc<Policy>> {
        self.by_path.values().map(|(_, policy)| policy).chain(&self.of_any_path)
    }

    /// The tenant with the longest path that `spelling` is or is below, else the one without paths.
    /// `folded` is the spelling without letter case; `by_case` = letter case counts.
    fn find(&self, spelling: &[u8], folded: &str, by_case: bool) -> Option<&Arc<Policy>> {
        // The ends of the first segments. Folding neither makes nor removes a slash.
        let ends = folded.match_indices('/').map(|(at, _)| at).chain([folded.len()]);
        let mut ends: Vec<usize> = ends.take(self.depth + 1).collect();
        while let Some(end) = ends.pop() {
            let found = folded.get(..end).and_then(|path| self.by_path.get(path));
            if let Some((path, policy)) = found
                && (!by_case || is_below(spelling, path.as_str()))
            {
                return Some(policy);
            }
        }
        self.of_any_path.as_ref()
    }
}

/// Whether `spelling` is `path` or below it, in this letter case.
fn is_below(spelling: &[u8], path: &str) -> bool {
    let rest = spelling.strip_prefix(path.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
