"""envoy/istio under istiod and its agent."""

import hashlib
import json
import sys

import on_sidecar
import on_waypoint
from checks import RIGHT, apply, decides, replaced
from cluster import resource
from image import REPOSITORY
from istio import (
    BACKEND_NAME, CLIENT_REGISTRY, GATEWAY, INGRESS, KUBERNETES_GATEWAY, SERVER, virtual_service,
)
from stage import Surprise, listens, say
from traffic import Edge

LABELS = {"istio": "ingressgateway"}
ACCOUNT = "istio-ingressgateway"
CLIENT = {
    "client_id": "by-subject-dn",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": (
        "CN=client.example.org, O=Client, L=Chiyoda-ku, ST=Tokyo, C=JP"
    ),
}


def play(world, parts):
    say("\nistiod")
    world.stage.place("/var/lib/istio").joinpath("data").mkdir()
    world.istio.start()
    world.istio.serve_certificates(world.certificates)
    if "istio" in parts:
        istio_gateway(world)
    if "gateway-api" in parts:
        kubernetes_gateway(world)
    if "sidecar" in parts:
        on_sidecar.play(world)
    if "waypoint" in parts:
        on_waypoint.play(world)
    world.istio.stop()


def istio_gateway(world):
    istio, cluster = world.istio, world.cluster
    say("\nIstio's Gateway: gateway-optional-mutual.yaml, gateway-alone.yaml, tls-client-auth.yaml")
    shipped = world.certificates.registered(istio.manifest("tls-client-auth"))
    istio.workload(ACCOUNT, INGRESS, ACCOUNT, LABELS, {443: GATEWAY})
    apply(world, shipped, istio.manifest("gateway-alone"))
    apply(world, istio.manifest("gateway-optional-mutual"))
    cluster.apply([virtual_service()])
    agent = istio.agent("router", ACCOUNT, INGRESS, ACCOUNT, LABELS)
    edge = Edge(GATEWAY, agent, world.backend, world.certificates)
    edge.serves_all_clients()
    edge.names_its_authorities(False)

    say("\nwith gateway-mutual.yaml instead")
    apply(world, istio.manifest("gateway-mutual"))
    edge.becomes("no certificate", 0, "-", None, "by-subject-dn")
    edge.serves_verified_clients()
    edge.names_its_authorities(True)
    apply(world, istio.manifest("gateway-optional-mutual"))
    edge.becomes("no certificate", 401, "certificate_missing", None, "by-subject-dn")

    say("\nanother filter, put first by somebody else")
    cluster.apply([another_filter()])
    edge.shows("x-another-filter", "yes", *RIGHT)
    decides(edge)
    cluster.kubectl("delete", "envoyfilter", "another", f"--namespace={INGRESS}")

    registry_of_clients(world, edge)
    module_of_agent(world, edge, shipped)
    refused_configuration(world, edge, shipped)
    plugins(world, edge, shipped)

    say("\nwithout istiod")
    istio.stop()
    decides(edge)
    istio.run()
    world.stage.end(agent)


def another_filter():
    """Envoy's own, first in the chain, after whose answer a header tells that it took part."""
    header = {"header": {"key": "x-another-filter", "value": "yes"}}
    filter_type = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    config = {
        "@type": f"type.googleapis.com/{filter_type}",
        "mutations": {"response_mutations": [{"append": header}]},
    }
    manager = {"name": "envoy.filters.network.http_connection_manager"}
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": manager}}},
        "patch": {
            "operation": "INSERT_FIRST",
            "value": {"name": "another", "typed_config": config},
        },
    }
    spec = {"workloadSelector": {"labels": LABELS}, "configPatches": [patch]}
    return resource("networking.istio.io/v1alpha3", "EnvoyFilter", "another", INGRESS, spec=spec)


def registry_of_clients(world, edge):
    say("\na registry behind a ServiceEntry, as the cluster outbound|80||registry.internal")
    clients = world.stage.directory / "clients.json"
    clients.write_text(json.dumps([CLIENT]))
    script = world.root / "tests/demo/registry.py"
    server = world.stage.start("clients", [sys.executable, script, CLIENT_REGISTRY, clients])
    world.stage.wait("the registry of clients", lambda: listens(CLIENT_REGISTRY), server, 30)
    entry = {
        "hosts": ["registry.internal"],
        "location": "MESH_EXTERNAL",
        "resolution": "STATIC",
        "ports": [
            {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": CLIENT_REGISTRY}
        ],
        "endpoints": [{"address": "127.0.0.1"}],
    }
    fetched = {
        "cluster": "outbound|80||registry.internal",
        "authority": "registry.internal",
        "path": "/clients",
        "refresh": "2s",
    }
    members = {"clients": None, "registry": fetched}
    world.cluster.apply([
        resource("networking.istio.io/v1", "ServiceEntry", "registry", INGRESS, spec=entry),
        *world.istio.rewritten("tls-client-auth", members),
    ])
    edge.becomes(
        "a client that the registry does not have", 401, "unknown_client", "self-signed",
        "self-signed",
    )
    decides(edge)
    clients.write_text(json.dumps([{**CLIENT, "client_id": "new"}]))
    edge.becomes("a client that appeared", 200, "authenticated", "subject-dn", "new")
    edge.becomes("a client that disappeared", 401, "unknown_client", *RIGHT)
    world.stage.end(server)


def module_of_agent(world, edge, shipped):
    say("\nthe module, fetched by Istio's agent")
    tag, by_digest = f"{REPOSITORY}:0.2.0", f"{REPOSITORY}@{world.digest}"
    module = hashlib.sha256(world.module.read_bytes()).hexdigest()
    for what, manifest, works in (
        ("none of this tag", replaced(shipped, tag, f"{REPOSITORY}:none"), False),
        ("by digest", replaced(shipped, tag, by_digest), True),
        ("sha256 of another image", pinned(shipped, "0" * 64), False),
        ("sha256 of the image", pinned(shipped, world.digest.removeprefix("sha256:")), True),
        ("sha256 of the module", pinned(shipped, module), False),
    ):
        world.cluster.apply(manifest)
        if works:
            edge.becomes(what, 200, "authenticated", *RIGHT)
            decides(edge)
        else:
            edge.becomes(what, 403, "-", *RIGHT)
            edge.expect(f"{what}, any other path", 403, "-", "subject-dn", path="/page")
    world.cluster.apply(shipped)
    edge.becomes("by tag again", 200, "authenticated", *RIGHT)


def pinned(manifest, checksum):
    start = "                remote:\n"
    return replaced(manifest, start, f'{start}                  sha256: "{checksum}"\n')


def refused_configuration(world, edge, shipped):
    say("\na configuration that the filter refuses")
    world.cluster.apply(world.istio.rewritten("tls-client-auth", {"endpoint": ["/token"]}))
    refusal = 'configuration refused: /endpoint: unknown member; did you mean "endpoints"?'
    world.stage.wait("the refusal", lambda: refusal in edge.process.text(), edge.process)
    say("   ok the log says why; the last configuration goes on serving")
    decides(edge)
    client = {**CLIENT, "client_id": "new"}
    world.cluster.apply(world.istio.rewritten("tls-client-auth", {"clients": [client]}))
    edge.becomes("a good one", 200, "authenticated", "subject-dn", "new")
    world.cluster.apply(shipped)
    edge.becomes("by-subject-dn again", 200, "authenticated", *RIGHT)


def plugins(world, edge, shipped):
    """What they lack, and how the filter says so."""
    plugin = world.istio.manifest("wasmplugin")
    [wasm_plugin] = world.cluster.objects(plugin)
    spec = dict(wasm_plugin["spec"])
    own = {name: spec.pop(name) for name in ("selector", "phase", "priority")}
    extension = resource(
        "extensions.istio.io/v1alpha1", "TrafficExtension", "tls-client-auth", INGRESS,
        spec={**own, "wasm": spec},
    )
    for kind, manifest in (("WasmPlugin", plugin), ("TrafficExtension", json.dumps(extension))):
        say(f"\na {kind}")
        apply(world, manifest)
        where = ["envoyfilter", "tls-client-auth", f"--namespace={INGRESS}"]
        world.cluster.kubectl("delete", *where)
        edge.becomes("by-subject-dn", 500, "host_error", *RIGHT)
        edge.expect("another path", 200, "-", "subject-dn", path="/page")
        if "allow_on_headers_stop_iteration" not in edge.process.text():
            raise Surprise(f"{kind}: the log does not say what is missing")
        with_field = json.loads(json.dumps(world.cluster.objects(manifest)[0]))
        settings = with_field["spec"].get("wasm", with_field["spec"])
        settings["allowOnHeadersStopIteration"] = True
        if not world.cluster.refuses(json.dumps(with_field), "allowOnHeadersStopIteration"):
            raise Surprise(f"{kind} has the field today: ship one")
        # Not before the plugin is gone: behind the EnvoyFilter's, which hands it a whole body, it
        # would hold every authenticated request until its time is over.
        world.cluster.delete(manifest)
        world.cluster.apply(shipped)
        edge.becomes(
            "by-subject-dn, by the EnvoyFilter again", 200, "authenticated", *RIGHT,
            never_open=False,
        )
        decides(edge)


def kubernetes_gateway(world):
    istio, cluster = world.istio, world.cluster
    say("\nthe Gateway API of Kubernetes: gateway-api.yaml")
    labels = {"gateway.networking.k8s.io/gateway-name": SERVER}
    name = f"{SERVER}-istio"
    istio.workload(name, INGRESS, name, labels, {443: KUBERNETES_GATEWAY})
    apply(world, world.certificates.registered(istio.manifest("gateway-api")))
    destination = {"group": "networking.istio.io", "kind": "Hostname"}
    destination.update(name=BACKEND_NAME, port=8080)
    parent = {"name": SERVER, "namespace": INGRESS}
    spec = {
        "parentRefs": [parent],
        "hostnames": ["as.example.com"],
        "rules": [{"backendRefs": [destination]}],
    }
    cluster.apply([
        resource("gateway.networking.k8s.io/v1", "HTTPRoute", SERVER, SERVER, spec=spec)
    ])
    agent = istio.agent("router", name, INGRESS, name, labels)
    edge = Edge(KUBERNETES_GATEWAY, agent, world.backend, world.certificates)
    edge.serves_all_clients()
    edge.names_its_authorities(False)
    world.stage.end(agent)
