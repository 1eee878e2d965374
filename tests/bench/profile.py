"""profile.py wrap WAT WRAPPED FUNCTIONS: makes every function report its beginning and its end.
profile.py show FUNCTIONS EVENTS: instructions by function, from what the test host noted."""

import collections
import re
import sys

ROWS = 60


def wrap(wat, wrapped, functions):
    names, wrappers = [], []
    with open(wat, encoding="utf-8") as lines, open(wrapped, "w", encoding="utf-8") as out:
        is_imported = False
        for line in lines:
            found = re.match(r' \(func (\$\S+?)((?: \((?:param|result) [^)]*\))*)\s*\)?$', line)
            if found:
                name, signature = found.groups()
                number = len(names)
                names.append(name)
                parameters = re.findall(r"\(param (\$\S+) \S+?\)", signature)
                values = " ".join(f"(local.get {parameter})" for parameter in parameters)
                inner = f'$"inner of {number}"'
                line = line.replace(name, inner, 1)
                wrappers.append(
                    f" (func {name}{signature} (call $log_execution (i32.const {2 * number}))"
                    f" (call {inner} {values}) (call $log_execution (i32.const {2 * number + 1})))\n"
                )
            if not is_imported and line.startswith(" (import"):
                out.write(' (import "env" "log_execution" (func $log_execution (param i32)))\n')
                is_imported = True
            out.write("".join(wrappers) + line if line == ")\n" else line)
    with open(functions, "w", encoding="utf-8") as out:
        out.write("\n".join(names))


def readable(name):
    """The identifiers in a mangled name, which say enough."""
    parts = []
    rest = name
    while found := re.search(r"(?:s[0-9A-Za-z]*_)?(\d+)_?", rest):
        length, rest = int(found.group(1)), rest[found.end():]
        if 2 < length <= len(rest):
            parts.append(rest[:length])
            rest = rest[length:]
    return "::".join(part for part in parts if re.fullmatch(r"\w+", part)) + " " + name[:50]


def show(functions, events):
    names = open(functions, encoding="utf-8").read().split("\n")
    cost, calls, stack, before = collections.Counter(), collections.Counter(), [], None
    for line in open(events, encoding="utf-8"):
        kind, number, fuel = line.split()
        number, fuel = int(number), int(fuel)
        if kind == "callback":
            stack, before = [], fuel
            continue
        name = names[number // 2]
        if stack:
            cost[stack[-1]] += before - fuel
        before = fuel
        if number % 2:
            stack.pop()
        else:
            stack.append(name)
            calls[name] += 1
    print(f"{sum(cost.values()):7d}")
    for name, spent in cost.most_common(ROWS):
        print(f"{spent:7d} {calls[name]:5d}  {readable(name)[:120]}")


{"wrap": wrap, "show": show}[sys.argv[1]](*sys.argv[2:])
