"""Sends bodies through the filter and through real form parsers.

In a body that the filter passes, no parser may read another client_id, or a credential that the
filter did not see.

main.py --home HOME [--seed N] [--count N] -- FILTER...
FILTER is a command that answers as decide.rs does. HOME contains the installed parsers: the Node
packages, a venv and the Go program.
"""

import argparse
import base64
import collections
import json
import pathlib
import re
import subprocess
import sys
import threading
import urllib.request

import bodies

HERE = pathlib.Path(__file__).resolve().parent
# Fewer bodies, or fewer that all parsers read alike, would make the comparison meaningless.
LEAST_BODIES = 3000
LEAST_READ_ALIKE = 500
# Refused bodies that are sent too, to show what the parsers would read in them.
REFUSED = 2000
LARGEST = 65536
MANY = 100
LINES = 40
SECRETS = ("client_secret", "client_assertion", "client_assertion_type")


def fail(why):
    sys.exit(f"parsers: error: {why}")


def line_of(item):
    encode = lambda octets: base64.b64encode(octets).decode()
    return json.dumps(
        {
            "body": encode(item["body"]),
            "headers": [[name, encode(value)] for name, value in item["headers"]],
        }
    )


def answers(command, items, errors):
    """The answers of a program to the bodies, line by line."""
    lines = "".join(line_of(item) + "\n" for item in items)
    done = subprocess.run(
        command,
        input=lines.encode(),
        stdout=subprocess.PIPE,
        stderr=errors,
        timeout=900,
        check=False,
    )
    if done.returncode != 0:
        fail(f"{command[0]} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def php(items):
    """PHP's own server, with a request for each body: only a server fills $_POST."""
    settings = ["display_errors=0", "log_errors=0", "html_errors=0", "variables_order=EGPCS"]
    command = [
        "php",
        "-n",
        *(word for setting in settings for word in ("-d", setting)),
        "-S",
        "127.0.0.1:0",
        str(HERE / "parsers.php"),
    ]
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # The server logs every request, so its output must be read continuously.
        started = next((line for line in server.stderr if "started" in line), "")
        port = re.search(r"127\.0\.0\.1:(\d+)", started)
        if not port:
            fail("PHP's server does not start")
        threading.Thread(target=lambda: collections.deque(server.stderr, 0), daemon=True).start()
        url = f"http://127.0.0.1:{port[1]}/token"
        without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def ask(item):
            headers = (
                {name: value.decode("latin-1") for name, value in item["headers"]} if item else {}
            )
            request = urllib.request.Request(
                url, item and item["body"], headers, method="POST" if item else "GET"
            )
            with without_proxy.open(request, timeout=60) as answer:
                return json.load(answer)

        return [ask(None)] + [ask(item) for item in items]
    finally:
        server.terminate()
        server.wait(timeout=30)


def all_readings(home, items):
    """The version and the readings of each parser; each family runs in a thread."""
    with open(home / "parsers.log", "wb") as errors:
        families = {
            "Python": lambda: answers(
                [str(home / "venv/bin/python"), str(HERE / "parsers.py")], items, errors
            ),
            "Node": lambda: answers(["node", str(home / "npm/parsers.mjs")], items, errors),
            "PHP": lambda: php(items),
            "Ruby": lambda: answers(["ruby", "-W0", str(HERE / "parsers.rb")], items, errors),
            "Go": lambda: answers([str(home / "go/parsers")], items, errors),
        }
        found = {}

        def run(family, read):
            try:
                found[family] = read()
            except SystemExit as error:
                found[family] = error
            except Exception as error:  # noqa: BLE001: the main thread fails below
                found[family] = error

        threads = [threading.Thread(target=run, args=pair) for pair in families.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    parsers = {}
    for family in families:
        lines = found[family]
        if isinstance(lines, BaseException):
            fail(f"{family}: {lines} (see {home / 'parsers.log'})")
        versions, read = lines[0], lines[1:]
        if len(read) != len(items):
            fail(
                f"{family} answers {len(read)} of {len(items)} bodies (see {home / 'parsers.log'})"
            )
        for parser, version in versions.items():
            parsers[parser] = (version, [one[parser] for one in read])
    return parsers


def as_utf_8_if_latin_1(text):
    """Starlette decodes unescaped octets as Latin-1; this decodes them as UTF-8.

    The octets are the same, and a client_id is ASCII (RFC 6749, appendix A.1).
    """

    def as_utf_8(run):
        try:
            return run[0].encode("latin-1").decode()
        except UnicodeDecodeError:
            return run[0]

    return re.sub("[\x80-\xff]+", as_utf_8, text)


def disagreements_of(item, decided, read):
    """What a parser reads and the filter did not see."""
    if "error" in read:
        return
    # A parser that does not know the content type drops the whole body; that is no disagreement.
    if (
        decided["client_id"]
        and "client_id" in decided["saw"]
        and "client_id" not in read
        and item["body"].count(b"&") >= MANY
    ):
        yield "silently drops client_id after many parameters"
    seen_id = decided["client_id"] or ""
    for value in set(read.get("client_id", [])):
        # RFC 6749 section 3.2: a parameter without a value is treated as absent.
        if value not in ("", seen_id) and as_utf_8_if_latin_1(value) != as_utf_8_if_latin_1(
            seen_id
        ):
            yield f"reads client_id {value!r}, the filter {decided['client_id']!r}"
    if any(read.get("client_id", [])) and "client_id" not in decided["saw"]:
        yield "reads a client_id where the filter saw no parameter of that name"
    for name in SECRETS:
        if name in read and name not in decided["saw"]:
            yield f"reads {name}, which the filter did not see"
        if (
            name in read
            and name != "client_assertion_type"
            and decided["certificate"] == "authenticated"
        ):
            yield f"reads {name} in a request that is authenticated by certificate"


def shown(item):
    body = item["body"]
    text = repr(body if len(body) <= 300 else body[:140] + b" ... " + body[-140:])[2:-1]
    other = [
        value for name, value in item["headers"] if (name, value) != ("content-type", bodies.FORM)
    ]
    return text + (f"   ({', '.join(map(repr, other))})" if other else "")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("filter", nargs="+", help="the command that decides")
    arguments.add_argument("--home", type=pathlib.Path, required=True, help="where the parsers are")
    arguments.add_argument("--seed", type=int, default=20261128)
    arguments.add_argument("--count", type=int, default=6000, help="number of composed bodies")
    given = arguments.parse_args()

    tables = [
        bodies.read_table(HERE.parent / "cases" / name)
        for name in ("form.json", "authorization.json", "parsers.json")
    ]
    items = [
        item
        for item in bodies.generate(given.seed, given.count, tables)
        if len(item["body"]) <= LARGEST
    ]
    decided = answers(given.filter, items, None)
    if len(decided) != len(items):
        fail(f"the filter answers {len(decided)} of {len(items)} bodies")
    passed = [place for place, one in enumerate(decided) if one["code"].startswith("passed_")]
    refused = [place for place, one in enumerate(decided) if not one["code"].startswith("passed_")]
    refused = refused[:: max(1, len(refused) // REFUSED)]
    places = passed + refused
    codes = collections.Counter(one["code"] for one in decided)
    print(
        f"parsers: {len(items)} bodies of seed {given.seed}:",
        ", ".join(f"{count} {code}" for code, count in codes.most_common()),
    )

    parsers = all_readings(given.home, [items[place] for place in places])
    wrong = collections.defaultdict(dict)
    rows = []
    alike = [True] * len(passed)
    for parser, (version, readings) in parsers.items():
        disagreements = averted = read_alike = 0
        for number, (place, read) in enumerate(zip(places, readings)):
            if number < len(passed):
                found = list(disagreements_of(items[place], decided[place], read))
                disagreements += bool(found)
                if found:
                    wrong[place][parser] = found
                same = (
                    decided[place]["client_id"]
                    and read.get("client_id")
                    and set(read["client_id"]) == {decided[place]["client_id"]}
                )
                read_alike += bool(same)
                alike[number] &= bool(same)
            else:
                averted += bool(read and "error" not in read and any(read.values()))
        rows.append((parser, version, len(passed), read_alike, averted, disagreements))

    head = ("parser", "version", "passed", "same client", "averted", "disagree")
    print("{:32} {:10} {:>7} {:>12} {:>8} {:>9}".format(*head))
    for parser, version, *figures in rows:
        print(
            f"{parser:32} {version:10} {figures[0]:7} {figures[1]:12} {figures[2]:8} {figures[3]:9}"
        )
    certain = sum(one["certificate"] == "authenticated" for one in decided)
    print(
        f"parsers: {len(passed)} passed; in {sum(alike)} of them the filter and all {len(parsers)}"
        f" parsers read the same client_id; {certain} authenticated by certificate"
    )
    print(
        f"parsers: averted: of {len(refused)} refused bodies, those in which a parser reads a"
        " credential"
    )
    if wrong:
        # The shortest body for each group of parsers that disagree.
        groups = collections.defaultdict(list)
        for place, readers in wrong.items():
            groups[frozenset(readers)].append(place)
        for readers, found in sorted(groups.items(), key=lambda group: -len(group[1]))[:LINES]:
            place = min(found, key=lambda place: len(items[place]["body"]))
            reasons = sorted({why for reasons in wrong[place].values() for why in reasons})
            print(f"  {len(found)} bodies such as {shown(items[place])}")
            print(
                f"    {decided[place]['code']}; {', '.join(sorted(readers))}: {'; '.join(reasons)}"
            )
        fail(f"{len(wrong)} of {len(passed)} passed bodies are read differently")
    if len(items) < LEAST_BODIES:
        fail(f"{len(items)} bodies, fewer than {LEAST_BODIES}")
    if sum(alike) < LEAST_READ_ALIKE:
        fail(f"{sum(alike)} bodies are read alike by all, fewer than {LEAST_READ_ALIKE}")


if __name__ == "__main__":
    main()
