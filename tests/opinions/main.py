"""Asks others about names and certificates, and compares what they say with what the filter says.

main.py names --home HOME --slapd SLAPD [--seed N] [--count N] -- FILTER...
main.py certificates --home HOME [--seed N] -- FILTER...

FILTER is a command that answers as decide.rs does. HOME has the compiled Names.java and the Go
program; SLAPD the files of Debian's slapd. A difference that explained.py does not explain is an
error, and so is an explanation without a difference.
"""

import argparse
import collections
import pathlib
import subprocess
import sys
import tempfile

import certificates
import explained
import names
import slapd

SEED = 1


def fail(why):
    sys.exit(f"opinions: error: {why}")


def answers(command, lines):
    """The answers of a program, line by line."""
    done = subprocess.run(
        command,
        input="".join(line + "\n" for line in lines).encode(),
        stdout=subprocess.PIPE,
        timeout=1800,
        check=False,
    )
    found = done.stdout.decode("utf-8").splitlines()
    if done.returncode != 0 or len(found) != len(lines):
        fail(f"{command[0]} ended with {done.returncode}, {len(found)} answers of {len(lines)}")
    return found


def compare_names(options, ask):
    pairs = list(names.pairs(options.seed, options.count))
    pairs += names.published(certificates.subjects())
    lines = [f"t{one.encode().hex()} t{other.encode().hex()}" for _, one, other in pairs]
    ours = ask(lines)
    java = answers(["java", "-cp", str(options.home), "Names"], lines)
    with tempfile.TemporaryDirectory() as work:
        server = slapd.Slapd(options.slapd, pathlib.Path(work))
        try:
            openldap = [server.compare(one, other) for _, one, other in pairs]
        finally:
            server.stop()
    found = {}
    counts = collections.Counter()
    for (kind, one, other), *verdicts in zip(pairs, ours, java, openldap):
        counts[kind, *verdicts] += 1
        found.setdefault((kind, *verdicts), (one, other))
    agreed = sum(n for (_, *verdicts), n in counts.items() if len(set(verdicts)) == 1)
    print(f"opinions: {len(pairs)} pairs of names of {len({p[0] for p in pairs})} classes,")
    print(f"opinions: of which all three compare {agreed} alike")
    differences = {key: n for key, n in counts.items() if len(set(key[1:])) > 1}
    example = lambda key: f"{found[key][0]!r} and {found[key][1]!r}"
    report(options, differences, explained.NAMES, example)


def report(options, differences, explanations, example):
    """Each difference with its explanation; fails where one is missing, or explains nothing."""
    unexplained = [key for key in differences if key not in explanations]
    for key, n in sorted(differences.items(), key=str):
        print(f"opinions: {n:6} {' '.join(map(str, key))}: {explanations.get(key, '?')}")
    for key in unexplained:
        print(f"opinions: not explained: {key}: {example(key)}", file=sys.stderr)
    # Other seeds need not find what is rare.
    stale = [key for key in explanations if key not in differences] if options.seed == SEED else []
    for key in stale:
        print(f"opinions: explains nothing: {key}", file=sys.stderr)
    if unexplained or stale:
        fail(f"{len(unexplained)} differences without a reason, {len(stale)} reasons too many")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["names", "certificates"])
    parser.add_argument("--home", type=pathlib.Path, required=True)
    parser.add_argument("--slapd", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("filter", nargs="+")
    options = parser.parse_args()
    ask = lambda lines: answers(options.filter, lines)
    if options.what == "names":
        compare_names(options, ask)
        return
    differences, found = certificates.compare(
        options, ask, lambda lines: answers([str(options.home / "certificates")], lines)
    )
    report(options, differences, explained.CERTIFICATES, lambda key: found[key])


if __name__ == "__main__":
    main()
