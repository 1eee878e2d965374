"""notes.py [--released] CHANGELOG VERSION [FILE...]: the release notes of VERSION.

They are its section of CHANGELOG, or with none of its own yet the section Unreleased, which
--released refuses. The SHA-256 of each FILE follows, and of an OCI image the digest of its
manifest, which is what a registry and those who pull from it compare.
"""

import argparse
import hashlib
import json
import re
import tarfile
from pathlib import Path

HEADING = re.compile(r"^## \[([^\]]+)\].*$", re.MULTILINE)


def sections(changelog):
    """The text of each section, by the name in its heading."""
    parts = HEADING.split(changelog)
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2])}


def section(changelog, version, released):
    found = sections(changelog)
    name = version if released or version in found else "Unreleased"
    if not found.get(name):
        raise SystemExit(f"the changelog has no section [{name}], or nothing in it: RELEASING.md")
    return found[name]


def digest(image):
    with tarfile.open(image) as files:
        (manifest,) = json.load(files.extractfile("index.json"))["manifests"]
    return manifest["digest"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--released", action="store_true")
    parser.add_argument("changelog", type=Path)
    parser.add_argument("version")
    parser.add_argument("files", type=Path, nargs="*")
    given = parser.parse_args()
    text = given.changelog.read_text(encoding="utf-8")
    print(f"# tls-client-auth {given.version}\n")
    print(section(text, given.version, given.released))
    if given.files:
        print("\n## Files\n")
    for file in given.files:
        print(f"- `{file.name}`: `{hashlib.sha256(file.read_bytes()).hexdigest()}`")
        if file.name.endswith("-oci.tar"):
            print(f"    - the image in it: `{digest(file)}`")


if __name__ == "__main__":
    main()
