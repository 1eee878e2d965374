"""renegotiate.py PORT FIRST SECOND BODY...: a client that goes on with another certificate.

Connects in TLS 1.2 with the certificate FIRST and sends token requests. The last BODY is sent after
a renegotiation with the certificate SECOND, the others before it. Prints the status of each answer,
and what became of the renegotiation.

Neither `openssl s_client` nor Node nor Python's ssl can do this, so it calls the OpenSSL that
Python's ssl has loaded."""

import ctypes
import ctypes.util
import os
import socket
import ssl  # which loads OpenSSL
import sys

SSL_CTRL_SET_MAX_PROTO_VERSION = 124
TLS1_2_VERSION = 0x0303
SSL_FILETYPE_PEM = 1


def openssl():
    loaded = []
    if os.path.exists("/proc/self/maps"):
        loaded = [line.split()[-1] for line in open("/proc/self/maps") if "libssl" in line]
    name = next(iter(loaded), None) or ctypes.util.find_library("ssl")
    if name is None:
        sys.exit("there is no libssl: install OpenSSL 3 as a shared library (Debian: libssl3)")
    library = ctypes.CDLL(name)
    for function in ["TLS_client_method", "SSL_CTX_new", "SSL_new"]:
        getattr(library, function).restype = ctypes.c_void_p
    return library


def main(port, first, second, *bodies):
    tls = openssl()
    context = ctypes.c_void_p(tls.SSL_CTX_new(ctypes.c_void_p(tls.TLS_client_method())))
    tls.SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, ctypes.c_long(TLS1_2_VERSION), None)
    connection = socket.create_connection(("127.0.0.1", int(port)))
    session = ctypes.c_void_p(tls.SSL_new(context))
    tls.SSL_set_fd(session, connection.fileno())

    def present(name):
        tls.SSL_certs_clear(session)
        assert tls.SSL_use_certificate_file(session, f"{name}.pem".encode(), SSL_FILETYPE_PEM) == 1
        assert tls.SSL_use_PrivateKey_file(session, f"{name}.key".encode(), SSL_FILETYPE_PEM) == 1

    def ask(body):
        head = [
            "POST /token HTTP/1.1",
            "Host: as.example.com",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        ]
        request = "\r\n".join([*head, "", body]).encode()
        tls.SSL_write(session, request, len(request))
        answer, part = b"", ctypes.create_string_buffer(65536)
        # Every answer here is JSON.
        while not answer.endswith(b"}"):
            length = tls.SSL_read(session, part, len(part))
            if length <= 0:
                print("no answer")
                return
            answer += part.raw[:length]
        print(answer.split()[1].decode())

    present(first)
    assert tls.SSL_connect(session) == 1, "no TLS 1.2"
    for body in bodies[:-1]:
        ask(body)
    present(second)
    tls.SSL_renegotiate(session)
    print("renegotiated" if tls.SSL_do_handshake(session) == 1 else "refused")
    ask(bodies[-1])


main(*sys.argv[1:])
