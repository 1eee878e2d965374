"""Envoy Gateway, and the Envoy that its Deployment would start."""

import base64
import json

from cluster import resource
from istio import environment
from stage import Surprise, listens, run
from traffic import BACKEND, HOST, LOG_FORMAT

# Those that Envoy Gateway does not let anybody choose: xDS, rate limits, modules, its own health,
# administration and metrics, and the readiness of its proxies.
FIXED = [18000, 18001, 18002, 8081, 19000, 19001, 19003]
ADMIN, STATS, LISTENER = 21901, 21902, 21445
PORTS = [*FIXED, ADMIN, STATS, LISTENER]
SYSTEM, INGRESS, SERVER = "envoy-gateway-system", "ingress", "authorization-server"
GROUP = "gateway.envoyproxy.io"
MODULE = "/etc/tls-client-auth/plugin.wasm"
CONTROLLER = "envoy-gateway.envoy-gateway-system.svc.cluster.local."


class EnvoyGateway:
    def __init__(self, stage, tools, cluster, root, sources, envoy):
        self.stage = stage
        self.tools = tools
        self.cluster = cluster
        self.root = root
        self.sources = sources
        self.envoy = envoy
        self.controller = None
        self.proxies = 0

    def manifest(self, name):
        """As shipped, with another port of the listener."""
        text = (self.root / f"envoy/envoy-gateway/{name}.yaml").read_text()
        return text.replace("    port: 443\n", f"    port: {LISTENER}\n")

    def start(self):
        cluster = self.cluster
        cluster.create_definitions(self.sources / "generated")
        cluster.create_namespaces(SYSTEM)
        home = self.stage.directory / "envoy-gateway"
        home.mkdir()
        program = self.tools / "envoy-gateway"
        certgen = [program, "certgen", "--disable-topology-injector"]
        run(certgen, env=self.environment(), cwd=home, seconds=120)
        self.write_secret("envoy-gateway", self.stage.place("/certs"))
        self.stage.place("/var/lib/eg")
        self.run()

    def environment(self):
        kubeconfig = str(self.cluster.kubeconfig)
        return environment(KUBECONFIG=kubeconfig, ENVOY_GATEWAY_NAMESPACE=SYSTEM)

    def run(self):
        config = {
            "apiVersion": f"{GROUP}/v1alpha1",
            "kind": "EnvoyGateway",
            "gateway": {"controllerName": f"{GROUP}/gatewayclass-controller"},
            "provider": {
                "type": "Kubernetes",
                "kubernetes": {"leaderElection": {"disable": True}},
            },
            "extensionApis": {
                "enableEnvoyPatchPolicy": True,
                "enableBackend": True,
                "enableLua": True,
            },
        }
        home = self.stage.directory / "envoy-gateway"
        path = home / "config.json"
        path.write_text(json.dumps(config))
        command = [self.tools / "envoy-gateway", "server", f"--config-path={path}"]
        options = {"cwd": home, "env": self.environment()}
        self.controller = self.stage.start("envoy-gateway", command, **options)
        self.stage.wait("Envoy Gateway", lambda: listens(18000), self.controller, 120)

    def stop(self):
        self.stage.end(self.controller)

    def write_secret(self, name, directory):
        found = self.cluster.get("secret", name, SYSTEM)
        for key, value in found["data"].items():
            (directory / key).write_bytes(base64.b64decode(value))

    def log_requests(self):
        """Beside the access log of gateway.yaml one that tells the requests apart."""
        sink = {"type": "File", "file": {"path": "/dev/stdout"}}
        line = {"format": {"type": "Text", "text": LOG_FORMAT}, "sinks": [sink]}
        place = "/spec/telemetry/accessLog/settings/-"
        patch = json.dumps([{"op": "add", "path": place, "value": line}])
        where = ["envoyproxy", SERVER, f"--namespace={INGRESS}", "--type=json"]
        self.cluster.kubectl("patch", *where, f"--patch={patch}")

    def route(self):
        """The application's: leads to the authorization server, and has a name to attach to."""
        reference = {"group": GROUP, "kind": "Backend", "name": SERVER}
        parent = {"name": SERVER, "namespace": INGRESS}
        rule = {"backendRefs": [reference]}
        endpoint = {"fqdn": {"hostname": "backend.localhost", "port": BACKEND}}
        spec = {"endpoints": [endpoint]}
        return [
            resource(f"{GROUP}/v1alpha1", "Backend", SERVER, SERVER, spec=spec),
            resource(
                *("gateway.networking.k8s.io/v1", "HTTPRoute", SERVER, SERVER),
                spec={"parentRefs": [parent], "hostnames": [HOST], "rules": [rule]},
            ),
        ]

    def deployment(self):
        labels = f"gateway.envoyproxy.io/owning-gateway-name={SERVER}"
        return self.stage.wait(
            "the Deployment of Envoy Gateway",
            lambda: next(iter(self.cluster.find("deployment", SYSTEM, labels)), None),
            self.controller,
            60,
        )

    def proxy(self):
        """The Envoy of the Deployment, on the addresses of this machine."""
        self.proxies += 1
        home = self.stage.directory / f"proxy-{self.proxies}"
        home.mkdir()
        deployment = self.deployment()
        pod = deployment["spec"]["template"]["spec"]
        container = next(one for one in pod["containers"] if one["name"] == "envoy")
        self.write_secret("envoy", home)
        for volume in pod["volumes"]:
            if volume["name"] == "sds":
                self.write_config_map(volume["configMap"]["name"], home)
        arguments = list(container["args"])
        place = arguments.index("--config-yaml") + 1
        bootstrap = arguments[place]
        for old, new in {
            CONTROLLER: "127.0.0.1",
            CONTROLLER.rstrip("."): "127.0.0.1",
            "/sds/": f"{home}/",
            "port_value: 19000": f"port_value: {ADMIN}",
            "port_value: 19001": f"port_value: {STATS}",
            "$(ENVOY_SERVICE_ZONE)": "",
        }.items():
            bootstrap = bootstrap.replace(old, new)
        arguments[place] = bootstrap
        name = deployment["metadata"]["name"]
        arguments = [word.replace("$(ENVOY_POD_NAME)", f"{name}-0") for word in arguments]
        arguments = [word for word in arguments if word != "--cpuset-threads"]
        command = [self.envoy, *arguments, "--concurrency", "2", "--disable-hot-restart"]
        command += ["--file-flush-interval-msec", "50"]
        return self.stage.start(f"proxy-{self.proxies}", command, cwd=home, env=environment())

    def write_config_map(self, name, home):
        data = self.cluster.get("configmap", name, SYSTEM)["data"]
        for key, value in data.items():
            (home / key).write_text(value.replace("/certs/", f"{home}/"))

    def conditions(self, kind, name, namespace):
        """Of a policy at its first ancestor: type, status, reason and message by type."""
        found = self.cluster.get(f"{kind}.{GROUP}", name, namespace) or {}
        ancestors = found.get("status", {}).get("ancestors", [])
        return {one["type"]: one for one in (ancestors[0]["conditions"] if ancestors else [])}

    def becomes(self, kind, name, namespace, condition, status):
        """Of the object as it was applied last: a status of one before says nothing."""

        def seen():
            found = self.cluster.get(f"{kind}.{GROUP}", name, namespace) or {}
            ancestors = found.get("status", {}).get("ancestors", [])
            conditions = ancestors[0]["conditions"] if ancestors else []
            return any(
                (one["type"], one["status"]) == (condition, status)
                and one.get("observedGeneration", 0) >= found["metadata"]["generation"]
                for one in conditions
            )

        what = f"{kind} {name}: {condition}={status}"
        try:
            return self.stage.wait(what, seen, self.controller, 60)
        except Surprise as surprise:
            found = self.conditions(kind, name, namespace)
            raise Surprise(f"{surprise}\n   its conditions: {json.dumps(found)}") from surprise
