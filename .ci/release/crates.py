"""The crates that are compiled into one artifact, as cargo resolves them for its target."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A line of `cargo tree --prefix depth --format {p}`.
LINE = re.compile(r"(\d+)(\S+) v(\S+)(?: \(\S+\))?(?: \(\*\))?")


@dataclass(frozen=True)
class Crate:
    name: str
    version: str
    # An SPDX expression.
    license: str
    repository: str
    authors: tuple
    # Where its sources are on this machine.
    directory: Path
    # SHA-256 of what the registry delivers; none for a crate of this repository.
    checksum: str


def cargo(*arguments):
    """What cargo prints. --locked: never anything else than Cargo.lock says."""
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def checksums():
    """Of Cargo.lock, by name and version."""
    lock = (ROOT / "Cargo.lock").read_text(encoding="utf-8")
    found = {}
    for package in lock.split("[[package]]")[1:]:
        fields = dict(re.findall(r'^(name|version|checksum) = "(.*)"$', package, re.MULTILINE))
        found[fields["name"], fields["version"]] = fields.get("checksum")
    return found


def spdx(expression):
    """Cargo once allowed a slash for OR."""
    return re.sub(r"\s*/\s*", " OR ", expression)


def known_crates():
    """Every crate of the workspace, by name and version."""
    checksum = checksums()
    metadata = json.loads(cargo("metadata", "--format-version", "1"))
    crates = {}
    for package in metadata["packages"]:
        key = package["name"], package["version"]
        if key in crates:
            raise SystemExit(f"Cargo.lock has {key[0]} {key[1]} twice")
        if not package["license"]:
            raise SystemExit(f"{key[0]} {key[1]} names no licence")
        crates[key] = Crate(
            name=package["name"],
            version=package["version"],
            license=spdx(package["license"]),
            repository=package["repository"] or "",
            authors=tuple(package["authors"]),
            directory=Path(package["manifest_path"]).parent,
            checksum=checksum[key] or "",
        )
    return crates


def shipped(package, target):
    """The crates in an artifact of `package`, each with those that it depends on; `package` first.

    Procedural macros, build scripts and tests run on the machine that builds: they are left out.
    """
    crates = known_crates()
    # cargo tree resolves the features of this package alone; cargo metadata those of the workspace.
    tree = cargo(
        "tree", "--package", package, "--target", target, "--edges", "normal,no-proc-macro",
        "--prefix", "depth", "--format", "{p}",
    )
    edges, path = {}, []
    for line in tree.splitlines():
        match = LINE.fullmatch(line)
        if not match:
            raise SystemExit(f"cargo tree printed what is not a crate: {line}")
        depth, crate = int(match[1]), crates[match[2], match[3]]
        edges.setdefault(crate, [])
        del path[depth:]
        if path and crate not in edges[path[-1]]:
            edges[path[-1]].append(crate)
        path.append(crate)
    return edges


def toolchain():
    """The version of Rust, whose standard library is in every artifact."""
    version = subprocess.run(
        ["rustc", "--version"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return version.split()[1]


def musl(target):
    """The version of the C library that Rust links into a program for `target`; or none."""
    if "musl" not in target:
        return None
    sysroot = subprocess.run(
        ["rustc", "--print", "sysroot"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    library = Path(sysroot, "lib/rustlib", target, "lib/self-contained/libc.a").read_bytes()
    versions = re.findall(rb"\0(1\.\d+\.\d+)\0", library)
    if len(set(versions)) != 1:
        raise SystemExit(f"the C library for {target} does not say its version: {versions}")
    return versions[0].decode()
