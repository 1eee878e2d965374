"""envoy/kubernetes: Envoy as a Deployment, without a controller for gateways."""

import re

from checks import replaced
from envoy_gateway import MODULE
from page import Page
from stage import Surprise, run, say
from traffic import BACKEND, Edge

SERVER = "authorization-server"
ENVOY, ENVOY_ADMIN, METRICS = 21447, 21904, 21914
PORTS = [ENVOY, ENVOY_ADMIN, METRICS]
# Beside what envoy.yaml logs, what Edge looks for.
JSON_LOG = """                json_format:
                  request: >-
                    request=%REQ(USER-AGENT)%.
                    code=%FILTER_STATE(wasm.tls_client_auth_code:PLAIN)%.
"""
# What envoy/kubernetes/deployment.yaml changes of envoy/envoy.yaml, and where it is here.
CHANGES = {
    "{address: 127.0.0.1, port_value: 10443}}   # CHANGE: 0.0.0.0 and 443": (
        "{address: 0.0.0.0, port_value: 8443}}"
    ),
    "{address: 127.0.0.1, port_value: 10080}": (
        "{address: authorization-server.authorization-server.svc.cluster.local, port_value: 8080}"
    ),
    "{local: {filename: target/tls_client_auth.wasm}}   # CHANGE: where you install it": (
        f"{{local: {{filename: {MODULE}}}}}"
    ),
    "target/demo/pki/server.pem": "/etc/envoy/server/tls.crt",
    "target/demo/pki/server.key": "/etc/envoy/server/tls.key",
    "target/demo/pki/ca.pem": "/etc/envoy/clients/ca.crt",
}

# What it has beside envoy.yaml: the metrics for Prometheus.
ADDED = [
    r"\n  # For Prometheus: .*?(?=\n  clusters:\n)",
    r"\n  - name: admin\n.*(?=$)",
]


def has_its_secrets(world, pod):
    """The commands of the page make each secret that the pod mounts, with what it reads there."""
    names = [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one]
    keys = []
    for name in names:
        secret = world.cluster.get("secret", name, "oauth-edge")
        if secret is None:
            raise Surprise(f"docs/kubernetes.md does not make the secret {name}")
        keys += secret["data"]
    if sorted(keys) != ["ca.crt", "tls.crt", "tls.key"]:
        raise Surprise(f"the pod reads {names}, which have {keys}")
    say("   ok its secrets are there")


def restarts(world, page, folder):
    page.run("kubectl --namespace oauth-edge rollout", folder, **world.cluster.environment())
    template = world.cluster.get("deployment", "envoy", "oauth-edge")["spec"]["template"]
    if "kubectl.kubernetes.io/restartedAt" not in template["metadata"].get("annotations", {}):
        raise Surprise("the command of docs/kubernetes.md starts no new pods")
    say("   ok new pods after a change")


def shows_metrics(pod):
    """One path of the admin endpoint, by GET alone."""
    if {"name": "metrics", "containerPort": 9902} not in [
        {key: port[key] for key in ("name", "containerPort")}
        for port in pod["containers"][0]["ports"]
    ]:
        raise Surprise("the pod does not name the port of its metrics")
    asked = [
        ("GET", "/stats/prometheus", 200),
        ("POST", "/stats/prometheus", 404),
        ("GET", "/config_dump", 404),
        ("POST", "/quitquitquit", 404),
        ("GET", "/stats/prometheus/../../config_dump", 404),
    ]
    for method, path, status in asked:
        command = ["curl", "--silent", "--noproxy", "*", "--max-time", "10", "--path-as-is"]
        command += ["--write-out", "\n%{http_code}", "--request", method]
        answer = run([*command, f"http://127.0.0.1:{METRICS}{path}"])
        text, seen = answer.rsplit("\n", 1)
        if int(seen) != status:
            raise Surprise(f"{method} {path} at the metrics: {seen}, expected {status}")
        if status == 200 and not re.search(r'tls_client_auth\{code="authenticated"\} [1-9]', text):
            raise Surprise("the metrics have no decisions of the filter")
    say("   ok its metrics, and nothing else of the admin endpoint")


def play(world):
    say("\nEnvoy as a Deployment: deployment.yaml")
    world.cluster.create_namespaces(SERVER)
    manifest = (world.root / "envoy/kubernetes/deployment.yaml").read_text()
    page, folder = Page(world.root, "docs/kubernetes.md"), world.stage.directory / "administrator"
    folder.mkdir()
    world.certificates.copy_to(folder)
    (folder / "deployment.yaml").write_text(manifest)
    page.run("kubectl create namespace", folder, **world.cluster.environment())
    world.cluster.check(manifest)
    found = world.cluster.get("deployment", "envoy", "oauth-edge")
    pod = found["spec"]["template"]["spec"]
    [name] = [one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one]
    config = world.cluster.get("configmap", name, "oauth-edge")["data"]["envoy.yaml"]
    expected = (world.root / "envoy/envoy.yaml").read_text()
    expected = expected[expected.index("admin:\n"):]
    for old, new in CHANGES.items():
        expected = replaced(expected, old, new)
    shared = config
    for part in ADDED:
        shared, times = re.subn(part, "", shared, flags=re.DOTALL)
        if times != 1:
            raise Surprise(f"the ConfigMap of deployment.yaml has {times} of {part}")
    if shared != expected:
        raise Surprise("the ConfigMap of deployment.yaml is not envoy.yaml with its changes")
    say("   ok its ConfigMap is envoy.yaml")
    pki = world.certificates
    server = "authorization-server.authorization-server.svc.cluster.local"
    for old, new in {
        "address: 0.0.0.0, port_value: 8443": f"address: 127.0.0.1, port_value: {ENVOY}",
        "address: 0.0.0.0, port_value: 9902": f"address: 127.0.0.1, port_value: {METRICS}",
        f"address: {server}, port_value: 8080": f"address: 127.0.0.1, port_value: {BACKEND}",
        MODULE: str(world.module),
        "/etc/envoy/server/tls.crt": str(pki.path("server.pem")),
        "/etc/envoy/server/tls.key": str(pki.path("server.key")),
        "/etc/envoy/clients/ca.crt": str(pki.path("ca.pem")),
        "                json_format:\n": JSON_LOG,
    }.items():
        config = replaced(config, old, new)
    # The admin endpoint, and the cluster that leads to it.
    config = config.replace("port_value: 9901", f"port_value: {ENVOY_ADMIN}")
    path = world.stage.directory / "envoy.yaml"
    path.write_text(pki.registered(config))
    has_its_secrets(world, pod)
    arguments = [
        str(path) if word == "/etc/envoy/config/envoy.yaml" else word
        for word in pod["containers"][0]["args"]
    ]
    if str(path) not in arguments:
        raise Surprise(f"the container does not start with the ConfigMap: {arguments}")
    command = [world.envoy, *arguments, "--disable-hot-restart"]
    command += ["--file-flush-interval-msec", "50"]
    envoy = world.stage.start("envoy", command)
    edge = Edge(ENVOY, envoy, world.backend, pki)
    edge.serves_all_clients()
    edge.names_its_authorities(False)
    shows_metrics(pod)
    world.stage.end(envoy)
    restarts(world, page, folder)
