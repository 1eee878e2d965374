//! Whether this filter runs for the requests of a route.

use super::{http_filters, matcher};
use crate::lint::graph::{ENABLE, FilterChain, FilterRole, MatcherTree, Way};
use crate::lint::located::{At, ConfigPlaces};

const ADD_FILTER: &str = "put the filter into it too, or remove the route to this cluster";

/// How a request that is no upgrade meets the filter. `scopes` from the most specific one.
pub fn main_way(scopes: &[At<'_>], chain: &FilterChain, configs: &ConfigPlaces) -> Way {
    let ours = chain.filters.iter().filter(|filter| filter.role.config().is_some());
    let mut running = Vec::new();
    let mut last = None;
    for filter in ours {
        let is_past_the_end = chain
            .filters
            .iter()
            .take_while(|other| other.place != filter.place)
            .any(|other| other.role == FilterRole::Router);
        if is_past_the_end {
            let why = "the filter is behind the router and never runs".to_owned();
            last =
                Some(Way::Off { place: filter.place.clone(), why, fix: "put it first".to_owned() });
            continue;
        }
        let way = match override_of(scopes, &filter.name, configs) {
            Some((at, Override::Off)) => {
                let why = format!("the filter is disabled by {}", at.node.pointer);
                Some(Way::Off { place: at.place(), why, fix: ENABLE.to_owned() })
            }
            Some((at, Override::Matched(tree))) => Some(Way::Matched { place: at.place(), tree }),
            Some((at, Override::Unclear)) => {
                let why = format!("{} is no FilterConfig", at.node.pointer);
                Some(Way::Unclear { place: at.place(), why })
            }
            Some((_, Override::On)) => None,
            None if filter.is_disabled => {
                let why = "the filter is disabled, and this route does not turn it on".to_owned();
                Some(Way::Off { place: filter.place.clone(), why, fix: ENABLE.to_owned() })
            }
            None => None,
        };
        match (way, &filter.role) {
            (Some(way), _) => last = Some(way),
            (None, FilterRole::ThisFilter { skips: Some(tree), .. }) if tree.can_skip() => {
                last = Some(Way::Matched { place: filter.place.clone(), tree: tree.clone() });
            }
            (None, role) => running.extend(role.config()),
        }
    }
    if !running.is_empty() {
        return Way::Runs(running);
    }
    last.unwrap_or_else(|| Way::Off {
        place: chain.place.clone(),
        why: format!("{} has no such filter", chain.title),
        fix: ADD_FILTER.to_owned(),
    })
}

/// What a route, its virtual host or its route configuration sets for a filter.
pub enum Override {
    On,
    Off,
    /// A matcher decides in place of the filter's own.
    Matched(MatcherTree),
    Unclear,
}

/// What the most specific `typed_per_filter_config` sets for a filter, and where.
pub fn override_of<'a>(
    scopes: &[At<'a>],
    name: &str,
    configs: &ConfigPlaces,
) -> Option<(At<'a>, Override)> {
    let own = scopes.iter().find_map(|scope| {
        let all = scope.member("typed_per_filter_config")?;
        all.members().find(|(key, _)| *key == name).map(|(_, own)| own)
    })?;
    if own.is_true("disabled") {
        return Some((own, Override::Off));
    }
    let is_of = |at: At<'_>, kind: &str| at.text_of("@type").is_some_and(|url| url.ends_with(kind));
    let is_wrapped = own.text_of("@type").is_none() || is_of(own, ".FilterConfig");
    let inner = if is_wrapped {
        own.member("config").filter(|config| config.members().next().is_some())
    } else {
        Some(own)
    };
    let over = match inner {
        None => Override::On,
        Some(inner) if is_of(inner, ".ExtensionWithMatcherPerRoute") => {
            let of = |otherwise: bool| matcher::tree_of_route(inner, otherwise, configs);
            match (of(true).can_skip(), of(false).can_skip()) {
                (true, _) => Override::Matched(of(true)),
                // It depends on the filter that runs where nothing matches.
                (false, true) => Override::Unclear,
                (false, false) => Override::On,
            }
        }
        Some(_) => Override::Unclear,
    };
    Some((own, over))
}

/// What routes make of filters that do nothing, or are off, where they do not say so.
pub fn turn_on(scopes: &[At<'_>], chain: &mut FilterChain) {
    let weighted =
        scopes.iter().flat_map(|scope| scope.path(&["route", "weighted_clusters", "clusters"]));
    let weighted: Vec<At<'_>> = weighted.flat_map(At::elements).collect();
    for all in
        scopes.iter().chain(&weighted).filter_map(|scope| scope.member("typed_per_filter_config"))
    {
        for (name, own) in all.members().filter(|(_, own)| !own.is_true("disabled")) {
            for filter in chain.filters.iter_mut().filter(|filter| filter.name == name) {
                match filter.role {
                    FilterRole::Harmless if mutates_requests(own) => {
                        filter.role = FilterRole::Changes("a header mutation");
                        (filter.place, filter.is_disabled) = (own.place(), false);
                    }
                    FilterRole::Changes(_) | FilterRole::Unknown(_) => filter.is_disabled = false,
                    FilterRole::Harmless => {
                        let own = own.within().into_iter().flat_map(http_filters::written_headers);
                        filter.headers.extend(own);
                        filter.is_disabled = false;
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Whether a value turns a header mutation into one of requests.
fn mutates_requests(at: At<'_>) -> bool {
    let is_it = |at: &At<'_>| {
        at.text_of("@type").is_some_and(|url| url.ends_with(".HeaderMutationPerRoute"))
    };
    at.within().into_iter().filter(is_it).any(http_filters::mutates_requests)
}
