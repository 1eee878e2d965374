//! The graph that the rules judge: filter chains, their routes, and the clusters to which each of
//! them leads. Every format becomes this.

mod connection;
mod matcher;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub use self::connection::{
    ChainTls, ClientCertificates, ClientTraffic, ClientValidation, OctetLimit, TlsParameters,
    TlsVersion,
};
pub use self::matcher::{MatcherTest, MatcherTree};
use super::finding::Severity;
use super::located::{At, Place};
use super::paths::{PathMatch, Rewrite};

/// A filter chain of a listener, or what a gateway serves for some hosts.
#[derive(Clone, Debug)]
pub struct FilterChain {
    /// As "filter chain 0 of the listener \"oauth\"".
    pub title: String,
    /// The place of its filters.
    pub place: Place,
    pub filters: Vec<Filter>,
    pub routes: Vec<Route>,
    /// What the files do not show of where it leads.
    pub unseen: Vec<(Place, String)>,
    /// Clusters that get its bytes as they come.
    pub raw: Vec<(Place, String)>,
    /// `forward_client_cert_details` with which a client's own header goes on.
    pub forwarded_xfcc: Option<(Place, String)>,
    /// Whether slashes and percent encodings of a path reach routes and backends as they come.
    pub keeps_spellings: bool,
    /// Whether dot segments of a path do.
    pub keeps_dot_segments: bool,
    pub tls: ChainTls,
    /// What a ClientTrafficPolicy of Envoy Gateway sets for its connections.
    pub client_traffic: Option<ClientTraffic>,
    /// What of a gateway lets in certificates that are not verified, in words.
    pub lets_untrusted: Vec<(Place, &'static str)>,
}

impl FilterChain {
    /// A chain without anything in it.
    pub fn empty(title: impl Into<String>, place: Place) -> Self {
        Self {
            title: title.into(),
            tls: ChainTls::Unseen(place.clone()),
            client_traffic: None,
            lets_untrusted: Vec::new(),
            place,
            filters: Vec::new(),
            routes: Vec::new(),
            unseen: Vec::new(),
            raw: Vec::new(),
            forwarded_xfcc: None,
            keeps_spellings: false,
            keeps_dot_segments: false,
        }
    }

    /// A chain whose destination is not in these files; what of it, in words.
    pub fn unseen(title: impl Into<String>, place: Place, what: impl Into<String>) -> Self {
        let unseen = vec![(place.clone(), what.into())];
        Self { unseen, ..Self::empty(title, place) }
    }

    /// A chain that leads to the cluster in a way of which the files do not show enough.
    pub fn unclear(title: &str, place: Place, cluster: Cluster, why: String) -> Self {
        let way = Way::Unclear { place: place.clone(), why };
        let route = Route {
            group: place.pointer.clone(),
            hosts: vec!["*".to_owned()],
            place: place.clone(),
            paths: PathMatch::unknown(),
            is_conditional: true,
            rewrite: Rewrite::None,
            internal_redirects: None,
            destinations: vec![Destination::new(cluster, way)],
        };
        Self { routes: vec![route], ..Self::empty(title, place) }
    }

    /// The configurations of this filter in it, running or not.
    pub fn configs(&self) -> impl Iterator<Item = usize> {
        self.filters.iter().filter_map(|filter| filter.role.config())
    }
}

/// An HTTP filter, in the order in which requests meet them.
#[derive(Clone, Debug)]
pub struct Filter {
    pub place: Place,
    pub name: String,
    pub role: FilterRole,
    /// Off, unless a route turns it on.
    pub is_disabled: bool,
    /// Whether it may run behind this filter, though it is listed before it.
    pub is_unordered: bool,
    /// Why requests may go past it while it is not there.
    pub gap: Option<&'static str>,
    /// The request headers that its settings have it write.
    pub headers: Vec<WrittenHeader>,
}

impl Filter {
    /// One that runs where it is listed and writes no headers by name.
    pub fn new(place: Place, name: impl Into<String>, role: FilterRole) -> Self {
        Self {
            place,
            name: name.into(),
            role,
            is_disabled: false,
            is_unordered: false,
            gap: None,
            headers: Vec::new(),
        }
    }
}

/// The name of a request header, and where the files say that it is written.
#[derive(Clone, Debug)]
pub struct WrittenHeader {
    pub place: Place,
    pub name: String,
}

impl WrittenHeader {
    /// One whose name is this value.
    pub fn of(name: At<'_>) -> Option<Self> {
        Some(Self { place: name.place(), name: name.text()?.to_owned() })
    }
}

/// What an HTTP filter does to requests, as far as that matters here.
#[derive(Clone, Debug, PartialEq)]
pub enum FilterRole {
    /// This filter, with the configuration of this number.
    ThisFilter { config: usize, skips: Option<MatcherTree> },
    /// The router: nothing behind it sees a request.
    Router,
    /// It leaves the request as it is, or answers it.
    Harmless,
    /// `jwt_authn`, which is as harmless.
    VerifiesTokens(TokenVerification),
    /// It may change what the backend gets, and how.
    Changes(&'static str),
    /// Nothing is known of it.
    Unknown(String),
}

/// `jwt_authn`, as far as resources depend on it.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenVerification {
    pub providers: Vec<TokenProvider>,
    /// The first that takes a request says what is required of it.
    pub rules: Vec<TokenRule>,
}

/// A rule of `jwt_authn`.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRule {
    pub place: Place,
    pub paths: PathMatch,
    /// Whether it asks for more than the path.
    pub is_conditional: bool,
    /// None: it requires nothing, so that no token is verified.
    pub requires: Option<TokenRequirement>,
}

/// What a rule of `jwt_authn` requires.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRequirement {
    /// The names of the providers that verify; none: each of them does.
    pub providers: Vec<String>,
    /// Whether a request goes on of which no token was verified.
    pub lets_failed: bool,
}

/// A provider of `jwt_authn`, as far as resources depend on it.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenProvider {
    pub place: Place,
    pub name: String,
    /// `payload_in_metadata`
    pub metadata: Option<String>,
    /// `forward_payload_header`
    pub payload_header: Option<String>,
    /// `forward: true`
    pub keeps_token: bool,
    /// Whether it reads `Authorization` with `Bearer ` and no other place.
    pub reads_bearer_alone: bool,
}

impl TokenRule {
    /// Whether it has a token verified by one of the providers with these names.
    pub fn has_verified_by(&self, names: &[&str]) -> bool {
        self.requires.as_ref().is_some_and(|required| {
            required.providers.is_empty()
                || required.providers.iter().any(|name| names.contains(&name.as_str()))
        })
    }
}

impl TokenProvider {
    pub fn forwards_in(&self, header: &str) -> bool {
        self.payload_header.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(header))
    }
}

impl FilterRole {
    pub fn config(&self) -> Option<usize> {
        if let Self::ThisFilter { config, .. } = self { Some(*config) } else { None }
    }
}

#[derive(Clone, Debug)]
pub struct Route {
    /// The first that takes a request wins, among those of one group.
    pub group: String,
    /// Hosts, `*`, `*.suffix` or `prefix.*`.
    pub hosts: Vec<String>,
    pub place: Place,
    pub paths: PathMatch,
    /// Whether it asks for more than the path.
    pub is_conditional: bool,
    pub rewrite: Rewrite,
    /// The setting by which redirects of the backend are followed.
    pub internal_redirects: Option<Place>,
    /// None: it answers, or redirects the client.
    pub destinations: Vec<Destination>,
}

/// Where requests of a route go.
#[derive(Clone, Debug)]
pub struct Destination {
    pub cluster: Cluster,
    /// How a request meets this filter on the way; more than one where that depends on the request.
    pub ways: Vec<Way>,
    /// The `:authority` that the backend gets, where it is another one; within: none where the
    /// files do not say which.
    pub host_rewrite: Option<Option<String>>,
    /// The request headers that the route writes.
    pub headers: Vec<WrittenHeader>,
}

impl Destination {
    /// One that gets requests with their headers as they are.
    pub fn new(cluster: Cluster, way: Way) -> Self {
        Self { cluster, ways: vec![way], host_rewrite: None, headers: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Cluster {
    Named(String),
    /// A header, a plugin or the like chooses it.
    Unseen(&'static str),
}

impl Cluster {
    pub fn name(&self) -> Option<&str> {
        if let Self::Named(name) = self { Some(name) } else { None }
    }
}

/// How requests meet this filter.
#[derive(Clone, Debug)]
pub enum Way {
    /// Each of these configurations decides.
    Runs(Vec<usize>),
    /// A matcher decides whether it runs.
    Matched { place: Place, tree: MatcherTree },
    /// It does not run.
    Off { place: Place, why: String, fix: String },
    /// The files do not show whether it runs.
    Unclear { place: Place, why: String },
}

/// The way to correct a setting that turns the filter off.
pub const ENABLE: &str = "remove this: other paths pass the filter anyway, which strips forged \
    identity headers there too";

/// What the files show of a cluster beside the routes to it.
#[derive(Clone, Debug, Default)]
pub struct ClusterFacts {
    /// Names under which the same server is known, its own among them.
    pub same_server: Vec<String>,
    /// Why it is not known which server it is.
    pub unknown: Option<&'static str>,
    /// What requests meet on the way to it behind the filters of the first listener.
    pub filters: Vec<Filter>,
}

/// A finding that a format makes by itself.
#[derive(Clone, Debug)]
pub struct Remark {
    pub place: Place,
    pub severity: Severity,
    pub message: String,
}

/// Filter chains, and the clusters to which they lead.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub chains: Vec<FilterChain>,
    pub clusters: BTreeMap<String, ClusterFacts>,
    pub remarks: Vec<Remark>,
    /// Whether chains have filters of a control plane, which the files do not show.
    pub hides_filters: bool,
}

impl Graph {
    /// The names of all clusters to which it leads.
    pub fn cluster_names(&self) -> BTreeSet<String> {
        let routes = self.chains.iter().flat_map(|chain| &chain.routes);
        let routed = routes.flat_map(|route| &route.destinations);
        let named = routed.filter_map(|destination| destination.cluster.name());
        let raw = self.chains.iter().flat_map(|chain| &chain.raw).map(|(_, name)| name.as_str());
        named.chain(raw).map(str::to_owned).collect()
    }

    /// Adds the `facts` of each cluster to which it leads, and of the other names of those.
    pub fn describe_clusters(&mut self, facts: impl Fn(&str) -> ClusterFacts) {
        let mut open: Vec<String> = self.cluster_names().into_iter().collect();
        while let Some(name) = open.pop() {
            if let Entry::Vacant(free) = self.clusters.entry(name) {
                let facts = facts(free.key());
                open.extend(facts.same_server.iter().cloned());
                free.insert(facts);
            }
        }
    }

    /// The names under which the server of a cluster is known, that of the cluster among them.
    pub fn same_server(&self, cluster: &str) -> Vec<String> {
        let known = self.clusters.get(cluster).map(|facts| facts.same_server.clone());
        known.unwrap_or_else(|| vec![cluster.to_owned()])
    }
}
