"""notices.py PACKAGE:TARGET...: the licences of what is in the artifacts of these crates."""

import re
import sys

import crates

NAMES = re.compile(r"(un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)
WIDTH = 80
MUSL = """\
Copyright © 2005-2020 Rich Felker, et al.

Permission is hereby granted, free of charge, to any person obtaining
a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including
without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to
permit persons to whom the Software is furnished to do so, subject to
the following conditions:

The above copyright notice and this permission notice shall be
included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND,
EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT.
IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT,
TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def texts(crate):
    """The files in which a crate says its licence, by name."""
    files = [
        file for file in crate.directory.iterdir() if file.is_file() and NAMES.match(file.name)
    ]
    for file in sorted(files, key=lambda file: file.name):
        text = file.read_text(encoding="utf-8", errors="replace")
        yield "\n".join(line.rstrip() for line in text.strip().splitlines())


def main(artifacts):
    found, users, versions = set(), {}, set()
    for package, target in artifacts:
        found.update(crate for crate in crates.shipped(package, target) if crate.checksum)
        versions.add(crates.musl(target))
    found = sorted(found, key=lambda crate: (crate.name, crate.version))
    print("The files of this release contain the following software. Each licence is an SPDX")
    print("expression; the texts follow, each with the software that comes with it.\n")
    rust = f"std {crates.toolchain()}"
    print(f"- {rust} (the Rust standard library, with the crates in it): MIT OR Apache-2.0,")
    print("  The Rust Project Contributors")
    for version in sorted(versions - {None}):
        print(f"- musl {version} (the C library of the command line): MIT")
        users.setdefault(MUSL, []).append(f"musl {version}")
    for crate in found:
        name = f"{crate.name} {crate.version}"
        authors = f", {', '.join(crate.authors)}" if crate.authors else ""
        print(f"- {name}: {crate.license}{authors}")
        for text in texts(crate):
            users.setdefault(text, []).append(name)
    for text, names in users.items():
        print(f"\n{'=' * WIDTH}\n{', '.join(dict.fromkeys(names))}\n{'-' * WIDTH}\n\n{text}")


if __name__ == "__main__":
    main([argument.split(":") for argument in sys.argv[1:]])
