//! Route configurations: which requests a route takes, what it makes of their paths, and where they
//! go.

use super::Envoy;
use super::http_filters::written_header;
use super::route_match::path_match;
use super::upgrades::{Upgrade, upgrade_ways};
use super::ways::{main_way, turn_on};
use crate::lint::graph::{Cluster, Destination, FilterChain, Route};
use crate::lint::located::At;
use crate::lint::paths::{Expression, PathMatch, Rewrite};

impl<'a> Envoy<'a> {
    /// Route configurations of this name, of this file or else of the others.
    pub(super) fn route_tables(&self, name: &str) -> Vec<At<'a>> {
        let find = |documents: &[At<'a>]| -> Vec<At<'a>> {
            let all = documents.iter().flat_map(|document| document.within());
            all.filter(|at| {
                at.member("virtual_hosts").is_some() && at.text_of("name") == Some(name)
            })
            .collect()
        };
        let own = find(&self.documents);
        if own.is_empty() { find(&self.others) } else { own }
    }

    pub(super) fn table(&self, table: At<'a>, upgrades: &[Upgrade], chain: &mut FilterChain) {
        if let Some(vhds) = table.member("vhds") {
            chain.unseen.push((
                vhds.place(),
                "virtual hosts that come by VHDS are not in these files".to_owned(),
            ));
        }
        for host in table.list("virtual_hosts") {
            if let Some(matcher) = host.member("matcher") {
                chain.unseen.push((
                    matcher.place(),
                    "routes that a matcher chooses are not followed".to_owned(),
                ));
            }
            let hosts: Vec<String> =
                host.list("domains").filter_map(At::text).map(without_port).collect();
            for route in host.list("routes") {
                turn_on(&[table, host, route], chain);
                let destinations = self.destinations(&[table, host, route], upgrades, chain);
                let (paths, is_conditional) =
                    route.member("match").map_or((PathMatch::unknown(), true), path_match);
                let action = route.member("route");
                chain.routes.push(Route {
                    group: host.node.pointer.clone(),
                    hosts: hosts.clone(),
                    place: route.place(),
                    rewrite: action.map_or(Rewrite::None, |action| rewrite(action, route)),
                    paths,
                    is_conditional,
                    internal_redirects: action
                        .and_then(|action| action.member("internal_redirect_policy"))
                        .map(At::place),
                    destinations,
                });
            }
        }
    }

    /// The clusters of a route. `scopes` = route configuration, virtual host, route.
    fn destinations(
        &self,
        scopes: &[At<'a>; 3],
        upgrades: &[Upgrade],
        chain: &FilterChain,
    ) -> Vec<Destination> {
        let [table, host, route] = *scopes;
        let Some(action) = route.member("route") else { return Vec::new() };
        let chosen = chosen_clusters(action);
        let mut weighted: Vec<Option<At<'a>>> =
            chosen.iter().map(|(_, weighted)| *weighted).collect();
        if weighted.is_empty() {
            weighted.push(None);
        }
        let mirrored = mirrors(action, host, table).into_iter().flat_map(|mirror| {
            // A mirror gets what the cluster gets that is chosen, by the settings for that one.
            weighted.iter().map(move |weighted| (mirror.clone(), *weighted))
        });
        let found = chosen.into_iter().chain(mirrored);
        let main = found.map(|(cluster, weighted)| {
            let scopes: Vec<At<'a>> =
                weighted.into_iter().chain(scopes.iter().rev().copied()).collect();
            let mut ways = vec![main_way(&scopes, chain, self.configs)];
            ways.extend(upgrade_ways(action, upgrades, &scopes, self.configs));
            let host_rewrite = weighted.and_then(host_rewrite).or_else(|| host_rewrite(action));
            let headers = scopes.iter().flat_map(|scope| scope.list("request_headers_to_add"));
            let headers = headers.filter_map(written_header).collect();
            Destination { cluster, ways, host_rewrite, headers }
        });
        main.collect()
    }
}

/// The clusters of which a `RouteAction` chooses one, with the settings for it alone.
fn chosen_clusters<'a>(action: At<'a>) -> Vec<(Cluster, Option<At<'a>>)> {
    let mut found: Vec<(Cluster, Option<At<'a>>)> = Vec::new();
    if let Some(name) = action.member("cluster") {
        found.push((Cluster::Named(name.text().unwrap_or_default().to_owned()), None));
    }
    for weighted in
        action.path(&["weighted_clusters", "clusters"]).into_iter().flat_map(At::elements)
    {
        let cluster = match weighted.text_of("name").filter(|name| !name.is_empty()) {
            Some(name) => Cluster::Named(name.to_owned()),
            None => Cluster::Unseen("a header chooses the cluster"),
        };
        found.push((cluster, Some(weighted)));
    }
    for (name, why) in [
        ("cluster_header", "a header chooses the cluster"),
        ("cluster_specifier_plugin", "a plugin chooses the cluster"),
        ("inline_cluster_specifier_plugin", "a plugin chooses the cluster"),
    ] {
        found.extend(action.member(name).map(|_| (Cluster::Unseen(why), None)));
    }
    found
}

/// The clusters that get a copy of what a `RouteAction` takes.
fn mirrors(action: At<'_>, host: At<'_>, table: At<'_>) -> Vec<Cluster> {
    // Those of the most specific scope that has any, which are not merged.
    let scopes = [action, host, table]
        .map(|scope| scope.list("request_mirror_policies").collect::<Vec<_>>());
    let own = scopes.into_iter().find(|mirrors| !mirrors.is_empty()).into_iter().flatten();
    let clusters = own.filter_map(|mirror| {
        let named = mirror.text_of("cluster").filter(|name| !name.is_empty());
        let unseen = mirror
            .member("cluster_header")
            .map(|_| Cluster::Unseen("a header chooses the cluster of a mirror"));
        named.map(|name| Cluster::Named(name.to_owned())).or(unseen)
    });
    clusters.collect()
}

fn without_port(domain: &str) -> String {
    let end = domain
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit() || b == b'*'));
    end.map_or(domain, |(host, _)| host).to_owned()
}

/// The host that the backend gets by a `RouteAction` or by one of its weighted clusters.
fn host_rewrite(at: At<'_>) -> Option<Option<String>> {
    let literal = at.text_of("host_rewrite_literal").or_else(|| at.text_of("host_rewrite"));
    if let Some(host) = literal {
        return Some(Some(host.to_owned()));
    }
    let is_unseen = ["host_rewrite_header", "host_rewrite_path_regex", "host_rewrite"]
        .iter()
        .any(|name| at.member(name).is_some());
    // The name of the endpoint that is chosen.
    (is_unseen || at.is_true("auto_host_rewrite")).then_some(None)
}

/// What a `RouteAction` makes of the path.
fn rewrite(action: At<'_>, route: At<'_>) -> Rewrite {
    if let Some(prefix) = action.text_of("prefix_rewrite").filter(|prefix| !prefix.is_empty()) {
        return Rewrite::Matched(prefix.to_owned());
    }
    if let Some(regex) = action.member("regex_rewrite") {
        let pattern = regex.path(&["pattern", "regex"]).and_then(At::text).unwrap_or_default();
        let substitution = regex.text_of("substitution").unwrap_or_default().to_owned();
        return Rewrite::Regex { pattern: Expression::anywhere(pattern), substitution };
    }
    if let Some(policy) = action.member("path_rewrite_policy") {
        let new = policy.path(&["typed_config", "path_template_rewrite"]).and_then(At::text);
        let old = route
            .path(&["match", "path_match_policy", "typed_config", "path_template"])
            .and_then(At::text);
        return match old.zip(new) {
            Some((old, new)) => {
                let (matched, names) = Expression::template(old);
                Rewrite::template(new, matched, &names)
            }
            None => Rewrite::Unknown("this policy of rewriting is not understood"),
        };
    }
    if action.member("path_rewrite").is_some() {
        return Rewrite::Unknown("a format string makes the path");
    }
    Rewrite::None
}
