//! What filter chains have beside routes: the order of their filters, clusters that get all bytes,
//! and what the files do not show.

use std::collections::BTreeSet;

use super::{Rules, cluster_key, printed};
use crate::lint::endpoints::{LintedConfig, ListedEndpoint};
use crate::lint::graph::{Cluster, FilterChain, FilterRole, Way, WrittenHeader};

impl Rules<'_> {
    /// The order of filters.
    pub(super) fn of_filters(&self, chain: &FilterChain) {
        let Some(first) = chain.filters.iter().position(|filter| filter.role.config().is_some())
        else {
            return;
        };
        let leads_there = chain
            .routes
            .iter()
            .flat_map(|route| &route.destinations)
            .any(|target| self.is_of_the_server(&target.cluster));
        let end = chain.filters.iter().position(|filter| filter.role == FilterRole::Router);
        if let (Some(end), Some(own)) = (end, chain.filters.get(first))
            && end < first
        {
            // Where routes are shown, each way is a finding of its own.
            if !chain.routes.is_empty() {
                return;
            }
            let message = "the filter is behind the router and never runs: put it first".to_owned();
            self.add(&own.place, true, "order".to_owned(), message);
            return;
        }
        for filter in chain.filters.iter().filter(|filter| filter.role.config().is_some()) {
            if let Some(gap) = filter.gap {
                self.add(&filter.place, false, "gap".to_owned(), gap.to_owned());
            }
        }
        let mut ways = (chain.routes.iter())
            .flat_map(|route| &route.destinations)
            .filter_map(|target| target.ways.first());
        let is_left_out = ways.any(|way| matches!(way, Way::Off { .. }));
        for (index, filter) in
            chain.filters.iter().enumerate().take(end.unwrap_or(chain.filters.len()))
        {
            let is_behind = index > first || filter.is_unordered;
            if leads_there && is_behind && !filter.is_disabled {
                self.of_headers(&filter.headers, chain.configs());
            }
            let message = match &filter.role {
                // A filter is left out by the route that is chosen first.
                FilterRole::Changes(what) if !is_behind && !filter.is_disabled && is_left_out => {
                    format!(
                        "{what} before the filter may have the route chosen anew, and by the first \
                         one the filter may be off: whether it sees the request cannot be followed"
                    )
                }
                FilterRole::Changes(what) if is_behind && !filter.is_disabled => format!(
                    "{what} behind the filter may change what was decided on, path, headers or \
                     body, and cannot be followed: put it before the filter, or make sure that it \
                     does not"
                ),
                FilterRole::Unknown(kind) if !filter.is_disabled => {
                    format!(
                        "the filter \"{kind}\" is not known here, so what it does to requests \
                         cannot be followed"
                    )
                }
                _ => continue,
            };
            if leads_there {
                self.add(&filter.place, false, String::new(), message);
            }
        }
    }

    /// Headers that are written behind filters with these configurations.
    pub(super) fn of_headers(
        &self,
        written: &[WrittenHeader],
        configs: impl Iterator<Item = usize>,
    ) {
        if written.is_empty() {
            return;
        }
        let numbers: BTreeSet<usize> = configs.collect();
        let configs = numbers.into_iter().filter_map(|number| self.configs.get(number)?.as_ref());
        let configs: Vec<&LintedConfig> = configs.collect();
        for WrittenHeader { place, name } in written {
            if configs.iter().any(|config| config.depends_on(name)) {
                let message = format!(
                    "the header \"{name}\" is written behind the filter, where it may take the \
                     place of what was decided on, or of what the filter reports: write it \
                     before the filter, or under another name"
                );
                self.add(place, false, format!("header {name}"), message);
            }
        }
    }

    pub(super) fn of_raw(&self, chain: &FilterChain) {
        for (place, cluster) in &chain.raw {
            let cluster = Cluster::Named(cluster.clone());
            if self.is_of_the_server(&cluster) {
                let to = printed(&cluster);
                let message = format!(
                    "{} passes all bytes on to {to} without reading them: no filter decides \
                     there; remove it",
                    chain.title
                );
                self.add(place, true, cluster_key(&cluster), message);
            }
        }
    }

    pub(super) fn of_unseen(&self, chain: &FilterChain) {
        if self.graph.chains.iter().all(|chain| chain.configs().next().is_none()) {
            return;
        }
        let what = if chain.configs().next().is_some() {
            "rewrites, and whether routes turn the filter off, cannot be followed"
        } else {
            "whether they lead to the server behind the filter cannot be followed"
        };
        for (place, why) in &chain.unseen {
            self.add(
                place,
                false,
                String::new(),
                format!("{why}: {what}; give lint the files with them too"),
            );
        }
    }

    pub(super) fn of_xfcc(&self, chain: &FilterChain) {
        let Some((place, details)) = &chain.forwarded_xfcc else { return };
        let configs = chain.configs().filter_map(|number| self.configs.get(number)?.as_ref());
        if configs.into_iter().any(|config| config.lets_through("x-forwarded-client-cert")) {
            let message = format!(
                "forward_client_cert_details: {details} lets a client's own \
                 x-forwarded-client-cert through to the backend, which must not trust it: set \
                 SANITIZE or SANITIZE_SET"
            );
            self.add(place, false, String::new(), message);
        }
    }

    /// What comes between the filter and the server by way of clusters.
    pub(super) fn of_upstream(&self) {
        let owners: BTreeSet<&String> =
            self.endpoints.iter().flat_map(|endpoint| &endpoint.owners).collect();
        let facts = owners.iter().filter_map(|owner| self.graph.clusters.get(*owner));
        for filter in facts.flat_map(|facts| &facts.filters) {
            self.of_headers(&filter.headers, self.endpoints.iter().map(|endpoint| endpoint.config));
            let what = match &filter.role {
                FilterRole::Changes(what) => (*what).to_owned(),
                FilterRole::Unknown(kind) if !kind.contains("upstream_codec") => {
                    format!("the filter \"{kind}\"")
                }
                _ => continue,
            };
            let message = format!(
                "{what} between the filter and the server may change what was decided on: it \
                 cannot be followed"
            );
            self.add(&filter.place, false, String::new(), message);
        }
    }

    /// Ways past the filter to any server at all, where that behind the filter is not known.
    fn of_unknown_server(&self, chain: &FilterChain, why: &str) {
        let targets = chain.routes.iter().flat_map(|route| &route.destinations);
        let passing = targets
            .filter(|target| target.ways.iter().any(|way| matches!(way, Way::Off { .. })))
            .map(|target| target.cluster.clone());
        let raw = chain.raw.iter().map(|(_, name)| Cluster::Named(name.clone()));
        let Some(other) = passing.chain(raw).find(|cluster| !self.is_of_the_server(cluster)) else {
            return;
        };
        let to = match &other {
            Cluster::Named(name) => format!("\"{name}\""),
            Cluster::Unseen(_) => "some cluster".to_owned(),
        };
        let message = format!(
            "{} leads to {to} past the filter, and where requests go behind the filter is not \
             known, {why}: whether that is the same server cannot be followed",
            chain.title
        );
        self.add(&chain.place, false, "unknown server".to_owned(), message);
    }

    /// Ways past the filter to clusters that may be any server.
    pub(super) fn of_unknown_clusters(&self) {
        let is_owner = |endpoint: &ListedEndpoint| {
            !endpoint.owners.is_empty() || endpoint.unseen_owner.is_some()
        };
        if !self.endpoints.iter().any(is_owner) {
            return;
        }
        let by_route = self.endpoints.iter().find_map(|endpoint| endpoint.unseen_owner);
        let owners = self.endpoints.iter().flat_map(|endpoint| &endpoint.owners);
        let facts = owners.filter_map(|owner| self.graph.clusters.get(owner));
        // A cluster by discovery has its name at least.
        let by_cluster =
            facts.filter_map(|facts| facts.unknown).find(|why| !why.contains("not in these files"));
        let behind = by_route.or(by_cluster);
        for chain in &self.graph.chains {
            if let Some(why) = behind {
                self.of_unknown_server(chain, why);
            }
            let targets = chain.routes.iter().flat_map(|route| &route.destinations);
            let passing =
                targets.filter(|target| target.ways.iter().any(|way| !matches!(way, Way::Runs(_))));
            let named = passing.filter_map(|target| match &target.cluster {
                Cluster::Named(name) => Some(name),
                Cluster::Unseen(_) => None,
            });
            let raw = chain.raw.iter().map(|(_, name)| name);
            let unknown = |name: &str| self.graph.clusters.get(name)?.unknown;
            for (name, why) in named.chain(raw).filter_map(|name| Some((name, unknown(name)?))) {
                if !self.is_of_the_server(&Cluster::Named(name.clone())) {
                    let message = format!(
                        "{} leads to \"{name}\" past the filter, {why}: whether that is the server \
                         behind the filter cannot be followed",
                        chain.title
                    );
                    self.add(&chain.place, false, format!("unknown {name}"), message);
                }
            }
        }
    }
}
