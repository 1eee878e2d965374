//! Listeners, their filter chains, and the connection managers in them.

use super::Envoy;
use super::upgrades::Upgrade;
use super::{http_filters, tls};
use crate::envoy_config::CLIENT_CERT_DETAILS;
use crate::lint::graph::{Cluster, Filter, FilterChain, FilterRole, Route};
use crate::lint::located::{At, Place};
use crate::lint::paths::Rewrite;

/// Modes in which a client's own header goes on.
const FORWARDING: [&str; 3] = ["FORWARD_ONLY", "ALWAYS_FORWARD_ONLY", "APPEND_FORWARD"];

impl<'a> Envoy<'a> {
    pub(super) fn chains(&self) -> Vec<FilterChain> {
        let mut found = Vec::new();
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
            let lds = ["lds_config", "lds_resources_locator"]
                .iter()
                .find_map(|name| document.path(&["dynamic_resources", name]));
            if let Some(lds) = lds.filter(|_| !has_listeners) {
                let what = "listeners that come by LDS are not in these files";
                found.push(FilterChain::unseen("LDS", lds.place(), what));
            }
            self.search(*document, &mut found);
        }
        found
    }

    fn search(&self, at: At<'a>, found: &mut Vec<FilterChain>) {
        self.listener(at, found);
        if has_chains(at) {
            let mut chains = self.filter_chains(at);
            // Only clusters of this Envoy lead to it, and they count as what lies behind it.
            if at.member("internal_listener").is_some() && self.configs.within(at).is_none() {
                for chain in &mut chains {
                    (chain.routes, chain.raw) = (Vec::new(), Vec::new());
                }
            }
            found.append(&mut chains);
            return;
        }
        if at.member("http_filters").is_some() && is_manager(at) {
            self.manager(at, "a connection manager", None, found);
            return;
        }
        at.members()
            .map(|(_, value)| value)
            .chain(at.elements())
            .for_each(|child| self.search(child, found));
    }

    fn filter_chains(&self, at: At<'a>) -> Vec<FilterChain> {
        let mut found = Vec::new();
        let listener = at
            .text_of("name")
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
            self.chain(*chain, &format!("{several}{listener}"), &mut found);
        }
        if let Some(chain) = at.member("default_filter_chain") {
            self.chain(chain, &format!("the default filter chain of {listener}"), &mut found);
        }
        found
    }

    /// What a listener of this Envoy without the filter does to requests that go on to a cluster:
    /// its filters, and in their form its routes.
    pub(super) fn changes(&self, listener: At<'a>, cluster: &str) -> Vec<Filter> {
        let leads_there = |route: &&Route| {
            let mut targets = route.destinations.iter();
            targets.any(|target| target.cluster.name().is_none_or(|name| name == cluster))
        };
        let mut found = Vec::new();
        for chain in self.filter_chains(listener) {
            let routes: Vec<&Route> = chain.routes.iter().filter(leads_there).collect();
            if routes.is_empty() {
                continue;
            }
            let running = chain.filters.iter().take_while(|one| one.role != FilterRole::Router);
            found.extend(running.filter(|filter| !filter.is_disabled).cloned());
            found.extend(routes.into_iter().map(|route| {
                let targets = &route.destinations;
                let role = match &route.rewrite {
                    Rewrite::None if targets.iter().all(|to| to.host_rewrite.is_none()) => {
                        FilterRole::Harmless
                    }
                    Rewrite::None => FilterRole::Changes("a route that rewrites the host"),
                    _ => FilterRole::Changes("a route that rewrites the path"),
                };
                let headers = targets.iter().flat_map(|to| to.headers.clone()).collect();
                Filter { headers, ..Filter::new(route.place.clone(), "", role) }
            }));
        }
        found
    }

    /// What a listener has beside filter chains.
    fn listener(&self, at: At<'a>, found: &mut Vec<FilterChain>) {
        let title = at
            .text_of("name")
            .map_or_else(|| "a listener".to_owned(), |name| format!("the listener \"{name}\""));
        if let Some(chains) = at.member("fcds_config") {
            let what = "filter chains that come by FCDS are not in these files";
            found.push(FilterChain::unseen(&title, chains.place(), what));
        }
        for filter in at.list("listener_filters") {
            for (place, name) in filter
                .member("typed_config")
                .into_iter()
                .flat_map(|config| self.clusters_in(config))
            {
                let why = format!("{title} passes datagrams on to it");
                found.push(FilterChain::unclear(&title, place, Cluster::Named(name), why));
            }
        }
    }

    /// Whether the files have the settings that a filter gets by discovery.
    fn is_shown(&self, name: &str) -> bool {
        let mut all = self.documents.iter().flat_map(|document| document.within());
        all.any(|at| at.text_of("name") == Some(name) && at.member("typed_config").is_some())
    }

    fn chain(&self, chain: At<'a>, title: &str, found: &mut Vec<FilterChain>) {
        for filter in chain.list("filters") {
            let config = filter.member("typed_config").or_else(|| filter.member("config"));
            let name = filter.text_of("name").unwrap_or_default();
            if let Some(discovery) =
                filter.member("config_discovery").filter(|_| !self.is_shown(name))
            {
                let what = "network filters that come by discovery are not in these files";
                found.push(FilterChain::unseen(title, discovery.place(), what));
            }
            let Some(config) = config else { continue };
            let (config, url) = config.typed();
            let kind = url.unwrap_or(name);
            let sets_cluster = |at: &At<'a>| {
                let keys = [at.text_of("object_key"), at.text_of("factory_key")];
                keys.contains(&Some("envoy.tcp_proxy.cluster"))
            };
            if config.within().iter().any(sets_cluster) {
                let why = "the filter state envoy.tcp_proxy.cluster chooses the cluster".to_owned();
                let cluster = Cluster::Unseen("a filter state chooses the cluster");
                found.push(FilterChain::unclear(title, filter.place(), cluster, why));
            }
            if [".sni_cluster.", ".sni_dynamic_forward_proxy."]
                .iter()
                .any(|part| kind.contains(part))
            {
                let why = "the server name that a client sends chooses the cluster".to_owned();
                found.push(FilterChain::unclear(
                    title,
                    filter.place(),
                    Cluster::Unseen("the server name chooses the cluster"),
                    why,
                ));
            }
            let is_http = match url {
                Some(url) => url.ends_with("HttpConnectionManager"),
                None => is_manager(config) || config.member("http_filters").is_some(),
            };
            if is_http {
                self.manager(config, title, Some(chain), found);
                continue;
            }
            let raw = self.clusters_in(config);
            found.push(FilterChain { raw, ..FilterChain::empty(title, filter.place()) });
            if let Some(at) =
                ["generic_rds", "trds", "rds"].iter().find_map(|name| config.member(name))
            {
                let what = "routes that come by discovery are not in these files";
                found.push(FilterChain::unseen(title, at.place(), what));
            }
            if !is_known_network_filter(kind) {
                let why = format!("the network filter \"{kind}\" is not known here");
                let cluster = Cluster::Unseen("a network filter may choose the cluster");
                found.push(FilterChain::unclear(title, filter.place(), cluster, why));
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

    /// `chain` = the filter chain around it, where it is shown.
    fn manager(
        &self,
        manager: At<'a>,
        title: &str,
        chain: Option<At<'a>>,
        found: &mut Vec<FilterChain>,
    ) {
        let mut filters: Vec<Filter> = Vec::new();
        for at in manager.list("http_filters") {
            // They see a request when all other filters have, but the router is the last of these.
            filters.extend(http_filters::behind_the_router(at, self.configs, &self.discovered));
            filters.push(http_filters::of(at, self.configs, &self.discovered));
        }
        let place = manager.member("http_filters").unwrap_or(manager).place();
        let details = manager.word_of("forward_client_cert_details", &CLIENT_CERT_DETAILS);
        let forwarded_xfcc =
            details.filter(|details| FORWARDING.contains(details)).and_then(|text| {
                let place = manager.member("forward_client_cert_details")?.place();
                Some((place, text.to_owned()))
            });
        let mut own = FilterChain { filters, forwarded_xfcc, ..FilterChain::empty(title, place) };
        own.keeps_spellings =
            !(manager.is_true("normalize_path") && manager.is_true("merge_slashes"));
        own.keeps_dot_segments = !manager.is_true("normalize_path");
        if let Some(chain) = chain {
            own.tls = tls::of_chain(chain);
        }
        let upgrades: Vec<Upgrade> = manager
            .list("upgrade_configs")
            .map(|at| Upgrade::of(at, self.configs, &self.discovered))
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
                own.unseen.push((at.place(), format!("{what} are not in these files")));
            }
        }
        for table in tables {
            self.table(table, &upgrades, &mut own);
        }
        found.push(own);
    }
}

pub(super) fn has_chains(at: At<'_>) -> bool {
    at.member("filter_chains").is_some() || at.member("default_filter_chain").is_some()
}

/// Whether what a network filter does with connections is understood: it chooses no cluster, or one
/// that its settings name.
fn is_known_network_filter(kind: &str) -> bool {
    const KNOWN: [&str; 27] = [
        "client_ssl_auth",
        "connection_limit",
        "direct_response",
        "dubbo_proxy",
        "echo",
        "ext_authz",
        "generic_proxy",
        "geoip",
        "kafka_broker",
        "local_ratelimit",
        "metadata_exchange",
        "metadataexchange",
        "mongo_proxy",
        "mysql_proxy",
        "peer_metadata",
        "postgres_proxy",
        "ratelimit",
        "rbac",
        "redis_proxy",
        "rocketmq_proxy",
        "set_filter_state",
        "sip_proxy",
        "sni_cluster",
        "sni_dynamic_forward_proxy",
        "stats",
        "tcp_proxy",
        "thrift_proxy",
    ];
    let lower = kind.to_ascii_lowercase();
    let is_of_envoy = lower.contains("filters.network.") || lower.contains("istio.");
    let mut words = lower.split(['.', '/']);
    is_of_envoy && (words.any(|word| KNOWN.contains(&word)) || lower.contains("zookeeper_proxy"))
}

fn is_manager(config: At<'_>) -> bool {
    ["route_config", "rds", "scoped_routes"].iter().any(|name| config.member(name).is_some())
}
