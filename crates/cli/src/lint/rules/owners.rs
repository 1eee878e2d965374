//! Which clusters serve each endpoint.

use std::collections::BTreeSet;

use super::{Rules, takes};
use crate::lint::endpoints::ListedEndpoint;
use crate::lint::graph::{Cluster, Route, Way};
use crate::lint::hosts::host_of_both;
use crate::lint::paths::{Answer, samples, spellings};

/// Where an endpoint goes by one route.
struct Owner {
    clusters: Vec<String>,
    /// What arrives, where that is another path.
    image: Option<String>,
    /// Whether the route takes it as it is listed.
    is_plain: bool,
}

impl Rules<'_> {
    /// Where each endpoint goes: by ways on which the filter runs, or else by those on which it
    /// should run.
    pub(super) fn find_owners(&mut self) {
        for only_running in [true, false] {
            let found: Vec<(usize, Owner)> = (self.endpoints.iter().enumerate())
                .filter(|(_, endpoint)| endpoint.owners.is_empty())
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
            for (number, Owner { clusters, image, .. }) in found {
                let Some(endpoint) = self.endpoints.get_mut(number) else { continue };
                endpoint.owners.extend(clusters);
                // Many routes may lead to one image.
                endpoint.images.extend(image.filter(|image| !endpoint.images.contains(image)));
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
        let mut taking = Vec::new();
        for chain in self
            .graph
            .chains
            .iter()
            .filter(|chain| chain.configs().any(|own| own == endpoint.config))
        {
            for route in &chain.routes {
                let Some(host) = host_of_both(&route.hosts, &endpoint.hosts) else { continue };
                let hint = route.paths.hint();
                let any = || vec![hint.clone(), format!("{hint}x"), "/x".to_owned()];
                let plain = endpoint.text.as_ref().map_or_else(any, |text| samples(text, &hint));
                let is_taken = |path: &String| {
                    endpoint.is(path)
                        && takes(chain, route, path) != Answer::No
                        && config.gates(&host, path)
                };
                if let Some(taken) = plain.iter().find(|path| is_taken(path)) {
                    taking.push((route, taken.clone(), true));
                } else if let Some(taken) = spellings(&plain).into_iter().find(is_taken) {
                    taking.push((route, taken, false));
                }
            }
        }
        // Where the listed path has a route, another spelling of it falls through to whatever takes
        // the rest. So does the path without a slash where "/oauth/" has a route and "/oauth/**" is
        // listed.
        let base = endpoint.text.as_ref().and_then(|text| text.strip_suffix("/**"));
        let segments = base.map_or(0, |base| base.split('/').count());
        let is_rest = |route: &Route, path: &str| {
            path.split('/').count() <= segments && route.paths.hint().len() <= 1
        };
        if taking.iter().any(|(route, path, is_plain)| *is_plain && !is_rest(route, path)) {
            taking.retain(|(route, path, _)| !is_rest(route, path));
        }
        let has_plain = taking.iter().any(|(_, _, is_plain)| *is_plain);
        let mut found = Vec::new();
        for (route, taken, is_plain) in
            taking.into_iter().filter(|(_, _, is_plain)| *is_plain || !has_plain)
        {
            for target in &route.destinations {
                let runs = target.ways.iter().any(|way| match way {
                    Way::Runs(configs) => configs.contains(&endpoint.config),
                    Way::Matched { .. } => true,
                    Way::Off { .. } | Way::Unclear { .. } => false,
                });
                if let (Cluster::Named(cluster), true) = (&target.cluster, runs || !only_running) {
                    let image = route
                        .rewrite
                        .of(&route.paths, &taken)
                        .ok()
                        .filter(|image| is_plain && *image != taken);
                    found.push(Owner {
                        clusters: self.graph.same_server(cluster),
                        image,
                        is_plain,
                    });
                }
            }
        }
        found
    }

    /// An endpoint that no path leads to as it is listed is one behind a rewrite.
    fn find_owners_behind_rewrites(&mut self) {
        let mut found: Vec<(usize, Vec<String>)> = Vec::new();
        for (number, endpoint) in
            self.endpoints.iter().enumerate().filter(|(_, endpoint)| endpoint.owners.is_empty())
        {
            for chain in self
                .graph
                .chains
                .iter()
                .filter(|chain| chain.configs().any(|own| own == endpoint.config))
            {
                for route in chain
                    .routes
                    .iter()
                    .filter(|route| host_of_both(&route.hosts, &endpoint.hosts).is_some())
                {
                    let named =
                        route.destinations.iter().filter_map(|target| match &target.cluster {
                            Cluster::Named(name) => Some(name),
                            Cluster::Unseen(_) => None,
                        });
                    if self.arrival(chain, route, endpoint, |_, _| true).is_some() {
                        found.extend(named.map(|name| (number, self.graph.same_server(name))));
                    }
                }
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
