"""Blocks out of the pages of the manual, used as a reader would use them."""

import os
import re
import textwrap

from stage import Surprise, run


class Page:
    def __init__(self, root, name):
        self.name = name
        text = (root / name).read_text(encoding="utf-8")
        found = re.findall(r"^( *)```\w+\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
        self.blocks = [textwrap.dedent(block) for _, block in found]

    def block(self, start):
        """The one block of any language that begins so."""
        found = [block for block in self.blocks if block.startswith(start)]
        if len(found) != 1:
            raise Surprise(f"{self.name}: {len(found)} blocks begin with {start}")
        return found[0]

    def run(self, start, folder, changes=None, **environment):
        """Runs a block in a folder, with what is different here; gives its output."""
        script = self.block(start)
        for old, new in (changes or {}).items():
            if old not in script:
                raise Surprise(f"{self.name}: nothing to replace: {old}")
            script = script.replace(old, new)
        command = ["bash", "-euo", "pipefail", "-c", script]
        variables = {**os.environ, **environment}
        return run(command, cwd=folder, env=variables, seconds=180)
