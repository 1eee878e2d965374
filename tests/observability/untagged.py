"""untagged.py PORT: series as an Envoy without stats_tags has them, and two with, on loopback."""

import http.server
import sys

SERIES = """\
envoy_server_live{} 1
tls_client_auth_authenticated{} 3
tls_client_auth_registry_unavailable{} 1
tls_client_auth_registry_clients{} 5
tls_client_auth_registry_refresh_ok{} 2
tls_client_auth_crl_seconds_left{} 7
tls_client_auth_ocsp_failed{} 0
tls_client_auth_ungated_lookalike{} 0
tls_client_auth_tenant_a_test_authenticated{} 3
tls_client_auth{code="host_error"} 0
tls_client_auth_tenant{code="authenticated",tenant="b.test"} 4
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = SERIES.encode()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
