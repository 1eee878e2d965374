//! Which clusters serve each endpoint.

use std::collections::BTreeSet;

use super::{OrderedChain, Rules};
use crate::lint::endpoints::{ListedEndpoint, is_entry};
use crate::lint::graph::{Cluster, Destination, Route, Way};
use crate::lint::hosts::host_of_both;
use crate::lint::paths::{Answer, samples, spellings};

/// Where an endpoint goes by one route.
struct Owner {
    clusters: Vec<String>,
    /// What arrives, where that is another path.
    image: Option<String>,
    /// Whether the route takes it as it is listed.
    is_plain: bool,
    /// Why the clusters are not known.
    unseen: Option<&'static str>,
}

/// What arrives in place of an endpoint, of which the route takes `taken`: a pattern, where the
/// endpoint is one and the route takes all of it.
fn image_of(endpoint: &ListedEndpoint, route: &Route, taken: &str) -> Option<String> {
    let hint = route.paths.hint();
    let text = endpoint.text.as_deref().filter(|text| text.contains('*'));
    let below = format!("{}/**", hint.trim_end_matches('/'));
    // Of an endpoint with all that is below it, a route may take some.
    let below = text.filter(|text| {
        text.strip_suffix("**").is_some_and(|base| {
            below.get(..base.len()).is_some_and(|front| front.eq_ignore_ascii_case(base))
        })
    });
    let below = below.map(|_| format!("{}/**", hint.trim_end_matches('/')));
    let wholes = text.map(str::to_owned).into_iter().chain(below);
    let whole = wholes.filter(|text| route.paths.takes(text) == Answer::Yes);
    let mut all = whole.chain([taken.to_owned()]);
    all.find_map(|path| {
        let image = route.rewrite.of(&route.paths, &path).ok()?;
        let pattern = image.replace("//", "/");
        let image = if path == taken { image } else { pattern };
        (image != path && (path == taken || is_entry(&image))).then_some(image)
    })
}

impl Rules<'_> {
    /// Where each endpoint goes: by ways on which the filter runs, or else by those on which it
    /// should run.
    pub(super) fn find_owners(&mut self) {
        for only_running in [true, false] {
            let found: Vec<(usize, Owner)> = (self.endpoints.iter().enumerate())
                .filter(|(_, endpoint)| {
                    endpoint.owners.is_empty() && endpoint.unseen_owner.is_none()
                })
                .flat_map(|(number, endpoint)| {
                    self.owners(endpoint, only_running)
                        .into_iter()
                        .map(move |owner| (number, owner))
                })
                .collect();
            let as_listed: BTreeSet<usize> = found
                .iter()
                .filter(|(_, owner)| owner.is_plain && owner.image.is_none())
                .map(|(number, _)| *number)
                .collect();
            for (number, Owner { clusters, image, unseen, .. }) in found {
                let Some(endpoint) = self.endpoints.get_mut(number) else { continue };
                endpoint.owners.extend(clusters);
                endpoint.unseen_owner = endpoint.unseen_owner.or(unseen);
                image.into_iter().for_each(|image| endpoint.add_image(image));
                endpoint.is_inside = endpoint.images.is_empty() || as_listed.contains(&number);
            }
        }
        self.find_owners_behind_rewrites();
    }

    /// The clusters that get an endpoint as it is listed, or in another spelling.
    fn owners(&self, endpoint: &ListedEndpoint, only_running: bool) -> Vec<Owner> {
        let Some(config) = self.configs.get(endpoint.config).and_then(Option::as_ref) else {
            return Vec::new();
        };
        // By which path a route takes the endpoint, and whether as it is listed.
        let taken_by = |ordered: &OrderedChain<'_>, route: &Route| {
            let host = host_of_both(&route.hosts, &endpoint.hosts)?;
            let hint = route.paths.hint();
            let any = || vec![hint.clone(), format!("{hint}x"), "/x".to_owned()];
            let filled = |text: &String| {
                let hints = endpoint.hints(route);
                hints.iter().flat_map(|hint| samples(text, hint)).collect()
            };
            let plain: Vec<String> = endpoint.text.as_ref().map_or_else(any, filled);
            let is_taken = |path: &String| {
                endpoint.is(path)
                    && ordered.order.takes(route, path) != Answer::No
                    && config.gates(&host, path)
            };
            match plain.iter().find(|path| is_taken(path)) {
                Some(taken) => Some((taken.clone(), true)),
                None => Some((spellings(&plain).into_iter().find(is_taken)?, false)),
            }
        };
        // Where the listed path has a route, another spelling of it falls through to whatever takes
        // the rest. So does the path without a slash where "/oauth/" has a route and "/oauth/**" is
        // listed.
        let base = endpoint.text.as_ref().and_then(|text| text.strip_suffix("/**"));
        let segments = base.map_or(0, |base| base.split('/').count());
        let is_rest = |route: &Route, path: &str| {
            path.split('/').count() <= segments && route.paths.hint().len() <= 1
        };
        let runs = |target: &Destination| {
            target.ways.iter().any(|way| match way {
                Way::Runs(configs) => configs.contains(&endpoint.config),
                Way::Matched { .. } => true,
                Way::Off { .. } | Way::Unclear { .. } => false,
            })
        };
        let candidates = self.candidates(endpoint);
        let (wanted, others): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|(_, route)| !only_running || route.destinations.iter().any(runs));
        let mut taking = Vec::new();
        let (mut has_plain, mut has_listed) = (false, false);
        for (ordered, route) in wanted {
            let Some((path, is_plain)) = taken_by(ordered, route) else { continue };
            has_plain |= is_plain;
            has_listed |= is_plain && !is_rest(route, &path);
            taking.push((route, path, is_plain));
        }
        // Of the other routes it only counts whether there is one that takes it as it is listed.
        for (ordered, route) in others {
            if has_listed {
                break;
            }
            let Some((path, true)) = taken_by(ordered, route) else { continue };
            has_plain = true;
            has_listed = !is_rest(route, &path);
        }
        if has_listed {
            taking.retain(|(route, path, _)| !is_rest(route, path));
        }
        let mut found = Vec::new();
        for (route, taken, is_plain) in
            taking.into_iter().filter(|(_, _, is_plain)| *is_plain || !has_plain)
        {
            for target in &route.destinations {
                if only_running && !runs(target) {
                    continue;
                }
                let (clusters, unseen) = match &target.cluster {
                    Cluster::Named(cluster) => (self.graph.same_server(cluster), None),
                    Cluster::Unseen(why) => (Vec::new(), Some(*why)),
                };
                let image = image_of(endpoint, route, &taken).filter(|_| is_plain);
                found.push(Owner { clusters, image, is_plain, unseen });
            }
        }
        found
    }

    /// The routes that may lead to an endpoint, of the chains in which its configuration is.
    fn candidates(&self, endpoint: &ListedEndpoint) -> Vec<(&OrderedChain<'_>, &Route)> {
        let chains = self.chains.iter().filter(|one| one.configs.contains(&endpoint.config));
        let routes = chains.flat_map(|ordered| {
            let routes = &ordered.chain.routes;
            let positions = ordered.order.candidates(endpoint, routes).into_iter();
            positions.filter_map(move |position| Some((ordered, routes.get(position)?)))
        });
        routes.collect()
    }

    /// An endpoint that no path leads to as it is listed is one behind a rewrite.
    fn find_owners_behind_rewrites(&mut self) {
        let mut found: Vec<(usize, Vec<String>)> = Vec::new();
        for (number, endpoint) in
            self.endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.owners.is_empty())
        {
            for (ordered, route) in self.candidates(endpoint) {
                if host_of_both(&route.hosts, &endpoint.hosts).is_none()
                    || self.arrival(ordered, route, endpoint, |_, _| true).is_none()
                {
                    continue;
                }
                let named = route.destinations.iter().filter_map(|target| target.cluster.name());
                found.extend(named.map(|name| (number, self.graph.same_server(name))));
            }
        }
        for (number, clusters) in found {
            self.endpoints
                .get_mut(number)
                .into_iter()
                .for_each(|endpoint| endpoint.owners.extend(clusters.clone()));
        }
    }
}
