"""main.py --home DIRECTORY --envoy FILE --module FILE [PROXY...]: real proxies in front of a real
Envoy with the filter. One surprise fails the whole.

DIRECTORY has what tests/tools/fetch.sh gets: bin/ with the programs, lib/ and modules/ with what
they need. `./build.sh test proxies` calls it. README.md explains the checks.
"""

import argparse
import base64
import hashlib
import json
import re
import shutil
import sys
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/kubernetes"))

import edge
import hops
from client import Client
from stage import Stage, Surprise, listens, must_be_free, run, say

MANUAL = ROOT / "docs/forwarded-certificates.md"
PROXIES = ["nginx", "haproxy", "apache", "caddy", "traefik"]


class World:
    def __init__(self, stage, arguments):
        self.stage = stage
        self.pki = stage.directory / "pki"
        run(["bash", ROOT / "tests/demo/pki.sh", self.pki])
        # The client's certificate with that of its issuer, as many clients send it.
        chain = [self.pki / "subject-dn.pem", self.pki / "ca.pem"]
        (self.pki / "chain.pem").write_text("".join(part.read_text() for part in chain))
        shutil.copy(self.pki / "subject-dn.key", self.pki / "chain.key")
        self.proxies = hops.Proxies(stage, arguments.home.resolve(), self.pki)
        record = stage.directory / "backend.jsonl"
        record.touch()
        backend = [sys.executable, ROOT / "tests/demo/backend.py", edge.BACKEND, record]
        process = stage.start("backend", backend)
        stage.wait("the backend", lambda: listens(edge.BACKEND), process, 30)
        bootstrap = stage.directory / "envoy.json"
        self_signed = thumbprint(self.pki / "self-signed.pem")
        module = arguments.module.resolve()
        bootstrap.write_text(json.dumps(edge.bootstrap(module, self.pki, self_signed)))
        command = [arguments.envoy.resolve(), "-c", bootstrap, "--concurrency", "1"]
        command += ["--disable-hot-restart", "--log-level", "warning"]
        command += ["--file-flush-interval-msec", "10"]
        self.envoy = stage.start("envoy", command)
        last = hops.HOPS[-1].envoy_port
        stage.wait("Envoy", lambda: listens(last), self.envoy, 120)
        self.client = Client(self.pki, self.envoy, record)

    def start(self, program, ports):
        process = self.proxies.start(program)
        self.stage.wait(program, lambda: all(map(listens, ports)), process, 60)
        # Traefik listens before it has read its configuration.
        for port in ports:
            self.stage.wait(f"{program} on {port}", lambda: self.answers(port), process, 60)

    def answers(self, port):
        return self.client.send(port).code == "certificate_missing"


def thumbprint(path):
    lines = path.read_text().splitlines()
    der = base64.b64decode("".join(line for line in lines if not line.startswith("-")))
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


class Checks:
    """What must hold behind one proxy."""

    def __init__(self, world, hop):
        self.hop = hop
        self.client = world.client
        self.values = {
            name: value_of(hop, world.client, name) for name in ("subject-dn", "wrong")
        }

    def expect(self, what, wanted, answer):
        if (answer.status, answer.code) != wanted:
            raise Surprise(f"{self.hop.name}, {what}: expected {wanted}, got {answer}")
        passed = answer.saw is not None
        if passed != (answer.status == 200):
            raise Surprise(f"{self.hop.name}, {what}: {answer}, but the backend saw {answer.saw}")
        say(f"   ok {what}: {answer}")
        return answer

    def through(self, what, wanted, *arguments, **request):
        return self.expect(what, wanted, self.client.send(self.hop.port, *arguments, **request))

    def around(self, what, wanted, *arguments, **request):
        answer = self.client.send(self.hop.envoy_port, *arguments, **request)
        return self.expect(what, wanted, answer)

    def all(self):
        say(f"{self.hop.name} (without a certificate: {self.hop.placeholder})")
        ok, refused = (200, "authenticated"), lambda code: (401, code)
        right = self.through("the right client", ok, "subject-dn")
        self.identified(right)
        self.identified(self.through("with the chain", ok, "chain"))
        self.through("another's certificate", refused("subject_mismatch"), "wrong")
        self.through("no certificate", refused("certificate_missing"))
        self.of_unverified()
        for what, headers in self.forged("subject-dn"):
            for certificate, code in [
                ("wrong", "subject_mismatch"), (None, "certificate_missing")
            ]:
                sent = f"{what}, with {certificate or 'no'} certificate"
                self.through(sent, refused(code), certificate, headers=headers)
            page = self.through(f"{what}, not gated", (200, "-"), None, path="/x", headers=headers)
            self.clean(page)
        for what, headers in self.forged("wrong"):
            right = self.through(f"{what} of another, by the right client", ok, "subject-dn",
                                 headers=headers)
            self.identified(right)
        own = self.headers("subject-dn")
        for certificate in ("wrong", "subject-dn", None):
            what = f"around the proxy, with {certificate or 'no'} certificate"
            code = refused("certificate_missing")
            self.around(what, code, certificate, headers=own)
        self.around("as the proxy writes it", ok, "mesh-gateway", headers=own)
        self.around(
            "the header twice", refused("certificate_malformed"), "mesh-gateway",
            headers=[own[0], *own],
        )
        self.around("another spelling", refused("certificate_missing"), "mesh-gateway",
                    headers=[(own[0][0].replace("-", "_"), own[0][1]), *own[1:]])

    def of_unverified(self):
        if not self.hop.says_verified:
            # The proxy refuses it itself: in the handshake, or with an answer of its own.
            for certificate in ("untrusted", "expired"):
                answer = self.client.send(self.hop.port, certificate)
                if answer.saw is not None or answer.code != "-":
                    raise Surprise(f"{self.hop.name} let {certificate} through: {answer}")
                say(f"   ok {certificate}, refused by the proxy: {answer}")
            return
        self.through("untrusted", (401, "certificate_unverified"), "untrusted")
        self.through("self-signed", (200, "authenticated"), "self-signed", client="self-signed")
        self.through("another self-signed one", (401, "certificate_not_registered"),
                     "self-signed-other", client="self-signed")
        self.through("self-signed, for another client", (401, "certificate_unverified"),
                     "self-signed")
        # Of a resumed session a proxy remembers what it found at first; Apache forgets it: below.
        if not self.hop.name.startswith("apache"):
            for tls in (1.2, 1.3):
                answers = self.twice("untrusted", tls)
                for number, answer in enumerate(answers, 1):
                    self.expect(f"untrusted, TLS {tls}, connection {number}",
                                (401, "certificate_unverified"), answer)
                if not answers[1].resumed:
                    raise Surprise(f"{self.hop.name} did not resume a session of TLS {tls}")
        word = self.hop.reads["verified"]
        for name in (word["header"], word["header"].replace("-", "_")):
            forged = [(name, word["values"][0])]
            self.through(f"untrusted, and {name} forged", (401, "certificate_unverified"),
                         "untrusted", headers=forged)
        certificate, verified = self.headers("subject-dn")
        for what, headers in [
            ("no word", [certificate]),
            ("the word twice", [certificate, verified, verified]),
            ("two words joined", [certificate, (verified[0], f"{verified[1]},{verified[1]}")]),
        ]:
            self.around(what, (401, "certificate_unverified"), "mesh-gateway", headers=headers)

    def twice(self, certificate, tls):
        """A certificate with the name of a client, in two connections of one session."""
        context = self.client.context(certificate, tls)
        first = self.client.send(self.hop.port, context=context)
        return first, self.client.send(self.hop.port, context=context, session=first.session)

    def headers(self, certificate):
        """What the proxy sends for a certificate that it verified."""
        headers = [(self.hop.header, self.values[certificate])]
        if word := self.hop.reads.get("verified"):
            headers.append((word["header"], word["values"][0]))
        return headers

    def forged(self, certificate):
        """What a client sends in the hope that the proxy leaves it."""
        own = self.headers(certificate)
        spelt = [(name.replace("-", "_"), value) for name, value in own]
        yield "its header forged", own
        yield "its header forged twice", [*own, *own]
        yield "its header forged in another spelling", spelt
        yield "its header forged in both spellings", [*own, *spelt]

    def identified(self, answer):
        """The backend has the client's own certificate, and nothing of what the proxy sent."""
        wanted = [self.client.byte_sequence("subject-dn")]
        if answer.saw.get("client-cert") != wanted:
            raise Surprise(f"{self.hop.name}: the backend got {answer.saw.get('client-cert')}")
        if answer.saw.get("x-oauth-client-id") != ["client"]:
            raise Surprise(f"{self.hop.name}: {answer.saw.get('x-oauth-client-id')}")
        self.clean(answer, {"client-cert"})

    def clean(self, answer, written=frozenset()):
        names = [name.lower() for name, _ in self.headers("subject-dn")]
        for name in answer.saw:
            if re.sub(r"[^a-z0-9]", "-", name) in names and name not in written:
                raise Surprise(f"{self.hop.name}: the backend got {name}: {answer.saw[name]}")


def value_of(hop, client, certificate):
    """The certificate as this proxy writes it."""
    b64 = client.byte_sequence(certificate)[1:-1]
    pem = (client.pki / f"{certificate}.pem").read_text()
    line = pem.replace("\n", " ").strip()
    return {
        "client-cert": f":{b64}:",
        "der": b64,
        "pem": urllib.parse.quote(pem, safe="") if "nginx" in hop.name else line,
    }[hop.reads["dialect"]]


def of_nginx(world):
    play(world, "nginx", ["nginx", "nginx-verified"])


def of_haproxy(world):
    names = ["haproxy-der", "haproxy-rfc9440", "haproxy-pem", "haproxy-verified"]
    play(world, "haproxy", names)


def of_apache(world):
    names = ["apache-line", "apache-escape", "apache-verified"]
    play(world, "apache", names, keep=True)
    hop = hops.BY_NAME["apache-verified"]
    say("Apache with its sessions of TLS 1.2: it vouches for what it did not verify")
    checks = Checks(world, hop)
    first, second = checks.twice("untrusted", 1.2)
    shows(first, (401, "certificate_unverified"), "untrusted, at first")
    shows(second, (200, "authenticated"), "untrusted, resumed: the trap is there")
    if not second.resumed:
        raise Surprise("Apache did not resume the session: the trap was not tried")
    for number, answer in enumerate(checks.twice("untrusted", 1.3), 1):
        shows(answer, (401, "certificate_unverified"), f"untrusted, TLS 1.3, connection {number}")
    world.proxies.end("apache")
    say("Apache without sessions")
    world.start("apache-not-resumed", [hops.BY_NAME[name].port for name in names])
    for number, answer in enumerate(checks.twice("untrusted", 1.2), 1):
        shows(answer, (401, "certificate_unverified"), f"untrusted, connection {number}")
    world.proxies.end("apache-not-resumed")


def of_caddy(world):
    play(world, "caddy", ["caddy"])


def of_traefik(world):
    play(world, "traefik", ["traefik"], keep=True)
    hop = hops.BY_NAME["traefik-insecure"]
    checks = Checks(world, hop)
    say("Traefik with forwardedHeaders.insecure: what a client writes goes through")
    for certificate, wanted in [
        ("subject-dn", (200, "authenticated")), ("wrong", (401, "subject_mismatch"))
    ]:
        checks.through(f"{certificate}, forged", wanted, certificate,
                       headers=checks.headers("subject-dn"))
    checks.through("no certificate, forged: the trap is there", (200, "authenticated"),
                   headers=checks.headers("subject-dn"))
    world.proxies.end("traefik")


def shows(answer, wanted, what):
    if (answer.status, answer.code) != wanted:
        raise Surprise(f"{what}: expected {wanted}, got {answer}")
    say(f"   ok {what}: {answer}")


def play(world, program, names, keep=False):
    found = [hops.BY_NAME[name] for name in names]
    world.start(program, [hop.port for hop in found])
    for hop in found:
        Checks(world, hop).all()
    if not keep:
        world.proxies.end(program)


def manual_has_what_is_tested():
    """The recipes of the manual are the lines that run here."""
    manual = MANUAL.read_text()
    shown = {" ".join(line.split()) for line in manual.splitlines()}
    lines = 0
    for template in hops.TEMPLATES:
        text = template.read_text()
        recipes = re.findall(r"# recipe\n(.*?)# end\n", text, re.S)
        if not recipes and template.name != "traefik-static.yaml":
            raise Surprise(f"{template.name} has no recipe")
        for recipe in recipes:
            for line in recipe.splitlines():
                for name, word in [
                    (r"@PKI@/server-both\.pem", "/etc/proxy/server.pem"),
                    (r"@PKI@/(mesh-gateway|hop-both)\.", "/etc/proxy/own."),
                    (r"@PKI@/", "/etc/proxy/"),
                    (r"127\.0\.0\.1:@[\w-]+\.envoy@", "envoy.internal:443"),
                    (r"127\.0\.0\.1:@[\w-]+@", ":443"),
                ]:
                    line = re.sub(name, word, line)
                line = " ".join(line.split())
                if line and line not in shown:
                    raise Surprise(f"{MANUAL}: the recipe of {template.name} lacks: {line}")
                lines += 1
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", manual, re.S)]
    read = [block.get("peer_certificate", {}) for block in blocks]
    for hop in hops.HOPS:
        wanted = {"source": "forwarded", **hop.reads}
        found = [{k: v for k, v in peer.items() if k != "trusted_proxies"} for peer in read]
        if folded(wanted) not in map(folded, found):
            raise Surprise(f"{MANUAL}: no configuration has {json.dumps(wanted)}")
    say(f"   ok the manual has these {lines} lines and {len(hops.HOPS)} configurations")


def folded(peer):
    """Without letter case; a usual name is none."""
    text = json.dumps({"header": usual(peer), **peer}, sort_keys=True)
    return text.lower()


def usual(peer):
    return {"pem": "X-SSL-Cert", "client-cert": "Client-Cert"}.get(peer.get("dialect"))


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--envoy", type=Path, required=True)
    parser.add_argument("--module", type=Path, required=True)
    parser.add_argument("proxies", nargs="*", metavar="PROXY", help=", ".join(PROXIES))
    arguments = parser.parse_args()
    unknown = set(arguments.proxies) - set(PROXIES)
    if unknown:
        parser.error(f"no such proxy: {', '.join(unknown)}; there are {', '.join(PROXIES)}")
    return arguments


def main():
    arguments = parse()
    try:
        manual_has_what_is_tested()
        must_be_free([port for hop in hops.HOPS for port in (hop.port, hop.envoy_port)])
        must_be_free([edge.BACKEND])
        with Stage(ROOT / "target/proxies") as stage:
            world = World(stage, arguments)
            for name in arguments.proxies or PROXIES:
                globals()[f"of_{name}"](world)
    except Surprise as surprise:
        sys.exit(f"proxies: {surprise}")
    say("proxies: all as expected")


main()
