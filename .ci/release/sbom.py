"""sbom.py ARTIFACT BINARY PACKAGE TARGET: a CycloneDX 1.6 document of what is in ARTIFACT.

ARTIFACT is a file of a release, and BINARY what is compiled in it: the crate PACKAGE for TARGET.
The document names the file by its SHA-256 and has no time: equal files have equal documents.
"""

import hashlib
import json
import re
import sys
import uuid
from pathlib import Path

import crates


def licenses(expression):
    if re.fullmatch(r"[\w.-]+", expression):
        return [{"license": {"id": expression}}]
    return [{"expression": expression}]


def library(name, version, license_, purl=None):
    component = {"type": "library", "bom-ref": purl or f"{name}@{version}"}
    component |= {"name": name, "version": version, "scope": "required"}
    if license_:
        component["licenses"] = licenses(license_)
    if purl:
        component["purl"] = purl
    return component


def part_of_std(binary):
    """Crates within Rust's standard library: the places of their panics name them."""
    places = set(re.findall(rb"/rust/deps/([\w-]+?)-(\d+\.\d+\.\d+)/", binary))
    found = sorted((name.decode(), version.decode()) for name, version in places)
    return [library(name, version, None, f"pkg:cargo/{name}@{version}") for name, version in found]


def of_crate(crate):
    purl = f"pkg:cargo/{crate.name}@{crate.version}" if crate.checksum else None
    component = library(crate.name, crate.version, crate.license, purl)
    if crate.checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": crate.checksum}]
    if crate.repository:
        component["externalReferences"] = [{"type": "vcs", "url": crate.repository}]
    return component


def of_system(target):
    """What Rust itself links into the artifact."""
    rust = crates.toolchain()
    found = [library("std", rust, "MIT OR Apache-2.0", f"pkg:generic/rust-std@{rust}")]
    musl = crates.musl(target)
    if musl:
        found.append(library("musl", musl, "MIT", f"pkg:generic/musl@{musl}"))
    return found


def check_npm():
    """The npm package depends on no other one; if it does one day, this document must say so."""
    package = json.loads((crates.ROOT / "edge/package.json").read_text(encoding="utf-8"))
    members = "dependencies", "optionalDependencies", "peerDependencies", "bundleDependencies"
    for member in members:
        if package.get(member):
            raise SystemExit(f"edge/package.json has {member}: .ci/release/sbom.py leaves them out")


def document(artifact, binary, package, target):
    check_npm()
    edges = crates.shipped(package, target)
    root, *others = edges
    others.sort(key=lambda crate: (crate.name, crate.version))
    reference = {crate: of_crate(crate)["bom-ref"] for crate in others}
    components = [of_crate(crate) for crate in others] + of_system(target)
    system = [component["bom-ref"] for component in of_system(target)]
    in_std = part_of_std(binary.read_bytes())
    std = [component["bom-ref"] for component in in_std]
    # The standard library may have a crate of the very version that we have.
    only_std = [one for one in in_std if one["bom-ref"] not in reference.values()]
    components += only_std
    file = {
        "type": "application",
        "bom-ref": artifact.name,
        "name": artifact.name,
        "version": root.version,
        "hashes": [
            {"alg": "SHA-256", "content": hashlib.sha256(artifact.read_bytes()).hexdigest()}
        ],
        "licenses": licenses(root.license),
    }

    def depends(crate):
        return sorted(reference[needed] for needed in edges[crate])

    dependencies = [{"ref": artifact.name, "dependsOn": sorted(depends(root) + system)}]
    dependencies += [{"ref": reference[crate], "dependsOn": depends(crate)} for crate in others]
    dependencies += [{"ref": system[0], "dependsOn": std}]
    dependencies += [{"ref": name} for name in system[1:]]
    dependencies += [{"ref": component["bom-ref"]} for component in only_std]
    contents = {
        "metadata": {
            "lifecycles": [{"phase": "build"}],
            "component": file,
            "properties": [{"name": "cargo:target", "value": target}],
        },
        "components": components,
        "dependencies": dependencies,
    }
    serial = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(contents, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6"}
    return head | {"serialNumber": f"urn:uuid:{serial}", "version": 1} | contents


if __name__ == "__main__":
    _, artifact, binary, package, target = sys.argv
    made = document(Path(artifact), Path(binary), package, target)
    print(json.dumps(made, indent=2, ensure_ascii=False))
