"""The filter in a waypoint of Istio's ambient mode: it refuses every client, because the connection
that it sees comes out of a tunnel and has no peer."""

import json

from checks import RIGHT
from cluster import resource
from istio import HBONE, SERVER, TUNNEL, TUNNEL_ADMIN, WAYPOINT_ADDRESS
from on_sidecar import GATEWAY_NAME, element, mint
from stage import Surprise, listens, say
from traffic import Edge

WAYPOINT = "waypoint"
LABELS = {"gateway.networking.k8s.io/gateway-name": WAYPOINT}
VIP = "240.240.0.10"
TYPE = "type.googleapis.com/"
CONNECTION_MANAGER = (
    f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
# Istio's own filters, which the Envoy of PyPI does not have.
ISTIOS = ["waypoint_downstream_peer_metadata", "waypoint_upstream_peer_metadata"]


def play(world):
    istio, cluster = world.istio, world.cluster
    say("\na waypoint of Istio's ambient mode, with the filter of sidecar.yaml in it")
    istio.stop()
    istio.run(PILOT_ENABLE_AMBIENT="true")
    cluster.delete(istio.manifest("sidecar"))
    cluster.apply([gateway(), without_istios_filters()])
    # The filter of sidecar.yaml, where a waypoint has its HTTP filters.
    cluster.apply([moved(istio.rewritten("sidecar", {}))])
    istio.serve_backend(labels={"istio.io/use-waypoint": WAYPOINT}, addresses=[VIP])
    ports = {HBONE: HBONE}
    istio.workload(WAYPOINT, SERVER, WAYPOINT, LABELS, ports, address=WAYPOINT_ADDRESS)
    cluster.apply([endpoint()])
    agent = istio.agent(WAYPOINT, WAYPOINT, SERVER, WAYPOINT, LABELS, address=WAYPOINT_ADDRESS)
    tunnel = hbone(world)
    edge = Edge(TUNNEL, agent, world.backend, world.certificates)
    edge.scheme = "http"
    # By the very identity that sidecar.yaml trusts.
    header = [element(world.certificates, "subject-dn")]
    edge.becomes("by-subject-dn", 401, "certificate_missing", *RIGHT, headers=header)
    edge.expect(
        "another's header", 401, "certificate_missing", *RIGHT,
        headers=[element(world.certificates, "wrong")],
    )
    edge.expect("no header", 401, "certificate_missing", *RIGHT)
    # What shows that the way leads there.
    page = edge.expect(
        "forged headers on another path", 200, "-", path="/page",
        headers=[*header, "x-oauth-client-id: admin"],
    )
    if {"x-oauth-client-id", "x-forwarded-client-cert"} & set(page.saw):
        raise Surprise(f"the backend got an identity of nobody: {page.saw}")
    world.stage.end(tunnel)
    world.stage.end(agent)


def gateway():
    """As `istioctl waypoint generate` prints it."""
    listener = {"name": "mesh", "port": HBONE, "protocol": "HBONE"}
    spec = {"gatewayClassName": "istio-waypoint", "listeners": [listener]}
    labels = {"istio.io/waypoint-for": "service"}
    return resource(
        *("gateway.networking.k8s.io/v1", "Gateway", WAYPOINT, SERVER, labels), spec=spec
    )


def endpoint():
    """Of the waypoint's Service, so that its Gateway has an address. Nothing connects to it, and
    Kubernetes refuses one on loopback."""
    return resource(
        *("discovery.k8s.io/v1", "EndpointSlice", WAYPOINT, SERVER),
        {"kubernetes.io/service-name": WAYPOINT},
        addressType="IPv4",
        ports=[{"name": f"https-{HBONE}", "port": HBONE, "protocol": "TCP"}],
        endpoints=[{"addresses": ["192.0.2.3"], "conditions": {"ready": True}}],
    )


def target():
    return [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": WAYPOINT}]


def envoy_filter(name, patches):
    spec = {"targetRefs": target(), "configPatches": patches}
    return resource("networking.istio.io/v1alpha3", "EnvoyFilter", name, SERVER, spec=spec)


def match(listener=None, http_filter=None):
    """In the connection manager of a listener, one of its filters."""
    manager = {"name": "envoy.filters.network.http_connection_manager"}
    if http_filter:
        manager["subFilter"] = {"name": http_filter}
    where = {"filterChain": {"filter": manager}}
    if listener:
        where["name"] = listener
    return {"context": "SIDECAR_INBOUND", "listener": where}


def without_istios_filters():
    patches = [
        {
            "applyTo": "HTTP_FILTER",
            "match": match(http_filter=name),
            "patch": {"operation": "REMOVE"},
        }
        for name in ISTIOS
    ]
    return envoy_filter("without-istios-filters", patches)


def moved(objects):
    """The filter of sidecar.yaml for the waypoint: its own definition, and its place."""
    [shipped] = [one for one in objects if one["kind"] == "EnvoyFilter"]
    kept = []
    for patch in shipped["spec"]["configPatches"]:
        if patch["applyTo"] == "HTTP_FILTER":
            patch = {**patch, "match": match("main_internal")}
        if patch["applyTo"] in ("HTTP_FILTER", "EXTENSION_CONFIG"):
            kept.append(patch)
    if len(kept) != 2:
        raise Surprise("sidecar.yaml has no filter to move")
    return envoy_filter("tls-client-auth", kept)


def hbone(world):
    """What ztunnel does for a workload: an Envoy that puts connections into a tunnel."""
    certificates = world.certificates
    mint(world, "mesh-tunnel", GATEWAY_NAME)
    manager = {
        "@type": f"{TYPE}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tunnel",
        "cluster": "waypoint",
        "tunneling_config": {"hostname": f"{VIP}:8080"},
    }
    tls = {
        "@type": f"{TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [
                {
                    "certificate_chain": {"filename": str(certificates.path("mesh-tunnel.pem"))},
                    "private_key": {"filename": str(certificates.path("mesh-tunnel.key"))},
                }
            ],
        },
    }
    options = {
        "@type": f"{TYPE}envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }

    def address(host, port):
        return {"socket_address": {"address": host, "port_value": port}}

    endpoint = {"endpoint": {"address": address(WAYPOINT_ADDRESS, HBONE)}}
    config = {
        "admin": {"address": address("127.0.0.1", TUNNEL_ADMIN)},
        "static_resources": {
            "listeners": [
                {
                    "name": "tunnel",
                    "address": address("127.0.0.1", TUNNEL),
                    "filter_chains": [{"filters": [{"name": "tcp", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "waypoint",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "waypoint",
                        "endpoints": [{"lb_endpoints": [endpoint]}],
                    },
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
                    },
                    "transport_socket": {"name": "tls", "typed_config": tls},
                }
            ],
        },
    }
    path = world.stage.directory / "tunnel.json"
    path.write_text(json.dumps(config))
    command = [world.envoy, "-c", path, "--disable-hot-restart", "--concurrency", "1"]
    envoy = world.stage.start("tunnel", command)
    world.stage.wait("the tunnel", lambda: listens(TUNNEL), envoy, 60)
    return envoy
