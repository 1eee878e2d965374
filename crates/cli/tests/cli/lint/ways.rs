//! Ways past the filter.

use super::commented::check;
use crate::{code, file, run, text, value};

#[test]
fn ways_past_the_filter_are_found_and_no_others() {
    let (right, wrong) = check("tests/lint", |_| Vec::new());
    assert!(right > 25 && wrong > 60, "{right} without findings, {wrong} with");
}

/// What surrounds the filter may be in other files.
#[test]
fn files_are_read_together() {
    let listing = include_str!("../../lint/istio-second-gateway.yaml");
    let parts: Vec<String> = listing
        .split("---\n")
        .enumerate()
        .map(|(at, text)| file(&format!("part-{at}.yaml"), text))
        .collect();
    let lint = |parts: &[&String]| {
        let arguments: Vec<&str> =
            ["lint"].into_iter().chain(parts.iter().map(|part| part.as_str())).collect();
        run(&arguments)
    };
    let all: Vec<&String> = parts.iter().collect();
    let [filter, gateway, internal, _, _] = &all[..] else { panic!("{all:?}") };
    let output = lint(&all);
    assert!(
        code(&output) == 1
            && text(&output).contains(&format!("{internal}:7: error: /spec/servers/0: ")),
        "{output:?}"
    );
    assert_eq!(code(&lint(&[filter, gateway])), 0);
    // Without any configuration there is nothing to judge.
    let output = lint(&[gateway, internal]);
    assert!(
        code(&output) == 2
            && String::from_utf8_lossy(&output.stderr).contains("no configuration of this filter"),
        "{output:?}"
    );
    // Routes that come by RDS, in a file of their own. Two bootstraps are two Envoys.
    let rds = include_str!("../../lint/envoy-rds.yaml");
    let routes = "name: oauth\nvirtual_hosts:\n- name: all\n  domains: ['*']\n  routes:\n  - \
        match: {prefix: /auth/}\n    route: {cluster: authorization_server, prefix_rewrite: /}\n";
    let (rds, routes) = (file("rds.yaml", rds), file("routes.yaml", routes));
    let output = lint(&[&rds, &routes]);
    assert!(
        text(&output).contains(&format!("{routes}:6: error: /virtual_hosts/0/routes/0: ")),
        "{output:?}"
    );
    let right = file("right.yaml", include_str!("../../lint/envoy-right.yaml"));
    let open = include_str!("../../lint/envoy-second-listener.yaml")
        .split("  - name: internal")
        .nth(1)
        .expect("the listener");
    let open =
        file("open.yaml", format!("static_resources:\n  listeners:\n  - name: internal{open}"));
    let output = lint(&[&right, &open]);
    assert!(code(&output) == 0, "{output:?}");
}

/// A bootstrap and what comes to it by LDS and CDS are one Envoy.
#[test]
fn what_is_discovered_belongs_to_the_bootstrap() {
    let whole = include_str!("../../lint/envoy-second-listener.yaml");
    let (_, rest) = whole.split_once("  - name: oauth").expect("the listener with the filter");
    let (oauth, rest) = rest.split_once("  - name: internal").expect("the open listener");
    let (internal, clusters) = rest.split_once("  clusters:").expect("clusters");
    let discovery = "{lds_config: {path_config_source: {path: lds.yaml}}, cds_config: \
        {path_config_source: {path: cds.yaml}}}";
    let bootstrap = |listener: &str| {
        format!(
            "dynamic_resources: {discovery}\nstatic_resources:\n  listeners:\n  - name: \
             one{listener}  clusters:{clusters}"
        )
    };
    let discovered = |listener: &str| format!("resources:\n  - name: other{listener}");
    let lint = |files: &[&String]| {
        let arguments: Vec<&str> =
            ["lint"].into_iter().chain(files.iter().map(|file| file.as_str())).collect();
        let output = run(&arguments);
        (code(&output), text(&output))
    };
    for (name, here, there) in [("open", internal, oauth), ("filtered", oauth, internal)] {
        let (bootstrap, lds) = (
            file(&format!("{name}.yaml"), bootstrap(here)),
            file(&format!("{name}-lds.yaml"), discovered(there)),
        );
        let (code, text) = lint(&[&bootstrap, &lds]);
        assert!(
            code == 1 && text.matches("POST /token reaches \"authorization_server\"").count() == 1,
            "{text}"
        );
        assert!(!text.contains("come by LDS"), "{text}");
        // With a second bootstrap it is said once.
        let (code, text) =
            lint(&[&bootstrap, &lds, &file("second.yaml", "static_resources: {listeners: []}")]);
        assert!(
            code == 1 && text.matches("POST /token reaches \"authorization_server\"").count() == 1,
            "{text}"
        );
    }
    let clusters = clusters.replace("name: web", "name: alias").replace("10090", "10080");
    let listeners = format!("  - name: oauth{oauth}  - name: internal{internal}");
    let (before, after) = listeners.rsplit_once("authorization_server").expect("the route");
    let one = format!(
        "dynamic_resources: {discovery}\nstatic_resources:\n  listeners:\n{before}alias{after}"
    );
    let (one, cds) =
        (file("cds-bootstrap.yaml", &one), file("cds.yaml", format!("resources:{clusters}")));
    let (code, text) = lint(&[&one, &cds]);
    assert!(code == 1 && text.contains("POST /token reaches \"alias\""), "{text}");
}

/// What is shipped, file by file and as it is applied together.
#[test]
fn what_is_shipped_has_no_findings() {
    let at = |name: &str| {
        support::repository()
            .join("envoy")
            .join(name)
            .into_os_string()
            .into_string()
            .expect("UTF-8")
    };
    let doubts: [(&[&str], &[&str]); 11] = [
        (&["envoy.yaml"], &[]),
        (&["envoy-listener-chain.yaml"], &[]),
        // Its second listener is the way to the key sets, and to no other hosts.
        (&["envoy-jwks-uri.yaml"], &["the listener \"keys\" leads to \"keys_by_name\""]),
        (&["envoy-registry-lookup.yaml"], &[]),
        (&["envoy-registry-snapshot.yaml"], &[]),
        (&["clients.json"], &[]),
        (&["istio/tls-client-auth.yaml", "istio/gateway-mutual.yaml"], &[]),
        (&["istio/tls-client-auth.yaml", "istio/gateway-optional-mutual.yaml"], &[]),
        (&["envoy-gateway/gateway.yaml", "envoy-gateway/tls-client-auth.yaml"], &[]),
        // Both depend on other settings: on the gateway, and on a version of Istio.
        (
            &["istio/sidecar.yaml", "istio/gateway-mutual.yaml"],
            &["the names in trusted_proxies count", "a holder of the key of one"],
        ),
        (&["istio/wasmplugin.yaml"], &["a WasmPlugin cannot set"]),
    ];
    for (files, wanted) in doubts {
        let files: Vec<String> = files.iter().map(|file| at(file)).collect();
        let output = run(&[
            &["lint", "--format", "json"],
            &files.iter().map(String::as_str).collect::<Vec<_>>()[..],
        ]
        .concat());
        let found = value(&output);
        let found: Vec<_> = found
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["severity"] != "note")
            .collect();
        let messages: Vec<_> =
            found.iter().map(|finding| finding["message"].as_str().unwrap_or_default()).collect();
        assert!(
            messages.len() == wanted.len()
                && messages
                    .iter()
                    .zip(wanted)
                    .all(|(messages, wanted)| messages.starts_with(wanted)),
            "{files:?}: {messages:#?}"
        );
        assert!(
            code(&output) == 0 && found.iter().all(|finding| finding["severity"] == "doubtful"),
            "{output:?}"
        );
    }
}
