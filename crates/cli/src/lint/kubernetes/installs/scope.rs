//! Which proxies and listeners get a filter of Istio.

use crate::lint::kubernetes::resource::Resource;
use crate::lint::located::At;
use crate::lint::paths::Answer;

/// Istio's root namespace, whose resources are for all namespaces.
const ROOT: &str = "istio-system";

/// Which proxies and listeners get it.
#[derive(Default)]
pub struct InstallScope<'a> {
    pub labels: Vec<(&'a str, &'a str)>,
    /// Gateways of the Gateway API, by name; they are in the namespace of the resource.
    gateways: Vec<&'a str>,
    /// It names its targets, if other ones.
    has_targets: bool,
    /// One of them is no gateway, and may have some: as a class.
    has_other_targets: bool,
    pub sni: Option<&'a str>,
    pub ports: Vec<String>,
    /// It asks for something that the files do not show.
    is_unclear: bool,
    /// Not for gateways.
    pub is_elsewhere: bool,
    /// A plugin for the traffic of servers, of which a gateway has none.
    pub is_for_servers: bool,
    /// It sees connections, and no requests.
    pub is_for_connections: bool,
}

/// A server of a gateway.
pub struct GatewayServer<'a> {
    pub gateway: &'a str,
    pub namespace: &'a str,
    /// Of its workload, as far as they are known.
    pub labels: Vec<(&'a str, &'a str)>,
    pub is_of_gateway_api: bool,
    pub hosts: Vec<String>,
    pub port: Option<String>,
    pub has_tls: bool,
}

impl InstallScope<'_> {
    /// Whether no workload can have both these labels and its own.
    pub fn differs(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().any(|(name, value)| {
            self.labels.iter().any(|(own, other)| own == name && other != value)
        })
    }

    /// Whether it is for workloads of a namespace.
    pub fn is_in(&self, own: &str, namespace: &str) -> bool {
        own == namespace || own == ROOT
    }

    pub fn covers(&self, namespace: &str, served: &GatewayServer<'_>) -> Answer {
        if self.is_elsewhere || self.is_for_servers || self.is_for_connections {
            Answer::No
        } else {
            self.selects(namespace, served)
        }
    }

    /// Whether it selects the workload of a server, whatever it asks of the listener.
    pub fn selects_workload(&self, namespace: &str, served: &GatewayServer<'_>) -> Answer {
        let is_root = namespace == ROOT;
        let mut is_unclear = false;
        if self.has_targets {
            let is_named = served.is_of_gateway_api
                && self.gateways.contains(&served.gateway)
                && namespace == served.namespace;
            if !is_named && !self.has_other_targets {
                return Answer::No;
            }
            is_unclear |= !is_named;
        } else {
            // Those of the root namespace are for all; others for workloads of their own namespace,
            // which the files do not show to be that of the gateway.
            is_unclear |= namespace != served.namespace && !is_root;
        }
        for (name, value) in &self.labels {
            match served.labels.iter().find(|(own, _)| own == name) {
                Some((_, own)) if own == value => {}
                Some(_) => return Answer::No,
                None => is_unclear = true,
            }
        }
        if is_unclear { Answer::Maybe } else { Answer::Yes }
    }

    fn selects(&self, namespace: &str, served: &GatewayServer<'_>) -> Answer {
        let workload = self.selects_workload(namespace, served);
        if workload == Answer::No || self.misses(served).is_some() {
            return Answer::No;
        }
        if self.is_unclear { Answer::Maybe } else { workload }
    }

    /// For which servers it is, where that is not this one.
    pub fn misses(&self, served: &GatewayServer<'_>) -> Option<String> {
        if let Some(sni) = self.sni
            && (!served.has_tls || !served.hosts.iter().any(|host| host == sni))
        {
            return Some(format!("for the server name \"{sni}\" alone"));
        }
        let is_here = |port: &String| self.ports.is_empty() || self.ports.contains(port);
        let is_here = served.port.as_ref().is_none_or(is_here);
        (!is_here).then(|| format!("for port {} alone", self.ports.join(" and ")))
    }
}

/// Which proxies and listeners a patch of an EnvoyFilter is for.
pub fn scope_of_patch<'a>(resource: Resource<'a>, patch: At<'a>) -> InstallScope<'a> {
    let listener = patch.path(&["match", "listener"]);
    let chain = listener.and_then(|listener| listener.member("filterChain"));
    let text = |at: Option<At<'a>>, name: &str| at.and_then(|at| at.text_of(name));
    let labels = resource.spec().and_then(|spec| spec.path(&["workloadSelector", "labels"]));
    let refs: Vec<At<'a>> = resource.list("targetRefs").collect();
    let known = ["filterChain", "portNumber"];
    let known_of_chain = ["sni", "filter"];
    let is_unclear = listener
        .into_iter()
        .flat_map(At::members)
        .any(|(name, _)| !known.contains(&name))
        || chain.into_iter().flat_map(At::members).any(|(name, _)| !known_of_chain.contains(&name))
        || patch.path(&["match", "proxy"]).is_some();
    let context = patch.path(&["match", "context"]).and_then(At::text);
    InstallScope {
        labels: labels_of(labels),
        gateways: gateways(&refs),
        has_targets: !refs.is_empty(),
        has_other_targets: has_other_targets(&refs, resource),
        sni: text(chain, "sni"),
        ports: listener
            .and_then(|listener| listener.member("portNumber"))
            .map(|port| port.node.to_json().to_string())
            .into_iter()
            .collect(),
        is_unclear,
        is_elsewhere: context.is_some_and(|context| context.starts_with("SIDECAR")),
        is_for_servers: false,
        is_for_connections: false,
    }
}

/// The gateways among targets.
fn gateways<'a>(refs: &[At<'a>]) -> Vec<&'a str> {
    let is_gateway = |at: &&At<'a>| at.text_of("kind").is_none_or(|kind| kind == "Gateway");
    refs.iter().filter(is_gateway).filter_map(|at| at.text_of("name")).collect()
}

/// Whether one of these may be a gateway that it does not name: those of a class are chosen in the
/// root namespace only, and services have waypoints alone.
fn has_other_targets(refs: &[At<'_>], resource: Resource<'_>) -> bool {
    refs.iter().filter_map(|at| at.text_of("kind")).any(|kind| match kind {
        "Gateway" | "Service" | "ServiceEntry" => false,
        "GatewayClass" => resource.namespace == ROOT,
        _ => true,
    })
}

/// Which ones a WasmPlugin or a TrafficExtension is for.
pub fn scope_of_plugin<'a>(resource: Resource<'a>) -> InstallScope<'a> {
    let spec = resource.spec();
    let labels = spec.and_then(|spec| spec.path(&["selector", "matchLabels"]));
    let refs: Vec<At<'a>> =
        resource.list("targetRefs").chain(spec.and_then(|spec| spec.member("targetRef"))).collect();
    let selectors: Vec<At<'a>> = resource.list("match").collect();
    // At gateways all traffic is a client's.
    let fits = |at: &At<'a>| at.text_of("mode") != Some("SERVER");
    let fitting: Vec<At<'a>> = selectors.iter().filter(|at| fits(at)).copied().collect();
    let has_any_port =
        fitting.is_empty() || fitting.iter().any(|at| at.list("ports").next().is_none());
    let ports =
        fitting.iter().flat_map(|at| at.list("ports")).filter_map(|port| port.member("number"));
    InstallScope {
        labels: labels_of(labels),
        gateways: gateways(&refs),
        has_targets: !refs.is_empty(),
        has_other_targets: has_other_targets(&refs, resource),
        sni: None,
        ports: if has_any_port {
            vec![]
        } else {
            ports.map(|port| port.node.to_json().to_string()).collect()
        },
        is_unclear: false,
        is_elsewhere: false,
        is_for_servers: !selectors.is_empty() && fitting.is_empty(),
        is_for_connections: spec.and_then(|spec| spec.text_of("type")) == Some("NETWORK"),
    }
}

/// The names and values of labels.
pub fn labels_of(labels: Option<At<'_>>) -> Vec<(&str, &str)> {
    let all = labels.into_iter().flat_map(At::members);
    all.filter_map(|(name, value)| Some((name, value.text()?))).collect()
}
