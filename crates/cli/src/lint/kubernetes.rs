//! Resources of Kubernetes: what they are called, and to which graph those of all files add up.

use super::envoy::unclear;
use super::gateway;
use super::graph::{At, Cluster, ConfigPlaces, FilterChain, Graph, Place, Remark};
use super::install;
use super::istio;

/// A resource.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    pub at: At<'a>,
    pub kind: &'a str,
    /// `gateway.networking.k8s.io` of `gateway.networking.k8s.io/v1`.
    pub group: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl<'a> Resource<'a> {
    fn of(at: At<'a>) -> Option<Self> {
        let metadata = |name: &str| at.path(&["metadata", name]).and_then(At::text);
        Some(Self {
            at,
            kind: at.said("kind")?,
            group: at.said("apiVersion").unwrap_or_default().split('/').next().unwrap_or_default(),
            namespace: metadata("namespace").unwrap_or("default"),
            name: metadata("name").unwrap_or_default(),
        })
    }

    pub fn spec(self) -> Option<At<'a>> {
        self.at.member("spec")
    }

    /// The elements of a list in `spec`.
    pub fn list(self, name: &str) -> impl Iterator<Item = At<'a>> {
        self.spec().into_iter().flat_map(move |spec| spec.list(name).collect::<Vec<_>>())
    }

    /// As in a sentence.
    pub fn printed(self) -> String {
        format!("{} \"{}/{}\"", self.kind, self.namespace, self.name)
    }

    /// Whether these labels are on it.
    pub fn has_labels(self, wanted: At<'a>) -> bool {
        let own = self.at.path(&["metadata", "labels"]);
        wanted.members().all(|(name, value)| own.and_then(|own| own.said(name)) == value.text())
    }
}

/// Whether a document is one, or a list of them.
pub fn is_resource(at: At<'_>) -> bool {
    at.said("kind").is_some()
        && ["apiVersion", "spec", "items"].iter().any(|name| at.member(name).is_some())
}

/// The documents as resources, those in a `List` one by one.
fn resources<'a>(documents: &[At<'a>]) -> Vec<Resource<'a>> {
    let each = documents.iter().flat_map(|at| match at.member("items") {
        Some(items) => items.elements().collect::<Vec<_>>(),
        None => vec![*at],
    });
    each.filter_map(Resource::of).collect()
}

/// What they add up to.
pub fn graph(documents: &[At<'_>], configs: &ConfigPlaces, serves_self_signed: bool) -> Graph {
    let resources = resources(documents);
    let installs = install::installs(&resources, configs);
    let mut graph = istio::graph(&resources, &installs);
    let other = gateway::graph(&resources, configs, &installs);
    graph.entries.extend(other.entries);
    graph.remarks.extend(other.remarks);
    graph.entries.extend(ingresses(&resources));
    name_backends(&resources, &mut graph);
    graph.remarks.extend(xfcc(&resources));
    if serves_self_signed {
        graph.remarks.extend(authorities(&resources));
    }
    graph
}

/// What other controllers may serve.
fn ingresses(resources: &[Resource<'_>]) -> Vec<FilterChain> {
    let mut found = Vec::new();
    for resource in resources.iter().filter(|resource| resource.kind == "Ingress") {
        let title = resource.printed();
        for backend in
            resource.spec().into_iter().flat_map(At::within).filter_map(|at| at.member("service"))
        {
            let Some(name) = backend.said("name") else { continue };
            let name = service(name, resource.namespace, backend.path(&["port", "number"]));
            let why = format!("what serves {title} is not in these files");
            found.push(unclear(&title, backend.place(), Cluster::Named(name), why));
        }
    }
    found
}

/// Backends of Envoy Gateway are called as what stands at their address.
fn name_backends(resources: &[Resource<'_>], graph: &mut Graph) {
    let services = graph.services();
    let address = |name: &str| -> Option<String> {
        let name = name.strip_prefix("Backend ")?;
        let (namespace, name) = name.split(':').next()?.split_once('/')?;
        let is_it = |resource: &&Resource<'_>| {
            (resource.kind, resource.namespace, resource.name) == ("Backend", namespace, name)
        };
        let addresses = resources.iter().find(is_it)?.list("endpoints").filter_map(|endpoint| {
            let (at, host) =
                [("fqdn", "hostname"), ("ip", "address")].iter().find_map(|(kind, host)| {
                    endpoint.member(kind).and_then(|at| Some((at, at.said(host)?)))
                })?;
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            Some(service(&host, namespace, at.member("port")))
        });
        let addresses: Vec<String> = addresses.collect();
        addresses.iter().find(|address| services.contains(address)).or(addresses.first()).cloned()
    };
    for entry in &mut graph.entries {
        for target in entry.routes.iter_mut().flat_map(|route| &mut route.targets) {
            if let Cluster::Named(name) = &mut target.cluster
                && let Some(address) = address(name)
            {
                *name = address;
            }
        }
        for (_, name) in &mut entry.raw {
            if let Some(address) = address(name) {
                *name = address;
            }
        }
    }
}

/// An entry without anything in it.
pub fn entry(title: String, place: Place) -> FilterChain {
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

/// Where a client's own x-forwarded-client-cert goes on.
fn xfcc(resources: &[Resource<'_>]) -> Vec<Remark> {
    const MODES: [&str; 6] = [
        "FORWARD_ONLY",
        "ALWAYS_FORWARD_ONLY",
        "APPEND_FORWARD",
        "ForwardOnly",
        "AlwaysForwardOnly",
        "AppendForward",
    ];
    let mut found = Vec::new();
    for resource in resources {
        // Between sidecars the header is the mesh's own.
        let is_gateway = |at: At<'_>| {
            at.path(&["match", "context"])
                .and_then(At::text)
                .is_none_or(|context| context == "GATEWAY")
        };
        let parts: Vec<At<'_>> = match resource.kind {
            "EnvoyFilter" => {
                resource.list("configPatches").filter(|patch| is_gateway(*patch)).collect()
            }
            "ClientTrafficPolicy" | "ProxyConfig" | "IstioOperator" => vec![resource.at],
            _ => continue,
        };
        for at in parts.into_iter().flat_map(At::within) {
            let by_policy =
                at.member("xForwardedClientCert").and_then(|header| header.member("mode"));
            let Some(mode) = at.member("forward_client_cert_details").or(by_policy) else {
                continue;
            };
            let Some(text) = mode.text().filter(|text| MODES.contains(text)) else { continue };
            let message = format!(
                "{text} lets a client's own x-forwarded-client-cert through to the backend, which \
                 must not trust it"
            );
            found.push(Remark { place: mode.place(), is_error: false, message });
        }
    }
    found
}

/// Where self-signed certificates are let in and clients are asked for those of known authorities.
fn authorities(resources: &[Resource<'_>]) -> Vec<Remark> {
    let suppresses = |at: &At<'_>| {
        at.within()
            .iter()
            .any(|at| at.node.to_json().to_string().contains("suppress_client_ca_list"))
    };
    let mut found = Vec::new();
    for resource in resources {
        for at in resource.at.within() {
            if resource.kind == "EnvoyFilter"
                && at.said("trust_chain_verification") == Some("ACCEPT_UNTRUSTED")
                && !at.is_true("suppress_client_ca_list")
            {
                let message = "without suppress_client_ca_list: true (Envoy 1.39) beside \
                    trust_chain_verification, clients are asked for certificates of the gateway's \
                    authorities, and self-signed ones of Java and Go then send none: every one of \
                    them is refused";
                found.push(Remark {
                    place: at.place(),
                    is_error: false,
                    message: message.to_owned(),
                });
            }
        }
        let mode = resource
            .at
            .path(&["spec", "tls", "clientValidation"])
            .filter(|_| resource.kind == "ClientTrafficPolicy");
        let Some(validation) = mode else { continue };
        let is_lenient =
            validation.said("mode").is_some_and(|mode| ["Request", "RequireAny"].contains(&mode));
        let has_authorities = validation.member("caCertificateRefs").is_some();
        let is_patched =
            resources.iter().any(|other| other.kind == "EnvoyPatchPolicy" && suppresses(&other.at));
        if is_lenient && has_authorities && !is_patched {
            let message = "clients are asked for certificates of these authorities, and \
                self-signed ones of Java and Go then send none: no policy can change that, so let \
                an EnvoyPatchPolicy add suppress_client_ca_list: true (Envoy 1.39) beside \
                trust_chain_verification in the listener's validation context";
            found.push(Remark {
                place: validation.place(),
                is_error: false,
                message: message.to_owned(),
            });
        }
    }
    found
}

/// The name of a service with its port, so that one service has one name.
pub fn service(host: &str, namespace: &str, port: Option<At<'_>>) -> String {
    let full = match host.split('.').count() {
        1 => format!("{host}.{namespace}.svc.cluster.local"),
        3 if host.ends_with(".svc") => format!("{host}.cluster.local"),
        _ => host.to_owned(),
    };
    port.map_or(full.clone(), |port| format!("{full}:{}", port.node.to_json()))
}

/// Names under which the same server may be known: a port that is not stated may be any.
pub fn same_service(name: &str, all: &[String]) -> Vec<String> {
    let split = |name: &str| -> (String, Option<String>) {
        name.rsplit_once(':').map_or((name.to_owned(), None), |(host, port)| {
            (host.to_owned(), Some(port.to_owned()))
        })
    };
    let (host, port) = split(name);
    let is_same = |other: &&String| {
        let (other_host, other_port) = split(other);
        other_host == host && (port.is_none() || other_port.is_none() || other_port == port)
    };
    all.iter().filter(is_same).cloned().chain([name.to_owned()]).collect()
}
