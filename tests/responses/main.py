"""tls_client_auth_responses.wasm in a real Envoy: every answer that a token endpoint may give, and the
metadata of the server, over HTTP/1.1 and HTTP/2, with allow_on_headers_stop_iteration and without.

main.py ENVOY MODULE
"""

import base64
import gzip
import hashlib
import http.client
import http.server
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path

envoy, module = sys.argv[1], str(Path(sys.argv[2]).resolve())
# connection.peer_certificate is there since Envoy 1.38.
version = subprocess.run([envoy, "--version"], capture_output=True, check=True, text=True).stdout
is_forwarded = tuple(int(n) for n in re.search(r"/(\d+)\.(\d+)\.", version).groups()) < (1, 38)
METADATA = "/.well-known/openid-configuration"
INTROSPECTION = "/introspect"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded", "accept-encoding": "gzip"}
TRAILERS = b"x-trailer: last\r\n"
BIG = b'{"a":"' + b"x" * 2_000_000 + b'"}'


def base64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def jwt(header, claims):
    parts = [base64url(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*parts, "c2ln"])


def issuing(token):
    return json.dumps({"access_token": token, "token_type": "Bearer"}).encode()


def twice(one, name, other):
    return f'{{"access_token":"{one}","{name}":"{other}"}}'.encode()


def certificates(folder):
    """A server and a client; returns the x5t#S256 of the client."""
    for name in ("server", "client"):
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2"
        files = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        command = [*command.split(), *files, *names]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
    der = ssl.PEM_cert_to_DER_cert((folder / "client.pem").read_text())
    return base64url(hashlib.sha256(der).digest())


class Answer:
    """An answer of the backend, and the status that the client gets with "enforce"."""

    def __init__(self, expected, body, headers=JSON, status=200, chunk=0, trailers=b""):
        self.expected, self.body, self.headers = expected, body, headers
        self.status, self.chunk, self.trailers = status, chunk, trailers


def answers(own):
    signed = {"alg": "PS256"}
    bound = jwt(signed, {"cnf": {"x5t#S256": own}})
    unbound = jwt(signed, {"cnf": {"x5t#S256": base64url(hashlib.sha256(b"").digest())}})
    unsigned = jwt({"alg": "none"}, {"cnf": {"x5t#S256": own}})
    zipped = {**JSON, "content-encoding": "gzip"}
    return {
        "bound": Answer(200, issuing(bound)),
        "bound, in chunks": Answer(200, issuing(bound), chunk=7),
        "unbound": Answer(502, issuing(unbound)),
        "unbound, in chunks": Answer(502, issuing(unbound), chunk=7),
        "bound, with trailers": Answer(200, issuing(bound), chunk=7, trailers=TRAILERS),
        "unbound, with trailers": Answer(502, issuing(unbound), chunk=7, trailers=TRAILERS),
        "without cnf": Answer(502, issuing(jwt(signed, {}))),
        "alg none": Answer(502, issuing(unsigned)),
        "opaque": Answer(502, issuing("opaque")),
        "an array": Answer(502, b"[" + issuing(bound) + b"]"),
        "two tokens": Answer(502, twice(bound, "access_token", bound)),
        "two tokens by an escape": Answer(502, twice(bound, "access\\u005ftoken", unbound)),
        "two tokens by letter case": Answer(502, twice(bound, "Access_Token", unbound)),
        "gzip": Answer(502, gzip.compress(issuing(bound)), zipped),
        "HTML": Answer(502, b"<html>", {"content-type": "text/html"}),
        "2 MB": Answer(502, BIG),
        "2 MB, in chunks": Answer(502, BIG, chunk=65536),
        "no token": Answer(200, b'{"active":true}'),
        "empty": Answer(200, b"", {}),
        "204": Answer(204, None, {}, 204),
        "302": Answer(302, b"x", {"location": "/x"}, 302),
        "400": Answer(400, b'{"error":"invalid_grant"}', JSON, 400),
    }


def opaque_answers(own):
    """Answers with tokens that are no JWTs, and what introspection says about each of them, in turn.
    The last one holds; none = it fails."""
    inactive = {"active": False}
    bound = {"active": True, "cnf": {"x5t#S256": own}}
    other = {"active": True, "cnf": {"x5t#S256": base64url(hashlib.sha256(b"").digest())}}
    padded = {"active": True, "cnf": {"x5t#S256": f"{own}="}}
    tokens = {
        "bound +/=&%": (200, [bound]),
        "bound, 20,000 octets": (200, [bound]),
        "another": (502, [other]),
        "without cnf": (502, [{"active": True}]),
        "padded": (502, [padded]),
        "inactive": (502, [inactive]),
        "failing": (502, [None]),
    }
    made, said = {}, {}
    for name, (expected, answers) in tokens.items():
        token = name.ljust(20_000, "x") if "20,000" in name else name
        made[f"opaque, {name}"] = Answer(expected, issuing(token))
        made[f"opaque, {name}, in chunks"] = Answer(expected, issuing(token), chunk=1000)
        said[token] = answers
    # Issued again, when it is active: what was said before does not count.
    said["later"] = [inactive, bound]
    made["opaque, later"] = Answer(502, issuing("later"))
    said["slow"] = [bound]
    made["opaque, slow"] = Answer(200, issuing("slow"))
    return made, said


DOCUMENT = (
    b'{ "issuer":"https://as", "token_endpoint": "https:\\/\\/as\\/token",\n'
    b' "authorization_endpoint":"https://as/authorize" }\n'
)
ADDED = (
    b',"token_endpoint_auth_methods_supported":["client_secret_basic","tls_client_auth",'
    b'"self_signed_tls_client_auth"],'
    b'"mtls_endpoint_aliases":{"token_endpoint":"https://mtls.as/token"},'
    b'"tls_client_certificate_bound_access_tokens":true'
)
EDITED = DOCUMENT.replace(b'/authorize"', b'/authorize"' + ADDED)


class Backend(http.server.ThreadingHTTPServer):
    def __init__(self, answers, said):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.said, self.requests, self.asked = answers, said, [], []
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Envoy resets the connection of an answer that it does not take to its end."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Says nothing."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == INTROSPECTION:
            return self.introspect(urllib.parse.parse_qs(body.decode()))
        self.server.requests.append(self.headers)
        if self.path == METADATA:
            tag = {"etag": '"a"', "content-digest": "sha-256=:AA==:"}
            self.send(Answer(200, DOCUMENT, {**JSON, **tag}))
        else:
            self.send(self.server.answers[self.headers["x-answer"]])

    do_GET = do_HEAD = do_POST = answer

    def introspect(self, form):
        (token,) = form["token"]
        self.server.asked.append((token, self.headers["authorization"], form["token_type_hint"]))
        if token == "slow":
            self.server.is_asked.set()
            self.server.may_answer.wait(60)
        said = self.server.said[token]
        answer = said.pop(0) if len(said) > 1 else said[0]
        if answer is None:
            self.send(Answer(500, b"{}", status=500))
        else:
            self.send(Answer(200, json.dumps(answer).encode()))

    def send(self, answer):
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunk:
            self.send_header("transfer-encoding", "chunked")
        elif answer.body is not None:
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD" or not answer.body:
            return
        if not answer.chunk:
            self.wfile.write(answer.body)
            return
        for start in range(0, len(answer.body), answer.chunk):
            part = answer.body[start : start + answer.chunk]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n%s\r\n" % answer.trailers)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def configuration(own, check, **more):
    client = {
        "client_id": "a",
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "tls_client_certificate_bound_access_tokens": True,
        "jwks": {"keys": [{"kty": "EC", "x5t#S256": own}]},
    }
    discovery = {"paths": [METADATA], "mtls_endpoint_aliases": "https://mtls.as"}
    bound = {"response_check": check, **more.pop("bound_tokens", {})}
    common = {"endpoints": ["/token"], "bound_tokens": bound, "discovery": discovery}
    if is_forwarded:
        common["peer_certificate"] = {"source": "forwarded", "chain": "listener"}
    return {**common, "clients": [client], **more}


class Envoy:
    """An Envoy with the module, until the end of the block."""

    TYPE = "type.googleapis.com/envoy.extensions"

    def __init__(self, folder, backend, plugin, has_setting):
        self.folder, self.port, self.admin = folder, free_port(), free_port()
        self.log = (folder / "envoy.log").open("w")
        bootstrap = self.bootstrap(backend.server_port, plugin, has_setting)
        (folder / "envoy.yaml").write_text(json.dumps(bootstrap))
        self.context = ssl._create_unverified_context()
        self.context.load_cert_chain(folder / "client.pem", folder / "client.key")

    def bootstrap(self, backend, plugin, has_setting):
        def address(port):
            return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}

        def typed(name, kind, **members):
            return {"name": name, "typed_config": {"@type": f"{self.TYPE}.{kind}", **members}}

        def file(name):
            return {"filename": str(self.folder / name)}

        text = {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": json.dumps(plugin),
        }
        code = {"local": {"filename": module}}
        vm = {"vm_id": "v", "runtime": "envoy.wasm.runtime.v8", "code": code}
        wasm = {"vm_config": vm, "configuration": text, "failure_policy": "FAIL_RELOAD"}
        wasm["allow_on_headers_stop_iteration"] = has_setting
        # The backend may have closed a connection that Envoy takes for open.
        retry = {"retry_on": "reset,connect-failure", "num_retries": 3}
        to_backend = {"cluster": "backend", "retry_policy": retry}
        route = {"match": {"prefix": "/"}, "route": to_backend}
        hosts = [{"name": "any", "domains": ["*"], "routes": [route]}]
        manager = typed(
            "manager",
            "filters.network.http_connection_manager.v3.HttpConnectionManager",
            stat_prefix="in",
            http_protocol_options={"enable_trailers": True},
            route_config={"virtual_hosts": hosts},
            forward_client_cert_details="SANITIZE_SET",
            set_current_client_cert_details={"cert": True},
            http_filters=[
                typed("tls_client_auth", "filters.http.wasm.v3.Wasm", config=wasm),
                typed("router", "filters.http.router.v3.Router"),
            ],
        )
        pair = {"certificate_chain": file("server.pem"), "private_key": file("server.key")}
        trust = {"trusted_ca": file("server.pem"), "trust_chain_verification": "ACCEPT_UNTRUSTED"}
        tls = {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair]}
        tls["validation_context"] = trust
        kind = "transport_sockets.tls.v3.DownstreamTlsContext"
        chain = {"transport_socket": typed("tls", kind, common_tls_context=tls)}
        chain["filters"] = [manager]
        endpoints = [{"lb_endpoints": [{"endpoint": address(backend)}]}]
        load = {"cluster_name": "backend", "endpoints": endpoints}
        listeners = [{**address(self.port), "filter_chains": [chain]}]
        options = "upstreams.http.v3.HttpProtocolOptions"
        http1 = {"http_protocol_options": {"enable_trailers": True}}
        http1 = {"@type": f"{self.TYPE}.{options}", "explicit_http_config": http1}
        protocol = {f"envoy.extensions.{options}": http1}
        cluster = {"name": "backend", "load_assignment": load}
        clusters = [{**cluster, "typed_extension_protocol_options": protocol}]
        resources = {"listeners": listeners, "clusters": clusters}
        return {"admin": address(self.admin), "static_resources": resources}

    def __enter__(self):
        file = str(self.folder / "envoy.yaml")
        options = ["--concurrency", "1", "-l", "warn", "--use-dynamic-base-id"]
        self.process = subprocess.Popen(
            [envoy, "-c", file, *options], stdout=self.log, stderr=self.log
        )
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.1)
        sys.exit(f"Envoy does not start: {self.lines()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def lines(self):
        return (self.folder / "envoy.log").read_text()

    def ask(self, method, path, headers, body=None):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.context, timeout=60
        )
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def abandon(self, name, until):
        """Sends a request, and closes the connection when something has happened."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.context, timeout=60
        )
        connection.request("POST", "/token", "client_id=a", {**FORM, "x-answer": name})
        until()
        connection.close()
        while self.statistic("http.in.downstream_rq_active") != 0:
            time.sleep(0.05)

    def statistic(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin)
        connection.request("GET", f"/stats?filter=^{name}$")
        return int(connection.getresponse().read().split()[-1])

    def token(self, name):
        status, _, body = self.ask("POST", "/token", {**FORM, "x-answer": name}, "client_id=a")
        return status, body

    def token_by_http2(self, name):
        made = self.curl(name, "--http2", "--write-out", "\n%{http_version} %{http_code}")
        body, _, shown = made.rpartition(b"\n")
        version, status = shown.split()
        assert version == b"2", shown
        return int(status), body

    def trailers(self, name, version):
        """The part of what curl prints that comes after the body."""
        headers, body, trailers = self.curl(name, version, "--dump-header", "-").rpartition(b"}")
        assert headers and body, trailers
        return trailers

    def curl(self, name, *options):
        keys = ["--cert", self.folder / "client.pem", "--key", self.folder / "client.key"]
        form = ["--header", f"x-answer: {name}", "--data", "client_id=a", "--max-time", "60"]
        command = ["curl", "-sk", *options, *keys, *form]
        command.append(f"https://127.0.0.1:{self.port}/token")
        return subprocess.run(command, capture_output=True, check=True).stdout

    def counted(self, code):
        """The counter, once it does not change: it is handed over at each tick."""
        seen = []
        while len(seen) < 4 or len(set(seen[-4:])) > 1:
            time.sleep(0.2)
            connection = http.client.HTTPConnection("127.0.0.1", self.admin)
            connection.request("GET", f"/stats?filter=tls_client_auth.{code}$")
            seen.append(connection.getresponse().read())
        return int(seen[-1].split()[-1])


failed = []


def check(name, found, expected):
    if found != expected:
        failed.append(f"{name}: {found!r} instead of {expected!r}")


def enforced(folder, backend, own):
    plugin = configuration(own, "enforce")
    plain = {name: answer for name, answer in backend.answers.items() if "opaque, " not in name}
    with Envoy(folder, backend, plugin, True) as proxy:
        unbound = 0
        for name, answer in plain.items():
            for found, body in (proxy.token(name), proxy.token_by_http2(name)):
                # Envoy has a limit of its own, 1 MiB, which one read may pass at once.
                is_by_envoy = found == 500 and name == "2 MB, in chunks"
                if not is_by_envoy:
                    check(f"{name}, {body[:200]}", found, answer.expected)
                if is_by_envoy:
                    check(f"{name}, body", body, b"Internal Server Error")
                elif answer.expected == 502:
                    unbound += 1
                    check(f"{name}, body", body[:24], b'{"error":"server_error",')
                else:
                    check(f"{name}, body", body, answer.body or b"")
        check("counted", proxy.counted("response_unbound"), unbound)
        check("authenticated", proxy.counted("authenticated"), 2 * len(plain))
        for version in ("--http1.1", "--http2"):
            found = proxy.trailers("bound, with trailers", version)
            check(f"trailers, {version}", found.strip(), TRAILERS.strip())
        encodings = {request["accept-encoding"] for request in backend.requests}
        check("accept-encoding", encodings, {None})

        conditions = {"if-none-match": '"a"', "accept-encoding": "gzip", "range": "bytes=0-9"}
        conditions["if-modified-since"] = "Sun, 29 Nov 2026 00:00:00 GMT"
        status, headers, body = proxy.ask("GET", METADATA, conditions)
        check("metadata", (status, body), (200, EDITED))
        check("its length", headers["content-length"], str(len(EDITED)))
        check("its tag", (headers.get("etag"), headers.get("content-digest")), (None, None))
        left = [name for name in conditions if name in backend.requests[-1]]
        check("conditions at the backend", left, [])
        status, headers, body = proxy.ask("HEAD", METADATA, conditions)
        found = status, headers.get("content-length"), headers.get("etag"), body
        check("HEAD", found, (200, None, None, b""))
        if failed:
            print(proxy.lines())


def introspected(folder, backend, own):
    """A token that is no JWT: the answer is held until the server says what it is bound to."""
    source = {"cluster": "backend", "authority": "as", "path": INTROSPECTION}
    source["headers"] = {"authorization": "Basic YTpi"}
    opaque = {name: answer for name, answer in backend.answers.items() if "opaque, " in name}
    plugin = configuration(own, "enforce", bound_tokens={"introspection": source})
    with Envoy(folder, backend, plugin, True) as proxy:
        unbound = 0
        proxy.abandon("opaque, slow", lambda: backend.is_asked.wait(60))
        # The answer about a token whose request has ended.
        backend.may_answer.set()
        for name, answer in opaque.items():
            for ask in (proxy.token, proxy.token_by_http2):
                found, body = ask(name)
                # The second time it is active.
                is_later = name == "opaque, later" and ask == proxy.token_by_http2
                expected = 200 if is_later else answer.expected
                check(f"{name}, {body[:200]}", found, expected)
                if expected == 200:
                    check(f"{name}, body", body, answer.body)
                else:
                    unbound += 1
                    check(f"{name}, body", body[:24], b'{"error":"server_error",')
        for name in ("bound", "unbound", "no token"):
            check(f"{name} is not asked", proxy.token(name)[0], backend.answers[name].expected)
        check("counted", proxy.counted("response_unbound"), unbound + 1)
        asked = [token for token, *_ in backend.asked]
        check("asked anew each time", len(asked), 2 * len(opaque) + 1)
        how = {(authorization, *hint) for _, authorization, hint in backend.asked}
        check("how it is asked", how, {("Basic YTpi", "access_token")})
        check("ends of the VM", "Panicked" in proxy.lines() or "panic" in proxy.lines(), False)
    plugin = configuration(own, "count", bound_tokens={"introspection": source})
    with Envoy(folder, backend, plugin, True) as proxy:
        for name in ("opaque, another", "opaque, failing", "opaque, bound +/=&%"):
            check(f"{name}, counted", proxy.token(name), (200, backend.answers[name].body))
        check("counted", proxy.counted("response_unbound"), 2)


def counting(folder, backend, own):
    """What is only counted goes on, whatever it is."""
    for plugin in (
        configuration(own, "count"),
        configuration(own, "enforce", mode="shadow"),
    ):
        with Envoy(folder, backend, plugin, True) as proxy:
            for name in ("unbound", "unbound, in chunks", "gzip", "2 MB", "opaque"):
                check(f"{name}, counted", proxy.token(name), (200, backend.answers[name].body))
            check("counted", proxy.counted("response_unbound"), 5)


def without_setting(folder, backend, own):
    """No answer hangs, neither before nor after the setting is known to be missing."""
    for mode, expected in (("enforce", 500), ("shadow", 200)):
        plugin = configuration(own, "enforce", mode=mode)
        with Envoy(folder, backend, plugin, False) as proxy:
            for _ in range(3):
                status, _, body = proxy.ask("GET", METADATA, {})
                check(f"metadata, {mode}, no setting", (status, body), (200, DOCUMENT))
            check(f"token, {mode}, no setting", proxy.token("unbound")[0], expected)
            lines = proxy.lines()
            check("lines", lines.count("discovery path="), 1)
            check("a line names the setting", "allow_on_headers_stop_iteration" in lines, True)
            check("decided", proxy.counted("host_error"), 1)
            check("clients that are not known are not checked", proxy.counted("response_unbound"), 0)


with tempfile.TemporaryDirectory() as made:
    folder = Path(made)
    own = certificates(folder)
    opaque, said = opaque_answers(own)
    backend = Backend({**answers(own), **opaque}, said)
    for part in (enforced, introspected, counting, without_setting):
        part(folder, backend, own)
        print(f"{part.__name__}: {'as expected' if not failed else 'FAILED'}")
sys.exit("\n".join(failed) or 0)
