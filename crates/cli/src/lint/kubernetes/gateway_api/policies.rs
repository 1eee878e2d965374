//! Envoy Gateway's EnvoyExtensionPolicy: where it puts this filter, and where another one overrides
//! it.

use std::collections::{BTreeMap, BTreeSet};

use super::RouteContext;
use crate::lint::graph::{Filter, FilterRole, Way, WrittenHeader};
use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::{At, ConfigPlaces};

/// What a policy is attached to, from the least specific.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PolicyLevel {
    Gateway,
    Listener,
    Route,
    Rule,
}

/// An EnvoyExtensionPolicy where it applies.
struct AttachedPolicy<'a> {
    resource: Resource<'a>,
    level: PolicyLevel,
    config: Option<usize>,
}

/// Of these kinds only the most specific policy applies.
const KINDS: [&str; 3] = ["SecurityPolicy", "BackendTrafficPolicy", "EnvoyExtensionPolicy"];

/// The policies, by what they are attached to, so that a route is not compared with all of them.
pub struct PolicyTargets<'a> {
    all: Vec<Resource<'a>>,
    /// Their numbers, by the kind, the namespace and the name of a target.
    by_name: BTreeMap<(&'a str, &'a str, &'a str), BTreeSet<usize>>,
    /// Those with selectors, which have their targets in their own namespace too.
    by_labels: BTreeMap<&'a str, BTreeSet<usize>>,
}

impl<'a> PolicyTargets<'a> {
    pub fn of(resources: &[Resource<'a>]) -> Self {
        let is_policy = |resource: &&Resource<'a>| KINDS.contains(&resource.kind);
        let all: Vec<Resource<'a>> = resources.iter().filter(is_policy).copied().collect();
        let (mut by_name, mut by_labels) = (BTreeMap::new(), BTreeMap::new());
        for (number, policy) in all.iter().enumerate() {
            for target in targets(*policy) {
                if let (Some(kind), Some(name)) = (target.text_of("kind"), target.text_of("name")) {
                    let target = (kind, policy.namespace, name);
                    by_name.entry(target).or_insert_with(BTreeSet::new).insert(number);
                }
            }
            if policy.list("targetSelectors").next().is_some() {
                by_labels.entry(policy.namespace).or_insert_with(BTreeSet::new).insert(number);
            }
        }
        Self { all, by_name, by_labels }
    }

    /// Those that may be attached to one of these, in the order of the files.
    fn near(
        &self,
        gateway: Resource<'a>,
        route: Resource<'a>,
    ) -> impl Iterator<Item = Resource<'a>> {
        let of_gateway = self.by_name.get(&("Gateway", gateway.namespace, gateway.name));
        let of_route = self.by_name.get(&("HTTPRoute", route.namespace, route.name));
        let labels = [gateway.namespace, route.namespace].map(|name| self.by_labels.get(name));
        let found = [of_gateway, of_route].into_iter().chain(labels).flatten().flatten();
        let numbers: BTreeSet<usize> = found.copied().collect();
        numbers.into_iter().filter_map(|number| self.all.get(number).copied())
    }
}

/// The targets that a policy names.
fn targets<'a>(policy: Resource<'a>) -> impl Iterator<Item = At<'a>> {
    policy.list("targetRefs").chain(policy.spec().and_then(|spec| spec.member("targetRef")))
}

/// How requests of a rule meet the filter: the most specific policy applies, and no other.
pub fn way_of<'a>(
    context: &RouteContext<'a, '_>,
    route: Resource<'a>,
    rule: At<'a>,
) -> (Way, Vec<Resource<'a>>) {
    let attached = policies(context, route, rule);
    let of_kind = |kind: &str| -> Vec<&AttachedPolicy<'a>> {
        attached.iter().filter(|policy| policy.resource.kind == kind).collect()
    };
    let mut used = Vec::new();
    for kind in KINDS {
        let all = of_kind(kind);
        let level = all.iter().map(|policy| policy.level).max();
        used.extend(
            all.iter().filter(|one| Some(one.level) == level).map(|policy| policy.resource),
        );
    }
    // A filter in the listener itself cannot be overridden.
    if let Way::Runs(_) = &context.base {
        return (context.base.clone(), used);
    }
    let (way, installed) = of_extensions(context, &of_kind("EnvoyExtensionPolicy"));
    // Without the filter nothing runs behind it.
    match installed {
        Some(installed) => {
            used.retain(|policy| policy.kind != "EnvoyExtensionPolicy");
            used.push(installed);
        }
        None => used.clear(),
    }
    (way, used)
}

/// How the policies that put this filter into routes let requests meet it, and the one that does.
fn of_extensions<'a>(
    context: &RouteContext<'a, '_>,
    policies: &[&AttachedPolicy<'a>],
) -> (Way, Option<Resource<'a>>) {
    let Some(level) = policies.iter().map(|policy| policy.level).max() else {
        return (context.base.clone(), None);
    };
    let applying: Vec<&AttachedPolicy<'_>> =
        policies.iter().filter(|policy| policy.level == level).copied().collect();
    let with = applying.iter().find_map(|policy| Some((policy.resource, policy.config?)));
    let without = applying.iter().find(|policy| policy.config.is_none());
    let below = policies.iter().find(|policy| policy.config.is_some());
    let way = match (with, without, below) {
        (Some((_, config)), None, _) => Way::Runs(vec![config]),
        (Some((own, _)), Some(other), _) => Way::Unclear {
            place: other.resource.at.place(),
            why: format!(
                "{} and {} have one target, and the older one wins",
                own.printed(),
                other.resource.printed()
            ),
        },
        (None, Some(other), Some(own)) => Way::Off {
            place: other.resource.at.place(),
            why: format!(
                "{} overrides {}, whatever its mergeType",
                other.resource.printed(),
                own.resource.printed()
            ),
            fix: "put the filter into its list of wasm too, or remove the policy".to_owned(),
        },
        _ => context.base.clone(),
    };
    let installed = with.map(|(own, _)| own).or_else(|| below.map(|policy| policy.resource));
    (way, installed)
}

/// The policies that concern a rule.
fn policies<'a>(
    context: &RouteContext<'a, '_>,
    route: Resource<'a>,
    rule: At<'a>,
) -> Vec<AttachedPolicy<'a>> {
    let mut found = Vec::new();
    for resource in context.policies.near(context.gateway, route) {
        let own = |target: &Resource<'_>| resource.namespace == target.namespace;
        let by_name = targets(resource).filter_map(|target| {
            let section = target.text_of("sectionName");
            let is = |kind: &str, name: &str| {
                target.text_of("kind") == Some(kind) && target.text_of("name") == Some(name)
            };
            if is("Gateway", context.gateway.name) && own(&context.gateway) {
                match section {
                    None => Some(PolicyLevel::Gateway),
                    Some(section) => (context.listener.text_of("name") == Some(section))
                        .then_some(PolicyLevel::Listener),
                }
            } else if is("HTTPRoute", route.name) && own(&route) {
                match section {
                    None => Some(PolicyLevel::Route),
                    Some(section) => {
                        (rule.text_of("name") == Some(section)).then_some(PolicyLevel::Rule)
                    }
                }
            } else {
                None
            }
        });
        let by_labels = resource.list("targetSelectors").filter_map(|selector| {
            let has = |target: &Resource<'a>| {
                selector.member("matchLabels").is_none_or(|labels| target.has_labels(labels))
            };
            match selector.text_of("kind") {
                Some("Gateway") if own(&context.gateway) && has(&context.gateway) => {
                    Some(PolicyLevel::Gateway)
                }
                Some("HTTPRoute") if own(&route) && has(&route) => Some(PolicyLevel::Route),
                _ => None,
            }
        });
        if let Some(level) = by_name.chain(by_labels).max() {
            let config = resource.list("wasm").find_map(|filter| context.configs.at(filter));
            found.push(AttachedPolicy { resource, level, config });
        }
    }
    found
}

/// The request headers that a part of a SecurityPolicy has written.
fn written_headers(at: At<'_>) -> Vec<WrittenHeader> {
    let claims = at.list("providers").flat_map(|provider| provider.list("claimToHeaders"));
    let claims = claims.filter_map(|claim| claim.member("header"));
    let users = ["forwardUsernameHeader", "forwardClientIDHeader"];
    let users = users.into_iter().filter_map(|name| at.member(name));
    claims.chain(users).filter_map(WrittenHeader::of).collect()
}

/// The filters that policies of routes put beside this one. `is_first`: this one is in the listener
/// itself, before all of them.
pub fn filters(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    used: &[Resource<'_>],
    is_first: bool,
) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    // Envoy Gateway puts Lua and external processing before wasm, but for an order of the
    // operator's own.
    let is_reordered = is_first
        || resources.iter().any(|resource| {
            resource.kind == "EnvoyProxy" && resource.list("filterOrder").next().is_some()
        });
    let mut known = BTreeSet::new();
    // Authorization services are asked before wasm.
    let mut used = used.to_vec();
    used.sort_by_key(|policy| KINDS.iter().position(|kind| *kind == policy.kind));
    for policy in &used {
        if !known.insert((policy.kind, policy.namespace, policy.name)) {
            continue;
        }
        let mut add = |at: At<'_>, role: FilterRole, is_unordered: bool| {
            filters.push(Filter {
                is_unordered,
                headers: written_headers(at),
                ..Filter::new(at.place(), policy.printed(), role)
            });
        };
        let spec = policy.spec();
        match policy.kind {
            // An authorization service is asked before wasm, and after a filter of the listener.
            "SecurityPolicy" => {
                let service = spec.and_then(|spec| spec.member("extAuth"));
                let what = "an authorization service that may write headers";
                service.into_iter().for_each(|at| {
                    add(at, FilterRole::Changes(what), is_reordered);
                });
                let others = ["jwt", "basicAuth", "apiKeyAuth"].into_iter();
                others.filter_map(|name| spec?.member(name)).for_each(|at| {
                    add(at, FilterRole::Harmless, is_reordered);
                });
            }
            "BackendTrafficPolicy" => {
                let upgrades = policy.list("httpUpgrade");
                let connect = upgrades.filter(|at| at.path(&["connect", "terminate"]).is_some());
                // The bytes behind CONNECT meet no filter.
                connect.for_each(|at| {
                    add(at, FilterRole::Changes("CONNECT that is terminated"), true);
                });
            }
            _ => {
                for (name, what) in [
                    ("lua", "a Lua script"),
                    ("extProc", "an external processor"),
                    ("dynamicModule", "a dynamic module"),
                ] {
                    policy.list(name).for_each(|at| {
                        let is_unordered = is_reordered || name == "dynamicModule";
                        add(at, FilterRole::Changes(what), is_unordered);
                    });
                }
                for wasm in policy.list("wasm") {
                    let kind = match configs.at(wasm) {
                        Some(config) => FilterRole::ThisFilter { config, skips: None },
                        None => FilterRole::Changes("another wasm filter"),
                    };
                    add(wasm, kind, is_first);
                }
            }
        }
    }
    filters
}
