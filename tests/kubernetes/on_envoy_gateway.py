"""envoy/envoy-gateway under Envoy Gateway."""

import hashlib
import json
import textwrap

from checks import ANOTHER, RIGHT, apply, decides, replaced
from cluster import resource
from envoy_gateway import GROUP, INGRESS, LISTENER, MODULE, SERVER, SYSTEM
from image import REPOSITORY
from page import Page
from stage import Surprise, say
from traffic import Edge

# Answers with a header of its own, so that it can be seen to take part.
LUA = """
function envoy_on_response(handle)
  handle:headers():add("x-another-filter", "PLACE")
end
"""


def play(world):
    gateway, cluster = world.envoy_gateway, world.cluster
    say("\nEnvoy Gateway: gateway.yaml, tls-client-auth.yaml")
    gateway.start()
    page, folder = Page(world.root, "docs/envoy-gateway.md"), world.stage.directory / "reader"
    folder.mkdir()
    world.certificates.copy_to(folder)
    page.run("kubectl create namespace", folder, **cluster.environment())
    shipped = world.certificates.registered(gateway.manifest("tls-client-auth"))
    lock = gateway.manifest("network-policy")
    cluster.create_namespaces(SERVER)
    for manifest in (gateway.manifest("gateway"), shipped, lock):
        cluster.check(manifest)
    policy = replaced(shipped, MODULE, str(world.module))
    (folder / "gateway.yaml").write_text(gateway.manifest("gateway"))
    (folder / "tls-client-auth.yaml").write_text(policy)
    page.run("kubectl apply", folder, **cluster.environment())
    gateway.log_requests()
    said = page.run("kubectl --namespace ingress wait", folder, **cluster.environment())
    say(f"   ok {said.strip()}")
    has_module(gateway.deployment())
    is_admitted(cluster, lock, gateway.deployment())
    proxy = gateway.proxy()
    edge = Edge(LISTENER, proxy, world.backend, world.certificates)
    edge.becomes("no route yet", 404, "-", "subject-dn", path="/page")
    cluster.apply(gateway.route())
    edge.serves_all_clients()
    edge.names_its_authorities(False)
    logs_decisions(edge.process)

    verified_clients_only(world, edge, policy)
    cannot_be_overridden(world, edge)
    module_not_there(world, edge, policy)

    say("\nwithout Envoy Gateway")
    gateway.stop()
    decides(edge)
    gateway.run()
    image_by_envoy_gateway(world, edge, policy)
    world.stage.end(edge.process)
    gateway.stop()


def has_module(deployment):
    """What cannot run here: that the pod has the image of the module as a volume."""
    pod = deployment["spec"]["template"]["spec"]
    volumes = {one["name"]: one for one in pod["volumes"]}
    [envoy] = [one for one in pod["containers"] if one["name"] == "envoy"]
    mounts = {one["name"]: one["mountPath"] for one in envoy["volumeMounts"]}
    reference = volumes["tls-client-auth"]["image"]["reference"]
    if reference != "registry.example.com/tls-client-auth:0.2.0":
        raise Surprise(f"the volume of the module is {reference}")
    if f"{mounts['tls-client-auth']}/plugin.wasm" != MODULE:
        raise Surprise(f"the module is mounted at {mounts['tls-client-auth']}")
    say("   ok the pod of Envoy has the image of the module")


def is_admitted(cluster, lock, deployment):
    """What cannot run here either: that the NetworkPolicy admits the pods of this Deployment."""
    [policy] = cluster.objects(lock)
    [rule] = policy["spec"]["ingress"]
    [source] = rule["from"]
    namespace = source["namespaceSelector"]["matchLabels"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    missing = source["podSelector"]["matchLabels"].items() - labels.items()
    if missing or namespace != {"kubernetes.io/metadata.name": SYSTEM}:
        raise Surprise(f"network-policy.yaml: {namespace}, and the pods lack {missing}")
    if deployment["metadata"]["namespace"] != SYSTEM:
        raise Surprise(f"the Deployment is in {deployment['metadata']['namespace']}")
    limits = [one.get("resources", {}).get("limits") for one in
              deployment["spec"]["template"]["spec"]["containers"] if one["name"] == "envoy"]
    if limits != [{"memory": "1Gi"}]:
        raise Surprise(f"the limits of Envoy are {limits}")
    say("   ok the NetworkPolicy admits it")


def logs_decisions(process):
    """The access log of gateway.yaml."""
    lines = [line for line in process.text().splitlines() if line.startswith("{")]
    seen = {(one["code"], one["client_id"], one["status"]) for one in map(json.loads, lines)}
    for wanted in [("authenticated", "by-subject-dn", 200),
                   ("subject_mismatch", "by-subject-dn", 401)]:
        if wanted not in seen:
            raise Surprise(f"the access log has {seen}, and not {wanted}")
    say(f"   ok {len(lines)} lines of its own access log, with codes")


def verified_clients_only(world, edge, policy):
    say("\nwith clientValidation.mode: RequireAndVerify, without suppress_client_ca_list")
    gateway, cluster = world.envoy_gateway, world.cluster
    [without] = cluster.objects(policy)
    patches = without["spec"]["jsonPatches"]
    kept = [one for one in patches if one["operation"]["path"] != "suppress_client_ca_list"]
    without["spec"]["jsonPatches"] = kept
    cluster.apply([without])
    set_validation(world, "RequireAndVerify")
    edge.becomes("no certificate", 0, "-", None, "by-subject-dn")
    edge.serves_verified_clients()
    edge.names_its_authorities(True)
    set_validation(world, "Request")
    cluster.apply(policy)
    gateway.becomes("envoypatchpolicy", "tls-client-auth", INGRESS, "Programmed", "True")
    edge.becomes("no certificate", 401, "certificate_missing", None, "by-subject-dn")


def set_validation(world, mode):
    patch = json.dumps({"spec": {"tls": {"clientValidation": {"mode": mode}}}})
    where = ["clienttrafficpolicy", SERVER, f"--namespace={INGRESS}", "--type=merge"]
    world.cluster.kubectl("patch", *where, f"--patch={patch}")


def extension_policy(name, namespace, kind, target, **spec):
    """An EnvoyExtensionPolicy on a Gateway or an HTTPRoute."""
    reference = {"group": "gateway.networking.k8s.io", "kind": kind, "name": target}
    spec = {"targetRefs": [reference], **spec}
    return resource(f"{GROUP}/v1alpha1", "EnvoyExtensionPolicy", name, namespace, spec=spec)


def another_policy(name, namespace, kind, target, **spec):
    lua = {"type": "Inline", "inline": LUA.replace("PLACE", name)}
    return extension_policy(name, namespace, kind, target, lua=[lua], **spec)


def cannot_be_overridden(world, edge):
    say("\nother EnvoyExtensionPolicies beside the filter")
    on_gateway = another_policy("on-gateway", INGRESS, "Gateway", SERVER)
    on_route = another_policy("on-route", SERVER, "HTTPRoute", SERVER)
    merging = another_policy("merging", SERVER, "HTTPRoute", SERVER, mergeType="StrategicMerge")
    for other in (on_gateway, on_route):
        world.cluster.apply([other])
        edge.shows("x-another-filter", other["metadata"]["name"], *RIGHT)
        decides(edge)
    world.cluster.delete(json.dumps(on_route))
    world.cluster.apply([merging])
    edge.shows("x-another-filter", "merging", *RIGHT)
    decides(edge)
    world.cluster.delete(json.dumps(merging))
    world.cluster.delete(json.dumps(on_gateway))


def module_not_there(world, edge, policy):
    say("\na module that is not there, and a listener of another name")
    gateway, cluster = world.envoy_gateway, world.cluster
    cluster.apply(policy.replace(str(world.module), "/nowhere/plugin.wasm"))
    world.stage.wait(
        "Envoy's refusal",
        lambda: "/nowhere/plugin.wasm" in edge.process.text(),
        edge.process,
    )
    say("   ok Envoy refuses the listener, and goes on with the last one")
    decides(edge)
    cluster.apply(policy)
    # The status is all that tells of it, and the page says so: everybody passes.
    cluster.apply(policy.replace("name: ingress/authorization-server/https", "name: another"))
    gateway.becomes("envoypatchpolicy", "tls-client-auth", INGRESS, "Programmed", "False")
    edge.becomes(
        "without the filter, another's certificate", 200, "-", *ANOTHER, never_open=False
    )
    cluster.apply(policy)
    gateway.becomes("envoypatchpolicy", "tls-client-auth", INGRESS, "Programmed", "True")
    edge.becomes(
        "with it", 401, "subject_mismatch", *ANOTHER, never_open=False
    )
    decides(edge)


def image_by_envoy_gateway(world, edge, policy):
    """An EnvoyExtensionPolicy has the module of an image, and can be overridden."""
    say("\nan EnvoyExtensionPolicy instead, whose image Envoy Gateway fetches")
    gateway, cluster = world.envoy_gateway, world.cluster
    [patches] = cluster.objects(policy)
    filter_value = patches["spec"]["jsonPatches"][0]["operation"]["value"]
    configuration = json.loads(filter_value["typed_config"]["config"]["configuration"]["value"])

    def ours(url, checksum=None):
        image = {"url": url, **({"sha256": checksum} if checksum else {})}
        code = {"type": "Image", "image": image}
        wasm = {"name": "tls-client-auth", "rootID": "tls-client-auth", "code": code}
        wasm = {**wasm, "config": configuration}
        return extension_policy("ours", INGRESS, "Gateway", SERVER, wasm=[wasm])

    tag, digest = f"{REPOSITORY}:0.2.0", world.digest.removeprefix("sha256:")
    module = hashlib.sha256(world.module.read_bytes()).hexdigest()
    cluster.apply([ours(tag)])
    gateway.becomes("envoyextensionpolicy", "ours", INGRESS, "Accepted", "True")
    patches["spec"]["jsonPatches"] = [ADDRESS_OF_MODULES]
    cluster.apply([patches])
    edge.becomes("as it is", 500, "host_error", *RIGHT)
    if "allow_on_headers_stop_iteration" not in edge.process.text():
        raise Surprise("the log does not say what is missing")
    patches["spec"]["jsonPatches"] += settings_of_the_page(world)
    cluster.apply([patches])
    edge.becomes("with the patch of docs/envoy-gateway.md", 200, "authenticated", *RIGHT)
    decides(edge)
    for refused, bad, what, good in (
        ("none of this tag", ours(f"{REPOSITORY}:none"),
         "by digest", ours(f"{REPOSITORY}@{world.digest}")),
        ("sha256 of another image", ours(tag, "0" * 64),
         "sha256 of the image", ours(tag, digest)),
        ("sha256 of the module", ours(tag, module), "by tag", ours(tag)),
    ):
        is_refused(world, edge, refused, bad)
        # In place, as the page says not to: the routes lose their 500 at once, and the listener
        # gets the filter when it has loaded the module. Whether a request of this test passes in
        # between is chance.
        cluster.apply([good])
        edge.becomes(what, 200, "authenticated", *RIGHT, never_open=False)
        decides(edge)

    say("\na refused one, replaced while no proxy runs, as the page says")
    is_refused(world, edge, "none of this tag again", ours(f"{REPOSITORY}:none"))
    world.stage.end(edge.process)
    cluster.apply([ours(tag)])
    gateway.becomes("envoyextensionpolicy", "ours", INGRESS, "Accepted", "True")
    edge.process = gateway.proxy()
    edge.becomes("by tag, in a new proxy", 200, "authenticated", *RIGHT)
    decides(edge)

    say("\nwhy it is not what is shipped: another policy, on the HTTPRoute")
    other = another_policy("on-route", SERVER, "HTTPRoute", SERVER)
    cluster.apply([other])
    gateway.becomes("envoyextensionpolicy", "ours", INGRESS, "Overridden", "True")
    edge.becomes("another's certificate PASSES", 200, "-", *ANOTHER, never_open=False)
    cluster.delete(json.dumps(other))


def is_refused(world, edge, what, policy):
    """Envoy Gateway takes the filter out of the listener, and the routes answer 500: two updates,
    in an order that is Envoy Gateway's."""
    world.cluster.apply([policy])
    edge.becomes(what, 500, "-", *RIGHT, never_open=False)
    # The later of the two may end a connection, but lets nothing pass.
    edge.becomes(f"{what}, another's certificate", 500, "-", *ANOTHER)


# In a cluster the name of Envoy Gateway's Service leads there.
ADDRESS_OF_MODULES = {
    "type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "name": "wasm_cluster",
    "operation": {
        "op": "replace",
        "path": (
            "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address"
        ),
        "value": "127.0.0.1",
    },
}


def settings_of_the_page(world):
    """The patch that docs/envoy-gateway.md shows, and "the same again" for the other setting."""
    shown = Page(world.root, "docs/envoy-gateway.md").block("jsonPatches:")
    [policy] = world.cluster.objects(f"{HEAD_OF_PATCHES}{textwrap.indent(shown, '  ')}")
    [first] = policy["spec"]["jsonPatches"]
    again = {**first["operation"], "path": "failure_policy", "value": "FAIL_RELOAD"}
    return [first, {**first, "operation": again}]


HEAD_OF_PATCHES = """apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyPatchPolicy
metadata: {name: shown, namespace: ingress}
spec:
"""
