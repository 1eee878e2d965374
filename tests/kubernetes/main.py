"""main.py --home DIRECTORY --envoy FILE --module FILE [PART...]: the shipped manifests under the
control planes that users have, with real requests. One surprise fails the whole.

DIRECTORY has what tests/tools/fetch.sh builds: bin/ with the programs, istio/ and envoy-gateway/
with files of their sources. `./build.sh test kubernetes` calls it. README.md explains the parts.
"""

import argparse
import sys
import time
from pathlib import Path

import cluster
import envoy_gateway
import image
import istio
import on_envoy_gateway
import on_istio
import on_kubernetes
import traffic
from stage import Stage, Surprise, must_be_free, say

ROOT = Path(__file__).resolve().parents[2]
PORTS = [
    *(cluster.ETCD, cluster.ETCD_PEER, cluster.API, image.PORT, traffic.BACKEND),
    *(istio.PORTS + envoy_gateway.PORTS + on_kubernetes.PORTS),
]
ISTIO = {"istio", "gateway-api", "sidecar", "waypoint"}
PARTS = ["istio", "gateway-api", "sidecar", "waypoint", "envoy-gateway", "deployment"]


class World:
    """What all parts share."""

    def __init__(self, stage, arguments):
        tools = (arguments.home / "bin").resolve()
        self.stage = stage
        self.root = ROOT
        self.envoy = arguments.envoy.resolve()
        self.module = arguments.module.resolve()
        self.certificates = traffic.Certificates(stage, ROOT)
        self.backend = traffic.Backend(stage, ROOT)
        self.cluster = cluster.Cluster(stage, tools)
        self.registry = image.Registry(stage, tools, ROOT)
        home = arguments.home.resolve()
        self.istio = istio.Istio(
            stage, tools, self.cluster, ROOT, home / "istio", self.envoy
        )
        self.envoy_gateway = envoy_gateway.EnvoyGateway(
            stage, tools, self.cluster, ROOT, home / "envoy-gateway", self.envoy
        )
        self.digest = None

    def start(self):
        self.registry.start()
        self.digest = self.registry.push(self.module, "0.2.0")
        self.cluster.start()
        self.cluster.create_definitions(self.envoy_gateway.sources / "gatewayapi-crds.yaml")


def play(world, parts):
    if ISTIO & set(parts):
        on_istio.play(world, parts)
    if "envoy-gateway" in parts:
        on_envoy_gateway.play(world)
    if "deployment" in parts:
        on_kubernetes.play(world)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--envoy", type=Path, required=True)
    parser.add_argument("--module", type=Path, required=True)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return arguments


def main():
    arguments = parse()
    started = time.monotonic()
    parts = arguments.parts or PARTS
    try:
        must_be_free(PORTS)
        with Stage(arguments.home / "run") as stage:
            world = World(stage, arguments)
            world.start()
            say(f"the API server runs ({time.monotonic() - started:.0f} s)")
            play(world, parts)
    except Surprise as surprise:
        sys.exit(f"FAILED: {surprise}\n   logs: {arguments.home / 'run'}")
    say(f"passed: {', '.join(parts)} ({time.monotonic() - started:.0f} s)")


main()
