"""client.py LIBRARY TOKEN-ENDPOINT PKI-DIRECTORY: clients with libraries of Python.

LIBRARY is one of the functions below. It reads and writes the lines of go/main.go.
"""

import http.client
import json
import ssl
import sys
from urllib.parse import urlencode, urlsplit


def context(pki, version, certificate):
    """A context of TLS of this version, with the certificate and its key."""
    made = ssl.create_default_context(cafile=f"{pki}/ca.pem")
    made.minimum_version = made.maximum_version = {
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }[version]
    if certificate != "-":
        made.load_cert_chain(f"{pki}/{certificate}.pem", f"{pki}/{certificate}.key")
    return made


def python(endpoint, tls, client):
    """Python's own library."""
    split = urlsplit(endpoint)
    connection = http.client.HTTPSConnection(split.hostname, split.port, context=tls, timeout=15)
    form = urlencode({"grant_type": "client_credentials", "client_id": client})
    connection.request(
        "POST", split.path, form, {"content-type": "application/x-www-form-urlencoded"}
    )
    response = connection.getresponse()
    answer = json.load(response)
    connection.close()
    return (
        answer["authenticated_client"]
        if response.status == 200
        else f"{response.status} {answer['error']}"
    )


def mounted(session, tls):
    """The session, with this context of TLS."""
    import requests.adapters

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *positional, **named):
            super().init_poolmanager(*positional, ssl_context=tls, **named)

        def cert_verify(self, connection, url, verify, cert):
            pass  # the context does

    session.mount("https://", Adapter())
    return session


def oauthlib(endpoint, tls, client, **options):
    """requests-oauthlib as its documentation shows it: HTTP Basic with an empty secret."""
    from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
    from requests_oauthlib import OAuth2Session

    session = mounted(OAuth2Session(client=BackendApplicationClient(client_id=client)), tls)
    try:
        return session.fetch_token(endpoint, **options)["authenticated_client"]
    except OAuth2Error as refused:
        return f"{refused.status_code} {refused.error}"


def oauthlib_in_body(endpoint, tls, client):
    """requests-oauthlib with client_id in the form, and no HTTP Basic."""
    return oauthlib(endpoint, tls, client, include_client_id=True)


def authlib(endpoint, tls, client, method="none"):
    """Authlib as a client without a secret, whose default is client_id in the form."""
    from authlib.integrations.requests_client import OAuth2Session, OAuthError

    session = mounted(OAuth2Session(client, token_endpoint_auth_method=method), tls)
    try:
        return session.fetch_token(endpoint, grant_type="client_credentials")[
            "authenticated_client"
        ]
    except OAuthError as refused:
        return f"- {refused.error}"  # it has no status


def authlib_basic(endpoint, tls, client):
    """Authlib as a client of client_secret_basic that has no secret."""
    return authlib(endpoint, tls, client, method="client_secret_basic")


if __name__ == "__main__":
    ask = globals()[sys.argv[1]]
    for line in sys.stdin:
        version, certificate, client = line.split()
        try:
            print(ask(sys.argv[2], context(sys.argv[3], version, certificate), client))
        except Exception as error:  # what a library throws is its own
            print("failed", type(error).__name__, error)
