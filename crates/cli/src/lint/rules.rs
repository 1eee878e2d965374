//! What is wrong with a graph: ways past the filter, and paths that it does not see as what they
//! become.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use super::endpoints::{
    LintedConfig, ListedEndpoint, common_host, entry_to_add, example, host_of_both,
};
use super::graph::{
    Cluster, Destination, FilterChain, FilterRole, Graph, Place, Remark, Route, Way,
};
use super::paths::{Answer, Rewrite, samples, spellings};

/// The findings of one graph. `same_server` = other names of a cluster, itself among them.
pub struct Rules<'a> {
    graph: &'a Graph,
    configs: &'a [Option<LintedConfig>],
    same_server: &'a dyn Fn(&str) -> Vec<String>,
    endpoints: Vec<ListedEndpoint>,
    /// By place; an error takes the place of a doubt.
    found: RefCell<BTreeMap<(Place, String), Remark>>,
}

/// Where an endpoint goes by one route.
struct Owner {
    clusters: Vec<String>,
    /// What arrives, where that is another path.
    image: Option<String>,
    /// Whether the route takes it as it is listed.
    is_plain: bool,
}

/// A path that is sent, and the one that arrives.
struct Arrival {
    sent: String,
    arrives: String,
    /// Whether the route takes it for sure, as far as its path goes.
    is_sure: bool,
}

impl<'a> Rules<'a> {
    pub fn new(
        graph: &'a Graph,
        configs: &'a [Option<LintedConfig>],
        same_server: &'a dyn Fn(&str) -> Vec<String>,
    ) -> Self {
        let used: Vec<usize> = graph.entries.iter().flat_map(FilterChain::configs).collect();
        let mut endpoints = Vec::new();
        for (number, config) in
            configs.iter().enumerate().filter(|(number, _)| used.contains(number))
        {
            for (_, text, hosts) in config.iter().flat_map(LintedConfig::entries) {
                endpoints.push(ListedEndpoint::new(number, text, hosts));
            }
        }
        let mut rules = Self { graph, configs, same_server, endpoints, found: RefCell::default() };
        rules.find_owners();
        rules
    }

    pub fn findings(self) -> Vec<Remark> {
        for entry in &self.graph.entries {
            self.of_filters(entry);
            self.of_raw(entry);
            self.of_unseen(entry);
            self.of_xfcc(entry);
            for route in &entry.routes {
                for target in &route.targets {
                    for way in &target.ways {
                        self.of_way(entry, route, target, way);
                    }
                }
            }
        }
        self.graph.remarks.iter().cloned().chain(self.found.into_inner().into_values()).collect()
    }

    /// Where each endpoint goes: by ways on which the filter runs, or else by those on which it was
    /// meant to.
    fn find_owners(&mut self) {
        for only_running in [true, false] {
            let found: Vec<(usize, Owner)> = (self.endpoints.iter().enumerate())
                .filter(|(_, endpoint)| endpoint.owners.is_empty())
                .flat_map(|(number, endpoint)| {
                    self.owners(endpoint, only_running)
                        .into_iter()
                        .map(move |owner| (number, owner))
                })
                .collect();
            for (number, Owner { clusters, image, .. }) in &found {
                let Some(endpoint) = self.endpoints.get_mut(*number) else { continue };
                endpoint.owners.extend(clusters.iter().cloned());
                endpoint.images.extend(image.iter().cloned());
                let mut own =
                    found.iter().filter(|(other, owner)| other == number && owner.is_plain);
                endpoint.is_inside =
                    endpoint.images.is_empty() || own.any(|(_, owner)| owner.image.is_none());
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
        for entry in self
            .graph
            .entries
            .iter()
            .filter(|entry| entry.configs().any(|own| own == endpoint.config))
        {
            for route in &entry.routes {
                let Some(host) = host_of_both(&route.hosts, &endpoint.hosts) else { continue };
                let hint = route.paths.hint();
                let any = || vec![hint.clone(), format!("{hint}x"), "/x".to_owned()];
                let plain = endpoint.text.as_ref().map_or_else(any, |text| samples(text, &hint));
                let is_taken = |path: &String| {
                    endpoint.is(path)
                        && takes(entry, route, path) != Answer::No
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
            for target in &route.targets {
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
                    found.push(Owner { clusters: (self.same_server)(cluster), image, is_plain });
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
            for entry in self
                .graph
                .entries
                .iter()
                .filter(|entry| entry.configs().any(|own| own == endpoint.config))
            {
                for route in entry
                    .routes
                    .iter()
                    .filter(|route| host_of_both(&route.hosts, &endpoint.hosts).is_some())
                {
                    let named = route.targets.iter().filter_map(|target| match &target.cluster {
                        Cluster::Named(name) => Some(name),
                        Cluster::Unseen(_) => None,
                    });
                    if self.arrival(entry, route, endpoint, |_, _| true).is_some() {
                        found.extend(named.map(|name| (number, (self.same_server)(name))));
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

    /// A path that the route takes and that arrives as the endpoint, and of which this is so
    /// besides.
    fn arrival(
        &self,
        entry: &FilterChain,
        route: &Route,
        endpoint: &ListedEndpoint,
        is: impl Fn(&str, &str) -> bool,
    ) -> Option<Arrival> {
        endpoint.outside(route).into_iter().find_map(|sent| {
            let taken = takes(entry, route, &sent);
            let arrives = route.rewrite.of(&route.paths, &sent).ok()?;
            let is_it = taken != Answer::No && endpoint.is(&arrives) && is(&sent, &arrives);
            is_it.then_some(Arrival { sent, arrives, is_sure: taken == Answer::Yes })
        })
    }

    /// Whether a cluster serves the endpoint.
    fn serves(&self, cluster: &Cluster, endpoint: &ListedEndpoint) -> bool {
        match cluster {
            Cluster::Named(name) => endpoint.owners.contains(name),
            Cluster::Unseen(_) => !endpoint.owners.is_empty(),
        }
    }

    fn is_of_the_server(&self, cluster: &Cluster) -> bool {
        self.endpoints.iter().any(|endpoint| self.serves(cluster, endpoint))
    }

    /// Whether trials tell if what the route makes of paths is an endpoint of this cluster.
    fn is_followed(&self, route: &Route, cluster: &Cluster) -> bool {
        let is_endpoint = |path: &str| {
            let mut served =
                self.endpoints.iter().filter(|endpoint| self.serves(cluster, endpoint));
            served.any(|endpoint| endpoint.is(path))
        };
        route.rewrite.is_followed(&route.paths, is_endpoint)
    }

    fn of_way(&self, entry: &FilterChain, route: &Route, target: &Destination, way: &Way) {
        let cluster = &target.cluster;
        if !self.is_of_the_server(cluster) {
            return;
        }
        match way {
            Way::Runs(configs) => {
                self.of_gated(entry, route, target, configs);
                self.of_host(entry, route, target, configs);
            }
            Way::Off { place, why, fix } => {
                self.of_bypass(entry, route, target, (place, why, fix), |_| Answer::Yes)
            }
            Way::Matched { place, tree } => {
                let why = "a matcher decides whether the filter runs";
                let fix = "let the filter run for every request: other paths pass it anyway";
                self.of_bypass(entry, route, target, (place, why, fix), |path| tree.skips(path));
            }
            Way::Unclear { place, why } => {
                let message = format!(
                    "{why}: whether the filter sees what goes to {} by this way cannot be followed",
                    printed(cluster)
                );
                self.add(place, false, cluster_key(cluster), message);
            }
        }
    }

    /// A way on which the filter does not run, or only where `skips` says no.
    fn of_bypass(
        &self,
        entry: &FilterChain,
        route: &Route,
        target: &Destination,
        (place, why, fix): (&Place, &str, &str),
        skips: impl Fn(&str) -> Answer,
    ) {
        let cluster = &target.cluster;
        let to = printed(cluster);
        let mut is_unclear = !self.is_followed(route, cluster);
        for endpoint in self.endpoints.iter().filter(|endpoint| self.serves(cluster, endpoint)) {
            let found = self.arrival(entry, route, endpoint, |sent, _| skips(sent) == Answer::Yes);
            let found = found.or_else(|| {
                self.arrival(entry, route, endpoint, |sent, _| skips(sent) == Answer::Maybe)
            });
            let Some(Arrival { sent, arrives, is_sure }) = found else { continue };
            let comes = if sent == arrives { String::new() } else { format!(" as {arrives}") };
            let is_certain = is_sure
                && matches!(cluster, Cluster::Named(_))
                && skips(&sent) == Answer::Yes
                && !route.rewrite.has_groups();
            if is_certain {
                let message =
                    format!("{why}: POST {sent} reaches {to}{comes} without any decision; {fix}");
                self.add(place, true, cluster_key(cluster), message);
                return;
            }
            is_unclear = true;
        }
        let message = if is_unclear || matches!(cluster, Cluster::Unseen(_)) {
            let how = match (&route.rewrite, cluster) {
                (_, Cluster::Unseen(how)) => format!(", {how}"),
                (Rewrite::None, _) => String::new(),
                _ => ", the path is rewritten".to_owned(),
            };
            format!(
                "{why}: whether an endpoint can be reached by this way ({}{how}) cannot be \
                 followed; {fix}",
                route.paths.printed()
            )
        } else {
            format!(
                "{why}: no endpoint is reached by this way as it is listed, but other paths of \
                 {to} are ({}), with whatever identity headers a client forges; {fix}",
                route.paths.printed()
            )
        };
        self.add(place, false, cluster_key(cluster), message);
    }

    /// A way on which it runs: what is sent must be gated if what arrives is an endpoint.
    fn of_gated(
        &self,
        entry: &FilterChain,
        route: &Route,
        target: &Destination,
        configs: &[usize],
    ) {
        let cluster = &target.cluster;
        let mut unfollowed = !self.is_followed(route, cluster);
        for endpoint in self.endpoints.iter().filter(|endpoint| self.serves(cluster, endpoint)) {
            let Some(host) = host_of_both(&route.hosts, &endpoint.hosts) else { continue };
            let running: Vec<&LintedConfig> =
                configs.iter().filter_map(|number| self.configs.get(*number)?.as_ref()).collect();
            // A configuration with errors has its own findings.
            if running.is_empty() || endpoint.text.is_none() {
                unfollowed = false;
                continue;
            }
            let passes =
                |sent: &str, _: &str| !running.iter().any(|config| config.gates(&host, sent));
            let Some(Arrival { sent, arrives, is_sure }) =
                self.arrival(entry, route, endpoint, passes)
            else {
                continue;
            };
            unfollowed = false;
            if sent == arrives && endpoint.images.is_empty() {
                let line = self
                    .configs
                    .get(endpoint.config)
                    .and_then(Option::as_ref)
                    .map_or(0, |config| config.line);
                let message = format!(
                    "POST {sent} is gated by the configuration in line {line}, but passes the one \
                     that runs here: list it in \"endpoints\" of both"
                );
                self.add(&route.place, is_sure, cluster_key(cluster), message);
                continue;
            }
            let missing = entry_to_add(endpoint, route, &sent);
            let message = format!(
                "{}: POST {sent} passes undecided and arrives at {} as {arrives}, which is an \
                 endpoint: add \"{missing}\" to \"endpoints\"",
                if route.rewrite == Rewrite::None {
                    "another way to it"
                } else {
                    "the path is rewritten"
                },
                printed(cluster),
            );
            let is_certain =
                is_sure && !route.rewrite.has_groups() && matches!(cluster, Cluster::Named(_));
            self.add(
                &route.place,
                is_certain,
                format!("{missing} {}", cluster_key(cluster)),
                message,
            );
        }
        if unfollowed {
            let message = format!(
                "the path is rewritten in a way that cannot be followed ({}): list in \
                 \"endpoints\" every path that arrives at {} as an endpoint",
                match &route.rewrite {
                    Rewrite::Unknown(why) => (*why).to_owned(),
                    Rewrite::Regex { pattern, .. } => pattern.text.clone(),
                    _ => route.paths.printed(),
                },
                printed(cluster),
            );
            self.add(&route.place, false, cluster_key(cluster), message);
        }
        if let Some(place) = &route.internal_redirects {
            let message = "redirects of the backend are followed by Envoy: a path that is not \
                gated can become one that is an endpoint; let clients follow them"
                .to_owned();
            self.add(place, false, String::new(), message);
        }
    }

    /// A way on which it runs and the backend gets another host: the tenant that decides must be
    /// that host's.
    fn of_host(&self, entry: &FilterChain, route: &Route, target: &Destination, configs: &[usize]) {
        let Some(new) = &route.host_rewrite else { return };
        let by_host = |endpoint: &&ListedEndpoint| {
            !endpoint.hosts.iter().any(|host| host == "*") && configs.contains(&endpoint.config)
        };
        for endpoint in self
            .endpoints
            .iter()
            .filter(by_host)
            .filter(|endpoint| self.serves(&target.cluster, endpoint))
        {
            let is_told = new.as_ref().is_none_or(|new| {
                endpoint.hosts.iter().any(|host| common_host(host, new).is_some())
            });
            let outside = route.hosts.iter().find(|host| {
                !endpoint
                    .hosts
                    .iter()
                    .any(|own| common_host(own, host).is_some_and(|_| *host != "*"))
            });
            let (Some(outside), true) = (outside.map(|host| example(host)), is_told) else {
                continue;
            };
            let Some(config) = self.configs.get(endpoint.config).and_then(Option::as_ref) else {
                continue;
            };
            let passing =
                self.arrival(entry, route, endpoint, |sent, _| !config.gates(&outside, sent));
            let passes = passing.is_some();
            let Some(Arrival { sent, .. }) =
                passing.or_else(|| self.arrival(entry, route, endpoint, |_, _| true))
            else {
                continue;
            };
            let how =
                if passes { "passes undecided" } else { "is decided by another tenant's policy" };
            let new_host = new.as_deref().unwrap_or("whatever the request says");
            let message = format!(
                "the host is rewritten: POST {sent} for {outside} {how} and arrives at {} for \
                 {new_host}: name the hosts from outside in \"hosts\" of that tenant",
                printed(&target.cluster)
            );
            self.add(
                &route.place,
                passes && new.is_some(),
                format!("host {}", cluster_key(&target.cluster)),
                message,
            );
        }
    }

    /// The order of filters.
    fn of_filters(&self, entry: &FilterChain) {
        let Some(first) = entry.filters.iter().position(|filter| filter.kind.config().is_some())
        else {
            return;
        };
        let leads_there = entry
            .routes
            .iter()
            .flat_map(|route| &route.targets)
            .any(|target| self.is_of_the_server(&target.cluster));
        let end = entry.filters.iter().position(|filter| filter.kind == FilterRole::Ends);
        if let (Some(end), Some(own)) = (end, entry.filters.get(first))
            && end < first
        {
            // Where routes are shown, each way says so.
            if !entry.routes.is_empty() {
                return;
            }
            let message =
                "the filter stands behind the router and never runs: put it first".to_owned();
            self.add(&own.place, true, "order".to_owned(), message);
            return;
        }
        for filter in entry.filters.iter().filter(|filter| filter.kind.config().is_some()) {
            if let Some(gap) = filter.gap {
                self.add(&filter.place, false, "gap".to_owned(), gap.to_owned());
            }
        }
        for (index, filter) in
            entry.filters.iter().enumerate().take(end.unwrap_or(entry.filters.len()))
        {
            let is_behind = index > first || filter.is_unordered;
            let message = match &filter.kind {
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

    fn of_raw(&self, entry: &FilterChain) {
        for (place, cluster) in &entry.raw {
            let cluster = Cluster::Named(cluster.clone());
            if self.is_of_the_server(&cluster) {
                let to = printed(&cluster);
                let message = format!(
                    "{} takes whatever comes to {to} without looking at it: no filter decides \
                     there; take it away",
                    entry.title
                );
                self.add(place, true, cluster_key(&cluster), message);
            }
        }
    }

    fn of_unseen(&self, entry: &FilterChain) {
        if self.graph.entries.iter().all(|entry| entry.configs().next().is_none()) {
            return;
        }
        let what = if entry.configs().next().is_some() {
            "rewrites, and whether routes turn the filter off, cannot be followed"
        } else {
            "whether they lead to the server behind the filter cannot be followed"
        };
        for (place, why) in &entry.unseen {
            self.add(
                place,
                false,
                String::new(),
                format!("{why}: {what}; give lint the files with them too"),
            );
        }
    }

    fn of_xfcc(&self, entry: &FilterChain) {
        let Some((place, details)) = &entry.forwarded_xfcc else { return };
        let configs = entry.configs().filter_map(|number| self.configs.get(number)?.as_ref());
        if configs.into_iter().any(|config| config.lets_through("x-forwarded-client-cert")) {
            let message = format!(
                "forward_client_cert_details: {details} lets a client's own \
                 x-forwarded-client-cert through to the backend, which must not trust it: set \
                 SANITIZE or SANITIZE_SET"
            );
            self.add(place, false, String::new(), message);
        }
    }

    /// What `filters` of a cluster's own do.
    pub fn of_upstream(&self, filters: impl Fn(&str) -> Vec<super::graph::Filter>) {
        let mut owners: Vec<String> =
            self.endpoints.iter().flat_map(|endpoint| endpoint.owners.clone()).collect();
        owners.sort();
        owners.dedup();
        for filter in owners.iter().flat_map(|owner| filters(owner)) {
            let what = match &filter.kind {
                FilterRole::Changes(what) => (*what).to_owned(),
                FilterRole::Unknown(kind) if !kind.contains("upstream_codec") => {
                    format!("the filter \"{kind}\"")
                }
                _ => continue,
            };
            let message = format!(
                "{what} of the cluster runs behind the filter and may change what was decided on: \
                 it cannot be followed"
            );
            self.add(&filter.place, false, String::new(), message);
        }
    }

    /// Ways past the filter to clusters that may be any server; `unknown` = why.
    pub fn of_unknown_clusters(&self, unknown: impl Fn(&str) -> Option<&'static str>) {
        if self.endpoints.iter().all(|endpoint| endpoint.owners.is_empty()) {
            return;
        }
        for entry in &self.graph.entries {
            let targets = entry.routes.iter().flat_map(|route| &route.targets);
            let passing =
                targets.filter(|target| target.ways.iter().any(|way| !matches!(way, Way::Runs(_))));
            let named = passing.filter_map(|target| match &target.cluster {
                Cluster::Named(name) => Some(name),
                Cluster::Unseen(_) => None,
            });
            let raw = entry.raw.iter().map(|(_, name)| name);
            for (name, why) in named.chain(raw).filter_map(|name| Some((name, unknown(name)?))) {
                if !self.is_of_the_server(&Cluster::Named(name.clone())) {
                    let message = format!(
                        "{} leads to \"{name}\" past the filter, {why}: whether that is the server \
                         behind the filter cannot be followed",
                        entry.title
                    );
                    self.add(&entry.place, false, format!("unknown {name}"), message);
                }
            }
        }
    }

    /// One finding for a place and a key, the gravest.
    fn add(&self, place: &Place, is_error: bool, key: String, message: String) {
        let remark = Remark { place: place.clone(), is_error, message };
        match self.found.borrow_mut().entry((place.clone(), key)) {
            Slot::Vacant(free) => {
                free.insert(remark);
            }
            Slot::Occupied(mut taken) if is_error && !taken.get().is_error => {
                taken.insert(remark);
            }
            Slot::Occupied(_) => {}
        }
    }
}

/// Whether this route gets a request for the path, and no other before it.
fn takes(entry: &FilterChain, route: &Route, path: &str) -> Answer {
    let before = entry
        .routes
        .iter()
        .take_while(|other| other.place != route.place)
        .filter(|other| other.group == route.group);
    let mut before = before.filter(|other| !other.is_conditional);
    if before.any(|other| other.paths.takes(path) == Answer::Yes) {
        Answer::No
    } else {
        route.paths.takes(path)
    }
}

fn printed(cluster: &Cluster) -> String {
    match cluster {
        Cluster::Named(name) => format!("\"{name}\""),
        Cluster::Unseen(_) => "the server behind the filter".to_owned(),
    }
}

fn cluster_key(cluster: &Cluster) -> String {
    if let Cluster::Named(name) = cluster { name.clone() } else { String::new() }
}
