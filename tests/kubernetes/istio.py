"""Istio: istiod, and its agent, which starts Envoy and fetches the module."""

import json
import os

from cluster import resource, secret
from image import REPOSITORY
from stage import Surprise, run, say
from traffic import BACKEND, HOST, LOG_FORMAT, Edge

HTTP, HTTPS, GRPC, SECURE_GRPC, MONITORING, CONTROL = 21080, 21017, 21010, 21012, 21014, 21876
# Each agent has four ports from here on: Envoy's administration, its own status, Envoy's, metrics.
AGENT, BESIDE = 21100, 21110
# Those that every sidecar takes, whatever it is asked: for what leaves and what arrives.
CAPTURE = [15001, 15006]
# The sidecar of the authorization server is on an address of its own.
SIDECAR_ADDRESS, SIDECAR = "127.0.0.2", 21448
# Of a waypoint, fixed, and where requests enter a tunnel to it.
HBONE, TUNNEL, TUNNEL_ADMIN = 15008, 21449, 21905
WAYPOINT_ADDRESS = "127.0.0.3"
GATEWAY, KUBERNETES_GATEWAY = 21443, 21444
CLIENT_REGISTRY = 21082
PORTS = [
    *(HTTP, HTTPS, GRPC, SECURE_GRPC, MONITORING, CONTROL),
    *range(AGENT, AGENT + 4),
    *range(BESIDE, BESIDE + 4),
    *CAPTURE,
    *(HBONE, TUNNEL, TUNNEL_ADMIN),
    *(GATEWAY, KUBERNETES_GATEWAY, CLIENT_REGISTRY),
]
SYSTEM, INGRESS, SERVER = "istio-system", "istio-ingress", "authorization-server"
SHIPPED = "oci://registry.example.com/tls-client-auth:0.2.0"
BACKEND_NAME = "authorization-server.authorization-server.svc.cluster.local"
# The Envoy of PyPI has none of Istio's own filters.
WITHOUT_ISTIOS_FILTERS = {
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
    "PILOT_ENABLE_TELEMETRY": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
}


def environment(**values):
    """Of this process, without what would lead a program to another cluster or proxy."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **values}


class Istio:
    def __init__(self, stage, tools, cluster, root, sources, envoy):
        self.stage = stage
        self.tools = tools
        self.cluster = cluster
        self.root = root
        self.sources = sources
        self.envoy = envoy
        self.istiod = None
        self.agents = 0

    def manifest(self, name, url=f"oci://{REPOSITORY}:0.2.0"):
        """As shipped, with the address of the module."""
        text = (self.root / f"envoy/istio/{name}.yaml").read_text()
        return text.replace(SHIPPED, url)

    def start(self):
        cluster = self.cluster
        cluster.create_definitions(self.sources / "crd-all.gen.yaml")
        cluster.create_namespaces(SYSTEM, INGRESS, SERVER)
        mesh = {
            "defaultProviders": {},
            "accessLogFile": "/dev/stdout",
            "accessLogFormat": LOG_FORMAT,
        }
        data = {"mesh": json.dumps(mesh), "meshNetworks": "{}"}
        cluster.apply([resource("v1", "ConfigMap", "istio", SYSTEM, data=data)])
        self.run()
        self.serve_backend()

    def stop(self):
        self.stage.end(self.istiod)

    def run(self, **switches):
        home = self.stage.directory / "istiod"
        home.mkdir(exist_ok=True)
        variables = environment(
            POD_NAME="istiod",
            POD_NAMESPACE=SYSTEM,
            ISTIOD_CUSTOM_HOST="localhost",
            INJECTION_WEBHOOK_CONFIG_NAME="",
            VALIDATION_WEBHOOK_CONFIG_NAME="",
            **WITHOUT_ISTIOS_FILTERS,
            **switches,
        )
        command = [
            *(self.tools / "pilot-discovery", "discovery"),
            f"--kubeconfig={self.cluster.kubeconfig}",
            f"--httpAddr=127.0.0.1:{HTTP}",
            f"--httpsAddr=127.0.0.1:{HTTPS}",
            f"--grpcAddr=127.0.0.1:{GRPC}",
            f"--secureGRPCAddr=127.0.0.1:{SECURE_GRPC}",
            f"--monitoringAddr=127.0.0.1:{MONITORING}",
            *("--ctrlz_address=127.0.0.1", f"--ctrlz_port={CONTROL}"),
        ]
        self.istiod = self.stage.start("istiod", command, cwd=home, env=variables)

        def ready():
            url = f"http://127.0.0.1:{HTTP}/ready"
            command = ["curl", "--silent", "--fail", "--noproxy", "*", "--max-time", "2", url]
            return run(command, check=False).returncode == 0

        self.stage.wait("istiod", ready, self.istiod, 180)

    def serve_backend(self, port=BACKEND, endpoint=None, labels=None, addresses=None):
        """A Service whose one endpoint is on loopback, which Kubernetes itself would refuse."""
        spec = {
            "hosts": [BACKEND_NAME],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": 8080, "name": "http", "protocol": "HTTP", "targetPort": port}],
            "endpoints": [endpoint or {"address": "127.0.0.1"}],
        }
        if addresses:
            spec["addresses"] = addresses
        entry = resource("networking.istio.io/v1", "ServiceEntry", SERVER, SERVER, labels)
        self.cluster.apply([{**entry, "spec": spec}])

    def serve_certificates(self, certificates):
        """The secret of the gateway, with the CAs of the clients in ca.crt."""
        files = {
            "tls_crt": certificates.path("server.pem"),
            "tls_key": certificates.path("server.key"),
            "ca_crt": certificates.path("ca.pem"),
        }
        self.cluster.apply([secret(SERVER, INGRESS, "kubernetes.io/tls", **files)])

    def workload(self, name, namespace, account, labels, ports, address="127.0.0.1"):
        """What a Deployment and its Service would make: a pod on loopback. Without ports, no
        Service: its name is that of an entry."""
        cluster = self.cluster
        rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}
        api = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        container = {"name": "istio-proxy", "image": "not-run"}
        service = {
            "selector": labels,
            "ports": [
                {"name": f"https-{port}", "port": port, "targetPort": target, "protocol": "TCP"}
                for port, target in ports.items()
            ],
        }
        services = [resource("v1", "Service", name, namespace, spec=service)] if ports else []
        cluster.apply([
            *services,
            resource("v1", "ServiceAccount", account, namespace),
            resource(f"{api}/v1", "Role", account, namespace, rules=[rule]),
            resource(
                *(f"{api}/v1", "RoleBinding", account, namespace),
                roleRef={"apiGroup": api, "kind": "Role", "name": account},
                subjects=[subject],
            ),
            resource(
                *("v1", "Pod", name, namespace, labels),
                spec={"serviceAccountName": account, "containers": [container]},
            ),
        ])
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "hostIP": "127.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        cluster.set_status("pod", name, namespace, status)
        self.wait_until_allowed(account, namespace)

    def wait_until_allowed(self, account, namespace):
        """istiod remembers for a minute that an account may not read secrets."""
        user = f"--as=system:serviceaccount:{namespace}:{account}"
        question = ["auth", "can-i", "list", "secrets", f"--namespace={namespace}", user]
        self.stage.wait(
            f"the role of {account}",
            lambda: self.cluster.kubectl(*question, check=False).stdout.strip() == "yes",
        )

    def agent(self, kind, name, namespace, account, labels, address="127.0.0.1", port=AGENT):
        """The agent of a workload, with its Envoy, and the first of its own ports."""
        self.agents += 1
        title = f"agent-{self.agents}-{name}"
        home = self.stage.directory / title
        tokens, roots = home / "var/run/secrets/tokens", home / "var/run/secrets/istio"
        for directory in (tokens, roots, home / "etc"):
            directory.mkdir(parents=True)
        where = [account, f"--namespace={namespace}"]
        token = self.cluster.kubectl("create", "token", *where, "--audience=istio-ca")
        (tokens / "istio-token").write_text(token.strip())
        authority = self.stage.wait(
            "istiod's CA",
            lambda: self.cluster.get("secret", "istio-ca-secret", SYSTEM),
            self.istiod,
        )
        root = run(["base64", "-d"], stdin=authority["data"]["ca-cert.pem"])
        (roots / "root-cert.pem").write_text(root)
        # An extension for waypoints that only Istio's own Envoy has.
        template = home / "envoy_bootstrap.json"
        text = (self.sources / "envoy_bootstrap.json").read_text()
        template.write_text(text.replace("{{- if .metadata_discovery }}", "{{- if false }}"))
        proxy = {
            "discoveryAddress": f"localhost:{SECURE_GRPC}",
            "binaryPath": str(self.envoy),
            "configPath": str(home / "etc"),
            "proxyBootstrapTemplatePath": str(template),
            "proxyAdminPort": port,
            "statusPort": port + 1,
            "fileFlushInterval": "0.05s",
            "concurrency": 2,
        }
        variables = environment(
            POD_NAME=name,
            POD_NAMESPACE=namespace,
            INSTANCE_IP=address,
            SERVICE_ACCOUNT=account,
            ISTIO_META_CLUSTER_ID="Kubernetes",
            # For this version a waypoint gets what only it and Envoy have, not Istio's own Envoy.
            ISTIO_META_ISTIO_VERSION="1.29.1",
            ISTIO_METAJSON_LABELS=json.dumps(labels),
            CA_ADDR=f"localhost:{SECURE_GRPC}",
            JWT_POLICY="third-party-jwt",
            ENVOY_STATUS_PORT=str(port + 2),
            ENVOY_PROMETHEUS_PORT=str(port + 3),
            PROXY_CONFIG=json.dumps(proxy),
        )
        command = [self.tools / "pilot-agent", "proxy", kind, "--proxyLogLevel=warning"]
        command.append(f"--domain={namespace}.svc.cluster.local")
        return self.stage.start(title, command, cwd=home, env=variables)

    def rewritten(self, name, members, url=f"oci://{REPOSITORY}:0.2.0"):
        """A shipped manifest with other members in the filter's configuration; None removes."""
        changed = 0
        objects = self.cluster.objects(self.manifest(name, url))
        for item in objects:
            for patch in item["spec"].get("configPatches", []):
                if patch["applyTo"] == "EXTENSION_CONFIG":
                    config = patch["patch"]["value"]["typed_config"]["config"]["configuration"]
                    merged = {**json.loads(config["value"]), **members}
                    kept = {key: value for key, value in merged.items() if value is not None}
                    config["value"] = json.dumps(kept)
                    changed += 1
        if changed != 1:
            raise Surprise(f"{name}: {changed} configurations of the filter")
        return objects


def virtual_service():
    route = {"destination": {"host": BACKEND_NAME, "port": {"number": 8080}}}
    spec = {
        "hosts": [HOST],
        "gateways": [f"{INGRESS}/{SERVER}"],
        "http": [{"route": [route]}],
    }
    return resource("networking.istio.io/v1", "VirtualService", SERVER, INGRESS, spec=spec)
