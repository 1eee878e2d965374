"""envoy/istio/sidecar.yaml: the filter in the sidecar of the authorization server, behind the real
gateway."""

import base64
import hashlib
import urllib.parse

from checks import RIGHT, apply
from cluster import resource
from istio import (
    BESIDE, GATEWAY, INGRESS, SERVER, SIDECAR, SIDECAR_ADDRESS, SYSTEM, virtual_service,
)
from stage import Surprise, run, say
from traffic import BACKEND, Edge

GATEWAY_LABELS, GATEWAY_ACCOUNT = {"istio": "ingressgateway"}, "istio-ingressgateway"
LABELS = {"app": "authorization-server"}
GATEWAY_NAME = f"spiffe://cluster.local/ns/{INGRESS}/sa/{GATEWAY_ACCOUNT}"
OTHER_NAME = "spiffe://cluster.local/ns/shop/sa/cart"


def play(world):
    istio, cluster = world.istio, world.cluster
    say("\nIstio's sidecar, behind its gateway: gateway-mutual.yaml, sidecar.yaml")
    # The gateway has no filter.
    for other in ("tls-client-auth", "gateway-alone"):
        cluster.delete(istio.manifest(other))
    workloads(world)
    apply(world, istio.manifest("gateway-mutual"))
    cluster.check(istio.manifest("sidecar"))
    cluster.apply(istio.manifest("sidecar").replace(": 8080\n", f": {SIDECAR}\n"))
    gateway = istio.agent("router", GATEWAY_ACCOUNT, INGRESS, GATEWAY_ACCOUNT, GATEWAY_LABELS)
    sidecar = istio.agent(
        *("sidecar", SERVER, SERVER, SERVER, LABELS), address=SIDECAR_ADDRESS, port=BESIDE
    )
    edge = Edge(GATEWAY, sidecar, world.backend, world.certificates)
    edge.front = gateway
    through_the_gateway(edge, world.certificates)
    past_the_gateway(world, sidecar)
    world.stage.end(sidecar)
    world.stage.end(gateway)


def workloads(world):
    istio, cluster = world.istio, world.cluster
    istio.workload(GATEWAY_ACCOUNT, INGRESS, GATEWAY_ACCOUNT, GATEWAY_LABELS, {443: GATEWAY})
    istio.workload(SERVER, SERVER, SERVER, LABELS, {}, address=SIDECAR_ADDRESS)
    # What injection writes at a pod: the gateway speaks mTLS to it, and knows its name.
    endpoint = {
        "address": SIDECAR_ADDRESS,
        "labels": {"security.istio.io/tlsMode": "istio"},
        "serviceAccount": SERVER,
    }
    istio.serve_backend(SIDECAR, endpoint)
    # Nothing captures connections here, so the sidecar listens on the port itself.
    listener = {
        "port": {"number": SIDECAR, "name": "http", "protocol": "HTTP"},
        "bind": SIDECAR_ADDRESS,
        "captureMode": "NONE",
        "defaultEndpoint": f"127.0.0.1:{BACKEND}",
    }
    spec = {"workloadSelector": {"labels": LABELS}, "ingress": [listener]}
    cluster.apply([
        resource("networking.istio.io/v1", "Sidecar", SERVER, SERVER, spec=spec),
        virtual_service(),
    ])


def element(certificates, name):
    """As the gateway writes it for this client."""
    pem = certificates.path(f"{name}.pem").read_text()
    der = base64.b64decode("".join(pem.split("-----")[2].split()))
    cert = urllib.parse.quote(pem, safe="")
    return (
        f"x-forwarded-client-cert: By={GATEWAY_NAME};"
        f'Hash={hashlib.sha256(der).hexdigest()};Cert="{cert}"'
    )


def through_the_gateway(edge, certificates):
    right = edge.becomes("by-subject-dn", 200, "authenticated", *RIGHT)
    if right.saw.get("x-oauth-client-id") != "by-subject-dn":
        raise Surprise(f"the backend was given {right.saw}")
    if "x-forwarded-client-cert" in right.saw:
        raise Surprise("the backend got the certificate of the gateway's connection")
    forged = [element(certificates, "subject-dn")]
    for what, headers in (("", []), (", with a forged header of the right client", forged)):
        edge.expect(
            f"another's certificate{what}", 401, "subject_mismatch", "wrong", "by-subject-dn",
            headers=headers,
        )
        edge.expect(f"no certificate{what}", 0, "-", None, "by-subject-dn", headers=headers)
    edge.expect(
        "a certificate of an untrusted CA", 0, "-", "untrusted", "by-subject-dn"
    )
    right = edge.expect(
        "the right client, with a forged header of another", 200, "authenticated", *RIGHT,
        headers=[element(certificates, "wrong"), "x-oauth-client-id: admin"],
    )
    if right.saw.get("x-oauth-client-id") != "by-subject-dn":
        raise Surprise(f"the backend was given {right.saw}")
    page = edge.expect(
        "forged headers on another path", 200, "-", "subject-dn", path="/page",
        headers=[*forged, "x-oauth-client-id: admin"],
    )
    if {"x-oauth-client-id", "x-forwarded-client-cert"} & set(page.saw):
        raise Surprise(f"the backend got an identity of nobody: {page.saw}")


def past_the_gateway(world, sidecar):
    """Another workload of the mesh, whose certificate istiod's CA has issued."""
    certificates = world.certificates
    mint(world, "mesh-cart", OTHER_NAME)
    mint(world, "mesh-ingress", GATEWAY_NAME)
    edge = Edge(SIDECAR, sidecar, world.backend, certificates, SIDECAR_ADDRESS)
    # The sidecar's own certificate names a SPIFFE identity, not a host.
    edge.trust = ["--insecure"]
    header = [element(certificates, "subject-dn")]
    edge.expect(
        "past the gateway, with a forged header", 401, "certificate_missing", "mesh-cart",
        "by-subject-dn", headers=header,
    )
    edge.expect("past the gateway", 401, "certificate_missing", "mesh-cart", "by-subject-dn")
    edge.expect("past the gateway, not of the mesh", 0, "-", *RIGHT, headers=header)
    edge.expect("past the gateway, no certificate", 0, "-", None, "by-subject-dn", headers=header)
    # So that the refusals above are known to be of the name.
    edge.expect(
        "by the gateway's own identity", 200, "authenticated", "mesh-ingress", "by-subject-dn",
        headers=header,
    )


def mint(world, name, identity):
    """A certificate of the mesh."""
    path = world.certificates.path
    secret = world.cluster.get("secret", "istio-ca-secret", SYSTEM)["data"]
    for key, file in {"ca-cert.pem": "mesh.pem", "ca-key.pem": "mesh.key"}.items():
        path(file).write_bytes(base64.b64decode(secret[key]))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/"]
    command += ["-CA", path("mesh.pem"), "-CAkey", path("mesh.key")]
    command += ["-addext", f"subjectAltName=critical,URI:{identity}"]
    command += ["-addext", "basicConstraints=critical,CA:false"]
    run([*command, "-keyout", path(f"{name}.key"), "-out", path(f"{name}.pem")])
