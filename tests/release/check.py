"""check.py DIST VERSION SCRATCH: the contents of a release, read with the tools of others."""

import gzip
import hashlib
import io
import json
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing

DIST, VERSION, SCRATCH = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
ROOT = Path(__file__).resolve().parents[2]
MODULE = DIST / "tls_client_auth.wasm"
RESPONSES_MODULE = DIST / "tls_client_auth_responses.wasm"
IMAGES = {
    DIST / f"tls-client-auth-{VERSION}-oci.tar": MODULE,
    DIST / f"tls-client-auth-responses-{VERSION}-oci.tar": RESPONSES_MODULE,
}
(PROGRAM,) = DIST.glob("tls-client-auth-*-linux")
DOCUMENTS = {path.name.removesuffix(".cdx.json"): path for path in DIST.glob("*.cdx.json")}
# Crates that only tests and build scripts have.
NEVER_SHIPPED = {"proptest", "rcgen", "ring", "serde_derive", "syn", "tokio", "wasmtime"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def json_of(path):
    return json.loads(path.read_text(encoding="utf-8"))


class Sbom(unittest.TestCase):
    def test_every_artifact_has_one(self):
        archives = {f"tls-client-auth-{VERSION}.tgz", "tls-client-auth-playground.html"}
        modules = {MODULE.name, RESPONSES_MODULE.name}
        self.assertEqual(set(DOCUMENTS), archives | modules | {PROGRAM.name})

    def test_they_are_valid(self):
        licensing = get_spdx_licensing()
        for path in DOCUMENTS.values():
            text = path.read_text(encoding="utf-8")
            self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(text), path)
            # No reference leads nowhere.
            self.assertTrue(Bom.from_json(json.loads(text)).validate())
            for component in json.loads(text)["components"]:
                for licence in component.get("licenses", []):
                    expression = licence.get("expression") or licence["license"]["id"]
                    self.assertEqual(licensing.validate(expression).errors, [], component)

    def test_they_name_their_file(self):
        for name, path in DOCUMENTS.items():
            component = json_of(path)["metadata"]["component"]
            self.assertEqual((component["name"], component["version"]), (name, VERSION))
            expected = {"alg": "SHA-256", "content": sha256((DIST / name).read_bytes())}
            self.assertEqual(component["hashes"], [expected])

    def crates(self, name):
        return {(c["name"], c["version"]) for c in json_of(DOCUMENTS[name])["components"]}

    def test_what_ships_is_there_and_nothing_else(self):
        """The place of a panic names its crate; cargo's own list must have them all."""
        package = f"tls-client-auth-{VERSION}.tgz"
        with tarfile.open(DIST / package) as files:
            binary = files.extractfile("package/tls_client_auth.wasm").read()
        files = (MODULE, RESPONSES_MODULE, PROGRAM)
        binaries = {file.name: file.read_bytes() for file in files} | {package: binary}
        place = re.compile(rb"(?:crates|deps)/([\w-]+?)-(\d+\.\d+\.\d+[\w.+-]*)/src/[\w/]+\.rs")
        for name, binary in binaries.items():
            seen = {tuple(part.decode() for part in found) for found in place.findall(binary)}
            self.assertGreater(len(seen), 5, f"{name} does not name its crates")
            self.assertEqual(seen - self.crates(name), set(), name)
        for name in DOCUMENTS:
            names = {crate for crate, _ in self.crates(name)}
            self.assertEqual(names & NEVER_SHIPPED, set(), name)
            self.assertLessEqual({"std", "x509-parser", "tls-client-auth"}, names, name)
            self.assertEqual("musl" in names, name == PROGRAM.name, name)
            self.assertEqual("saphyr" in names, name == PROGRAM.name, name)
            is_module = name in (MODULE.name, RESPONSES_MODULE.name)
            self.assertEqual("proxy-wasm" in names, is_module, name)

    def test_every_licence_is_in_the_notices(self):
        notices = (DIST / "THIRD_PARTY_NOTICES.txt").read_text(encoding="utf-8")
        for name in DOCUMENTS:
            for component in json_of(DOCUMENTS[name])["components"]:
                if "purl" in component and "licenses" in component:
                    line = f"- {component['name']} {component['version']} "
                    self.assertIn(line.rstrip(), notices)


class Image(unittest.TestCase):
    def test_an_agent_can_pull_each_module(self):
        for image, module in IMAGES.items():
            with self.subTest(image.name):
                self.pull(image, module)

    def pull(self, image, module):
        reference = f"oci-archive:{image}:{VERSION}"
        inspected = json.loads(subprocess.check_output(["skopeo", "inspect", reference]))
        self.assertEqual((inspected["Os"], inspected["Architecture"]), ("linux", "amd64"))
        folder = SCRATCH / image.name
        copy = ["skopeo", "copy", "--quiet", "--insecure-policy", reference, f"dir:{folder}"]
        subprocess.run(copy, check=True)
        manifest = json_of(folder / "manifest.json")
        self.assertEqual(
            (manifest["mediaType"], manifest["config"]["mediaType"]),
            (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
            ),
        )
        (layer,) = manifest["layers"]
        self.assertEqual(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip")
        packed = (folder / layer["digest"].removeprefix("sha256:")).read_bytes()
        archive = gzip.decompress(packed)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            self.assertEqual(files.getnames(), ["plugin.wasm"])
            self.assertEqual(files.extractfile("plugin.wasm").read(), module.read_bytes())
        config = json_of(folder / manifest["config"]["digest"].removeprefix("sha256:"))
        self.assertEqual(config["rootfs"]["diff_ids"], [f"sha256:{sha256(archive)}"])


class Program(unittest.TestCase):
    def test_it_is_static(self):
        """Neither a loader (PT_INTERP) nor a library (DT_NEEDED)."""
        elf = PROGRAM.read_bytes()
        self.assertEqual(elf[:6], b"\x7fELF\x02\x01", "64 bits, little-endian")
        (offset,) = struct.unpack_from("<Q", elf, 32)
        size, count = struct.unpack_from("<HH", elf, 54)
        self.assertGreater(count, 0)
        for number in range(count):
            header = struct.unpack_from("<IIQQQQ", elf, offset + number * size)
            kind, _, start, _, _, length = header
            self.assertNotEqual(kind, 3, "PT_INTERP")
            if kind == 2:
                tags = [tag for tag, _ in struct.iter_unpack("<qQ", elf[start : start + length])]
                self.assertNotIn(1, tags, "DT_NEEDED")


class Loads(HTMLParser):
    """What a page loads, and the text of its scripts and styles."""

    def __init__(self):
        super().__init__()
        self.addresses, self.code, self.is_code = [], "", False

    def handle_starttag(self, tag, attrs):
        self.is_code = tag in ("script", "style")
        if tag != "a":
            self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        if self.is_code:
            self.code += data


class Page(unittest.TestCase):
    def test_it_is_one_file(self):
        page = Loads()
        page.feed((DIST / "tls-client-auth-playground.html").read_text(encoding="utf-8"))
        for address in page.addresses:
            self.assertTrue(address.startswith("data:"), address)
        self.assertGreater(len(page.code), 500_000, "the decision is in it")
        foreign = re.findall(r"^\s*import\b.*|@import.*|\burl\((?!['\"]?data:).*", page.code, re.M)
        self.assertEqual(foreign, [])


class Contents(unittest.TestCase):
    def test_no_file_names_a_folder_of_the_machine(self):
        folders = {str(Path.home()), str(ROOT)} - {"/"}
        for file in DIST.iterdir():
            contents = {file.name: file.read_bytes()}
            # What is compressed does not show it.
            if file.suffix == ".tgz":
                with tarfile.open(file) as archive:
                    for member in filter(tarfile.TarInfo.isfile, archive):
                        contents[member.name] = archive.extractfile(member).read()
                self.assertGreater(len(contents), 1, file)
            for name, content in contents.items():
                for folder in folders:
                    self.assertNotIn(f"{folder}/".encode(), content, f"{file}: {name}")

    def test_schema_and_licence_are_those_of_the_sources(self):
        schema = "configuration.schema.json"
        self.assertEqual((DIST / schema).read_bytes(), (ROOT / "envoy" / schema).read_bytes())
        self.assertEqual((DIST / "LICENSE").read_bytes(), (ROOT / "LICENSE").read_bytes())


class Notes(unittest.TestCase):
    CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- c\n\n## [1.1.0] - 2026-01-01\n\n- b\n\n### x\n"

    def notes(self, *arguments, changelog=CHANGELOG):
        with tempfile.NamedTemporaryFile("w", suffix=".md", encoding="utf-8") as file:
            file.write(changelog)
            file.flush()
            flags = [argument for argument in arguments if argument.startswith("--")]
            others = [argument for argument in arguments if not argument.startswith("--")]
            script = ROOT / ".ci/release/notes.py"
            command = [sys.executable, "-B", script, *flags, file.name, *others]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout if done.returncode == 0 else done.stderr

    def test_the_section_of_the_version(self):
        code, text = self.notes("1.1.0")
        self.assertEqual((code, text), (0, "# tls-client-auth 1.1.0\n\n- b\n\n### x\n"))

    def test_or_what_is_not_yet_released(self):
        self.assertEqual(self.notes("1.2.0"), (0, "# tls-client-auth 1.2.0\n\n- c\n"))

    def test_which_no_release_may_be(self):
        code, error = self.notes("--released", "1.2.0")
        self.assertEqual(code, 1)
        self.assertIn("[1.2.0]", error)
        self.assertEqual(self.notes("--released", "1.1.0")[0], 0)

    def test_an_empty_section_is_none(self):
        code, _ = self.notes("1.2.0", changelog="## [Unreleased]\n\n## [1.1.0]\n\n- b\n")
        self.assertEqual(code, 1)

    def test_those_of_this_release_name_each_file(self):
        text = (DIST / "RELEASE_NOTES.md").read_text(encoding="utf-8")
        self.assertTrue(text.startswith(f"# tls-client-auth {VERSION}\n\n### "), text[:100])
        for file in DIST.iterdir():
            if file.name not in ("RELEASE_NOTES.md", "SHA256SUMS"):
                self.assertIn(f"- `{file.name}`: `{sha256(file.read_bytes())}`\n", text)
        for image in IMAGES:
            digest = subprocess.check_output(
                ["skopeo", "inspect", "--format", "{{.Digest}}", f"oci-archive:{image}:{VERSION}"]
            )
            self.assertIn(f"    - the image in it: `{digest.decode().strip()}`\n", text)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
