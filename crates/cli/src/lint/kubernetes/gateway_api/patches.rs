//! Envoy Gateway's EnvoyPatchPolicy: what patches add to listeners.

use std::collections::BTreeSet;

use super::envoy_listener::EnvoyListener;
use super::merged::{self, PatchTarget};
use super::patch_operations::{Operation, is_for};
use super::patch_path::{Step, steps};
use crate::lint::envoy::http_filters;
use crate::lint::graph::{Filter, FilterRole, Way};
use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::{At, ConfigPlaces};

/// What a patch does to a listener of Envoy.
enum Reach {
    /// It is for another one.
    Elsewhere,
    /// It is meant for this one and finds nothing.
    Nothing {
        why: String,
        fix: String,
    },
    /// The files do not show it.
    Unclear,
    Covers,
}

/// The filter that an EnvoyPatchPolicy adds to a listener as a whole, and how requests meet it
/// there.
pub fn filter_of_listener(
    resources: &[Resource<'_>],
    configs: &ConfigPlaces,
    unused: &BTreeSet<usize>,
    gateway: Resource<'_>,
    listener: &EnvoyListener,
) -> Option<(Filter, Way)> {
    let policies = resources.iter().filter(|resource| resource.kind == "EnvoyPatchPolicy");
    let patches = policies.flat_map(|policy| {
        policy.list("jsonPatches").map(|patch| (*policy, patch)).collect::<Vec<_>>()
    });
    let mut best: Option<(u8, Filter, Way)> = None;
    for (policy, patch) in patches {
        let Some(operation) = patch.member("operation") else { continue };
        let Some(value) = operation.member("value") else { continue };
        let Some(config) = configs.within(value) else { continue };
        if operation.text_of("op") != Some("add") {
            continue;
        }
        let place = value.place();
        let is_own = is_for(policy, gateway.namespace, gateway.name);
        let target = PatchTarget::of(policy);
        let merging = merged::merging(resources, gateway);
        let reach = match (reach(patch, operation, gateway, listener), merging) {
            (_, Some(proxy)) if is_own && target == PatchTarget::Gateway => Reach::Nothing {
                why: format!(
                    "{} merges gateways, and Envoy Gateway leaves {} out, which is for one of them",
                    proxy.printed(),
                    policy.printed()
                ),
                fix: "let its targetRef name the GatewayClass".to_owned(),
            },
            (Reach::Covers, _) if is_own && target == PatchTarget::Class => Reach::Unclear,
            (reach, _) if is_own => reach,
            // It names the listener, and a policy is for a Gateway of its own namespace.
            (Reach::Covers, _) if unused.contains(&config) => Reach::Nothing {
                why: format!("{} is not for {}", policy.printed(), gateway.printed()),
                fix: "let its targetRef name that Gateway, in its own namespace".to_owned(),
            },
            _ => continue,
        };
        let (rank, way) = match reach {
            Reach::Elsewhere if unused.contains(&config) => {
                let name = patch.text_of("name").unwrap_or_default();
                let why = format!(
                    "{} has the name \"{}\" in Envoy, and the patch of \"{name}\" finds nothing",
                    listener.title, listener.name
                );
                let fix = format!("name \"{}\"", listener.name);
                (0, Way::Off { place: patch.place(), why, fix })
            }
            Reach::Elsewhere => continue,
            Reach::Nothing { why, fix } => (0, Way::Off { place: patch.place(), why, fix }),
            Reach::Unclear => {
                let why = format!(
                    "whether an EnvoyPatchPolicy puts the filter into {} cannot be seen",
                    listener.title
                );
                (1, Way::Unclear { place: place.clone(), why })
            }
            Reach::Covers => (2, Way::Runs(vec![config])),
        };
        let name = value.text_of("name").unwrap_or_default();
        let filter = Filter::new(place, name, FilterRole::ThisFilter { config, skips: None });
        if best.as_ref().is_none_or(|(other, ..)| *other < rank) {
            best = Some((rank, filter, way));
        }
    }
    best.map(|(_, filter, way)| (filter, way))
}

/// Headers that patches have routes of a listener write, as filters behind this one.
pub fn headers_of_routes(
    operations: &[Operation<'_>],
    gateway: Resource<'_>,
    names: &[String],
) -> Vec<Filter> {
    let own = operations.iter().filter(|one| {
        let is_route = ["RouteConfiguration", "VirtualHost"].contains(&one.kind());
        is_route
            && names.iter().any(|name| name == one.name())
            && is_for(one.policy, gateway.namespace, gateway.name)
    });
    let filters = own.filter_map(|one| {
        let value = one.value()?;
        let headers = if one.steps.iter().any(|step| step.is("request_headers_to_add")) {
            value.within().into_iter().filter_map(http_filters::written_header).collect()
        } else {
            http_filters::headers_of_routes(value)
        };
        let role = FilterRole::Harmless;
        let filter = Filter::new(value.place(), one.policy.printed(), role);
        Some(Filter { headers, is_unordered: true, ..filter })
    });
    filters.collect()
}

fn reach(
    patch: At<'_>,
    operation: At<'_>,
    gateway: Resource<'_>,
    listener: &EnvoyListener,
) -> Reach {
    let EnvoyListener { title, name: wanted, .. } = listener;
    let name = patch.text_of("name").unwrap_or_default();
    if listener.names_of_others.iter().any(|other| other == name) {
        return Reach::Nothing {
            why: format!(
                "listeners of one port are one listener of Envoy under the name of the first, \
                 \"{wanted}\", and a patch of \"{name}\" finds nothing"
            ),
            fix: format!("name \"{wanted}\""),
        };
    }
    let is_named = name == wanted;
    let is_by_port = name == listener.name_by_port;
    let own_namespace = format!("{}/", gateway.namespace);
    let is_of_another = [own_namespace.as_str(), "tcp-", "udp-"];
    let is_of_another = is_of_another.iter().any(|begin| name.starts_with(begin));
    if !is_named && !is_by_port && is_of_another {
        return Reach::Elsewhere;
    }
    let all = operation.text_of("jsonPath").unwrap_or_default();
    let path = format!("{all}{}", operation.text_of("path").unwrap_or_default());
    let chosen = path.split_once("filter_chains").map(|(_, rest)| rest);
    let has_default = path.contains("default_filter_chain");
    let reach = match (listener.filter_chain, chosen) {
        (None, _) if has_default => Reach::Covers,
        (None, Some(_)) => Reach::Nothing {
            why: format!(
                "{title} has no TLS, so that its filters are in default_filter_chain, and a patch \
                 of filter_chains finds nothing there"
            ),
            fix: "patch default_filter_chain of this listener".to_owned(),
        },
        (Some(_), None) if has_default => Reach::Nothing {
            why: format!(
                "{title} has TLS, so that its filters are in filter_chains, and a patch of \
                 default_filter_chain finds nothing there"
            ),
            fix: "patch filter_chains[*] of this listener".to_owned(),
        },
        // Of several hosts on one port each has a filter chain of its own.
        (Some(_), Some(rest)) if rest.starts_with("[*]") => Reach::Covers,
        (Some(own), Some(rest)) => match index(rest) {
            Some(index) if index == own => Reach::Covers,
            Some(index) => Reach::Nothing {
                why: format!(
                    "{title} has filter chain {own} of \"{wanted}\", and this patch is for filter \
                     chain {index}"
                ),
                fix: "patch filter_chains[*], by jsonPath".to_owned(),
            },
            None => Reach::Unclear,
        },
        (_, None) => Reach::Unclear,
    };
    let reach = match reach {
        Reach::Covers => placed(&steps(operation)),
        reach => reach,
    };
    match reach {
        // Envoy Gateway has these names from 1.10, and before that with a runtime flag.
        Reach::Covers if !is_named => Reach::Unclear,
        reach => reach,
    }
}

/// Whether the filter comes before all that Envoy Gateway has in the connection manager.
fn placed(steps: &[Step]) -> Reach {
    let manager = "envoy.filters.network.http_connection_manager";
    let is_manager = |step: &Step| match step {
        Step::All => true,
        Step::Named(name) => name == manager,
        // The first one, as Envoy Gateway has no other.
        step => *step == Step::Index(0),
    };
    let at = steps.iter().rposition(|step| step.is("filters"));
    let inside = at.and_then(|at| steps.get(at + 1..)).unwrap_or_default();
    let Some((chosen, [config, filters, rest @ ..])) = inside.split_first() else {
        return Reach::Unclear;
    };
    if !is_manager(chosen) || !config.is("typed_config") || !filters.is("http_filters") {
        return Reach::Unclear;
    }
    match rest {
        [] | [Step::Index(0)] => Reach::Covers,
        [Step::End] => Reach::Nothing {
            why: "the filter is put behind the router and never runs".to_owned(),
            fix: "let the path end with 0, so that it comes first".to_owned(),
        },
        _ => Reach::Unclear,
    }
}

/// The number of an element: `/0` of a pointer, `[0]` of a path.
fn index(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix(['/', '['])?;
    rest.split(['/', ']']).next()?.parse().ok()
}
