"""A Kubernetes API server with its store: no node, no kubelet, no controllers."""

import json
import os
import ssl
import urllib.request

from stage import Surprise, run

ETCD, ETCD_PEER, API = 21379, 21380, 21643
TOKEN = "the-administrator-of-this-test"


class Cluster:
    def __init__(self, stage, tools):
        self.stage = stage
        self.tools = tools
        self.home = stage.directory / "cluster"
        self.home.mkdir()
        self.kubeconfig = self.home / "kubeconfig"
        self.processes = []

    def start(self):
        self.etcd()
        self.api_server()
        self.write_kubeconfig()

    def stop(self):
        for process in self.processes:
            self.stage.end(process)
        self.processes = []

    def etcd(self):
        client, peer = f"http://127.0.0.1:{ETCD}", f"http://127.0.0.1:{ETCD_PEER}"
        command = [
            self.tools / "etcd",
            f"--data-dir={self.home / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]
        process = self.stage.start("etcd", command)
        self.processes.append(process)
        health = f"{client}/health"
        self.stage.wait("etcd", lambda: answers(health), process, 60)

    def api_server(self):
        key = self.home / "service-account.key"
        run(["openssl", "genrsa", "-out", key, "2048"])
        tokens = self.home / "tokens.csv"
        tokens.write_text(f'{TOKEN},administrator,administrator,"system:masters"\n')
        command = [
            self.tools / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{ETCD}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={API}",
            f"--cert-dir={self.home}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            "--authorization-mode=RBAC",
            f"--token-auth-file={tokens}",
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
        ]
        process = self.stage.start("kube-apiserver", command)
        self.processes.append(process)
        ready = f"https://127.0.0.1:{API}/readyz"
        self.stage.wait("the API server", lambda: answers(ready, TOKEN), process, 180)

    def write_kubeconfig(self):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": f"https://127.0.0.1:{API}",
                        "certificate-authority": str(self.home / "apiserver.crt"),
                    },
                }
            ],
            "users": [{"name": "administrator", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator"}}],
        }
        self.kubeconfig.write_text(json.dumps(config))

    def kubectl(self, *arguments, stdin=None, check=True):
        command = [self.tools / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        command.append(f"--cache-dir={self.home / 'cache'}")
        return run(command, stdin=stdin, check=check, seconds=120)

    def environment(self):
        """With which `kubectl` of a shell is this one."""
        path = f"{self.tools}:{os.environ['PATH']}"
        return {"PATH": path, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}

    def apply(self, manifest, *arguments):
        """A manifest as text, or a list of objects."""
        if not isinstance(manifest, str):
            manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifest})
        return self.kubectl("apply", *arguments, "--filename=-", stdin=manifest)

    def delete(self, manifest):
        return self.kubectl("delete", "--ignore-not-found", "--filename=-", stdin=manifest)

    def create_definitions(self, *paths):
        """CustomResourceDefinitions, until their kinds can be used."""
        for path in paths:
            self.kubectl("apply", "--server-side", f"--filename={path}")
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "--all", "crd")

    def create_namespaces(self, *names):
        self.apply([resource("v1", "Namespace", name) for name in names])

    def get(self, kind, name, namespace):
        """As a dictionary; None where there is no such object."""
        arguments = ["get", kind, name, f"--namespace={namespace}", "--output=json"]
        text = self.kubectl(*arguments, "--ignore-not-found")
        return json.loads(text) if text else None

    def find(self, kind, namespace, selector):
        arguments = ["get", kind, f"--namespace={namespace}", f"--selector={selector}"]
        return json.loads(self.kubectl(*arguments, "--output=json"))["items"]

    def set_status(self, kind, name, namespace, status):
        patch = json.dumps({"status": status})
        where = [kind, name, f"--namespace={namespace}"]
        self.kubectl("patch", *where, "--subresource=status", "--type=merge", f"--patch={patch}")

    def objects(self, manifest):
        """The objects of a manifest."""
        command = ["create", "--dry-run=client", "--validate=false", "--output=json"]
        return list(documents(self.kubectl(*command, "--filename=-", stdin=manifest)))

    def dry_run(self, manifest):
        arguments = ["apply", "--dry-run=server", "--validate=strict", "--filename=-"]
        return self.kubectl(*arguments, stdin=manifest, check=False)

    def check(self, manifest):
        """The API server takes a manifest as it is, and knows each of its fields."""
        done = self.dry_run(manifest)
        if done.returncode:
            raise Surprise(f"{done.stderr.strip()}\n{manifest[:400]}")

    def refuses(self, manifest, why):
        done = self.dry_run(manifest)
        return done.returncode != 0 and why in done.stderr


def documents(text):
    """JSON values, one after another, as kubectl prints several objects."""
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


def answers(url, token=None):
    request = urllib.request.Request(url)
    if token:
        request.add_header("authorization", f"Bearer {token}")
    try:
        # Only asks whether the server is there; the certificate is its own.
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(request, timeout=2, context=context) as answer:
            return answer.status == 200
    except OSError:
        return False


def resource(version, kind, name, namespace=None, labels=None, **rest):
    metadata = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def secret(name, namespace, kind="Opaque", **files):
    """Each file under its name in the secret, with `_` for `.`."""
    data = {key.replace("_", "."): path.read_text() for key, path in files.items()}
    return resource("v1", "Secret", name, namespace, type=kind, stringData=data)
