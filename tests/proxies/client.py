"""Requests of clients, byte for byte as they are meant, what the filter decided, and what the
backend saw."""

import base64
import json
import re
import socket
import ssl
import time
from dataclasses import dataclass

from stage import Surprise, last_words

HOST = "as.example.com"


@dataclass
class Answer:
    status: int  # 0: no answer, as after a failed handshake
    code: str  # of the filter; "-" where the request did not reach it
    saw: dict | None  # the headers that the backend got, names in lower case
    session: ssl.SSLSession | None
    resumed: bool = False

    def __str__(self):
        return f"{self.status or 'no answer'} {self.code}"


class Client:
    sent = 0

    def __init__(self, pki, envoy, record):
        self.pki = pki
        self.envoy = envoy
        self.record = record

    def context(self, certificate, tls):
        context = ssl.create_default_context(cafile=self.pki / "ca.pem")
        if tls == 1.2:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if certificate:
            names = [self.pki / f"{certificate}.{kind}" for kind in ("pem", "key")]
            context.load_cert_chain(*names)
        return context

    def send(
        self, port, certificate=None, client="client", path="/token", headers=(), tls=None,
        context=None, session=None,
    ):
        Client.sent += 1
        name = f"request-{Client.sent}"
        body = f"grant_type=client_credentials&client_id={client}"
        fields = [
            ("Host", HOST), ("User-Agent", name), ("Connection", "close"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", len(body)), *headers,
        ]
        lines = [f"POST {path} HTTP/1.1", *(f"{field}: {value}" for field, value in fields)]
        text = "\r\n".join([*lines, "", body])
        context = context or self.context(certificate, tls)
        answer, session, resumed = b"", session, False
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
                with context.wrap_socket(plain, server_hostname=HOST, session=session) as secured:
                    secured.sendall(text.encode())
                    while part := secured.recv(65536):
                        answer += part
                    session, resumed = secured.session, secured.session_reused
        except (ssl.SSLError, ConnectionError) as error:
            if isinstance(error, TimeoutError):
                raise
        found = re.match(rb"HTTP/1\.1 (\d+)", answer)
        status = int(found[1]) if found else 0
        code = self.code(name, status)
        return Answer(status, code, self.saw(name), session, resumed)

    def code(self, name, status):
        """Out of Envoy's access log, which it writes after the answer; "-" where the proxy did not
        let the request through."""
        start = f"request={name}. "
        # A proxy answers by itself at once, or not at all.
        wait = 1 if status in (0, 400, 403, 496) else 20
        deadline = time.monotonic() + wait
        while True:
            for line in reversed(self.envoy.text().splitlines()):
                if start in line:
                    return re.search(r"code=([\w-]+)\.", line.split(start, 1)[1])[1]
            if time.monotonic() > deadline:
                if wait == 1:
                    return "-"
                raise Surprise(f"no line of {name} in the access log{last_words(self.envoy)}")
            time.sleep(0.02)

    def saw(self, name):
        for line in reversed(self.record.read_text().splitlines()):
            headers = {}
            for key, value in json.loads(line)["headers"]:
                headers.setdefault(key.lower(), []).append(value)
            if headers.get("user-agent") == [name]:
                return headers
        return None

    def der(self, certificate):
        return ssl.PEM_cert_to_DER_cert((self.pki / f"{certificate}.pem").read_text())

    def byte_sequence(self, certificate):
        return f":{base64.b64encode(self.der(certificate)).decode()}:"
