"""The module as an OCI image, in a registry on loopback."""

import gzip
import hashlib
import io
import json
import tarfile

from stage import listens, run

PORT = 21500
REPOSITORY = f"127.0.0.1:{PORT}/tls-client-auth"


def layer(module):
    """The same bytes for the same module."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("plugin.wasm")
        entry.size = len(module)
        entry.mode = 0o644
        tar.addfile(entry, io.BytesIO(module))
    return archive.getvalue()


def write_layout(directory, module):
    """An OCI image layout with one image, whose one layer holds the module as plugin.wasm."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "size": len(data), "digest": f"sha256:{digest}"}

    def document(media_type, value):
        return put(media_type, json.dumps(value, separators=(",", ":")).encode())

    unpacked = layer(module)
    packed = put("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(unpacked, mtime=0))
    config = document(
        "application/vnd.oci.image.config.v1+json",
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"],
            },
        },
    )
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"schemaVersion": 2, "mediaType": manifest_type, "config": config}
    manifest["layers"] = [packed]
    entry = document(manifest_type, manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": "module"}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return entry["digest"]


class Registry:
    def __init__(self, stage, tools):
        self.stage = stage
        self.tools = tools
        self.home = stage.directory / "registry"
        self.home.mkdir()

    def start(self):
        config = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": str(self.home / "data")}},
            "http": {"addr": f"127.0.0.1:{PORT}"},
        }
        path = self.home / "config.yml"
        path.write_text(json.dumps(config))
        process = self.stage.start(
            "docker-registry", [self.tools / "docker-registry", "serve", path]
        )
        self.stage.wait("the registry of images", lambda: listens(PORT), process, 60)

    def push(self, module, tag):
        """Gives the digest of the image."""
        layout = self.home / "layout"
        digest = write_layout(layout, module.read_bytes())
        command = ["skopeo", "--insecure-policy", "copy", "--dest-tls-verify=false"]
        run([*command, f"oci:{layout}:module", f"docker://{REPOSITORY}:{tag}"])
        return digest
