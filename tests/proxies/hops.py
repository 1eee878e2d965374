"""The proxies: how each is started, and how the Envoy behind it reads what it writes."""

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TRUSTED = "spiffe://cluster.local/ns/istio-ingress/sa/istio-ingressgateway"


@dataclass
class Hop:
    """One way in which one proxy hands a certificate on."""

    name: str
    port: int
    # `peer_certificate` without what is the same for all.
    reads: dict
    # What it sends where the client has no certificate, for the log of this test.
    placeholder: str
    # Whether it lets certificates in that it cannot verify, and says so.
    says_verified: bool = False

    @property
    def header(self):
        usual = {"client-cert": "Client-Cert", "pem": "X-SSL-Cert"}
        return self.reads.get("header") or usual[self.reads["dialect"]]

    @property
    def envoy_port(self):
        return self.port + 50

    @property
    def peer_certificate(self):
        return {"source": "forwarded", "trusted_proxies": [TRUSTED], **self.reads}


def word(header, *values):
    return {"verified": {"header": header, "values": list(values)}}


HOPS = [
    Hop("nginx", 22001, {"dialect": "pem"}, "no header"),
    Hop(
        "nginx-verified", 22002,
        {"dialect": "pem", "header": "ssl-client-cert", **word("ssl-client-verify", "SUCCESS")},
        "no header, NONE", says_verified=True,
    ),
    Hop("haproxy-der", 22003, {"dialect": "der", "header": "X-SSL-Client-Der"}, "an empty header"),
    Hop("haproxy-rfc9440", 22004, {"dialect": "client-cert"}, "::"),
    Hop("haproxy-pem", 22005, {"dialect": "pem"}, "no header"),
    Hop(
        "haproxy-verified", 22006,
        {
            "dialect": "der", "header": "X-SSL-Client-Der",
            **word("X-SSL-Client-Verify", "0"),
        },
        "an empty header, 0", says_verified=True,
    ),
    Hop("apache-line", 22007, {"dialect": "pem", "header": "X-SSL-Client-Cert"}, "(null)"),
    Hop("apache-escape", 22008, {"dialect": "pem", "header": "X-SSL-Client-Cert"}, "empty"),
    Hop(
        "apache-verified", 22009,
        {
            "dialect": "pem", "header": "X-SSL-Client-Cert",
            **word("X-SSL-Client-Verify", "SUCCESS"),
        },
        "(null), NONE", says_verified=True,
    ),
    Hop("caddy", 22010, {"dialect": "der", "header": "X-SSL-Client-Der"}, "a name in braces"),
    Hop("traefik", 22011, {"dialect": "der", "header": "X-Forwarded-Tls-Client-Cert"}, "no header"),
    Hop(
        "traefik-insecure", 22012,
        {"dialect": "der", "header": "X-Forwarded-Tls-Client-Cert"}, "no header",
    ),
]
BY_NAME = {hop.name: hop for hop in HOPS}
TEMPLATES = sorted((HERE / "conf").iterdir())
# For a server block that is not said to keep its sessions.
RESUMED = "SSLSessionCache shmcb:apache-sessions(512000)"
NOT_RESUMED = "SSLSessionCache none\nSSLSessionTickets off"


class Proxies:
    """The programs in HOME/bin, with the libraries of HOME/lib."""

    def __init__(self, stage, home, pki):
        self.stage = stage
        self.home = home
        self.pki = pki
        self.running = {}
        # HAProxy and Apache read key and certificate from one file.
        for both, name in [("server-both", "server"), ("hop-both", "mesh-gateway")]:
            parts = [pki / f"{name}.pem", pki / f"{name}.key"]
            (pki / f"{both}.pem").write_text("".join(part.read_text() for part in parts))

    def start(self, name):
        start = {
            "nginx": lambda: ["nginx", "-e", "stderr", "-c", self.write("nginx.conf")],
            "haproxy": lambda: ["haproxy", "-db", "-f", self.write("haproxy.cfg", "haproxy")],
            "apache": lambda: [
                "apache2", "-DFOREGROUND", "-f", self.write("apache.conf", "apache", RESUMED),
            ],
            "apache-not-resumed": lambda: [
                "apache2", "-DFOREGROUND", "-f", self.write("apache.conf", "apache", NOT_RESUMED),
            ],
            "caddy": lambda: [
                "caddy", "run", "--adapter", "caddyfile", "--config", self.write("Caddyfile"),
            ],
            "traefik": lambda: [
                "traefik", f"--configfile={self.traefik()}",
            ],
        }
        program, *arguments = start[name]()
        libraries = [str(self.home / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
        # Caddy keeps its state below HOME and XDG_DATA_HOME.
        directory = str(self.stage.directory)
        environment = os.environ | {
            "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
            "HOME": directory, "XDG_DATA_HOME": directory, "XDG_CONFIG_HOME": directory,
        }
        command = [self.home / "bin" / program, *arguments]
        self.running[name] = self.stage.start(name, command, env=environment, cwd=directory)
        return self.running[name]

    def end(self, name):
        self.stage.end(self.running.pop(name))

    def traefik(self):
        self.write("traefik.yaml")
        return self.write("traefik-static.yaml")

    def write(self, template, kind="", cache=""):
        """The template with ports and paths."""
        text = (HERE / "conf" / template).read_text()
        upstream = {
            "haproxy": f"ssl crt {self.pki}/hop-both.pem ca-file {self.pki}/ca.pem verify required"
            " verifyhost as.example.com sni str(as.example.com)",
        }
        words = {
            "HERE": self.stage.directory, "PKI": self.pki, "CACHE": cache,
            "MODULES": self.home / "modules", "UPSTREAM": upstream.get(kind, ""),
        }
        for hop in HOPS:
            words |= {hop.name: hop.port, f"{hop.name}.envoy": hop.envoy_port}
        for name, value in words.items():
            text = text.replace(f"@{name}@", str(value))
        path = self.stage.directory / template
        path.write_text(text)
        return path
