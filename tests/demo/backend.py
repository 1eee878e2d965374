"""backend.py PORT FILE: the authorization server of the demo.

Listens on loopback, appends every request to FILE as a line of JSON, and answers like a token
endpoint. The answer contains the identity headers of the filter, as a backend sees them.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.body()
        with open(sys.argv[2], "a", encoding="utf-8") as record:
            request = {
                "method": self.command,
                "path": self.path,
                "headers": self.headers.items(),
                "body": body,
            }
            record.write(json.dumps(request) + "\n")
        answer = json.dumps(
            {
                "access_token": "demo",
                "token_type": "Bearer",
                "expires_in": 60,
                "authenticated_client": self.headers["x-oauth-client-id"],
                "client_cert_header": self.headers["client-cert"],
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("cache-control", "no-store")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = answer

    def body(self):
        if self.headers["transfer-encoding"] != "chunked":
            return self.rfile.read(int(self.headers["content-length"] or 0)).decode("latin-1")
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks).decode("latin-1")

    def log_message(self, *_):
        pass  # FILE is the log


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Backend).serve_forever()
