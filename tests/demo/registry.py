"""registry.py PORT FILE: the client registry of the demo.

Listens on loopback. GET /clients answers with the JSON array in FILE and an ETag; GET /clients/ID
with the client of that client_id, or 404. FILE is read at each request, so that clients can be
added and removed at any time.
"""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Registry(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with open(sys.argv[2], encoding="utf-8") as file:
            clients = json.load(file)
        if self.path == "/clients":
            body = json.dumps(clients).encode()
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if self.headers["if-none-match"] == tag:
                return self.answer(304, b"", etag=tag)
            return self.answer(200, body, etag=tag)
        wanted = unquote(self.path.removeprefix("/clients/"))
        found = [client for client in clients if client["client_id"] == wanted]
        if not found or not self.path.startswith("/clients/"):
            return self.answer(404, b"")
        return self.answer(200, json.dumps(found[0]).encode(), cache_control="max-age=1")

    def answer(self, status, body, **fields):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Registry).serve_forever()
