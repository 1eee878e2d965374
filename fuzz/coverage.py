"""Prints a table of the lines that were reached, by module of src/, from what llvm-cov exports."""

import collections
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "src"

lines = collections.defaultdict(lambda: [0, 0])
for file in json.load(open(sys.argv[1], encoding="utf-8"))["data"][0]["files"]:
    path = pathlib.Path(file["filename"])
    if ROOT not in path.parents or "tests" in path.with_suffix("").parts:
        continue
    module = path.relative_to(ROOT).parts[0].removesuffix(".rs")
    counts = file["summary"]["lines"]
    lines[module][0] += counts["covered"]
    lines[module][1] += counts["count"]
if not lines:
    sys.exit(f"no file of {ROOT} was compiled with counters")

print("| module | lines | reached |")
print("|---|---|---|")
for module, (covered, count) in sorted(lines.items()):
    print(f"| `{module}` | {count:,} | {100 * covered // count} % |")
covered, count = (sum(column) for column in zip(*lines.values()))
print(f"| all | {count:,} | {100 * covered // count} % |")
