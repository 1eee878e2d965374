"""newcomer.py DIST WHEELS SCRATCH: what README.md says, done line by line with the files of a
release alone, by somebody without Rust: down to a request that passes and one that is refused.

The blocks of shell are taken from README.md and run in one bash, in a folder that has copies of
DIST and nothing else. Its PATH has the programs that README.md asks for and no others. WHEELS is
where pip finds Envoy without a network. The ports are those of envoy.yaml.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST, WHEELS, SCRATCH = (Path(argument).resolve() for argument in sys.argv[1:])
PROGRAMS = ["bash", "curl", "openssl", "sha256sum"]
PORTS = {"Envoy": 10443, "Envoy's administration": 9901, "the authorization server": 10080}
# Printed between blocks. A human takes longer than Envoy to get there.
MARK = "newcomer-block-ends"
SERVERS = "python3 - <<"


def fail(text):
    sys.exit(f"tests/release/newcomer.py: {text}")


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def blocks(text):
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def path():
    """A folder with the programs of README.md."""
    folder = SCRATCH / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to(shutil.which(name))
    # Not that of a venv, nor the script that a manager of versions has in its place.
    (folder / "python3").symlink_to(sys._base_executable)
    return folder


class Shell:
    """One bash for all blocks, as somebody has one terminal."""

    def __init__(self, folder, programs):
        self.folder = folder
        home = SCRATCH / "home"
        home.mkdir()
        environment = {
            "PATH": str(programs),
            "HOME": str(home),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(WHEELS),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        self.log = (SCRATCH / "newcomer.log").open("w+", encoding="utf-8")
        self.errors = (SCRATCH / "newcomer.errors.log").open("w+", encoding="utf-8")
        self.child = subprocess.Popen(
            [programs / "bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.errors,
            text=True,
            start_new_session=True,
        )

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def all_text(self):
        """With what went wrong."""
        self.errors.seek(0)
        log = self.folder / "envoy.log"
        words = log.read_text(encoding="utf-8")[-2000:] if log.exists() else ""
        return f"{self.text()[-2000:]}\n{self.errors.read()[-2000:]}\n{words}"

    def run(self, block):
        """What a block prints, and how long it took."""
        before, started = len(self.text()), time.monotonic()
        # What curl printed last may not end its line.
        self.child.stdin.write(f"{block}\nprintf '\\n{MARK} %d\\n' $?\n")
        self.child.stdin.flush()
        while True:
            printed = self.text()[before:]
            end = re.search(rf"^{MARK} (\d+)$", printed, re.MULTILINE)
            if end:
                break
            if self.child.poll() is not None or time.monotonic() > started + 300:
                fail(f"this does not end:\n{block}\n{self.all_text()}")
            time.sleep(0.05)
        if end[1] != "0":
            fail(f"this fails:\n{block}\n{self.all_text()}")
        return printed[: end.start()], time.monotonic() - started

    def end(self):
        """As README.md says, by the numbers of the jobs."""
        [(kill, numbers)] = re.findall(r"`(kill ((?:%\d ?)+))`", README)
        self.run(kill)
        deadline = time.monotonic() + 30
        while any(map(listens, PORTS.values())):
            if time.monotonic() > deadline:
                fail(f"{kill} leaves something behind")
            time.sleep(0.1)
        self.child.stdin.close()
        self.child.wait(30)


def wait_for_servers(shell):
    deadline = time.monotonic() + 60
    for name, port in PORTS.items():
        while not listens(port):
            if time.monotonic() > deadline:
                fail(f"{name} does not listen on port {port}:\n{shell.all_text()}")
            time.sleep(0.1)


def answers(printed):
    """Status and body of each answer that curl showed."""
    found = re.split(r"^HTTP/2 (\d+) *$", printed.replace("\r", ""), flags=re.MULTILINE)
    return [
        (int(status), text.partition("\n\n")[2].strip())
        for status, text in zip(found[1::2], found[2::2])
    ]


def walk(shell):
    requests = None
    shown = blocks(README)
    for number, block in enumerate(shown, 1):
        printed, seconds = shell.run(block)
        if SERVERS in block:
            wait_for_servers(shell)
        if "curl" in block:
            requests = printed
        print(f"   ok block {number} of {len(shown)}: {block.splitlines()[0]} ({seconds:.1f} s)")
    if requests is None:
        fail("README.md sends no request")
    return answers(requests)


README = (ROOT / "README.md").read_text(encoding="utf-8")


def main():
    taken = [port for port in PORTS.values() if listens(port)]
    if taken:
        fail(f"ports {taken} are taken: end what listens there")
    folder = SCRATCH / "release"
    shutil.copytree(DIST, folder)
    shell = Shell(folder, path())
    try:
        started = time.monotonic()
        seen = walk(shell)
        expected = [
            (200, "client: by-subject-dn"),
            (401, '{"error":"invalid_client","error_description":"Client authentication failed."}'),
        ]
        if [(status, body.splitlines()[0]) for status, body in seen] != expected:
            fail(f"the answers are {seen}, not {expected}")
        shell.end()
        print(f"   ok accepted and refused, {time.monotonic() - started:.0f} s of commands")
    finally:
        if shell.child.poll() is None:
            os.killpg(shell.child.pid, 9)


main()
