//! Routes on which an endpoint passes the filter, or arrives as another path than it decided on.

use std::collections::BTreeMap;

use super::{Arrival, OrderedChain, Rules, cluster_key, printed};
use crate::lint::endpoints::{LintedConfig, ListedEndpoint, entry_to_add};
use crate::lint::graph::{Cluster, Destination, Route, Way};
use crate::lint::hosts::{common_host, example, host_of_both};
use crate::lint::located::Place;
use crate::lint::paths::{Answer, Rewrite};

impl Rules<'_> {
    pub(super) fn of_way(
        &self,
        chain: &OrderedChain<'_>,
        route: &Route,
        target: &Destination,
        way: &Way,
    ) {
        let cluster = &target.cluster;
        if !self.is_of_the_server(cluster) {
            return;
        }
        if !matches!(way, Way::Off { .. }) {
            self.of_headers(&target.headers, chain.chain.configs());
        }
        match way {
            Way::Runs(configs) => {
                self.of_gated(chain, route, target, configs);
                self.of_host(chain, route, target, configs);
                self.of_tenants(chain, route, target, configs);
            }
            Way::Off { place, why, fix } => {
                self.of_bypass(chain, route, target, (place, why, fix), false, |_| Answer::Yes)
            }
            Way::Matched { place, tree } => {
                let why = "a matcher decides whether the filter runs";
                let fix = "let the filter run for every request: other paths pass it anyway";
                let is_tried = tree.has_expressions();
                self.of_bypass(chain, route, target, (place, why, fix), is_tried, |path| {
                    tree.skips(path)
                });
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

    /// A way on which the filter does not run, or only for paths that are not skipped; `is_tried`:
    /// a few trials are all that is known of which those are.
    fn of_bypass(
        &self,
        chain: &OrderedChain<'_>,
        route: &Route,
        target: &Destination,
        (place, why, fix): (&Place, &str, &str),
        is_tried: bool,
        skips: impl Fn(&str) -> Answer,
    ) {
        let cluster = &target.cluster;
        let to = printed(cluster);
        let mut is_unclear = is_tried || !self.is_followed(route, cluster);
        for endpoint in self.served(cluster) {
            let found = self.arrival(chain, route, endpoint, |sent, _| skips(sent) == Answer::Yes);
            let found = found.or_else(|| {
                self.arrival(chain, route, endpoint, |sent, _| skips(sent) == Answer::Maybe)
            });
            let Some(Arrival { sent, arrives, is_sure }) = found else {
                is_unclear |= endpoint.is_undecided(route);
                continue;
            };
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
                 {to} are ({}), with any identity headers that a client forges; {fix}",
                route.paths.printed()
            )
        };
        self.add(place, false, cluster_key(cluster), message);
    }

    /// A way on which it runs: what is sent must be gated if what arrives is an endpoint.
    fn of_gated(
        &self,
        chain: &OrderedChain<'_>,
        route: &Route,
        target: &Destination,
        configs: &[usize],
    ) {
        let cluster = &target.cluster;
        let mut unfollowed = !self.is_followed(route, cluster);
        let running: BTreeMap<usize, &LintedConfig> = configs
            .iter()
            .filter_map(|number| Some((*number, self.configs.get(*number)?.as_ref()?)))
            .collect();
        for endpoint in self.served(cluster) {
            if !endpoint.may_come_by(route) {
                continue;
            }
            let Some(host) = host_of_both(&route.hosts, &endpoint.hosts) else { continue };
            // A configuration with errors has its own findings.
            if running.is_empty() || endpoint.text.is_none() {
                unfollowed = false;
                continue;
            }
            let passes = |sent: &str, _: &str| {
                // Its own configuration gates it nearly always; the others need not be asked.
                let own = running.get(&endpoint.config).into_iter();
                !own.chain(running.values()).any(|config| config.gates(&host, sent))
            };
            let Some(Arrival { sent, arrives, is_sure }) =
                self.arrival(chain, route, endpoint, passes)
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
                let (_, member) = endpoint.words();
                let message = format!(
                    "POST {sent} is gated by the configuration in line {line}, but passes the one \
                     that runs here: list it in {member} of both"
                );
                self.add(&route.place, is_sure, cluster_key(cluster), message);
                continue;
            }
            let missing = entry_to_add(endpoint, route, &sent);
            let (what, member) = endpoint.words();
            // No entry has dot segments.
            let mend = match sent.contains("/../") {
                true => "set normalize_path on the connection manager".to_owned(),
                false => format!("add \"{missing}\" to {member}"),
            };
            let message = format!(
                "{}: POST {sent} passes undecided and arrives at {} as {arrives}, which is {what}: \
                 {mend}",
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
    fn of_host(
        &self,
        chain: &OrderedChain<'_>,
        route: &Route,
        target: &Destination,
        configs: &[usize],
    ) {
        let Some(new) = &target.host_rewrite else { return };
        let by_host = |endpoint: &&ListedEndpoint| {
            !endpoint.hosts.iter().any(|host| host == "*") && configs.contains(&endpoint.config)
        };
        for endpoint in self.served(&target.cluster).filter(by_host) {
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
                self.arrival(chain, route, endpoint, |sent, _| !config.gates(&outside, sent));
            let passes = passing.is_some();
            let Some(Arrival { sent, .. }) =
                passing.or_else(|| self.arrival(chain, route, endpoint, |_, _| true))
            else {
                continue;
            };
            let how =
                if passes { "passes undecided" } else { "is decided by another tenant's policy" };
            let new_host = new.as_deref().unwrap_or("a host that these files do not show");
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
}
