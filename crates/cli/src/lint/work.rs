//! Counts what takes time in `lint`, so that tests see how it grows with the number of files, on
//! every machine alike.

use std::cell::Cell;

thread_local! {
    static DONE: Cell<usize> = const { Cell::new(0) };
}

/// A decision of the filter, or a comparison of a path with a route.
pub fn count() {
    DONE.with(|done| done.set(done.get() + 1));
}

mod tests {
    use std::cell::Cell;

    use super::DONE;
    use crate::envoy_config::{ConfigFile, Expected, parse};
    use crate::lint::findings;

    /// The files of an installation with so many authorization servers, each in a file of its own.
    type Shape = fn(usize) -> Vec<String>;

    const GATEWAY: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: oauth}
spec:
  listeners: [{name: https, port: 443, protocol: HTTPS}]
"#;
    const ISTIO_GATEWAY: &str = r#"
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: oauth}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 443, protocol: HTTPS}
      tls: {mode: OPTIONAL_MUTUAL}
      hosts: ["*"]
"#;

    fn configuration(path: &str) -> String {
        format!(
            r#"{{"endpoints": ["{path}"], "clients": [{{"client_id": "a",
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": "a.example.org"}}]}}"#
        )
    }

    /// A route for a host and a path, and where there is one a policy for it with a configuration.
    fn gateway_route(number: usize, host: &str, path: &str, endpoint: Option<&str>) -> String {
        let route = format!(
            "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r{number}, namespace: oauth}}
spec:
  parentRefs: [{{name: edge}}]
  hostnames: [{host}]
  rules:
    - matches: [{{path: {{value: {path}}}}}]
      backendRefs: [{{name: s{number}, port: 80}}]
"
        );
        endpoint.map_or(route.clone(), |endpoint| {
            let policy = gateway_policy(&format!("r{number}"), "HTTPRoute", endpoint);
            format!("{route}---{policy}")
        })
    }

    fn gateway_policy(target: &str, kind: &str, endpoint: &str) -> String {
        format!(
            "
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: {{name: p-{target}, namespace: oauth}}
spec:
  targetRefs: [{{kind: {kind}, name: {target}}}]
  wasm: [{{name: w, config: {}}}]
",
            configuration(endpoint)
        )
    }

    fn virtual_service(number: usize) -> String {
        format!(
            "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v{number}, namespace: oauth}}
spec:
  gateways: [edge]
  hosts: [as.example.com]
  http:
    - match: [{{uri: {{prefix: /t{number}}}}}]
      route: [{{destination: {{host: s{number}, port: {{number: 80}}}}}}]
"
        )
    }

    fn envoy_filter(number: usize, path: &str) -> String {
        format!(
            "
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {{name: f{number}, namespace: oauth}}
spec:
  workloadSelector: {{labels: {{istio: ingressgateway}}}}
  configPatches:
    - applyTo: HTTP_FILTER
      match: {{context: GATEWAY}}
      patch:
        operation: INSERT_FIRST
        value:
          name: tls_client_auth
          typed_config:
            config:
              vm_config: {{runtime: envoy.wasm.runtime.v8}}
              configuration: {{value: '{}'}}
",
            configuration(path).replace('\n', " ")
        )
    }

    fn each(count: usize, file: impl Fn(usize) -> String) -> Vec<String> {
        (0..count).map(file).collect()
    }

    const SHAPES: [(&str, Shape); 6] = [
        ("one policy for the gateway, a path for each", |count| {
            let mut files = each(count, |n| gateway_route(n, "a.example", &format!("/t{n}"), None));
            files.push(format!("{GATEWAY}---{}", gateway_policy("edge", "Gateway", "/t0/token")));
            files
        }),
        ("a policy and a path for each", |count| {
            let route = |n| {
                let (path, endpoint) = (format!("/t{n}"), format!("/t{n}/token"));
                gateway_route(n, "a.example", &path, Some(&endpoint))
            };
            [each(count, route), vec![GATEWAY.to_owned()]].concat()
        }),
        ("a policy and a host for each", |count| {
            let route = |n| gateway_route(n, &format!("as{n}.example"), "/", Some("/token"));
            [each(count, route), vec![GATEWAY.to_owned()]].concat()
        }),
        ("each with the gateway", |count| {
            each(count, |n| {
                let (path, endpoint) = (format!("/t{n}"), format!("/t{n}/token"));
                format!("{GATEWAY}---{}", gateway_route(n, "a.example", &path, Some(&endpoint)))
            })
        }),
        ("a virtual service for each", |count| {
            let mut files = each(count, virtual_service);
            files.push(format!("{ISTIO_GATEWAY}---{}", envoy_filter(0, "/t0/token")));
            files
        }),
        ("each with Istio's gateway and a filter", |count| {
            each(count, |n| {
                let filter = envoy_filter(n, &format!("/t{n}/token"));
                format!("{ISTIO_GATEWAY}---{}---{filter}", virtual_service(n))
            })
        }),
    ];

    /// How much `lint` does for these files.
    fn work(files: &[String]) -> usize {
        let read = |(number, text): (usize, &String)| {
            let file: ConfigFile = parse(text.as_bytes(), Expected::Anything)
                .unwrap_or_else(|why| panic!("{why}: {text}"));
            (format!("{number}.yaml").into(), file)
        };
        let files: Vec<_> = files.iter().enumerate().map(read).collect();
        let before = DONE.with(Cell::get);
        let found = findings(&files, None);
        assert!(!found.is_empty(), "not even a note of what is gated");
        DONE.with(Cell::get) - before
    }

    #[test]
    fn the_work_grows_with_the_number_of_files() {
        for (name, shape) in SHAPES {
            let [few, many] = [20, 80].map(|count| work(&shape(count)));
            assert!(few > 10, "{name}: {few}");
            // Quadratic would be 16 times, cubic 64 times.
            assert!(many <= few * 5, "{name}: {few}, {many}");
        }
    }
}
