"""What every scenario stands on: a directory, free ports, processes that end with it, and waiting
with a limit."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Surprise(Exception):
    """What must not happen, with what to look at."""


def say(text):
    print(text, flush=True)


class Process:
    """A program with a log, and with all that it starts, in a process group of its own."""

    def __init__(self, name, command, log, **options):
        self.name = name
        self.log = log
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )

    def runs(self):
        return self.child.poll() is None

    def end(self):
        """At once: what drains connections would hold its ports, and nothing here is kept."""
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


class Stage:
    """`with Stage(directory) as stage:` ends what was started, however the block is left."""

    def __init__(self, directory):
        self.directory = Path(directory).resolve()
        self.processes = []
        self.placed = []

    def __enter__(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.end()
        for link in self.placed:
            link.unlink()

    def place(self, path):
        """A directory of the run under a path that a program has fixed, by a link. A link that a
        run before left there is replaced; anything else is not touched."""
        link = Path(path)
        target = self.directory / "fixed" / link.name
        target.mkdir(parents=True)
        if link.is_symlink() and link.readlink().parent == target.parent:
            link.unlink()
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        except OSError as error:
            raise Surprise(
                f"{link}: {error.strerror}. A control plane has this path fixed: run the tests as "
                "root in a container, or move what is there"
            ) from error
        self.placed.append(link)
        return target

    def start(self, name, command, **options):
        log = self.directory / f"{name}.log"
        process = Process(name, command, log, **options)
        self.processes.append(process)
        return process

    def end(self, process):
        process.end()
        self.processes.remove(process)

    def wait(self, what, check, process=None, seconds=120):
        """Until `check` gives something true, which is returned. Where `process` ends before, or
        the time is over, the message names its log."""
        deadline = time.monotonic() + seconds
        while True:
            result = check()
            if result:
                return result
            ended = process is not None and not process.runs()
            if ended or time.monotonic() > deadline:
                why = f"{process.name} has ended" if ended else f"not within {seconds} s"
                raise Surprise(f"{what}: {why}{last_words(process)}")
            time.sleep(0.1)


def last_words(process):
    if process is None:
        return ""
    lines = process.text().splitlines()[-15:]
    quoted = [f"   | {line[:400]}" for line in lines]
    return "\n".join(["", *quoted, f"   all of it: {process.log}"])


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def must_be_free(ports):
    taken = [port for port in ports if listens(port)]
    if taken:
        raise Surprise(f"ports {taken} are taken: end what listens there and run this again")


def run(command, stdin=None, check=True, seconds=60, **options):
    """The output of a command that ends by itself."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=seconds, **options
        )
    except subprocess.TimeoutExpired as error:
        raise Surprise(f"{' '.join(command)}: not within {seconds} s") from error
    if check and done.returncode:
        raise Surprise(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout if check else done
