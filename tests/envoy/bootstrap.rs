//! The configuration of Envoy: a listener for each plugin configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::certificate::{self, Certificate, KeyKind};

/// A listener with the filter and a cluster of its own. Both have the name `name`, so that Envoy
/// counts their requests separately.
#[derive(Clone, Debug)]
pub struct Listener {
    pub name: String,
    /// The plugin configuration as text, because it may be invalid JSON.
    pub configuration: String,
    pub require_client_certificate: bool,
    pub trust: Trust,
    /// CAs that the listener trusts beside that of most clients, in PEM.
    pub also_trusted: String,
    pub session_resumption: bool,
    pub allow_on_headers_stop_iteration: bool,
    /// `envoy.filters.http.buffer` after the filter.
    pub buffer_after: bool,
    pub upstream: Upstream,
    /// How Envoy treats `x-forwarded-client-cert`.
    pub forward_client_cert: &'static str,
    /// Whether Envoy writes that header as JSON, which needs Envoy 1.38.
    pub client_cert_in_json: bool,
    /// `vm_config.configuration`. Envoy starts another VM for another value.
    pub vm: String,
    /// HTTP filters before this one.
    pub filters_before: Vec<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// VERIFY_TRUST_CHAIN: the handshake fails.
    Verify,
    /// ACCEPT_UNTRUSTED: the filter sees the result.
    AcceptUntrusted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    Http1,
    Http2,
}

impl Listener {
    /// The listener that the documentation recommends, except that every kind of client reaches the
    /// filter.
    pub fn new(name: &str, configuration: &Value) -> Self {
        Self {
            name: name.into(),
            configuration: configuration.to_string(),
            require_client_certificate: false,
            trust: Trust::AcceptUntrusted,
            also_trusted: String::new(),
            session_resumption: false,
            allow_on_headers_stop_iteration: true,
            buffer_after: false,
            upstream: Upstream::Http1,
            forward_client_cert: "SANITIZE",
            client_cert_in_json: false,
            vm: String::new(),
            filters_before: Vec::new(),
        }
    }
}

pub fn bootstrap(
    listeners: &[Listener],
    backend: SocketAddr,
    module: &Path,
    access_log: &Path,
) -> Value {
    let all_listeners: Vec<_> =
        listeners.iter().map(|one| listener(one, module, access_log)).collect();
    let clusters: Vec<_> = listeners.iter().map(|one| cluster(one, backend)).collect();
    json!({
        "admin": { "address": address("127.0.0.1", 0) },
        "static_resources": {
            "listeners": all_listeners,
            "clusters": clusters,
        },
    })
}

/// A bootstrap with another cluster, which no listener uses.
pub fn with_cluster(mut bootstrap: Value, name: &str, hosts: SocketAddr) -> Value {
    let endpoint =
        json!({ "endpoint": { "address": address(&hosts.ip().to_string(), hosts.port()) } });
    let cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] },
    });
    bootstrap["static_resources"]["clusters"]
        .as_array_mut()
        .expect("clusters are an array")
        .push(cluster);
    bootstrap
}

/// A proxy without the filter: its listener forwards all requests to `next` over TLS with this
/// certificate.
pub fn proxy(
    edge: &Listener,
    next: SocketAddr,
    identity: &Certificate,
    module: &Path,
    access_log: &Path,
) -> Value {
    let mut proxy = bootstrap(std::slice::from_ref(edge), next, module, access_log);
    let manager = &mut proxy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]
        ["typed_config"];
    manager["http_filters"]
        .as_array_mut()
        .expect("filters are an array")
        .retain(|filter| filter["name"] == "router");
    let tls = typed(
        "transport_sockets.tls.v3.UpstreamTlsContext",
        json!({ "common_tls_context": {
            "tls_certificates": [tls_certificate(&identity.pem(), identity.key)],
            "validation_context": {
                "trusted_ca": { "inline_string": certificate::authority_pem() },
            },
        } }),
    );
    proxy["static_resources"]["clusters"][0]["transport_socket"] =
        json!({ "name": "tls", "typed_config": tls });
    proxy
}

fn tls_certificate(chain: &str, key: KeyKind) -> Value {
    let key = certificate::pem("PRIVATE KEY", certificate::private_key_pkcs8(key));
    json!({
        "certificate_chain": { "inline_string": chain },
        "private_key": { "inline_string": key },
    })
}

/// A bootstrap with its listeners in a file that Envoy watches; also returns the text of the file.
pub fn with_dynamic_listeners(mut bootstrap: Value, file: &Path) -> (Value, String) {
    let listeners = bootstrap["static_resources"]["listeners"].take();
    bootstrap["static_resources"]["listeners"] = json!([]);
    bootstrap["node"] = json!({ "id": "test", "cluster": "test" });
    bootstrap["dynamic_resources"] = json!({ "lds_config": {
        "resource_api_version": "V3",
        "path_config_source": { "path": file },
    } });
    let mut resources = listeners.as_array().cloned().unwrap_or_default();
    for resource in &mut resources {
        resource["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
    }
    (bootstrap, json!({ "resources": resources }).to_string())
}

fn listener(listener: &Listener, module: &Path, access_log: &Path) -> Value {
    let mut filters = listener.filters_before.clone();
    filters.push(wasm(listener, module));
    if listener.buffer_after {
        let buffer =
            typed("filters.http.buffer.v3.Buffer", json!({ "max_request_bytes": 1_048_576 }));
        filters.push(json!({ "name": "buffer", "typed_config": buffer }));
    }
    let router = typed("filters.http.router.v3.Router", json!({}));
    filters.push(json!({ "name": "router", "typed_config": router }));
    let mut details =
        json!({ "subject": true, "cert": true, "chain": true, "uri": true, "dns": true });
    if listener.client_cert_in_json {
        details["format"] = "JSON".into();
    }
    let manager = typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": listener.name,
            "forward_client_cert_details": listener.forward_client_cert,
            "set_current_client_cert_details": details,
            "http_protocol_options": { "enable_trailers": true },
            "http_filters": filters,
            "access_log": [access_log_entry(listener, access_log)],
            "route_config": { "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "request_headers_to_add": [{
                    "header": { "key": "x-listener", "value": listener.name },
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }],
                "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": listener.name } }],
            }] },
        }),
    );
    json!({
        "name": listener.name,
        "address": address("127.0.0.1", 0),
        // Without it Envoy does not know the server name.
        "listener_filters": [{
            "name": "tls_inspector",
            "typed_config": typed("filters.listener.tls_inspector.v3.TlsInspector", json!({})),
        }],
        "filter_chains": [{
            "filters": [{ "name": "manager", "typed_config": manager }],
            "transport_socket": { "name": "tls", "typed_config": tls(listener) },
        }],
    })
}

fn tls(listener: &Listener) -> Value {
    let server = certificate::server_certificate().expect("the server certificate is well-formed");
    let chain = certificate::pem("CERTIFICATE", &server);
    let trusted = certificate::authority_pem() + &listener.also_trusted;
    let trust = match listener.trust {
        Trust::Verify => "VERIFY_TRUST_CHAIN",
        Trust::AcceptUntrusted => "ACCEPT_UNTRUSTED",
    };
    typed(
        "transport_sockets.tls.v3.DownstreamTlsContext",
        json!({
            "require_client_certificate": listener.require_client_certificate,
            "disable_stateless_session_resumption": !listener.session_resumption,
            "disable_stateful_session_resumption": !listener.session_resumption,
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {
                    "tls_minimum_protocol_version": "TLSv1_2",
                    "tls_maximum_protocol_version": "TLSv1_3",
                },
                "tls_certificates": [tls_certificate(&chain, KeyKind::Ec)],
                "validation_context": {
                    "trusted_ca": { "inline_string": trusted },
                    "trust_chain_verification": trust,
                },
            },
        }),
    )
}

fn wasm(listener: &Listener, module: &Path) -> Value {
    let string = |value: &str| {
        let kind = "type.googleapis.com/google.protobuf.StringValue";
        json!({ "@type": kind, "value": value })
    };
    let plugin = json!({
        "name": "tls_client_auth",
        "root_id": "tls_client_auth",
        "failure_policy": "FAIL_RELOAD",
        "allow_on_headers_stop_iteration": listener.allow_on_headers_stop_iteration,
        "configuration": string(&listener.configuration),
        "vm_config": {
            "vm_id": "tls_client_auth",
            "runtime": "envoy.wasm.runtime.v8",
            "configuration": string(&listener.vm),
            "code": { "local": { "filename": module } },
        },
    });
    let filter = typed("filters.http.wasm.v3.Wasm", json!({ "config": plugin }));
    json!({ "name": "tls_client_auth", "typed_config": filter })
}

fn access_log_entry(listener: &Listener, access_log: &Path) -> Value {
    let line = json!({
        "listener": listener.name,
        "id": "%REQ(X-TEST-ID)%",
        "code": "%FILTER_STATE(wasm.tls_client_auth_code:PLAIN)%",
        "client_id": "%FILTER_STATE(wasm.tls_client_auth_client_id:PLAIN)%",
        "details": "%RESPONSE_CODE_DETAILS%",
    });
    let file = typed(
        "access_loggers.file.v3.FileAccessLog",
        json!({ "path": access_log, "log_format": { "json_format": line } }),
    );
    json!({ "name": "file", "typed_config": file })
}

fn cluster(listener: &Listener, backend: SocketAddr) -> Value {
    let protocol = match listener.upstream {
        Upstream::Http1 => json!({ "http_protocol_options": { "enable_trailers": true } }),
        Upstream::Http2 => json!({ "http2_protocol_options": {} }),
    };
    let options =
        typed("upstreams.http.v3.HttpProtocolOptions", json!({ "explicit_http_config": protocol }));
    let endpoint =
        json!({ "endpoint": { "address": address(&backend.ip().to_string(), backend.port()) } });
    json!({
        "name": listener.name,
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options,
        },
        "load_assignment": {
            "cluster_name": listener.name,
            "endpoints": [{ "lb_endpoints": [endpoint] }],
        },
    })
}

fn address(ip: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": ip, "port_value": port } })
}

pub fn typed(kind: &str, mut message: Value) -> Value {
    message["@type"] = format!("type.googleapis.com/envoy.extensions.{kind}").into();
    message
}

/// Moves the listeners of `whole` to where Envoy watches for them; returns the bootstrap that names
/// the file.
pub fn deliver_listeners(whole: Value, directory: &Path) -> Value {
    let file = directory.join("listeners.json");
    let (bootstrap, resources) = with_dynamic_listeners(whole, &file);
    // Envoy watches for a file that is moved here.
    let new = file.with_extension("new");
    fs::write(&new, resources).expect("the directory is ours");
    fs::rename(&new, &file).expect("the directory is ours");
    bootstrap
}
