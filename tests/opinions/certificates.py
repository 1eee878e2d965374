"""Certificates, published and damaged, as the filter, crypto/x509 and openssl read them."""

import collections
import datetime
import json
import pathlib
import random
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests/certificates"), str(ROOT / "target/corpus")]
import read  # noqa: E402

# Fewer would mean that something else was read.
LEAST = 800
DAMAGED = 8


def published():
    """Each certificate once, with a file that has it."""
    found = {}
    below = [ROOT / "target/corpus", ROOT / "target/tools/certificates", ROOT / "src"]
    for folder in below:
        for path in sorted(folder.rglob("*")):
            # openssl reads the first certificate of a PKCS #12 file, too.
            if path.is_file() and path.suffix != ".p12" and path.stat().st_size < 1 << 20:
                data = path.read_bytes()
                if data[:1] == b"\x30" or b"BEGIN CERTIFICATE" in data:
                    for der in filter(None, read.candidates(data)):
                        found.setdefault(der, str(path.relative_to(ROOT)))
    return found


def damaged(der, seed):
    """The same with octets changed, but not in the signature. Another certificate in the corpus
    changes nothing for this one."""
    random_ = random.Random(f"{seed} {der.hex()}")
    for _ in range(DAMAGED):
        changed = bytearray(der)
        for _ in range(random_.choice((1, 1, 2))):
            at = random_.randrange(max(1, len(der) - 256))
            changed[at] ^= 1 << random_.randrange(8)
        yield bytes(changed)


def openssl(der):
    """The subject, dates and serial number; None = it is refused."""
    done = subprocess.run(
        ["openssl", "x509", "-inform", "DER", "-noout", "-subject"]
        + ["-nameopt", "RFC2253,oid,-esc_msb,utf8", "-startdate", "-enddate"]
        + ["-dateopt", "iso_8601", "-serial"],
        input=der,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        return None
    text = done.stdout.decode("utf-8", "surrogateescape")
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        validity = [
            int(datetime.datetime.fromisoformat(lines[end].replace("Z", "+00:00")).timestamp())
            for end in ("notBefore", "notAfter")
        ]
    except (KeyError, ValueError):
        validity = None
    return {"subject": lines.get("subject"), "validity": validity, "serial": lines.get("serial")}


def subjects():
    """The different subjects of published certificates, as openssl prints them by RFC 4514. One
    without RDNs is a pair of its own (names.py)."""
    found = set()
    for der in published():
        done = subprocess.run(
            ["openssl", "x509", "-inform", "DER", "-noout", "-subject"]
            + ["-nameopt", "RFC2253,-esc_msb,utf8"],
            input=der,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        text = done.stdout.removeprefix(b"subject=").removesuffix(b"\n")
        try:
            found.add(text.decode())
        except UnicodeDecodeError:
            continue
    return sorted(found - {""})


def number(digits):
    return int(digits, 16) if re.fullmatch("[0-9a-fA-F]+", digits or "") else None


def host(name):
    """As the filter compares names of hosts."""
    kind, value = name
    if kind == "dns":
        return (kind, value.removesuffix(".").lower())
    if kind == "email" and "@" in value:
        local, domain = value.rsplit("@", 1)
        return (kind, f"{local}@{domain.removesuffix('.').lower()}")
    return (kind, value)


def compare(options, ask, ask_go):
    originals = published()
    inputs = [(der, path, "published") for der, path in originals.items()]
    for der, path in originals.items():
        inputs += [(bad, path, "damaged") for bad in damaged(der, options.seed)]
    ours = [json.loads(line) for line in ask([f"c {der.hex()}" for der, _, _ in inputs])]
    go = [json.loads(line) for line in ask_go([der.hex() for der, _, _ in inputs])]
    ssl = [openssl(der) if kind == "published" else "" for der, _, kind in inputs]
    counts, found = collections.Counter(), {}
    questions = []

    def differs(path, *key):
        counts[key] += 1
        found.setdefault(key, path)

    for (der, path, kind), own, theirs, third in zip(inputs, ours, go, ssl):
        refusal = own.get("error")
        if refusal or theirs.get("error"):
            if not theirs.get("error"):
                differs(path, "the filter refuses, Go does not", reason(refusal))
            elif not refusal:
                which = which_part(theirs["error"])
                if which == "a name":
                    which = which_name(der, own)
                differs(f"{path}: {theirs['error']}", "Go refuses, the filter does not", which)
        else:
            if own["validity"] != theirs["validity"]:
                differs(path, "Go: validity")
            if number(own["serial"]) != number(theirs["serial"]):
                differs(path, "Go: serial number")
            if own["names"] is None:
                differs(path, "Go reads alternative names that the filter refuses")
            else:
                own_names = {host(name) for name in own["names"]}
                go_names = {host(name) for name in theirs["names"]}
                for name in sorted(own_names ^ go_names):
                    side = "the filter" if name in own_names else "Go"
                    differs(f"{path}: {name[1]!r}", f"only {side} has the name", name[0])
            if not own["subject_error"] and theirs["subject"]:
                questions.append((der, path, theirs["subject"], "Go"))
        if third == "":
            continue
        if refusal or third is None:
            if third is not None:
                differs(path, "the filter refuses, openssl does not", reason(refusal))
            elif not refusal:
                differs(path, "openssl refuses, the filter does not")
            continue
        if third["validity"] is None or own["validity"] != third["validity"]:
            differs(path, "openssl: validity")
        if number(own["serial"]) != number(third["serial"]):
            differs(path, "openssl: serial number")
        if not own["subject_error"] and third["subject"] and third["subject"].isprintable():
            questions.append((der, path, third["subject"], "openssl"))
    lines = [
        f"m {der.hex()} t{subject.encode('utf-8', 'surrogateescape').hex()}"
        for der, _, subject, _ in questions
        if is_utf8(subject)
    ]
    asked = [question for question in questions if is_utf8(question[2])]
    for (_, path, subject, who), verdict in zip(asked, ask(lines)):
        if verdict != "=":
            differs(f"{path}: {subject}", f"{who}: subject", verdict)
    for which in ("published", "damaged"):
        kinds = [kind for _, _, kind in inputs]
        all_three = list(zip(ours, go, kinds))
        mine = sum("error" not in own for own, _, kind in all_three if kind == which)
        gos = sum(not other.get("error") for _, other, kind in all_three if kind == which)
        print(f"opinions: of {kinds.count(which)} {which} files the filter reads {mine}, Go {gos}")
        if which == "published" and min(mine, gos) < LEAST:
            sys.exit("opinions: error: too few certificates")
    print(f"opinions: {len(asked)} subjects were compared with what Go and openssl print")
    return counts, found


def is_utf8(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Words of errors of crypto/x509, and the part of a certificate that they are about.
PARTS = {
    "a name": "RDNSequence",
    "the key": "RSA|ECDSA|ecdsa|DSA|elliptic curve|not on curve|subjectPublicKey"
    "|malformed parameters",
    "the signature": "signature",
    "alternative names": "SAN|subject alternative name",
    "another extension": "constraint|NameConstraints|CRL distribution|basic constraints|polic|usage"
    "|authority|key identifier|duplicate extension|extension OID|critical field",
    "the validity": "validity|time format",
    "an identifier": "malformed OID",
}


def which_part(error):
    return next((part for part, words in PARTS.items() if re.search(words, error)), error)


def which_name(der, own):
    """Whether the subject, which is compared, or only the issuer is malformed."""
    if own["subject_error"]:
        return "the subject, with which no name is equal then"
    return "the issuer, or a string of the subject"


def reason(error):
    """Without what is particular to one certificate."""
    return re.sub(r'"[^"]*"|\d+', "…", error)[:80]
