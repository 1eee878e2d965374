//! Which names of backends are those of one server.

use std::collections::{BTreeMap, BTreeSet};

use super::resource::{Resource, service};
use crate::lint::graph::{Cluster, Destination, Graph};
use crate::lint::located::At;

/// A name may be that of another one, and that of a third.
const DEEPEST: usize = 4;

/// A server, as far as the files say which it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    subject: Subject,
    /// Of the pods, or of the host; none: it may be any.
    port: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Host(String),
    /// The pods of a namespace with these labels.
    Pods {
        namespace: String,
        labels: BTreeSet<(String, String)>,
    },
}

impl Subject {
    /// What all subjects have in common that may be the same one.
    fn key(&self) -> (bool, &str) {
        match self {
            Self::Host(host) => (true, host),
            Self::Pods { namespace, .. } => (false, namespace),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            // All pods with more labels are among those with fewer.
            (Self::Pods { labels: own, .. }, Self::Pods { labels, .. }) => {
                own.is_subset(labels) || labels.is_subset(own)
            }
            _ => self == other,
        }
    }
}

/// The names of all backends, by what they may be.
pub struct SameServers {
    identities: BTreeMap<String, Vec<Identity>>,
    by_key: BTreeMap<(bool, String), BTreeSet<String>>,
}

impl SameServers {
    pub fn of(resources: &[Resource<'_>], names: BTreeSet<String>) -> Self {
        let services = Services::of(resources);
        let (mut identities, mut by_key) = (BTreeMap::new(), BTreeMap::new());
        for name in names {
            let mut found = Vec::new();
            services.identify(&name, 0, &mut found);
            for identity in &found {
                let (is_host, key) = identity.subject.key();
                let named = by_key.entry((is_host, key.to_owned())).or_insert_with(BTreeSet::new);
                named.insert(name.clone());
            }
            identities.insert(name, found);
        }
        Self { identities, by_key }
    }

    /// Names of the same server, its own among them.
    pub fn names(&self, name: &str) -> Vec<String> {
        let own = self.identities.get(name).map(Vec::as_slice).unwrap_or_default();
        let mut found = BTreeSet::from([name.to_owned()]);
        for identity in own {
            let (is_host, key) = identity.subject.key();
            let near = self.by_key.get(&(is_host, key.to_owned()));
            for other in near.into_iter().flatten() {
                let others = self.identities.get(other).into_iter().flatten();
                let is_same = |other: &Identity| {
                    let has_port = identity.port.is_some() && other.port.is_some();
                    identity.subject.is(&other.subject)
                        && (!has_port || identity.port == other.port)
                };
                if others.into_iter().any(is_same) {
                    found.insert(other.clone());
                }
            }
        }
        found.into_iter().collect()
    }
}

/// What says which server a host is, by its name.
struct Services<'a> {
    services: BTreeMap<String, Resource<'a>>,
    entries: BTreeMap<&'a str, Vec<Resource<'a>>>,
}

impl<'a> Services<'a> {
    fn of(resources: &[Resource<'a>]) -> Self {
        let (mut services, mut entries) = (BTreeMap::new(), BTreeMap::new());
        for resource in resources {
            match resource.kind {
                "Service" => {
                    let host = service(resource.name, resource.namespace, None);
                    services.insert(host, *resource);
                }
                "ServiceEntry" => {
                    for host in resource.list("hosts").filter_map(At::text) {
                        entries.entry(host).or_insert_with(Vec::new).push(*resource);
                    }
                }
                _ => {}
            }
        }
        Self { services, entries }
    }

    fn identify(&self, name: &str, depth: usize, found: &mut Vec<Identity>) {
        let (host, port) = host_and_port(name);
        let own =
            Identity { subject: Subject::Host(host.to_owned()), port: port.map(str::to_owned) };
        if depth >= DEEPEST || found.contains(&own) {
            return;
        }
        found.push(own);
        if let Some((resource, spec)) =
            self.services.get(host).and_then(|one| Some((one, one.spec()?)))
        {
            if let Some(other) = spec.text_of("externalName") {
                let other = other.trim_end_matches('.').to_ascii_lowercase();
                self.identify(&with_port(&other, port), depth + 1, found);
            }
            let labels: BTreeSet<(String, String)> = spec
                .member("selector")
                .into_iter()
                .flat_map(At::members)
                .filter_map(|(name, value)| Some((name.to_owned(), value.text()?.to_owned())))
                .collect();
            if !labels.is_empty() {
                let namespace = resource.namespace.to_owned();
                let port = port.map(|port| target(spec, "port", port));
                found.push(Identity { subject: Subject::Pods { namespace, labels }, port });
            }
        }
        for entry in self.entries.get(host).into_iter().flatten() {
            let Some(spec) = entry.spec() else { continue };
            let port = port.map(|port| target(spec, "number", port));
            for address in spec.list("endpoints").filter_map(|at| at.text_of("address")) {
                let address = address.trim_end_matches('.').to_ascii_lowercase();
                let address = service(&address, entry.namespace, None);
                self.identify(&with_port(&address, port.as_deref()), depth + 1, found);
            }
        }
    }
}

/// The port behind one of a service.
fn target(spec: At<'_>, name: &str, port: &str) -> String {
    let number = |at: At<'_>, name: &str| at.member(name).map(|at| at.node.to_json().to_string());
    let own = spec.list("ports").find(|at| number(*at, name).as_deref() == Some(port));
    own.and_then(|own| number(own, "targetPort")).unwrap_or_else(|| port.to_owned())
}

fn with_port(host: &str, port: Option<&str>) -> String {
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn host_and_port(name: &str) -> (&str, Option<&str>) {
    name.rsplit_once(':').map_or((name, None), |(host, port)| (host, Some(port)))
}

/// Backends of Envoy Gateway get the names of the services at their addresses.
pub fn name_backends(resources: &[Resource<'_>], graph: &mut Graph) {
    let addresses = |name: &str| -> Vec<String> {
        let Some(backend) = backend(resources, name) else { return Vec::new() };
        let namespace = backend.namespace;
        let found = backend.list("endpoints").filter_map(|endpoint| {
            if let Some(path) = endpoint.path(&["unix", "path"]).and_then(At::text) {
                return Some(format!("unix:{path}"));
            }
            let (at, host) =
                [("fqdn", "hostname"), ("ip", "address")].iter().find_map(|(kind, host)| {
                    endpoint.member(kind).and_then(|at| Some((at, at.text_of(host)?)))
                })?;
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            Some(service(&host, namespace, at.member("port")))
        });
        found.collect()
    };
    for chain in &mut graph.chains {
        for route in &mut chain.routes {
            let named = |target: Destination| -> Vec<Destination> {
                let found = target.cluster.name().map(addresses).unwrap_or_default();
                if found.is_empty() {
                    return vec![target];
                }
                let each = found
                    .into_iter()
                    .map(|name| Destination { cluster: Cluster::Named(name), ..target.clone() });
                each.collect()
            };
            route.destinations =
                std::mem::take(&mut route.destinations).into_iter().flat_map(named).collect();
        }
        let raw = std::mem::take(&mut chain.raw).into_iter().flat_map(|(place, name)| {
            let found = addresses(&name);
            let found = if found.is_empty() { vec![name] } else { found };
            found.into_iter().map(move |name| (place.clone(), name)).collect::<Vec<_>>()
        });
        chain.raw = raw.collect();
    }
}

/// Why it is not known which server a backend is.
pub fn unknown(resources: &[Resource<'_>], name: &str) -> Option<&'static str> {
    let spec = backend(resources, name)?.spec()?;
    (spec.text_of("type") == Some("DynamicResolver"))
        .then_some("a cluster that goes wherever a request asks it to")
}

/// The Backend of this name, as a route has it.
fn backend<'a>(resources: &[Resource<'a>], name: &str) -> Option<Resource<'a>> {
    let name = name.strip_prefix("Backend ")?;
    let (namespace, name) = name.split(':').next()?.split_once('/')?;
    let is_it = |resource: &&Resource<'a>| {
        (resource.kind, resource.namespace, resource.name) == ("Backend", namespace, name)
    };
    resources.iter().find(is_it).copied()
}
