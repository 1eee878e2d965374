//! Ways past a filter that is in the sidecars of its server: pods without one, and connections that
//! a sidecar does not read as HTTP.

use super::installs::{Install, labels_of};
use super::resource::Resource;
use crate::lint::finding::Severity;
use crate::lint::graph::Remark;
use crate::lint::located::{At, Place};

/// Protocols that Istio reads as HTTP, whatever comes.
const HTTP: [&str; 4] = ["http", "http2", "grpc", "grpc-web"];

/// What Istio reads so in `appProtocol` alone.
const HTTP_OF_KUBERNETES: [&str; 2] = ["kubernetes.io/h2c", "kubernetes.io/ws"];

/// Protocols that Istio passes on without HTTP filters. Where it knows none, it looks at the first
/// octets and at the ALPN of a connection.
const OPAQUE: [&str; 9] =
    ["tcp", "tls", "https", "mongo", "mysql", "redis", "udp", "sctp", "kubernetes.io/wss"];

/// Annotations of pods by which a sidecar does not get connections to some ports.
const PORTS: [&str; 2] = [
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/includeInboundPorts",
];

pub fn remarks(resources: &[Resource<'_>], installs: &[Install<'_>]) -> Vec<Remark> {
    let in_sidecars: Vec<&Install<'_>> = installs
        .iter()
        .filter(|one| one.filter.role.config().is_some())
        .filter(|one| one.scope.is_elsewhere || one.scope.is_for_servers)
        .collect();
    let mut found = Vec::new();
    for resource in resources {
        let namespace = resource.namespace;
        if resource.kind == "Service" {
            let selector = labels_of(resource.spec().and_then(|spec| spec.member("selector")));
            let is_gated = in_sidecars.iter().any(|one| one.selects_some(namespace, &selector));
            if !selector.is_empty() && is_gated {
                found.extend(resource.list("ports").filter_map(unread_port));
            }
        } else if let Some(metadata) = metadata_of_pods(*resource) {
            let labels = labels_of(metadata.member("labels"));
            if in_sidecars.iter().any(|one| one.selects_pods(namespace, &labels)) {
                found.extend(of_pods(metadata));
            }
        }
    }
    found
}

/// `metadata` of the pods that a resource is or makes.
fn metadata_of_pods(resource: Resource<'_>) -> Option<At<'_>> {
    if resource.kind == "Pod" {
        return resource.at.member("metadata");
    }
    resource.spec()?.path(&["template", "metadata"])
}

fn of_pods(metadata: At<'_>) -> Vec<Remark> {
    let groups = || ["labels", "annotations"].into_iter().filter_map(|name| metadata.member(name));
    let value = |name: &str| groups().find_map(|group| group.member(name));
    let injected = value("sidecar.istio.io/inject").filter(|at| at.node.is_false());
    let without = injected.map(|at| {
        let why = "these pods get no sidecar, and the filter is in it: every request passes them \
            undecided; remove this";
        doubtful(at.place(), why)
    });
    let past = PORTS.iter().filter_map(|name| {
        let at = value(name)?;
        // All ports, and no ports.
        let harmless = if name.ends_with("includeInboundPorts") { "*" } else { "" };
        (at.text() != Some(harmless)).then(|| {
            let why = "connections to some ports of these pods do not pass the sidecar, and the \
                filter is in it: whether the server listens there cannot be followed; remove this";
            doubtful(at.place(), why)
        })
    });
    without.into_iter().chain(past).collect()
}

/// A port of a service whose connections are not read as HTTP, or not all of them.
fn unread_port(port: At<'_>) -> Option<Remark> {
    const MEND: &str = "set appProtocol to http, or remove the port";
    let transport = port.member("protocol").filter(|at| at.text() != Some("TCP"));
    let by_application = port.member("appProtocol");
    let stated = transport.or(by_application).or(port.member("name"));
    let text = stated.and_then(At::text).unwrap_or_default();
    let word = text.to_ascii_lowercase();
    let protocol = first_part(&word);
    let of_kubernetes = by_application.is_some() && HTTP_OF_KUBERNETES.contains(&text);
    if transport.is_none() && (of_kubernetes || HTTP.contains(&protocol)) {
        return None;
    }
    let place = stated.unwrap_or(port).place();
    let why = if OPAQUE.contains(&protocol) {
        format!(
            "Istio reads no HTTP where the protocol is \"{protocol}\", so that the filter in the \
             sidecar does not run there: {MEND}"
        )
    } else {
        format!(
            "neither the name nor appProtocol says that this port is HTTP, and Istio looks at each \
             connection: mutual TLS of the mesh without the ALPN of HTTP reaches the server \
             without the filter in the sidecar: {MEND}"
        )
    };
    Some(doubtful(place, why))
}

/// What Istio takes for the protocol: the part before the first `-`, but for `grpc-web`.
fn first_part(word: &str) -> &str {
    const WITH_HYPHEN: &str = "grpc-web";
    if word.starts_with(WITH_HYPHEN) {
        return WITH_HYPHEN;
    }
    word.split('-').next().unwrap_or_default()
}

fn doubtful(place: Place, message: impl Into<String>) -> Remark {
    Remark { place, severity: Severity::Doubtful, message: message.into() }
}
