"""Writes seeds for the fuzz targets: the texts of the case tables, and certificates that published
packages carry, where ./build.sh test module has fetched them."""

import hashlib
import json
import pathlib
import ssl
import sys

ROOT = pathlib.Path(__file__).parent.parent
HOME = pathlib.Path(sys.argv[1])
LONGEST = 16384

# The targets to which the texts of a table are given.
TABLES = {
    "authorization": ["authorization", "form"],
    "configuration": ["configuration"],
    "configuration_rules": ["configuration"],
    "form": ["form"],
    "parsers": ["form"],
    "names": ["distinguished_name"],
    "header_forms": ["certificate_header"],
    "forwarded_certificate": ["certificate_header"],
    "paths": ["path"],
    "registry": ["client_list", "list_pages", "lookup"],
    "jwks_uri": ["key_set"],
    "self_signed": ["key_set"],
    "realms": ["path"],
    "resources": ["access_token", "introspection"],
}

DOCUMENTS = ["configuration", "client_list", "introspection", "key_set", "list_pages", "lookup"]


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)


def documents(value):
    """Objects and arrays as JSON, for the targets that read documents."""
    if isinstance(value, (dict, list)):
        yield json.dumps(value)
        for item in value.values() if isinstance(value, dict) else value:
            yield from documents(item)


def der(file):
    return ssl.PEM_cert_to_DER_cert(file.read_text(encoding="ascii"))


def put(target, octets):
    if 0 < len(octets) <= LONGEST:
        folder = HOME / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha256(octets).hexdigest()[:16]).write_bytes(octets)


written = 0
for table, targets in TABLES.items():
    cases = json.loads((ROOT / "tests/cases" / f"{table}.json").read_text(encoding="utf-8"))
    for target in targets:
        reads_documents = target in DOCUMENTS
        for text in documents(cases) if reads_documents else texts(cases):
            put(target, text.encode("utf-8", "surrogatepass"))
            written += 1
for file in [*(ROOT / "target/corpus").rglob("*"), *(ROOT / "src").rglob("*.pem")]:
    if file.suffix in (".pem", ".crt", ".cer", ".der") and file.is_file():
        is_answer = "ocsp" in file.parts and file.suffix == ".der"
        for target in ["ocsp"] if is_answer else ["certificate", "ca_certificate"]:
            put(target, file.read_bytes())
            written += 1
    elif file.suffix == ".crl" and file.is_file():
        put("crl", file.read_bytes())
        written += 1
# Each leaf before its CA, in DER.
for file in (ROOT / "src/trust/tests").glob("*.pem"):
    for authority in (ROOT / "src/trust/tests").glob("*.ca.pem"):
        parts = [file, ROOT / "src/trust/tests/sub.pem", authority]
        for chain in (parts, parts[::2]):
            put("chain", b"".join(der(part) for part in chain))
            written += 1
if written < 1000:
    sys.exit(f"only {written} seeds: the tables have moved")
