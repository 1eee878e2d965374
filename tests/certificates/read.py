"""Reads certificates with asn1crypto, which shares no code with the filter.

  read.py FILE...    a line of JSON for each certificate in the files, PEM or DER

A line has the DER, the validity in seconds since 1970, the subject as strings of RFC 4514 (`hex`:
each value as #hexadecimal; `text`: each value that is text as text; both with dotted-decimal types)
and the alternative names. What asn1crypto refuses is null.
"""

import base64
import json
import re
import sys

from asn1crypto import parser, x509

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
UTF8, NUMERIC, PRINTABLE, T61, IA5, VISIBLE, UNIVERSAL, BMP = 12, 18, 19, 20, 22, 26, 28, 30


def candidates(data):
    # In JavaScript they are string constants, joined line by line.
    lines = re.sub(rb'"\s*\+\s*"', b"", data.replace(b"\\n", b"\n").replace(b"\\r", b""))
    for match in PEM.finditer(lines):
        try:
            yield base64.b64decode(re.sub(rb"\s", b"", match.group(1)), validate=True)
        except ValueError:
            continue
    if data[:1] == b"\x30":
        yield data


def elements(data):
    while data:
        class_, method, tag, header, content, trailer = parser.parse(data)
        whole = header + content + trailer
        yield class_, method, tag, content, whole
        data = data[len(whole) :]


def text(tag, content):
    """The text of a value to which caseIgnoreMatch applies; None for other values."""
    if tag == UTF8:
        return content.decode("utf-8")
    if tag in (PRINTABLE, T61):
        return (
            None if any(0x80 <= octet <= 0x9F for octet in content) else content.decode("latin-1")
        )
    if tag in (NUMERIC, VISIBLE):
        return content.decode("ascii") if content.isascii() else None
    if tag == IA5:
        return content.decode("ascii")
    if tag == BMP:
        return content.decode("utf-16-be")
    if tag == UNIVERSAL:
        return content.decode("utf-32-be")
    return None


def escaped(value):
    # RFC 4514 allows this form for every octet.
    return "".join(
        c
        if c.isascii() and c.isalnum()
        else "".join(f"\\{octet:02X}" for octet in c.encode("utf-8"))
        for c in value
    )


def subject(name):
    with_hex, with_text = [], []
    ((_, _, _, content, _),) = elements(name.dump())
    for _, _, _, rdn, _ in elements(content):
        attributes = []
        for _, _, _, attribute, _ in elements(rdn):
            (_, _, _, _, oid), (class_, _, tag, value, whole) = elements(attribute)
            kind = x509.ObjectIdentifier.load(oid).dotted
            decoded = text(tag, value) if class_ == 0 else None
            hexadecimal = f"{kind}=#{whole.hex()}"
            attributes.append(
                (hexadecimal, hexadecimal if decoded is None else f"{kind}={escaped(decoded)}")
            )
        with_hex.insert(0, "+".join(pair[0] for pair in attributes))
        with_text.insert(0, "+".join(pair[1] for pair in attributes))
    return ",".join(with_hex), ",".join(with_text)


def alternative_names(certificate):
    found = [
        extension
        for extension in certificate["tbs_certificate"]["extensions"]
        if extension["extn_id"].dotted == "2.5.29.17"
    ]
    if not found:
        return []
    if len(found) > 1:
        raise ValueError("the extension occurs twice")
    names = []
    for name in x509.GeneralNames.load(found[0]["extn_value"].contents, strict=True):
        content = name.chosen.contents
        if name.name in ("dns_name", "uniform_resource_identifier", "rfc822_name"):
            names.append([name.name, content.decode("latin-1")])
        elif name.name == "ip_address":
            names.append([name.name, content.hex()])
    return names


def attempt(read, *arguments):
    try:
        return read(*arguments)
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


def main():
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            data = file.read()
        for der in candidates(data):
            certificate = attempt(lambda: x509.Certificate.load(der, strict=True))
            tbs = attempt(lambda: certificate["tbs_certificate"])
            if tbs is None:
                continue
            names = attempt(lambda: subject(tbs["subject"])) or (None, None)
            validity = attempt(
                lambda: [
                    int(tbs["validity"][end].native.timestamp())
                    for end in ("not_before", "not_after")
                ]
            )
            print(
                json.dumps(
                    {
                        "file": path,
                        "der": der.hex(),
                        "validity": validity,
                        "hex": names[0],
                        "text": names[1],
                        "alternative_names": attempt(alternative_names, certificate),
                    }
                )
            )


if __name__ == "__main__":
    main()
