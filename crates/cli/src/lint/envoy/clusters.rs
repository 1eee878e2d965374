//! Clusters, and which of them are the same server.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::lint::located::At;

/// All clusters of some documents.
pub struct UpstreamClusters(Vec<UpstreamCluster>);

impl UpstreamClusters {
    /// Those of these documents, with the endpoints that come to them by EDS.
    pub fn of(documents: &[At<'_>]) -> Self {
        let all: Vec<At<'_>> = documents.iter().flat_map(|document| document.within()).collect();
        let mut assigned: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for assignment in all.iter().filter(|at| at.member("endpoints").is_some()) {
            if let Some(name) = assignment.text_of("cluster_name") {
                let addresses = assignment.within().into_iter().filter_map(address);
                assigned.entry(eds(name)).or_default().extend(addresses);
            }
        }
        let mut clusters: Vec<UpstreamCluster> =
            all.into_iter().filter_map(UpstreamCluster::of).collect();
        for cluster in &mut clusters {
            let found = cluster.addresses.iter().filter_map(|own| assigned.get(own)).flatten();
            let found: Vec<String> = found.cloned().collect();
            cluster.addresses.extend(found);
        }
        Self(clusters)
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
                    self.0.iter().filter(|one| same.contains(&one.name)).collect();
                let is_new = |one: &&UpstreamCluster| !same.contains(&one.name);
                let is_same = |one: &&UpstreamCluster| {
                    known.iter().any(|own| one.shares_address(own) || is_next(one, own))
                };
                let more = self.0.iter().filter(is_new).filter(is_same);
                let more: Vec<String> = more.map(|one| one.name.clone()).collect();
                if more.is_empty() {
                    break;
                }
                same.extend(more);
            }
        }
        same
    }

    /// Whether requests themselves choose where the cluster sends them; none: it is not here.
    pub fn goes_anywhere(&self, cluster: &str) -> Option<bool> {
        self.0.iter().find(|one| one.name == cluster).map(|one| one.goes_anywhere)
    }
}

/// A cluster.
struct UpstreamCluster {
    name: String,
    addresses: Vec<String>,
    /// Of an aggregate.
    parts: Vec<String>,
    /// The request chooses the address.
    goes_anywhere: bool,
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
        let parts = at
            .path(&["cluster_type", "typed_config", "clusters"])
            .into_iter()
            .flat_map(At::elements);
        let parts = parts.filter_map(At::text).map(str::to_owned).collect();
        let kind = at.path(&["cluster_type", "name"]).and_then(At::text).unwrap_or_default();
        let goes_anywhere = at.word_of("type", &TYPES) == Some("ORIGINAL_DST")
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
        "internal {} {}",
        internal.text_of("server_listener_name")?,
        internal.text_of("endpoint_id").unwrap_or_default()
    ))
}
