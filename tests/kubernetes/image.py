"""The module as the OCI image of a release, in a registry on loopback."""

import json
import sys

from page import Page
from stage import Surprise, listens, run

PORT = 21500
REPOSITORY = f"127.0.0.1:{PORT}/tls-client-auth"


class Registry:
    def __init__(self, stage, tools, root):
        self.stage = stage
        self.tools = tools
        self.root = root
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

    def push(self, module, version):
        """As docs/upgrading.md says. Gives the digest of the image."""
        archive = self.home / f"tls-client-auth-{version}-oci.tar"
        script = self.root / ".ci/release/oci.py"
        run([sys.executable, "-B", script, module, "tls-client-auth", version, archive])
        here = {
            "skopeo copy": "skopeo --insecure-policy copy --dest-tls-verify=false "
            "--digestfile=digest",
            "registry.example.com/tls-client-auth": REPOSITORY,
        }
        Page(self.root, "docs/upgrading.md").run("skopeo copy", self.home, here)
        digest = (self.home / "digest").read_text().strip()
        # What the notes of a release name.
        index = json.loads(run(["tar", "--extract", "--to-stdout", "-f", archive, "index.json"]))
        if digest != index["manifests"][0]["digest"]:
            raise Surprise(f"the registry has {digest}, the archive {index}")
        return digest
