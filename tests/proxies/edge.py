"""The Envoy behind the proxies: one listener with the filter for each of them."""

import json

from hops import HOPS

BACKEND = 22099
LOG = (
    "request=%REQ(USER-AGENT)%. status=%RESPONSE_CODE% "
    "code=%FILTER_STATE(wasm.tls_client_auth_code:PLAIN)%.\n"
)
DN = "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP"


def typed(name, **members):
    return {"@type": f"type.googleapis.com/envoy.{name}", **members}


def plugin(hop, self_signed):
    """The filter's configuration behind one proxy."""
    return {
        "endpoints": ["/token"],
        "peer_certificate": hop.peer_certificate,
        "forward": {"certificate": ["client-cert"], "client_id": "x-oauth-client-id"},
        "clients": [
            {
                "client_id": "client",
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_subject_dn": DN,
            },
            {
                "client_id": "self-signed",
                "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks": {"keys": [{"kty": "EC", "x5t#S256": self_signed}]},
            },
        ],
    }


def listener(hop, module, pki, self_signed):
    wasm = typed(
        "extensions.filters.http.wasm.v3.Wasm",
        config={
            "name": hop.name,
            "root_id": hop.name,
            "allow_on_headers_stop_iteration": True,
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {
                "vm_id": "proxies",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": str(module)}},
            },
            "configuration": typed_string(json.dumps(plugin(hop, self_signed))),
        },
    )
    manager = typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=hop.name,
        forward_client_cert_details="SANITIZE",
        # As in envoy/envoy.yaml this would be REJECT_REQUEST. Here the filter must remove them.
        common_http_protocol_options={"headers_with_underscores_action": "ALLOW"},
        access_log=[
            {
                "name": "envoy.access_loggers.stdout",
                "typed_config": typed(
                    "extensions.access_loggers.stream.v3.StdoutAccessLog",
                    log_format={"text_format_source": {"inline_string": LOG}},
                ),
            }
        ],
        http_filters=[
            {"name": "envoy.filters.http.wasm", "typed_config": wasm},
            {
                "name": "envoy.filters.http.router",
                "typed_config": typed("extensions.filters.http.router.v3.Router"),
            },
        ],
        route_config={
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
                }
            ]
        },
    )
    tls = typed(
        "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        require_client_certificate=False,
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
        common_tls_context={
            "tls_certificates": [
                {
                    "certificate_chain": {"filename": str(pki / "server.pem")},
                    "private_key": {"filename": str(pki / "server.key")},
                }
            ],
            "validation_context": {
                "trusted_ca": {"filename": str(pki / "ca.pem")},
                "trust_chain_verification": "ACCEPT_UNTRUSTED",
            },
        },
    )
    return {
        "name": hop.name,
        "address": address(hop.envoy_port),
        "filter_chains": [
            {
                "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ],
            }
        ],
    }


def typed_string(text):
    return {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def bootstrap(module, pki, self_signed):
    cluster = {
        "name": "backend",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "backend",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(BACKEND)}}]}],
        },
    }
    return {
        "static_resources": {
            "listeners": [listener(hop, module, pki, self_signed) for hop in HOPS],
            "clusters": [cluster],
        }
    }
