//! What gateways do with certificates of clients, and with the header that carries them.

use super::installs::{GatewayServer, InstallScope, scope_of_patch};
use super::resource::Resource;
use crate::lint::finding::Severity;
use crate::lint::graph::Remark;
use crate::lint::located::{At, Place};
use crate::lint::paths::Answer;

/// A patch of an EnvoyFilter that lets in certificates which are not verified.
pub struct LenientPatch<'a> {
    namespace: &'a str,
    scope: InstallScope<'a>,
    place: Place,
}

impl LenientPatch<'_> {
    pub fn all<'a>(resources: &[Resource<'a>]) -> Vec<LenientPatch<'a>> {
        let filters = resources.iter().filter(|resource| resource.kind == "EnvoyFilter");
        let patches = filters.flat_map(|resource| {
            resource.list("configPatches").map(|patch| (*resource, patch)).collect::<Vec<_>>()
        });
        let lenient = patches.filter_map(|(resource, patch)| {
            let within = patch.path(&["patch", "value"])?.within();
            let at = within
                .into_iter()
                .find(|at| at.text_of("trust_chain_verification") == Some("ACCEPT_UNTRUSTED"))?;
            let scope = scope_of_patch(resource, patch);
            Some(LenientPatch { namespace: resource.namespace, scope, place: at.place() })
        });
        lenient.collect()
    }

    /// Those that a server of a gateway gets for sure.
    pub fn of_server(
        patches: &[LenientPatch<'_>],
        served: &GatewayServer<'_>,
    ) -> Vec<(Place, &'static str)> {
        let covering =
            patches.iter().filter(|one| one.scope.covers(one.namespace, served) == Answer::Yes);
        covering.map(|one| (one.place.clone(), "ACCEPT_UNTRUSTED")).collect()
    }
}

/// The mode by which a Gateway of the Gateway API lets them in: that of the port comes before that
/// of the gateway.
pub fn lenient_mode(gateway: Resource<'_>, listener: At<'_>) -> Option<(Place, &'static str)> {
    let port = listener.member("port").map(|port| port.node.to_json());
    let frontend = gateway.spec().and_then(|spec| spec.path(&["tls", "frontend"]));
    let own = frontend.and_then(|frontend| {
        frontend
            .list("perPort")
            .find(|at| port.is_some() && at.member("port").map(|at| at.node.to_json()) == port)
    });
    let validation = match (listener.path(&["tls", "frontendValidation"]), own) {
        (Some(of_listener), _) => Some(of_listener),
        (None, Some(own)) => own.path(&["tls", "validation"]),
        (None, None) => frontend.and_then(|frontend| frontend.path(&["default", "validation"])),
    };
    let mode = validation?.member("mode")?;
    (mode.text() == Some("AllowInsecureFallback"))
        .then(|| (mode.place(), "mode AllowInsecureFallback"))
}

/// Where a client's own x-forwarded-client-cert goes on.
pub fn forwarded_headers(resources: &[Resource<'_>]) -> Vec<Remark> {
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
            found.push(Remark { place: mode.place(), severity: Severity::Doubtful, message });
        }
    }
    found
}

/// Where self-signed certificates are let in and clients are asked for those of known authorities.
pub fn requested_authorities(resources: &[Resource<'_>]) -> Vec<Remark> {
    let suppresses = |at: &At<'_>| {
        at.within()
            .iter()
            .any(|at| at.node.to_json().to_string().contains("suppress_client_ca_list"))
    };
    let is_patched =
        resources.iter().any(|other| other.kind == "EnvoyPatchPolicy" && suppresses(&other.at));
    let mut found = Vec::new();
    for resource in resources {
        for at in resource.at.within() {
            if resource.kind == "EnvoyFilter"
                && at.text_of("trust_chain_verification") == Some("ACCEPT_UNTRUSTED")
                && !at.is_true("suppress_client_ca_list")
            {
                let message = "without suppress_client_ca_list: true (Envoy 1.39) beside \
                    trust_chain_verification, clients are asked for certificates of the gateway's \
                    authorities, and self-signed ones of Java and Go then send none: every one of \
                    them is refused";
                found.push(Remark {
                    place: at.place(),
                    severity: Severity::Doubtful,
                    message: message.to_owned(),
                });
            }
        }
        let mode = resource
            .at
            .path(&["spec", "tls", "clientValidation"])
            .filter(|_| resource.kind == "ClientTrafficPolicy");
        let Some(validation) = mode else { continue };
        let is_lenient = validation
            .text_of("mode")
            .is_some_and(|mode| ["Request", "RequireAny"].contains(&mode));
        let has_authorities = validation.member("caCertificateRefs").is_some();
        if is_lenient && has_authorities && !is_patched {
            let message = "clients are asked for certificates of these authorities, and \
                self-signed ones of Java and Go then send none: no policy can change that, so let \
                an EnvoyPatchPolicy add suppress_client_ca_list: true (Envoy 1.39) beside \
                trust_chain_verification in the listener's validation context";
            found.push(Remark {
                place: validation.place(),
                severity: Severity::Doubtful,
                message: message.to_owned(),
            });
        }
    }
    found
}
