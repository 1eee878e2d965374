"""Requests with client certificates through an Envoy, what the filter decided, and whether the
backend saw them."""

import base64
import hashlib
import json
import re
import shutil
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass

from stage import Surprise, last_words, listens, run, say

BACKEND = 21081
HOST = "as.example.com"
GRANT = "grant_type=client_credentials"
# What an access log must hold for `Edge`; the header tells the requests apart.
LOG_FORMAT = (
    "request=%REQ(USER-AGENT)%. status=%RESPONSE_CODE% details=%RESPONSE_CODE_DETAILS% "
    "code=%FILTER_STATE(wasm.tls_client_auth_code:PLAIN)%.\n"
)
# Where curl loses an answer that comes before the end of the body: over HTTP/2 some versions do at
# once ("not closed cleanly"), and all do where Envoy then closes the connection, as it does while a
# listener changes. A handshake that fails looks the same, each time.
LOST = {16, 55, 56, 92}
# Each worker takes a change by itself, and the kernel chooses the worker of a connection: so many
# equal answers in a row come from all of them.
IN_A_ROW = 8
PLACEHOLDER = "demo-replaces-this-43-letters-placeholder-0"


class Backend:
    """The authorization server: records what it sees."""

    def __init__(self, stage, root):
        self.stage = stage
        self.root = root
        self.record = stage.directory / "backend.jsonl"
        self.record.touch()
        script = root / "tests/demo/backend.py"
        command = [sys.executable, script, BACKEND, self.record]
        process = stage.start("backend", command)
        stage.wait("the backend", lambda: listens(BACKEND), process, 30)

    def saw(self, name):
        """The headers of the request of this name, if it came: names in lower case."""
        for line in reversed(self.record.read_text().splitlines()):
            headers = {key.lower(): value for key, value in json.loads(line)["headers"]}
            if headers.get("user-agent") == name:
                return headers
        return None


class Certificates:
    def __init__(self, stage, root):
        self.directory = stage.directory / "pki"
        run(["bash", root / "tests/demo/pki.sh", self.directory])

    def path(self, name):
        return self.directory / name

    def copy_to(self, folder):
        """Under the names that the pages of the manual use."""
        for name, own in {
            "tls.crt": "server.pem", "tls.key": "server.key", "ca.crt": "ca.pem"
        }.items():
            shutil.copy(self.path(own), folder / name)

    def thumbprint(self, name):
        der = ssl.PEM_cert_to_DER_cert(self.path(f"{name}.pem").read_text())
        return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    def registered(self, manifest):
        """A manifest with the thumbprint of the self-signed client, which was not known before."""
        if PLACEHOLDER not in manifest:
            raise Surprise("the manifest has no placeholder for the self-signed client")
        return manifest.replace(PLACEHOLDER, self.thumbprint("self-signed"))


@dataclass
class Answer:
    status: int  # 0: no answer, as after a failed handshake
    code: str  # of the filter; "-" where it did not decide
    saw: dict | None  # the headers that the backend got
    headers: dict  # of the answer; names in lower case

    def __str__(self):
        return f"{self.status or 'no handshake'} {self.code}"


class Edge:
    """One gateway on a port of loopback, with the log of the Envoy behind it."""

    sent = 0

    def __init__(self, port, process, backend, certificates, address="127.0.0.1"):
        self.port = port
        self.address = address
        self.process = process
        self.backend = backend
        self.certificates = certificates
        self.scheme = "https"
        # An Envoy in front of the one that decides.
        self.front = None
        self.trust = ["--cacert", certificates.path("ca.pem")]

    # Envoy refuses some requests before it has their headers: these cannot be found in the log.
    def send(
        self, certificate=None, client=None, path="/token", headers=(), http1=False, logged=True
    ):
        for _ in range(5):
            Edge.sent += 1
            name = f"request-{Edge.sent}"
            command = self.command(name, certificate, client, path, headers, http1)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode not in LOST:
                break
        status, fields = head(done.stdout)
        code = self.code(name) if status and logged else "-"
        answer = Answer(status, code, self.backend.saw(name), fields)
        if (status == 200) != (answer.saw is not None):
            raise Surprise(f"{answer}, but the backend saw {answer.saw}")
        return answer

    def command(self, name, certificate, client, path, headers, http1):
        command = ["curl", "--silent", "--max-time", "20", "--output", "/dev/null"]
        command += ["--dump-header", "-", "--user-agent", name, "--noproxy", "*"]
        command += ["--resolve", f"{HOST}:{self.port}:{self.address}"]
        command += self.trust
        if certificate:
            command += ["--cert", self.certificates.path(f"{certificate}.pem")]
            command += ["--key", self.certificates.path(f"{certificate}.key")]
        if client:
            command += ["--data", f"{GRANT}&client_id={client}"]
        if http1:
            command.append("--http1.1")
        for header in headers:
            command += ["--header", header]
        return [str(word) for word in [*command, f"{self.scheme}://{HOST}:{self.port}{path}"]]

    def code(self, name):
        """Out of the access log, which Envoy writes after the answer."""
        start = f"request={name}. "
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            line = line_of(self.process, start)
            if line is not None:
                return re.search(r"code=([\w-]+)\.", line)[1]
            in_front = line_of(self.front, start)
            if in_front is not None and "details=via_upstream" not in in_front:
                return "-"
            time.sleep(0.05)
        raise Surprise(f"no line of {name} in the access log{last_words(self.process)}")

    def expect(self, what, status, code, *arguments, **request):
        answer = self.send(*arguments, **request)
        if (answer.status, answer.code) != (status, code):
            words = last_words(self.process)
            raise Surprise(f"{what}: expected {status} {code}, got {answer}{words}")
        say(f"   ok {what}: {answer}")
        return answer

    def becomes(self, what, status, code, *arguments, seconds=180, never_open=True, **request):
        """Until every worker answers so. Meanwhile another client's certificate never passes,
        unless a control plane takes the filter away and brings it back in two updates."""

        def ask():
            if never_open:
                other = self.send("wrong", "by-subject-dn")
                if other.saw is not None:
                    raise Surprise(f"{what}: meanwhile another client's certificate passed")
            answer = self.send(*arguments, **request)
            return (answer.status, answer.code) == (status, code), answer

        answer = self.settled(f"{what}: expected {status} {code}", ask, seconds)
        say(f"   ok {what}: {answer}")
        return answer

    def shows(self, name, value, *arguments, seconds=60):
        """Until every worker's answer has this header."""

        def ask():
            answer = self.send(*arguments)
            return answer.headers.get(name) == value, answer

        self.settled(f"expected answers with {name}: {value}", ask, seconds)
        say(f"   ok the answers have {name}: {value}")

    def settled(self, expected, ask, seconds):
        """The last answer, once `ask` found so many as expected in a row that no worker is left
        with what was before."""
        deadline = time.monotonic() + seconds
        in_a_row = 0
        while True:
            right, answer = ask()
            in_a_row = in_a_row + 1 if right else 0
            if in_a_row == IN_A_ROW:
                return answer
            if not self.process.runs() or not right and time.monotonic() > deadline:
                raise Surprise(f"{expected}, still {answer}{last_words(self.process)}")
            if not right:
                time.sleep(0.2)

    def serves_all_clients(self):
        """A listener that takes any certificate, with the clients of envoy/clients.json."""
        right = self.becomes(
            "by-subject-dn", 200, "authenticated", "subject-dn", "by-subject-dn"
        )
        identified(right, "by-subject-dn")
        right = self.expect("self-signed", 200, "authenticated", "self-signed", "self-signed")
        identified(right, "self-signed")
        self.expect("another's certificate", 401, "subject_mismatch", "wrong", "by-subject-dn")
        self.expect("no certificate", 401, "certificate_missing", None, "by-subject-dn")
        self.expect(
            "a certificate of an untrusted CA", 401, "certificate_unverified", "untrusted",
            "by-subject-dn",
        )
        self.expect(
            "another self-signed certificate", 401, "certificate_not_registered",
            "self-signed-other", "self-signed",
        )
        self.keeps_headers_out("self-signed")
        self.resumes_no_session()

    def serves_verified_clients(self):
        """A listener that takes certificates of its CAs only."""
        self.becomes("by-subject-dn", 200, "authenticated", "subject-dn", "by-subject-dn")
        self.expect("another's certificate", 401, "subject_mismatch", "wrong", "by-subject-dn")
        self.expect("no certificate", 0, "-", None, "by-subject-dn")
        self.expect("a certificate of an untrusted CA", 0, "-", "untrusted", "by-subject-dn")
        self.expect("a self-signed certificate", 0, "-", "self-signed", "self-signed")
        self.keeps_headers_out("subject-dn")
        self.resumes_no_session()

    def keeps_headers_out(self, certificate):
        """What would identify a client, or lead elsewhere, never reaches the backend."""
        forged = [
            "x-oauth-client-id: admin",
            'x-forwarded-client-cert: Subject="CN=admin"',
            "x-original-url: /token",
            "x-rewrite-url: /token",
            "x-http-method-override: POST",
            "x-http-method: POST",
            "x-method-override: POST",
        ]
        right = self.expect(
            "forged headers of the right client", 200, "authenticated", "subject-dn",
            "by-subject-dn", headers=forged,
        )
        identified(right, "by-subject-dn")
        page = self.expect(
            "forged headers on another path", 200, "-", certificate, path="/page", headers=forged
        )
        for answer in (right, page):
            for header in forged:
                name, value = header.split(": ", 1)
                if answer.saw.get(name) == value:
                    raise Surprise(f"the backend got {header}")
        if "x-oauth-client-id" in page.saw or "x-forwarded-client-cert" in page.saw:
            raise Surprise(f"the backend got an identity of nobody: {page.saw}")
        self.expect(
            "a path with an escaped slash", 400, "-", certificate, path="/a%2Ftoken"
        )
        self.expect(
            "a header with an underscore", 400, "-", certificate, path="/page",
            headers=["x_oauth_client_id: admin"], http1=True, logged=False,
        )

    def handshake(self, tls, *arguments):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}"]
        command += ["-servername", HOST, f"-{tls}", *arguments]
        request = f"GET /page HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n"
        return run([*command, "-ign_eof"], stdin=request, check=False, seconds=30).stdout

    def resumes_no_session(self):
        """A resumed session would carry no verification of the certificate."""
        session = self.certificates.directory / "session"
        for tls in ("tls1_2", "tls1_3"):
            session.unlink(missing_ok=True)
            key = ["-cert", self.certificates.path("subject-dn.pem")]
            key += ["-key", self.certificates.path("subject-dn.key")]
            said = self.handshake(tls, *key, "-sess_out", session)
            if "HTTP/1.1 200" not in said:
                raise Surprise(f"{tls}: no answer: {said[-400:]}")
            if session.exists():
                raise Surprise(f"{tls}: the listener offers a session to resume")
        say("   ok no session to resume")

    def names_its_authorities(self, expected):
        """Whether the listener names its CAs, which some clients obey."""
        for tls in ("tls1_2", "tls1_3"):
            said = self.handshake(tls)
            if "Requested Signature Algorithms" not in said:
                raise Surprise(f"{tls}: no certificate request: {said[-400:]}")
            if ("Acceptable client certificate CA names" in said) != expected:
                raise Surprise(f"{tls}: names its CAs: expected {expected}")
        say(f"   ok names its CAs to clients: {'yes' if expected else 'no'}")


def line_of(process, start):
    """The rest of the line of an access log that has `start`, if it is there."""
    lines = reversed(process.text().splitlines()) if process else []
    return next((line.split(start, 1)[1] for line in lines if start in line), None)


def head(text):
    """Status and headers of an answer; 0 where there is none."""
    first, *lines = text.splitlines() or [""]
    fields = (line.split(":", 1) for line in lines if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, value in fields}
    return (int(first.split()[1]) if first else 0), headers


def identified(answer, client):
    seen = answer.saw.get("x-oauth-client-id")
    if seen != client:
        raise Surprise(f"the backend was given {seen} for {client}")
