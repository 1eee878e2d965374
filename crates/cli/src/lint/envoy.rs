//! Envoy's own configuration: bootstraps, resources, dumps.

use std::collections::BTreeMap;

use super::filters::{self, Named};
use super::graph::{
    At, Cluster, ConfigPlaces, Destination, Filter, FilterChain, FilterRole, Place, Route, Way,
};
use super::matcher::MatcherTree;
use super::paths::{Expression, PathMatch, Pattern, Rewrite};
use crate::document::Content;

/// Modes in which a client's own header goes on.
const FORWARDING: [&str; 3] = ["FORWARD_ONLY", "ALWAYS_FORWARD_ONLY", "APPEND_FORWARD"];

const ADD_FILTER: &str = "put the filter into it too, or take the route to this cluster away";
pub const ENABLE: &str = "take this away: other paths pass the filter anyway, which strips forged \
    identity headers there too";

/// What the files show, for whoever reads one of them.
pub struct Envoy<'a> {
    /// The documents of the file that is read.
    pub documents: Vec<At<'a>>,
    /// Those of the other files, which may hold routes that it names.
    pub others: Vec<At<'a>>,
    pub configs: &'a ConfigPlaces,
    named: Named,
    clusters: Vec<UpstreamCluster>,
}

impl<'a> Envoy<'a> {
    pub fn new(documents: Vec<At<'a>>, others: Vec<At<'a>>, configs: &'a ConfigPlaces) -> Self {
        let all = documents.iter().chain(&others).flat_map(|document| document.within());
        let named = all.filter(|at| at.member("typed_config").is_some()).filter_map(|at| {
            let config = configs.within(at.member("typed_config")?)?;
            Some((at.said("name")?.to_owned(), config))
        });
        let named = named.collect();
        let all: Vec<At<'a>> = documents.iter().flat_map(|document| document.within()).collect();
        let mut assigned: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for assignment in all.iter().filter(|at| at.member("endpoints").is_some()) {
            if let Some(name) = assignment.said("cluster_name") {
                assigned
                    .entry(eds(name))
                    .or_default()
                    .extend(assignment.within().into_iter().filter_map(address));
            }
        }
        let mut clusters: Vec<UpstreamCluster> =
            all.into_iter().filter_map(UpstreamCluster::of).collect();
        for server in &mut clusters {
            let found: Vec<&String> =
                server.addresses.iter().filter_map(|own| assigned.get(own)).flatten().collect();
            let found: Vec<String> = found.into_iter().cloned().collect();
            server.addresses.extend(found);
        }
        Self { documents, others, configs, named, clusters }
    }

    pub fn entries(&self) -> Vec<FilterChain> {
        let mut entries = Vec::new();
        let is_bootstrap = |at: &At<'a>| {
            ["static_resources", "dynamic_resources"].iter().any(|name| at.member(name).is_some())
        };
        let discovered = self
            .documents
            .iter()
            .filter(|document| !is_bootstrap(document))
            .flat_map(|document| document.within());
        let has_listeners = discovered.into_iter().any(|at| at.member("filter_chains").is_some());
        for document in &self.documents {
            if let Some(lds) =
                document.path(&["dynamic_resources", "lds_config"]).filter(|_| !has_listeners)
            {
                let unseen = vec![(
                    lds.place(),
                    "listeners that come by LDS are not in these files".to_owned(),
                )];
                entries.push(FilterChain { unseen, ..empty("LDS", lds.place()) });
            }
            self.search(*document, &mut entries);
        }
        entries
    }

    fn search(&self, at: At<'a>, entries: &mut Vec<FilterChain>) {
        self.listener(at, entries);
        let has_chains =
            at.member("filter_chains").is_some() || at.member("default_filter_chain").is_some();
        if has_chains {
            let listener = at
                .said("name")
                .map_or_else(|| "a listener".to_owned(), |name| format!("the listener \"{name}\""));
            let chains: Vec<At<'a>> = at.list("filter_chains").collect();
            for (index, chain) in chains.iter().enumerate() {
                let names: Vec<&str> = chain
                    .member("filter_chain_match")
                    .into_iter()
                    .flat_map(|m| m.list("server_names"))
                    .filter_map(At::text)
                    .collect();
                let sni = if names.is_empty() {
                    String::new()
                } else {
                    format!(" (SNI {})", names.join(", "))
                };
                let several = if chains.len() > 1 {
                    format!("filter chain {index}{sni} of ")
                } else {
                    String::new()
                };
                self.chain(*chain, &format!("{several}{listener}"), entries);
            }
            if let Some(chain) = at.member("default_filter_chain") {
                self.chain(chain, &format!("the default filter chain of {listener}"), entries);
            }
            return;
        }
        if at.member("http_filters").is_some() && is_manager(at) {
            self.manager(at, "a connection manager", entries);
            return;
        }
        at.members()
            .map(|(_, value)| value)
            .chain(at.elements())
            .for_each(|child| self.search(child, entries));
    }

    /// What a listener has beside filter chains.
    fn listener(&self, at: At<'a>, entries: &mut Vec<FilterChain>) {
        let title = at
            .said("name")
            .map_or_else(|| "a listener".to_owned(), |name| format!("the listener \"{name}\""));
        if let Some(chains) = at.member("fcds_config") {
            let unseen = vec![(
                chains.place(),
                "filter chains that come by FCDS are not in these files".to_owned(),
            )];
            entries.push(FilterChain { unseen, ..empty(&title, chains.place()) });
        }
        for filter in at.list("listener_filters") {
            for (place, name) in filter
                .member("typed_config")
                .into_iter()
                .flat_map(|config| self.clusters_in(config))
            {
                let why = format!("{title} passes datagrams on to it");
                entries.push(unclear(&title, place, Cluster::Named(name), why));
            }
        }
    }

    /// Whether the files have the settings that a filter gets by discovery.
    fn is_shown(&self, name: &str) -> bool {
        let mut all = self.documents.iter().flat_map(|document| document.within());
        all.any(|at| at.said("name") == Some(name) && at.member("typed_config").is_some())
    }

    fn chain(&self, chain: At<'a>, title: &str, entries: &mut Vec<FilterChain>) {
        for filter in chain.list("filters") {
            let config = filter.member("typed_config").or_else(|| filter.member("config"));
            let name = filter.said("name").unwrap_or_default();
            if let Some(discovery) =
                filter.member("config_discovery").filter(|_| !self.is_shown(name))
            {
                let unseen = vec![(
                    discovery.place(),
                    "network filters that come by discovery are not in these files".to_owned(),
                )];
                entries.push(FilterChain { unseen, ..empty(title, discovery.place()) });
            }
            let Some(config) = config else { continue };
            let kind = config.said("@type").unwrap_or(name);
            if [".sni_cluster.", ".sni_dynamic_forward_proxy."]
                .iter()
                .any(|part| kind.contains(part))
            {
                let why = "the server name that a client sends chooses the cluster".to_owned();
                entries.push(unclear(
                    title,
                    filter.place(),
                    Cluster::Unseen("the server name chooses the cluster"),
                    why,
                ));
            }
            if is_manager(config) || config.member("http_filters").is_some() {
                self.manager(config, title, entries);
            } else {
                let raw = self.clusters_in(config);
                entries.push(FilterChain { raw, ..empty(title, filter.place()) });
            }
        }
    }

    /// Clusters that a network filter names in any way that is known.
    fn clusters_in(&self, config: At<'a>) -> Vec<(Place, String)> {
        let within = config.within().into_iter();
        let named = within.flat_map(|at| {
            [at.member("cluster"), at.member("name").filter(|_| at.member("weight").is_some())]
        });
        named.flatten().filter_map(|at| Some((at.place(), at.text()?.to_owned()))).collect()
    }

    fn manager(&self, manager: At<'a>, title: &str, entries: &mut Vec<FilterChain>) {
        let filters: Vec<Filter> = manager
            .list("http_filters")
            .map(|at| filters::of(at, self.configs, &self.named))
            .collect();
        let place = manager.member("http_filters").unwrap_or(manager).place();
        let details = manager.member("forward_client_cert_details");
        let forwarded_xfcc = details
            .filter(|details| details.text().is_some_and(|text| FORWARDING.contains(&text)))
            .and_then(|details| Some((details.place(), details.text()?.to_owned())));
        let mut entry = FilterChain { filters, forwarded_xfcc, ..empty(title, place) };
        let upgrades: Vec<Upgrade> = manager
            .list("upgrade_configs")
            .map(|at| Upgrade::of(at, self.configs, &self.named))
            .collect();
        let by_name = manager.path(&["rds", "route_config_name"]).and_then(At::text);
        let tables: Vec<At<'a>> = match (manager.member("route_config"), by_name) {
            (Some(table), _) => vec![table],
            (None, Some(name)) => self.route_tables(name),
            (None, None) => Vec::new(),
        };
        for (what, member) in
            [("routes that come by RDS", "rds"), ("scoped routes", "scoped_routes")]
        {
            if let Some(at) = manager.member(member).filter(|_| tables.is_empty()) {
                entry.unseen.push((at.place(), format!("{what} are not in these files")));
            }
        }
        for table in tables {
            self.table(table, &upgrades, &mut entry);
        }
        entries.push(entry);
    }

    /// Route configurations of this name, of this file or else of the others.
    fn route_tables(&self, name: &str) -> Vec<At<'a>> {
        let find = |documents: &[At<'a>]| -> Vec<At<'a>> {
            let all = documents.iter().flat_map(|document| document.within());
            all.filter(|at| at.member("virtual_hosts").is_some() && at.said("name") == Some(name))
                .collect()
        };
        let own = find(&self.documents);
        if own.is_empty() { find(&self.others) } else { own }
    }

    fn table(&self, table: At<'a>, upgrades: &[Upgrade], entry: &mut FilterChain) {
        if let Some(vhds) = table.member("vhds") {
            entry.unseen.push((
                vhds.place(),
                "virtual hosts that come by VHDS are not in these files".to_owned(),
            ));
        }
        for host in table.list("virtual_hosts") {
            if let Some(matcher) = host.member("matcher") {
                entry.unseen.push((
                    matcher.place(),
                    "routes that a matcher chooses are not followed".to_owned(),
                ));
            }
            let hosts: Vec<String> =
                host.list("domains").filter_map(At::text).map(without_port).collect();
            for route in host.list("routes") {
                turn_on(&[table, host, route], entry);
                let targets = self.targets(&[table, host, route], upgrades, entry);
                let (paths, is_conditional) =
                    route.member("match").map_or((unknown(), true), path_match);
                let action = route.member("route");
                let said = |name: &str| action.and_then(|action| action.said(name));
                entry.routes.push(Route {
                    group: host.node.pointer.clone(),
                    hosts: hosts.clone(),
                    place: route.place(),
                    rewrite: action.map_or(Rewrite::None, |action| rewrite(action, route)),
                    paths,
                    is_conditional,
                    host_rewrite: said("host_rewrite_literal")
                        .or_else(|| said("host_rewrite"))
                        .map(|host| Some(host.to_owned()))
                        .or_else(|| {
                            let unseen =
                                ["host_rewrite_header", "host_rewrite_path_regex", "host_rewrite"];
                            action
                                .filter(|action| {
                                    unseen.iter().any(|name| action.member(name).is_some())
                                })
                                .map(|_| None)
                        }),
                    internal_redirects: action
                        .and_then(|action| action.member("internal_redirect_policy"))
                        .map(At::place),
                    targets,
                });
            }
        }
    }

    /// The clusters of a route. `scopes` = route configuration, virtual host, route.
    fn targets(
        &self,
        scopes: &[At<'a>; 3],
        upgrades: &[Upgrade],
        entry: &FilterChain,
    ) -> Vec<Destination> {
        let [table, host, route] = *scopes;
        let Some(action) = route.member("route") else { return Vec::new() };
        let mut found: Vec<(Cluster, Option<At<'a>>)> = Vec::new();
        if let Some(name) = action.member("cluster") {
            found.push((Cluster::Named(name.text().unwrap_or_default().to_owned()), None));
        }
        for weighted in
            action.path(&["weighted_clusters", "clusters"]).into_iter().flat_map(At::elements)
        {
            let cluster = match weighted.said("name") {
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
        // Those of the most specific scope that has any, which are not merged.
        let mirrors = [action, host, table]
            .map(|scope| scope.list("request_mirror_policies").collect::<Vec<_>>());
        for mirror in mirrors.into_iter().find(|mirrors| !mirrors.is_empty()).into_iter().flatten()
        {
            let unseen = mirror
                .member("cluster_header")
                .map(|_| Cluster::Unseen("a header chooses the cluster of a mirror"));
            let named = mirror
                .said("cluster")
                .filter(|name| !name.is_empty())
                .map(|name| Cluster::Named(name.to_owned()));
            found.extend(named.or(unseen).map(|cluster| (cluster, None)));
        }
        let main = found.into_iter().map(|(cluster, weighted)| {
            let scopes: Vec<At<'a>> =
                weighted.into_iter().chain(scopes.iter().rev().copied()).collect();
            let mut ways = vec![main_way(&scopes, entry, self.configs)];
            ways.extend(upgrade_ways(action, upgrades, &scopes, self.configs));
            Destination { cluster, ways }
        });
        main.collect()
    }

    /// What filters of a cluster's own do to requests that go to it.
    pub fn upstream_filters(&self, cluster: &str) -> Vec<Filter> {
        let all = self.documents.iter().flat_map(|document| document.within());
        let is_it = |at: &At<'a>| {
            at.said("name") == Some(cluster)
                && at.member("typed_extension_protocol_options").is_some()
        };
        let options =
            all.filter(is_it).filter_map(|at| at.member("typed_extension_protocol_options"));
        let filters = options.flat_map(At::within).flat_map(|at| at.list("http_filters"));
        filters.map(|at| filters::of(at, self.configs, &self.named)).collect()
    }

    /// Other names of the same server: clusters with an address in common, its parts, and those of
    /// which one of them is a part.
    pub fn same_server(&self, cluster: &str) -> Vec<String> {
        let mut same = vec![cluster.to_owned()];
        // Not down again from what is above: other parts of that are other servers.
        for is_next in [
            UpstreamCluster::is_part_of as fn(&UpstreamCluster, &UpstreamCluster) -> bool,
            |one, of| of.is_part_of(one),
        ] {
            loop {
                let known: Vec<&UpstreamCluster> =
                    self.clusters.iter().filter(|one| same.contains(&one.name)).collect();
                let is_new = |one: &&UpstreamCluster| !same.contains(&one.name);
                let is_same = |one: &&UpstreamCluster| {
                    known.iter().any(|own| one.shares_address(own) || is_next(one, own))
                };
                let more = self.clusters.iter().filter(is_new).filter(is_same);
                let more: Vec<String> = more.map(|one| one.name.clone()).collect();
                if more.is_empty() {
                    break;
                }
                same.extend(more);
            }
        }
        same
    }

    /// Why it cannot be said which server a cluster is.
    pub fn unknown(&self, cluster: &str) -> Option<&'static str> {
        let is_dynamic = |document: &At<'a>| {
            ["cds_config", "ads_config"]
                .iter()
                .any(|name| document.path(&["dynamic_resources", name]).is_some())
        };
        match self.clusters.iter().find(|one| one.name == cluster) {
            Some(server) => {
                server.goes_anywhere.then_some("a cluster that goes wherever a request asks it to")
            }
            None => self
                .documents
                .iter()
                .any(is_dynamic)
                .then_some("a cluster that is not in these files"),
        }
    }
}

/// A cluster.
struct UpstreamCluster {
    name: String,
    addresses: Vec<String>,
    /// Of an aggregate.
    parts: Vec<String>,
    /// The request says to which address.
    goes_anywhere: bool,
}

impl UpstreamCluster {
    fn of(at: At<'_>) -> Option<Self> {
        const TYPES: [&str; 5] = ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"];
        let is_cluster = ["load_assignment", "cluster_type", "eds_cluster_config"]
            .iter()
            .any(|name| at.member(name).is_some())
            || at.said("type").is_some_and(|kind| TYPES.contains(&kind));
        let name = at.said("name").filter(|_| is_cluster)?;
        let within = at.member("load_assignment").into_iter().flat_map(At::within);
        let mut addresses: Vec<String> = within.filter_map(address).collect();
        if at.member("eds_cluster_config").is_some() || at.said("type") == Some("EDS") {
            let service = at
                .path(&["eds_cluster_config", "service_name"])
                .and_then(At::text)
                .filter(|name| !name.is_empty());
            addresses.push(eds(service.unwrap_or(name)));
        }
        let parts = at
            .path(&["cluster_type", "typed_config", "clusters"])
            .into_iter()
            .flat_map(At::elements);
        let parts = parts.filter_map(At::text).map(str::to_owned).collect();
        let kind = at.path(&["cluster_type", "name"]).and_then(At::text).unwrap_or_default();
        let goes_anywhere = at.said("type") == Some("ORIGINAL_DST")
            || ["dynamic_forward_proxy", "original_dst"].iter().any(|name| kind.contains(name));
        Some(Self { name: name.to_owned(), addresses, parts, goes_anywhere })
    }

    fn shares_address(&self, other: &Self) -> bool {
        self.addresses.iter().any(|address| other.addresses.contains(address))
    }

    fn is_part_of(&self, other: &Self) -> bool {
        other.parts.contains(&self.name)
    }
}

/// In place of an address: the name under which endpoints come by EDS.
fn eds(name: &str) -> String {
    format!("eds {name}")
}

/// Of an endpoint, so that the same one reads the same.
fn address(at: At<'_>) -> Option<String> {
    if let Some(socket) = at.member("socket_address") {
        let host = socket.said("address")?.to_ascii_lowercase();
        return Some(format!(
            "{}:{}",
            host.trim_end_matches('.'),
            socket.member("port_value")?.node.to_json()
        ));
    }
    if let Some(path) = at.member("pipe").and_then(|pipe| pipe.said("path")) {
        return Some(format!("pipe {path}"));
    }
    let internal = at.member("envoy_internal_address")?;
    Some(format!(
        "internal {} {}",
        internal.said("server_listener_name")?,
        internal.said("endpoint_id").unwrap_or_default()
    ))
}

fn empty(title: &str, place: Place) -> FilterChain {
    let title = title.to_owned();
    FilterChain {
        title,
        place,
        filters: vec![],
        routes: vec![],
        unseen: vec![],
        raw: vec![],
        forwarded_xfcc: None,
    }
}

/// A way of which the files do not say enough.
pub fn unclear(title: &str, place: Place, cluster: Cluster, why: String) -> FilterChain {
    let way = Way::Unclear { place: place.clone(), why };
    let route = Route {
        group: place.pointer.clone(),
        hosts: vec!["*".to_owned()],
        place: place.clone(),
        paths: unknown(),
        is_conditional: true,
        rewrite: Rewrite::None,
        host_rewrite: None,
        internal_redirects: None,
        targets: vec![Destination { cluster, ways: vec![way] }],
    };
    FilterChain { routes: vec![route], ..empty(title, place) }
}

fn is_manager(config: At<'_>) -> bool {
    ["route_config", "rds", "scoped_routes"].iter().any(|name| config.member(name).is_some())
}

fn unknown() -> PathMatch {
    PathMatch { pattern: Pattern::Unknown, ignores_case: false }
}

fn without_port(domain: &str) -> String {
    let end = domain
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit() || b == b'*'));
    end.map_or(domain, |(host, _)| host).to_owned()
}

/// The path of a `RouteMatch`, and whether it asks for more.
pub fn path_match(at: At<'_>) -> (PathMatch, bool) {
    let text = |name: &str| at.said(name).map(str::to_owned);
    let policy =
        at.path(&["path_match_policy", "typed_config", "path_template"]).and_then(At::text);
    let pattern = text("prefix")
        .map(Pattern::Prefix)
        .or_else(|| text("path").map(Pattern::Exact))
        .or_else(|| text("path_separated_prefix").map(Pattern::Segments))
        .or_else(|| {
            at.path(&["safe_regex", "regex"])
                .and_then(At::text)
                .map(|text| Pattern::Regex(Expression::whole(text)))
        })
        .or_else(|| policy.map(|template| Pattern::Regex(Expression::template(template).0)))
        .unwrap_or(Pattern::Unknown);
    let known = [
        "prefix",
        "path",
        "path_separated_prefix",
        "safe_regex",
        "path_match_policy",
        "case_sensitive",
    ];
    let is_conditional = at.members().any(|(name, value)| {
        let is_known = known.iter().any(|known| {
            at.member(known).is_some_and(|member| std::ptr::eq(member.node, value.node))
        });
        // An empty list asks for nothing; an empty object may be all that there is to say.
        let is_empty = match &value.node.content {
            Content::Null => true,
            Content::Array(elements) => elements.is_empty(),
            Content::Object(members) => members.is_empty(),
            Content::Bool(_) | Content::Number(_) | Content::Text(_) => false,
        };
        let is_object = ["grpc", "connect_matcher", "connectMatcher"].contains(&name);
        !is_known && (is_object || !is_empty)
    });
    let ignores_case = matches!(
        at.member("case_sensitive").map(|at| &at.node.content),
        Some(Content::Bool(false))
    );
    (PathMatch { pattern, ignores_case }, is_conditional)
}

/// What a `RouteAction` makes of the path.
pub fn rewrite(action: At<'_>, route: At<'_>) -> Rewrite {
    if let Some(prefix) = action.said("prefix_rewrite").filter(|prefix| !prefix.is_empty()) {
        return Rewrite::Matched(prefix.to_owned());
    }
    if let Some(regex) = action.member("regex_rewrite") {
        let pattern = regex.path(&["pattern", "regex"]).and_then(At::text).unwrap_or_default();
        let substitution = regex.said("substitution").unwrap_or_default().to_owned();
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

/// How a request that is no upgrade meets the filter. `scopes` from the most specific one.
fn main_way(scopes: &[At<'_>], entry: &FilterChain, configs: &ConfigPlaces) -> Way {
    let ours = entry.filters.iter().filter(|filter| filter.kind.config().is_some());
    let mut running = Vec::new();
    let mut last = None;
    for filter in ours {
        let is_past_the_end = entry
            .filters
            .iter()
            .take_while(|other| other.place != filter.place)
            .any(|other| other.kind == FilterRole::Ends);
        if is_past_the_end {
            let why = "the filter stands behind the router and never runs".to_owned();
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
        match (way, &filter.kind) {
            (Some(way), _) => last = Some(way),
            (None, FilterRole::Ours { skips: Some(tree), .. }) if tree.can_skip() => {
                last = Some(Way::Matched { place: filter.place.clone(), tree: tree.clone() });
            }
            (None, kind) => running.extend(kind.config()),
        }
    }
    if !running.is_empty() {
        return Way::Runs(running);
    }
    last.unwrap_or_else(|| Way::Off {
        place: entry.place.clone(),
        why: format!("{} has no such filter", entry.title),
        fix: ADD_FILTER.to_owned(),
    })
}

/// What a route, or what it belongs to, says of a filter.
enum Override {
    On,
    Off,
    /// A matcher decides in place of the filter's own.
    Matched(MatcherTree),
    Unclear,
}

/// What the most specific `typed_per_filter_config` says of a filter, and where.
fn override_of<'a>(
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
    let is_of = |at: At<'_>, kind: &str| at.said("@type").is_some_and(|url| url.ends_with(kind));
    let is_wrapped = own.said("@type").is_none() || is_of(own, ".FilterConfig");
    let inner = if is_wrapped {
        own.member("config").filter(|config| config.members().next().is_some())
    } else {
        Some(own)
    };
    let over = match inner {
        None => Override::On,
        Some(inner) if is_of(inner, ".ExtensionWithMatcherPerRoute") => {
            let of = |otherwise: bool| MatcherTree::of_route(inner, otherwise, configs);
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
fn turn_on(scopes: &[At<'_>], entry: &mut FilterChain) {
    let weighted =
        scopes.iter().flat_map(|scope| scope.path(&["route", "weighted_clusters", "clusters"]));
    let weighted: Vec<At<'_>> = weighted.flat_map(At::elements).collect();
    for all in
        scopes.iter().chain(&weighted).filter_map(|scope| scope.member("typed_per_filter_config"))
    {
        for (name, own) in all.members().filter(|(_, own)| !own.is_true("disabled")) {
            for filter in entry.filters.iter_mut().filter(|filter| filter.name == name) {
                match filter.kind {
                    FilterRole::Harmless if mutates_requests(own) => {
                        filter.kind = FilterRole::Changes("a header mutation");
                        (filter.place, filter.is_disabled) = (own.place(), false);
                    }
                    FilterRole::Changes(_) | FilterRole::Unknown(_) => filter.is_disabled = false,
                    _ => {}
                }
            }
        }
    }
}

/// Whether a value turns a header mutation into one of requests.
fn mutates_requests(at: At<'_>) -> bool {
    let is_it =
        |at: &At<'_>| at.said("@type").is_some_and(|url| url.ends_with(".HeaderMutationPerRoute"));
    at.within().into_iter().filter(is_it).any(filters::mutates_requests)
}

/// An `upgrade_configs` element of a connection manager.
pub struct Upgrade {
    kind: String,
    is_enabled: bool,
    /// Its own filters, where it has any.
    filters: Option<(Place, Vec<Filter>)>,
}

impl Upgrade {
    fn of(at: At<'_>, configs: &ConfigPlaces, named: &Named) -> Self {
        let filters: Vec<Filter> =
            at.list("filters").map(|at| filters::of(at, configs, named)).collect();
        Self {
            kind: at.said("upgrade_type").unwrap_or_default().to_owned(),
            is_enabled: is_on(at),
            filters: (!filters.is_empty()).then(|| (at.place(), filters)),
        }
    }
}

fn is_on(at: At<'_>) -> bool {
    !matches!(at.member("enabled").map(|at| &at.node.content), Some(Content::Bool(false)))
}

/// How requests that ask for an upgrade go past the filter.
fn upgrade_ways(
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
            at.said("upgrade_type").is_some_and(|kind| kind.eq_ignore_ascii_case(&upgrade.kind))
        });
        if !of_route.map_or(upgrade.is_enabled, |at| is_on(*at)) {
            continue;
        }
        let runs =
            filters.iter().take_while(|filter| filter.kind != FilterRole::Ends).any(|filter| {
                let over = override_of(scopes, &filter.name, configs)
                    .map(|(_, over)| !matches!(over, Override::Off));
                matches!(filter.kind, FilterRole::Ours { skips: None, .. })
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
