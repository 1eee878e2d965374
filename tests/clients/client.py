"""client.py TOKEN-ENDPOINT PKI-DIRECTORY: a client with Python's own library.

It reads and writes the lines of go/main.go.
"""

import http.client
import json
import ssl
import sys
from urllib.parse import urlencode, urlsplit


def ask(endpoint, pki, version, certificate, client):
    context = ssl.create_default_context(cafile=f"{pki}/ca.pem")
    context.minimum_version = context.maximum_version = {
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }[version]
    if certificate != "-":
        context.load_cert_chain(f"{pki}/{certificate}.pem", f"{pki}/{certificate}.key")
    connection = http.client.HTTPSConnection(
        endpoint.hostname, endpoint.port, context=context, timeout=15
    )
    form = urlencode({"grant_type": "client_credentials", "client_id": client})
    connection.request(
        "POST", endpoint.path, form, {"content-type": "application/x-www-form-urlencoded"}
    )
    response = connection.getresponse()
    answer = json.load(response)
    connection.close()
    return (
        answer["authenticated_client"]
        if response.status == 200
        else f"{response.status} {answer['error']}"
    )


for line in sys.stdin:
    try:
        print(ask(urlsplit(sys.argv[1]), sys.argv[2], *line.split()))
    except OSError as error:
        print("failed", error)
