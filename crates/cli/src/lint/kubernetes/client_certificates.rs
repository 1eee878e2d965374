//! What gateways do with certificates of clients, and with the header that carries them.

use super::resource::Resource;
use crate::lint::finding::Severity;
use crate::lint::graph::Remark;
use crate::lint::located::At;

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
