"""OpenLDAP's slapd on loopback, which compares names by distinguishedNameMatch."""

import pathlib
import socket
import subprocess
import time

CONFIGURATION = """\
include {home}/etc/ldap/schema/core.schema
include {home}/etc/ldap/schema/cosine.schema
include {home}/etc/ldap/schema/inetorgperson.schema
database ldif
directory {data}
suffix "o=opinions"
rootdn "cn=admin,o=opinions"
rootpw secret
"""
ENTRY = "o=opinions"
SUCCESS, COMPARE_FALSE, COMPARE_TRUE, INVALID_SYNTAX = 0, 5, 6, 21


def tlv(tag, *parts):
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def text(value):
    return tlv(4, value if isinstance(value, bytes) else value.encode())


class Slapd:
    """HOME has what is in Debian's packages, or is / where they are installed."""

    def __init__(self, home, work):
        home, data = pathlib.Path(home).resolve(), work / "data"
        data.mkdir(parents=True)
        configuration = work / "slapd.conf"
        configuration.write_text(CONFIGURATION.format(home=home, data=data), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        libraries = [str(path) for path in (home / "usr/lib").glob("*-linux-gnu")]
        self.process = subprocess.Popen(
            [home / "usr/sbin/slapd", "-d", "0", "-f", configuration]
            + ["-h", f"ldap://127.0.0.1:{port}"],
            env={"LD_LIBRARY_PATH": ":".join(libraries)} if home != pathlib.Path("/") else None,
            stderr=(work / "slapd.log").open("wb"),
        )
        self.number = 0
        try:
            self.connect(port, work)
        except BaseException:
            self.stop()
            raise

    def connect(self, port, work):
        for _ in range(600):
            try:
                self.socket = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    raise RuntimeError((work / "slapd.log").read_text(errors="replace")) from None
                time.sleep(0.1)
        self.stream = self.socket.makefile("rb")
        bind = tlv(0x60, tlv(2, b"\3"), text("cn=admin,o=opinions"), tlv(0x80, b"secret"))
        self.expect(bind, SUCCESS)
        attributes = [("objectClass", ["organization", "extensibleObject"]), ("o", ["opinions"])]
        values = [
            tlv(0x30, text(kind), tlv(0x31, *map(text, values))) for kind, values in attributes
        ]
        self.expect(tlv(0x68, text(ENTRY), tlv(0x30, *values)), SUCCESS)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def expect(self, operation, code):
        found = self.ask(operation)
        if found != code:
            raise RuntimeError(f"slapd answers {found}, expected {code}")

    def ask(self, operation):
        """The result code of an operation."""
        self.number += 1
        self.socket.sendall(tlv(0x30, tlv(2, self.number.to_bytes(4, "big")), operation))
        _, content = self.element(self.stream.read)
        _, rest = self.element(reader(content))
        skipped = len(tlv(2, rest))
        _, result = self.element(reader(content[skipped:]))
        _, code = self.element(reader(result))
        return int.from_bytes(code, "big")

    @staticmethod
    def element(read):
        tag, length = read(2)
        if length & 0x80:
            length = int.from_bytes(read(length & 0x7F), "big")
        return tag, read(length)

    def compare(self, one, other):
        """`=`, `!` or `-`, as decide.rs."""
        replace = tlv(0x30, text("member"), tlv(0x31, text(one)))
        change = tlv(0x30, tlv(0x0A, b"\2"), replace)
        code = self.ask(tlv(0x66, text(ENTRY), tlv(0x30, change)))
        if code == INVALID_SYNTAX:
            return "-"
        if code != SUCCESS:
            raise RuntimeError(f"slapd answers {code} to {one!r}")
        code = self.ask(tlv(0x6E, text(ENTRY), tlv(0x30, text("member"), text(other))))
        answers = {COMPARE_TRUE: "=", COMPARE_FALSE: "!", INVALID_SYNTAX: "-"}
        if code not in answers:
            raise RuntimeError(f"slapd answers {code} to {other!r}")
        return answers[code]


def reader(octets):
    at = 0

    def read(length):
        nonlocal at
        at += length
        return octets[at - length : at]

    return read
