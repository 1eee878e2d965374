"""oci.py MODULE TITLE VERSION IMAGE: MODULE as an OCI image that Istio's agent and Envoy Gateway pull.

Both take an image of one layer with the file plugin.wasm. IMAGE is an OCI image layout, packed as
a tar. No time and no owner is in it: equal modules give equal images.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# What a registry chooses an image by. The agent asks for it on every machine.
PLATFORM = {"architecture": "amd64", "os": "linux"}


def tar(files):
    """An archive of these files, sorted, without times and owners."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def compressed(content):
    packed = io.BytesIO()
    # The head of what gzip.compress makes differs between versions of Python.
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def encoded(document):
    return json.dumps(document, separators=(",", ":")).encode()


def layout(module, title, version):
    """The files of the layout, by name."""
    blobs = {}

    def blob(media_type, content):
        blobs[f"blobs/sha256/{digest(content).removeprefix('sha256:')}"] = content
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    files = tar({"plugin.wasm": module})
    layer = blob(LAYER, compressed(files))
    rootfs = {"type": "layers", "diff_ids": [digest(files)]}
    config = blob(CONFIG, encoded(PLATFORM | {"config": {}, "rootfs": rootfs}))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [layer],
        "annotations": {
            "org.opencontainers.image.title": title,
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    }
    image = blob(MANIFEST, encoded(manifest))
    image |= {"platform": PLATFORM, "annotations": {"org.opencontainers.image.ref.name": version}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]}
    blobs["index.json"] = encoded(index)
    blobs["oci-layout"] = encoded({"imageLayoutVersion": "1.0.0"})
    return blobs


if __name__ == "__main__":
    _, module, title, version, image = sys.argv
    Path(image).write_bytes(tar(layout(Path(module).read_bytes(), title, version)))
