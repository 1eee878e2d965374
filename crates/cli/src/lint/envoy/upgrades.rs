//! Requests that ask for an upgrade, which may have filters of their own.

use super::http_filters::{self, DiscoveredFilters};
use super::ways::{Override, override_of};
use crate::lint::graph::{Filter, FilterRole, Way};
use crate::lint::located::{At, ConfigPlaces, Place};

/// An `upgrade_configs` element of a connection manager.
pub struct Upgrade {
    kind: String,
    is_enabled: bool,
    /// Its own filters, where it has any.
    filters: Option<(Place, Vec<Filter>)>,
}

impl Upgrade {
    pub fn of(at: At<'_>, configs: &ConfigPlaces, named: &DiscoveredFilters) -> Self {
        let filters: Vec<Filter> =
            at.list("filters").map(|at| http_filters::of(at, configs, named)).collect();
        Self {
            kind: at.text_of("upgrade_type").unwrap_or_default().to_owned(),
            is_enabled: is_on(at),
            filters: (!filters.is_empty()).then(|| (at.place(), filters)),
        }
    }
}

fn is_on(at: At<'_>) -> bool {
    !at.is_false("enabled")
}

/// How requests that ask for an upgrade go past the filter.
pub fn upgrade_ways(
    action: At<'_>,
    upgrades: &[Upgrade],
    scopes: &[At<'_>],
    configs: &ConfigPlaces,
) -> Vec<Way> {
    let own: Vec<At<'_>> = action.list("upgrade_configs").collect();
    let mut ways = Vec::new();
    for upgrade in upgrades {
        let Some((place, filters)) = &upgrade.filters else { continue };
        let of_route = own.iter().find(|at| {
            at.text_of("upgrade_type").is_some_and(|kind| kind.eq_ignore_ascii_case(&upgrade.kind))
        });
        if !of_route.map_or(upgrade.is_enabled, |at| is_on(*at)) {
            continue;
        }
        let runs =
            filters.iter().take_while(|filter| filter.role != FilterRole::Router).any(|filter| {
                let over = override_of(scopes, &filter.name, configs)
                    .map(|(_, over)| !matches!(over, Override::Off));
                matches!(filter.role, FilterRole::ThisFilter { skips: None, .. })
                    && over.unwrap_or(!filter.is_disabled)
            });
        if !runs {
            let kind = &upgrade.kind;
            ways.push(Way::Off {
                place: place.clone(),
                why: format!(
                    "a request with \"upgrade: {kind}\", a POST too, meets the filters of \
                    its own upgrade_configs, and this filter is not among them"
                ),
                fix: "put the filter into that chain too, which refuses upgrades of gated \
                    requests, or leave its filters out"
                    .to_owned(),
            });
        }
    }
    ways
}
