//! Clusters, and which of them are the same server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::listeners::has_chains;
use crate::lint::located::{At, ConfigPlaces, Place};

/// Types of clusters whose parts or addresses are in their settings.
const KNOWN: [&str; 8] = [
    "aggregate",
    "composite",
    "clusters.dns",
    "redis",
    "strict_dns",
    "logical_dns",
    "clusters.static",
    "clusters.eds",
];

/// What the addresses of internal listeners begin with.
const INTERNAL: &str = "internal ";

/// All clusters of some documents.
pub struct UpstreamClusters {
    all: Vec<UpstreamCluster>,
    hops: Vec<Hop>,
}

impl UpstreamClusters {
    /// Those of these documents, with the endpoints that come to them by EDS.
    pub fn of(documents: &[At<'_>], configs: &ConfigPlaces) -> Self {
        let all: Vec<At<'_>> = documents.iter().flat_map(|document| document.within()).collect();
        let mut assigned: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for assignment in all.iter().filter(|at| at.member("endpoints").is_some()) {
            if let Some(name) = assignment.text_of("cluster_name") {
                let addresses = assignment.within().into_iter().filter_map(address);
                assigned.entry(eds(name)).or_default().extend(addresses);
            }
        }
        let hops = all.iter().filter_map(|at| Hop::of(*at, configs)).collect();
        let mut clusters: Vec<UpstreamCluster> =
            all.into_iter().filter_map(UpstreamCluster::of).collect();
        for cluster in &mut clusters {
            let found = cluster.addresses.iter().filter_map(|own| assigned.get(own)).flatten();
            let found: Vec<String> = found.cloned().collect();
            cluster.addresses.extend(found);
        }
        Self { all: clusters, hops }
    }

    /// Other names of the same server: its [`Self::aliases`], what lies behind listeners of this
    /// Envoy to which they lead, and what leads to it through internal listeners.
    pub fn same_server(&self, cluster: &str) -> Vec<String> {
        let mut found = self.aliases(cluster);
        // Where it leads, and then what leads there: not down again from what is above.
        for is_down in [true, false] {
            let mut next = 0;
            while let Some(name) = found.get(next).cloned() {
                next += 1;
                let more: Vec<&String> = if is_down {
                    let own = self.all.iter().filter(|one| one.name == name);
                    let hops = own.flat_map(|one| self.hops.iter().filter(|hop| one.leads_to(hop)));
                    hops.flat_map(|hop| &hop.targets).collect()
                } else {
                    let hops = self.hops.iter().filter(|hop| hop.is_internal);
                    let hops = hops.filter(|hop| hop.targets.contains(&name));
                    let above =
                        hops.flat_map(|hop| self.all.iter().filter(|one| one.leads_to(hop)));
                    above.map(|one| &one.name).collect()
                };
                for alias in more.into_iter().flat_map(|name| self.aliases(name)) {
                    if !found.contains(&alias) {
                        found.push(alias);
                    }
                }
            }
        }
        found
    }

    /// The places of listeners of this Envoy without the filter that lead to a cluster, and to
    /// which clusters lead.
    pub fn listeners_before(&self, cluster: &str) -> BTreeSet<Place> {
        let is_before = |hop: &&Hop| {
            hop.targets.iter().any(|target| target == cluster)
                && self.all.iter().any(|one| one.leads_to(hop))
        };
        self.hops.iter().filter(is_before).map(|hop| hop.place.clone()).collect()
    }

    /// Names of one server: clusters with an address in common, its parts, and those of
    /// which one of them is a part.
    fn aliases(&self, cluster: &str) -> Vec<String> {
        let mut same = vec![cluster.to_owned()];
        // Not down again from what is above: other parts of that are other servers.
        for is_next in [
            UpstreamCluster::is_part_of as fn(&UpstreamCluster, &UpstreamCluster) -> bool,
            |one, of| of.is_part_of(one),
        ] {
            loop {
                let known: Vec<&UpstreamCluster> =
                    self.all.iter().filter(|one| same.contains(&one.name)).collect();
                let is_new = |one: &&UpstreamCluster| !same.contains(&one.name);
                let is_same = |one: &&UpstreamCluster| {
                    known.iter().any(|own| one.shares_address(own) || is_next(one, own))
                };
                let more = self.all.iter().filter(is_new).filter(is_same);
                let more: Vec<String> = more.map(|one| one.name.clone()).collect();
                if more.is_empty() {
                    break;
                }
                same.extend(more);
            }
        }
        same
    }

    /// Why it is not known where the cluster sends requests; none: it is not here.
    pub fn unknown(&self, cluster: &str) -> Option<Option<&'static str>> {
        self.all.iter().find(|one| one.name == cluster).map(|one| one.unknown)
    }
}

/// A cluster.
struct UpstreamCluster {
    name: String,
    addresses: Vec<String>,
    /// Of an aggregate.
    parts: Vec<String>,
    /// Why it is not known which server it is.
    unknown: Option<&'static str>,
}

/// A listener of this Envoy, to which clusters of it may lead.
struct Hop {
    place: Place,
    address: String,
    is_internal: bool,
    /// Whether this filter is in it, which decides then.
    has_filter: bool,
    targets: Vec<String>,
}

impl Hop {
    fn of(at: At<'_>, configs: &ConfigPlaces) -> Option<Self> {
        let is_internal = at.member("internal_listener").is_some();
        let own = if is_internal {
            format!("{INTERNAL}{} ", at.text_of("name")?)
        } else {
            address(at.member("address").filter(|_| has_chains(at))?)?
        };
        let named = at.within().into_iter().flat_map(|at| {
            [at.member("cluster"), at.member("name").filter(|_| at.member("weight").is_some())]
        });
        let targets = named.flatten().filter_map(At::text).map(str::to_owned).collect();
        let has_filter = configs.within(at).is_some();
        Some(Self { place: at.place(), address: own, is_internal, has_filter, targets })
    }

    fn is_at(&self, address: &str) -> bool {
        if self.is_internal {
            return address.starts_with(&self.address);
        }
        let port = |address: &str| {
            let (host, port) = address.rsplit_once(' ')?;
            Some((host.parse::<IpAddr>().ok()?, port.to_owned()))
        };
        let is_here = || {
            let ((own, own_port), (host, port)) = port(&self.address).zip(port(address))?;
            Some(own.is_unspecified() && host.is_loopback() && own_port == port)
        };
        self.address == address || is_here().unwrap_or(false)
    }
}

impl UpstreamCluster {
    fn of(at: At<'_>) -> Option<Self> {
        // By number.
        const TYPES: [&str; 5] = ["STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"];
        let is_cluster = ["load_assignment", "cluster_type", "eds_cluster_config"]
            .iter()
            .any(|name| at.member(name).is_some())
            || at.word_of("type", &TYPES).is_some_and(|kind| TYPES.contains(&kind));
        let name = at.text_of("name").filter(|_| is_cluster)?;
        let within = at.member("load_assignment").into_iter().flat_map(At::within);
        let mut addresses: Vec<String> = within.filter_map(address).collect();
        if at.member("eds_cluster_config").is_some() || at.word_of("type", &TYPES) == Some("EDS") {
            let service = at
                .path(&["eds_cluster_config", "service_name"])
                .and_then(At::text)
                .filter(|name| !name.is_empty());
            addresses.push(eds(service.unwrap_or(name)));
        }
        let own_type = at.member("cluster_type");
        let typed = own_type.and_then(|own| own.member("typed_config")).map(At::typed);
        let parts = typed.into_iter().flat_map(|(config, _)| config.list("clusters"));
        // Names in an aggregate, objects in a composite.
        let parts = parts.filter_map(|part| part.text().or_else(|| part.text_of("name")));
        let parts = parts.map(str::to_owned).collect();
        let kinds = [own_type.and_then(|own| own.text_of("name")), typed.and_then(|(_, url)| url)];
        let is = |words: &[&str]| {
            let mut kinds = kinds.iter().flatten().map(|kind| kind.to_ascii_lowercase());
            kinds.any(|kind| words.iter().any(|word| kind.contains(word)))
        };
        let goes_anywhere = at.word_of("type", &TYPES) == Some("ORIGINAL_DST")
            || is(&["dynamic_forward_proxy", "original_dst"]);
        let unknown = if goes_anywhere {
            Some("a cluster that goes wherever a request asks it to")
        } else {
            let is_known = own_type.is_none() || is(&KNOWN);
            (!is_known).then_some("a cluster of a type that is not known here")
        };
        Some(Self { name: name.to_owned(), addresses, parts, unknown })
    }

    /// Whether it leads to this listener, and no filter decides there.
    fn leads_to(&self, hop: &Hop) -> bool {
        !hop.has_filter && self.addresses.iter().any(|address| hop.is_at(address))
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

/// A host, so that the same one reads the same: an address of IPv6 has many spellings.
fn host_of(host: &str) -> String {
    let host = host.trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) if host == "localhost" => "127.0.0.1".to_owned(),
        Err(_) => host.to_owned(),
    }
}

/// Of an endpoint, so that the same one reads the same.
fn address(at: At<'_>) -> Option<String> {
    if let Some(socket) = at.member("socket_address") {
        let host = socket.text_of("address")?.to_ascii_lowercase();
        let port = socket.member("port_value").or_else(|| socket.member("named_port"))?.node;
        let port = match port.whole_number() {
            Some(number) => number.to_string(),
            None => port.text()?.to_owned(),
        };
        return Some(format!("{} {port}", host_of(&host)));
    }
    if let Some(path) = at.member("pipe").and_then(|pipe| pipe.text_of("path")) {
        return Some(format!("pipe {path}"));
    }
    let internal = at.member("envoy_internal_address")?;
    Some(format!(
        "{INTERNAL}{} {}",
        internal.text_of("server_listener_name")?,
        internal.text_of("endpoint_id").unwrap_or_default()
    ))
}
